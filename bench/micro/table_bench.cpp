// The flow table by itself: bulk look-ups as the tracker stages them, steady churn, floods, and a million
// flows that fall due together.
#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>

#include "table_subject.hpp"

namespace sluice::bench::table_bench {
namespace {

/// Stops a benchmark whose table is not what it should be.
void require(bool holds, const char* otherwise) {
    if (!holds) throw std::runtime_error(otherwise);
}

// ---- Finding

template <class KeyT>
[[gnu::noinline]] void find_burst(flow::Table<KeyT, Payload>& table, const KeyT* keys, Ref* found) {
    std::array<std::uint64_t, burst> hashes;
    std::array<std::uint32_t, burst> buckets;
    for (unsigned i = 0; i < burst; ++i) {
        hashes[i] = table.hash_of(keys[i]);
        buckets[i] = table.bucket_of(hashes[i]);
        table.prefetch_bucket(buckets[i]);
    }
    for (unsigned i = 0; i < burst; ++i) {
        found[i] = table.candidate(hashes[i], buckets[i]);
        table.prefetch_record(found[i]);
    }
    for (unsigned i = 0; i < burst; ++i) found[i] = table.find(keys[i], hashes[i], found[i], 0);
}

/// A full table. Records lie in random order, so that neighbours by key are not neighbours in memory.
template <class KeyT>
struct Full {
    explicit Full(std::uint32_t flows) : table(flows, 1000), ref_of(flows), picks(flows) {
        std::iota(ref_of.begin(), ref_of.end(), 0U);
        Random random(6);
        for (std::uint32_t i = flows; i > 1; --i) std::swap(ref_of[i - 1], ref_of[random.below(i)]);
        std::vector<std::uint32_t> number_of(flows);
        for (std::uint32_t i = 0; i < flows; ++i) number_of[ref_of[i]] = i;
        for (const std::uint32_t number : number_of) {
            const KeyT key = key_of<KeyT>(number);
            (void)table->insert(key, table->hash_of(key), false, Payload{.lifetime = established}, 1U << 30,
                                0, table.count());
        }
        std::array<Ref, burst> found{};
        for (std::size_t at = 0; at < picks.size(); at += burst) {
            find_burst<KeyT>(table.table(), picks.keys(at), found.data());
            for (unsigned i = 0; i < burst; ++i)
                require(found[i] == ref_of[picks.numbers(at)[i]], "a flow was not found, or another was");
        }
    }
    Subject<KeyT> table;
    std::vector<Ref> ref_of;  ///< by number
    Picks<KeyT> picks;
};

template <class KeyT>
void find(benchmark::State& state) {
    guarded(state, [&] {
        const auto flows = static_cast<std::uint32_t>(state.range(0));
        auto& full = Kept::get("Table/Find/" + std::to_string(sizeof(KeyT)) + '/' + std::to_string(flows),
                               [&] { return std::make_unique<Full<KeyT>>(flows); });
        std::array<Ref, burst> found{};
        measure(state, burst, [&] {
            find_burst<KeyT>(full.table.table(), full.picks.keys(full.picks.next()), found.data());
            benchmark::DoNotOptimize(found);
        });
        full.table.report(state);
    });
}
BENCHMARK(find<flow::Key4>)->Name("Table/Find")->Apply(all_working_sets);
BENCHMARK(find<flow::Key6>)->Name("Table/Find/ip6")->Apply(all_working_sets);

/// Keys that are not there, in a full table: what the first packet of a flow pays.
void find_absent(benchmark::State& state) {
    guarded(state, [&] {
        const auto flows = static_cast<std::uint32_t>(state.range(0));
        auto& full = Kept::get("Table/Find/absent/" + std::to_string(flows),
                               [&] { return std::make_unique<Full<flow::Key4>>(flows); });
        std::vector<flow::Key4> keys(1U << 18);
        Random random(8);
        for (auto& key : keys) key = key_of<flow::Key4>(flows + random.below(1U << 28));
        std::size_t at = 0;
        std::array<Ref, burst> found{};
        const auto next_burst = [&] {
            find_burst<flow::Key4>(full.table.table(), &keys[at], found.data());
            at = (at + burst) % keys.size();
        };
        for (std::size_t i = 0; i < keys.size(); i += burst) {
            next_burst();
            require(std::all_of(found.begin(), found.end(), [](Ref ref) { return ref == no_ref; }),
                    "a flow was found that was never inserted");
        }
        measure(state, burst, [&] {
            next_burst();
            benchmark::DoNotOptimize(found);
        });
        full.table.report(state);
    });
}
BENCHMARK(find_absent)->Name("Table/Find/absent")->Apply(all_working_sets);

// ---- Churn: at P % of a million, each flow that comes sees one expire.

struct Churn {
    static constexpr std::uint32_t capacity = 1'000'000;

