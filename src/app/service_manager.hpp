// systemd's notify protocol (sd_notify(3)): one datagram to a socket whose name is in the environment.
#pragma once

#include <string_view>

namespace sluice::app {

/// Sends `state` ("READY=1", "STOPPING=1" …) where NOTIFY_SOCKET says; does nothing when it is not set.
/// Nobody listening is no fault of ours.
void notify_service_manager(std::string_view state);

}  // namespace sluice::app
