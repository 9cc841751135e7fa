#include "app/explain_words.hpp"

#include <array>
#include <ctime>

#include <fmt/format.h>

#include "app/replay_format.hpp"
#include "sluice/base/words.hpp"
#include "sluice/control/text.hpp"
#include "sluice/packet/icmp.hpp"

namespace sluice::app {
namespace {

constexpr std::int64_t nanoseconds_per_second = 1'000'000'000;

char letter_of(tcp::Direction side) {
    return side == tcp::Direction::original ? 'A' : 'B';
}

std::string way_text(const Story::Way& way) {
    return fmt::format("{}, {}, {} of payload", counted(way.packets, "packet"), counted(way.bytes, "byte"),
                       grouped(way.payload));
}

std::string option_text(const std::optional<OfferedOptions>& offered) {
    if (!offered) return "its SYN was not seen";
    std::string out = offered->mss != 0 ? fmt::format("MSS {}", offered->mss) : std::string("no MSS");
    out += offered->window_scale ? fmt::format(", window scale {}", *offered->window_scale)
                                 : std::string(", no window scale");
    out += offered->sack ? ", SACK" : ", no SACK";
    out += offered->timestamps ? ", timestamps" : ", no timestamps";
    if (offered->fast_open) out += ", Fast Open";
    return out;
}

std::string negotiated_text(const Story& story) {
    const auto& [a, b] = story.offered;
    if (!a || !b) return "unknown: windows are shown as they are on the wire";
    std::string out = story.scaled() ? fmt::format("windows of A times {}, of B times {}",
                                                   1U << *a->window_scale, 1U << *b->window_scale)
                                     : std::string("windows not scaled");
    out += a->sack && b->sack ? ", SACK" : ", no SACK";
    return out + (a->timestamps && b->timestamps ? ", timestamps" : ", no timestamps");
}

/// What relative numbers count from: the sentences have the numbers of the wire.
std::string isn_text(const Story& story) {
    const auto of = [&](std::size_t side) {
        return story.isn[side] ? fmt::format("{}", *story.isn[side]) : std::string("not known");
    };
    return fmt::format("{} of A, {} of B", of(0), of(1));
}

std::string closing_text(const Story& story) {
    const auto fin = [&](int side) {
        return story.fin[static_cast<std::size_t>(side)] != 0
                   ? fmt::format("FIN of {} in packet {}", side == 0 ? 'A' : 'B',
                                 story.fin[static_cast<std::size_t>(side)])
                   : fmt::format("no FIN of {} seen", side == 0 ? 'A' : 'B');
    };
    // One that was not seen has number 0, and comes last.
    const bool a_first = story.fin[1] == 0 || (story.fin[0] != 0 && story.fin[0] < story.fin[1]);
    return a_first ? fin(0) + ", " + fin(1) : fin(1) + ", " + fin(0);
}

/// What the last pair says of the connection.
std::string tcp_ending(const Story& story) {
    using tcp::Pair;
    switch (*story.pair) {
        case Pair::syn_sent__syn_rcvd:
            return story.icmp_error != 0 ? fmt::format("never opened: {} came in packet {}",
                                                       story.icmp_error_text, story.icmp_error)
                                         : std::string("never opened: B did not answer the SYN");
        case Pair::syn_rcvd__syn_rcvd:
        case Pair::established__syn_rcvd:
        case Pair::syn_rcvd__established:
            return "never opened: the handshake was not finished";
        case Pair::established__established:
            return "open";
        case Pair::fin_wait_1__close_wait:
        case Pair::fin_wait_2__close_wait:
            return "half closed by A: " + closing_text(story);
        case Pair::close_wait__fin_wait_1:
        case Pair::close_wait__fin_wait_2:
            return "half closed by B: " + closing_text(story);
        case Pair::closing__closing:
        case Pair::closing__time_wait:
        case Pair::time_wait__closing:
        case Pair::time_wait__time_wait:
            return "closed by both at once: " + closing_text(story);
        case Pair::time_wait__last_ack:
        case Pair::last_ack__time_wait:
            return "closed but for the last acknowledgement: " + closing_text(story);
        case Pair::time_wait__closed:
        case Pair::closed__time_wait:
            return "closed in order: " + closing_text(story);
        case Pair::closed__closed:
        case Pair::closed__listen:
            return story.reset != 0
                       ? fmt::format("{} by {} in packet {}", story.reset_refuses ? "refused" : "reset",
                                     letter_of(story.reset_by), story.reset)
                       : std::string("reset");
        case Pair::count_:
            break;
    }
    return {};
}

std::string afterwards_text(const Story& story) {
    if (!story.end) return fmt::format("still tracked at the end, {} s left", grouped(story.timeout));
    const std::string when = seconds_text(story.end->nanoseconds - story.start);
    switch (story.end->why) {
        case flow::Removal::expired:
            return fmt::format("forgotten at {} s, after {} s without a packet that keeps it", when,
                               seconds_text(story.end->nanoseconds - story.last));
        case flow::Removal::evicted:
            return fmt::format("pushed out of a full table at {} s", when);
        case flow::Removal::replaced:
            return fmt::format("gave way to a new connection at {} s", when);
        case flow::Removal::deleted:
            break;
    }
    return fmt::format("deleted at {} s", when);
}

std::string vlan_text(const pipeline::FlowView& identity) {
    std::string out = fmt::format("{}", identity.outer_vlan);
    if (identity.inner_vlan != flow::Domain::no_tag) out += fmt::format(", {}", identity.inner_vlan);
    return out;
}

}  // namespace

std::string seconds_text(std::int64_t nanoseconds) {
    const bool negative = nanoseconds < 0;
    const auto magnitude =
        negative ? 0 - static_cast<std::uint64_t>(nanoseconds) : static_cast<std::uint64_t>(nanoseconds);
    return fmt::format("{}{}.{:06}", negative ? "-" : "", magnitude / nanoseconds_per_second,
                       magnitude % nanoseconds_per_second / 1000);
}

std::string date_text(std::int64_t nanoseconds) {
    std::int64_t rest = nanoseconds % nanoseconds_per_second;
    if (rest < 0) rest += nanoseconds_per_second;
    const auto second = static_cast<std::time_t>((nanoseconds - rest) / nanoseconds_per_second);
    std::tm parts{};
    if (gmtime_r(&second, &parts) == nullptr) return seconds_text(nanoseconds);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06} UTC", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       rest / 1000);
}

