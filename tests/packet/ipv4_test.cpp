// IPv4 headers.
#include "parsing.hpp"

namespace sluice::test {
namespace {

TEST(Ipv4, FieldsAreRead) {
    const Headers headers = parse_built(tcp_over_ipv4().hop_limit(3).payload(10));
    EXPECT_EQ(headers.family, Family::ipv4);
    EXPECT_EQ(headers.protocol, packet::tcp);
    EXPECT_EQ(headers.hop_limit, 3);
    EXPECT_EQ(headers.source, address("192.0.2.1"));
    EXPECT_EQ(headers.destination, address("198.51.100.2"));
    EXPECT_EQ(headers.transport_offset, 34);
    EXPECT_EQ(headers.transport_length, 30U);
    EXPECT_FALSE(headers.fragment.present);
}

TEST(Ipv4, OptionsMoveTheTransportHeader) {
    for (std::size_t length = 4; length <= 40; length += 4) {
        const Headers headers = parse_built(tcp_over_ipv4().ipv4_options(Bytes(length, 1)).payload(7));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.transport_offset, 34 + length);
        EXPECT_EQ(headers.destination_port, 443);
        EXPECT_EQ(headers.tcp.payload_length, 7U);
    }
}

TEST(Ipv4, HeaderLengthBelowFiveWordsIsMalformed) {
    for (std::uint8_t words = 0; words < 5; ++words) {
        EXPECT_EQ(refusal_of(tcp_over_ipv4().header_words_as(words)), Reason::malformed) << int{words};
    }
}

TEST(Ipv4, HeaderLongerThanThePacketIsMalformed) {
    EXPECT_EQ(refusal_of(over_ipv4().protocol(50).header_words_as(6)), Reason::malformed);
    EXPECT_EQ(refusal_of(over_ipv4().protocol(50).header_words_as(6).link_padding(40)), Reason::malformed);
}

TEST(Ipv4, TotalLengthBeyondTheFrameIsMalformed) {
    EXPECT_EQ(refusal_of(tcp_over_ipv4().ip_length_as(40)), Reason::none);
    EXPECT_EQ(refusal_of(tcp_over_ipv4().ip_length_as(41)), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv4().ip_length_as(65535)), Reason::malformed);
}

TEST(Ipv4, TotalLengthBelowTheHeaderIsMalformed) {
    for (const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 1, 19}) {
        EXPECT_EQ(refusal_of(tcp_over_ipv4().ip_length_as(length)), Reason::malformed) << length;
    }
    EXPECT_EQ(refusal_of(tcp_over_ipv4().ip_length_as(39)), Reason::malformed)
        << "no room for the TCP header";
}

TEST(Ipv4, LinkPaddingIsNoPayload) {
    const Headers headers = parse_built(tcp_over_ipv4().link_padding(6));
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.transport_length, 20U);
    EXPECT_EQ(headers.tcp.payload_length, 0U);
}

TEST(Ipv4, LengthIsThatOfTheFrameNotOfTheFirstPiece) {
    const Bytes frame = tcp_over_ipv4().payload(1400).build();
    const Headers headers = parse_part(first_of(frame, 54), frame.size(), LinkLayer::ethernet);
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.tcp.payload_length, 1400U);
    EXPECT_EQ(parse_part(first_of(frame, 54), frame.size() - 1, LinkLayer::ethernet).refusal,
              Reason::malformed);
}

TEST(Ipv4, BytesBehindTheFrameAreNotLookedAt) {
    const Bytes frame = tcp_over_ipv4().payload(100).build();
    EXPECT_EQ(parse_part(frame, frame.size() - 1, LinkLayer::ethernet).refusal, Reason::malformed);
    EXPECT_EQ(parse_part(frame, 40, LinkLayer::ethernet).refusal, Reason::malformed);
}

TEST(Ipv4, WrongVersionIsMalformed) {
    for (const std::uint8_t version : std::initializer_list<std::uint8_t>{0, 5, 6, 15}) {
        EXPECT_EQ(refusal_of(tcp_over_ipv4().version_as(version)), Reason::malformed);
    }
}

TEST(Ipv4, OtherProtocolsHaveNoPorts) {
    for (const std::uint8_t protocol :
         std::initializer_list<std::uint8_t>{2, 41, 47, 50, 51, 58, 59, 89, 132, 255}) {
        const Headers headers = parse_built(over_ipv4().protocol(protocol).payload(3));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.protocol, protocol);
        EXPECT_EQ(headers.source_port, 0);
        EXPECT_EQ(headers.destination_port, 0);
        EXPECT_EQ(headers.transport_length, 3U);
        EXPECT_FALSE(headers.icmp_error);
    }
}

}  // namespace
}  // namespace sluice::test
