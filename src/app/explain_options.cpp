#include "app/explain_options.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <getopt.h>

#include "app/cli_meaning.hpp"
#include "sluice/control/text.hpp"

namespace sluice::app {
namespace {

enum Option : int { json = 256, ascii, svg, packet, flow, limit, rows, full, config, set, filters = 1000 };

/// conntrack's filters that say something of a flow in a capture; the words are those of `sluice list`.
constexpr OptionId filter_options[] = {OptionId::protocol,
                                       OptionId::family,
                                       OptionId::source,
                                       OptionId::destination,
                                       OptionId::mask_source,
                                       OptionId::mask_destination,
                                       OptionId::source_port,
                                       OptionId::destination_port,
                                       OptionId::reply_source,
                                       OptionId::reply_destination,
                                       OptionId::reply_source_port,
                                       OptionId::reply_destination_port,
                                       OptionId::icmp_type,
                                       OptionId::icmp_id,
                                       OptionId::vlan};

std::vector<const OptionText*> filter_texts() {
    std::vector<const OptionText*> out;
    for (const OptionId id : filter_options)
        for (const OptionText& text : option_texts())
            if (text.id == id) out.push_back(&text);
    return out;
}

/// Everything getopt_long is told.
struct Tables {
    std::vector<const OptionText*> texts = filter_texts();
    std::string letters = ":h";
    std::vector<option> longs{{"json", no_argument, nullptr, Option::json},
                              {"ascii", no_argument, nullptr, Option::ascii},
                              {"svg", required_argument, nullptr, Option::svg},
                              {"packet", required_argument, nullptr, Option::packet},
                              {"flow", required_argument, nullptr, Option::flow},
                              {"limit", required_argument, nullptr, Option::limit},
                              {"rows", required_argument, nullptr, Option::rows},
                              {"full", no_argument, nullptr, Option::full},
                              {"config", required_argument, nullptr, Option::config},
                              {"set", required_argument, nullptr, Option::set},
                              {"help", no_argument, nullptr, 'h'}};

