// What the parser makes of a single fragment (RFC 1858, RFC 3128, RFC 5722, RFC 6946, RFC 7112, RFC
// 8200 4.5).
#include "parsing.hpp"

namespace sluice::test {
namespace {

TEST(FragmentHeader, Ipv4FirstFragmentHasPorts) {
    const auto pieces =
        over_ipv4().tcp(1, 2).flags(packet::syn).identification(77).payload(100).build_fragments(40);
    ASSERT_EQ(pieces.size(), 3U);
    const Headers first = parse_frame(pieces[0]);
    EXPECT_EQ(first.refusal, Reason::none);
    EXPECT_EQ(first.source_port, 1);
    EXPECT_TRUE(first.fragment.present);
    EXPECT_TRUE(first.fragment.more);
    EXPECT_EQ(first.fragment.identification, 77U);
    EXPECT_EQ(first.fragment.offset, 0);
    EXPECT_EQ(first.fragment.length, 40);
    EXPECT_EQ(first.tcp.payload_length, 20U) << "what this packet carries";
}

TEST(FragmentHeader, LaterFragmentsHaveNoPorts) {
    for (const auto& builder :
         {tcp_over_ipv4(), tcp_over_ipv6(), over_ipv6().destination_options().udp(7, 8)}) {
        auto whole = builder;
        const auto pieces = whole.identification(77).payload(100).build_fragments(48);
        ASSERT_EQ(pieces.size(), 3U);
        std::uint32_t total = 0;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            const Headers headers = parse_frame(pieces[i]);
            EXPECT_EQ(headers.refusal, Reason::none);
            EXPECT_TRUE(headers.fragment.present);
            EXPECT_EQ(headers.fragment.identification, 77U);
            EXPECT_EQ(headers.fragment.offset, 48 * i);
            EXPECT_EQ(headers.fragment.more, i < 2);
            EXPECT_EQ(headers.source_port != 0, i == 0);
            EXPECT_EQ(headers.tcp.flags != 0, i == 0 && headers.protocol == packet::tcp);
            EXPECT_EQ(headers.transport_length, headers.fragment.length);
            total += headers.transport_length;
        }
        EXPECT_EQ(total, parse_built(whole).transport_length);
    }
}

TEST(FragmentHeader, ExtensionsInsideTheFragmentablePartAreNoTransport) {
    auto builder = over_ipv6().fragment(0, true, 9).destination_options(16).udp(5, 6).payload(8);
    const Headers headers = parse_built(builder);
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.fragment.length, 32);
    EXPECT_EQ(headers.transport_length, 16U);
    EXPECT_EQ(headers.source_port, 5);
}

TEST(FragmentHeader, LaterIpv6FragmentStopsAtItsHeader) {
    // The fragment header names destination options, which lie in the first fragment only.
    auto builder = over_ipv6().fragment(8, false, 9).destination_options(16).udp(5, 6);
    const Headers headers = parse_built(builder);
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.protocol, 60);
    EXPECT_EQ(headers.transport_offset, 14 + 40 + 8);
    EXPECT_EQ(headers.fragment.length, 24);
    EXPECT_EQ(headers.source_port, 0);
}

TEST(FragmentHeader, AtomicFragmentIsAWholePacket) {
    const Headers headers =
        parse_built(over_ipv6().fragment(0, false, 9).tcp(5, 6).flags(packet::ack).payload(3));
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.fragment, packet::FragmentFields{});
    EXPECT_EQ(headers.source_port, 5);
    EXPECT_EQ(headers.tcp.payload_length, 3U)
        << "a length that is no multiple of 8 is nothing to an atomic one";
}

TEST(FragmentHeader, SecondFragmentHeaderIsMalformed) {
    EXPECT_EQ(refusal_of(over_ipv6().fragment(0, false, 1).fragment(0, false, 2).udp(1, 2)),
              Reason::malformed);
    EXPECT_EQ(refusal_of(over_ipv6().fragment(0, true, 1).fragment(8, true, 2).udp(1, 2)), Reason::malformed);
}

TEST(FragmentHeader, EmptyFragmentIsMalformed) {
    EXPECT_EQ(refusal_of(over_ipv4().protocol(17).fragment(0, true, 1)), Reason::malformed);
    EXPECT_EQ(refusal_of(over_ipv4().protocol(17).fragment(64, false, 1)), Reason::malformed);
    EXPECT_EQ(refusal_of(over_ipv6().fragment(64, false, 1).protocol(17)), Reason::malformed);
}

TEST(FragmentHeader, FragmentWithMoreBehindMustBeAMultipleOfEight) {
    EXPECT_EQ(refusal_of(over_ipv4().protocol(17).fragment(64, true, 1).payload(16)), Reason::none);
    EXPECT_EQ(refusal_of(over_ipv4().protocol(17).fragment(64, true, 1).payload(15)), Reason::malformed);
    EXPECT_EQ(refusal_of(over_ipv4().protocol(17).fragment(64, false, 1).payload(15)), Reason::none);
    EXPECT_EQ(refusal_of(over_ipv6().fragment(64, true, 1).protocol(17).payload(15)), Reason::malformed);
    EXPECT_EQ(refusal_of(over_ipv6().fragment(64, false, 1).protocol(17).payload(15)), Reason::none);
}

