#include <fmt/format.h>

#include "line_rate/profiles.hpp"

namespace sluice::bench {
namespace {

/// Of what the box can do when nothing else is asked of it.
constexpr double established_share = 0.1;
/// Segments of new connections, in parts of the established ones.
constexpr double newcomers_part = 0.1, newcomers_share = newcomers_part / (1 + newcomers_part);
/// New connections under way at a time, for each worker. At a rate, so many that those which wait for a lost
/// segment do not keep others from beginning; in turns nothing is lost, and more than a turn has room for
/// would wait for theirs until a full table has let go of them.
constexpr std::uint32_t newcomers_at_a_time = 2048, newcomers_in_turns = 256;
/// The flood, in parts of the most that the generator can make.
constexpr std::array<double, 7> flood_parts{0, 0.1, 0.2, 0.35, 0.5, 0.75, 1};
/// In turns there are no rates: the flood, in parts of all packets.
constexpr std::array<double, 7> flood_shares{0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95};

/// Whole connections that are opened while the flood goes on, to one port: where a kind of box is measured,
/// the flood goes to that port, too.
struct Newcomers {
    Population population;
    std::vector<Conversations> conversations{};  ///< of each generator; they go on from step to step
};

Result<std::unique_ptr<Newcomers>> make_newcomers(Campaign& campaign, std::uint16_t port) {
    const Arguments& arguments = campaign.arguments();
    const std::uint32_t at_a_time = arguments.in_turns ? newcomers_in_turns : newcomers_at_a_time;
    auto population = Population::make(at_a_time * arguments.workers, arguments.workers, port);
    if (!population) return Error{population.error()};
    auto made = std::make_unique<Newcomers>(Newcomers{.population = std::move(*population)});
    made->conversations = campaign.for_each_generator([&](std::size_t generator) {
        return Conversations(made->population, campaign.stand().workers_of(generator),
                             Conversations::Script::whole_for_ever, at_a_time, generator + 1,
                             arguments.flood.linux_options ? Options::as_linux : Options::scale);
    });
    return made;
}

class FloodCampaign {
  public:
    explicit FloodCampaign(Campaign& campaign) : campaign_(campaign) {}

    [[nodiscard]] Status run() {
        if (Status made = prepare(); !made) return made;
        campaign_.stand().shape({Flood::frame_bytes(campaign_.arguments().flood)});
        if (campaign_.arguments().in_turns) return run_in_turns();
        if (Status found = find_rates(); !found) return found;
        for (const double part : flood_parts) {
            if (Status done = step(part * most_flood_); !done) return done;
        }
        return success();
    }

  private:
    [[nodiscard]] Status prepare() {
        auto populations = make_populations(campaign_.arguments());
        if (!populations) return Error{populations.error()};
        populations_.emplace(std::move(*populations));
        if (Status opened = campaign_.open(populations_->tracked); !opened) return opened;
        for (auto* newcomers : {&plain_, &tracked_, &defended_}) {
            auto made = make_newcomers(campaign_, newcomers == &defended_ ? defended_port : undefended_port);
            if (!made) return Error{made.error()};
            *newcomers = std::move(*made);
        }
        return success();
    }

    [[nodiscard]] std::vector<Flooded> traffic(Population& open, Newcomers& newcomers,
                                               const Flooded::Mix& mix) {
        ++seed_;  // a flood that begins again would meet what it left behind
        return campaign_.for_each_generator([&](std::size_t generator) {
            const std::uint64_t seed = seed_ * 1024 + generator;
            return Flooded(open, newcomers.conversations[generator],
                           Flood(newcomers.population, campaign_.arguments().flood, ~seed), mix, seed);
        });
    }

    /// How many packets a second of this kind go through flat out.
    [[nodiscard]] Result<double> capacity(Box::Kind kind, const std::string& of, Population& open,
                                          Newcomers& newcomers, const Flooded::Mix& mix) {
        auto some = traffic(open, newcomers, mix);
        TrialPlan plan;
        plan.kind = kind;
        plan.seconds = campaign_.arguments().seconds / 5;
        plan.what = "synflood: flat out, " + of;
        auto outcome = campaign_.trial(plan, some);
        if (!outcome) return Error{outcome.error()};
        const Tally& window = outcome->window;
        return static_cast<double>(window.all_received() + window.answers[flood]) / outcome->seconds;
    }

