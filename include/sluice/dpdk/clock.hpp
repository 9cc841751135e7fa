// The workers' clock: the processor's time stamp counter, scaled. Monotonic, no system call, the same on
// every worker.
#pragma once

#include <rte_cycles.h>

#include <cstdint>

#include "sluice/base/time.hpp"
#include "sluice/pipeline/burst.hpp"

namespace sluice::dpdk {

/// Started once, copied to each worker. Wall time is the wall clock at start plus what has passed since: a
/// step of the system clock changes neither timeouts nor the order of start times.
class Clock {
  public:
    /// `cycles_per_second` of the counter, its value now, and the wall clock now (nanoseconds since 1970).
    Clock(std::uint64_t cycles_per_second, std::uint64_t cycles_now, std::uint64_t wall_nanoseconds)
        : start_(cycles_now),
          wall_start_(wall_nanoseconds),
          nanoseconds_per_cycle_(fraction(cycles_per_second)) {}

    /// By the machine's counter and wall clock. After rte_eal_init (which calibrates the counter).
    [[nodiscard]] static Clock start();

    [[nodiscard]] static std::uint64_t cycles() { return rte_rdtsc(); }

    [[nodiscard]] pipeline::Now at(std::uint64_t cycles) const {
        // Another core's counter may be a few cycles behind the one that started the clock.
        const std::uint64_t passed = cycles > start_ ? cycles - start_ : 0;
        const auto nanoseconds =
            static_cast<std::uint64_t>((static_cast<Wide>(passed) * nanoseconds_per_cycle_) >> shift);
        return {.tick = static_cast<Tick>(nanoseconds / (1'000'000'000U / ticks_per_second)),
                .wall_nanoseconds = wall_start_ + nanoseconds};
    }
    [[nodiscard]] pipeline::Now now() const { return at(cycles()); }

  private:
    __extension__ using Wide = unsigned __int128;
    static constexpr unsigned shift = 40;  ///< error under 1e-9 for counters up to 10 GHz
    static std::uint64_t fraction(std::uint64_t cycles_per_second) {
        // Rounded up, so that whole milliseconds are reached when they are due.
        const Wide one = static_cast<Wide>(1'000'000'000U) << shift;
        return static_cast<std::uint64_t>((one + cycles_per_second - 1) / cycles_per_second);
    }

    std::uint64_t start_;
    std::uint64_t wall_start_;
    std::uint64_t nanoseconds_per_cycle_;  ///< fixed point, `shift` bits behind the point
};

}  // namespace sluice::dpdk
