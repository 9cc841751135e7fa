// The packet quoted in an ICMP error, read plainly (RFC 792, RFC 4443 2.4): for packets without IPv6
// extension headers.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "sluice/packet/headers.hpp"

namespace sluice::fuzz {

struct PlainQuote {
    packet::Address source{}, destination{};
    std::uint8_t protocol = 0;
    std::uint16_t first_port = 0, second_port = 0;  ///< ICMP: type and code; identifier
    std::uint32_t sequence = 0;                     ///< TCP
};

/// Nothing when eight bytes behind the headers are not there, or when it is a later fragment.
[[nodiscard]] inline std::optional<PlainQuote> read_quote(std::span<const std::uint8_t> quote,
                                                          packet::Family family) {
    const std::size_t address_bytes = family == packet::Family::ipv4 ? 4 : 16;
    const std::size_t addresses_at = family == packet::Family::ipv4 ? 12 : 8;
    const std::size_t least = family == packet::Family::ipv4 ? 20 : 40;
    if (quote.size() < least || quote[0] >> 4 != (family == packet::Family::ipv4 ? 4 : 6))
        return std::nullopt;
    std::size_t header_bytes = least;
    PlainQuote out;
    if (family == packet::Family::ipv4) {
        header_bytes = (quote[0] & 15U) * 4U;
        const bool later_fragment = (quote[6] & 0x1FU) != 0 || quote[7] != 0;
        if (header_bytes < least || later_fragment) return std::nullopt;
        out.protocol = quote[9];
    } else {
        out.protocol = quote[6];
    }
    if (quote.size() < header_bytes + 8) return std::nullopt;
    std::memcpy(out.source.data(), &quote[addresses_at], address_bytes);
    std::memcpy(out.destination.data(), &quote[addresses_at + address_bytes], address_bytes);
    const auto transport = quote.subspan(header_bytes);
    const auto number = [&](std::size_t at) {
        return static_cast<std::uint16_t>(transport[at] << 8 | transport[at + 1]);
    };
    const bool icmp = out.protocol == packet::icmp || out.protocol == packet::icmpv6;
    out.first_port = number(0);
    out.second_port = number(icmp ? 4 : 2);
    out.sequence = static_cast<std::uint32_t>(number(4)) << 16 | number(6);
    return out;
}

}  // namespace sluice::fuzz
