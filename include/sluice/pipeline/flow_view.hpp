// A flow as people and scripts see it: both families alike, original direction first, copied out of the
// table.
#pragma once

#include <cstdint>

#include "sluice/pipeline/events.hpp"
#include "sluice/pipeline/flow_state.hpp"

namespace sluice::pipeline {

struct FlowView {
    packet::Family family = packet::Family::ipv4;
    std::uint8_t protocol = 0;
    packet::Address source{}, destination{};  ///< of the original direction; IPv4 in the first four bytes
    /// Host order. ICMP queries: see icmp_*; other protocols without ports: 0.
    std::uint16_t source_port = 0, destination_port = 0;
    std::uint16_t icmp_id = 0;
    std::uint8_t icmp_type = 0, reply_icmp_type = 0;  ///< request's and answer's type; the code is 0
    std::uint16_t outer_vlan = flow::Domain::no_tag, inner_vlan = flow::Domain::no_tag;
    std::uint8_t port_pair = 0;
    std::uint16_t zone = 0;
    std::uint32_t seconds_left = 0;  ///< whole seconds, rounded down
    FlowState state{};
    bool seen_reply = false, assured = false;
    std::uint32_t mark = 0;
    flow::Account account{};              ///< zero without accounting; IP bytes, link header left out
    std::uint64_t start_nanoseconds = 0;  ///< wall clock; 0 without timestamps
    std::uint64_t id = 0;                 ///< stable while the flow lives: worker, family, record

    // To change it through the mailbox.
    unsigned worker = 0;
    flow::Ref flow = flow::no_ref;
    bool original_from_high = false;
    flow::Key4 key4{};
    flow::Key6 key6{};
};

/// Copies the flow in slot `ref`; false when there is none (or it has expired). Any thread, at any time.
[[nodiscard]] bool view(const Table4& table, flow::Ref ref, Tick now, unsigned worker, FlowView& out);
[[nodiscard]] bool view(const Table6& table, flow::Ref ref, Tick now, unsigned worker, FlowView& out);
/// The flow that an event of this worker's is about. Of its state only what Event::fields has.
void view(const Event& event, unsigned worker, FlowView& out);

}  // namespace sluice::pipeline
