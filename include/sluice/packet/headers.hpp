// What the parser makes of a packet: one flat record per packet of a burst. Later stages trust it and never
// look at the bytes again, except to rewrite them.
#pragma once

#include <array>
#include <cstdint>

#include "sluice/base/reason.hpp"

namespace sluice::packet {

enum class Family : std::uint8_t { none = 0, ipv4 = 4, ipv6 = 6 };

/// How a frame begins. Live traffic is Ethernet; captures may hold the others.
enum class LinkLayer : std::uint8_t { ethernet, raw_ip, linux_cooked_v1, linux_cooked_v2, bsd_loopback };

/// IANA protocol numbers the tracker treats by name.
enum Protocol : std::uint8_t { icmp = 1, tcp = 6, udp = 17, icmpv6 = 58 };
[[nodiscard]] constexpr bool is_icmp(std::uint8_t protocol) {
    return protocol == icmp || protocol == icmpv6;
}

/// TCP flag bits as in byte 13 of the header.
enum TcpFlag : std::uint8_t { fin = 1, syn = 2, rst = 4, psh = 8, ack = 16, urg = 32, ece = 64, cwr = 128 };

/// The options of one TCP header that the tracker uses. Malformed options are ignored one by one, as
/// endpoints do. Reported for every segment; that some mean something on a SYN only is the reader's business.
struct TcpOptions {
    std::uint8_t window_scale = 0;  ///< 0 to 14; a larger shift counts as 14 (RFC 7323 2.3)
    bool has_window_scale = false;
    bool sack_permitted = false;
    bool has_timestamps = false;
    bool has_fast_open = false;  ///< kind 34, or kind 254 with magic 0xF989 (RFC 7413)
    bool has_signature = false;  ///< TCP-MD5 (19) or TCP-AO (29)
    bool has_sack = false;
    std::uint16_t mss = 0;  ///< 0: not offered
    std::uint32_t timestamp_value = 0;
    std::uint32_t timestamp_echo = 0;
    std::uint32_t sack_highest =
        0;  ///< highest right edge of the SACK blocks, modulo 2^32; valid with has_sack

    friend bool operator==(const TcpOptions&, const TcpOptions&) = default;
};
static_assert(sizeof(TcpOptions) == 24);

/// The TCP header, host order.
struct TcpFields {
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgement = 0;
    std::uint16_t window = 0;          ///< as on the wire, unscaled
    std::uint8_t flags = 0;            ///< TcpFlag bits
    std::uint8_t header_length = 0;    ///< bytes, 20 to 60
    std::uint32_t payload_length = 0;  ///< bytes in this packet, by the IP length (link padding left out)
    TcpOptions options;

    friend bool operator==(const TcpFields&, const TcpFields&) = default;
};
static_assert(sizeof(TcpFields) == 40);

/// Where a fragment lies in its datagram.
struct FragmentFields {
    std::uint32_t identification = 0;
    std::uint16_t offset = 0;  ///< bytes from the start of the fragmentable part, a multiple of 8
    std::uint16_t length = 0;  ///< bytes of the fragmentable part in this packet, at least 1
    bool more = false;
    bool present =
        false;  ///< false for whole packets and for atomic fragments (RFC 6946): all fields are then 0

    friend bool operator==(const FragmentFields&, const FragmentFields&) = default;
};

/// An IP address of either family: IPv4 in the first four bytes, the rest zero.
using Address = std::array<std::uint8_t, 16>;

/// One parsed packet, two cache lines. Offsets count bytes from the start of the frame. Where `refusal` is
/// set, only the fields up to the layer that failed are meaningful; fields of a protocol the packet does not
/// carry are 0. The order of the fields lets the compiler write neighbours together: parsing is bound by its
/// stores.
struct alignas(64) Headers {
    Reason refusal = Reason::none;
    Family family = Family::none;        ///< none: not IP; `ether_type` says what
    std::uint8_t protocol = 0;           ///< upper-layer protocol, behind all extension headers; of an IPv6
                                         ///< fragment but the first, what its fragment header names
    std::uint8_t vlan_count = 0;         ///< tags found, 0 to 2; a priority tag (id 0) is one
    std::uint16_t vlan[2] = {0, 0};      ///< VLAN ids (12 bits), outermost first
    std::uint16_t ether_type = 0;        ///< of the innermost payload, host order; below 0x600: LLC
    std::uint16_t network_offset = 0;    ///< IP header
    std::uint16_t transport_offset = 0;  ///< upper-layer header; of a fragment but the first, its first byte
                                         ///< behind the IP headers
    bool icmp_error = false;             ///< an ICMP error; the quoted packet is parsed by parse_quote()
    bool icmp_query = false;             ///< a request or reply whose identifier is in the ports
    std::uint32_t transport_length = 0;  ///< bytes of upper-layer header and payload in this packet, by the
                                         ///< IP length
    /// Transport ports, host order; ICMP queries: both hold the identifier. 0 for other protocols and for
    /// fragments but the first. Destination first: the two are one byte-swapped word of the wire.
    std::uint16_t destination_port = 0, source_port = 0;
    std::uint16_t udp_length = 0;  ///< UDP's own length field: at most transport_length, except in a first
                                   ///< fragment
    std::uint8_t icmp_type = 0, icmp_code = 0;
    std::uint8_t hop_limit = 0;  ///< TTL or hop limit
    std::uint8_t reserved[3] = {0, 0, 0};
    Address source{}, destination{};
    TcpFields tcp;
    FragmentFields fragment;

    friend bool operator==(const Headers&, const Headers&) = default;
};
static_assert(sizeof(Headers) == 128);

/// A fragment that is not the first: it carries no transport header.
[[nodiscard]] inline bool is_later_fragment(const Headers& headers) {
    return headers.fragment.offset != 0;
}

}  // namespace sluice::packet
