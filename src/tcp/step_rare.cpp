// The rare part of step(): SYN, RST, SYN,ACK; whatever is tolerated or refused; flows of which one side is
// unseen, and flows with something pending. It works on a copy of the connection and keeps the copy only when
// the segment is accepted, so that a refusal cannot leave a trace.
#include <algorithm>
#include <utility>

#include "pending.hpp"
#include "sluice/tcp/begin.hpp"
#include "sluice/tcp/step.hpp"

namespace sluice::tcp {
namespace {

constexpr unsigned bit_of(Direction side) {
    return 1U << static_cast<unsigned>(side);
}
constexpr unsigned index_of(Direction side) {
    return static_cast<unsigned>(side);
}

bool is_plain(FlagClass cls) {
    return cls == FlagClass::ack || cls == FlagClass::fin;
}
bool is_reset(FlagClass cls) {
    return cls == FlagClass::rst || cls == FlagClass::rst_ack;
}

RememberedSyn as_syn(const Segment& segment) {
    return {.sequence = segment.sequence,
            .payload = static_cast<std::uint16_t>(segment.payload_length),
            .window = segment.window};
}

/// One segment on its way to a verdict. `trial` is the connection as it would be.
struct Case {
    Connection trial;
    const PendingSyn& pending;
    const Segment& segment;
    const Settings& settings;
    Direction direction;
    FlagClass cls;
    Span span{};
    unsigned forced = 0;       ///< predicates taken for granted because the side that could tell is unseen
    bool begins_anew = false;  ///< from a remembered SYN and its SYN,ACK: once accepted they are used up

