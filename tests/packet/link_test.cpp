// Link layers and VLAN tags.
#include "parsing.hpp"

namespace sluice::test {
namespace {

TEST(Link, PlainEthernetIsParsed) {
    const Headers headers = parse_built(tcp_over_ipv4());
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.ether_type, 0x0800);
    EXPECT_EQ(headers.network_offset, 14);
    EXPECT_EQ(headers.vlan_count, 0);
}

TEST(Link, EachTagTypeIsTakenOff) {
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0x8100, 0x88A8, 0x9100}) {
        const Headers headers = parse_built(tcp_over_ipv4().vlan(123, type, 5));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.vlan_count, 1);
        EXPECT_EQ(headers.vlan[0], 123) << "the priority is no part of the id";
        EXPECT_EQ(headers.vlan[1], 0);
        EXPECT_EQ(headers.ether_type, 0x0800);
        EXPECT_EQ(headers.network_offset, 18);
        EXPECT_EQ(headers.tcp.header_length, 20);
    }
}

TEST(Link, TwoTagsAreReportedOutermostFirst) {
    const Headers headers = parse_built(tcp_over_ipv6().vlan(100, 0x88A8).vlan(4095));
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.vlan_count, 2);
    EXPECT_EQ(headers.vlan[0], 100);
    EXPECT_EQ(headers.vlan[1], 4095);
    EXPECT_EQ(headers.network_offset, 22);
    EXPECT_EQ(headers.destination_port, 443);
}

TEST(Link, PriorityTagIsATagWithIdZero) {
    const Headers headers = parse_built(tcp_over_ipv4().vlan(0, 0x8100, 7));
    EXPECT_EQ(headers.vlan_count, 1);
    EXPECT_EQ(headers.vlan[0], 0);
}

TEST(Link, ThreeTagsAreTooMany) {
    auto builder = tcp_over_ipv4().vlan(1).vlan(2);
    EXPECT_EQ(refusal_of(builder), Reason::none);
    for (int tags = 3; tags <= 8; ++tags) {
        builder.vlan(static_cast<std::uint16_t>(tags));
        EXPECT_EQ(refusal_of(builder), Reason::too_many_headers) << tags << " tags";
    }
}

TEST(Link, TruncatedTagIsMalformed) {
    const Bytes frame = tcp_over_ipv4().vlan(7).build();
    for (std::size_t length = 14; length < 18; ++length) {
        EXPECT_EQ(parse_frame(first_of(frame, length)).refusal, Reason::malformed) << length << " bytes";
    }
}

TEST(Link, UnknownTagTypeIsAnotherEtherType) {
    const Headers headers = parse_built(tcp_over_ipv4().vlan(7, 0x9200));
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(headers.family, Family::none);
    EXPECT_EQ(headers.ether_type, 0x9200);
}

TEST(Link, OtherEtherTypesAreReportedNotRefused) {
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0x0806, 0x88CC, 0x8847, 0x8864}) {
        const Headers headers = parse_built(tcp_over_ipv4().ether_type_as(type));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.family, Family::none);
        EXPECT_EQ(headers.ether_type, type);
    }
}

TEST(Link, EtherTypeBehindTagsIsReported) {
    const Headers headers = parse_built(tcp_over_ipv4().vlan(5).ether_type_as(0x0806));
    EXPECT_EQ(headers.family, Family::none);
    EXPECT_EQ(headers.ether_type, 0x0806);
    EXPECT_EQ(headers.vlan[0], 5);
}

TEST(Link, IpBehindSnapIsParsed) {
    for (const auto& start : {tcp_over_ipv4(), tcp_over_ipv6()}) {
        auto builder = start;
        const Headers plain = parse_built(builder.option(option::mss(1460)).payload(9));
        builder.snap();
        for (std::uint8_t tags = 0; tags <= 2; ++tags) {
            const Headers headers = parse_built(builder);
            EXPECT_EQ(headers.refusal, Reason::none);
            EXPECT_EQ(headers.ether_type, plain.ether_type);
            EXPECT_EQ(headers.network_offset, 14 + 4 * tags + 8);
            EXPECT_EQ(headers.vlan_count, tags);
            EXPECT_EQ(headers.source, plain.source);
            EXPECT_EQ(headers.tcp, plain.tcp);
            builder.vlan(tags);
        }
        EXPECT_EQ(refusal_of(builder), Reason::too_many_headers) << "a third tag";
    }
}

TEST(Link, TruncatedSnapIsMalformed) {
    for (const std::size_t begin : {std::size_t{14}, std::size_t{18}}) {
        const Bytes frame = (begin == 14 ? tcp_over_ipv4() : tcp_over_ipv4().vlan(7)).snap().build();
        for (std::size_t length = begin; length < begin + 8; ++length)
            EXPECT_EQ(parse_frame(first_of(frame, length)).refusal, Reason::malformed) << length << " bytes";
    }
}

