// Fields of the rows that a daemon answers with: what is not there, or of another kind, is 0 or nothing.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace sluice::app {

[[nodiscard]] inline std::uint64_t number(const nlohmann::json& row, const char* key) {
    const auto found = row.find(key);
    return found != row.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}
[[nodiscard]] inline std::string text(const nlohmann::json& row, const char* key) {
    const auto found = row.find(key);
    return found != row.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace sluice::app
