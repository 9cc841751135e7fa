// TCP options as words of four bytes in Linux's order, for those who write headers: maximum segment size,
// "SACK permitted" and timestamps, window scale.
#pragma once

#include <cstdint>

namespace sluice::packet {

inline constexpr std::uint32_t mss_word = 0x0204'0000;
inline constexpr std::uint32_t sack_timestamps_word = 0x0402'080A;
inline constexpr std::uint32_t timestamps_word = 0x0101'080A;  // two NOPs for want of "SACK permitted"
inline constexpr std::uint32_t sack_word = 0x0101'0402;        // ... for want of timestamps
inline constexpr std::uint32_t scale_word = 0x0103'0300;       // a NOP before it

}  // namespace sluice::packet
