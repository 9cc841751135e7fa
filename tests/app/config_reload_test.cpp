// What SIGHUP may change, and what it refuses to.
#include <gtest/gtest.h>

#include "app/configuration_keys.hpp"
#include "config_support.hpp"

namespace sluice::app {
namespace {

using testing::daemon_reads;
using testing::error_of;
using Names = std::vector<std::string>;

Result<Names> changes(const std::string& running, const std::string& wanted) {
    return reloadable_changes(*daemon_reads(running), *daemon_reads(wanted));
}

TEST(ConfigurationReload, TheSameFileChangesNothing) {
    EXPECT_EQ(*changes("", ""), Names{});
}

TEST(ConfigurationReload, NamesTheKeysThatChange) {
    EXPECT_EQ(*changes("", "tcp.loose = true\nudp.timeout = 31\ntracker.invalid = \"pass\""),
              (Names{"tracker.invalid", "tcp.loose", "udp.timeout"}));
}

TEST(ConfigurationReload, AKeyWrittenAsItsDefaultIsNoChange) {
    EXPECT_EQ(*changes("", "udp.timeout = 30"), Names{});
}

TEST(ConfigurationReload, OneKeyThatNeedsARestartRefusesItAll) {
    const auto result = changes("", "tcp.loose = true\ndaemon.workers = 2");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(
        result.error(),
        "daemon.workers differs from what is running and can only change by a restart; nothing was changed");
}

TEST(ConfigurationReload, NamesEveryKeyThatNeedsARestart) {
    const auto result = changes("", "ports.mtu = 1500\ntracker.acct = true\ncontrol.mode = \"0600\"");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(
        result.error(),
        "control.mode, ports.mtu, tracker.acct differ from what is running and can only change by a restart; "
        "nothing was changed");
}

TEST(ConfigurationReload, AnotherProfileChangesTheTimeoutsAndTheBudgetOfHalfOpenFlows) {
    const auto result = changes("", "profile = \"linux\"");
    ASSERT_TRUE(result.ok()) << result.error();
    EXPECT_NE(std::find(result->begin(), result->end(), "tcp.timeout_established"), result->end());
    EXPECT_NE(std::find(result->begin(), result->end(), "tracker.half_open_max"), result->end());
}

Configuration with_pairs(const std::string& text) {
    return *load_text(text, "file", {}, Use::daemon);
}

TEST(ConfigurationReload, NeitherTheZoneNorThePortsOfAPairMayChange) {
    const std::string pair = "[[pair]]\nports = [\"net_null0\", \"net_null1\"]\n";
    const auto zone = reloadable_changes(with_pairs(pair), with_pairs(pair + "zone = 3\n"));
    ASSERT_FALSE(zone.ok());
    EXPECT_EQ(zone.error(),
              "pair.zone differs from what is running and can only change by a restart; nothing was changed");
    const auto ports =
        reloadable_changes(with_pairs(pair), with_pairs("[[pair]]\nports = [\"net_null0\", \"net_tap1\"]"));
    ASSERT_FALSE(ports.ok());
    EXPECT_EQ(ports.error(),
              "pair differs from what is running and can only change by a restart; nothing was changed");
    EXPECT_FALSE(
        reloadable_changes(with_pairs(pair), with_pairs(pair + "[[pair]]\nports = [\"net_a\", \"net_b\"]"))
            .ok());
}

// Open connections would be looked for under a key that they were not entered with.
TEST(ConfigurationReload, WhatIsPartOfTheFlowKeyMayNotChange) {
    const auto result = changes("", "tracker.vlan_in_key = false");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(
        result.error(),
        "tracker.vlan_in_key differs from what is running and can only change by a restart; nothing was "
        "changed");
}

// A key marked reloadable that reached Limits or the ports would be announced as changed and stay as it was.
TEST(ConfigurationReload, EveryReloadableKeyLeavesWhatIsFixedAtStartAlone) {
    const Configuration before = *daemon_reads("");
    for (const Key& key : keys()) {
        if (!key.reloadable || key.type != Type::integer) continue;
        const std::int64_t other = std::get<std::int64_t>(key.get(before)) + 1;
        const auto after = daemon_reads("", {std::string(key.name) + '=' + std::to_string(other)});
        ASSERT_TRUE(after.ok()) << error_of(after);
        EXPECT_EQ(*reloadable_changes(before, *after), Names{std::string(key.name)});
        EXPECT_EQ(after->limits.ipv4_flows, before.limits.ipv4_flows) << key.name;
        EXPECT_EQ(after->limits.ipv6_flows, before.limits.ipv6_flows) << key.name;
        EXPECT_EQ(after->limits.fragment_datagrams, before.limits.fragment_datagrams) << key.name;
    }
}

}  // namespace
}  // namespace sluice::app
