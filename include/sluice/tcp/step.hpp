// The engine's front door. Pure: no clock, no memory, no packet. (connection, segment) -> (connection,
// verdict).
//
// An accepted ACK, data or FIN of a flow both sides of which are known is judged here, inline: two table
// loads and no branch that depends on the connection's state. Everything else (SYN, RST, whatever is
// tolerated or refused, flows with remembered SYNs or an unseen side) is rare and goes out of line, through
// the same two tables.
#pragma once

#include <cstdint>

#include "sluice/base/lifetime.hpp"
#include "sluice/base/reason.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/segment.hpp"
#include "sluice/tcp/tables.hpp"
#include "sluice/tcp/verdict.hpp"
#include "sluice/tcp/window.hpp"

namespace sluice::tcp {

/// May this segment, which belongs to no flow, start one? If so initialises `connection` and returns
/// accepted; else says why not (bad_flags, no_connection). The sender becomes the originator.
[[nodiscard]] Verdict open(Connection& connection, const Segment& segment, const Settings& settings);

/// One segment of a flow. `pending` holds the remembered SYNs when connection.pending_syn is set and is
/// otherwise ignored; the caller keeps it when connection.pending_syn is set afterwards. A refused segment
/// changes nothing; a tolerated one nothing but what is pending (and seen_reply). connection.lifetime is the
/// caller's to set, but for a flow that begins anew (Verdict::reopens).
[[nodiscard]] inline Verdict step(Connection& connection, PendingSyn& pending, Direction direction,
                                  const Segment& segment, const Settings& settings);

namespace detail {

/// step() for whatever the inline path does not accept. Same contract.
[[nodiscard]] Verdict step_rare(Connection& connection, PendingSyn& pending, Direction direction,
                                const Segment& segment, const Settings& settings);

/// The numbers of a segment without SYN, its window scaled as negotiated.
[[nodiscard]] inline Span span_of(const Connection& connection, Direction direction, const Segment& segment) {
    const unsigned scale =
        direction == Direction::original ? connection.scale_original : connection.scale_reply;
    // SACK counts where the side it tells something permitted it (RFC 2018 section 2).
    const bool sack_counts =
        segment.has_sack &
        (((connection.sack_permitted >> static_cast<unsigned>(opposite(direction))) & 1U) != 0);
    return {
        .sequence = segment.sequence,
        .end = segment.sequence + segment.payload_length + (segment.flags & Flag::fin),
        .acknowledgement = segment.acknowledgement,
        .sack = sack_counts ? later(segment.acknowledgement, segment.sack_highest) : segment.acknowledgement,
        .window = std::uint32_t{segment.window} << scale};
}

/// Which timeout runs after an accepted segment, first match. The cuts of an established flow apply to no
/// other: its lifetime is the only one longer than they are.
[[nodiscard]] inline Lifetime lifetime_in_force(const Connection& connection, std::uint16_t window,
                                                const Settings& settings) {
    const Pair pair = static_cast<Pair>(connection.pair);
    if (pair != Pair::established__established) return text_of(pair).lifetime;
    const std::uint32_t behind = (connection.side[0].end ^ connection.side[1].max_ack) |
                                 (connection.side[1].end ^ connection.side[0].max_ack);
    const bool unacknowledged = (behind != 0) | (window == 0);
    Lifetime lifetime = unacknowledged ? Lifetime::unacknowledged : Lifetime::established;
    if (connection.retransmissions >= settings.max_retrans) lifetime = Lifetime::max_retrans;
    // Picked up and not yet heard from both sides; on a one-way path that is how it stays.
    if (!connection.assured) lifetime = settings.asymmetric ? Lifetime::established : Lifetime::loose;
    return lifetime;
}

}  // namespace detail

inline Verdict step(Connection& connection, PendingSyn& pending, Direction direction, const Segment& segment,
                    const Settings& settings) {
    const FlagClass cls = classify_flags(segment.flags);
    const bool usual = ((cls == FlagClass::ack) | (cls == FlagClass::fin)) & (connection.seen == 3U) &
                       (connection.pending_syn == 0U);
    if (!usual) [[unlikely]]
        return detail::step_rare(connection, pending, direction, segment, settings);

    Side& sender = connection.side[static_cast<std::size_t>(direction)];
    Side& receiver = connection.side[static_cast<std::size_t>(opposite(direction))];
    const Pair pair = static_cast<Pair>(connection.pair);
    const Span span = detail::span_of(connection, direction, segment);
    const unsigned predicates =
        window_predicates(sender, receiver, span, fin_has_passed(pair, direction), cls == FlagClass::fin) |
        sender_seen;
    const Cell cell = transition(pair, direction, classify(cls, predicates));
    if (cell.reason != 0) [[unlikely]]
        return detail::step_rare(connection, pending, direction, segment, settings);

    learn(connection, sender, receiver, span);
    connection.pair = cell.next & 31U;
    // Proof takes both sides: `seen_reply` here is still that of before this segment.
    connection.assured = (connection.assured | (cell.assures & connection.seen_reply)) & 1U;
    connection.seen_reply = (connection.seen_reply | static_cast<unsigned>(direction)) & 1U;
    return {.outcome = Outcome::accepted,
            .reason = Reason::none,
            .refresh = static_cast<Refresh>(cell.refresh),
            .lifetime = detail::lifetime_in_force(connection, segment.window, settings),
            .reopens = false};
}

}  // namespace sluice::tcp
