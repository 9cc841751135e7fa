// Signatures from a TOML file: one [[signature]] each. Read whole, or refused whole.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sluice/base/result.hpp"
#include "sluice/policy/signature.hpp"

namespace sluice::app {

inline constexpr std::size_t max_signature_file_bytes = 16U << 20U;

/// The error has a line for each fault, "FILE:LINE:COLUMN: key: what was expected, what was found". Whether
/// the patterns can be compiled is found when they are.
[[nodiscard]] Result<policy::SignatureSet> load_signatures(const std::string& path);

/// The same for a text; `name` stands for the file in messages.
[[nodiscard]] Result<policy::SignatureSet> read_signatures(std::string_view text, const std::string& name);

}  // namespace sluice::app
