// Answers of our own: a RST or a SYN,ACK back to the sender of a segment.
#include "parsing.hpp"
#include "sluice/packet/build.hpp"
#include "sluice/packet/checksum.hpp"

namespace sluice::test {
namespace {

// Parses `frame`, builds the RST that answers it and parses that. Empty when there is none.
Bytes reset_to(const Bytes& frame, LinkLayer link = LinkLayer::ethernet,
               std::size_t room = packet::max_answer_bytes) {
    const ExactBuffer buffer(frame);
    const ParseInput input{buffer.span(), frame.size(), link};
    Headers headers;
    packet::parse(input, headers);
    Bytes out(room);
    out.resize(packet::build_reset(input, headers, out));
    return out;
}

void expect_checksums(const Bytes& frame, const Headers& headers) {
    const auto bytes = std::span(frame);
    if (headers.family == Family::ipv4) {
        EXPECT_TRUE(packet::ipv4_header_checksum_holds(bytes.subspan(headers.network_offset, 20)));
    }
    EXPECT_EQ(packet::verify_transport(headers, bytes.subspan(headers.transport_offset)),
              packet::ChecksumVerdict::good);
}

TEST(Answer, ResetGoesBackTheWayTheSegmentCame) {
    for (const auto& builder :
         {tcp_over_ipv4(), tcp_over_ipv6(), tcp_over_ipv4().ipv4_options(Bytes(8, 1)),
          tcp_over_ipv6().hop_by_hop(), tcp_over_ipv4().option(option::timestamps(1, 2)).link_padding(6)}) {
        auto segment = builder;
        const Bytes frame = segment.sequence(1000).acknowledgement(5000).payload(10).build();
        const Bytes answer = reset_to(frame);
        const Headers asked = parse_frame(frame);
        const Headers headers = parse_frame(answer);
        ASSERT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.source, asked.destination);
        EXPECT_EQ(headers.destination, asked.source);
        EXPECT_EQ(headers.source_port, 443);
        EXPECT_EQ(headers.destination_port, 40000);
        EXPECT_EQ(headers.tcp.header_length, 20);
        EXPECT_EQ(headers.tcp.payload_length, 0U);
        EXPECT_EQ(headers.hop_limit, 64);
        EXPECT_EQ(first_of(answer, 12), (Bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}))
            << "the MAC addresses swapped";
        EXPECT_EQ(headers.transport_offset + headers.transport_length, answer.size());
        expect_checksums(answer, headers);
    }
}

TEST(Answer, ResetToAnAcknowledgingSegmentTakesItsAcknowledgement) {
    const Bytes frame = tcp_over_ipv4().sequence(1000).acknowledgement(0xFFFFFFFF).payload(10).build();
    const Headers headers = parse_frame(reset_to(frame));
    EXPECT_EQ(headers.tcp.flags, packet::rst);
    EXPECT_EQ(headers.tcp.sequence, 0xFFFFFFFFU);
    EXPECT_EQ(headers.tcp.acknowledgement, 0U);
}

TEST(Answer, ResetToASegmentWithoutAcknowledgementAcknowledgesIt) {
    const Headers syn =
        parse_frame(reset_to(tcp_over_ipv4().flags(packet::syn).sequence(0xFFFFFFFF).payload(5).build()));
    EXPECT_EQ(syn.tcp.flags, packet::rst | packet::ack);
    EXPECT_EQ(syn.tcp.sequence, 0U);
    EXPECT_EQ(syn.tcp.acknowledgement, 5U) << "the SYN and five bytes, across the wrap";
    const Headers fin = parse_frame(reset_to(tcp_over_ipv6().flags(packet::fin).sequence(7).build()));
    EXPECT_EQ(fin.tcp.acknowledgement, 8U);
}

TEST(Answer, TagsAreKept) {
    const Bytes frame = tcp_over_ipv6().vlan(100, 0x88A8, 3).vlan(7, 0x8100, 5).build();
    const Bytes answer = reset_to(frame);
    EXPECT_EQ(Bytes(answer.begin() + 12, answer.begin() + 22), Bytes(frame.begin() + 12, frame.begin() + 22));
    EXPECT_EQ(parse_frame(answer).vlan_count, 2);
}

