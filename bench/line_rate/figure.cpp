#include "line_rate/figure.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::bench {
namespace {

constexpr double burst = 32;
/// Where the box is the slower one, its workers find whole bursts at nearly every poll and the generators
/// find full queues all the time; where the generators are, neither happens. Nothing lies in between.
constexpr double full_enough = 0.9, pushed_back_enough = 0.05;
/// Less of its processor than this, and a thread was held up by something else.
constexpr double undisturbed = 0.97;
/// Those that are left out have been looked at one by one; when they are the most, the rest is suspect, too.
constexpr double turns_enough = 0.5;
constexpr double short_enough = 0.01;

double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Latency latency_of(const Histogram& cycles) {
    const double nanoseconds = 1e9 / static_cast<double>(rte_get_tsc_hz());
    const auto at = [&](double part) { return static_cast<double>(cycles.percentile(part)) * nanoseconds; };
    return {.samples = cycles.count(),
            .p50 = at(0.5),
            .p90 = at(0.9),
            .p99 = at(0.99),
            .p99_9 = at(0.999),
            .highest = static_cast<double>(cycles.highest()) * nanoseconds};
}

/// Why the figure does not say what the box can do.
std::vector<std::string> doubts(const Figure& figure, const Cores& cores) {
    std::vector<std::string> out;
    if (cores.shared) out.emplace_back("generator and worker share a processor");
    const bool flat_out = figure.asked_per_second == 0 && (cores.in_turns || !cores.workers.empty());
    if (flat_out && !figure.saturated)
        out.emplace_back(fmt::format(
            "the worker was not saturated: the rate is the generator's (bursts {:.0f} % full, {:.0f} % "
            "of the generator's pushed back)",
            100 * figure.burst_fill, 100 * figure.pushed_back));
    if (figure.turns_counted < turns_enough)
        out.emplace_back(fmt::format(
            "the thread kept its processor in {:.0f} % of its turns only: something else ran there",
            100 * figure.turns_counted));
    if (figure.worker_share < undisturbed)
        out.emplace_back(
            fmt::format("a worker had its processor for {:.0f} % of the time only: something else ran there",
                        100 * figure.worker_share));
    if (figure.generator_share < undisturbed && !flat_out)
        out.emplace_back(fmt::format(
            "a generator had its processor for {:.0f} % of the time only: something else ran there",
            100 * figure.generator_share));
    if (figure.short_of_rate > short_enough)
        out.emplace_back(fmt::format("the generator fell short of the rate asked for by {:.1f} %",
                                     100 * figure.short_of_rate));
    return out;
}

}  // namespace

double middle(std::vector<double> of) {
    std::sort(of.begin(), of.end());
    return of.empty() ? 0 : (of[(of.size() - 1) / 2] + of[of.size() / 2]) / 2;
}

Figure figure_of(std::string name, const TrialPlan& plan, const std::vector<Outcome>& rounds,
                 const Cores& cores) {
    Figure out;
    out.name = std::move(name);
    out.kind = plan.kind;
    out.asked_per_second = plan.packets_per_second;
    Outcome all;
    std::vector<double> in, conversations, flood_in, flood_out, flood_answered;
    for (const Outcome& round : rounds) {
        all += round;
        const Tally& tally = round.window;
        const auto per_second = [&](std::uint64_t packets) {
            return static_cast<double>(packets) / round.seconds;
        };
        in.push_back(per_second(tally.offered[measured] - tally.missed[measured]));
        out.rounds.push_back(per_second(tally.received[measured]));
        flood_in.push_back(per_second(tally.offered[flood] - tally.missed[flood]));
        flood_out.push_back(per_second(tally.received[flood]));
        flood_answered.push_back(per_second(tally.answers[flood]));
        conversations.push_back(per_second(tally.completed));
    }
    const Tally& window = all.window;
    out.seconds = all.seconds;
    out.in_per_second = middle(in);
    out.out_per_second = middle(out.rounds);
    out.conversations_per_second = middle(conversations);
    out.flood_in_per_second = middle(flood_in);
    out.flood_out_per_second = middle(flood_out);
    out.flood_answered_per_second = middle(flood_answered);
    out.gigabits_per_second =
        (static_cast<double>(window.bytes_out) + static_cast<double>(window.all_received()) * wire_overhead) *
        8e-9 / all.seconds;
    out.offered = all.total.offered[measured];
    out.missed = all.total.missed[measured];
    out.dropped = all.dropped;
    const std::uint64_t gone =
        all.total.all_missed() + all.total.all_received() + all.dropped + all.total.settled;
    out.unexplained = all.total.all_offered() - std::min(gone, all.total.all_offered());
    out.loss = share(out.offered - all.total.received[measured], out.offered);
    // An answer may come late, in the next trial.
    const std::uint64_t flooded = all.total.offered[flood];
    out.flood_loss =
        share(flooded - std::min(flooded, all.total.received[flood] + all.total.answers[flood]), flooded);
    out.latency = latency_of(all.latency);

    out.burst_fill = share(std::max(window.taken[0], window.taken[1]), window.polls) / burst;
    out.pushed_back = share(window.refused, window.attempts);
    out.saturated =
        cores.in_turns || (out.burst_fill >= full_enough && out.pushed_back >= pushed_back_enough);
    out.worker_share = all.worker_share;
    out.generator_share = all.generator_share;
    if (cores.in_turns) out.turns_counted = share(all.turns - all.broken_turns, all.turns);
    out.short_of_rate = share(window.forfeited, window.forfeited + window.all_offered());
    out.void_because = doubts(out, cores);
    return out;
}

}  // namespace sluice::bench
