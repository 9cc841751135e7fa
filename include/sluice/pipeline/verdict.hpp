// What the tracker says of a packet.
#pragma once

#include <cstdint>
#include <string_view>

#include "sluice/base/reason.hpp"
#include "sluice/flow/table.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::pipeline {

/// nf_conntrack's word for a packet.
enum class CtState : std::uint8_t { new_flow, established, related, invalid, untracked };
[[nodiscard]] constexpr std::string_view name_of(CtState state) {
    constexpr std::string_view names[] = {"new", "established", "related", "invalid", "untracked"};
    return names[static_cast<int>(state)];
}

enum class Action : std::uint8_t {
    pass,      ///< forward it out of the other port of its pair
    drop,      ///< free it; already counted under its reason
    handover,  ///< give it to worker `owner`
    answer,    ///< it was made an answer of the box's own: send it out of the port it belongs to, through the
               ///< control queue
    absorb,    ///< free it: the box goes on with its handshake itself
};

/// The decision on one packet. `flow` is the record it belongs to after the packet (no_ref: none).
struct Decision {
    Action action = Action::drop;
    CtState state = CtState::invalid;
    Reason reason = Reason::none;
    packet::Family family = packet::Family::none;
    tcp::Direction direction = tcp::Direction::original;
    std::uint8_t owner = 0;  ///< for handover
    bool datagram = false;   ///< for handover: the packet heads the list of a completed datagram's fragments
    flow::Ref flow = flow::no_ref;
};

}  // namespace sluice::pipeline