    [[nodiscard]] Status find_rates() {
        const Arguments& arguments = campaign_.arguments();
        const Flooded::Mix only_established{}, only_flood{.flood = 1};
        const auto established =
            capacity(Box::Kind::tracking, "established", populations_->tracked, *tracked_, only_established);
        const auto tracked =
            capacity(Box::Kind::tracking, "flood", populations_->tracked, *tracked_, only_flood);
        if (!established || !tracked) return Error{established ? tracked.error() : established.error()};
        std::string note =
            fmt::format("flat out the box passed {:.3f} M established packets/s, or {:.3f} M/s of the flood",
                        *established * 1e-6, *tracked * 1e-6);
        double most = *tracked;
        if (arguments.defended()) {
            const auto answered = capacity(Box::Kind::tracking, "flood, defended", populations_->tracked,
                                           *defended_, only_flood);
            if (!answered) return Error{answered.error()};
            note +=
                fmt::format(", of which it answered or passed {:.3f} M/s when defended", *answered * 1e-6);
        }
        if (campaign_.has_plain()) {
            const auto made =
                capacity(Box::Kind::forwarding, "flood", populations_->plain, *plain_, only_flood);
            if (!made) return Error{made.error()};
            most = *made;
            note += fmt::format("; the generator made {:.3f} M/s of it for plain forwarding", most * 1e-6);
        }
        campaign_.report().notes.push_back(note);
        established_ = arguments.rate != 0 ? arguments.rate : established_share * *established;
        newcomers_ = newcomers_part * established_;
        most_flood_ = std::max(0.0, most - established_ - newcomers_);
        return success();
    }

    [[nodiscard]] Status step(double flood_rate) {
        TrialPlan plan;
        plan.seconds = campaign_.arguments().seconds;
        plan.packets_per_second = established_ + newcomers_ + flood_rate;
        const Flooded::Mix mix{.flood = flood_rate / plan.packets_per_second,
                               .newcomers = newcomers_ / plan.packets_per_second};
        auto compared = compare(fmt::format("flood of {:.3f} M/s", flood_rate * 1e-6), plan, mix);
        if (!compared) return Error{compared.error()};
        for (Figure* figure : compared->figures()) {
            figure->asked_per_second = established_;
            figure->flood_asked_per_second = flood_rate;
        }
        campaign_.report().measurements.push_back(*compared);
        return success();
    }

    /// What a worker that is never idle does beside the flood, by the flood's share.
    [[nodiscard]] Status run_in_turns() {
        auto established = traffic(populations_->tracked, *tracked_, {});
        TrialPlan plan;
        plan.seconds = settling_seconds * campaign_.arguments().flows;
        plan.what = "the first packets of each connection";
        if (auto settled = campaign_.trial(plan, established); !settled) return Error{settled.error()};
        plan.seconds = campaign_.arguments().seconds;
        for (const double share : flood_shares) {
            const Flooded::Mix mix{.flood = share, .newcomers = (1 - share) * newcomers_share};
            auto compared = compare(fmt::format("flood, {:.0f} % of all packets", 100 * share), plan, mix);
            if (!compared) return Error{compared.error()};
            for (Figure* figure : compared->figures())
                figure->flood_asked_per_second = figure->flood_in_per_second;
            campaign_.report().measurements.push_back(*compared);
        }
        return success();
    }

    [[nodiscard]] Result<Comparison> compare(const std::string& name, const TrialPlan& plan,
                                             const Flooded::Mix& mix) {
        auto tracked = traffic(populations_->tracked, *tracked_, mix);
        auto plain = traffic(populations_->plain, *plain_, mix);
        auto defended = traffic(populations_->tracked, *defended_, mix);
        return campaign_.compare(name, plan, tracked, plain,
                                 campaign_.arguments().defended() ? &defended : nullptr);
    }

    Campaign& campaign_;
    std::optional<Populations> populations_;
    std::unique_ptr<Newcomers> plain_, tracked_, defended_;
    double established_ = 0, newcomers_ = 0, most_flood_ = 0;  ///< packets a second
    std::uint64_t seed_ = 0;
};

}  // namespace

Status measure_flood(Campaign& campaign) {
    return FloodCampaign(campaign).run();
}

}  // namespace sluice::bench
