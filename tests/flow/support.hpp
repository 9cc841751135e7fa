// What the tests of the flow table share: a payload, keys by number, a table with its arena, what left it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <vector>

#include "sluice/flow/table.hpp"

namespace sluice::flow::test {

/// As long as a TCP connection's.
struct Payload {
    std::uint32_t lifetime = 0;
    std::array<std::uint32_t, 8> words{};
};
static_assert(sizeof(Payload) == 36);
inline std::uint32_t lifetime_of(const Payload& payload) {
    return payload.lifetime;
}

// The lifetimes of these tests: two half-open ones, one of each other class, and a second assured one.
inline constexpr std::uint32_t opening = 0, opened = 1, closing = 2, unassured = 3, assured = 4,
                               unacknowledged = 5;
inline constexpr unsigned lifetimes = 6;
inline constexpr Tick second = ticks_per_second;

inline TableConfig config_of(std::uint32_t capacity) {
    TableConfig config;
    config.capacity = capacity;
    config.lifetimes = lifetimes;
    config.eviction_class = {0, 0, 1, 2, 3, 3};
    config.interval = {120 * second, 60 * second, 30 * second, 30 * second, 432'000 * second, 300 * second};
    config.secret.words = {0x0123456789ABCDEF, 0xFEDCBA9876543210, 0x5555AAAA12345678, 0x1357924680ACE024};
    return config;
}

/// A distinct key for each number.
template <class KeyT>
KeyT key_of(std::uint64_t number) {
    std::array<std::uint8_t, KeyT::address_bytes> source{10, 0, 0, 1};
    std::array<std::uint8_t, KeyT::address_bytes> destination{192, 0, 2, 1};
    std::memcpy(&source[1], &number, 3);
    number >>= 24;
    return make_key<KeyT::address_bytes>(
               source.data(), destination.data(), static_cast<std::uint16_t>(number), 443, 6,
               Domain::make(Domain::no_tag, Domain::no_tag, 0, static_cast<std::uint16_t>(number >> 16)))
        .key;
}
inline Key4 key4(std::uint64_t number) {
    return key_of<Key4>(number);
}
inline Key6 key6(std::uint64_t number) {
    return key_of<Key6>(number);
}

/// Of the kind that a table of tests has.
template <class T>
auto key_for(T& table, std::uint64_t number) {
    return key_of<std::remove_cvref_t<decltype(table->record(0).key)>>(number);
}

/// Zeroed memory on a cache line.
class Memory {
  public:
    explicit Memory(std::size_t bytes)
        : bytes_(bytes), data_(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64}))) {
        std::memset(data_.get(), 0, bytes);
    }
    [[nodiscard]] std::span<std::byte> span() { return {data_.get(), bytes_}; }

  private:
    struct Free {
        void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{64}); }
    };
    std::size_t bytes_;
    std::unique_ptr<std::byte, Free> data_;
};

template <class KeyT>
struct Left {
    KeyT key;
    Removal why;
};

/// A table over Payload, with its arena, a clock and a diary of what left it.
template <class KeyT>
class TestTable {
  public:
    using Flows = Table<KeyT, Payload>;

    explicit TestTable(const TableConfig& config)
        : memory_(Flows::bytes_needed(config)),
          table_(std::move(*Flows::create(config, memory_.span()))),
          config_(config) {}

    Flows* operator->() { return &table_; }
    Flows& operator*() { return table_; }

    [[nodiscard]] auto diary() {
        return [this](Ref, const typename Flows::Record& record, Removal why) {
            left.push_back({record.key, why});
        };
    }
    /// A flow that expires when its lifetime's timeout has passed, or after `timeout`.
    Ref insert(const KeyT& key, std::uint32_t lifetime, std::optional<Tick> timeout = {}) {
        return table_.insert(key, table_.hash_of(key), false, Payload{.lifetime = lifetime},
                             now + timeout.value_or(config_.interval[lifetime]), now, diary());
    }
    Ref find(const KeyT& key) {
        const std::uint64_t hash = table_.hash_of(key);
        return table_.find(key, hash, table_.candidate(hash), now);
    }
    /// A packet of the flow: the deadline moves.
    void refresh(Ref ref, std::uint32_t lifetime, std::optional<Tick> timeout = {}) {
        Payload payload = table_.record(ref).payload;
        payload.lifetime = lifetime;
        table_.update(ref, payload, now + timeout.value_or(config_.interval[lifetime]), now);
    }
    /// Everything due, whatever the budget.
    unsigned expire_all() {
        unsigned total = 0;
        while (const unsigned looked_at = table_.expire(now, 64, diary())) total += looked_at;
        return total;
    }
    [[nodiscard]] unsigned count(Removal why) const {
        return static_cast<unsigned>(
            std::count_if(left.begin(), left.end(), [&](auto& l) { return l.why == why; }));
    }

    Tick now = 1'000'000;
    std::vector<Left<KeyT>> left;

  private:
    Memory memory_;
    Flows table_;
    TableConfig config_;
};

using Table4 = TestTable<Key4>;
using Table6 = TestTable<Key6>;
static_assert(sizeof(Table4::Flows::Record) == 64, "IPv4: one line");
static_assert(sizeof(Table6::Flows::Record) == 128, "IPv6: two lines");

/// splitmix64: a small, seeded stream.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }

  private:
    std::uint64_t state_;
};

}  // namespace sluice::flow::test
