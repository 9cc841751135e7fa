// Link layers.
#include "sluice/packet/parse.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "walk.hpp"

namespace sluice::packet {
namespace {

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
            break;
    }
    return payload_of_raw_ip(frame, 0);
}

// Takes the VLAN tags off: headers.vlan and vlan_count, and `payload` moved behind them.
Reason take_tags(const FrameView& frame, LinkPayload& payload, Headers& headers) {
    while (is_vlan_tag(payload.ether_type)) {
        if (headers.vlan_count == 2) return Reason::too_many_headers;
        if (!frame.holds(payload.offset, vlan_tag_bytes)) return Reason::malformed;
        headers.vlan[headers.vlan_count++] = frame.u16(payload.offset) & 0x0FFFU;
        payload.ether_type = frame.u16(payload.offset + 2);
        payload.offset += vlan_tag_bytes;
    }
    return Reason::none;
}

// An 802.3 frame has a length where others have their EtherType, and LLC behind it. LLC that says SNAP with
// organisation 0 goes on with an EtherType (RFC 1042), once: what stands there is final.
Reason take_snap(const FrameView& frame, LinkPayload& payload) {
    constexpr std::array<std::uint8_t, 6> snap{0xAA, 0xAA, 0x03, 0, 0, 0};
    if (payload.ether_type >= least_ether_type) return Reason::none;
    const auto behind = frame.bytes.subspan(payload.offset);
    if (!std::equal(snap.begin(), snap.begin() + std::min(snap.size(), behind.size()), behind.begin()))
        return Reason::none;
    if (behind.size() < snap_header_bytes) return Reason::malformed;
    payload.ether_type = frame.u16(payload.offset + snap.size());
    payload.offset += snap_header_bytes;
    return Reason::none;
}

Reason parse_frame(const FrameView& frame, LinkLayer link, Headers& headers) {
    LinkPayload payload = payload_of(frame, link);
    if (payload.refusal != Reason::none) return payload.refusal;
    if (const Reason reason = take_tags(frame, payload, headers); reason != Reason::none) return reason;
    if (link == LinkLayer::ethernet) {
        if (const Reason reason = take_snap(frame, payload); reason != Reason::none) return reason;
    }
    headers.ether_type = payload.ether_type;
    headers.network_offset = static_cast<std::uint16_t>(payload.offset);
    if (payload.ether_type == ether_type_ipv4) return parse_ipv4(frame, headers);
    if (payload.ether_type == ether_type_ipv6) return parse_ipv6(frame, headers);
    return Reason::none;
}

}  // namespace

void parse(const ParseInput& input, Headers& out) {
    out = Headers{};
    out.refusal = parse_frame(view_of(input), input.link, out);
}

}  // namespace sluice::packet
