// TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792) and ICMPv6 (RFC 4443) headers.
#include "sluice/packet/icmp.hpp"
#include "walk.hpp"

namespace sluice::packet {
namespace {

// A header that ends behind the packet: malformed, or a first fragment that should have held it (RFC 1858,
// RFC 7112).
Reason cut_short(const Headers& headers) {
    return headers.fragment.present ? Reason::fragment_tiny : Reason::malformed;
}

Reason parse_tcp(const FrameView& frame, Headers& headers) {
    const std::size_t at = headers.transport_offset;
    if (headers.transport_length < tcp_header_bytes) return cut_short(headers);
    if (!frame.holds(at, tcp_header_bytes)) return Reason::malformed;
    const unsigned header_length = (frame.u8(at + 12) >> 4) * 4U;
    if (header_length < tcp_header_bytes) return Reason::malformed;
    if (header_length > headers.transport_length) return cut_short(headers);
    if (!frame.holds(at, header_length)) return Reason::malformed;

    headers.source_port = frame.u16(at);
    headers.destination_port = frame.u16(at + 2);
    TcpFields& fields = headers.tcp;
    fields.sequence = frame.u32(at + 4);
    fields.acknowledgement = frame.u32(at + 8);
    fields.header_length = static_cast<std::uint8_t>(header_length);
    fields.flags = frame.u8(at + 13);
    fields.window = frame.u16(at + 14);
    fields.payload_length = headers.transport_length - header_length;
    fields.options =
        parse_tcp_options(frame.bytes.subspan(at + tcp_header_bytes, header_length - tcp_header_bytes));
    // No stack connects a socket to itself over a wire; a flow with one endpoint has no directions.
    if (headers.source == headers.destination && headers.source_port == headers.destination_port) {
        return Reason::same_endpoint;
    }
    return Reason::none;
}

Reason parse_udp(const FrameView& frame, Headers& headers) {
    const std::size_t at = headers.transport_offset;
    if (headers.transport_length < udp_header_bytes) return cut_short(headers);
    if (!frame.holds(at, udp_header_bytes)) return Reason::malformed;
    headers.udp_length = frame.u16(at + 4);
    if (headers.udp_length < udp_header_bytes) return Reason::malformed;
    // Of a first fragment the length speaks of the datagram, which is longer.
    if (!headers.fragment.present && headers.udp_length > headers.transport_length) return Reason::malformed;
    headers.source_port = frame.u16(at);
    headers.destination_port = frame.u16(at + 2);
    return Reason::none;
}

Reason parse_icmp(const FrameView& frame, Headers& headers) {
    const std::size_t at = headers.transport_offset;
    if (headers.transport_length < icmp_header_bytes) return cut_short(headers);
    if (!frame.holds(at, icmp_header_bytes)) return Reason::malformed;
    headers.icmp_type = frame.u8(at);
    headers.icmp_code = frame.u8(at + 1);
    const IcmpKind kind = icmp_kind(headers.protocol, headers.icmp_type);
    headers.icmp_error = kind == IcmpKind::error;
    headers.icmp_query = kind == IcmpKind::request || kind == IcmpKind::reply;
    if (headers.icmp_query) headers.source_port = headers.destination_port = frame.u16(at + 4);
    return Reason::none;
}

}  // namespace

Reason parse_transport(const FrameView& frame, Headers& headers) {
    switch (headers.protocol) {
        case tcp:
            return parse_tcp(frame, headers);
        case udp:
            return parse_udp(frame, headers);
        case icmp:
            return headers.family == Family::ipv4 ? parse_icmp(frame, headers) : Reason::none;
        case icmpv6:
            return headers.family == Family::ipv6 ? parse_icmp(frame, headers) : Reason::none;
        default:
            return Reason::none;
    }
}

}  // namespace sluice::packet
