// Pieces of the sentences that explain a decision to people. Not for the packet path: they allocate.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>

namespace sluice {

/// 4466 as "4,466".
[[nodiscard]] inline std::string grouped(std::uint64_t number) {
    std::string out = std::to_string(number);
    for (std::size_t at = out.size(); at > 3; at -= 3) out.insert(at - 3, 1, ',');
    return out;
}

/// "1 byte", "1,460 bytes".
[[nodiscard]] inline std::string counted(std::uint64_t number, const char* noun) {
    return grouped(number) + ' ' + noun + (number == 1 ? "" : "s");
}

/// The parts, one behind the other.
template <class... Parts>
[[nodiscard]] std::string joined(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

}  // namespace sluice
