#include "sluice/dpdk/worker_loop.hpp"

#include <rte_pause.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>

namespace sluice::dpdk {

std::uint64_t Idler::pause_after(bool found_nothing) {
    if (!found_nothing) {
        idle_ = 0;
        slept_ = 0;
        next_ = shortest;
        return 0;
    }
    if (!sleeps_ || ++idle_ < patience) return 0;
    idle_ = patience;
    const std::uint64_t longest = slept_ < silence ? longest_ : std::max(longest_, longest_in_silence);
    const std::uint64_t pause = std::min(next_, longest);
    next_ = std::min(2 * pause, longest);
    slept_ += pause;
    return pause;
}

bool Idler::after(bool found_nothing) {
    const std::uint64_t nanoseconds = pause_after(found_nothing);
    if (nanoseconds == 0) {
        if (found_nothing) rte_pause();
        return false;
    }
    const timespec pause{.tv_sec = 0, .tv_nsec = static_cast<long>(nanoseconds)};
    nanosleep(&pause, nullptr);
    return true;
}

void ask_for_punctual_wakeups() {
    prctl(PR_SET_TIMERSLACK, 1UL);
}

}  // namespace sluice::dpdk
