// Why a packet was refused by what its bytes say, for people. The bytes are read a second time, only to find
// words for a refusal the parser has already decided; whether a packet is refused is never asked here. Not
// for the packet path: it allocates.
#pragma once

#include <string>

#include "sluice/packet/parse.hpp"

namespace sluice::packet {

/// One sentence with the numbers that decided, without a full stop, for `headers` that parse() made of
/// `input` and refused: "the IPv4 header says 1,500 bytes, the frame holds 1,480". Empty for same_endpoint,
/// of which the parser's fields say all.
[[nodiscard]] std::string explain_refusal(const ParseInput& input, const Headers& headers);

/// Why parse_quote() found no packet in the ICMP error of `headers`.
[[nodiscard]] std::string explain_quote(const ParseInput& input, const Headers& headers);

/// Which checksum is wrong, what it is and what it should be. `network` is the IPv4 header with its options
/// (empty for IPv6), `transport` the whole upper layer (of a datagram put together, all of it; empty for a
/// fragment, whose transport checksum says nothing yet). Empty when none of them is wrong.
[[nodiscard]] std::string explain_checksum(const Headers& headers, std::span<const std::uint8_t> network,
                                           std::span<const std::uint8_t> transport);

}  // namespace sluice::packet
