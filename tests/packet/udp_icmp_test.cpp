// UDP, ICMP and ICMPv6 headers.
#include "parsing.hpp"
#include "sluice/packet/icmp.hpp"

namespace sluice::test {
namespace {

TEST(Udp, FieldsAreRead) {
    for (const auto& builder : {over_ipv4(), over_ipv6()}) {
        auto datagram = builder;
        const Headers headers = parse_built(datagram.udp(53, 5353).payload(12));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.source_port, 53);
        EXPECT_EQ(headers.destination_port, 5353);
        EXPECT_EQ(headers.udp_length, 20);
        EXPECT_EQ(headers.transport_length, 20U);
        EXPECT_EQ(headers.tcp, packet::TcpFields{});
    }
}

TEST(Udp, LengthBelowItsHeaderIsMalformed) {
    for (const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 1, 7}) {
        EXPECT_EQ(refusal_of(over_ipv4().udp(1, 2).payload(9).udp_length_as(length)), Reason::malformed);
        EXPECT_EQ(refusal_of(over_ipv6().udp(1, 2).payload(9).udp_length_as(length)), Reason::malformed);
    }
}

TEST(Udp, LengthBeyondThePacketIsMalformed) {
    EXPECT_EQ(refusal_of(over_ipv4().udp(1, 2).payload(9).udp_length_as(18)), Reason::malformed);
    EXPECT_EQ(refusal_of(over_ipv4().udp(1, 2).payload(9).udp_length_as(16)), Reason::none)
        << "bytes behind it";
}

TEST(Udp, HeaderCutShortIsMalformed) {
    for (std::size_t length = 0; length < 8; ++length) {
        EXPECT_EQ(refusal_of(over_ipv4().protocol(17).payload(length)), Reason::malformed);
        EXPECT_EQ(refusal_of(over_ipv6().protocol(17).payload(length)), Reason::malformed);
    }
}

TEST(Icmp, QueriesCarryTheirIdentifierInBothPorts) {
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{0, 8, 13, 14, 15, 16, 17, 18}) {
        const Headers headers = parse_built(over_ipv4().icmp(type, 0, 0xBEEF, 3));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_TRUE(headers.icmp_query) << int{type};
        EXPECT_FALSE(headers.icmp_error);
        EXPECT_EQ(headers.source_port, 0xBEEF);
        EXPECT_EQ(headers.destination_port, 0xBEEF);
        EXPECT_EQ(headers.icmp_type, type);
    }
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{128, 129}) {
        const Headers headers = parse_built(over_ipv6().icmpv6(type, 0, 0xBEEF, 3));
        EXPECT_TRUE(headers.icmp_query);
        EXPECT_EQ(headers.source_port, 0xBEEF);
        EXPECT_EQ(headers.destination_port, 0xBEEF);
    }
}

TEST(Icmp, ErrorsAreFlagged) {
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{3, 4, 5, 11, 12}) {
        const Headers headers = parse_built(over_ipv4().icmp_error(type, 1, tcp_over_ipv4()));
        EXPECT_TRUE(headers.icmp_error) << int{type};
        EXPECT_FALSE(headers.icmp_query);
        EXPECT_EQ(headers.icmp_code, 1);
        EXPECT_EQ(headers.source_port, 0);
    }
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{1, 2, 3, 4, 100, 127}) {
        EXPECT_TRUE(parse_built(over_ipv6().icmp_error(type, 0, tcp_over_ipv6())).icmp_error) << int{type};
    }
}

TEST(Icmp, OtherTypesAreNeither) {
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{1, 2, 6, 9, 10, 19, 30, 40, 255}) {
        const Headers headers = parse_built(over_ipv4().icmp(type, 0, 5));
        EXPECT_EQ(headers.refusal, Reason::none);
        EXPECT_FALSE(headers.icmp_error || headers.icmp_query) << int{type};
        EXPECT_EQ(headers.source_port, 0);
    }
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{130, 133, 135, 143, 255}) {
        const Headers headers = parse_built(over_ipv6().icmpv6(type, 0, 5));
        EXPECT_FALSE(headers.icmp_error || headers.icmp_query) << int{type};
    }
}

TEST(Icmp, HeaderCutShortIsMalformed) {
    for (std::size_t length = 0; length < 8; ++length) {
        EXPECT_EQ(refusal_of(over_ipv4().protocol(1).payload(length)), Reason::malformed);
        EXPECT_EQ(refusal_of(over_ipv6().protocol(58).payload(length)), Reason::malformed);
    }
}

TEST(Icmp, OfTheOtherFamilyIsAnyProtocol) {
    const Headers six = parse_built(over_ipv6().icmp(8, 0, 7));
    EXPECT_EQ(six.refusal, Reason::none);
    EXPECT_FALSE(six.icmp_query);
    const Headers four = parse_built(over_ipv4().icmpv6(1, 0, 7));
    EXPECT_EQ(four.refusal, Reason::none);
    EXPECT_FALSE(four.icmp_error);
}

TEST(Icmp, RequestAndReplyTypesBelongTogether) {
    for (unsigned type = 0; type < 256; ++type) {
        for (const std::uint8_t protocol :
             std::initializer_list<std::uint8_t>{packet::icmp, packet::icmpv6}) {
            const auto one = static_cast<std::uint8_t>(type);
            if (packet::icmp_kind(protocol, one) == packet::IcmpKind::request) {
                const std::uint8_t reply = packet::reply_type_of(protocol, one);
                EXPECT_EQ(packet::icmp_kind(protocol, reply), packet::IcmpKind::reply);
                EXPECT_EQ(packet::request_type_of(protocol, reply), one);
                EXPECT_EQ(packet::request_type_of(protocol, one), one);
            }
        }
    }
    EXPECT_EQ(packet::request_type_of(packet::icmp, 0), 8);
    EXPECT_EQ(packet::request_type_of(packet::icmpv6, 129), 128);
}

}  // namespace
}  // namespace sluice::test
