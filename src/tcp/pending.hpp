// What is remembered beside the connection, and how a side begins from a SYN: private to the engine.
#pragma once

#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::tcp::detail {

/// The scale of a side whose SYN we have not seen is unknown. Taking it for the largest keeps bound I honest:
/// whatever was offered, we never think it less (O14).
inline constexpr unsigned unknown_scale = 14;
/// And what it offered before we looked was no less than this: its SYN's window, or what a coarse scale
/// rounded off.
inline constexpr std::uint32_t unknown_window = 65535;

[[nodiscard]] inline Direction side_of(PendingSyn::Kind kind) {
    return kind.reply_side != 0 ? Direction::reply : Direction::original;
}
/// Whether a SYN of this side is remembered here.
[[nodiscard]] inline bool is_of(PendingSyn::Kind kind, Direction side) {
    return kind.valid != 0 && side_of(kind) == side;
}

/// The ISN of the newest SYN of `side` while it dials: of the one in the connection, or of a higher one after
/// it (O6c).
[[nodiscard]] inline std::uint32_t newest_syn(const PendingSyn& pending, const Connection& connection,
                                              Direction side) {
    return is_of(pending.highest_kind, side)
               ? pending.highest.sequence
               : connection.side[static_cast<std::size_t>(opposite(side))].max_ack - 1;
}

/// What there is to remember of a SYN or SYN,ACK beside its numbers.
[[nodiscard]] PendingSyn::Kind kind_of(const Segment& segment, Direction side);

/// Begins one side from its SYN. What it may send and what it has acknowledged is the caller's to set.
void start_side(Connection& connection, Direction side, RememberedSyn syn, PendingSyn::Kind kind);

/// A repetition of the SYN a side began with: never takes anything back (O12).
void add_to_side(Connection& connection, Direction side, RememberedSyn syn, PendingSyn::Kind kind);

/// The sides (a bit per Direction) that offered a shift which is forgotten, as the other side offered none.
[[nodiscard]] unsigned forgotten_scales(const Connection& connection);

/// Window scaling counts when both sides offered it (RFC 7323 2.2); called when both SYNs are known. A side
/// among `forgotten` (as it was before the SYN that now counts) has offered something: the largest is no
/// less.
void negotiate(Connection& connection, unsigned forgotten = 0);

/// Remembers a SYN as the last one, and as the highest unless it is `older` than one the connection stands
/// for.
void remember_syn(PendingSyn& pending, RememberedSyn syn, PendingSyn::Kind kind, bool older);

/// A SYN,ACK that is not the one its side stands with: kept, in case it is the one believed.
void remember_other_synack(PendingSyn& pending, RememberedSyn syn, PendingSyn::Kind kind);

/// The SYN,ACK a side began with is about to give way to another one: kept likewise.
void remember_replaced(PendingSyn& pending, const Connection& connection, Direction side);

/// Data or a FIN was tolerated: it ends here.
void note_end(PendingSyn& pending, Direction side, std::uint32_t end, bool is_fin);

/// Drops what an accepted segment from `side` has overtaken. `advances`: it brought new data, so that its
/// sender lives in this connection and not in one it dialled since.
void forget(PendingSyn& pending, const Connection& connection, Direction side, bool advances);

[[nodiscard]] bool anything(const PendingSyn& pending);

}  // namespace sluice::tcp::detail
