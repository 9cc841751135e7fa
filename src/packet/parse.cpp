// Link layers, and the short cut for the packet that almost every packet is.
#include "sluice/packet/parse.hpp"

#include <cstring>

#include "walk.hpp"

namespace sluice::packet {
namespace {

constexpr bool is_tag(std::uint16_t ether_type) {
    return ether_type == 0x8100 || ether_type == 0x88A8 ||
           ether_type == 0x9100;  // 802.1Q, 802.1ad, pre-standard QinQ
}

// What lies behind a link header: its EtherType and where it begins.
struct LinkPayload {
    Reason refusal = Reason::none;
    std::uint16_t ether_type = 0;
    std::size_t offset = 0;
};

LinkPayload payload_of_raw_ip(const FrameView& frame, std::size_t offset) {
    if (!frame.holds(offset, 1)) return {Reason::malformed, 0, 0};
    switch (frame.u8(offset) >> 4) {
        case 4:
            return {Reason::none, ether_type_ipv4, offset};
        case 6:
            return {Reason::none, ether_type_ipv6, offset};
        default:
            return {Reason::malformed, 0, 0};
    }
}

// The address family is a host word of whatever machine captured; all BSDs agree on 2 and none on IPv6's
// number.
LinkPayload payload_of_bsd_loopback(const FrameView& frame) {
    constexpr std::size_t header = 4;
    if (!frame.holds(0, header)) return {Reason::malformed, 0, 0};
    const std::uint32_t word = frame.u32(0);
    const std::uint32_t family = word > 0xFFFF ? __builtin_bswap32(word) : word;
    if (family == 2) return {Reason::none, ether_type_ipv4, header};
    if (family == 10 || family == 24 || family == 28 || family == 30)
        return {Reason::none, ether_type_ipv6, header};
    return {Reason::none, 0, header};
}

LinkPayload payload_of(const FrameView& frame, LinkLayer link) {
    struct Fixed {
        std::size_t bytes, type_at;
    };
    const auto fixed = [&frame](Fixed header) -> LinkPayload {
        if (!frame.holds(0, header.bytes)) return {Reason::malformed, 0, 0};
        return {Reason::none, frame.u16(header.type_at), header.bytes};
    };
    switch (link) {
        case LinkLayer::ethernet:
            return fixed({ethernet_header_bytes, 12});
        case LinkLayer::linux_cooked_v1:
            return fixed({16, 14});
        case LinkLayer::linux_cooked_v2:
            return fixed({20, 0});
        case LinkLayer::bsd_loopback:
            return payload_of_bsd_loopback(frame);
        case LinkLayer::raw_ip:
            return payload_of_raw_ip(frame, 0);
    }
    return {Reason::malformed, 0, 0};
}

// Takes the VLAN tags off: headers.vlan and vlan_count, and `payload` moved behind them.
Reason take_tags(const FrameView& frame, LinkPayload& payload, Headers& headers) {
    while (is_tag(payload.ether_type)) {
        if (headers.vlan_count == 2) return Reason::too_many_headers;
        if (!frame.holds(payload.offset, 4)) return Reason::malformed;
        headers.vlan[headers.vlan_count++] = frame.u16(payload.offset) & 0x0FFFU;
        payload.ether_type = frame.u16(payload.offset + 2);
        payload.offset += 4;
    }
    return Reason::none;
}

Reason parse_frame(const FrameView& frame, LinkLayer link, Headers& headers) {
    LinkPayload payload = payload_of(frame, link);
    if (payload.refusal != Reason::none) return payload.refusal;
    if (const Reason reason = take_tags(frame, payload, headers); reason != Reason::none) return reason;
    headers.ether_type = payload.ether_type;
    headers.network_offset = static_cast<std::uint16_t>(payload.offset);
    if (payload.ether_type == ether_type_ipv4) return parse_ipv4(frame, headers);
    if (payload.ether_type == ether_type_ipv6) return parse_ipv6(frame, headers);
    return Reason::none;
}

// Untagged Ethernet, IPv4 without options, not a fragment, TCP that is whole and sound: fills `out` and
// returns true. Anything else, sound or not, returns false. All conditions are added up into one branch.
inline bool parse_common(const ParseInput& input, Headers& out) {
    constexpr std::size_t network = ethernet_header_bytes;
    constexpr std::size_t transport = network + ipv4_header_bytes;
    const std::size_t readable = input.bytes.size();
    if (readable < transport + tcp_header_bytes || input.frame_length < readable ||
        input.link != LinkLayer::ethernet) {
        return false;
    }
    const std::uint8_t* const bytes = input.bytes.data();
    // EtherType, version and header length; the type of service is free.
    const std::uint32_t kind = load<be32>(bytes + 12).host() & 0xFFFFFF00U;
    // Fragment offset, "more" and protocol; "don't fragment", the reserved bit and the TTL are free.
    const std::uint32_t whole_tcp = load<be32>(bytes + network + 6).host() & 0x3FFF00FFU;
    const std::uint32_t total_length = load<be16>(bytes + network + 2).host();
    const std::uint32_t header_length = (bytes[transport + 12] >> 4) * 4U;
    const auto source = load<std::uint32_t>(bytes + network + 12);
    const auto destination = load<std::uint32_t>(bytes + network + 16);
    const std::uint32_t ports = load<be32>(bytes + transport).host();
    const bool odd = (kind != 0x08004500U) | (whole_tcp != tcp) | (header_length < tcp_header_bytes) |
                     (total_length < ipv4_header_bytes + header_length) |
                     (network + total_length > input.frame_length) | (transport + header_length > readable) |
                     ((source == destination) & ((ports >> 16) == (ports & 0xFFFFU)));
    if (odd) return false;

    out.refusal = Reason::none;
    out.family = Family::ipv4;
    out.protocol = tcp;
    out.vlan_count = 0;
    out.vlan[0] = out.vlan[1] = 0;
    out.ether_type = ether_type_ipv4;
    out.network_offset = network;
    out.transport_offset = transport;
    out.hop_limit = bytes[network + 8];
    out.icmp_error = out.icmp_query = false;
    out.icmp_type = out.icmp_code = 0;
    out.transport_length = total_length - static_cast<std::uint32_t>(ipv4_header_bytes);
    out.destination_port = static_cast<std::uint16_t>(ports);
    out.source_port = static_cast<std::uint16_t>(ports >> 16);
    out.udp_length = 0;
    out.source = {};
    out.destination = {};
    store(out.source.data(), source);
    store(out.destination.data(), destination);
    out.tcp.sequence = load<be32>(bytes + transport + 4).host();
    out.tcp.acknowledgement = load<be32>(bytes + transport + 8).host();
    out.tcp.window = load<be16>(bytes + transport + 14).host();
    out.tcp.flags = bytes[transport + 13];
    out.tcp.header_length = static_cast<std::uint8_t>(header_length);
    out.tcp.payload_length = out.transport_length - header_length;
    out.tcp.options = {};
    out.fragment = {};
    if (header_length == tcp_header_bytes) return true;
    // Two NOPs and the timestamps: what every established connection of today's systems carries.
    constexpr std::uint32_t padded_timestamps = 0x0101080AU;
    const std::uint8_t* const options = bytes + transport + tcp_header_bytes;
    if (header_length == 32 && load<be32>(options).host() == padded_timestamps) {
        out.tcp.options.has_timestamps = true;
        out.tcp.options.timestamp_value = load<be32>(options + 4).host();
        out.tcp.options.timestamp_echo = load<be32>(options + 8).host();
        return true;
    }
    out.tcp.options = parse_tcp_options({options, header_length - tcp_header_bytes});
    return true;
}

}  // namespace

void parse_general(const ParseInput& input, Headers& out) {
    out = Headers{};
    out.refusal = parse_frame(view_of(input), input.link, out);
}

void parse(const ParseInput& input, Headers& out) {
    if (parse_common(input, out)) [[likely]]
        return;
    parse_general(input, out);
}

}  // namespace sluice::packet
