// Our commands on DPDK's telemetry socket: /sluice/stats, /sluice/drops, /sluice/workers, /sluice/floods.
// They are answered by a thread of DPDK's, from what the control thread published last: it touches nothing
// else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/result.hpp"

namespace sluice::dpdk {

/// By name, of letters, digits and underscores, at most 63; 256 are shown (DPDK's bounds).
using TelemetryNumbers = std::vector<std::pair<std::string, std::uint64_t>>;

struct TelemetryAnswers {
    TelemetryNumbers stats, drops, floods;
    std::vector<TelemetryNumbers> workers;
};

/// Whether these arguments for the EAL ask for the socket, which is off unless they do.
[[nodiscard]] bool asks_for_telemetry(const std::vector<std::string>& eal_arguments);

/// Adds the commands; once a process, after the EAL has started. Until something is published they answer
/// nothing.
[[nodiscard]] Status register_telemetry();

/// What is answered from now on; null: nothing. Waits for an answer that is being written, some microseconds.
void publish_telemetry(std::shared_ptr<const TelemetryAnswers> answers);

}  // namespace sluice::dpdk
