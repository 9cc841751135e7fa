// What all workers counted together: the control thread's first step, every 100 ms.
#pragma once

#include <span>
#include <vector>

#include "sluice/guard/detector.hpp"
#include "sluice/guard/service_counters.hpp"

namespace sluice::guard {

/// Sums over workers, by service number; each worker has counters for the same number of services. The flows
/// of a service count where each flow's worker is, so a worker's share alone says nothing.
[[nodiscard]] std::vector<ServiceSums> sum_services(
    std::span<const std::span<const ServiceCounters>> workers);

/// The loud sources of all workers, each once, the loudest first.
[[nodiscard]] std::vector<LoudSource> merge_sources(std::span<const SourceSketch* const> workers);

}  // namespace sluice::guard
