#include "line_rate/profiles.hpp"

namespace sluice::bench {

Status measure_setup(Campaign& campaign) {
    const Arguments& arguments = campaign.arguments();
    auto populations = make_populations(arguments);
    if (!populations) return Error{populations.error()};
    campaign.stand().shape({64});
    const auto traffic = [&](Population& of) {
        return campaign.for_each_generator([&](std::size_t generator) {
            return Conversations(of, campaign.stand().workers_of(generator),
                                 Conversations::Script::whole_for_ever, arguments.flows, generator + 1);
        });
    };
    auto tracked = traffic(populations->tracked);
    auto plain = traffic(populations->plain);
    TrialPlan plan;
    plan.seconds = arguments.seconds;
    plan.packets_per_second = arguments.rate;
    auto compared = campaign.compare("whole connections, six segments each", plan, tracked, plain);
    if (!compared) return Error{compared.error()};
    campaign.report().measurements.push_back(*compared);
    return success();
}

}  // namespace sluice::bench
