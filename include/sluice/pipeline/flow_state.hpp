// The payload of a flow record, whatever its protocol: 36 bytes that share their first eight bits of state.
#pragma once

#include <cstdint>

#include "sluice/flow/table.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/tcp/connection.hpp"

namespace sluice::pipeline {

/// A flow of a protocol without connections (UDP, ICMP queries, anything else by address pair). Laid out so
/// that lifetime, seen_reply, assured and fixed_timeout lie where tcp::Connection has them.
struct DatagramFlow {
    Tick stream_since;  ///< UDP: a stream (longer lifetime, assured) once both ways carry traffic beyond this
                        ///< time
    std::uint32_t unused[7];
    std::uint32_t lifetime : 5;
    std::uint32_t seen_reply : 1;
    std::uint32_t assured : 1;
    std::uint32_t fixed_timeout : 1;
    std::uint32_t blocked : 1;  ///< a signature matched: nothing of it passes any more
    std::uint32_t reserved : 23;
};

union FlowState {
    tcp::Connection tcp;
    DatagramFlow datagram;
};
static_assert(sizeof(DatagramFlow) == sizeof(tcp::Connection) && sizeof(FlowState) == 36);

/// The age list a flow belongs to: found by the table.
[[nodiscard]] inline std::uint32_t lifetime_of(const FlowState& state) {
    return state.datagram.lifetime;
}

using Table4 = flow::Table<flow::Key4, FlowState>;
using Table6 = flow::Table<flow::Key6, FlowState>;

}  // namespace sluice::pipeline
