// Copies of packets with what was decided about them, for whoever looks into the traffic.
//
// `sluice capture`: each worker has a ring of its own (wanted_ring.hpp). A burst is looked at when it has
// been judged: while nobody captures that is a branch a burst, and none a packet.
//
// `sluice get --story`: packets of a few flows come by the same ring, each with its flow as it stood before
// and behind it. So that it is known how it stood between two packets of one burst, they are taken out of the
// groups that are judged together. Another branch a burst, and none a packet while nobody follows a flow.
//
// `sluice drops --examples`: the last packets dropped under each reason are kept where they were dropped, for
// whoever asks afterwards.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "sluice/base/reason.hpp"
#include "sluice/base/time.hpp"
#include "sluice/flow/seqlock.hpp"
#include "sluice/pipeline/events.hpp"
#include "sluice/pipeline/verdict.hpp"
#include "sluice/pipeline/wanted_ring.hpp"
#include "sluice/policy/rule.hpp"

namespace sluice::pipeline {

/// Bytes that are kept of a packet: any headers, and the first words of what they carry.
inline constexpr std::size_t most_captured_bytes = 256;

/// Which packets: a bit for each reason (`Reason::none`: those that there is nothing to say of), and one for
/// those that go on. Without that one packets that pass are left out, whatever their reason.
using CaptureKinds = std::uint64_t;
[[nodiscard]] constexpr CaptureKinds only(Reason reason) {
    return CaptureKinds{1} << static_cast<unsigned>(reason);
}
inline constexpr CaptureKinds passing_too = CaptureKinds{1} << 63U;
/// Beside them, whatever becomes of them, those of the flows in Captures::traced.
inline constexpr CaptureKinds traced_too = CaptureKinds{1} << 62U;
static_assert(reason_count < 62);
inline constexpr CaptureKinds every_reason = (CaptureKinds{1} << reason_count) - 1;
inline constexpr CaptureKinds whatever_is_dropped = every_reason & ~only(Reason::none);
inline constexpr CaptureKinds every_packet = every_reason | passing_too;

/// A packet as it was when its burst had been judged: one that the box answers is the answer already. Of a
/// flow that is traced (`is_step`): as it came, and its flow right behind it.
struct alignas(flow::cache_line_bytes) CapturedPacket {
    Event flow;  ///< with `has_flow`: its flow, as it stood when the burst had been judged
    std::uint64_t wall_nanoseconds;  ///< since 1970
    std::uint32_t length;            ///< of the frame
    std::uint16_t captured;          ///< bytes of it that are here
    std::uint16_t port;              ///< Io::port
    policy::RuleNumber rule;  ///< that decided about it, or about the first packet of its flow; no_rule
    std::uint8_t port_pair;
    Reason kind;  ///< why it was not accepted; none
    Action action;
    CtState state;
    tcp::Direction direction;
    bool has_flow;
    bool is_ruled;            ///< `rule` says something: there are rules
    bool is_step;             ///< of a traced flow: the next say something
    bool had_flow;            ///< there was a flow before
    std::uint64_t hash;       ///< of its flow's key
    FlowState before;         ///< with `had_flow`
    tcp::PendingSyn pending;  ///< the same, of a TCP flow that has one
    std::array<std::uint8_t, most_captured_bytes> bytes;
};
static_assert(sizeof(CapturedPacket) == 8 * flow::cache_line_bytes &&
              std::is_trivially_copyable_v<CapturedPacket>);

using CaptureRing = WantedRing<CapturedPacket, Reason, reason_count, CaptureKinds>;

/// Flows whose packets somebody wants to see, by the keyed hash of their keys: known before the flow is
/// there, and for packets that begin none.
class TracedFlows {
  public:
    static constexpr std::size_t most = 16;

    /// The control thread. At most `most`.
    void set(std::span<const std::uint64_t> hashes) {
        for (std::size_t i = 0; i < most; ++i)
            hashes_[i].store(i < hashes.size() ? hashes[i] : no_hash, std::memory_order_relaxed);
    }

    /// As they stand, for one burst.
    class Copy {
      public:
        [[nodiscard]] bool holds(std::uint64_t hash) const {
            return (sieve_ >> (hash & 63U) & 1U) != 0 &&
                   std::find(hashes_.begin(), hashes_.end(), hash) != hashes_.end();
        }

      private:
        friend TracedFlows;
        std::array<std::uint64_t, most> hashes_;
        std::uint64_t sieve_ = 0;  ///< a bit for the six lowest of each (the highest name the worker)
    };
    /// The worker.
    [[nodiscard]] Copy copy() const {
        Copy out;
        for (std::size_t i = 0; i < most; ++i) {
            const std::uint64_t hash = out.hashes_[i] = hashes_[i].load(std::memory_order_relaxed);
            if (hash != no_hash) out.sieve_ |= std::uint64_t{1} << (hash & 63U);
        }
        return out;
    }

  private:
    static constexpr std::uint64_t no_hash = 0;

    std::array<std::atomic<std::uint64_t>, most> hashes_{};
};

/// The last packets that were dropped under each reason. One thread writes, any may read.
class DropExamples {
  public:
    /// For each reason.
    static constexpr std::size_t kept = 4;

    // ---- The worker.

    /// Whether one more is to be kept: so many of each millisecond are, and a flood costs no more than this.
    [[nodiscard, gnu::always_inline]] bool wants(Reason reason, Tick now) {
        Pace& pace = paces_[static_cast<std::size_t>(reason)];
        if (pace.tick != now) pace = {now, 0};
        return pace.kept < kept;
    }
    [[gnu::noinline]] void keep(Reason reason, const CapturedPacket& packet) {
        Pace& pace = paces_[static_cast<std::size_t>(reason)];
        ++pace.kept;
        auto& places = slots_[static_cast<std::size_t>(reason)];
        flow::Publication(&places[next_[static_cast<std::size_t>(reason)]++ % kept])
            .put(offsetof(Slot, packet), packet);
    }

    // ---- Anyone.

    /// The example in one of `kept` places, in no order; false where there is none.
    [[nodiscard]] bool read(Reason reason, std::size_t place, CapturedPacket& out) const {
        Slot slot{};
        if (!flow::read_consistently<sizeof(Slot) / sizeof(std::uint32_t)>(
                &slots_[static_cast<std::size_t>(reason)][place], &slot, [] {}) ||
            slot.version == 0)
            return false;
        out = slot.packet;
        return true;
    }

  private:
    struct Pace {
        Tick tick;
        std::uint32_t kept;  ///< in it
    };
    struct Slot {
        std::uint32_t version;  ///< of its seqlock (flow/seqlock.hpp); 0: nothing yet
        CapturedPacket packet;
    };

    std::array<Pace, reason_count> paces_{};
    std::array<std::uint8_t, reason_count> next_{};
    std::array<std::array<Slot, kept>, reason_count> slots_{};
};

/// What a worker shows of packets.
class Captures : public CaptureRing {
  public:
    /// `examples_or_null`: in memory that outlives this; null: none are kept.
    Captures(std::span<CapturedPacket> slots, DropExamples* examples_or_null)
        : CaptureRing(slots), examples(examples_or_null) {}

    TracedFlows traced;
    DropExamples* const examples;
};

}  // namespace sluice::pipeline
