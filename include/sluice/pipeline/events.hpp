// What a worker says of its flows to whoever listens: that one has begun, has changed its state, is gone.
//
// Each worker has a ring of its own (wanted_ring.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/flow/table.hpp"
#include "sluice/pipeline/flow_state.hpp"
#include "sluice/pipeline/wanted_ring.hpp"

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

/// One for each worker. What is recorded leaves out `kind`, which the ring knows.
using EventRing = WantedRing<Event, EventKind, event_kind_count, EventKinds>;

}  // namespace sluice::pipeline
