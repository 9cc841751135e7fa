#include "statistics.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "sluice/control/capture_row.hpp"
#include "sluice/control/guard_watch.hpp"
#include "sluice/control/query.hpp"

namespace sluice::control {
namespace {

using nlohmann::ordered_json;

std::uint64_t packets_under(const pipeline::Counters& counters, Reason reason) {
    return counters.reasons[static_cast<std::size_t>(reason)].read();
}

/// nf_conntrack's counters under its names. Its `drop` is a packet that found no room for its flow, its
/// `error` an ICMP error that could not be placed; what it counts under the last three cannot happen here.
void add_conntrack_counters(ordered_json& row, const pipeline::Counters& counters) {
    row["found"] = counters.found.read();
    row["invalid"] = counters.invalid.read();
    row["insert"] = counters.insert.read();
    row["insert_failed"] = counters.insert_failed.read();
    row["drop"] = packets_under(counters, Reason::table_full);
    row["early_drop"] = counters.early_drop.read();
    row["error"] =
        packets_under(counters, Reason::icmp_unmatched) + packets_under(counters, Reason::icmp_mismatch);
    row["search_restart"] = 0;
    row["clash_resolve"] = 0;
    row["chaintoolong"] = 0;
}

void add_own_counters(ordered_json& row, const pipeline::Counters& counters) {
    row["packets"] = counters.packets.read();
    row["bytes"] = counters.bytes.read();
    row["passed"] = counters.passed.read();
    row["dropped"] = counters.dropped.read();
    row["answered"] = counters.answered.read();
    row["emitted"] = counters.emitted.read();
    row["emitted_on"] = counters.emitted_on.read();
    row["not_emitted"] = counters.not_emitted.read();
    row["handed_over"] = counters.handed_over.read();
    row["expired"] = counters.expired.read();
    row["deleted"] = counters.deleted.read();
    row["untracked"] = counters.untracked.read();
    row["related"] = counters.related.read();
    row["held"] = counters.held.read();
    auto& reasons = row["reasons"];
    for (std::size_t i = 1; i < reason_count; ++i)  // 0 is none: accepted packets are not counted by reason
        reasons[std::string(reason_texts[i].name)] = counters.reasons[i].read();
}

/// Half-open flows, and how many there may be.
void add_half_open(ordered_json& row, const WorkerHandle& worker, std::uint32_t limit) {
    const auto half_open = [](const auto& table) {
        return table.size_of_class(static_cast<std::uint8_t>(EvictionClass::half_open));
    };
    row["half_open"] = half_open(*worker.table4) + half_open(*worker.table6);
    row["half_open_limit"] = limit != 0
                                 ? 2 * std::uint64_t{limit}
                                 : std::uint64_t{worker.table4->capacity()} + worker.table6->capacity();
}

void add_loop_counters(ordered_json& row, const pipeline::WorkerCounters& loop) {
    std::uint64_t bursts = 0;
    for (std::size_t i = 0; i <= decltype(loop.bursts)::size; ++i) bursts += loop.bursts.count(i);
    row["nanoseconds"] = loop.nanoseconds.read();
    row["busy_nanoseconds"] = loop.busy_polls.sum();
    row["polls"] = loop.polls.read();
    row["bursts"] = bursts;
    row["burst_packets"] = loop.bursts.sum();
    row["taken_over"] = loop.taken_over.read();
}

void add_inspection_counters(ordered_json& row, const pipeline::InspectionCounters& counters) {
    row["flows"] = counters.flows.read();
    row["chunks"] = counters.chunks.read();
    row["held"] = counters.held.read();
    row["opened"] = counters.opened.read();
    row["no_room"] = counters.no_room.read();
    row["stream_bytes"] = counters.stream_bytes.read();
    row["datagrams"] = counters.datagrams.read();
    row["hits"] = counters.hits.read();
    row["suppressed"] = counters.suppressed.read();
    row["lost"] = counters.lost.read();
    for (std::size_t i = 0; i < inspect::event_count; ++i)
        row[std::string(inspect::event_texts[i].name)] = counters.events[i].read();
}

/// Of the headers of a dropped packet.
constexpr std::size_t example_bytes = 128;

/// The last that any worker dropped for this reason, at most `most`.
void append_examples(std::string& out, const Workers& workers, Reason reason, std::size_t most) {
    struct Example {
        unsigned worker;
        pipeline::CapturedPacket packet;
    };
    std::vector<Example> all;
    Example one{};
    for (unsigned worker = 0; most != 0 && worker < workers.all.size(); ++worker) {
        const pipeline::Captures* const captures = workers.all[worker].captures;
        if (captures == nullptr || captures->examples == nullptr) continue;
        one.worker = worker;
        for (std::size_t place = 0; place < pipeline::DropExamples::kept; ++place)
            if (captures->examples->read(reason, place, one.packet)) all.push_back(one);
    }
    std::stable_sort(all.begin(), all.end(), [](const Example& a, const Example& b) {
        return a.packet.wall_nanoseconds > b.packet.wall_nanoseconds;
    });
    all.resize(std::min(all.size(), most));
    pipeline::FlowView flow;
    for (const Example& example : all)
        append_capture(out, example.packet, example.worker,
                       view(example.packet, example.worker, flow) ? &flow : nullptr, workers.policy.get(),
                       example_bytes);
}

}  // namespace

std::string_view name_of(Outcome outcome) {
    constexpr std::string_view names[] = {"accepted", "tolerated", "refused", "dropped"};
    return names[static_cast<int>(outcome)];
}

void append_statistics(std::string& out, const Workers& workers, const EventFeed& events,
                       const CaptureFeed& captures, const Crowd& crowd) {
    for (std::size_t i = 0; i < workers.all.size(); ++i) {
        const WorkerHandle& worker = workers.all[i];
        ordered_json row;
        row["worker"] = i;
        add_conntrack_counters(row, *worker.counters);
        add_own_counters(row, *worker.counters);
        row["flows"] = {{"ipv4", worker.table4->size()},
                        {"ipv4_limit", worker.table4->capacity()},
                        {"ipv6", worker.table6->size()},
                        {"ipv6_limit", worker.table6->capacity()}};
        add_half_open(row, worker, workers.half_open_limit);
        if (worker.loop != nullptr) add_loop_counters(row["loop"], *worker.loop);
        if (worker.events != nullptr) {
            row["events"] = worker.events->recorded();
            row["events_lost"] = worker.events->lost(pipeline::all_event_kinds);
        }
        if (worker.inspection != nullptr) add_inspection_counters(row["inspection"], *worker.inspection);
        out += row.dump();
        out += '\n';
    }
    ordered_json counters = ordered_json::object();
    if (workers.guard != nullptr)
        for (const auto& [name, value] : workers.guard->counters()) counters[name] = value;
    if (events.exists()) {
        counters["event_readers"] = events.counts.readers;
        counters["event_rows"] = events.counts.rows;
        counters["event_rows_lost"] = events.counts.rows_lost;
    }
    if (captures.exists()) {
        counters["capture_readers"] = captures.counts.readers;
        counters["capture_rows"] = captures.counts.rows;
        counters["capture_rows_lost"] = captures.counts.rows_lost;
    }
    if (workers.extra_counters)
        for (const auto& [name, value] : workers.extra_counters()) counters[name] = value;
    counters["clients"] = crowd.clients;
    counters["clients_refused"] = crowd.refused;
    out += ordered_json{{"counters", std::move(counters)}}.dump() + "\n";
}

void append_reasons(std::string& out, const Workers& workers) {
    const ReasonSums packets = reason_sums(workers);
    for (std::size_t i = 1; i < reason_count; ++i) {
        const ReasonText& text = reason_texts[i];
        ordered_json row;
        row["reason"] = text.name;
        row["outcome"] = name_of(text.outcome);
        row["packets"] = packets[i];
        row["sentence"] = text.sentence;
        out += row.dump();
        out += '\n';
    }
}

std::uint64_t append_drops(std::string& out, const Workers& workers, const DropRates& rates, Tick now,
                           std::size_t examples) {
    const ReasonSums packets = reason_sums(workers);
    const ReasonSums a_second = rates.rates(packets, now);
    std::uint64_t rows = 0;
    for (std::size_t i = 0; i < reason_count; ++i) {
        const ReasonText& text = reason_texts[i];
        const bool passes = text.outcome == Outcome::accepted || text.outcome == Outcome::tolerated;
        if (passes || packets[i] == 0) continue;
        ordered_json row;
        row["reason"] = text.name;
        row["outcome"] = name_of(text.outcome);
        row["packets"] = packets[i];
        row["rate"] = a_second[i];
        row["sentence"] = text.sentence;
        out += row.dump();
        out += '\n';
        append_examples(out, workers, static_cast<Reason>(i), examples);
        ++rows;
    }
    return rows;
}

void append_version(std::string& out, const Workers& workers) {
    ordered_json row;
    row["version"] = program_version;
    row["protocol"] = protocol_version;
    row["workers"] = workers.all.size();
    row["accounting"] = workers.accounting;
    row["timestamps"] = workers.timestamps;
    row["start"] = workers.start_seconds;
    row["ports"] = workers.port_names;
    out += row.dump();
    out += '\n';
}

}  // namespace sluice::control
