// The interpreter's world and the tracker side by side: every segment that passes the middle goes through the
// engine.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "observed_step.hpp"
#include "world.hpp"

namespace sluice::test {

/// One flow as the tracker has it, canonical: equal bytes, equal behaviour.
struct Tracked {
    tcp::Connection connection{};
    tcp::PendingSyn pending{};  ///< all zero unless connection.pending_syn
    std::uint8_t exists = 0;
    std::uint8_t originator = 0;     ///< 0: A, 1: B
    std::uint8_t reset = 0;          ///< a RST was accepted, in this flow or in one it replaced
    std::uint8_t tolerated_fin = 0;  ///< bit per sender: a FIN of its was only tolerated

    [[nodiscard]] tcp::Pair pair() const { return static_cast<tcp::Pair>(connection.pair); }
    /// The pair, A first.
    [[nodiscard]] rfc9293::Standing standing() const;
};
static_assert(sizeof(Tracked) == 72);

/// 64 bits for what a flow is.
[[nodiscard]] std::uint64_t digest(const Tracked& tracked);

[[nodiscard]] tcp::Segment to_engine(const rfc9293::Segment& segment);

/// What the tracker made of a segment.
struct Judged {
    bool had_flow = false;
    Observed observed;  ///< event is count_ when there was no flow
};
/// Hands a segment of A (0) or B (1) to the tracker, as its caller would: opens a flow, opens it anew.
Judged judge(Tracked& tracked, int sender, const rfc9293::Segment& segment,
             const tcp::Settings& settings = {});

struct Joint {
    rfc9293::World world;
    Tracked tracked;
};

/// A breadth-first search over everything a world can do. Deterministic; states are known by 64 bits of their
/// bytes.
class Search {
  public:
    struct Limits {
        std::size_t states = 1'000'000;
        std::size_t failures = 3;
    };
    /// Looks at a state, or at the passing of a segment; returns what is wrong with it, or nothing.
    using StateCheck = std::function<std::string(const Joint&)>;
    using PassCheck = std::function<std::string(const Joint& before, int sender, const rfc9293::Segment&,
                                                const Judged&, const Joint& after)>;

    Search(Limits limits, StateCheck state, PassCheck pass)
        : limits_(limits), state_check_(std::move(state)), pass_check_(std::move(pass)) {}

    void run(const Joint& start);

    [[nodiscard]] std::size_t states() const { return steps_.size(); }
    [[nodiscard]] std::size_t passed() const { return passed_; }
    [[nodiscard]] unsigned depth() const { return depth_; }
    /// Nothing was left out for want of room.
    [[nodiscard]] bool complete() const { return complete_; }
    /// Each with the conversation that led to it.
    [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }

  private:
    struct Step {
        std::uint32_t from;
        rfc9293::Move move;
    };
    void fail(const Joint& start, std::uint32_t from, const rfc9293::Move& move, const std::string& what);

    Limits limits_;
    StateCheck state_check_;
    PassCheck pass_check_;
    std::vector<Step> steps_;
    std::vector<std::string> failures_;
    std::size_t passed_ = 0;
    unsigned depth_ = 0;
    bool complete_ = true;
};

}  // namespace sluice::test
