// SIGTERM, SIGINT and SIGHUP as requests that the control thread looks at between its turns.
#pragma once

namespace sluice::app {

/// Holds the signals back, in this thread and those it starts, until `SignalsOpen`: what arrives while the
/// daemon starts is then obeyed once it has started, and workers never see any.
void hold_signals_back();

/// Leaves the signals to the other threads.
void keep_signals_from_this_thread();

/// Lets the signals in while it exists; the control thread alone.
class SignalsOpen {
  public:
    SignalsOpen();
    ~SignalsOpen();
    SignalsOpen(const SignalsOpen&) = delete;
    SignalsOpen& operator=(const SignalsOpen&) = delete;
};

/// Whether SIGTERM or SIGINT has arrived.
[[nodiscard]] bool asked_to_stop();
/// Whether SIGHUP has arrived since the last call; several count as one.
[[nodiscard]] bool asked_to_reload();

}  // namespace sluice::app
