#include <fmt/format.h>

#include <algorithm>

#include "line_rate/report.hpp"
#include "machine.hpp"

namespace sluice::bench {
namespace {

std::string line(const Figure& figure, const char* kind, bool in_turns) {
    std::string out = fmt::format("  {:<17} {:>8.3f} M/s in {:>8.3f} out {:>7.2f} Gbit/s  loss {:.4f} %  ",
                                  kind, figure.in_per_second * 1e-6, figure.out_per_second * 1e-6,
                                  figure.gigabits_per_second, 100 * figure.loss);
    out += in_turns
               ? fmt::format("bursts {:.1f} % full, {:.1f} % of turns counted\n", 100 * figure.burst_fill,
                             100 * figure.turns_counted)
               : fmt::format("latency us p50 {:.2f} p90 {:.2f} p99 {:.2f} p99.9 {:.2f} max {:.1f}\n",
                             figure.latency.p50 * 1e-3, figure.latency.p90 * 1e-3, figure.latency.p99 * 1e-3,
                             figure.latency.p99_9 * 1e-3, figure.latency.highest * 1e-3);
    if (figure.conversations_per_second > 0)
        out += fmt::format("  {:<17} {:>8.3f} M connections/s\n", "", figure.conversations_per_second * 1e-6);
    if (figure.flood_asked_per_second > 0)
        out += fmt::format(
            "  {:<17} {:>8.3f} M/s of the flood offered beside it, {:.3f} forwarded, {:.3f} answered, {:.2f} "
            "% "
            "lost\n",
            "", figure.flood_asked_per_second * 1e-6, figure.flood_out_per_second * 1e-6,
            figure.flood_answered_per_second * 1e-6, 100 * figure.flood_loss);
    for (const std::string& why : figure.void_because) out += fmt::format("  {:<17} VOID: {}\n", "", why);
    return out;
}

std::string line(const SearchPoint& point) {
    std::string out = fmt::format(
        "  {:>5} {:<8} {:>8.3f} M/s without loss = {:>7.2f} Gbit/s; flat out {:>8.3f} M/s; {} trials; p99 "
        "{:.2f} us\n",
        point.name, point.kind == Box::Kind::tracking ? "tracker" : "plain", point.lossless_per_second * 1e-6,
        point.lossless_gigabits, point.highest_per_second * 1e-6, point.trials, point.latency.p99 * 1e-3);
    for (const std::string& why : point.void_because) out += fmt::format("  {:>14} VOID: {}\n", "", why);
    return out;
}

std::string text_of(const Report& report) {
    std::string out =
        fmt::format("line_rate: profile {}, {} flows, {} workers, {}; {}\n",
                    name_of(report.arguments.profile), report.arguments.flows, report.arguments.box_workers(),
                    report.huge_pages ? "huge pages" : "no huge pages", processor());
    if (report.opening) {
        out += fmt::format("opened {} connections in {:.3f} s ({:.3f} M/s)", report.opening->connections,
                           report.opening->seconds,
                           static_cast<double>(report.opening->connections) / report.opening->seconds * 1e-6);
        if (report.opening->tracked) out += fmt::format("; {} tracked afterwards", *report.opening->tracked);
        out += '\n';
    }
    const bool in_turns = report.cores.in_turns;
    for (const Comparison& measurement : report.measurements) {
        out += measurement.name + '\n' + line(measurement.tracker, "tracker", in_turns);
        if (measurement.defended) out += line(*measurement.defended, "defended", in_turns);
        if (!measurement.plain) continue;
        out += line(*measurement.plain, "plain forwarding", in_turns);
        const Spread rounds = *measurement.ratio_of_rounds();
        out += fmt::format(
            "  {:<17} {:.1f} % of plain forwarding (of {} rounds {:.1f} to {:.1f}, median {:.1f}){}\n", "",
            100 * measurement.ratio(), measurement.tracker.rounds.size(), 100 * rounds.least,
            100 * rounds.most, 100 * rounds.median, measurement.is_void() ? " (void)" : "");
    }
    if (!report.search.empty()) out += "highest rate without loss\n";
    for (const SearchPoint& point : report.search) out += line(point);
    const Balance& balance = report.balance;
    out += fmt::format(
        "all told: {} packets offered, {} out, {} missed before the box, {} dropped by it, {} answered, {} "
        "unexplained; {} refused, {} tolerated\n",
        balance.offered, balance.out, balance.missed, balance.dropped, balance.answered, balance.unexplained,
        balance.refused, balance.tolerated);
    for (const auto& [name, packets] : balance.by_reason) out += fmt::format("  {}: {}\n", name, packets);
    for (const std::string& note : report.notes) out += "note: " + note + '\n';
    if (!report.accepted()) out += "NOT ACCEPTED: see the counts above\n";
    return out;
}

}  // namespace

std::string as_text(const std::vector<Report>& reports) {
    std::string out;
    for (const Report& report : reports) out += (out.empty() ? "" : "\n") + text_of(report);
    return out;
}

std::optional<Spread> Comparison::ratio_of_rounds() const {
    if (!plain) return {};
    std::vector<double> of;
    for (std::size_t round = 0; round < tracker.rounds.size(); ++round) {
        const double beside = plain->rounds[round];
        of.push_back(beside > 0 ? tracker.rounds[round] / beside : 0);
    }
    const double median = middle(of);
    const auto [least, most] = std::minmax_element(of.begin(), of.end());
    return Spread{.least = *least, .median = median, .most = *most};
}

bool Report::accepted() const {
    const bool floods = arguments.profile == Profile::synflood && !arguments.search;
    return balance.unexplained == 0 && balance.refused <= (floods ? balance.gone : 0) &&
           balance.tolerated <= balance.sent_again &&
           (!opening || !opening->tracked || *opening->tracked == opening->connections);
}

}  // namespace sluice::bench
