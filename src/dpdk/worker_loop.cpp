#include "sluice/dpdk/worker_loop.hpp"

#include <rte_pause.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>

namespace sluice::dpdk {

bool Idler::after(unsigned packets) {
    if (packets != 0) {
        idle_ = 0;
        nanoseconds_ = shortest_nanoseconds;
        return false;
    }
    if (!sleeps_ || ++idle_ < patience) {
        rte_pause();
        return false;
    }
    const timespec pause{.tv_sec = 0,
                         .tv_nsec = static_cast<long>(std::min(nanoseconds_, longest_nanoseconds_))};
    nanosleep(&pause, nullptr);
    nanoseconds_ = std::min(2 * nanoseconds_, longest_nanoseconds_);
    return true;
}

void ask_for_punctual_wakeups() {
    prctl(PR_SET_TIMERSLACK, 1UL);
}

}  // namespace sluice::dpdk
