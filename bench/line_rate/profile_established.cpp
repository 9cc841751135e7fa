#include "line_rate/profiles.hpp"

namespace sluice::bench {
Status measure_established(Campaign& campaign) {
    const Arguments& arguments = campaign.arguments();
    auto populations = make_populations(arguments);
    if (!populations) return Error{populations.error()};
    if (Status opened = campaign.open(populations->tracked); !opened) return opened;

    campaign.stand().shape(arguments.profile == Profile::imix ? imix_frames
                                                              : std::vector{arguments.frame_bytes});
    const auto traffic = [&](Population& of) {
        return campaign.for_each_generator(
            [&](std::size_t generator) { return Established(of, generator + 1); });
    };
    auto tracked = traffic(populations->tracked);
    auto plain = traffic(populations->plain);
    TrialPlan plan;
    if (arguments.in_turns) {
        plan.seconds = settling_seconds * arguments.flows;
        plan.what = "the first packets of each connection";
        if (auto settled = campaign.trial(plan, tracked); !settled) return Error{settled.error()};
    }
    plan.seconds = arguments.seconds;
    plan.packets_per_second = arguments.rate;
    auto flat_out = campaign.compare(name_of(arguments.profile), plan, tracked, plain);
    if (!flat_out) return Error{flat_out.error()};
    campaign.report().measurements.push_back(*flat_out);
    if (arguments.rate != 0 || arguments.in_turns) return success();

    // Queues that are always full say how deep they are; the delay of the box itself shows below that.
    plan.packets_per_second = flat_out->tracker.out_per_second / 2;
    auto half = campaign.compare("at half that rate", plan, tracked, plain);
    if (!half) return Error{half.error()};
    campaign.report().measurements.push_back(*half);
    return success();
}

}  // namespace sluice::bench
