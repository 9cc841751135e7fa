// Segments of proxied flows translated side by side (translation.hpp), eight at the price of two: their
// headers' words as columns, changed, and back. What translate() does without a walk is done so; it does the
// others itself, one by one.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/base/lanes.hpp"
#include "sluice/guard/translation.hpp"

namespace sluice::guard {
namespace detail {

/// Bytes of each word in the other order.
[[nodiscard, gnu::always_inline]] inline Lanes byte_swapped(const Lanes& words) {
    using Octets [[gnu::vector_size(sizeof(Lanes))]] = std::uint8_t;
    const auto octets = (Octets)words;
    return (Lanes)__builtin_shufflevector(octets, octets, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13,
                                          12, 19, 18, 17, 16, 23, 22, 21, 20, 27, 26, 25, 24, 31, 30, 29, 28);
}
/// The halves of each word, added.
[[nodiscard, gnu::always_inline]] inline Lanes halves_of(const Lanes& words) {
    return (words & 0xFFFFU) + (words >> 16);
}

/// Adds to a field of each header and to the change of its checksum (RFC 1624: the new field, and the
/// complement of the old).
[[gnu::always_inline]] inline void add_to_fields(Lanes& field, const Lanes& delta, Lanes& change) {
    const Lanes after = byte_swapped(byte_swapped(field) + delta);
    change += halves_of(after) + halves_of(~field);
    field = after;
}

}  // namespace detail

/// One of those to be translated together.
struct Translated {
    std::uint8_t* header;     ///< TCP's, all of it
    const std::byte* record;  ///< a Translation, and four bytes more that may be read
};

/// translate() of those whose bit is set in `which`; `to_client` is the mask of those that travel there.
inline void translate(const std::array<Translated, lane_count>& segments, unsigned which,
                      const Lanes& to_client) {
    alignas(64) static constexpr std::array<std::uint8_t, 64> nobody{};
    const auto is_meant = [&](unsigned lane) { return (which >> lane & 1U) != 0; };
    // Sequence number, acknowledgement, length and flags and window, checksum and urgent pointer.
    auto numbers = load_columns(
        [&](unsigned lane) { return is_meant(lane) ? segments[lane].header + 4 : nobody.data(); });
    const auto records = load_columns([&](unsigned lane) {
        return is_meant(lane) ? segments[lane].record : reinterpret_cast<const std::byte*>(nobody.data());
    });
    const Lanes length = numbers[2] >> 4 & 0xFU;
    const Lanes is_stamped = is_equal(length, all_lanes(32 / 4));
    const unsigned stamped = bits_of(is_stamped);
    // Checksum and urgent pointer again, the first word of options, both timestamps.
    auto stamps = load_columns([&](unsigned lane) {
        return (which & stamped) >> lane & 1U ? segments[lane].header + 16 : nobody.data();
    });
    constexpr be32 before_timestamps(0x0101'080A);  // NOP, NOP, kind, length
    const Lanes usual = (is_equal(length, all_lanes(20 / 4)) |
                         (is_stamped & is_equal(stamps[1], all_lanes(before_timestamps.raw())))) &
                        ~is_equal(numbers[2] & std::uint32_t{packet::ack} << 8, Lanes{}) &
                        is_equal(records[2], Lanes{});
    const unsigned together = bits_of(usual) & which;

    const Lanes number = records[0], timestamp = records[1] & is_stamped;
    Lanes change{};
    detail::add_to_fields(numbers[0], number & to_client, change);
    detail::add_to_fields(numbers[1], (Lanes{} - number) & ~to_client, change);
    detail::add_to_fields(stamps[2], timestamp & to_client, change);
    detail::add_to_fields(stamps[3], (Lanes{} - timestamp) & ~to_client, change);
    change += ~numbers[3] & 0xFFFFU;
    change = detail::halves_of(detail::halves_of(change));
    numbers[3] = stamps[0] = (numbers[3] & 0xFFFF'0000U) | (~change & 0xFFFFU);

    const Quads first = rows_of(numbers[0], numbers[1], numbers[2], numbers[3]);
    const Quads second = rows_of(stamps[0], stamps[1], stamps[2], stamps[3]);
#pragma GCC unroll 8
    for (unsigned lane = 0; lane < lane_count; ++lane) {
        if ((together >> lane & 1U) == 0) continue;
        store(segments[lane].header + 4, row(first, lane));
        if ((stamped >> lane & 1U) != 0) store(segments[lane].header + 16, row(second, lane));
    }
    const unsigned clients = bits_of(to_client);
    for (unsigned others = which & ~together; others != 0; others &= others - 1) [[unlikely]] {
            const auto lane = static_cast<unsigned>(std::countr_zero(others));
            std::uint8_t* const header = segments[lane].header;
            translate({header, std::size_t{header[12]} >> 4U << 2U},
                      (clients >> lane & 1U) != 0 ? Toward::client : Toward::server,
                      load<Translation>(segments[lane].record));
        }
}

}  // namespace sluice::guard
