// The window check: van Rooij's four bounds ("Real Stateful TCP Packet Filtering in IP Filter", 2001) as four
// comparisons and one mask. What one side may send is known from what the other has acknowledged and offered,
// both of which pass through us.
#pragma once

#include <algorithm>
#include <cstdint>

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
struct Span {
    std::uint32_t sequence;
    std::uint32_t end;  ///< sequence + payload + SYN + FIN
    std::uint32_t acknowledgement;
    std::uint32_t sack;    ///< the highest number it acknowledges, SACK blocks included
    std::uint32_t window;  ///< bytes, scaled (of a SYN: as it stands)
};

/// Whether the pair says that this side's FIN has passed: nothing follows it.
[[nodiscard]] constexpr bool fin_has_passed(Pair pair, Direction side) {
    constexpr std::uint64_t mask = [] {
        std::uint64_t out = 0;
        for (std::size_t i = 0; i < pair_count; ++i)
            for (unsigned side_ = 0; side_ < 2; ++side_) {
                const EndpointState state = side_ == 0 ? pair_texts[i].originator : pair_texts[i].responder;
                const bool sent = state == EndpointState::fin_wait_1 || state == EndpointState::fin_wait_2 ||
                                  state == EndpointState::closing || state == EndpointState::last_ack ||
                                  state == EndpointState::time_wait || state == EndpointState::closed;
                out |= static_cast<std::uint64_t>(sent) << (2 * i + side_);
            }
        return out;
    }();
    return ((mask >> (2 * static_cast<unsigned>(pair) + static_cast<unsigned>(side))) & 1U) != 0;
}

/// The predicates of a segment with an acknowledgement (SYN,ACK included), all but sender_seen and
/// answers_pending.
///
/// Bound II reaches back one window of the receiver from the end of what the sender was allowed to send, not
/// from what it sent beyond that: RCV.NXT >= max_end - max_window holds whatever has passed.
[[nodiscard]] constexpr unsigned window_predicates(const Side& sender, const Side& receiver, const Span& span,
                                                   bool sender_fin_passed, bool is_fin) {
    const std::uint32_t sent_and_allowed = before(sender.end, sender.max_end) ? sender.end : sender.max_end;
    const std::uint32_t ack_back = receiver.end - std::max(max_ack_reach, sender.max_window);
    // How far beyond the window, and how far behind; compared as distances, since with the largest windows
    // (1 GiB) the sum of edge and window would be half the circle away.
    const std::int32_t overshoot = sequence_distance(span.sequence, sender.max_end);
    const bool reached =
        sequence_distance(span.end, sent_and_allowed) >= -static_cast<std::int32_t>(receiver.max_window);
    const bool past_fin = sender_fin_passed & after(span.end, sender.end);
    // A FIN is the last an endpoint sends: one that ends below what it sent before is no FIN of its.
    const bool false_fin = is_fin & before(span.end, sender.end);
    const auto bit = [](bool holds, Predicate predicate) {
        return static_cast<unsigned>(holds) * static_cast<unsigned>(predicate);
    };
    return bit(overshoot <= 0, not_after) | bit(((overshoot > 0) | reached) & !false_fin, not_before) |
           bit(!after(span.sack, receiver.end), ack_sent) | bit(!before(span.sack, ack_back), ack_fresh) |
           bit((overshoot <= static_cast<std::int32_t>(receiver.max_window)) & !past_fin, not_far_after) |
           bit(!before(span.acknowledgement, sender.max_ack), ack_not_back) |
           bit(span.acknowledgement == receiver.end, match);
}

/// What both sides remember of an accepted segment. Counts retransmissions: data or a FIN that brings nothing
/// new. Duplicate acknowledgements and keepalives (a byte of what was acknowledged long ago) are none, unlike
/// in nf_conntrack, where three of them cut five days to five minutes.
constexpr void learn(Connection& connection, Side& sender, Side& receiver, const Span& span) {
    const std::uint32_t length = span.end - span.sequence;
    const unsigned progress = static_cast<unsigned>(after(span.end, sender.end)) |
                              static_cast<unsigned>(after(span.acknowledgement, sender.max_ack));
    const bool keepalive = (length == 1) & (receiver.max_ack == sender.end);
    const unsigned again = static_cast<unsigned>((length != 0) & !keepalive);
    const unsigned count = progress != 0 ? 0U : std::min(7U, connection.retransmissions + again);
    connection.retransmissions = count & 7U;

    sender.end = later(sender.end, span.end);
    sender.max_ack = later(sender.max_ack, span.acknowledgement);
    sender.max_window = std::min(
        largest_window, std::max(sender.max_window, span.window + (span.sack - span.acknowledgement)));
    // Into a closed window one byte may be sent as a probe (RFC 9293 3.8.6.1).
    receiver.max_end =
        later(receiver.max_end, span.sack + span.window + static_cast<unsigned>(span.window == 0));
}

}  // namespace sluice::tcp