std::string endpoint_text(const Story& story, tcp::Direction side) {
    const pipeline::FlowView& flow = story.identity;
    const bool a = side == tcp::Direction::original;
    const bool ports = control::has_ports(flow.protocol);
    TextBuffer out;
    append_endpoint(out, flow.family, a ? flow.source : flow.destination,
                    ports ? std::optional(a ? flow.source_port : flow.destination_port) : std::nullopt);
    return fmt::to_string(out);
}

std::string flow_text(const Story& story) {
    return fmt::format("{} {} > {}", protocol_name(story.identity.protocol),
                       endpoint_text(story, tcp::Direction::original),
                       endpoint_text(story, tcp::Direction::reply));
}

std::string flag_names(std::uint8_t flags) {
    constexpr std::array<std::pair<std::uint8_t, std::string_view>, 8> named{{{packet::syn, "SYN"},
                                                                              {packet::fin, "FIN"},
                                                                              {packet::rst, "RST"},
                                                                              {packet::psh, "PSH"},
                                                                              {packet::urg, "URG"},
                                                                              {packet::ece, "ECE"},
                                                                              {packet::cwr, "CWR"},
                                                                              {packet::ack, "ACK"}}};
    std::string out;
    for (const auto& [flag, name] : named)
        if ((flags & flag) != 0) out.append(out.empty() ? "" : ",").append(name);
    return out.empty() ? "none" : out;
}

std::string pair_text(tcp::Pair pair) {
    const tcp::PairText& text = text_of(pair);
    return fmt::format("{},{}", tcp::name_of(text.originator), tcp::name_of(text.responder));
}

std::string standing_text(const StorySegment& segment) {
    if (segment.after) return pair_text(*segment.after);
    if (segment.assured) return "assured";
    return segment.seen_reply ? "replied" : "unreplied";
}

std::string_view progress_text(const StorySegment& segment) {
    constexpr std::string_view texts[] = {"", "again", "gap before it", "fills a gap"};
    return texts[static_cast<std::size_t>(segment.progress)];
}

