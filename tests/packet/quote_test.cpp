// The packet quoted in an ICMP error.
#include "parsing.hpp"

namespace sluice::test {
namespace {

const auto quoted_tcp_4 = PacketBuilder()
                              .ipv4("198.51.100.2", "192.0.2.1")
                              .tcp(443, 40000)
                              .sequence(0x01020304)
                              .flags(packet::ack | packet::psh)
                              .payload(100);
const auto quoted_tcp_6 = PacketBuilder()
                              .ipv6("2001:db8:1::2", "2001:db8::1")
                              .tcp(443, 40000)
                              .sequence(0x01020304)
                              .flags(packet::ack | packet::psh)
                              .payload(100);

Bytes error_about(const PacketBuilder& quoted, std::size_t limit = 576) {
    const bool six = (quoted.build_ip()[0] >> 4) == 6;
    return six ? over_ipv6().icmp_error(1, 4, quoted, limit).build()
               : over_ipv4().icmp_error(3, 3, quoted, limit).build();
}

TEST(Quote, TcpIsRead) {
    for (const auto& quoted : {quoted_tcp_4, quoted_tcp_6}) {
        const Bytes frame = error_about(quoted);
        const Quote quote = quote_in(frame);
        EXPECT_TRUE(quote.valid);
        EXPECT_EQ(quote.protocol, packet::tcp);
        EXPECT_EQ(quote.source_port, 443);
        EXPECT_EQ(quote.destination_port, 40000);
        EXPECT_TRUE(quote.tcp_sequence_known);
        EXPECT_EQ(quote.tcp_sequence, 0x01020304U);
        EXPECT_EQ(quote.tcp_flags, packet::ack | packet::psh);
        const bool six = quote.family == Family::ipv6;
        EXPECT_EQ(quote.source, address(six ? "2001:db8:1::2" : "198.51.100.2"));
        EXPECT_EQ(quote.destination, address(six ? "2001:db8::1" : "192.0.2.1"));
        EXPECT_EQ(quote.network_offset, 14 + (six ? 40 : 20) + 8);
        EXPECT_EQ(quote.transport_offset, quote.network_offset + (six ? 40 : 20));
        EXPECT_EQ(frame[quote.transport_offset], 443 >> 8);
    }
}

TEST(Quote, EightBytesBehindTheHeaderAreEnough) {
    for (const auto& [quoted, header] : {std::pair{quoted_tcp_4, 20U}, {quoted_tcp_6, 40U}}) {
        const Quote quote = quote_in(error_about(quoted, header + 8));
        EXPECT_TRUE(quote.valid);
        EXPECT_TRUE(quote.tcp_sequence_known);
        EXPECT_EQ(quote.tcp_sequence, 0x01020304U);
        EXPECT_EQ(quote.tcp_flags, 0) << "the quote ends before them";
        for (std::size_t limit = 0; limit < header + 8; ++limit) {
            EXPECT_FALSE(quote_in(error_about(quoted, limit)).valid) << limit << " bytes quoted";
        }
    }
}

TEST(Quote, FlagsAreReadFromTheFourteenthByteOn) {
    EXPECT_EQ(quote_in(error_about(quoted_tcp_4, 20 + 13)).tcp_flags, 0);
    EXPECT_EQ(quote_in(error_about(quoted_tcp_4, 20 + 14)).tcp_flags, packet::ack | packet::psh);
}

TEST(Quote, LinkPaddingIsNoQuote) {
    const Bytes frame = over_ipv4().icmp_error(3, 3, quoted_tcp_4, 27).link_padding(20).build();
    EXPECT_FALSE(quote_in(frame).valid);
}

TEST(Quote, UdpAndOtherProtocolsAreRead) {
    auto udp = PacketBuilder().ipv4("198.51.100.2", "192.0.2.1").udp(53, 1025);
    const Quote quote = quote_in(error_about(udp));
    EXPECT_TRUE(quote.valid);
    EXPECT_EQ(quote.protocol, packet::udp);
    EXPECT_EQ(quote.source_port, 53);
    EXPECT_EQ(quote.destination_port, 1025);
    EXPECT_FALSE(quote.tcp_sequence_known);
    auto gre = PacketBuilder().ipv4("198.51.100.2", "192.0.2.1").protocol(47).payload(8);
    EXPECT_TRUE(quote_in(error_about(gre)).valid);
    EXPECT_EQ(quote_in(error_about(gre)).source_port, 0);
}

TEST(Quote, QueriesAreReadAndErrorsAreNot) {
    auto ping = PacketBuilder().ipv4("198.51.100.2", "192.0.2.1").icmp(8, 0, 0x77, 1);
    const Quote quote = quote_in(error_about(ping));
    EXPECT_TRUE(quote.valid);
    EXPECT_EQ(quote.icmp_type, 8);
    EXPECT_EQ(quote.source_port, 0x77);
    EXPECT_EQ(quote.destination_port, 0x77);
    auto error = PacketBuilder().ipv4("198.51.100.2", "192.0.2.1").icmp_error(3, 3, quoted_tcp_4);
    EXPECT_FALSE(quote_in(error_about(error)).valid);
    auto error_6 = PacketBuilder().ipv6("2001:db8::2", "2001:db8::1").icmp_error(1, 3, quoted_tcp_6);
    EXPECT_FALSE(quote_in(error_about(error_6)).valid);
    auto ping_6 = PacketBuilder().ipv6("2001:db8::2", "2001:db8::1").icmpv6(128, 0, 0x78);
    EXPECT_EQ(quote_in(error_about(ping_6)).source_port, 0x78);
}

TEST(Quote, Ipv4OptionsArePassedOver) {
    auto quoted = quoted_tcp_4;
    quoted.ipv4_options(Bytes(12, 1));
    EXPECT_TRUE(quote_in(error_about(quoted, 40)).valid);
    EXPECT_EQ(quote_in(error_about(quoted, 40)).source_port, 443);
    EXPECT_FALSE(quote_in(error_about(quoted, 39)).valid);
    EXPECT_FALSE(quote_in(error_about(PacketBuilder(quoted_tcp_4).header_words_as(4))).valid);
}

TEST(Quote, ExtensionHeadersArePassedOver) {
    auto quoted = quoted_tcp_6;
    quoted.hop_by_hop().destination_options(24).authentication();
    const Quote quote = quote_in(error_about(quoted, 1000));
    EXPECT_TRUE(quote.valid);
    EXPECT_EQ(quote.protocol, packet::tcp);
    EXPECT_EQ(quote.source_port, 443);
    EXPECT_FALSE(quote_in(error_about(quoted, 40 + 8 + 24 + 24 + 7)).valid) << "cut before the eighth byte";
    EXPECT_TRUE(quote_in(error_about(quoted, 40 + 8 + 24 + 24 + 8)).valid);
    EXPECT_FALSE(quote_in(error_about(quoted, 40 + 20)).valid) << "cut inside the chain";
}

TEST(Quote, ChainThatWouldBeRefusedIsNotValid) {
    auto quoted = quoted_tcp_6;
    EXPECT_FALSE(quote_in(error_about(PacketBuilder(quoted).routing(0, 1))).valid);
    EXPECT_FALSE(quote_in(error_about(PacketBuilder(quoted).destination_options(264), 1000)).valid);
}

TEST(Quote, FirstFragmentIsReadAndLaterOnesAreNot) {
    EXPECT_TRUE(quote_in(error_about(PacketBuilder(quoted_tcp_4).fragment(0, true, 1))).valid);
    EXPECT_FALSE(quote_in(error_about(PacketBuilder(quoted_tcp_4).fragment(64, true, 1))).valid);
    EXPECT_TRUE(quote_in(error_about(PacketBuilder(quoted_tcp_6).fragment(0, true, 1), 40 + 8 + 21)).valid);
    EXPECT_TRUE(quote_in(error_about(PacketBuilder(quoted_tcp_6).fragment(0, false, 1))).valid);
    EXPECT_FALSE(quote_in(error_about(PacketBuilder(quoted_tcp_6).fragment(64, true, 1))).valid);
}

TEST(Quote, LengthFieldsOfTheQuoteAreNotBelieved) {
    EXPECT_TRUE(quote_in(error_about(PacketBuilder(quoted_tcp_4).ip_length_as(0))).valid);
    EXPECT_TRUE(quote_in(error_about(PacketBuilder(quoted_tcp_4).ip_length_as(65535), 28)).valid);
    EXPECT_TRUE(quote_in(error_about(PacketBuilder(quoted_tcp_6).ip_length_as(0))).valid);
}

TEST(Quote, OtherFamilyIsNotValid) {
    EXPECT_FALSE(quote_in(over_ipv4().icmp_error(3, 3, quoted_tcp_6).build()).valid);
    EXPECT_FALSE(quote_in(over_ipv6().icmp_error(1, 3, quoted_tcp_4).build()).valid);
}

TEST(Quote, EmptyErrorIsNotValid) {
    EXPECT_FALSE(quote_in(over_ipv4().icmp(3, 3).build()).valid);
    EXPECT_FALSE(quote_in(over_ipv6().icmpv6(1, 3).build()).valid);
}

}  // namespace
}  // namespace sluice::test
