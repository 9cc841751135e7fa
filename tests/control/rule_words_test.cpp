// Rules as the daemon shows them and as a person reads them; a packet made up to ask which of them decides.
#include "sluice/control/rule_words.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/cli_rules.hpp"
#include "policy/rules.hpp"
#include "sluice/control/query.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::control {
namespace {

using policy::FirstPacket;
using policy::Rule;
using policy::RuleSet;

std::vector<std::string> words(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string word; in >> word;) out.push_back(word);
    return out;
}

std::shared_ptr<const RuleSet> two_rules() {
    Rule web, ping;
    web.name = "web";
    web.action = policy::Action::allow;
    web.protocols = {packet::tcp};
    web.to_ports = {{80, 80}};
    ping.action = policy::Action::allow;
    ping.protocols = {packet::icmp};
    auto built = RuleSet::build({web, ping});
    EXPECT_TRUE(built) << built.error();
    return std::make_shared<const RuleSet>(std::move(*built));
}

TEST(TestPacket, IsToldAsItIsDescribed) {
    const auto packet =
        parse_packet(words("tcp from 192.0.2.1 port 40000 to 198.51.100.1 port 443 vlan 7 on 2/2"));
    ASSERT_TRUE(packet) << packet.error();
    FirstPacket expected = policy::first_packet(packet::tcp, "192.0.2.1", 40000, "198.51.100.1", 443);
    expected.vlan = 7;
    expected.interface = 3;
    EXPECT_EQ(*packet, expected);
    const auto ping = parse_packet(words("icmpv6 from 2001:db8::1 to 2001:db8::2 type 128 code 1"));
    ASSERT_TRUE(ping) << ping.error();
    EXPECT_EQ(*ping, policy::first_packet(packet::icmpv6, "2001:db8::1", 128, "2001:db8::2", 1));
}

TEST(TestPacket, WhatIsNoPacketIsRefusedWithASentence) {
    for (const char* wrong :
         {"", "tcp", "tcp from 192.0.2.1", "tcp from 192.0.2.1 to", "tcp from 192.0.2.1 to 192.0.2.300",
          "tcp from 192.0.2.1 to 2001:db8::1", "tcp from 192.0.2.1 port 65536 to 192.0.2.2",
          "icmp from 192.0.2.1 port 1 to 192.0.2.2", "tcp from 192.0.2.1 to 192.0.2.2 on 0/1",
          "tcp from 192.0.2.1 to 192.0.2.2 on 1/3", "tcp from 192.0.2.1 to 192.0.2.2 vlan 4095",
          "walk from 192.0.2.1 to 192.0.2.2", "tcp by 192.0.2.1 to 192.0.2.2"}) {
        const auto packet = parse_packet(words(wrong));
        ASSERT_FALSE(packet) << wrong;
        EXPECT_FALSE(packet.error().empty()) << wrong;
    }
}

TEST(TestPacket, CrossesTheSocketUnchanged) {
    for (const char* text : {"tcp from 192.0.2.1 port 40000 to 198.51.100.1 port 443 vlan 7 on 2/2",
                             "udp from 2001:db8::1 to 2001:db8::2 port 53",
                             "icmp from 192.0.2.1 to 192.0.2.2 type 8", "47 from 192.0.2.1 to 192.0.2.2"}) {
        Query query;
        query.kind = Query::Kind::test_packet;
        const auto packet = parse_packet(words(text));
        ASSERT_TRUE(packet) << packet.error();
        query.packet = *packet;
        const auto read = parse_query(to_line(query));
        ASSERT_TRUE(read) << read.error();
        EXPECT_EQ(read->kind, Query::Kind::test_packet);
        EXPECT_EQ(read->packet, *packet) << text;
    }
    EXPECT_EQ(parse_query(R"({"sluice":1,"request":"rules"})")->kind, Query::Kind::rules);
    for (
        const char* wrong :
        {R"({"sluice":1,"request":"test-packet"})",
         R"({"sluice":1,"request":"test-packet","packet":{"src":"192.0.2.1","dst":"::1","protocol":6}})",
         R"({"sluice":1,"request":"test-packet","packet":{"src":"192.0.2.1","dst":"192.0.2.2"}})",
         R"({"sluice":1,"request":"test-packet","packet":{"src":"192.0.2.1","dst":"192.0.2.2","protocol":6,"interface":64}})",
         R"({"sluice":1,"request":"test-packet","packet":{"src":"192.0.2.1","dst":"192.0.2.2","protocol":1,"sport":6}})"})
        EXPECT_FALSE(parse_query(wrong)) << wrong;
}

TEST(TestPacket, IsAnsweredWithTheRuleAndWhyOthersAreNot) {
    std::string row;
    append_trial(row, *two_rules(), policy::first_packet(packet::tcp, "192.0.2.1", 1, "192.0.2.2", 81));
    EXPECT_EQ(app::trial_text(row),
              "tcp 192.0.2.1 port 1 to 192.0.2.2 port 81\n"
              "deny by no rule: deny what no rule is about\n"
              "    not by rule 1 (web): its destination port is 81, not 80\n"
              "    not by rule 2: its protocol is tcp, not icmp\n");
    row.clear();
    append_trial(row, *two_rules(), policy::first_packet(packet::icmp, "192.0.2.1", 8, "192.0.2.2", 0));
    const auto parsed = nlohmann::json::parse(row);
    EXPECT_EQ(parsed["rule"], 2);
    EXPECT_EQ(parsed["action"], "allow");
    EXPECT_EQ(parsed["passed_over"].size(), 1U);
    EXPECT_EQ(parsed["more_passed_over"], 0);
}

TEST(TestPacket, OfManyRulesOnlySomeAreToldOf) {
    std::vector<Rule> many(150);
    for (Rule& rule : many) rule.protocols = {packet::udp};
    const auto built = RuleSet::build(many);
    ASSERT_TRUE(built) << built.error();
    std::string row;
    append_trial(row, *built, policy::first_packet(packet::tcp, "192.0.2.1", 1, "192.0.2.2", 81));
    const auto parsed = nlohmann::json::parse(row);
    EXPECT_EQ(parsed["passed_over"].size(), most_passed_over);
    EXPECT_EQ(parsed["more_passed_over"], 50);
    EXPECT_NE(app::trial_text(row).find("    nor by 50 more rules\n"), std::string::npos);
}

TEST(RuleRows, AddUpWhatAllWorkersCounted) {
    const auto rules = two_rules();
    const pipeline::Policy policy(rules, std::make_unique<policy::LinearMatcher>(*rules), 2);
    policy.tally(0)[1].hits.add(1000);
    policy.tally(1)[1].hits.add(234);
    policy.tally(1)[1].flows.add(3);
    policy.tally(0)[policy::no_rule].hits.add(7);
    std::string row;
    append_rule(row, policy, 1);
    EXPECT_EQ(
        row,
        R"({"rule":1,"name":"web","action":"allow","text":"allow tcp to any port 80","hits":1234,"limited":0,"flows":3})"
        "\n");
    EXPECT_EQ(app::rule_line(row),
              "    1 web                           1,234          0          3  allow tcp to any port 80\n");
    row.clear();
    append_rule(row, policy, policy::no_rule);
    EXPECT_EQ(
        app::rule_line(row),
        "    -                                   7          0          0  deny what no rule is about\n");
}

}  // namespace
}  // namespace sluice::control
