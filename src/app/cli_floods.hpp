// Attacks and guarded services as a person reads them, from the rows that the daemon sends.
#pragma once

#include <string>
#include <string_view>

namespace sluice::app {

/// A few lines for an attack; nothing for what is no such row. Times are local.
[[nodiscard]] std::string flood_text(std::string_view row);

/// The heading of the table of services, and a line for each.
[[nodiscard]] std::string guarded_heading();
[[nodiscard]] std::string guarded_line(std::string_view row);

}  // namespace sluice::app
