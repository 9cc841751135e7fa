// The table's worst: how far a look-up goes at each load, and keys that somebody chose who knows the secret.
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "table_subject.hpp"

namespace sluice::bench::probe_bench {
namespace {

using flow::Bucket;
using flow::Index;

// ---- Probe lengths: the index alone, after the churn that leaves it as it is after hours.

/// The index of a table of a million, at a load in percent of that, oldest out, newest in.
class Probes {
  public:
    static constexpr std::uint32_t capacity = 1'000'000;

    explicit Probes(unsigned percent)
        : flows_(capacity / 100 * percent),
          memory_(std::size_t{Index::buckets_for(capacity)} * sizeof(Bucket)),
          buckets_(reinterpret_cast<Bucket*>(memory_.span().data())),
          index_(buckets_, Index::buckets_for(capacity)),
          hashes_(flows_) {
        Random random(9);
        for (std::uint64_t i = 0; i < std::uint64_t{flows_} * 4; ++i) {
            const auto ref = static_cast<Ref>(i % flows_);
            if (i >= flows_) index_.erase(hashes_[ref], ref);
            hashes_[ref] = random.next();
            if (!index_.insert(hashes_[ref], ref)) throw std::runtime_error("the index has no room");
        }
        for (std::uint32_t i = 0; i < 1U << 20; ++i) picks_.push_back(random.below(flows_));
        walk();
    }

    /// Where the tracker's second stage begins: the first record that may be it.
    [[nodiscard, gnu::noinline]] std::uint64_t first_burst() {
        for (unsigned i = 0; i < burst; ++i) index_.prefetch(hashes_[picks_[at_ + i]]);
        std::uint64_t right = 0;
        for (unsigned i = 0; i < burst; ++i)
            right += index_.first(hashes_[picks_[at_ + i]]) == picks_[at_ + i];
        at_ = (at_ + burst) % picks_.size();
        return right;
    }

    void report(benchmark::State& state) const {
        const auto each = [&](std::uint64_t sum) {
            return static_cast<double>(sum) / static_cast<double>(flows_);
        };
        state.counters["buckets_per_find"] = each(buckets_seen_);
        state.counters["records_per_find"] = each(records_seen_);
        state.counters["records_longest"] = static_cast<double>(longest_);
        state.counters["in_alternate"] = each(in_alternate_);
    }

  private:
    /// What a look-up of each flow reads, counted as Index::find() goes: the records in its first bucket
    /// whose tags fit, then those in its second.
    void walk() {
        for (Ref ref = 0; ref < flows_; ++ref) {
            const std::uint16_t tag = Index::tag_of(hashes_[ref]);
            const std::uint32_t primary = index_.primary_of(hashes_[ref]);
            std::uint64_t records = 0;
            bool found = in_bucket(primary, tag, ref, records);
            ++buckets_seen_;
            if (!found) {
                if (buckets_[primary].overflow == 0) throw std::runtime_error("a flow cannot be found");
                found = in_bucket(index_.alternate_of(primary, tag), static_cast<std::uint16_t>(tag | 1U),
                                  ref, records);
                ++buckets_seen_;
                ++in_alternate_;
            }
            if (!found) throw std::runtime_error("a flow lies in neither of its buckets");
            records_seen_ += records;
            longest_ = std::max(longest_, records);
        }
    }
    [[nodiscard]] bool in_bucket(std::uint32_t number, std::uint16_t tag, Ref ref,
                                 std::uint64_t& records) const {
        const Bucket& bucket = buckets_[number];
        for (unsigned slot = 0; slot < flow::slots_per_bucket; ++slot) {
            if ((bucket.occupied >> slot & 1U) == 0 || bucket.tag[slot] != tag) continue;
            ++records;
            if (bucket.record[slot] == ref) return true;
        }
        return false;
    }

