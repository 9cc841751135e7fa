// Carries out one command: asks the daemon and prints what it says.
#pragma once

#include "app/cli_arguments.hpp"

namespace sluice::app {

/// Rows go to standard output, the closing sentence to standard error. Returns the exit status.
int run_command(const Arguments& arguments);

/// Prints "sluice v…: sentence" to standard error.
void complain(std::string_view sentence);

}  // namespace sluice::app
