// What every figure depends on, to be printed with it.
#pragma once

#include <fstream>
#include <string>

namespace sluice::bench {

inline std::string processor() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "unknown";
}

inline std::string transparent_huge_pages() {
    std::ifstream in("/sys/kernel/mm/transparent_hugepage/enabled");
    std::string line;
    std::getline(in, line);
    const auto open = line.find('['), close = line.find(']');
    return open == std::string::npos ? "unknown" : line.substr(open + 1, close - open - 1);
}

/// What the program was built for.
inline constexpr const char* instruction_set =
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

}  // namespace sluice::bench
