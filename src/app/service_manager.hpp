// systemd's notify protocol (sd_notify(3)): one datagram to a socket whose name is in the environment.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::app {

/// Sends `state` ("READY=1", "STOPPING=1" …) where NOTIFY_SOCKET says; does nothing when it is not set.
/// Nobody listening is no fault of ours.
void notify_service_manager(std::string_view state);

/// "STATUS=…": the first line of `sentence`, since each line of a datagram is an assignment of its own.
[[nodiscard]] std::string status_line(std::string_view sentence);

/// "RELOADING=1" with the time that has to be beside it, of CLOCK_MONOTONIC.
[[nodiscard]] std::string reloading_lines(std::chrono::nanoseconds monotonic);

/// Tells when the service manager is to hear that all is well: twice in the time it allows, and only while
/// every worker turns. The control thread alone.
class Watchdog {
  public:
    using Time = std::chrono::steady_clock::time_point;

    /// `microseconds` and `process` as WATCHDOG_USEC and WATCHDOG_PID have them, or null. Without a time that
    /// is one, or for another process than `self`, nothing is ever due.
    Watchdog(const char* microseconds, const char* process, pid_t self);

    /// Whether "WATCHDOG=1" is to be sent now. `polls`: how often each worker has turned since it started, in
    /// the same order at each call. A worker that has not turned since the last time that something was sent
    /// keeps it from being due.
    [[nodiscard]] bool due(Time now, std::span<const std::uint64_t> polls);

  private:
    std::chrono::microseconds interval_{0};  ///< 0: nobody waits for it
    Time next_{};
    std::vector<std::uint64_t> last_;
};

}  // namespace sluice::app
