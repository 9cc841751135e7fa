// Makes the lengths and checksums of a mutated frame fit again, so that a mutation is not lost at the first
// check.
#pragma once

#include <cstdint>
#include <span>

#include "plain_checksum.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::fuzz {

/// In place; what is not IP stays as it is.
inline void repair_frame(std::span<std::uint8_t> frame, packet::LinkLayer link) {
    packet::Headers headers;
    packet::parse({frame, frame.size(), link}, headers);
    if (headers.family == packet::Family::none || headers.network_offset >= frame.size()) return;
    const auto ip = frame.subspan(headers.network_offset);
    const auto put = [](std::span<std::uint8_t> at, std::size_t value) {
        at[0] = static_cast<std::uint8_t>(value >> 8);
        at[1] = static_cast<std::uint8_t>(value);
    };
    if (headers.family == packet::Family::ipv4 && ip.size() >= 20) {
        if ((ip[0] & 0x0FU) < 5 || (ip[0] & 0x0FU) * 4U > ip.size()) ip[0] = 0x45;
        put(ip.subspan(2), ip.size());
        put(ip.subspan(10), 0);
        PlainSum sum;
        sum.add(ip.first((ip[0] & 0x0FU) * 4U));
        put(ip.subspan(10), static_cast<std::uint16_t>(~sum.folded()));
    } else if (headers.family == packet::Family::ipv6 && ip.size() >= 40) {
        put(ip.subspan(4), ip.size() - 40);
    } else {
        return;
    }
    packet::parse({frame, frame.size(), link}, headers);
    const std::size_t end = std::size_t{headers.transport_offset} + headers.transport_length;
    if (headers.refusal != Reason::none || headers.fragment.present || end > frame.size()) return;
    const auto transport = frame.subspan(headers.transport_offset, headers.transport_length);
    if (headers.protocol == packet::udp) {
        put(transport.subspan(4), transport.size());
        packet::parse({frame, frame.size(), link}, headers);
    }
    if (plain_verdict(headers, transport) == packet::ChecksumVerdict::bad)
        packet::write_transport_checksum(headers, transport);
}

}  // namespace sluice::fuzz
