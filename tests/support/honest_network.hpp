// Two endpoints, a network that loses, repeats, delays and reorders on both sides of the middle, and
// something in the middle that sees every segment. Everything follows from one seed.
#pragma once

#include <functional>
#include <queue>
#include <string>

#include "endpoint.hpp"
#include "script.hpp"

namespace sluice::test {

struct NetworkPlan {
    double loss = 0;  ///< of segments, on each of the four legs
    double duplication = 0;
    double jitter = 0;      ///< milliseconds added at random on each leg
    double straggling = 0;  ///< of segments, delayed by up to `straggle_ms` on one leg
    double straggle_ms = 0;
    double outage_at = never;  ///< one leg, `outage_leg`, carries nothing from then on for `outage_ms`
    double outage_ms = 0;
    std::size_t outage_leg = 0;
    [[nodiscard]] bool perfect() const {
        return loss == 0 && duplication == 0 && jitter == 0 && straggling == 0 && outage_at == never;
    }
};

/// One conversation: who dials, what crashes, what is dialled again on the same ports.
struct ConversationPlan {
    EndpointPlan a, b;
    NetworkPlan network;
    bool simultaneous_open = false;
    int redials = 0;                  ///< one of them dials again that many times on the same ports
    double patience = 0;              ///< milliseconds before it does; more after a crash (see crash_quiet)
    bool waits_for_quiet = false;     ///< and it does so only when nothing is under way
    bool b_redials = false;           ///< B dials, A listens
    bool dials_in_time_wait = false;  ///< redials out of its own TIME_WAIT rather than wait for its end
    bool listens_on = true;  ///< B, once closed, takes a SYN at any time, not only when it is dialled again
    double seconds = 60;
    [[nodiscard]] bool aborts() const;
    [[nodiscard]] std::string describe() const;
};

[[nodiscard]] ConversationPlan draw_plan(Random& random, bool perfect_network);

/// Called for each segment as it passes the middle. False stops the conversation.
using Middle = std::function<bool(End from, const tcp::Segment& segment, double now_ms)>;
/// Where an end stands: really, and as far as the network can tell (see Endpoint::visible_state).
struct Standing {
    tcp::EndpointState really, visibly;
};
/// Called whenever nothing is under way and neither end waits for anything that was lost to come again. False
/// stops the conversation.
using Settled = std::function<bool(Standing a, Standing b, double now_ms)>;

/// Runs it to its end and counts what it exercised. Returns the number of segments that passed the middle.
std::size_t converse(const ConversationPlan& plan, Random& random, Coverage& coverage, const Middle& middle,
                     const Settled& settled = {});

}  // namespace sluice::test
