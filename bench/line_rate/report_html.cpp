#include <fmt/format.h>
#include <rte_version.h>

#include "line_rate/plot.hpp"
#include "line_rate/report.hpp"
#include "machine.hpp"

namespace sluice::bench {
namespace {

constexpr const char* head = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>line_rate</title><style>
:root { --back: #fff; --ink: #1d2430; --soft: #5b6779; --rule: #d5dae2; --a: #1f5fae; --b: #b9863a; --c: #2e7d4f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
:root { --back: #12161c; --ink: #e4e9f0; --soft: #98a3b3; --rule: #313947; --a: #7db3f2; --b: #e6ac55; --c: #7fce9e; --bad: #ff8a80; } }
body { background: var(--back); color: var(--ink); font: 15px/1.45 system-ui, 'DejaVu Sans', sans-serif;
  max-width: 1000px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: .6em 0 1.4em; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--rule); padding: .2em .8em .2em 0; text-align: right; }
th { color: var(--soft); font-weight: 500; } th:first-child, td:first-child { text-align: left; }
.void { color: var(--bad); } .soft { color: var(--soft); }
svg { width: 100%; max-width: 720px; height: auto; display: block; margin: 1em 0; }
.text { fill: var(--ink); font-size: 12px; } .axis { stroke: var(--soft); fill: none; } .grid { stroke: var(--rule); }
.s0 { fill: var(--a); } .s1 { fill: var(--b); } .s2 { fill: var(--c); }
.l0 { stroke: var(--a); fill: none; stroke-width: 2; } .l1 { stroke: var(--b); fill: none; stroke-width: 2; }
.l2 { stroke: var(--c); fill: none; stroke-width: 2; }
</style></head><body>
)";

const std::vector<std::string> kinds{"tracker", "plain forwarding"};

std::string row(const std::vector<std::string>& cells, const char* tag = "td") {
    std::string out = "<tr>";
    for (const std::string& cell : cells) out += fmt::format("<{0}>{1}</{0}>", tag, escaped(cell));
    return out + "</tr>\n";
}

std::string millions(double value) {
    return fmt::format("{:.3f}", value * 1e-6);
}
std::string microseconds(double nanoseconds) {
    return fmt::format("{:.2f}", nanoseconds * 1e-3);
}
std::string per_cent(double share) {
    return fmt::format("{:.4f} %", 100 * share);
}

std::string row_of(const std::string& name, const Figure& figure, bool in_turns) {
    const Latency& l = figure.latency;
    std::vector<std::string> cells{name, millions(figure.in_per_second), millions(figure.out_per_second),
                                   fmt::format("{:.2f}", figure.gigabits_per_second), per_cent(figure.loss)};
    for (const double value : {l.p50, l.p90, l.p99, l.p99_9, l.highest})
        cells.push_back(in_turns ? "–" : microseconds(value));
    cells.emplace_back(in_turns                      ? "in turns"
                       : figure.asked_per_second > 0 ? "at a rate"
                       : figure.saturated            ? "saturated"
                                                     : "not saturated");
    std::string out = row(cells);
    for (const std::string& why : figure.void_because)
        out += fmt::format("<tr><td colspan=\"11\" class=\"void\">void: {}</td></tr>\n", escaped(why));
    return out;
}

std::string table_of(const std::vector<Comparison>& measurements, bool in_turns) {
    std::string out =
        "<table>" +
        row({"", "M/s in", "M/s out", "Gbit/s", "loss", "p50 µs", "p90", "p99", "p99.9", "max", ""}, "th");
    for (const Comparison& one : measurements) {
        out += row_of(one.name, one.tracker, in_turns);
        if (one.defended) out += row_of("defended", *one.defended, in_turns);
        if (!one.plain) continue;
        out += row_of("plain forwarding", *one.plain, in_turns);
        const Spread rounds = *one.ratio_of_rounds();
        out += fmt::format(
            "<tr><td colspan=\"11\" class=\"soft\">{:.1f} % of plain forwarding (of {} rounds {:.1f} to "
            "{:.1f}, "
            "median {:.1f}){}</td></tr>\n",
            100 * one.ratio(), one.tracker.rounds.size(), 100 * rounds.least, 100 * rounds.most,
            100 * rounds.median, one.is_void() ? " (void)" : "");
    }
    return out + "</table>\n";
}

std::string throughput_plot(const Report& report) {
    Bars bars{.title = "Throughput", .unit = "M packets/s", .series = kinds, .groups = {}};
    for (const Comparison& one : report.measurements)
        bars.groups.push_back(
            {one.name,
             {one.tracker.out_per_second * 1e-6, one.plain ? one.plain->out_per_second * 1e-6 : 0}});
    return svg_of(bars);
}

std::string latency_plot(const Comparison& one) {
    Bars bars{.title = "Latency, " + one.name, .unit = "µs", .series = kinds, .groups = {}};
    const auto add = [&](const char* label, double Latency::*of) {
        bars.groups.push_back(
            {label, {one.tracker.latency.*of * 1e-3, one.plain ? one.plain->latency.*of * 1e-3 : 0}});
    };
    add("p50", &Latency::p50);
    add("p90", &Latency::p90);
    add("p99", &Latency::p99);
    add("p99.9", &Latency::p99_9);
    return svg_of(bars);
}

/// A curve against the attack's rate, for each kind of box. In turns plain forwarding, which takes many times
/// as much of the flood, would leave the others no room.
Lines flood_curve(const Report& report, std::string title, std::string unit, double (*value)(const Figure&)) {
    Lines out{.title = std::move(title),
              .x_unit = "flood, M packets/s offered",
              .y_unit = std::move(unit),
              .series = {}};
    const auto add = [&](const char* kind, const Figure* (*figure_in)(const Comparison&)) {
        Lines::Series series{kind, {}};
        for (const Comparison& one : report.measurements) {
            if (const Figure* figure = figure_in(one); figure != nullptr)
                series.points.push_back({figure->flood_asked_per_second * 1e-6, value(*figure)});
        }
        if (!series.points.empty()) out.series.push_back(series);
    };
    add("tracker", [](const Comparison& of) { return &of.tracker; });
    if (!report.cores.in_turns)
        add("plain forwarding", [](const Comparison& of) { return of.plain ? &*of.plain : nullptr; });
    add("defended", [](const Comparison& of) { return of.defended ? &*of.defended : nullptr; });
    return out;
}

std::string flood_plots(const Report& report) {
    Lines delay = flood_curve(report, "Latency of the established traffic, p99", "µs",
                              [](const Figure& f) { return f.latency.p99 * 1e-3; });
    delay.logarithmic = true;
    return svg_of(flood_curve(report, "Connections opened and closed meanwhile", "thousands/s",
                              [](const Figure& f) { return f.conversations_per_second * 1e-3; })) +
           svg_of(flood_curve(report, "Established packets passed", "M packets/s",
                              [](const Figure& f) { return f.out_per_second * 1e-6; })) +
           svg_of(flood_curve(report, "Loss of the established traffic", "%",
                              [](const Figure& f) { return 100 * f.loss; })) +
           (report.cores.in_turns ? "" : svg_of(delay)) +
           svg_of(flood_curve(report, "Packets of the flood that reach the server", "M packets/s",
                              [](const Figure& f) { return f.flood_out_per_second * 1e-6; }));
}

std::string search_part(const Report& report) {
    Bars bars{
        .title = "Highest rate without loss, by frame", .unit = "M packets/s", .series = kinds, .groups = {}};
    Bars bits{.title = "The same on a wire", .unit = "Gbit/s", .series = kinds, .groups = {}};
    std::string out =
        "<table>" +
        row({"frame", "", "M/s without loss", "Gbit/s", "M/s flat out", "p50 µs", "p99 µs", "trials"}, "th");
    for (const SearchPoint& point : report.search) {
        const bool tracks = point.kind == Box::Kind::tracking;
        if (tracks) {
            bars.groups.push_back({point.name, {}});
            bits.groups.push_back({point.name, {}});
        }
        bars.groups.back().values.push_back(point.lossless_per_second * 1e-6);
        bits.groups.back().values.push_back(point.lossless_gigabits);
        out += row({point.name, kinds[tracks ? 0 : 1], millions(point.lossless_per_second),
                    fmt::format("{:.2f}", point.lossless_gigabits), millions(point.highest_per_second),
                    microseconds(point.latency.p50), microseconds(point.latency.p99),
                    std::to_string(point.trials)});
        for (const std::string& why : point.void_because)
            out += fmt::format("<tr><td colspan=\"8\" class=\"void\">void: {}</td></tr>\n", escaped(why));
    }
    return "<h3>RFC 2544: highest rate without loss</h3>" + svg_of(bars) + svg_of(bits) + out + "</table>\n";
}

std::string totals(const Report& report) {
    const Balance& balance = report.balance;
    std::string out = "<h3>Every packet</h3><table>" + row({"", "packets"}, "th");
    const std::pair<const char*, std::uint64_t> rows[] = {{"offered", balance.offered},
                                                          {"came out", balance.out},
                                                          {"missed before the box", balance.missed},
                                                          {"dropped by the box", balance.dropped},
                                                          {"answered by it", balance.answered},
                                                          {"unexplained", balance.unexplained},
                                                          {"refused", balance.refused},
                                                          {"tolerated", balance.tolerated}};
    for (const auto& [name, packets] : rows) out += row({name, std::to_string(packets)});
    for (const auto& [name, packets] : balance.by_reason)
        out += row({"reason " + name, std::to_string(packets)});
    out += "</table>";
    if (!report.accepted()) out += "<p class=\"void\">Packets went missing, or valid ones were refused.</p>";
    return out;
}

std::string section(const Report& report) {
    const Arguments& given = report.arguments;
    std::string out = fmt::format(
        "<h2>{}</h2><p class=\"soft\">{} flows, {} workers, {} generators, {}, queues of {}, table of {} "
        "records a worker ({:.1f} MiB)</p>\n",
        report.search.empty() ? name_of(given.profile) : "search", given.flows, given.box_workers(),
        report.cores.generators.size(),
        given.over_rings() ? "rings" : "ports " + given.ports[0] + ", " + given.ports[1], given.ring_slots,
        report.table_records, static_cast<double>(report.tracker_bytes) / 1048576);
    if (report.opening)
        out += fmt::format(
            "<p>{} connections opened in {:.3f} s, {} a second{}.</p>\n", report.opening->connections,
            report.opening->seconds,
            short_number(static_cast<double>(report.opening->connections) / report.opening->seconds),
            report.opening->tracked ? fmt::format("; {} tracked afterwards", *report.opening->tracked) : "");
    if (given.profile == Profile::setup && !report.measurements.empty()) {
        const Comparison& one = report.measurements.front();
        out += fmt::format("<p>{} M whole connections a second{}.</p>\n",
                           millions(one.tracker.conversations_per_second),
                           one.plain ? fmt::format("; plain forwarding carried {} M",
                                                   millions(one.plain->conversations_per_second))
                                     : "");
    }
    if (!report.measurements.empty()) {
        if (given.profile == Profile::synflood) {
            out += flood_plots(report);
        } else {
            out += throughput_plot(report);
            if (!given.in_turns) out += latency_plot(report.measurements.back());
        }
        out += table_of(report.measurements, given.in_turns);
    }
    if (!report.search.empty()) out += search_part(report);
    for (const std::string& note : report.notes) out += "<p class=\"soft\">" + escaped(note) + "</p>\n";
    return out + totals(report);
}

}  // namespace

std::string as_html(const std::vector<Report>& reports) {
    std::string out = head;
    out += "<h1>line_rate</h1>\n<p class=\"soft\">" +
           escaped(fmt::format("{}; built for {}; {}; transparent huge pages: {}; {}", processor(),
                               instruction_set, reports.front().huge_pages ? "huge pages" : "no huge pages",
                               transparent_huge_pages(), rte_version())) +
           "</p>\n";
    for (const Report& report : reports) out += section(report);
    return out + "</body></html>\n";
}

}  // namespace sluice::bench
