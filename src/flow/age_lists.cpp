#include "sluice/flow/age_lists.hpp"

namespace sluice::flow {

AgeLists::AgeLists(ColdNode* nodes, const Classes& classes, const Intervals& intervals)
    : nodes_(nodes), class_of_lifetime_(classes) {
    for (unsigned i = 0; i < list_count; ++i) {
        List& list = lists_[i];
        if (i < max_lifetimes) {
            list.period = intervals[i];
            list.eviction_class = classes[i];
        } else {
            const unsigned step = (i - max_lifetimes) % short_lists_per_class;
            list.period = tolerance << (2 * step);
            list.eviction_class = static_cast<std::uint8_t>((i - max_lifetimes) / short_lists_per_class);
        }
        list.bound = list.period;
        lists_of_class_[list.eviction_class] |= std::uint64_t{1} << i;
    }
}

AgeLists::List::List() {
    for (unsigned chain = 0; chain < chains; ++chain) head[chain] = tail[chain] = end_of(chain);
}

void AgeLists::first_of_list(unsigned list, unsigned chain, Tick age) {
    List& into = lists_[list];
    into.gives = static_cast<std::uint8_t>(chain);
    into.floor = age;
    const Tick due = age + into.period;
    if (occupied_ == 0 || before(due, next_due_)) next_due_ = due;
    occupied_ |= std::uint64_t{1} << list;
}

void AgeLists::last_of_chain(unsigned list) {
    if (is_empty(lists_[list])) occupied_ &= ~(std::uint64_t{1} << list);
}

/// The oldest record of a list may be another one: perhaps none from before a reload is left.
void AgeLists::perhaps_lengthen(List& list) {
    if (is_empty(list) || after(list.queued_at[oldest_chain(list)], list.bound_since)) {
        list.period = list.bound;
        list.lengthens = false;
    }
}

unsigned AgeLists::find_oldest_chain(List& list) {
    // How long each head has waited, and a tick; of an empty chain, 0.
    const Lanes waited =
        (age_ - load<Lanes>(list.queued_at.data()) + 1U) & ~is_negative(load<Lanes>(list.head.data()));
    Lanes longest = larger(waited, __builtin_shufflevector(waited, waited, 4, 5, 6, 7, 0, 1, 2, 3));
    longest = larger(longest, __builtin_shufflevector(longest, longest, 2, 3, 0, 1, 6, 7, 4, 5));
    longest = larger(longest, __builtin_shufflevector(longest, longest, 1, 0, 3, 2, 5, 4, 7, 6));
    const unsigned oldest = bits_of(is_equal(waited, longest));
    const unsigned from_gives = (oldest | oldest << chains) >> list.gives;
    const unsigned chain = (list.gives + static_cast<unsigned>(std::countr_zero(from_gives))) % chains;
    list.gives = static_cast<std::uint8_t>(chain);
    list.floor = list.queued_at[chain];
    return chain;
}

unsigned AgeLists::next_due_list(Tick age) {
    // From the one after the cursor, round to the cursor itself.
    const unsigned first = (cursor_ + 1) % list_count;
    Tick earliest = age_ + max_interval;
    for (std::uint64_t left = std::rotr(occupied_, static_cast<int>(first)); left != 0; left &= left - 1) {
        const unsigned list = (static_cast<unsigned>(std::countr_zero(left)) + first) % list_count;
        const Tick candidate = due(lists_[list]);
        if (reached(age, candidate)) {
            cursor_ = list;
            return list;
        }
        if (before(candidate, earliest)) earliest = candidate;
    }
    next_due_ = earliest;
    return list_count;
}

void AgeLists::find_next_due() {
    Tick earliest = age_ + max_interval;
    for (std::uint64_t left = occupied_; left != 0; left &= left - 1) {
        const Tick candidate = due(lists_[static_cast<unsigned>(std::countr_zero(left))]);
        if (before(candidate, earliest)) earliest = candidate;
    }
    next_due_ = earliest;
}

/// Of those whose bit is set.
Ref AgeLists::oldest_of_lists(std::uint64_t left) {
    if (left == 0) return no_ref;
    List* oldest = &lists_[static_cast<unsigned>(std::countr_zero(left))];
    unsigned chain = oldest_chain(*oldest);
    for (left &= left - 1; left != 0; left &= left - 1) {
        List& other = lists_[static_cast<unsigned>(std::countr_zero(left))];
        const unsigned others = oldest_chain(other);
        if (!before(other.queued_at[others], oldest->queued_at[chain])) continue;
        oldest = &other;
        chain = others;
    }
    return oldest->head[chain];
}

void AgeLists::set_intervals(const Intervals& intervals, Tick age) {
    for (unsigned i = 0; i < max_lifetimes; ++i) {
        List& list = lists_[i];
        list.bound = intervals[i];
        list.bound_since = age;
        list.lengthens = list.bound > list.period;
        if (!list.lengthens) list.period = list.bound;
        perhaps_lengthen(list);
    }
    next_due_ = age;  // a shorter period may have made any head due: look
}

}  // namespace sluice::flow
