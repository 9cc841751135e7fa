// The compiled rules held against the plain ones: random rule sets, random packets.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iostream>

#include "policy/rules.hpp"
#include "sluice/dpdk/acl.hpp"
#include "support/arbitrary_rules.hpp"

namespace sluice::dpdk {
namespace {

using policy::ArbitraryRules;
using policy::FirstPacket;
using policy::LinearMatcher;
using policy::Rule;
using policy::RuleNumber;
using policy::RuleSet;

std::unique_ptr<const policy::Matcher> compiled(const RuleSet& rules) {
    auto out = AclMatcher::build(rules, -1);
    if (out) return std::move(*out);
    ADD_FAILURE() << out.error();
    return nullptr;
}

/// Time that this thread has had: others may be busy beside it.
std::chrono::nanoseconds spent() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// Sets of rules and, for each, packets: a hundred and ten thousand make a million comparisons.
std::size_t scale(const char* variable, std::size_t usual) {
    const char* const set = std::getenv(variable);
    return set == nullptr ? usual : std::strtoul(set, nullptr, 10);
}

TEST(AclMatcher, AgreesWithOneRuleAfterTheOther) {
    ArbitraryRules arbitrary(7);
    const std::size_t sets = scale("SLUICE_RULE_SETS", 20), packets = scale("SLUICE_RULE_PACKETS", 1000);
    std::size_t decided = 0, by_ipv6 = 0;
    for (std::size_t set = 0; set < sets; ++set) {
        auto built = RuleSet::build(arbitrary.rules(1 + set % 40, set % 4 == 0));
        ASSERT_TRUE(built) << built.error();
        const LinearMatcher linear(*built);
        const auto acl = compiled(*built);
        ASSERT_NE(acl, nullptr);
        std::vector<FirstPacket> all;
        for (std::size_t i = 0; i < packets; ++i) all.push_back(arbitrary.packet(*built));
        std::vector<RuleNumber> expected(packets), found(packets, 0xffff);
        linear.match(all, expected);
        acl->match(all, found);
        for (std::size_t i = 0; i < packets; ++i) {
            ASSERT_EQ(found[i], expected[i])
                << "set " << set << ": " << describe(all[i]) << "\nexpected "
                << describe(built->rule(expected[i])) << "\nfound " << describe(built->rule(found[i]));
            decided += expected[i] != policy::no_rule ? 1 : 0;
            by_ipv6 += expected[i] != policy::no_rule && !all[i].ipv4 ? 1 : 0;
        }
        for (std::size_t i = 0; i < packets; i += 7)
            ASSERT_EQ(acl->match(all[i]), expected[i]) << "on its own";
    }
    std::cout << sets << " rule sets, " << packets << " packets each: " << decided << " decided by a rule, "
              << by_ipv6 << " of them over IPv6\n";
    EXPECT_GT(decided, sets * packets / 5);
    EXPECT_GT(by_ipv6, sets * packets / 20);
}

TEST(AclMatcher, WithoutARuleForAFamilyDecidesNothingOfIt) {
    Rule only;
    only.from = {policy::everything(false)};
    const auto rules = RuleSet::build({only});
    ASSERT_TRUE(rules) << rules.error();
    const auto acl = compiled(*rules);
    ASSERT_NE(acl, nullptr);
    EXPECT_EQ(acl->match(policy::first_packet(packet::tcp, "192.0.2.1", 1, "192.0.2.2", 2)), policy::no_rule);
    EXPECT_EQ(acl->match(policy::first_packet(packet::tcp, "2001:db8::1", 1, "2001:db8::2", 2)), 1);
}

/// Compiles the rules, holds them against the plain ones and says what that took.
void try_many(const std::vector<Rule>& rules, ArbitraryRules& arbitrary) {
    auto built = RuleSet::build(rules);
    ASSERT_TRUE(built) << built.error();
    const auto begin = spent();
    const auto acl = compiled(*built);
    const auto end = spent();
    ASSERT_NE(acl, nullptr);
    std::vector<FirstPacket> packets;
    packets.reserve(4096);
    while (packets.size() < 4096) packets.push_back(arbitrary.packet(*built));
    const LinearMatcher linear(*built);
    std::size_t decided = 0;
    for (std::size_t i = 0; i < 1000; ++i) {
        const RuleNumber expected = linear.match(packets[i]);
        ASSERT_EQ(acl->match(packets[i]), expected) << describe(packets[i]);
        decided += expected != policy::no_rule ? 1 : 0;
    }
    EXPECT_GT(decided, 100U);
    const auto time_of = [&](std::size_t together) {
        std::vector<RuleNumber> found(packets.size());
        auto best = std::chrono::nanoseconds::max();
        for (int round = 0; round < 20; ++round) {
            const auto start = spent();
            for (std::size_t i = 0; i < packets.size(); i += together)
                acl->match(std::span(packets).subspan(i, together), std::span(found).subspan(i, together));
            best = std::min(best, spent() - start);
        }
        return static_cast<std::size_t>(best.count()) / packets.size();
    };
    std::cout << rules.size() << " rules compiled in "
              << std::chrono::duration_cast<std::chrono::milliseconds>(end - begin).count()
              << " ms; a packet: " << time_of(1) << " ns on its own, " << time_of(32) << " ns among 32\n";
}

TEST(AclMatcher, ManyArbitraryRulesAreCompiledAndDecide) {
    ArbitraryRules arbitrary(8);
    try_many(arbitrary.rules(scale("SLUICE_RULES", 500), true), arbitrary);
}

/// As most rules of a firewall are: to one address and port, from anywhere or one of a few networks.
TEST(AclMatcher, ManyServicesAreCompiledAndDecide) {
    ArbitraryRules arbitrary(9);
    std::vector<Rule> rules(scale("SLUICE_RULES", 500));
    for (std::uint32_t i = 0; i < rules.size(); ++i) {
        rules[i].action = policy::Action::allow;
        rules[i].protocols = {packet::tcp};
        rules[i].to = {{{0, Address::mapped | 0x0A00'0000U | i}, 128, true}};
        const auto port = static_cast<std::uint16_t>(i % 3 == 0 ? 80 : 443);
        rules[i].to_ports = {{port, port}};
        if (i % 4 == 0) rules[i].from = {{{0, Address::mapped | 0xC000'0000U | (i % 64) << 8U}, 120, true}};
    }
    try_many(rules, arbitrary);
}

}  // namespace
}  // namespace sluice::dpdk
