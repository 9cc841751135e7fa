// From the words on the daemon's command line to what they ask for.
#pragma once

#include <string>
#include <vector>

#include "sluice/base/result.hpp"

namespace sluice::app {

struct DaemonArguments {
    std::string answer;  ///< of --help and --version: to be printed, and nothing else done; empty: neither
    std::string file;    ///< the configuration
    bool check = false;  ///< say what is wrong with it, and no more
    std::vector<std::string> eal_arguments;  ///< everything behind "--"
};

/// The error is a sentence about wrong usage that says what to do.
[[nodiscard]] Result<DaemonArguments> parse_daemon_arguments(int argc, char** argv);

}  // namespace sluice::app
