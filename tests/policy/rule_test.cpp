// What a single rule is about, and what is said of it.
#include <gtest/gtest.h>

#include "policy/rules.hpp"
#include "sluice/packet/headers.hpp"
#include "support/arbitrary_rules.hpp"

namespace sluice::policy {
namespace {

TEST(Rule, WithoutConditionsMatchesEverything) {
    EXPECT_TRUE(matches({}, web));
    EXPECT_TRUE(matches({}, first_packet(packet::icmpv6, "2001:db8::1", 128, "2001:db8::2", 0)));
}

TEST(Rule, EachConditionMustHold) {
    Rule rule;
    rule.from = {prefix("203.0.113.0/24"), prefix("192.0.2.0/29")};
    rule.to = {prefix("198.51.100.1")};
    rule.protocols = {packet::udp, packet::tcp};
    rule.to_ports = {{80, 80}, {443, 444}};
    rule.vlans = {{untagged, untagged}};
    rule.interfaces = 1;
    EXPECT_TRUE(matches(rule, web));
    EXPECT_EQ(why_not(rule, web), "");

    const auto differs = [&](auto change) {
        FirstPacket other = web;
        change(other);
        EXPECT_FALSE(matches(rule, other));
        return why_not(rule, other);
    };
    EXPECT_EQ(differs([](auto& p) { p.source = address("192.0.2.8"); }),
              "its source 192.0.2.8 is not in 203.0.113.0/24 or 192.0.2.0/29");
    EXPECT_EQ(differs([](auto& p) { p.destination = address("198.51.100.2"); }),
              "its destination 198.51.100.2 is not in 198.51.100.1");
    EXPECT_EQ(differs([](auto& p) { p.protocol = 132; }), "its protocol is protocol 132, not udp or tcp");
    EXPECT_EQ(differs([](auto& p) { p.destination_port = 445; }),
              "its destination port is 445, not 80 or 443-444");
    EXPECT_EQ(differs([](auto& p) { p.vlan = 0; }), "its VLAN is 0, not untagged");
    EXPECT_EQ(differs([](auto& p) { p.interface = 1; }),
              "it came in by port 2 of pair 1, not by port 1 of pair 1");
}

TEST(Rule, AnIcmpKindIsATypeAndPerhapsACode) {
    Rule rule;
    rule.protocols = {packet::icmp};
    rule.icmp = {{8, std::nullopt}, {13, 0}};
    EXPECT_TRUE(matches(rule, first_packet(packet::icmp, "192.0.2.1", 8, "192.0.2.2", 3)));
    EXPECT_TRUE(matches(rule, first_packet(packet::icmp, "192.0.2.1", 13, "192.0.2.2", 0)));
    EXPECT_FALSE(matches(rule, first_packet(packet::icmp, "192.0.2.1", 13, "192.0.2.2", 1)));
    EXPECT_EQ(why_not(rule, first_packet(packet::icmp, "192.0.2.1", 13, "192.0.2.2", 1)),
              "its ICMP type and code are 13/1, not 8 or 13/0");
}

TEST(Rule, APrefixOfOneFamilyHoldsNoAddressOfTheOther) {
    Rule rule;
    rule.from = {everything(false)};
    EXPECT_FALSE(matches(rule, web));
    EXPECT_TRUE(matches(rule, first_packet(packet::tcp, "2001:db8::1", 1, "2001:db8::2", 2)));
    rule.from = {everything(true)};
    EXPECT_TRUE(matches(rule, web));
    // What IPv6 calls an address of IPv4 is an IPv6 address on the wire.
    FirstPacket mapped = web;
    mapped.ipv4 = false;
    EXPECT_FALSE(matches(rule, mapped));
}

TEST(Rule, ReadsAsASentence) {
    Rule rule;
    rule.action = Action::allow;
    rule.protocols = {packet::tcp};
    rule.from = {prefix("192.0.2.0/24")};
    rule.to_ports = {{80, 80}, {443, 443}};
    EXPECT_EQ(describe(rule), "allow tcp from 192.0.2.0/24 to any port 80 or 443");
    EXPECT_EQ(describe(web), "tcp 192.0.2.7 port 40000 to 198.51.100.1 port 443");
    EXPECT_EQ(describe(Rule{}), "deny anything");
}

TEST(Rule, WhyNotIsEmptyExactlyWhenItMatches) {
    ArbitraryRules arbitrary(1);
    std::size_t matched = 0;
    for (int round = 0; round < 200; ++round) {
        const auto rules = RuleSet::build(arbitrary.rules(5));
        ASSERT_TRUE(rules) << rules.error();
        for (int i = 0; i < 100; ++i) {
            const FirstPacket packet = arbitrary.packet(*rules);
            const auto last = static_cast<RuleNumber>(rules->size());
            for (RuleNumber number = 1; number <= last; ++number) {
                const bool is_match = matches(rules->rule(number), packet);
                matched += is_match ? 1 : 0;
                ASSERT_EQ(why_not(rules->rule(number), packet).empty(), is_match)
                    << describe(rules->rule(number)) << ": " << describe(packet);
            }
        }
    }
    EXPECT_GT(matched, 5000U);
}

}  // namespace
}  // namespace sluice::policy
