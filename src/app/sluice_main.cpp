// The command `sluice`: words with arguments of their own first, all else as conntrack's users type it.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "app/cli_arguments.hpp"
#include "app/cli_capture.hpp"
#include "app/cli_check.hpp"
#include "app/cli_commands.hpp"
#include "app/cli_rules.hpp"
#include "app/cli_snapshot.hpp"
#include "app/cli_story.hpp"
#include "app/cli_top.hpp"
#include "app/doctor.hpp"
#include "app/explain.hpp"
#include "app/output.hpp"
#include "app/replay.hpp"

namespace {

/// A word that brings its own options; argv[0] is the word.
struct Subcommand {
    std::string_view word;
    int (*main)(int argc, char** argv);
};
constexpr Subcommand subcommands[] = {
    {"capture", sluice::app::capture_command},
    {"check", sluice::app::check_command},
    {"doctor", sluice::app::doctor_command},
    {"explain", sluice::app::explain_main},
    {"replay", sluice::app::replay_main},
    {"restore", sluice::app::restore_command},
    {"rules", sluice::app::rules_command},
    {"save", sluice::app::save_command},
    {"test-packet", sluice::app::test_packet_command},
    {"top", sluice::app::top_command},
};

const Subcommand* subcommand_of(std::string_view word) {
    for (const Subcommand& subcommand : subcommands)
        if (subcommand.word == word) return &subcommand;
    return nullptr;
}

int obey(int argc, char** argv) {
    // `sluice --socket PATH WORD …` is `sluice WORD --socket PATH …`.
    constexpr std::string_view socket = "--socket";
    if (argc > 3 && argv[1] == socket && subcommand_of(argv[3]) != nullptr)
        std::rotate(argv + 1, argv + 3, argv + 4);
    if (argc > 1)
        if (const Subcommand* subcommand = subcommand_of(argv[1]))
            return subcommand->main(argc - 1, argv + 1);

    const auto arguments = sluice::app::parse_arguments(argc, argv, std::getenv("SLUICE_SOCKET"));
    if (!arguments) {
        sluice::app::complain(arguments.error());
        sluice::app::print_error("Try `sluice -h' or 'sluice --help' for more information.\n");
        return 2;
    }
    if (arguments->story) return sluice::app::tell_story(*arguments);
    return sluice::app::run_command(*arguments);
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): nobody could do more about one than the runtime does
int main(int argc, char** argv) {
    const int status = obey(argc, argv);
    return sluice::app::output_written("sluice") ? status : 1;
}
