// What the tests of the configuration share.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "app/configuration.hpp"

namespace sluice::app::testing {

/// A file of the repository; SLUICE_SOURCE_ROOT comes from the build.
inline std::string in_repository(const std::string& path) {
    return std::string(SLUICE_SOURCE_ROOT) + '/' + path;
}

inline std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline const std::string one_pair = "pair = [{ports = [\"net_null0\", \"net_null1\"]}]\n";

using Overrides = std::vector<std::string>;

/// A text as the daemon reads it, a pair of ports added; messages call it "file".
inline Result<Configuration> daemon_reads(const std::string& text, const Overrides& overrides = {}) {
    return load_text(one_pair + text, "file", overrides, Use::daemon);
}

inline Result<Configuration> replay_reads(const std::string& text, const Overrides& overrides = {}) {
    return load_text(text, "file", overrides, Use::replay);
}

/// The message, or what says that there was none.
inline std::string error_of(const Result<Configuration>& result) {
    return result ? "accepted" : result.error();
}

}  // namespace sluice::app::testing
