// From the profiles of a configuration to what workers inspect by.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/configuration.hpp"
#include "sluice/base/result.hpp"
#include "sluice/inspect/database.hpp"
#include "sluice/pipeline/inspection.hpp"

namespace sluice::app {

/// How signatures are compiled; each may be left out.
struct Compiling {
    std::string cache_folder;                          ///< where they are kept; empty: nowhere
    inspect::Compile compile;                          ///< empty: in a child of this process
    std::function<void(const std::string&)> progress;  ///< told what is done, in a line each
    /// What runs now: signatures that it has need not be compiled.
    std::shared_ptr<const pipeline::Inspection> running;
};

/// In a child of this process, with a line on the terminal that says how far it has come (progress.hpp).
[[nodiscard]] Compiling compiling_shown();

/// The profiles with their signatures compiled, in the order of the configuration. The error has a line
/// "FILE:LINE: pattern: …" for the first signature that is refused. Takes up to minutes.
[[nodiscard]] Result<std::vector<pipeline::InspectionProfile>> compile_profiles(
    const InspectionOptions& options, const Compiling& compiling);

/// All that so many workers need; null where there is no profile. What `compiling.running` is when nothing
/// has changed.
[[nodiscard]] Result<std::shared_ptr<const pipeline::Inspection>> build_inspection(
    const Configuration& configuration, unsigned workers, const Compiling& compiling);

}  // namespace sluice::app
