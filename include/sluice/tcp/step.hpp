// The engine's front door. Pure: no clock, no memory, no packet. (connection, segment) -> (connection,
// verdict).
//
// An accepted ACK, data or FIN of a flow both sides of which are known is usual (usual.hpp). Everything else
// (SYN, RST, whatever is tolerated or refused, flows with remembered SYNs or an unseen side) is rare and goes
// out of line, through the same two tables.
#pragma once

#include <cstdint>

#include "sluice/base/lifetime.hpp"
#include "sluice/base/reason.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/segment.hpp"
#include "sluice/tcp/tables.hpp"
#include "sluice/tcp/usual.hpp"
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

[[nodiscard, gnu::always_inline]] inline SegmentOf<std::uint32_t> words_of(const Segment& segment) {
    return {.sequence = segment.sequence,
            .acknowledgement = segment.acknowledgement,
            .payload_length = segment.payload_length,
            .window = segment.window,
            .fin = segment.flags & std::uint32_t{Flag::fin},
            .sack_highest = segment.sack_highest,
            .has_sack = mask_of(segment.has_sack)};
}

/// The numbers of a segment without SYN, its window scaled as negotiated.
[[nodiscard]] inline Span span_of(const Connection& connection, Direction direction, const Segment& segment) {
    return span_of(small_fields(connection), mask_of(direction == Direction::reply), words_of(segment));
}

/// Which timeout runs after an accepted segment. The cuts of an established flow apply to no other: its
/// lifetime is the only one longer than they are.
[[nodiscard]] inline Lifetime lifetime_in_force(const Connection& connection, std::uint16_t window,
                                                const Settings& settings) {
    const Pair pair = static_cast<Pair>(connection.pair);
    if (pair != Pair::established__established) return text_of(pair).lifetime;
    return static_cast<Lifetime>(open_lifetime<std::uint32_t>(connection.side[0], connection.side[1],
                                                              connection.retransmissions, connection.assured,
                                                              window, settings));
}

}  // namespace detail

inline Verdict step(Connection& connection, PendingSyn& pending, Direction direction, const Segment& segment,
                    const Settings& settings) {
    std::uint32_t fields = small_fields(connection);
    if (!are_usual(segment.flags) || is_usual(fields) == 0) [[unlikely]]
        return detail::step_rare(connection, pending, direction, segment, settings);

    Side& sender = connection.side[static_cast<std::size_t>(direction)];
    Side& receiver = connection.side[static_cast<std::size_t>(opposite(direction))];
    Side sender_after = sender, receiver_after = receiver;
    const auto take = [&]<Within within>() {
        return step_usual<within>(sender_after, receiver_after, fields,
                                  mask_of(direction == Direction::reply), detail::words_of(segment),
                                  settings);
    };
    const bool open = is_plainly_open(fields) != 0 && (segment.flags & Flag::fin) == 0;
    const StepOf<std::uint32_t> usual = open ? take.template operator()<Within::open_connection>()
                                             : take.template operator()<Within::any_pair>();
    if (usual.accepted == 0) [[unlikely]]
        return detail::step_rare(connection, pending, direction, segment, settings);
    sender = sender_after;
    receiver = receiver_after;
    set_small_fields(connection, fields);
    return {.outcome = Outcome::accepted,
            .reason = Reason::none,
            .refresh = static_cast<Refresh>(usual.refresh),
            .lifetime = static_cast<Lifetime>(usual.lifetime),
            .reopens = false};
}

}  // namespace sluice::tcp
