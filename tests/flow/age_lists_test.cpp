// The lists by themselves: which one a record belongs in, order, counts, the age clock.
#include "sluice/flow/age_lists.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

struct Lists {
    Lists() : Lists(config_of(1)) {}
    explicit Lists(const TableConfig& config)
        : nodes(100), ages(nodes.data(), config.eviction_class, config.interval) {}
    [[nodiscard]] std::vector<Ref> order(unsigned list) const {
        std::vector<Ref> refs;
        for (Ref ref = ages.head(list); ref != no_ref; ref = ages.younger(ref)) refs.push_back(ref);
        return refs;
    }
    std::vector<ColdNode> nodes;
    AgeLists ages;
};

TEST(AgeLists, AFullTimeoutGoesToTheListOfItsLifetime) {
    const Lists lists;
    EXPECT_EQ(lists.ages.list_for(unassured, 30 * second), unassured);
    EXPECT_EQ(lists.ages.list_for(unassured, 31 * second), unassured);
    EXPECT_EQ(lists.ages.list_for(assured, 432'000 * second), assured);
}

TEST(AgeLists, ARestGoesToTheLongestShortListOfItsClassThatIsNotTooLate) {
    const Lists lists;
    const unsigned first_of_class_2 = max_lifetimes + 2 * AgeLists::short_lists_per_class;
    const unsigned first_of_class_3 = max_lifetimes + 3 * AgeLists::short_lists_per_class;
    for (const auto& [remaining, step] : {std::pair{0U, 0U},
                                          {1U, 0U},
                                          {255U, 0U},
                                          {256U, 0U},
                                          {1023U, 0U},
                                          {1024U, 1U},
                                          {4095U, 1U},
                                          {4096U, 2U},
                                          {16'384U, 3U},
                                          {29'999U, 3U}}) {
        EXPECT_EQ(lists.ages.list_for(unassured, remaining), first_of_class_2 + step) << remaining;
    }
    EXPECT_EQ(lists.ages.list_for(unassured, static_cast<Tick>(-5000)), first_of_class_2) << "overdue";
    EXPECT_EQ(lists.ages.list_for(assured, (1U << 22) - 1), first_of_class_3 + 6);
    EXPECT_EQ(lists.ages.list_for(assured, 1U << 22), first_of_class_3 + 7);
    EXPECT_EQ(lists.ages.list_for(assured, 432'000 * second - 1), first_of_class_3 + 7)
        << "the longest there is";
}

TEST(AgeLists, EightChangesOfLifetimeAreJudgedAsOne) {
    TableConfig config = config_of(1);
    for (unsigned lifetime = 0; lifetime < max_lifetimes; ++lifetime)
        config.eviction_class[lifetime] = static_cast<std::uint8_t>(lifetime * 7 % 5 % max_classes);
    const Lists lists(config);
    for (unsigned was = 0; was < max_lifetimes; ++was)
        for (unsigned first = 0; first < max_lifetimes; first += lane_count) {
            const Lanes stays = lists.ages.may_stay(all_lanes(was), lane_numbers + first);
            for (unsigned lane = 0; lane < lane_count; ++lane)
                EXPECT_EQ(stays[lane], mask_of(lists.ages.may_stay(was, first + lane)))
                    << was << " to " << first + lane;
        }
}

TEST(AgeLists, RecordsLeaveFromAnywhereAndTheRestKeepTheirOrder) {
    Lists lists;
    for (Ref ref = 0; ref < 6; ++ref) lists.ages.push(ref, unassured, ref);
    for (const Ref gone : {3U, 0U, 5U}) lists.ages.remove(gone, unassured);
    EXPECT_EQ(lists.order(unassured), (std::vector<Ref>{1, 2, 4}));
    lists.ages.move(1, unassured, unassured, 10);
    EXPECT_EQ(lists.order(unassured), (std::vector<Ref>{2, 4, 1}));
    for (const Ref gone : {2U, 4U, 1U}) lists.ages.remove(gone, unassured);
    EXPECT_TRUE(lists.ages.empty());
    EXPECT_EQ(lists.ages.oldest_list_of_class(2), AgeLists::list_count);
}

TEST(AgeLists, TheOldestOfAClassIsFoundAmongAllItsLists) {
    Lists lists;
    const unsigned short_list = lists.ages.list_for(opening, 5000);
    lists.ages.push(0, opened, 30);
    lists.ages.push(1, opening, 20);
    lists.ages.push(2, short_list, 10);
    lists.ages.push(3, unassured, 0);
    EXPECT_EQ(lists.ages.oldest_list_of_class(0), short_list);
    lists.ages.remove(2, short_list);
    EXPECT_EQ(lists.ages.oldest_list_of_class(0), opening);
    lists.ages.remove(1, opening);
    EXPECT_EQ(lists.ages.oldest_list_of_class(0), opened);
    EXPECT_EQ(lists.ages.size_of_class(0), 1);
    EXPECT_EQ(lists.ages.size_of_class(2), 1);
}

TEST(AgeLists, DueListsTakeTurns) {
    Lists lists;
    for (Ref ref = 0; ref < 4; ++ref) lists.ages.push(ref, ref % 2 == 0 ? unassured : closing, 0);
    const Tick age = 31 * second;
    EXPECT_FALSE(lists.ages.something_may_be_due(30 * second - 1));
    EXPECT_TRUE(lists.ages.something_may_be_due(age));
    const unsigned first = lists.ages.next_due_list(age);
    const unsigned second_one = lists.ages.next_due_list(age);
    EXPECT_NE(first, second_one);
    EXPECT_EQ(lists.ages.next_due_list(age), first);
    EXPECT_EQ(lists.ages.next_due_list(30 * second - 1), AgeLists::list_count);
    EXPECT_EQ(lists.ages.next_due(), 30 * second);
}

TEST(AgeLists, TheAgeClockNeverGoesBack) {
    Lists lists;
    EXPECT_EQ(lists.ages.advance(5000), 5000);
    lists.ages.push(0, assured, 5000);
    EXPECT_EQ(lists.ages.advance(4500), 5000) << "a little: it waits";
    EXPECT_EQ(lists.ages.advance(5100), 5100);
    EXPECT_EQ(lists.ages.advance(1000), 5100) << "far: it goes on from here";
    EXPECT_EQ(lists.ages.advance(1100), 5200);
    EXPECT_EQ(lists.ages.caller_time(5200), 1100);
}

}  // namespace
}  // namespace sluice::flow::test
