// TCP sequence arithmetic, modulo 2^32 (RFC 9293 section 3.4).
#pragma once

#include <cstdint>

namespace sluice {

/// How far `a` lies ahead of `b` on the circle; negative when behind. Meaningful while the true distance is
/// below 2^31.
[[nodiscard]] constexpr std::int32_t sequence_distance(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b);
}
[[nodiscard]] constexpr bool before(std::uint32_t a, std::uint32_t b) {
    return sequence_distance(a, b) < 0;
}
[[nodiscard]] constexpr bool after(std::uint32_t a, std::uint32_t b) {
    return sequence_distance(a, b) > 0;
}
[[nodiscard]] constexpr std::uint32_t later(std::uint32_t a, std::uint32_t b) {
    return after(a, b) ? a : b;
}

}  // namespace sluice