TEST(FragmentHeader, DatagramLongerThan65535BytesIsTooLong) {
    // 20 bytes of header, then the fragmentable part: the last byte may be byte 65534 of the datagram.
    EXPECT_EQ(refusal_of(over_ipv4().protocol(17).fragment(65512, false, 1).payload(3)), Reason::none);
    EXPECT_EQ(refusal_of(over_ipv4().protocol(17).fragment(65512, false, 1).payload(4)),
              Reason::fragment_too_long);
    EXPECT_EQ(
        refusal_of(over_ipv4().ipv4_options(Bytes(4, 1)).protocol(17).fragment(65512, false, 1).payload(3)),
        Reason::fragment_too_long);
    // Of IPv6 the fixed header does not count, extension headers before the fragment header do.
    EXPECT_EQ(refusal_of(over_ipv6().fragment(65528, false, 1).protocol(17).payload(7)), Reason::none);
    EXPECT_EQ(refusal_of(over_ipv6().fragment(65528, false, 1).protocol(17).payload(8)),
              Reason::fragment_too_long);
    EXPECT_EQ(refusal_of(over_ipv6().destination_options().fragment(65528, false, 1).protocol(17).payload(1)),
              Reason::fragment_too_long);
}

TEST(FragmentHeader, FirstFragmentMustHoldTheWholeTcpHeader) {
    for (const std::size_t piece : {8U, 16U}) {
        EXPECT_EQ(parse_frame(tcp_over_ipv4().payload(64).build_fragments(piece)[0]).refusal,
                  Reason::fragment_tiny);
        EXPECT_EQ(parse_frame(tcp_over_ipv6().payload(64).build_fragments(piece)[0]).refusal,
                  Reason::fragment_tiny);
    }
    auto with_options = tcp_over_ipv4().option(option::timestamps(1, 2)).payload(64);
    EXPECT_EQ(parse_frame(with_options.build_fragments(24)[0]).refusal, Reason::fragment_tiny)
        << "options cut off";
    EXPECT_EQ(parse_frame(with_options.build_fragments(32)[0]).refusal, Reason::none);
}

TEST(FragmentHeader, FirstFragmentMustHoldTheWholeChain) {
    // The destination options say 24 bytes; the first fragment ends after 16 of them.
    EXPECT_EQ(refusal_of(over_ipv6().fragment(0, true, 1).extension(60, 2, 16).protocol(59)),
              Reason::fragment_tiny);
    // They end the fragment, and UDP would follow.
    EXPECT_EQ(refusal_of(over_ipv6().fragment(0, true, 1).extension(60, 1, 8).protocol(17).payload(8)),
              Reason::fragment_tiny);
    // The fragment ends between two headers.
    Bytes cut =
        over_ipv6().fragment(0, true, 1).destination_options().destination_options().udp(1, 2).build();
    cut.resize(14 + 40 + 8 + 8);
    cut[14 + 5] = 16;
    EXPECT_EQ(parse_frame(cut).refusal, Reason::fragment_tiny);
}

TEST(FragmentHeader, LaterFragmentInsideTheTcpHeaderIsTiny) {
    for (const std::size_t offset : {8U, 16U}) {
        EXPECT_EQ(refusal_of(over_ipv4().protocol(6).fragment(offset, true, 1).payload(24)),
                  Reason::fragment_tiny);
        EXPECT_EQ(refusal_of(over_ipv4().protocol(6).fragment(offset, false, 1).payload(24)),
                  Reason::fragment_tiny);
        EXPECT_EQ(refusal_of(over_ipv6().fragment(offset, true, 1).protocol(6).payload(24)),
                  Reason::fragment_tiny);
        EXPECT_EQ(refusal_of(over_ipv4().protocol(17).fragment(offset, true, 1).payload(24)), Reason::none);
    }
    EXPECT_EQ(refusal_of(over_ipv4().protocol(6).fragment(24, true, 1).payload(24)), Reason::none);
}

TEST(FragmentHeader, FirstUdpFragmentMayNameALongerDatagram) {
    const auto pieces = over_ipv4().udp(1, 2).payload(100).build_fragments(16);
    const Headers first = parse_frame(pieces[0]);
    EXPECT_EQ(first.refusal, Reason::none);
    EXPECT_EQ(first.udp_length, 108);
    EXPECT_EQ(first.transport_length, 16U);
}

TEST(FragmentHeader, DontFragmentAloneIsNoFragment) {
    const Headers headers = parse_built(tcp_over_ipv4().dont_fragment().identification(5));
    EXPECT_FALSE(headers.fragment.present);
    EXPECT_EQ(headers.fragment.identification, 0U);
}

}  // namespace
}  // namespace sluice::test
