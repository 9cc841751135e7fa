// The rows that answer `stats`, `reasons` and `version`.
#pragma once

#include <string>

#include "event_feed.hpp"
#include "sluice/control/workers.hpp"

namespace sluice::control {

/// One JSON object a line: a worker each, and one with the counters of ports and rings when there are any.
void append_statistics(std::string& out, const Workers& workers, const EventFeed& events);
/// One JSON object a line: a reason each, with the packets all workers counted under it.
void append_reasons(std::string& out, const Workers& workers);
void append_version(std::string& out, const Workers& workers);

}  // namespace sluice::control
