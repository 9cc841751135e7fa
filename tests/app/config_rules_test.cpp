// [[rule]] and [[set]]: what they mean, and what is said of what cannot be meant.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "app/configuration_rules.hpp"
#include "config_support.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::app {
namespace {

using policy::Action;
using policy::Rule;
using testing::daemon_reads;
using testing::error_of;
using testing::replay_reads;

std::string refusal(const std::string& rule) {
    return error_of(replay_reads("[[rule]]\naction = \"allow\"\n" + rule));
}

TEST(RulesConfiguration, WithoutRulesThereIsNoPolicy) {
    const auto c = daemon_reads("");
    ASSERT_TRUE(c) << error_of(c);
    EXPECT_EQ(c->rules, nullptr);
    EXPECT_NE(describe(*c).find("no rules: every flow is allowed"), std::string::npos);
}

TEST(RulesConfiguration, ARuleSaysWhatItIsAbout) {
    const auto c = replay_reads(
        "[[rule]]\n"
        "name = \"web\"\n"
        "action = \"allow\"\n"
        "protocol = [\"tcp\", \"udp\"]\n"
        "from = [\"198.51.100.0/24\", \"2001:db8::/32\"]\n"
        "to = \"192.0.2.1\"\n"
        "from_port = \"1024-65535\"\n"
        "to_port = [80, \"443\"]\n"
        "vlan = [\"untagged\", 7, \"20-29\"]\n"
        "log = true\nmark = 4294967295\nmost_flows = 100\nmost_a_second = 10\n"
        "pick_up = true\ninvalid = \"pass\"\nlive_flows = \"keep\"\n"
        "tcp_timeout_established = 3600\nudp_timeout = 5\nudp_timeout_stream = 2000000\n");
    ASSERT_TRUE(c) << error_of(c);
    ASSERT_NE(c->rules, nullptr);
    ASSERT_EQ(c->rules->size(), 1U);
    const Rule& rule = c->rules->rule(1);
    EXPECT_EQ(rule.name, "web");
    EXPECT_EQ(rule.action, Action::allow);
    EXPECT_EQ(rule.protocols, (std::vector<std::uint8_t>{packet::tcp, packet::udp}));
    ASSERT_EQ(rule.from.size(), 2U);
    EXPECT_EQ(text_of(rule.from[0]), "198.51.100.0/24");
    EXPECT_EQ(text_of(rule.from[1]), "2001:db8::/32");
    ASSERT_EQ(rule.to.size(), 1U);
    EXPECT_EQ(text_of(rule.to[0]), "192.0.2.1");
    EXPECT_EQ(rule.from_ports, (std::vector<policy::Range>{{1024, 65535}}));
    EXPECT_EQ(rule.to_ports, (std::vector<policy::Range>{{80, 80}, {443, 443}}));
    EXPECT_EQ(rule.vlans,
              (std::vector<policy::Range>{{policy::untagged, policy::untagged}, {7, 7}, {20, 29}}));
    EXPECT_TRUE(rule.log);
    EXPECT_EQ(rule.mark, 4294967295U);
    EXPECT_EQ(rule.most_flows, 100U);
    EXPECT_EQ(rule.most_a_second, 10U);
    EXPECT_EQ(rule.pick_up, true);
    EXPECT_EQ(rule.drop_invalid, false);
    EXPECT_TRUE(rule.spares_live_flows);
    EXPECT_EQ(rule.timeouts, (policy::OwnTimeouts{3600, 5, 2'000'000}));
    EXPECT_EQ(c->rules->rule(policy::no_rule).action, Action::deny);
}

TEST(RulesConfiguration, AQueryHasItsNumberByItsProtocol) {
    const auto c = replay_reads(
        "[[rule]]\nicmp = \"echo-request\"\naction = \"allow\"\nprotocol = \"icmpv6\"\n"
        "[[rule]]\nicmp = [\"echo-request\", \"13/0\"]\naction = \"allow\"\nprotocol = \"icmp\"\n");
    ASSERT_TRUE(c) << error_of(c);
    EXPECT_EQ(c->rules->rule(1).icmp, (std::vector<policy::IcmpKind>{{128, std::nullopt}}));
    EXPECT_EQ(c->rules->rule(2).icmp,
              (std::vector<policy::IcmpKind>{{8, std::nullopt}, {13, std::uint8_t{0}}}));
}

TEST(RulesConfiguration, AnInterfaceIsAPairOrOneOfItsPorts) {
    const auto c = daemon_reads(
        "[[rule]]\naction = \"deny\"\ninterface = \"net_null1\"\n"
        "[[rule]]\naction = \"allow\"\ninterface = \"pair1\"\n");
    ASSERT_TRUE(c) << error_of(c);
    EXPECT_EQ(c->rules->rule(1).interfaces, 2U);
    EXPECT_EQ(c->rules->rule(2).interfaces, 3U);
    EXPECT_NE(
        error_of(daemon_reads("[[rule]]\naction = \"deny\"\ninterface = \"eth9\"\n"))
            .find("rule.interface: expected the name of a pair (either port), a device as its pair names it"),
        std::string::npos);
}

class Files : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("sluice-rules-" + std::to_string(getpid()));
        std::filesystem::create_directory(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string write(const std::string& name, const std::string& content) {
        std::ofstream(folder_ / name) << content;
        return folder_ / name;
    }
    std::filesystem::path folder_;
};

TEST_F(Files, ASetIsReadFromTheFolderOfTheConfigurationAndMayStandBelowItsRules) {
    write("offices.txt", "# offices\n192.0.2.0/24   # the first\n\n\t2001:db8::/48\r\n198.51.100.7");
    const std::string path =
        write("sluice.toml",
              "[[rule]]\naction = \"allow\"\nfrom = [\"offices\", \"203.0.113.1\"]\n"
              "[[set]]\nname = \"offices\"\nfile = \"offices.txt\"\naddresses = \"10.0.0.0/8\"\n");
    const auto c = load(path, {}, Use::replay);
    ASSERT_TRUE(c) << error_of(c);
    std::string all;
    for (const policy::Prefix& prefix : c->rules->rule(1).from) all += text_of(prefix) + ' ';
    EXPECT_EQ(all, "192.0.2.0/24 2001:db8::/48 198.51.100.7 10.0.0.0/8 203.0.113.1 ");
}

TEST_F(Files, ABrokenLineOfASetIsNamed) {
    const std::string set = write("broken.txt", "192.0.2.0/24\n192.0.2.1/24\n");
    const auto c = replay_reads("[[set]]\nname = \"broken\"\nfile = \"" + set + "\"\n");
    EXPECT_EQ(error_of(c), "file:3:8: set.file: " + set +
                               ":2: expected an address or a prefix a line, found \"192.0.2.1/24\"");
    const auto missing = replay_reads("[[set]]\nname = \"none\"\nfile = \"/nowhere/none.txt\"\n");
    EXPECT_EQ(error_of(missing),
              "file:3:8: set.file: /nowhere/none.txt: cannot be read as a set of addresses: No such file or "
              "directory");
}

TEST(RulesConfiguration, ARuleThatProxiesNeedsTheGuard) {
    const std::string rule = "[[rule]]\naction = \"proxy\"\nprotocol = \"tcp\"\n";
    const auto c = daemon_reads(rule);
    ASSERT_TRUE(c) << error_of(c);
    EXPECT_EQ(c->rules->rule(1).action, Action::proxy);
    const std::string refused = error_of(daemon_reads(rule + "[guard]\nenabled = false\n"));
    EXPECT_NE(
        refused.find(
            "rule.action: the guard answers for servers, and it has no memory: set guard.enabled = true"),
        std::string::npos)
        << refused;
}

TEST(RulesConfiguration, SaysWhatWasExpectedAndWhere) {
    EXPECT_EQ(refusal("to_port = 80\n"),
              "file:1:1: rule: ports need protocol tcp, udp or both of them and no other");
    EXPECT_EQ(refusal("protocol = \"tpc\"\n"),
              "file:3:12: rule.protocol: expected \"tcp\", \"udp\", \"icmp\", \"icmpv6\" or a number from 0 "
              "to 255, or "
              "a list of these, found \"tpc\"");
    EXPECT_NE(refusal("protocol = \"tcp\"\nto_port = [80, 70000]\n")
                  .find("file:4:16: rule.to_port: expected a port"),
              std::string::npos);
    EXPECT_NE(refusal("protocol = \"tcp\"\nto_port = \"90-80\"\n").find("found \"90-80\""),
              std::string::npos);
    EXPECT_NE(refusal("from = \"offices\"\n")
                  .find("the name of a set, or a list of these; or \"anywhere\", found \"offices\""),
              std::string::npos);
    EXPECT_NE(refusal("tcp_timeout_established = 0\n")
                  .find("rule.tcp_timeout_established: expected a whole number of seconds from 1 to 2000000"),
              std::string::npos);
    EXPECT_EQ(refusal("protocol = \"icmp\"\nudp_timeout = 5\n"),
              "file:1:1: rule: it has a timeout for udp, and its protocol is another");
    EXPECT_NE(refusal("from = []\n").find("rule.from: expected"), std::string::npos);
    EXPECT_EQ(refusal("to_prot = 80\n"),
              "file:3:1: rule.to_prot: there is no such key; did you mean rule.to_port?");
    EXPECT_EQ(error_of(replay_reads("[[rule]]\nname = \"web\"\n")),
              "file:1:1: rule: expected action = \"allow\" or another, found no action");
    EXPECT_EQ(
        error_of(replay_reads("[rule]\naction = \"allow\"\n")),
        "file:1:1: rule: expected [[rule]] with its keys below it, found a table (double the brackets)");
    EXPECT_NE(error_of(replay_reads("[[rule]]\naction = \"alow\"\n")).find("found \"alow\""),
              std::string::npos);
    EXPECT_NE(refusal("name = \"a\"\n[[rule]]\naction = \"deny\"\nname = \"a\"\n")
                  .find("found \"a\" for an earlier rule too"),
              std::string::npos);
}

TEST(RulesConfiguration, WhatCannotBeDoneYetIsRefused) {
    EXPECT_EQ(error_of(replay_reads("[[rule]]\naction = \"inspect web\"\n")),
              "file:1:1: rule.action: expected the name of an [[inspection.profile]] behind inspect, found "
              "\"web\"");
    EXPECT_NE(error_of(replay_reads("[[rule]]\naction = \"inspect\"\n")).find("expected \"allow\", \"deny\""),
              std::string::npos);
}

TEST(RulesConfiguration, ShadowedRulesAreWarnedOfWithTheirLines) {
    const auto c = replay_reads(
        "[[rule]]\nname = \"net\"\naction = \"deny\"\nfrom = \"192.0.2.0/24\"\n"
        "[[rule]]\nname = \"host\"\naction = \"allow\"\nfrom = \"192.0.2.1\"\n");
    ASSERT_TRUE(c) << error_of(c);
    EXPECT_EQ(
        warnings_of(*c),
        (std::vector<std::string>{"file:5: rule 2 (host) never decides: all it is about is decided before it "
                                  "by rule 1 (net)"}));
}

TEST(RulesConfiguration, AReloadMayChangeRulesAndSets) {
    const std::string one =
        "[[rule]]\naction = \"allow\"\nfrom = \"a\"\n[[set]]\nname = \"a\"\naddresses = \"10.0.0.0/8\"\n";
    std::string other = one;
    other.replace(other.find("10.0.0.0/8"), 10, "10.0.0.0/9");
    const auto changes = reloadable_changes(*daemon_reads(one), *daemon_reads(other));
    ASSERT_TRUE(changes) << changes.error();
    EXPECT_EQ(*changes, std::vector<std::string>{"rule"});
    EXPECT_TRUE(reloadable_changes(*daemon_reads(one), *daemon_reads(one))->empty());
    EXPECT_EQ(*reloadable_changes(*daemon_reads(""), *daemon_reads(one)), std::vector<std::string>{"rule"});
}

TEST(RulesConfiguration, TenThousandRulesAreRead) {
    std::string text;
    for (unsigned i = 0; i < 10'000; ++i)
        text += "[[rule]]\nname = \"r" + std::to_string(i) +
                "\"\naction = \"allow\"\nprotocol = \"tcp\"\nto = \"10.0." + std::to_string(i / 256) + '.' +
                std::to_string(i % 256) + "\"\nto_port = 443\n";
    const auto c = replay_reads(text);
    ASSERT_TRUE(c) << error_of(c);
    EXPECT_EQ(c->rules->size(), 10'000U);
    EXPECT_TRUE(warnings_of(*c).empty());
}

}  // namespace
}  // namespace sluice::app
