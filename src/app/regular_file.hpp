// A file that a person named, read whole.
#pragma once

#include <cstddef>
#include <string>

#include "sluice/base/result.hpp"

namespace sluice::app {

/// The content of `path`, at most `most_bytes` long. The error says that it cannot be read as `what` ("a
/// configuration"), and why. Never blocks on what is not a regular file.
[[nodiscard]] Result<std::string> read_regular_file(const std::string& path, const std::string& what,
                                                    std::size_t most_bytes);

/// `path` as it is meant in `configuration`: from that file's folder on, wherever the program was started.
[[nodiscard]] std::string beside(const std::string& configuration, const std::string& path);

}  // namespace sluice::app
