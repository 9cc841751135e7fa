// The packet quoted in an ICMP error (RFC 792, RFC 4443 2.4).
#include <algorithm>
#include <cstring>

#include "sluice/packet/icmp.hpp"
#include "walk.hpp"

namespace sluice::packet {
namespace {

constexpr std::size_t least_transport_bytes = 8;  // RFC 792: "64 bits of data"

// The quoted network header. Returns false when it is not one; else fills addresses, protocol and
// transport_offset.
bool read_ipv4(const FrameView& frame, std::size_t at, Quote& quote) {
    if (!frame.holds(at, ipv4_header_bytes)) return false;
    const std::uint8_t first = frame.u8(at);
    const std::size_t header_length = (first & 0x0FU) * 4U;
    if (first >> 4 != 4 || header_length < ipv4_header_bytes) return false;
    if ((frame.u16(at + 6) & 0x1FFFU) != 0) return false;  // a later fragment has no ports
    quote.family = Family::ipv4;
    quote.protocol = frame.u8(at + 9);
    quote.transport_offset = static_cast<std::uint16_t>(at + header_length);
    std::memcpy(quote.source.data(), &frame.bytes[at + 12], 4);
    std::memcpy(quote.destination.data(), &frame.bytes[at + 16], 4);
    return true;
}

bool read_ipv6(const FrameView& frame, std::size_t at, Quote& quote) {
    if (!frame.holds(at, ipv6_header_bytes) || frame.u8(at) >> 4 != 6) return false;
    const ExtensionChain chain =
        walk_extensions(frame, at + ipv6_header_bytes, frame.bytes.size(), frame.u8(at + 6));
    if (chain.refusal != Reason::none || chain.fragment.offset != 0) return false;
    quote.family = Family::ipv6;
    quote.protocol = chain.protocol;
    quote.transport_offset = static_cast<std::uint16_t>(chain.offset);
    std::memcpy(quote.source.data(), &frame.bytes[at + 8], 16);
    std::memcpy(quote.destination.data(), &frame.bytes[at + 24], 16);
    return true;
}

// The upper layer: eight bytes are there.
bool read_transport(const FrameView& frame, Quote& quote) {
    const std::size_t at = quote.transport_offset;
    switch (quote.protocol) {
        case tcp:
            quote.tcp_sequence = frame.u32(at + 4);
            quote.tcp_sequence_known = true;
            if (frame.holds(at, 14)) quote.tcp_flags = frame.u8(at + 13);
            [[fallthrough]];
        case udp:
            quote.source_port = frame.u16(at);
            quote.destination_port = frame.u16(at + 2);
            return true;
        case icmp:
        case icmpv6: {
            if ((quote.protocol == icmp) != (quote.family == Family::ipv4)) return true;
            quote.icmp_type = frame.u8(at);
            const IcmpKind kind = icmp_kind(quote.protocol, quote.icmp_type);
            if (kind == IcmpKind::request || kind == IcmpKind::reply) {
                quote.source_port = quote.destination_port = frame.u16(at + 4);
            }
            return kind != IcmpKind::error;
        }
        default:
            return true;
    }
}

}  // namespace

Quote parse_quote(const ParseInput& input, const Headers& headers) {
    Quote quote;
    FrameView frame = view_of(input);
    // Link padding behind the error is no part of the quote.
    const std::size_t end = std::size_t{headers.transport_offset} + headers.transport_length;
    frame.bytes = frame.bytes.first(std::min(frame.bytes.size(), end));
    const std::size_t at = std::size_t{headers.transport_offset} + icmp_header_bytes;
    quote.network_offset = static_cast<std::uint16_t>(at);
    const bool network =
        headers.family == Family::ipv4 ? read_ipv4(frame, at, quote) : read_ipv6(frame, at, quote);
    quote.valid =
        network && frame.holds(quote.transport_offset, least_transport_bytes) && read_transport(frame, quote);
    return quote;
}

}  // namespace sluice::packet
