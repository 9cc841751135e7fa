// From the parser's TCP fields to the engine's segment.
#pragma once

#include "sluice/packet/headers.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::pipeline {

/// Takes over the options that the engine looks at.
inline void set_options(tcp::Segment& segment, const packet::TcpOptions& options) {
    segment.sack_highest = options.sack_highest;
    segment.window_scale = options.window_scale;
    segment.has_window_scale = options.has_window_scale;
    segment.sack_permitted = options.sack_permitted;
    segment.has_sack = options.has_sack;
}

/// What the engine judges, of what the parser found.
[[nodiscard]] inline tcp::Segment segment_of(const packet::TcpFields& fields) {
    tcp::Segment segment{.sequence = fields.sequence,
                         .acknowledgement = fields.acknowledgement,
                         .payload_length = fields.payload_length,
                         .window = fields.window,
                         .flags = fields.flags};
    set_options(segment, fields.options);
    return segment;
}

}  // namespace sluice::pipeline
