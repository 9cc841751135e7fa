// Whom to send flow records to, as a configuration says it: "192.0.2.1:4739", "[2001:db8::1]:4739",
// "collector.example:4739".
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

namespace sluice::control {

struct CollectorName {
    std::string host;  ///< an address or a name
    std::uint16_t port = 0;
};

/// Nothing when the text cannot be one. Whether the name is anybody's is not looked up.
[[nodiscard]] inline std::optional<CollectorName> parse_collector_name(const std::string& text) {
    constexpr std::size_t longest_name = 253;  // RFC 1035, 2.3.4
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) return std::nullopt;
    CollectorName out;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + colon + 1, end, out.port);
    if (read.ec != std::errc{} || read.ptr != end || out.port == 0) return std::nullopt;
    out.host = text.substr(0, colon);
    const bool bracketed = out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']';
    if (bracketed) out.host = out.host.substr(1, out.host.size() - 2);
    if (out.host.empty() || out.host.size() > longest_name) return std::nullopt;
    const bool fits = std::all_of(out.host.begin(), out.host.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.' || (c == ':' && bracketed);
    });
    if (!fits) return std::nullopt;
    return out;
}

}  // namespace sluice::control
