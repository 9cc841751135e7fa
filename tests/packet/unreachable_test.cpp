// "Destination unreachable" about a packet that is not carried on: what it quotes, the way it goes, and when
// there is none.
#include "parsing.hpp"
#include "sluice/packet/build.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/icmp.hpp"

namespace sluice::test {
namespace {

using packet::Unreachable;

// The error about `frame`, of which the first `at_hand` bytes can be read; empty when there is none.
Bytes error_about(const Bytes& frame, Unreachable why = Unreachable::prohibited,
                  LinkLayer link = LinkLayer::ethernet, std::size_t room = packet::max_unreachable_bytes,
                  std::size_t at_hand = SIZE_MAX) {
    const ExactBuffer buffer(first_of(frame, std::min(at_hand, frame.size())));
    const ParseInput input{buffer.span(), frame.size(), link};
    Headers headers;
    packet::parse(input, headers);
    Bytes out(room);
    out.resize(packet::build_unreachable(input, headers, why, out));
    return out;
}

void expect_sound(const Bytes& frame, const Headers& headers) {
    ASSERT_EQ(headers.refusal, Reason::none);
    const auto bytes = std::span(frame);
    if (headers.family == Family::ipv4) {
        EXPECT_TRUE(packet::ipv4_header_checksum_holds(bytes.subspan(headers.network_offset, 20)));
    }
    EXPECT_EQ(packet::verify_transport(headers, bytes.subspan(headers.transport_offset)),
              packet::ChecksumVerdict::good);
    EXPECT_EQ(headers.transport_offset + headers.transport_length, frame.size());
}

TEST(Unreachable, GoesBackTheWayThePacketCameAndQuotesIt) {
    for (const auto& builder :
         {over_ipv4().udp(53, 5353).payload(30), over_ipv6().udp(53, 5353).payload(30),
          tcp_over_ipv4().payload(30), over_ipv4().ipv4_options(Bytes(8, 1)).udp(53, 5353),
          over_ipv6().hop_by_hop().udp(53, 5353), over_ipv4().icmp(8, 0, 7), over_ipv6().icmpv6(128, 0, 7),
          over_ipv4().protocol(132).payload(40), over_ipv4().udp(53, 5353).link_padding(6)}) {
        const Bytes frame = builder.build();
        const Headers asked = parse_frame(frame);
        const Bytes error = error_about(frame);
        const Headers headers = parse_frame(error);
        expect_sound(error, headers);
        EXPECT_TRUE(headers.icmp_error);
        EXPECT_EQ(headers.source, asked.destination);
        EXPECT_EQ(headers.destination, asked.source);
        EXPECT_EQ(headers.hop_limit, 64);
        EXPECT_EQ(first_of(error, 12), (Bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}))
            << "the MAC addresses swapped";
        const Bytes packet = builder.build_ip();
        EXPECT_EQ(Bytes(error.begin() + headers.transport_offset + 8, error.end()), packet)
            << "all of the packet, and nothing of the link's padding";
        const Quote quote = quote_in(error);
        EXPECT_TRUE(quote.valid);
        EXPECT_EQ(quote.source, headers.destination) << "whoever is told has sent it";
    }
}

TEST(Unreachable, SaysWhy) {
    const Bytes four = over_ipv4().udp(1, 2).build(), six = over_ipv6().udp(1, 2).build();
    const auto said = [](const Bytes& frame, Unreachable why) {
        const Headers headers = parse_frame(error_about(frame, why));
        return std::pair<int, int>(headers.icmp_type, headers.icmp_code);
    };
    EXPECT_EQ(said(four, Unreachable::prohibited), std::pair(3, 13));
    EXPECT_EQ(said(four, Unreachable::port), std::pair(3, 3));
    EXPECT_EQ(said(six, Unreachable::prohibited), std::pair(1, 1));
    EXPECT_EQ(said(six, Unreachable::port), std::pair(1, 4));
}

TEST(Unreachable, HasThePrecedenceOfErrorsAndNothingUnused) {
    const Bytes error = error_about(over_ipv4().udp(1, 2).build());
    EXPECT_EQ(error[15], 0xC0);
    EXPECT_EQ(Bytes(error.begin() + 38, error.begin() + 42), Bytes(4, 0));
}

TEST(Unreachable, QuotesNoMoreThanFits) {
    for (const std::size_t payload : {519U, 520U, 521U, 1400U}) {  // 548 bytes are quoted at most
        const Bytes frame = over_ipv4().udp(1, 2).payload(payload).build();
        const Bytes error = error_about(frame);
        expect_sound(error, parse_frame(error));
        EXPECT_EQ(error.size(), 14 + std::min<std::size_t>(20 + 8 + 20 + 8 + payload, 576)) << payload;
    }
    for (const std::size_t payload : {1183U, 1184U, 1185U, 1400U}) {
        const Bytes frame = over_ipv6().udp(1, 2).payload(payload).build();
        const Bytes error = error_about(frame);
        expect_sound(error, parse_frame(error));
        EXPECT_EQ(error.size(), 14 + std::min<std::size_t>(40 + 8 + 40 + 8 + payload, 1280)) << payload;
    }
}

TEST(Unreachable, QuotesWhatIsAtHand) {
    const Bytes frame = over_ipv4().udp(1, 2).payload(500).build();
    const Bytes error = error_about(frame, Unreachable::prohibited, LinkLayer::ethernet,
                                    packet::max_unreachable_bytes, 14 + 20 + 8 + 100);
    expect_sound(error, parse_frame(error));
    EXPECT_EQ(error.size(), 14U + 20 + 8 + 20 + 8 + 100);
}

TEST(Unreachable, TagsAndSnapAreKept) {
    const Bytes tagged = over_ipv6().vlan(100, 0x88A8, 3).vlan(7, 0x8100, 5).udp(1, 2).build();
    const Bytes error = error_about(tagged);
    expect_sound(error, parse_frame(error));
    EXPECT_EQ(Bytes(error.begin() + 12, error.begin() + 22), Bytes(tagged.begin() + 12, tagged.begin() + 22));
    const Bytes snap = over_ipv4().snap().udp(1, 2).payload(10).build();
    const Bytes about_snap = error_about(snap);
    expect_sound(about_snap, parse_frame(about_snap));
    EXPECT_EQ(load<be16>(&about_snap[12]).host(), about_snap.size() - 14) << "the length of SNAP and IP";
}

TEST(Unreachable, RawIpIsAnsweredAsRawIp) {
    const Bytes error = error_about(PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").udp(1, 2).build(),
                                    Unreachable::port, LinkLayer::raw_ip);
    EXPECT_EQ(error.size(), 20U + 8 + 28);
    EXPECT_TRUE(parse_frame(error, LinkLayer::raw_ip).icmp_error);
}

TEST(Unreachable, ThereIsNoneWhereItCouldDoHarm) {
    const auto none_about = [](const PacketBuilder& builder) {
        return error_about(builder.build(), Unreachable::prohibited, builder.link()).empty();
    };
    EXPECT_TRUE(
        none_about(over_ipv4().icmp_error(3, 1, PacketBuilder().ipv4("192.0.2.9", "192.0.2.1").udp(1, 2))));
    EXPECT_TRUE(none_about(
        over_ipv6().icmp_error(1, 1, PacketBuilder().ipv6("2001:db8::9", "2001:db8::1").udp(1, 2))));
    EXPECT_TRUE(none_about(over_ipv6().icmpv6(2, 0))) << "an error that quotes nothing";
    EXPECT_TRUE(none_about(over_ipv6().icmpv6(137, 0))) << "a redirect";
    EXPECT_TRUE(none_about(over_ipv4().icmp(40, 0))) << "who knows what it is";
    EXPECT_TRUE(none_about(over_ipv4().fragment(64, false, 1).payload(16))) << "not the first fragment";
    EXPECT_FALSE(none_about(over_ipv4().fragment(0, true, 1).protocol(17).payload(16))) << "the first one";
    EXPECT_TRUE(none_about(over_ipv4().udp(1, 2).ip_length_as(12))) << "malformed";
    EXPECT_TRUE(
        none_about(over_ipv4().udp(1, 2).macs({2, 0, 0, 0, 0, 1}, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})));
    EXPECT_TRUE(none_about(over_ipv4().udp(1, 2).macs({3, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})));
    for (const char* address : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"}) {
        EXPECT_TRUE(none_about(PacketBuilder().ethernet().ipv4(address, "192.0.2.1").udp(1, 2))) << address;
        EXPECT_TRUE(none_about(PacketBuilder().ethernet().ipv4("192.0.2.1", address).udp(1, 2))) << address;
    }
    for (const char* address : {"::", "::1", "ff02::1"}) {
        EXPECT_TRUE(none_about(PacketBuilder().ethernet().ipv6(address, "2001:db8::1").udp(1, 2))) << address;
        EXPECT_TRUE(none_about(PacketBuilder().ethernet().ipv6("2001:db8::1", address).udp(1, 2))) << address;
    }
    EXPECT_TRUE(none_about(PacketBuilder().ethernet().ether_type_as(0x0806).ipv4("192.0.2.1", "192.0.2.2")))
        << "not IP";
    EXPECT_FALSE(none_about(over_ipv4().udp(1, 2)));
}

TEST(Unreachable, RoomThatDoesNotSufficeIsLeftAlone) {
    const Bytes frame = over_ipv4().udp(1, 2).build();
    EXPECT_TRUE(error_about(frame, Unreachable::port, LinkLayer::ethernet, 69).empty());
    EXPECT_EQ(error_about(frame, Unreachable::port, LinkLayer::ethernet, 70).size(), 70U);
}

}  // namespace
}  // namespace sluice::test
