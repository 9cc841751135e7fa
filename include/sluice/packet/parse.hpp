// Bytes to fields. All bounds checks of the project live in src/packet: parse.cpp, network.cpp,
// transport.cpp, tcp_options.cpp and quote.cpp. What is accepted and what is refused: docs/parsing.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/packet/headers.hpp"

namespace sluice::packet {

/// IPv6 extension headers accepted in one packet (RFC 7112 asks for a bound), and their bytes together.
inline constexpr unsigned max_extension_headers = 8;
inline constexpr unsigned max_extension_bytes = 256;

/// How much of a frame the parser may need in one piece: Ethernet, two tags, SNAP, the longest IPv4 header or
/// IPv6 with its bounded extension chain, the longest TCP header; for ICMP errors, the quote behind it. A
/// caller whose first buffer segment holds less (and less than the frame) copies this many bytes into scratch
/// memory first.
inline constexpr std::size_t max_header_bytes = 648;
static_assert(max_header_bytes >= 14 + 2 * 4 + 8 + 40 + max_extension_bytes + 60,
              "the longest headers before a payload");
static_assert(max_header_bytes >=
                  14 + 2 * 4 + 8 + 40 + max_extension_bytes + 8 + 40 + max_extension_bytes + 14,
              "the longest ICMPv6 error, up to the flags of the TCP header it quotes");

/// What the parser is told beside the bytes.
struct ParseInput {
    std::span<const std::uint8_t>
        bytes;                     ///< the frame's first bytes, at least min(frame_length, max_header_bytes)
    std::size_t frame_length = 0;  ///< the whole frame, all segments
    LinkLayer link = LinkLayer::ethernet;
};

/// Parses link, network and transport headers. Never reads outside `bytes`; total over any content. The
/// reason for a refusal is in the result. `out` is overwritten whole.
void parse(const ParseInput& input, Headers& out);

/// A packet quoted in an ICMP error: its network header and at least the first eight bytes behind it (RFC
/// 792; RFC 4443). `tcp_sequence_known` says that the quote reached the sequence number.
struct Quote {
    bool valid = false;
    Family family = Family::none;
    std::uint8_t protocol = 0;
    Address source{}, destination{};
    std::uint16_t source_port = 0, destination_port = 0;  ///< as in Headers
    std::uint8_t icmp_type = 0;
    std::uint32_t tcp_sequence = 0;
    std::uint8_t tcp_flags = 0;  ///< 0 when the quote ends before them
    bool tcp_sequence_known = false;
    std::uint16_t network_offset = 0;    ///< of the quoted header, from the start of the frame
    std::uint16_t transport_offset = 0;  ///< of the quoted upper-layer header, from the start of the frame
};

/// Parses the packet quoted by the ICMP error in `headers` (icmp_error set, refusal none). Not valid: a quote
/// that is cut before the eighth byte behind its headers, a fragment but the first (it has no ports), an ICMP
/// error (nobody answers one with another, RFC 1122 3.2.2), the other family. Its length fields are not
/// believed: routers cut quotes.
[[nodiscard]] Quote parse_quote(const ParseInput& input, const Headers& headers);

/// Walks TCP options in `options` (the bytes behind the fixed header, at most 40) and keeps what the tracker
/// uses.
[[nodiscard]] TcpOptions parse_tcp_options(std::span<const std::uint8_t> options);

}  // namespace sluice::packet