    Tables() {
        for (std::size_t i = 0; i < texts.size(); ++i) {
            if (texts[i]->letter != 0) letters.append(1, texts[i]->letter).append(1, ':');
            for (const std::string_view name : texts[i]->names)
                if (!name.empty())
                    longs.push_back(
                        {name.data(), required_argument, nullptr, Option::filters + static_cast<int>(i)});
        }
        longs.push_back({nullptr, 0, nullptr, 0});
    }
    /// The filter that getopt_long's answer stands for; null: none.
    [[nodiscard]] const OptionText* filter(int answer) const {
        if (answer >= Option::filters) return texts[static_cast<std::size_t>(answer - Option::filters)];
        for (const OptionText* text : texts)
            if (text->letter != 0 && text->letter == answer) return text;
        return nullptr;
    }
};

template <class Number>
Status take_number(const char* name, std::uint64_t lowest, std::uint64_t highest, Number& out) {
    const auto value = control::parse_number(optarg, highest);
    if (!value || *value < lowest)
        return Error{
            fmt::format("--{} wants a whole number from {} to {}, not '{}'", name, lowest, highest, optarg)};
    out = static_cast<std::size_t>(*value);
    return success();
}

Status take(int answer, ExplainOptions& out) {
    constexpr std::uint64_t any = UINT64_MAX, most_flows = 100'000, most_rows = 10'000'000;
    switch (answer) {
        case 'h':
            out.help = true;
            return success();
        case Option::json:
            out.json = true;
            return success();
        case Option::ascii:
            out.ascii = true;
            return success();
        case Option::full:
            out.choice.full = true;
            return success();
        case Option::svg:
            out.svg = optarg;
            if (out.svg == "-" || out.svg.empty())
                return Error{"--svg wants a file: standard output carries the text"};
            return success();
        case Option::packet:
            return take_number("packet", 1, any, out.packet);
        case Option::flow:
            return take_number("flow", 1, any, out.choice.flow);
        case Option::limit:
            return take_number("limit", 1, most_flows, out.choice.most_flows);
        case Option::rows:
            return take_number("rows", 2, most_rows, out.choice.most_rows);
        case Option::config:
            out.config = optarg;
            return success();
        case Option::set:
            if (std::strchr(optarg, '=') == nullptr)
                return Error{
                    fmt::format("--set wants KEY=VALUE, such as --set tcp.loose=false, not '{}'", optarg)};
            out.overrides.emplace_back(optarg);
            return success();
        default:
            // getopt names an unknown short option by its letter; a long one is the word it read last.
            if (optopt > 0 && optopt < Option::json)
                return Error{fmt::format("-{} is no option of sluice explain", static_cast<char>(optopt))};
            return Error{
                fmt::format("{} is no option of sluice explain", optarg != nullptr ? optarg : "that")};
    }
}

}  // namespace

std::string explain_usage() {
    std::string out =
        R"(usage: sluice explain [FILTER]... [--flow N | --packet N] [--full] [--svg FILE] [--json] CAPTURE...

Tells what became of each connection in captures (pcap, pcapng; "-" is standard input), as the daemon's own tracker
judges them: a table and, for TCP, a ladder of both endpoints.

  --flow N         only the flow of this number, as `sluice replay` counts them
  --packet N       only the flow of this packet
  --full           every packet, plain data and acknowledgements too
  --limit N        at most so many flows (100)
  --rows N         at most so many rows of each flow, half from its beginning and half from its end (1000)
  --svg FILE       draw the ladders into FILE as well
  --json           JSON, an object a line
  --ascii          no box drawing, as where the locale is not UTF-8
  --config FILE    the daemon's configuration; without it, nf_conntrack's defaults (profile linux)
  --set KEY=VALUE  overrides a key of the configuration; may be repeated
  -h, --help       this text

Filters, as of `sluice list`; all that are given must match:
)";
    for (const OptionText* text : filter_texts()) {
        std::string names = text->letter != 0 ? fmt::format("-{}, ", text->letter) : "    ";
        for (const auto name : text->names)
            if (!name.empty()) names += fmt::format("{}--{}", names.size() > 4 ? ", " : "", name);
        out += fmt::format("  {:<50} {}\n", names + " " + std::string(text->value), text->help);
    }
    return out + "\nExit status: 0 done, 1 nothing matched or a capture or file failed, 2 wrong usage.\n";
}

Result<ExplainOptions> parse_explain_options(int argc, char** argv) {
    const Tables tables;
    ExplainOptions out;
    std::vector<Given> given;
    opterr = 0;
    optind = 0;  // glibc: start afresh
    for (int answer;
         (answer = getopt_long(argc, argv, tables.letters.c_str(), tables.longs.data(), nullptr)) != -1;) {
        if (answer == ':') return Error{fmt::format("{} wants a value", argv[optind - 1])};
        if (answer == '?' && (optopt == 0 || optopt >= Option::json))
            return Error{fmt::format("{} is no option of sluice explain", argv[optind - 1])};
        if (const OptionText* filter = tables.filter(answer)) {
            given.push_back({filter, optarg});
            continue;
        }
        if (const Status taken = take(answer, out); !taken) return Error{taken.error()};
    }
    if (out.help) return out;
    Arguments arguments;
    arguments.command = Command::list;
    if (const Status understood = understand(given, arguments); !understood) return Error{understood.error()};
    out.choice.filter = arguments.query.filter;
    if (out.packet && out.choice.flow)
        return Error{"--flow and --packet each name one flow: give one of them"};
    if (!given.empty() && (out.packet || out.choice.flow))
        return Error{"--flow and --packet name one flow: filters have nothing left to choose"};
    for (int i = optind; i < argc; ++i) out.captures.emplace_back(argv[i]);
    if (out.captures.empty()) return Error{"which capture? Name one or more pcap or pcapng files"};
    return out;
}

}  // namespace sluice::app
