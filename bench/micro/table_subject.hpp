// A flow table by itself, over a payload like TCP's, for the benchmarks of the table.
#pragma once

#include <array>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "flows.hpp"
#include "sluice/flow/table.hpp"
#include "support.hpp"

namespace sluice::bench {

using flow::no_ref;
using flow::Ref;

/// As long as a TCP connection's.
struct Payload {
    std::uint32_t lifetime = 0;
    std::array<std::uint32_t, 8> words{};
};
inline std::uint32_t lifetime_of(const Payload& payload) {
    return payload.lifetime;
}

inline constexpr std::uint32_t half_open = 0, established = 1;

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
            table_.prefetch_bucket(table_.bucket_of(hashes[i]));
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
    Flows& table() { return table_; }
    void report(benchmark::State& state) const {
        state.counters["bytes_per_flow"] =
            static_cast<double>(table_.bytes()) / static_cast<double>(table_.capacity());
        state.counters["huge_page_share"] = memory_.huge_share();
    }
    /// Whether the flow is there at `now`.
    [[nodiscard]] bool has(std::uint32_t number, Tick now) {
        const KeyT key = key_of<KeyT>(number);
        return table_.find(key, table_.hash_of(key), no_ref, now) != no_ref;
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

}  // namespace sluice::bench
