// IPv4 (RFC 791) and IPv6 (RFC 8200) headers, and the chain of IPv6 extension headers.
#include <algorithm>
#include <cstring>

#include "walk.hpp"

namespace sluice::packet {
namespace {

enum NextHeader : std::uint8_t {
    hop_by_hop = 0,
    routing = 43,
    fragment = 44,
    authentication = 51,
    destination_options = 60,
};

constexpr std::uint8_t jumbo_option = 0xC2;      // RFC 2675
constexpr std::uint32_t longest_packet = 65535;  // of either family: its length fields have 16 bits
constexpr std::uint16_t ipv4_more = 0x2000;      // RFC 791: "more fragments"
constexpr std::uint16_t ipv4_offset_mask = 0x1FFF;

// The checks that every fragment must pass by itself. `headers_before` counts what precedes the fragmentable
// part in the datagram it belongs to.
Reason judge_fragment(const FragmentFields& fragment, std::size_t headers_before, std::uint8_t protocol) {
    if (fragment.length == 0) return Reason::malformed;
    if (fragment.more && fragment.length % 8 != 0) return Reason::malformed;
    const std::uint32_t end = std::uint32_t{fragment.offset} + fragment.length;
    if (headers_before + end > longest_packet) return Reason::fragment_too_long;
    // RFC 3128: a piece that begins inside the fixed TCP header would rewrite the flags of the first.
    if (protocol == tcp && fragment.offset != 0 && fragment.offset < tcp_header_bytes)
        return Reason::fragment_tiny;
    return Reason::none;
}

// Hop-by-hop options: looks for the one that would make the length field meaningless.
Reason judge_hop_by_hop(std::span<const std::uint8_t> options) {
    std::size_t at = 0;
    while (at < options.size()) {
        if (options[at] == 0) {  // Pad1 has no length
            ++at;
            continue;
        }
        if (options.size() - at < 2) return Reason::malformed;
        if (options[at] == jumbo_option) return Reason::malformed;
        at += 2U + options[at + 1];
    }
    return at == options.size() ? Reason::none : Reason::malformed;
}

bool is_extension(std::uint8_t next) {
    return next == hop_by_hop || next == routing || next == fragment || next == authentication ||
           next == destination_options;
}

// A type 0 routing header that still has somewhere to go, which nobody may follow any more. With no segments
// left it means nothing and is passed over, as endpoints do (RFC 5095 3).
bool is_source_route(const FrameView& frame, std::size_t offset) {
    return frame.u8(offset + 2) == 0 && frame.u8(offset + 3) != 0;
}

// The bounds of one chain as it is walked.
struct ChainLimits {
    std::size_t end;
    unsigned headers = 0;
    std::size_t bytes = 0;
    bool first_fragment = false;
    bool fragment_seen = false;

