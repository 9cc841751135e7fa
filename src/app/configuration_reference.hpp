// The two texts for operators that are made from the table of keys. A test holds the files in the repository
// against them; `build/src/app/config_reference` prints them anew.
#pragma once

#include <string>

namespace sluice::app {

/// The whole of config/sluice.toml: every key with its default, by grade.
[[nodiscard]] std::string reference_toml();

/// The part of docs/configuration.md that lists the keys.
[[nodiscard]] std::string reference_markdown();

}  // namespace sluice::app
