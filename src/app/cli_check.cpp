#include "app/cli_check.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "app/cli_commands.hpp"
#include "app/configuration.hpp"
#include "app/exit_status.hpp"
#include "app/output.hpp"
#include "app/read_options.hpp"

namespace sluice::app {
namespace {

constexpr const char* usage_text =
    "Checks a configuration file and says every fault with its line and column.\n"
    "Usage: sluice check [--set KEY=VALUE]... [--replay] FILE\n"
    "  --set KEY=VALUE  with this key changed; may be repeated\n"
    "  --replay         as `sluice replay' reads it: no pair of ports needed\n";

}  // namespace

int check_command(int argc, char** argv) {
    const option longs[] = {{"set", required_argument, nullptr, 's'},
                            {"replay", no_argument, nullptr, 'r'},
                            {"help", no_argument, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
    std::vector<std::string> overrides;
    Use use = Use::daemon;
    const auto ended = read_options(argc, argv, "h", longs, usage_text, [&](int letter, const char* value) {
        if (letter == 's') overrides.emplace_back(value);
        if (letter == 'r') use = Use::replay;
        return success();
    });
    if (ended) return *ended;
    if (optind + 1 != argc) {
        complain("check takes one configuration file: sluice check FILE");
        return exit_status::wrong_usage;
    }
    return check_main(argv[optind], overrides, use);
}

}  // namespace sluice::app
