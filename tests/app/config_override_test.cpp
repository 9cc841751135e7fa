// --set KEY=VALUE.
#include <gtest/gtest.h>

#include "config_support.hpp"

namespace sluice::app {
namespace {

using testing::daemon_reads;
using testing::error_of;
using testing::replay_reads;

TEST(ConfigurationOverride, ReplacesWhatTheFileSays) {
    EXPECT_FALSE(replay_reads("tcp.loose = true", {"tcp.loose=false"})->settings.tcp.loose);
}

TEST(ConfigurationOverride, TheLastOneWins) {
    EXPECT_EQ(replay_reads("", {"tracker.max=100", "tracker.max=200"})->totals.flows, 200U);
}

TEST(ConfigurationOverride, SwitchesMayBeZeroAndOne) {
    EXPECT_FALSE(replay_reads("", {"tcp.loose=0"})->settings.tcp.loose);
    EXPECT_TRUE(replay_reads("", {"tcp.strict=1"})->settings.tcp.strict);
}

TEST(ConfigurationOverride, WordsNeedNoQuotesAndMayHaveThem) {
    EXPECT_EQ(replay_reads("", {"profile=appliance"})->profile, Profile::appliance);
    EXPECT_EQ(replay_reads("", {"profile=\"appliance\""})->profile, Profile::appliance);
    EXPECT_EQ(replay_reads("", {"profile='appliance'"})->settings.timeouts, appliance_timeouts());
    EXPECT_EQ(replay_reads("", {"control.mode=0600"})->control.mode, 0600U);
    EXPECT_EQ(replay_reads("", {"control.socket=/tmp/a b=c"})->control.path, "/tmp/a b=c");
}

TEST(ConfigurationOverride, TheProfileChoosesDefaultsThatTheFileReplaces) {
    const auto c = replay_reads("udp.timeout = 5", {"profile=appliance"});
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_FALSE(c->settings.tcp.loose);
    EXPECT_EQ(c->settings.timeouts[static_cast<std::size_t>(Lifetime::udp)], 5U);
}

TEST(ConfigurationOverride, ListsNeedNoBracketsAndMayHaveThem) {
    for (const std::string list : {"daemon.cpus=2,3", "daemon.cpus=[2, 3]"}) {
        const auto c = daemon_reads("daemon.workers = 2", {list});
        ASSERT_TRUE(c.ok()) << error_of(c);
        EXPECT_EQ(c->dpdk.worker_cpus, (std::vector<unsigned>{2, 3}));
    }
    EXPECT_EQ(replay_reads("", {"ethertypes.pass=arp,0x88cc"})->passed_ether_types,
              (std::vector<std::uint16_t>{0x0806, 0x88cc}));
    EXPECT_TRUE(replay_reads("", {"ethertypes.pass="})->passed_ether_types.empty());
}

TEST(ConfigurationOverride, NfConntracksOwnNamesAreUnderstood) {
    EXPECT_EQ(replay_reads("", {"net.netfilter.nf_conntrack_max=1000"})->totals.flows, 1000U);
    EXPECT_FALSE(replay_reads("", {"nf_conntrack_tcp_loose=0"})->settings.tcp.loose);
    EXPECT_TRUE(replay_reads("", {"nf_conntrack_acct=1"})->limits.accounting);
    EXPECT_EQ(replay_reads("", {"nf_conntrack_frag6_timeout=9"})->settings.fragment_timeout_ipv6, 9U);
}

TEST(ConfigurationOverride, PairsCanBeReplacedToo) {
    const auto c = daemon_reads("", {"pair=[{ports=['net_ring0','net_ring1'], zone=4}]"});
    ASSERT_TRUE(c.ok()) << error_of(c);
    ASSERT_EQ(c->dpdk.pairs.size(), 1U);
    EXPECT_EQ(c->dpdk.pairs[0].ports[1].device, "net_ring1");
    EXPECT_EQ(c->settings.zone[0], 4);
}

TEST(ConfigurationOverride, AFaultNamesTheOverride) {
    const auto error = [](const std::string& text) { return error_of(replay_reads("", {text})); };
    EXPECT_EQ(error("tcp.loose=maybe"), "--set tcp.loose=maybe: expected true or false, found \"maybe\"");
    EXPECT_EQ(error("tcp.loose=2"), "--set tcp.loose=2: expected true or false, found 2");
    EXPECT_EQ(error("tcp.loose="), "--set tcp.loose=: expected true or false, found \"\"");
    EXPECT_EQ(error("tcp.loose"), "--set tcp.loose: expected KEY=VALUE");
    EXPECT_EQ(error("=1"), "--set =1: expected KEY=VALUE");
    EXPECT_EQ(error(""), "--set : expected KEY=VALUE");
    EXPECT_EQ(error("tcp.losse=1"), "--set tcp.losse=1: there is no such key; did you mean tcp.loose?");
    EXPECT_EQ(error("kitchen=1"),
              "--set kitchen=1: there is no such key; docs/configuration.md lists them all");
    EXPECT_EQ(error("tcp=1"), "--set tcp=1: there is no such key; docs/configuration.md lists them all");
    EXPECT_EQ(error("udp.timeout=-1"),
              "--set udp.timeout=-1: expected a whole number of seconds from 1 to 2000000, found -1");
    EXPECT_EQ(error("udp.timeout=1.5"),
              "--set udp.timeout=1.5: expected a whole number of seconds from 1 to 2000000, found the "
              "fraction 1.5");
    EXPECT_EQ(
        error("udp.timeout=99999999999999999999"),
        "--set udp.timeout=99999999999999999999: expected a whole number of seconds from 1 to 2000000, found "
        "\"99999999999999999999\"");
    EXPECT_EQ(error("profile=server"),
              "--set profile=server: expected \"appliance\" or \"linux\", found \"server\"");
    EXPECT_EQ(
        error("daemon.cpus=1,x"),
        "--set daemon.cpus=1,x: expected a list of different whole numbers from 0 to 1023, found \"1,x\"");
}

TEST(ConfigurationOverride, CannotSmuggleASecondKeyIn) {
    EXPECT_EQ(error_of(replay_reads("", {"tcp.strict=true\ntcp.loose = true"})),
              "--set tcp.strict=true\\x0atcp.loose = true: expected one line without control characters");
}

TEST(ConfigurationOverride, FaultsOfTheFileComeFirst) {
    EXPECT_EQ(error_of(replay_reads("tcp.max_retrans = 8", {"tcp.max_retrans=9", "tcp.loose=x"})),
              "file:1:19: tcp.max_retrans: expected a whole number from 0 to 7, found 8\n"
              "--set tcp.max_retrans=9: expected a whole number from 0 to 7, found 9\n"
              "--set tcp.loose=x: expected true or false, found \"x\"");
}

TEST(ConfigurationOverride, IsCheckedAgainstTheRestOfTheFile) {
    EXPECT_EQ(error_of(daemon_reads("", {"daemon.workers=3", "daemon.cpus=1"})),
              "--set daemon.cpus=1: expected one core for each of the 3 workers (daemon.workers), found 1");
}

}  // namespace
}  // namespace sluice::app
