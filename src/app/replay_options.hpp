// The command line of `sluice replay`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/result.hpp"

namespace sluice::app {

inline constexpr unsigned most_replay_workers = 64;

struct ReplayOptions {
    bool help = false;
    bool json = false;
    bool flows = false;
    std::string config;                  ///< empty: no file
    std::vector<std::string> overrides;  ///< KEY=VALUE, in order
    unsigned workers = 1;                ///< 1 to most_replay_workers
    std::string write;                   ///< empty: nothing is written
    std::vector<std::string> captures;   ///< at least one, unless help
};

extern const std::string_view replay_usage;

/// The error says which option is wrong and what it may be.
[[nodiscard]] Result<ReplayOptions> parse_replay_options(int argc, char** argv);

}  // namespace sluice::app
