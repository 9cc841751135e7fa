#include "sluice/dpdk/clock.hpp"

#include <chrono>

namespace sluice::dpdk {

Clock Clock::start() {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    const auto wall = std::chrono::duration_cast<std::chrono::nanoseconds>(since_1970).count();
    return {rte_get_tsc_hz(), cycles(), static_cast<std::uint64_t>(wall)};
}

}  // namespace sluice::dpdk
