// What the staged burst needs of a packet buffer. Met by mbufs (sluice/dpdk/mbuf_io.hpp) and, in tests and
// replay, by plain memory (sluice/pipeline/memory_io.hpp), so that the same code runs over both.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::pipeline {

/// What the port said of a packet's checksums.
enum class ChecksumState : std::uint8_t { unknown, good, bad };

/// Every function is static, takes packets by pointer and neither allocates nor blocks.
template <class Io>
concept PacketIo = requires(typename Io::Packet* packet, const typename Io::Packet* constant,
                            std::uint32_t number, std::uint8_t* bytes) {
    // The first segment's bytes and how many there are.
    { Io::data(constant) } -> std::same_as<const std::uint8_t*>;
    { Io::first_length(constant) } -> std::convertible_to<std::uint32_t>;
    // The whole frame, all segments.
    { Io::length(constant) } -> std::convertible_to<std::uint32_t>;
    // Gathers `count` bytes from `offset` on (within length()) into memory of the caller.
    {Io::copy(constant, /*offset*/ number, /*count*/ number, bytes)};
    // IP header and transport checksums as the receiving port judged them.
    { Io::network_checksum(constant) } -> std::same_as<ChecksumState>;
    { Io::transport_checksum(constant) } -> std::same_as<ChecksumState>;
    // Which port pair it came in on, 0 to max_port_pairs - 1.
    { Io::port_pair(constant) } -> std::convertible_to<std::uint8_t>;
    // The port it came in by, or, of one that the box makes, belongs to: packets that pass leave by that
    // port's partner, answers by that port itself.
    { Io::port(constant) } -> std::same_as<std::uint16_t>;
    // The first segment from its first byte on and the room behind it, when nobody else may see it and it is
    // the only one; otherwise nothing.
    { Io::writable(packet) } -> std::same_as<std::span<std::uint8_t>>;
    // What was written there has this length now, and checksums of our own.
    {Io::set_length(packet, number)};
    // An empty packet that belongs to `port`; null when there is none left.
    { Io::make(/*port*/ std::uint16_t{}) } -> std::same_as<typename Io::Packet*>;
    // Links the fragments of one datagram by a pointer kept beside the packet. Null ends the list.
    {Io::set_next_fragment(packet, packet)};
    { Io::next_fragment(constant) } -> std::same_as<typename Io::Packet*>;
    // Asks for the packet's handle; for the first line of its frame, which reads the handle.
    {Io::prefetch_packet(constant)};
    {Io::prefetch_header(constant)};
};

}  // namespace sluice::pipeline
