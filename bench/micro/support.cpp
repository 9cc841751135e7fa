#include "support.hpp"

#include <chrono>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace sluice::bench {

double tsc_hertz() {
#if defined(__x86_64__)
    static const double hertz = [] {
        using Clock = std::chrono::steady_clock;
        const auto start = Clock::now();
        const std::uint64_t cycles = __rdtsc();
        while (Clock::now() - start < std::chrono::milliseconds(50)) {
        }
        const std::uint64_t passed = __rdtsc() - cycles;
        return static_cast<double>(passed) / std::chrono::duration<double>(Clock::now() - start).count();
    }();
    return hertz;
#else
    return 0;
#endif
}

}  // namespace sluice::bench
