#include "app/cli_events.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli_commands.hpp"
#include "app/cli_rows.hpp"
#include "app/interruption.hpp"
#include "app/output.hpp"
#include "sluice/control/client.hpp"

namespace sluice::app {
namespace {

void say_lost(std::string_view row) {
    const nlohmann::json lost = nlohmann::json::parse(row, nullptr, false);
    if (lost.is_discarded() || !lost.is_object()) return;
    complain(
        fmt::format("{} events have been lost: {} were read too slowly, {} came too fast for the daemon.",
                    number(lost, "by_reader") + number(lost, "by_workers"), number(lost, "by_reader"),
                    number(lost, "by_workers")));
}

}  // namespace

int follow_events(const Arguments& arguments) {
    constexpr int done = 0, refused = 1;
    auto client = control::Client::connect(arguments.socket);
    if (!client) {
        complain(client.error());
        return refused;
    }
    listen_for_interruption();
    const bool json = arguments.query.format.style == control::Format::Style::json;
    const auto end = (*client)->follow(
        arguments.query,
        [&](std::string_view row) {
            if (!json && row.starts_with(control::lost_prefix))
                say_lost(row);
            else
                print(row);
        },
        [] { return output_written("sluice"); }, [] { return was_interrupted(); });
    if (!output_written("sluice")) return refused;
    if (!end || !end->ok) {
        complain("Operation failed: " + (end ? end->error : end.error()));
        return refused;
    }
    complain(fmt::format("{} flow events have been shown.", end->count));
    return done;
}

}  // namespace sluice::app
