#include <rte_cycles.h>
#include <rte_version.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "line_rate/flood.hpp"
#include "line_rate/report.hpp"
#include "machine.hpp"

namespace sluice::bench {
namespace {

using nlohmann::ordered_json;

double rounded(double value, double parts) {
    return std::round(value * parts) / parts;
}
std::uint64_t whole(double value) {
    return static_cast<std::uint64_t>(std::llround(value));
}

ordered_json json_of(const Latency& latency) {
    return {{"samples", latency.samples}, {"p50", whole(latency.p50)},     {"p90", whole(latency.p90)},
            {"p99", whole(latency.p99)},  {"p99.9", whole(latency.p99_9)}, {"max", whole(latency.highest)}};
}

ordered_json json_of(const Figure& figure, const Arguments& given) {
    ordered_json out{{"packets_per_second_in", whole(figure.in_per_second)},
                     {"packets_per_second_out", whole(figure.out_per_second)},
                     {"gigabits_per_second", rounded(figure.gigabits_per_second, 1e3)},
                     {"loss", figure.loss},
                     {"offered", figure.offered},
                     {"missed", figure.missed},
                     {"dropped", figure.dropped},
                     {"seconds", rounded(figure.seconds, 1e3)},
                     {"asked_packets_per_second", whole(figure.asked_per_second)},
                     {"saturated", given.over_rings() ? ordered_json(figure.saturated) : ordered_json()},
                     {"burst_fill", rounded(figure.burst_fill, 1e3)},
                     {"pushed_back", rounded(figure.pushed_back, 1e3)},
                     {"worker_processor_share", rounded(figure.worker_share, 1e3)},
                     {"generator_processor_share", rounded(figure.generator_share, 1e3)},
                     {"short_of_rate", figure.short_of_rate}};
    if (given.in_turns) {
        out["turns_counted"] = rounded(figure.turns_counted, 1e3);
    } else {
        out["latency_ns"] = json_of(figure.latency);
    }
    for (const double round : figure.rounds) out["rounds"].push_back(whole(round));
    if (given.profile == Profile::setup || given.profile == Profile::synflood)
        out["connections_per_second"] = whole(figure.conversations_per_second);
    if (figure.flood_asked_per_second > 0) {
        out["flood"] = {{"asked_packets_per_second", whole(figure.flood_asked_per_second)},
                        {"packets_per_second_in", whole(figure.flood_in_per_second)},
                        {"packets_per_second_out", whole(figure.flood_out_per_second)},
                        {"answered_per_second", whole(figure.flood_answered_per_second)},
                        {"loss", figure.flood_loss}};
    }
    out["void"] = !figure.void_because.empty();
    out["void_because"] = figure.void_because;
    return out;
}

ordered_json json_of(const Comparison& measurement, const Arguments& given) {
    ordered_json out{{"name", measurement.name}, {"tracker", json_of(measurement.tracker, given)}};
    out["plain_forwarding"] = measurement.plain ? json_of(*measurement.plain, given) : ordered_json();
    if (given.defended()) out["defended"] = json_of(*measurement.defended, given);
    out["ratio"] = measurement.plain ? ordered_json(rounded(measurement.ratio(), 1e3)) : ordered_json();
    out["ratio_of_rounds"] = nullptr;
    if (const auto of = measurement.ratio_of_rounds()) {
        out["ratio_of_rounds"] = {{"least", rounded(of->least, 1e3)},
                                  {"median", rounded(of->median, 1e3)},
                                  {"most", rounded(of->most, 1e3)}};
    }
    out["void"] = measurement.is_void();
    return out;
}

ordered_json json_of(const SearchPoint& point) {
    return {{"frame", point.name},
            {"mean_frame_bytes", rounded(point.mean_frame, 10)},
            {"kind", point.kind == Box::Kind::tracking ? "tracker" : "plain_forwarding"},
            {"flat_out_packets_per_second", whole(point.highest_per_second)},
            {"lossless_packets_per_second", whole(point.lossless_per_second)},
            {"lossless_gigabits_per_second", rounded(point.lossless_gigabits, 1e3)},
            {"latency_ns", json_of(point.latency)},
            {"trials", point.trials},
            {"void", !point.void_because.empty()},
            {"void_because", point.void_because}};
}

ordered_json json_of(const Balance& balance) {
    ordered_json reasons = ordered_json::object();
    for (const auto& [name, packets] : balance.by_reason) reasons[name] = packets;
    return {{"offered", balance.offered},
            {"missed", balance.missed},
            {"in", balance.offered - balance.missed},
            {"out", balance.out},
            {"dropped", balance.dropped},
            {"answered", balance.answered},
            {"answers_out", balance.answers_out},
            {"emitted", balance.emitted},
            {"emitted_out", balance.emitted_out},
            {"lost", balance.offered - balance.out - balance.answered},
            {"unexplained", balance.unexplained},
            {"refused", balance.refused},
            {"tolerated", balance.tolerated},
            {"reasons", reasons},
            {"flows_inserted", balance.inserted},
            {"flows_evicted", balance.evicted},
            {"flows_expired", balance.expired},
            {"handed_over", balance.handed_over},
            {"segments_sent_again", balance.sent_again}};
}

ordered_json conditions(const Report& report) {
    const Arguments& given = report.arguments;
    ordered_json out{
        {"profile", name_of(given.profile)},
        {"flows", given.flows},
        {"workers", given.box_workers()},
        {"in_turns", given.in_turns},
        {"worker_processors", given.in_turns ? report.cores.generators : report.cores.workers},
        {"generators", report.cores.generators.size()},
        {"generator_processors", report.cores.generators},
        {"processors_shared", report.cores.shared},
        {"frame_bytes",
         given.profile == Profile::imix ? ordered_json("imix") : ordered_json(given.frame_bytes)},
        {"burst", 32},
        {"ring_slots", given.ring_slots},
        {"buffers", report.buffers},
        {"table_records_per_worker", report.table_records},
        {"tracker_bytes_per_worker", report.tracker_bytes},
        {"bytes_per_flow", report.table_records == 0
                               ? ordered_json()
                               : ordered_json(rounded(static_cast<double>(report.tracker_bytes) /
                                                          static_cast<double>(report.table_records),
                                                      10))},
        {"accounting", given.accounting},
        {"ports", given.over_rings() ? ordered_json("rings") : ordered_json(given.ports)}};
    if (given.profile == Profile::synflood) {
        out["flood"] = {{"kind", name_of(given.flood.kind)},
                        {"sources", name_of(given.flood.sources)},
                        {"family", given.flood.ipv6 ? "ipv6" : "ipv4"},
                        {"linux_options", given.flood.linux_options}};
        out["defence"] = given.defended() ? "cookies" : "off";
        out["frame_bytes"] = Flood::frame_bytes(given.flood);
    }
    return out;
}

ordered_json machine(const Report& report) {
    return {{"cpu", processor()},
            {"instruction_set", instruction_set},
            {"tsc_hz", rte_get_tsc_hz()},
            {"huge_pages", report.huge_pages},
            {"transparent_huge_pages", transparent_huge_pages()},
            {"dpdk", rte_version()}};
}

ordered_json json_of(const Report& report) {
    const Arguments& given = report.arguments;
    ordered_json out{
        {"program", "line_rate"}, {"machine", machine(report)}, {"conditions", conditions(report)}};
    if (!report.measurements.empty()) {
        // The profile's own figure once more, where scripts look first.
        const Comparison& first = report.measurements.front();
        out.update(json_of(first.tracker, given));
        const ordered_json compared = json_of(first, given);
        for (const char* field : {"plain_forwarding", "ratio", "ratio_of_rounds"})
            out[field] = compared[field];
        out["void"] = first.is_void();
    }
    if (report.opening) {
        out["concurrent_connections"] = {
            {"opened", report.opening->connections},
            {"seconds", rounded(report.opening->seconds, 1e4)},
            {"opened_per_second",
             whole(static_cast<double>(report.opening->connections) / report.opening->seconds)},
            {"tracked_afterwards",
             report.opening->tracked ? ordered_json(*report.opening->tracked) : ordered_json()}};
    }
    for (const Comparison& measurement : report.measurements)
        out["measurements"].push_back(json_of(measurement, given));
    for (const SearchPoint& point : report.search) out["search"].push_back(json_of(point));
    out["totals"] = json_of(report.balance);
    out["accepted"] = report.accepted();
    out["notes"] = report.notes;
    return out;
}

}  // namespace

std::string as_json(const std::vector<Report>& reports) {
    if (reports.size() == 1) return json_of(reports.front()).dump(2) + "\n";
    ordered_json out{{"program", "line_rate"}};
    for (const Report& report : reports) out["reports"].push_back(json_of(report));
    return out.dump(2) + "\n";
}

}  // namespace sluice::bench
