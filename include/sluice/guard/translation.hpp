// Translation of a proxied flow: two endpoints that disagree about one side's numbers.
//
// The box answered the client's SYN itself, with a cookie as its initial sequence number and a clock of its
// own in the timestamps. The server, asked later, chose others. Nobody can be told, so for the life of the
// flow the box changes what is said of the server's numbers, and only that:
//
//                        to the client              to the server
//     sequence           + sequence delta           the client's own: untouched
//     acknowledgement    untouched                  - sequence delta
//     SACK blocks        untouched                  - sequence delta, each edge
//     TSval              + timestamp delta          untouched
//     TSecr              untouched                  - timestamp delta
//     window             >> or << the difference of two scales
//
// An acknowledgement, and TSecr with it, means something where ACK is set, and is left alone elsewhere (RFC
// 9293 3.1, RFC 7323 3.2). The urgent pointer is relative to the sequence number, so it needs no change.
//
// The window field counts in units that were agreed on a SYN. When the client was promised another scale
// than the server's, the field is re-scaled, but never on a SYN, which is not scaled (RFC 7323 2.2). What
// does not come out even is rounded down, and what does not fit in 16 bits is the largest that does: the
// reader may be told of less room than there is, never of more.
//
// The checksum is updated, never computed: a segment damaged before us is as damaged behind us.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "sluice/base/endian.hpp"
#include "sluice/flow/key.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::guard {

/// Whom a packet travels to. "Server" is the endpoint whose numbers are translated: the protected host, even
/// where it opened the connection itself.
enum class Toward : std::uint8_t { client = 0, server = 1 };
[[nodiscard]] constexpr Toward opposite(Toward toward) {
    return toward == Toward::client ? Toward::server : Toward::client;
}

/// What is translated of a flow, whole words, for its side record. All zero: nothing. Differences are modulo
/// 2^32; one that is 0 costs nothing, so no flag says which are in use.
struct Translation {
    std::uint32_t sequence_delta = 0;   ///< of the server: what the client sees, minus the real number
    std::uint32_t timestamp_delta = 0;  ///< the same of its TSval
    /// Added to the logarithm of a window field, -14 to 14: in segments to the client (low byte) and to the
    /// server (next byte). Each is the scale the window was written with minus the one it will be read with.
    std::uint32_t window_shifts = 0;

    [[nodiscard]] constexpr int window_shift(Toward toward) const {
        return static_cast<std::int8_t>(window_shifts >> (8 * static_cast<unsigned>(toward)));
    }
    constexpr void set_window_shift(Toward toward, int shift) {
        const unsigned place = 8 * static_cast<unsigned>(toward);
        window_shifts = (window_shifts & ~(0xFFU << place)) | (static_cast<std::uint8_t>(shift) + 0U)
                                                                  << place;
    }

    friend constexpr bool operator==(const Translation&, const Translation&) = default;
};
static_assert(sizeof(Translation) == 12 && alignof(Translation) == 4 &&
              std::is_trivially_copyable_v<Translation>);

/// What undoes it in the same direction (of windows, what was not rounded or cut).
[[nodiscard]] constexpr Translation inverse(const Translation& translation) {
    Translation out{.sequence_delta = 0 - translation.sequence_delta,
                    .timestamp_delta = 0 - translation.timestamp_delta};
    for (const Toward toward : {Toward::client, Toward::server}) {
        out.set_window_shift(toward, -translation.window_shift(toward));
    }
    return out;
}

/// A window field in units of 2^-shift of its own: rounded down, and at most 65535.
[[nodiscard]] constexpr std::uint16_t rescale_window(std::uint16_t window, int shift) {
    if (shift <= 0) return static_cast<std::uint16_t>(window >> -shift);
    const std::uint32_t wide = std::uint32_t{window} << shift;
    return static_cast<std::uint16_t>(wide < 0xFFFF ? wide : 0xFFFF);
}

