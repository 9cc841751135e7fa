#include "app/daemon_records.hpp"

#include <fmt/format.h>

#include "sluice/control/flow_log.hpp"
#include "sluice/control/ipfix.hpp"

namespace sluice::app {
namespace {

/// How often, for each of them, the log is told that more was lost.
constexpr auto news_interval = std::chrono::seconds(10);

}  // namespace

Result<std::unique_ptr<FlowRecords>> FlowRecords::open(const Configuration& c,
                                                       const control::Workers& workers) {
    std::unique_ptr<FlowRecords> out(new FlowRecords(workers));
    if (!c.flow_log.path.empty()) {
        auto log = control::FlowLog::open(c.flow_log, c.limits.accounting, c.limits.timestamps);
        if (!log) return Error{"flow_log.file: " + log.error()};
        out->add("flow_log", c.flow_log.path, c.flow_log.events, std::move(*log));
    }
    if (!c.ipfix.collector.empty()) {
        auto exporter = control::IpfixExporter::create(c.ipfix, {c.limits.accounting, c.limits.timestamps});
        if (!exporter) return Error{exporter.error()};
        out->exporter_ = exporter->get();
        out->add("ipfix", c.ipfix.collector, pipeline::only(pipeline::EventKind::destroyed),
                 std::move(*exporter));
    }
    return out;
}

void FlowRecords::add(std::string_view section, const std::string& target, pipeline::EventKinds events,
                      std::unique_ptr<control::EventSink> sink) {
    Writer& writer = writers_.emplace_back();
    writer.section = section;
    writer.target = target;
    writer.events = events;
    writer.sink = std::move(sink);
}

void FlowRecords::begin(control::Server& server, control::FlowTables tables) {
    if (exporter_ != nullptr) exporter_->tell_active(std::move(tables));
    for (Writer& each : writers_) {
        each.writer = std::make_unique<control::EventWriter>(std::move(each.sink), each.events);
        server.write(*each.writer);
    }
}

void FlowRecords::reopen() {
    for (const Writer& each : writers_) each.writer->reopen();
}

/// On all of the way: at the workers, for want of room in the queue, and when it was written.
std::uint64_t FlowRecords::lost(const Writer& writer) const {
    std::uint64_t out = writer.writer->lost();
    for (const auto& worker : workers_.all)
        if (worker.events != nullptr) out += worker.events->lost(writer.writer->wanted());
    return out;
}

void FlowRecords::append_counters(std::vector<std::pair<std::string, std::uint64_t>>& out) const {
    for (const Writer& each : writers_) {
        out.emplace_back(each.section + "_records", each.writer->written());
        out.emplace_back(each.section + "_lost", lost(each));
    }
}

void FlowRecords::tell(Writer& each, std::vector<Line>& out) const {
    const std::uint64_t lost_so_far = lost(each);
    const int error = each.writer->error();
    if (lost_so_far == each.told_lost && error == each.told_error) return;
    const std::string head = each.section + ": " + each.target;
    const std::string tail = fmt::format("{} records lost so far", lost_so_far);
    if (error != 0)
        out.push_back({true, fmt::format("{}: {}; {}", head, control::FlowLog::describe(error), tail)});
    else if (lost_so_far != each.told_lost)
        out.push_back(
            {true, fmt::format("{}: flows end faster than they can be written down; {}", head, tail)});
    else
        out.push_back({false, fmt::format("{} is written again; {}", head, tail)});
    each.told_lost = lost_so_far;
    each.told_error = error;
}

std::vector<FlowRecords::Line> FlowRecords::news(std::chrono::steady_clock::time_point now) {
    std::vector<Line> out;
    for (Writer& each : writers_) {
        if (now < each.tell_again) continue;
        const std::size_t before = out.size();
        tell(each, out);
        if (out.size() != before) each.tell_again = now + news_interval;
    }
    return out;
}

std::vector<FlowRecords::Line> FlowRecords::finish() {
    std::vector<Line> out;
    for (Writer& each : writers_) {
        each.writer->stop();
        tell(each, out);
    }
    return out;
}

}  // namespace sluice::app
