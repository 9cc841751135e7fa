// `sluice -E`: events as they come, until it is told to stop.
#pragma once

#include "app/cli_arguments.hpp"

namespace sluice::app {

/// Returns the exit status.
int follow_events(const Arguments& arguments);

}  // namespace sluice::app
