// The window check: van Rooij's four bounds ("Real Stateful TCP Packet Filtering in IP Filter", 2001) as four
// comparisons and one mask. What one side may send is known from what the other has acknowledged and offered,
// both of which pass through us.
//
// There is nothing here but arithmetic, and so it is written for a word or for lanes (base/lanes.hpp): one
// segment, or one each of eight connections.
#pragma once

#include <cstdint>

#include "sluice/base/lanes.hpp"
#include "sluice/base/sequence.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/event.hpp"

namespace sluice::tcp {

/// How far behind the data an acknowledgement may be at least, whatever the windows (nf_conntrack's
/// MAXACKWINDOW: a maximal segment and a little).
inline constexpr std::uint32_t max_ack_reach = 66000;

/// No window is larger (RFC 7323 2.3: 2^30); keeps every comparison on its half of the circle.
inline constexpr std::uint32_t largest_window = std::uint32_t{1} << 30;

/// The numbers of one segment, ready to be held against a connection.
template <class Word>
struct SpanOf {
    Word sequence;
    Word end;  ///< sequence + payload + SYN + FIN
    Word acknowledgement;
    Word sack;    ///< the highest number it acknowledges, SACK blocks included
    Word window;  ///< bytes, scaled (of a SYN: as it stands)
};
using Span = SpanOf<std::uint32_t>;

/// The further of two numbers, on the circle.
template <class Word>
[[nodiscard, gnu::always_inline]] constexpr Word later_of(const Word& a, const Word& b) {
    return select(is_positive(a - b), a, b);
}

/// Whether the pair says that this side's FIN has passed: nothing follows it. A mask.
template <class Word>
[[nodiscard, gnu::always_inline]] constexpr Word fin_has_passed(const Word& pair, const Word& from_reply) {
    // A bit per pair for the originator's FIN, then one for the responder's.
    constexpr std::uint64_t mask = [] {
        std::uint64_t out = 0;
        for (std::size_t i = 0; i < pair_count; ++i)
            for (unsigned side = 0; side < 2; ++side) {
                const EndpointState state = side == 0 ? pair_texts[i].originator : pair_texts[i].responder;
                const bool sent = state == EndpointState::fin_wait_1 || state == EndpointState::fin_wait_2 ||
                                  state == EndpointState::closing || state == EndpointState::last_ack ||
                                  state == EndpointState::time_wait || state == EndpointState::closed;
                out |= static_cast<std::uint64_t>(sent) << (side * pair_count + i);
            }
        return out;
    }();
    const auto from = [](std::size_t first) { return static_cast<std::uint32_t>(mask >> first); };
    const Word pairs = (from_reply & (from(0) ^ from(pair_count))) ^ from(0);
    return is_negative(pairs << (31U - pair));
}
static_assert(pair_count <= 32, "in a word");
[[nodiscard]] constexpr bool fin_has_passed(Pair pair, Direction side) {
    return fin_has_passed(static_cast<std::uint32_t>(pair), mask_of(side == Direction::reply)) != 0;
}

/// The predicates of a segment with an acknowledgement (SYN,ACK included), all but sender_seen and
/// answers_pending. `sender_fin_passed` and `is_fin` are masks.
///
/// Bound II reaches back one window of the receiver from the end of what the sender was allowed to send, not
/// from what it sent beyond that: RCV.NXT >= max_end - max_window holds whatever has passed.
template <class Word>
[[nodiscard, gnu::always_inline]] constexpr Word window_predicates(const SideOf<Word>& sender,
                                                                   const SideOf<Word>& receiver,
                                                                   const SpanOf<Word>& span,
                                                                   const Word& sender_fin_passed,
                                                                   const Word& is_fin) {
    const Word sent_and_allowed =
        select(is_negative(sender.end - sender.max_end), sender.end, sender.max_end);
    const Word ack_back = receiver.end - larger(Word{} + max_ack_reach, sender.max_window);
    // How far beyond the window, and how far behind; compared as distances, since with the largest windows
    // (1 GiB) the sum of edge and window would be half the circle away.
    const Word overshoot = span.sequence - sender.max_end;
    const Word beyond = is_positive(overshoot);
    const Word reached = ~is_less(span.end - sent_and_allowed, Word{} - receiver.max_window);
    const Word progress = span.end - sender.end;
    const Word past_fin = sender_fin_passed & is_positive(progress);
    // A FIN is the last an endpoint sends: one that ends below what it sent before is no FIN of its.
    const Word false_fin = is_fin & is_negative(progress);
    const auto bit = [](const Word& holds, Predicate predicate) {
        return holds & static_cast<std::uint32_t>(predicate);
    };
    return bit(~beyond, not_after) | bit((beyond | reached) & ~false_fin, not_before) |
           bit(~is_positive(span.sack - receiver.end), ack_sent) |
           bit(~is_negative(span.sack - ack_back), ack_fresh) |
           bit(~is_less(receiver.max_window, overshoot) & ~past_fin, not_far_after) |
           bit(~is_negative(span.acknowledgement - sender.max_ack), ack_not_back) |
           bit(is_equal(span.acknowledgement, receiver.end), match);
}

/// What both sides remember of an accepted segment. Counts retransmissions in a row, up to 7: data or a FIN
/// that brings nothing new. Duplicate acknowledgements and keepalives (a byte of what was acknowledged long
/// ago) are none, unlike in nf_conntrack, where three of them cut five days to five minutes.
template <class Word>
[[gnu::always_inline]] constexpr void learn(Word& retransmissions, SideOf<Word>& sender,
                                            SideOf<Word>& receiver, const SpanOf<Word>& span) {
    const Word length = span.end - span.sequence;
    const Word progress =
        is_positive(span.end - sender.end) | is_positive(span.acknowledgement - sender.max_ack);
    const Word keepalive = is_equal(length, Word{} + 1U) & is_equal(receiver.max_ack, sender.end);
    const Word again = ~is_equal(length, Word{}) & ~keepalive & 1U;
    retransmissions = ~progress & smaller(Word{} + 7U, retransmissions + again);

    sender.end = later_of(sender.end, span.end);
    sender.max_ack = later_of(sender.max_ack, span.acknowledgement);
    sender.max_window = smaller(Word{} + largest_window,
                                larger(sender.max_window, span.window + (span.sack - span.acknowledgement)));
    // Into a closed window one byte may be sent as a probe (RFC 9293 3.8.6.1).
    receiver.max_end =
        later_of(receiver.max_end, span.sack + span.window + (is_equal(span.window, Word{}) & 1U));
}

}  // namespace sluice::tcp
