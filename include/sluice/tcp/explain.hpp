// Why a segment was tolerated or refused, for people. Not for the packet path: it allocates.
#pragma once

#include <string>

#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/segment.hpp"
#include "sluice/tcp/verdict.hpp"

namespace sluice::tcp {

/// One sentence with the numbers that decided, without a full stop: "sequence 70001 is 4,466 beyond the
/// window B offered, which ends at 65535". A is the originator of the flow, B the responder. `before` is the
/// connection as it was before the segment (zero where there was no flow, reason no_connection), `pending`
/// what was remembered beside it. Empty for an accepted segment; for a reason that is not the engine's, that
/// reason's own sentence.
[[nodiscard]] std::string explain(const Connection& before, const PendingSyn& pending, Direction direction,
                                  const Segment& segment, const Verdict& verdict, const Settings& settings);

}  // namespace sluice::tcp