    [[nodiscard]] Side& sender() { return trial.side[index_of(direction)]; }
    [[nodiscard]] Side& receiver() { return trial.side[index_of(opposite(direction))]; }
    [[nodiscard]] Pair pair() const { return static_cast<Pair>(trial.pair); }
    void set_pair(Pair pair) { trial.pair = static_cast<unsigned>(pair) & 31U; }
    [[nodiscard]] bool sender_seen() const { return (trial.seen & bit_of(direction)) != 0; }
    [[nodiscard]] bool receiver_seen() const { return (trial.seen & bit_of(opposite(direction))) != 0; }
    void mark_seen() { trial.seen = (trial.seen | bit_of(direction)) & 3U; }
    [[nodiscard]] bool dialling() const { return pair() == Pair::syn_sent__syn_rcvd; }
    [[nodiscard]] bool opening() const { return spec::opening.has(pair()); }
    [[nodiscard]] bool closed() const { return spec::closed.has(pair()); }
    [[nodiscard]] RememberedSyn as_syn() const { return tcp::as_syn(segment); }
};

Span span_of_any(const Case& c) {
    Span span = detail::span_of(c.trial, c.direction, c.segment);
    if ((c.segment.flags & Flag::syn) != 0) {
        span.end += 1;
        span.window = c.segment.window;         // never scaled (RFC 7323 2.2)
        span.sack = c.segment.acknowledgement;  // SACK counts once both SYNs have permitted it (RFC 2018 3)
    }
    return span;
}

// ---------------------------------------------------------------------------------------------------------------
// Flows of which one side is unseen: picked up in mid-stream (O14), or on a one-way path
// ---------------------------------------------------------------------------------------------------------------

/// On a one-way path a SYN followed by its sender's own ACK is as much of a handshake as will ever be seen.
void open_one_way(Case& c) {
    const bool follows =
        c.dialling() && c.direction == Direction::original && !before(c.span.sequence, c.sender().end);
    const bool exact_reset = is_reset(c.cls) && c.span.sequence == c.sender().end;
    if (!c.settings.asymmetric || !follows || (!is_plain(c.cls) && !exact_reset)) return;
    c.set_pair(Pair::established__established);
    c.trial.picked_up = 1;
    c.trial.scale_original = detail::unknown_scale;
    c.trial.scale_reply = detail::unknown_scale;
    c.span = span_of_any(c);
    if (!is_plain(c.cls)) return;
    // Of the unseen side nothing is known yet but what is acknowledged of it.
    c.sender().max_ack = c.span.acknowledgement;
    c.receiver().end = c.span.acknowledgement;
    c.receiver().max_end = c.span.acknowledgement;
}

/// Of a flow made by hand, or taken up from an old record, neither side is known: the first segment tells of
/// both.
void begin_in_mid_stream(Case& c) {
    const std::uint32_t window = std::max(detail::unknown_window, c.span.window);
    c.sender() = {
        .end = c.span.end, .max_end = c.span.end, .max_window = window, .max_ack = c.span.acknowledgement};
    c.receiver() = {.end = c.span.sack,
                    .max_end = c.span.acknowledgement + window,
                    .max_window = 0,
                    .max_ack = c.span.sequence};
    c.mark_seen();
}

/// What an unseen side would have to confirm is granted; what is seen of it for the first time is believed.
void take_for_granted(Case& c) {
    if (c.trial.seen == 3U || c.dialling() || c.closed()) return;
    constexpr unsigned granted = spec::in_order | ack_not_back;
    if (c.trial.seen == 0 && is_plain(c.cls)) {
        begin_in_mid_stream(c);
        c.forced = granted;
        return;
    }
    if (!c.receiver_seen()) {
        c.forced = is_plain(c.cls) ? granted : static_cast<unsigned>(sender_seen | not_after);
        if (is_plain(c.cls)) {
            c.receiver().end = later(c.receiver().end, c.span.sack);
            c.sender().max_end = later(c.sender().max_end, c.span.end);
        }
        return;
    }
    c.forced = sender_seen;
    if (!is_plain(c.cls)) return;
    // Data may be acknowledged that passed before we looked.
    c.forced = granted;
    c.sender().max_ack = c.span.acknowledgement;
    c.receiver().end = later(c.receiver().end, c.span.sack);
    c.sender().max_end = later(c.sender().max_end, c.span.end);
    c.sender().max_window = detail::unknown_window;
    c.trial.retransmissions = 0;
    c.receiver().max_end = later(c.receiver().end, c.span.acknowledgement + detail::unknown_window);
    c.mark_seen();
}

// ---------------------------------------------------------------------------------------------------------------
// What tolerated segments left behind
// ---------------------------------------------------------------------------------------------------------------

/// An acknowledgement beyond what was accepted, of data that was tolerated: then the data was real (R5). In a
/// picked-up flow the same goes for data that may have passed before we looked, as far as its receiver
/// allowed it.
void believe_what_is_acknowledged(Case& c) {
    if (!is_plain(c.cls) || !c.receiver_seen()) return;
    const Direction other = opposite(c.direction);
    const std::uint32_t end = c.pending.tolerated_end[index_of(other)];
    const bool tolerated = (c.pending.end_valid & bit_of(other)) != 0 && !after(c.span.sack, end);
    const bool before_our_time = c.trial.picked_up != 0 && !after(c.span.sack, c.receiver().max_end);
    if ((!tolerated && !before_our_time) || fin_has_passed(c.pair(), other)) return;
    if (after(c.span.sack, c.receiver().end)) c.receiver().end = c.span.sack;
    // The end may have been raised to behind the FIN already, by a bare ACK of its sender, but not further.
    const bool fin = (c.pending.end_is_fin & bit_of(other)) != 0 && c.span.acknowledgement == end &&
                     c.receiver().end == end;
    if (!fin) return;
    const Event event = c.receiver().max_ack == c.sender().end ? Event::fin_all : Event::fin_part;
    c.set_pair(static_cast<Pair>(transition(c.pair(), other, event).next));
}

/// Whether this endpoint has sent its SYN and waits for the acknowledgement of it.
bool awaits_its_answer(Pair pair, Direction side) {
    const PairText& text = text_of(pair);
    return (side == Direction::original ? text.originator : text.responder) == EndpointState::syn_rcvd;
}

/// Whether `acknowledgement` answers the highest, or the last, of the SYNs remembered of this side.
bool answers_highest(const PendingSyn& pending, Direction side, std::uint32_t acknowledgement) {
    return detail::is_of(pending.highest_kind, side) && pending.highest.answered_by(acknowledgement);
}
bool answers_last(const PendingSyn& pending, Direction side, std::uint32_t acknowledgement) {
    return detail::is_of(pending.last_kind, side) && pending.last.answered_by(acknowledgement);
}

/// An ACK may decide between two SYN,ACKs of which we believed the other: one that answered a SYN dialled
/// later but with a lower ISN (O6), one sent twice with different ISNs (a server with SYN cookies, or
/// restarted), or one whose sender no longer stands by its SYN (O11).
void believe_the_other_synack(Case& c) {
    const Direction other = opposite(c.direction);
    if (!is_plain(c.cls) || !answers_highest(c.pending, other, c.span.acknowledgement) ||
        c.pending.highest_answers == 0)
        return;
    if ((c.dialling() && c.direction == Direction::original) || spec::synchronised.has(c.pair())) {
        // Of a SYN and its SYN,ACK that are beside the connection both must be meant.
        if (!answers_last(c.pending, c.direction, c.span.sequence)) return;
        detail::start_side(c.trial, c.direction, c.pending.last, c.pending.last_kind);
        c.sender().max_end = c.pending.last.end() + c.pending.highest.window;
        c.receiver().max_ack = c.pending.last.end();
        c.begins_anew = true;
    } else if (!awaits_its_answer(c.pair(), other) || c.span.acknowledgement == c.sender().max_ack) {
        return;
    }
    const unsigned forgotten = detail::forgotten_scales(c.trial);
    detail::start_side(c.trial, other, c.pending.highest, c.pending.highest_kind);
    c.receiver().max_end = c.pending.highest.sequence + 1 + c.sender().max_window;
    c.sender().max_ack = c.pending.highest.sequence + 1;
    c.trial.seen = 3;
    detail::negotiate(c.trial, forgotten);
    c.set_pair(other == Direction::reply ? Pair::established__syn_rcvd : Pair::syn_rcvd__established);
    c.span = span_of_any(c);
}

/// Whether the segment lies behind a SYN,ACK of its own sender that is kept beside the connection.
bool continues_other_synack(Case& c) {
    if (c.pending.highest_answers == 0 || !detail::is_of(c.pending.highest_kind, c.direction)) return false;
    return c.span.sequence - (c.pending.highest.sequence + 1) <= std::max(c.receiver().max_window, 1U);
}

// ---------------------------------------------------------------------------------------------------------------
// Predicates of each class
// ---------------------------------------------------------------------------------------------------------------

unsigned seen_bit(const Case& c) {
    return c.sender_seen() ? static_cast<unsigned>(sender_seen) : 0U;
}

unsigned predicates_of_syn(Case& c) {
    unsigned out = seen_bit(c);
    const std::uint32_t sequence = c.span.sequence;
    if (c.dialling()) {
        const std::uint32_t newest = detail::newest_syn(c.pending, c.trial, c.direction);
        if (sequence == newest) out |= match;
        if (!before(sequence, newest)) out |= ack_not_back;
        return out;
    }
    // Once it is acknowledged the ISN itself is forgotten, but a SYN that ends where its side ends repeats
    // it.
    const bool repeats =
        c.span.end == c.sender().end || (c.opening() && sequence + 1 == c.receiver().max_ack);
    if (repeats) out |= match;
    if (!before(sequence + 1, c.receiver().max_ack)) out |= ack_not_back;
    return out;
}

/// Whether `acknowledgement` answers a SYN remembered of the receiver. While it dials only one newer than the
/// SYN in the connection counts (O6b); the connection itself stands for the other.
bool answers_remembered(const Case& c) {
    const Direction other = opposite(c.direction);
    return answers_highest(c.pending, other, c.segment.acknowledgement) ||
           (answers_last(c.pending, other, c.segment.acknowledgement) && !c.dialling());
}

bool remembers_syn_of(const PendingSyn& pending, Direction side) {
    return (detail::is_of(pending.highest_kind, side) && pending.highest_answers == 0) ||
           detail::is_of(pending.last_kind, side);
}

bool just_behind(std::uint32_t number, std::uint32_t end, std::uint32_t reach = max_ack_reach) {
    return end - number - 1 < reach;
}

/// A SYN,ACK from below what its side has sent since, and what the peer has acknowledged of it.
bool comes_late(Case& c) {
    return c.sender_seen() && c.span.sequence + 1 != c.receiver().max_ack &&
           just_behind(c.span.sequence, c.sender().end);
}

/// A SYN and its SYN,ACK that both lie just behind what the sides have sent are this connection's own, or of
/// the one before it, come again late: to begin anew from them would tear a live connection down. As far back
/// as the data of some seconds and the clock of the ISNs reach, and no further: new numbers may lie below the
/// old ones, too. Should these be new all the same, the ACK will tell.
bool repeats_known_handshake(Case& c) {
    constexpr std::uint32_t reach = 1U << 22;
    return c.trial.seen == 3U && !c.opening() &&
           just_behind(c.segment.acknowledgement - 1, c.receiver().end, reach) &&
           just_behind(c.span.sequence, c.sender().end, reach);
}

/// Whether a SYN,ACK of this side would finish a simultaneous open: it began with a SYN.
bool finishes_simultaneous_open(const Case& c) {
    return c.pair() == Pair::syn_rcvd__syn_rcvd ||
           (c.pair() == Pair::established__syn_rcvd && c.direction == Direction::original) ||
           (c.pair() == Pair::syn_rcvd__established && c.direction == Direction::reply);
}

/// Whether a SYN or SYN,ACK has the ISN its side began with. In a simultaneous open with data on both (O12)
/// more than the SYN may be acknowledged by now; then the SYN,ACK ends where the SYN did.
bool repeats_own_isn(Case& c) {
    if (!c.sender_seen()) return false;
    return c.span.sequence + 1 == c.receiver().max_ack ||
           (c.cls == FlagClass::syn_ack && finishes_simultaneous_open(c) && c.span.end == c.sender().end);
}

/// A SYN,ACK that is to finish a simultaneous open, but does not repeat the SYN its side began with: of an
/// endpoint that has dialled anew. Its peer throws it away by its sequence number (RFC 9293 3.10.7.4).
bool strays_from_own_syn(Case& c) {
    return finishes_simultaneous_open(c) && !repeats_own_isn(c);
}

/// Whether a RST of another connection is known to have this number.
bool is_known_reset(const Case& c, std::uint32_t sequence) {
    return c.pending.replaced != 0 && detail::side_of(c.pending.last_kind) == c.direction &&
           sequence == c.pending.last.sequence;
}

unsigned predicates_of_windows(Case& c) {
    return window_predicates(c.sender(), c.receiver(), c.span, mask_of(fin_has_passed(c.pair(), c.direction)),
                             mask_of(c.cls == FlagClass::fin));
}

unsigned predicates_of_syn_ack(Case& c) {
    unsigned out = predicates_of_windows(c) | seen_bit(c);
    if (answers_remembered(c) && !repeats_known_handshake(c)) out |= answers_pending;
    // After a RST only the last SYN is waiting for an answer (T9), and only for one not given before; none
    // waits on a side that was not heard. A SYN,ACK just below the RST is of the life that this has ended.
    if (c.closed() && (!c.receiver_seen() || remembers_syn_of(c.pending, opposite(c.direction)) ||
                       c.trial.picked_up != 0 || comes_late(c) || is_known_reset(c, c.span.sequence + 1)))
        out &= ~static_cast<unsigned>(ack_not_back);
    if (strays_from_own_syn(c)) out &= ~static_cast<unsigned>(ack_not_back);
    // A SYN,ACK from beyond all that its side has sent is of another connection, wherever the window reaches.
    if (spec::ending.has(c.pair()) && after(c.span.end, c.sender().end))
        out &= ~static_cast<unsigned>(not_after);
    return out;
}

/// Whether the last tolerated segment that acknowledged the unknown came from this side.
bool acknowledged_the_unknown(const PendingSyn& pending, Direction side) {
    return pending.acknowledgement_valid != 0 && pending.acknowledgement_side == index_of(side);
}

unsigned predicates_of_rst(Case& c) {
    const Side& sender = c.sender();
    const Side& receiver = c.receiver();
    const std::uint32_t sequence = c.span.sequence;
    unsigned out = seen_bit(c);
    if (!after(sequence, later(sender.max_end, sender.end))) out |= not_after;
    if (!before(sequence, receiver.max_ack)) out |= not_before;
    if (sequence == receiver.max_ack || sequence == sender.end) out |= match;
    if (c.cls == FlagClass::rst_ack) {
        const std::uint32_t acknowledgement = c.segment.acknowledgement;
        if (!after(acknowledgement, receiver.end)) out |= ack_sent;
        if (!before(acknowledgement, sender.max_ack)) out |= ack_not_back;
        if (answers_remembered(c)) out |= answers_pending;
        // Dialled again since: a refusal of the SYN in the connection is old news (T8), as is one of any SYN
        // known.
        if (c.dialling() &&
            detail::newest_syn(c.pending, c.trial, opposite(c.direction)) + 1 != sender.max_ack)
            out &= ~static_cast<unsigned>(ack_not_back);
        if (answers_last(c.pending, opposite(c.direction), acknowledgement)) out |= ack_sent;
        // What acknowledged the unknown before (T7) lives in an older connection, and so does its abort; and
        // what was tolerated was sent.
        const bool known_otherwise =
            (acknowledged_the_unknown(c.pending, c.direction) &&
             !after(acknowledgement, c.pending.tolerated_acknowledgement)) ||
            ((c.pending.end_valid & bit_of(opposite(c.direction))) != 0 &&
             !after(acknowledgement, c.pending.tolerated_end[index_of(opposite(c.direction))]));
        // Or it is that of the connection before this one, which the tracker took for over.
        const bool of_former = sender.end - acknowledgement < sender.end - sender.max_end;
        const bool older_connection = c.dialling() && (known_otherwise || of_former) && (out & ack_sent) == 0;
        if (older_connection) out = (out | ack_sent) & ~static_cast<unsigned>(ack_not_back);
    }
    // A SYN that found nobody is refused with sequence number 0; late, it says nothing of the window.
    const bool refusal_of_old_syn = sequence == 0 && (out & ack_sent) != 0;
    const bool answers_tolerated = acknowledged_the_unknown(c.pending, opposite(c.direction)) &&
                                   sequence == c.pending.tolerated_acknowledgement;
    // Who was dialled where all is over may have answered unseen, and given up.
    const bool of_the_dialled =
        spec::reusable.has(c.pair()) && remembers_syn_of(c.pending, opposite(c.direction));
    if (answers_tolerated || is_known_reset(c, sequence) || refusal_of_old_syn || continues_other_synack(c) ||
        of_the_dialled)
        out &= ~static_cast<unsigned>(not_before);
    return out;
}

unsigned predicates_of_plain(Case& c) {
    unsigned out =
        predicates_of_windows(c) | seen_bit(c) | (answers_remembered(c) ? unsigned{answers_pending} : 0U);
    // Who acknowledges something else than the SYN that waits for it knows another connection (O11): where
    // the segment lies says nothing then.
    constexpr unsigned right = ack_sent | ack_fresh | ack_not_back;
    const bool wrong = (out & right) != right;
    if (wrong && c.receiver_seen() && awaits_its_answer(c.pair(), opposite(c.direction)))
        out |= not_after | not_far_after;
    // A bare ACK of exactly the SYN of this connection, with numbers from nowhere: its sender has answered
    // that with a SYN,ACK that we did not see, or did not believe. What follows such a SYN,ACK is its
    // sender's, too; and what was tolerated once is not refused when it, or what lies before it, comes again.
    const bool answered_otherwise = c.opening() && !wrong && c.span.end == c.span.sequence;
    const bool of_tolerated = (c.pending.end_valid & bit_of(c.direction)) != 0 &&
                              c.pending.tolerated_end[index_of(c.direction)] - c.span.end < max_ack_reach;
    if (answered_otherwise || continues_other_synack(c) || of_tolerated) out |= answers_pending;
    return out;
}

unsigned predicates_of(Case& c) {
    switch (c.cls) {
        case FlagClass::syn:
            return predicates_of_syn(c);
        case FlagClass::syn_ack:
            return predicates_of_syn_ack(c);
        case FlagClass::rst:
        case FlagClass::rst_ack:
            return predicates_of_rst(c);
        case FlagClass::ack:
        case FlagClass::fin:
            return predicates_of_plain(c);
        case FlagClass::bad:
        case FlagClass::count_:
            break;
    }
    return 0;
}

// ---------------------------------------------------------------------------------------------------------------
// What an accepted segment does
// ---------------------------------------------------------------------------------------------------------------

/// A SYN or SYN,ACK begins its sender's side, or repeats and adds to what is known of it.
void start(Case& c, PendingSyn& pending) {
    const bool is_synack = c.cls == FlagClass::syn_ack;
    const bool repeats = repeats_own_isn(c);
    if (c.sender_seen() && !repeats && c.dialling()) {
        // The newest SYN again, and it is not the one in the connection.
        detail::remember_syn(pending, c.as_syn(), detail::kind_of(c.segment, c.direction), false);
        return;
    }
    const PendingSyn::Kind kind = detail::kind_of(c.segment, c.direction);
    const unsigned forgotten = detail::forgotten_scales(c.trial);
    if (repeats || (!is_synack && c.sender_seen())) {
        detail::add_to_side(c.trial, c.direction, c.as_syn(), kind);
    } else {
        if (c.opening() || (c.closed() && c.sender_seen()))
            detail::remember_replaced(pending, c.trial, c.direction);
        // After a RST it is no longer to be believed; only its refusal may be under way.
        if (c.closed()) pending.highest_answers = 0;
        detail::start_side(c.trial, c.direction, c.as_syn(), kind);
        c.receiver().max_ack = c.span.sequence + 1;
        c.trial.retransmissions = 0;
        c.sender().max_end = c.span.sequence + 1 + std::max(c.receiver().max_window, 1U);
        c.receiver().max_end = later(c.receiver().max_end, c.sender().max_ack + c.span.window);
    }
    c.mark_seen();
    if (is_synack) {
        const std::uint32_t allowed = c.span.acknowledgement + c.span.window + (c.span.window == 0 ? 1U : 0U);
        c.receiver().max_end = repeats ? later(c.receiver().max_end, allowed) : allowed;
        c.sender().max_ack = c.span.acknowledgement;
    }
    detail::negotiate(c.trial, forgotten);
}

/// An acknowledgement of something else than this connection: a RST may answer it, or the abort of its sender
/// repeat it.
void note_acknowledgement(PendingSyn& pending, Direction side, std::uint32_t acknowledgement) {
    pending.tolerated_acknowledgement = acknowledgement;
    pending.acknowledgement_valid = 1;
    pending.acknowledgement_side = index_of(side) & 1U;
}

/// A RST of another connection than the one that is to be believed has this number, or may have it.
void note_reset(PendingSyn& pending, Direction side, std::uint32_t sequence) {
    pending.last.sequence = sequence;
    pending.last_kind.reply_side = index_of(side) & 1U;
    pending.replaced = 1;
}

/// A SYN,ACK that answers a remembered SYN: the endpoints know better, the connection begins anew from the
/// two.
void adopt(Case& c, PendingSyn& pending) {
    const Direction other = opposite(c.direction);
    // With what was acknowledged last either side may have reset the old connection, and that come late.
    const bool both_heard = c.trial.seen == 3U;
    const std::uint32_t own_reset = c.receiver().max_ack;
    if (both_heard) note_acknowledgement(pending, c.direction, c.sender().max_ack);
    const bool highest = answers_highest(pending, other, c.span.acknowledgement);
    const RememberedSyn syn = highest ? pending.highest : pending.last;
    detail::start_side(c.trial, other, syn, highest ? pending.highest_kind : pending.last_kind);
    detail::start_side(c.trial, c.direction, c.as_syn(), detail::kind_of(c.segment, c.direction));
    c.trial.seen = 3;
    c.trial.picked_up = 0;
    c.trial.retransmissions = 0;
    c.sender().max_ack = c.span.acknowledgement;
    c.sender().max_end = c.span.sequence + 1 + std::max<std::uint32_t>(syn.window, 1);
    c.receiver().max_ack = c.span.sequence + 1;
    c.receiver().max_end = c.span.acknowledgement + std::max<std::uint32_t>(c.span.window, 1);
    detail::negotiate(c.trial);
    pending.highest_kind = {};
    pending.last_kind = {};
    if (!both_heard) return;
    note_reset(pending, c.direction, own_reset);
}

/// A RST that closes what is not open yet, with a number its side does not stand with, is of a life of its
/// sender before that; so is a SYN,ACK just below it.
void note_own_reset(Case& c, unsigned predicates, PendingSyn& pending) {
    if (c.opening() && (predicates & match) == 0 && pending.last_kind.valid == 0)
        note_reset(pending, c.direction, c.span.sequence);
}

void learn_from(Case& c) {
    std::uint32_t retransmissions = c.trial.retransmissions;
    learn(retransmissions, c.sender(), c.receiver(), c.span);
    c.trial.retransmissions = retransmissions & 7U;
}

void act(Case& c, Cell cell, PendingSyn& pending) {
    switch (static_cast<spec::Action>(cell.action)) {
        case spec::Action::learn:
            learn_from(c);
            break;
        case spec::Action::start:
            start(c, pending);
            break;
        case spec::Action::adopt:
            adopt(c, pending);
            break;
        case spec::Action::remember:
            detail::remember_syn(
                pending, c.as_syn(), detail::kind_of(c.segment, c.direction),
                c.dialling() && before(c.span.sequence, detail::newest_syn(c.pending, c.trial, c.direction)));
            break;
        case spec::Action::offer:
            c.receiver().max_end = later(c.receiver().max_end, c.span.acknowledgement + c.span.window);
            break;
        case spec::Action::nothing:
        case spec::Action::reopen:
            break;
    }
}

/// Whether a tolerated SYN,ACK may be the one that its receiver believes, or its sender's next segments
/// follow it: it answers the last SYN; or, in a connection that opens, the SYN in that; or, in one that ends,
/// any.
bool may_be_believed(Case& c, const PendingSyn& pending) {
    const std::uint32_t acknowledgement = c.span.acknowledgement;
    if (spec::synchronised.has(c.pair()) && just_behind(c.span.sequence, c.sender().end)) return false;
    if (spec::ending.has(c.pair())) return true;
    if (!c.opening()) return answers_last(pending, opposite(c.direction), acknowledgement);
    return !after(acknowledgement, c.receiver().end) && !before(acknowledgement, c.sender().max_ack);
}

/// The numbers of a tolerated segment that an honest answer may show.
void note_tolerated(Case& c, Cell cell, unsigned predicates, PendingSyn& pending) {
    if (static_cast<spec::Action>(cell.action) == spec::Action::remember) {
        act(c, cell, pending);
        return;
    }
    if (c.closed() || (!is_plain(c.cls) && c.cls != FlagClass::syn_ack)) return;
    // What the receiver sent is known only once it was heard; before, ack_sent compares with nothing.
    if ((predicates & (ack_sent | sender_seen)) != (ack_sent | sender_seen) || !c.receiver_seen())
        note_acknowledgement(pending, c.direction, c.span.acknowledgement);
    if (c.cls == FlagClass::syn_ack) {
        if (may_be_believed(c, pending))
            detail::remember_other_synack(pending, c.as_syn(), detail::kind_of(c.segment, c.direction));
    } else if (!c.sender_seen() || after(c.span.end, c.sender().end)) {
        detail::note_end(pending, c.direction, c.span.end, c.cls == FlagClass::fin);
    }
}

/// What the connection that begins with this SYN has to know of the one that ends. An earlier copy of the SYN
/// may have been remembered, with data on it: the answer to it may still come.
Former former(Case& c) {
    Former out;
    for (const auto& [syn, kind] : {std::pair{c.pending.highest, c.pending.highest_kind},
                                    std::pair{c.pending.last, c.pending.last_kind}})
        if (detail::is_of(kind, c.direction) && syn.sequence == c.segment.sequence) out.payload = syn.payload;
    if (!c.sender_seen()) return out;
    out.known = true;
    out.end = c.sender().end;
    out.acknowledged = c.receiver().max_ack;
    return out;
}

Outcome outcome_of(Reason reason, const Settings& settings) {
    const bool strictly = reason == Reason::window_overshoot || reason == Reason::syn_in_connection ||
                          reason == Reason::rst_inexact;
    if (settings.strict && strictly) return Outcome::refused;
    const bool outside = reason == Reason::seq_after_window || reason == Reason::ack_unsent;
    if (settings.be_liberal && outside) return Outcome::tolerated;
    if (settings.ignore_invalid_rst && reason == Reason::rst_out_of_window) return Outcome::tolerated;
    return text_of(reason).outcome;
}

/// The short way for every connection's second segment: the SYN,ACK of its one SYN begins the responder's
/// side, as start() does where nothing is remembered and no side to be repeated or replaced. False: the long
/// way.
bool take_first_answer(Connection& connection, Direction direction, const Segment& segment,
                       const Settings& settings, Verdict& verdict) {
    if (direction != Direction::reply || classify_flags(segment.flags) != FlagClass::syn_ack ||
        static_cast<Pair>(connection.pair) != Pair::syn_sent__syn_rcvd || connection.pending_syn != 0)
        return false;
    const std::uint32_t fields = small_fields(connection);
    Side& sender = connection.side[index_of(Direction::reply)];
    Side& receiver = connection.side[index_of(Direction::original)];
    const RememberedSyn syn = as_syn(segment);
    Span span{};  // its sender has not been heard: nothing is asked of its own numbers
    span.acknowledgement = span.sack = segment.acknowledgement;
    const unsigned predicates = window_predicates(sender, receiver, span, 0U, 0U);
    const Cell cell =
        transition(Pair::syn_sent__syn_rcvd, direction, classify(FlagClass::syn_ack, predicates));
    if (static_cast<spec::Action>(cell.action) != spec::Action::start) return false;

    sender = {.end = syn.end(),
              .max_end = segment.sequence + 1 + std::max(receiver.max_window, 1U),
              .max_window = segment.window,
              .max_ack = segment.acknowledgement};
    receiver.max_end =
        segment.acknowledgement + std::max<std::uint32_t>(segment.window, 1);  // for a probe, if it is closed
    receiver.max_ack = segment.sequence + 1;
    // Put together in a register: bit by bit in memory, each would wait for the one before.
    const detail::Field pair([](Connection& c) { c.pair = 31; });
    const detail::Field heard([](Connection& c) {
        c.seen = 2;
        c.seen_reply = 1;
    });
    const detail::Field scale_original([](Connection& c) { c.scale_original = 15; });
    const detail::Field scale_reply([](Connection& c) { c.scale_reply = 15; });
    const detail::Field scale_offered([](Connection& c) { c.scale_offered = 2; });
    const detail::Field sack_permitted([](Connection& c) { c.sack_permitted = 2; });
    const std::uint32_t both_scale =
        mask_of(segment.has_window_scale) & mask_of(connection.scale_offered != 0);
    set_small_fields(connection, (fields & ~(pair.mask() | (scale_original.mask() & ~both_scale))) |
                                     pair.in_place(std::uint32_t{cell.next}) | heard.mask() |
                                     scale_reply.in_place(segment.window_scale & both_scale) |
                                     scale_offered.in_place(std::uint32_t{segment.has_window_scale}) |
                                     sack_permitted.in_place(std::uint32_t{segment.sack_permitted}));
    verdict = {.outcome = Outcome::accepted,
               .reason = Reason::none,
               .refresh = static_cast<Refresh>(cell.refresh),
               .lifetime = detail::lifetime_in_force(connection, segment.window, settings)};
    return true;
}

[[gnu::noinline]] Verdict take_long_way(Connection& connection, PendingSyn& pending, Direction direction,
                                        const Segment& segment, const Settings& settings) {
    PendingSyn kept = connection.pending_syn != 0 ? pending : PendingSyn{};
    Case c{.trial = connection,
           .pending = kept,
           .segment = segment,
           .settings = settings,
           .direction = direction,
           .cls = classify_flags(segment.flags)};
    c.span = span_of_any(c);
    open_one_way(c);
    take_for_granted(c);
    believe_what_is_acknowledged(c);
    believe_the_other_synack(c);

    const unsigned predicates = predicates_of(c) | c.forced;
    const Cell cell = transition(c.pair(), direction, classify(c.cls, predicates));
    const Reason reason = static_cast<Reason>(cell.reason);
    Verdict verdict{.outcome = outcome_of(reason, settings), .reason = reason};
    if (verdict.outcome == Outcome::refused) return verdict;

    if (verdict.outcome == Outcome::tolerated) {
        note_tolerated(c, cell, predicates, kept);
    } else if (static_cast<spec::Action>(cell.action) == spec::Action::reopen) {
        connection = begin(segment, former(c));
        return {.outcome = Outcome::accepted,
                .reason = Reason::none,
                .refresh = Refresh::set,
                .lifetime = Lifetime::syn_sent,
                .reopens = true};
    } else {
        const bool advances = after(c.span.end, c.sender().end);
        act(c, cell, kept);
        if (is_reset(c.cls)) note_own_reset(c, predicates, kept);
        c.set_pair(static_cast<Pair>(cell.next));
        c.trial.assured = (c.trial.assured | (cell.assures & c.trial.seen_reply)) & 1U;
        if (is_plain(c.cls) || c.cls == FlagClass::syn_ack)
            detail::forget(kept, c.trial, direction, advances && is_plain(c.cls));
        if (c.begins_anew) kept.highest_kind = kept.last_kind = {};
        connection = c.trial;
        verdict.refresh = static_cast<Refresh>(cell.refresh);
        verdict.lifetime = detail::lifetime_in_force(connection, segment.window, settings);
    }
    connection.seen_reply = (connection.seen_reply | static_cast<unsigned>(direction)) & 1U;
    connection.pending_syn = detail::anything(kept) ? 1U : 0U;
    pending = kept;
    return verdict;
}

}  // namespace

Verdict detail::step_rare(Connection& connection, PendingSyn& pending, Direction direction,
                          const Segment& segment, const Settings& settings) {
    Verdict verdict;
    if (take_first_answer(connection, direction, segment, settings, verdict)) [[likely]]
        return verdict;
    return take_long_way(connection, pending, direction, segment, settings);
}

}  // namespace sluice::tcp
