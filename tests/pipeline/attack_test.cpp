// Hostile packets against the whole tracker, with pick-up off as an appliance has it: none of them makes a
// flow, moves one, or gets in the way of the connection beside it. docs/attacks.md has the whole list.
#include <gtest/gtest.h>

#include <random>

#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;
using pipeline::CtState;
using pipeline::Decision;
using tcp::Flag;

class Attack : public testing::TestWithParam<bool> {
  protected:
    Attack() : box(strict_opening()) {}

    static pipeline::Settings strict_opening() {
        pipeline::Settings settings;
        settings.tcp.loose = false;
        return settings;
    }
    const char* client() const { return GetParam() ? "2001:db8::1" : "10.0.0.1"; }
    const char* server() const { return GetParam() ? "2001:db8::2" : "10.0.0.2"; }
    PacketBuilder segment(bool from_client, std::uint32_t sequence, std::uint32_t acknowledgement,
                          unsigned flags, std::uint16_t port = 40000) const {
        auto packet = PacketBuilder().ethernet();
        return (from_client ? packet.ip(client(), server()).tcp(port, 80)
                            : packet.ip(server(), client()).tcp(80, port))
            .sequence(sequence)
            .acknowledgement(acknowledgement)
            .flags(flags);
    }
    Decision send(bool from_client, std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags,
                  std::uint16_t port = 40000) {
        return box.feed(segment(from_client, sequence, acknowledgement, flags, port).build());
    }
    /// Established: the client stands at 101, the server at 201.
    Decision open(std::uint32_t client_isn = 100, std::uint32_t server_isn = 200) {
        (void)send(true, client_isn, 0, Flag::syn);
        (void)send(false, server_isn, client_isn + 1, Flag::syn | Flag::ack);
        return send(true, client_isn + 1, server_isn + 1, Flag::ack);
    }
    tcp::Pair pair_of(const Decision& decision) const {
        return static_cast<tcp::Pair>(box.view(decision).state.tcp.pair);
    }
    TrackerBox box;
};
INSTANTIATE_TEST_SUITE_P(Families, Attack, testing::Bool(),
                         [](const auto& family) { return family.param ? "IPv6" : "IPv4"; });

TEST_P(Attack, AFloodOfAcksOrOfUnaskedSynAcksMakesNoFlow) {
    std::mt19937 random(12);
    const auto number = [&random] { return static_cast<std::uint32_t>(random()); };
    for (int i = 0; i < 2000; ++i) {
        const auto port = static_cast<std::uint16_t>(1024 + random() % 60000);
        EXPECT_EQ(send(true, number(), number(), Flag::ack, port).action, Action::drop);
        EXPECT_EQ(send(false, number(), number(), Flag::syn | Flag::ack, port).action, Action::drop);
        EXPECT_EQ(send(false, number(), number(), Flag::rst, port).action, Action::drop);
    }
    EXPECT_EQ(box.flows(), 0U);
    EXPECT_EQ(box.count(Reason::no_connection), 6000U);
}

TEST_P(Attack, NoFlagByteButASynMakesAFlowAndNoImpossibleOneMovesAny) {
    const Decision flow = open();
    ASSERT_EQ(pair_of(flow), tcp::Pair::established__established);
    for (unsigned flags = 0; flags < 256; ++flags) {
        const unsigned meaning = flags & (Flag::syn | Flag::fin | Flag::rst | Flag::ack);
        const Decision fresh = send(true, 5000, 0, flags, static_cast<std::uint16_t>(2000 + flags));
        EXPECT_EQ(fresh.action == Action::pass, meaning == Flag::syn) << "flags " << flags;
        const bool possible = meaning == Flag::syn || meaning == (Flag::syn | Flag::ack) ||
                              meaning == Flag::ack || meaning == (Flag::fin | Flag::ack) ||
                              (meaning & ~unsigned{Flag::ack}) == Flag::rst;
        if (possible) continue;
        for (const bool from_client : {true, false}) {
            const Decision impossible =
                send(from_client, from_client ? 101 : 201, from_client ? 201 : 101, flags);
            EXPECT_EQ(impossible.reason, Reason::bad_flags) << "flags " << flags;
            EXPECT_EQ(pair_of(flow), tcp::Pair::established__established) << "flags " << flags;
        }
    }
}

TEST_P(Attack, DecoysWithAWrongChecksumMoveNothing) {
    const Decision flow = open();
    for (const unsigned flags : {unsigned{Flag::rst}, unsigned{Flag::rst | Flag::ack},
                                 unsigned{Flag::fin | Flag::ack}, unsigned{Flag::ack}}) {
        for (const bool from_client : {true, false}) {
            const Decision decoy =
                box.feed(segment(from_client, from_client ? 101 : 201, from_client ? 201 : 101, flags)
                             .payload(100)
                             .wrong_transport_checksum()
                             .build());
            EXPECT_EQ(decoy.reason, Reason::bad_checksum);
            EXPECT_EQ(decoy.action, Action::drop);
        }
    }
    EXPECT_EQ(pair_of(flow), tcp::Pair::established__established);
    EXPECT_EQ(send(true, 101, 201, Flag::ack).reason, Reason::none) << "nothing of the decoys' data counts";
    EXPECT_EQ(send(false, 201, 102, Flag::ack).reason, Reason::ack_unsent);
}

TEST_P(Attack, PortsUsedAgainOutOfTimeWaitAThousandTimesAreOneFlowAtATime) {
    std::uint32_t a = 100, b = 200;
    for (int round = 0; round < 1000; ++round) {
        EXPECT_EQ(pair_of(open(a, b)), tcp::Pair::established__established) << "round " << round;
        (void)send(true, a + 1, b + 1, Flag::fin | Flag::ack);
        (void)send(false, b + 1, a + 2, Flag::fin | Flag::ack);
        EXPECT_EQ(pair_of(send(true, a + 2, b + 2, Flag::ack)), tcp::Pair::time_wait__closed);
        EXPECT_EQ(box.flows(), 1U);
        a += 70000;
        b += 90000;
    }
}

TEST_P(Attack, ARepeatedHandshakeByOneSideNeverBecomesEstablished) {
    for (int i = 0; i < 10; ++i) {
        (void)send(true, 100, 0, Flag::syn);
        const Decision answer = send(false, 200, 101, Flag::syn | Flag::ack);
        EXPECT_EQ(pair_of(answer), tcp::Pair::established__syn_rcvd);
        EXPECT_FALSE(box.view(answer).assured);
    }
}

TEST_P(Attack, AFragmentedErrorWithAForgedQuoteLeavesTheFlow) {
    const Decision flow = open();
    // The quote names the flow, but a sequence number that was never sent; padded so that it comes in pieces.
    const auto quoted = segment(true, 0x70000000, 201, Flag::ack).payload(400);
    const auto error = PacketBuilder()
                           .ethernet()
                           .ip(GetParam() ? "2001:db8::99" : "192.0.2.99", client())
                           .identification(31)
                           .icmp_error(GetParam() ? 1 : 3, 1, quoted);
    for (const auto& piece : error.build_fragments(64))
        for (const auto& judged : box.burst({piece})) EXPECT_NE(judged.decision.state, CtState::related);
    (void)box.poll();
    EXPECT_EQ(box.tracker().counters().related.read(), 0U);
    EXPECT_EQ(pair_of(flow), tcp::Pair::established__established);
    EXPECT_EQ(send(true, 101, 201, Flag::ack).reason, Reason::none);
}

}  // namespace
}  // namespace sluice::test
