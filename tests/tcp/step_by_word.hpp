// step_established() for one connection, as the tracker's lanes have it for eight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sluice/tcp/established.hpp"

namespace sluice::test {

/// Whether the segment was taken; only then `connection` changes.
inline bool step_by_word(tcp::Connection& connection, tcp::Direction direction, const tcp::Segment& segment,
                         const tcp::Settings& settings) {
    const auto side = [&](tcp::Direction which) {
        const tcp::Side& s = connection.side[static_cast<unsigned>(which)];
        return tcp::SideOf<std::uint32_t>{s.end, s.max_end, s.max_window, s.max_ack};
    };
    auto sender = side(direction), receiver = side(opposite(direction));
    std::uint32_t fields = tcp::small_fields(connection);
    const std::uint32_t taken = tcp::step_established<std::uint32_t>(
        sender, receiver, fields, mask_of(direction == tcp::Direction::reply),
        {segment.sequence, segment.acknowledgement, segment.payload_length, segment.window}, settings);
    if (taken == 0) return false;
    const auto put = [&](tcp::Direction which, const tcp::SideOf<std::uint32_t>& s) {
        connection.side[static_cast<unsigned>(which)] = {s.end, s.max_end, s.max_window, s.max_ack};
    };
    put(direction, sender);
    put(opposite(direction), receiver);
    std::memcpy(reinterpret_cast<std::byte*>(&connection) + tcp::small_fields_at, &fields, sizeof fields);
    return true;
}

}  // namespace sluice::test
