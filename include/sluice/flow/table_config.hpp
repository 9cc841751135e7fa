#pragma once

#include <array>
#include <cstdint>

#include "sluice/base/result.hpp"
#include "sluice/base/time.hpp"
#include "sluice/flow/age_lists.hpp"
#include "sluice/flow/hash.hpp"

namespace sluice::flow {

inline constexpr std::uint32_t max_capacity = 1U << 30;

struct TableConfig {
    std::uint32_t capacity = 0;  ///< records, 1 to max_capacity
    unsigned lifetimes = 0;      ///< age lists, 1 to max_lifetimes
    std::array<std::uint8_t, max_lifetimes>
        eviction_class{};                        ///< per lifetime; class 0 goes first, class 3 never
    std::array<Tick, max_lifetimes> interval{};  ///< per lifetime: its timeout, 1 to max_interval ticks
    bool accounting = false;                     ///< keep packets and bytes per direction
    bool timestamps = false;                     ///< keep the start time
    Secret secret;
};

/// Whether a table can be made of this; the error names the value and its range.
[[nodiscard]] Status check(const TableConfig& config);

}  // namespace sluice::flow
