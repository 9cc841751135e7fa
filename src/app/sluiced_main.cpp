// sluiced: arguments in, daemon up, exit status out.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "app/configuration.hpp"
#include "app/daemon.hpp"
#include "app/daemon_arguments.hpp"
#include "app/output.hpp"
#include "app/service_manager.hpp"
#include "app/signals.hpp"
#include "sluice/inspect/compile_program.hpp"

namespace {

constexpr int status_failed = 1;
constexpr int status_usage = 2;

int serve(sluice::app::Configuration configuration, std::vector<std::string> eal_arguments) {
    sluice::app::hold_signals_back();
    auto daemon = sluice::app::Daemon::start(std::move(configuration), std::move(eal_arguments));
    if (!daemon) {
        sluice::app::print_error(fmt::format("sluiced: {}\n", daemon.error()));
        return status_failed;
    }
    fmt::print("sluiced: {}\n", (*daemon)->ready_line());
    std::fflush(stdout);
    sluice::app::notify_service_manager("READY=1\n" + sluice::app::status_line((*daemon)->ready_line()));
    return (*daemon)->run() ? 0 : status_failed;
}

/// What was asked for is on standard output, or else it was not done.
int printed(int status) {
    return sluice::app::output_written("sluiced") ? status : status_failed;
}

int obey(int argc, char** argv) {
    // The daemon starts itself so; it is nothing for people.
    if (argc == 2 && argv[1] == sluice::inspect::compile_argument)
        return sluice::inspect::compile_program_main();
    auto arguments = sluice::app::parse_daemon_arguments(argc, argv);
    if (!arguments) {
        sluice::app::print_error(fmt::format("sluiced: {}\n", arguments.error()));
        return status_usage;
    }
    if (!arguments->answer.empty()) {
        sluice::app::print(arguments->answer);
        return printed(0);
    }
    if (arguments->check)
        return printed(sluice::app::check_main(arguments->file, {}, sluice::app::Use::daemon));

    spdlog::set_default_logger(spdlog::stderr_logger_mt("sluiced"));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    auto configuration = sluice::app::load(arguments->file, {}, sluice::app::Use::daemon);
    if (!configuration) {
        sluice::app::print_error(configuration.error() + "\n");
        return status_failed;
    }
    return serve(std::move(*configuration), std::move(arguments->eal_arguments));
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return obey(argc, argv);
    } catch (const std::exception& fault) {  // out of memory: nothing else throws
        std::fputs("sluiced: ", stderr);
        std::fputs(fault.what(), stderr);
        std::fputs("\n", stderr);
        return status_failed;
    }
}
