// A campaign: trials of tracking and of plain forwarding in turns on one stand, and the count of all their
// packets.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "line_rate/report.hpp"
#include "line_rate/traffic.hpp"

namespace sluice::bench {

class Campaign {
  public:
    Campaign(Stand& stand, Report& report) : stand_(stand), report_(report) {}

    [[nodiscard]] Stand& stand() { return stand_; }
    [[nodiscard]] Report& report() { return report_; }
    [[nodiscard]] const Arguments& arguments() const { return report_.arguments; }
    [[nodiscard]] bool has_plain() { return stand_.box() != nullptr; }

    /// A kind of traffic for each generator: `make(generator)`.
    template <class Make>
    [[nodiscard]] auto for_each_generator(Make&& make) {
        std::vector<decltype(make(std::size_t{0}))> all;
        for (std::size_t i = 0; i < stand_.generators(); ++i) all.push_back(make(i));
        return all;
    }

    /// One trial, counted.
    template <class Traffic>
    [[nodiscard]] Result<Outcome> trial(const TrialPlan& plan, std::vector<Traffic>& traffic) {
        auto outcome = stand_.run(plan, traffic);
        if (outcome) count(*outcome);
        return outcome;
    }

    /// `plan.seconds` of each kind, in rounds that take turns.
    template <class Traffic>
    [[nodiscard]] Result<Comparison> compare(const std::string& name, TrialPlan plan,
                                             std::vector<Traffic>& tracked, std::vector<Traffic>& plain) {
        const unsigned rounds = rounds_for(plan.seconds);
        const double seconds = plan.seconds;
        plan.seconds /= rounds;
        std::vector<Outcome> outcomes[2];
        for (unsigned round = 0; round < rounds; ++round) {
            for (const Box::Kind kind : {Box::Kind::forwarding, Box::Kind::tracking}) {
                if (kind == Box::Kind::forwarding && !has_plain()) continue;
                plan.kind = kind;
                plan.what = name + (kind == Box::Kind::tracking ? ", tracker" : ", plain") + ", round " +
                            std::to_string(round + 1) + " of " + std::to_string(rounds);
                auto outcome = trial(plan, kind == Box::Kind::tracking ? tracked : plain);
                if (!outcome) return Error{outcome.error()};
                outcomes[kind == Box::Kind::tracking ? 0 : 1].push_back(*outcome);
            }
        }
        plan.seconds = seconds;
        const Cores& cores = stand_.environment().cores;
        plan.kind = Box::Kind::tracking;
        Comparison out{.name = name, .tracker = figure_of(name, plan, outcomes[0], cores), .plain = {}};
        plan.kind = Box::Kind::forwarding;
        if (has_plain()) out.plain = figure_of(name, plan, outcomes[1], cores);
        return out;
    }

    /// Opens every connection of `population` through the box.
    [[nodiscard]] Status open(Population& population);

    /// Reads the trackers' counters into the report; last.
    void close();

  private:
    /// In turns they are short: both kinds then meet the same hour of a shared machine.
    [[nodiscard]] unsigned rounds_for(double seconds) const {
        constexpr double short_round = 0.02;
        if (!stand_.environment().cores.in_turns) return seconds >= 0.5 ? 5 : 1;
        return std::max(1U, static_cast<unsigned>(seconds / short_round));
    }
    void count(const Outcome& outcome);

    Stand& stand_;
    Report& report_;
};

}  // namespace sluice::bench
