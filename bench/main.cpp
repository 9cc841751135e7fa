// The micro-benchmarks. What the numbers depend on is printed with them: the instruction set they were built
// for, the processor, whether huge pages are to be had.
#include <benchmark/benchmark.h>

#include <fstream>
#include <string>

namespace {

std::string first_line_with(const char* file, const std::string& prefix) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(prefix)) return line.substr(line.find(':') + 2);
    return "unknown";
}

std::string transparent_huge_pages() {
    std::ifstream in("/sys/kernel/mm/transparent_hugepage/enabled");
    std::string line;
    std::getline(in, line);
    const auto open = line.find('['), close = line.find(']');
    return open == std::string::npos ? "unknown" : line.substr(open + 1, close - open - 1);
}

constexpr const char* instruction_set =
#if defined(__AVX512BW__)
    "AVX-512"
#elif defined(__AVX2__)
    "AVX2"
#else
    "baseline"
#endif
#if defined(__AES__)
    " with AES";
#else
    " without AES";
#endif

}  // namespace

int main(int argc, char** argv) {
    benchmark::AddCustomContext("cpu", first_line_with("/proc/cpuinfo", "model name"));
    benchmark::AddCustomContext("instruction_set", instruction_set);
    benchmark::AddCustomContext("transparent_huge_pages", transparent_huge_pages());
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
