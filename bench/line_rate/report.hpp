// What a run of line_rate came to, and the three ways to say it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "line_rate/arguments.hpp"
#include "line_rate/figure.hpp"

namespace sluice::bench {

/// Of the ratios of single rounds.
struct Spread {
    double least = 0, median = 0, most = 0;
};

/// What tracking and plain forwarding did under the same conditions, in turns.
struct Comparison {
    std::string name;
    Figure tracker;
    std::optional<Figure> plain;     ///< none over ports: the box there is what it is
    std::optional<Figure> defended;  ///< the tracker again, with the flooded server defended
    [[nodiscard]] std::vector<Figure*> figures() {
        std::vector<Figure*> out{&tracker};
        for (auto* figure : {&plain, &defended}) {
            if (*figure) out.push_back(&**figure);
        }
        return out;
    }
    [[nodiscard]] double ratio() const {
        return plain && plain->out_per_second > 0 ? tracker.out_per_second / plain->out_per_second : 0;
    }
    /// None where there is no plain forwarding.
    [[nodiscard]] std::optional<Spread> ratio_of_rounds() const;
    [[nodiscard]] bool is_void() const {
        return !tracker.void_because.empty() || (plain && !plain->void_because.empty()) ||
               (defended && !defended->void_because.empty());
    }
};

/// What in_turns means for every figure beside it.
inline constexpr const char* in_turns_note =
    "generator and worker took turns on one thread: seconds, and packets a second, are of the worker's turns "
    "alone";

/// The open connections that a profile begins with: how fast they were opened, and whether all are there.
struct Opening {
    std::uint64_t connections = 0;
    double seconds = 0;
    std::optional<std::uint64_t> tracked;  ///< by the box, afterwards; unknown over ports
};

/// A rate without loss, by frame size.
struct SearchPoint {
    std::string name;       ///< "64" … "1518", "IMIX"
    double mean_frame = 0;  ///< bytes, FCS included
    Box::Kind kind = Box::Kind::tracking;
    double highest_per_second = 0;   ///< flat out, loss or not
    double lossless_per_second = 0;  ///< the highest trial that passed
    double lossless_gigabits = 0;    ///< on a wire
    Latency latency;                 ///< at that rate
    unsigned trials = 0;
    std::vector<std::string> void_because;
};

/// Every packet of the run, opening included, and what became of it.
struct Balance {
    std::uint64_t offered = 0, missed = 0, out = 0;
    std::uint64_t answered = 0;                  ///< by it, or kept for its handshakes
    std::uint64_t answers_out = 0;               ///< of them, what came back
    std::uint64_t emitted = 0, emitted_out = 0;  ///< what the box made itself
    std::uint64_t gone = 0;     ///< of a flood and of connections beside it: neither passed nor answered
    std::uint64_t dropped = 0;  ///< by the box, under the reasons below
    std::vector<std::pair<std::string, std::uint64_t>> by_reason;  ///< all that the trackers counted, by name
    std::uint64_t refused = 0;    ///< packets that the trackers judged invalid
    std::uint64_t tolerated = 0;  ///< packets that they let pass for leftovers
    std::uint64_t evicted = 0, expired = 0, inserted = 0;
    std::uint64_t handed_over = 0;
    std::uint64_t sent_again = 0;  ///< segments of conversations, after they were lost
    std::uint64_t unexplained = 0;
};

struct Report {
    Arguments arguments;
    Cores cores;
    bool huge_pages = false;
    unsigned buffers = 0;
    std::uint64_t table_records = 0;  ///< of each worker
    std::size_t tracker_bytes = 0;    ///< of each worker
    std::optional<Opening> opening;
    std::vector<Comparison> measurements;  ///< the first one is the profile's own
    std::vector<SearchPoint> search;
    Balance balance;
    std::vector<std::string> notes;

    /// Whether the traffic met what it should: nothing lost without a reason, nothing refused but of a flood
    /// and of connections that it hit, and nothing taken for a leftover but what had been sent twice.
    [[nodiscard]] bool accepted() const;
};

/// One report as an object; several as an object with a list of them under "reports".
[[nodiscard]] std::string as_json(const std::vector<Report>& reports);
[[nodiscard]] std::string as_text(const std::vector<Report>& reports);
/// One file that needs no other: tables, and plots as SVG.
[[nodiscard]] std::string as_html(const std::vector<Report>& reports);

}  // namespace sluice::bench
