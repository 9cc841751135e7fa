#include "sluice/dpdk/transmit.hpp"

#include <rte_ether.h>
#include <rte_pause.h>

#include <array>
#include <cstring>

#include "sluice/pipeline/burst.hpp"

namespace sluice::dpdk {
namespace {

void drop(std::span<rte_mbuf*> packets, Reason reason, Losses& losses) {
    if (packets.empty()) return;
    rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
    losses.add(reason, packets.size());
}

/// Keeps the packets that could be brought into one segment, in order. Returns how many.
std::size_t join_segments(std::span<rte_mbuf*> packets, rte_mempool* pool, Losses& losses) {
    std::size_t kept = 0;
    for (rte_mbuf* packet : packets) {
        if (packet->nb_segs > 1) packet = in_one_segment(packet, pool);
        if (packet == nullptr) {
            losses.add(Reason::no_buffer);
            continue;
        }
        packets[kept++] = packet;
    }
    return kept;
}

/// A burst from each of `rings`, sent. Returns packets taken; `dry` tells whether all rings are empty now.
unsigned drain_forward(const Sender& sender, TxQueue& queue, bool& dry) {
    std::array<void*, pipeline::max_burst> batch;
    unsigned taken = 0;
    dry = true;
    for (rte_ring* ring : queue.forward) {
        unsigned left = 0;
        const unsigned count = rte_ring_sc_dequeue_burst(ring, batch.data(), batch.size(), &left);
        dry = dry && left == 0;
        if (count == 0) continue;
        taken += count;
        transmit(sender, queue, {reinterpret_cast<rte_mbuf**>(batch.data()), count});
    }
    return taken;
}

unsigned drain_control(const Sender& sender, TxQueue& queue, std::uint64_t cycles) {
    std::array<void*, pipeline::max_burst> batch;
    PortCounters& port = sender.counters.ports[queue.port];
    unsigned taken = 0;
    for (rte_ring* ring : queue.control) {
        if (rte_ring_empty(ring) != 0) continue;
        const auto granted = static_cast<unsigned>(queue.control_pace.take(batch.size(), cycles));
        const unsigned count =
            granted == 0 ? 0 : rte_ring_sc_dequeue_burst(ring, batch.data(), granted, nullptr);
        queue.control_pace.put_back(granted - count);
        if (count == 0) continue;
        taken += count;
        port.control_packets.add(
            transmit(sender, queue, {reinterpret_cast<rte_mbuf**>(batch.data()), count}));
    }
    return taken;
}

}  // namespace

rte_mbuf* in_one_segment(rte_mbuf* packet, rte_mempool* pool) {
    rte_mbuf* copy = rte_pktmbuf_alloc(pool);
    if (copy != nullptr && packet->pkt_len <= rte_pktmbuf_tailroom(copy)) {
        char* to = rte_pktmbuf_append(copy, static_cast<std::uint16_t>(packet->pkt_len));
        std::uint32_t done = 0;
        for (const rte_mbuf* segment = packet; segment != nullptr && done < packet->pkt_len;
             segment = segment->next) {
            const std::uint32_t length = std::min<std::uint32_t>(segment->data_len, packet->pkt_len - done);
            std::memcpy(to + done, rte_pktmbuf_mtod(segment, const char*), length);
            done += length;
        }
        std::memset(to + done, 0, packet->pkt_len - done);
        copy->port = packet->port;
        copy->ol_flags = packet->ol_flags & ~(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
        copy->vlan_tci = packet->vlan_tci;
    } else {
        rte_pktmbuf_free(copy);
        copy = nullptr;
    }
    rte_pktmbuf_free(packet);
    return copy;
}

rte_mbuf* restore_vlan_tag(rte_mbuf* packet, rte_mempool* pool) {
    const bool writable = RTE_MBUF_DIRECT(packet) && rte_mbuf_refcnt_read(packet) == 1 &&
                          rte_pktmbuf_headroom(packet) >= sizeof(rte_vlan_hdr) &&
                          packet->data_len >= 2 * RTE_ETHER_ADDR_LEN;
    if (!writable) {
        packet = in_one_segment(packet, pool);
        if (packet == nullptr) return nullptr;
    }
    if (rte_vlan_insert(&packet) != 0) {
        rte_pktmbuf_free(packet);
        return nullptr;
    }
    packet->ol_flags &= ~static_cast<std::uint64_t>(RTE_MBUF_F_RX_VLAN);
    return packet;
}

unsigned transmit(const Sender& sender, const TxQueue& queue, std::span<rte_mbuf*> packets) {
    const PortState& port = *sender.links.ports[queue.port];
    if (!port.link_up.load(std::memory_order_relaxed)) {
        drop(packets, Reason::link_down, sender.losses);
        return 0;
    }
    if (!port.many_segments)
        packets = packets.first(join_segments(packets, sender.links.pool, sender.losses));

    // Lengths first: once sent, a packet belongs to the driver.
    std::uint64_t bytes = 0;
    for (const rte_mbuf* packet : packets) bytes += packet->pkt_len;

    const auto wanted = static_cast<std::uint16_t>(packets.size());
    std::uint16_t sent = 0;
    for (unsigned attempt = 0; attempt < transmit_attempts && sent < wanted; ++attempt) {
        if (attempt != 0) rte_pause();
        sent = static_cast<std::uint16_t>(sent + rte_eth_tx_burst(port.port_id, queue.queue_id,
                                                                  packets.data() + sent,
                                                                  static_cast<std::uint16_t>(wanted - sent)));
    }
    const auto unsent = packets.subspan(sent);
    for (const rte_mbuf* packet : unsent) bytes -= packet->pkt_len;
    PortCounters& counted = sender.counters.ports[queue.port];
    counted.tx_packets.add(sent);
    counted.tx_bytes.add(bytes);
    drop(unsent, Reason::tx_full, sender.losses);
    return sent;
}

unsigned drain_rings(const Sender& sender, TxQueue& queue, std::uint64_t cycles) {
    bool dry = true;
    const unsigned forwarded = drain_forward(sender, queue, dry);
    return dry ? forwarded + drain_control(sender, queue, cycles) : forwarded;
}

}  // namespace sluice::dpdk
