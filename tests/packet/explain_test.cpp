// The sentences people read beside a refusal of the parser's: each names the check that failed, with its
// numbers.
#include <cstdio>
#include <random>

#include "parsing.hpp"
#include "sluice/packet/explain.hpp"

namespace sluice::test {
namespace {

std::string said_of(const Bytes& frame, LinkLayer link = LinkLayer::ethernet) {
    const Headers headers = parse_frame(frame, link);
    if (headers.refusal == Reason::none) return "(not refused)";
    const ExactBuffer buffer(frame);
    return packet::explain_refusal({buffer.span(), frame.size(), link}, headers);
}
std::string said_of(const PacketBuilder& builder) {
    return said_of(builder.build(), builder.link());
}

TEST(ExplainParse, LinkHeaders) {
    const Bytes frame = tcp_over_ipv4().build();
    EXPECT_EQ(said_of(first_of(frame, 10)), "an Ethernet header takes 14 bytes, the frame holds 10");
    EXPECT_EQ(said_of(first_of(tcp_over_ipv4().vlan(5).build(), 16)),
              "the VLAN tag at byte 14 takes 4 bytes, the frame ends at byte 16");
    EXPECT_EQ(said_of(first_of(tcp_over_ipv4().vlan(5).vlan(6).build(), 21)),
              "the VLAN tag at byte 18 takes 4 bytes, the frame ends at byte 21");
    EXPECT_EQ(said_of(first_of(tcp_over_ipv4().vlan(5).snap().build(), 25)),
              "the SNAP header at byte 18 takes 8 bytes, the frame ends at byte 25");
    EXPECT_EQ(said_of(tcp_over_ipv4().vlan(1).vlan(2).vlan(3)),
              "the packet has more than 2 VLAN tags, and may have 2");
    EXPECT_EQ(said_of(first_of(frame, 12), LinkLayer::linux_cooked_v1),
              "a Linux cooked header takes 16 bytes, the frame holds 12");
    EXPECT_EQ(said_of(first_of(frame, 12), LinkLayer::linux_cooked_v2),
              "a Linux cooked header takes 20 bytes, the frame holds 12");
    EXPECT_EQ(said_of(first_of(frame, 3), LinkLayer::bsd_loopback),
              "a loopback header takes 4 bytes, the frame holds 3");
    EXPECT_EQ(said_of({}, LinkLayer::raw_ip), "an IP header takes 1 byte, the frame holds 0");
    EXPECT_EQ(said_of({0x90, 0, 0}, LinkLayer::raw_ip),
              "the packet says IP version 9, which is neither 4 nor 6");
}

TEST(ExplainParse, Ipv4Headers) {
    EXPECT_EQ(said_of(first_of(tcp_over_ipv4().build(), 30)),
              "an IPv4 header takes 20 bytes, the frame holds 16");
    EXPECT_EQ(said_of(tcp_over_ipv4().version_as(6)), "a packet announced as IPv4 says version 6");
    EXPECT_EQ(said_of(tcp_over_ipv4().header_words_as(4)),
              "the IPv4 header says that it has 16 bytes, fewer than 20");
    EXPECT_EQ(said_of(tcp_over_ipv4().ip_length_as(19)),
              "the IPv4 header says 19 bytes in all, fewer than its own 20");
    EXPECT_EQ(said_of(tcp_over_ipv4().payload(1440).ip_length_as(1500)),
              "the IPv4 header says 1,500 bytes, the frame holds 1,480");
}

TEST(ExplainParse, Ipv6Headers) {
    EXPECT_EQ(said_of(first_of(tcp_over_ipv6().build(), 53)),
              "an IPv6 header takes 40 bytes, the frame holds 39");
    EXPECT_EQ(said_of(tcp_over_ipv6().version_as(4)), "a packet announced as IPv6 says version 4");
    EXPECT_EQ(said_of(tcp_over_ipv6().ip_length_as(21)),
              "the IPv6 header says 21 bytes of payload, the frame holds 20");
}

TEST(ExplainParse, ExtensionHeaders) {
    auto nine = tcp_over_ipv6();
    for (int i = 0; i < 9; ++i) nine.destination_options();
    EXPECT_EQ(said_of(nine), "the packet has more than 8 IPv6 extension headers, and may have 8");
    EXPECT_EQ(said_of(tcp_over_ipv6().destination_options(264)),
              "the IPv6 extension headers have 264 bytes, and may have 256");
    EXPECT_EQ(said_of(tcp_over_ipv6().destination_options().hop_by_hop()),
              "the IPv6 extension header 0 at byte 62 is number 2 of the chain, and may only be the first");
    EXPECT_EQ(said_of(tcp_over_ipv6().destination_options().ip_length_as(6)),
              "the IPv6 extension header 60 at byte 54 takes 8 bytes, 6 are left");
    EXPECT_EQ(said_of(tcp_over_ipv6().extension(60, 10, 8)),
              "the IPv6 extension header 60 at byte 54 says 88 bytes, 28 are left");
    EXPECT_EQ(said_of(tcp_over_ipv6().hop_by_hop({0xC2, 4, 0, 1, 0, 0})),
              "the jumbo payload option at byte 56 would make the length field meaningless");
    EXPECT_EQ(said_of(tcp_over_ipv6().hop_by_hop({0, 0, 0xC2, 2, 0, 1})),
              "the jumbo payload option at byte 58 would make the length field meaningless");
    EXPECT_EQ(said_of(tcp_over_ipv6().hop_by_hop({5, 9, 0, 0, 0, 0})),
              "the hop-by-hop option 5 at byte 56 goes beyond its header, which ends at byte 62");
    EXPECT_EQ(said_of(tcp_over_ipv6().routing(0, 3)),
              "the routing header is of type 0 with 3 segments left, which nobody may follow (RFC 5095)");
    EXPECT_EQ(said_of(over_ipv6().fragment(0, false, 1).fragment(0, false, 2).tcp(1, 2)),
              "the IPv6 extension header 44 at byte 62 is the second fragment header of the packet");
}

TEST(ExplainParse, UpperLayers) {
    EXPECT_EQ(said_of(tcp_over_ipv4().ip_length_as(32)), "a TCP header takes 20 bytes, the packet holds 12");
    EXPECT_EQ(said_of(tcp_over_ipv4().header_bytes_as(16)),
              "the TCP header says that it has 16 bytes, fewer than 20");
    EXPECT_EQ(said_of(tcp_over_ipv6().header_bytes_as(60).payload(20)),
              "the TCP header says that it has 60 bytes, the packet holds 40");
    EXPECT_EQ(said_of(over_ipv4().udp(1, 2).ip_length_as(27)),
              "a UDP header takes 8 bytes, the packet holds 7");
    EXPECT_EQ(said_of(over_ipv4().udp(1, 2).udp_length_as(7)),
              "the UDP header says 7 bytes, fewer than its own 8");
    EXPECT_EQ(said_of(over_ipv6().udp(1, 2).udp_length_as(1200).payload(1000)),
              "the UDP header says 1,200 bytes, the packet holds 1,008");
    EXPECT_EQ(said_of(over_ipv4().icmp(8, 0).ip_length_as(26)),
              "an ICMP header takes 8 bytes, the packet holds 6");
}

TEST(ExplainParse, FragmentsByThemselves) {
    EXPECT_EQ(said_of(over_ipv4().fragment(0, true, 7).protocol(17).payload(13)),
              "a fragment with more to follow has 13 bytes, which is no multiple of 8");
    EXPECT_EQ(said_of(over_ipv6().fragment(1480, true, 7).protocol(17)),
              "a fragment of 0 bytes at byte 1480");
    EXPECT_EQ(
        said_of(over_ipv4().fragment(65528, false, 7).protocol(17).payload(16)),
        "the fragment ends at byte 65,544 behind 20 bytes of headers: no datagram is longer than 65,535");
    EXPECT_EQ(
        said_of(over_ipv4().fragment(8, true, 7).protocol(6).payload(16)),
        "the fragment begins at byte 8, inside the TCP header of 20 bytes, whose flags it could rewrite");
    EXPECT_EQ(said_of(over_ipv4().fragment(0, true, 7).protocol(6).payload(16)),
              "a TCP header takes 20 bytes, the first fragment holds 16");
}

std::string quote_said(const PacketBuilder& error) {
    const Bytes frame = error.build();
    const ExactBuffer buffer(frame);
    const ParseInput input{buffer.span(), frame.size(), error.link()};
    Headers headers;
    packet::parse(input, headers);
    if (packet::parse_quote(input, headers).valid) return "(a quote)";
    return packet::explain_quote(input, headers);
}

TEST(ExplainParse, QuotesInIcmpErrors) {
    const auto quoted = PacketBuilder().ipv4("198.51.100.2", "192.0.2.1").tcp(443, 40000);
    EXPECT_EQ(quote_said(over_ipv4().icmp_error(3, 1, quoted, 12)),
              "the ICMP error quotes 12 bytes, and its packet's headers and 8 bytes behind them take 28");
    EXPECT_EQ(quote_said(over_ipv4().icmp_error(3, 1, quoted, 27)),
              "the ICMP error quotes 27 bytes, and its packet's headers and 8 bytes behind them take 28");
    EXPECT_EQ(quote_said(over_ipv4().icmp_error(3, 1, PacketBuilder(quoted).version_as(6))),
              "an ICMP error of IPv4 quotes a packet of IP version 6");
    EXPECT_EQ(quote_said(over_ipv4().icmp_error(3, 1, PacketBuilder(quoted).header_words_as(3))),
              "the quoted IPv4 header says that it has 12 bytes, fewer than 20");
    EXPECT_EQ(quote_said(over_ipv4().icmp_error(3, 1,
                                                PacketBuilder()
                                                    .ipv4("198.51.100.2", "192.0.2.1")
                                                    .fragment(1480, false, 3)
                                                    .protocol(6)
                                                    .payload(20))),
              "the ICMP error quotes a later fragment, at byte 1,480 of its datagram, which has no ports");
    EXPECT_EQ(quote_said(over_ipv4().icmp_error(
                  3, 1, PacketBuilder().ipv4("198.51.100.2", "192.0.2.1").icmp(11, 0))),
              "the ICMP error quotes another, of ICMP type 11");
    EXPECT_EQ(
        quote_said(over_ipv6().icmp_error(
            1, 0, PacketBuilder().ipv6("2001:db8::1", "2001:db8::2").routing(0, 2).tcp(1, 2))),
        "the quoted packet: the routing header is of type 0 with 2 segments left, which nobody may follow "
        "(RFC 5095)");
}

TEST(ExplainParse, QuotesInIcmpv6Errors) {
    const auto quoted =
        PacketBuilder().ipv6("2001:db8::1", "2001:db8::2").destination_options().tcp(443, 40000);
    EXPECT_EQ(quote_said(over_ipv6().icmp_error(1, 0, quoted, 55)),
              "the ICMP error quotes 55 bytes, and its packet's headers and 8 bytes behind them take 56");
    EXPECT_EQ(quote_said(over_ipv6().icmp_error(
                  1, 0, PacketBuilder().ipv6("2001:db8::1", "2001:db8::2").icmpv6(3, 0))),
              "the ICMP error quotes another, of ICMPv6 type 3");
}

TEST(ExplainParse, OfAPacketWithoutAFaultThereIsNothingToSay) {
    for (const PacketBuilder& builder : {over_ipv4().tcp(1, 2), over_ipv4().udp(1, 2), over_ipv4().icmp(8, 0),
                                         over_ipv6().icmpv6(128, 0), over_ipv4().protocol(47)}) {
        const Bytes frame = builder.build();
        Headers headers = parse_frame(frame);
        ASSERT_EQ(headers.refusal, Reason::none);
        headers.refusal = Reason::malformed;
        EXPECT_EQ(packet::explain_refusal({frame, frame.size(), LinkLayer::ethernet}, headers), "");
    }
}

std::string word_text(unsigned word) {
    char text[8];
    (void)std::snprintf(text, sizeof text, "0x%04x", word & 0xFFFFU);
    return text;
}

std::string checksum_said(const PacketBuilder& builder) {
    const Bytes frame = builder.build();
    const Headers headers = parse_frame(frame);
    EXPECT_EQ(headers.refusal, Reason::none);
    const std::span<const std::uint8_t> bytes(frame);
    const auto network =
        headers.family == Family::ipv4
            ? bytes.subspan(headers.network_offset, headers.transport_offset - headers.network_offset)
            : std::span<const std::uint8_t>{};
    return packet::explain_checksum(headers, network,
                                    bytes.subspan(headers.transport_offset, headers.transport_length));
}

TEST(ExplainParse, ChecksumsAreGivenAsTheyAreAndAsTheyShouldBe) {
    const Bytes right = tcp_over_ipv4().payload(5).build();
    const auto field = [](const Bytes& frame, std::size_t at) {
        return word_text(static_cast<unsigned>(frame[at]) << 8 | frame[at + 1]);
    };
    const Bytes wrong_ip = tcp_over_ipv4().payload(5).wrong_ip_checksum().build();
    EXPECT_EQ(checksum_said(tcp_over_ipv4().payload(5).wrong_ip_checksum()),
              "the IPv4 header's checksum is " + field(wrong_ip, 24) + ", over its 20 bytes it should be " +
                  field(right, 24));
    const Bytes wrong = tcp_over_ipv4().payload(5).wrong_transport_checksum().build();
    EXPECT_NE(field(right, 50), field(wrong, 50));
    EXPECT_EQ(checksum_said(tcp_over_ipv4().payload(5).wrong_transport_checksum()),
              "the TCP checksum is " + field(wrong, 50) + ", over 25 bytes and the addresses it should be " +
                  field(right, 50));
    EXPECT_EQ(checksum_said(tcp_over_ipv6().payload(5)), "");
    EXPECT_EQ(checksum_said(over_ipv4().udp(1, 2).without_checksum().payload(9)), "");
}

/// Whatever the parser refuses has words with a number in them: the second look at the bytes finds the check
/// that failed.
TEST(ExplainParse, EveryRefusalOfAMutatedPacketIsExplained) {
    std::vector<PacketBuilder> originals{
        tcp_over_ipv4().vlan(5).option(option::mss(1460)).payload(30),
        over_ipv4().ipv4_options({1, 1, 1, 1}).udp(5000, 53).payload(30),
        over_ipv4().fragment(0, true, 9).protocol(6).payload(24),
        over_ipv4().icmp(8, 0, 5),
        tcp_over_ipv6().hop_by_hop({5, 2, 0, 0, 1, 0}).routing(4, 1).destination_options().payload(9),
        over_ipv6().fragment(1480, true, 9).protocol(17).payload(24),
        over_ipv6().hop_by_hop().fragment(0, true, 9).destination_options().protocol(58).payload(24),
        PacketBuilder().ipv6("2001:db8::1", "2001:db8::2").authentication(24).udp(1, 2),
    };
    constexpr unsigned seed = 20'240'501;
    std::mt19937 random(seed);
    unsigned refused = 0;
    for (unsigned round = 0; round < 40'000; ++round) {
        const PacketBuilder& original = originals[round % originals.size()];
        Bytes frame = original.build();
        const std::size_t changes = 1 + random() % 3;
        for (std::size_t i = 0; i < changes; ++i) {
            std::uint8_t& byte = frame[random() % std::min<std::size_t>(frame.size(), 110)];
            byte = random() % 2 == 0 ? static_cast<std::uint8_t>(random())
                                     : static_cast<std::uint8_t>(byte ^ (1U << random() % 8));
        }
        if (random() % 4 == 0) frame.resize(random() % (frame.size() + 1));
        const Headers headers = parse_frame(frame, original.link());
        if (headers.refusal == Reason::none || headers.refusal == Reason::same_endpoint) continue;
        ++refused;
        const std::string said = said_of(frame, original.link());
        ASSERT_NE(said.find_first_of("0123456789"), std::string::npos)
            << "seed " << seed << ", round " << round << ", " << text_of(headers.refusal).name << ": '"
            << said << "'";
    }
    EXPECT_GT(refused, 5000U);
}

}  // namespace
}  // namespace sluice::test
