// AES-128 (FIPS 197) under keys that stay: a pseudorandom function of one block, and so, chained, the MAC of
// messages whose length is fixed (CBC-MAC). With AES instructions ten rounds are ten instructions; blocks
// that do not wait for one another go side by side, for each round takes a few cycles.
//
// Without AES instructions there is the portable form, which gives the same. It looks bytes up in a table, so
// the time it takes may say something of the key to somebody on the same processor.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/base/endian.hpp"

#if defined(__AES__)
#include <immintrin.h>
#endif

namespace sluice::aes {

/// 16 bytes as two little-endian words, the first the lower.
using Words = std::array<std::uint64_t, 2>;

/// A key's schedule: what is added before the first round, and with each of ten.
class Key {
  public:
    static constexpr std::size_t rounds = 10;

    Key() = default;
    explicit Key(const Words& key);
    [[nodiscard]] const std::uint8_t* round(std::size_t number) const { return bytes_[number].data(); }

  private:
    alignas(16) std::array<std::array<std::uint8_t, 16>, rounds + 1> bytes_{};
};

/// The portable form of a block.
class PortableBlock {
  public:
    PortableBlock() = default;
    explicit PortableBlock(const Words& words) : bytes_(std::bit_cast<Bytes>(words)) {}
    [[nodiscard]] static PortableBlock load(const std::uint8_t* from) {
        return PortableBlock(sluice::load<Words>(from));
    }
    [[nodiscard]] Words words() const { return std::bit_cast<Words>(bytes_); }
    [[nodiscard]] PortableBlock round(const PortableBlock& key) const;
    [[nodiscard]] PortableBlock last_round(const PortableBlock& key) const;
    [[nodiscard]] friend PortableBlock operator^(const PortableBlock& a, const PortableBlock& b) {
        const Words of_a = a.words(), of_b = b.words();
        return PortableBlock({of_a[0] ^ of_b[0], of_a[1] ^ of_b[1]});
    }

  private:
    using Bytes = std::array<std::uint8_t, 16>;
    Bytes bytes_{};
};

#if defined(__AES__)
class Block {
  public:
    Block() = default;
    explicit Block(const Words& words)
        : value_(_mm_set_epi64x(static_cast<long long>(words[1]), static_cast<long long>(words[0]))) {}
    [[nodiscard]] static Block load(const std::uint8_t* from) {
        return Block(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
    }
    [[nodiscard]] Words words() const { return std::bit_cast<Words>(value_); }
    [[nodiscard]] Block round(const Block& key) const { return Block(_mm_aesenc_si128(value_, key.value_)); }
    [[nodiscard]] Block last_round(const Block& key) const {
        return Block(_mm_aesenclast_si128(value_, key.value_));
    }
    [[nodiscard]] friend Block operator^(const Block& a, const Block& b) {
        return Block(_mm_xor_si128(a.value_, b.value_));
    }

  private:
    explicit Block(__m128i value) : value_(value) {}
    __m128i value_;
};
#else
using Block = PortableBlock;
#endif

/// Encrypts `count` blocks, side by side.
template <class AnyBlock, std::size_t count>
[[gnu::always_inline]] inline void encrypt(std::array<AnyBlock, count>& blocks, const Key& key) {
    const AnyBlock first = AnyBlock::load(key.round(0));
    for (AnyBlock& block : blocks) block = block ^ first;
#pragma GCC unroll 9
    for (std::size_t i = 1; i < Key::rounds; ++i) {
        const AnyBlock with = AnyBlock::load(key.round(i));
        for (AnyBlock& block : blocks) block = block.round(with);
    }
    const AnyBlock last = AnyBlock::load(key.round(Key::rounds));
    for (AnyBlock& block : blocks) block = block.last_round(last);
}
template <class AnyBlock>
[[nodiscard, gnu::always_inline]] inline AnyBlock encrypted(const AnyBlock& block, const Key& key) {
    std::array<AnyBlock, 1> one{block};
    encrypt(one, key);
    return one[0];
}

}  // namespace sluice::aes
