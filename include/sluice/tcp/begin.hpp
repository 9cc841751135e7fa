// A connection that begins with a SYN.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/segment.hpp"
#include "sluice/tcp/usual.hpp"
#include "sluice/tcp/verdict.hpp"

namespace sluice::tcp {

/// What a connection that a SYN ends leaves to the one that begins.
struct Former {
    std::uint16_t payload = 0;                ///< bytes that rode on an earlier copy of the SYN (O12)
    bool known = false;                       ///< whether the SYN's sender was heard in that connection; then
    std::uint32_t end = 0, acknowledged = 0;  ///< its highest number, and the highest acknowledgement of it
};

/// Of a SYN that begins a connection.
inline constexpr Verdict opens{.outcome = Outcome::accepted,
                               .reason = Reason::none,
                               .refresh = Refresh::set,
                               .lifetime = Lifetime::syn_sent};

/// A connection of which nothing has been heard but that it is there (made by hand): its numbers are learnt
/// from what is heard, as of one picked up in mid-stream (O14). All but the status is set.
[[nodiscard]] Connection unheard(Pair pair);

/// A connection that begins with `syn`, its sender the originator. All but `pending_syn` is set.
[[nodiscard, gnu::always_inline]] inline Connection begin(const Segment& syn, const Former& former = {}) {
    const std::uint32_t end = syn.sequence + 1 + std::max<std::uint32_t>(syn.payload_length, former.payload);
    Connection fresh{};
    fresh.side[0] = {.end = end, .max_end = end, .max_window = syn.window, .max_ack = 0};
    // Until the responder is heard its numbers say what is known otherwise. What it will acknowledge at the
    // least: the SYN, whose ISN is found here. And what it may acknowledge of the connection before: up to
    // `end`, from behind `max_end`.
    fresh.side[1] = {.end = former.end,
                     .max_end = former.acknowledged - (former.known ? 1U : 0U),
                     .max_window = 0,
                     .max_ack = syn.sequence + 1};
    // Put together in a register: bit by bit in memory, each would wait for the one before.
    const detail::Field common([](Connection& c) {
        c.seen = 1;
        c.pair = static_cast<unsigned>(Pair::syn_sent__syn_rcvd) & 31U;
        c.lifetime = static_cast<unsigned>(Lifetime::syn_sent) & 31U;
    });
    const detail::Field scale([](Connection& c) { c.scale_original = 15; });
    const detail::Field scale_offered([](Connection& c) { c.scale_offered = 1; });
    const detail::Field sack_permitted([](Connection& c) { c.sack_permitted = 1; });
    set_small_fields(fresh, common.mask() |
                                scale.in_place(mask_of(syn.has_window_scale) & (syn.window_scale & 15U)) |
                                scale_offered.in_place(std::uint32_t{syn.has_window_scale}) |
                                sack_permitted.in_place(std::uint32_t{syn.sack_permitted}));
    return fresh;
}

}  // namespace sluice::tcp
