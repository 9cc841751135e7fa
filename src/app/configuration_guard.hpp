// What the configuration of the guard needs beside the table of keys: its rows, and thresholds in order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/configuration_keys.hpp"
#include "sluice/guard/detector.hpp"

namespace sluice::app {

/// The keys of [guard].
void add_guard_keys(std::vector<Key>& out);

/// "192.0.2.1", "192.0.2.0/24", "2001:db8::/32".
struct AddressPrefix {
    guard::Address address;
    std::uint8_t length = 128;  ///< of guard::Address
};
/// Nothing when it is no address, or has bits beyond its prefix.
[[nodiscard]] std::optional<AddressPrefix> parse_prefix(std::string_view text);

/// As parse_prefix() reads it.
[[nodiscard]] std::string text_of(const control::SourcePrefix& prefix);

/// The thresholds of one quantity, from the lowest, by the names of their keys.
using ThresholdNames = std::array<std::string_view, 3>;
inline constexpr std::array<ThresholdNames, 2> threshold_names{
    ThresholdNames{"alarm_rate", "activate_rate", "maximum_rate"},
    ThresholdNames{"alarm_half_open", "activate_half_open", "maximum_half_open"}};
[[nodiscard]] std::uint32_t& threshold(guard::Policy& policy, std::size_t quantity, std::size_t step);

/// Thresholds that were left out give way to those that were given, so that none is above the next.
void put_in_order(guard::Policy& policy, std::size_t quantity, const std::array<bool, 3>& given);

}  // namespace sluice::app
