// One measurement, as it is reported.
#pragma once

#include <string>
#include <vector>

#include "line_rate/stand.hpp"

namespace sluice::bench {

struct Latency {
    std::uint64_t samples = 0;
    double p50 = 0, p90 = 0, p99 = 0, p99_9 = 0, highest = 0;  ///< nanoseconds
};

struct Figure {
    std::string name;
    Box::Kind kind = Box::Kind::tracking;
    double seconds = 0;
    double asked_per_second = 0;  ///< 0: as fast as the box took them
    /// Packets a second; from several rounds, the middle one.
    double in_per_second = 0, out_per_second = 0;
    std::vector<double> rounds;      ///< out of each
    double gigabits_per_second = 0;  ///< out, frames and what a wire adds to them
    double loss = 0;                 ///< share of all offered packets that did not come out
    std::uint64_t offered = 0, missed = 0, dropped = 0, unexplained = 0;
    double conversations_per_second = 0;
    Latency latency;
    // The flood, and connections that are opened beside it, where there are such; then the rest, but for
    // conversations_per_second, is of the established part alone.
    double flood_asked_per_second = 0, flood_in_per_second = 0, flood_out_per_second = 0,
           flood_answered_per_second = 0, flood_loss = 0;

    // How far to trust it.
    bool saturated = false;  ///< in turns always: the worker's time is only what it works
    double burst_fill =
        0;  ///< mean share of a whole burst that the workers found in the fuller of their queues
    double pushed_back = 0;  ///< share of the generators' bursts that found too little room
    double worker_share = 0, generator_share = 0;
    double turns_counted = 1;  ///< in turns: share of them in which the thread kept its processor
    double short_of_rate = 0;  ///< share of the packets asked for that were never made
    std::vector<std::string> void_because;
};

/// The median; 0 of nothing.
[[nodiscard]] double middle(std::vector<double> of);

/// From the rounds of one measurement.
[[nodiscard]] Figure figure_of(std::string name, const TrialPlan& plan, const std::vector<Outcome>& rounds,
                               const Cores& cores);

}  // namespace sluice::bench
