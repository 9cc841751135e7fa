#include "line_rate/campaign.hpp"

#include <algorithm>

#include "sluice/base/reason.hpp"

namespace sluice::bench {
namespace {

/// Enough to keep the queues full, few enough that no handshake waits long for its turn.
constexpr std::uint32_t opening_at_a_time = 4096;

}  // namespace

void Campaign::count(const Outcome& outcome) {
    Balance& balance = report_.balance;
    balance.offered += outcome.total.all_offered();
    balance.missed += outcome.total.all_missed();
    balance.out += outcome.total.all_received();
    balance.dropped += outcome.dropped;
    balance.sent_again += outcome.total.sent_again;
    balance.answers_out += outcome.total.answers[flood] + outcome.total.answers[newcomers];
    balance.emitted_out += outcome.total.spoken;
    const Tally& total = outcome.total;
    for (const Share share : {flood, newcomers}) {
        const std::uint64_t taken = total.offered[share] - total.missed[share];
        balance.gone += taken - std::min(taken, total.received[share] + total.answers[share]);
    }
}

Status Campaign::open(Population& population) {
    stand_.shape({64});
    auto handshakes = for_each_generator([&](std::size_t generator) {
        return Conversations(population, stand_.workers_of(generator), Conversations::Script::open_once,
                             opening_at_a_time, generator + 1);
    });
    TrialPlan plan;
    plan.until_done = true;
    plan.what = "opening " + std::to_string(population.size()) + " connections";
    auto outcome = trial(plan, handshakes);
    if (!outcome) return Error{outcome.error()};
    std::uint64_t opened = 0;
    for (const Conversations& some : handshakes) opened += some.completed();
    if (opened != population.size()) {
        return Error{
            "only " + std::to_string(opened) + " of " + std::to_string(population.size()) +
            " connections could be opened, then nothing came back: what leaves by one port must come back by "
            "the other, and every segment pass"};
    }
    Opening opening{.connections = population.size(), .seconds = outcome->seconds, .tracked = {}};
    if (stand_.box() != nullptr) opening.tracked = stand_.box()->flows();
    report_.opening = opening;
    return success();
}

void Campaign::close() {
    Balance& balance = report_.balance;
    Box* box = stand_.box();
    if (box == nullptr) return;  // of a box elsewhere nothing is known but what came back
    for (std::size_t i = 0; i < reason_count; ++i) {
        const ReasonText& text = reason_texts[i];
        const std::uint64_t packets = box->packets_under(i);
        if (packets == 0) continue;
        balance.by_reason.emplace_back(text.name, packets);
        if (text.outcome == sluice::Outcome::tolerated) balance.tolerated += packets;
    }
    for (unsigned worker = 0; worker < arguments().workers; ++worker) {
        const pipeline::Counters& counters = box->counters(worker);
        balance.refused += counters.invalid.read();
        balance.evicted += counters.early_drop.read();
        balance.expired += counters.expired.read();
        balance.inserted += counters.insert.read();
        balance.answered += counters.answered.read();
        balance.emitted += counters.emitted.read();
    }
    // What the box said itself and could not send, it may have counted as dropped.
    const std::uint64_t in = balance.offered - balance.missed,
                        known = balance.out + balance.dropped + balance.answered,
                        emitted_lost = balance.emitted - balance.emitted_out;
    balance.unexplained = known < in ? in - known : known - in <= emitted_lost ? 0 : known - in;
    balance.handed_over = box->handed_over();
}

}  // namespace sluice::bench
