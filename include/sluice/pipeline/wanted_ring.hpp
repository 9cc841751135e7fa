// How a worker tells the control thread of what happens, if somebody listens. Which kinds are wanted is one
// word, so what nobody asked for costs a branch. A full ring loses what comes, and counts it by kind.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/base/counters.hpp"
#include "sluice/flow/arena.hpp"
#include "sluice/pipeline/ring.hpp"

namespace sluice::pipeline {

/// `Entry` has a member `kind` of type `Kind`, whose values are below `kind_count`. `Kinds` is an unsigned
/// word with a bit for each of them; bits beyond are the caller's to give a meaning to.
template <class Entry, class Kind, std::size_t kind_count, class Kinds>
class WantedRing {
    static_assert(kind_count <= 8 * sizeof(Kinds));

  public:
    /// A power of two of slots, in memory that outlives the ring; or none: then nothing is ever kept.
    explicit WantedRing(std::span<Entry> slots) : ring_(slots) {}

    // ---- The worker.

    [[nodiscard, gnu::always_inline]] bool wants(Kind kind) const {
        return (wanted() >> static_cast<unsigned>(kind) & 1U) != 0;
    }
    /// `fill(Entry&)` writes all of it but the kind. Lost, and counted, when the ring is full.
    template <class Fill>
    void record(Kind kind, Fill&& fill) {
        Entry* const entry = ring_.claim();
        if (entry == nullptr) {
            lost_[static_cast<std::size_t>(kind)].add();
            return;
        }
        entry->kind = kind;
        fill(*entry);
        ring_.publish();
    }

    // ---- The control thread.

    /// From now on these kinds are recorded; a few more may come of those that were until now.
    void want(Kinds kinds) { wanted_.store(ring_.slots() == 0 ? 0 : kinds, std::memory_order_relaxed); }
    /// Null when none waits. Good until take().
    [[nodiscard]] const Entry* oldest() { return ring_.oldest(); }
    void take() { ring_.take(); }
    /// Throws away what waits.
    void discard() { ring_.discard(); }

    // ---- Anyone.

    [[nodiscard, gnu::always_inline]] Kinds wanted() const { return wanted_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t slots() const { return ring_.slots(); }
    [[nodiscard]] std::uint64_t recorded() const { return ring_.published(); }
    [[nodiscard]] std::uint64_t lost(Kinds kinds) const {
        std::uint64_t out = 0;
        for (std::size_t kind = 0; kind < kind_count; ++kind)
            if ((kinds >> kind & 1U) != 0) out += lost_[kind].read();
        return out;
    }

  private:
    // Read by the worker for everything that happens, written when somebody begins or ceases to listen.
    alignas(flow::cache_line_bytes) std::atomic<Kinds> wanted_{0};
    Ring<Entry> ring_;
    std::array<Counter, kind_count> lost_;  ///< the worker's
};

}  // namespace sluice::pipeline
