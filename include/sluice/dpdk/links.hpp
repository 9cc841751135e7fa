// How one worker is joined to ports and to other workers: plain data, filled in once before the workers
// start.
//
// Ports are numbered by us, 0 to 2 * pairs - 1: port i leads to port i ^ 1. DPDK's own numbers are `port_id`.
#pragma once

#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "sluice/base/reason.hpp"
#include "sluice/base/token_bucket.hpp"
#include "sluice/pipeline/worker_counters.hpp"

namespace sluice::dpdk {

using pipeline::max_ports;
using pipeline::PortCounters;
using pipeline::WorkerCounters;
inline constexpr unsigned max_workers = 64;

/// The other end of the wire.
[[nodiscard]] constexpr std::uint8_t partner_of(std::uint8_t port) {
    return port ^ 1U;
}

/// For ports that bound no frame.
inline constexpr std::uint32_t any_length = 0xFFFFFFFF;

/// What workers need to know of a port while they run. Written by the control thread, read by all.
struct alignas(64) PortState {
    std::uint16_t port_id = 0;
    bool many_segments = true;  ///< it sends packets of more than one segment
    std::atomic<bool> link_up{true};
    /// The longest frame without VLAN tags that it is given, in bytes; each tag may come on top.
    std::uint32_t longest_frame = any_length;
};

/// Packets lost on the way out after the tracker had let them go (tx_full, too_long, link_down,
/// handover_full, no_buffer) or before it saw them (no_buffer). Gathered during a poll; the tracker then
/// counts them, so that every drop stands under one reason in one place.
class Losses {
  public:
    void add(Reason reason, std::size_t packets = 1) {
        if (packets == 0) return;
        packets_[static_cast<std::size_t>(reason)] += packets;
        any_ = true;
    }
    /// Calls `count(Reason, packets)` for what was added since the last time.
    template <class Count>
    void settle(Count&& count) {
        if (!any_) return;
        for (std::size_t i = 0; i < packets_.size(); ++i) {
            if (packets_[i] != 0) count(static_cast<Reason>(i), std::exchange(packets_[i], 0));
        }
        any_ = false;
    }

  private:
    std::array<std::uint64_t, reason_count> packets_{};
    bool any_ = false;
};

/// A receive queue that a worker polls.
struct RxQueue {
    std::uint8_t port = 0;  ///< ours
    std::uint16_t port_id = 0;
    std::uint16_t queue_id = 0;
};

/// A transmit queue and who feeds it. One worker owns it and alone touches the device; others reach it
/// through rings of one producer each. Forwarded packets go first, what the workers say themselves after,
/// paced. On lines of its own: its owner writes its pace.
struct alignas(64) TxQueue {
    std::uint8_t port = 0;
    std::uint16_t queue_id = 0;
    std::vector<rte_ring*> forward;  ///< from other workers; empty when each has a queue of its own
    std::vector<rte_ring*> control;  ///< from workers, this one included
    TokenBucket control_pace;
    std::size_t first_control = 0;  ///< of `control`: whose turn it is to be drained first
};

/// Where a worker's packets for one port go: to a queue it owns, or into its ring to the owner.
struct Lane {
    const TxQueue* own = nullptr;
    rte_ring* forward = nullptr;  ///< used when `own` is null
    rte_ring* control = nullptr;
};

/// All ends of one worker.
struct Links {
    unsigned self = 0;
    unsigned workers = 1;
    std::uint16_t burst = 32;  ///< packets a poll, 1 to pipeline::max_burst
    std::vector<RxQueue> rx;
    std::vector<TxQueue> tx;                                  ///< owned; do not move once lanes point at them
    std::vector<Lane> lanes;                                  ///< by port
    std::vector<rte_ring*> inbound;                           ///< by worker; null for itself
    std::vector<rte_ring*> outbound;                          ///< by worker; null for itself
    std::vector<PortState*> ports;                            ///< by port
    std::array<std::uint8_t, RTE_MAX_ETHPORTS> port_of_id{};  ///< DPDK's number to ours
    rte_mempool* pool = nullptr;                              ///< for the copies that odd buffers need
};

/// Slots of a ring between two workers. Deep enough for a few bursts of every port; a worker that falls
/// further behind loses packets counted as handover_full or tx_full rather than holding up another.
inline constexpr unsigned ring_slots = 1024;

/// Control packets of one worker that may wait for one port. A producer cannot take back what lies in its
/// ring: the owner of the transmit queue drops the oldest beyond this, so that the newest, whose reader still
/// waits for them, find room for as long as the owner polls. The other half of the ring is for what a worker
/// says between two polls of the owner.
inline constexpr unsigned control_backlog = ring_slots / 2;

}  // namespace sluice::dpdk
