// `sluice get --story`: what happens to one flow, packet by packet, until it is told to stop.
#pragma once

#include <string>

#include "app/cli_arguments.hpp"
#include "sluice/control/capture_row.hpp"

namespace sluice::app {

/// A packet of the flow and what came of it, as a line. `from_originator`: who sent it.
[[nodiscard]] std::string step_line(const control::CaptureRow& row, bool from_originator);

/// Shows the flow, if it is there already, and then its packets as they come. Returns the exit status.
[[nodiscard]] int tell_story(const Arguments& arguments);

}  // namespace sluice::app
