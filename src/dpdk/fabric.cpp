#include "sluice/dpdk/fabric.hpp"

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <algorithm>

#include "sluice/dpdk/worker.hpp"

namespace sluice::dpdk {
namespace {

/// The share of one of `queues` queues in a port's pace. What may be saved up lasts for the time that a
/// worker is away, asleep or with a long burst: 100 microseconds, at least a burst of 32 packets.
TokenBucket control_pace(std::uint64_t packets_per_second, unsigned queues, std::uint64_t cycles_per_second) {
    const std::uint64_t rate = (packets_per_second + queues - 1) / queues;
    return {rate, cycles_per_second, std::max<std::uint64_t>(32, rate / 10'000)};
}

void free_packets(rte_ring* ring) {
    void* tagged = nullptr;
    while (rte_ring_sc_dequeue(ring, &tagged) == 0) {
        rte_mbuf* packet = untagged(tagged);
        while (packet != nullptr) {
            rte_mbuf* next = is_datagram(tagged) ? MbufIo::next_fragment(packet) : nullptr;
            rte_pktmbuf_free(packet);
            packet = next;
        }
    }
}

}  // namespace

std::size_t fabric_bytes(unsigned workers, std::size_t ports) {
    const std::size_t each = static_cast<std::size_t>(rte_ring_get_memsize(ring_slots)) + 4096;
    return each * (std::size_t{workers} * workers + 2 * ports * workers);
}

rte_ring* Fabric::ring(const std::string& name) {
    rte_ring* made = rte_ring_create(name.c_str(), ring_slots, socket_, RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (made == nullptr) {
        failed_ = true;
    } else {
        rings_.push_back(made);
    }
    return made;
}

Result<std::unique_ptr<Fabric>> Fabric::build(const FabricPlan& plan) {
    std::unique_ptr<Fabric> fabric(new Fabric);
    fabric->socket_ = plan.socket;
    fabric->links_.resize(plan.workers);
    for (const FabricPort& port : plan.ports) {
        auto state = std::make_unique<PortState>();
        state->port_id = port.port_id;
        state->many_segments = port.many_segments;
        state->longest_frame = port.longest_frame;
        fabric->ports_.push_back(std::move(state));
    }
    for (unsigned worker = 0; worker < plan.workers; ++worker) {
        fabric->counters_.push_back(std::make_unique<WorkerCounters>());
        Links& links = fabric->links_[worker];
        links.self = worker;
        links.workers = plan.workers;
        links.burst = plan.burst;
        links.pool = plan.pool;
        links.lanes.resize(plan.ports.size());
        for (std::size_t i = 0; i < plan.ports.size(); ++i) {
            links.ports.push_back(fabric->ports_[i].get());
            links.port_of_id[plan.ports[i].port_id] = static_cast<std::uint8_t>(i);
        }
    }
    fabric->deal_receive_queues(plan);
    // Lanes point at queues: room for all of them first, so that none moves.
    for (Links& links : fabric->links_) links.tx.reserve(2 * plan.ports.size());
    for (std::size_t port = 0; port < plan.ports.size(); ++port) fabric->deal_transmit_queues(plan, port);
    fabric->join_workers();
    if (fabric->failed_) {
        return Error{std::string("no memory for the rings between workers (") + rte_strerror(rte_errno) +
                     "): give DPDK more memory or use fewer workers"};
    }
    return fabric;
}

void Fabric::deal_receive_queues(const FabricPlan& plan) {
    for (std::size_t port = 0; port < plan.ports.size(); ++port) {
        for (std::uint16_t queue = 0; queue < plan.ports[port].rx_queues; ++queue) {
            const unsigned worker =
                receiver_of(static_cast<unsigned>(port), queue, plan.workers, plan.by_rss);
            links_[worker].rx.push_back({.port = static_cast<std::uint8_t>(port),
                                         .port_id = plan.ports[port].port_id,
                                         .queue_id = queue});
        }
    }
}

void Fabric::deal_transmit_queues(const FabricPlan& plan, std::size_t port) {
    const unsigned workers = plan.workers;
    const unsigned queues = plan.ports[port].tx_queues;
    const bool own_control = queues >= 2 * workers;
    const unsigned forward_queues = own_control ? workers : std::min(queues, workers);
    const unsigned control_queues = forward_queues;
    const auto number = static_cast<std::uint8_t>(port);
    const std::string suffix = "_p" + std::to_string(port) + "_w";

    // Owners are dealt out from a different worker for each port when there are fewer queues than workers.
    const auto owner_of = [&](unsigned queue) {
        return forward_queues == workers ? queue : static_cast<unsigned>(port + queue) % workers;
    };
    std::vector<TxQueue*> forward(forward_queues), control(control_queues);
    for (unsigned queue = 0; queue < forward_queues; ++queue) {
        auto& owned = links_[owner_of(queue)].tx;
        const TokenBucket pace =
            control_pace(plan.control_packets_per_second, control_queues, plan.cycles_per_second);
        owned.push_back({.port = number,
                         .queue_id = static_cast<std::uint16_t>(queue),
                         .forward = {},
                         .control = {},
                         .control_pace = pace});
        forward[queue] = control[queue] = &owned.back();
        if (!own_control) continue;
        owned.push_back({.port = number,
                         .queue_id = static_cast<std::uint16_t>(workers + queue),
                         .forward = {},
                         .control = {},
                         .control_pace = pace});
        control[queue] = &owned.back();
    }
    for (unsigned worker = 0; worker < workers; ++worker) {
        Lane& lane = links_[worker].lanes[port];
        const unsigned queue = worker % forward_queues;
        if (owner_of(queue) == worker) {
            lane.own = forward[queue];
        } else {
            lane.forward = ring("sluice_f" + suffix + std::to_string(worker));
            forward[queue]->forward.push_back(lane.forward);
        }
        lane.control = ring("sluice_c" + suffix + std::to_string(worker));
        control[queue]->control.push_back(lane.control);
    }
}

void Fabric::join_workers() {
    const std::size_t workers = links_.size();
    for (Links& links : links_) {
        links.inbound.assign(workers, nullptr);
        links.outbound.assign(workers, nullptr);
    }
    for (std::size_t from = 0; from < workers; ++from) {
        for (std::size_t to = 0; to < workers; ++to) {
            if (from == to) continue;
            rte_ring* made = ring("sluice_h" + std::to_string(from) + "_" + std::to_string(to));
            links_[from].outbound[to] = made;
            links_[to].inbound[from] = made;
        }
    }
}

Fabric::~Fabric() {
    for (rte_ring* made : rings_) {
        free_packets(made);
        rte_ring_free(made);
    }
}

}  // namespace sluice::dpdk
