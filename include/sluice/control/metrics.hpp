// The numbers of a running daemon as Prometheus reads them. What there is, its type, its labels and its help
// are said once, in the table of metrics.cpp; the page and docs/metrics.md are made from there.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/control/workers.hpp"

namespace sluice::control {

/// The page: text format 0.0.4. Reads the workers' counters and stops nobody. `start_seconds`: when the
/// daemon started, since 1970. Used by the control thread alone.
[[nodiscard]] std::string metrics_page(const Workers& workers, std::uint64_t start_seconds);

/// The table of docs/metrics.md.
[[nodiscard]] std::string metrics_reference();

}  // namespace sluice::control
