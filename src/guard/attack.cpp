#include "sluice/guard/attack.hpp"

namespace sluice::guard {

std::string_view name_of(Level level) {
    constexpr std::array<std::string_view, 4> names{"quiet", "alarm", "defend", "maximum"};
    return names[static_cast<unsigned>(level)];
}
std::string_view name_of(Mode mode) {
    constexpr std::array<std::string_view, 4> names{"off", "monitor", "auto", "always"};
    return names[static_cast<unsigned>(mode)];
}
std::string_view name_of(Kind kind) {
    constexpr std::array<std::string_view, 4> names{"spoofed", "loud", "distributed", "unanswered"};
    return names[static_cast<unsigned>(kind)];
}

}  // namespace sluice::guard
