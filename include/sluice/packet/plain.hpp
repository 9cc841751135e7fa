// The packet that almost every packet is, read straight: TCP over IPv4 without options or IPv6 without
// extension headers, not a fragment, its lengths sound. Each length is taken as a difference whose sign bit
// says whether it falls short, and all conditions are joined into one branch.
//
// Whatever does not qualify, sound or not, is parse()'s, which alone decides on refusals. What does qualify,
// parse() reads the same way: the tests and the fuzzer compare them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/base/endian.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::packet {

inline constexpr std::size_t ethernet_header_bytes = 14;
inline constexpr std::size_t least_ethernet_bytes = 60;  ///< without the check sequence (IEEE 802.3)
inline constexpr std::size_t vlan_tag_bytes = 4;
inline constexpr std::size_t ipv4_header_bytes = 20;
inline constexpr std::size_t ipv6_header_bytes = 40;
inline constexpr std::size_t tcp_header_bytes = 20;

inline constexpr std::uint16_t ether_type_ipv4 = 0x0800;
inline constexpr std::uint16_t ether_type_ipv6 = 0x86DD;

/// 802.1Q, 802.1ad, pre-standard QinQ.
[[nodiscard]] constexpr bool is_vlan_tag(std::uint16_t ether_type) {
    return ether_type == 0x8100 || ether_type == 0x88A8 || ether_type == 0x9100;
}

/// The fields of a plain packet, host order; the pointers lie in the bytes it was read from.
struct PlainTcp {
    const std::uint8_t* network;     ///< IP header
    const std::uint8_t* addresses;   ///< source, destination: 4 or 16 bytes each
    const std::uint8_t* segment;     ///< TCP header: the ports, two bytes each, come first
    std::uint64_t numbers;           ///< sequence number, and above it the acknowledgement
    std::uint32_t transport_length;  ///< bytes of TCP header and payload, by the IP length
    std::uint32_t header_length;     ///< bytes of the TCP header, 20 to 60
    /// Window, as on the wire, in bits 0 to 15; TcpFlag bits in 16 to 23; the rest 0.
    std::uint32_t window_and_flags;

    [[nodiscard]] std::uint32_t sequence() const { return static_cast<std::uint32_t>(numbers); }
    [[nodiscard]] std::uint32_t acknowledgement() const { return static_cast<std::uint32_t>(numbers >> 32); }
    [[nodiscard]] std::uint16_t window() const { return static_cast<std::uint16_t>(window_and_flags); }
    [[nodiscard]] std::uint8_t flags() const { return static_cast<std::uint8_t>(window_and_flags >> 16); }
    [[nodiscard]] std::uint32_t payload_length() const { return transport_length - header_length; }
    /// IP header and all behind it, link padding left out.
    [[nodiscard]] std::uint32_t network_length() const {
        return static_cast<std::uint32_t>(segment - network) + transport_length;
    }
    /// No option but the timestamps, as every established connection of today's systems has them (or none at
    /// all): nothing that the tracker would want.
    [[nodiscard]] bool options_are_usual() const {
        constexpr std::uint32_t padded_timestamps = 0x0101080A;  // NOP, NOP, kind 8, ten bytes
        return header_length == tcp_header_bytes ||
               (header_length == 32 && load<be32>(segment + tcp_header_bytes).host() == padded_timestamps);
    }
    [[nodiscard]] TcpOptions options() const {
        return parse_tcp_options({segment + tcp_header_bytes, header_length - tcp_header_bytes});
    }
};

namespace detail {

struct PlainNetwork {
    std::uint32_t wrong;            ///< 0: the network header says what it must, its length field aside
    std::int64_t transport_length;  ///< negative when its length field is too small
};

/// The EtherType before the network header is looked at with it: they share a word.
template <Family family>
[[gnu::always_inline]] inline PlainNetwork check_network(const std::uint8_t* network) {
    const auto start = load<std::uint32_t>(network - sizeof(ether_type_ipv4));
    if constexpr (family == Family::ipv4) {
        // EtherType, version and header length; bytes 6, 7 and 9: "more", fragment offset and protocol. Type
        // of service, "don't fragment", the reserved bit and the TTL are free.
        const auto middle = load<std::uint32_t>(network + 6);
        constexpr std::uint32_t fixed = 0xFF00'FF3F;
        return {((start & 0x00FF'FFFF) ^ 0x0045'0008) | ((middle & fixed) ^ std::uint32_t{tcp} << 24),
                std::int64_t{__builtin_bswap16(load<std::uint16_t>(network + 2))} - 20};
    } else {
        // EtherType and version; bytes 4 and 5: payload length; byte 6: next header.
        return {((start & 0x00F0'FFFF) ^ 0x0060'DD86) | (std::uint32_t{network[6]} ^ tcp),
                __builtin_bswap16(load<std::uint16_t>(network + 4))};
    }
}

}  // namespace detail

/// Fills `out` and returns true when a plain packet's network header lies at offset `network` of the frame,
/// behind a link header that ends in its EtherType. Never reads outside input.bytes.
template <Family family>
[[gnu::always_inline]] inline bool read_plain(const ParseInput& input, std::size_t network, PlainTcp& out) {
    constexpr bool v4 = family == Family::ipv4;
    const std::size_t transport = network + (v4 ? ipv4_header_bytes : ipv6_header_bytes);
    if (input.bytes.size() < transport + tcp_header_bytes) [[unlikely]]
        return false;
    const std::uint8_t* const ip = input.bytes.data() + network;
    const std::uint8_t* const segment = input.bytes.data() + transport;
    const auto [wrong, transport_length] = detail::check_network<family>(ip);
    const std::uint64_t control = __builtin_bswap32(load<std::uint32_t>(segment + 12));
    const auto header_length = static_cast<std::int64_t>(control >> 26 & 0x3CU);
    // Each length less what it must hold: the sign of their union tells whether any falls short.
    const auto readable = static_cast<std::int64_t>(input.bytes.size() - transport);
    const auto in_frame = static_cast<std::int64_t>(input.frame_length - transport);
    const std::int64_t shortfall = (header_length - static_cast<std::int64_t>(tcp_header_bytes)) |
                                   (transport_length - header_length) | (in_frame - transport_length) |
                                   (readable - header_length);
    if (wrong != 0 || shortfall < 0) [[unlikely]]
        return false;
    out.network = ip;
    out.addresses = ip + (v4 ? 12 : 8);
    out.segment = segment;
    out.numbers = std::rotl(__builtin_bswap64(load<std::uint64_t>(segment + 4)), 32);
    out.transport_length = static_cast<std::uint32_t>(transport_length);
    out.header_length = static_cast<std::uint32_t>(header_length);
    out.window_and_flags = static_cast<std::uint32_t>(control & 0x00FF'FFFFU);
    return true;
}

/// All that parse() says of a plain packet, at half its cost, for those who ask again: over Ethernet with one
/// tag at most, its ends not the same host. False where it is none of these; `out` is then as it was.
[[nodiscard]] bool parse_plain(const ParseInput& input, Headers& out);

}  // namespace sluice::packet
