// Emptying the workers' rings, each worker's in turn.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::control {

/// Hands at most `most` entries to `use(entry, worker)`; returns how many. `ring_of(worker)` is that worker's
/// WantedRing or null. `turn` is whose turn it is, kept from call to call.
template <class RingOf, class Use>
unsigned drain(std::size_t workers, unsigned& turn, unsigned most, RingOf&& ring_of, Use&& use) {
    unsigned taken = 0;
    for (unsigned empty = 0; taken < most && empty < workers;) {
        turn = turn + 1 < workers ? turn + 1 : 0;
        const unsigned before = taken;
        // So many of one: a ring's lines come from another core.
        constexpr unsigned in_a_row = 32;
        auto* const ring = ring_of(turn);
        while (ring != nullptr && taken < most && taken - before < in_a_row) {
            const auto* const entry = ring->oldest();
            if (entry == nullptr) break;
            use(*entry, turn);
            ring->take();
            ++taken;
        }
        empty = taken == before ? empty + 1 : 0;
    }
    return taken;
}

/// What `stats` says of those who follow.
struct FeedCounts {
    std::uint64_t readers = 0;
    std::uint64_t rows = 0;       ///< shown
    std::uint64_t rows_lost = 0;  ///< for want of room in the reader's buffer
};

}  // namespace sluice::control
