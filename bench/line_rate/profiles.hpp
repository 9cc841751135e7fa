// What is measured for each profile.
#pragma once

#include "line_rate/report.hpp"

namespace sluice::bench {

/// The tables that a profile wants in each worker.
[[nodiscard]] pipeline::Limits limits_of(const Arguments& arguments);
/// What the trackers obey: the daemon's own defaults, but for the waits of closed connections.
[[nodiscard]] pipeline::Settings settings_of(const Arguments& arguments);

/// Bytes that will be taken for tables and packet buffers.
[[nodiscard]] std::size_t memory_of(const Arguments& arguments, const pipeline::Limits& limits);

/// Runs the profile and fills in the report's measurements.
[[nodiscard]] Status measure(Stand& stand, Report& report);

}  // namespace sluice::bench
