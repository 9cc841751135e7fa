// What the web page shows: how the daemon stands, and what it did in the last quarter of an hour, as JSON
// (docs/web.md names its keys).
//
// Once a second the counters are read, and what they have grown by is kept as a row of text: a reader who
// comes late, or back, is given the rows it does not have by joining them. Rows are all there is memory for.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/reason.hpp"
#include "sluice/control/alert_words.hpp"
#include "sluice/control/flow_census.hpp"
#include "sluice/control/workers.hpp"

namespace sluice::control {

/// Used by the control thread alone.
class WebState {
  public:
    static constexpr std::size_t most_rows = 900;  ///< seconds
    static constexpr std::size_t most_alerts = 20, most_floods = 20, most_services = 10, most_talkers = 5;
    /// Slots for flows that are looked at in a turn while somebody reads the page: about a millisecond.
    static constexpr std::uint32_t census_slots = 65'536;

    /// Milliseconds, both of the same instant.
    struct Moment {
        std::uint64_t monotonic;  ///< does not go back, not when the daemon starts anew either
        std::uint64_t wall;       ///< since 1970
    };

    /// `workers` outlives it. `statistics` makes the rows of `stats`. `host`: the machine's name.
    WebState(const Workers& workers, std::function<std::string()> statistics, std::string host,
             Moment started);

    /// At every turn of the control thread.
    void look(Moment now);
    void add(const AlertNews& alert);

    /// The state, made once a second at most, and the rows that are newer than `since`, a row's `at`; all of
    /// them when it is none, or one to come.
    [[nodiscard]] std::string json(std::string_view since);

  private:
    struct Load {
        std::uint64_t busy = 0, running = 0;  ///< nanoseconds
    };
    /// Of all workers together, but for the loads.
    struct Sums {
        std::uint64_t packets = 0, bytes = 0, passed = 0, dropped = 0, inserted = 0, syns = 0;
        std::uint64_t flows = 0, half_open = 0;  ///< now
        std::array<std::uint64_t, reason_count> reasons{};
        std::vector<Load> loads;  ///< by worker
    };
    struct Row {
        std::uint64_t at;
        std::string text;
    };

    void go_on_counting();
    [[nodiscard]] Sums read() const;
    void keep(const Sums& sums);
    [[nodiscard]] std::string make_body() const;

    const Workers& workers_;
    const std::function<std::string()> statistics_;
    const std::string host_;
    const Moment started_;
    Moment now_;
    Sums last_;
    std::uint64_t last_at_;
    std::deque<Row> rows_;
    std::deque<std::string> alerts_;      ///< JSON, newest first
    std::string body_;                    ///< of this second; empty: nobody has asked yet
    std::uint64_t asked_at_ = 0;          ///< 0: never
    std::uint64_t counted_at_ = 0;        ///< flows, last
    std::unique_ptr<FlowCensus> census_;  ///< while somebody looks
    bool counting_ = false;               ///< a look of it is under way
    std::string census_rows_;             ///< what it knew last
};

}  // namespace sluice::control
