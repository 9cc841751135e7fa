// When to look at which record again, and whom to evict: lists in order of age.
//
// A timer per flow that every packet moves would cost every packet a line or two. So a record is queued, and
// looked at again ("examined") when its list's period has passed; a packet that moves its deadline further
// away touches no list.
//
// There is a list for each lifetime, whose period is the lifetime's timeout: a flow that is not refreshed is
// examined exactly when it expires. One that was refreshed has some time left when examined, less than the
// timeout. It goes to one of the short lists, of its eviction class, with the longest period that is not
// beyond its deadline: 2^8, 2^10 … 2^22 ticks (a quarter of a second to seventy minutes). So
//
//     a record is examined at its expiry or before, at most 2^8 ticks after it,
//
// and in every list the order of queueing is the order of examination: only the oldest needs to be looked at.
// A flow that is refreshed for ever is examined once per period, half an hour on average for an established
// one.
//
// A list is eight chains, and what is queued goes to each in turn. Links are loads that wait for one another;
// so who takes heads one after the other (a flood that evicts, a mass that expires) has eight of them under
// way. A chain keeps the order of queueing, so the oldest of a list is the oldest of its eight heads; among
// those of one tick the chains take turns, which is first in, first out as long as nothing leaves from the
// middle.
//
// Eviction wants the oldest of a class. A record therefore always lies in a list of its own class, and one
// that may be evicted in the list of its own lifetime unless it was refreshed: a change of lifetime requeues
// it. Flows of the assured class are never evicted, so between them (established, unacknowledged: it changes
// with every other packet) a change of lifetime moves nothing.
//
// A reload may change the timeouts. A shorter one takes effect at once; all that is queued is examined
// earlier than need be. A longer one takes effect when all that was queued before the reload has left the
// list, until when the old period rules: examined too early, again, never too late.
//
// Time here is the age clock: the caller's ticks, except that it never goes back. When the caller's clock
// does, the age clock goes on from where it was, so that the lists stay in order and nothing expires in bulk:
// deadlines are compared with the caller's clock.
//
// One thread, the table's owner; the counts per class may be read by any.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "sluice/base/counters.hpp"
#include "sluice/base/lanes.hpp"
#include "sluice/base/prefetch.hpp"
#include "sluice/base/sequence.hpp"
#include "sluice/base/time.hpp"
#include "sluice/flow/arena.hpp"
#include "sluice/flow/ref.hpp"

namespace sluice::flow {

inline constexpr unsigned max_lifetimes = 32;
inline constexpr unsigned max_classes = 4;
inline constexpr Tick max_interval = max_lifetime_seconds * ticks_per_second;
inline constexpr std::uint8_t never_evicted = max_classes - 1;  ///< the assured class

/// What a record keeps outside its hot line.
struct ColdNode {
    Ref next;            ///< younger in its chain, or which chain ends; of a free record: the next free one
    Ref previous;        ///< older in its chain, or which chain begins
    Tick queued_at;      ///< age clock
    std::uint32_t mark;  ///< the flow's mark; read by other threads too
};
static_assert(sizeof(ColdNode) == 16, "four to a cache line");

class AgeLists {
  public:
    static constexpr unsigned short_lists_per_class = 8;
    static constexpr unsigned list_count = max_lifetimes + max_classes * short_lists_per_class;
    static_assert(list_count == 64, "a list is kept in six bits of the record and one of a 64-bit map");
    static constexpr unsigned chains = lane_count;
    /// How late a record may be examined, in ticks.
    static constexpr Tick tolerance = 1U << 8;

    using Intervals = std::array<Tick, max_lifetimes>;
    using Classes = std::array<std::uint8_t, max_lifetimes>;

    /// `nodes` has one for each record. Classes below max_classes, intervals 1 to max_interval.
    AgeLists(ColdNode* nodes, const Classes& classes, const Intervals& intervals);