namespace detail {

inline void add_to_field(std::uint8_t* header, std::size_t at, std::uint32_t delta,
                         packet::ChecksumChange& change) {
    const auto before = load<be32>(header + at);
    const be32 after(before.host() + delta);
    store(header + at, after);
    change.replace(at, before, after);
}

inline void rescale_window_field(std::uint8_t* header, int shift, packet::ChecksumChange& change) {
    const auto before = load<be16>(header + 14);
    const be16 after(rescale_window(before.host(), shift));
    store(header + 14, after);
    change.replace(14, before, after);
}

inline void update_tcp_checksum(std::uint8_t* header, const packet::ChecksumChange& change) {
    store(header + 16, change.update(load<be16>(header + 16)));
}

/// translate() of any header; walks its options.
void translate_any(std::span<std::uint8_t> header, Toward toward, const Translation& translation);

}  // namespace detail

/// Translates a segment in place, checksum included. `header` is its whole TCP header with the options, 20 to
/// 60 bytes that the parser has accepted. Options may be repeated, begin at any byte and be malformed: one
/// that an endpoint would not read (RFC 9293 3.2: a length that is not its kind's, or leads out of the
/// header) is left alone. Each translation has its inverse() but for two losses: rounded windows, and a
/// checksum field of 0xFFFF, which nobody computes and which comes back as its equal, 0.
///
/// The headers of all but a few segments, without options or with NOP, NOP, timestamps, are changed without
/// a walk. Direction and timestamps are arithmetic there, for they change from packet to packet: foreseen
/// wrongly half the time, they cost 6 ns a segment instead of 2.5.
[[gnu::always_inline]] inline void translate(std::span<std::uint8_t> header, Toward toward,
                                             const Translation& translation) {
    constexpr be32 before_timestamps(0x0101'080A);  // NOP, NOP, kind, length
    std::uint8_t* const bytes = header.data();
    const auto stamped = static_cast<std::uint32_t>(flow::detail::unforeseeable(header.size() == 32));
    // What stands in the way of either form: another length, or other options.
    const std::uint64_t other_length = header.size() - 20 - 12 * stamped;
    const std::uint32_t other_options =
        (load<be32>(bytes + 16 + 4 * stamped).raw() ^ before_timestamps.raw()) & (0 - stamped);
    const std::uint8_t flags = bytes[13];
    if ((other_length | other_options) != 0 || (flags & packet::ack) == 0) [[unlikely]] {
        return detail::translate_any(header, toward, translation);
    }
    const auto to_server = static_cast<std::uint32_t>(toward);
    const std::uint32_t sign = 0 - to_server;  // x ^ sign - sign: -x toward the server
    packet::ChecksumChange change;
    detail::add_to_field(bytes, 4 + 4 * to_server, (translation.sequence_delta ^ sign) - sign, change);
    // Without timestamps, nothing is added to the number that is not translated.
    const std::uint32_t second = 8 - 4 * to_server + stamped * (16 + 8 * to_server);
    const std::uint32_t timestamp_delta = translation.timestamp_delta & (0 - stamped);
    detail::add_to_field(bytes, second, (timestamp_delta ^ sign) - sign, change);
    if (translation.window_shifts != 0 && (flags & packet::syn) == 0) [[unlikely]] {
        detail::rescale_window_field(bytes, translation.window_shift(toward), change);
    }
    detail::update_tcp_checksum(bytes, change);
}

/// Translates the TCP header quoted in an ICMP or ICMPv6 error back into the numbers that the sender of the
/// quoted segment knows; without it that sender would take the error for a forgery (RFC 5927 4) and Path MTU
/// discovery would stop. `message` is the error from its ICMP header on, as far as it is at hand and without
/// link padding; the quoted TCP header begins at byte `quoted` of it (packet::parse_quote() found it there),
/// and at least its first 8 bytes are present. `toward` is whom the error travels to.
///
/// A quote may end anywhere: a field that is not there whole is left as it is, and where the quote ends
/// before the flags it is taken for an acknowledging segment. The window is not given back (rounding lost
/// some of it, and nobody looks). Both checksums are updated, the quoted one if it is there.
void translate_quote(std::span<std::uint8_t> message, std::size_t quoted, Toward toward,
                     const Translation& translation);

}  // namespace sluice::guard
