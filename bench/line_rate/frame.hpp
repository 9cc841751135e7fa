// The shape of frame that the generator sends: Ethernet, IPv4, TCP, payload. A buffer gets it once; a
// packet is a few stores into it, all in its first cache line:
//
//      0  addresses, EtherType, IPv4      by side, sixteen bytes at once
//     16  total length
//     18  identification                  the length of the frame: the template's own note, never changed
//     26  addresses, ports                the connection, mirrored for the other side
//     38  sequence, acknowledgement
//     46  data offset, flags, window
//     54  options, or else six bytes      a sample of the time stamp counter; zero in SYNs
//
// A box that answers a SYN in its own buffer writes another identification than the template's: 0.
//
// Floods may be of IPv6, which writes over more than that: the buffer is then made a template again.
//
// Lengths are those of the buffer, without the four bytes of FCS that a wire adds.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "sluice/base/endian.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/packet/plain.hpp"

namespace sluice::bench {

inline constexpr unsigned header_bytes = 54, ipv6_header_bytes = 74;
inline constexpr unsigned shortest_frame = 60, fcs_bytes = 4;
/// What a frame takes on a wire beside itself: preamble, FCS, gap.
inline constexpr unsigned wire_overhead = 24;

/// Both ends of a connection, in wire order from the client's side.
struct Endpoints {
    be32 client, server;
    be16 client_port, server_port;
};

struct Ipv6Endpoints {
    packet::Address client, server;
    be16 client_port, server_port;
};

enum class Options : std::uint8_t {
    scale,  ///< a SYN offers window scaling, all else has none
    none,
    as_linux,  ///< a SYN offers MSS, SACK, timestamps and window scaling; all else carries timestamps
};

struct Segment {
    std::uint32_t sequence = 0, acknowledgement = 0;
    std::uint8_t flags = 0;
    bool carries_data = false;  ///< all the frame has room for; without timestamps only
    Options options = Options::scale;
    std::uint32_t timestamp = 0, echo = 0;
};

namespace offset {
inline constexpr unsigned total_length = 16, identification = 18, ip_checksum = 24, addresses = 26,
                          ports = 34, sequence = 38, acknowledgement = 42, data_offset = 46, flags = 47,
                          window = 48, tcp_checksum = 50, urgent = 52, payload = 54;
}

namespace detail {
/// Ethernet and the first two bytes of IPv4, for a packet of side 0 and of side 1.
inline constexpr std::array<std::array<std::uint8_t, 16>, 2> link_headers{{
    {2, 's', 'l', 'u', 'c', 2, 2, 's', 'l', 'u', 'c', 1, 0x08, 0x00, 0x45, 0},
    {2, 's', 'l', 'u', 'c', 1, 2, 's', 'l', 'u', 'c', 2, 0x08, 0x00, 0x45, 0},
}};
/// A window of a gigabyte: however deep the queues between the two ends, no segment is ahead of it.
inline constexpr std::array<std::uint8_t, 6> window_scale_option{1, 3, 3, 14, 0, 0};
/// MSS 1460, SACK permitted, timestamps, window scale 7; all else: timestamps alone.
inline constexpr std::array<std::uint8_t, 8> linux_syn{2, 4, 5, 180, 4, 2, 8, 10};
inline constexpr std::array<std::uint8_t, 4> linux_syn_end{1, 3, 3, 7}, linux_ack{1, 1, 8, 10};

inline void write_linux_options(std::uint8_t* to, bool syn, be32 timestamp, be32 echo) {
    if (syn) {
        std::memcpy(to, linux_syn.data(), linux_syn.size());
        to += linux_syn.size();
    } else {
        std::memcpy(to, linux_ack.data(), linux_ack.size());
        to += linux_ack.size();
    }
    store(to, timestamp);
    store(to + 4, echo);
    if (syn) std::memcpy(to + 8, linux_syn_end.data(), linux_syn_end.size());
}
}  // namespace detail

/// What a segment's options take; the longest are a SYN's.
[[nodiscard]] constexpr unsigned option_bytes(bool syn, Options options) {
    if (options == Options::as_linux) return syn ? 20 : 12;
    return syn && options == Options::scale ? 4 : 0;
}
/// The shortest frame, FCS included, that holds them all.
inline constexpr unsigned frame_with_linux_options =
    header_bytes + option_bytes(true, Options::as_linux) + fcs_bytes;

inline void make_template(std::uint8_t* frame, std::uint16_t bytes) {
    std::memset(frame, 0x55, bytes);
    std::memset(frame + 14, 0, shortest_frame - 14);
    std::memcpy(frame, detail::link_headers[0].data(), 16);
    store(frame + offset::identification, be16(bytes));
    frame[22] = 64;
    frame[23] = packet::tcp;
}

[[nodiscard]] inline bool is_ipv6(const std::uint8_t* frame) {
    return load<be16>(frame + 12).host() == packet::ether_type_ipv6;
}
[[nodiscard]] inline std::uint16_t frame_bytes(const std::uint8_t* frame) {
    // IPv6: where IPv4's template has its note the payload's length happens to be.
    const std::uint16_t noted = load<be16>(frame + offset::identification).host();
    return is_ipv6(frame) ? static_cast<std::uint16_t>(noted + header_bytes) : noted;
}

namespace detail {
inline void write_tcp(std::uint8_t* tcp, be16 from, be16 to, const Segment& segment, unsigned options) {
    store(tcp, from);
    store(tcp + 2, to);
    store(tcp + 4, be32(segment.sequence));
    store(tcp + 8, be32(segment.acknowledgement));
    tcp[12] = static_cast<std::uint8_t>((20 + options) * 4);  // words, in the high bits
    tcp[13] = segment.flags;
    store(tcp + 14, be16(65'535));
    std::memset(tcp + 16, 0, 4);
    if (segment.options == Options::as_linux) {
        write_linux_options(tcp + 20, (segment.flags & packet::syn) != 0, be32(segment.timestamp),
                            be32(segment.echo));
    } else if (options != 0) {
        std::memcpy(tcp + 20, window_scale_option.data(), 6);
    } else {
        std::memset(tcp + 20, 0, 6);
    }
}
}  // namespace detail

/// Writes a segment from `side` (0: the client) into a templated frame; returns its payload's length.
inline std::uint32_t write_segment(std::uint8_t* frame, const Endpoints& ends, unsigned side,
                                   const Segment& segment) {
    const bool syn = (segment.flags & packet::syn) != 0;
    const std::uint32_t payload = segment.carries_data ? frame_bytes(frame) - header_bytes : 0;
    const unsigned options = option_bytes(syn, segment.options);
    std::memcpy(frame, detail::link_headers[side].data(), 16);
    store(frame + offset::total_length, be16(static_cast<std::uint16_t>(40 + options + payload)));
    store(frame + offset::addresses, side == 0 ? ends.client : ends.server);
    store(frame + offset::addresses + 4, side == 0 ? ends.server : ends.client);
    detail::write_tcp(frame + offset::ports, side == 0 ? ends.client_port : ends.server_port,
                      side == 0 ? ends.server_port : ends.client_port, segment, options);
    return payload;
}

/// The same of IPv6, from the client, without data: the frame ends behind the options.
inline void write_ipv6_segment(std::uint8_t* frame, const Ipv6Endpoints& ends, const Segment& segment) {
    const unsigned options = option_bytes((segment.flags & packet::syn) != 0, segment.options);
    std::memcpy(frame, detail::link_headers[0].data(), 12);
    store(frame + 12, be16(packet::ether_type_ipv6));
    store(frame + 14, be32(0x6000'0000));
    store(frame + 18, be16(static_cast<std::uint16_t>(20 + options)));
    frame[20] = packet::tcp;
    frame[21] = 64;
    store(frame + 22, ends.client);
    store(frame + 38, ends.server);
    detail::write_tcp(frame + header_bytes, ends.client_port, ends.server_port, segment, options);
}

/// The client's address, seen from the packet's side.
[[nodiscard]] inline std::uint32_t client_of(const std::uint8_t* frame, unsigned side) {
    return load<be32>(frame + offset::addresses + 4 * side).host();
}
/// The server's.
[[nodiscard]] inline std::uint32_t server_of(const std::uint8_t* frame, unsigned side) {
    return load<be32>(frame + offset::addresses + 4 * (1 - side)).host();
}
[[nodiscard]] inline std::uint16_t server_port_of(const std::uint8_t* frame, unsigned side) {
    return load<be16>(frame + offset::ports + 2 * (1 - side)).host();
}
/// The sequence number behind the segment: what its receiver will acknowledge.
[[nodiscard]] inline std::uint32_t end_of(const std::uint8_t* frame) {
    const std::uint8_t flags = frame[offset::flags];
    const std::uint32_t headers = 20U + (std::uint32_t{frame[offset::data_offset]} >> 4U) * 4U;
    return load<be32>(frame + offset::sequence).host() +
           (load<be16>(frame + offset::total_length).host() - headers) +
           ((flags & (packet::syn | packet::fin)) != 0 ? 1U : 0U);
}
[[nodiscard]] inline bool is_syn(const std::uint8_t* frame) {
    return (frame[offset::flags] & packet::syn) != 0;
}
/// What its sender told in options.
struct Told {
    bool scales = false, timestamps = false;
    std::uint32_t timestamp = 0;
};
[[nodiscard]] Told options_of(const std::uint8_t* frame);
/// Whether a box answered the frame in place of passing it on.
[[nodiscard]] inline bool is_answer(const std::uint8_t* frame) {
    // IPv6: it goes to where floods, all from clients, come from.
    return is_ipv6(frame) ? frame[5] == detail::link_headers[1][5] : frame_bytes(frame) == 0;
}
/// Whether a frame from a wire is one of the generator's: by its addresses.
[[nodiscard]] inline bool is_ours(const std::uint8_t* frame, std::uint32_t bytes) {
    return bytes >= shortest_frame && std::memcmp(frame, detail::link_headers[0].data(), 5) == 0 &&
           std::memcmp(frame + 6, detail::link_headers[0].data() + 6, 5) == 0;
}

/// Time in a frame: 48 bits of the counter, a day's worth, never zero.
[[nodiscard]] inline bool has_room_for_time(const std::uint8_t* frame) {
    return !is_syn(frame) && frame[offset::data_offset] == 0x50;
}
inline constexpr std::uint64_t stamp_mask = (std::uint64_t{1} << 48U) - 1;
inline void stamp(std::uint8_t* frame, std::uint64_t cycles) {
    const std::uint64_t value = (cycles & stamp_mask) | 1U;
    std::memcpy(frame + offset::payload, &value, 6);
}
/// Zero: it carries none.
[[nodiscard]] inline std::uint64_t stamp_of(const std::uint8_t* frame) {
    std::uint64_t value = 0;
    std::memcpy(&value, frame + offset::payload, 6);
    return has_room_for_time(frame) ? value : 0;
}

/// Moves the frame's first line, in which all that is written lies, from the core's own caches to the shared
/// one, by CLDEMOTE. Processors without it take that for a NOP.
inline void demote(const std::uint8_t* frame) {
    asm volatile(".byte 0x0f, 0x1c, 0x06" : : "S"(frame) : "memory");  // cldemote (%rsi)
}

/// Fills in both checksums, for ports that lead to another box. What comes over rings is marked as checked,
/// as a card marks it.
void write_checksums(std::uint8_t* frame);

}  // namespace sluice::bench
