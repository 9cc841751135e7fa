// Sending: on a queue that the calling worker owns. Every packet given is gone afterwards, sent or freed and
// counted.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "sluice/dpdk/links.hpp"

namespace sluice::dpdk {

/// Tries at a full queue before packets are dropped. Devices in software (af_packet, af_xdp) take packets in
/// pieces: the second try usually gets the rest out; more tries only hold up what waits behind.
inline constexpr unsigned transmit_attempts = 4;

/// Puts a VLAN tag that the port took out back into the frame: the tracker reads bytes, and the tag must
/// leave again. The packet may be replaced by a copy when its buffer is shared. Null when there was no buffer
/// for that; the packet is freed then.
[[nodiscard]] rte_mbuf* restore_vlan_tag(rte_mbuf* packet, rte_mempool* pool);

/// One segment out of many, for ports that send only such. Null when there was no buffer (large enough); the
/// packet is freed then.
[[nodiscard]] rte_mbuf* in_one_segment(rte_mbuf* packet, rte_mempool* pool);

/// What sending needs beside queue and packets.
struct Sender {
    const Links& links;
    WorkerCounters& counters;
    Losses* losses;       ///< what is dropped is added there by reason; null: the caller counts it
    bool patient = true;  ///< tries again where the device took nothing
};

/// What became of packets that were to be sent.
struct Sent {
    unsigned packets = 0;
    bool refused = false;  ///< the device did not take all that it was given (tx_full)
};

/// Sends what it can and drops the rest (link_down, too_long, tx_full, no_buffer).
Sent transmit(const Sender& sender, const TxQueue& queue, std::span<rte_mbuf*> packets);

/// Empties the rings that feed `queue`: forwarded packets, then, only once those are gone, paced control
/// packets; none of these where `crowded` says that the port has just refused forwarded packets. Of control
/// packets that must go on waiting, the oldest beyond control_backlog are dropped. Bounded: a burst sent from
/// each ring, and at most the rest of a ring dropped. Returns packets taken from rings.
unsigned drain_rings(const Sender& sender, TxQueue& queue, std::uint64_t cycles, bool crowded);

}  // namespace sluice::dpdk
