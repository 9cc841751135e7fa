// Signatures as a person reads them, from the rows that the daemon sends.
#pragma once

#include <string>
#include <string_view>

namespace sluice::app {

/// The heading of the table, and a line for each; nothing for what is no such row.
[[nodiscard]] std::string signature_heading();
[[nodiscard]] std::string signature_line(std::string_view row);

}  // namespace sluice::app
