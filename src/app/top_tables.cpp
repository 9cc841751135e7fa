#include "app/top_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sluice/base/words.hpp"

namespace sluice::app {
namespace {

using nlohmann::ordered_json;

constexpr double bits = 8;

/// Puts cells and what they are sorted by side by side.
class RowMaker {
  public:
    explicit RowMaker(TopTable& table) : table_(table) { table_.rows.emplace_back(); }

    RowMaker& text(std::string cell) { return put(std::move(cell), 0); }
    RowMaker& exact(std::uint64_t number) { return put(grouped(number), static_cast<double>(number)); }
    RowMaker& brief(std::optional<double> number) { return put(short_number(number), number.value_or(-1)); }
    RowMaker& percent(std::optional<double> part) {
        return put(part ? fmt::format("{:.1f}", 100 * *part) : "-", part.value_or(-1));
    }
    RowMaker& style(Style style) {
        table_.rows.back().style = style;
        return *this;
    }

  private:
    RowMaker& put(std::string cell, double number) {
        table_.rows.back().cells.push_back(std::move(cell));
        table_.rows.back().numbers.push_back(number);
        return *this;
    }
    TopTable& table_;
};

std::optional<double> part_of(std::uint64_t some, std::uint64_t all) {
    if (all == 0) return std::nullopt;
    return static_cast<double>(some) / static_cast<double>(all);
}

/// A number that may be `null`.
std::optional<double> perhaps(const ordered_json& row, const char* key) {
    const auto found = row.find(key);
    if (found == row.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<double>();
}

std::string service_text(const ordered_json& row) {
    std::string host = text_at(row, "address");
    const bool brackets = row.contains("port") && host.find(':') != std::string::npos;
    if (brackets) host = "[" + host + "]";
    if (row.contains("port")) host += fmt::format(":{}", number_at(row, "port"));
    const std::string protocol = text_at(row, "protocol");
    return host + " " +
           (protocol == "unknown" ? std::to_string(number_at(row, "protocol_number")) : protocol);
}

TopTable talkers(const TopState& state, bool services) {
    TopTable out;
    out.columns = {{services ? "SERVICE" : "SOURCE", 24, false, true},
                   {"FLOWS", 12},
                   {"FLOWS%", 6},
                   {"PACKETS/S", 9},
                   {"BITS/S", 7}};
    out.empty = state.now->no_census.empty() ? std::string_view("no flows") : state.now->no_census;
    const std::uint64_t all = number_at(state.now->census, "flows");
    for (const ordered_json& row : state.now->talkers) {
        if ((text_at(row, "talker") == "service") != services) continue;
        auto bytes = perhaps(row, "bytes");
        if (bytes) *bytes *= bits;
        const std::uint64_t flows = number_at(row, "flows");
        RowMaker(out)
            .text(services ? service_text(row) : text_at(row, "address"))
            .exact(flows)
            .percent(part_of(flows, all))
            .brief(perhaps(row, "packets"))
            .brief(bytes);
    }
    return out;
}

TopTable drops(const TopState& state) {
    TopTable out;
    out.columns = {{"REASON", 20, false},
                   {"OUTCOME", 8, false},
                   {"PACKETS", 15},
                   {"PER SECOND", 10},
                   {"BECAUSE", 20, false, true}};
    out.empty = "nothing has been refused or dropped";
    for (const ordered_json& row : state.now->drops) {
        const auto rate = state.drop_rate(row);
        RowMaker(out)
            .text(text_at(row, "reason"))
            .text(text_at(row, "outcome"))
            .exact(number_at(row, "packets"))
            .brief(rate)
            .text(text_at(row, "sentence"))
            .style(rate.value_or(0) > 0 ? Style::bold : Style::plain);
    }
    return out;
}

TopTable floods(const TopState& state) {
    TopTable out;
    out.columns = {{"SERVICE", 22, false}, {"STATE", 7, false},     {"KIND", 11, false},
                   {"LEVEL", 7, false},    {"PEAK SYN/S", 10},      {"HALF-OPEN", 10},
                   {"SOURCES", 9},         {"WHY", 20, false, true}};
    out.empty = "no floods since the start";
    // Oldest first in the answer; the newest matter most.
    for (auto row = state.now->floods.rbegin(); row != state.now->floods.rend(); ++row) {
        const bool over = row->contains("end") && (*row)["end"].is_number();
        const std::string name = text_at(*row, "name");
        RowMaker(out)
            .text(text_at(*row, "service") + (name.empty() ? "" : " (" + name + ")"))
            .text(over ? "over" : "GOES ON")
            .text(text_at(*row, "kind"))
            .text(text_at(*row, over ? "highest_level" : "level"))
            .brief(static_cast<double>(number_at(*row, "peak_rate")))
            .brief(static_cast<double>(number_at(*row, "peak_half_open")))
            .brief(static_cast<double>(number_at(*row, "sources")))
            .text(text_at(*row, "why"))
            .style(over ? Style::dim : Style::bad);
    }
    std::stable_partition(out.rows.begin(), out.rows.end(),
                          [](const TopTable::Row& row) { return row.style == Style::bad; });
    return out;
}

TopTable workers(const TopState& state) {
    TopTable out;
    out.columns = {{"WORKER", 6},   {"LOAD%", 6},  {"PACKETS/S", 9}, {"BITS/S", 7},
                   {"CYCLES/P", 8}, {"BURST", 5},  {"DROPS/S", 7},   {"HANDED/S", 8},
                   {"FLOWS", 12},   {"TABLE%", 6}, {"HALF-OPEN", 10}};
    out.empty = "no workers";
    for (std::size_t i = 0; i < state.now->workers.size(); ++i) {
        const ordered_json& row = state.now->workers[i];
        auto bytes = state.worker_rate(i, "bytes");
        if (bytes) *bytes *= bits;
        const auto load = state.load(i);
        const std::uint64_t flows = number_at(row, "flows.ipv4") + number_at(row, "flows.ipv6");
        const std::uint64_t room = number_at(row, "flows.ipv4_limit") + number_at(row, "flows.ipv6_limit");
        const auto burst = state.burst_size(i);
        RowMaker(out)
            .exact(number_at(row, "worker"))
            .percent(load)
            .brief(state.worker_rate(i, "packets"))
            .brief(bytes)
            .brief(state.cycles_per_packet(i))
            .brief(burst)
            .brief(state.worker_rate(i, "dropped"))
            .brief(state.worker_rate(i, "handed_over"))
            .exact(flows)
            .percent(part_of(flows, room))
            .exact(number_at(row, "half_open"))
            .style(load.value_or(0) > 0.9   ? Style::bad
                   : load.value_or(0) > 0.7 ? Style::warning
                                            : Style::plain);
    }
    return out;
}

TopTable ports(const TopState& state) {
    TopTable out;
    out.columns = {{"PORT", 4},      {"NAME", 20, false, true}, {"LINK", 4, false},
                   {"IN PKT/S", 8},  {"IN BIT/S", 8},           {"OUT PKT/S", 9},
                   {"OUT BIT/S", 9}, {"MISSED/S", 8},           {"ERRORS", 8}};
    out.empty = "no ports";
    const auto names = state.now->version.find("ports");
    const std::size_t count = names != state.now->version.end() && names->is_array() ? names->size() : 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string prefix = fmt::format("port{}_", i);
        const auto rate = [&](const char* name, double scale) {
            auto out_rate = state.counter_rate(prefix + name);
            if (out_rate) *out_rate *= scale;
            return out_rate;
        };
        const auto counted = [&](const char* name) { return number_at(state.now->counters, prefix + name); };
        const bool up = counted("link_up") != 0;
        RowMaker(out)
            .exact(i)
            .text((*names)[i].is_string() ? (*names)[i].get<std::string>() : "")
            .text(up ? "up" : "DOWN")
            .brief(rate("rx_packets", 1))
            .brief(rate("rx_bytes", bits))
            .brief(rate("tx_packets", 1))
            .brief(rate("tx_bytes", bits))
            .brief(rate("device_rx_missed", 1))
            .brief(static_cast<double>(counted("device_rx_errors") + counted("device_tx_errors")))
            .style(up ? Style::plain : Style::bad);
    }
    return out;
}

TopTable unsorted(Page page, const TopState& state) {
    switch (page) {
        case Page::services:
            return talkers(state, true);
        case Page::drops:
            return drops(state);
        case Page::floods:
            return floods(state);
        case Page::workers:
            return workers(state);
        case Page::ports:
            return ports(state);
        default:
            return talkers(state, false);
    }
}

}  // namespace

TopTable table_of(Page page, const TopState& state, const TopView& view) {
    TopTable out = unsorted(page, state);
    if (!view.filter.empty())
        std::erase_if(out.rows, [&](const TopTable::Row& row) {
            return std::none_of(row.cells.begin(), row.cells.end(), [&](const std::string& cell) {
                return cell.find(view.filter) != std::string::npos;
            });
        });
    if (!view.filter.empty()) out.empty = "nothing fits the filter";
    const Page by = page == Page::overview ? Page::sources : page;
    out.sorted_by = std::min(view.sort[static_cast<std::size_t>(by)], out.columns.size() - 1);
    // As they come: floods with those that go on first, and workers and ports by their numbers.
    const bool as_they_come =
        out.sorted_by == 0 && page != Page::sources && page != Page::services && page != Page::overview;
    if (!as_they_come)
        std::stable_sort(out.rows.begin(), out.rows.end(),
                         [&](const TopTable::Row& a, const TopTable::Row& b) {
                             const std::size_t column = out.sorted_by;
                             if (!out.columns[column].number) return a.cells[column] < b.cells[column];
                             return a.numbers[column] > b.numbers[column];
                         });
    if (view.reversed) std::reverse(out.rows.begin(), out.rows.end());
    return out;
}

}  // namespace sluice::app
