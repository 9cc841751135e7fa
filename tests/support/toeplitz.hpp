// Toeplitz hashing as the RSS of network cards defines it, bit by bit.
#pragma once

#include <cstdint>
#include <span>

namespace sluice::test {

/// The hash of `input` with a key of 40 bytes or more.
[[nodiscard]] inline std::uint32_t toeplitz(std::span<const std::uint8_t> input,
                                            std::span<const std::uint8_t> key) {
    std::uint32_t hash = 0;
    std::uint32_t window = (std::uint32_t{key[0]} << 24) | (std::uint32_t{key[1]} << 16) |
                           (std::uint32_t{key[2]} << 8) | std::uint32_t{key[3]};
    for (std::size_t i = 0; i < input.size(); ++i) {
        const std::uint8_t next = i + 4 < key.size() ? key[i + 4] : std::uint8_t{0};
        for (unsigned bit = 0; bit < 8; ++bit) {
            if (input[i] & (0x80U >> bit)) hash ^= window;
            window = (window << 1) | ((next >> (7 - bit)) & 1U);
        }
    }
    return hash;
}

}  // namespace sluice::test
