// What a worker says of its flows to whoever listens: that one has begun, has changed its state, is gone.
//
// Each worker has a ring of its own: it alone writes, the control thread alone reads. Which kinds are wanted
// is one word, so an event that nobody asked for costs a branch. A full ring loses events, and counts them by
// kind; nobody waits.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "sluice/base/counters.hpp"
#include "sluice/flow/table.hpp"
#include "sluice/pipeline/flow_state.hpp"
#include "sluice/pipeline/ring.hpp"

namespace sluice::pipeline {

enum class EventKind : std::uint8_t { created, updated, destroyed };
inline constexpr std::size_t event_kind_count = 3;

/// A set of kinds.
using EventKinds = std::uint32_t;
[[nodiscard]] constexpr EventKinds only(EventKind kind) {
    return 1U << static_cast<unsigned>(kind);
}
inline constexpr EventKinds all_event_kinds = (1U << event_kind_count) - 1;

/// Two cache lines; a flow as it is after the event, or was when it went.
struct alignas(flow::cache_line_bytes) Event {
    std::uint64_t wall_nanoseconds;   ///< since 1970: when it happened
    std::uint64_t start_nanoseconds;  ///< when the flow began; 0 without timestamps
    flow::Account account;            ///< destroyed, with accounting; else 0
    flow::Ref flow;
    Tick left;             ///< until its time runs out
    std::uint32_t fields;  ///< the last word of its FlowState: state and status
    std::uint32_t mark;
    EventKind kind;
    flow::Removal why;  ///< destroyed
    packet::Family family;
    bool original_from_high;
    union {  // by family
        flow::Key4 key4;
        flow::Key6 key6;
    };
};
static_assert(sizeof(Event) == 2 * flow::cache_line_bytes && std::is_trivially_copyable_v<Event>);

class EventRing {
  public:
    /// A power of two of slots, in memory that outlives the ring; or none: then no event is ever kept.
    explicit EventRing(std::span<Event> slots) : ring_(slots) {}

    // ---- The worker.

    [[nodiscard, gnu::always_inline]] bool wants(EventKind kind) const {
        return (wanted_.load(std::memory_order_relaxed) & only(kind)) != 0;
    }
    /// `fill(Event&)` writes all of it but the kind. Lost, and counted, when the ring is full.
    template <class Fill>
    void record(EventKind kind, Fill&& fill) {
        Event* const event = ring_.claim();
        if (event == nullptr) {
            lost_[static_cast<std::size_t>(kind)].add();
            return;
        }
        event->kind = kind;
        fill(*event);
        ring_.publish();
    }

    // ---- The control thread.

    /// From now on these kinds are recorded; a few more may come of those that were until now.
    void want(EventKinds kinds) { wanted_.store(ring_.slots() == 0 ? 0 : kinds, std::memory_order_relaxed); }
    /// Null when none waits. Good until take().
    [[nodiscard]] const Event* oldest() { return ring_.oldest(); }
    void take() { ring_.take(); }
    /// Throws away what waits.
    void discard() { ring_.discard(); }

    // ---- Anyone.

    [[nodiscard]] std::size_t slots() const { return ring_.slots(); }
    [[nodiscard]] std::uint64_t recorded() const { return ring_.published(); }
    [[nodiscard]] std::uint64_t lost(EventKinds kinds) const {
        std::uint64_t out = 0;
        for (std::size_t kind = 0; kind < event_kind_count; ++kind)
            if ((kinds >> kind & 1U) != 0) out += lost_[kind].read();
        return out;
    }

  private:
    // Read by the worker for every event, written when somebody begins or ceases to listen.
    alignas(flow::cache_line_bytes) std::atomic<EventKinds> wanted_{0};
    Ring<Event> ring_;
    std::array<Counter, event_kind_count> lost_;  ///< the worker's
};

}  // namespace sluice::pipeline
