#include "app/explain_svg.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "app/explain_words.hpp"

namespace sluice::app {
namespace {

// Everything in pixels of a picture 1,060 wide.
constexpr int width = 1060, axis = 120, lane_a = 290, lane_b = 890, middle = (lane_a + lane_b) / 2;
constexpr int edge = 24, text_height = 16, row_height = 34, slant = 12;
constexpr std::size_t sentence_characters = 96, head_characters = 118;

/// Colours by meaning; a dark scheme where the viewer asks for it. No variables: not every viewer knows them.
constexpr std::string_view style = R"(<style>
.back { fill: #ffffff; } .ink { fill: #1d2430; } .soft { fill: #5b6779; }
.lane { stroke: #c3cad5; stroke-width: 2; } .tick { stroke: #c3cad5; stroke-width: 1; }
.arrow { stroke-width: 1.6; fill: none; }
.good { stroke: #1f5fae; } .warn { stroke: #9a5b00; stroke-dasharray: 5 4; } .bad { stroke: #b3261e; }
.fgood { fill: #1f5fae; } .fwarn { fill: #9a5b00; } .fbad { fill: #b3261e; }
.state { fill: #eef2f8; stroke: #c3cad5; }
.cross { stroke: #b3261e; stroke-width: 3; fill: none; }
@media (prefers-color-scheme: dark) {
.back { fill: #12161c; } .ink { fill: #e4e9f0; } .soft { fill: #98a3b3; }
.lane { stroke: #3d4654; } .tick { stroke: #3d4654; }
.good { stroke: #7db3f2; } .warn { stroke: #e6ac55; } .bad { stroke: #ff8a80; }
.fgood { fill: #7db3f2; } .fwarn { fill: #e6ac55; } .fbad { fill: #ff8a80; }
.state { fill: #222a36; stroke: #3d4654; }
.cross { stroke: #ff8a80; }
}
text { font-family: system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; font-size: 12px; }
.mono { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; font-size: 11.5px; }
.title { font-size: 17px; font-weight: 600; } .small { font-size: 11px; } .strong { font-weight: 600; }
.end { text-anchor: end; } .mid { text-anchor: middle; }
</style>
)";

class Drawing {
  public:
    [[nodiscard]] std::string done() const {
        return fmt::format(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
            "viewBox=\"0 0 {0} {1}\" role=\"img\">\n"
            "<title>TCP connections as sluice judged them</title>\n{2}"
            "<rect class=\"back\" width=\"{0}\" height=\"{1}\"/>\n{3}</svg>\n",
            width, at_ + edge, style, body_);
    }

    void sentence(std::string_view text) {
        at_ += edge;
        write(edge, at_, "ink", text);
    }

    void add(const Story& story) {
        head(story);
        lanes_begin(story);
        const int top = at_;
        const std::size_t place = body_.size();
        for (const StoryRow& row : story.rows.all())
            std::visit([&](const auto& one) { add(story, one); }, row);
        at_ += 8;
        std::string lanes;
        for (const int x : {lane_a, lane_b})
            lanes += fmt::format("<line class=\"lane\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/>\n", x,
                                 top, at_ + 6);
        lanes += fmt::format("<line class=\"tick\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/>\n", axis,
                             top, at_ + 6);
        body_.insert(place, lanes);  // below everything drawn on them
        at_ += 26;
        const std::int64_t when = story.end ? story.end->nanoseconds : story.last;
        write(axis - 8, at_, "soft mono end", seconds_text(when - story.start));
        for (const std::string& part : wrapped(ending_text(story), head_characters)) {
            write(axis + 12, at_, "ink strong", part);
            at_ += text_height;
        }
        at_ += edge;
    }

  private:
    void write(int x, int y, std::string_view classes, std::string_view text) {
        body_ +=
            fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\">{}</text>\n", classes, x, y, xml_escaped(text));
    }

    void head(const Story& story) {
        at_ += edge + 12;
        write(edge, at_, "ink title", fmt::format("Flow {}: {}", story.flow, flow_text(story)));
        at_ += 8;
        for (const auto& [name, value] : facts_of(story)) {
            bool first = true;
            for (const std::string& part : wrapped(value, head_characters)) {
                at_ += text_height;
                if (first) write(edge, at_, "soft", name);
                write(axis + 12, at_, "ink", part);
                first = false;
            }
        }
        at_ += edge + 10;
    }

    void lanes_begin(const Story& story) {
        write(axis - 8, at_, "soft end", "time, s");
        write(lane_a, at_, "ink strong mid", "A " + endpoint_text(story, tcp::Direction::original));
        write(lane_b, at_, "ink strong mid", "B " + endpoint_text(story, tcp::Direction::reply));
        at_ += 10;
    }

    /// A state beside its lane: A's on the left, B's on the right.
    void state(bool a, int y, std::string_view name) {
        constexpr int box = 96, height = 18, gap = 10;
        const int x = a ? lane_a - gap - box : lane_b + gap;
        body_ +=
            fmt::format("<rect class=\"state\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"/>\n", x,
                        y - height / 2, box, height);
        write(x + box / 2, y + 4, "ink small mid", name);
    }

    void states(const StorySegment& segment, int from, int to) {
        if (!segment.after) return;
        const tcp::PairText& now = text_of(*segment.after);
        const tcp::PairText* before = segment.before ? &text_of(*segment.before) : nullptr;
        const bool original = segment.direction == tcp::Direction::original;
        if (before == nullptr || before->originator != now.originator)
            state(true, original ? from : to, tcp::name_of(now.originator));
        if (before == nullptr || before->responder != now.responder)
            state(false, original ? to : from, tcp::name_of(now.responder));
    }

    void mark_time(const Story& story, int y, std::int64_t nanoseconds) {
        body_ += fmt::format("<line class=\"tick\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", axis - 4, y,
                             axis + 4, y);
        write(axis - 8, y + 4, "soft mono end", seconds_text(nanoseconds - story.start));
    }

    void add(const Story& story, const StorySegment& segment) {
        const bool dropped = segment.action == pipeline::Action::drop;
        const std::string_view kind = segment.reason == Reason::none ? "good" : dropped ? "bad" : "warn";
        const bool original = segment.direction == tcp::Direction::original;
        const int from = at_ + 18, to = from + slant;
        const int begin = original ? lane_a : lane_b;
        // What is dropped does not arrive.
        const int whole = original ? lane_b : lane_a;
        const int stop = dropped ? begin + (whole - begin) * 5 / 6 : whole;
        const int end = dropped ? from + slant * 5 / 6 : to;
        mark_time(story, from, segment.nanoseconds);
        write(axis + 12, from + 4, "soft mono", fmt::format("#{}", segment.number));
        body_ += fmt::format("<line class=\"arrow {}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", kind,
                             begin, from, stop, end);
        if (dropped)
            cross(stop, end);
        else
            point(stop, end, original, kind);
        write(middle, from - 2, "ink mono mid", packet_text(segment));
        states(segment, from, to);
        at_ += row_height;
        if (segment.reason == Reason::none) return;
        for (const std::string& part :
             wrapped(verdict_text(segment) + ": " + segment.why, sentence_characters)) {
            at_ += text_height - 2;
            write(middle, at_, fmt::format("f{} small mid", kind), part);
        }
        at_ += 4;
    }

    void point(int x, int y, bool right, std::string_view kind) {
        const int back = right ? -9 : 9;
        body_ += fmt::format("<path class=\"f{}\" d=\"M{} {} l{} -4.5 v9 z\"/>\n", kind, x, y, back);
    }
    void cross(int x, int y) {
        body_ += fmt::format("<path class=\"cross\" d=\"M{} {} l12 12 m0 -12 l-12 12\"/>\n", x - 6, y - 6);
    }

    void add(const Story& story, const StoryFold& fold) {
        const auto parts = wrapped(fold_text(fold, true), sentence_characters);
        at_ += 12;
        mark_time(story, at_ + 6, fold.last_nanoseconds);
        for (const int x : {lane_a, lane_b})
            for (int dot = 0; dot < 3; ++dot)
                body_ += fmt::format("<circle class=\"soft\" cx=\"{}\" cy=\"{}\" r=\"2\"/>\n",
                                     x + (x == lane_a ? 14 : -14), at_ + dot * 7);
        for (const std::string& part : parts) {
            write(middle, at_ + 10, "soft mid", part);
            at_ += text_height;
        }
        at_ += 8;
    }

    std::string body_;
    int at_ = 0;
};

}  // namespace

std::string xml_escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                // Our words are ASCII: whatever else comes from bytes nobody has vouched for.
                out +=
                    static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F ? c : '?';
        }
    }
    return out;
}

std::string svg_of(const std::vector<const Story*>& stories) {
    Drawing drawing;
    bool any = false;
    for (const Story* story : stories) {
        if (!story->is_tcp()) continue;
        drawing.add(*story);
        any = true;
    }
    if (!any) drawing.sentence("There is no TCP connection to draw.");
    return drawing.done();
}

}  // namespace sluice::app
