#include "observed_step.hpp"

namespace sluice::tcp {

static thread_local test::Observed* noted = nullptr;

static Cell noted_transition(Pair pair, Direction direction, Event event) {
    if (noted != nullptr) {
        noted->pair = pair;
        noted->direction = direction;
        noted->event = event;
    }
    return transition(pair, direction, event);
}

namespace detail {
[[nodiscard]] Verdict noted_step_rare(Connection& connection, PendingSyn& pending, Direction direction,
                                      const Segment& segment, const Settings& settings);
}

}  // namespace sluice::tcp

// The source under test, its one public function and its one look-up renamed; all else in it is local to it.
#define step_rare noted_step_rare
#define transition noted_transition
#include "../../../src/tcp/step_rare.cpp"  // NOLINT(bugprone-suspicious-include)
#undef transition
#undef step_rare

namespace sluice::test {

Observed observed_step(tcp::Connection& connection, tcp::PendingSyn& pending, tcp::Direction direction,
                       const tcp::Segment& segment, const tcp::Settings& settings) {
    Observed out;
    tcp::noted = &out;
    out.verdict = tcp::detail::noted_step_rare(connection, pending, direction, segment, settings);
    tcp::noted = nullptr;
    return out;
}

}  // namespace sluice::test
