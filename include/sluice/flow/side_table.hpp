// What few flows need, kept beside the table and found by the flow's number: a pending SYN, say.
//
// A record has one line and no byte to spare for the rare, so that lies here: sets of four entries, the
// number picks the set, and a set that is full gives up its oldest entry. Fixed memory, a bounded handful of
// steps whatever is asked.
//
// The record says by a flag of its own that there is an entry; its owner calls erase() when the flow leaves,
// since its number will be another flow's. An entry may be gone before its flow is: whoever stores here must
// be able to do without.
//
// One thread, the table's owner.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "sluice/base/prefetch.hpp"
#include "sluice/base/sequence.hpp"
#include "sluice/flow/arena.hpp"
#include "sluice/flow/ref.hpp"

namespace sluice::flow {

template <class Value>
class SideTable {
    static_assert(std::is_trivially_copyable_v<Value> && std::is_trivially_destructible_v<Value>);

  public:
    static constexpr unsigned ways = 4;
    /// Flows of the table for each entry here: with values of 24 bytes, 2 bytes a flow.
    static constexpr std::uint32_t flows_per_entry = 16;

    /// Bytes of arena `create` needs beside a flow table of this capacity.
    [[nodiscard]] static std::size_t bytes_needed(std::uint32_t capacity) {
        return arena_bytes<Set>(sets_for(capacity));
    }
    /// `arena` is zeroed, aligned to 64, at least bytes_needed() long, and outlives the table.
    [[nodiscard]] static SideTable create(std::uint32_t capacity, std::span<std::byte> arena) {
        return SideTable(Arena(arena).take<Set>(sets_for(capacity)), sets_for(capacity));
    }

    /// What put() stored for this flow, or null. Good until the next put() or erase().
    [[nodiscard]] Value* find(Ref ref) {
        Set& set = set_of(ref);
        const unsigned way = way_of(set, ref);
        return way == ways ? nullptr : &set.value[way];
    }

    /// Stores a value for this flow, in place of the one it has, of nothing, or of the oldest in the set.
    Value& put(Ref ref, const Value& value) {
        Set& set = set_of(ref);
        unsigned way = way_of(set, ref);
        if (way == ways) {
            way = way_of(set, no_ref);
            ++used_;
        }
        if (way == ways) {
            way = oldest_of(set);
            ++displaced_;
            --used_;
        }
        set.owner[way] = ref + 1;
        set.stored[way] = ++clock_;
        return set.value[way] = value;
    }

    /// Forgets what there is for this flow, if anything.
    void erase(Ref ref) {
        Set& set = set_of(ref);
        const unsigned way = way_of(set, ref);
        if (way == ways) return;
        set.owner[way] = 0;
        --used_;
    }

    void prefetch(Ref ref) const { prefetch_write(&sets_[place(ref)]); }

    [[nodiscard]] bool is_empty() const { return used_ == 0; }
    /// Entries given up to make room for others.
    [[nodiscard]] std::uint64_t displaced() const { return displaced_; }
    [[nodiscard]] std::size_t bytes() const { return arena_bytes<Set>(count_); }

  private:
    struct Set {
        std::array<std::uint32_t, ways> owner;   ///< a flow's number plus one; 0: empty, as zeroed memory is
        std::array<std::uint32_t, ways> stored;  ///< by the count of put()s, modulo 2^32
        std::array<Value, ways> value;
    };

    SideTable(Set* sets, std::uint32_t count) : sets_(sets), count_(count) {}

    [[nodiscard]] static constexpr std::uint32_t sets_for(std::uint32_t capacity) {
        return std::max(1U, capacity / (flows_per_entry * ways));
    }
    /// Numbers are dense and those of an attack would be neighbours: spread, and map to a set.
    [[nodiscard]] std::uint32_t place(Ref ref) const {
        const std::uint64_t spread = static_cast<std::uint32_t>(ref * 0x9E37'79B1U);
        return static_cast<std::uint32_t>((spread * count_) >> 32);
    }
    [[nodiscard]] Set& set_of(Ref ref) const { return sets_[place(ref)]; }
    /// The way that is this flow's (no_ref: an empty one), or `ways`.
    [[nodiscard]] static unsigned way_of(const Set& set, Ref ref) {
        return static_cast<unsigned>(std::find(set.owner.begin(), set.owner.end(), ref + 1) -
                                     set.owner.begin());
    }
    [[nodiscard]] static unsigned oldest_of(const Set& set) {
        const auto older = [](std::uint32_t a, std::uint32_t b) { return before(a, b); };
        return static_cast<unsigned>(std::min_element(set.stored.begin(), set.stored.end(), older) -
                                     set.stored.begin());
    }

    Set* sets_;
    std::uint32_t count_;
    std::uint32_t clock_ = 0;
    std::uint32_t used_ = 0;
    std::uint64_t displaced_ = 0;
};

}  // namespace sluice::flow
