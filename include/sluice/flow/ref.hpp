#pragma once

#include <cstdint>

namespace sluice::flow {

/// A record's number in its table; records never move.
using Ref = std::uint32_t;
inline constexpr Ref no_ref = 0xFFFFFFFFU;

}  // namespace sluice::flow