    /// The age clock at the caller's `now`. Stands still while `now` is up to a second behind, and goes on
    /// from where it stands when the caller's clock was set back further.
    Tick advance(Tick now) {
        const auto ahead = sequence_distance(now + skew_, age_);
        if (ahead >= 0) {
            age_ = now + skew_;
        } else if (empty() || ahead < -static_cast<std::int32_t>(ticks_per_second)) {
            skew_ = age_ - now;
        }
        return age_;
    }

    [[nodiscard]] std::uint8_t class_of(std::uint32_t lifetime) const { return class_of_lifetime_[lifetime]; }
    [[nodiscard]] Tick interval_of(std::uint32_t lifetime) const { return lists_[lifetime].bound; }

    /// Whether a change of lifetime leaves the record where it is.
    [[nodiscard]] bool may_stay(std::uint32_t was, std::uint32_t is) const {
        return was == is || (class_of(was) == never_evicted && class_of(is) == never_evicted);
    }
    /// The same of eight changes, as a mask.
    [[nodiscard]] Lanes may_stay(const Lanes& was, const Lanes& is) const {
        // A lifetime's list has its number: its bit, moved to the sign.
        const auto assured = [&](const Lanes& lifetime) {
            return is_negative(all_lanes(static_cast<std::uint32_t>(lists_of_class_[never_evicted]))
                               << (max_lifetimes - 1 - lifetime));
        };
        return is_equal(was, is) | (assured(was) & assured(is));
    }
    /// Whether a record in this list that now has `remaining` ticks to live is sure to be examined in time,
    /// seen from the list alone.
    [[nodiscard]] bool surely_in_time(unsigned list, Tick remaining) const {
        return static_cast<std::int32_t>(remaining) >= static_cast<std::int32_t>(least_in_time(list));
    }
    /// The same, from when it was queued: touches its cold line.
    [[nodiscard]] bool in_time(Ref ref, unsigned list, Tick remaining, Tick age) const {
        const Tick until_examined = nodes_[ref].queued_at + lists_[list].bound - age;
        return static_cast<std::int32_t>(until_examined) <= static_cast<std::int32_t>(remaining);
    }
    /// The least `remaining` with which surely_in_time() holds.
    [[nodiscard]] Tick least_in_time(unsigned list) const { return lists_[list].bound; }
    [[nodiscard, gnu::always_inline]] Lanes least_in_time(const Lanes& lists) const {
        std::array<std::uint32_t, lane_count> number;
        store(number.data(), lists);
        return gather([&](unsigned lane) { return &lists_[number[lane]].bound; });
    }

    /// Where a record of this lifetime belongs that has `remaining` ticks to live (negative: overdue).
    [[nodiscard]] unsigned list_for(std::uint32_t lifetime, Tick remaining) const {
        if (surely_in_time(lifetime, remaining)) return lifetime;
        const unsigned first = max_lifetimes + class_of(lifetime) * short_lists_per_class;
        if (static_cast<std::int32_t>(remaining) < static_cast<std::int32_t>(tolerance)) return first;
        const unsigned step = (static_cast<unsigned>(std::bit_width(remaining)) - 9) / 2;
        return first + (step < short_lists_per_class ? step : short_lists_per_class - 1);
    }

    /// Queues a record behind all others of the list.
    void push(Ref ref, unsigned list, Tick age);
    /// Takes a record out of the list it lies in.
    void remove(Ref ref, unsigned list);
    /// Both; who reads the counts sees no flow missing in between.
    void move(Ref ref, unsigned from, unsigned to, Tick age);

    /// No list's head is due before the time this compares with; says so without looking at any.
    [[nodiscard]] bool something_may_be_due(Tick age) const {
        return occupied_ != 0 && reached(age, next_due_);
    }
    /// A list whose head is due, each in turn; list_count when there is none.
    [[nodiscard]] unsigned next_due_list(Tick age);
    /// No head is due before this, by the age clock; exact after next_due_list() found none and after
    /// find_next_due().
    [[nodiscard]] Tick next_due() const { return next_due_; }
    void find_next_due();
    [[nodiscard]] bool empty() const { return occupied_ == 0; }

