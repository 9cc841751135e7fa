#include "app/top_state.hpp"

#include <algorithm>
#include <utility>

namespace sluice::app {
namespace {

using nlohmann::ordered_json;

std::optional<double> ratio(std::optional<double> over, std::optional<double> under) {
    if (!over || !under || *under <= 0) return std::nullopt;
    return *over / *under;
}

/// `null` while it is not known.
ordered_json or_null(std::optional<double> value) {
    return value ? ordered_json(*value) : ordered_json();
}

void take_row(TopReading& out, control::Query::Kind kind, std::string_view line) {
    using Kind = control::Query::Kind;
    ordered_json row = ordered_json::parse(line, nullptr, false);
    if (!row.is_object()) return;
    const auto inner = [&](const char* key) {
        return row[key].is_object() ? row[key] : ordered_json::object();
    };
    if (kind == Kind::version)
        out.version = std::move(row);
    else if (row.contains("worker"))
        out.workers.push_back(std::move(row));
    else if (row.contains("counters"))
        out.counters = inner("counters");
    else if (row.contains("census"))
        out.census = inner("census");
    else if (row.contains("talker"))
        out.talkers.push_back(std::move(row));
    else if (kind == Kind::drops)
        out.drops.push_back(std::move(row));
    else if (kind == Kind::floods)
        out.floods.push_back(std::move(row));
}

}  // namespace

std::uint64_t number_at(const ordered_json& row, std::string_view key) {
    const std::size_t dot = key.find('.');
    if (!row.is_object()) return 0;
    const auto found = row.find(std::string(key.substr(0, dot)));
    if (found == row.end()) return 0;
    if (dot != std::string_view::npos) return number_at(*found, key.substr(dot + 1));
    return found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string text_at(const ordered_json& row, std::string_view key) {
    if (!row.is_object()) return "";
    const auto found = row.find(std::string(key));
    return found != row.end() && found->is_string() ? found->get<std::string>() : "";
}

std::uint64_t TopReading::sum(std::string_view key) const {
    std::uint64_t out = 0;
    for (const ordered_json& worker : workers) out += number_at(worker, key);
    return out;
}

Result<TopReading> read_top(control::Client& client, double now, const std::function<bool()>& go_on) {
    using Kind = control::Query::Kind;
    TopReading out;
    out.at = now;
    for (const Kind kind : {Kind::version, Kind::stats, Kind::drops, Kind::floods, Kind::census}) {
        control::Query query;
        query.kind = kind;
        const auto end = client.follow(
            query, [&](std::string_view row) { take_row(out, kind, row); }, go_on, [] { return false; });
        if (!end) return Error{end.error()};
        if (kind == Kind::census && !end->ok) out.no_census = end->error;
    }
    return out;
}

// ---- Rates

std::optional<double> TopState::rate(std::uint64_t was, std::uint64_t is) const {
    if (passed() <= 0) return std::nullopt;
    return is < was ? 0 : static_cast<double>(is - was) / passed();
}

std::optional<double> TopState::rate(std::string_view key) const {
    return before ? rate(before->sum(key), now->sum(key)) : std::nullopt;
}

std::optional<double> TopState::worker_rate(std::size_t worker, std::string_view key) const {
    if (!before || worker >= before->workers.size() || worker >= now->workers.size()) return std::nullopt;
    return rate(number_at(before->workers[worker], key), number_at(now->workers[worker], key));
}

std::optional<double> TopState::counter_rate(const std::string& name) const {
    return before ? rate(number_at(before->counters, name), number_at(now->counters, name)) : std::nullopt;
}

std::optional<double> TopState::drop_rate(const ordered_json& drop) const {
    if (!before) return std::nullopt;
    const auto same = std::find_if(before->drops.begin(), before->drops.end(), [&](const ordered_json& row) {
        return text_at(row, "reason") == text_at(drop, "reason");
    });
    return rate(same == before->drops.end() ? 0 : number_at(*same, "packets"), number_at(drop, "packets"));
}

std::optional<double> TopState::load(std::size_t worker) const {
    const auto part =
        ratio(worker_rate(worker, "loop.busy_nanoseconds"), worker_rate(worker, "loop.nanoseconds"));
    return part ? std::optional(std::min(*part, 1.0)) : std::nullopt;
}

std::optional<double> TopState::cycles_per_packet(std::size_t worker) const {
    constexpr double nanoseconds = 1e9;
    const auto each = ratio(worker_rate(worker, "loop.busy_nanoseconds"), worker_rate(worker, "packets"));
    const std::uint64_t cycles = now ? number_at(now->counters, "cycles_per_second") : 0;
    if (!each || cycles == 0) return std::nullopt;
    return *each * static_cast<double>(cycles) / nanoseconds;
}

std::optional<double> TopState::burst_size(std::size_t worker) const {
    return ratio(worker_rate(worker, "loop.burst_packets"), worker_rate(worker, "loop.bursts"));
}

ordered_json to_json(const TopState& state) {
    ordered_json out;
    if (!state.now) return out;
    const TopReading& now = *state.now;
    const std::uint64_t start = number_at(now.version, "start");
    out["time"] = state.wall_seconds;
    out["uptime"] = start == 0 || start > state.wall_seconds ? 0 : state.wall_seconds - start;
    out["version"] = now.version;
    auto rates = ordered_json::object();
    for (const char* key :
         {"packets", "bytes", "passed", "dropped", "insert", "expired", "deleted", "early_drop"})
        rates[key] = or_null(state.rate(key));
    out["rates"] = std::move(rates);
    auto workers = ordered_json::array();
    for (std::size_t i = 0; i < now.workers.size(); ++i) {
        ordered_json worker = now.workers[i];
        worker["rates"] = {{"packets", or_null(state.worker_rate(i, "packets"))},
                           {"bytes", or_null(state.worker_rate(i, "bytes"))},
                           {"dropped", or_null(state.worker_rate(i, "dropped"))},
                           {"load", or_null(state.load(i))},
                           {"cycles_per_packet", or_null(state.cycles_per_packet(i))},
                           {"burst", or_null(state.burst_size(i))}};
        workers.push_back(std::move(worker));
    }
    out["workers"] = std::move(workers);
    out["counters"] = now.counters;
    auto drops = ordered_json::array();
    for (ordered_json drop : now.drops) {
        drop["rate"] = or_null(state.drop_rate(drop));
        drops.push_back(std::move(drop));
    }
    out["drops"] = std::move(drops);
    out["floods"] = now.floods;
    out["census"] = now.census;
    out["talkers"] = now.talkers;
    return out;
}

}  // namespace sluice::app
