// A reload's slow part: the configuration read and its signatures compiled, in a thread of its own, so that
// the control thread goes on meanwhile.
#pragma once

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "app/configuration.hpp"
#include "sluice/base/result.hpp"
#include "sluice/pipeline/inspection.hpp"

namespace sluice::app {

/// Used by the control thread alone.
class ReloadJob {
  public:
    struct Made {
        Configuration configuration;
        std::shared_ptr<const pipeline::Inspection> inspection;  ///< null: nothing is inspected
    };

    /// Begins to read what `running` was read from. `inspection`: what runs now, or null.
    ReloadJob(const Configuration& running, unsigned workers,
              std::shared_ptr<const pipeline::Inspection> inspection);
    ReloadJob(const ReloadJob&) = delete;
    ReloadJob& operator=(const ReloadJob&) = delete;
    /// Ends what is under way, within a tenth of a second while signatures are compiled.
    ~ReloadJob() = default;

    [[nodiscard]] bool finished() const { return finished_.load(std::memory_order_acquire); }
    /// Once, when finished. The error says what is wrong with the file, or what of it needs a restart.
    [[nodiscard]] Result<Made> take() { return std::move(*made_); }

  private:
    std::unique_ptr<Result<Made>> made_;  ///< written by the thread before it has finished
    std::atomic<bool> finished_{false};
    std::jthread thread_;
};

/// What workers of the daemon inspect by; null where there is no profile. Signatures are compiled by a
/// program of their own and kept where the configuration says; what is done goes to the log. Waits for it, in
/// any thread.
[[nodiscard]] Result<std::shared_ptr<const pipeline::Inspection>> compile_for_daemon(
    const Configuration& configuration, unsigned workers, std::shared_ptr<const pipeline::Inspection> running,
    const std::stop_token& stop);

}  // namespace sluice::app