    /// Due records of a list up to the span's size, the oldest of each chain first; how many.
    /// `on_the_way(Ref)` is called for what comes behind each, as soon as it is known.
    template <class OnTheWay>
    [[nodiscard]] unsigned collect_due(unsigned list, Tick age, std::span<Ref> out,
                                       OnTheWay&& on_the_way) const;

    /// The record of this class that was queued first; no_ref when there is none.
    [[nodiscard]] Ref oldest_of_class(std::uint8_t eviction_class) {
        const std::uint64_t lists = occupied_ & lists_of_class_[eviction_class];
        if (!std::has_single_bit(lists)) return oldest_of_lists(lists);
        return oldest(static_cast<unsigned>(std::countr_zero(lists)));
    }
    /// The same of a list that is not empty.
    [[nodiscard]] Ref oldest(unsigned list) { return lists_[list].head[oldest_chain(lists_[list])]; }
    [[nodiscard]] Tick queued_at(Ref ref) const { return nodes_[ref].queued_at; }
    [[gnu::always_inline]] void prefetch(Ref ref) const { prefetch_write(&nodes_[ref]); }
    /// The next in its chain, or no_ref: the oldest of its list some eight removals of the oldest later.
    [[nodiscard]] Ref younger(Ref ref) const {
        const Ref next = nodes_[ref].next;
        return is_end(next) ? no_ref : next;
    }

    [[nodiscard]] std::uint32_t size_of_class(std::uint8_t eviction_class) const {
        return static_cast<std::uint32_t>(class_size_[eviction_class].read());
    }

    void set_intervals(const Intervals& intervals, Tick age);

    /// The caller's clock at an age.
    [[nodiscard]] Tick caller_time(Tick age) const { return age - skew_; }

  private:
    struct alignas(cache_line_bytes) List {
        List();
        // By chain.
        std::array<Ref, chains> head;          ///< oldest
        std::array<Tick, chains> queued_at{};  ///< of the head, so that finding the oldest touches no record
        std::array<Ref, chains> tail;
        Tick floor = 0;          ///< none was queued before this
        Tick period = 0;         ///< a record is examined this long after it was queued
        Tick bound = 0;          ///< the period that is or will be in force, whichever is longer
        Tick bound_since = 0;    ///< when a longer period was ordered
        std::uint8_t takes = 0;  ///< the chain that the next record goes to
        std::uint8_t gives = 0;  ///< the chain whose head goes first among those queued at once
        std::uint8_t eviction_class = 0;
        bool lengthens = false;  ///< bound > period: waits for the records queued before bound_since to leave
    };
    static_assert(sizeof(List) == 128, "its address is a shift away");

    /// The ends of a chain have its number for a neighbour, so that one who leaves knows which it was.
    [[nodiscard]] static constexpr Ref end_of(unsigned chain) { return no_ref - chain; }
    [[nodiscard]] static constexpr unsigned chain_of(Ref end) { return no_ref - end; }
    [[nodiscard]] static constexpr bool is_end(Ref ref) { return static_cast<std::int32_t>(ref) < 0; }
    [[nodiscard]] static bool is_empty(const List& list) {
        return bits_of(is_negative(load<Lanes>(list.head.data()))) == (1U << chains) - 1;
    }

    /// The chain with the oldest head of a list that is not empty.
    [[nodiscard]] unsigned oldest_chain(List& list) {
        const unsigned gives = list.gives;
        if (list.queued_at[gives] == list.floor && !is_end(list.head[gives])) [[likely]]
            return gives;
        return find_oldest_chain(list);
    }
    [[nodiscard]] unsigned find_oldest_chain(List& list);
    [[nodiscard]] Ref oldest_of_lists(std::uint64_t left);
    /// When the oldest of a list that is not empty is to be examined.
    [[nodiscard]] Tick due(List& list) { return list.queued_at[oldest_chain(list)] + list.period; }
    void link(Ref ref, unsigned list, Tick age);
    void unlink(Ref ref, unsigned list);
    void first_of_list(unsigned list, unsigned chain, Tick age);
    void last_of_chain(unsigned list);
    void perhaps_lengthen(List& list);
    void count(unsigned list, int change) {
        Counter& size = class_size_[lists_[list].eviction_class];
        size.set(size.read() + static_cast<std::uint64_t>(change));
    }

