// From a flow as an operator describes it to the request that inserts it.
#pragma once

#include "sluice/control/query.hpp"
#include "sluice/pipeline/mailbox.hpp"

namespace sluice::control {

/// A TCP flow is set up as one picked up in mid-stream: its windows are unknown and learnt from what passes.
[[nodiscard]] pipeline::Request insertion_of(const NewFlow& flow, Tick now);

}  // namespace sluice::control
