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
};

/// One conversation: who dials, what crashes, what is dialled again on the same ports.
struct ConversationPlan {
    EndpointPlan a, b;
    NetworkPlan network;
    bool simultaneous_open = false;
    int redials = 0;  ///< A dials again that many times on the same ports
    double seconds = 60;
    [[nodiscard]] std::string describe() const;
};

[[nodiscard]] ConversationPlan draw_plan(Random& random, bool perfect_network);

/// Called for each segment as it passes the middle. False stops the conversation.
using Middle = std::function<bool(End from, const tcp::Segment& segment, double now_ms)>;
/// Called on a perfect network each time nothing is under way: where the endpoints stand.
using Quiet = std::function<bool(tcp::EndpointState a, tcp::EndpointState b)>;

/// Runs it to its end. Returns the number of segments that passed the middle.
std::size_t converse(const ConversationPlan& plan, Random& random, const Middle& middle,
                     const Quiet& quiet = {});

}  // namespace sluice::test
