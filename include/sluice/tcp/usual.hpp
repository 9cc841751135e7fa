// The step that nearly every segment is: an acknowledgement, data or a FIN within the windows of a connection
// both sides of which are known.
//
// Two table loads and arithmetic, no branch that depends on the connection's state; so it is written for a
// word or for lanes (base/lanes.hpp): one segment, or one each of eight connections. And it is written for
// any pair, or for acknowledgements and data inside open connections: whatever those acknowledge,
// ESTABLISHED,ESTABLISHED stays as it is (asserted below against the tables), so nothing need be looked up.
#pragma once

#include <array>
#include <bit>
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
inline void set_small_fields(Connection& connection, std::uint32_t word) {
    std::memcpy(reinterpret_cast<std::byte*>(&connection) + small_fields_at, &word, sizeof word);
}

namespace detail {

/// One of the small fields, by what sets all of its bits. Folded by the compiler.
class Field {
  public:
    template <class Set>
    explicit Field(Set set) {
        Connection connection{};
        set(connection);
        mask_ = small_fields(connection);
    }
    [[nodiscard]] std::uint32_t mask() const { return mask_; }
    template <class Word>
    [[nodiscard, gnu::always_inline]] Word of(const Word& fields) const {
        return (fields & mask_) >> shift();
    }
    /// A value of this field in its place.
    template <class Word>
    [[nodiscard, gnu::always_inline]] Word in_place(const Word& value) const {
        return value << shift();
    }

  private:
    [[nodiscard]] unsigned shift() const { return static_cast<unsigned>(std::countr_zero(mask_)); }
    std::uint32_t mask_;
};

inline constexpr auto open_pair = static_cast<std::uint32_t>(Pair::established__established);
inline constexpr unsigned within_windows =
    not_after | not_before | ack_sent | ack_fresh | not_far_after | sender_seen;

/// Whatever it acknowledges, an ACK within the windows leaves an open connection open and refreshes it.
[[nodiscard]] constexpr bool acks_within_windows_change_nothing() {
    for (const unsigned predicates : {within_windows, within_windows | ack_not_back, within_windows | match,
                                      within_windows | ack_not_back | match})
        for (const Direction direction : {Direction::original, Direction::reply}) {
            const Cell cell =
                transition(Pair::established__established, direction, classify(FlagClass::ack, predicates));
            if (cell.next != open_pair || cell.reason != 0 ||
                cell.refresh != static_cast<unsigned>(Refresh::set))
                return false;
        }
    return true;
}
static_assert(acks_within_windows_change_nothing());

/// What is accepted of usual segments always moves the deadline.
[[nodiscard]] constexpr bool usual_segments_refresh() {
    for (std::size_t pair = 0; pair < pair_count; ++pair)
        for (const Direction direction : {Direction::original, Direction::reply})
            for (const FlagClass cls : {FlagClass::ack, FlagClass::fin})
                for (unsigned predicates = 0; predicates < answers_pending; ++predicates) {
                    if ((predicates & sender_seen) == 0) continue;
                    const Cell cell =
                        transition(static_cast<Pair>(pair), direction, classify(cls, predicates));
                    if (cell.reason == 0 && cell.refresh == static_cast<unsigned>(Refresh::keep))
                        return false;
                }
    return true;
}
static_assert(usual_segments_refresh());

/// Of each word: the cell, and from bit 16 on the lifetime of its next pair.
[[nodiscard]] inline std::uint32_t looked_up(std::uint32_t pair, std::uint32_t from_reply, std::uint32_t fin,
                                             std::uint32_t predicates) {
    const FlagClass cls = fin != 0 ? FlagClass::fin : FlagClass::ack;
    const Cell cell = transition(static_cast<Pair>(pair), static_cast<Direction>(from_reply & 1U),
                                 classify(cls, predicates));
    const auto lifetime = static_cast<std::uint32_t>(pair_texts[cell.next].lifetime);
    return std::bit_cast<std::uint16_t>(cell) | lifetime << 16;
}
[[nodiscard]] inline Lanes looked_up(const Lanes& pair, const Lanes& from_reply, const Lanes& fin,
                                     const Lanes& predicates) {
    std::array<std::uint32_t, lane_count> out;
    for (unsigned i = 0; i < lane_count; ++i)
        out[i] = looked_up(pair[i], from_reply[i], fin[i], predicates[i]);
    return load<Lanes>(out.data());
}

}  // namespace detail

