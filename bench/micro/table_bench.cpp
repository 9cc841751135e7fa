// The flow table by itself: bulk look-ups as the tracker stages them, steady churn, floods, and a million
// flows that fall due together.
#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>

#include "flows.hpp"
#include "sluice/flow/table.hpp"
#include "support.hpp"

namespace sluice::bench {
namespace {

using flow::no_ref;
using flow::Ref;

/// As long as a TCP connection's.
struct Payload {
    std::uint32_t lifetime = 0;
    std::array<std::uint32_t, 8> words{};
};
std::uint32_t lifetime_of(const Payload& payload) {
    return payload.lifetime;
}

constexpr std::uint32_t half_open = 0, established = 1;

template <class KeyT>
class Subject {
  public:
    using Flows = flow::Table<KeyT, Payload>;

    Subject(std::uint32_t capacity, Tick half_open_timeout)
        : config_(config_of(capacity, half_open_timeout)),
          memory_(Flows::bytes_needed(config_)),
          table_(std::move(*Flows::create(config_, memory_.span()))) {}

    Flows* operator->() { return &table_; }

    /// `count` inserts in a row, staged as a burst's are: all the buckets on their way before the first is
    /// needed.
    void insert_burst(std::uint32_t first_number, std::uint32_t lifetime, Tick now) {
        std::array<KeyT, burst> keys;
        std::array<std::uint64_t, burst> hashes;
        for (unsigned i = 0; i < burst; ++i) {
            keys[i] = key_of<KeyT>(first_number + i);
        }
        for (unsigned i = 0; i < burst; ++i) {
            hashes[i] = table_.hash_of(keys[i]);
            table_.prefetch_bucket(hashes[i]);
        }
        for (unsigned i = 0; i < burst; ++i) {
            const Tick expiry = now + config_.interval[lifetime];
            refused += table_.insert(keys[i], hashes[i], false, Payload{.lifetime = lifetime}, expiry, now,
                                     count()) == no_ref;
        }
    }
    auto count() {
        return [this](auto&&...) { ++left; };
    }
    [[nodiscard]] double bytes_per_flow() const {
        return static_cast<double>(table_.bytes()) / static_cast<double>(table_.capacity());
    }

