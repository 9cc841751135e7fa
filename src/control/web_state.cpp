#include "sluice/control/web_state.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "drop_rates.hpp"
#include "sluice/control/flood_words.hpp"
#include "sluice/control/guard_watch.hpp"
#include "sluice/control/query.hpp"
#include "statistics.hpp"

namespace sluice::control {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t row_interval = 1'000;  ///< milliseconds
/// Flows are counted while somebody has asked for so long.
constexpr std::uint64_t interest = 10'000;
/// Between two slices of that.
constexpr std::uint64_t census_pause = 50;

constexpr std::string_view columns = R"(["at","span","packets","bytes","passed","dropped","inserted","syns",)"
                                     R"("flows","half_open","reasons","loads"])";

template <class Table>
std::uint64_t half_open_in(const Table& table) {
    return table.size_of_class(static_cast<std::uint8_t>(EvictionClass::half_open));
}

/// Lines of JSON as the members of a list.
std::string list_of(std::string lines) {
    if (!lines.empty()) lines.pop_back();
    std::replace(lines.begin(), lines.end(), '\n', ',');
    return '[' + lines + ']';
}

/// Those that go on, then those that ended last.
std::string floods_of(const GuardWatch& guard) {
    std::vector<Flood> floods = guard.floods();
    std::sort(floods.begin(), floods.end(), [](const Flood& one, const Flood& other) {
        const bool goes_on = one.attack.end == 0, other_goes_on = other.attack.end == 0;
        return goes_on != other_goes_on ? goes_on : one.attack.id > other.attack.id;
    });
    if (floods.size() > WebState::most_floods) floods.resize(WebState::most_floods);
    std::string lines;
    for (const Flood& flood : floods) append_flood(lines, flood);
    return list_of(std::move(lines));
}

/// Those with most attempts to connect.
std::string services_of(const GuardWatch& guard) {
    std::string lines;
    for (const guard::ServiceNumber number : guard.busiest(WebState::most_services))
        if (const auto row = guard.service(number)) append_guarded(lines, *row);
    return list_of(std::move(lines));
}

/// What a worker's turns and tables are, beyond what `stats` says.
ordered_json worker_json(const WorkerHandle& worker, Tick now) {
    ordered_json out;
    if (worker.loop != nullptr) {
        std::uint64_t bursts = 0;
        for (std::size_t i = 0; i <= decltype(worker.loop->bursts)::size; ++i)
            bursts += worker.loop->bursts.count(i);
        out["nanoseconds"] = worker.loop->nanoseconds.read();
        out["busy_nanoseconds"] = worker.loop->busy_polls.sum();
        out["bursts"] = bursts;
        out["burst_packets"] = worker.loop->bursts.sum();
    }
    out["half_open"] = {half_open_in(*worker.table4), half_open_in(*worker.table6)};
    out["expiry_lag_ms"] = std::max(worker.table4->oldest_overdue(now), worker.table6->oldest_overdue(now));
    return out;
}

ordered_json reasons_json(const Workers& workers) {
    ordered_json out = ordered_json::array();
    const ReasonSums packets = reason_sums(workers);
    for (std::size_t i = 1; i < reason_count; ++i) {  // 0 is none
        if (packets[i] == 0) continue;
        const ReasonText& text = reason_texts[i];
        out.push_back({{"index", i},
                       {"reason", text.name},
                       {"outcome", name_of(text.outcome)},
                       {"packets", packets[i]},
                       {"sentence", text.sentence}});
    }
    return out;
}

}  // namespace

WebState::WebState(const Workers& workers, std::function<std::string()> statistics, std::string host,
                   Moment started)
    : workers_(workers),
      statistics_(std::move(statistics)),
      host_(std::move(host)),
      started_(started),
      now_(started),
      last_(read()),
      last_at_(started.monotonic) {}

void WebState::look(Moment now) {
    now_ = now;
    if (asked_at_ == 0 || now.monotonic - asked_at_ > interest) {
        census_.reset();
        counting_ = false;
        census_rows_.clear();
    } else if (now.monotonic - counted_at_ >= census_pause) {
        counted_at_ = now.monotonic;
        go_on_counting();
    }
    if (now.monotonic - last_at_ >= row_interval) {
        keep(read());
        body_.clear();
    }
}

void WebState::go_on_counting() {
    if (census_ == nullptr) {
        SipHashKey secret;
        randombytes_buf(secret.data(), sizeof secret);
        census_ = std::make_unique<FlowCensus>(FlowCensus::usual_slots, secret);
    }
    if (!counting_) census_->begin(workers_, workers_.now());
    unsigned budget = census_slots;
    counting_ = !census_->go_on(workers_, workers_.now(), budget);
    if (counting_) return;
    census_rows_.clear();
    census_->append_rows(census_rows_, most_talkers);
}

