// A campaign: trials of tracking and of plain forwarding in turns on one stand, and the count of all their
// packets.
#pragma once

#include <algorithm>
#include <array>
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

    /// `plan.seconds` of each kind, in rounds that take turns. `defended`, where there is such traffic, meets
    /// the tracker like `tracked`.
    template <class Traffic>
    [[nodiscard]] Result<Comparison> compare(const std::string& name, TrialPlan plan,
                                             std::vector<Traffic>& tracked, std::vector<Traffic>& plain,
                                             std::vector<Traffic>* defended = nullptr) {
        const unsigned rounds = rounds_for(plan.seconds);
        const double seconds = plan.seconds;
        plan.seconds /= rounds;
        struct Kind {
            Box::Kind box;
            const char* what;
            std::vector<Traffic>* traffic;
            std::vector<Outcome> outcomes{};
        };
        std::array<Kind, 3> kinds{Kind{Box::Kind::forwarding, ", plain", has_plain() ? &plain : nullptr},
                                  Kind{Box::Kind::tracking, ", tracker", &tracked},
                                  Kind{Box::Kind::tracking, ", defended", defended}};
        for (unsigned round = 0; round < rounds; ++round) {
            for (Kind& kind : kinds) {
                if (kind.traffic == nullptr) continue;
                plan.kind = kind.box;
                plan.what = name + kind.what + ", round " + std::to_string(round + 1) + " of " +
                            std::to_string(rounds);
                auto outcome = trial(plan, *kind.traffic);
                if (!outcome) return Error{outcome.error()};
                kind.outcomes.push_back(*outcome);
            }
        }
        plan.seconds = seconds;
        const auto figure = [&](const Kind& kind) {
            plan.kind = kind.box;
            return figure_of(name, plan, kind.outcomes, stand_.environment().cores);
        };
        Comparison out{.name = name, .tracker = figure(kinds[1]), .plain = {}, .defended = {}};
        if (has_plain()) out.plain = figure(kinds[0]);
        if (defended != nullptr) out.defended = figure(kinds[2]);
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
