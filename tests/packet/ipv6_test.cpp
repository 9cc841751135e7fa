// IPv6 headers and their chain of extension headers (RFC 8200, RFC 7112).
#include "parsing.hpp"

namespace sluice::test {
namespace {

TEST(Ipv6, FieldsAreRead) {
    const Headers headers = parse_built(tcp_over_ipv6().hop_limit(9).payload(10));
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.family, Family::ipv6);
    EXPECT_EQ(headers.protocol, packet::tcp);
    EXPECT_EQ(headers.hop_limit, 9);
    EXPECT_EQ(headers.source, address("2001:db8::1"));
    EXPECT_EQ(headers.destination, address("2001:db8:1::2"));
    EXPECT_EQ(headers.transport_offset, 54);
    EXPECT_EQ(headers.transport_length, 30U);
    EXPECT_EQ(headers.tcp.payload_length, 10U);
}

TEST(Ipv6, PayloadLengthBeyondTheFrameIsMalformed) {
    EXPECT_EQ(refusal_of(tcp_over_ipv6().ip_length_as(20)), Reason::none);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().ip_length_as(21)), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().ip_length_as(65535)), Reason::malformed);
}

TEST(Ipv6, PayloadTooShortForTcpIsMalformed) {
    for (std::uint16_t length = 0; length < 20; ++length) {
        EXPECT_EQ(refusal_of(tcp_over_ipv6().ip_length_as(length)), Reason::malformed) << length;
    }
}

TEST(Ipv6, LinkPaddingIsNoPayload) {
    EXPECT_EQ(parse_built(tcp_over_ipv6().link_padding(9)).tcp.payload_length, 0U);
}

TEST(Ipv6, WrongVersionIsMalformed) {
    EXPECT_EQ(refusal_of(tcp_over_ipv6().version_as(4)), Reason::malformed);
}

TEST(Ipv6, EveryKindOfExtensionHeaderIsPassedOver) {
    const Headers headers = parse_built(tcp_over_ipv6()
                                            .hop_by_hop()
                                            .destination_options(16)
                                            .routing(4, 1, 24)
                                            .authentication(24)
                                            .destination_options()
                                            .payload(5));
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.protocol, packet::tcp);
    EXPECT_EQ(headers.transport_offset, 54 + 8 + 16 + 24 + 24 + 8);
    EXPECT_EQ(headers.source_port, 40000);
    EXPECT_EQ(headers.tcp.payload_length, 5U);
}

TEST(Ipv6, AuthenticationHeaderCountsInFourByteUnits) {
    const Headers headers = parse_built(tcp_over_ipv6().authentication(28));
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.transport_offset, 54 + 28);
}

TEST(Ipv6, HopByHopMustComeFirst) {
    EXPECT_EQ(refusal_of(tcp_over_ipv6().hop_by_hop()), Reason::none);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().destination_options().hop_by_hop()), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().hop_by_hop().hop_by_hop()), Reason::malformed);
}

TEST(Ipv6, HopByHopOptionsBeyondTheirHeaderAreMalformed) {
    EXPECT_EQ(refusal_of(tcp_over_ipv6().hop_by_hop(Bytes{5, 2, 0, 0, 1, 0})), Reason::none)
        << "router alert, PadN";
    EXPECT_EQ(refusal_of(tcp_over_ipv6().hop_by_hop(Bytes{5, 5, 0, 0, 1, 0})), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().hop_by_hop(Bytes{5, 3, 0, 0, 1, 5})), Reason::malformed)
        << "no length";
}

TEST(Ipv6, JumbogramsAreMalformed) {
    EXPECT_EQ(refusal_of(tcp_over_ipv6().hop_by_hop(Bytes{0xC2, 4, 0, 1, 0, 0})), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().hop_by_hop(Bytes{0xC2, 4, 0, 1, 0, 0}).ip_length_as(0)),
              Reason::malformed);
}

TEST(Ipv6, SourceRouteWithSegmentsLeftIsMalformed) {
    EXPECT_EQ(refusal_of(tcp_over_ipv6().routing(0, 1)), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().routing(0, 255, 8)), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().routing(0, 0)), Reason::none) << "it has done its work (RFC 5095)";
    EXPECT_EQ(refusal_of(tcp_over_ipv6().routing(2, 1)), Reason::none);
}

TEST(Ipv6, EightExtensionHeadersAreAccepted) {
    auto builder = tcp_over_ipv6();
    for (unsigned i = 0; i < packet::max_extension_headers; ++i) builder.destination_options();
    EXPECT_EQ(refusal_of(builder), Reason::none);
    EXPECT_EQ(refusal_of(builder.destination_options()), Reason::too_many_headers);
}

TEST(Ipv6, AHundredExtensionHeadersAreTooMany) {
    auto builder = tcp_over_ipv6();
    for (int i = 0; i < 100; ++i) builder.destination_options();
    EXPECT_EQ(refusal_of(builder), Reason::too_many_headers);
}

TEST(Ipv6, ExtensionBytesAreBounded) {
    EXPECT_EQ(refusal_of(tcp_over_ipv6().destination_options(256)), Reason::none);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().destination_options(264)), Reason::too_many_headers);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().destination_options(128).destination_options(136)),
              Reason::too_many_headers);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().extension(60, 255, 2048)), Reason::too_many_headers);
}

TEST(Ipv6, ExtensionHeaderBeyondThePacketIsMalformed) {
    // The length field says 32 bytes, 28 are there with the TCP header.
    EXPECT_EQ(refusal_of(tcp_over_ipv6().extension(60, 3, 8)), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().extension(51, 6, 8)), Reason::malformed);
}

TEST(Ipv6, LengthsThatLeadBackIntoAHeaderDoNotLoop) {
    for (int length = 0; length < 256; ++length) {
        auto builder = tcp_over_ipv6().extension(60, static_cast<std::uint8_t>(length), 8);
        const Reason reason = refusal_of(builder);
        EXPECT_TRUE(reason == Reason::malformed || reason == Reason::too_many_headers || length == 0);
    }
}

TEST(Ipv6, NoNextHeaderHasNoPorts) {
    const Headers headers = parse_built(over_ipv6().protocol(59).payload(12));
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.protocol, 59);
    EXPECT_EQ(headers.source_port, 0);
    EXPECT_EQ(headers.transport_length, 12U);
    EXPECT_EQ(refusal_of(over_ipv6().destination_options().protocol(59)), Reason::none);
}

TEST(Ipv6, UnknownProtocolsAreReported) {
    for (const std::uint8_t protocol :
         std::initializer_list<std::uint8_t>{1, 41, 50, 89, 132, 135, 139, 253}) {
        const Headers headers = parse_built(over_ipv6().hop_by_hop().protocol(protocol));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.protocol, protocol);
        EXPECT_FALSE(headers.icmp_error);
    }
}

TEST(Ipv6, SnapshotTooShortForTheChainIsMalformed) {
    const Bytes frame = tcp_over_ipv6().destination_options(64).payload(1000).build();
    EXPECT_EQ(parse_part(first_of(frame, 100), frame.size(), LinkLayer::ethernet).refusal, Reason::malformed);
    EXPECT_EQ(parse_part(first_of(frame, 138), frame.size(), LinkLayer::ethernet).refusal, Reason::none);
}

}  // namespace
}  // namespace sluice::test
