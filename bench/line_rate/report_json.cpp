#include <rte_cycles.h>
#include <rte_version.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "line_rate/report.hpp"
#include "machine.hpp"

namespace sluice::bench {
namespace {

using nlohmann::ordered_json;

double rounded(double value, double unit) {
    return std::round(value / unit) * unit;
}
std::uint64_t whole(double value) {
    return static_cast<std::uint64_t>(std::llround(value));
}

ordered_json json_of(const Latency& latency) {
    return {{"samples", latency.samples}, {"p50", whole(latency.p50)},     {"p90", whole(latency.p90)},
            {"p99", whole(latency.p99)},  {"p99.9", whole(latency.p99_9)}, {"max", whole(latency.highest)}};
}

ordered_json json_of(const Figure& figure, Profile profile) {
    ordered_json out{{"packets_per_second_in", whole(figure.in_per_second)},
                     {"packets_per_second_out", whole(figure.out_per_second)},
                     {"gigabits_per_second", rounded(figure.gigabits_per_second, 1e-3)},
                     {"loss", figure.loss},
                     {"offered", figure.offered},
                     {"missed", figure.missed},
                     {"dropped", figure.dropped},
                     {"seconds", rounded(figure.seconds, 1e-3)},
                     {"asked_packets_per_second", whole(figure.asked_per_second)},
                     {"latency_ns", json_of(figure.latency)},
                     {"saturated", figure.saturated},
                     {"burst_fill", rounded(figure.burst_fill, 1e-3)},
                     {"pushed_back", rounded(figure.pushed_back, 1e-3)},
                     {"worker_processor_share", rounded(figure.worker_share, 1e-3)},
                     {"generator_processor_share", rounded(figure.generator_share, 1e-3)},
                     {"short_of_rate", figure.short_of_rate}};
    for (const double round : figure.rounds) out["rounds"].push_back(whole(round));
    if (profile == Profile::setup) out["connections_per_second"] = whole(figure.conversations_per_second);
    if (figure.flood_asked_per_second > 0) {
        out["flood"] = {{"asked_packets_per_second", whole(figure.flood_asked_per_second)},
                        {"packets_per_second_out", whole(figure.flood_out_per_second)},
                        {"loss", figure.flood_loss}};
    }
    out["void"] = !figure.void_because.empty();
    out["void_because"] = figure.void_because;
    return out;
}

ordered_json json_of(const Comparison& measurement, Profile profile) {
    ordered_json out{{"name", measurement.name}, {"tracker", json_of(measurement.tracker, profile)}};
    out["plain_forwarding"] = measurement.plain ? json_of(*measurement.plain, profile) : ordered_json();
    out["ratio"] = measurement.plain ? ordered_json(rounded(measurement.ratio(), 1e-3)) : ordered_json();
    out["void"] = measurement.is_void();
    return out;
}

ordered_json json_of(const SearchPoint& point) {
    return {{"frame", point.name},
            {"mean_frame_bytes", rounded(point.mean_frame, 0.1)},
            {"kind", point.kind == Box::Kind::tracking ? "tracker" : "plain_forwarding"},
            {"flat_out_packets_per_second", whole(point.highest_per_second)},
            {"lossless_packets_per_second", whole(point.lossless_per_second)},
            {"lossless_gigabits_per_second", rounded(point.lossless_gigabits, 1e-3)},
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
            {"lost", balance.offered - balance.out},
            {"unexplained", balance.unexplained},
            {"refused", balance.refused},
            {"tolerated", balance.tolerated},
            {"reasons", reasons},
            {"flows_inserted", balance.inserted},
            {"flows_evicted", balance.evicted},
            {"flows_expired", balance.expired},
            {"handed_over", balance.handed_over}};
}

ordered_json conditions(const Report& report) {
    const Arguments& given = report.arguments;
    return {{"profile", name_of(given.profile)},
            {"flows", given.flows},
            {"workers", given.box_workers()},
            {"worker_processors", report.cores.workers},
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
                                                          0.1))},
            {"accounting", given.accounting},
            {"ports", given.over_rings() ? ordered_json("rings") : ordered_json(given.ports)}};
}

ordered_json machine(const Report& report) {
    return {{"cpu", processor()},
            {"instruction_set", instruction_set},
            {"tsc_hz", rte_get_tsc_hz()},
            {"huge_pages", report.huge_pages},
            {"transparent_huge_pages", transparent_huge_pages()},
            {"dpdk", rte_version()}};
}

}  // namespace

std::string as_json(const Report& report) {
    const Profile profile = report.arguments.profile;
    ordered_json out{
        {"program", "line_rate"}, {"machine", machine(report)}, {"conditions", conditions(report)}};
    if (!report.measurements.empty()) {
        // The profile's own figure once more, where scripts look first.
        const Comparison& first = report.measurements.front();
        out.update(json_of(first.tracker, profile));
        out["plain_forwarding"] = json_of(first, profile)["plain_forwarding"];
        out["ratio"] = json_of(first, profile)["ratio"];
        out["void"] = first.is_void();
    }
    if (report.opening) {
        out["concurrent_connections"] = {
            {"opened", report.opening->connections},
            {"seconds", rounded(report.opening->seconds, 1e-4)},
            {"opened_per_second",
             whole(static_cast<double>(report.opening->connections) / report.opening->seconds)},
            {"tracked_afterwards",
             report.opening->tracked ? ordered_json(*report.opening->tracked) : ordered_json()},
            {"segments_sent_again", report.opening->sent_again}};
    }
    for (const Comparison& measurement : report.measurements)
        out["measurements"].push_back(json_of(measurement, profile));
    for (const SearchPoint& point : report.search) out["search"].push_back(json_of(point));
    out["totals"] = json_of(report.balance);
    out["accepted"] = report.accepted();
    out["notes"] = report.notes;
    return out.dump(2) + "\n";
}

}  // namespace sluice::bench
