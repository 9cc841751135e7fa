// Receive side scaling, made symmetric: both directions of a flow come to the same queue.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "sluice/base/result.hpp"
#include "sluice/dpdk/ports.hpp"

namespace sluice::dpdk {

/// The key is this word over and over: Toeplitz over (a, b) then equals Toeplitz over (b, a) (S. Woo and K.
/// Park, "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012). It has an odd number
/// of ones, so that no two words of input have the same hash.
inline constexpr std::uint16_t rss_word = 0x6D5A;
[[nodiscard]] std::array<std::uint8_t, 52> symmetric_key();

/// The packet types a port must spread for flows to find their worker; all of them or none.
[[nodiscard]] std::uint64_t wanted_rss_fields();

/// What of `offered` a port is asked for, or 0 when flows would not all be spread as Steering computes it.
[[nodiscard]] std::uint64_t usable_rss_fields(std::uint64_t offered);

/// Gives a started port key and fields once more: some drivers take them from nowhere else. verify_rss()
/// tells.
void write_rss_key(const Port& port, const Spreading& spreading);

/// Writes the indirection table of a started port; false when it could not.
[[nodiscard]] bool write_rss_table(const Port& port, const Spreading& spreading);

/// Reads key, fields and table back from the port and compares them with what was asked for. A sentence says
/// what differs.
[[nodiscard]] Status verify_rss(const Port& port, const Spreading& spreading);

}  // namespace sluice::dpdk
