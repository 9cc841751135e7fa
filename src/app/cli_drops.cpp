#include "app/cli_drops.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/cli_commands.hpp"
#include "app/cli_rows.hpp"
#include "app/exit_status.hpp"
#include "app/interruption.hpp"
#include "app/output.hpp"
#include "sluice/base/words.hpp"
#include "sluice/control/capture_row.hpp"
#include "sluice/control/client.hpp"
#include "sluice/control/packet_words.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::app {

std::string drops_heading() {
    return fmt::format("{:<20} {:<10} {:>15} {:>13}  {}\n", "reason", "outcome", "packets", "a second",
                       "because");
}

std::string drops_line(std::string_view row) {
    if (const auto example = control::parse_capture(row)) {
        packet::Headers headers;
        packet::parse({example->bytes, example->length}, headers);
        return fmt::format("    {}  {}, {} bytes, port {}, worker {}\n",
                           control::time_words(example->nanoseconds), control::packet_words(headers),
                           example->length, example->port, example->worker);
    }
    const auto drop = nlohmann::json::parse(row, nullptr, false);
    if (!drop.is_object() || !drop.contains("rate")) return "";
    return fmt::format("{:<20} {:<10} {:>15} {:>13}  {}\n", text(drop, "reason"), text(drop, "outcome"),
                       grouped(number(drop, "packets")), grouped(number(drop, "rate")),
                       text(drop, "sentence"));
}

int watch_drops(const Arguments& arguments) {
    constexpr std::chrono::milliseconds interval{1000}, look{100};
    auto client = control::Client::connect(arguments.socket);
    if (!client) {
        complain(client.error());
        return exit_status::refused;
    }
    listen_for_interruption();
    const bool on_screen = !arguments.json && isatty(STDOUT_FILENO) == 1;
    for (bool first = true; !was_interrupted(); first = false) {
        if (on_screen)
            print("\033[H\033[2J");
        else if (!first && !arguments.json)
            print("\n");
        if (!arguments.json) print(drops_heading());
        const auto end = (*client)->ask(arguments.query, [&](std::string_view row) {
            print(arguments.json ? std::string(row) : drops_line(row));
        });
        if (!output_written("sluice")) return exit_status::refused;
        if (!end || !end->ok) {
            complain("Operation failed: " + (end ? end->error : end.error()));
            return exit_status::refused;
        }
        const auto until = std::chrono::steady_clock::now() + interval;
        while (!was_interrupted() && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(look);
    }
    return exit_status::done;
}

}  // namespace sluice::app
