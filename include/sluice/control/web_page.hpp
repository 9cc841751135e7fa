// The web page: what a browser is given, and under which conditions.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "sluice/control/http_endpoint.hpp"

namespace sluice::control {

/// The page, one HTML file that loads nothing from elsewhere, at /, and what it asks for every second at
/// /api/state. `state`: WebState::json().
[[nodiscard]] HttpSite web_site(std::function<std::string(std::string_view since)> state);

}  // namespace sluice::control
