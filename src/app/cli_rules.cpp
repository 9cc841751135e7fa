#include "app/cli_rules.hpp"

#include <fmt/format.h>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "app/cli_commands.hpp"
#include "app/cli_rows.hpp"
#include "app/configuration.hpp"
#include "app/exit_status.hpp"
#include "app/output.hpp"
#include "app/read_options.hpp"
#include "sluice/base/words.hpp"
#include "sluice/control/client.hpp"
#include "sluice/control/rule_words.hpp"

namespace sluice::app {
namespace {

using nlohmann::json;

constexpr const char* rules_usage =
    "Shows the rules in force, with how often each decided.\n"
    "Usage: sluice rules [--json] [--socket PATH]\n"
    "  --json         a JSON object a line\n"
    "  --socket PATH  where the daemon listens\n";
constexpr const char* test_packet_usage =
    "Says which rule decides about a flow that begins with this packet, and why those before it do not.\n"
    "Usage: sluice test-packet [--config FILE] [--json] [--socket PATH] PROTOCOL from ADDRESS [port N]\n"
    "           to ADDRESS [port N] [type N] [code N] [vlan N] [on PAIR/PORT]\n"
    "  --config FILE  by the rules of this file; else by those that the daemon obeys\n"
    "  --json         as a JSON object\n"
    "  --socket PATH  where the daemon listens\n"
    "`type' and `code' are of ICMP; `on 1/2' is the second port of the first pair.\n";

struct Options {
    std::string config;
    std::string socket{control::default_socket_path};
    bool json = false;
    std::vector<std::string> words;
};

/// An exit status where there is nothing more to do.
std::optional<int> parse(int argc, char** argv, const char* usage, bool takes_config, Options& out) {
    const option longs[] = {{"json", no_argument, nullptr, 'j'},
                            {"socket", required_argument, nullptr, 's'},
                            {"help", no_argument, nullptr, 'h'},
                            {takes_config ? "config" : nullptr, required_argument, nullptr, 'c'},
                            {nullptr, 0, nullptr, 0}};
    if (const char* const set = std::getenv("SLUICE_SOCKET"); set != nullptr && *set != '\0')
        out.socket = set;
    const auto ended = read_options(argc, argv, "h", longs, usage, [&](int letter, const char* value) {
        if (letter == 'j') out.json = true;
        if (letter == 's') out.socket = value;
        if (letter == 'c') out.config = value;
        return success();
    });
    if (ended) return ended;
    out.words.assign(argv + optind, argv + argc);
    return std::nullopt;
}

template <class OnRow>
int ask(const std::string& socket, const control::Query& query, const OnRow& on_row) {
    auto client = control::Client::connect(socket);
    if (!client) {
        complain(client.error());
        return exit_status::refused;
    }
    const auto end = (*client)->ask(query, on_row);
    if (end && end->ok) return exit_status::done;
    complain("Operation failed: " + (end ? end->error : end.error()));
    return exit_status::refused;
}

std::string titled(const json& row) {
    const std::string name = text(row, "name");
    if (number(row, "rule") == 0) return "no rule";
    return fmt::format("rule {}{}", number(row, "rule"), name.empty() ? "" : " (" + name + ")");
}

}  // namespace

std::string rule_heading() {
    return fmt::format("{:>5} {:<20} {:>14} {:>10} {:>10}  {}\n", "rule", "name", "hits", "limited", "flows",
                       "what it says");
}

std::string rule_line(std::string_view line) {
    const json row = json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("rule")) return "";
    const std::uint64_t rule = number(row, "rule");
    return fmt::format("{:>5} {:<20} {:>14} {:>10} {:>10}  {}\n", rule == 0 ? "-" : std::to_string(rule),
                       text(row, "name"), grouped(number(row, "hits")), grouped(number(row, "limited")),
                       grouped(number(row, "flows")), text(row, "text"));
}

std::string trial_text(std::string_view line) {
    const json row = json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("packet")) return "";
    std::string out = fmt::format("{}\n{} by {}: {}\n", text(row, "packet"), text(row, "action"), titled(row),
                                  text(row, "text"));
    if (const auto passed_over = row.find("passed_over"); passed_over != row.end() && passed_over->is_array())
        for (const json& before : *passed_over)
            out += fmt::format("    not by {}: {}\n", titled(before), text(before, "why"));
    if (const std::uint64_t more = number(row, "more_passed_over"); more != 0)
        out += fmt::format("    nor by {}\n", counted(more, "more rule"));
    return out;
}

int rules_command(int argc, char** argv) {
    Options options;
    if (const auto status = parse(argc, argv, rules_usage, false, options)) return *status;
    if (!options.words.empty()) {
        complain(fmt::format("rules takes no `{}'", options.words.front()));
        return exit_status::wrong_usage;
    }
    control::Query query;
    query.kind = control::Query::Kind::rules;
    bool heading = !options.json;
    return ask(options.socket, query, [&](std::string_view row) {
        if (std::exchange(heading, false)) print(rule_heading());
        print(options.json ? std::string(row) : rule_line(row));
    });
}

int test_packet_command(int argc, char** argv) {
    Options options;
    if (const auto status = parse(argc, argv, test_packet_usage, true, options)) return *status;
    const auto packet = control::parse_packet(options.words);
    if (!packet) {
        complain(packet.error());
        return exit_status::wrong_usage;
    }
    const auto show = [&](std::string_view row) { print(options.json ? std::string(row) : trial_text(row)); };
    if (options.config.empty()) {
        control::Query query;
        query.kind = control::Query::Kind::test_packet;
        query.packet = *packet;
        return ask(options.socket, query, show);
    }
    const auto configuration = load(options.config, {}, Use::replay);
    if (!configuration) {
        print_error(configuration.error() + '\n');
        return exit_status::refused;
    }
    std::string row;
    control::append_trial(row, configuration->rules == nullptr ? policy::RuleSet() : *configuration->rules,
                          *packet);
    show(row);
    return exit_status::done;
}

}  // namespace sluice::app