/// Whether step_usual() may be asked: both sides known, and nothing remembered beside it. A mask.
template <class Word>
[[nodiscard, gnu::always_inline]] inline Word is_usual(const Word& fields) {
    const detail::Field seen([](Connection& c) { c.seen = 3; });
    const detail::Field pending([](Connection& c) { c.pending_syn = 1; });
    return is_equal(fields & (seen.mask() | pending.mask()), Word{} + seen.mask());
}
/// Whether it may be asked as step_usual<Within::open_connection>(): besides, open and assured, its timeout
/// not set by hand. A mask.
template <class Word>
[[nodiscard, gnu::always_inline]] inline Word is_plainly_open(const Word& fields) {
    const auto mask = detail::Field([](Connection& c) {
                          c.seen_reply = c.assured = c.fixed_timeout = c.pending_syn = 1;
                          c.pair = 31;
                          c.seen = 3;
                      }).mask();
    const auto wanted = detail::Field([](Connection& c) {
                            c.seen_reply = c.assured = 1;
                            c.pair = detail::open_pair & 31U;
                            c.seen = 3;
                        }).mask();
    return is_equal(fields & mask, Word{} + wanted);
}
/// The bit of Connection::pending_syn: a flow that has something beside it is as usual without it.
[[nodiscard]] inline std::uint32_t pending_bit() {
    return detail::Field([](Connection& c) { c.pending_syn = 1; }).mask();
}
/// The flags step_usual() is for: an ACK, data or a FIN; of an open connection, no FIN.
[[nodiscard]] constexpr bool are_usual(std::uint8_t flags) {
    return (flags & (Flag::syn | Flag::rst | Flag::ack)) == Flag::ack;
}

/// A segment whose flags are_usual().
template <class Word>
struct SegmentOf {
    Word sequence, acknowledgement, payload_length;
    Word window;        ///< as on the wire
    Word fin;           ///< 1: on it
    Word sack_highest;  ///< valid where `has_sack`, a mask
    Word has_sack;
};

/// What becomes of a connection. `refresh` (set or extend) and `lifetime` as in Verdict.
template <class Word>
struct StepOf {
    Word accepted;  ///< a mask
    Word refresh, lifetime;
};

namespace detail {

template <class Word>
[[nodiscard, gnu::always_inline]] inline SpanOf<Word> span_of(const Word& fields, const Word& from_reply,
                                                              const SegmentOf<Word>& segment) {
    // By shifts, and no choice between two: a compiler makes a branch of that, which nobody foresees.
    const Field scale([](Connection& c) { c.scale_original = 15; });
    const Field permitted([](Connection& c) { c.sack_permitted = 1; });
    const Word shift = scale.of(fields >> (from_reply & 4U));
    // SACK counts where the side it tells something permitted it (RFC 2018 section 2).
    const Word sack_counts = segment.has_sack & (Word{} - permitted.of(fields >> (~from_reply & 1U)));
    return {.sequence = segment.sequence,
            .end = segment.sequence + segment.payload_length + segment.fin,
            .acknowledgement = segment.acknowledgement,
            .sack = select(sack_counts, later_of(segment.acknowledgement, segment.sack_highest),
                           segment.acknowledgement),
            .window = segment.window << shift};
}

/// Which timeout runs in an open connection, first match.
template <class Word>
[[nodiscard, gnu::always_inline]] inline Word open_lifetime(const SideOf<Word>& sender,
                                                            const SideOf<Word>& receiver,
                                                            const Word& retransmissions, const Word& assured,
                                                            const Word& window, const Settings& settings) {
    const auto value = [](Lifetime lifetime) { return Word{} + static_cast<std::uint32_t>(lifetime); };
    const Word all_acknowledged = is_equal(sender.end, receiver.max_ack) &
                                  is_equal(receiver.end, sender.max_ack) & ~is_equal(window, Word{});
    const Word few = is_less(retransmissions, Word{} + std::uint32_t{settings.max_retrans});
    const Word confirmed =
        select(few, select(all_acknowledged, value(Lifetime::established), value(Lifetime::unacknowledged)),
               value(Lifetime::max_retrans));
    // Picked up and not yet heard from both sides; on a one-way path that is how it stays.
    const Lifetime unconfirmed = settings.asymmetric ? Lifetime::established : Lifetime::loose;
    return select(is_equal(assured, Word{}), value(unconfirmed), confirmed);
}

}  // namespace detail

