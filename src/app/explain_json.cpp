#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/explain_render.hpp"
#include "app/explain_words.hpp"
#include "app/replay_format.hpp"
#include "sluice/control/text.hpp"

namespace sluice::app {
namespace {

using nlohmann::ordered_json;

void append(std::string& out, const ordered_json& object) {
    out += object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    out += '\n';
}

const char* way_name(std::size_t direction) {
    return direction == 0 ? "original" : "reply";
}

ordered_json pair_json(const std::optional<tcp::Pair>& pair) {
    if (!pair) return nullptr;
    const tcp::PairText& text = text_of(*pair);
    return ordered_json::array({tcp::name_of(text.originator), tcp::name_of(text.responder)});
}

ordered_json options_json(const std::optional<OfferedOptions>& offered) {
    if (!offered) return nullptr;
    return {{"mss", offered->mss != 0 ? ordered_json(offered->mss) : ordered_json(nullptr)},
            {"window_scale",
             offered->window_scale ? ordered_json(*offered->window_scale) : ordered_json(nullptr)},
            {"sack", offered->sack},
            {"timestamps", offered->timestamps},
            {"fast_open", offered->fast_open}};
}

ordered_json flow_json(const Story& story) {
    const pipeline::FlowView& identity = story.identity;
    const bool ports = control::has_ports(identity.protocol);
    ordered_json out{{"type", "flow"},
                     {"flow", story.flow},
                     {"protocol", protocol_name(identity.protocol)},
                     {"src", control::address_text(identity.family, identity.source)},
                     {"dst", control::address_text(identity.family, identity.destination)},
                     {"sport", ports ? ordered_json(identity.source_port) : ordered_json(nullptr)},
                     {"dport", ports ? ordered_json(identity.destination_port) : ordered_json(nullptr)}};
    ordered_json vlans = ordered_json::array();
    for (const std::uint16_t vlan : {identity.outer_vlan, identity.inner_vlan})
        if (vlan != flow::Domain::no_tag) vlans.push_back(vlan);
    out["vlan"] = vlans;
    out["start"] = story.start / 1000;
    out["duration"] = (story.last - story.start) / 1000;
    for (std::size_t i = 0; i < story.way.size(); ++i) {
        ordered_json way{{"packets", story.way[i].packets},
                         {"bytes", story.way[i].bytes},
                         {"payload", story.way[i].payload}};
        if (story.is_tcp()) way["options"] = options_json(story.offered[i]);
        out[way_name(i)] = way;
    }
    ordered_json reasons = ordered_json::object();
    for (std::size_t i = 1; i < reason_count; ++i)
        if (story.reasons[i] != 0) reasons[std::string(reason_texts[i].name)] = story.reasons[i];
    out["reasons"] = reasons;
    return out;
}

ordered_json row_json(const Story& story, const StorySegment& segment) {
    ordered_json out{{"type", "packet"},
                     {"flow", story.flow},
                     {"n", segment.number},
                     {"time", (segment.nanoseconds - story.start) / 1000},
                     {"dir", way_name(static_cast<std::size_t>(segment.direction))},
                     {"kind", kind_text(segment)},
                     {"length", segment.length}};
    if (segment.kind == StorySegment::Kind::tcp) {
        out["seq"] = segment.relative_sequence;
        out["absolute_seq"] = segment.sequence;
        if ((segment.flags & packet::ack) != 0) {
            out["ack"] = segment.relative_acknowledgement;
            out["absolute_ack"] = segment.acknowledgement;
        }
        out["window"] = segment.window;
        const auto progress = progress_text(segment);
        out["progress"] = progress.empty() ? ordered_json(nullptr) : ordered_json(progress);
    }
    out["verdict"] = pipeline::name_of(segment.state);
    out["action"] = segment.action == pipeline::Action::pass ? "pass" : "drop";
    out["pair_before"] = pair_json(segment.before);
    out["pair_after"] = pair_json(segment.after);
    out["assured"] = segment.assured;
    out["timeout"] = segment.timeout;
    if (segment.reason != Reason::none) {
        out["reason"] = text_of(segment.reason).name;
        out["why"] = segment.why;
    }
    return out;
}

ordered_json row_json(const Story& story, const StoryFold& fold) {
    ordered_json out{{"type", "fold"},
                     {"flow", story.flow},
                     {"first", fold.first},
                     {"last", fold.last},
                     {"time", (fold.last_nanoseconds - story.start) / 1000}};
    for (std::size_t i = 0; i < fold.way.size(); ++i)
        out[way_name(i)] = {
            {"packets", fold.way[i].packets}, {"empty", fold.way[i].empty}, {"payload", fold.way[i].bytes}};
    out["refused"] = fold.refused;
    out["tolerated"] = fold.tolerated;
    out["left_out"] = fold.left_out;
    return out;
}

ordered_json end_json(const Story& story) {
    constexpr const char* removals[] = {"expired", "evicted", "deleted", "replaced"};
    ordered_json out{{"type", "end"}, {"flow", story.flow}, {"end", ending_text(story)}};
    out["pair"] = pair_json(story.pair);
    out["removed"] =
        story.end ? ordered_json(removals[static_cast<std::size_t>(story.end->why)]) : ordered_json(nullptr);
    out["time"] =
        story.end ? ordered_json((story.end->nanoseconds - story.start) / 1000) : ordered_json(nullptr);
    return out;
}

}  // namespace

void append_story_json(std::string& out, const Story& story) {
    append(out, flow_json(story));
    for (const StoryRow& row : story.rows.all())
        std::visit([&](const auto& one) { append(out, row_json(story, one)); }, row);
    append(out, end_json(story));
}

}  // namespace sluice::app
