#include "app/cli_commands.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "app/cli_drops.hpp"
#include "app/cli_events.hpp"
#include "app/cli_floods.hpp"
#include "app/cli_rows.hpp"
#include "app/cli_signatures.hpp"
#include "app/exit_status.hpp"
#include "app/output.hpp"
#include "app/progress.hpp"
#include "sluice/base/reason.hpp"
#include "sluice/control/client.hpp"

namespace sluice::app {
namespace {

using control::End;
using nlohmann::json;

/// conntrack -S: a line per worker, where conntrack has a line per CPU.
void print_statistics(std::string_view line) {
    const json row = json::parse(line, nullptr, false);
    if (row.is_discarded() || !row.is_object() || !row.contains("worker")) return;
    std::string out = fmt::format("cpu={:<4}\t", number(row, "worker"));
    for (const char* name : {"found", "invalid", "insert", "insert_failed", "drop", "early_drop", "error",
                             "search_restart", "clash_resolve", "chaintoolong"})
        out += fmt::format("{}={} ", name, number(row, name));
    print(out + "\n");
}

void print_reason(std::string_view line) {
    const json row = json::parse(line, nullptr, false);
    if (row.is_discarded() || !row.is_object()) return;
    print(fmt::format("{:<20} {:<10} {:>12}  {}\n", text(row, "reason"), text(row, "outcome"),
                      number(row, "packets"), text(row, "sentence")));
}

/// The closed list, known without a daemon.
void print_reasons(bool as_json) {
    constexpr std::string_view outcomes[] = {"accepted", "tolerated", "refused", "dropped"};
    for (std::size_t i = 1; i < reason_count; ++i) {  // 0 is none
        const ReasonText& reason = reason_texts[i];
        const auto outcome = outcomes[static_cast<int>(reason.outcome)];
        if (as_json)
            print(nlohmann::ordered_json{
                      {"reason", reason.name}, {"outcome", outcome}, {"sentence", reason.sentence}}
                      .dump() +
                  "\n");
        else
            print(fmt::format("{:<20} {:<10} {}\n", reason.name, outcome, reason.sentence));
    }
}

void print_row(const Arguments& arguments, std::string_view row) {
    const bool reasons = arguments.query.kind == control::Query::Kind::reasons;
    const bool signatures = arguments.query.kind == control::Query::Kind::signatures;
    const bool floods = arguments.query.kind == control::Query::Kind::floods;
    const bool drops = arguments.query.kind == control::Query::Kind::drops;
    if (arguments.query.kind == control::Query::Kind::stats && !arguments.json)
        print_statistics(row);
    else if (reasons && !arguments.json)
        print_reason(row);
    else if (floods && !arguments.json)
        print(arguments.query.services ? guarded_line(row) : flood_text(row));
    else if (signatures && !arguments.json)
        print(signature_line(row));
    else if (drops && !arguments.json)
        print(drops_line(row));
    else
        print(row);
}

/// What stands above rows that are lines of a table; empty: nothing does.
std::string heading_of(const Arguments& arguments) {
    if (arguments.json) return "";
    if (arguments.query.services) return guarded_heading();
    if (arguments.command == Command::drops) return drops_heading();
    return arguments.command == Command::signatures ? signature_heading() : "";
}

/// conntrack's closing sentences.
int conclude(const Arguments& arguments, const End& end) {
    const auto trailer = [&](std::string_view participle) {
        complain(fmt::format("{} flow entries have been {}.", end.count, participle));
        return end.count > 0 ? exit_status::done : exit_status::refused;
    };
    switch (arguments.command) {
        case Command::list:
            (void)trailer("shown");
            return exit_status::done;
        case Command::get:
            if (end.count > 0) return trailer("shown");
            complain("Operation failed: such conntrack doesn't exist");
            return exit_status::refused;
        case Command::remove:
            return trailer("deleted");
        case Command::update:
            return trailer("updated");
        case Command::insert:
            return trailer("created");
        case Command::flush:
            complain("connection tracking table has been emptied.");
            return exit_status::done;
        case Command::count:
            print(fmt::format("{}\n", end.count));
            return exit_status::done;
        case Command::floods:
            complain(fmt::format("{} {} been shown.", end.count,
                                 arguments.query.services ? "services have" : "floods have"));
            return exit_status::done;
        case Command::drops:
            complain(fmt::format("{} reasons have been shown.", end.count));
            return exit_status::done;
        case Command::reload:
            complain("the configuration has been read again.");
            return exit_status::done;
        default:
            return exit_status::done;
    }
}

/// How many flows a listing will show, where that is known at once.
std::uint64_t flows_to_come(control::Client& client, const Arguments& arguments) {
    if (arguments.command != Command::list || !arguments.query.filter.everything()) return 0;
    control::Query query;
    query.kind = control::Query::Kind::count;
    const auto end = client.ask(query, [](std::string_view) {});
    return end ? end->count : 0;
}

int ask_the_daemon(const Arguments& arguments) {
    auto client = control::Client::connect(arguments.socket);
    if (!client) {
        complain(client.error());
        return exit_status::refused;
    }
    std::string heading = heading_of(arguments);
    Progress progress("listing", "flows", 0, Progress::Output::rows);
    if (progress.possible()) progress.set_total(flows_to_come(**client, arguments));
    std::uint64_t rows = 0;
    const auto end = (*client)->ask(arguments.query, [&](std::string_view row) {
        print(std::exchange(heading, ""));
        print_row(arguments, row);
        progress.at(++rows);
    });
    progress.end();
    // Before the closing sentence, which says that the rows have been shown.
    const bool shown = output_written("sluice");
    if (!end || !end->ok) {
        complain("Operation failed: " + (end ? end->error : end.error()));
        return exit_status::refused;
    }
    return shown ? conclude(arguments, *end) : exit_status::refused;
}

}  // namespace

void complain(std::string_view sentence) {
    print_error(fmt::format("sluice v{}: {}\n", control::program_version, sentence));
}

int run_command(const Arguments& arguments) {
    int status = exit_status::done;
    if (arguments.command == Command::help)
        print(usage(arguments.about));
    else if (arguments.command == Command::version)
        print(fmt::format("sluice v{}\n", control::program_version));
    else if (arguments.command == Command::reasons && !arguments.counts)
        print_reasons(arguments.json);
    else if (arguments.command == Command::drops && arguments.watch)
        status = watch_drops(arguments);
    else if (arguments.command == Command::events)
        status = follow_events(arguments);
    else
        status = ask_the_daemon(arguments);
    return status;
}

}  // namespace sluice::app
