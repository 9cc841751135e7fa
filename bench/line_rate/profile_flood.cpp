#include <fmt/format.h>

#include "line_rate/profiles.hpp"

namespace sluice::bench {
namespace {

/// Of what the box can do when nothing else is asked of it.
constexpr double established_share = 0.1;
/// The flood, in parts of what the box has left for it: up to where it must lose.
constexpr std::array<double, 7> flood_parts{0, 0.25, 0.5, 0.75, 0.9, 1, 1.5};

/// How many packets a second of this kind the box takes flat out.
template <class Traffic>
Result<double> capacity(Campaign& campaign, const std::string& of, std::vector<Traffic>& traffic) {
    TrialPlan plan;
    plan.seconds = campaign.arguments().seconds / 5;
    plan.what = "synflood: flat out, " + of;
    auto outcome = campaign.trial(plan, traffic);
    if (!outcome) return Error{outcome.error()};
    return static_cast<double>(outcome->window.all_received()) / outcome->seconds;
}

}  // namespace

Status measure_flood(Campaign& campaign) {
    const Arguments& arguments = campaign.arguments();
    auto populations = make_populations(arguments);
    if (!populations) return Error{populations.error()};
    if (Status opened = campaign.open(populations->tracked); !opened) return opened;
    campaign.stand().shape({64});
    const auto traffic = [&](Population& of, double flood_share) {
        return campaign.for_each_generator(
            [&](std::size_t generator) { return Flooded(of, generator + 1, flood_share); });
    };
    auto only_established = traffic(populations->tracked, 0);
    auto only_flood = traffic(populations->tracked, 1);
    const auto most_established = capacity(campaign, "established", only_established);
    const auto most_flood = capacity(campaign, "SYNs", only_flood);
    if (!most_established || !most_flood)
        return Error{most_established ? most_flood.error() : most_established.error()};
    const double established = arguments.rate != 0 ? arguments.rate : established_share * *most_established;
    const double left = *most_flood * std::max(0.0, 1 - established / *most_established);
    campaign.report().notes.push_back(fmt::format(
        "flat out the box passed {:.3f} M established packets/s, or {:.3f} M spoofed SYNs/s, each a new flow",
        *most_established * 1e-6, *most_flood * 1e-6));

    for (const double part : flood_parts) {
        const double flood = part * left;
        TrialPlan plan;
        plan.seconds = arguments.seconds;
        plan.packets_per_second = established + flood;
        auto tracked = traffic(populations->tracked, flood / plan.packets_per_second);
        auto plain = traffic(populations->plain, flood / plan.packets_per_second);
        auto step =
            campaign.compare(fmt::format("flood of {:.3f} M SYN/s", flood * 1e-6), plan, tracked, plain);
        if (!step) return Error{step.error()};
        step->tracker.asked_per_second = established;
        step->tracker.flood_asked_per_second = flood;
        if (step->plain) {
            step->plain->asked_per_second = established;
            step->plain->flood_asked_per_second = flood;
        }
        campaign.report().measurements.push_back(*step);
    }
    return success();
}

}  // namespace sluice::bench
