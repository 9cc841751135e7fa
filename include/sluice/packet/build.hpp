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
