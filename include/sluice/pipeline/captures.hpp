// Copies of packets with what was decided about them, for whoever looks into the traffic (`sluice capture`).
//
// Each worker has a ring of its own (wanted_ring.hpp). A burst is looked at when it has been judged: while
// nobody captures that is a branch a burst, and none a packet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/base/reason.hpp"
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
static_assert(reason_count < 63);
inline constexpr CaptureKinds every_reason = (CaptureKinds{1} << reason_count) - 1;
inline constexpr CaptureKinds whatever_is_dropped = every_reason & ~only(Reason::none);
inline constexpr CaptureKinds every_packet = every_reason | passing_too;

/// A packet as it was when its burst had been judged: one that the box answers is the answer already.
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
    bool is_ruled;  ///< `rule` says something: there are rules
    std::array<std::uint8_t, most_captured_bytes> bytes;
};
static_assert(sizeof(CapturedPacket) == 7 * flow::cache_line_bytes &&
              std::is_trivially_copyable_v<CapturedPacket>);

using CaptureRing = WantedRing<CapturedPacket, Reason, reason_count, CaptureKinds>;

}  // namespace sluice::pipeline
