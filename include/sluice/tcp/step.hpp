// The engine's front door. Pure: no clock, no memory, no packet. (connection, segment) -> (connection, verdict).
#pragma once

#include <cstdint>

#include "sluice/base/lifetime.hpp"
#include "sluice/base/reason.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::tcp {

/// What becomes of the flow's expiry after a segment.
enum class Refresh : std::uint8_t {
    keep,    ///< leave the deadline alone (refused, tolerated, a repeated SYN in SYN_SENT)
    set,     ///< now + timeout of `lifetime`
    extend,  ///< the same, but never to an earlier deadline than the present one (a pair moved back, C6)
};

struct Verdict {
    Outcome outcome = Outcome::refused;   ///< accepted, tolerated or refused
    Reason reason = Reason::none;         ///< none when accepted
    Refresh refresh = Refresh::keep;
    Lifetime lifetime = Lifetime::close;  ///< for set and extend
    /// The segment ends this flow and begins another with its sender as originator (O13, a SYN after CLOSED): the
    /// caller destroys the flow with its own event and calls `open` for the new one.
    bool reopens = false;
};

/// May this segment, which belongs to no flow, start one? If so initialises `connection` and returns accepted; else
/// says why not (bad_flags, no_connection). The sender becomes the originator.
[[nodiscard]] Verdict open(Connection& connection, const Segment& segment, const Settings& settings);

/// One segment of a flow. `pending` holds the remembered SYNs when connection.pending_syn is set and is otherwise
/// ignored; the caller keeps it when connection.pending_syn is set afterwards. A refused segment changes nothing;
/// a tolerated one nothing but the pending SYN.
[[nodiscard]] Verdict step(Connection& connection, PendingSyn& pending, Direction direction, const Segment& segment,
                           const Settings& settings);

}  // namespace sluice::tcp
