// A packet in words, as `sluice drops` and `sluice get --story` show it. Not for the packet path: it
// allocates.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/packet/headers.hpp"

namespace sluice::control {

/// tcpdump's letters for TCP flags: S F R P . U E W; "none" for none.
[[nodiscard]] std::string tcp_flag_letters(std::uint8_t flags);

/// What there is behind the addresses: "tcp S. seq 300 ack 101 win 65535 len 0", "icmp 8/0", "udp", "tcp
/// frag"; numbers as they are in the packet.
[[nodiscard]] std::string segment_words(const packet::Headers& headers);

/// The same behind "10.0.0.1:40000 > 10.0.0.2:80"; "EtherType 0x88cc" of what is not IP.
[[nodiscard]] std::string packet_words(const packet::Headers& headers);

/// "2026-11-29T01:02:03.123456Z" (RFC 3339).
[[nodiscard]] std::string time_words(std::uint64_t nanoseconds_since_1970);

}  // namespace sluice::control
