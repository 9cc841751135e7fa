#include "app/cli_floods.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "app/cli_rows.hpp"
#include "sluice/base/words.hpp"

namespace sluice::app {
namespace {

using nlohmann::json;

const json& array(const json& row, const char* key) {
    static const json none = json::array();
    const auto found = row.find(key);
    return found != row.end() && found->is_array() ? *found : none;
}

/// Local time, to a tenth of a second. `with_date`: or the time of day alone.
std::string clock(const json& row, const char* key, bool with_date) {
    const auto found = row.find(key);
    if (found == row.end() || !found->is_number()) return "?";
    const auto tenths = static_cast<std::int64_t>(std::floor(found->get<double>() * 10));
    const auto seconds = static_cast<std::time_t>(tenths / 10);
    std::tm broken_down{};
    localtime_r(&seconds, &broken_down);
    std::array<char, 32> out{};
    (void)std::strftime(out.data(), out.size(), with_date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &broken_down);
    return fmt::format("{}.{}", out.data(), tenths % 10);
}

std::string whom(const json& row) {
    const std::string name = text(row, "name");
    return text(row, "service") + (name.empty() ? "" : " (" + name + ")");
}

std::string counts(const json& row) {
    return fmt::format("{}, {}, about {}", counted(number(row, "syns"), "SYN"),
                       counted(number(row, "completed"), "completed handshake"),
                       counted(number(row, "sources"), "source"));
}

std::string line(std::string_view label, const std::string& content) {
    return content.empty() ? "" : fmt::format("    {:<8} {}\n", label, content);
}

json parsed(std::string_view row, const char* telling) {
    json out = json::parse(row, nullptr, false);
    return out.is_object() && out.contains(telling) ? out : json();
}

}  // namespace

std::string flood_text(std::string_view row) {
    const json flood = parsed(row, "kind");
    if (flood.is_null()) return "";
    const bool over = flood.contains("end") && flood["end"].is_number();
    std::string out =
        fmt::format("#{} {}: {}, {} to {}, level {}\n", number(flood, "id"), whom(flood), text(flood, "kind"),
                    clock(flood, "start", true), over ? clock(flood, "end", true) : "now",
                    text(flood, over ? "highest_level" : "level"));
    out += line("peak", fmt::format("{} a second unfinished, {}", counted(number(flood, "peak_rate"), "SYN"),
                                    counted(number(flood, "peak_half_open"), "half-open flow")));
    out += line("in all", counts(flood));
    std::string sources;
    for (const json& top : array(flood, "top_sources"))
        sources += fmt::format("{}{} {}/s", sources.empty() ? "" : ", ", text(top, "source"),
                               grouped(number(top, "rate")));
    out += line("sources", sources);
    std::string levels;
    for (const json& step : array(flood, "steps"))
        levels += fmt::format("{}{} {}", levels.empty() ? "" : ", ", clock(step, "time", false),
                              text(step, "level"));
    out += line("levels", levels);
    out += line("why", text(flood, "why"));
    out += line("done", text(flood, "done"));
    return out;
}

std::string guarded_heading() {
    return fmt::format("{:<28} {:<12} {:<8} {:<8} {:<8} {:>10} {:>12} {:>13} {:>10} {:>10} {:>10}\n",
                       "service", "name", "mode", "level", "defence", "SYNs/s", "completed/s", "unfinished/s",
                       "alarm at", "half-open", "sources");
}

std::string guarded_line(std::string_view row) {
    const json service = parsed(row, "syn_rate");
    if (service.is_null()) return "";
    const json alarm = service.value("alarm", json::object());
    const bool learnt = service.value("learnt", json()) == true;
    return fmt::format("{:<28} {:<12} {:<8} {:<8} {:<8} {:>10} {:>12} {:>13} {:>10} {:>10} {:>10}\n",
                       text(service, "service"), learnt ? "(learnt)" : text(service, "name"),
                       text(service, "mode"), text(service, "level"), text(service, "defence"),
                       grouped(number(service, "syn_rate")), grouped(number(service, "completed_rate")),
                       grouped(number(service, "unfinished_rate")), grouped(number(alarm, "rate")),
                       grouped(number(service, "half_open")), grouped(number(service, "sources")));
}

}  // namespace sluice::app
