// Counters of one worker: written by that worker alone, read by anyone. A plain add and a relaxed store,
// never a read-modify-write that locks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/base/reason.hpp"

namespace sluice {

/// One number with a single writer.
class Counter {
  public:
    [[gnu::always_inline]] void add(std::uint64_t amount = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

/// A counter per reason.
using ReasonCounters = std::array<Counter, reason_count>;

}  // namespace sluice
