// Turning a worker until it is told to stop, and sleeping when there is nothing to do.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "sluice/dpdk/clock.hpp"
#include "sluice/dpdk/worker.hpp"

namespace sluice::dpdk {

/// How the control thread stops a worker: first all stop receiving and finish what is under way, then all
/// stop.
enum class Stage : std::uint8_t { run, drain, stop };

/// Between the control thread and one worker.
struct alignas(64) WorkerControl {
    std::atomic<Stage> stage{Stage::run};        ///< written by the control thread
    alignas(64) std::atomic<unsigned> quiet{0};  ///< draining: polls in a row that moved nothing
};

/// Sleeps between polls that find nothing to do: short at first, then up to `longest_microseconds`, and when
/// nothing was found for a second, up to a millisecond.
class Idler {
  public:
    Idler(bool sleeps, std::uint32_t longest_microseconds)
        : sleeps_(sleeps), longest_(std::min(1000ULL * longest_microseconds, 999'999'999ULL)) {}

    /// After a poll. Returns whether it slept: the only system call of a worker, made only when nothing
    /// waits.
    bool after(bool found_nothing);

    /// The same without sleeping: nanoseconds that a poll should be followed by, 0 for none.
    std::uint64_t pause_after(bool found_nothing);

    /// Polls that find nothing before the first sleep: about 20 us of polling, longer than the gaps inside a
    /// stream, so that only a pause costs a wake-up.
    static constexpr unsigned patience = 256;
    /// Once that much of a silence was slept through (ns) the sleeps grow to `longest_in_silence`, 1 ms,
    /// which takes a tenth of the wake-ups of 100 us. The receive ring holds what arrives meanwhile: its
    /// usual 1,024 frames are a millisecond of a million packets a second.
    static constexpr std::uint64_t silence = 1'000'000'000;
    static constexpr std::uint64_t longest_in_silence = 1'000'000;

  private:
    static constexpr std::uint64_t shortest = 5'000;

    bool sleeps_;
    std::uint64_t longest_;          ///< ns
    std::uint64_t next_ = shortest;  ///< ns
    std::uint64_t slept_ = 0;        ///< ns, since something was found
    unsigned idle_ = 0;              ///< polls since something was found
};

/// Where a worker's time goes, from the clock that it reads anyway.
class PollTimer {
  public:
    /// `now` as in begin().
    PollTimer(WorkerCounters& counters, std::uint64_t now) : counters_(counters), began_(now) {}

    /// A poll begins, at `now` in nanoseconds by a clock that goes forward: until then the last one took.
    void begin(std::uint64_t now) {
        const std::uint64_t took = now > began_ ? now - began_ : 0;
        counters_.nanoseconds.add(took);
        if (busy_) counters_.busy_polls.add(took);
        began_ = now;
    }
    void end(bool found_nothing) { busy_ = !found_nothing; }

  private:
    WorkerCounters& counters_;
    std::uint64_t began_;
    bool busy_ = false;
};

/// Has the kernel wake this thread close to when it asked (timer slack), not up to 50 us later.
void ask_for_punctual_wakeups();

/// Runs `worker` on the calling thread until `control` says stop.
template <class TrackerT>
void run(Worker<TrackerT>& worker, WorkerCounters& counters, const Clock& clock, Idler idler,
         WorkerControl& control) {
    ask_for_punctual_wakeups();
    PollTimer timer(counters, clock.now().wall_nanoseconds);
    while (control.stage.load(std::memory_order_relaxed) == Stage::run) {
        const std::uint64_t cycles = Clock::cycles();
        const pipeline::Now now = clock.at(cycles);
        timer.begin(now.wall_nanoseconds);
        const bool nothing = worker.poll(now, cycles).nothing();
        timer.end(nothing);
        if (idler.after(nothing)) counters.idle_sleeps.add();
    }
    while (control.stage.load(std::memory_order_relaxed) == Stage::drain) {
        const std::uint64_t cycles = Clock::cycles();
        const bool moved = worker.poll_without_receiving(clock.at(cycles), cycles).packets != 0;
        control.quiet.store(moved ? 0 : control.quiet.load(std::memory_order_relaxed) + 1,
                            std::memory_order_release);
        idler.after(!moved);
    }
    worker.give_up_fragments();
}

}  // namespace sluice::dpdk
