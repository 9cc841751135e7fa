#include "sluice/dpdk/transmit.hpp"

#include <rte_ether.h>
#include <rte_pause.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "sluice/packet/plain.hpp"
#include "sluice/pipeline/burst.hpp"

namespace sluice::dpdk {
namespace {

void count(Reason reason, std::size_t packets, Losses* losses) {
    if (losses != nullptr) losses->add(reason, packets);
}

void drop(std::span<rte_mbuf*> packets, Reason reason, Losses* losses) {
    if (packets.empty()) return;
    rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
    count(reason, packets.size(), losses);
}

/// Packets on their way to a port.
struct Outgoing {
    std::span<rte_mbuf*> packets;
    std::uint64_t bytes = 0;    ///< of all of them
    std::uint32_t longest = 0;  ///< bytes of one
};

Outgoing measured(std::span<rte_mbuf*> packets) {
    Outgoing out{.packets = packets};
    for (const rte_mbuf* packet : packets) {
        out.bytes += packet->pkt_len;
        out.longest = std::max(out.longest, packet->pkt_len);
    }
    return out;
}

/// Bytes of the VLAN tags in front of what the MTU counts.
std::uint32_t bytes_of_tags(const rte_mbuf* frame) {
    constexpr std::uint32_t most = 2 * sizeof(rte_vlan_hdr);  // the tracker lets no more pass
    std::uint32_t bytes = 0;
    std::uint32_t at = 2 * RTE_ETHER_ADDR_LEN;
    while (bytes < most && at + sizeof(std::uint16_t) <= frame->data_len) {
        const auto* type = rte_pktmbuf_mtod_offset(frame, const std::uint8_t*, at);
        if (!packet::is_vlan_tag(static_cast<std::uint16_t>(type[0] << 8 | type[1]))) break;
        bytes += static_cast<std::uint32_t>(sizeof(rte_vlan_hdr));
        at += static_cast<std::uint32_t>(sizeof(rte_vlan_hdr));
    }
    return bytes;
}

/// Drops what is too long for the port: a device may refuse such a packet together with all behind it
/// (net_tap), or lose it without a count (af_packet).
Outgoing without_too_long(const Outgoing& all, std::uint32_t longest_frame, Losses* losses) {
    std::size_t kept = 0;
    for (rte_mbuf* packet : all.packets) {
        if (packet->pkt_len > longest_frame && packet->pkt_len - bytes_of_tags(packet) > longest_frame) {
            rte_pktmbuf_free(packet);
            count(Reason::too_long, 1, losses);
        } else {
            all.packets[kept++] = packet;
        }
    }
    return measured(all.packets.first(kept));
}

/// Keeps the packets that could be brought into one segment, in order.
void join_segments(Outgoing& out, rte_mempool* pool, Losses* losses) {
    std::size_t kept = 0;
    for (rte_mbuf* packet : out.packets) {
        if (packet->nb_segs > 1) {
            const std::uint32_t length = packet->pkt_len;
            packet = in_one_segment(packet, pool);
            if (packet == nullptr) {
                count(Reason::no_buffer, 1, losses);
                out.bytes -= length;
                continue;
            }
        }
        out.packets[kept++] = packet;
    }
    out.packets = out.packets.first(kept);
}

/// A burst from each ring, sent. Returns packets taken; `done` tells whether the rings are empty now and the
/// device refused none.
unsigned drain_forward(const Sender& sender, TxQueue& queue, bool& done) {
    std::array<void*, pipeline::max_burst> batch;
    unsigned taken = 0;
    done = true;
    for (rte_ring* ring : queue.forward) {
        unsigned left = 0;
        const unsigned count = rte_ring_sc_dequeue_burst(ring, batch.data(), batch.size(), &left);
        if (count == 0) continue;
        taken += count;
        const Sent sent = transmit(sender, queue, {reinterpret_cast<rte_mbuf**>(batch.data()), count});
        done = done && left == 0 && !sent.refused;
    }
    return taken;
}

/// Frees the `packets` oldest of a ring that holds as many.
void shed(rte_ring* ring, unsigned packets) {
    std::array<void*, pipeline::max_burst> batch;
    while (packets != 0) {
        const unsigned some = std::min(packets, static_cast<unsigned>(batch.size()));
        const unsigned count = rte_ring_sc_dequeue_bulk(ring, batch.data(), some, nullptr);
        if (count == 0) return;
        rte_pktmbuf_free_bulk(reinterpret_cast<rte_mbuf**>(batch.data()), count);
        packets -= count;
    }
}

// What the box says itself may be lost, but must not hold up the worker at a device that takes nothing.
unsigned drain_control(const Sender& forwarding, TxQueue& queue, std::uint64_t cycles, bool may_send) {
    const Sender sender{forwarding.links, forwarding.counters, nullptr, false};
    std::array<void*, pipeline::max_burst> batch;
    PortCounters& port = sender.counters.ports[queue.port];
    unsigned taken = 0;
    // Each poll begins with the next ring: the first one alone could use up all that the pace grants.
    const std::size_t rings = queue.control.size();
    queue.first_control = queue.first_control + 1 < rings ? queue.first_control + 1 : 0;
    for (std::size_t i = 0; i < rings; ++i) {
        const std::size_t at = queue.first_control + i;
        rte_ring* const ring = queue.control[at < rings ? at : at - rings];
        const unsigned waiting = rte_ring_count(ring);  // and more may come meanwhile, but none goes
        if (waiting == 0) continue;
        const auto granted = static_cast<unsigned>(
            may_send ? queue.control_pace.take(std::min<std::size_t>(waiting, batch.size()), cycles) : 0);
        const unsigned excess = waiting - granted > control_backlog ? waiting - granted - control_backlog : 0;
        shed(ring, excess);
        const unsigned count = rte_ring_sc_dequeue_burst(ring, batch.data(), granted, nullptr);
        const unsigned sent =
            count == 0 ? 0
                       : transmit(sender, queue, {reinterpret_cast<rte_mbuf**>(batch.data()), count}).packets;
        taken += excess + count;
        port.control_packets.add(sent);
        port.control_dropped.add(excess + count - sent);
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

Sent transmit(const Sender& sender, const TxQueue& queue, std::span<rte_mbuf*> packets) {
    const PortState& port = *sender.links.ports[queue.port];
    if (!port.link_up.load(std::memory_order_relaxed)) {
        drop(packets, Reason::link_down, sender.losses);
        return {};
    }
    // Lengths first: once sent, a packet belongs to the driver.
    Outgoing out = measured(packets);
    if (out.longest > port.longest_frame) [[unlikely]]
        out = without_too_long(out, port.longest_frame, sender.losses);
    if (!port.many_segments) join_segments(out, sender.links.pool, sender.losses);

    const auto wanted = static_cast<std::uint16_t>(out.packets.size());
    std::uint16_t sent = 0;
    for (unsigned attempt = 0; attempt < transmit_attempts && sent < wanted; ++attempt) {
        if (attempt != 0) rte_pause();
        const std::uint16_t taken = rte_eth_tx_burst(port.port_id, queue.queue_id, out.packets.data() + sent,
                                                     static_cast<std::uint16_t>(wanted - sent));
        if (taken == 0 && !sender.patient) break;
        sent = static_cast<std::uint16_t>(sent + taken);
    }
    const auto unsent = out.packets.subspan(sent);
    for (const rte_mbuf* packet : unsent) out.bytes -= packet->pkt_len;
    PortCounters& counted = sender.counters.ports[queue.port];
    counted.tx_packets.add(sent);
    counted.tx_bytes.add(out.bytes);
    drop(unsent, Reason::tx_full, sender.losses);
    return {.packets = sent, .refused = sent != wanted};
}

unsigned drain_rings(const Sender& sender, TxQueue& queue, std::uint64_t cycles, bool crowded) {
    bool done = true;
    const unsigned forwarded = drain_forward(sender, queue, done);
    return forwarded + drain_control(sender, queue, cycles, done && !crowded);
}

}  // namespace sluice::dpdk