    /// Fills the table and empties it in random order: the numbers are then given out in random order, as
    /// they are after hours of traffic.
    void shuffle_numbers() {
        const std::uint32_t capacity = table_.capacity();
        std::vector<Ref> order(capacity);
        std::iota(order.begin(), order.end(), 0U);
        Random random(5);
        for (std::uint32_t i = capacity; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
        for (std::uint32_t i = 0; i < capacity; ++i) {
            const KeyT key = key_of<KeyT>(i);
            (void)table_.insert(key, table_.hash_of(key), false, Payload{.lifetime = established}, 1U << 30,
                                0, count());
        }
        for (const Ref ref : order) table_.remove(ref, flow::Removal::deleted, count());
        left = 0;
    }

    std::uint64_t left = 0;
    std::uint64_t refused = 0;

  private:
    static flow::TableConfig config_of(std::uint32_t capacity, Tick half_open_timeout) {
        flow::TableConfig config;
        config.capacity = capacity;
        config.lifetimes = 2;
        config.eviction_class = {0, flow::never_evicted};
        config.interval = {half_open_timeout, flow::max_interval};
        config.secret = bench_secret;
        return config;
    }
    flow::TableConfig config_;
    HugeMemory memory_;
    Flows table_;
};

// ---- Finding

template <class KeyT>
[[gnu::noinline]] void find_burst(flow::Table<KeyT, Payload>& table, const KeyT* keys, Ref* found) {
    std::array<std::uint64_t, burst> hashes;
    for (unsigned i = 0; i < burst; ++i) {
        hashes[i] = table.hash_of(keys[i]);
        table.prefetch_bucket(hashes[i]);
    }
    for (unsigned i = 0; i < burst; ++i) {
        found[i] = table.candidate(hashes[i]);
        table.prefetch_record(found[i]);
    }
    for (unsigned i = 0; i < burst; ++i) found[i] = table.find(keys[i], hashes[i], found[i], 0);
}

template <class KeyT>
void find(benchmark::State& state) {
    const auto flows = static_cast<std::uint32_t>(state.range(0));
    Subject<KeyT> table(flows, 1000);
    // Numbers in random order, so that neighbours by key are not neighbours in memory.
    std::vector<Ref> expected(flows);
    Random random(6);
    std::iota(expected.begin(), expected.end(), 0U);
    for (std::uint32_t i = flows; i > 1; --i) std::swap(expected[i - 1], expected[random.below(i)]);
    std::vector<std::uint32_t> key_of_ref(flows);
    for (std::uint32_t i = 0; i < flows; ++i) key_of_ref[expected[i]] = i;
    for (const std::uint32_t number : key_of_ref) {
        const KeyT key = key_of<KeyT>(number);
        (void)table->insert(key, table->hash_of(key), false, Payload{.lifetime = established}, 1U << 30, 0,
                            table.count());
    }
    Picks<KeyT> picks(flows);
    std::array<Ref, burst> found{};
    for (std::size_t at = 0; at < std::min<std::size_t>(picks.size(), 1U << 20); at += burst) {
        find_burst<KeyT>(*table.operator->(), picks.keys(at), found.data());
        for (unsigned i = 0; i < burst; ++i) {
            if (found[i] != expected[picks.numbers(at)[i]]) {
                state.SkipWithError("a flow was not found, or another was");
                return;
            }
        }
    }
    state.counters["bytes_per_flow"] = table.bytes_per_flow();
    measure(state, burst, [&] {
        find_burst<KeyT>(*table.operator->(), picks.keys(picks.next()), found.data());
        benchmark::DoNotOptimize(found);
    });
}
BENCHMARK(find<flow::Key4>)->Name("Table/Find")->Apply(all_working_sets);
BENCHMARK(find<flow::Key6>)->Name("Table/Find/ip6")->Apply(all_working_sets);

// ---- Churn: at P % of a million, each flow that comes sees one expire.

void churn(benchmark::State& state) {
    constexpr std::uint32_t capacity = 1'000'000;
    const auto flows = static_cast<std::uint32_t>(capacity / 100 * state.range(0));
    const Tick timeout = flows / burst;  // a burst of new flows a tick
    Subject<flow::Key4> table(capacity, timeout);
    table.shuffle_numbers();
    Tick now = 0;
    std::uint32_t number = 0;
    const auto turn = [&] {
        ++now;
        table->expire(now, 2 * burst, table.count());
        table.insert_burst(number, half_open, now);
        number += burst;
    };
    while (now < 2 * timeout) turn();
    if (table->size() + burst < flows || table->size() > flows + burst || table.refused != 0) {
        state.SkipWithError("the table is not at the load it should be");
        return;
    }
    measure(state, burst, turn);
    state.counters["bytes_per_flow"] = table.bytes_per_flow();
    state.counters["index_overflows"] = static_cast<double>(table->index_overflows());
}
BENCHMARK(churn)->Name("Table/Churn")->ArgName("load")->Arg(50)->Arg(75)->Arg(90)->Arg(99);

/// The table full of half-open flows, each new one evicting the oldest; as a flood fills an empty table, and
/// with the records in random order.
template <bool Shuffled>
void flood(benchmark::State& state) {
    const auto flows = static_cast<std::uint32_t>(state.range(0));
    Subject<flow::Key4> table(flows, flow::max_interval);
    if (Shuffled) table.shuffle_numbers();
    std::uint32_t number = 0;
    const auto turn = [&] {
        table.insert_burst(number, half_open, number / 4096);
        number += burst;
    };
    while (table.left < 10'000) turn();
    if (table->size() != flows || table->evictions() != table.left || table.refused != 0) {
        state.SkipWithError("not every insert evicts");
        return;
    }
    measure(state, burst, turn);
}
BENCHMARK(flood<false>)->Name("Table/Flood")->Apply(all_working_sets);
BENCHMARK(flood<true>)->Name("Table/Flood/shuffled")->Apply(all_working_sets);

// ---- Updating: a packet of an established flow publishes new contents.

void update(benchmark::State& state) {
    const auto flows = static_cast<std::uint32_t>(state.range(0));
    Subject<flow::Key4> table(flows, 1000);
    for (std::uint32_t i = 0; i < flows; ++i) {
        const flow::Key4 key = key_of<flow::Key4>(i);
        (void)table->insert(key, table->hash_of(key), false, Payload{.lifetime = established},
                            flow::max_interval, 0, table.count());
    }
    Picks<flow::Key4> picks(flows);
    measure(state, burst, [&] {
        const std::uint32_t* const refs = picks.numbers(picks.next());
        for (unsigned i = 0; i < burst; ++i) table->prefetch_record(refs[i]);
        for (unsigned i = 0; i < burst; ++i) {
            Payload payload = table->record(refs[i]).payload;
            for (auto& word : payload.words) word += refs[i];
            table->update(refs[i], payload, flow::max_interval + payload.words[0] % 2, 0);
        }
    });
}
BENCHMARK(update)->Name("Table/Update")->ArgName("flows")->Arg(1'000)->Arg(1'000'000);

// ---- A million flows due in the same tick: how long one poll takes, and all of them together.

void expire_together(benchmark::State& state) {
    constexpr std::uint32_t flows = 1'000'000;
    constexpr unsigned budget = 64;
    std::vector<double> polls;
    polls.reserve(flows / budget + 1);
    double seconds = 0;
    Subject<flow::Key4> table(flows, 1000);
    table.shuffle_numbers();
    for (auto _ : state) {
        state.PauseTiming();
        for (std::uint32_t i = 0; i < flows; i += burst) table.insert_burst(i, half_open, 0);
        polls.clear();
        state.ResumeTiming();
        while (table->size() != 0) {
            const auto start = std::chrono::steady_clock::now();
            table->expire(1000, budget, table.count());
            polls.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        }
        seconds = std::accumulate(polls.begin(), polls.end(), 0.0);
    }
    std::sort(polls.begin(), polls.end());
    const auto percentile = [&](double share) {
        return polls[static_cast<std::size_t>(share * static_cast<double>(polls.size() - 1))] * 1e6;
    };
    state.SetItemsProcessed(state.iterations() * flows);
    state.counters["poll_us_median"] = percentile(0.5);
    state.counters["poll_us_99.9"] = percentile(0.999);
    state.counters["poll_us_longest"] = polls.back() * 1e6;
    state.counters["ms_until_all_gone"] = seconds * 1e3;
}
BENCHMARK(expire_together)->Name("Table/ExpireTogether")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::bench
