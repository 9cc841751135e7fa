// From the words on the command line to what they ask for.
#pragma once

#include <string>

#include "app/cli_options.hpp"
#include "sluice/base/result.hpp"
#include "sluice/control/query.hpp"

namespace sluice::app {

struct Arguments {
    Command command = Command::none;
    Command about = Command::none;  ///< help: the command that it is wanted of; none: all of them
    std::string socket{control::default_socket_path};
    control::Query query;    ///< for the commands that ask the daemon
    bool json = false;       ///< stats, reasons, floods, signatures, drops
    bool by_reason = false;  ///< stats
    bool counts = false;     ///< reasons
    bool watch = false;      ///< drops
    bool story = false;      ///< get
};

/// Both forms: conntrack's letters (`-L -p tcp`) and words (`list -p tcp`). The error is a sentence about
/// wrong usage. `environment_socket` is the value of SLUICE_SOCKET, or null. Uses getopt_long and so belongs
/// to one thread.
[[nodiscard]] Result<Arguments> parse_arguments(int argc, char** argv, const char* environment_socket);

/// The help text: of one command, or of all of them for `none` and `help`.
[[nodiscard]] std::string usage(Command about = Command::none);

}  // namespace sluice::app
