// Eight 32-bit words side by side, one of each of eight packets: what is written for one word runs for eight.
// GCC's vector extension: AVX2 where the build has it, two NEON registers on aarch64, plain code elsewhere.
//
// The functions below exist for a word and for lanes, so that a template over either reads as one text. A
// mask is all ones or all zeros.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sluice/base/endian.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace sluice {

inline constexpr std::size_t lane_count = 8;
using Lanes [[gnu::vector_size(lane_count * sizeof(std::uint32_t))]] = std::uint32_t;
using SignedLanes [[gnu::vector_size(lane_count * sizeof(std::int32_t))]] = std::int32_t;
static_assert(sizeof(Lanes) == 32);

inline constexpr Lanes lane_numbers{0, 1, 2, 3, 4, 5, 6, 7};
[[nodiscard]] inline Lanes all_lanes(std::uint32_t word) {
    return Lanes{} + word;
}
/// A bit for each lane of a mask.
[[nodiscard]] inline unsigned bits_of(const Lanes& mask) {
#if defined(__AVX2__)
    return static_cast<unsigned>(_mm256_movemask_ps((__m256)mask));
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < lane_count; ++i) bits |= (mask[i] & 1U) << i;
    return bits;
#endif
}
inline constexpr unsigned all_lane_bits = (1U << lane_count) - 1;
/// Whether any lane of a mask is set.
[[nodiscard]] inline bool any_of(const Lanes& mask) {
    return bits_of(mask) != 0;
}

[[nodiscard]] constexpr std::uint32_t mask_of(bool holds) {
    return holds ? ~std::uint32_t{0} : 0;
}
/// As signed numbers: below zero, above zero. Of a difference of two sequence numbers: before, after.
[[nodiscard]] constexpr std::uint32_t is_negative(std::uint32_t word) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(word) >> 31);
}
[[nodiscard]] inline Lanes is_negative(const Lanes& word) {
    return (Lanes)((SignedLanes)word < 0);
}
[[nodiscard]] constexpr std::uint32_t is_positive(std::uint32_t word) {
    return is_negative(~word & (0U - word));
}
[[nodiscard]] inline Lanes is_positive(const Lanes& word) {
    return (Lanes)((SignedLanes)word > 0);
}
[[nodiscard]] constexpr std::uint32_t is_equal(std::uint32_t a, std::uint32_t b) {
    return mask_of(a == b);
}
[[nodiscard]] inline Lanes is_equal(const Lanes& a, const Lanes& b) {
    return (Lanes)(a == b);
}
/// Whether `a` is less than `b`, as signed numbers.
[[nodiscard]] constexpr std::uint32_t is_less(std::uint32_t a, std::uint32_t b) {
    const auto wide = [](std::uint32_t word) { return std::int64_t{static_cast<std::int32_t>(word)}; };
    return static_cast<std::uint32_t>((wide(a) - wide(b)) >> 63);
}
[[nodiscard]] inline Lanes is_less(const Lanes& a, const Lanes& b) {
    return (Lanes)((SignedLanes)a < (SignedLanes)b);
}
/// Whether `a` is more than `b`, as unsigned numbers.
[[nodiscard]] constexpr std::uint32_t is_above(std::uint32_t a, std::uint32_t b) {
    return mask_of(a > b);
}
[[nodiscard]] inline Lanes is_above(const Lanes& a, const Lanes& b) {
    return (Lanes)(a > b);
}
/// `a` where the mask is set, else `b`.
[[nodiscard]] constexpr std::uint32_t select(std::uint32_t mask, std::uint32_t a, std::uint32_t b) {
    return b ^ ((a ^ b) & mask);
}
[[nodiscard]] inline Lanes select(const Lanes& mask, const Lanes& a, const Lanes& b) {
    return (SignedLanes)mask < 0 ? a : b;
}
[[nodiscard]] constexpr std::uint32_t larger(std::uint32_t a, std::uint32_t b) {
    return a > b ? a : b;
}
[[nodiscard]] inline Lanes larger(const Lanes& a, const Lanes& b) {
    return a > b ? a : b;
}
[[nodiscard]] constexpr std::uint32_t smaller(std::uint32_t a, std::uint32_t b) {
    return a < b ? a : b;
}
[[nodiscard]] inline Lanes smaller(const Lanes& a, const Lanes& b) {
    return a < b ? a : b;
}

/// What `of(word)` is for each word: for what has no form in lanes.
template <class Of>
[[nodiscard, gnu::always_inline]] inline Lanes each(const Lanes& words, Of&& of) {
    std::array<std::uint32_t, lane_count> out;
    for (unsigned i = 0; i < lane_count; ++i) out[i] = of(words[i]);
    return load<Lanes>(out.data());
}

/// Four words of each of eight rows, four rows to a half: row i lies in the lower half of quad i, row i + 4
/// in the upper half of it. Shuffles within halves only, of which a core does one a cycle.
struct Quads {
    std::array<Lanes, lane_count / 2> quad;
};
using HalfLanes [[gnu::vector_size(sizeof(Lanes) / 2)]] = std::uint32_t;

