#include "sluice/control/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include "sluice/base/lifetime.hpp"
#include "sluice/base/reason.hpp"
#include "sluice/base/time.hpp"
#include "sluice/control/guard_watch.hpp"
#include "sluice/control/query.hpp"

namespace sluice::control {
namespace {

using pipeline::Counters;
using pipeline::WorkerCounters;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

/// What the page is made from, read once for all of it.
struct Reading {
    const Workers& workers;
    std::uint64_t start_seconds;
    Tick now;
    std::map<std::string, std::uint64_t, std::less<>> named;  ///< of the guard, the ports and their devices
};

/// The samples of one metric.
class Samples {
  public:
    using Labels = std::vector<ClientMetric::Label>;

    Samples(MetricFamily& family, const Reading& reading) : family_(family), reading_(reading) {}
    [[nodiscard]] const Reading& reading() const { return reading_; }
    [[nodiscard]] const std::vector<WorkerHandle>& workers() const { return reading_.workers.all; }

    void add(double value, Labels labels = {}) {
        ClientMetric& metric = next(std::move(labels));
        if (family_.type == MetricType::Counter)
            metric.counter.value = value;
        else
            metric.gauge.value = value;
    }
    void add(std::uint64_t value, Labels labels = {}) { add(static_cast<double>(value), std::move(labels)); }
    /// `scale`: a value's unit in the metric's.
    template <class Histogram>
    void add_histogram(const Histogram& histogram, double scale, Labels labels) {
        ClientMetric::Histogram& out = next(std::move(labels)).histogram;
        std::uint64_t total = 0;
        out.bucket.reserve(Histogram::size + 1);
        for (std::size_t i = 0; i < Histogram::size; ++i)
            out.bucket.push_back(
                {total += histogram.count(i), static_cast<double>(Histogram::bound(i)) * scale});
        out.sample_count = total + histogram.count(Histogram::size);
        out.bucket.push_back({out.sample_count, std::numeric_limits<double>::infinity()});
        out.sample_sum = static_cast<double>(histogram.sum()) * scale;
    }

  private:
    ClientMetric& next(Labels&& labels) {
        ClientMetric& metric = family_.metric.emplace_back();
        metric.label = std::move(labels);
        return metric;
    }

