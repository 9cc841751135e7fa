#include "rig.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace sluice::dpdk::test {
namespace {

/// Names must be unique among everything the process ever made.
std::string fresh(const std::string& what) {
    static unsigned number = 0;
    return what + std::to_string(number++);
}

}  // namespace

Rig::Rig(const RigOptions& wanted) : options(wanted), trackers(wanted.workers) {
    pool = rte_pktmbuf_pool_create(fresh("pool").c_str(), 4095, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM,
                                   SOCKET_ID_ANY);
    if (pool == nullptr || !MbufIo::register_field()) throw std::runtime_error("no packet buffers");
    MbufIo::set_pool(pool);
    ports = std::make_unique<Ports>();
    const auto wires = [&](unsigned count) {
        std::vector<rte_ring*> made;
        for (unsigned i = 0; i < count; ++i) {
            made.push_back(rte_ring_create(fresh("wire").c_str(), options.wire_slots, SOCKET_ID_ANY, 0));
            rings_.push_back(made.back());
        }
        return made;
    };
    FabricPlan plan;
    for (unsigned i = 0; i < 2; ++i) {
        in.push_back(wires(options.rx_queues));
        out.push_back(wires(options.tx_queues));
        const std::string name = fresh("rig");
        const int id = rte_eth_from_rings(name.c_str(), in[i].data(), options.rx_queues, out[i].data(),
                                          options.tx_queues, 0);
        if (id < 0) throw std::runtime_error("no port of rings");
        Port port;
        port.name = port.given = "net_ring_" + name;
        port.pair = "test";
        if (!ports->attach(port, "")) throw std::runtime_error("port not found");
    }
    Options set_up;
    set_up.workers = options.workers;
    const Status started = ports->start(set_up, pool);
    if (!started) throw std::runtime_error(started.error());
    for (const Port& port : ports->all()) {
        plan.ports.push_back(
            {port.id, port.rx_queues, port.tx_queues, port.many_segments, port.longest_frame});
    }
    plan.workers = options.workers;
    plan.control_packets_per_second = options.control_packets_per_second;
    plan.cycles_per_second = 1'000'000'000;
    plan.pool = pool;
    auto built = Fabric::build(plan);
    if (!built) throw std::runtime_error(built.error());
    fabric = std::move(*built);
    for (unsigned i = 0; i < options.workers; ++i) {
        trackers[i].self = i;
        workers.push_back(
            std::make_unique<Worker<PlainTracker>>(trackers[i], fabric->links(i), fabric->counters(i)));
    }
    buffers_at_start = free_buffers();
}

Rig::~Rig() {
    workers.clear();
    fabric.reset();
    for (unsigned port = 0; port < out.size(); ++port) left(port);
    EXPECT_EQ(free_buffers(), buffers_at_start) << "packet buffers were lost";
    ports.reset();
    for (rte_ring* ring : rings_) rte_ring_free(ring);
    MbufIo::set_pool(nullptr);
    rte_mempool_free(pool);
}

rte_mbuf* Rig::frame(const std::string& text) {
    rte_mbuf* packet = rte_pktmbuf_alloc(pool);
    char* bytes = rte_pktmbuf_append(packet, static_cast<std::uint16_t>(text.size()));
    std::copy(text.begin(), text.end(), bytes);
    return packet;
}

void Rig::arrive(unsigned port, const std::string& text, unsigned queue) {
    arrive(port, frame(text), queue);
}

void Rig::arrive(unsigned port, rte_mbuf* packet, unsigned queue) {
    ASSERT_EQ(rte_ring_enqueue(in[port][queue], packet), 0);
}

std::vector<std::string> Rig::left(unsigned port) {
    std::vector<std::string> texts;
    for (rte_ring* ring : out[port]) {
        void* taken = nullptr;
        while (rte_ring_dequeue(ring, &taken) == 0) {
            auto* packet = static_cast<rte_mbuf*>(taken);
            std::string text(packet->pkt_len, '\0');
            MbufIo::copy(packet, 0, packet->pkt_len, reinterpret_cast<std::uint8_t*>(text.data()));
            texts.push_back(text);
            rte_pktmbuf_free(packet);
        }
    }
    return texts;
}

void Rig::turn(unsigned rounds) {
    for (unsigned round = 0; round < rounds; ++round) {
        for (auto& worker : workers) worker->poll(now, cycles);
    }
}

std::uint64_t Rig::dropped(Reason reason) const {
    std::uint64_t total = 0;
    for (const PlainTracker& tracker : trackers) total += tracker.losses[static_cast<std::size_t>(reason)];
    return total;
}

std::uint64_t Rig::received() const {
    std::uint64_t total = 0;
    for (unsigned i = 0; i < options.workers; ++i) {
        for (const auto& port : fabric->counters(i).ports) total += port.rx_packets.read();
    }
    return total;
}

std::uint64_t Rig::sent() const {
    std::uint64_t total = 0;
    for (unsigned i = 0; i < options.workers; ++i) {
        for (const auto& port : fabric->counters(i).ports) total += port.tx_packets.read();
    }
    return total;
}

}  // namespace sluice::dpdk::test
