// What this machine lacks for sluiced, and what mends it: the questions of the daemon's start
// (src/dpdk/machine.hpp, port_checks.hpp), all of them and at any time, and those that only cost speed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/configuration.hpp"

namespace sluice::app {

enum class Health : std::uint8_t {
    ok,
    warn,  ///< it works, but not as well as it could, or only some of it
    fail,  ///< the daemon does not start, or does not work
};
[[nodiscard]] constexpr std::string_view name_of(Health health) {
    constexpr std::string_view names[] = {"ok", "warn", "fail"};
    return names[static_cast<int>(health)];
}

struct Finding {
    Health health = Health::ok;
    std::string about;     ///< "huge pages", "port af_packet:eth1"
    std::string sentence;  ///< what is
    std::string
        remedy;  ///< a command to type or a key to set; empty: nothing is to be done, or the sentence says it
};

/// Where to look.
struct Surroundings {
    std::string proc = "/proc";
    std::string sys = "/sys";
    std::vector<unsigned> processors;  ///< that this process may run on
    std::string socket;                ///< the daemon's; empty: not asked for
};

/// In the order in which they are to be read. `configuration`: what is to run; null: nothing in particular,
/// and then what is missing warns.
[[nodiscard]] std::vector<Finding> examine(const Surroundings& around, const Configuration* configuration);

/// "warn  huge pages   none are reserved\n                   type: …\n".
[[nodiscard]] std::string line_of(const Finding& finding);
/// One JSON object and a line feed.
[[nodiscard]] std::string json_of(const Finding& finding);

/// `sluice doctor`; returns the exit status.
int doctor_command(int argc, char** argv);

}  // namespace sluice::app
