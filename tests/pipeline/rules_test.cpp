// Rules on the packet path: the first packet of a flow is judged, its others are not; limits, marks and what
// a rule has of its own; new rules judge the flows that live.
#include <gtest/gtest.h>

#include "policy/rules.hpp"
#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;
using pipeline::CtState;
using pipeline::Decision;
using policy::Rule;

std::shared_ptr<const pipeline::Policy> policy_of(std::vector<Rule> rules, unsigned workers = 1) {
    auto built = policy::RuleSet::build(std::move(rules));
    if (!built) throw std::runtime_error(built.error());
    auto set = std::make_shared<const policy::RuleSet>(std::move(*built));
    auto matcher = std::make_unique<policy::LinearMatcher>(*set);
    return std::make_shared<const pipeline::Policy>(set, std::move(matcher), workers);
}

pipeline::Limits with_rules() {
    pipeline::Limits limits = TrackerBox::small_limits();
    limits.rules = true;
    return limits;
}

pipeline::Settings under(std::shared_ptr<const pipeline::Policy> policy) {
    pipeline::Settings settings;
    settings.policy = std::move(policy);
    return settings;
}

Rule rule(policy::Action action, std::uint8_t protocol, const std::string& from = "") {
    Rule out;
    out.action = action;
    out.protocols = {protocol};
    if (!from.empty()) out.from = {policy::prefix(from)};
    return out;
}

/// A box whose rules can be replaced, with frames between a client and a server.
class RulesOf : public testing::TestWithParam<bool> {
  protected:
    void obey(std::vector<Rule> rules) {
        held_.push_back(under(policy_of(std::move(rules))));
        if (box == nullptr) {
            box = std::make_unique<TrackerBox>(held_.back(), with_rules());
            return;
        }
        ASSERT_TRUE(box->tracker().mailbox().post(
            {.kind = pipeline::Request::Kind::settings, .settings = &held_.back()}));
        box->poll();
        pipeline::Request answer;
        ASSERT_TRUE(box->tracker().mailbox().collect(answer));
    }
    /// Until nothing of new rules is left to do.
    void settle() {
        for (int i = 0; i < 100; ++i) box->poll();
    }
    [[nodiscard]] const pipeline::RuleTally& tally(unsigned number) const {
        return held_.back().policy->tally(0)[number];
    }

    [[nodiscard]] pipeline::RuleLog& log() const { return held_.back().policy->log(0); }

