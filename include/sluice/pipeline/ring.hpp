// What a worker has to say, on its way to the control thread: one thread writes, one reads, and nobody waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "sluice/flow/arena.hpp"

namespace sluice::pipeline {

template <class Entry>
class Ring {
    static_assert(std::is_trivially_copyable_v<Entry>);

  public:
    /// A power of two of slots, in memory that outlives the ring; or none: then nothing is ever kept.
    explicit Ring(std::span<Entry> slots) : slots_(slots.data()), size_(slots.size()) {}

    // ---- The worker.

    /// Where the next entry is to be written, or null: the ring is full. It is read after publish().
    [[nodiscard]] Entry* claim() {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        if (head - known_tail_ == size_) {
            known_tail_ = tail_.load(std::memory_order_acquire);
            if (head - known_tail_ == size_) return nullptr;
        }
        return &slots_[head & (size_ - 1)];
    }
    void publish() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

    // ---- The control thread.

    /// Null when none waits. Good until take().
    [[nodiscard]] const Entry* oldest() {
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        if (tail == known_head_) {
            known_head_ = head_.load(std::memory_order_acquire);
            if (tail == known_head_) return nullptr;
        }
        return &slots_[tail & (size_ - 1)];
    }
    void take() { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
    /// Throws away what waits.
    void discard() {
        known_head_ = head_.load(std::memory_order_acquire);
        tail_.store(known_head_, std::memory_order_release);
    }

    // ---- Anyone.

    [[nodiscard]] std::size_t slots() const { return size_; }
    /// Entries ever published.
    [[nodiscard]] std::uint64_t published() const { return head_.load(std::memory_order_relaxed); }

  private:
    Entry* slots_;
    std::uint64_t size_;
    // The worker's.
    alignas(flow::cache_line_bytes) std::atomic<std::uint64_t> head_{0};  ///< entries ever published
    std::uint64_t known_tail_ = 0;
    // The control thread's.
    alignas(flow::cache_line_bytes) std::atomic<std::uint64_t> tail_{0};  ///< entries ever taken
    std::uint64_t known_head_ = 0;
};

}  // namespace sluice::pipeline