    ColdNode* nodes_;
    Tick age_ = 0;
    Tick skew_ = 0;               ///< age clock minus the caller's
    Tick next_due_ = 0;           ///< no head is due before
    unsigned cursor_ = 0;         ///< the list expiry visited last
    std::uint64_t occupied_ = 0;  ///< a bit per list
    std::array<std::uint64_t, max_classes> lists_of_class_{};
    Classes class_of_lifetime_{};
    std::array<Counter, max_classes> class_size_;
    std::array<List, list_count> lists_;
};

[[gnu::always_inline]] inline void AgeLists::link(Ref ref, unsigned list, Tick age) {
    List& into = lists_[list];
    ColdNode& node = nodes_[ref];
    const unsigned chain = into.takes;
    into.takes = static_cast<std::uint8_t>((chain + 1) % chains);
    const Ref last = into.tail[chain];
    node.next = end_of(chain);
    node.previous = last;
    node.queued_at = age;
    into.tail[chain] = ref;
    if (!is_end(last)) [[likely]] {
        nodes_[last].next = ref;
        return;
    }
    into.head[chain] = ref;
    into.queued_at[chain] = age;
    if ((occupied_ >> list & 1) == 0) first_of_list(list, chain, age);
}

[[gnu::always_inline]] inline void AgeLists::unlink(Ref ref, unsigned list) {
    List& from = lists_[list];
    const Ref next = nodes_[ref].next, previous = nodes_[ref].previous;
    if (!is_end(next))
        nodes_[next].previous = previous;
    else
        from.tail[chain_of(next)] = previous;
    if (!is_end(previous)) {
        nodes_[previous].next = next;
        return;
    }
    const unsigned chain = chain_of(previous);
    from.head[chain] = next;
    if (from.gives == chain) from.gives = static_cast<std::uint8_t>((chain + 1) % chains);
    if (is_end(next)) [[unlikely]] {
        last_of_chain(list);
    } else {
        from.queued_at[chain] = nodes_[next].queued_at;
        const Ref behind = nodes_[next].next;  // the head after that, read then
        prefetch(is_end(behind) ? next : behind);
    }
    if (from.lengthens) [[unlikely]]
        perhaps_lengthen(from);
}

template <class OnTheWay>
unsigned AgeLists::collect_due(unsigned list, Tick age, std::span<Ref> out, OnTheWay&& on_the_way) const {
    const List& from = lists_[list];
    const Tick queued_by = age - from.period;
    std::array<Ref, chains> next = from.head;
    unsigned due = bits_of(~is_negative(queued_by - load<Lanes>(from.queued_at.data())) &
                           ~is_negative(load<Lanes>(from.head.data())));
    unsigned count = 0;
    while (due != 0)
        for (unsigned left = due; left != 0; left &= left - 1) {
            if (count == out.size()) return count;
            const auto chain = static_cast<unsigned>(std::countr_zero(left));
            const Ref ref = next[chain];
            out[count++] = ref;
            const Ref behind = next[chain] = nodes_[ref].next;
            if (!is_end(behind)) on_the_way(behind);
            if (is_end(behind) || !reached(queued_by, nodes_[behind].queued_at)) due &= ~(1U << chain);
        }
    return count;
}

[[gnu::always_inline]] inline void AgeLists::move(Ref ref, unsigned from, unsigned to, Tick age) {
    unlink(ref, from);
    link(ref, to, age);
    if (lists_[from].eviction_class == lists_[to].eviction_class) return;
    count(to, 1);
    count(from, -1);
}

inline void AgeLists::push(Ref ref, unsigned list, Tick age) {
    link(ref, list, age);
    count(list, 1);
}

inline void AgeLists::remove(Ref ref, unsigned list) {
    unlink(ref, list);
    count(list, -1);
}

}  // namespace sluice::flow
