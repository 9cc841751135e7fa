// TCP headers.
#include "parsing.hpp"

namespace sluice::test {
namespace {

TEST(TcpHeader, FieldsAreRead) {
    for (const auto& builder : {over_ipv4(), over_ipv6()}) {
        auto segment = builder;
        segment.tcp(0x1234, 0xFEDC)
            .sequence(0xFFFFFFF0)
            .acknowledgement(0x80000001)
            .flags(packet::ack | packet::psh)
            .window(0xABCD)
            .payload(33);
        const Headers headers = parse_built(segment);
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.source_port, 0x1234);
        EXPECT_EQ(headers.destination_port, 0xFEDC);
        EXPECT_EQ(headers.tcp.sequence, 0xFFFFFFF0U);
        EXPECT_EQ(headers.tcp.acknowledgement, 0x80000001U);
        EXPECT_EQ(headers.tcp.flags, packet::ack | packet::psh);
        EXPECT_EQ(headers.tcp.window, 0xABCD);
        EXPECT_EQ(headers.tcp.header_length, 20);
        EXPECT_EQ(headers.tcp.payload_length, 33U);
        EXPECT_EQ(headers.tcp.options, packet::TcpOptions{});
    }
}

TEST(TcpHeader, AllFlagCombinationsAreReportedNotJudged) {
    for (unsigned flags = 0; flags < 256; ++flags) {
        const Headers headers = parse_built(tcp_over_ipv4().flags(flags));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.tcp.flags, flags);
    }
}

TEST(TcpHeader, DataOffsetBelowFiveWordsIsMalformed) {
    for (unsigned length = 0; length < 20; length += 4) {
        EXPECT_EQ(refusal_of(tcp_over_ipv4().header_bytes_as(length)), Reason::malformed);
        EXPECT_EQ(refusal_of(tcp_over_ipv6().header_bytes_as(length).payload(100)), Reason::malformed);
    }
}

TEST(TcpHeader, DataOffsetBeyondTheSegmentIsMalformed) {
    EXPECT_EQ(refusal_of(tcp_over_ipv4().header_bytes_as(24)), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv4().header_bytes_as(60).payload(39)), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv4().header_bytes_as(60).payload(40)), Reason::none);
    EXPECT_EQ(refusal_of(tcp_over_ipv4().header_bytes_as(24).link_padding(20)), Reason::malformed)
        << "padding is no part of the segment";
}

TEST(TcpHeader, SegmentToItselfIsRefused) {
    for (const char* self : {"192.0.2.7", "2001:db8::7"}) {
        auto builder = PacketBuilder().ethernet().ip(self, self);
        EXPECT_EQ(refusal_of(builder.tcp(80, 80).flags(packet::syn)), Reason::same_endpoint);
        EXPECT_EQ(refusal_of(builder.tcp(80, 81).flags(packet::syn)), Reason::none);
        EXPECT_EQ(refusal_of(builder.udp(80, 80)), Reason::none);
    }
    EXPECT_EQ(refusal_of(over_ipv4().tcp(80, 80)), Reason::none);
}

TEST(TcpHeader, OptionsAreReadFromTheHeaderOnly) {
    // The payload looks like an option; the header ends before it.
    const Headers headers = parse_built(tcp_over_ipv4().payload(option::window_scale(7)));
    EXPECT_FALSE(headers.tcp.options.has_window_scale);
    EXPECT_EQ(headers.tcp.payload_length, 3U);
}

}  // namespace
}  // namespace sluice::test
