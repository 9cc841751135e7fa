// Challenges (RFC 5961) and rejected packets: when the box answers what it drops, and how.
#include <gtest/gtest.h>

#include "../support/guarded_box.hpp"

namespace sluice::test {
namespace {

using guard::Level;
using pipeline::Action;

constexpr std::uint32_t isn_of_client = 0xFFFF'FFF0, isn_of_server = 5'000;
constexpr std::uint32_t client_next = isn_of_client + 11, server_next = isn_of_server + 21;

class Challenge : public testing::TestWithParam<bool> {
  protected:
    GuardedBox box{GetParam()};

    Challenge() {
        box.settings.challenge_ack = true;
        box.settings.tcp.strict = true;
    }
    void TearDown() override { EXPECT_EQ(box.faults, std::vector<std::string>{}); }

    [[nodiscard]] PacketBuilder client(std::uint32_t sequence, std::uint32_t acknowledgement,
                                       std::uint16_t port = 40'000) const {
        return box.from_client(port)
            .sequence(sequence)
            .acknowledgement(acknowledgement)
            .flags(packet::ack)
            .window(1'000);
    }
    [[nodiscard]] PacketBuilder server(std::uint32_t sequence, std::uint32_t acknowledgement,
                                       std::uint16_t port = 40'000) const {
        return box.from_server(port)
            .sequence(sequence)
            .acknowledgement(acknowledgement)
            .flags(packet::ack)
            .window(2'000);
    }
    /// Open, with scales of 3 and 2; the client has acknowledged 20 bytes and the server 10.
    void open(std::uint16_t port = 40'000) {
        box.client(box.from_client(port)
                       .sequence(isn_of_client)
                       .flags(packet::syn)
                       .window(8'000)
                       .option(option::window_scale(3)));
        box.server(server(isn_of_server, isn_of_client + 1, port)
                       .flags(packet::syn | packet::ack)
                       .window(8'000)
                       .option(option::window_scale(2)));
        box.client(client(isn_of_client + 1, isn_of_server + 1, port).payload(10));
        box.server(server(isn_of_server + 1, client_next, port).payload(20));
        box.client(client(client_next, server_next, port));
        ASSERT_EQ(box.state(), "ESTABLISHED");
        opened = box.decision;
    }
    [[nodiscard]] std::string state() {
        box.decision = opened;
        return box.state();
    }
    pipeline::Decision opened;
    void expect_challenge(const std::vector<Sent>& sent, Toward whom, Reason reason) {
        ASSERT_EQ(sent.size(), 1U);
        EXPECT_EQ(sent[0].toward, whom);
        const packet::TcpFields& said = sent[0].tcp();
        EXPECT_EQ(said.flags, packet::ack);
        EXPECT_EQ(said.sequence, whom == Toward::client ? server_next : client_next);
        EXPECT_EQ(said.acknowledgement, whom == Toward::client ? client_next : server_next);
        EXPECT_EQ(said.window, whom == Toward::client ? 2'000 : 1'000) << "as it was offered last";
        EXPECT_EQ(box.count(reason), 1U);
        EXPECT_EQ(state(), "ESTABLISHED");
    }
};
INSTANTIATE_TEST_SUITE_P(Families, Challenge, testing::Bool(),
                         [](const auto& one) { return one.param ? "Ipv6" : "Ipv4"; });

TEST_P(Challenge, AResetInTheWindowThatIsNotExact) {
    open();
    expect_challenge(box.client(client(client_next + 100, 0).flags(packet::rst)), Toward::client,
                     Reason::rst_inexact);
}

TEST_P(Challenge, ASynInAConnection) {
    open();
    expect_challenge(box.client(box.from_client().sequence(77).flags(packet::syn)), Toward::client,
                     Reason::syn_in_connection);
    // Who has forgotten the connection answers that with its number, and so ends it (RFC 9293 3.5.1).
    EXPECT_EQ(box.client(box.from_client().sequence(client_next).flags(packet::rst)).size(), 1U);
    EXPECT_EQ(state(), "CLOSE");
}

TEST_P(Challenge, AnAcknowledgementOfTheUnsent) {
    open();
    expect_challenge(box.server(server(server_next, client_next + 1'000'000)), Toward::server,
                     Reason::ack_unsent);
}

TEST_P(Challenge, DataBeyondTheWindow) {
    open();
    expect_challenge(box.client(client(client_next + 1'000'000, server_next).payload(5)), Toward::client,
                     Reason::seq_after_window);
}

TEST_P(Challenge, NoneToAResetOutOfTheWindowNorToOneThatIsExact) {
    open();
    EXPECT_EQ(box.client(client(client_next + 1'000'000, 0).flags(packet::rst)).size(), 0U);
    EXPECT_EQ(box.count(Reason::rst_out_of_window), 1U);
    const auto exact = box.client(client(client_next, 0).flags(packet::rst));
    ASSERT_EQ(exact.size(), 1U);
    EXPECT_EQ(exact[0].toward, Toward::server) << "it passes";
    EXPECT_EQ(box.client(client(client_next + 9, server_next).payload(1)).size(), 1U);
    EXPECT_EQ(box.tracker().counters().emitted.read(), 0U) << "after the end there is nothing to say";
}

TEST_P(Challenge, NoneWhereTheReceiverSeesTheSegmentItself) {
    box.settings.tcp.strict = false;
    open();
    const auto passed = box.client(client(client_next + 100, 0).flags(packet::rst));
    ASSERT_EQ(passed.size(), 1U);
    EXPECT_EQ(passed[0].toward, Toward::server) << "tolerated";
    box.settings.drop_invalid = false;
    EXPECT_EQ(box.client(client(client_next + 1'000'000, server_next).payload(5)).size(), 1U)
        << "refused, but not dropped";
    EXPECT_EQ(box.tracker().counters().emitted.read(), 0U);
}

TEST_P(Challenge, NoneUnlessAskedFor) {
    box.settings.challenge_ack = false;
    open();
    EXPECT_EQ(box.client(client(client_next + 100, 0).flags(packet::rst)).size(), 0U);
}

TEST_P(Challenge, NoneWhileTheReceiverHasNotAnswered) {
    box.client(box.from_client().sequence(isn_of_client).flags(packet::syn));
    EXPECT_EQ(
        box.server(server(isn_of_server, isn_of_client + 90'000).flags(packet::rst | packet::ack)).size(),
        0U);
    EXPECT_EQ(box.tracker().counters().emitted.read(), 0U);
}

TEST_P(Challenge, EachEndOfAConnectionOnceInHalfASecond) {
    open();
    open(40'001);
    const auto challenged = [&](const PacketBuilder& packet, bool by_client) {
        return (by_client ? box.client(packet) : box.server(packet)).size() == 1;
    };
    EXPECT_TRUE(challenged(client(client_next + 1'000'000, server_next), true));
    EXPECT_FALSE(challenged(client(client_next + 1'000'000, server_next), true));
    EXPECT_TRUE(challenged(server(server_next + 1'000'000, client_next), false)) << "the other end";
    EXPECT_TRUE(challenged(client(client_next + 1'000'000, server_next, 40'001), true))
        << "another connection";
    box.now.tick += 499;
    EXPECT_FALSE(challenged(client(client_next + 1'000'000, server_next), true));
    box.now.tick += 1;
    EXPECT_TRUE(challenged(client(client_next + 1'000'000, server_next), true));
}

TEST_P(Challenge, HasTimestampsWhereTheSegmentHas) {
    open();
    const auto sent =
        box.client(client(client_next + 1'000'000, server_next).option(option::timestamps(700, 300)));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_TRUE(sent[0].tcp().options.has_timestamps);
    EXPECT_EQ(sent[0].tcp().options.timestamp_value, 300U);
    EXPECT_EQ(sent[0].tcp().options.timestamp_echo, 700U);
    const auto syn =
        box.server(box.from_server().sequence(1).flags(packet::syn).option(option::timestamps(700, 0)));
    ASSERT_EQ(syn.size(), 1U);
    EXPECT_FALSE(syn[0].tcp().options.has_timestamps) << "a SYN has heard of no clock";
}

TEST_P(Challenge, OfAProxiedConnectionInTheNumbersThatTheSenderKnows) {
    box.defend(Level::maximum);
    const auto asked = box.client(box.from_client(2'000).sequence(70).flags(packet::syn));
    ASSERT_EQ(box.decision.action, Action::answer);
    const std::uint32_t cookie = asked.at(0).tcp().sequence;
    box.client(client(71, cookie + 1, 2'000));
    box.server(server(9'000, 71, 2'000).flags(packet::syn | packet::ack));
    box.client(client(71, cookie + 1, 2'000).payload(4));
    box.server(server(9'001, 75, 2'000).payload(6));
    box.client(client(75, cookie + 7, 2'000));
    const auto to_client = box.client(client(75 + 1'000'000, cookie + 7, 2'000).payload(1));
    ASSERT_EQ(to_client.size(), 1U);
    EXPECT_EQ(to_client[0].toward, Toward::client);
    EXPECT_EQ(to_client[0].tcp().sequence, cookie + 7);
    EXPECT_EQ(to_client[0].tcp().acknowledgement, 75U);
    const auto to_server = box.server(server(9'007 + 1'000'000, 75, 2'000).payload(1));
    ASSERT_EQ(to_server.size(), 1U);
    EXPECT_EQ(to_server[0].toward, Toward::server);
    EXPECT_EQ(to_server[0].tcp().sequence, 75U);
    EXPECT_EQ(to_server[0].tcp().acknowledgement, 9'007U);
}

// ---- Rejected packets: what policy will call

/// A packet over memory that may be written, and what became of it.
struct Rejected {
    Bytes room;
    pipeline::MemoryPacket packet;
    bool answered;
    packet::Headers headers;  ///< of the answer

    explicit Rejected(const PacketBuilder& builder, bool writable = true) : room(builder.build()) {
        const std::size_t length = room.size();
        room.resize(2'048);
        packet.first = std::span(room).first(length);
        if (writable) packet.room = room;
        const packet::ParseInput input{packet.first, length, builder.link()};
        packet::Headers asked;
        packet::parse(input, asked);
        answered = pipeline::become_rejection<pipeline::MemoryIo>(&packet, input, asked,
                                                                  packet::Unreachable::prohibited);
        packet::parse({packet.first, packet.first.size(), builder.link()}, headers);
    }
};

PacketBuilder between(bool ipv6) {
    return PacketBuilder().ethernet().ip(ipv6 ? "2001:2::1" : "198.18.0.1",
                                         ipv6 ? "2001:2::2" : "198.18.0.2");
}

TEST(Rejection, OfASegmentIsTheResetOfAnEndpointWithoutTheConnection) {
    for (const bool ipv6 : {false, true}) {
        const Rejected syn(between(ipv6).tcp(5, 80).flags(packet::syn).sequence(100).payload(3));
        EXPECT_TRUE(syn.answered);
        EXPECT_EQ(syn.headers.source_port, 80);
        EXPECT_EQ(syn.headers.tcp.flags, packet::rst | packet::ack);
        EXPECT_EQ(syn.headers.tcp.sequence, 0U);
        EXPECT_EQ(syn.headers.tcp.acknowledgement, 104U);
        EXPECT_EQ(syn.packet.first.size(), ipv6 ? 74U : 60U) << "no shorter than Ethernet wants it";
        const Rejected ack(between(ipv6).tcp(5, 80).flags(packet::ack).sequence(100).acknowledgement(7));
        EXPECT_EQ(ack.headers.tcp.flags, packet::rst);
        EXPECT_EQ(ack.headers.tcp.sequence, 7U);
    }
}

TEST(Rejection, OfAnythingElseIsUnreachable) {
    for (const bool ipv6 : {false, true}) {
        const Rejected datagram(between(ipv6).udp(5, 53).payload(900));
        EXPECT_TRUE(datagram.answered);
        EXPECT_TRUE(datagram.headers.icmp_error);
        EXPECT_EQ(datagram.headers.icmp_code, ipv6 ? 1 : 13);
        EXPECT_EQ(datagram.packet.first.size(), 14U + (ipv6 ? 40 + 8 + 40 + 8 + 900 : 576));
    }
}

TEST(Rejection, LeavesAloneWhatMayNotBeAnsweredOrWritten) {
    const PacketBuilder reset = between(false).tcp(5, 80).flags(packet::rst);
    for (const Rejected& one : {Rejected(reset), Rejected(between(true).icmpv6(1, 1)),
                                Rejected(between(false).udp(5, 53), false)}) {
        EXPECT_FALSE(one.answered);
    }
    const Rejected untouched(reset);
    EXPECT_EQ(Bytes(untouched.packet.first.begin(), untouched.packet.first.end()), reset.build());
}

}  // namespace
}  // namespace sluice::test
