// Killed connections: who is told, when, and with which numbers.
#include <gtest/gtest.h>

#include "../support/guarded_box.hpp"

namespace sluice::test {
namespace {

using guard::Level;
using pipeline::Action;
using pipeline::Request;

constexpr std::uint32_t client_first = 0xFFFF'FFFE, server_first = 5'000;

class Kill : public testing::TestWithParam<bool> {
  protected:
    GuardedBox box{GetParam()};

    void TearDown() override { EXPECT_EQ(box.faults, std::vector<std::string>{}); }

    [[nodiscard]] static PacketBuilder from_client(const GuardedBox& box, std::uint32_t sequence,
                                                   std::uint32_t acknowledgement) {
        return box.from_client().sequence(sequence).acknowledgement(acknowledgement).flags(packet::ack);
    }
    [[nodiscard]] static PacketBuilder from_server(const GuardedBox& box, std::uint32_t sequence,
                                                   std::uint32_t acknowledgement) {
        return box.from_server().sequence(sequence).acknowledgement(acknowledgement).flags(packet::ack);
    }
    [[nodiscard]] PacketBuilder client(std::uint32_t sequence, std::uint32_t acknowledgement) const {
        return from_client(box, sequence, acknowledgement);
    }
    [[nodiscard]] PacketBuilder server(std::uint32_t sequence, std::uint32_t acknowledgement) const {
        return from_server(box, sequence, acknowledgement);
    }
    [[nodiscard]] PacketBuilder syn() const {
        return box.from_client().sequence(client_first).flags(packet::syn);
    }
    [[nodiscard]] PacketBuilder syn_ack() const {
        return server(server_first, client_first + 1).flags(packet::syn | packet::ack);
    }
    /// Open, the client having sent 10 bytes and the server 20, not all of it acknowledged.
    void open() {
        box.client(syn());
        box.server(syn_ack());
        box.client(client(client_first + 1, server_first + 1).payload(10));
        box.server(server(server_first + 1, client_first + 11).payload(20));
        ASSERT_EQ(box.state(), "ESTABLISHED");
        flow = box.decision.flow;
    }
    flow::Ref flow = flow::no_ref;
    static constexpr std::uint32_t client_next = client_first + 11, server_next = server_first + 21;

    /// What left at once.
    std::vector<Sent> kill(GuardedBox& of, flow::Ref ref) {
        pipeline::FlowView view;
        const bool there = GetParam() ? pipeline::view(of.tracker().table6(), ref, of.now.tick, 0, view)
                                      : pipeline::view(of.tracker().table4(), ref, of.now.tick, 0, view);
        EXPECT_TRUE(there);
        of.tracker().mailbox().post({.kind = Request::Kind::remove,
                                     .family = view.family,
                                     .reset = true,
                                     .flow = ref,
                                     .key4 = view.key4,
                                     .key6 = view.key6});
        auto sent = of.poll();
        Request answered;
        EXPECT_TRUE(of.tracker().mailbox().collect(answered));
        answer = answered.answer;
        return sent;
    }
    std::vector<Sent> kill() { return kill(box, flow); }
    Request::Answer answer = Request::Answer::pending;

