// What the engine says of a segment.
#pragma once

#include <cstdint>

#include "sluice/base/lifetime.hpp"
#include "sluice/base/reason.hpp"

namespace sluice::tcp {

/// What becomes of the flow's expiry after a segment.
enum class Refresh : std::uint8_t {
    keep,    ///< leave the deadline alone (refused, tolerated, a repeated SYN)
    set,     ///< now + timeout of `lifetime`
    extend,  ///< the same, but never to an earlier deadline than the present one (a pair moved back, C6)
};

struct Verdict {
    Outcome outcome = Outcome::refused;  ///< accepted, tolerated or refused
    Reason reason = Reason::none;        ///< none when accepted
    Refresh refresh = Refresh::keep;
    Lifetime lifetime = Lifetime::close;  ///< for set and extend
    /// The segment ends this flow and begins another with its sender as originator (O13, a SYN after CLOSED):
    /// the connection is that of the new one, nothing is pending, and the caller destroys the old flow with
    /// its own event.
    bool reopens = false;
};

}  // namespace sluice::tcp
