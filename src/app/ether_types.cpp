#include "app/ether_types.hpp"

#include <algorithm>
#include <charconv>

namespace sluice::app {
namespace {

// IPv4, 802.1Q, IPv6, 802.1ad and the older QinQ type: a policy for them would be a second opinion.
constexpr std::array<std::uint16_t, 5> parsed{0x0800, 0x8100, 0x86dd, 0x88a8, 0x9100};
constexpr std::uint16_t least_ether_type = 0x0600;

}  // namespace

std::optional<std::uint16_t> ether_type_of(std::string_view text) {
    for (const auto& known : ether_type_names)
        if (known.name == text) return known.number;
    if (text.size() < 3 || text.size() > 6 || !text.starts_with("0x")) return std::nullopt;
    std::uint16_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + 2, end, number, 16);
    if (error != std::errc{} || stop != end || number < least_ether_type) return std::nullopt;
    if (std::find(parsed.begin(), parsed.end(), number) != parsed.end()) return std::nullopt;
    return number;
}

std::string name_of_ether_type(std::uint16_t number) {
    for (const auto& known : ether_type_names)
        if (known.number == number) return std::string(known.name);
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "0x";
    for (unsigned shift = 16; shift != 0; shift -= 4) out += digits[number >> (shift - 4U) & 15U];
    return out;
}

}  // namespace sluice::app
