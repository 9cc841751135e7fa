// What one worker counts beside its tracker: written by it alone, read by the control thread at any time.
#pragma once

#include <array>
#include <cstddef>

#include "sluice/base/counters.hpp"
#include "sluice/base/power_histogram.hpp"
#include "sluice/pipeline/settings.hpp"

namespace sluice::pipeline {

inline constexpr std::size_t max_ports = 2 * max_port_pairs;

/// What one worker counts of one port. Bytes are frame lengths.
struct PortCounters {
    Counter rx_packets, rx_bytes;
    Counter tx_packets, tx_bytes;
    Counter control_packets;  ///< sent on our own account, part of tx_packets
    Counter control_dropped;  ///< others on our own account: found no room or were not taken; under no reason
};

struct alignas(64) WorkerCounters {
    std::array<PortCounters, max_ports> ports;
    Counter polls, idle_sleeps;
    Counter handed_over, taken_over;  ///< packets given to and had from other workers; fragments each count
    Counter nanoseconds;              ///< from the first poll to the newest
    PowerHistogram<0, 7> bursts;      ///< packets taken from a receive queue at a time, where there were any
    /// Nanoseconds from the beginning of a poll that found something to do to the next: a microsecond to 67
    /// milliseconds.
    PowerHistogram<10, 17> busy_polls;
};

}  // namespace sluice::pipeline
