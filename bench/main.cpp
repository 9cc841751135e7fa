// The micro-benchmarks. What the numbers depend on is printed with them: the instruction set they were built
// for, the processor, its clock, whether huge pages are to be had. Exit status 1 when a benchmark's output
// was not what it should be.
#include <benchmark/benchmark.h>

#include <cmath>
#include <fstream>
#include <string>

#include "machine.hpp"
#include "micro/support.hpp"

namespace {

/// What the benchmarks' memory is made of, tried out, and what the kernel allows. Each benchmark with a table
/// reports the share of its own.
std::string huge_pages() {
    using sluice::bench::HugeMemory;
    const HugeMemory tried(32 * HugeMemory::page);
    std::ifstream in("/sys/kernel/mm/transparent_hugepage/enabled");
    std::string enabled;
    std::getline(in, enabled);
    return std::to_string(static_cast<int>(100 * tried.huge_share())) + " % of " +
           (tried.is_explicit() ? "64 MiB, from the reserve (explicit)" : "64 MiB, transparent") +
           "; transparent_hugepage/enabled: " + enabled;
}

}  // namespace

int main(int argc, char** argv) {
    benchmark::AddCustomContext("cpu", sluice::bench::processor());
    benchmark::AddCustomContext("instruction_set", sluice::bench::instruction_set);
    benchmark::AddCustomContext("huge_pages", huge_pages());
    benchmark::AddCustomContext("tsc_mhz", std::to_string(std::lround(sluice::bench::tsc_hertz() / 1e6)));
#ifdef SLUICE_QUICK_BUILD
    benchmark::AddCustomContext(
        "build", "quick (-Dquick=true): not optimised as what is shipped; its figures tell nothing");
#endif
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    sluice::bench::Kept::clear();
    benchmark::Shutdown();
    return sluice::bench::any_failed ? 1 : 0;
}