    // What it means when a header lies beyond the end of the packet: in a first fragment, that it should not
    // have been cut there (RFC 7112).
    [[nodiscard]] Reason cut() const { return first_fragment ? Reason::fragment_tiny : Reason::malformed; }
};

// Checks that an extension header of `length` bytes may and does lie at `offset`.
Reason admit(const FrameView& frame, std::size_t offset, std::size_t length, ChainLimits& limits) {
    limits.bytes += length;
    if (limits.bytes > max_extension_bytes) return Reason::too_many_headers;
    if (length > limits.end - offset) return limits.cut();
    return frame.holds(offset, length) ? Reason::none : Reason::malformed;
}

// The length of the extension header at `offset`, of which two bytes are known to be readable.
std::size_t extension_length(const FrameView& frame, std::size_t offset, std::uint8_t kind) {
    if (kind == fragment) return 8;
    const std::size_t field = frame.u8(offset + 1);
    return kind == authentication ? (field + 2) * 4 : (field + 1) * 8;  // RFC 4302 2.2
}

// Reads the fragment header at `offset`. Leaves chain.fragment untouched for an atomic fragment (RFC 6946).
// Whether the fragment is sound is asked by parse_ipv6() alone: a quote is cut anywhere and would look
// unsound.
Reason read_fragment(const FrameView& frame, std::size_t offset, ChainLimits& limits, ExtensionChain& chain) {
    if (limits.fragment_seen) return Reason::malformed;
    limits.fragment_seen = true;
    const std::uint16_t word = frame.u16(offset + 2);
    FragmentFields found;
    found.offset = word & 0xFFF8U;
    found.more = (word & 1U) != 0;
    found.identification = frame.u32(offset + 4);
    found.present = found.offset != 0 || found.more;
    if (!found.present) return Reason::none;
    found.length = static_cast<std::uint16_t>(limits.end - offset - 8);
    chain.fragment = found;
    limits.first_fragment = found.offset == 0;
    return Reason::none;
}

}  // namespace

ExtensionChain walk_extensions(const FrameView& frame, std::size_t offset, std::size_t end,
                               std::uint8_t next) {
    ExtensionChain chain;
    ChainLimits limits{.end = end};
    const auto refuse = [&chain](Reason reason) {
        chain.refusal = reason;
        return chain;
    };
    while (is_extension(next) && chain.fragment.offset == 0) {
        const std::uint8_t kind = next;
        if (++limits.headers > max_extension_headers) return refuse(Reason::too_many_headers);
        if (kind == hop_by_hop && limits.headers != 1) return refuse(Reason::malformed);  // RFC 8200 4.1
        if (limits.end - offset < 8) return refuse(limits.cut());
        if (!frame.holds(offset, 8)) return refuse(Reason::malformed);
        const std::size_t length = extension_length(frame, offset, kind);
        if (const Reason reason = admit(frame, offset, length, limits); reason != Reason::none)
            return refuse(reason);
        Reason reason = Reason::none;
        if (kind == hop_by_hop) reason = judge_hop_by_hop(frame.bytes.subspan(offset + 2, length - 2));
        if (kind == routing && is_source_route(frame, offset)) reason = Reason::malformed;
        if (kind == fragment) reason = read_fragment(frame, offset, limits, chain);
        if (reason != Reason::none) return refuse(reason);
        next = frame.u8(offset);
        offset += length;
    }
    chain.protocol = next;
    chain.offset = offset;
    return chain;
}

Reason parse_ipv4(const FrameView& frame, Headers& headers) {
    const std::size_t at = headers.network_offset;
    if (!frame.holds(at, ipv4_header_bytes)) return Reason::malformed;
    const std::uint8_t first = frame.u8(at);
    const std::size_t header_length = (first & 0x0FU) * 4U;
    const std::size_t total_length = frame.u16(at + 2);
    if (first >> 4 != 4 || header_length < ipv4_header_bytes || total_length < header_length)
        return Reason::malformed;
    if (total_length > frame.frame_length - at || !frame.holds(at, header_length)) return Reason::malformed;

    headers.family = Family::ipv4;
    headers.protocol = frame.u8(at + 9);
    headers.hop_limit = frame.u8(at + 8);
    headers.transport_offset = static_cast<std::uint16_t>(at + header_length);
    headers.transport_length = static_cast<std::uint32_t>(total_length - header_length);
    std::memcpy(headers.source.data(), &frame.bytes[at + 12], 4);
    std::memcpy(headers.destination.data(), &frame.bytes[at + 16], 4);

    const std::uint16_t word = frame.u16(at + 6);
    if ((word & (ipv4_more | ipv4_offset_mask)) != 0) {
        FragmentFields& found = headers.fragment;
        found.identification = frame.u16(at + 4);
        found.offset = static_cast<std::uint16_t>((word & ipv4_offset_mask) * 8U);
        found.length = static_cast<std::uint16_t>(headers.transport_length);
        found.more = (word & ipv4_more) != 0;
        found.present = true;
        const Reason reason = judge_fragment(found, header_length, headers.protocol);
        if (reason != Reason::none || found.offset != 0) return reason;
    }
    return parse_transport(frame, headers);
}

Reason parse_ipv6(const FrameView& frame, Headers& headers) {
    const std::size_t at = headers.network_offset;
    if (!frame.holds(at, ipv6_header_bytes) || frame.u8(at) >> 4 != 6) return Reason::malformed;
    const std::size_t payload_length = frame.u16(at + 4);
    if (payload_length > frame.frame_length - at - ipv6_header_bytes) return Reason::malformed;
    const std::size_t end = at + ipv6_header_bytes + payload_length;

    headers.family = Family::ipv6;
    headers.hop_limit = frame.u8(at + 7);
    std::memcpy(headers.source.data(), &frame.bytes[at + 8], 16);
    std::memcpy(headers.destination.data(), &frame.bytes[at + 24], 16);

    const ExtensionChain chain = walk_extensions(frame, at + ipv6_header_bytes, end, frame.u8(at + 6));
    headers.fragment = chain.fragment;
    if (chain.fragment.present) {
        const std::size_t headers_before = end - chain.fragment.length - 8 - (at + ipv6_header_bytes);
        const Reason reason = judge_fragment(chain.fragment, headers_before, chain.protocol);
        if (reason != Reason::none) return reason;
    }
    if (chain.refusal != Reason::none) return chain.refusal;
    headers.protocol = chain.protocol;
    headers.transport_offset = static_cast<std::uint16_t>(chain.offset);
    headers.transport_length = static_cast<std::uint32_t>(end - chain.offset);
    return is_later_fragment(headers) ? Reason::none : parse_transport(frame, headers);
}

}  // namespace sluice::packet
