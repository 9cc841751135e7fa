// First packets that a worker has to report, on their way to the control thread: one writes, one reads, and
// what finds no room is counted instead.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "sluice/base/counters.hpp"
#include "sluice/policy/rule.hpp"

namespace sluice::pipeline {

class RuleLog {
  public:
    struct Entry {
        policy::FirstPacket packet;
        policy::RuleNumber rule = policy::no_rule;
    };
    static constexpr std::uint32_t places = 128;  ///< a power of two

    /// The worker.
    void put(policy::RuleNumber rule, const policy::FirstPacket& packet) {
        const std::uint32_t at = written_.load(std::memory_order_relaxed);
        if (at - read_.load(std::memory_order_acquire) == places) {
            lost_.add();
            return;
        }
        entries_[at % places] = {packet, rule};
        written_.store(at + 1, std::memory_order_release);
    }
    /// The control thread.
    template <class Use>
    void take_all(const Use& use) {
        const std::uint32_t end = written_.load(std::memory_order_acquire);
        std::uint32_t at = read_.load(std::memory_order_relaxed);
        for (; at != end; ++at) use(entries_[at % places]);
        read_.store(end, std::memory_order_release);
    }
    [[nodiscard]] std::uint64_t lost() const { return lost_.read(); }

  private:
    alignas(64) std::atomic<std::uint32_t> written_{0};
    Counter lost_;
    alignas(64) std::atomic<std::uint32_t> read_{0};
    std::array<Entry, places> entries_;
};

}  // namespace sluice::pipeline
