// Events as lines of a file that is rotated by size, by age, or by somebody else.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "sluice/base/result.hpp"
#include "sluice/control/event_writer.hpp"
#include "sluice/control/flow_log_options.hpp"
#include "sluice/control/format.hpp"

namespace sluice::control {

/// Only whole lines are ever in the file. While it cannot be written some lines wait, and then the writer's
/// queue fills; it is tried again every second.
class FlowLog final : public EventSink {
  public:
    /// Seconds since 1970.
    using Clock = std::function<std::uint64_t()>;

    /// Opens the file, or makes it with mode 0640. The error is a sentence that names it. `accounting` and
    /// `timestamps`: what workers keep of flows. An empty `clock` is the system's.
    [[nodiscard]] static Result<std::unique_ptr<FlowLog>> open(const FlowLogOptions& options, bool accounting,
                                                               bool timestamps, Clock clock = {});
    ~FlowLog() override;
    FlowLog(const FlowLog&) = delete;
    FlowLog& operator=(const FlowLog&) = delete;

    [[nodiscard]] bool take(const ToldEvent& event) override;
    void turn(bool last) override;
    void reopen() override { reopen_.store(true, std::memory_order_relaxed); }

    /// What stands in error(), for people.
    [[nodiscard]] static std::string describe(int error);

  private:
    FlowLog(const FlowLogOptions& options, const Format& format, Clock clock);
    [[nodiscard]] int open_file();
    void close_file();
    [[nodiscard]] int write_waiting();
    [[nodiscard]] int make_ready();
    [[nodiscard]] int rotate();
    [[nodiscard]] bool due(std::uint64_t bytes, std::uint64_t changed_seconds) const;
    [[nodiscard]] int write_down();

    const FlowLogOptions options_;
    const Format format_;
    const Clock clock_;
    int file_ = -1;
    std::string waiting_;  ///< lines to be written
    bool begun_ = false;   ///< of the first of them, part is in the file
    std::chrono::steady_clock::time_point try_again_{};
    std::atomic<bool> reopen_{false};
};

}  // namespace sluice::control
