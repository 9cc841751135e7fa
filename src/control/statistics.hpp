// The rows that answer `stats`, `reasons`, `drops` and `version`.
#pragma once

#include <string>
#include <string_view>

#include "capture_feed.hpp"
#include "drop_rates.hpp"
#include "event_feed.hpp"
#include "sluice/control/server.hpp"
#include "sluice/control/workers.hpp"

namespace sluice::control {

/// "accepted", "tolerated", "refused", "dropped"
[[nodiscard]] std::string_view name_of(Outcome outcome);

/// One JSON object a line: a worker each, and one with the counters of ports and rings when there are any.
void append_statistics(std::string& out, const Workers& workers, const EventFeed& events,
                       const CaptureFeed& captures, const Crowd& crowd);
/// One JSON object a line: a reason each, with the packets all workers counted under it.
void append_reasons(std::string& out, const Workers& workers);
/// One JSON object a line: a reason each under which packets were refused or dropped, and behind it the last
/// `examples` of such packets, the newest first, as rows of `capture`. Returns how many reasons.
std::uint64_t append_drops(std::string& out, const Workers& workers, const DropRates& rates, Tick now,
                           std::size_t examples);
void append_version(std::string& out, const Workers& workers);

}  // namespace sluice::control
