#include "app/daemon_arguments.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "sluice/control/query.hpp"
#include "sluice/dpdk/runtime.hpp"

namespace sluice::app {
namespace {

constexpr const char* footer =
    "What follows -- goes to DPDK's environment abstraction layer: sluiced --config FILE -- EAL ARGUMENTS";

/// Whoever leaves out --config or the -- before DPDK's arguments is told where they go.
std::string stranger(const std::string& word) {
    return fmt::format("'{}' is no argument of sluiced: {}, and what is meant for DPDK goes behind --", word,
                       !word.empty() && word.front() == '-' ? "see 'sluiced --help'"
                                                            : "a configuration is given as --config FILE");
}

}  // namespace

Result<DaemonArguments> parse_daemon_arguments(int argc, char** argv) {
    char** const end = argv + argc;
    char** const separator = std::find(argv, end, std::string("--"));
    DaemonArguments out;
    out.eal_arguments.assign(separator == end ? end : separator + 1, end);

    CLI::App app("Stateful connection tracker between pairs of ports, on DPDK.", "sluiced");
    app.footer(footer);
    // What CLI11 would complain of first is not always what is wrong, so these are judged here: a mistyped
    // --config is an unknown argument before it is a missing one.
    app.allow_extras();
    const CLI::Option* const config = app.add_option("--config", out.file, "the configuration (TOML)")
                                          ->type_name("FILE")
                                          ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app.add_flag("--check", out.check, "validate the configuration, say what it comes to, and exit");
    app.set_version_flag(
        "-V,--version",
        fmt::format("sluiced v{} ({})", control::program_version, dpdk::Runtime::dpdk_version()),
        "say which version this is, and of DPDK, and exit");
    try {
        app.parse(static_cast<int>(separator - argv), argv);
    } catch (const CLI::CallForHelp&) {
        out.answer = app.help();
        return out;
    } catch (const CLI::CallForVersion& version) {
        out.answer = fmt::format("{}\n", version.what());
        return out;
    } catch (const CLI::ArgumentMismatch&) {
        return Error{"--config wants a file: sluiced --config FILE"};
    } catch (const CLI::ParseError& fault) {
        return Error{fmt::format("{}: see 'sluiced --help'", fault.what())};
    }
    if (const auto strangers = app.remaining(); !strangers.empty()) return Error{stranger(strangers.front())};
    if (config->count() > 1) return Error{"--config is given more than once: choose one file"};
    if (config->count() == 0) return Error{"which configuration? Name it: sluiced --config FILE"};
    if (out.file.empty()) return Error{"--config wants a file: sluiced --config FILE"};
    return out;
}

}  // namespace sluice::app
