// Segments of the tracker's own: an answer to whoever sent the one at hand, and one that nothing at hand
// calls for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "sluice/packet/headers.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::packet {

/// The longest answer: Ethernet, two tags, SNAP, IPv6, TCP with all its options.
inline constexpr std::size_t max_answer_bytes = 14 + 2 * 4 + 8 + 40 + 60;

/// A segment to send back, host order. Addresses, ports and link header come from the segment it answers.
struct TcpAnswer {
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgement = 0;
    std::uint16_t window = 0;
    std::uint8_t flags = 0;
    std::uint8_t hop_limit = 64;
    std::span<const std::uint8_t> options{};  ///< at most 40 bytes, a multiple of 4
};

/// Whether a segment may be answered at all: whole, TCP, and from and to one host each, on the link and on
/// the network (RFC 1122 3.2.2 and 4.2.3.10: never to or about a broadcast or multicast address), and not a
/// RST (RFC 9293 3.5.2).
[[nodiscard]] bool may_answer(const ParseInput& input, const Headers& headers);

/// Writes the frame of `answer` to the segment in `input` (parsed into `headers` without refusal): addresses
/// and ports swapped, tags with their priority and SNAP kept, no IP options or extension headers, checksums
/// right. Returns its length, at most max_answer_bytes; 0 when it may not be answered or `out` is too small.
[[nodiscard]] std::size_t build_tcp_answer(const ParseInput& input, const Headers& headers,
                                           const TcpAnswer& answer, std::span<std::uint8_t> out);

/// The RST that an endpoint without a connection would send (RFC 9293 3.10.7.1): with the sequence number the
/// segment acknowledges, or, when it acknowledges nothing, acknowledging the segment.
[[nodiscard]] std::size_t build_reset(const ParseInput& input, const Headers& headers,
                                      std::span<std::uint8_t> out);

/// Why a packet is not carried on.
enum class Unreachable : std::uint8_t {
    prohibited,  ///< communication administratively prohibited (RFC 1812 5.2.7.1, RFC 4443 3.1)
    port,        ///< nobody listens at its port
};

/// The longest error: 1280 bytes of IPv6 behind Ethernet, two tags and SNAP.
inline constexpr std::size_t max_unreachable_bytes = 14 + 2 * 4 + 8 + 1280;

/// Whether an ICMP error may be sent about a packet: whole as far as its headers go, from and to one host
/// each, no fragment but the first, and of ICMP only queries: never about an error (RFC 1122 3.2.2, RFC 4443
/// 2.4).
[[nodiscard]] bool may_report(const ParseInput& input, const Headers& headers);

/// Writes the ICMP or ICMPv6 "destination unreachable" about the packet in `input` (parsed into `headers`
/// without refusal), from its destination to its source, behind the link header that goes back; tags and SNAP
/// kept. It quotes as much of the packet as `input` has and as makes no more than 576 bytes of IPv4 (RFC 1812
/// 4.3.2.3) or 1280 of IPv6 (RFC 4443 2.4). Returns its length, at most max_unreachable_bytes; 0 when there
/// may be none or `out` is too small. `out` is other memory than the packet's.
[[nodiscard]] std::size_t build_unreachable(const ParseInput& input, const Headers& headers, Unreachable why,
                                            std::span<std::uint8_t> out);

/// How a frame begins, kept for frames to be built later: Ethernet, no tag to two with their priorities, the
/// EtherType; as on the wire.
struct LinkHeader {
    std::array<std::uint8_t, 22> bytes{};
    std::uint8_t length = 0;
};

/// The link header of the IP packet in `input`, parsed into `headers`. None where it holds more than a
/// LinkHeader does: SNAP, whose length is another for each frame, and link layers other than Ethernet.
[[nodiscard]] std::optional<LinkHeader> link_header_of(const ParseInput& input, const Headers& headers);

/// Of addresses as they stand on the wire (destination, source), VLAN ids (12 bits; 0xFFF: no such tag, no
/// priority) and an EtherType. Of two tags the outer one is a service tag (IEEE 802.1Q).
[[nodiscard]] LinkHeader link_header(const std::array<std::uint8_t, 12>& macs, std::uint16_t outer,
                                     std::uint16_t inner, std::uint16_t ether_type);

/// The way back: the MAC addresses swapped, the tags as they are.
[[nodiscard]] LinkHeader reversed(const LinkHeader& header);

/// A TCP segment without payload, host order. Of `fields`, the lengths are not looked at, and of its options
/// those are written that endpoints agree on in a handshake: maximum segment size, "SACK permitted",
/// timestamps, window scale.
struct OwnSegment {
    Family family = Family::none;
    Address source{}, destination{};
    std::uint16_t source_port = 0, destination_port = 0;
    TcpFields fields;
    std::uint8_t hop_limit = 64;
};

/// Writes the frame of `segment` behind `link`, whose EtherType is that of the segment's family: options in
/// Linux's order, "don't fragment" set with an identification of 0, checksums right, zeros up to Ethernet's
/// least length. Returns its length, at most max_answer_bytes; 0, and nothing written, when `out` is too
/// small.
[[nodiscard]] std::size_t build_segment(const LinkHeader& link, const OwnSegment& segment,
                                        std::span<std::uint8_t> out);

}  // namespace sluice::packet
