// `sluice drops`: what does not pass, and why.
#pragma once

#include <string>
#include <string_view>

#include "app/cli_arguments.hpp"

namespace sluice::app {

/// The line above the others.
[[nodiscard]] std::string drops_heading();
/// A row of the daemon's answer as a line, of a reason or of a packet; empty when it is none.
[[nodiscard]] std::string drops_line(std::string_view row);

/// `--watch`: asks once a second until SIGINT or SIGTERM. Returns the exit status.
[[nodiscard]] int watch_drops(const Arguments& arguments);

}  // namespace sluice::app
