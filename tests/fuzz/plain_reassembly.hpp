// A datagram put together from its fragments as RFC 791 and RFC 8200 4.5 tell it: the headers of the first,
// without what said that it was a fragment, and behind them everybody's bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sluice/packet/parse.hpp"

namespace sluice::fuzz {

struct PlainDatagram {
    std::vector<std::uint8_t> bytes;
    std::size_t first_fragment_transport = 0;  ///< transport bytes that the first fragment held
};

/// The frames are Ethernet, in any order, complete, without overlap. Nothing when the whole is too long for a
/// length field.
[[nodiscard]] inline std::optional<PlainDatagram> put_together(
    std::span<const std::span<const std::uint8_t>> fragments) {
    PlainDatagram out;
    std::vector<std::uint8_t> parts;
    std::size_t network_of_first = 0;
    bool six = false;
    for (const auto& frame : fragments) {
        packet::Headers headers;
        packet::parse({frame, frame.size()}, headers);
        six = headers.family == packet::Family::ipv6;
        const std::size_t network = headers.network_offset;
        // What can be cut up begins behind the IPv4 header or the IPv6 fragment header.
        std::size_t behind = network;
        std::size_t previous = network + 6;
        if (!six) {
            behind += (frame[network] & 15U) * 4U;
        } else {
            behind += 40;
            while (frame[previous] != 44) {
                const bool authentication = frame[previous] == 51;  // counts words, and not the first two
                previous = behind;
                behind += authentication ? (frame[behind + 1] + 2U) * 4U : (frame[behind + 1] + 1U) * 8U;
            }
            behind += 8;
        }
        const std::size_t end = headers.fragment.offset + std::size_t{headers.fragment.length};
        if (parts.size() < end) parts.resize(end);
        std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(behind), headers.fragment.length,
                    parts.begin() + headers.fragment.offset);
        if (headers.fragment.offset != 0) continue;
        network_of_first = network;
        out.first_fragment_transport = headers.transport_length;
        out.bytes.assign(frame.begin(),
                         frame.begin() + static_cast<std::ptrdiff_t>(six ? behind - 8 : behind));
        if (six) out.bytes[previous] = frame[behind - 8];
    }
    const std::size_t length = out.bytes.size() + parts.size() - network_of_first - (six ? 40 : 0);
    if (length > 65'535) return std::nullopt;
    const std::size_t at = network_of_first + (six ? 4 : 2);
    out.bytes[at] = static_cast<std::uint8_t>(length >> 8);
    out.bytes[at + 1] = static_cast<std::uint8_t>(length);
    if (!six) out.bytes[network_of_first + 6] = out.bytes[network_of_first + 7] = 0;
    out.bytes.insert(out.bytes.end(), parts.begin(), parts.end());
    return out;
}

}  // namespace sluice::fuzz
