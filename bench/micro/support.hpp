// What the benchmarks share: memory as the daemon has it, cycles beside time, random picks drawn beforehand.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <exception>
#include <utility>
#include <vector>

#include "flows.hpp"
#include "huge_memory.hpp"
#include "kept.hpp"
#include "random.hpp"

// What the pure parts are built for, the benchmarks must be built for too: flags of a library could lower it.
#if SLUICE_PURE_PARTS_HAVE_AVX2 && !defined(__AVX2__)
#error "the pure parts are built for AVX2, this is not"
#endif
#if SLUICE_PURE_PARTS_HAVE_AES && !defined(__AES__)
#error "the pure parts are built for AES, this is not"
#endif

namespace sluice::bench {

/// Packets to a burst, as everywhere in this project.
inline constexpr unsigned burst = 32;

/// Seconds of processor time this thread has had. What the neighbours on a shared machine take does not
/// count; on a processor of its own it is the time that passes.
[[nodiscard]] inline double processor_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// How fast the processor's time stamp counter runs, found out once; 0 where there is none.
[[nodiscard]] double tsc_hertz();

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

/// Reports items of so many packets each, handled within so much processor time: Google Benchmark's own
/// figures go by it, too. A cycle is one of the time stamp counter.
inline void report_items(benchmark::State& state, std::uint64_t items, unsigned packets_per_item,
                         double seconds) {
    state.SetItemsProcessed(static_cast<std::int64_t>(items));
    state.counters["cycles_per_packet"] =
        seconds * tsc_hertz() / static_cast<double>(items * packets_per_item);
}

/// Runs `body()`, which handles `items` packets, for as long as Google Benchmark wants.
template <class Body>
void measure(benchmark::State& state, std::uint64_t items, Body&& body) {
    const double start = processor_seconds();
    for (auto _ : state) body();
    const double seconds = processor_seconds() - start;
    report_items(state, static_cast<std::uint64_t>(state.iterations()) * items, 1, seconds);
}

/// Runs `prepare()`, untimed, and `pass()`, which handles `items`, in turn; an iteration is an item. A pass
/// should take some hundred microseconds: to stop and start the clock costs about one.
template <class Prepare, class Pass>
void measure_passes(benchmark::State& state, std::uint64_t items, Prepare&& prepare, Pass&& pass,
                    unsigned packets_per_item = 1) {
    double seconds = 0;
    std::uint64_t done = 0;
    while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(items))) {
        state.PauseTiming();
        prepare();
        state.ResumeTiming();
        const double start = processor_seconds();
        pass();
        seconds += processor_seconds() - start;
        done += items;
    }
    if (done != 0) report_items(state, done, packets_per_item, seconds);
}

/// Whether any benchmark of this run came out wrong: the program's exit status.
inline bool any_failed = false;

/// Runs a benchmark; what it throws is why it cannot be believed.
template <class Body>
void guarded(benchmark::State& state, Body&& body) {
    try {
        body();
    } catch (const std::exception& error) {
        any_failed = true;
        Kept::clear();
        state.SkipWithError(error.what());
    }
}

/// The working sets every curve is drawn over.
inline constexpr std::int64_t working_sets[] = {1'000, 100'000, 1'000'000, 4'000'000, 16'000'000};
inline void all_working_sets(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgName("flows");
    for (const std::int64_t flows : working_sets) benchmark->Arg(flows);
}

}  // namespace sluice::bench
