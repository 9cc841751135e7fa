#include "line_rate/profiles.hpp"

#include "line_rate/campaign.hpp"

namespace sluice::bench {
namespace {

/// Simple IMIX: 7 of 64 bytes, 4 of 594, 1 of 1518, FCS included.
const std::vector<unsigned> imix{64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1518};

constexpr std::uint32_t setup_records = 2'097'152;

Status established(Campaign& campaign) {
    const Arguments& arguments = campaign.arguments();
    auto population = Population::make(arguments.flows, arguments.workers);
    auto others = Population::make(arguments.flows, arguments.workers);
    if (!population || !others) return Error{population ? others.error() : population.error()};
    campaign.stand().shape({64});
    if (Status opened = campaign.open(*population); !opened) return opened;

    campaign.stand().shape(arguments.profile == Profile::imix ? imix
                                                              : std::vector<unsigned>{arguments.frame_bytes});
    const auto make = [](Population& of) {
        return [&of](std::size_t generator) { return Established(of, generator + 1); };
    };
    auto tracked = campaign.for_each_generator(make(*population));
    auto plain = campaign.for_each_generator(make(*others));
    TrialPlan plan;
    plan.seconds = arguments.seconds;
    plan.packets_per_second = arguments.rate;
    auto flat_out = campaign.compare(name_of(arguments.profile), plan, tracked, plain);
    if (!flat_out) return Error{flat_out.error()};
    campaign.report().measurements.push_back(*flat_out);
    if (arguments.rate != 0) return success();

    plan.packets_per_second = flat_out->tracker.out_per_second / 2;
    auto half = campaign.compare("at half that rate", plan, tracked, plain);
    if (!half) return Error{half.error()};
    campaign.report().measurements.push_back(*half);
    return success();
}

Status setup(Campaign& campaign) {
    const Arguments& arguments = campaign.arguments();
    auto population = Population::make(arguments.flows, arguments.workers);
    auto others = Population::make(arguments.flows, arguments.workers);
    if (!population || !others) return Error{population ? others.error() : population.error()};
    campaign.stand().shape({64});
    const auto make = [&](Population& of) {
        return [&](std::size_t generator) {
            return Conversations(of, campaign.stand().workers_of(generator),
                                 Conversations::Script::whole_for_ever, arguments.flows, generator + 1);
        };
    };
    auto tracked = campaign.for_each_generator(make(*population));
    auto plain = campaign.for_each_generator(make(*others));
    TrialPlan plan;
    plan.seconds = arguments.seconds;
    plan.packets_per_second = arguments.rate;
    auto compared = campaign.compare("whole connections", plan, tracked, plain);
    if (!compared) return Error{compared.error()};
    campaign.report().measurements.push_back(*compared);
    campaign.report().notes.emplace_back("closed connections are kept for a second (tcp.timeout_time_wait)");
    return success();
}

}  // namespace

pipeline::Limits limits_of(const Arguments& arguments) {
    pipeline::Limits limits;
    const std::uint32_t flows = (arguments.flows + arguments.workers - 1) / arguments.workers;
    limits.ipv4_flows = arguments.table != 0                  ? arguments.table
                        : arguments.profile == Profile::setup ? std::max(setup_records, 2 * flows)
                                                              : flows;
    limits.ipv6_flows = 64;
    limits.fragment_datagrams = 1;
    limits.accounting = arguments.accounting;
    return limits;
}

pipeline::Settings settings_of(const Arguments& arguments) {
    pipeline::Settings settings;
    if (arguments.profile == Profile::setup)
        settings.timeouts[static_cast<std::size_t>(Lifetime::time_wait)] = 1;
    return settings;
}

std::size_t memory_of(const Arguments& arguments, const pipeline::Limits& limits) {
    if (!arguments.over_rings()) return 0;
    return arguments.workers * Box::Tracker::bytes_needed(limits) +
           arguments.workers * Buffers::bytes_for_rings(Buffers::count_for_rings(1, arguments.ring_slots));
}

Status measure(Stand& stand, Report& report) {
    Campaign campaign(stand, report);
    const Status done = report.arguments.profile == Profile::setup ? setup(campaign) : established(campaign);
    if (done) campaign.close();
    return done;
}

}  // namespace sluice::bench
