// `sluice top`: what the daemon does, on a screen that is drawn anew every second, or as text or JSON.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/base/result.hpp"
#include "sluice/control/query.hpp"

namespace sluice::app {

struct TopOptions {
    std::string socket{control::default_socket_path};
    bool batch = false;  ///< for a file or a pipe, even on a terminal
    bool json = false;
    bool help = false;
    std::uint64_t count = 0;  ///< after so many it ends; 0: when it is told to
    double interval = 1;      ///< seconds, 0.1 to 50
};

/// argv[0] is the word `top`. `environment_socket` is the value of SLUICE_SOCKET, or null. The error is a
/// sentence about wrong usage. Uses getopt_long and so belongs to one thread.
[[nodiscard]] Result<TopOptions> parse_top_options(int argc, char** argv, const char* environment_socket);

/// Returns the exit status.
int top_command(int argc, char** argv);

}  // namespace sluice::app
