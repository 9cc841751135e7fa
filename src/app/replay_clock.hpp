// The clock of a replay: the packets' own timestamps, made fit for a tracker.
//
// A tracker wants milliseconds that never go back and never leap by half their circle. Timestamps of captures
// do both: packets of two queues are a little out of order, clocks are set, a second capture is older than
// the first, a hostile file says anything. The rules:
//
//   forward            the clock moves along, in steps of at most `longest_step`, so that whatever falls due
//   on the way
//                      is seen to fall due before the clock has gone around
//   back a little      (up to `jitter`) the clock stands still until the timestamps have caught up with it
//   back by more       the clock stands still for this packet and goes on from the new timestamp: a capture
//   that was
//                      set back does not freeze the rest of the replay
//   forward by more    than `longest_gap`: counts as `longest_gap`; no lifetime is longer, so by then every
//   flow has
//                      ended and more waiting changes nothing
//
// A packet's time is rounded down to the millisecond, counted from the first packet of the input.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sluice/base/time.hpp"
#include "sluice/pipeline/burst.hpp"

namespace sluice::app {

class ReplayClock {
  public:
    static constexpr std::int64_t nanoseconds_per_tick = 1'000'000'000 / ticks_per_second;
    static constexpr std::int64_t jitter = 1'000'000'000;  ///< nanoseconds
    static constexpr std::int64_t longest_gap = (std::int64_t{max_lifetime_seconds} + 1) * 1'000'000'000;
    static constexpr Tick longest_step = 24U * 3600 * ticks_per_second;
    // A flow that falls due at the beginning of a step is still seen as due at its end, even when it was
    // given the longest lifetime just before the step.
    static_assert(std::uint64_t{max_lifetime_seconds} * ticks_per_second + longest_step < (1ULL << 31));

    /// Moves to the time of a packet. `step(now)` is called for each stop on the way, the last one included,
    /// but not when the tick stays what it was.
    template <class Step>
    void advance_to(std::int64_t timestamp, Step&& step) {
        const std::int64_t gap = take(timestamp);
        wall_nanoseconds_ = static_cast<std::uint64_t>(std::max<std::int64_t>(timestamp, 0));
        advance_by(gap, step);
    }

    /// Lets time pass without a packet. `nanoseconds` 0 to longest_gap.
    template <class Step>
    void advance_by(std::int64_t nanoseconds, Step&& step) {
        elapsed_ += nanoseconds;
        const std::int64_t target = elapsed_ / nanoseconds_per_tick;
        while (ticks_ < target) {
            ticks_ += std::min<std::int64_t>(target - ticks_, longest_step);
            step(now());
        }
    }

    [[nodiscard]] pipeline::Now now() const { return {static_cast<Tick>(ticks_), wall_nanoseconds_}; }

  private:
    /// How far the clock moves for a packet with this timestamp.
    std::int64_t take(std::int64_t timestamp) {
        if (!started_) {
            started_ = true;
            reference_ = timestamp;
            return 0;
        }
        // Both are within +-2^63; their difference need not be.
        std::int64_t gap = 0;
        if (__builtin_sub_overflow(timestamp, reference_, &gap))
            gap = timestamp > reference_ ? longest_gap : -longest_gap;
        if (gap < 0 && gap >= -jitter) return 0;
        reference_ = timestamp;
        return std::clamp<std::int64_t>(gap, 0, longest_gap);
    }

    bool started_ = false;
    std::int64_t reference_ = 0;  ///< the timestamp that corresponds to `elapsed_`, nanoseconds since 1970
    std::int64_t elapsed_ = 0;    ///< nanoseconds since the first packet, gaps clamped
    std::int64_t ticks_ = 0;      ///< ticks reached
    std::uint64_t wall_nanoseconds_ = 0;
};

}  // namespace sluice::app
