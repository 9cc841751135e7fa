// When a flow is destroyed: at its deadline or a quarter of a second later, whatever happened to the
// deadline, the clock and the timeouts; never before.
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

/// Moves the clock on in small steps, expiring as a worker does, until `until` or the table is empty; how
/// many records were looked at.
unsigned run_until(Table4& table, Tick until, Tick step = 10) {
    unsigned looked_at = 0;
    while (!reached(table.now, until) && table->size() != 0) {
        table.now += std::min(step, until - table.now);
        looked_at += table->expire(table.now, 64, table.diary());
    }
    return looked_at;
}

TEST(Expiry, NothingIsLookedAtBeforeItIsDue) {
    Table4 table(config_of(100));
    EXPECT_EQ(table->expire(table.now, 64, table.diary()), 0) << "an empty table";
    for (unsigned i = 0; i < 100; ++i) table.insert(key4(i), unassured);
    table.now += 30 * second - 1;
    EXPECT_EQ(table->expire(table.now, 64, table.diary()), 0);
    table.now += 1;
    EXPECT_EQ(table->expire(table.now, 64, table.diary()), 64);
    EXPECT_EQ(table->expire(table.now, 64, table.diary()), 36);
    EXPECT_EQ(table->expire(table.now, 64, table.diary()), 0);
    EXPECT_EQ(table->size(), 0);
    EXPECT_EQ(table.count(Removal::expired), 100);
}

