// One worker: takes bursts from the receive queues it polls, has its tracker judge them, and sends, frees or
// hands over what comes out. A template over the tracker so that tests can put a plain one in its place.
//
// A poll goes: receive, take over what other workers sent here, the tracker's own work, send, and last the
// transmit queues that this worker owns for others. Each step is bounded by a burst; nothing waits.
//
// Everything belongs to the worker's thread, apart from counters(), which anyone may read.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "sluice/dpdk/links.hpp"
#include "sluice/dpdk/mbuf_io.hpp"
#include "sluice/dpdk/transmit.hpp"
#include "sluice/pipeline/burst.hpp"

namespace sluice::dpdk {

/// A pointer in a ring between workers: bit 0 says that the packet heads the list of a completed datagram.
inline void* tag_datagram(rte_mbuf* packet, bool datagram) {
    return reinterpret_cast<char*>(packet) + (datagram ? 1 : 0);
}
inline bool is_datagram(const void* tagged) {
    return (reinterpret_cast<std::uintptr_t>(tagged) & 1U) != 0;
}
inline rte_mbuf* untagged(void* tagged) {
    return reinterpret_cast<rte_mbuf*>(static_cast<char*>(tagged) - (is_datagram(tagged) ? 1 : 0));
}

template <class TrackerT>
class Worker {
  public:
    /// All three outlive the worker.
    Worker(TrackerT& tracker, Links& links, WorkerCounters& counters)
        : tracker_(tracker),
          links_(links),
          counters_(counters),
          lanes_(links.lanes.size()),
          handovers_(links.outbound.size()) {}
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// What a poll found to do.
    struct Done {
        unsigned packets = 0;  ///< that moved
        unsigned chores = 0;   ///< the tracker's own work: flows examined for expiry, requests
        [[nodiscard]] bool nothing() const { return packets == 0 && chores == 0; }
    };

    /// One round at `now`; `cycles` is the counter it was read from.
    Done poll(pipeline::Now now, std::uint64_t cycles) {
        unsigned received = 0;
        for (const RxQueue& queue : links_.rx) received += receive(queue, now);
        Done done = poll_without_receiving(now, cycles);
        done.packets += received;
        return done;
    }

    /// The same without the receive queues: to finish what is under way before a stop.
    Done poll_without_receiving(pipeline::Now now, std::uint64_t cycles) {
        counters_.polls.add();
        Done done;
        for (rte_ring* ring : links_.inbound) {
            if (ring != nullptr) done.packets += take_over(*ring, now);
        }
        done.chores = tracker_.poll(now, out_);
        done.packets += static_cast<unsigned>(out_.size);
        act();
        flush();
        for (TxQueue& queue : links_.tx)
            done.packets += drain_rings(sender(), queue, cycles, (crowded_ >> queue.port & 1U) != 0);
        crowded_ = 0;
        settle_losses();
        return done;
    }

    /// Sends `packet`, built by this box, out of port `port` (ours), paced and behind forwarded traffic.
    /// Takes it in any case: false says that it was dropped, because the owner of the port's transmit queue
    /// has not polled since the ring to it was half full (while it polls, the oldest go instead).
    bool send_control(std::uint8_t port, rte_mbuf* packet) {
        if (rte_ring_sp_enqueue(links_.lanes[port].control, packet) == 0) return true;
        rte_pktmbuf_free(packet);
        counters_.ports[port].control_dropped.add();
        return false;
    }

    /// Before the end: gives up the fragments that still wait for the rest of their datagram.
    void give_up_fragments() {
        tracker_.drop_held(out_);
        act();
        flush();
        settle_losses();
    }

    [[nodiscard]] const WorkerCounters& counters() const { return counters_; }

  private:
    template <class T>
    struct alignas(64) Batch {  // on lines of its own, wherever the vectors below lie
        std::array<T, pipeline::max_burst> items;
        std::uint32_t size = 0;
        [[nodiscard]] bool full() const { return size == items.size(); }
        [[nodiscard]] std::span<T> view() { return {items.data(), size}; }
    };

    unsigned receive(const RxQueue& queue, pipeline::Now now) {
        std::array<rte_mbuf*, pipeline::max_burst> burst;
        const unsigned received = rte_eth_rx_burst(queue.port_id, queue.queue_id, burst.data(), links_.burst);
        if (received == 0) return 0;
        counters_.bursts.add(received);
        const unsigned kept = admit({burst.data(), received}, queue);
        if (kept != 0) judge({burst.data(), kept}, now);
        return received;
    }

