#include "pending.hpp"

#include <algorithm>

#include "sluice/base/sequence.hpp"
#include "sluice/tcp/window.hpp"

namespace sluice::tcp::detail {
namespace {

unsigned bit_of(Direction side) {
    return 1U << static_cast<unsigned>(side);
}
Side& side_in(Connection& connection, Direction side) {
    return connection.side[static_cast<std::size_t>(side)];
}

void set_scale(Connection& connection, Direction side, unsigned scale) {
    if (side == Direction::original)
        connection.scale_original = scale & 15U;
    else
        connection.scale_reply = scale & 15U;
}

/// The new data and FINs of a side that its remembered SYN survives: of before that SYN, and overtaken by it.
constexpr unsigned most_overtaken = 15;

unsigned shift_of(Direction side) {
    return side == Direction::original ? 0 : 4;
}
unsigned advances_of(const PendingSyn& pending, Direction side) {
    return (unsigned{pending.advances} >> shift_of(side)) & 15U;
}
void set_advances(PendingSyn& pending, Direction side, unsigned count) {
    pending.advances =
        static_cast<std::uint8_t>((pending.advances & ~(15U << shift_of(side))) | count << shift_of(side));
}

/// A repetition never takes anything back, least of all the data on the first copy (O12).
void add_what_is_known(RememberedSyn known, PendingSyn::Kind known_kind, RememberedSyn& syn,
                       PendingSyn::Kind& kind) {
    if (known_kind.valid == 0 || known_kind.reply_side != kind.reply_side || known.sequence != syn.sequence)
        return;
    syn.payload = std::max(syn.payload, known.payload);
    syn.window = std::max(syn.window, known.window);
    if (kind.scale_offered == 0) kind.scale = known_kind.scale;
    kind.scale_offered |= known_kind.scale_offered;
    kind.sack_permitted |= known_kind.sack_permitted;
}

}  // namespace

PendingSyn::Kind kind_of(const Segment& segment, Direction side) {
    PendingSyn::Kind kind{};
    kind.scale = (segment.has_window_scale ? segment.window_scale : 0U) & 15U;
    kind.scale_offered = segment.has_window_scale ? 1 : 0;
    kind.sack_permitted = segment.sack_permitted ? 1 : 0;
    kind.reply_side = side == Direction::reply ? 1 : 0;
    kind.valid = 1;
    return kind;
}

void start_side(Connection& connection, Direction side, RememberedSyn syn, PendingSyn::Kind kind) {
    Side& own = side_in(connection, side);
    own.end = syn.end();
    own.max_window = syn.window;
    set_scale(connection, side, kind.scale);
    connection.scale_offered =
        ((connection.scale_offered & ~bit_of(side)) | (kind.scale_offered != 0 ? bit_of(side) : 0U)) & 3U;
    connection.sack_permitted =
        ((connection.sack_permitted & ~bit_of(side)) | (kind.sack_permitted != 0 ? bit_of(side) : 0U)) & 3U;
}

void add_to_side(Connection& connection, Direction side, RememberedSyn syn, PendingSyn::Kind kind) {
    Side& own = side_in(connection, side);
    own.end = later(own.end, syn.end());
    own.max_window = std::max<std::uint32_t>(own.max_window, syn.window);
    // An option counts if any copy of the SYN carried it: the answer tells whether that copy was received.
    if (kind.scale_offered != 0 && (connection.scale_offered & bit_of(side)) == 0) {
        set_scale(connection, side, kind.scale);
        connection.scale_offered = (connection.scale_offered | bit_of(side)) & 3U;
    }
    if (kind.sack_permitted != 0) connection.sack_permitted = (connection.sack_permitted | bit_of(side)) & 3U;
}

unsigned forgotten_scales(const Connection& connection) {
    return connection.seen == 3U && connection.scale_offered != 3U ? connection.scale_offered : 0U;
}

void negotiate(Connection& connection, unsigned forgotten) {
    if (connection.seen != 3U) return;
    if (connection.scale_offered != 3U) {
        connection.scale_original = 0;
        connection.scale_reply = 0;
        return;
    }
    for (const Direction side : {Direction::original, Direction::reply})
        if ((forgotten & bit_of(side)) != 0) set_scale(connection, side, unknown_scale);
}

void remember_syn(PendingSyn& pending, RememberedSyn syn, PendingSyn::Kind kind, bool older) {
    add_what_is_known(pending.highest, pending.highest_kind, syn, kind);
    add_what_is_known(pending.last, pending.last_kind, syn, kind);
    const bool same_side = pending.highest_kind.reply_side == kind.reply_side;
    const bool keeps =
        pending.highest_kind.valid != 0 && (!same_side || after(pending.highest.sequence, syn.sequence));
    if (!older && !keeps) {
        pending.highest = syn;
        pending.highest_kind = kind;
        pending.highest_answers = 0;
    }
    pending.last = syn;
    pending.last_kind = kind;
    pending.replaced = 0;
    set_advances(pending, side_of(kind), 0);
}

void remember_other_synack(PendingSyn& pending, RememberedSyn syn, PendingSyn::Kind kind) {
    pending.highest = syn;
    pending.highest_kind = kind;
    pending.highest_answers = 1;
    set_advances(pending, side_of(kind), 0);
}

void remember_replaced(PendingSyn& pending, const Connection& connection, Direction side) {
    const Side& own = connection.side[static_cast<std::size_t>(side)];
    const std::uint32_t isn = connection.side[static_cast<std::size_t>(opposite(side))].max_ack - 1;
    PendingSyn::Kind kind{};
    kind.scale = (side == Direction::original ? connection.scale_original : connection.scale_reply) & 15U;
    kind.scale_offered = (connection.scale_offered & bit_of(side)) != 0 ? 1 : 0;
    kind.sack_permitted = (connection.sack_permitted & bit_of(side)) != 0 ? 1 : 0;
    kind.reply_side = side == Direction::reply ? 1 : 0;
    kind.valid = 1;
    remember_other_synack(
        pending,
        {.sequence = isn,
         .payload = static_cast<std::uint16_t>(own.end - isn - 1),
         .window = static_cast<std::uint16_t>(std::min<std::uint32_t>(own.max_window, 0xFFFF))},
        kind);
}

void note_end(PendingSyn& pending, Direction side, std::uint32_t end, bool is_fin) {
    std::uint32_t& known = pending.tolerated_end[static_cast<std::size_t>(side)];
    // Ends far apart belong to different connections: the later one replaces the other.
    constexpr std::int32_t one_connection = 1 << 30;
    const std::int32_t ahead = sequence_distance(end, known);
    if ((pending.end_valid & bit_of(side)) != 0 && ahead < 0 && ahead > -one_connection) return;
    // A bare ACK behind a FIN ends where the FIN does: it takes nothing back from it.
    const bool fin_known = ahead == 0 && (pending.end_is_fin & bit_of(side)) != 0;
    known = end;
    pending.end_valid = (pending.end_valid | bit_of(side)) & 3U;
    pending.end_is_fin =
        ((pending.end_is_fin & ~bit_of(side)) | (is_fin || fin_known ? bit_of(side) : 0U)) & 3U;
}

void forget(PendingSyn& pending, const Connection& connection, Direction side, bool advances) {
    const unsigned bit = bit_of(side);
    const Side& own = connection.side[static_cast<std::size_t>(side)];
    const Side& peer = connection.side[static_cast<std::size_t>(opposite(side))];
    const std::uint32_t ahead = pending.tolerated_end[static_cast<std::size_t>(side)] - own.end;
    // A FIN waits for its acknowledgement also when a bare ACK behind it was accepted in the meantime.
    const bool awaited =
        (pending.end_is_fin & bit) != 0 && !fin_has_passed(static_cast<Pair>(connection.pair), side);
    // Overtaken (then it is half the circle ahead), or of another connection: further ahead than its peer
    // could have allowed.
    const bool useless = ahead == 0 ? !awaited : ahead > 2 * std::max(peer.max_window, 65536U);
    if (useless) {
        pending.end_valid = pending.end_valid & ~bit & 3U;
        pending.end_is_fin = pending.end_is_fin & ~bit & 3U;
    }
    if (!advances) return;
    const bool kept = is_of(pending.highest_kind, side) || is_of(pending.last_kind, side);
    if (kept && advances_of(pending, side) < most_overtaken) {
        set_advances(pending, side, advances_of(pending, side) + 1);
        return;
    }
    if (is_of(pending.highest_kind, side)) pending.highest_kind.valid = 0;
    if (is_of(pending.last_kind, side)) pending.last_kind.valid = 0;
    if (pending.highest_kind.valid == 0 && pending.last_kind.valid == 0)
        pending.acknowledgement_valid = pending.replaced = 0;
}

bool anything(const PendingSyn& pending) {
    return pending.highest_kind.valid != 0 || pending.last_kind.valid != 0 || pending.end_valid != 0 ||
           pending.acknowledgement_valid != 0 || pending.replaced != 0;
}

}  // namespace sluice::tcp::detail