TEST(Answer, SnapIsKeptAndItsLengthIsTheAnswers) {
    for (const auto& builder : {tcp_over_ipv4().snap(), tcp_over_ipv6().vlan(100).vlan(7).snap()}) {
        auto segment = builder;
        const Bytes frame = segment.payload(100).build();
        const std::size_t network = parse_frame(frame).network_offset;
        const Bytes answer = reset_to(frame);
        const Headers headers = parse_frame(answer);
        ASSERT_EQ(headers.refusal, Reason::none);
        EXPECT_EQ(headers.network_offset, network);
        EXPECT_EQ(headers.source_port, 443);
        EXPECT_EQ(Bytes(answer.begin() + 12, answer.begin() + static_cast<std::ptrdiff_t>(network) - 10),
                  Bytes(frame.begin() + 12, frame.begin() + static_cast<std::ptrdiff_t>(network) - 10));
        EXPECT_EQ(load<be16>(&answer[network - 10]).host(), answer.size() - (network - 8));
        EXPECT_EQ(load<be16>(&frame[network - 10]).host(), frame.size() - (network - 8)) << "as was asked";
        expect_checksums(answer, headers);
    }
}

TEST(Answer, RawIpIsAnsweredAsRawIp) {
    const Bytes answer =
        reset_to(PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2).build(), LinkLayer::raw_ip);
    EXPECT_EQ(answer.size(), 40U);
    EXPECT_EQ(parse_frame(answer, LinkLayer::raw_ip).source_port, 2);
}

TEST(Answer, SynAckCarriesItsOptions) {
    const Bytes frame = tcp_over_ipv4().flags(packet::syn).sequence(100).build();
    const ParseInput input{frame, frame.size(), LinkLayer::ethernet};
    Headers headers;
    packet::parse(input, headers);
    Bytes options = option::mss(1460);
    const Bytes scale = option::window_scale(7);
    options.insert(options.end(), scale.begin(), scale.end());
    options.push_back(0);
    const packet::TcpAnswer answer{.sequence = 999,
                                   .acknowledgement = 101,
                                   .window = 4321,
                                   .flags = packet::syn | packet::ack,
                                   .hop_limit = 255,
                                   .options = options};
    Bytes out(packet::max_answer_bytes);
    out.resize(packet::build_tcp_answer(input, headers, answer, out));
    const Headers back = parse_frame(out);
    EXPECT_EQ(back.refusal, Reason::none);
    EXPECT_EQ(back.tcp.sequence, 999U);
    EXPECT_EQ(back.tcp.acknowledgement, 101U);
    EXPECT_EQ(back.tcp.window, 4321);
    EXPECT_EQ(back.tcp.flags, packet::syn | packet::ack);
    EXPECT_EQ(back.hop_limit, 255);
    EXPECT_EQ(back.tcp.options.mss, 1460);
    EXPECT_EQ(back.tcp.options.window_scale, 7);
    expect_checksums(out, back);
}

TEST(Answer, NoneIsGivenWhereItCouldDoHarm) {
    const auto none_to = [](const PacketBuilder& builder) {
        return reset_to(builder.build(), builder.link()).empty();
    };
    EXPECT_TRUE(none_to(tcp_over_ipv4().flags(packet::rst)));
    EXPECT_TRUE(none_to(tcp_over_ipv4().flags(packet::rst | packet::ack)));
    EXPECT_TRUE(none_to(over_ipv4().udp(1, 2)));
    EXPECT_TRUE(none_to(tcp_over_ipv4().fragment(0, true, 1).payload(12))) << "its length is not known";
    EXPECT_TRUE(none_to(tcp_over_ipv4().ip_length_as(12))) << "malformed";
    EXPECT_TRUE(none_to(tcp_over_ipv4().macs({2, 0, 0, 0, 0, 1}, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})));
    EXPECT_TRUE(none_to(tcp_over_ipv4().macs({3, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})));
    for (const char* address : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"}) {
        EXPECT_TRUE(none_to(PacketBuilder().ethernet().ipv4(address, "192.0.2.1").tcp(1, 2))) << address;
        EXPECT_TRUE(none_to(PacketBuilder().ethernet().ipv4("192.0.2.1", address).tcp(1, 2))) << address;
    }
    for (const char* address : {"::", "::1", "ff02::1"}) {
        EXPECT_TRUE(none_to(PacketBuilder().ethernet().ipv6(address, "2001:db8::1").tcp(1, 2))) << address;
        EXPECT_TRUE(none_to(PacketBuilder().ethernet().ipv6("2001:db8::1", address).tcp(1, 2))) << address;
    }
    EXPECT_FALSE(none_to(tcp_over_ipv4()));
}

TEST(Answer, RoomThatDoesNotSufficeIsLeftAlone) {
    const Bytes frame = tcp_over_ipv4().build();
    for (std::size_t room = 0; room < 54; ++room) {
        EXPECT_TRUE(reset_to(frame, LinkLayer::ethernet, room).empty()) << room;
    }
    EXPECT_EQ(reset_to(frame, LinkLayer::ethernet, 54).size(), 54U);
}

}  // namespace
}  // namespace sluice::test