/// Eight rows become four columns: column j has word j of row i in lane i. And back: it undoes itself.
[[gnu::always_inline]] inline void transpose(Quads& quads) {
    auto& [a, b, c, d] = quads.quad;
    const Lanes low_ab = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
    const Lanes low_cd = __builtin_shufflevector(c, d, 0, 8, 1, 9, 4, 12, 5, 13);
    const Lanes high_ab = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    const Lanes high_cd = __builtin_shufflevector(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
    a = __builtin_shufflevector(low_ab, low_cd, 0, 1, 8, 9, 4, 5, 12, 13);
    b = __builtin_shufflevector(low_ab, low_cd, 2, 3, 10, 11, 6, 7, 14, 15);
    c = __builtin_shufflevector(high_ab, high_cd, 0, 1, 8, 9, 4, 5, 12, 13);
    d = __builtin_shufflevector(high_ab, high_cd, 2, 3, 10, 11, 6, 7, 14, 15);
}

/// So many words as whole rows.
[[nodiscard]] constexpr std::size_t in_whole_rows(std::size_t words) {
    return (words + 3) / 4 * 4;
}

/// Loads four words at `row(i)` for each of eight rows, as columns.
template <class Row>
[[nodiscard, gnu::always_inline]] inline std::array<Lanes, lane_count / 2> load_columns(Row&& row) {
    Quads quads;
    for (unsigned i = 0; i < lane_count / 2; ++i)
        quads.quad[i] = __builtin_shufflevector(
            load<HalfLanes>(row(i)), load<HalfLanes>(row(i + lane_count / 2)), 0, 1, 2, 3, 4, 5, 6, 7);
    transpose(quads);
    return quads.quad;
}

/// Loads `Words` words, whole rows, likewise.
template <std::size_t Words, class Row>
[[nodiscard, gnu::always_inline]] inline std::array<Lanes, Words> load_columns(Row&& row) {
    static_assert(Words == in_whole_rows(Words));
    std::array<Lanes, Words> out;
    for (std::size_t at = 0; at < Words; at += 4) {
        const auto four = load_columns([&](unsigned lane) { return row(lane) + at * sizeof(std::uint32_t); });
        for (std::size_t i = 0; i < 4; ++i) out[at + i] = four[i];
    }
    return out;
}

/// A word at each of eight places.
template <class Place>
[[nodiscard, gnu::always_inline]] inline Lanes gather(Place&& at) {
    const auto word = [&](unsigned lane) { return load<std::uint32_t>(at(lane)); };
    return Lanes{word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)};
}

/// Of each of eight rows the bits that any of its four words has.
template <class Row>
[[nodiscard, gnu::always_inline]] inline Lanes union_of_rows(Row&& row) {
    std::array<Lanes, lane_count / 2> quad;
    for (unsigned i = 0; i < lane_count / 2; ++i)
        quad[i] = __builtin_shufflevector(row(i), row(i + lane_count / 2), 0, 1, 2, 3, 4, 5, 6, 7);
    // Two words of each, then one: half the shuffles of a transposition.
    const auto halved = [](const Lanes& a, const Lanes& b) {
        return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13) |
               __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    };
    const Lanes ab = halved(quad[0], quad[1]), cd = halved(quad[2], quad[3]);
    return __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13) |
           __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
}

/// Calls `f(lane)` for each lane whose bit is set. All of them is likely, and asks for none.
template <class F>
[[gnu::always_inline]] inline void for_each_lane(unsigned bits, F&& f) {
    if (bits == all_lane_bits) [[likely]] {
#pragma GCC unroll 8
        for (unsigned lane = 0; lane < lane_count; ++lane) f(lane);
    } else {
#pragma GCC unroll 8
        for (unsigned lane = 0; lane < lane_count; ++lane)
            if ((bits >> lane & 1U) != 0) f(lane);
    }
}

/// Whether a lane holds what an earlier one does: all but the first of those that are alike.
[[nodiscard, gnu::always_inline]] inline Lanes repeats_earlier(const Lanes& word) {
    // Turned by one to seven lanes; what comes round from the end is no earlier lane's.
    const auto turned = [&](const Lanes& by, unsigned lanes) {
        return is_equal(word, by) & is_above(lane_numbers + 1U, all_lanes(lanes));
    };
    return turned(__builtin_shufflevector(word, word, 7, 0, 1, 2, 3, 4, 5, 6), 1) |
           turned(__builtin_shufflevector(word, word, 6, 7, 0, 1, 2, 3, 4, 5), 2) |
           turned(__builtin_shufflevector(word, word, 5, 6, 7, 0, 1, 2, 3, 4), 3) |
           turned(__builtin_shufflevector(word, word, 4, 5, 6, 7, 0, 1, 2, 3), 4) |
           turned(__builtin_shufflevector(word, word, 3, 4, 5, 6, 7, 0, 1, 2), 5) |
           turned(__builtin_shufflevector(word, word, 2, 3, 4, 5, 6, 7, 0, 1), 6) |
           turned(__builtin_shufflevector(word, word, 1, 2, 3, 4, 5, 6, 7, 0), 7);
}

/// Columns as rows: what store_row() stores.
[[nodiscard, gnu::always_inline]] inline Quads rows_of(const Lanes& a, const Lanes& b, const Lanes& c,
                                                       const Lanes& d) {
    Quads quads{{a, b, c, d}};
    transpose(quads);
    return quads;
}
[[nodiscard, gnu::always_inline]] inline HalfLanes row(const Quads& quads, unsigned number) {
    const Lanes& quad = quads.quad[number % (lane_count / 2)];
    return number < lane_count / 2 ? __builtin_shufflevector(quad, quad, 0, 1, 2, 3)
                                   : __builtin_shufflevector(quad, quad, 4, 5, 6, 7);
}

}  // namespace sluice
