// The command line of `sluice explain`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/explain_story.hpp"
#include "sluice/base/result.hpp"

namespace sluice::app {

struct ExplainOptions {
    bool help = false;
    bool json = false;
    bool ascii = false;                   ///< no box drawing, whatever the locale
    std::string svg;                      ///< file to draw into; empty: none
    std::optional<std::uint64_t> packet;  ///< the flow of this packet
    std::string config;                   ///< empty: no file
    std::vector<std::string> overrides;   ///< KEY=VALUE, in order
    std::vector<std::string> captures;    ///< at least one, unless help
    StoryChoice choice;
};

[[nodiscard]] std::string explain_usage();

/// The error says which option is wrong and what it may be. Uses getopt_long and so belongs to one thread.
[[nodiscard]] Result<ExplainOptions> parse_explain_options(int argc, char** argv);

}  // namespace sluice::app
