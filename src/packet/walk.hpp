// What the parser's files share: the bytes of a frame and the walk from header to header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/base/endian.hpp"
#include "sluice/base/reason.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/packet/parse.hpp"
#include "sluice/packet/plain.hpp"

namespace sluice::packet {

/// The readable first bytes of a frame. Whoever loads has asked `holds` (or the sum of it) before.
struct FrameView {
    std::span<const std::uint8_t> bytes;  ///< never more than the frame
    std::size_t frame_length;

    [[nodiscard]] bool holds(std::size_t offset, std::size_t length) const {
        return offset <= bytes.size() && length <= bytes.size() - offset;
    }
    [[nodiscard]] std::uint8_t u8(std::size_t offset) const { return bytes[offset]; }
    [[nodiscard]] std::uint16_t u16(std::size_t offset) const { return load<be16>(&bytes[offset]).host(); }
    [[nodiscard]] std::uint32_t u32(std::size_t offset) const { return load<be32>(&bytes[offset]).host(); }
};

[[nodiscard]] inline FrameView view_of(const ParseInput& input) {
    const std::size_t readable =
        input.bytes.size() < input.frame_length ? input.bytes.size() : input.frame_length;
    return {input.bytes.first(readable), input.frame_length};
}

/// An EtherType field below this is a length (IEEE 802.3).
inline constexpr std::uint16_t least_ether_type = 0x0600;
inline constexpr std::size_t snap_header_bytes = 8;  ///< LLC and SNAP

inline constexpr std::size_t udp_header_bytes = 8;
inline constexpr std::size_t icmp_header_bytes = 8;

/// How an IPv6 chain of extension headers ended.
struct ExtensionChain {
    Reason refusal = Reason::none;
    std::uint8_t protocol = 0;  ///< the upper layer, or what the header of a later fragment names
    std::size_t offset = 0;     ///< of the upper-layer header; of a later fragment, of its data
    FragmentFields fragment;
};

/// Walks the chain that begins at `offset` with a header of kind `next`. `end` is where the packet ends by
/// its length field (for quotes: where the quote ends).
[[nodiscard]] ExtensionChain walk_extensions(const FrameView& frame, std::size_t offset, std::size_t end,
                                             std::uint8_t next);

/// Parse the header at headers.network_offset and what lies behind it; all of Headers but the link layer's
/// fields.
[[nodiscard]] Reason parse_ipv4(const FrameView& frame, Headers& headers);
[[nodiscard]] Reason parse_ipv6(const FrameView& frame, Headers& headers);

/// Parses the upper-layer header. Network fields, transport_offset and transport_length are set.
[[nodiscard]] Reason parse_transport(const FrameView& frame, Headers& headers);

}  // namespace sluice::packet
