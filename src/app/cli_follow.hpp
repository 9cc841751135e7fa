// What the commands that follow the daemon until they are told to stop have in common.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::app {

/// Rows that say how many were lost (control::lost_prefix).
struct LostRows {
    std::uint64_t by_reader = 0;   ///< read too slowly
    std::uint64_t by_workers = 0;  ///< came too fast for the daemon

    /// Adds what such a row says; false for any other.
    bool take(std::string_view row);
    [[nodiscard]] std::uint64_t all() const { return by_reader + by_workers; }
};

}  // namespace sluice::app
