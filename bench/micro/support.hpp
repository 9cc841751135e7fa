// What the benchmarks share: memory as the daemon has it, cycles beside time, random picks drawn beforehand.
#pragma once

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>
#include <vector>

#include "flows.hpp"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace sluice::bench {

/// Packets to a burst, as everywhere in this project.
inline constexpr unsigned burst = 32;

/// The processor's time stamp counter: cycles at its nominal clock. 0 where there is none.
[[nodiscard]] inline std::uint64_t cycles_now() {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return 0;
#endif
}

/// Zeroed memory aligned to 2 MiB, huge pages advised, every page touched beforehand.
class HugeMemory {
  public:
    explicit HugeMemory(std::size_t bytes) : mapped_bytes_(round_up(bytes) + page), bytes_(bytes) {
        mapped_ = ::mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped_ == MAP_FAILED) std::abort();
        const auto offset =
            round_up(reinterpret_cast<std::uintptr_t>(mapped_)) - reinterpret_cast<std::uintptr_t>(mapped_);
        data_ = static_cast<std::byte*>(mapped_) + offset;
        ::madvise(data_, round_up(bytes), MADV_HUGEPAGE);
        for (std::size_t i = 0; i < bytes; i += 4096)
            const_cast<volatile std::byte&>(data_[i]) = std::byte{0};
    }
    ~HugeMemory() { ::munmap(mapped_, mapped_bytes_); }
    HugeMemory(const HugeMemory&) = delete;
    HugeMemory& operator=(const HugeMemory&) = delete;

    [[nodiscard]] std::span<std::byte> span() { return {data_, bytes_}; }

  private:
    static constexpr std::size_t page = 2 << 20;
    static std::size_t round_up(std::size_t n) { return (n + page - 1) / page * page; }
    std::size_t mapped_bytes_;
    std::size_t bytes_;
    void* mapped_;
    std::byte* data_;
};

/// splitmix64.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    std::uint32_t below(std::uint32_t bound) {
        return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
    }

  private:
    std::uint64_t state_;
};

/// What is drawn before anything is timed, in order, for ever: one of `flows` for each packet, and its key
/// ready made, as a parser leaves it. Enough that the whole working set comes round.
template <class KeyT>
class Picks {
  public:
    explicit Picks(std::uint32_t flows)
        : numbers_(flows < 1U << 20 ? 1U << 20 : (flows + burst - 1) / burst * burst) {
        Random random(flows);
        keys_.reserve(numbers_.size());
        for (auto& number : numbers_) {
            number = random.below(flows);
            keys_.push_back(key_of<KeyT>(number));
        }
    }
    [[nodiscard]] std::size_t size() const { return numbers_.size(); }
    /// The next burst: where it begins.
    [[nodiscard]] std::size_t next() {
        if (at_ == numbers_.size()) at_ = 0;
        return std::exchange(at_, at_ + burst);
    }
    [[nodiscard]] const std::uint32_t* numbers(std::size_t at) const { return &numbers_[at]; }
    [[nodiscard]] const KeyT* keys(std::size_t at) const { return &keys_[at]; }

  private:
    std::vector<std::uint32_t> numbers_;
    std::vector<KeyT> keys_;
    std::size_t at_ = 0;
};

/// Runs `body()`, which handles `items` packets, for as long as Google Benchmark wants, and reports packets
/// and cycles.
template <class Body>
void measure(benchmark::State& state, std::uint64_t items, Body&& body) {
    const std::uint64_t start = cycles_now();
    for (auto _ : state) body();
    const std::uint64_t cycles = cycles_now() - start;
    const auto packets = static_cast<double>(state.iterations()) * static_cast<double>(items);
    state.SetItemsProcessed(static_cast<std::int64_t>(packets));
    state.counters["cycles_per_packet"] = static_cast<double>(cycles) / packets;
}

/// The working sets every curve is drawn over.
inline void all_working_sets(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgName("flows");
    for (const std::int64_t flows : {1'000, 100'000, 1'000'000, 4'000'000, 16'000'000}) benchmark->Arg(flows);
}

}  // namespace sluice::bench
