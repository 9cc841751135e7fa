// What goes into the tracker with a burst of packets, and what comes out of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/base/time.hpp"
#include "sluice/pipeline/packet_io.hpp"
#include "sluice/pipeline/verdict.hpp"

namespace sluice::pipeline {

inline constexpr std::size_t max_burst = 64;

/// The time of a burst.
struct Now {
    Tick tick = 0;                       ///< monotonic; what timeouts obey
    std::uint64_t wall_nanoseconds = 0;  ///< since 1970; only for start times
};

/// Decisions in the order in which packets should leave. Held fragments are missing until their datagram is
/// decided; then one entry stands for all of them: `packet` heads the list made by Io::next_fragment
/// (decision.datagram set). So are segments that wait to be read (inspection); those of a flow that leave
/// together, and those that are dropped together, may be one entry of the same kind.
template <PacketIo Io>
struct Output {
    struct Judged {
        typename Io::Packet* packet;
        Decision decision;
    };
    /// A packet may come out itself, complete a datagram, push the oldest datagram out of the fragment table
    /// and a flow out of the flow table, of which a server is told, and have the box send two of its own; or
    /// let segments of both directions of its flow out.
    std::array<Judged, 16 * max_burst> judged;
    std::size_t size = 0;

    /// Field by field: a pair put together on the stack would be loaded wider than it was stored.
    void add(typename Io::Packet* packet, const Decision& decision) {
        Judged& entry = judged[size++];
        entry.packet = packet;
        entry.decision = decision;
    }
    [[nodiscard]] std::span<const Judged> view() const { return {judged.data(), size}; }
};

}  // namespace sluice::pipeline
