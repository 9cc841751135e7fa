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

/// The oldest record of a list is another one: perhaps none from before a reload is left.
void AgeLists::head_changed(List& list) {
    if (list.lengthens && (list.head == no_ref || after(list.head_queued_at, list.bound_since))) {
        list.period = list.bound;
        list.lengthens = false;
    }
}

unsigned AgeLists::next_due_list(Tick age) {
    // From the one after the cursor, round to the cursor itself.
    const unsigned first = (cursor_ + 1) % list_count;
    for (std::uint64_t left = std::rotr(occupied_, static_cast<int>(first)); left != 0; left &= left - 1) {
        const unsigned list = (static_cast<unsigned>(std::countr_zero(left)) + first) % list_count;
        if (!reached(age, due(lists_[list]))) continue;
        cursor_ = list;
        return list;
    }
    find_next_due();
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

unsigned AgeLists::oldest_list_of_class(std::uint8_t eviction_class) const {
    std::uint64_t left = occupied_ & lists_of_class_[eviction_class];
    if (left == 0) return list_count;
    auto oldest = static_cast<unsigned>(std::countr_zero(left));
    for (left &= left - 1; left != 0; left &= left - 1) {
        const auto list = static_cast<unsigned>(std::countr_zero(left));
        if (before(lists_[list].head_queued_at, lists_[oldest].head_queued_at)) oldest = list;
    }
    return oldest;
}

void AgeLists::set_intervals(const Intervals& intervals, Tick age) {
    for (unsigned i = 0; i < max_lifetimes; ++i) {
        List& list = lists_[i];
        list.bound = intervals[i];
        list.bound_since = age;
        list.lengthens = list.bound > list.period;
        if (!list.lengthens) list.period = list.bound;
        head_changed(list);
    }
    next_due_ = age;  // a shorter period may have made any head due: look
}

}  // namespace sluice::flow