TEST(Link, OtherLlcIsNotIp) {
    const Bytes snap = tcp_over_ipv4().snap().build();
    // Of the addresses, the control field and the organisation, a byte that is another.
    for (std::size_t at = 14; at < 20; ++at) {
        Bytes frame = snap;
        frame[at] ^= 1;
        const Headers headers = parse_frame(frame);
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.family, Family::none);
        EXPECT_EQ(headers.ether_type, 48) << "the length";
    }
    const Bytes spanning_tree{1, 0x80, 0xC2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 3, 0x42, 0x42, 3};
    EXPECT_EQ(parse_frame(spanning_tree).refusal, Reason::none);
}

TEST(Link, WhatSnapNamesIsFinal) {
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0x0806, 0x8100, 0x0030}) {
        const Headers headers = parse_built(tcp_over_ipv4().snap().ether_type_as(type));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.family, Family::none);
        EXPECT_EQ(headers.ether_type, type);
        EXPECT_EQ(headers.vlan_count, 0);
    }
    EXPECT_EQ(refusal_of(tcp_over_ipv4().snap().ether_type_as(0x86DD)), Reason::malformed);
}

TEST(Link, AnEtherTypeBeginsAt0x600) {
    Bytes frame = tcp_over_ipv4().snap().build();
    frame[12] = 0x05;
    frame[13] = 0xFF;
    EXPECT_EQ(parse_frame(frame).family, Family::ipv4);
    frame[12] = 0x06;
    frame[13] = 0x00;
    EXPECT_EQ(parse_frame(frame).family, Family::none);
    EXPECT_EQ(parse_frame(frame).ether_type, 0x0600);
}

TEST(Link, FrameShorterThanItsLinkHeaderIsMalformed) {
    for (const auto& builder :
         {tcp_over_ipv4(), PacketBuilder().linux_cooked_v1().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2),
          PacketBuilder().linux_cooked_v2().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2)}) {
        const Bytes frame = builder.build();
        const std::size_t header = builder.link() == LinkLayer::ethernet          ? 14
                                   : builder.link() == LinkLayer::linux_cooked_v1 ? 16
                                                                                  : 20;
        for (std::size_t length = 0; length < header; ++length) {
            EXPECT_EQ(parse_frame(first_of(frame, length), builder.link()).refusal, Reason::malformed);
        }
    }
}

TEST(Link, EtherTypeAndVersionMustAgree) {
    EXPECT_EQ(refusal_of(tcp_over_ipv4().ether_type_as(0x86DD)), Reason::malformed);
    EXPECT_EQ(refusal_of(tcp_over_ipv6().ether_type_as(0x0800)), Reason::malformed);
}

TEST(Link, CookedCapturesAreParsed) {
    for (const auto& start : {PacketBuilder().linux_cooked_v1(), PacketBuilder().linux_cooked_v2()}) {
        auto builder = start;
        builder.ip("2001:db8::1", "2001:db8::2").tcp(1000, 2000).flags(packet::syn);
        const Headers headers = parse_built(builder);
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.family, Family::ipv6);
        EXPECT_EQ(headers.source_port, 1000);
        const Headers tagged = parse_built(builder.vlan(9));
        EXPECT_EQ(tagged.refusal, Reason::none);
        EXPECT_EQ(tagged.vlan[0], 9);
        EXPECT_EQ(tagged.destination_port, 2000);
    }
}

TEST(Link, RawIpIsToldByItsVersion) {
    EXPECT_EQ(parse_built(PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2)).family, Family::ipv4);
    EXPECT_EQ(parse_built(PacketBuilder().ipv6("::1", "::2").udp(1, 2)).family, Family::ipv6);
    EXPECT_EQ(parse_frame({0x55, 0, 0, 0}, LinkLayer::raw_ip).refusal, Reason::malformed);
    EXPECT_EQ(parse_frame({}, LinkLayer::raw_ip).refusal, Reason::malformed);
}

TEST(Link, BsdLoopbackIsParsedInEitherByteOrder) {
    for (const bool swapped : {false, true}) {
        auto four = PacketBuilder().bsd_loopback(2, swapped).ipv4("127.0.0.1", "127.0.0.1").udp(1, 2);
        EXPECT_EQ(parse_built(four).family, Family::ipv4);
        for (const std::uint32_t family : {10U, 24U, 28U, 30U}) {
            auto six = PacketBuilder().bsd_loopback(family, swapped).ipv6("::1", "::1").udp(1, 2);
            EXPECT_EQ(parse_built(six).family, Family::ipv6);
        }
        const Headers other =
            parse_built(PacketBuilder().bsd_loopback(7, swapped).ipv6("::1", "::1").udp(1, 2));
        EXPECT_EQ(other.refusal, Reason::none);
        EXPECT_EQ(other.family, Family::none);
    }
    EXPECT_EQ(parse_frame({0, 0, 0}, LinkLayer::bsd_loopback).refusal, Reason::malformed);
}

}  // namespace
}  // namespace sluice::test
