// What is said beforehand of how flows are inspected: of one flow, and of the memory for all of a worker's.
#pragma once

#include <cstdint>

#include "sluice/base/time.hpp"

namespace sluice::inspect {

/// How one flow is inspected.
struct Terms {
    bool blocking = false;         ///< a match may drop: nothing leaves unscanned
    bool fail_open = true;         ///< when memory runs out
    std::uint8_t minimum_ttl = 0;  ///< of segments that are believed to reach the receiver
    std::uint64_t budget = 0;      ///< bytes scanned of each direction, then it is cleared; 0: no end
};

/// Fixed when the memory is laid out, of one worker.
struct ReassemblyLimits {
    std::uint32_t flows = 1024;                ///< inspected at once
    std::uint32_t chunks = 8192;               ///< of chunk_bytes, all directions together
    std::uint32_t chunks_per_direction = 128;  ///< 2 or more
    std::uint32_t held_packets = 4096;
    std::uint32_t held_per_direction = 64;
    Tick hold = 500;  ///< longest wait of a held packet
    std::uint32_t burst_bytes =
        64 * 1024;  ///< scanned between two calls of begin_burst(), as far as possible
};

inline constexpr std::uint32_t chunk_bytes = 2048;

}  // namespace sluice::inspect
