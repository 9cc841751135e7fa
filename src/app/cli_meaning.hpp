// What the options mean together: filters, changes, a new flow.
#pragma once

#include <string_view>
#include <vector>

#include "app/cli_arguments.hpp"

namespace sluice::app {

/// An option as given on the command line.
struct Given {
    const OptionText* option;
    std::string_view value;
};

/// Fills in what `out.command` needs from the options; the error is a sentence about wrong usage.
[[nodiscard]] Status understand(const std::vector<Given>& given, Arguments& out);

}  // namespace sluice::app
