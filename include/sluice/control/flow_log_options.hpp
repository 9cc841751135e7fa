// How flows are written down (docs/flow-logs.md), as the configuration says it.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/pipeline/events.hpp"

namespace sluice::control {

/// [flow_log]
struct FlowLogOptions {
    std::string path;  ///< absolute; empty: none
    bool json = true;  ///< false: conntrack's lines
    pipeline::EventKinds events = pipeline::only(pipeline::EventKind::destroyed);
    std::uint32_t rotate_megabytes = 100;  ///< MiB; 0: whatever its size
    std::uint32_t rotate_seconds = 0;      ///< 0: whatever its age
    std::uint32_t keep = 10;               ///< files beside the one that is written, 1 to 1000
};

/// [ipfix]
struct IpfixOptions {
    std::string collector;                        ///< "HOST:PORT"; empty: none
    std::uint32_t domain = 1;                     ///< observation domain
    std::uint32_t active_timeout_seconds = 0;     ///< 0: flows are told when they have ended
    std::uint32_t template_refresh_seconds = 60;  ///< 1 to 3600
};

}  // namespace sluice::control
