// Rules that have the guard answer for servers: whoever a SYN is from must prove its address first, whether
// its service is under a flood or not.
#include <gtest/gtest.h>

#include "../support/guarded_box.hpp"
#include "sluice/pipeline/policy.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;

constexpr std::uint32_t first_of_client = 1'000'000, first_of_server = 0xFFFF'FFF0;

pipeline::Limits guard_and_rules() {
    pipeline::Limits limits = GuardedBox::small_limits();
    limits.rules = true;
    return limits;
}

policy::Rule about_tcp(policy::Action action) {
    policy::Rule out;
    out.action = action;
    out.protocols = {packet::tcp};
    return out;
}

class ProxyRule : public testing::TestWithParam<bool> {
  protected:
    GuardedBox box{GetParam(), guard_and_rules()};

    void TearDown() override { EXPECT_EQ(box.faults, std::vector<std::string>{}); }

    void obey(std::vector<policy::Rule> rules) {
        auto set = std::make_shared<const policy::RuleSet>(
            std::move(policy::RuleSet::build(std::move(rules)).value()));
        auto matcher = std::make_unique<policy::LinearMatcher>(*set);
        former_ = std::exchange(box.settings.policy,
                                std::make_shared<const pipeline::Policy>(set, std::move(matcher), 1));
        box.adopt(*box.settings.protection);
    }
    [[nodiscard]] const pipeline::RuleTally& tally(unsigned number) const {
        return box.settings.policy->tally(0)[number];
    }
    [[nodiscard]] PacketBuilder syn(std::uint16_t port = 40'000) const {
        return box.from_client(port).sequence(first_of_client).flags(packet::syn).option(option::mss(1400));
    }
    [[nodiscard]] PacketBuilder syn_ack(std::uint16_t port = 40'000) const {
        return box.from_server(port)
            .sequence(first_of_server)
            .acknowledgement(first_of_client + 1)
            .flags(packet::syn | packet::ack)
            .window(65'160)
            .option(option::mss(1400));
    }
    [[nodiscard]] PacketBuilder ack(std::uint32_t cookie, std::uint16_t port = 40'000) const {
        return box.from_client(port)
            .sequence(first_of_client + 1)
            .acknowledgement(cookie + 1)
            .flags(packet::ack)
            .window(502);
    }
    /// The cookie that a SYN is answered with.
    std::uint32_t cookie_for(const PacketBuilder& packet) {
        const auto sent = box.client(packet);
        EXPECT_EQ(box.decision.action, Action::answer);
        if (sent.size() != 1) return 0;
        EXPECT_EQ(sent[0].toward, Toward::client);
        EXPECT_EQ(sent[0].tcp().flags, packet::syn | packet::ack);
        return sent[0].tcp().sequence;
    }

  private:
    std::shared_ptr<const pipeline::Policy> former_;  ///< until the tracker obeys the next
};
INSTANTIATE_TEST_SUITE_P(Families, ProxyRule, testing::Bool(),
                         [](const auto& one) { return one.param ? "Ipv6" : "Ipv4"; });

TEST_P(ProxyRule, ClientsProveTheirAddressesBeforeTheServerHearsOfThem) {
    obey({about_tcp(policy::Action::proxy)});
    const std::uint32_t cookie = cookie_for(syn());
    EXPECT_EQ(box.flows(), 0U) << "nothing is kept of it";
    EXPECT_EQ(tally(1).hits.read(), 0U) << "it counts when it has proved its address";
    const auto asked = box.client(ack(cookie));
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].toward, Toward::server);
    EXPECT_EQ(asked[0].tcp().flags, packet::syn);
    EXPECT_EQ(box.server(syn_ack()).size(), 2U) << "the rest of both handshakes";
    EXPECT_EQ(box.state(), "ESTABLISHED");
    EXPECT_EQ(tally(1).hits.read(), 1U);
    EXPECT_EQ(tally(1).flows.read(), 1U);
    const auto data = box.client(ack(cookie).payload(10));
    ASSERT_EQ(data.size(), 1U);
    EXPECT_EQ(data[0].tcp().acknowledgement, first_of_server + 1) << "translated";
}

TEST_P(ProxyRule, AGuessedCookieOpensNothing) {
    obey({about_tcp(policy::Action::proxy)});
    const std::uint32_t cookie = cookie_for(syn());
    EXPECT_TRUE(box.client(ack(cookie + 1)).empty());
    EXPECT_EQ(box.decision.reason, Reason::bad_cookie);
    EXPECT_EQ(box.flows(), 0U);
}

