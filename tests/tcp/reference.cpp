#include "reference.hpp"

#include <stdexcept>

namespace sluice::test {
namespace {

using tcp::Direction;
using tcp::EndpointState;
using tcp::FlagClass;
using tcp::Pair;

Pair pair_of(EndpointState originator, EndpointState responder) {
    for (std::size_t i = 0; i < tcp::pair_count; ++i)
        if (tcp::pair_texts[i].originator == originator && tcp::pair_texts[i].responder == responder)
            return static_cast<Pair>(i);
    throw std::logic_error("a pair that does not occur");
}

/// The two endpoints, seen from the sender of the segment.
class Book {
  public:
    Book(Pair pair, Direction from, FlagClass cls, unsigned predicates)
        : pair_(pair), from_(from), cls_(cls), predicates_(predicates) {
        const tcp::PairText& text = tcp::text_of(pair);
        sender_ = from == Direction::original ? text.originator : text.responder;
        receiver_ = from == Direction::original ? text.responder : text.originator;
        sender_before_ = sender_;
        receiver_before_ = receiver_;
    }

    [[nodiscard]] Judgement judge() {
        Judgement out = outcome();
        out.kept = keeps(out.reason == Reason::none);
        if (out.reason != Reason::none) return out;
        out.refresh = refreshes(out.kept);
        out.assures = proves_both();
        return out;
    }

  private:
    [[nodiscard]] Judgement outcome() {
        if (cls_ == FlagClass::bad) return stay(Reason::bad_flags);
        if (dead()) return after_a_reset();
        if (pair_ == Pair::syn_sent__syn_rcvd)
            return from_ == Direction::original ? from_the_dialler() : from_the_dialled();
        switch (cls_) {
            case FlagClass::syn:
                return syn();
            case FlagClass::syn_ack:
                return syn_ack();
            case FlagClass::rst:
            case FlagClass::rst_ack:
                return reset();
            default:
                return plain();
        }
    }

    Pair pair_;
    Direction from_;
    FlagClass cls_;
    unsigned predicates_;
    EndpointState sender_, receiver_;
    EndpointState sender_before_, receiver_before_;

    [[nodiscard]] bool is(tcp::Predicate predicate) const { return (predicates_ & predicate) != 0; }
    [[nodiscard]] bool heard() const { return is(tcp::sender_seen); }
    [[nodiscard]] bool dead() const { return pair_ == Pair::closed__closed || pair_ == Pair::closed__listen; }
    [[nodiscard]] bool exact_ack() const { return is(tcp::ack_sent) && is(tcp::ack_not_back); }
    [[nodiscard]] bool opening() const {
        return sender_ == EndpointState::syn_rcvd || receiver_ == EndpointState::syn_rcvd;
    }
    [[nodiscard]] bool may_be_reused() const {
        const bool none_waits = sender_ == EndpointState::time_wait || sender_ == EndpointState::closed;
        return none_waits && (receiver_ == EndpointState::time_wait || receiver_ == EndpointState::closed);
    }

    [[nodiscard]] Judgement stay(Reason reason = Reason::none) const { return {pair_, reason}; }
    [[nodiscard]] Judgement now() const {
        return {from_ == Direction::original ? pair_of(sender_, receiver_) : pair_of(receiver_, sender_),
                Reason::none};
    }
    [[nodiscard]] Judgement move(EndpointState sender, EndpointState receiver) {
        sender_ = sender;
        receiver_ = receiver;
        return now();
    }
    [[nodiscard]] Judgement reopen() const { return {pair_, Reason::none}; }
    [[nodiscard]] Judgement shut() const { return {Pair::closed__closed, Reason::none}; }
    /// The sender answered a SYN of the receiver's: the receiver is open, the sender waits for the third
    /// segment.
    [[nodiscard]] Judgement answered() { return move(EndpointState::syn_rcvd, EndpointState::established); }

    [[nodiscard]] bool plain_segment() const { return cls_ == FlagClass::ack || cls_ == FlagClass::fin; }
    [[nodiscard]] bool dialling() const { return pair_ == Pair::syn_sent__syn_rcvd; }
    [[nodiscard]] bool synchronised() const { return !dead() && !dialling() && !opening_before(); }
    [[nodiscard]] bool opening_before() const {
        return !dialling() &&
               (sender_before_ == EndpointState::syn_rcvd || receiver_before_ == EndpointState::syn_rcvd);
    }

    [[nodiscard]] Kept keeps(bool accepted) const {
        if (cls_ == FlagClass::syn) return keeps_of_syn(accepted);
        if (!accepted) return Kept::nothing;
        if (plain_segment()) return Kept::numbers;
        if (cls_ != FlagClass::syn_ack) return Kept::nothing;  // a RST ends it all
        if (is(tcp::answers_pending)) return Kept::new_start;
        return synchronised() ? Kept::offer : Kept::beginning;
    }