    std::uint32_t flows_;
    HugeMemory memory_;
    Bucket* buckets_;
    Index index_;
    std::vector<std::uint64_t> hashes_;  ///< by record
    std::vector<Ref> picks_;
    std::size_t at_ = 0;
    std::uint64_t buckets_seen_ = 0, records_seen_ = 0, longest_ = 0, in_alternate_ = 0;
};

void probe_length(benchmark::State& state) {
    guarded(state, [&] {
        const auto percent = static_cast<unsigned>(state.range(0));
        auto& probes = Kept::get("Table/ProbeLength/" + std::to_string(percent),
                                 [&] { return std::make_unique<Probes>(percent); });
        std::uint64_t right = 0;
        measure(state, burst, [&] { right += probes.first_burst(); });
        const auto asked = static_cast<double>(state.iterations()) * burst;
        state.counters["right_at_once"] = static_cast<double>(right) / asked;
        probes.report(state);
    });
}
BENCHMARK(probe_length)->Name("Table/ProbeLength")->ArgName("load")->Arg(50)->Arg(75)->Arg(90)->Arg(99);

// ---- Keys that collide. The table is small, so that they can be found by trying.

constexpr std::uint32_t small = 1'000;

/// The first `count` keys whose hashes fall into the same two buckets, and with `same_tag` have one
/// fingerprint, too: then nothing tells them apart but their records.
std::vector<flow::Key4> colliding_keys(std::uint32_t count, bool same_tag) {
    const Index index(nullptr, Index::buckets_for(small));
    std::vector<flow::Key4> out;
    std::uint32_t first = 0, second = 0;
    std::uint16_t tag = 0;
    for (std::uint32_t number = 0; out.size() < count; ++number) {
        if (number == std::numeric_limits<std::uint32_t>::max())
            throw std::runtime_error("too few keys collide");
        const flow::Key4 key = key_of<flow::Key4>(number);
        const std::uint64_t hash = flow::hash(key, bench_secret);
        if (out.empty()) {
            first = index.primary_of(hash);
            tag = Index::tag_of(hash);
            second = index.alternate_of(first, tag);
        }
        if (index.primary_of(hash) != first) continue;
        if (same_tag ? Index::tag_of(hash) == tag : index.alternate_of(first, Index::tag_of(hash)) == second)
            out.push_back(key);
    }
    return out;
}

/// Two buckets full of flows with one fingerprint: a look-up compares half of the twenty records.
struct FindColliding {
    FindColliding() : table(small, 1000), keys(colliding_keys(2 * flow::slots_per_bucket, true)) {
        for (const flow::Key4& key : keys)
            refs.push_back(table->insert(key, table->hash_of(key), false, Payload{.lifetime = established},
                                         1U << 30, 0, table.count()));
        if (table->size() != keys.size())
            throw std::runtime_error("the two buckets do not hold what they can");
        Random random(10);
        for (unsigned i = 0; i < 4096; ++i)
            picks.push_back(random.below(static_cast<std::uint32_t>(keys.size())));
        for (std::size_t i = 0; i < picks.size(); i += burst)
            if (find_burst() != burst) throw std::runtime_error("a colliding flow was not found");
    }
    [[nodiscard, gnu::noinline]] unsigned find_burst() {
        unsigned right = 0;
        for (unsigned i = 0; i < burst; ++i) {
            const std::uint32_t pick = picks[at + i];
            const std::uint64_t hash = table->hash_of(keys[pick]);
            right += table->find(keys[pick], hash, table->candidate(hash), 0) == refs[pick];
        }
        at = (at + burst) % picks.size();
        return right;
    }
    Subject<flow::Key4> table;
    std::vector<flow::Key4> keys;
    std::vector<Ref> refs;
    std::vector<std::uint32_t> picks;
    std::size_t at = 0;
};

void find_colliding(benchmark::State& state) {
    guarded(state, [&] {
        auto& subject = Kept::get("Table/Find/colliding", [] { return std::make_unique<FindColliding>(); });
        measure(state, burst, [&] {
            unsigned right = subject.find_burst();
            benchmark::DoNotOptimize(right);
        });
        subject.table.report(state);
    });
}
BENCHMARK(find_colliding)->Name("Table/Find/colliding");

/// Every key wants the same two buckets, which are full: each insert pushes the oldest of twenty out.
struct InsertColliding {
    InsertColliding() : table(small, flow::max_interval), keys(colliding_keys(2048, false)) {
        while (table->index_overflows() < 4 * keys.size()) turn();
        if (table.refused != 0 || table->evictions() != table.left ||
            table->size() != 2 * flow::slots_per_bucket)
            throw std::runtime_error("colliding flows do not push one another out");
        for (std::uint32_t i = 1; i <= table->size(); ++i) {
            const flow::Key4& key = keys[(at + keys.size() - i) % keys.size()];
            if (table->find(key, table->hash_of(key), no_ref, now) == no_ref)
                throw std::runtime_error("not the oldest of the colliding flows was pushed out");
        }
    }
    [[gnu::noinline]] void turn() {
        for (unsigned i = 0; i < burst; ++i) {
            ++now;  // flows of one tick are equally old
            const flow::Key4& key = keys[at];
            at = (at + 1) % keys.size();
            table.refused += table->insert(key, table->hash_of(key), false, Payload{.lifetime = half_open},
                                           now + flow::max_interval, now, table.count()) == no_ref;
        }
    }
    Subject<flow::Key4> table;
    std::vector<flow::Key4> keys;
    std::size_t at = 0;
    Tick now = 0;
};

void insert_colliding(benchmark::State& state) {
    guarded(state, [&] {
        auto& subject =
            Kept::get("Table/Insert/colliding", [] { return std::make_unique<InsertColliding>(); });
        measure(state, burst, [&] { subject.turn(); });
        subject.table.report(state);
    });
}
BENCHMARK(insert_colliding)->Name("Table/Insert/colliding");

}  // namespace
}  // namespace sluice::bench::probe_bench
