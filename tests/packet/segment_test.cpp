// Segments of the box's own: built from fields alone, read back by the parser.
#include "parsing.hpp"
#include "sluice/packet/build.hpp"
#include "sluice/packet/checksum.hpp"

namespace sluice::test {
namespace {

using packet::LinkHeader;
using packet::OwnSegment;

/// Frames of both families with 0, 1 and 2 tags: what link headers are taken from.
std::vector<PacketBuilder> links() {
    std::vector<PacketBuilder> out;
    for (const auto& family : {tcp_over_ipv4(), tcp_over_ipv6()}) {
        out.push_back(family);
        out.push_back(PacketBuilder(family).vlan(100, 0x88A8, 3));
        out.push_back(PacketBuilder(family).vlan(100, 0x88A8, 3).vlan(7, 0x8100, 5));
    }
    return out;
}

std::optional<LinkHeader> link_of(const PacketBuilder& builder) {
    const Bytes frame = builder.build();
    return packet::link_header_of({frame, frame.size(), builder.link()}, parse_built(builder));
}

OwnSegment between(const PacketBuilder& builder) {
    const Headers headers = parse_built(builder);
    OwnSegment out;
    out.family = headers.family;
    out.source = headers.source;
    out.destination = headers.destination;
    out.source_port = 0xFFFE;
    out.destination_port = 0x8001;
    out.fields.sequence = 0xFFFFFFFF;
    out.fields.acknowledgement = 0x80000001;
    out.fields.window = 0xFEDC;
    out.fields.flags = packet::syn | packet::ack | packet::ece;
    out.hop_limit = 255;
    return out;
}

Bytes built(const LinkHeader& link, const OwnSegment& segment, std::size_t room = packet::max_answer_bytes) {
    Bytes out(room, 0xEE);
    out.resize(packet::build_segment(link, segment, out));
    return out;
}

packet::TcpOptions option_set(unsigned set) {
    packet::TcpOptions out;
    if ((set & 1) != 0) out.mss = 8960;
    out.sack_permitted = (set & 2) != 0;
    out.has_timestamps = (set & 4) != 0;
    out.has_window_scale = (set & 8) != 0;
    if (out.has_timestamps) {
        out.timestamp_value = 0xA1B2C3D4;
        out.timestamp_echo = 0xF5E6D7C8;
    }
    if (out.has_window_scale) out.window_scale = 14;
    return out;
}

/// As Linux writes them, one option after the other.
Bytes wire_options(const packet::TcpOptions& options) {
    Bytes out;
    const auto add = [&out](const Bytes& bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
    if (options.mss != 0) add(option::mss(options.mss));
    if (!(options.sack_permitted && options.has_timestamps) &&
        (options.sack_permitted || options.has_timestamps))
        add({1, 1});
    if (options.sack_permitted) add(option::sack_permitted());
    if (options.has_timestamps) add(option::timestamps(options.timestamp_value, options.timestamp_echo));
    if (options.has_window_scale) add({1});
    if (options.has_window_scale) add(option::window_scale(options.window_scale));
    return out;
}

TEST(Segment, IsReadBackAsItWasAskedFor) {
    std::size_t longest = 0;
    for (const PacketBuilder& builder : links()) {
        const auto link = link_of(builder);
        ASSERT_TRUE(link.has_value());
        for (unsigned set = 0; set < 16; ++set) {
            OwnSegment segment = between(builder);
            segment.fields.options = option_set(set);
            const Bytes frame = built(*link, segment);
            const Headers headers = parse_frame(frame);
            const Headers asked = parse_built(builder);
            ASSERT_EQ(headers.refusal, Reason::none);
            EXPECT_EQ(headers.family, segment.family);
            EXPECT_EQ(headers.vlan_count, asked.vlan_count);
            EXPECT_EQ(headers.network_offset, link->length);
            EXPECT_EQ(headers.source, segment.source);
            EXPECT_EQ(headers.destination, segment.destination);
            EXPECT_EQ(headers.source_port, segment.source_port);
            EXPECT_EQ(headers.destination_port, segment.destination_port);
            EXPECT_EQ(headers.hop_limit, segment.hop_limit);
            packet::TcpFields expected = segment.fields;
            const Bytes options = wire_options(segment.fields.options);
            expected.header_length = static_cast<std::uint8_t>(20 + options.size());
            EXPECT_EQ(headers.tcp, expected) << "options " << set;
            const auto bytes = std::span(frame);
            EXPECT_TRUE(
                std::ranges::equal(bytes.subspan(headers.transport_offset + 20U, options.size()), options));
            EXPECT_TRUE(
                std::ranges::equal(bytes.first(link->length), first_of(builder.build(), link->length)));

            const std::size_t whole = headers.transport_offset + headers.transport_length;
            EXPECT_EQ(frame.size(), std::max<std::size_t>(whole, 60));
            EXPECT_EQ(std::count(frame.begin() + static_cast<std::ptrdiff_t>(whole), frame.end(), 0),
                      static_cast<std::ptrdiff_t>(frame.size() - whole))
                << "the padding is zeros";
            if (headers.family == Family::ipv4) {
                EXPECT_TRUE(packet::ipv4_header_checksum_holds(bytes.subspan(headers.network_offset, 20)));
                EXPECT_EQ(load<be32>(&frame[headers.network_offset + 4U]).host(), 0x4000U)
                    << "identification 0, don't fragment";
            }
            EXPECT_EQ(packet::verify_transport(
                          headers, bytes.subspan(headers.transport_offset, headers.transport_length)),
                      packet::ChecksumVerdict::good);
            longest = std::max(longest, frame.size());
        }
    }
    EXPECT_EQ(longest, 22 + 40 + 20 + 20U);
    EXPECT_LE(longest, packet::max_answer_bytes);
}

TEST(Segment, LinkHeaderTurnsRound) {
    const auto link = link_of(tcp_over_ipv6().vlan(100, 0x88A8, 3).vlan(7, 0x8100, 5));
    ASSERT_TRUE(link.has_value());
    const LinkHeader back = packet::reversed(*link);
    EXPECT_EQ(back.length, 22);
    EXPECT_EQ(
        Bytes(back.bytes.begin(), back.bytes.end()),
        (Bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xA8, 0x60, 100, 0x81, 0x00, 0xA0, 7, 0x86, 0xDD}));
    EXPECT_EQ(packet::reversed(back).bytes, link->bytes);
}

TEST(Segment, OnlyIpOverPlainEthernetHasALinkHeader) {
    EXPECT_TRUE(link_of(over_ipv4().udp(1, 2)).has_value());
    EXPECT_FALSE(link_of(tcp_over_ipv4().snap()).has_value());
    EXPECT_FALSE(link_of(tcp_over_ipv6().vlan(1).snap()).has_value());
    EXPECT_FALSE(link_of(tcp_over_ipv4().ether_type_as(0x0806)).has_value());
    EXPECT_FALSE(link_of(PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2)).has_value());
    EXPECT_FALSE(
        link_of(PacketBuilder().linux_cooked_v1().ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2)).has_value());
}

TEST(Segment, RoomThatDoesNotSufficeIsLeftAlone) {
    const PacketBuilder builder = tcp_over_ipv6();
    for (const unsigned set : {0U, 15U}) {
        OwnSegment segment = between(builder);
        segment.fields.options = option_set(set);
        const std::size_t whole = built(*link_of(builder), segment).size();
        EXPECT_EQ(whole, set == 0 ? 74U : 94U);
        for (std::size_t room = 0; room < whole; ++room) {
            Bytes out(room, 0xEE);
            EXPECT_EQ(packet::build_segment(*link_of(builder), segment, out), 0U) << room;
            EXPECT_EQ(out, Bytes(room, 0xEE));
        }
        EXPECT_EQ(built(*link_of(builder), segment, whole).size(), whole);
    }
}

}  // namespace
}  // namespace sluice::test
