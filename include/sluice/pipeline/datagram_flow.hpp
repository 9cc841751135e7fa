// Flows of protocols without connections: UDP, ICMP and ICMPv6 queries, and anything else by its address
// pair. Pure functions of (flow, direction, time); the rules and names are nf_conntrack's.
#pragma once

#include <cstdint>

#include "sluice/base/lifetime.hpp"
#include "sluice/base/time.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/pipeline/flow_state.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::pipeline {

/// A UDP flow becomes a stream (longer lifetime, assured) when both ways still carry traffic this long after
/// it began.
inline constexpr Tick udp_stream_after = 2 * ticks_per_second;

/// The lifetime of a flow of `protocol` before anything makes it longer.
[[nodiscard]] constexpr Lifetime first_lifetime(std::uint8_t protocol) {
    switch (protocol) {
        case packet::Protocol::udp:
            return Lifetime::udp;
        case packet::Protocol::icmp:
            return Lifetime::icmp;
        case packet::Protocol::icmpv6:
            return Lifetime::icmpv6;
        default:
            return Lifetime::generic;
    }
}

/// A flow that begins with this packet.
[[nodiscard]] inline FlowState open_datagram_flow(std::uint8_t protocol, Tick now) {
    FlowState state{};
    state.datagram = DatagramFlow{};
    state.datagram.stream_since = now + udp_stream_after;
    state.datagram.lifetime = static_cast<std::uint32_t>(first_lifetime(protocol)) & 31U;
    return state;
}

/// A further packet of the flow. Always accepted.
inline void step_datagram_flow(DatagramFlow& flow, std::uint8_t protocol, tcp::Direction direction,
                               Tick now) {
    if (direction == tcp::Direction::reply) flow.seen_reply = 1;
    if (protocol == packet::Protocol::udp && flow.seen_reply && !flow.assured &&
        reached(now, flow.stream_since)) {
        flow.lifetime = static_cast<std::uint32_t>(Lifetime::udp_stream) & 31U;
        flow.assured = 1;
    }
}

}  // namespace sluice::pipeline
