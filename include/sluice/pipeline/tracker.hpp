// The library's front door: hand the tracker a burst of packets, get a decision for each. Contract first; the
// stages follow. One tracker belongs to one worker: no lock, no shared write, no allocation after create().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "sluice/base/result.hpp"
#include "sluice/pipeline/counters.hpp"
#include "sluice/pipeline/flow_state.hpp"
#include "sluice/pipeline/mailbox.hpp"
#include "sluice/pipeline/packet_io.hpp"
#include "sluice/pipeline/settings.hpp"
#include "sluice/pipeline/steering.hpp"
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
/// (decision.datagram set).
template <PacketIo Io>
struct Output {
    struct Judged {
        typename Io::Packet* packet;
        Decision decision;
    };
    std::array<Judged, 4 * max_burst> judged;
    std::size_t size = 0;

    void add(typename Io::Packet* packet, const Decision& decision) { judged[size++] = {packet, decision}; }
    [[nodiscard]] std::span<const Judged> view() const { return {judged.data(), size}; }
};

/// Sees each TCP segment judged, for replay and tests; costs nothing when it is NoObserver.
struct NoObserver {
    static constexpr bool watches = false;
};

template <PacketIo Io, class Observer = NoObserver>
class Tracker {
  public:
    using Packet = typename Io::Packet;

    /// Bytes of arena create() needs for both tables.
    [[nodiscard]] static std::size_t bytes_needed(const Limits& limits);

    /// `settings` must outlive the tracker or its replacement; `arena` is zeroed, aligned to 64, and outlives
    /// it too.
    [[nodiscard]] static Result<std::unique_ptr<Tracker>> create(
        const Limits& limits, const Settings& settings, const flow::Secret& secret, const Steering& steering,
        std::span<std::byte> arena, packet::LinkLayer link = packet::LinkLayer::ethernet,
        Observer* observer = nullptr);

    /// Judges up to max_burst packets. `out` is emptied first.
    void process(std::span<Packet* const> burst, Now now, Output<Io>& out);

    /// Judges one datagram completed by another worker: `first` heads the list of its fragments.
    void process_datagram(Packet* first, Now now, Output<Io>& out);

    /// Work that is not a packet's: requests from the mailbox, expiry, fragments that waited too long (these
    /// come out as dropped). Bounded; call it once a poll.
    void poll(Now now, Output<Io>& out);

    [[nodiscard]] Mailbox& mailbox();
    [[nodiscard]] const Counters& counters() const;
    [[nodiscard]] const Table4& table4() const;
    [[nodiscard]] const Table6& table6() const;
};

}  // namespace sluice::pipeline
