// What can be found out before DPDK is started and any device is touched.
#pragma once

#include <string>
#include <vector>

#include "device.hpp"
#include "eal.hpp"
#include "lock.hpp"
#include "machine.hpp"
#include "sluice/base/result.hpp"
#include "sluice/dpdk/options.hpp"
#include "sluice/dpdk/runtime.hpp"

namespace sluice::dpdk {

/// How much memory, in what pieces.
struct MemoryPlan {
    std::uint32_t buffers = 0;       ///< packet buffers, all workers together
    std::uint16_t buffer_room = 0;   ///< bytes of data room each, headroom included
    std::size_t arena_bytes = 0;     ///< tables of one worker
    std::size_t dpdk_megabytes = 0;  ///< what the EAL is told to take
};

[[nodiscard]] MemoryPlan plan_memory(const Options& options, const TrackerNeeds& needs,
                                     std::uint16_t largest_mtu);

struct Preflight {
    std::vector<Device> devices;  ///< two for each pair
    std::vector<Lock> locks;
    std::vector<std::string> warnings;
    MemoryPlan memory;
    EalRequest eal;
};

/// Everything that start needs, or what is wrong.
[[nodiscard]] Result<Preflight> preflight(const Options& options, const TrackerNeeds& needs,
                                          const Machine& machine);

}  // namespace sluice::dpdk
