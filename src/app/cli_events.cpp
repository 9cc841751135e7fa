#include "app/cli_events.hpp"

#include <fmt/format.h>

#include "app/cli_commands.hpp"
#include "app/cli_follow.hpp"
#include "app/exit_status.hpp"
#include "app/interruption.hpp"
#include "app/output.hpp"
#include "sluice/control/client.hpp"

namespace sluice::app {
int follow_events(const Arguments& arguments) {
    auto client = control::Client::connect(arguments.socket);
    if (!client) {
        complain(client.error());
        return exit_status::refused;
    }
    listen_for_interruption();
    const bool json = arguments.query.format.style == control::Format::Style::json;
    const auto end = (*client)->follow(
        arguments.query,
        [&](std::string_view row) {
            LostRows lost;
            if (json || !lost.take(row)) return print(row);
            complain(fmt::format(
                "{} events have been lost: {} were read too slowly, {} came too fast for the daemon.",
                lost.all(), lost.by_reader, lost.by_workers));
        },
        [] { return output_written("sluice"); }, [] { return was_interrupted(); });
    if (!output_written("sluice")) return exit_status::refused;
    if (!end || !end->ok) {
        complain("Operation failed: " + (end ? end->error : end.error()));
        return exit_status::refused;
    }
    complain(fmt::format("{} flow events have been shown.", end->count));
    return exit_status::done;
}

}  // namespace sluice::app