WebState::Sums WebState::read() const {
    Sums out;
    for (const WorkerHandle& worker : workers_.all) {
        out.packets += worker.counters->packets.read();
        out.bytes += worker.counters->bytes.read();
        out.passed += worker.counters->passed.read();
        out.dropped += worker.counters->dropped.read();
        out.inserted += worker.counters->insert.read();
        out.flows += std::uint64_t{worker.table4->size()} + worker.table6->size();
        out.half_open += half_open_in(*worker.table4) + half_open_in(*worker.table6);
        // Of two numbers that grow, what is to be no more than the other is read first.
        const std::uint64_t busy = worker.loop != nullptr ? worker.loop->busy_polls.sum() : 0;
        out.loads.push_back({busy, worker.loop != nullptr ? worker.loop->nanoseconds.read() : 0});
    }
    out.reasons = reason_sums(workers_);
    if (workers_.guard != nullptr)
        for (const auto& [name, value] : workers_.guard->counters())
            if (name == "guard_syns") out.syns = value;
    return out;
}

/// What happened since the last row, as a new one.
void WebState::keep(const Sums& sums) {
    std::string text =
        fmt::format("[{},{},{},{},{},{},{},{},{},{},[", now_.monotonic, now_.monotonic - last_at_,
                    sums.packets - last_.packets, sums.bytes - last_.bytes, sums.passed - last_.passed,
                    sums.dropped - last_.dropped, sums.inserted - last_.inserted, sums.syns - last_.syns,
                    sums.flows, sums.half_open);
    const auto append = [&](const std::string& member) {
        if (text.back() != '[') text += ',';
        text += member;
    };
    for (std::size_t i = 1; i < reason_count; ++i)
        if (sums.reasons[i] != last_.reasons[i])
            append(fmt::format("[{},{}]", i, sums.reasons[i] - last_.reasons[i]));
    text += "],[";
    for (std::size_t i = 0; i < sums.loads.size(); ++i) {
        const std::uint64_t busy = sums.loads[i].busy - last_.loads[i].busy;
        const std::uint64_t running = sums.loads[i].running - last_.loads[i].running;
        append(fmt::format("{}", running == 0 ? 0 : std::min<std::uint64_t>(busy * 1'000 / running, 1'000)));
    }
    text += "]]";
    if (rows_.size() == most_rows) rows_.pop_front();
    rows_.push_back({now_.monotonic, std::move(text)});
    last_ = sums;
    last_at_ = now_.monotonic;
}

void WebState::add(const AlertNews& alert) {
    if (alerts_.size() == most_alerts) alerts_.pop_back();
    const auto severity = alert.signature != nullptr ? name_of(alert.signature->severity) : "";
    alerts_.push_front(ordered_json{{"time", alert.alert.wall_nanoseconds / 1'000'000},
                                    {"severity", severity},
                                    {"text", alert_line(alert)}}
                           .dump());
}

/// All but the rows, without the brace that closes it.
std::string WebState::make_body() const {
    ordered_json out;
    out["version"] = program_version;
    out["host"] = host_;
    out["started"] = started_.wall;
    out["made"] = now_.monotonic;
    out["ports"] = workers_.port_names;
    out["half_open_limit"] = workers_.half_open_limit;
    auto& workers = out["workers"] = ordered_json::array();
    for (const WorkerHandle& worker : workers_.all) workers.push_back(worker_json(worker, workers_.now()));
    out["reasons"] = reasons_json(workers_);
    // No text of ours is other than UTF-8; what an operator has named may be.
    std::string text = out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    text.pop_back();
    text += ",\"stats\":" + list_of(statistics_());
    text += ",\"census\":" + list_of(census_rows_);
    if (workers_.guard != nullptr)
        text += ",\"floods\":" + floods_of(*workers_.guard) + ",\"services\":" + services_of(*workers_.guard);
    text += ",\"alerts\":[";
    for (std::size_t i = 0; i < alerts_.size(); ++i) text += (i == 0 ? "" : ",") + alerts_[i];
    return text + ']';
}

std::string WebState::json(std::string_view since) {
    asked_at_ = now_.monotonic;
    if (body_.empty()) body_ = make_body();
    std::uint64_t known = 0;
    const auto parsed = std::from_chars(since.data(), since.data() + since.size(), known);
    const bool is_one = parsed.ec == std::errc{} && parsed.ptr == since.data() + since.size() &&
                        !rows_.empty() && known <= rows_.back().at;
    const auto first = is_one ? std::upper_bound(rows_.begin(), rows_.end(), known,
                                                 [](std::uint64_t at, const Row& row) { return at < row.at; })
                              : rows_.begin();
    std::string out = body_ + fmt::format(R"(,"monotonic":{},"wall":{},"columns":{},"rows":[)",
                                          now_.monotonic, now_.wall, columns);
    for (auto row = first; row != rows_.end(); ++row) {
        if (row != first) out += ',';
        out += row->text;
    }
    return out + "]}\n";
}

}  // namespace sluice::control
