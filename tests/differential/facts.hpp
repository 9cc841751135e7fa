// What the classes ask of a difference.
#pragma once

#include "difference.hpp"
#include "sluice/tcp/event.hpp"
#include "sluice/tcp/window.hpp"

namespace sluice::differential {

using tcp::FlagClass;

[[nodiscard]] inline std::uint8_t flags_of(const Step& step) {
    return step.tcp.size() > flags_at ? step.tcp[flags_at] : std::uint8_t{0};
}
[[nodiscard]] inline FlagClass kind(const Difference& d) {
    return tcp::classify_flags(flags_of(d.step));
}
[[nodiscard]] inline bool urgent(const Difference& d) {
    return (flags_of(d.step) & tcp::Flag::urg) != 0;
}
[[nodiscard]] inline bool is_syn(const Difference& d) {
    return kind(d) == FlagClass::syn;
}
[[nodiscard]] inline bool is_syn_ack(const Difference& d) {
    return kind(d) == FlagClass::syn_ack && !urgent(d);
}
[[nodiscard]] inline bool is_rst(const Difference& d) {
    return (kind(d) == FlagClass::rst || kind(d) == FlagClass::rst_ack) && !urgent(d);
}
/// An ACK, data or a FIN.
[[nodiscard]] inline bool is_plain(const Difference& d) {
    return kind(d) == FlagClass::ack || kind(d) == FlagClass::fin;
}
[[nodiscard]] inline bool is_fin(const Difference& d) {
    return kind(d) == FlagClass::fin;
}

[[nodiscard]] inline bool from_responder(const Difference& d) {
    return d.before && d.before->originator != d.step.from;
}
[[nodiscard]] inline bool from_originator(const Difference& d) {
    return d.before && d.before->originator == d.step.from;
}
/// The state before the segment; none without a flow.
[[nodiscard]] inline State before(const Difference& d) {
    return d.before ? d.before->state : State::none;
}
[[nodiscard]] inline State after(const Judgement& judgement) {
    return judgement.entry ? judgement.entry->state : State::none;
}
template <class Value, class... Values>
[[nodiscard]] bool one_of(Value value, Values... values) {
    return ((value == values) || ...);
}
[[nodiscard]] inline bool closing(State state) {
    return one_of(state, State::fin_wait, State::close_wait, State::last_ack, State::time_wait);
}

[[nodiscard]] inline bool accepts(const Judgement& judgement) {
    return judgement.treatment == Treatment::accepted;
}
[[nodiscard]] inline bool tolerates(const Judgement& judgement) {
    return judgement.treatment == Treatment::tolerated;
}
[[nodiscard]] inline bool refuses(const Judgement& judgement) {
    return judgement.treatment == Treatment::refused;
}
[[nodiscard]] inline bool passes(const Judgement& judgement) {
    return !refuses(judgement);
}
[[nodiscard]] inline Reason reason(const Difference& d) {
    return d.sight.reason;
}
/// Only these differ (Differs).
[[nodiscard]] inline bool only(const Difference& d, unsigned what) {
    return (d.what & ~what) == 0;
}

[[nodiscard]] inline tcp::Pair pair(const Difference& d) {
    return static_cast<tcp::Pair>(d.sight.before.pair);
}
[[nodiscard]] inline const tcp::Side& sender(const Difference& d) {
    return d.sight.before.side[static_cast<std::size_t>(d.sight.direction)];
}
[[nodiscard]] inline const tcp::Side& receiver(const Difference& d) {
    return d.sight.before.side[static_cast<std::size_t>(tcp::opposite(d.sight.direction))];
}

/// The end of the segment: behind its payload, SYN and FIN.
[[nodiscard]] inline std::uint32_t end_of(const Difference& d) {
    const tcp::Segment& segment = d.sight.segment;
    return segment.sequence + segment.payload_length +
           ((segment.flags & (tcp::Flag::syn | tcp::Flag::fin)) != 0 ? 1U : 0U);
}
/// Of the two sides of an opening flow, the one whose SYN is acknowledged but which has not acknowledged the
/// other's.
[[nodiscard]] inline bool from_syn_rcvd(const Difference& d) {
    return d.sight.flow && ((pair(d) == tcp::Pair::established__syn_rcvd && from_responder(d)) ||
                            (pair(d) == tcp::Pair::syn_rcvd__established && from_originator(d)));
}
/// The numbers of what that side sends before the third segment: conntrack holds them against the end of its
/// SYN.
[[nodiscard]] inline bool before_third_segment(const Difference& d) {
    return is_plain(d) && before(d) == State::syn_recv && from_syn_rcvd(d) &&
           one_of(reason(d), Reason::none, Reason::old_acknowledgement, Reason::seq_after_window,
                  Reason::window_overshoot);
}
/// The flow has been in SYN_SENT2: both ends dialled.
[[nodiscard]] bool opened_simultaneously(const Difference& d);
/// While the flow opened, one side sent several SYNs (or SYN,ACKs) that are not the same: which numbers,
/// window and options are its own is then a matter of opinion.
[[nodiscard]] bool several_syns(const Difference& d);
/// A SYN passed in LAST_ACK.
[[nodiscard]] bool syn_in_last_ack(const Difference& d);
/// A number of the segment lies about half the sequence space from where its side stands: ahead for one,
/// behind for the other, since their edges are not the same to the byte.
[[nodiscard]] bool half_the_circle_away(const Difference& d);

/// How often the segment has now come in a row, as conntrack counts: same side, sequence, acknowledgement,
/// end and window as the last ACK or data it accepted.
[[nodiscard]] unsigned repeated_in_a_row(const Difference& d);

/// The flow began in mid-stream: conntrack exempts it from the window check for good, whatever becomes of it.
[[nodiscard]] bool began_in_mid_stream(const Difference& d);

}  // namespace sluice::differential
