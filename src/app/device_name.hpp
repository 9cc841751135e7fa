// How an operator names the device behind a port.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::app {

/// What makes two device names the same device: a PCI address in full and lower case, the interface behind a
/// virtual device, else the name without its arguments. Nothing when the text names no device sluice could
/// open.
[[nodiscard]] std::optional<std::string> device_identity(std::string_view text);

/// What to write instead, for a text that device_identity refuses.
[[nodiscard]] std::string device_expectation(std::string_view text);

}  // namespace sluice::app
