#include "sluice/control/flood_words.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "sluice/base/words.hpp"

namespace sluice::control {
namespace {

using nlohmann::ordered_json;

/// What tells one attack from another at a glance.
std::string headline(const Flood& flood) {
    return fmt::format("flood #{}: {}, {}", flood.attack.id, whom(flood.note),
                       guard::name_of(flood.attack.kind));
}

/// Seconds since 1970, whole milliseconds.
double wall_seconds(const FloodNote& note, guard::Milliseconds at) {
    return static_cast<double>(at + note.wall_offset) / 1000;
}

std::uint64_t whole(double number) {
    return static_cast<std::uint64_t>(std::llround(number));
}

guard::Level highest(const guard::Attack& attack) {
    guard::Level out = guard::Level::quiet;
    for (unsigned i = 0; i < attack.step_count; ++i) out = std::max(out, attack.steps[i].level);
    return out;
}

ordered_json threshold_json(const guard::Threshold& threshold) {
    return {{"rate", threshold.rate}, {"half_open", threshold.half_open}};
}

}  // namespace

std::string whom(const FloodNote& note) {
    return note.name.empty() ? note.service : note.service + " (" + note.name + ")";
}

std::string deeds(const FloodNote& note) {
    if (note.done < guard::Level::defend)
        return note.mode <= guard::Mode::monitor
                   ? fmt::format("reported only (mode {})", guard::name_of(note.mode))
                   : "reported only";
    std::string out = "SYN cookies";
    if (note.syn_limit != 0)
        out += fmt::format("; at most {} SYNs a second to the service", grouped(note.syn_limit));
    if (note.limited_sources != 0)
        out += fmt::format("; {} limited", counted(note.limited_sources, "source"));
    if (note.limited_syns != 0)
        out += fmt::format("; {} dropped by limits", counted(note.limited_syns, "SYN"));
    return out;
}

std::string begin_line(const Flood& flood) {
    return fmt::format("{} begins, level {}: {}; {}", headline(flood), guard::name_of(flood.level),
                       flood.attack.why, deeds(flood.note));
}

std::string level_line(const Flood& flood, guard::Level before) {
    const guard::Attack& attack = flood.attack;
    if (flood.level < before)
        return fmt::format("{} falls to level {}", headline(flood), guard::name_of(flood.level));
    return fmt::format("{} rises to level {}: {}; {}", headline(flood), guard::name_of(flood.level),
                       attack.why, deeds(flood.note));
}

std::string end_line(const Flood& flood) {
    const guard::Attack& attack = flood.attack;
    return fmt::format(
        "{} is over after {} s: at its peak {} SYNs a second unfinished and {} half-open flows, {} in all "
        "and {}, "
        "about {}; {}",
        headline(flood), (attack.end - attack.start + 500) / 1000, grouped(attack.peak_rate),
        grouped(attack.peak_half_open), counted(attack.syns, "SYN"),
        counted(attack.completed, "completed handshake"), counted(attack.distinct_sources, "source"),
        deeds(flood.note));
}

void append_flood(std::string& out, const Flood& flood) {
    const guard::Attack& attack = flood.attack;
    const FloodNote& note = flood.note;
    ordered_json row;
    row["id"] = attack.id;
    row["service"] = note.service;
    row["name"] = note.name.empty() ? ordered_json() : ordered_json(note.name);
    row["group"] = attack.of_group;
    row["kind"] = guard::name_of(attack.kind);
    row["level"] = guard::name_of(flood.level);
    row["highest_level"] = guard::name_of(highest(attack));
    row["start"] = wall_seconds(note, attack.start);
    row["end"] = attack.end == 0 ? ordered_json() : ordered_json(wall_seconds(note, attack.end));
    row["peak_rate"] = attack.peak_rate;
    row["peak_half_open"] = attack.peak_half_open;
    row["syns"] = attack.syns;
    row["completed"] = attack.completed;
    row["sources"] = attack.distinct_sources;
    auto& top = row["top_sources"] = ordered_json::array();
    for (unsigned i = 0; i < attack.top_count; ++i)
        top.push_back({{"source", guard::text_of(attack.top[i].source)},
                       {"rate", attack.top[i].unfinished_per_second}});
    auto& steps = row["steps"] = ordered_json::array();
    for (unsigned i = 0; i < attack.step_count; ++i)
        steps.push_back({{"time", wall_seconds(note, attack.steps[i].at)},
                         {"level", guard::name_of(attack.steps[i].level)}});
    row["why"] = attack.why;
    row["mode"] = guard::name_of(note.mode);
    row["defence"] = guard::name_of(note.done);
    row["syn_limit"] = note.syn_limit;
    row["limited_sources"] = note.limited_sources;
    row["limited_syns"] = note.limited_syns;
    row["done"] = deeds(note);
    out += row.dump() + '\n';
}

void append_flood_event(std::string& out, const FloodChange& change, const Format& format) {
    using Phase = FloodChange::Phase;
    if (format.style == Format::Style::json) {
        constexpr std::string_view phases[] = {"begun", "changed", "ended"};
        out +=
            fmt::format(R"({{"event":"flood","time":{}.{:03},"phase":"{}",)", change.wall_milliseconds / 1000,
                        change.wall_milliseconds % 1000, phases[static_cast<std::size_t>(change.phase)]);
        const std::size_t brace = out.size();
        append_flood(out, change.flood);
        out.erase(brace, 1);
        return;
    }
    append_tag(out, "[FLOOD]", change.wall_milliseconds * 1'000'000, format);
    out += change.phase == Phase::begun     ? begin_line(change.flood)
           : change.phase == Phase::changed ? level_line(change.flood, change.before)
                                            : end_line(change.flood);
    out += '\n';
}

void append_guarded(std::string& out, const GuardedRow& row) {
    const guard::Standing& now = row.standing;
    ordered_json json;
    json["number"] = row.number;
    json["service"] = row.service;
    json["name"] = row.name.empty() ? ordered_json() : ordered_json(row.name);
    json["learnt"] = row.learnt;
    json["group"] = row.group.empty() ? ordered_json() : ordered_json(row.group);
    json["mode"] = guard::name_of(row.mode);
    json["level"] = guard::name_of(row.level);
    json["defence"] = guard::name_of(row.defence.level);
    json["syn_limit"] = row.defence.syn_limit;
    json["syn_rate"] = whole(now.syns);
    json["completed_rate"] = whole(now.completed);
    json["unfinished_rate"] = whole(now.unfinished);
    json["half_open"] = row.half_open;
    json["waiting"] = whole(now.waiting);
    json["sources"] = whole(now.distinct);
    json["usual_syn_rate"] = now.usual_known ? ordered_json(whole(now.usual_syns)) : ordered_json();
    json["usual_unfinished_rate"] =
        now.usual_known ? ordered_json(whole(now.usual_unfinished)) : ordered_json();
    json["alarm"] = threshold_json(now.thresholds[0]);
    json["activate"] = threshold_json(now.thresholds[1]);
    json["maximum"] = threshold_json(now.thresholds[2]);
    out += json.dump() + '\n';
}

}  // namespace sluice::control
