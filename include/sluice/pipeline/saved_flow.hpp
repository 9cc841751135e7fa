// A flow on its way from one tracker to another, be it the next process's or another machine's: everything
// it needs to go on, in terms that mean something there. Times are left, not reached; the record's number,
// its hash and its worker are found anew.
//
// Not carried: handshakes that the box carries on with a server (what belongs to them is a machine of its
// own), the links' addresses (another machine's are others), and which half-open flows the guard counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/flow/table.hpp"
#include "sluice/guard/translation.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/pipeline/flow_state.hpp"

namespace sluice::pipeline {

struct SavedFlow {
    packet::Family family;
    bool original_from_high;
    bool has_pending_syn;
    bool has_translation;
    std::uint8_t interface;  ///< the rules' number of the port its first packet came in by: twice its pair's,
                             ///< and 1 for the second port
    std::uint16_t vlan;      ///< the rules' VLAN id of its first packet, or policy::untagged
    Tick left;               ///< until it expires, from the moment of saving
    std::uint32_t mark;
    FlowState state;  ///< datagram.stream_since: ticks from the moment of saving on, 0: it was reached
    union {           // by family; `spare` is 0
        flow::Key4 key4;
        flow::Key6 key6;
    };
    flow::Account account;            ///< 0 without accounting
    std::uint64_t start_nanoseconds;  ///< 0 without timestamps
    tcp::PendingSyn pending_syn;      ///< with has_pending_syn
    guard::Translation translation;   ///< with has_translation: the flow is proxied
};
static_assert(std::is_trivially_copyable_v<SavedFlow>);

/// Whether a tracker could have had such a flow: what it is made of is in range, its key in order. A tracker
/// is given no other. (Where the flow stands in its conversation, nobody can check.)
[[nodiscard]] bool is_possible(const SavedFlow& flow);

/// Ages a flow by `passed` ticks; false when it has expired.
[[nodiscard]] bool age(SavedFlow& flow, Tick passed);

/// Of a flow that was saved some time before its tracker ended: its conversation has gone on, nobody knows
/// how far. What is known of the numbers of an open TCP connection is forgotten, to be learnt anew from what
/// is heard, as of one picked up in mid-stream; where its ends stand, and their window scales, are kept.
void forget_numbers(SavedFlow& flow);

/// Flows copied out of a tracker, and how far through its tables that has come.
struct FlowExport {
    static constexpr std::size_t most = 512;

    Tick since = 0;  ///< the moment that times left count from; not after the tracker's clock
    flow::Ref next4 = 0, next6 = 0;
    std::uint64_t left_out = 0;  ///< handshakes with servers under way, so far
    bool complete = false;       ///< every record has been looked at
    std::size_t count = 0;       ///< of `flows`; whoever has taken them sets it to 0
    std::array<SavedFlow, most> flows;
};

/// What became of a flow that was given to a tracker.
enum class Restored : std::uint8_t {
    done,
    exists,     ///< there is one with its key, which stays as it is
    no_room,    ///< the table of its family and worker is full
    unguarded,  ///< it is proxied, and this tracker has no guard
    forbidden,  ///< the rules in force do not allow it
    count_
};
inline constexpr std::size_t restored_count = static_cast<std::size_t>(Restored::count_);
using RestoredCounts = std::array<std::uint64_t, restored_count>;

/// Flows to be added to a tracker, and what became of them.
struct FlowImport {
    static constexpr std::size_t most = 512;

    std::size_t count = 0;  ///< of `flows`
    std::size_t next = 0;   ///< the first that the tracker has not yet taken
    RestoredCounts outcomes{};
    std::array<SavedFlow, most> flows;  ///< is_possible(); times count from when the tracker takes them

    [[nodiscard]] bool complete() const { return next == count; }
};

}  // namespace sluice::pipeline
