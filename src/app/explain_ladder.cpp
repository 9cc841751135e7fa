#include <algorithm>

#include <fmt/format.h>

#include "app/explain_render.hpp"
#include "app/explain_words.hpp"

namespace sluice::app {
namespace {

/// One column each, whatever their bytes.
struct Glyphs {
    std::string_view bar, dash, dots, right, left, middle;
};
constexpr Glyphs boxes{"│", "─", "╌", "▶", "◀", "…"};
constexpr Glyphs plain_glyphs{"|", "-", ".", ">", "<", "..."};

constexpr std::size_t margin = 13;  ///< the longest state has 11 characters

std::string repeated(std::string_view glyph, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += glyph;
    return out;
}

class Ladder {
  public:
    Ladder(std::string& out, const Story& story, const TextStyle& style)
        : out_(out), story_(story), glyphs_(style.unicode ? boxes : plain_glyphs), rows_(story.rows.all()) {
        constexpr std::size_t least = 56, around_a_label = 14;
        width_ = least;
        for (const StoryRow& row : rows_)
            if (const auto* segment = std::get_if<StorySegment>(&row))
                width_ = std::max(width_, packet_text(*segment).size() + around_a_label);
    }

    void append() {
        out_ += '\n';
        const std::string a = "A " + endpoint_text(story_, tcp::Direction::original);
        const std::string b = "B " + endpoint_text(story_, tcp::Direction::reply);
        const std::size_t column = lead + margin;
        // A's name ends at its bar where it can, B's begins at its own.
        const std::size_t begin = a.size() > column ? 0 : column - a.size() + 1;
        const std::size_t between = column + width_ + 1;
        std::string head = fmt::format("{:{}}{}", "", begin, a);
        head += fmt::format("{:{}}{}", "", between > head.size() ? between - head.size() : 2, b);
        out_ += head + '\n';
        for (const StoryRow& row : rows_) std::visit([this](const auto& one) { append(one); }, row);
        ending();
    }

  private:
    static constexpr std::size_t lead = 19;  ///< "   1234    0.001000"

    void line(std::string_view front, std::string_view a, const std::string& body, std::string_view b) {
        std::string text = fmt::format("{:>{}}{:>{}} {}{}{} {}", front, lead, a, margin - 1, glyphs_.bar,
                                       body, glyphs_.bar, b);
        text.erase(text.find_last_not_of(' ') + 1);
        out_ += text + '\n';
    }
    [[nodiscard]] std::string time(std::int64_t nanoseconds) const {
        return seconds_text(nanoseconds - story_.start);
    }

    void append(const StorySegment& segment) {
        std::string_view a, b;
        if (segment.after) {
            const tcp::PairText& now = text_of(*segment.after);
            const auto* before = segment.before ? &text_of(*segment.before) : nullptr;
            if (before == nullptr || before->originator != now.originator) a = tcp::name_of(now.originator);
            if (before == nullptr || before->responder != now.responder) b = tcp::name_of(now.responder);
        }
        line(fmt::format("{:>7} {:>11}", segment.number, time(segment.nanoseconds)), a, arrow(segment), b);
        if (segment.reason == Reason::none) return;
        for (const std::string& part : wrapped(verdict_text(segment) + ": " + segment.why, width_ - 6))
            line("", "", fmt::format("   {:<{}}", part, width_ - 3), "");
    }

    /// From its sender's side to the other; what is dropped stops at an X.
    [[nodiscard]] std::string arrow(const StorySegment& segment) const {
        constexpr std::size_t after_the_x = 8;
        const bool dropped = segment.action == pipeline::Action::drop;
        const bool original = segment.direction == tcp::Direction::original;
        const std::string_view dash = segment.reason == Reason::none ? glyphs_.dash : glyphs_.dots;
        const std::string label = fmt::format(" {} ", packet_text(segment));
        const std::string gap(dropped ? after_the_x : 0, ' ');
        const std::string_view head = dropped ? "X" : original ? glyphs_.right : glyphs_.left;
        const std::size_t dashes = width_ - label.size() - gap.size() - 1;
        if (original) return repeated(dash, 2) + label + repeated(dash, dashes - 2) + std::string(head) + gap;
        return gap + std::string(head) + repeated(dash, dashes - 2) + label + repeated(dash, 2);
    }

    void append(const StoryFold& fold) {
        const std::size_t dots = glyphs_.middle == plain_glyphs.middle ? 3 : 1;  // columns
        const auto parts = wrapped(fold_text(fold, true), width_ - 10);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const std::size_t free = width_ - parts[i].size() - 2 * dots - 2;
            const auto mark = [&](bool here) {
                return here ? std::string(glyphs_.middle) : std::string(dots, ' ');
            };
            line(i == 0 ? time(fold.last_nanoseconds) : std::string(), "",
                 fmt::format("{:{}}{} {} {}{:{}}", "", free / 2, mark(i == 0), parts[i],
                             mark(i + 1 == parts.size()), "", free - free / 2),
                 "");
        }
    }

    void ending() {
        const std::int64_t when = story_.end ? story_.end->nanoseconds : story_.last;
        const auto parts = wrapped(ending_text(story_), width_ - 6);
        for (std::size_t i = 0; i < parts.size(); ++i)
            line(i == 0 ? time(when) : std::string(), "", fmt::format("   {:<{}}", parts[i], width_ - 3), "");
    }

    std::string& out_;
    const Story& story_;
    const Glyphs& glyphs_;
    std::vector<StoryRow> rows_;
    std::size_t width_;  ///< between the bars
};

}  // namespace

void append_ladder(std::string& out, const Story& story, const TextStyle& style) {
    if (story.is_tcp()) Ladder(out, story, style).append();
}

}  // namespace sluice::app
