// From a flow as an operator describes it to the request that inserts it.
#pragma once

#include <optional>

#include "sluice/control/query.hpp"
#include "sluice/pipeline/mailbox.hpp"

namespace sluice::control {

/// A TCP flow is set up as one picked up in mid-stream: its windows are unknown and learnt from what passes.
[[nodiscard]] pipeline::Request insertion_of(const NewFlow& flow, Tick now);

/// The flow whose whole tuple a filter has: protocol, both addresses, and ports or type and id of an ICMP
/// query. Of no VLAN, the first pair of ports and zone 0 unless it says otherwise.
[[nodiscard]] std::optional<NewFlow> flow_of(const Filter& filter);

}  // namespace sluice::control
