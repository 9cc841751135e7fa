// The tracker's clock: milliseconds of a monotonic clock, modulo 2^32 (49.7 days). Time is always a
// parameter.
#pragma once

#include <cstdint>

namespace sluice {

using Tick = std::uint32_t;
inline constexpr Tick ticks_per_second = 1000;

/// The longest lifetime a flow may have: under half the circle, so that "has it passed?" stays decidable.
inline constexpr std::uint32_t max_lifetime_seconds = 2'000'000;

/// Whether `deadline` lies at or before `now`.
[[nodiscard]] constexpr bool reached(Tick now, Tick deadline) {
    return static_cast<std::int32_t>(now - deadline) >= 0;
}

}  // namespace sluice
