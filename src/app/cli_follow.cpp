#include "app/cli_follow.hpp"

#include <nlohmann/json.hpp>

#include "app/cli_rows.hpp"
#include "sluice/control/query.hpp"

namespace sluice::app {

bool LostRows::take(std::string_view row) {
    if (!row.starts_with(control::lost_prefix)) return false;
    const nlohmann::json lost = nlohmann::json::parse(row, nullptr, false);
    if (lost.is_discarded() || !lost.is_object()) return true;
    by_reader += number(lost, "by_reader");
    by_workers += number(lost, "by_workers");
    return true;
}

}  // namespace sluice::app
