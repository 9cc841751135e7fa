// Rules in their order: which decides, which never can, and what is refused as a whole.
#include "sluice/policy/rule_set.hpp"

#include <gtest/gtest.h>

#include "policy/rules.hpp"
#include "sluice/packet/headers.hpp"
#include "support/arbitrary_rules.hpp"

namespace sluice::policy {
namespace {

Rule named(std::string name) {
    Rule out;
    out.name = std::move(name);
    return out;
}

RuleSet built(std::vector<Rule> rules) {
    auto out = RuleSet::build(std::move(rules));
    EXPECT_TRUE(out) << out.error();
    return out ? std::move(*out) : RuleSet();
}

std::string refusal(const Rule& rule) {
    const auto out = RuleSet::build({named("first"), rule});
    return out ? "" : out.error();
}

TEST(RuleSet, WithoutRulesAllows) {
    const RuleSet none;
    EXPECT_TRUE(none.empty());
    EXPECT_EQ(none.rule(LinearMatcher(none).match(web)).action, Action::allow);
    EXPECT_TRUE(built({}).empty());
}

TEST(RuleSet, WithAnyRuleDeniesWhatNoneMatches) {
    Rule dns = named("dns");
    dns.action = Action::allow;
    dns.protocols = {packet::udp};
    const RuleSet rules = built({dns});
    EXPECT_EQ(LinearMatcher(rules).match(web), no_rule);
    EXPECT_EQ(rules.rule(no_rule).action, Action::deny);
}

TEST(RuleSet, TheFirstRuleThatMatchesDecides) {
    Rule tcp = named("tcp");
    tcp.protocols = {packet::tcp};
    Rule udp = named("udp");
    udp.protocols = {packet::udp};
    EXPECT_EQ(LinearMatcher(built({udp, tcp, named("all")})).match(web), 2);
    EXPECT_EQ(LinearMatcher(built({named("all"), tcp})).match(web), 1);
}

TEST(RuleSet, RefusesWhatNoPacketCanBe) {
    Rule rule = named("odd");
    rule.to_ports = {{80, 80}};
    EXPECT_EQ(refusal(rule), "rule 2 (odd): ports need protocol tcp, udp or both of them and no other");
    rule.protocols = {packet::tcp, packet::icmp};
    EXPECT_NE(refusal(rule), "");
    rule.protocols = {packet::tcp};
    EXPECT_EQ(refusal(rule), "");
    rule.to_ports = {{81, 80}};
    EXPECT_EQ(refusal(rule), "rule 2 (odd): the range 81-80 ends before it starts");

    rule = named("odd");
    rule.protocols = {packet::udp};
    rule.icmp = {{8, std::nullopt}};
    EXPECT_EQ(refusal(rule), "rule 2 (odd): ICMP types need protocol icmp or icmpv6, one of them");
    rule.icmp = {};
    rule.action = Action::proxy;
    EXPECT_EQ(refusal(rule), "rule 2 (odd): only protocol tcp can be proxied");
    rule.action = Action::inspect;
    EXPECT_EQ(refusal(rule), "rule 2 (odd): a profile goes with the action inspect, and with no other");

    rule = named("odd");
    rule.from = {prefix("192.0.2.0/24")};
    rule.to = {prefix("2001:db8::/32")};
    EXPECT_EQ(refusal(rule),
              "rule 2 (odd): its sources and destinations are of different families: no packet has both");
    rule.to.push_back(prefix("192.0.2.1"));
    EXPECT_EQ(refusal(rule), "");
    rule.interfaces = 0;
    EXPECT_EQ(refusal(rule), "rule 2 (odd): it names no interface");
}

TEST(RuleSet, RefusesListsWhoseProductIsTooLarge) {
    Rule rule = named("large");
    for (unsigned i = 0; i < 1000; ++i) {
        rule.from.push_back({{0, Address::mapped | i}, 128, true});
        rule.to.push_back({{0, Address::mapped | i}, 128, true});
    }
    EXPECT_NE(refusal(rule).find("rule 2 (large): up to here the rules have more than 500,000 combinations"),
              std::string::npos);
}

TEST(RuleSet, ItsBoxesHoldExactlyWhatItsRulesMatch) {
    ArbitraryRules arbitrary(2);
    std::size_t matched = 0;
    for (int round = 0; round < 200; ++round) {
        const RuleSet rules = built(arbitrary.rules(8));
        const auto boxes = rules.boxes();
        for (int i = 0; i < 100; ++i) {
            const FirstPacket packet = arbitrary.packet(rules);
            const Range source_port{packet.source_port, packet.source_port};
            const Range destination_port{packet.destination_port, packet.destination_port};
            const Box as_box{{packet.source, 128, packet.ipv4},
                             {packet.destination, 128, packet.ipv4},
                             source_port,
                             destination_port,
                             {packet.vlan, packet.vlan},
                             {packet.interface, packet.interface},
                             packet.protocol,
                             false};
            RuleNumber first = no_rule;
            for (const auto& [number, box] : boxes) {
                if (!box.contains(as_box)) continue;
                first = number;
                break;
            }
            matched += first != no_rule ? 1 : 0;
            ASSERT_EQ(LinearMatcher(rules).match(packet), first) << describe(packet);
        }
    }
    EXPECT_GT(matched, 3000U);
}

TEST(Shadows, ARuleBehindOneThatIsAboutAllOfItNeverDecides) {
    Rule net = named("net");
    net.from = {prefix("192.0.2.0/24")};
    Rule host = named("host");
    host.from = {prefix("192.0.2.1")};
    host.protocols = {packet::tcp};
    const RuleSet rules = built({net, host, named("all"), named("late")});
    const Shadows shadows = find_shadows(rules);
    ASSERT_EQ(shadows.found.size(), 2U);
    EXPECT_TRUE(shadows.complete);
    EXPECT_EQ(describe(rules, shadows.found[0]),
              "rule 2 (host) never decides: all it is about is decided before it by rule 1 (net)");
    EXPECT_EQ(describe(rules, shadows.found[1]),
              "rule 4 (late) never decides: all it is about is decided before it by rule 3 (all)");
    EXPECT_TRUE(find_shadows(built({host, net, named("all")})).found.empty());
}

TEST(Shadows, SeveralRulesBeforeItMayShareWhatItLists) {
    Rule web_port = named("web"), dns_port = named("dns"), both = named("both");
    web_port.protocols = dns_port.protocols = both.protocols = {packet::tcp};
    web_port.to_ports = {{80, 443}};
    dns_port.to_ports = {{53, 53}};
    both.to_ports = {{53, 53}, {80, 80}};
    const Shadows shadows = find_shadows(built({web_port, dns_port, both}));
    ASSERT_EQ(shadows.found.size(), 1U);
    EXPECT_EQ(shadows.found[0].before, (std::vector<RuleNumber>{1, 2}));
}

TEST(Shadows, NoPacketIsDecidedByARuleFoundToBeShadowed) {
    ArbitraryRules arbitrary(3);
    std::size_t shadowed = 0;
    for (int round = 0; round < 300; ++round) {
        const RuleSet rules = built(arbitrary.rules(20));
        const Shadows shadows = find_shadows(rules);
        shadowed += shadows.found.size();
        for (int i = 0; i < 100; ++i) {
            const FirstPacket packet = arbitrary.packet(rules);
            const RuleNumber number = LinearMatcher(rules).match(packet);
            for (const Shadow& shadow : shadows.found)
                ASSERT_NE(shadow.rule, number) << describe(rules, shadow) << ": " << describe(packet);
        }
    }
    EXPECT_GT(shadowed, 100U);
}

TEST(Shadows, TheSearchEndsWithItsBudget) {
    ArbitraryRules arbitrary(4);
    EXPECT_FALSE(find_shadows(built(arbitrary.rules(200)), 1000).complete);
}

}  // namespace
}  // namespace sluice::policy
