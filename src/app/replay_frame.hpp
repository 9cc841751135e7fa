// A packet of a replay's input while the tracker knows it.
#pragma once

#include <cstdint>
#include <vector>

#include "sluice/packet/headers.hpp"
#include "sluice/pipeline/memory_io.hpp"

namespace sluice::app {

struct Frame : pipeline::MemoryPacket {
    std::uint32_t length = 0;        ///< of the frame on the wire, bytes
    std::uint32_t captured = 0;      ///< of it in the capture
    std::int64_t nanoseconds = 0;    ///< its timestamp, since 1970
    packet::Headers headers;         ///< what the parser makes of it, for whoever prints it
    std::vector<std::uint8_t> kept;  ///< its bytes, from the moment the tracker holds it
    bool held = false;               ///< by the tracker: a fragment of an incomplete datagram
};

/// Whether these are fragments of one datagram. IPv4 tells them apart by protocol too (RFC 791), IPv6 does
/// not.
[[nodiscard]] inline bool of_one_datagram(const packet::Headers& a, const packet::Headers& b) {
    return a.family == b.family && a.fragment.identification == b.fragment.identification &&
           a.source == b.source && a.destination == b.destination &&
           (a.family != packet::Family::ipv4 || a.protocol == b.protocol);
}

}  // namespace sluice::app