std::string kind_text(const StorySegment& segment) {
    switch (segment.kind) {
        case StorySegment::Kind::tcp:
            return flag_names(segment.flags);
        case StorySegment::Kind::icmp:
            return fmt::format("ICMP {}/{}", segment.icmp_type, segment.icmp_code);
        case StorySegment::Kind::fragment:
            return fmt::format("fragment {}", segment.fragment_offset);
        case StorySegment::Kind::other:
            break;
    }
    return "packet";
}

std::string packet_text(const StorySegment& segment) {
    std::string out = kind_text(segment);
    if (segment.kind == StorySegment::Kind::tcp) {
        out += fmt::format(" seq {}", segment.relative_sequence);
        if ((segment.flags & packet::ack) != 0)
            out += fmt::format(" ack {}", segment.relative_acknowledgement);
        if ((segment.flags & packet::syn) != 0) out += fmt::format(" win {}", segment.window);
    }
    if (segment.length > 0) out += fmt::format(" len {}", segment.length);
    if (const auto progress = progress_text(segment); !progress.empty())
        out += fmt::format(" ({})", progress);
    return out;
}

std::string verdict_text(const StorySegment& segment) {
    if (segment.reason == Reason::none) return std::string(progress_text(segment));
    return fmt::format("{}, {}", treatment_of(segment.action, segment.reason), text_of(segment.reason).name);
}

std::string fold_text(const StoryFold& fold, bool tcp) {
    std::string out;
    for (std::size_t i = 0; i < fold.way.size(); ++i) {
        const auto& way = fold.way[i];
        const char* const where = i == 0 ? "A to B" : "B to A";
        const auto part = [&](const std::string& what) {
            out += fmt::format("{}{} {}", out.empty() ? "" : "; ", what, where);
        };
        if (way.packets > 0)
            part(fmt::format("{}, {},", counted(way.packets, tcp ? "data segment" : "packet"),
                             counted(way.bytes, "byte")));
        if (way.empty > 0) part(counted(way.empty, tcp ? "acknowledgement" : "empty packet"));
    }
    if (fold.refused > 0) out += fmt::format("; {} refused", grouped(fold.refused));
    if (fold.tolerated > 0) out += fmt::format("; {} tolerated", grouped(fold.tolerated));
    if (fold.left_out) out += "; left out, see --rows";
    return out;
}

std::string ending_text(const Story& story) {
    std::string what;
    if (story.pair) what = tcp_ending(story);
    if (!story.is_tcp()) what = story.seen_reply ? "answered" : "never answered";
    return what + "; " + afterwards_text(story);
}

Facts facts_of(const Story& story) {
    Facts out;
    const pipeline::FlowView& identity = story.identity;
    out.emplace_back("A", endpoint_text(story, tcp::Direction::original) + ", the originator");
    out.emplace_back("B", endpoint_text(story, tcp::Direction::reply));
    if (control::is_icmp(identity.protocol))
        out.emplace_back("query",
                         fmt::format("type {}, identifier {}", identity.icmp_type, identity.icmp_id));
    if (identity.outer_vlan != flow::Domain::no_tag) out.emplace_back("VLAN", vlan_text(identity));
    out.emplace_back("start", fmt::format("{}, packet {}", date_text(story.start), story.first_packet));
    out.emplace_back("duration", seconds_text(story.last - story.start) + " s");
    out.emplace_back("A to B", way_text(story.way[0]));
    out.emplace_back("B to A", way_text(story.way[1]));
    if (story.is_tcp()) {
        out.emplace_back("A offers", option_text(story.offered[0]));
        out.emplace_back("B offers", option_text(story.offered[1]));
        out.emplace_back("in force", negotiated_text(story));
        out.emplace_back("seq 0 is", isn_text(story));
    }
    out.emplace_back("end", ending_text(story));
    std::string name = "not accepted";
    for (std::size_t i = 1; i < reason_count; ++i) {
        if (story.reasons[i] == 0) continue;
        out.emplace_back(name, fmt::format("{} x {}: {}", grouped(story.reasons[i]), reason_texts[i].name,
                                           reason_texts[i].sentence));
        name.clear();
    }
    return out;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
    std::vector<std::string> out;
    while (text.size() > width) {
        std::size_t at = text.rfind(' ', width);
        if (at == std::string_view::npos || at == 0) at = width;
        out.emplace_back(text.substr(0, at));
        text.remove_prefix(text[at] == ' ' ? at + 1 : at);
    }
    if (!text.empty() || out.empty()) out.emplace_back(text);
    return out;
}

}  // namespace sluice::app
