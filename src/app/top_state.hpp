// What `sluice top` knows: the rows of the daemon's answers, and what changed between two rounds of them.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/cli_rows.hpp"
#include "sluice/base/result.hpp"
#include "sluice/control/client.hpp"

namespace sluice::app {

/// One round of answers, row by row as they came; docs/control-socket.md says what is in them. What a daemon
/// does not have, the guard for instance, is empty.
struct TopReading {  // NOLINT(bugprone-exception-escape): moving JSON does not throw
    using Rows = std::vector<nlohmann::ordered_json>;

    double at = 0;  ///< seconds, by a clock that never goes back
    nlohmann::ordered_json version, counters, census;
    Rows workers, drops, floods, talkers;
    std::string no_census;  ///< why there is none; empty: there is

    /// Of all workers together. A key with a dot is one of an object in the row: "flows.ipv4".
    [[nodiscard]] std::uint64_t sum(std::string_view key) const;
};

/// A number in a row, also "object.key"; 0 where there is none.
[[nodiscard]] std::uint64_t number_at(const nlohmann::ordered_json& row, std::string_view key);
/// A text in a row; "" where there is none.
[[nodiscard]] std::string text_at(const nlohmann::ordered_json& row, std::string_view key);

/// Asks for all of it. `go_on` is called at least ten times a second meanwhile; when it says false the
/// connection is of no use any more. An error: the connection broke.
[[nodiscard]] Result<TopReading> read_top(control::Client& client, double now,
                                          const std::function<bool()>& go_on);

/// Rates are those between the two readings, a second; none as long as there is only one.
struct TopState {
    std::optional<TopReading> before, now;
    std::string lost;                ///< why the daemon cannot be asked; empty: it can
    std::uint64_t wall_seconds = 0;  ///< since 1970, for the uptime

    void take(TopReading reading) {
        before = std::move(now);
        now = std::move(reading);
        // Another daemon counts from 0 again.
        if (before && number_at(before->version, "start") != number_at(now->version, "start")) before.reset();
    }
    /// Seconds between the readings; 0: there are no rates.
    [[nodiscard]] double passed() const { return before && now ? now->at - before->at : 0; }
    /// How fast a counter grew; nothing as long as nobody knows.
    [[nodiscard]] std::optional<double> rate(std::uint64_t was, std::uint64_t is) const;
    [[nodiscard]] std::optional<double> rate(std::string_view key) const;
    /// Of the worker, port or reason in this place of the reading.
    [[nodiscard]] std::optional<double> worker_rate(std::size_t worker, std::string_view key) const;
    [[nodiscard]] std::optional<double> counter_rate(const std::string& name) const;
    [[nodiscard]] std::optional<double> drop_rate(const nlohmann::ordered_json& drop) const;
    /// Part of the time that a worker had something to do, 0 to 1; cycles that a packet took; packets of a
    /// burst.
    [[nodiscard]] std::optional<double> load(std::size_t worker) const;
    [[nodiscard]] std::optional<double> cycles_per_packet(std::size_t worker) const;
    [[nodiscard]] std::optional<double> burst_size(std::size_t worker) const;
};

/// All of it in one object: the rows, and the rates.
[[nodiscard]] nlohmann::ordered_json to_json(const TopState& state);

}  // namespace sluice::app
