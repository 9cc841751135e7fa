#include "app/replay_options.hpp"

#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <getopt.h>

namespace sluice::app {

const std::string_view replay_usage =
    R"(usage: sluice replay [--json] [--config FILE] [--set KEY=VALUE]... [--workers N] [--flows] [--write OUT.pcap] CAPTURE...

Runs the daemon's own tracker over captures (pcap, pcapng; "-" is standard input), the packets' timestamps as its
clock, and prints a line for each packet: what became of it and why.

  --json           a JSON object a line
  --config FILE    the daemon's configuration; without it, nf_conntrack's defaults (profile linux)
  --set KEY=VALUE  overrides a key of the configuration; may be repeated
  --workers N      spread the packets over N trackers (1 to 64), as the daemon would
  --flows          at the end, the flows still present, as `conntrack -L` prints them
  --write OUT.pcap everything that would have left the box
  -h, --help       this text
)";

namespace {

enum Option : int { json = 256, config, set, workers, flows, write };

bool parse_workers(std::string_view text, unsigned& out) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    return failure == std::errc{} && end == text.data() + text.size() && out >= 1 &&
           out <= most_replay_workers;
}

}  // namespace

Result<ReplayOptions> parse_replay_options(int argc, char** argv) {
    static const option known[] = {{"json", no_argument, nullptr, Option::json},
                                   {"config", required_argument, nullptr, Option::config},
                                   {"set", required_argument, nullptr, Option::set},
                                   {"workers", required_argument, nullptr, Option::workers},
                                   {"flows", no_argument, nullptr, Option::flows},
                                   {"write", required_argument, nullptr, Option::write},
                                   {"help", no_argument, nullptr, 'h'},
                                   {nullptr, 0, nullptr, 0}};
    ReplayOptions options;
    opterr = 0;
    optind = 0;  // begin anew: the caller may have used getopt itself
    for (;;) {
        const int found = getopt_long(argc, argv, ":h", known, nullptr);
        if (found == -1) break;
        switch (found) {
            case 'h':
                options.help = true;
                return options;
            case Option::json:
                options.json = true;
                break;
            case Option::flows:
                options.flows = true;
                break;
            case Option::config:
                options.config = optarg;
                break;
            case Option::set:
                if (std::strchr(optarg, '=') == nullptr)
                    return Error{fmt::format("--set wants KEY=VALUE, such as --set tcp.loose=false, not '{}'",
                                             optarg)};
                options.overrides.emplace_back(optarg);
                break;
            case Option::workers:
                if (!parse_workers(optarg, options.workers))
                    return Error{fmt::format("--workers wants a number from 1 to {}, not '{}'",
                                             most_replay_workers, optarg)};
                break;
            case Option::write:
                options.write = optarg;
                if (options.write == "-")
                    return Error{"--write wants a file: standard output carries the lines"};
                break;
            case ':':
                return Error{fmt::format("{} wants a value", argv[optind - 1])};
            default:
                // getopt names an unknown short option by its letter; a long one is the word it read last.
                if (optopt > 0 && optopt < Option::json)
                    return Error{fmt::format("-{} is no option of sluice replay", static_cast<char>(optopt))};
                return Error{fmt::format("{} is no option of sluice replay", argv[optind - 1])};
        }
    }
    for (int i = optind; i < argc; ++i) options.captures.emplace_back(argv[i]);
    if (options.captures.empty()) return Error{"which capture? Name one or more pcap or pcapng files"};
    return options;
}

}  // namespace sluice::app
