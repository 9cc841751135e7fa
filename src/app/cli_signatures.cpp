#include "app/cli_signatures.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli_rows.hpp"
#include "sluice/base/words.hpp"

namespace sluice::app {

std::string signature_heading() {
    return fmt::format("{:<20} {:>10} {:<8} {:<6} {:>14} {:>12}  {}\n", "profile", "id", "severity", "action",
                       "hits", "not alerted", "name");
}

std::string signature_line(std::string_view line) {
    const nlohmann::json row = nlohmann::json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("id")) return "";
    return fmt::format("{:<20} {:>10} {:<8} {:<6} {:>14} {:>12}  {}\n", text(row, "profile"),
                       number(row, "id"), text(row, "severity"), text(row, "action"),
                       grouped(number(row, "hits")), grouped(number(row, "suppressed")), text(row, "name"));
}

}  // namespace sluice::app