    [[nodiscard]] Kept keeps_of_syn(bool accepted) const {
        const bool ended =
            (sender_before_ == EndpointState::time_wait || sender_before_ == EndpointState::closed) &&
            (receiver_before_ == EndpointState::time_wait || receiver_before_ == EndpointState::closed);
        if (ended || dead()) return Kept::new_flow;
        const bool responder_dials = dialling() && from_ == Direction::reply;
        if (!accepted) return heard() && !responder_dials ? Kept::beside : Kept::nothing;
        // The first of its side and its repetitions add to that side, until the SYN is long answered; a newer
        // one waits beside.
        if (responder_dials) return Kept::beginning;
        if (!is(tcp::match)) return Kept::beside;
        return pair_ == Pair::established__established ? Kept::nothing : Kept::beginning;
    }

    /// Only what may be a repetition of what the timeout knows already does not renew it in full.
    [[nodiscard]] tcp::Refresh refreshes(Kept kept) const {
        const bool repeated_syn = cls_ == FlagClass::syn && is(tcp::match) && kept != Kept::new_flow &&
                                  heard() && !(dialling() && from_ == Direction::reply);
        if (repeated_syn || kept == Kept::offer) return tcp::Refresh::keep;
        // Its FIN is on its way again although the connection was taken for over: 2MSL is not cut short (C6,
        // C8).
        const bool still_in_last_ack =
            plain_segment() && (sender_before_ == EndpointState::last_ack ||
                                (sender_before_ == EndpointState::closed && cls_ == FlagClass::fin));
        return still_in_last_ack ? tcp::Refresh::extend : tcp::Refresh::set;
    }

    /// An accepted segment that proves that its sender has heard the other side: the third of the handshake,
    /// and whatever follows in the connection, but for what a responder sends before that third segment
    /// (O16).
    [[nodiscard]] bool proves_both() const {
        if (opening_before()) {
            const bool third = sender_before_ == EndpointState::established;
            return third && (plain_segment() || (cls_ == FlagClass::syn_ack && !is(tcp::answers_pending)));
        }
        if (!synchronised() || !plain_segment()) return false;
        return pair_ != Pair::close_wait__fin_wait_1 || from_ == Direction::original;
    }

    [[nodiscard]] Judgement after_a_reset() {  // T9, O10
        if (cls_ == FlagClass::syn) return reopen();
        if (cls_ == FlagClass::syn_ack && (is(tcp::answers_pending) || exact_ack())) return answered();
        return stay(Reason::after_close);
    }

    [[nodiscard]] Judgement from_the_dialler() {  // A in SYN_SENT
        if (cls_ == FlagClass::syn) {
            if (!heard()) return stay(Reason::before_syn_ack);
            const bool older = !is(tcp::match) && !is(tcp::ack_not_back);
            return stay(older ? Reason::old_syn : Reason::none);
        }
        if (cls_ == FlagClass::syn_ack) return stay(Reason::ack_not_of_syn);
        if (cls_ == FlagClass::rst || cls_ == FlagClass::rst_ack) {
            const bool answers = cls_ == FlagClass::rst_ack && is(tcp::answers_pending);
            return stay(heard() || answers ? Reason::rst_old : Reason::before_syn_ack);
        }
        const bool old = heard() && is(tcp::not_far_after) && !is(tcp::not_before);
        return stay(old ? Reason::old_duplicate : Reason::before_syn_ack);
    }

    [[nodiscard]] Judgement from_the_dialled() {  // B, not heard yet
        const bool pending = is(tcp::answers_pending);
        if (cls_ == FlagClass::syn)
            return heard() ? stay(Reason::before_syn_ack)
                           : move(EndpointState::syn_rcvd, EndpointState::syn_rcvd);
        if (cls_ == FlagClass::syn_ack)
            return pending || exact_ack() ? answered() : stay(Reason::ack_not_of_syn);
        if (cls_ == FlagClass::rst_ack && pending) return shut();
        if (heard()) return stay(Reason::before_syn_ack);
        if (cls_ == FlagClass::rst) return stay(Reason::rst_old);
        if (cls_ == FlagClass::rst_ack) {
            if (!is(tcp::ack_sent)) return stay(Reason::rst_out_of_window);
            return is(tcp::ack_not_back) ? shut() : stay(Reason::rst_old);
        }
        return stay(Reason::before_syn_ack);
    }

    [[nodiscard]] Judgement syn() const {
        if (may_be_reused()) return reopen();
        if (!heard()) return stay(Reason::before_syn_ack);
        const bool repeated = is(tcp::match);
        if (opening()) {
            if (repeated) return stay();
            return stay(is(tcp::ack_not_back) ? Reason::syn_in_connection : Reason::old_syn);
        }
        if (repeated && pair_ == Pair::established__established) return stay();
        return stay(Reason::syn_in_connection);
    }

