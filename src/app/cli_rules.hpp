// `sluice rules` and `sluice test-packet`; argv[0] is the word.
#pragma once

#include <string>
#include <string_view>

namespace sluice::app {

[[nodiscard]] int rules_command(int argc, char** argv);
[[nodiscard]] int test_packet_command(int argc, char** argv);

/// Rows of the daemon as a person reads them; empty for what is none.
[[nodiscard]] std::string rule_heading();
[[nodiscard]] std::string rule_line(std::string_view row);
[[nodiscard]] std::string trial_text(std::string_view row);

}  // namespace sluice::app
