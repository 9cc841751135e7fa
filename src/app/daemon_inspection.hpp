// Signatures compiled for the workers of the daemon.
#pragma once

#include <memory>
#include <stop_token>

#include "app/configuration.hpp"
#include "sluice/base/result.hpp"
#include "sluice/pipeline/inspection.hpp"

namespace sluice::app {

/// What workers of the daemon inspect by; null where there is no profile. Signatures are compiled by a
/// program of their own and kept where the configuration says; what is done goes to the log. Waits for it, in
/// any thread.
[[nodiscard]] Result<std::shared_ptr<const pipeline::Inspection>> compile_for_daemon(
    const Configuration& configuration, unsigned workers, std::shared_ptr<const pipeline::Inspection> running,
    const std::stop_token& stop);

}  // namespace sluice::app
