// The keyed hash of a flow key. Nobody outside can choose colliding flows without the secret (hash flooding).
//
// Rounds of AES, keyed by the secret, over the key's bytes. One round alone would not do: a difference in one
// byte reaches four bytes after one round and all sixteen only after two, and a difference that a later block
// could cancel must first have passed two rounds, where no differential is likelier than 2^-30. So each block
// of the key goes through two rounds before the blocks meet, and the sum through two more:
//
//     IPv4:  t = R R (addresses, ports, VLANs)            h = R R (t + zone, protocol)
//     IPv6:  t = R R (A) + R R (B) + R R (ports … protocol)   h = R R (t)
//
// with R one AES round, + exclusive or, and different round keys in each lane. The lower 64 bits are the
// hash. It is no message authentication code: it need only be unpredictable to somebody who never sees a
// value of it.
//
// What lost: CRC32 with a seed is linear, so one set of colliding tuples collides under every seed; SipHash
// costs about four times as much for these lengths.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "sluice/flow/key.hpp"

#if defined(__AES__)
#include <immintrin.h>
#endif

namespace sluice::flow {

/// 32 bytes from the kernel's generator, drawn at start and the same for all workers (the hash also picks the
/// worker). Never printed.
struct Secret {
    std::array<std::uint64_t, 4> words{};
};

/// The portable form of hash(): the same value on every machine.
[[nodiscard]] std::uint64_t hash_portable(const Key4& key, const Secret& secret);
[[nodiscard]] std::uint64_t hash_portable(const Key6& key, const Secret& secret);

namespace detail {

template <class KeyT>
[[nodiscard]] inline const std::uint8_t* bytes_of(const KeyT& key) {
    return reinterpret_cast<const std::uint8_t*>(&key);
}

/// The hash over any `Block` of 16 bytes that knows AES's round.
template <class Block>
[[nodiscard]] inline std::uint64_t hash_blocks(const Key4& key, const Secret& secret) {
    const Block first = Block::load(&secret.words[0]);
    const Block second = Block::load(&secret.words[2]);
    const Block endpoints = Block::load(bytes_of(key));
    const Block rest = Block::load_last4(bytes_of(key) + 16);
    const Block state = (endpoints ^ first).round(second).round(first) ^ rest;
    return state.round(second).round(first).low64();
}

/// Three lanes side by side, so that the latency is that of four rounds, not of eight.
template <class Block>
[[nodiscard]] inline std::uint64_t hash_blocks(const Key6& key, const Secret& secret) {
    const Block first = Block::load(&secret.words[0]);
    const Block second = Block::load(&secret.words[2]);
    const Block middle = Block::load(&secret.words[1]);  // overlaps both
    const Block low = Block::load(bytes_of(key));
    const Block high = Block::load(bytes_of(key) + 16);
    const Block rest = Block::load_last12(bytes_of(key) + 32);
    const Block state = (low ^ first).round(second).round(first) ^
                        (high ^ second).round(first).round(middle) ^
                        (rest ^ middle).round(first).round(second);
    return state.round(middle).round(first).low64();
}

#if defined(__AES__)
struct AesBlock {
    __m128i value;

    static AesBlock load(const void* from) { return {_mm_loadu_si128(static_cast<const __m128i*>(from))}; }
    /// A key's last four bytes; the very last is the record's own and counts as zero.
    static AesBlock load_last4(const std::uint8_t* from) {
        std::uint32_t word = 0;
        std::memcpy(&word, from, sizeof word);
        return {_mm_cvtsi32_si128(static_cast<int>(word & 0x00FF'FFFFU))};
    }
    /// A key's last twelve bytes, likewise.
    static AesBlock load_last12(const std::uint8_t* from) {
        std::uint64_t low = 0;
        std::uint32_t high = 0;
        std::memcpy(&low, from, sizeof low);
        std::memcpy(&high, from + sizeof low, sizeof high);
        return {_mm_set_epi64x(high & 0x00FF'FFFF, static_cast<long long>(low))};
    }
    [[nodiscard]] AesBlock round(AesBlock key) const { return {_mm_aesenc_si128(value, key.value)}; }
    [[nodiscard]] std::uint64_t low64() const { return static_cast<std::uint64_t>(_mm_cvtsi128_si64(value)); }
    friend AesBlock operator^(AesBlock a, AesBlock b) { return {_mm_xor_si128(a.value, b.value)}; }
};
#endif

}  // namespace detail

/// 64 bits: the low 32 pick the bucket, the 15 above them are the fingerprint, the highest pick the worker.
/// AES instructions where the build has them; the portable form gives the same value (tests compare them).
#if defined(__AES__)
[[nodiscard]] inline std::uint64_t hash(const Key4& key, const Secret& secret) {
    return detail::hash_blocks<detail::AesBlock>(key, secret);
}
[[nodiscard]] inline std::uint64_t hash(const Key6& key, const Secret& secret) {
    return detail::hash_blocks<detail::AesBlock>(key, secret);
}
#else
[[nodiscard]] inline std::uint64_t hash(const Key4& key, const Secret& secret) {
    return hash_portable(key, secret);
}
[[nodiscard]] inline std::uint64_t hash(const Key6& key, const Secret& secret) {
    return hash_portable(key, secret);
}
#endif

/// Which of `workers` owns a flow with this hash.
[[nodiscard]] constexpr unsigned owner_of(std::uint64_t hash, unsigned workers) {
    return static_cast<unsigned>(((hash >> 32) * workers) >> 32);
}

}  // namespace sluice::flow