/// What step_usual() counts on.
enum class Within : std::uint8_t {
    any_pair,         ///< is_usual()
    open_connection,  ///< is_plainly_open(), and no FIN
};

/// step() for segments whose flags are_usual() and connections that are as `within` says. Where it is
/// accepted, sides and fields are those after it (the fields' `lifetime` is the caller's); elsewhere it is
/// not for this function, and what was written must be thrown away. `from_reply` is a mask.
template <Within within, class Word>
[[nodiscard, gnu::always_inline]] inline StepOf<Word> step_usual(SideOf<Word>& sender, SideOf<Word>& receiver,
                                                                 Word& fields, const Word& from_reply,
                                                                 const SegmentOf<Word>& segment,
                                                                 const Settings& settings) {
    const detail::Field pair([](Connection& c) { c.pair = 31; });
    const detail::Field retransmissions([](Connection& c) { c.retransmissions = 7; });
    const detail::Field assured([](Connection& c) { c.assured = 1; });
    const detail::Field seen_reply([](Connection& c) { c.seen_reply = 1; });

    const SpanOf<Word> span = detail::span_of(fields, from_reply, segment);
    Word count = retransmissions.of(fields);
    if constexpr (within == Within::open_connection) {
        constexpr std::uint32_t wanted = detail::within_windows & ~unsigned{sender_seen};
        const Word predicates = window_predicates(sender, receiver, span, Word{}, Word{});
        learn(count, sender, receiver, span);
        fields = (fields & ~retransmissions.mask()) | retransmissions.in_place(count);
        return {.accepted = is_equal(predicates & wanted, Word{} + wanted),
                .refresh = Word{} + static_cast<std::uint32_t>(Refresh::set),
                .lifetime =
                    detail::open_lifetime(sender, receiver, count, Word{} + 1U, segment.window, settings)};
    } else {
        const Cell reasons{.next = 0, .reason = 31, .refresh = 0, .action = 0, .assures = 0};
        const Word before = pair.of(fields);
        const Word predicates = window_predicates(sender, receiver, span, fin_has_passed(before, from_reply),
                                                  ~is_equal(segment.fin, Word{})) |
                                static_cast<std::uint32_t>(sender_seen);
        const Word cell = detail::looked_up(before, from_reply, segment.fin, predicates);
        const Word next = cell & 31U, refresh = cell >> 10 & 3U, assures = cell >> 15 & 1U;
        learn(count, sender, receiver, span);
        // Proof takes both sides: `seen_reply` here is still that of before this segment.
        const Word now_assured = assured.of(fields) | (assures & seen_reply.of(fields));
        fields = (fields & ~(pair.mask() | retransmissions.mask())) | pair.in_place(next) |
                 retransmissions.in_place(count) | assured.in_place(now_assured) |
                 seen_reply.in_place(from_reply & 1U);
        return {.accepted = is_equal(cell & std::bit_cast<std::uint16_t>(reasons), Word{}),
                .refresh = refresh,
                .lifetime = select(
                    is_equal(next, Word{} + detail::open_pair),
                    detail::open_lifetime(sender, receiver, count, now_assured, segment.window, settings),
                    cell >> 16)};
    }
}

}  // namespace sluice::tcp
