#include "app/cli_check.hpp"

#include <getopt.h>

#include <fmt/format.h>

#include <string>
#include <vector>

#include "app/cli_commands.hpp"
#include "app/configuration.hpp"
#include "app/exit_status.hpp"
#include "app/output.hpp"

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
    optind = 0;  // glibc: start afresh
    opterr = 0;
    for (int answer; (answer = getopt_long(argc, argv, ":h", longs, nullptr)) != -1;) {
        switch (answer) {
            case 's':
                overrides.emplace_back(optarg);
                break;
            case 'r':
                use = Use::replay;
                break;
            case 'h':
                print(usage_text);
                return 0;
            case ':':
                complain(fmt::format("option `{}' requires an argument", argv[optind - 1]));
                return exit_status::wrong_usage;
            default:
                complain(fmt::format("unknown option `{}'", argv[optind - 1]));
                return exit_status::wrong_usage;
        }
    }
    if (optind + 1 != argc) {
        complain("check takes one configuration file: sluice check FILE");
        return exit_status::wrong_usage;
    }
    return check_main(argv[optind], overrides, use);
}

}  // namespace sluice::app
