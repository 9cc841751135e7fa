#include "app/read_options.hpp"

#include <fmt/format.h>

#include <string>

#include "app/cli_commands.hpp"
#include "app/exit_status.hpp"
#include "app/output.hpp"

namespace sluice::app {

Result<bool> read_options(int argc, char** argv, const char* letters, const option* longs,
                          const TakeOption& take) {
    const std::string with_colon = fmt::format(":{}", letters);
    optind = 0;  // glibc: start afresh
    opterr = 0;
    for (int answer; (answer = getopt_long(argc, argv, with_colon.c_str(), longs, nullptr)) != -1;) {
        if (answer == 'h') return true;
        if (answer == ':') return Error{fmt::format("option `{}' requires an argument", argv[optind - 1])};
        if (answer == '?') return Error{fmt::format("unknown option `{}'", argv[optind - 1])};
        if (const Status taken = take(answer, optarg); !taken) return Error{taken.error()};
    }
    return false;
}

std::optional<int> read_options(int argc, char** argv, const char* letters, const option* longs,
                                const char* usage, const TakeOption& take) {
    const Result<bool> asks_for_help = read_options(argc, argv, letters, longs, take);
    if (!asks_for_help) {
        complain(asks_for_help.error());
        return exit_status::wrong_usage;
    }
    if (!*asks_for_help) return std::nullopt;
    print(usage);
    return exit_status::done;
}

}  // namespace sluice::app
