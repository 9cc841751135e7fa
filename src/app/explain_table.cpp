#include <fmt/format.h>

#include "app/explain_render.hpp"
#include "app/explain_words.hpp"
#include "sluice/base/words.hpp"

namespace sluice::app {
namespace {

constexpr std::string_view ways[] = {"A>B", "B>A"};

class Table {
  public:
    Table(std::string& out, const Story& story, const TextStyle& style)
        : out_(out), story_(story), style_(style) {}

    void append() {
        line(fmt::format("Flow {}: {}", story_.flow, flow_text(story_)));
        for (const auto& [name, value] : facts_of(story_)) line(fmt::format("  {:<14}{}", name, value));
        const auto rows = story_.rows.all();
        if (story_.is_tcp()) transitions(rows);
        line("");
        line(story_.is_tcp()
                 ? fmt::format("{:>7} {:>11} {:<3}  {:<11} {:>10} {:>10} {:>6} {:>10}  {:<25} {:>9}  {}",
                               "packet", "time", "way", "flags", "seq", "ack", "len", "window", "pair after",
                               "timeout", "verdict")
                 : fmt::format("{:>7} {:>11} {:<3}  {:<14} {:>6}  {:<9} {:>9}  {}", "packet", "time", "way",
                               "kind", "len", "flow", "timeout", "verdict"));
        for (const StoryRow& row : rows) std::visit([this](const auto& one) { append(one); }, row);
    }

  private:
    void line(std::string_view text) {
        const std::size_t end = text.find_last_not_of(' ');
        out_ += text.substr(0, end == std::string_view::npos ? 0 : end + 1);
        out_ += '\n';
    }
    [[nodiscard]] std::string time(std::int64_t nanoseconds) const {
        return seconds_text(nanoseconds - story_.start);
    }

    /// Who moved the connection, from where to where.
    void transitions(const std::vector<StoryRow>& rows) {
        std::string_view name = "transitions";
        for (const StoryRow& row : rows) {
            const auto* segment = std::get_if<StorySegment>(&row);
            if (segment == nullptr || !segment->moves()) continue;
            line(fmt::format("  {:<14}packet {} at {} s, {} {}: {} {} {}, timeout {} s", name,
                             segment->number, time(segment->nanoseconds),
                             ways[static_cast<std::size_t>(segment->direction)], packet_text(*segment),
                             segment->before ? pair_text(*segment->before) : "no flow",
                             style_.unicode ? "→" : "->", pair_text(*segment->after), segment->timeout));
            name = {};
        }
    }

    void append(const StorySegment& segment) {
        const auto way = ways[static_cast<std::size_t>(segment.direction)];
        const std::string left = fmt::format("{} s", segment.timeout);
        if (!story_.is_tcp()) {
            line(fmt::format("{:>7} {:>11} {}  {:<14} {:>6}  {:<9} {:>9}  {}", segment.number,
                             time(segment.nanoseconds), way, kind_text(segment), segment.length,
                             standing_text(segment), left, verdict_text(segment)));
        } else {
            const bool tcp = segment.kind == StorySegment::Kind::tcp;
            const auto number = [](bool there, auto value) {
                return there ? fmt::format("{}", value) : std::string("-");
            };
            line(fmt::format(
                "{:>7} {:>11} {}  {:<11} {:>10} {:>10} {:>6} {:>10}  {:<25} {:>9}  {}", segment.number,
                time(segment.nanoseconds), way, kind_text(segment), number(tcp, segment.relative_sequence),
                number(tcp && (segment.flags & packet::ack) != 0, segment.relative_acknowledgement),
                segment.length, number(tcp, segment.window), standing_text(segment), left,
                verdict_text(segment)));
        }
        if (segment.why.empty()) return;
        constexpr std::size_t indent = 25, width = 95;
        for (const std::string& part : wrapped(segment.why, width))
            line(fmt::format("{:{}}{}", "", indent, part));
    }

    void append(const StoryFold& fold) {
        line(fmt::format("{:>7} {:>11}      {} {}", style_.unicode ? "⋮" : ":", time(fold.last_nanoseconds),
                         style_.unicode ? "…" : "...", fold_text(fold, story_.is_tcp())));
    }

    std::string& out_;
    const Story& story_;
    const TextStyle& style_;
};

}  // namespace

void append_table(std::string& out, const Story& story, const TextStyle& style) {
    Table(out, story, style).append();
}

}  // namespace sluice::app
