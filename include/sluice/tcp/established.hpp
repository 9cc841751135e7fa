// The step that nearly every segment is: data or an acknowledgement inside an open connection, in order.
//
// It is step() for a case where neither table has anything to decide: whatever an ACK within the four bounds
// acknowledges, ESTABLISHED,ESTABLISHED stays as it is (asserted below against the tables). What is left is
// arithmetic, and so it is written for a word or for lanes (base/lanes.hpp): one segment, or one each of
// eight connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sluice/base/lanes.hpp"
#include "sluice/base/lifetime.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/segment.hpp"
#include "sluice/tcp/tables.hpp"
#include "sluice/tcp/window.hpp"

namespace sluice::tcp {

/// The word of a Connection's small fields, as it lies in memory.
inline constexpr std::size_t small_fields_at = offsetof(Connection, side) + sizeof(Connection::side);
static_assert(small_fields_at + sizeof(std::uint32_t) == sizeof(Connection));
[[nodiscard]] inline std::uint32_t small_fields(const Connection& connection) {
    std::uint32_t word;
    std::memcpy(&word, reinterpret_cast<const std::byte*>(&connection) + small_fields_at, sizeof word);
    return word;
}

namespace detail {

/// A word in which only what `set` sets is not zero. Folded by the compiler.
template <class Set>
[[nodiscard]] inline std::uint32_t small_fields_with(Set&& set) {
    Connection connection{};
    set(connection);
    return small_fields(connection);
}
[[nodiscard]] constexpr unsigned shift_of(std::uint32_t field) {
    return static_cast<unsigned>(std::countr_zero(field));
}

/// Whatever it acknowledges, an ACK inside the four bounds leaves an open connection open and refreshes it.
[[nodiscard]] constexpr bool in_order_acks_change_nothing() {
    constexpr unsigned inside = not_after | not_before | ack_sent | ack_fresh | not_far_after | sender_seen;
    constexpr auto open = Pair::established__established;
    for (const unsigned predicates :
         {inside, inside | ack_not_back, inside | match, inside | ack_not_back | match})
        for (const Direction direction : {Direction::original, Direction::reply}) {
            const Cell cell = transition(open, direction, classify(FlagClass::ack, predicates));
            if (cell.next != static_cast<unsigned>(open) || cell.reason != 0 ||
                cell.refresh != static_cast<unsigned>(Refresh::set))
                return false;
        }
    return true;
}
static_assert(in_order_acks_change_nothing());

}  // namespace detail

/// Whether step_established() may be asked: open and assured, both sides known, nothing remembered beside it,
/// its timeout not set by hand. A mask.
template <class Word>
[[nodiscard]] inline Word is_plainly_established(const Word& fields) {
    const std::uint32_t mask = detail::small_fields_with([](Connection& c) {
        c.seen_reply = c.assured = c.fixed_timeout = c.pending_syn = 1;
        c.pair = 31;
        c.seen = 3;
    });
    const std::uint32_t wanted = detail::small_fields_with([](Connection& c) {
        c.seen_reply = c.assured = 1;
        c.pair = static_cast<unsigned>(Pair::established__established) & 31U;
        c.seen = 3;
    });
    return is_equal(fields & mask, Word{} + wanted);
}

/// The flags step_established() is for: ACK without SYN, FIN or RST.
[[nodiscard]] constexpr bool is_plain_ack(std::uint8_t flags) {
    return (flags & (Flag::syn | Flag::fin | Flag::rst | Flag::ack)) == Flag::ack;
}

/// One endpoint's numbers, as in Side, of one connection or of eight.
template <class Word>
struct SideOf {
    Word end, max_end, max_window, max_ack;
};

/// What of a segment matters here: no SYN, FIN, RST or SACK on it.
template <class Word>
struct SegmentOf {
    Word sequence, acknowledgement, payload_length;
    Word window;  ///< as on the wire
};

/// step() for a segment that is_plain_ack() and a connection that is_plainly_established(). Returns a mask:
/// where it is set, the segment is accepted and sides and fields are those after it (the fields' `lifetime`
/// too); elsewhere it is not for this function, and what was written must be thrown away.
template <class Word>
[[nodiscard, gnu::always_inline]] inline Word step_established(SideOf<Word>& sender, SideOf<Word>& receiver,
                                                               Word& fields, Word from_reply,
                                                               const SegmentOf<Word>& segment,
                                                               const Settings& settings) {
    const std::uint32_t scale_field = detail::small_fields_with([](Connection& c) { c.scale_original = 15; });
    const std::uint32_t reply_scale_field =
        detail::small_fields_with([](Connection& c) { c.scale_reply = 15; });
    const std::uint32_t count_field = detail::small_fields_with([](Connection& c) { c.retransmissions = 7; });
    const std::uint32_t lifetime_field = detail::small_fields_with([](Connection& c) { c.lifetime = 31; });

    // detail::span_of
    const Word scale = select(from_reply, fields >> detail::shift_of(reply_scale_field),
                              fields >> detail::shift_of(scale_field)) &
                       15U;
    const Word window = segment.window << scale;
    const Word end = segment.sequence + segment.payload_length;

    // window_predicates: the four bounds.
    const Word sent_and_allowed =
        select(is_negative(sender.end - sender.max_end), sender.end, sender.max_end);
    const Word ack_back = receiver.end - larger(sender.max_window, Word{} + max_ack_reach);
    const Word outside = is_positive(segment.sequence - sender.max_end) |
                         is_negative(end - sent_and_allowed + receiver.max_window) |
                         is_positive(segment.acknowledgement - receiver.end) |
                         is_negative(segment.acknowledgement - ack_back);

    // learn
    const Word progress =
        is_positive(end - sender.end) | is_positive(segment.acknowledgement - sender.max_ack);
    const Word keepalive =
        is_equal(segment.payload_length, Word{} + 1U) & is_equal(receiver.max_ack, sender.end);
    const Word again = ~is_equal(segment.payload_length, Word{}) & ~keepalive & 1U;
    const Word counted =
        smaller(Word{} + 7U, ((fields & count_field) >> detail::shift_of(count_field)) + again);
    const Word count = ~progress & counted;
    const Word allowed = segment.acknowledgement + window + (is_equal(window, Word{}) & 1U);
    const auto later_of = [](const Word& a, const Word& b) { return select(is_positive(a - b), a, b); };
    sender.end = later_of(sender.end, end);
    sender.max_ack = later_of(sender.max_ack, segment.acknowledgement);
    sender.max_window = larger(sender.max_window, window);  // no scale is above 14
    receiver.max_end = later_of(receiver.max_end, allowed);

    // detail::lifetime_in_force
    const Word all_acknowledged = is_equal(sender.end, receiver.max_ack) &
                                  is_equal(receiver.end, sender.max_ack) & ~is_equal(window, Word{});
    const auto value = [](Lifetime lifetime) { return Word{} + static_cast<std::uint32_t>(lifetime); };
    const Word few = is_negative(count - std::uint32_t{settings.max_retrans});
    const Word lifetime =
        select(few, select(all_acknowledged, value(Lifetime::established), value(Lifetime::unacknowledged)),
               value(Lifetime::max_retrans));

    fields = (fields & ~(count_field | lifetime_field)) | count << detail::shift_of(count_field) |
             lifetime << detail::shift_of(lifetime_field);
    return ~outside;
}

}  // namespace sluice::tcp
