// The engine's step, and which cell of its table decided: for counting what a search has reached.
#pragma once

#include "sluice/tcp/step.hpp"

namespace sluice::test {

struct Observed {
    tcp::Verdict verdict;
    tcp::Pair pair{};  ///< as the segment found it (what it proved of tolerated ones is counted)
    tcp::Direction direction{};
    tcp::Event event = tcp::Event::count_;
};

/// As tcp::step, but always out of line: through the engine's own source, compiled once more with its look
/// into the transition table noted. For segments that take the inline path the two must agree; callers check
/// that.
[[nodiscard]] Observed observed_step(tcp::Connection& connection, tcp::PendingSyn& pending,
                                     tcp::Direction direction, const tcp::Segment& segment,
                                     const tcp::Settings& settings);

}  // namespace sluice::test
