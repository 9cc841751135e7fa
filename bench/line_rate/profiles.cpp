#include "line_rate/profiles.hpp"

#include <algorithm>

#include "sluice/pipeline/protection.hpp"

namespace sluice::bench {
namespace {

/// Room for a second's worth of closed connections.
constexpr std::uint32_t setup_records = 2'097'152;
/// What a flood may fill, at least, before it evicts itself.
constexpr std::uint32_t flood_records = 65'536;
/// Room for a second's worth of connections that were opened beside it and closed.
constexpr std::uint32_t newcomers_records = 131'072;
constexpr std::uint32_t time_wait_seconds = 1;
constexpr guard::ServiceNumber defended_service = 1, services = 2;

pipeline::Limits limits_of(const Arguments& arguments) {
    const std::uint32_t flows = (arguments.flows + arguments.workers - 1) / arguments.workers;
    pipeline::Limits limits;
    limits.ipv4_flows = flows;
    if (arguments.profile == Profile::setup) limits.ipv4_flows = std::max(setup_records, 2 * flows);
    if (arguments.profile == Profile::synflood)
        limits.ipv4_flows = flows + std::max(flood_records, flows) + newcomers_records;
    if (arguments.table != 0) limits.ipv4_flows = arguments.table;
    limits.ipv6_flows =
        arguments.profile == Profile::synflood && arguments.flood.ipv6 ? std::max(flood_records, flows) : 64;
    limits.fragment_datagrams = 1;
    limits.accounting = arguments.accounting;
    if (arguments.defended()) limits.guarded_services = services;
    return limits;
}

/// What the guard is to do: everything from the port that is defended, for every server.
std::shared_ptr<const pipeline::Protection> protection_of(const Arguments& arguments,
                                                          guard::DefenceBoard& board) {
    board.publish(defended_service, {.level = guard::Level::defend});
    auto protection = std::make_shared<pipeline::Protection>();
    std::vector<guard::Service> servers{{.address = {0, guard::Address::mapped | Population::first_server},
                                         .prefix_length = Population::server_prefix_length + 96,
                                         .port = defended_port,
                                         .number = defended_service}};
    if (arguments.flood.ipv6)
        servers.push_back({.address = guard::Address::ipv6(Flood::ipv6_server.data()),
                           .prefix_length = 128,
                           .port = defended_port,
                           .number = defended_service});
    protection->services = std::move(guard::ServiceMap::build(servers).value());
    protection->board = &board;
    protection->workers = arguments.workers;
    protection->cookie_secrets = {.turns = {{{1, 2}, {3, 4}}}, .timestamps = {5, 6}};
    return protection;
}

pipeline::Settings settings_of(const Arguments& arguments, guard::DefenceBoard& board) {
    pipeline::Settings settings;  // the daemon's defaults
    if (arguments.profile == Profile::setup || arguments.profile == Profile::synflood)
        settings.timeouts[static_cast<std::size_t>(Lifetime::time_wait)] = time_wait_seconds;
    if (arguments.defended()) settings.protection = protection_of(arguments, board);
    return settings;
}

/// Bytes that will be taken for tables and packet buffers.
std::size_t memory_of(const Arguments& arguments) {
    if (!arguments.over_rings()) return 0;
    const std::size_t tables = Box::Tracker::bytes_needed(limits_of(arguments));
    return arguments.workers *
           (tables + (arguments.defended() ? 2 : 1) *
                         Buffers::bytes_for_rings(Buffers::count_for_rings(1, arguments.ring_slots)));
}

Result<Report> measure_one(const Arguments& arguments, const Environment& environment) {
    const pipeline::Limits limits = limits_of(arguments);
    // Both outlive the trackers.
    guard::DefenceBoard board(services);
    const pipeline::Settings settings = settings_of(arguments, board);
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
    if (arguments.profile == Profile::setup || arguments.profile == Profile::synflood)
        report.notes.emplace_back("closed connections stay for one second (tcp.timeout_time_wait)");
    if (arguments.in_turns) report.notes.emplace_back(in_turns_note);
#ifdef SLUICE_QUICK_BUILD
    report.notes.emplace_back(
        "a quick build (-Dquick=true), not optimised as what is shipped: its figures tell nothing");
#endif
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
