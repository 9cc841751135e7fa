// What a generator is given and what it brings home.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "line_rate/buffers.hpp"
#include "line_rate/histogram.hpp"
#include "line_rate/tally.hpp"

namespace sluice::bench {

/// What one generator is joined to.
struct Station {
    std::array<std::uint16_t, 2>
        ports{};  ///< DPDK's: packets of side 0 go out of the first and come in at the second
    std::vector<unsigned> workers;  ///< that it feeds; their numbers are those of the ports' queues
    Buffers* buffers = nullptr;
    bool shares_core = false;  ///< with a worker: it steps aside when there is nothing to do
    /// In turns: turns the worker on the calling thread until its queues are empty; returns the cycles that
    /// took. Empty where workers have threads of their own.
    std::function<std::uint64_t()> turn_worker;
    /// What the workers it feeds counted: adds their polls and packets taken.
    std::function<void(Tally&)> read_workers;
    /// Packets that the box has counted as dropped, since it was built, of all workers it feeds.
    std::function<std::uint64_t()> read_drops;
};

/// How long and how much. In turns, the worker's turns alone are time.
struct Schedule {
    double packets_per_second = 0;          ///< of this generator; 0: as fast as the box takes them
    std::uint64_t warm_up = 0, window = 0;  ///< cycles
    bool until_done = false;                ///< until the traffic says so, instead of for the window
};

/// What a generator lets others see while it runs.
struct alignas(64) Progress {
    std::atomic<std::uint64_t> sent{0}, received{0}, completed{0};
};

/// What one generator brings home.
struct Catch {
    Tally window, total;
    std::uint64_t window_cycles = 0;
    /// In turns: the worker's, and those of them that the window leaves out because the thread lost its
    /// processor.
    std::uint64_t turns = 0, broken_turns = 0;
    Histogram latency;  ///< cycles from the queue before the box to behind the queue after it; samples
    std::uint64_t dropped = 0;  ///< by the box, of what was sent
};

}  // namespace sluice::bench
