#include "app/explain_story.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "sluice/base/sequence.hpp"
#include "sluice/control/text.hpp"
#include "sluice/packet/icmp.hpp"

namespace sluice::app {
namespace {

std::size_t index_of(tcp::Direction direction) {
    return static_cast<std::size_t>(direction);
}

void merge(StoryFold& fold, const StorySegment& segment) {
    auto& way = fold.way[index_of(segment.direction)];
    ++(segment.length > 0 ? way.packets : way.empty);
    way.bytes += segment.length;
    fold.refused += static_cast<std::uint64_t>(text_of(segment.reason).outcome == Outcome::refused);
    fold.tolerated += static_cast<std::uint64_t>(text_of(segment.reason).outcome == Outcome::tolerated);
    if (fold.first == 0) {
        fold.first = segment.number;
        fold.first_nanoseconds = segment.nanoseconds;
    }
    fold.last = segment.number;
    fold.last_nanoseconds = segment.nanoseconds;
}

void merge(StoryFold& fold, const StoryFold& other) {
    for (std::size_t i = 0; i < fold.way.size(); ++i) {
        fold.way[i].packets += other.way[i].packets;
        fold.way[i].empty += other.way[i].empty;
        fold.way[i].bytes += other.way[i].bytes;
    }
    fold.refused += other.refused;
    fold.tolerated += other.tolerated;
    if (fold.first == 0) {
        fold.first = other.first;
        fold.first_nanoseconds = other.first_nanoseconds;
    }
    fold.last = other.last;
    fold.last_nanoseconds = other.last_nanoseconds;
}

/// An acknowledgement or data that changes nothing but the numbers.
bool is_plain(const StorySegment& segment, const Story& story) {
    if (segment.reason != Reason::none || segment.moves() || segment.state == pipeline::CtState::related)
        return false;
    if (segment.assured != story.assured || segment.seen_reply != story.seen_reply) return false;
    if (segment.progress != StorySegment::Progress::onward) return false;
    constexpr auto matter = packet::syn | packet::fin | packet::rst | packet::urg;
    return segment.kind != StorySegment::Kind::tcp ||
           ((segment.flags & matter) == 0 && (segment.flags & packet::ack) != 0);
}

pipeline::FlowView identity_of(const Judgement& judgement) {
    const packet::Headers& headers = judgement.frame->headers;
    pipeline::FlowView out;
    out.family = headers.family;
    out.protocol = headers.protocol;
    out.source = headers.source;
    out.destination = headers.destination;
    if (control::has_ports(headers.protocol)) {
        out.source_port = headers.source_port;
        out.destination_port = headers.destination_port;
    } else if (headers.icmp_query) {
        out.icmp_id = headers.source_port;
        out.icmp_type = packet::request_type_of(headers.protocol, headers.icmp_type);
        out.reply_icmp_type = packet::reply_type_of(headers.protocol, out.icmp_type);
    }
    if (headers.vlan_count > 0) out.outer_vlan = headers.vlan[0];
    if (headers.vlan_count > 1) out.inner_vlan = headers.vlan[1];
    // A flow is originated by its first packet.
    out.state.datagram.lifetime = 0;
    return out;
}

/// Relative numbers count from the SYN; in a connection picked up in mid-stream its first byte seen is 1.
void learn_isn(Story& story, tcp::Direction direction, const packet::TcpFields& fields) {
    auto& own = story.isn[index_of(direction)];
    auto& peer = story.isn[index_of(tcp::opposite(direction))];
    const bool acknowledges = (fields.flags & packet::ack) != 0;
    if ((fields.flags & packet::syn) != 0) {
        own = fields.sequence;
        // The answer to a SYN dialled later counts from that one.
        constexpr std::uint32_t most_on_a_syn = 65'535;
        if (acknowledges && (!peer || fields.acknowledgement - 1 - *peer > most_on_a_syn))
            peer = fields.acknowledgement - 1;
        return;
    }
    if ((fields.flags & packet::rst) != 0) return;  // its numbers need not be its sender's
    if (!own) own = fields.sequence - 1;
    if (!peer && acknowledges) peer = fields.acknowledgement - 1;
}

/// Takes the bytes from `begin` to `end` out of the gaps. False when they were in none.
bool fill_gaps(std::vector<Story::Passed::Gap>& gaps, std::uint32_t begin, std::uint32_t end) {
    std::vector<Story::Passed::Gap> left;
    bool filled = false;
    for (const auto& gap : gaps) {
        const bool apart = !after(end, gap.from) || !before(begin, gap.to);
        filled = filled || !apart;
        if (apart) {
            left.push_back(gap);
            continue;
        }
        if (after(begin, gap.from)) left.push_back({gap.from, begin});
        if (before(end, gap.to)) left.push_back({end, gap.to});
    }
    gaps = std::move(left);
    return filled;
}

StorySegment::Progress progress_of(Story::Passed& passed, const packet::TcpFields& fields) {
    using Progress = StorySegment::Progress;
    constexpr std::size_t most_gaps = 64;
    const auto one = [&](unsigned flag) { return (fields.flags & flag) != 0 ? 1U : 0U; };
    const std::uint32_t begin = fields.sequence;
    const std::uint32_t length = fields.payload_length + one(packet::syn) + one(packet::fin);
    const std::uint32_t end = begin + length;
    if (length == 0 || one(packet::rst) != 0) return Progress::onward;
    // Sequence numbers begin anew with another SYN.
    if (!passed.end || (one(packet::syn) != 0 && end != *passed.end)) {
        passed = {end, {}};
        return Progress::onward;
    }
    if (after(begin, *passed.end)) {
        if (passed.gaps.size() == most_gaps) passed.gaps.erase(passed.gaps.begin());
        passed.gaps.push_back({*passed.end, begin});
        passed.end = end;
        return Progress::gap;
    }
    const bool filled = fill_gaps(passed.gaps, begin, end);
    const bool onward = after(end, *passed.end);
    passed.end = later(*passed.end, end);
    return filled ? Progress::late : onward ? Progress::onward : Progress::again;
}

std::int64_t relative(std::uint32_t number, std::optional<std::uint32_t> isn, bool accepted) {
    if (!isn) return number;
    // More than 2 GiB on is no number before the beginning, if it was accepted.
    if (accepted) return number - *isn;
    return sequence_distance(number, *isn);
}

void tell_tcp(Story& story, const packet::TcpFields& fields, StorySegment& segment) {
    const std::size_t own = index_of(segment.direction);
    const bool accepted = segment.reason == Reason::none;
    const bool is_syn = (fields.flags & packet::syn) != 0;
    if (accepted) {
        learn_isn(story, segment.direction, fields);
        if (is_syn)
            story.offered[own] = OfferedOptions{
                .mss = fields.options.mss,
                .window_scale = fields.options.has_window_scale ? std::optional(fields.options.window_scale)
                                                                : std::nullopt,
                .sack = fields.options.sack_permitted,
                .timestamps = fields.options.has_timestamps,
                .fast_open = fields.options.has_fast_open};
        segment.progress = progress_of(story.passed[own], fields);
        if ((fields.flags & packet::fin) != 0 && story.fin[own] == 0) story.fin[own] = segment.number;
        if ((fields.flags & packet::rst) != 0) {
            story.reset = segment.number;
            story.reset_by = segment.direction;
            story.reset_refuses = story.pair == tcp::Pair::syn_sent__syn_rcvd;
        }
    }
    segment.flags = fields.flags;
    segment.sequence = fields.sequence;
    segment.acknowledgement = fields.acknowledgement;
    segment.relative_sequence = relative(fields.sequence, story.isn[own], accepted);
    if ((fields.flags & packet::ack) != 0)
        segment.relative_acknowledgement =
            relative(fields.acknowledgement, story.isn[index_of(tcp::opposite(segment.direction))], accepted);
    // The window of a SYN is never scaled (RFC 7323 2.2).
    const unsigned shift = story.scaled() && !is_syn ? *story.offered[own]->window_scale : 0;
    segment.window = std::uint32_t{fields.window} << shift;
    segment.length = fields.payload_length;
}

StorySegment segment_of(Story& story, const Judgement& judgement) {
    using Kind = StorySegment::Kind;
    const Frame& frame = *judgement.frame;
    const packet::Headers& headers = frame.headers;
    StorySegment out;
    out.direction = judgement.decision.direction;
    out.number = frame.number;
    out.nanoseconds = frame.nanoseconds;
    out.length = headers.transport_length;
    out.state = judgement.decision.state;
    out.action = judgement.decision.action;
    out.reason = judgement.decision.reason;
    out.why = judgement.why;
    out.seen_reply = judgement.seen_reply;
    out.assured = judgement.assured;
    out.timeout = judgement.timeout;
    if (judgement.tcp) {
        out.before = story.pair;
        out.after = judgement.pair;
    }
    if (headers.fragment.present) {
        out.kind = Kind::fragment;
        out.fragment_offset = headers.fragment.offset;
        out.length = headers.fragment.length;
    } else if (headers.protocol == packet::tcp) {
        out.kind = Kind::tcp;
        tell_tcp(story, headers.tcp, out);
    } else if (control::is_icmp(headers.protocol)) {
        out.kind = Kind::icmp;
        out.icmp_type = headers.icmp_type;
        out.icmp_code = headers.icmp_code;
        if (out.state == pipeline::CtState::related && story.is_tcp()) {
            story.icmp_error = out.number;
            story.icmp_error_text = fmt::format("ICMP {}/{}", out.icmp_type, out.icmp_code);
        }
    } else if (headers.protocol == packet::udp) {
        constexpr std::uint32_t udp_header_bytes = 8;
        out.length -= std::min(out.length, udp_header_bytes);
    }
    return out;
}

}  // namespace

void StoryRows::add(const StorySegment& segment, bool plain) {
    const bool in_head = head_.size() < half_;
    auto& rows = in_head ? head_ : tail_;
    if (!in_head && tail_.empty()) run_ = 0;
    if (!plain || !fold_plain_) {
        run_ = 0;
        run_has_fold_ = false;
    } else if (run_++ == 0) {
        run_has_fold_ = false;
    }
    rows.emplace_back(segment);
    if (run_ > kept_first + kept_last + 1) fold_run(rows);
    if (tail_.size() <= half_) return;
    if (!between_) {
        between_.emplace();
        between_->left_out = true;
    }
    std::visit([this](const auto& row) { merge(*between_, row); }, tail_.front());
    tail_.pop_front();
}

/// Of the run at the end, what lies between its first and its last packets goes into one fold: two packets at
/// first, then one at a time.
void StoryRows::fold_run(std::deque<StoryRow>& rows) {
    const std::size_t needed = kept_last + 2;
    if (rows.size() < needed) return;
    const auto last = rows.end() - static_cast<std::ptrdiff_t>(kept_last) - 1;  // the one to be folded
    const auto place = last - 1;
    if (!run_has_fold_) {
        StoryFold fold;
        merge(fold, std::get<StorySegment>(*place));
        *place = fold;
        run_has_fold_ = true;
    }
    merge(std::get<StoryFold>(*place), std::get<StorySegment>(*last));
    rows.erase(last);
}

std::vector<StoryRow> StoryRows::all() const {
    std::vector<StoryRow> out(head_.begin(), head_.end());
    if (between_) out.emplace_back(*between_);
    out.insert(out.end(), tail_.begin(), tail_.end());
    return out;
}

Story* StoryCollector::story_of(const Judgement& judgement) {
    const auto found = stories_.find(judgement.flow);
    if (found != stories_.end()) return &found->second;
    if (judgement.flow <= newest_flow_) return nullptr;
    newest_flow_ = judgement.flow;
    const pipeline::FlowView identity = identity_of(judgement);
    if (choice_.flow ? judgement.flow != *choice_.flow : !control::matches(choice_.filter, identity))
        return nullptr;
    if (stories_.size() >= choice_.most_flows) {
        ++left_out_;
        return nullptr;
    }
    Story& story = stories_.emplace(judgement.flow, Story(choice_.most_rows, !choice_.full)).first->second;
    story.flow = judgement.flow;
    story.identity = identity;
    story.first_packet = judgement.frame->number;
    story.start = story.last = judgement.frame->nanoseconds;
    return &story;
}

void StoryCollector::judged(const Judgement& judgement) {
    ++packets_;
    if (judgement.flow == 0) {
        ++flowless_[static_cast<std::size_t>(judgement.decision.reason)];
        return;
    }
    Story* const story = story_of(judgement);
    if (story == nullptr) return;
    const StorySegment segment = segment_of(*story, judgement);
    const bool plain = is_plain(segment, *story);
    auto& way = story->way[index_of(segment.direction)];
    ++way.packets;
    way.bytes += judgement.frame->length;
    // An ICMP error about a connection carries nothing of it.
    if (segment.kind != StorySegment::Kind::icmp || !story->is_tcp()) way.payload += segment.length;
    ++story->reasons[static_cast<std::size_t>(segment.reason)];
    story->last = std::max(story->last, segment.nanoseconds);
    story->pair = segment.after;
    story->assured = segment.assured;
    story->seen_reply = segment.seen_reply;
    story->timeout = segment.timeout;
    story->rows.add(segment, plain);
}

void StoryCollector::ended(const FlowEnd& end) {
    const auto found = stories_.find(end.flow);
    if (found != stories_.end()) found->second.end = end;
}

}  // namespace sluice::app
