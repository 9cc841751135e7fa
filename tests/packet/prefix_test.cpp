// Every prefix of every kind of frame is parsed from a buffer of its exact size: reading beyond it is an
// error under the address sanitizer, accepting it is one here.
#include "parsing.hpp"

namespace sluice::test {
namespace {

std::vector<PacketBuilder> one_of_each_kind() {
    const auto quoted_4 = PacketBuilder().ipv4("198.51.100.2", "192.0.2.1").tcp(443, 40000).payload(20);
    const auto quoted_6 = PacketBuilder()
                              .ipv6("2001:db8:1::2", "2001:db8::1")
                              .destination_options(16)
                              .fragment(0, true, 5)
                              .tcp(443, 40000)
                              .payload(20);
    const auto syn_options = [](PacketBuilder builder) {
        return builder.option(option::mss(1460))
            .option(option::sack_permitted())
            .option(option::timestamps(1, 0))
            .option(option::window_scale(7));
    };
    return {
        tcp_over_ipv4(),
        syn_options(tcp_over_ipv4()),
        tcp_over_ipv4().option(Bytes{1, 1}).option(option::timestamps(1, 2)).payload(9),
        tcp_over_ipv4().option(option::sack({{1, 2}, {3, 4}, {5, 6}})),
        tcp_over_ipv4().vlan(1).vlan(2).ipv4_options(Bytes(40, 1)),
        syn_options(tcp_over_ipv6()),
        tcp_over_ipv6()
            .hop_by_hop()
            .destination_options(24)
            .routing(4, 1)
            .fragment(0, false, 1)
            .authentication(),
        tcp_over_ipv6().fragment(0, true, 1).payload(12),
        over_ipv6().fragment(64, true, 1).protocol(6).payload(16),
        over_ipv4().protocol(17).fragment(64, true, 1).payload(16),
        over_ipv4().udp(1, 2).payload(5),
        over_ipv6().udp(1, 2).payload(5),
        over_ipv4().icmp(8, 0, 1, 2).payload(5),
        over_ipv4().icmp_error(3, 3, quoted_4),
        over_ipv6().icmp_error(1, 3, quoted_6),
        over_ipv4().protocol(47).payload(6),
        syn_options(tcp_over_ipv4()).snap(),
        syn_options(tcp_over_ipv6()).vlan(1).vlan(2).snap(),
        over_ipv6().vlan(1).snap().icmp_error(1, 3, quoted_6),
        tcp_over_ipv4().ether_type_as(0x0806),
        PacketBuilder().linux_cooked_v1().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2),
        PacketBuilder().linux_cooked_v2().ipv6("::1", "::2").tcp(1, 2),
        PacketBuilder().bsd_loopback(2, false).ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2),
        PacketBuilder().ipv6("::1", "::2").tcp(1, 2),
    };
}

void parse_with_quote(const Bytes& bytes, std::size_t frame_length, LinkLayer link, Headers& headers) {
    headers = parse_part(bytes, frame_length, link);
    if (headers.refusal != Reason::none || !headers.icmp_error) return;
    const ExactBuffer buffer(bytes);
    (void)packet::parse_quote({buffer.span(), frame_length, link}, headers);
}

TEST(Prefix, OfAFrameCutShortIsRefused) {
    for (const auto& builder : one_of_each_kind()) {
        const Bytes frame = builder.build();
        Headers headers;
        parse_with_quote(frame, frame.size(), builder.link(), headers);
        ASSERT_EQ(headers.refusal, Reason::none);
        const bool ip = headers.family != Family::none;
        for (std::size_t length = 0; length < frame.size(); ++length) {
            parse_with_quote(first_of(frame, length), length, builder.link(), headers);
            ASSERT_TRUE(!ip || headers.refusal != Reason::none) << length << " of " << frame.size();
        }
    }
}

TEST(Prefix, OfWhichTheRestLiesElsewhereIsNeverReadBeyond) {
    for (const auto& builder : one_of_each_kind()) {
        const Bytes frame = builder.build();
        const Headers whole = parse_frame(frame, builder.link());
        for (std::size_t length = 0; length < frame.size(); ++length) {
            Headers headers;
            parse_with_quote(first_of(frame, length), frame.size(), builder.link(), headers);
            ASSERT_TRUE(headers.refusal == Reason::malformed || headers == whole)
                << length << " of " << frame.size();
        }
    }
}

TEST(Prefix, WithTrailingBytesIsTheSamePacket) {
    for (const auto& builder : one_of_each_kind()) {
        const Headers whole = parse_built(builder);
        auto padded = builder;
        ASSERT_TRUE(parse_built(padded.link_padding(700)) == whole);
    }
}

}  // namespace
}  // namespace sluice::test
