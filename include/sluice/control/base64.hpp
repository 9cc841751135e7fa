// Bytes in a line of JSON (RFC 4648 section 4, padded).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::control {

[[nodiscard]] std::string to_base64(std::string_view bytes);
/// Nothing when it is none, whole and padded.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace sluice::control