    /// Counts, says where each packet came in (net_ring leaves that to us) and puts VLAN tags back where the
    /// port took them out. Returns how many are left, at the front.
    unsigned admit(std::span<rte_mbuf*> burst, const RxQueue& queue) {
        std::uint64_t bytes = 0;
        unsigned kept = 0;
        for (rte_mbuf* packet : burst) {
            bytes += packet->pkt_len;
            packet->port = queue.port_id;
            if ((packet->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) [[unlikely]] {
                packet = restore_vlan_tag(packet, links_.pool);
                if (packet == nullptr) {
                    losses_.add(Reason::no_buffer);
                    continue;
                }
            }
            burst[kept++] = packet;
        }
        PortCounters& port = counters_.ports[queue.port];
        port.rx_packets.add(burst.size());
        port.rx_bytes.add(bytes);
        return kept;
    }

    void judge(std::span<rte_mbuf* const> burst, pipeline::Now now) {
        tracker_.process(burst, now, out_);
        act();
    }

    /// What another worker sent here: packets in one burst, completed datagrams one by one, order kept.
    unsigned take_over(rte_ring& ring, pipeline::Now now) {
        std::array<void*, pipeline::max_burst> taken;
        const unsigned count = rte_ring_sc_dequeue_burst(&ring, taken.data(), links_.burst, nullptr);
        Batch<rte_mbuf*> packets;
        const auto judge_packets = [&] {
            if (packets.size != 0) judge(packets.view(), now);
            packets.size = 0;
        };
        unsigned fragments = 0;
        for (unsigned i = 0; i < count; ++i) {
            rte_mbuf* packet = untagged(taken[i]);
            if (!is_datagram(taken[i])) {
                packets.items[packets.size++] = packet;
                continue;
            }
            judge_packets();
            fragments += length_of_list(packet) - 1;
            tracker_.process_datagram(packet, now, out_);
            act();
        }
        judge_packets();
        if (count != 0) counters_.taken_over.add(count + fragments);
        return count;
    }

    /// Obeys the decisions in out_.
    void act() {
        for (const auto& judged : out_.view()) {
            const pipeline::Decision& decision = judged.decision;
            switch (decision.action) {
                case pipeline::Action::pass:
                    each(judged.packet, decision.datagram, [this](rte_mbuf* packet) { forward(packet); });
                    break;
                case pipeline::Action::drop:
                case pipeline::Action::absorb:
                    each(judged.packet, decision.datagram, [this](rte_mbuf* packet) { discard(packet); });
                    break;
                case pipeline::Action::answer:
                    send_control(links_.port_of_id[judged.packet->port], judged.packet);
                    break;
                case pipeline::Action::handover:
                    hand_over(judged.packet, decision);
                    break;
            }
        }
    }

    /// The packet, or every fragment of the datagram it heads.
    template <class Use>
    static void each(rte_mbuf* first, bool datagram, Use&& use) {
        if (!datagram) {
            use(first);
            return;
        }
        for (rte_mbuf* packet = first; packet != nullptr;) {
            rte_mbuf* next = MbufIo::next_fragment(packet);  // read before the packet is gone
            use(packet);
            packet = next;
        }
    }
    static unsigned length_of_list(const rte_mbuf* first) {
        unsigned length = 0;
        for (; first != nullptr; first = MbufIo::next_fragment(first)) ++length;
        return length;
    }

    void forward(rte_mbuf* packet) {
        const std::uint8_t port = partner_of(links_.port_of_id[packet->port]);
        auto& lane = lanes_[port];
        lane.items[lane.size++] = packet;
        if (lane.full()) flush_lane(port);
    }

    void discard(rte_mbuf* packet) {
        discarded_.items[discarded_.size++] = packet;
        if (discarded_.full()) flush_discarded();
    }

    void hand_over(rte_mbuf* packet, const pipeline::Decision& decision) {
        auto& batch = handovers_[decision.owner];
        batch.items[batch.size++] = tag_datagram(packet, decision.datagram);
        if (batch.full()) flush_handover(decision.owner);
    }

    void flush() {
        for (std::size_t port = 0; port < lanes_.size(); ++port) flush_lane(static_cast<std::uint8_t>(port));
        for (std::size_t worker = 0; worker < handovers_.size(); ++worker) flush_handover(worker);
        flush_discarded();
    }

    void flush_lane(std::uint8_t port) {
        auto& lane = lanes_[port];
        if (lane.size == 0) return;
        const Lane& to = links_.lanes[port];
        if (to.own != nullptr) {
            if (transmit(sender(), *to.own, lane.view()).refused) crowded_ |= std::uint64_t{1} << port;
        } else {
            const unsigned taken = rte_ring_sp_enqueue_burst(
                to.forward, reinterpret_cast<void**>(lane.items.data()), lane.size, nullptr);
            for (rte_mbuf* packet : lane.view().subspan(taken)) discard(packet);
            losses_.add(Reason::tx_full, lane.size - taken);
        }
        lane.size = 0;
    }

    void flush_handover(std::size_t worker) {
        auto& batch = handovers_[worker];
        if (batch.size == 0) return;
        unsigned fragments = 0;  // beyond one for each entry
        for (void* tagged : batch.view()) {
            if (is_datagram(tagged)) fragments += length_of_list(untagged(tagged)) - 1;
        }
        const unsigned taken =
            rte_ring_sp_enqueue_burst(links_.outbound[worker], batch.items.data(), batch.size, nullptr);
        unsigned lost = 0;
        for (void* tagged : batch.view().subspan(taken)) {
            each(untagged(tagged), is_datagram(tagged), [&](rte_mbuf* packet) {
                discard(packet);
                ++lost;
            });
        }
        counters_.handed_over.add(batch.size + fragments - lost);
        losses_.add(Reason::handover_full, lost);
        batch.size = 0;
    }

    void flush_discarded() {
        if (discarded_.size == 0) return;
        rte_pktmbuf_free_bulk(discarded_.items.data(), discarded_.size);
        discarded_.size = 0;
    }

    [[nodiscard]] Sender sender() { return {links_, counters_, &losses_}; }

    void settle_losses() {
        losses_.settle(
            [this](Reason reason, std::uint64_t packets) { tracker_.count_loss(reason, packets); });
    }

    TrackerT& tracker_;
    Links& links_;
    WorkerCounters& counters_;
    pipeline::Output<MbufIo> out_;
    std::vector<Batch<rte_mbuf*>> lanes_;  ///< packets about to leave, by port
    std::vector<Batch<void*>> handovers_;  ///< packets about to go to another worker, by worker
    Batch<rte_mbuf*> discarded_;
    std::uint64_t crowded_ = 0;  ///< a bit for each port that refused forwarded packets in this poll
    static_assert(max_ports <= 64);
    Losses losses_;
};

}  // namespace sluice::dpdk