TEST_P(ProxyRule, OtherRulesAreAsTheyWere) {
    policy::Rule proxied = about_tcp(policy::Action::proxy);
    proxied.from_ports = {{1, 9}};
    policy::Rule denied = about_tcp(policy::Action::deny);
    denied.from_ports = {{10, 19}};
    obey({proxied, denied, about_tcp(policy::Action::allow)});
    cookie_for(syn(1));
    EXPECT_TRUE(box.client(syn(10)).empty());
    EXPECT_EQ(box.decision.reason, Reason::policy_denied);
    const auto passed = box.client(syn(20));
    ASSERT_EQ(passed.size(), 1U);
    EXPECT_EQ(passed[0].toward, Toward::server);
}

TEST_P(ProxyRule, WhoProvesItsAddressIsHeldToTheLimitsOfTheRuleAndAFloodUsesNothingUp) {
    policy::Rule limited = about_tcp(policy::Action::proxy);
    limited.most_a_second = 1;
    obey({limited});
    for (std::uint16_t port = 1; port <= 100; ++port) cookie_for(syn(port));
    const std::uint32_t first = cookie_for(syn(200)), second = cookie_for(syn(201));
    EXPECT_EQ(box.client(ack(first, 200)).size(), 1U);
    EXPECT_TRUE(box.client(ack(second, 201)).empty());
    EXPECT_EQ(box.decision.reason, Reason::rule_limit);
}

TEST_P(ProxyRule, AnotherProofOfTheServiceGivesWay) {
    pipeline::Protection protection = *box.settings.protection;
    protection.rules = {{}, {.proof = pipeline::Proof::second_syn}};
    box.adopt(protection);
    obey({about_tcp(policy::Action::proxy)});
    cookie_for(syn(1));
    box.defend();
    cookie_for(syn(2));
}

TEST_P(ProxyRule, SourcesThatTheGuardAlwaysAllowsAreLetThrough) {
    pipeline::Protection protection = *box.settings.protection;
    const guard::Address client =
        GetParam() ? guard::Address{0x2001'0002'0000'0000, 1}
                   : guard::Address::ipv4(std::array<std::uint8_t, 4>{198, 18, 0, 1}.data());
    protection.sources = std::move(
        guard::ServiceMap::build(std::vector<guard::Service>{{client, 128, 0, pipeline::SourceRule::allowed}})
            .value());
    box.adopt(protection);
    obey({about_tcp(policy::Action::proxy)});
    const auto passed = box.client(syn());
    ASSERT_EQ(passed.size(), 1U);
    EXPECT_EQ(passed[0].toward, Toward::server);
}

TEST_P(ProxyRule, NobodyIsPickedUpInMidStreamUnlessTheRuleSaysSo) {
    box.settings.tcp.loose = true;
    obey({about_tcp(policy::Action::proxy)});
    EXPECT_TRUE(box.client(ack(5)).empty());
    EXPECT_EQ(box.decision.reason, Reason::no_connection);
    policy::Rule picks_up = about_tcp(policy::Action::proxy);
    picks_up.pick_up = true;
    obey({picks_up});
    EXPECT_EQ(box.client(ack(5)).size(), 1U);
}

TEST_P(ProxyRule, ASynThatReopensAClosedFlowIsAnsweredToo) {
    obey({about_tcp(policy::Action::allow)});
    box.client(syn());
    box.server(syn_ack());
    box.client(ack(first_of_server));
    box.client(box.from_client().sequence(first_of_client + 1).flags(packet::rst));
    ASSERT_EQ(box.flows(), 1U);
    obey({about_tcp(policy::Action::proxy)});
    box.pass(100);
    ASSERT_EQ(box.flows(), 1U);
    const std::uint32_t cookie =
        cookie_for(box.from_client().sequence(first_of_client + 900'000).flags(packet::syn));
    EXPECT_EQ(box.flows(), 0U) << "what comes back must not be taken for a part of the closed one";
    const auto asked = box.client(
        box.from_client().sequence(first_of_client + 900'001).acknowledgement(cookie + 1).flags(packet::ack));
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].tcp().flags, packet::syn);
}

TEST_P(ProxyRule, ASynThatALimitTurnsAwayEndsNoClosedFlow) {
    box.client(syn());
    box.server(syn_ack());
    box.client(ack(first_of_server));
    box.client(box.from_client().sequence(first_of_client + 1).flags(packet::rst));
    pipeline::Protection protection = *box.settings.protection;
    protection.rules = {{}, {.proof = pipeline::Proof::second_syn}};
    box.adopt(protection);
    box.defend();
    EXPECT_TRUE(box.client(box.from_client().sequence(first_of_client + 900'000).flags(packet::syn)).empty());
    EXPECT_EQ(box.decision.reason, Reason::first_syn);
    EXPECT_EQ(box.flows(), 1U);
}

}  // namespace
}  // namespace sluice::test
