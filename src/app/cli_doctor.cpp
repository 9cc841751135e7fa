// `sluice doctor`: arguments in, findings out.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "app/cli_commands.hpp"
#include "app/doctor.hpp"
#include "app/exit_status.hpp"
#include "app/output.hpp"
#include "app/read_options.hpp"
#include "dpdk/machine.hpp"
#include "sluice/control/query.hpp"

namespace sluice::app {
namespace {

constexpr const char* usage_text =
    "Says what this machine lacks for sluiced, and what mends it. Needs no daemon.\n"
    "Usage: sluice doctor [--config FILE [--set KEY=VALUE]...] [-o json] [--socket PATH]\n"
    "  --config FILE    for this configuration: its ports, workers and memory\n"
    "  --set KEY=VALUE  with this key changed; may be repeated\n"
    "  --json           a JSON object a line; so does -o json\n"
    "  --socket PATH    where a daemon should answer (the configuration's, or SLUICE_SOCKET)\n"
    "Exit status: 0, 1 when something fails, 2 wrong usage.\n";

struct Options {
    std::string config;
    std::vector<std::string> overrides;
    std::string socket;
    bool json = false;
};

int report(const Options& options, const Configuration* configuration) {
    Surroundings around;
    around.processors = dpdk::allowed_processors();
    around.socket = options.socket;
    if (around.socket.empty() && configuration != nullptr) around.socket = configuration->control.path;
    const char* const environment = std::getenv("SLUICE_SOCKET");
    if (around.socket.empty() && environment != nullptr) around.socket = environment;
    if (around.socket.empty()) around.socket = control::default_socket_path;
    const std::vector<Finding> found = examine(around, configuration);
    for (const Finding& finding : found) print(options.json ? json_of(finding) : line_of(finding));
    const bool fails = std::any_of(found.begin(), found.end(),
                                   [](const Finding& one) { return one.health == Health::fail; });
    return fails ? exit_status::failed : exit_status::done;
}

}  // namespace

int doctor_command(int argc, char** argv) {
    const option longs[] = {{"config", required_argument, nullptr, 'c'},
                            {"set", required_argument, nullptr, 's'},
                            {"json", no_argument, nullptr, 'j'},
                            {"output", required_argument, nullptr, 'o'},
                            {"socket", required_argument, nullptr, 'k'},
                            {"help", no_argument, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
    Options options;
    const auto wrong = [](std::string_view sentence) {
        complain(sentence);
        return exit_status::wrong_usage;
    };
    const auto take = [&](int letter, const char* value) -> Status {
        if (letter == 'o' && std::string_view(value) != "json")
            return Error{"of the formats `doctor' has `json' alone"};
        if (letter == 'c') options.config = value;
        if (letter == 's') options.overrides.emplace_back(value);
        if (letter == 'k') options.socket = value;
        if (letter == 'o' || letter == 'j') options.json = true;
        return success();
    };
    if (const auto ended = read_options(argc, argv, "ho:", longs, usage_text, take)) return *ended;
    if (optind != argc) return wrong(fmt::format("doctor takes no `{}'", argv[optind]));
    if (options.config.empty()) {
        if (!options.overrides.empty()) return wrong("`--set' changes a configuration: give `--config'");
        return report(options, nullptr);
    }
    const auto configuration = load(options.config, options.overrides, Use::daemon);
    if (!configuration) {
        print_error(configuration.error() + '\n');
        return exit_status::failed;
    }
    return report(options, &*configuration);
}

}  // namespace sluice::app
