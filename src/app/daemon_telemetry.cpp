#include "app/daemon_telemetry.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "sluice/control/guard_watch.hpp"

namespace sluice::app {
namespace {

using dpdk::TelemetryNumbers;
using pipeline::Counters;

constexpr std::pair<const char*, Counter Counters::*> counters[] = {
    {"packets", &Counters::packets},
    {"bytes", &Counters::bytes},
    {"passed", &Counters::passed},
    {"dropped", &Counters::dropped},
    {"answered", &Counters::answered},
    {"emitted", &Counters::emitted},
    {"not_emitted", &Counters::not_emitted},
    {"found", &Counters::found},
    {"invalid", &Counters::invalid},
    {"insert", &Counters::insert},
    {"insert_failed", &Counters::insert_failed},
    {"early_drop", &Counters::early_drop},
    {"expired", &Counters::expired},
    {"deleted", &Counters::deleted},
    {"untracked", &Counters::untracked},
    {"related", &Counters::related},
    {"held", &Counters::held},
};

TelemetryNumbers numbers_of(const control::WorkerHandle& worker) {
    TelemetryNumbers out;
    out.reserve(std::size(counters) + 8);
    for (const auto& [name, counter] : counters) out.emplace_back(name, (worker.counters->*counter).read());
    out.emplace_back("entries", std::uint64_t{worker.table4->size()} + worker.table6->size());
    out.emplace_back("entries_limit", std::uint64_t{worker.table4->capacity()} + worker.table6->capacity());
    if (worker.loop == nullptr) return out;
    out.emplace_back("polls", worker.loop->polls.read());
    out.emplace_back("idle_sleeps", worker.loop->idle_sleeps.read());
    out.emplace_back("nanoseconds", worker.loop->nanoseconds.read());
    out.emplace_back("busy_nanoseconds", worker.loop->busy_polls.sum());
    out.emplace_back("handed_over", worker.loop->handed_over.read());
    out.emplace_back("taken_over", worker.loop->taken_over.read());
    return out;
}

TelemetryNumbers drops_of(const control::Workers& workers) {
    TelemetryNumbers out;
    out.reserve(reason_count);
    for (std::size_t i = 0; i < reason_count; ++i) {
        const Outcome outcome = reason_texts[i].outcome;
        if (outcome != Outcome::refused && outcome != Outcome::dropped) continue;
        std::uint64_t packets = 0;
        for (const auto& worker : workers.all) packets += worker.counters->reasons[i].read();
        // DPDK takes no hyphens.
        std::string name(reason_texts[i].name);
        std::replace(name.begin(), name.end(), '-', '_');
        out.emplace_back(std::move(name), packets);
    }
    return out;
}

}  // namespace

std::shared_ptr<const dpdk::TelemetryAnswers> telemetry_answers(const control::Workers& workers) {
    auto out = std::make_shared<dpdk::TelemetryAnswers>();
    out->workers.reserve(workers.all.size());
    for (const auto& worker : workers.all) {
        out->workers.push_back(numbers_of(worker));
        const TelemetryNumbers& one = out->workers.back();
        out->stats.resize(one.size());
        for (std::size_t i = 0; i < one.size(); ++i) {
            out->stats[i].first = one[i].first;
            out->stats[i].second += one[i].second;
        }
    }
    out->drops = drops_of(workers);
    if (workers.guard != nullptr) out->floods = workers.guard->counters();
    return out;
}

}  // namespace sluice::app
