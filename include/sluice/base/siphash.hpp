// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs. Nobody without the key can choose
// inputs that collide. For tables off the hot path; the flow table has a faster one.
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

namespace siphash_detail {
struct State {
    std::array<std::uint64_t, 4> v;

    void round() {
        v[0] += v[1];
        v[1] = std::rotl(v[1], 13) ^ v[0];
        v[0] = std::rotl(v[0], 32);
        v[2] += v[3];
        v[3] = std::rotl(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = std::rotl(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = std::rotl(v[1], 17) ^ v[2];
        v[2] = std::rotl(v[2], 32);
    }
    void absorb(std::uint64_t word) {
        v[3] ^= word;
        round();
        round();
        v[0] ^= word;
    }
};
}  // namespace siphash_detail

[[nodiscard]] inline std::uint64_t siphash(std::span<const std::uint8_t> bytes, const SipHashKey& key) {
    siphash_detail::State state{{key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
                                 key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL}};
    const std::size_t whole = bytes.size() / 8 * 8;
    for (std::size_t at = 0; at < whole; at += 8) state.absorb(load<std::uint64_t>(&bytes[at]));
    std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56;
    for (std::size_t at = whole; at < bytes.size(); ++at)
        last |= std::uint64_t{bytes[at]} << (8 * (at - whole));
    state.absorb(last);
    state.v[2] ^= 0xFF;
    for (int i = 0; i < 4; ++i) state.round();
    return state.v[0] ^ state.v[1] ^ state.v[2] ^ state.v[3];
}

}  // namespace sluice
