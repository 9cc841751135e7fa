// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs. Nobody without the key can choose
// inputs that collide, or tell its values from random ones however many he sees of inputs he chose. Off the
// hot path for tables (the flow table has a faster one), on it as the code of SYN cookies, which strangers
// see.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "sluice/base/endian.hpp"

namespace sluice {

/// 16 bytes from the kernel's generator.
using SipHashKey = std::array<std::uint64_t, 2>;

/// Four words of 64 bits side by side, one of each of four messages (GCC's vector extension, as in
/// lanes.hpp).
using SipHashLanes [[gnu::vector_size(4 * sizeof(std::uint64_t))]] = std::uint64_t;

namespace siphash_detail {

/// The word, or lanes that all hold it.
template <class Word>
[[nodiscard, gnu::always_inline]] inline Word all(std::uint64_t word) {
    return Word{} + word;
}

template <int bits>
[[nodiscard, gnu::always_inline]] inline std::uint64_t rotated(std::uint64_t word) {
    return std::rotl(word, bits);
}
// AVX2 has no rotation: two shifts and their union. By whole bytes it is one shuffle.
template <int bits>
[[nodiscard, gnu::always_inline]] inline SipHashLanes rotated(const SipHashLanes& word) {
    using Halves [[gnu::vector_size(sizeof(SipHashLanes))]] = std::uint32_t;
    using Octets [[gnu::vector_size(sizeof(SipHashLanes))]] = std::uint8_t;
    if constexpr (bits == 32) {
        const auto halves = (Halves)word;
        return (SipHashLanes)__builtin_shufflevector(halves, halves, 1, 0, 3, 2, 5, 4, 7, 6);
    } else if constexpr (bits == 16) {
        const auto octets = (Octets)word;
        return (SipHashLanes)__builtin_shufflevector(octets, octets, 6, 7, 0, 1, 2, 3, 4, 5, 14, 15, 8, 9, 10,
                                                     11, 12, 13, 22, 23, 16, 17, 18, 19, 20, 21, 30, 31, 24,
                                                     25, 26, 27, 28, 29);
    } else {
        return word << bits | word >> (64 - bits);
    }
}

/// Over a word, or over lanes.
template <class Word>
struct State {
    std::array<Word, 4> v;

    [[gnu::always_inline]] explicit State(const SipHashKey& key)
        : v{all<Word>(key[0] ^ 0x736f6d6570736575ULL), all<Word>(key[1] ^ 0x646f72616e646f6dULL),
            all<Word>(key[0] ^ 0x6c7967656e657261ULL), all<Word>(key[1] ^ 0x7465646279746573ULL)} {}

    [[gnu::always_inline]] void round() {
        v[0] += v[1];
        v[1] = rotated<13>(v[1]) ^ v[0];
        v[0] = rotated<32>(v[0]);
        v[2] += v[3];
        v[3] = rotated<16>(v[3]) ^ v[2];
        v[0] += v[3];
        v[3] = rotated<21>(v[3]) ^ v[0];
        v[2] += v[1];
        v[1] = rotated<17>(v[1]) ^ v[2];
        v[2] = rotated<32>(v[2]);
    }
    [[gnu::always_inline]] void absorb(const Word& word) {
        v[3] ^= word;
        round();
        round();
        v[0] ^= word;
    }
    [[nodiscard, gnu::always_inline]] Word finish() {
        v[2] ^= all<Word>(0xFF);
        for (int i = 0; i < 4; ++i) round();
        return v[0] ^ v[1] ^ v[2] ^ v[3];
    }
};

}  // namespace siphash_detail

[[nodiscard]] inline std::uint64_t siphash(std::span<const std::uint8_t> bytes, const SipHashKey& key) {
    siphash_detail::State<std::uint64_t> state(key);
    const std::size_t whole = bytes.size() / 8 * 8;
    for (std::size_t at = 0; at < whole; at += 8) state.absorb(load<std::uint64_t>(&bytes[at]));
    std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56;
    for (std::size_t at = whole; at < bytes.size(); ++at)
        last |= std::uint64_t{bytes[at]} << (8 * (at - whole));
    state.absorb(last);
    return state.finish();
}

/// The same of a message of 8 * `count` - 1 bytes, fixed, given as little-endian words; the highest byte of
/// the last word is no part of it and must be 0. Of `Word` SipHashLanes, of four messages under one key at
/// once.
template <class Word, std::size_t count>
[[nodiscard, gnu::always_inline]] inline Word siphash_words(const std::array<Word, count>& words,
                                                            const SipHashKey& key) {
    static_assert(count >= 1 && 8 * count - 1 < 256);
    siphash_detail::State<Word> state(key);
    for (std::size_t i = 0; i + 1 < count; ++i) state.absorb(words[i]);
    state.absorb(words[count - 1] | siphash_detail::all<Word>(std::uint64_t{8 * count - 1} << 56));
    return state.finish();
}

}  // namespace sluice
