#include "line_rate/arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "line_rate/population.hpp"
#include "sluice/dpdk/links.hpp"

namespace sluice::bench {
namespace {

constexpr int status_usage = 2;

const std::map<std::string, Profile> profiles{{"established", Profile::established},
                                              {"setup", Profile::setup},
                                              {"synflood", Profile::synflood},
                                              {"imix", Profile::imix},
                                              {"all", Profile::all}};

const std::map<std::string, FloodKind> flood_kinds{{"syn", FloodKind::syn},
                                                   {"ack", FloodKind::ack},
                                                   {"syn-ack", FloodKind::syn_ack},
                                                   {"rst", FloodKind::rst},
                                                   {"fin", FloodKind::fin}};
const std::map<std::string, FloodSources> flood_sources{
    {"random", FloodSources::random}, {"sequential", FloodSources::sequential}, {"few", FloodSources::few}};
const std::map<std::string, Defence> defences{{"off", Defence::off}, {"cookies", Defence::cookies}};

template <class Value>
const char* name_in(const std::map<std::string, Value>& names, Value value) {
    for (const auto& [name, named] : names) {
        if (named == value) return name.c_str();
    }
    return "";
}

std::string power_of_two(const std::string& text) {
    const unsigned long value = std::strtoul(text.c_str(), nullptr, 10);
    return value >= 64 && value <= 32'768 && (value & (value - 1)) == 0
               ? ""
               : "must be a power of two, 64 to 32768";
}

void declare(CLI::App& app, Arguments& out) {
    const auto number = [](double least, double most) { return CLI::Range(least, most); };
    app.add_option("--profile", out.profile,
                   "established: segments of open connections; setup: whole connections, one after another; "
                   "synflood: a flood beside established traffic and new connections; imix: established, in "
                   "frames of 64, 594 and "
                   "1518 bytes, 7:4:1; all: one after another")
        ->transform(CLI::CheckedTransformer(profiles))
        ->type_name("PROFILE");
    app.add_option("--flows", out.flows, "connections open (setup: under way) at a time")
        ->check(number(1, most_connections))
        ->capture_default_str();
    app.add_option("--workers", out.workers, "workers of the box, each with a queue and a core")
        ->check(number(1, dpdk::max_workers))
        ->capture_default_str();
    app.add_option("--generators", out.generators,
                   "generators, each with a core; 0: one a worker, cores permitting")
        ->check(number(0, dpdk::max_workers))
        ->capture_default_str();
    app.add_option("--seconds", out.seconds, "how long each measurement lasts")
        ->check(number(0.01, 86'400))
        ->capture_default_str();
    app.add_option("--frame", out.frame_bytes, "bytes of a frame with its FCS (imix has its own)")
        ->check(number(64, 1518))
        ->capture_default_str();
    app.add_option("--ring-slots", out.ring_slots, "packets that a queue to or from the box holds")
        ->check(CLI::Validator(power_of_two, "POWER OF TWO"))
        ->capture_default_str();
    app.add_option("--table", out.table, "flows that each worker's table holds; 0: by the profile")
        ->check(number(0, 1U << 28U))
        ->capture_default_str();
    app.add_flag("--accounting", out.accounting, "the box counts packets and bytes of each flow");
    app.add_option("--rate", out.rate,
                   "packets a second offered; 0: as fast as the box takes them (synflood: of the established "
                   "part; 0: a "
                   "tenth of what the box can)")
        ->check(number(0, 1e9))
        ->capture_default_str();
    app.add_option("--flood", out.flood.kind,
                   "what profile synflood floods with: syn, ack, syn-ack, rst, fin")
        ->transform(CLI::CheckedTransformer(flood_kinds))
        ->type_name("KIND");
    app.add_option("--flood-sources", out.flood.sources,
                   "where it comes from: random or sequential addresses and ports of a /17, or ports of few "
                   "hosts (16)")
        ->transform(CLI::CheckedTransformer(flood_sources))
        ->type_name("SOURCES");
    app.add_flag(
        "--flood-ipv6", out.flood.ipv6,
        "it is of IPv6, within 2001:2::/48 (RFC 5180), from as many networks of 64 bits as there are "
        "addresses otherwise; frames are then of 78 bytes");
    app.add_flag("--flood-options", out.flood.linux_options,
                 "its SYNs, and those of new connections, have the options of Linux, and all their other "
                 "segments timestamps; frames are then of 78 bytes (of IPv6: 98, without SYNs 90)");
    app.add_option("--defence", out.defence,
                   "cookies: measures each step of profile synflood a third time, with the flooded server "
                   "defended by SYN cookies; off")
        ->transform(CLI::CheckedTransformer(defences))
        ->type_name("DEFENCE");
    app.add_flag("--in-turns", out.in_turns,
                 "generator and worker in turns on one thread, the worker's turns alone timed: what a "
                 "saturated worker does, for all profiles but all; needs one processor");
    app.add_flag("--search", out.search,
                 "the highest rate without loss, by frame size and for IMIX (RFC 2544 26.1), instead of one "
                 "measurement");
    app.add_option("--sizes", out.sizes, "frame sizes that the search goes through")
        ->delimiter(',')
        ->check(CLI::Range(64, 1518) | CLI::IsMember({"imix"}))
        ->type_name("BYTES,...,imix")
        ->capture_default_str();
    app.add_option("--trial-seconds", out.trial_seconds,
                   "how long each trial of a search lasts (RFC 2544: 60)")
        ->check(number(0.01, 3600))
        ->capture_default_str();
    app.add_option("--loss-tolerance", out.loss_tolerance, "share of packets whose loss a search overlooks")
        ->check(number(0, 0.1))
        ->capture_default_str();
    app.add_option(
           "--ports", out.ports,
           "two ports that lead to the box under test and back, instead of rings and a box of our own: PCI "
           "addresses, af_packet:IF, af_xdp:IF, or names of devices given behind --")
        ->delimiter(',')
        ->type_name("A,B");
    app.add_flag("--json", out.json, "the result as JSON on standard output");
    app.add_option("--html", out.html, "write a report with plots to this file")->type_name("FILE");
}

/// What no single option can tell; empty when all is well.
std::string contradiction(const Arguments& given) {
    if (!given.ports.empty() && given.ports.size() != 2)
        return "--ports takes two ports, as in --ports 0000:3b:00.0,0000:3b:00.1";
    if (!given.ports.empty() && given.workers != 1)
        return "--workers belongs to the box over rings; behind --ports is a box of your own";
    if (!given.ports.empty() && given.ports[0] == given.ports[1]) return "--ports takes two different ports";
    const bool floods = given.profile == Profile::synflood || given.profile == Profile::all;
    if (given.defence != Defence::off && !given.ports.empty())
        return "--defence belongs to the box over rings; behind --ports is a box of your own";
    if (given.defence != Defence::off && !floods) return "--defence belongs to profile synflood";
    if (given.in_turns) {
        if (!given.ports.empty())
            return "--in-turns runs the worker itself; behind --ports is a box of your own";
        if (given.workers != 1) return "--in-turns is one thread: it belongs to --workers 1";
        if (given.search || given.rate != 0)
            return "--in-turns offers as much as the worker takes: it knows neither --search nor --rate";
        if (given.profile == Profile::all)
            return "--in-turns knows no search, which profile all ends with: use one of the others";
    }
    if (given.flows < given.workers) return "--flows must be at least one for each worker";
    if (given.generators > given.workers)
        return "--generators may not be more than --workers: each worker is fed by one";
    return {};
}

}  // namespace

const char* name_of(Profile profile) {
    return name_in(profiles, profile);
}
const char* name_of(FloodKind kind) {
    return name_in(flood_kinds, kind);
}
const char* name_of(FloodSources sources) {
    return name_in(flood_sources, sources);
}

std::variant<Arguments, int> parse_arguments(int argc, char** argv) {
    // Everything behind "--" is DPDK's.
    char** const end = argv + argc;
    char** const separator = std::find(argv, end, std::string("--"));
    Arguments out;
    out.eal_arguments.assign(separator == end ? end : separator + 1, end);

    CLI::App app(
        "Measures sluiced's worker loop: a generator feeds it through rings, or a box of your own through "
        "two ports.",
        "line_rate");
    app.footer("What follows -- goes to DPDK's environment abstraction layer.");
    declare(app, out);
    try {
        app.parse(static_cast<int>(separator - argv), argv);
        if (const std::string fault = contradiction(out); !fault.empty()) throw CLI::ValidationError(fault);
    } catch (const CLI::ParseError& fault) {
        return app.exit(fault) == 0 ? 0 : status_usage;
    }
    return out;
}

}  // namespace sluice::bench
