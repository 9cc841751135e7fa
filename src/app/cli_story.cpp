#include "app/cli_story.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

#include "app/cli_capture.hpp"
#include "app/cli_commands.hpp"
#include "app/cli_follow.hpp"
#include "app/exit_status.hpp"
#include "app/interruption.hpp"
#include "app/output.hpp"
#include "sluice/control/client.hpp"
#include "sluice/control/packet_words.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::app {
namespace {

using control::CaptureRow;

std::string pair_words(const std::optional<tcp::Pair>& pair) {
    if (!pair) return "no flow";
    const tcp::PairText& text = tcp::text_of(*pair);
    return fmt::format("{},{}", tcp::name_of(text.originator), tcp::name_of(text.responder));
}

/// "SYN_SENT,SYN_RCVD -> ESTABLISHED,SYN_RCVD"; one state alone where it stays.
std::string transition_words(const CaptureRow& row) {
    const bool is_tcp = row.pair.has_value() || row.before.has_value();
    if (is_tcp) {
        const std::string before = pair_words(row.before), after = pair_words(row.pair);
        return before == after ? after : before + " -> " + after;
    }
    if (!row.has_flow) return "no flow";
    if (row.assured) return "assured";
    return row.seen_reply ? "replied" : "unreplied";
}

packet::Headers headers_of(const CaptureRow& row) {
    packet::Headers headers;
    packet::parse({row.bytes, row.length}, headers);
    return headers;
}

/// Of a packet that has no flow its addresses tell.
bool is_from_originator(const CaptureRow& row, const control::TupleMatch& tuple) {
    if (row.has_flow) return row.decision.direction == tcp::Direction::original;
    const packet::Headers headers = headers_of(row);
    return tuple.source && headers.source == tuple.source->address &&
           (!tuple.source_port || headers.source_port == *tuple.source_port);
}

}  // namespace

std::string step_line(const CaptureRow& row, bool from_originator) {
    std::string out = fmt::format("{} {} {:<56} {:<11} {}", control::time_words(row.nanoseconds),
                                  from_originator ? "A>B" : "B>A", control::segment_words(headers_of(row)),
                                  pipeline::name_of(row.decision.state), transition_words(row));
    if (row.has_flow) out += fmt::format(", {} s", row.timeout);
    if (row.decision.reason != Reason::none || row.decision.action != pipeline::Action::pass)
        out += fmt::format("; {}", fate_of(row.decision));
    if (row.decision.reason != Reason::none)
        out += fmt::format(", {}: {}", text_of(row.decision.reason).name, row.why);
    if (const std::string rule = rule_words(row); !rule.empty()) out += "; " + rule;
    return out + '\n';
}

int tell_story(const Arguments& arguments) {
    auto client = control::Client::connect(arguments.socket);
    if (!client) {
        complain(client.error());
        return exit_status::refused;
    }
    listen_for_interruption();
    const auto failed = [](const Result<control::End>& end) {
        if (end && end->ok) return false;
        complain("Operation failed: " + (end ? end->error : end.error()));
        return true;
    };
    const auto now = (*client)->ask(arguments.query, [](std::string_view row) { print(row); });
    if (failed(now)) return exit_status::refused;
    if (now->count == 0) complain("there is no such flow: its story begins with its first packet");

    control::Query story;
    story.kind = control::Query::Kind::capture;
    story.filter = arguments.query.filter;
    story.story = true;
    LostRows lost;
    const auto end = (*client)->follow(
        story,
        [&](std::string_view line) {
            if (arguments.json) return print(line);
            if (lost.take(line)) return;
            if (const auto row = control::parse_capture(line))
                print(step_line(*row, is_from_originator(*row, story.filter.original)));
        },
        [] { return output_written("sluice"); }, [] { return was_interrupted(); });
    if (!output_written("sluice") || failed(end)) return exit_status::refused;
    complain(fmt::format("{} packets of the flow have been shown.", end->count));
    if (lost.all() != 0) complain(fmt::format("{} more may have been lost.", lost.all()));
    return exit_status::done;
}

}  // namespace sluice::app