    const char* client() const { return GetParam() ? "2001:db8::1" : "10.0.0.1"; }
    const char* server() const { return GetParam() ? "2001:db8::2" : "10.0.0.2"; }
    std::uint8_t icmp() const { return GetParam() ? packet::icmpv6 : packet::icmp; }
    Decision syn(std::uint16_t port = 40000) const {
        return box->feed(PacketBuilder()
                             .ethernet()
                             .ip(client(), server())
                             .tcp(port, 80)
                             .sequence(100)
                             .flags(packet::syn)
                             .build());
    }
    Decision syn_back(std::uint16_t port = 40000) const {
        return box->feed(PacketBuilder()
                             .ethernet()
                             .ip(server(), client())
                             .tcp(80, port)
                             .sequence(100)
                             .flags(packet::syn)
                             .build());
    }
    Decision syn_ack(std::uint16_t port = 40000) const {
        return box->feed(PacketBuilder()
                             .ethernet()
                             .ip(server(), client())
                             .tcp(80, port)
                             .sequence(300)
                             .acknowledgement(101)
                             .flags(packet::syn | packet::ack)
                             .build());
    }
    Decision ack(std::uint16_t port = 40000, std::uint32_t sequence = 101) const {
        return box->feed(PacketBuilder()
                             .ethernet()
                             .ip(client(), server())
                             .tcp(port, 80)
                             .sequence(sequence)
                             .acknowledgement(301)
                             .flags(packet::ack)
                             .build());
    }
    /// A connection that its client has reset, and the SYN of the next between the same ports.
    Decision reset_connection() const {
        syn();
        syn_ack();
        ack();
        return box->feed(PacketBuilder()
                             .ethernet()
                             .ip(client(), server())
                             .tcp(40000, 80)
                             .sequence(101)
                             .flags(packet::rst)
                             .build());
    }
    Decision syn_again() const {
        return box->feed(PacketBuilder()
                             .ethernet()
                             .ip(client(), server())
                             .tcp(40000, 80)
                             .sequence(900'000)
                             .flags(packet::syn)
                             .build());
    }
    Decision udp(std::uint16_t port = 40000) const {
        return box->feed(PacketBuilder().ethernet().ip(client(), server()).udp(port, 53).payload(4).build());
    }
    Decision ping(bool reply = false) const {
        PacketBuilder out;
        out.ethernet().ip(reply ? server() : client(), reply ? client() : server());
        return box->feed(GetParam() ? out.icmpv6(reply ? 129 : 128, 0, 7).build()
                                    : out.icmp(reply ? 0 : 8, 0, 7).build());
    }

    std::unique_ptr<TrackerBox> box;

  private:
    std::deque<pipeline::Settings> held_;
};
INSTANTIATE_TEST_SUITE_P(Families, RulesOf, testing::Bool(),
                         [](const auto& family) { return family.param ? "IPv6" : "IPv4"; });

TEST_P(RulesOf, WithoutRulesEverythingIsAllowed) {
    obey({});
    EXPECT_EQ(syn().action, Action::pass);
    EXPECT_EQ(udp().action, Action::pass);
    EXPECT_EQ(ping().action, Action::pass);
    EXPECT_EQ(tally(policy::no_rule).hits.read(), 3U);
}

TEST_P(RulesOf, WhatNoRuleAllowsIsDeniedAndCountedUnderNoRule) {
    obey({rule(policy::Action::allow, packet::udp)});
    const Decision denied = syn();
    EXPECT_EQ(denied.action, Action::drop);
    EXPECT_EQ(denied.state, CtState::untracked);
    EXPECT_EQ(denied.reason, Reason::policy_denied);
    EXPECT_EQ(denied.flow, flow::no_ref);
    EXPECT_EQ(ping().reason, Reason::policy_denied);
    EXPECT_EQ(udp().action, Action::pass);
    EXPECT_EQ(box->flows(), 1U);
    EXPECT_EQ(box->count(Reason::policy_denied), 2U);
    EXPECT_EQ(tally(policy::no_rule).hits.read(), 2U);
    EXPECT_EQ(tally(1).hits.read(), 1U);
    EXPECT_EQ(tally(1).flows.read(), 1U);
}

TEST_P(RulesOf, OnlyTheFirstPacketOfAFlowIsJudged) {
    obey({rule(policy::Action::allow, packet::tcp, client()), rule(policy::Action::allow, icmp(), client())});
    EXPECT_EQ(syn().action, Action::pass);
    EXPECT_EQ(syn_ack().state, CtState::established) << "the answer needs no rule of its own";
    EXPECT_EQ(ack().state, CtState::established);
    EXPECT_EQ(ping().action, Action::pass);
    EXPECT_EQ(ping(true).action, Action::pass);
    EXPECT_EQ(tally(1).hits.read(), 1U);
    EXPECT_EQ(tally(2).hits.read(), 1U);
    EXPECT_EQ(syn_back(40001).reason, Reason::policy_denied);
}

TEST_P(RulesOf, AnErrorAboutAFlowPassesWithIt) {
    obey({rule(policy::Action::allow, packet::udp)});
    const PacketBuilder query = PacketBuilder().ethernet().ip(client(), server()).udp(40000, 53).payload(4);
    EXPECT_EQ(box->feed(query.build()).action, Action::pass);
    PacketBuilder error;
    error.ethernet().ip(server(), client()).icmp_error(GetParam() ? 1 : 3, GetParam() ? 4 : 3, query);
    EXPECT_EQ(box->feed(error.build()).state, CtState::related);
}

TEST_P(RulesOf, InterfaceAndVlanAreThoseOfTheFirstPacket) {
    Rule allowed = rule(policy::Action::allow, packet::udp);
    allowed.interfaces = 2;
    allowed.vlans = {{10, 19}};
    obey({allowed});
    const auto feed = [&](std::uint16_t port, std::optional<std::uint16_t> vlan, std::uint16_t source_port) {
        PacketBuilder out;
        out.ethernet();
        if (vlan) out.vlan(*vlan);
        out.ip(client(), server()).udp(source_port, 53).payload(4);
        pipeline::MemoryPacket& packet = box->keep(out.build());
        packet.port = port;
        pipeline::Output<pipeline::MemoryIo> judged;
        std::array<pipeline::MemoryPacket*, 1> burst{&packet};
        box->tracker().process(burst, {.tick = box->now(), .wall_nanoseconds = 0}, judged);
        return judged.view()[0].decision.action;
    };
    EXPECT_EQ(feed(1, 12, 1), Action::pass);
    EXPECT_EQ(feed(0, 12, 2), Action::drop);
    EXPECT_EQ(feed(1, 20, 3), Action::drop);
    EXPECT_EQ(feed(1, std::nullopt, 4), Action::drop);
    box->settings().vlan_in_key = false;
    EXPECT_EQ(feed(1, 12, 5), Action::pass) << "the tag counts for rules though not for flows";
    EXPECT_EQ(feed(1, 20, 6), Action::drop);
}

TEST_P(RulesOf, ARuleLimitsItsFlows) {
    Rule limited = rule(policy::Action::allow, packet::udp);
    limited.most_flows = 2;
    obey({limited});
    EXPECT_EQ(udp(1).action, Action::pass);
    EXPECT_EQ(udp(2).action, Action::pass);
    const Decision third = udp(3);
    EXPECT_EQ(third.action, Action::drop);
    EXPECT_EQ(third.reason, Reason::rule_limit);
    EXPECT_EQ(udp(1).action, Action::pass) << "its flows go on";
    EXPECT_EQ(tally(1).limited.read(), 1U);
    EXPECT_EQ(tally(1).hits.read(), 3U);
    box->pass_seconds(1000);
    settle();
    EXPECT_EQ(tally(1).flows.read(), 0U);
    EXPECT_EQ(udp(3).action, Action::pass);
}

TEST_P(RulesOf, ARuleLimitsItsNewFlowsASecond) {
    Rule limited = rule(policy::Action::allow, packet::udp);
    limited.most_a_second = 3;
    obey({limited});
    for (std::uint16_t port = 1; port <= 3; ++port) EXPECT_EQ(udp(port).action, Action::pass);
    EXPECT_EQ(udp(4).reason, Reason::rule_limit);
    box->pass_seconds(1);
    box->poll();
    for (std::uint16_t port = 4; port <= 6; ++port) EXPECT_EQ(udp(port).action, Action::pass) << port;
    EXPECT_EQ(udp(7).reason, Reason::rule_limit);
}

TEST_P(RulesOf, AFlowBearsTheMarkOfItsRule) {
    Rule marked = rule(policy::Action::allow, packet::udp);
    marked.mark = 77;
    obey({marked, rule(policy::Action::allow, packet::tcp)});
    EXPECT_EQ(box->view(udp()).mark, 77U);
    EXPECT_EQ(box->view(syn()).mark, 0U);
}

TEST_P(RulesOf, ARuleMayPickUpItsConnectionsInMidStreamOrNot) {
    Rule picked_up = rule(policy::Action::allow, packet::tcp);
    picked_up.pick_up = true;
    obey({picked_up});
    box->settings().tcp.loose = false;
    EXPECT_EQ(ack().action, Action::pass);

    Rule strict = rule(policy::Action::allow, packet::tcp);
    strict.pick_up = false;
    obey({strict});
    EXPECT_EQ(ack(40001).reason, Reason::no_connection);
}

TEST_P(RulesOf, ARuleHasItsOwnWordOnRefusedPackets) {
    Rule lenient = rule(policy::Action::allow, packet::tcp);
    lenient.drop_invalid = false;
    obey({lenient});
    syn();
    syn_ack();
    ack();
    const Decision far = ack(40000, 0x8000'0000);
    EXPECT_EQ(far.reason, Reason::seq_after_window);
    EXPECT_EQ(far.action, Action::pass);
    obey({rule(policy::Action::allow, packet::tcp)});
    settle();
    EXPECT_EQ(ack(40000, 0x8000'0000).action, Action::drop);
}

TEST_P(RulesOf, FlowsOfARuleLastAsLongAsItSays) {
    Rule streams = rule(policy::Action::allow, packet::udp);
    streams.timeouts = {.udp = 5, .udp_stream = 300};
    Rule brief = rule(policy::Action::allow, packet::tcp);
    brief.timeouts.tcp_established = 100;
    obey({streams, brief, rule(policy::Action::allow, icmp())});
    const auto lasts = [&](const Decision& of, double seconds) {
        box->pass_seconds(seconds - 0.1);
        settle();
        const bool there = box->holds(of);
        box->pass_seconds(0.2);
        settle();
        return there && !box->holds(of);
    };
    EXPECT_TRUE(lasts(udp(1), 5)) << "all others last for 30";
    const auto answer = [&] {
        return box->feed(PacketBuilder().ethernet().ip(server(), client()).udp(53, 2).payload(4).build());
    };
    udp(2);
    answer();
    box->pass_seconds(3);
    udp(2);
    answer();
    EXPECT_TRUE(lasts(udp(2), 300)) << "all others last for 120";
    syn();
    syn_ack();
    ack();
    box->pass_seconds(99);
    EXPECT_TRUE(lasts(ack(), 100)) << "all others last for days";
    EXPECT_TRUE(lasts(ping(), 30)) << "as all others";
}

TEST_P(RulesOf, ConnectionsThatAreJudgedTogetherLastAsLongAsTheirRulesSay) {
    Rule brief = rule(policy::Action::allow, packet::tcp);
    brief.timeouts.tcp_established = 100;
    brief.from_ports = {{1, 12}};
    Rule lasting = brief;
    lasting.from_ports = {{13, 24}};
    lasting.timeouts.tcp_established = 1'000'000;
    obey({brief, lasting, rule(policy::Action::allow, packet::tcp)});
    std::vector<Frame> acks;
    for (std::uint16_t port = 1; port <= 36; ++port) {
        syn(port);
        syn_ack(port);
        ack(port);
        acks.push_back(PacketBuilder()
                           .ethernet()
                           .ip(client(), server())
                           .tcp(port, 80)
                           .sequence(101)
                           .acknowledgement(301)
                           .flags(packet::ack)
                           .build());
    }
    for (int i = 0; i < 5; ++i) {
        box->pass_seconds(60);
        for (const auto& judged : box->burst(acks)) EXPECT_EQ(judged.decision.state, CtState::established);
        settle();
    }
    EXPECT_EQ(box->flows(), 36U) << "none of them has been idle for long";
    box->pass_seconds(101);
    settle();
    EXPECT_EQ(tally(1).flows.read(), 0U);
    EXPECT_EQ(box->flows(), 24U);
    box->pass_seconds(500'000);
    for (int i = 0; i < 10; ++i) settle();
    EXPECT_EQ(tally(2).flows.read(), 12U) << "days longer than all others";
    EXPECT_EQ(box->flows(), 12U);
}

TEST_P(RulesOf, NewRulesBringNewTimeoutsAndTakeThemAway) {
    Rule brief = rule(policy::Action::allow, packet::tcp);
    brief.timeouts.tcp_established = 100;
    obey({rule(policy::Action::allow, packet::tcp)});
    syn();
    syn_ack();
    const Decision flow = ack();
    obey({brief});
    settle();
    EXPECT_LE(box->view(flow).seconds_left, 100U);
    obey({rule(policy::Action::allow, packet::tcp)});
    settle();
    ack();
    EXPECT_GT(box->view(flow).seconds_left, 100'000U);
    EXPECT_EQ(box->view(flow).state.tcp.fixed_timeout, 0U);
}

TEST_P(RulesOf, ATimeoutSetByHandStandsWhateverTheRuleSays) {
    Rule brief = rule(policy::Action::allow, packet::tcp);
    brief.timeouts.tcp_established = 100;
    obey({brief});
    syn();
    syn_ack();
    const Decision flow = ack();
    pipeline::Request fix{.kind = pipeline::Request::Kind::update,
                          .family = flow.family,
                          .set_timeout = true,
                          .set_fixed_timeout = true,
                          .flow = flow.flow,
                          .timeout_seconds = 1000};
    if (GetParam())
        fix.key6 = box->tracker().table6().record(flow.flow).key;
    else
        fix.key4 = box->tracker().table4().record(flow.flow).key;
    ASSERT_TRUE(box->tracker().mailbox().post(fix));
    box->poll();
    ASSERT_TRUE(box->tracker().mailbox().collect(fix));
    ASSERT_EQ(fix.answer, pipeline::Request::Answer::done);
    box->pass_seconds(200);
    ack();
    obey({brief});
    settle();
    EXPECT_TRUE(box->holds(flow));
    EXPECT_LE(box->view(flow).seconds_left, 800U) << "no packet makes it last longer";
    EXPECT_GT(box->view(flow).seconds_left, 790U);
}

TEST_P(RulesOf, NewRulesKeepTheFlowsTheyAllowAndRemoveTheOthers) {
    obey({rule(policy::Action::allow, packet::tcp), rule(policy::Action::allow, packet::udp),
          rule(policy::Action::allow, icmp())});
    syn();
    syn_ack();
    ack();
    for (std::uint16_t port = 1; port <= 200; ++port) udp(port);
    ping();
    EXPECT_EQ(box->flows(), 202U);
    obey({rule(policy::Action::allow, icmp()), rule(policy::Action::allow, packet::tcp, client())});
    settle();
    EXPECT_EQ(box->flows(), 2U);
    EXPECT_EQ(tally(1).flows.read(), 1U);
    EXPECT_EQ(tally(2).flows.read(), 1U);
    EXPECT_EQ(tally(2).hits.read(), 0U) << "no first packet came";
    EXPECT_EQ(ack().state, CtState::established);
    EXPECT_EQ(udp(1).reason, Reason::policy_denied);
}

TEST_P(RulesOf, AFlowIsJudgedAgainAsItsOriginatorBeganIt) {
    obey({rule(policy::Action::allow, packet::tcp)});
    syn();
    syn_ack();
    ack();
    syn_back(40001);
    obey({rule(policy::Action::allow, packet::tcp, server())});
    settle();
    EXPECT_EQ(box->flows(), 1U);
    EXPECT_EQ(ack().reason, Reason::policy_denied);
}

TEST_P(RulesOf, ARuleMaySpareTheLiveFlowsItForbids) {
    obey({rule(policy::Action::allow, packet::udp)});
    udp(1);
    Rule sparing = rule(policy::Action::deny, packet::udp);
    sparing.spares_live_flows = true;
    obey({sparing});
    settle();
    EXPECT_EQ(udp(1).action, Action::pass);
    EXPECT_EQ(udp(2).reason, Reason::policy_denied);
    EXPECT_EQ(tally(1).flows.read(), 1U);
}

TEST_P(RulesOf, ADeniedSynThatWouldReopenAClosedFlowEndsNothing) {
    obey({rule(policy::Action::allow, packet::tcp)});
    const Decision closed = reset_connection();
    ASSERT_EQ(closed.action, Action::pass);
    const auto state = [&] { return box->view(closed).state.tcp.pair; };
    const auto was = state();
    for (const policy::Action action : {policy::Action::deny, policy::Action::reject}) {
        Rule forbids = rule(action, packet::tcp);
        forbids.spares_live_flows = true;
        obey({forbids});
        settle();
        EXPECT_EQ(syn_again().reason, Reason::policy_denied);
        ASSERT_TRUE(box->holds(closed));
        EXPECT_EQ(state(), was);
        EXPECT_EQ(tally(1).flows.read(), 1U);
    }
    obey({rule(policy::Action::allow, packet::tcp)});
    settle();
    EXPECT_EQ(syn_again().state, CtState::new_flow) << "allowed, it takes the place of the closed one";
    EXPECT_EQ(box->flows(), 1U);
    EXPECT_EQ(tally(1).flows.read(), 1U);
}

TEST_P(RulesOf, AFlowThatTakesThePlaceOfAnotherOfItsRuleNeedsNoMoreRoom) {
    Rule limited = rule(policy::Action::allow, packet::tcp);
    limited.most_flows = 1;
    obey({limited});
    reset_connection();
    EXPECT_EQ(syn(40001).reason, Reason::rule_limit);
    EXPECT_EQ(syn_again().action, Action::pass);
    EXPECT_EQ(tally(1).flows.read(), 1U);
}

TEST_P(RulesOf, LiveFlowsAreJudgedInSlices) {
    obey({rule(policy::Action::allow, packet::udp)});
    for (std::uint16_t port = 1; port <= 600; ++port) udp(port);
    obey({rule(policy::Action::allow, packet::tcp)});
    // obey() has polled once.
    EXPECT_EQ(box->flows(), 600U - 64U);
    box->poll();
    EXPECT_EQ(box->flows(), 600U - 128U);
    settle();
    EXPECT_EQ(box->flows(), 0U);
}

TEST_P(RulesOf, TheSameRulesWithOtherSettingsJudgeNothingAgain) {
    obey({rule(policy::Action::allow, packet::udp)});
    udp(1);
    pipeline::Settings same = box->settings();
    ASSERT_TRUE(
        box->tracker().mailbox().post({.kind = pipeline::Request::Kind::settings, .settings = &same}));
    box->poll();
    EXPECT_EQ(tally(1).flows.read(), 1U);
    EXPECT_EQ(tally(1).hits.read(), 1U);
    box->pass_seconds(1000);
    settle();
    EXPECT_EQ(tally(1).flows.read(), 0U);
    // The box outlives `same`.
    obey({rule(policy::Action::allow, packet::udp)});
}

TEST_P(RulesOf, ARuleThatLogsReportsItsFirstPacketsAndCountsWhatFindsNoRoom) {
    Rule logged = rule(policy::Action::allow, packet::udp);
    logged.log = true;
    obey({rule(policy::Action::allow, packet::tcp), logged});
    syn();
    for (std::uint16_t port = 1; port <= 130; ++port) udp(port);
    udp(1);
    std::vector<std::uint16_t> ports;
    log().take_all([&](const pipeline::RuleLog::Entry& entry) {
        EXPECT_EQ(entry.rule, 2);
        EXPECT_EQ(entry.packet.destination_port, 53);
        ports.push_back(entry.packet.source_port);
    });
    ASSERT_EQ(ports.size(), 128U);
    EXPECT_EQ(ports.front(), 1);
    EXPECT_EQ(ports.back(), 128);
    EXPECT_EQ(log().lost(), 2U);
    udp(200);
    unsigned more = 0;
    log().take_all(
        [&](const pipeline::RuleLog::Entry& entry) { more += entry.packet.source_port == 200 ? 1 : 100; });
    EXPECT_EQ(more, 1U);
}

TEST(Rules, ALimitIsSharedAmongWorkers) {
    Rule limited = rule(policy::Action::allow, packet::udp);
    limited.most_flows = 10;
    const auto policy = policy_of({limited}, 4);
    EXPECT_EQ(policy->share_of_flows(1), 3U);
    EXPECT_EQ(policy->share_of_flows(policy::no_rule), 0U);
}

TEST(Rules, WithoutRoomForThemTheyAreNotObeyed) {
    TrackerBox box(under(policy_of({rule(policy::Action::deny, packet::udp)})));
    EXPECT_EQ(box.feed(PacketBuilder().ethernet().ip("10.0.0.1", "10.0.0.2").udp(1, 53).build()).action,
              Action::pass);
}

TEST_P(RulesOf, FlowsFromAnotherTrackerAreJudgedByTheRulesInForce) {
    obey({rule(policy::Action::allow, packet::tcp), rule(policy::Action::allow, packet::udp)});
    syn();
    box->feed(PacketBuilder().ethernet().ip(client(), server()).udp(5000, 53).build());
    auto out = std::make_unique<pipeline::FlowExport>();
    out->since = box->now();
    box->tracker().export_flows(*out, box->moment(), ~0U);
    ASSERT_EQ(out->count, 2U);

    box.reset();
    obey({rule(policy::Action::allow, packet::tcp)});
    auto in = std::make_unique<pipeline::FlowImport>();
    in->count = out->count;
    std::copy_n(out->flows.begin(), out->count, in->flows.begin());
    box->tracker().import_flows(*in, box->moment(), ~0U);
    EXPECT_TRUE(in->complete());
    EXPECT_EQ(in->outcomes[static_cast<std::size_t>(pipeline::Restored::done)], 1U);
    EXPECT_EQ(in->outcomes[static_cast<std::size_t>(pipeline::Restored::forbidden)], 1U);
    EXPECT_EQ(box->flows(), 1U);
    EXPECT_EQ(tally(1).flows.read(), 1U);
    settle();
    EXPECT_EQ(box->flows(), 1U);
    EXPECT_EQ(tally(1).flows.read(), 1U) << "judged once";
    EXPECT_EQ(tally(1).hits.read(), 0U) << "it is no first packet";
}

}  // namespace
}  // namespace sluice::test
