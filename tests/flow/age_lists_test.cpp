// The lists by themselves: which one a record belongs in, order, counts, the age clock.
#include "sluice/flow/age_lists.hpp"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

struct Lists {
    Lists() : Lists(config_of(1)) {}
    explicit Lists(const TableConfig& config)
        : nodes(100), ages(nodes.data(), config.eviction_class, config.interval) {}
    void push(Ref ref, unsigned list, Tick at) { ages.push(ref, list, ages.advance(at)); }
    /// Empties a list, from its oldest on.
    [[nodiscard]] std::vector<Ref> drain(unsigned list) {
        std::vector<Ref> refs;
        while (!ages.empty()) {
            refs.push_back(ages.oldest(list));
            ages.remove(refs.back(), list);
        }
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
    constexpr Ref records = 30;  // three and four to a chain
    Lists lists;
    for (Ref ref = 0; ref < records; ++ref) lists.push(ref, unassured, ref);
    std::vector<Ref> wanted;
    for (Ref ref = 0; ref < records; ++ref)
        if (ref % 7 == 0 || ref % 8 == 5 || ref > 25)  // heads, tails, from the middle, a whole chain
            lists.ages.remove(ref, unassured);
        else if (ref != 1 && ref != 12)
            wanted.push_back(ref);
    for (const Ref moved : {12U, 1U}) {
        lists.ages.move(moved, unassured, unassured, lists.ages.advance(records));
        wanted.push_back(moved);
    }
    EXPECT_EQ(lists.ages.size_of_class(2), wanted.size());
    EXPECT_EQ(lists.drain(unassured), wanted);
    EXPECT_EQ(lists.ages.oldest_of_class(2), no_ref);
    EXPECT_EQ(lists.ages.size_of_class(2), 0);
}

TEST(AgeLists, OfThoseQueuedAtOnceTheFirstIsTheOldestWhileNoneLeftFromTheMiddle) {
    Lists lists;
    for (Ref turn = 0; turn < 3; ++turn) {  // the chain it begins with is another each time
        std::vector<Ref> wanted;
        for (Ref ref = 0; ref < 20; ++ref) lists.push(ref, opening, 7 + turn);
        for (Ref ref = 0; ref < 50; ++ref) {
            ASSERT_EQ(lists.ages.oldest_of_class(0), ref % 20);
            lists.ages.move(ref % 20, opening, opening, 7 + turn);
        }
        for (Ref ref = 10; ref < 30; ++ref) wanted.push_back(ref % 20);
        ASSERT_EQ(lists.drain(opening), wanted);
    }
}

// What makes evictions quick: which records come next is known, and their lines asked for, well ahead.
TEST(AgeLists, InAFloodTheNextOfEachChainIsKnownEightEvictionsAhead) {
    Lists lists;
    Random random(3);
    constexpr Ref records = 80;
    for (Ref ref = 0; ref < records; ++ref) lists.push(ref, opening, ref / 16);
    std::vector<unsigned> seen(records);
    for (unsigned now = 1; now < 1000; ++now) {
        const Ref oldest = lists.ages.oldest_of_class(0);
        if (now > AgeLists::chains) {
            ASSERT_EQ(now - seen[oldest], AgeLists::chains);
        }
        const Ref next = lists.ages.younger(oldest);
        ASSERT_NE(next, no_ref);
        seen[next] = now;
        lists.ages.move(oldest, opening, opening, lists.ages.advance(5 + now / 16));
    }
}

// Whatever was queued, moved and removed: the oldest is the oldest, what is due is found, counts hold.
TEST(AgeLists, RandomHistoriesAgreeWithASortedList) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Lists lists;
        Random random(seed);
        std::vector<Ref> unused(100);
        std::iota(unused.begin(), unused.end(), 0U);
        std::map<Ref, std::pair<unsigned, Tick>> queued;  // in which list, since when
        Tick now = static_cast<Tick>(random.next());
        const std::array<unsigned, 3> some{opening, opened, max_lifetimes};  // all of class 0
        for (unsigned step = 0; step < 3000; ++step) {
            if (random.below(4) == 0) now += static_cast<Tick>(random.below(20));
            const Tick age = lists.ages.advance(now);
            const unsigned list = some[random.below(some.size())];
            const std::uint64_t what = random.below(seed % 2 == 0 ? 5 : 4);
            if (what < 2 && !unused.empty()) {
                lists.ages.push(unused.back(), list, age);
                queued[unused.back()] = {list, age};
                unused.pop_back();
            } else if (!queued.empty()) {
                auto one = std::next(queued.begin(), static_cast<long>(random.below(queued.size())));
                if (what == 3) one = queued.find(lists.ages.oldest_of_class(0));
                const auto [ref, where] = *one;
                if (what == 4) {
                    lists.ages.move(ref, where.first, list, age);
                    one->second = {list, age};
                } else {
                    lists.ages.remove(ref, where.first);
                    queued.erase(one);
                    unused.push_back(ref);
                }
            }
            ASSERT_EQ(lists.ages.size_of_class(0), queued.size());
            const Ref oldest = lists.ages.oldest_of_class(0);
            ASSERT_EQ(oldest == no_ref, queued.empty());
            for (const auto& [ref, where] : queued)
                ASSERT_FALSE(before(where.second, queued.at(oldest).second)) << ref;
            // A moment of the future, and what would be due then.
            const unsigned of_interest = max_lifetimes;
            const Tick then = age + AgeLists::tolerance - static_cast<Tick>(random.below(300));
            std::array<Ref, 100> due;
            const unsigned count = lists.ages.collect_due(of_interest, then, due, [](Ref) {});
            std::set<Ref> wanted;
            for (const auto& [ref, where] : queued)
                if (where.first == of_interest && reached(then, where.second + AgeLists::tolerance))
                    wanted.insert(ref);
            ASSERT_EQ(std::set<Ref>(due.begin(), due.begin() + count), wanted);
            ASSERT_EQ(count, wanted.size());
        }
    }
}

TEST(AgeLists, TheOldestOfAClassIsFoundAmongAllItsLists) {
    Lists lists;
    const unsigned short_list = lists.ages.list_for(opening, 5000);
    lists.push(3, unassured, 1);
    lists.push(2, short_list, 10);
    lists.push(1, opening, 20);
    lists.push(0, opened, 30);
    EXPECT_EQ(lists.ages.oldest_of_class(0), 2);
    lists.ages.remove(2, short_list);
    EXPECT_EQ(lists.ages.oldest_of_class(0), 1);
    lists.ages.remove(1, opening);
    EXPECT_EQ(lists.ages.oldest_of_class(0), 0);
    EXPECT_EQ(lists.ages.size_of_class(0), 1);
    EXPECT_EQ(lists.ages.size_of_class(2), 1);
}

TEST(AgeLists, DueListsTakeTurns) {
    Lists lists;
    for (Ref ref = 0; ref < 4; ++ref) lists.push(ref, ref % 2 == 0 ? unassured : closing, 0);
    const Tick age = lists.ages.advance(31 * second);
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