    MetricFamily& family_;
    const Reading& reading_;
};

// ---- Where values come from

using Collect = void (*)(Samples&);

Samples::Labels worker_label(std::size_t worker) {
    return {{"worker", std::to_string(worker)}};
}

/// Of the trackers, all workers together.
template <Counter Counters::*counter>
void sum(Samples& out) {
    std::uint64_t total = 0;
    for (const WorkerHandle& worker : out.workers()) total += (worker.counters->*counter).read();
    out.add(total);
}

/// Of each tracker.
template <Counter Counters::*counter>
void of_workers(Samples& out) {
    for (std::size_t i = 0; i < out.workers().size(); ++i)
        out.add((out.workers()[i].counters->*counter).read(), worker_label(i));
}

/// Of each worker's turns: `add(WorkerCounters, labels)`.
template <class Add>
void of_loops(Samples& out, const Add& add) {
    for (std::size_t i = 0; i < out.workers().size(); ++i)
        if (const WorkerCounters* loop = out.workers()[i].loop) add(*loop, worker_label(i));
}
template <Counter WorkerCounters::*counter>
void of_loop_counters(Samples& out) {
    of_loops(out, [&](const WorkerCounters& loop, Samples::Labels labels) {
        out.add((loop.*counter).read(), std::move(labels));
    });
}

constexpr double seconds_per_nanosecond = 1e-9;
void busy_seconds(Samples& out) {
    of_loops(out, [&](const WorkerCounters& loop, Samples::Labels labels) {
        out.add(static_cast<double>(loop.busy_polls.sum()) * seconds_per_nanosecond, std::move(labels));
    });
}
void running_seconds(Samples& out) {
    of_loops(out, [&](const WorkerCounters& loop, Samples::Labels labels) {
        out.add(static_cast<double>(loop.nanoseconds.read()) * seconds_per_nanosecond, std::move(labels));
    });
}
void bursts(Samples& out) {
    of_loops(out, [&](const WorkerCounters& loop, Samples::Labels labels) {
        out.add_histogram(loop.bursts, 1, std::move(labels));
    });
}
void busy_polls(Samples& out) {
    of_loops(out, [&](const WorkerCounters& loop, Samples::Labels labels) {
        out.add_histogram(loop.busy_polls, seconds_per_nanosecond, std::move(labels));
    });
}

/// Of each table: `value(table)`.
template <class Value>
void of_tables(Samples& out, const Value& value) {
    for (std::size_t i = 0; i < out.workers().size(); ++i) {
        const auto labels = [&](const char* family) {
            Samples::Labels both = worker_label(i);
            both.push_back({"family", family});
            return both;
        };
        out.add(value(*out.workers()[i].table4), labels("ipv4"));
        out.add(value(*out.workers()[i].table6), labels("ipv6"));
    }
}
void table_entries(Samples& out) {
    of_tables(out, [](const auto& table) { return std::uint64_t{table.size()}; });
}
void table_limits(Samples& out) {
    of_tables(out, [](const auto& table) { return std::uint64_t{table.capacity()}; });
}
void half_open(Samples& out) {
    of_tables(out, [](const auto& table) {
        return std::uint64_t{table.size_of_class(static_cast<std::uint8_t>(EvictionClass::half_open))};
    });
}
void half_open_limits(Samples& out) {
    const std::uint32_t limit = out.reading().workers.half_open_limit;
    of_tables(out, [&](const auto& table) { return std::uint64_t{limit != 0 ? limit : table.capacity()}; });
}
void expiry_lag(Samples& out) {
    const Tick now = out.reading().now;
    of_tables(out, [&](const auto& table) {
        return static_cast<double>(table.oldest_overdue(now)) / ticks_per_second;
    });
}

std::uint64_t entries_now(const Samples& out) {
    std::uint64_t total = 0;
    for (const WorkerHandle& worker : out.workers()) total += worker.table4->size() + worker.table6->size();
    return total;
}
std::uint64_t room(const Samples& out) {
    std::uint64_t total = 0;
    for (const WorkerHandle& worker : out.workers())
        total += std::uint64_t{worker.table4->capacity()} + worker.table6->capacity();
    return total;
}
void entries(Samples& out) {
    out.add(entries_now(out));
}
void entries_limit(Samples& out) {
    out.add(room(out));
}
void entries_available(Samples& out) {
    out.add(room(out) - entries_now(out));
}

/// By reason, all workers together: a sample each, that of 0 packets too.
template <class Wanted>
void by_reason(Samples& out, const Wanted& wanted) {
    for (std::size_t i = 0; i < reason_count; ++i) {
        if (!wanted(reason_texts[i].outcome)) continue;
        std::uint64_t packets = 0;
        for (const WorkerHandle& worker : out.workers()) packets += worker.counters->reasons[i].read();
        out.add(packets, {{"reason", std::string(reason_texts[i].name)}});
    }
}
void drops(Samples& out) {
    by_reason(out,
              [](Outcome outcome) { return outcome == Outcome::refused || outcome == Outcome::dropped; });
}
void tolerated(Samples& out) {
    by_reason(out, [](Outcome outcome) { return outcome == Outcome::tolerated; });
}
/// nf_conntrack's `drop`: flows that found no room.
void drop(Samples& out) {
    std::uint64_t packets = 0;
    for (const WorkerHandle& worker : out.workers())
        packets += worker.counters->reasons[static_cast<std::size_t>(Reason::table_full)].read();
    out.add(packets);
}

void events(Samples& out) {
    for (std::size_t i = 0; i < out.workers().size(); ++i)
        if (const pipeline::EventRing* ring = out.workers()[i].events)
            out.add(ring->recorded(), worker_label(i));
}
void events_lost(Samples& out) {
    for (std::size_t i = 0; i < out.workers().size(); ++i)
        if (const pipeline::EventRing* ring = out.workers()[i].events)
            out.add(ring->lost(pipeline::all_event_kinds), worker_label(i));
}

void version(Samples& out) {
    out.add(std::uint64_t{1}, {{"version", std::string(program_version)}});
}
void start_time(Samples& out) {
    out.add(out.reading().start_seconds);
}

// ---- The table

/// A row: either `collect` says where its values come from, or it is counted under a name: "guard_syns"; of
/// every port "rx_packets", which stands for "port0_rx_packets" and so on.
struct Metric {
    std::string_view name;
    MetricType type;
    std::string_view labels;  ///< separated by ", "
    std::string_view help;
    Collect collect = nullptr;
    std::string_view counted_as = {};
};

constexpr auto counter = MetricType::Counter, gauge = MetricType::Gauge, histogram = MetricType::Histogram;

// clang-format off
constexpr Metric metrics[] = {
    {"sluice_build_info", gauge, "version", "1 for the version that runs.", version},
    {"sluice_start_time_seconds", gauge, "", "When the daemon started, in seconds since 1970.", start_time},
    // By the suffixes of node_exporter's node_nf_conntrack_*
    {"sluice_entries", gauge, "", "Flows in the tables.", entries},
    {"sluice_entries_limit", gauge, "", "Flows that all tables together have room for.", entries_limit},
    {"sluice_entries_available", gauge, "", "Flows that there is room for beside those in the tables.", entries_available},
    {"sluice_stat_found_total", counter, "", "Packets that belonged to a flow.", sum<&Counters::found>},
    {"sluice_stat_invalid_total", counter, "", "Packets that were refused: no honest endpoint sends them.", sum<&Counters::invalid>},
    {"sluice_stat_insert_total", counter, "", "Flows created.", sum<&Counters::insert>},
    {"sluice_stat_insert_failed_total", counter, "", "Flows that could not be created.", sum<&Counters::insert_failed>},
    {"sluice_stat_drop_total", counter, "", "Packets whose flow found no room.", drop},
    {"sluice_stat_early_drop_total", counter, "", "Flows evicted to make room.", sum<&Counters::early_drop>},
    // Why
    {"sluice_drops_total", counter, "reason", "Packets refused or dropped, by reason. With tracker.invalid = \"pass\" those refused pass, with tracker.when_full = \"pass\" those under table-full.", drops},
    {"sluice_tolerated_total", counter, "reason", "Packets that passed as leftovers, by reason.", tolerated},
    // Tables
    {"sluice_table_entries", gauge, "worker, family", "Flows in a table.", table_entries},
    {"sluice_table_entries_limit", gauge, "worker, family", "Flows that a table has room for.", table_limits},
    {"sluice_table_half_open_entries", gauge, "worker, family", "Half-open flows in a table.", half_open},
    {"sluice_table_half_open_entries_limit", gauge, "worker, family", "Half-open flows that a table may hold; without a budget (tracker.half_open_max = 0) the whole table.", half_open_limits},
    {"sluice_table_expiry_lag_seconds", gauge, "worker, family", "By how much the flow that waits longest to be looked at, whether its time has run out, is late.", expiry_lag},
    // Workers
    {"sluice_worker_packets_total", counter, "worker", "Packets judged; a datagram of n fragments counts n.", of_workers<&Counters::packets>},
    {"sluice_worker_bytes_total", counter, "worker", "Their frame lengths.", of_workers<&Counters::bytes>},
    {"sluice_worker_passed_packets_total", counter, "worker", "Packets to be forwarded.", of_workers<&Counters::passed>},
    {"sluice_worker_dropped_packets_total", counter, "worker", "Packets dropped, each under one reason.", of_workers<&Counters::dropped>},
    {"sluice_worker_answered_packets_total", counter, "worker", "Packets that the box dealt with itself: answered with a cookie, or part of a handshake it carries on.", of_workers<&Counters::answered>},
    {"sluice_worker_emitted_packets_total", counter, "worker", "Packets made by the box beyond answers.", of_workers<&Counters::emitted>},
    {"sluice_worker_not_emitted_packets_total", counter, "worker", "Packets of the box's own for which no buffer or no room was left.", of_workers<&Counters::not_emitted>},
    {"sluice_worker_untracked_packets_total", counter, "worker", "Packets without a flow.", of_workers<&Counters::untracked>},
    {"sluice_worker_related_packets_total", counter, "worker", "ICMP errors that belonged to a flow.", of_workers<&Counters::related>},
    {"sluice_worker_expired_flows_total", counter, "worker", "Flows whose time ran out.", of_workers<&Counters::expired>},
    {"sluice_worker_deleted_flows_total", counter, "worker", "Flows removed on request or replaced by a new connection.", of_workers<&Counters::deleted>},
    {"sluice_worker_held_fragments", gauge, "worker", "Fragments waiting for the rest of their datagrams.", of_workers<&Counters::held>},
    {"sluice_worker_handed_over_packets_total", counter, "worker", "Packets given to the worker that owns their flow.", of_loop_counters<&WorkerCounters::handed_over>},
    {"sluice_worker_taken_over_packets_total", counter, "worker", "Packets that other workers gave.", of_loop_counters<&WorkerCounters::taken_over>},
    {"sluice_worker_polls_total", counter, "worker", "Turns of the worker's loop.", of_loop_counters<&WorkerCounters::polls>},
    {"sluice_worker_idle_sleeps_total", counter, "worker", "Times that it slept for want of work.", of_loop_counters<&WorkerCounters::idle_sleeps>},
    {"sluice_worker_seconds_total", counter, "worker", "How long the loop has run.", running_seconds},
    {"sluice_worker_busy_seconds_total", counter, "worker", "Of that, turns that found something to do. The rate of this over the rate of sluice_worker_seconds_total is the worker's load, from 0 to 1.", busy_seconds},
    {"sluice_worker_burst_packets", histogram, "worker", "Packets taken from a receive queue at a time.", bursts},
    {"sluice_worker_busy_poll_seconds", histogram, "worker", "How long turns took that found something to do.", busy_polls},
    // Events
    {"sluice_events_total", counter, "worker", "Events recorded for those who follow them.", events},
    {"sluice_events_lost_total", counter, "worker", "Events that found no room at the worker.", events_lost},
    // Flows written down; not there where that is not configured
    {"sluice_flow_log_records_total", counter, "", "Events written into the flow log.", nullptr, "flow_log_records"},
    {"sluice_flow_log_lost_total", counter, "", "Events that the flow log should hold and does not.", nullptr, "flow_log_lost"},
    {"sluice_ipfix_records_total", counter, "", "Flow records sent to the collector.", nullptr, "ipfix_records"},
    {"sluice_ipfix_lost_total", counter, "", "Flow records that could not be sent, or that the collector's host refused.", nullptr, "ipfix_lost"},
    // Ports
    {"sluice_port_link_up", gauge, "port, interface", "1 while the port has its link.", nullptr, "link_up"},
    {"sluice_port_receive_packets_total", counter, "port, interface", "Packets received.", nullptr, "rx_packets"},
    {"sluice_port_receive_bytes_total", counter, "port, interface", "Their frame lengths.", nullptr, "rx_bytes"},
    {"sluice_port_transmit_packets_total", counter, "port, interface", "Packets sent.", nullptr, "tx_packets"},
    {"sluice_port_transmit_bytes_total", counter, "port, interface", "Their frame lengths.", nullptr, "tx_bytes"},
    {"sluice_port_control_packets_total", counter, "port, interface", "Of those sent, the ones of the box's own.", nullptr, "control_packets"},
    {"sluice_port_control_dropped_packets_total", counter, "port, interface", "Packets of the box's own that found no room.", nullptr, "control_dropped"},
    {"sluice_port_receive_missed_packets_total", counter, "port, interface", "Packets that the device lost before the daemon saw them.", nullptr, "device_rx_missed"},
    {"sluice_port_receive_errors_total", counter, "port, interface", "Packets that the device received damaged.", nullptr, "device_rx_errors"},
    {"sluice_port_receive_no_buffer_total", counter, "port, interface", "Packets for which the device had no buffer.", nullptr, "device_rx_no_buffer"},
    {"sluice_port_transmit_errors_total", counter, "port, interface", "Packets that the device failed to send.", nullptr, "device_tx_errors"},
    // The guard, as of its last look, a tenth of a second ago at most; not there where guard.enabled is false
    {"sluice_floods_active", gauge, "", "SYN floods that go on.", nullptr, "guard_attacks_running"},
    {"sluice_floods_total", counter, "", "SYN floods since the start.", nullptr, "guard_attacks"},
    {"sluice_guard_syns_total", counter, "", "Attempts to connect.", nullptr, "guard_syns"},
    {"sluice_guard_answered_total", counter, "", "Of those, answered with a SYN,ACK, by the server or by the box in its stead.", nullptr, "guard_answered"},
    {"sluice_guard_completed_total", counter, "", "Of those, completed by the client; where the box answered, with a valid cookie.", nullptr, "guard_completed"},
    {"sluice_guard_refused_total", counter, "", "Attempts to connect that the server refused.", nullptr, "guard_refused"},
    {"sluice_guard_reset_total", counter, "", "Handshakes that the client's address reset.", nullptr, "guard_reset"},
    {"sluice_guard_limited_total", counter, "", "SYNs dropped by limits of the guard.", nullptr, "guard_limited"},
    {"sluice_guard_half_open", gauge, "", "Flows that wait for their handshake.", nullptr, "guard_half_open"},
    {"sluice_guard_services", gauge, "", "Services that the guard knows.", nullptr, "guard_services"},
    {"sluice_guard_services_defended", gauge, "", "Services that call for a defence.", nullptr, "guard_defended"},
    {"sluice_guard_sources_limited", gauge, "", "Sources whose SYNs are limited.", nullptr, "guard_limited_sources"},
};
// clang-format on

std::string_view word_of(MetricType type) {
    return type == counter ? "counter" : type == gauge ? "gauge" : "histogram";
}

void collect_named(const Metric& metric, Samples& out) {
    const auto& named = out.reading().named;
    if (metric.labels.empty()) {
        if (const auto found = named.find(metric.counted_as); found != named.end()) out.add(found->second);
        return;
    }
    const auto& ports = out.reading().workers.port_names;
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const std::string number = std::to_string(i);
        const auto found = named.find("port" + number + "_" + std::string(metric.counted_as));
        if (found != named.end()) out.add(found->second, {{"port", number}, {"interface", ports[i]}});
    }
}

Reading read(const Workers& workers, std::uint64_t start_seconds) {
    Reading out{workers, start_seconds, workers.now(), {}};
    if (workers.guard != nullptr)
        for (auto& [name, value] : workers.guard->counters()) out.named.emplace(name, value);
    if (workers.extra_counters)
        for (auto& [name, value] : workers.extra_counters()) out.named.emplace(name, value);
    return out;
}

}  // namespace

std::string metrics_page(const Workers& workers, std::uint64_t start_seconds) {
    const Reading reading = read(workers, start_seconds);
    std::vector<MetricFamily> families;
    families.reserve(std::size(metrics));
    for (const Metric& metric : metrics) {
        MetricFamily family{std::string(metric.name), std::string(metric.help), metric.type, {}};
        Samples samples(family, reading);
        if (metric.collect != nullptr)
            metric.collect(samples);
        else
            collect_named(metric, samples);
        if (!family.metric.empty()) families.push_back(std::move(family));
    }
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families);
    return out.str();
}

std::string metrics_reference() {
    std::string out = "| metric | type | labels | what it is |\n|---|---|---|---|\n";
    for (const Metric& metric : metrics) {
        out += "| `" + std::string(metric.name) + "` | " + std::string(word_of(metric.type)) + " | ";
        out += std::string(metric.labels) + " | " + std::string(metric.help) + " |\n";
    }
    return out;
}

}  // namespace sluice::control
