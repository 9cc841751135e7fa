// The questions of the window check, asked once more in plain words (docs/tcp.md, "The window check"), for a
// connection both sides of which are known and with nothing pending. The numbers are distances from one
// another, never sums: written apart from tcp/window.hpp and tcp/step_rare.cpp, which are held against it.
#pragma once

#include <algorithm>

#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/event.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::fuzz {

class PlainPredicates {
  public:
    PlainPredicates(const tcp::Connection& connection, tcp::Direction direction, const tcp::Segment& segment)
        : connection_(connection),
          direction_(direction),
          segment_(segment),
          cls_(tcp::classify_flags(segment.flags)),
          sender_(connection.side[static_cast<unsigned>(direction)]),
          receiver_(connection.side[1 - static_cast<unsigned>(direction)]) {
        const bool syn = (segment.flags & tcp::Flag::syn) != 0, fin = (segment.flags & tcp::Flag::fin) != 0;
        end_ = segment.sequence + segment.payload_length + (syn ? 1 : 0) + (fin ? 1 : 0);
        const unsigned shift =
            direction == tcp::Direction::original ? connection.scale_original : connection.scale_reply;
        window_ = syn ? segment.window : static_cast<std::int64_t>(segment.window) << shift;
        const bool sack_agreed =
            (connection.sack_permitted & (direction == tcp::Direction::original ? 2U : 1U)) != 0;
        highest_ack_ = segment.acknowledgement;
        if (segment.has_sack && sack_agreed && !syn && ahead(segment.sack_highest, highest_ack_) > 0)
            highest_ack_ = segment.sack_highest;
        // What was picked up in mid-stream may have sent more than we saw, as far as it was allowed to.
        const bool unseen_data =
            connection.picked_up != 0 && plain() && ahead(highest_ack_, receiver_.end) > 0 &&
            ahead(highest_ack_, receiver_.max_end) <= 0 && !fin_sent(opposite(direction));
        if (unseen_data) receiver_.end = highest_ack_;
    }

    [[nodiscard]] unsigned get() const {
        switch (cls_) {
            case tcp::FlagClass::syn:
                return tcp::sender_seen | of_syn();
            case tcp::FlagClass::rst:
            case tcp::FlagClass::rst_ack:
                return tcp::sender_seen | of_reset();
            case tcp::FlagClass::ack:
            case tcp::FlagClass::fin:
            case tcp::FlagClass::syn_ack:
                return tcp::sender_seen | of_acknowledging();
            default:
                return tcp::sender_seen;
        }
    }

    /// What both sides know behind an accepted ACK, data or FIN.
    [[nodiscard]] std::array<tcp::Side, 2> learnt() const {
        tcp::Side sender = sender_, receiver = receiver_;
        if (no_less(end_, sender.end)) sender.end = end_;
        if (no_less(segment_.acknowledgement, sender.max_ack)) sender.max_ack = segment_.acknowledgement;
        const std::int64_t offered = window_ + ahead(highest_ack_, segment_.acknowledgement);
        sender.max_window = static_cast<std::uint32_t>(std::min<std::int64_t>(
            std::int64_t{1} << 30, std::max<std::int64_t>(sender.max_window, offered)));
        const auto allowed =
            static_cast<std::uint32_t>(highest_ack_ + std::max<std::int64_t>(window_, 1));  // a probe
        if (no_less(allowed, receiver.max_end)) receiver.max_end = allowed;
        if (direction_ == tcp::Direction::original) return {sender, receiver};
        return {receiver, sender};
    }

    [[nodiscard]] bool plain() const { return cls_ == tcp::FlagClass::ack || cls_ == tcp::FlagClass::fin; }

  private:
    const tcp::Connection& connection_;
    tcp::Direction direction_;
    const tcp::Segment& segment_;
    tcp::FlagClass cls_;
    tcp::Side sender_, receiver_;
    std::uint32_t end_ = 0, highest_ack_ = 0;
    std::int64_t window_ = 0;

    static std::int64_t ahead(std::uint32_t a, std::uint32_t b) {
        const std::int64_t forward = (std::int64_t{a} - b) & 0xFFFFFFFF;
        return forward < 0x80000000 ? forward : forward - 0x100000000;
    }
    /// At half the circle neither is ahead; the newer number counts.
    static bool no_less(std::uint32_t newer, std::uint32_t older) {
        return ahead(newer, older) >= 0 || newer - older == 0x80000000;
    }
    [[nodiscard]] const tcp::PairText& pair() const {
        return tcp::text_of(static_cast<tcp::Pair>(connection_.pair));
    }
    [[nodiscard]] bool fin_sent(tcp::Direction side) const {
        using tcp::EndpointState;
        const EndpointState state = side == tcp::Direction::original ? pair().originator : pair().responder;
        return state != EndpointState::listen && state != EndpointState::syn_sent &&
               state != EndpointState::syn_rcvd && state != EndpointState::established &&
               state != EndpointState::close_wait;
    }
    [[nodiscard]] bool opening() const {
        return pair().originator == tcp::EndpointState::syn_rcvd ||
               pair().responder == tcp::EndpointState::syn_rcvd;
    }
    [[nodiscard]] bool closed() const { return pair().conntrack_name == "CLOSE"; }

