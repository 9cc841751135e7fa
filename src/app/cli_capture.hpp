// `sluice capture`: packets with what was decided about them, as a pcapng file, lines for people or JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"
#include "sluice/control/capture_row.hpp"
#include "sluice/control/query.hpp"

namespace sluice::app {

struct CaptureOptions {
    std::string socket{control::default_socket_path};
    control::Query query;
    std::uint64_t most = 0;  ///< packets, after which it ends; 0: any number
    std::string file;        ///< to write; "-": standard output; empty: lines
    bool json = false;
    bool help = false;
};

/// argv[0] is the word `capture`. `environment_socket` is the value of SLUICE_SOCKET, or null. The error is a
/// sentence about wrong usage. Uses getopt_long and so belongs to one thread.
[[nodiscard]] Result<CaptureOptions> parse_capture_options(int argc, char** argv,
                                                           const char* environment_socket);

/// "dropped", "tolerated", "passed", "answered", "absorbed".
[[nodiscard]] std::string_view fate_of(const pipeline::Decision& decision);
/// "rule 3 (no telnet)"; empty where none has decided.
[[nodiscard]] std::string rule_words(const control::CaptureRow& row);

/// What a packet's comment says: "dropped, bad-flags: a combination of …; verdict invalid, worker 0".
[[nodiscard]] std::string comment_of(const control::CaptureRow& row);

/// Returns the exit status.
int capture_command(int argc, char** argv);

}  // namespace sluice::app