    [[nodiscard]] Judgement syn_ack() {
        if (is(tcp::answers_pending)) return answered();
        const bool inside = is(tcp::not_after) && is(tcp::not_before);
        if (opening()) {
            if (!exact_ack()) return stay(Reason::ack_not_of_syn);
            if (receiver_ == EndpointState::syn_rcvd) receiver_ = EndpointState::established;
            return now();
        }
        if (exact_ack()) return stay(inside ? Reason::none : Reason::ack_not_of_syn);
        if (!is(tcp::ack_sent)) return stay(Reason::ack_not_of_syn);
        if (!is(tcp::not_before)) return stay(Reason::old_duplicate);
        return stay(inside && is(tcp::ack_fresh) ? Reason::none : Reason::ack_not_of_syn);
    }

    [[nodiscard]] Judgement reset() const {
        const bool with_ack = cls_ == FlagClass::rst_ack;
        if (with_ack && is(tcp::answers_pending)) return shut();
        if (!heard()) return stay(Reason::before_syn_ack);
        if (is(tcp::match)) {
            // The responder was listening before; one that dialled itself is closed.
            const bool back_to_listen = pair_ == Pair::established__syn_rcvd && from_ == Direction::original;
            return back_to_listen ? Judgement{Pair::closed__listen, Reason::none} : shut();
        }
        // Still unanswered SYN of the receiver, refused by its acknowledgement.
        const bool refuses = with_ack && exact_ack() && sender_ == EndpointState::syn_rcvd;
        if (refuses) return shut();
        if (!is(tcp::not_before)) return stay(Reason::rst_old);
        return stay(is(tcp::not_after) ? Reason::rst_inexact : Reason::rst_out_of_window);
    }

    [[nodiscard]] Judgement plain() {
        if (!heard()) return stay(Reason::before_syn_ack);
        const bool pending = is(tcp::answers_pending);
        // An endpoint in SYN_RCVD whose SYN is not acknowledged answers RST; that is between the two of them
        // (O11).
        const bool must_acknowledge_syn = receiver_ == EndpointState::syn_rcvd;
        if (!is(tcp::not_far_after)) return stay(pending ? Reason::before_syn_ack : Reason::seq_after_window);
        if (!is(tcp::not_before)) return stay(Reason::old_duplicate);
        if (!is(tcp::ack_sent)) {
            if (pending) return stay(Reason::before_syn_ack);
            return stay(must_acknowledge_syn ? Reason::ack_not_of_syn : Reason::ack_unsent);
        }
        if (!is(tcp::not_after)) {
            if (is(tcp::ack_fresh)) return stay(Reason::window_overshoot);
            return stay(pending ? Reason::before_syn_ack : Reason::seq_after_window);
        }
        if (!is(tcp::ack_fresh))
            return stay(must_acknowledge_syn ? Reason::ack_not_of_syn : Reason::old_acknowledgement);
        if (must_acknowledge_syn && !is(tcp::ack_not_back) && !is(tcp::match))
            return stay(Reason::ack_not_of_syn);
        return deliver();
    }

    /// An acceptable segment reaches its receiver (RFC 9293 3.10.7.4): first its acknowledgement, then its
    /// FIN.
    [[nodiscard]] Judgement deliver() {
        const bool all = is(tcp::match);
        const bool receiver_fin = receiver_ != EndpointState::syn_rcvd &&
                                  receiver_ != EndpointState::established &&
                                  receiver_ != EndpointState::close_wait;
        if (receiver_ == EndpointState::syn_rcvd) receiver_ = EndpointState::established;
        if (all && receiver_ == EndpointState::fin_wait_1)
            receiver_ = EndpointState::fin_wait_2;
        else if (all && receiver_ == EndpointState::closing)
            receiver_ = EndpointState::time_wait;
        else if (all && receiver_ == EndpointState::last_ack)
            receiver_ = EndpointState::closed;
        if (cls_ == FlagClass::fin) send_fin(receiver_fin, all);
        return now();
    }

    void send_fin(bool receiver_fin, bool acknowledges_it) {
        if (sender_ == EndpointState::closed)
            sender_ = EndpointState::last_ack;  // it is still repeating (C6)
        const bool first = sender_ == EndpointState::syn_rcvd || sender_ == EndpointState::established ||
                           sender_ == EndpointState::close_wait;
        if (!first) return;
        // It sent its FIN before it had the other's, or after; its acknowledgement tells (C2, C3).
        if (!receiver_fin)
            sender_ = EndpointState::fin_wait_1;
        else
            sender_ = acknowledges_it ? EndpointState::last_ack : EndpointState::closing;
        if (receiver_ == EndpointState::established)
            receiver_ = EndpointState::close_wait;
        else if (receiver_ == EndpointState::fin_wait_1)
            receiver_ = EndpointState::closing;
        else if (receiver_ == EndpointState::fin_wait_2)
            receiver_ = EndpointState::time_wait;
    }
};

}  // namespace

Judgement judge_by_the_book(Pair pair, Direction from, FlagClass cls, unsigned predicates) {
    return Book(pair, from, cls, predicates).judge();
}

}  // namespace sluice::test