    static const Sent* to(Toward whom, const std::vector<Sent>& sent) {
        const Sent* found = nullptr;
        for (const Sent& one : sent) {
            if (one.toward != whom) continue;
            EXPECT_EQ(found, nullptr) << "one for each";
            found = &one;
        }
        return found;
    }
    static void expect_reset(Toward whom, const std::vector<Sent>& sent, std::uint32_t sequence) {
        const Sent* const one = to(whom, sent);
        ASSERT_NE(one, nullptr);
        EXPECT_NE(one->tcp().flags & packet::rst, 0);
        EXPECT_EQ(one->tcp().sequence, sequence);
        EXPECT_EQ(one->tcp().payload_length, 0U);
        EXPECT_GE(one->frame.size(), 60U);
    }
};
INSTANTIATE_TEST_SUITE_P(Families, Kill, testing::Bool(),
                         [](const auto& one) { return one.param ? "Ipv6" : "Ipv4"; });

TEST_P(Kill, TellsBothEndsAtOnceTheNumberThatEachExpects) {
    open();
    const auto sent = kill();
    EXPECT_EQ(answer, Request::Answer::done);
    ASSERT_EQ(sent.size(), 2U);
    expect_reset(Toward::server, sent, client_next);
    expect_reset(Toward::client, sent, server_next);
    EXPECT_EQ(box.tracker().counters().emitted.read(), 2U);
    EXPECT_EQ(box.tracker().counters().emitted_on.read(), 1U) << "the other leaves by the control queue";
}

TEST_P(Kill, TellsThemWithinTheirVlans) {
    box.vlans = {7, 300};
    open();
    const auto sent = kill();
    expect_reset(Toward::server, sent, client_next);
    expect_reset(Toward::client, sent, server_next);
    EXPECT_EQ(sent[0].headers.vlan[0], 7);
    EXPECT_EQ(sent[0].headers.vlan[1], 300);
}

TEST_P(Kill, WhoSpeaksIsToldAgainAndItsPeerInPlaceOfThePacket) {
    open();
    kill();
    const auto from_client = box.client(client(client_next, server_next - 5).payload(100));
    ASSERT_EQ(from_client.size(), 2U) << "the packet itself does not pass";
    expect_reset(Toward::client, from_client, server_next - 5);
    expect_reset(Toward::server, from_client, client_next);
    const auto from_server = box.server(server(server_next, client_next + 100).payload(1));
    ASSERT_EQ(from_server.size(), 2U);
    expect_reset(Toward::server, from_server, client_next + 100);
    expect_reset(Toward::client, from_server, server_next);
    EXPECT_EQ(box.count(Reason::killed), 2U);
}

// A receiver that did not get the last of what its peer sent answers the first RST with its number
// (RFC 5961 3.2), and the second one is exact.
TEST_P(Kill, AChallengeIsAnsweredWithTheNumberItNames) {
    open();
    kill();
    const auto sent = box.client(client(client_next, server_first + 1));
    expect_reset(Toward::client, sent, server_first + 1);
}

TEST_P(Kill, AResetPassesAndIsNotAnswered) {
    open();
    kill();
    for (const unsigned flags : {0U + packet::rst, 0U + packet::rst + packet::ack}) {
        const auto sent = box.client(client(client_next, server_next).flags(flags));
        ASSERT_EQ(sent.size(), 1U);
        EXPECT_EQ(sent[0].toward, Toward::server);
        EXPECT_EQ(box.decision.action, Action::pass);
    }
}

TEST_P(Kill, ASynBeginsAnew) {
    open();
    kill();
    EXPECT_EQ(box.client(box.from_client().sequence(77).flags(packet::syn)).size(), 1U);
    EXPECT_EQ(box.decision.action, Action::pass);
    EXPECT_EQ(box.state(), "SYN_SENT");
    EXPECT_EQ(box.server(server(900, 78).flags(packet::syn | packet::ack)).size(), 1U);
    EXPECT_EQ(box.client(client(78, 901)).size(), 1U);
    EXPECT_EQ(box.state(), "ESTABLISHED");
}

TEST_P(Kill, TheMarkGoesWhenBothHaveBeenSilentForAWhile) {
    open();
    kill();
    for (int i = 0; i < 4; ++i) {
        box.pass(8 * ticks_per_second, ticks_per_second);
        const auto sent = box.client(client(client_next, server_next));
        EXPECT_EQ(sent.size(), 2U) << "it has not stopped speaking";
        expect_reset(Toward::client, sent, server_next);
    }
    EXPECT_EQ(box.flows(), 1U);
    box.pass(11 * ticks_per_second, ticks_per_second);
    EXPECT_EQ(box.flows(), 0U);
}

TEST_P(Kill, AKilledFlowIsKilledOnce) {
    open();
    kill();
    EXPECT_EQ(kill().size(), 0U);
    EXPECT_EQ(answer, Request::Answer::not_found);
    EXPECT_EQ(box.flows(), 1U);
}

TEST_P(Kill, AClientThatDialsIsRefusedAndTheServersAnswerReset) {
    box.client(syn());
    flow = box.decision.flow;
    const auto sent = kill();
    ASSERT_EQ(sent.size(), 2U);
    const Sent* const refusal = to(Toward::client, sent);
    ASSERT_NE(refusal, nullptr);
    EXPECT_EQ(refusal->tcp().flags, packet::rst | packet::ack);
    EXPECT_EQ(refusal->tcp().acknowledgement, client_first + 1);
    expect_reset(Toward::server, sent, client_first + 1);
    EXPECT_EQ(box.counted().half_open.read(), 0U);
    const auto late = box.server(syn_ack());
    expect_reset(Toward::server, late, client_first + 1);
}

TEST_P(Kill, AHalfOpenConnectionIsResetForAClientThatHasAndOneThatHasNotTheServersAnswer) {
    box.client(syn());
    box.server(syn_ack());
    flow = box.decision.flow;
    const auto sent = kill();
    expect_reset(Toward::client, sent, server_first + 1);
    expect_reset(Toward::server, sent, client_first + 1);
    const Sent* const refusal = to(Toward::client, sent);
    EXPECT_EQ(refusal->tcp().flags, packet::rst | packet::ack);
    EXPECT_EQ(refusal->tcp().acknowledgement, client_first + 1) << "acceptable in SYN_SENT";
    EXPECT_EQ(box.counted().half_open.read(), 0U);
}

TEST_P(Kill, WithoutAGuardTheyAreToldWhenOneSpeaksHoweverLateThatIs) {
    pipeline::Limits limits = GuardedBox::small_limits();
    limits.guarded_services = 0;
    GuardedBox plain(GetParam(), limits);
    plain.client(plain.from_client().sequence(client_first).flags(packet::syn));
    plain.server(from_server(plain, server_first, client_first + 1).flags(packet::syn | packet::ack));
    plain.client(from_client(plain, client_first + 1, server_first + 1));
    EXPECT_EQ(kill(plain, plain.decision.flow).size(), 0U);
    plain.pass(3'600 * ticks_per_second, 60 * ticks_per_second);
    const auto sent = plain.server(from_server(plain, server_first + 1, client_first + 1).payload(3));
    EXPECT_EQ(sent.size(), 2U);
    expect_reset(Toward::server, sent, client_first + 1);
    expect_reset(Toward::client, sent, server_first + 1);
    EXPECT_EQ(plain.faults, std::vector<std::string>{});
    plain.pass(11 * ticks_per_second, ticks_per_second);
    EXPECT_EQ(plain.flows(), 0U);
}

TEST_P(Kill, AFlowPickedUpIsToldOverTheWayOfItsFirstPacket) {
    GuardedBox loose(GetParam(), GuardedBox::small_limits(), true);
    loose.client(from_client(loose, 100, 200).payload(5));
    const auto sent = kill(loose, loose.decision.flow);
    expect_reset(Toward::server, sent, 105);
    expect_reset(Toward::client, sent, 200);
    EXPECT_EQ(loose.faults, std::vector<std::string>{});
}

TEST_P(Kill, AFlowMadeByHandHasNoNumbersUntilOneSpeaks) {
    open();
    box.tracker().mailbox().post({.kind = Request::Kind::flush});
    box.poll();
    Request answered;
    ASSERT_TRUE(box.tracker().mailbox().collect(answered));
    // Into the same slot, where another's way must not be found.
    box.client(syn());
    pipeline::FlowView view;
    ASSERT_TRUE(GetParam()
                    ? pipeline::view(box.tracker().table6(), box.decision.flow, box.now.tick, 0, view)
                    : pipeline::view(box.tracker().table4(), box.decision.flow, box.now.tick, 0, view));
    Request request{.kind = Request::Kind::remove,
                    .family = view.family,
                    .original_from_high = view.original_from_high,
                    .flow = box.decision.flow,
                    .key4 = view.key4,
                    .key6 = view.key6,
                    .timeout_seconds = 100};
    box.tracker().mailbox().post(request);
    request.kind = Request::Kind::insert;
    request.state.tcp = tcp::Connection{};
    request.state.tcp.pair = static_cast<unsigned>(tcp::Pair::established__established) & 31U;
    request.state.tcp.lifetime = static_cast<unsigned>(Lifetime::established) & 31U;
    request.state.tcp.picked_up = 1;
    box.tracker().mailbox().post(request);
    box.poll();
    ASSERT_TRUE(box.tracker().mailbox().collect(answered));
    ASSERT_TRUE(box.tracker().mailbox().collect(answered));
    ASSERT_EQ(answered.answer, Request::Answer::done);
    EXPECT_EQ(kill(box, answered.flow).size(), 0U);
    const auto sent = box.client(client(50, 60));
    ASSERT_EQ(sent.size(), 1U);
    expect_reset(Toward::client, sent, 60);
}

TEST_P(Kill, AProxiedConnectionIsResetInTheNumbersThatEachEndKnows) {
    box.defend(Level::maximum);
    const auto asked = box.client(box.from_client(2'000).sequence(70).flags(packet::syn));
    ASSERT_EQ(box.decision.action, Action::answer);
    const std::uint32_t cookie = asked.at(0).tcp().sequence;
    const auto own_syn = box.client(
        box.from_client(2'000).sequence(71).acknowledgement(cookie + 1).flags(packet::ack).window(1'000));
    ASSERT_EQ(own_syn.size(), 1U);
    box.server(box.from_server(2'000).sequence(9'000).acknowledgement(71).flags(packet::syn | packet::ack));
    box.client(box.from_client(2'000).sequence(71).acknowledgement(cookie + 1).flags(packet::ack).payload(4));
    box.server(box.from_server(2'000).sequence(9'001).acknowledgement(75).flags(packet::ack).payload(6));
    EXPECT_EQ(kill(box, box.decision.flow).size(), 0U) << "the way is not kept beside a translation";
    const auto from_client = box.client(
        box.from_client(2'000).sequence(75).acknowledgement(cookie + 7).flags(packet::ack).payload(1));
    ASSERT_EQ(from_client.size(), 2U);
    expect_reset(Toward::client, from_client, cookie + 7);
    expect_reset(Toward::server, from_client, 75);
    const auto from_server =
        box.server(box.from_server(2'000).sequence(9'007).acknowledgement(75).flags(packet::ack).payload(1));
    ASSERT_EQ(from_server.size(), 2U);
    expect_reset(Toward::server, from_server, 75);
    expect_reset(Toward::client, from_server, cookie + 7);
}

TEST_P(Kill, AHandshakeOfTheBoxsOwnEndsWithItsFlow) {
    box.defend(Level::maximum);
    const auto asked = box.client(box.from_client(2'000).sequence(70).flags(packet::syn));
    const std::uint32_t cookie = asked.at(0).tcp().sequence;
    box.client(box.from_client(2'000).sequence(71).acknowledgement(cookie + 1).flags(packet::ack));
    ASSERT_EQ(box.tracker().guard()->handshakes(), 1U);
    EXPECT_EQ(kill(box, box.decision.flow).size(), 0U);
    EXPECT_EQ(box.tracker().guard()->handshakes(), 0U);
    const auto late = box.server(
        box.from_server(2'000).sequence(9'000).acknowledgement(71).flags(packet::syn | packet::ack));
    ASSERT_EQ(late.size(), 1U) << "the client's number is not known";
    expect_reset(Toward::server, late, 71);
    const auto from_client =
        box.client(box.from_client(2'000).sequence(71).acknowledgement(cookie + 1).flags(packet::ack));
    expect_reset(Toward::client, from_client, cookie + 1);
    box.pass(30 * ticks_per_second, ticks_per_second);
    EXPECT_EQ(box.tracker().guard()->proxied_flows(), 0U);
}

TEST_P(Kill, WhatIsNoConnectionOrOneThatIsOverIsOnlyRemoved) {
    box.client(box.from_client().udp(53, 5353));
    EXPECT_EQ(kill(box, box.decision.flow).size(), 0U);
    EXPECT_EQ(answer, Request::Answer::done);
    EXPECT_EQ(box.flows(), 0U);
    open();
    box.client(client(client_next, server_next).flags(packet::rst | packet::ack));
    ASSERT_EQ(box.state(), "CLOSE");
    EXPECT_EQ(kill().size(), 0U);
    EXPECT_EQ(box.flows(), 0U);
}

TEST_P(Kill, WithoutBuffersWhoSpeaksIsToldInItsOwnPacket) {
    open();
    box.buffers_left = 0;
    EXPECT_EQ(kill().size(), 0U);
    const auto sent = box.client(client(client_next, server_next).payload(1));
    ASSERT_EQ(sent.size(), 1U);
    expect_reset(Toward::client, sent, server_next);
    EXPECT_EQ(box.tracker().counters().not_emitted.read(), 3U);
}

TEST_P(Kill, FragmentsOfAKilledConnectionAreDropped) {
    open();
    kill();
    const auto sent =
        box.send(Toward::server, client(client_next, server_next).payload(64).build_fragments(32));
    EXPECT_EQ(sent.size(), 0U);
    EXPECT_EQ(box.decision.action, Action::drop);
    EXPECT_EQ(box.decision.reason, Reason::killed);
}

}  // namespace
}  // namespace sluice::test
