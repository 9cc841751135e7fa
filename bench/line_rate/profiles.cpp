#include "line_rate/profiles.hpp"

#include <algorithm>

namespace sluice::bench {
namespace {

/// Room for a second's worth of closed connections.
constexpr std::uint32_t setup_records = 2'097'152;
/// What a flood may fill, at least, before it evicts itself.
constexpr std::uint32_t flood_records = 65'536;
constexpr std::uint32_t setup_time_wait_seconds = 1;

pipeline::Limits limits_of(const Arguments& arguments) {
    const std::uint32_t flows = (arguments.flows + arguments.workers - 1) / arguments.workers;
    pipeline::Limits limits;
    limits.ipv4_flows = flows;
    if (arguments.profile == Profile::setup) limits.ipv4_flows = std::max(setup_records, 2 * flows);
    if (arguments.profile == Profile::synflood) limits.ipv4_flows = flows + std::max(flood_records, flows);
    if (arguments.table != 0) limits.ipv4_flows = arguments.table;
    limits.ipv6_flows = 64;
    limits.fragment_datagrams = 1;
    limits.accounting = arguments.accounting;
    return limits;
}

pipeline::Settings settings_of(const Arguments& arguments) {
    pipeline::Settings settings;  // the daemon's defaults
    if (arguments.profile == Profile::setup)
        settings.timeouts[static_cast<std::size_t>(Lifetime::time_wait)] = setup_time_wait_seconds;
    return settings;
}

/// Bytes that will be taken for tables and packet buffers.
std::size_t memory_of(const Arguments& arguments) {
    if (!arguments.over_rings()) return 0;
    const std::size_t tables = Box::Tracker::bytes_needed(limits_of(arguments));
    return arguments.workers *
           (tables + Buffers::bytes_for_rings(Buffers::count_for_rings(1, arguments.ring_slots)));
}

Result<Report> measure_one(const Arguments& arguments, const Environment& environment) {
    const pipeline::Limits limits = limits_of(arguments);
    const pipeline::Settings settings = settings_of(arguments);  // outlives the trackers
    auto stand = Stand::build(arguments, environment, limits, settings);
    if (!stand) return Error{stand.error()};

    Report report;
    report.arguments = arguments;
    report.cores = environment.cores;
    report.huge_pages = environment.huge_pages;
    report.buffers = (*stand)->buffers();
    if (const Box* box = (*stand)->box(); box != nullptr) {
        report.table_records = limits.ipv4_flows;
        report.tracker_bytes = box->tracker_bytes();
    }
    if (arguments.in_turns) report.notes.emplace_back(in_turns_note);
    Campaign campaign(**stand, report);
    const auto run = arguments.search                         ? search_lossless_rates
                     : arguments.profile == Profile::setup    ? measure_setup
                     : arguments.profile == Profile::synflood ? measure_flood
                                                              : measure_established;
    if (const Status done = run(campaign); !done) return Error{done.error()};
    campaign.close();
    return report;
}

}  // namespace

Result<Populations> make_populations(const Arguments& arguments) {
    auto tracked = Population::make(arguments.flows, arguments.workers);
    auto plain = Population::make(arguments.flows, arguments.workers);
    if (!tracked || !plain) return Error{tracked ? plain.error() : tracked.error()};
    return Populations{std::move(*tracked), std::move(*plain)};
}

Result<std::vector<Report>> measure(const Arguments& arguments) {
    std::vector<Arguments> runs;
    const bool all = arguments.profile == Profile::all;
    for (const Profile profile : {Profile::established, Profile::imix, Profile::setup, Profile::synflood}) {
        if (!all && profile != arguments.profile) continue;
        runs.push_back(arguments);
        runs.back().profile = profile;
        runs.back().search = arguments.search && !all;
    }
    if (all) {
        runs.push_back(arguments);
        runs.back().profile = Profile::established;
        runs.back().search = true;
    }
    std::size_t most = 0;
    for (const Arguments& run : runs) most = std::max(most, memory_of(run));
    auto environment = Environment::start(arguments, most);
    if (!environment) return Error{environment.error()};
    std::vector<Report> reports;
    for (const Arguments& run : runs) {
        auto report = measure_one(run, *environment);
        if (!report) return Error{report.error()};
        reports.push_back(std::move(*report));
    }
    return reports;
}

}  // namespace sluice::bench