    [[nodiscard]] unsigned of_acknowledging() const {
        const std::int64_t beyond = ahead(segment_.sequence, sender_.max_end);
        const std::uint32_t seen_and_allowed =
            ahead(sender_.end, sender_.max_end) < 0 ? sender_.end : sender_.max_end;
        const bool fin = cls_ == tcp::FlagClass::fin;
        const bool past_fin = fin_sent(direction_) && ahead(end_, sender_.end) > 0;
        const bool false_fin = fin && ahead(end_, sender_.end) < 0;
        const std::int64_t reach = std::max<std::int64_t>(66'000, sender_.max_window);

        unsigned out = 0;
        if (beyond <= 0) out |= tcp::not_after;
        if (beyond <= std::int64_t{receiver_.max_window} && !past_fin) out |= tcp::not_far_after;
        if ((beyond > 0 || ahead(end_, seen_and_allowed) >= -std::int64_t{receiver_.max_window}) &&
            !false_fin)
            out |= tcp::not_before;
        if (ahead(highest_ack_, receiver_.end) <= 0) out |= tcp::ack_sent;
        if (ahead(highest_ack_, receiver_.end) >= -reach) out |= tcp::ack_fresh;
        if (ahead(segment_.acknowledgement, sender_.max_ack) >= 0 && !answers_nothing())
            out |= tcp::ack_not_back;
        if (segment_.acknowledgement == receiver_.end) out |= tcp::match;
        if (plain() && waits_for_an_answer() && !acknowledges_what_waits(out))
            out |= tcp::not_after | tcp::not_far_after;
        const bool bare = cls_ == tcp::FlagClass::ack && segment_.payload_length == 0;
        if (bare && opening() && acknowledges_what_waits(out)) out |= tcp::answers_pending;
        if (cls_ == tcp::FlagClass::syn_ack && ends() && ahead(end_, sender_.end) > 0)
            out &= ~unsigned{tcp::not_after};
        return out;
    }
    /// At least one side has sent a FIN, and no RST has passed.
    [[nodiscard]] bool ends() const {
        return !closed() && (fin_sent(tcp::Direction::original) || fin_sent(tcp::Direction::reply));
    }
    /// The other side has sent its SYN, or SYN,ACK, and nothing has acknowledged that.
    [[nodiscard]] bool waits_for_an_answer() const {
        const tcp::EndpointState waiting =
            direction_ == tcp::Direction::original ? pair().responder : pair().originator;
        return waiting == tcp::EndpointState::syn_rcvd;
    }
    [[nodiscard]] static bool acknowledges_what_waits(unsigned out) {
        return (out & tcp::ack_sent) != 0 && (out & tcp::ack_fresh) != 0 && (out & tcp::ack_not_back) != 0;
    }
    /// A SYN,ACK that nobody waits for: late behind a RST, or with another number than the SYN its side began
    /// with.
    [[nodiscard]] bool answers_nothing() const {
        if (cls_ != tcp::FlagClass::syn_ack) return false;
        if (closed()) return connection_.picked_up != 0 || comes_late();
        const tcp::EndpointState waiting =
            direction_ == tcp::Direction::original ? pair().responder : pair().originator;
        const bool repeats = segment_.sequence + 1 == receiver_.max_ack || end_ == sender_.end;
        return waiting == tcp::EndpointState::syn_rcvd && !repeats;
    }
    /// A SYN,ACK from just below what its side has sent since, and not the one that is answered.
    [[nodiscard]] bool comes_late() const {
        const std::int64_t behind = ahead(sender_.end, segment_.sequence);
        return segment_.sequence + 1 != receiver_.max_ack && behind >= 1 && behind <= 66'000;
    }
    [[nodiscard]] unsigned of_syn() const {
        const std::uint32_t first_byte = segment_.sequence + 1;
        const std::uint32_t known = opening() ? receiver_.max_ack : sender_.end;
        unsigned out = 0;
        if (end_ == sender_.end || (opening() && first_byte == receiver_.max_ack)) out |= tcp::match;
        if (ahead(first_byte, known) >= 0) out |= tcp::ack_not_back;
        return out;
    }
    [[nodiscard]] unsigned of_reset() const {
        const std::uint32_t sequence = segment_.sequence;
        unsigned out = 0;
        const std::uint32_t edge = ahead(sender_.end, sender_.max_end) > 0 ? sender_.end : sender_.max_end;
        if (ahead(sequence, edge) <= 0) out |= tcp::not_after;
        if (ahead(sequence, receiver_.max_ack) >= 0) out |= tcp::not_before;
        if (sequence == receiver_.max_ack || sequence == sender_.end) out |= tcp::match;
        if (cls_ == tcp::FlagClass::rst) return out;
        if (ahead(segment_.acknowledgement, receiver_.end) <= 0) out |= tcp::ack_sent;
        if (ahead(segment_.acknowledgement, sender_.max_ack) >= 0) out |= tcp::ack_not_back;
        const bool refuses_a_late_syn = sequence == 0 && (out & tcp::ack_sent) != 0;
        if (refuses_a_late_syn) out &= ~unsigned{tcp::not_before};
        return out;
    }
};

}  // namespace sluice::fuzz