TEST(Expiry, AFlowThatWasRefreshedDiesAtItsNewDeadline) {
    for (const Tick refreshed_after : {1U, 100U, 9'999U, 29'000U, 29'999U}) {
        Table4 table(config_of(10));
        const Ref ref = table.insert(key4(1), unassured);
        table.now += refreshed_after;
        table.refresh(ref, unassured);
        const Tick deadline = table.now + 30 * second;
        const unsigned looked_at = run_until(table, deadline + 60 * second, 1);
        EXPECT_EQ(table->size(), 0);
        EXPECT_TRUE(reached(table.now, deadline)) << "not before";
        EXPECT_LE(table.now - deadline, AgeLists::tolerance) << "nor much later";
        EXPECT_LE(looked_at, 16U) << "with a bounded number of looks";
    }
}

TEST(Expiry, DeadlinesSetByHandAreKept) {
    for (const Tick timeout : {1U, 200U, 5'000U, 29'999U, 30'001U, 100'000U, 4'000'000U, 1'999'999'999U}) {
        Table4 table(config_of(10));
        const Tick deadline = table.now + timeout;
        table.insert(key4(1), unassured, timeout);
        run_until(table, deadline - 1, timeout / 1000 + 1);
        EXPECT_EQ(table->size(), 1) << timeout;
        run_until(table, deadline + second, 1);
        EXPECT_EQ(table->size(), 0) << timeout;
        EXPECT_LE(table.now - deadline, AgeLists::tolerance);
    }
}

TEST(Expiry, AnEarlierDeadlineBringsTheExaminationForward) {
    Table4 table(config_of(10));
    const Ref ref = table.insert(key4(1), assured);
    table.now += 3600 * second;
    table.refresh(ref, unacknowledged, 500);
    EXPECT_EQ(run_until(table, table.now + 10 * second, 1), 2U) << "short list of 256, then dead";
    EXPECT_EQ(table->size(), 0);
}

// The point of the lists: packets touch none of them.
TEST(Expiry, AFlowUnderLoadIsLookedAtSeldom) {
    Table4 table(config_of(10));
    const Ref ref = table.insert(key4(1), assured);
    unsigned looked_at = 0;
    for (unsigned packet = 0; packet < 60'000; ++packet) {  // a packet every 100 ms for 100 minutes
        table.now += 100;
        table.refresh(ref, packet % 2 == 0 ? assured : unacknowledged);
        looked_at += table->expire(table.now, 64, table.diary());
    }
    EXPECT_EQ(table->size(), 1);
    EXPECT_LE(looked_at, 100 * 60 / 300 * 2U) << "twice in the shorter of its two timeouts";
}

TEST(Expiry, AMillionDueTogetherAreGoneAfterAsManyPollsAsTheBudgetSays) {
    constexpr unsigned flows = 1'000'000;
    Table4 table(config_of(flows));
    for (unsigned i = 0; i < flows; ++i) table.insert(key4(i), unassured);
    table.now += 31 * second;
    unsigned polls = 0;
    unsigned destroyed = 0;
    const auto count = [&](Ref, const auto&, Removal why) { destroyed += why == Removal::expired; };
    for (; table->size() != 0 && polls < flows; ++polls) ASSERT_LE(table->expire(table.now, 64, count), 64U);
    EXPECT_EQ(destroyed, flows);
    EXPECT_EQ(polls, flows / 64);
}

TEST(Expiry, TheBudgetIsKeptAndSharedAmongTheLists) {
    Table4 table(config_of(10'000));
    for (unsigned i = 0; i < 9'000; ++i) table.insert(key4(i), unassured);
    for (unsigned i = 0; i < 20; ++i) table.insert(key4(20'000 + i), closing);
    table.now += 200 * second;
    for (const unsigned budget : {0U, 1U, 7U})
        EXPECT_EQ(table->expire(table.now, budget, table.diary()), budget);
    (void)table->expire(table.now, 64, table.diary());
    EXPECT_EQ(table->size_of_class(1), 0) << "the few do not wait for the many";
}

TEST(Expiry, HowFarItLagsIsSeen) {
    Table4 table(config_of(1000));
    EXPECT_EQ(table->oldest_overdue(table.now), 0);
    for (unsigned i = 0; i < 1000; ++i) table.insert(key4(i), unassured);
    (void)table->expire(table.now, 64, table.diary());
    EXPECT_EQ(table->oldest_overdue(table.now + 30 * second - 1), 0);
    table.now += 33 * second;
    EXPECT_EQ(table->oldest_overdue(table.now), 3 * second) << "though nobody expired anything meanwhile";
    (void)table->expire(table.now, 64, table.diary());
    EXPECT_EQ(table->oldest_overdue(table.now), 3 * second);
    (void)table.expire_all();
    EXPECT_EQ(table->oldest_overdue(table.now + 3600 * second), 0);
}

// ---- The clock

TEST(ExpiryClock, WrapsWithoutAnyoneNoticing) {
    for (const Tick start : {0xFFFFFF00U, 0xFFFF8000U, 0x7FFFFFF0U, 0U}) {
        Table4 table(config_of(1000));
        table.now = start;
        std::vector<Tick> deadline(1000);
        for (unsigned i = 0; i < 1000; ++i) {
            table.now += 7;
            deadline[i] = table.now + 30 * second;
            table.insert(key4(i), unassured);
        }
        for (unsigned i = 0; i < 1000; ++i) {
            table.now = deadline[i] - 1;
            (void)table.expire_all();
            ASSERT_EQ(table->size(), 1000 - i);
            ASSERT_NE(table.find(key4(i)), no_ref);
            table.now = deadline[i];
            (void)table.expire_all();
            ASSERT_EQ(table.find(key4(i)), no_ref);
            ASSERT_EQ(table->size(), 999 - i);
        }
    }
}

TEST(ExpiryClock, SetBackExpiresNothingInBulk) {
    for (const Tick back : {1U, 999U, 1'001U, 3'600'000U, 1'000'000'000U}) {
        Table4 table(config_of(1000));
        for (unsigned i = 0; i < 500; ++i) table.insert(key4(i), unassured);
        table.now += 10 * second;
        (void)table.expire_all();
        table.now -= back;
        (void)table.expire_all();
        EXPECT_EQ(table->size(), 500) << back;
        // Flows that come now die on time all the same.
        for (unsigned i = 500; i < 1000; ++i) table.insert(key4(i), unassured);
        const Tick deadline = table.now + 30 * second;
        while (!reached(table.now, deadline + 1500)) {
            table.now += 50;
            (void)table.expire_all();
            if (!reached(table.now, deadline)) {
                ASSERT_NE(table.find(key4(700)), no_ref);
            }
        }
        for (unsigned i = 500; i < 1000; ++i) ASSERT_EQ(table.find(key4(i)), no_ref);
        EXPECT_LE(table->size(), 500U);
        EXPECT_GE(table.count(Removal::expired), 500U) << back;
    }
}

TEST(ExpiryClock, AJumpAheadExpiresWhatIsDueAndNothingElse) {
    Table4 table(config_of(100));
    for (unsigned i = 0; i < 50; ++i) table.insert(key4(i), unassured);
    for (unsigned i = 50; i < 100; ++i) table.insert(key4(i), assured);
    table.now += 24 * 3600 * second;
    (void)table.expire_all();
    EXPECT_EQ(table->size(), 50);
    table.now += 5 * 24 * 3600 * second;
    (void)table.expire_all();
    EXPECT_EQ(table->size(), 0);
}

// ---- Reload

std::array<Tick, max_lifetimes> intervals_with(std::uint32_t lifetime, Tick interval) {
    auto intervals = config_of(1).interval;
    intervals[lifetime] = interval;
    return intervals;
}

TEST(ExpiryReload, FlowsKeepTheDeadlinesTheyHave) {
    for (const Tick changed : {5 * second, 300 * second}) {
        Table4 table(config_of(10));
        table.insert(key4(1), unassured);
        const Tick deadline = table.now + 30 * second;
        table.now += second;
        table->set_intervals(intervals_with(unassured, changed), table.now);
        run_until(table, deadline + 400 * second, 1);
        EXPECT_TRUE(reached(table.now, deadline)) << changed;
        EXPECT_LE(table.now - deadline, AgeLists::tolerance) << changed;
    }
}

// Flows with old deadlines and flows with new ones, in one list, through several reloads: none is late.
TEST(ExpiryReload, OldAndNewDeadlinesAreKeptSideBySide) {
    Table4 table(config_of(5000));
    Random random(41);
    Tick interval = 30 * second;
    std::vector<Tick> deadline;
    for (unsigned turn = 0; turn < 40; ++turn) {
        for (unsigned i = 0; i < 50; ++i) {
            table.now += static_cast<Tick>(random.below(200));
            deadline.push_back(table.now + interval);
            table.insert(key4(deadline.size() - 1), unassured, interval);
            (void)table.expire_all();
            for (std::size_t flow = deadline.size() > 1500 ? deadline.size() - 1500 : 0;
                 flow < deadline.size(); flow += 7) {
                const Tick late = table.now - deadline[flow];
                const std::uint64_t hash = table->hash_of(key4(flow));
                const bool there = table->find(key4(flow), hash, no_ref, deadline[flow] - 1) != no_ref;
                if (!reached(table.now, deadline[flow])) {
                    ASSERT_TRUE(there);
                } else if (late > AgeLists::tolerance + 200) {
                    ASSERT_FALSE(there) << "late by " << late;
                }
            }
        }
        interval = static_cast<Tick>(1 + random.below(60)) * second;
        table->set_intervals(intervals_with(unassured, interval), table.now);
    }
}

TEST(ExpiryReload, ALongerTimeoutIsExaminedOnceNotOften) {
    Table4 table(config_of(2000));
    for (unsigned i = 0; i < 1000; ++i) table.insert(key4(i), unassured);
    table->set_intervals(intervals_with(unassured, 100 * second), table.now);
    table.now += 31 * second;
    (void)table.expire_all();
    EXPECT_EQ(table->size(), 0);
    for (unsigned i = 0; i < 1000; ++i) table.insert(key4(i), unassured, 100 * second);
    EXPECT_EQ(run_until(table, table.now + 101 * second), 1000U) << "the new period rules: once each";
}

}  // namespace
}  // namespace sluice::flow::test
