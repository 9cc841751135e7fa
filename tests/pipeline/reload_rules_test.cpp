// New rules reset the connections that they reject: both ends are told, in numbers that they believe.
#include <gtest/gtest.h>

#include "../support/guarded_box.hpp"
#include "sluice/pipeline/policy.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;

constexpr std::uint32_t originator_first = 0xFFFF'FFF0, responder_first = 5'000;

pipeline::Limits rules_and_guard() {
    pipeline::Limits limits = GuardedBox::small_limits();
    limits.rules = true;
    return limits;
}

class ReloadedRules : public testing::TestWithParam<bool> {
  protected:
    GuardedBox box{GetParam(), rules_and_guard()};

    void TearDown() override { EXPECT_EQ(box.faults, std::vector<std::string>{}); }

    /// All TCP comes under this rule from now on. What left on that account.
    std::vector<Sent> obey(policy::Action action, bool spares_live_flows = false) {
        policy::Rule rule;
        rule.action = action;
        rule.protocols = {packet::tcp};
        rule.spares_live_flows = spares_live_flows;
        auto set = std::make_shared<const policy::RuleSet>(std::move(policy::RuleSet::build({rule}).value()));
        auto matcher = std::make_unique<policy::LinearMatcher>(*set);
        held_.push_back(box.settings);
        held_.back().policy = std::make_shared<const pipeline::Policy>(set, std::move(matcher), 1);
        EXPECT_TRUE(box.tracker().mailbox().post(
            {.kind = pipeline::Request::Kind::settings, .settings = &held_.back()}));
        std::vector<Sent> all = box.poll();
        for (int i = 0; i < 20; ++i)
            for (Sent& sent : box.poll()) all.push_back(std::move(sent));
        pipeline::Request answer;
        EXPECT_TRUE(box.tracker().mailbox().collect(answer));
        return all;
    }
    [[nodiscard]] PacketBuilder from_client(std::uint32_t sent, std::uint16_t port) const {
        return box.from_client(port)
            .sequence(originator_first + 1 + sent)
            .acknowledgement(responder_first + 1)
            .flags(packet::ack);
    }
    [[nodiscard]] PacketBuilder from_server(std::uint32_t got, std::uint16_t port) const {
        return box.from_server(port)
            .sequence(responder_first + 1)
            .acknowledgement(originator_first + 1 + got)
            .flags(packet::ack);
    }
    /// Open, the client having sent 10 bytes and the server acknowledged them.
    void open(std::uint16_t port = 40'000) {
        box.client(box.from_client(port).sequence(originator_first).flags(packet::syn));
        box.server(box.from_server(port)
                       .sequence(responder_first)
                       .acknowledgement(originator_first + 1)
                       .flags(packet::syn | packet::ack));
        box.client(from_client(0, port).payload(10));
        box.server(from_server(10, port));
        ASSERT_EQ(box.state(), "ESTABLISHED");
    }

  private:
    std::deque<pipeline::Settings> held_;
};
INSTANTIATE_TEST_SUITE_P(Families, ReloadedRules, testing::Bool(),
                         [](const auto& one) { return one.param ? "Ipv6" : "Ipv4"; });

TEST_P(ReloadedRules, AConnectionThatIsRejectedNowIsResetAtBothEnds) {
    EXPECT_TRUE(obey(policy::Action::allow).empty());
    open();
    const auto told = obey(policy::Action::reject);
    ASSERT_EQ(told.size(), 2U);
    for (const Sent& one : told) {
        EXPECT_NE(one.tcp().flags & packet::rst, 0);
        EXPECT_EQ(one.tcp().sequence,
                  one.toward == Toward::server ? originator_first + 11 : responder_first + 1)
            << "exactly what it expects next";
    }
    EXPECT_NE(told[0].toward, told[1].toward);
    EXPECT_FALSE(box.client(from_client(10, 40'000).payload(5)).empty()) << "who speaks is told again";
    EXPECT_EQ(box.count(Reason::killed), 1U);
    box.client(box.from_client().sequence(7).flags(packet::syn));
    EXPECT_EQ(box.decision.reason, Reason::policy_denied) << "nor does another begin";
    EXPECT_EQ(box.decision.action, Action::answer);
}

TEST_P(ReloadedRules, EveryConnectionIsToldWhateverTheirNumber) {
    obey(policy::Action::allow);
    for (std::uint16_t port = 1; port <= 300; ++port) open(port);
    EXPECT_EQ(obey(policy::Action::reject).size(), 600U);
}

TEST_P(ReloadedRules, AConnectionThatIsSparedOrDeniedIsToldNothing) {
    obey(policy::Action::allow);
    open();
    EXPECT_TRUE(obey(policy::Action::reject, true).empty());
    EXPECT_EQ(box.client(from_client(10, 40'000).payload(5)).size(), 1U);
    EXPECT_EQ(box.state(), "ESTABLISHED");
    EXPECT_TRUE(obey(policy::Action::deny).empty());
    EXPECT_EQ(box.flows(), 0U);
}

}  // namespace
}  // namespace sluice::test
