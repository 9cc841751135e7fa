// tracker.max is a total: shared out among workers, and between the address families by tracker.ipv6_share.
#include <gtest/gtest.h>

#include "config_support.hpp"

namespace sluice::app {
namespace {

using testing::daemon_reads;
using testing::error_of;
using testing::replay_reads;

TEST(ConfigurationSizes, FourWorkersEachGetAQuarter) {
    const auto c = daemon_reads(
        "daemon.workers = 4\ntracker.max = 400000\ntracker.ipv6_share = 10\n"
        "tracker.half_open_max = 1000");
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_EQ(c->limits.ipv4_flows, 90'000U);
    EXPECT_EQ(c->limits.ipv6_flows, 10'000U);
    EXPECT_EQ(c->settings.half_open_limit, 250U);
}

TEST(ConfigurationSizes, TheTotalIsNeverExceeded) {
    for (unsigned workers = 1; workers <= 64; ++workers)
        for (const unsigned share : {0U, 1U, 33U, 99U, 100U}) {
            const auto c = daemon_reads("", {"daemon.workers=" + std::to_string(workers), "tracker.max=1000",
                                             "tracker.ipv6_share=" + std::to_string(share)});
            ASSERT_TRUE(c.ok()) << error_of(c);
            const std::uint64_t each = std::uint64_t{c->limits.ipv4_flows} + c->limits.ipv6_flows;
            EXPECT_LE(each * workers, 1000U);
            EXPECT_GT((each + 1) * workers, 1000U);
            EXPECT_GE(c->limits.ipv4_flows, 1U);
            EXPECT_GE(c->limits.ipv6_flows, 1U);
        }
}

TEST(ConfigurationSizes, ASmallTableKeepsRoomFromHalfOpenFlows) {
    EXPECT_EQ(daemon_reads("tracker.max = 8000")->settings.half_open_limit, 1000U);
    EXPECT_EQ(daemon_reads("tracker.max = 4")->settings.half_open_limit, 1U);
}

TEST(ConfigurationSizes, NoBudgetStaysNoBudgetHoweverManyWorkers) {
    EXPECT_EQ(daemon_reads("daemon.workers = 3\ntracker.half_open_max = 0")->settings.half_open_limit, 0U);
}

TEST(ConfigurationSizes, ABudgetSmallerThanTheWorkersIsStillABudget) {
    EXPECT_EQ(daemon_reads("daemon.workers = 8\ntracker.half_open_max = 1")->settings.half_open_limit, 1U);
}

TEST(ConfigurationSizes, TheLargestTotalFitsItsTypes) {
    const auto c = replay_reads("tracker.max = 1073741824\ntracker.ipv6_share = 100");
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_EQ(c->limits.ipv6_flows, 1'073'741'823U);
    EXPECT_EQ(c->limits.ipv4_flows, 1U);
}

}  // namespace
}  // namespace sluice::app
