// ICMP errors: related to the flow they quote, refused when the quote does not fit it, and never changing it.
//
// RFC 792, RFC 4443: the error goes to the sender of the packet it quotes. RFC 5927 4.1: a quoted sequence
// number must be one that its sender may have in flight.
#include <gtest/gtest.h>

#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::CtState;
using pipeline::Decision;

class IcmpError : public testing::TestWithParam<bool> {
  protected:
    IcmpError() { box.feed(segment(100, packet::syn).build()); }
    const char* client() const { return GetParam() ? "2001:db8::1" : "10.0.0.1"; }
    const char* server() const { return GetParam() ? "2001:db8::2" : "10.0.0.2"; }
    const char* router() const { return GetParam() ? "2001:db8::99" : "192.0.2.99"; }
    PacketBuilder segment(std::uint32_t sequence, unsigned flags) const {
        return PacketBuilder()
            .ethernet()
            .ip(client(), server())
            .tcp(40000, 80)
            .sequence(sequence)
            .flags(flags);
    }
    Decision error_to(const char* destination, const PacketBuilder& quoted, std::size_t limit = 576) {
        return box.feed(PacketBuilder()
                            .ethernet()
                            .ip(router(), destination)
                            .icmp_error(GetParam() ? 1 : 3, 1, quoted, limit)
                            .build());
    }
    TrackerBox box;
};
INSTANTIATE_TEST_SUITE_P(Families, IcmpError, testing::Bool(),
                         [](const auto& family) { return family.param ? "IPv6" : "IPv4"; });

TEST_P(IcmpError, IsRelatedToTheFlowItQuotes) {
    const Decision error = error_to(client(), segment(100, packet::syn));
    EXPECT_EQ(error.state, CtState::related);
    EXPECT_EQ(error.reason, Reason::none);
    EXPECT_EQ(error.direction, tcp::Direction::reply) << "it goes to the client";
    EXPECT_EQ(box.tracker().counters().related.read(), 1U);
}

TEST_P(IcmpError, NeedsOnlyEightBytesOfTheQuotedTransportHeader) {
    const std::size_t network = GetParam() ? 40 : 20;
    EXPECT_EQ(error_to(client(), segment(100, packet::syn), network + 8).state, CtState::related);
}

TEST_P(IcmpError, WhoseQuoteIsCutShorterThanThatIsMalformed) {
    const std::size_t network = GetParam() ? 40 : 20;
    const Decision error = error_to(client(), segment(100, packet::syn), network + 7);
    EXPECT_EQ(error.reason, Reason::malformed);
    EXPECT_EQ(error.action, pipeline::Action::drop);
}

TEST_P(IcmpError, AboutAnEchoIsRelatedToItsQueryWhicheverOfTheTwoItQuotes) {
    const auto echo = [&](const char* from, const char* to, bool answer) {
        auto packet = PacketBuilder().ethernet().ip(from, to);
        return GetParam() ? packet.icmpv6(answer ? 129 : 128, 0, 7, 1) : packet.icmp(answer ? 0 : 8, 0, 7, 1);
    };
    const auto query = echo(client(), server(), false);
    EXPECT_EQ(error_to(client(), query).reason, Reason::icmp_unmatched);
    ASSERT_EQ(box.feed(query.build()).reason, Reason::none);
    EXPECT_EQ(error_to(client(), query).state, CtState::related);
    EXPECT_EQ(error_to(server(), echo(server(), client(), true)).state, CtState::related);
}

TEST_P(IcmpError, AboutAFlowThatIsNotTrackedIsRefused) {
    const Decision error = error_to(
        client(),
        PacketBuilder().ethernet().ip(client(), server()).tcp(40001, 80).sequence(100).flags(packet::syn));
    EXPECT_EQ(error.reason, Reason::icmp_unmatched);
    EXPECT_EQ(error.state, CtState::invalid);
}

TEST_P(IcmpError, QuotingASequenceNumberNeverSentIsRefused) {
    EXPECT_EQ(error_to(client(), segment(100U + 500'000U, packet::ack)).reason, Reason::icmp_mismatch);
    EXPECT_EQ(error_to(client(), segment(100U - 500'000U, packet::ack)).reason, Reason::icmp_mismatch);
}

TEST_P(IcmpError, SentToSomeoneElseThanTheQuotedSenderIsRefused) {
    EXPECT_EQ(error_to(server(), segment(100, packet::syn)).reason, Reason::icmp_mismatch);
}

TEST_P(IcmpError, QuotingTheSideThatHasNotSpokenIsRefused) {
    const auto never_sent =
        PacketBuilder().ethernet().ip(server(), client()).tcp(80, 40000).sequence(0).flags(packet::ack);
    EXPECT_EQ(error_to(server(), never_sent).reason, Reason::icmp_mismatch);
}

TEST_P(IcmpError, ChangesNothingOfTheFlow) {
    const auto& table4 = box.tracker().table4();
    const auto& table6 = box.tracker().table6();
    const Tick before = GetParam() ? table6.record(0).expiry : table4.record(0).expiry;
    box.pass_seconds(5);
    error_to(client(), segment(100, packet::syn));
    EXPECT_EQ(GetParam() ? table6.record(0).expiry : table4.record(0).expiry, before);
    EXPECT_EQ(box.flows(), 1U);
}

TEST_P(IcmpError, PortUnreachableIsRelatedToItsUdpFlow) {
    const auto question = PacketBuilder().ethernet().ip(client(), server()).udp(5000, 53).payload(10);
    box.feed(question.build());
    const Decision error = box.feed(PacketBuilder()
                                        .ethernet()
                                        .ip(server(), client())
                                        .icmp_error(GetParam() ? 1 : 3, GetParam() ? 4 : 3, question)
                                        .build());
    EXPECT_EQ(error.state, CtState::related);
}

}  // namespace
}  // namespace sluice::test