    explicit Churn(unsigned percent)
        : flows(capacity / 100 * percent), timeout(flows / burst), table(capacity, timeout) {
        table.shuffle_numbers();
        while (now < 2 * timeout) turn();
        check();
        for (Tick last = now + timeout; now < last;) turn();  // looking moved flows to their first bucket
    }
    void turn() {
        ++now;
        table->expire(now, 2 * burst, table.count());
        table.insert_burst(number, half_open, now);
        number += burst;
    }
    /// Exactly the flows that came within the timeout are there.
    void check() {
        require(table.refused == 0 && table->index_overflows() == 0, "a flow found no room");
        for (std::uint32_t i = 0; i < number; ++i) {
            const Tick came = i / burst + 1;
            require(table.has(i, now) == (came + timeout > now),
                    "a flow is there too long or not long enough");
        }
        require(table->size() <= flows + burst, "flows that expired still take room");
    }
    std::uint32_t flows;
    Tick timeout;  ///< a burst of new flows a tick
    Subject<flow::Key4> table;
    Tick now = 0;
    std::uint32_t number = 0;
};

void churn(benchmark::State& state) {
    guarded(state, [&] {
        const auto percent = static_cast<unsigned>(state.range(0));
        auto& subject = Kept::get("Table/Churn/" + std::to_string(percent),
                                  [&] { return std::make_unique<Churn>(percent); });
        measure(state, burst, [&] { subject.turn(); });
        require(subject.table.refused == 0, "a flow found no room");
        subject.table.report(state);
        state.counters["index_overflows"] = static_cast<double>(subject.table->index_overflows());
    });
}
BENCHMARK(churn)->Name("Table/Churn")->ArgName("load")->Arg(50)->Arg(75)->Arg(90)->Arg(99);

/// The table full of half-open flows, each new one evicting the oldest; as a flood fills an empty table, and
/// with the records in random order.
struct Flooded {
    Flooded(std::uint32_t capacity, bool shuffled) : flows(capacity), table(flows, flow::max_interval) {
        if (shuffled) table.shuffle_numbers();
        while (table.left < 10'000) turn();
        check();
    }
    void turn() {
        table.insert_burst(number, half_open, number / 4096);
        number += burst;
    }
    /// Every insert evicts, and always the oldest: the newest are there, as many as there is room for.
    void check() {
        require(table->size() == flows && table->evictions() == table.left && table.refused == 0,
                "not every insert evicts");
        for (std::uint32_t i = 0; i < number; i += 1 + number / 100'000)
            require(table.has(i, number / 4096) == (i + flows >= number), "not the oldest was evicted");
    }
    std::uint32_t flows;
    Subject<flow::Key4> table;
    std::uint32_t number = 0;
};

template <bool Shuffled>
void flood(benchmark::State& state) {
    guarded(state, [&] {
        const auto flows = static_cast<std::uint32_t>(state.range(0));
        auto& subject = Kept::get("Table/Flood/" + std::to_string(Shuffled) + std::to_string(flows),
                                  [&] { return std::make_unique<Flooded>(flows, Shuffled); });
        measure(state, burst, [&] { subject.turn(); });
        subject.table.report(state);
    });
}
BENCHMARK(flood<false>)->Name("Table/Flood")->Apply(all_working_sets);
BENCHMARK(flood<true>)->Name("Table/Flood/shuffled")->Apply(all_working_sets);

// ---- Updating: a packet of an established flow publishes new contents.

void update(benchmark::State& state) {
    guarded(state, [&] {
        const auto flows = static_cast<std::uint32_t>(state.range(0));
        auto& full = Kept::get("Table/Update/" + std::to_string(flows),
                               [&] { return std::make_unique<Full<flow::Key4>>(flows); });
        auto& table = full.table;
        const auto update_burst = [&](const std::uint32_t* refs) {
            for (unsigned i = 0; i < burst; ++i) table->prefetch_record(refs[i]);
            for (unsigned i = 0; i < burst; ++i) {
                Payload payload = table->record(refs[i]).payload;
                for (auto& word : payload.words) word += refs[i];
                table->update(refs[i], payload, flow::max_interval + payload.words[0] % 2, 0);
            }
        };
        std::vector<std::uint32_t> wanted(flows);
        for (Ref ref = 0; ref < flows; ++ref) wanted[ref] = table->record(ref).payload.words[7];
        for (std::size_t at = 0; at < full.picks.size(); at += burst) {
            update_burst(full.picks.numbers(at));
            for (unsigned i = 0; i < burst; ++i)
                wanted[full.picks.numbers(at)[i]] += full.picks.numbers(at)[i];
        }
        for (Ref ref = 0; ref < flows; ++ref)
            require(table->record(ref).payload.words[7] == wanted[ref], "an update was lost");
        measure(state, burst, [&] { update_burst(full.picks.numbers(full.picks.next())); });
        table.report(state);
    });
}
BENCHMARK(update)->Name("Table/Update")->ArgName("flows")->Arg(1'000)->Arg(1'000'000);

// ---- A million flows due in the same tick: how long one poll takes, and all of them together.

void expire_together(benchmark::State& state) {
    constexpr std::uint32_t flows = 1'000'000;
    constexpr unsigned budget = 64;
    guarded(state, [&] {
        auto& table = Kept::get("Table/ExpireTogether", [&] {
            auto made = std::make_unique<Subject<flow::Key4>>(flows, 1000);
            made->shuffle_numbers();
            return made;
        });
        std::vector<double> polls;
        polls.reserve(flows / budget + 1);
        double seconds = 0, all_seconds = 0;
        const std::uint64_t left_before = table.left;
        for (auto _ : state) {
            state.PauseTiming();
            for (std::uint32_t i = 0; i < flows; i += burst) table.insert_burst(i, half_open, 0);
            table->expire(999, budget, table.count());
            require(table->size() == flows, "flows left before their time");
            polls.clear();
            state.ResumeTiming();
            while (table->size() != 0) {
                const double start = processor_seconds();
                table->expire(1000, budget, table.count());
                polls.push_back(processor_seconds() - start);
            }
            seconds = std::accumulate(polls.begin(), polls.end(), 0.0);
            all_seconds += seconds;
        }
        require(table.left - left_before == static_cast<std::uint64_t>(state.iterations()) * flows,
                "not every flow was told of once");
        std::sort(polls.begin(), polls.end());
        const auto percentile = [&](double share) {
            return polls[static_cast<std::size_t>(share * static_cast<double>(polls.size() - 1))] * 1e6;
        };
        report_items(state, static_cast<std::uint64_t>(state.iterations()) * flows, 1, all_seconds);
        state.counters["poll_us_median"] = percentile(0.5);
        state.counters["poll_us_99.9"] = percentile(0.999);
        state.counters["poll_us_longest"] = polls.back() * 1e6;
        state.counters["ms_until_all_gone"] = seconds * 1e3;
    });
}
BENCHMARK(expire_together)->Name("Table/ExpireTogether")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::bench::table_bench
