// Worker/Forward/…: what forwarded packets feel of a control queue under a flood. A worker over ports of
// rings, each with a queue for control packets; a poll brings 32 packets to be forwarded and, from the port
// they leave by, 32 SYNs. The tracker only says what is to become of them: the rest is the worker's.
//
// /alone      no SYNs
// /dropped    the SYNs are dropped: the control queue is idle
// /answered   each is answered, and all answers leave: the queue is saturated
// /paced      each is answered; nearly all answers wait until they are dropped as the oldest
// /blocked    each is answered; the device takes none
//
// An item is a forwarded packet.
#include <rte_cycles.h>
#include <rte_eth_ring.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "dpdk/buffer_pool.hpp"
#include "dpdk/rig.hpp"
#include "dpdk_memory.hpp"
#include "support.hpp"

namespace sluice::bench::control_bench {
namespace {

enum class Flood : std::uint8_t { alone, dropped, answered, paced, blocked };

/// Two ports, a queue each way and one for control packets; this side holds the other ends.
class RingPorts {
  public:
    static constexpr unsigned slots = 1024;

    explicit RingPorts(std::uint32_t pace) : memory_(std::size_t{32} << 20) {
        if (!dpdk::MbufIo::register_field()) throw std::runtime_error("no dynamic mbuf field is left");
        constexpr std::uint16_t room = 2048 + RTE_PKTMBUF_HEADROOM;
        auto made = dpdk::make_buffer_pool(6000, room, memory_.socket(), false);
        if (!made) throw std::runtime_error(made.error());
        pool_ = std::move(*made);
        ports_ = std::make_unique<dpdk::Ports>();
        for (unsigned side = 0; side < 2; ++side) attach(side);
        dpdk::Options options;
        options.workers = 1;
        if (const Status done = ports_->start(options, pool_.get()); !done)
            throw std::runtime_error(done.error());
        build_fabric(pace);
    }
    ~RingPorts() {
        fabric_.reset();
        for (rte_ring* ring : rings_) empty(ring);
        ports_.reset();
        for (rte_ring* ring : rings_) rte_ring_free(ring);
    }
    RingPorts(const RingPorts&) = delete;
    RingPorts& operator=(const RingPorts&) = delete;

    [[nodiscard]] dpdk::Fabric& fabric() { return *fabric_; }
    void arrive(unsigned side, char kind, std::uint64_t number) {
        rte_mbuf* const packet = rte_pktmbuf_alloc(pool_.get());
        if (packet == nullptr) throw std::runtime_error("packet buffers were lost");
        char* const bytes = rte_pktmbuf_append(packet, 60);
        bytes[0] = kind;
        std::memcpy(bytes + 8, &number, sizeof number);
        if (rte_ring_enqueue(in(side), packet) != 0) throw std::runtime_error("a wire is full");
    }
    /// Takes what left by port 1 and gives each packet's number to `see`.
    template <class See>
    void take(bool control, See&& see) {
        void* taken = nullptr;
        while (rte_ring_dequeue(control ? control_out() : out(), &taken) == 0) {
            auto* const packet = static_cast<rte_mbuf*>(taken);
            std::uint64_t number = 0;
            std::memcpy(&number, rte_pktmbuf_mtod_offset(packet, char*, 8), sizeof number);
            rte_pktmbuf_free(packet);
            see(number);
        }
    }
    void block_control() {
        while (rte_ring_full(control_out()) == 0) {
            rte_mbuf* const packet = rte_pktmbuf_alloc(pool_.get());
            rte_ring_enqueue(control_out(), packet);
        }
    }

  private:
    rte_ring* in(unsigned side) { return rings_[3 * std::size_t{side}]; }
    rte_ring* out() { return rings_[4]; }
    rte_ring* control_out() { return rings_[5]; }
    static void empty(rte_ring* ring) {
        void* taken = nullptr;
        while (rte_ring_dequeue(ring, &taken) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(taken));
    }
    static std::string fresh(const char* what) {
        static unsigned number = 0;
        return what + std::to_string(number++);
    }
    void attach(unsigned side) {
        for (unsigned i = 0; i < 3; ++i) {
            rings_.push_back(rte_ring_create(fresh("control_wire").c_str(), slots, memory_.socket(),
                                             RING_F_SP_ENQ | RING_F_SC_DEQ));
            if (rings_.back() == nullptr) throw std::runtime_error("no memory for rings");
        }
        rte_ring** const own = &rings_[3 * std::size_t{side}];
        const std::string name = fresh("control");
        if (rte_eth_from_rings(name.c_str(), own, 1, own + 1, 2, 0) < 0)
            throw std::runtime_error("no port of rings");
        dpdk::Port port;
        port.name = port.given = "net_ring_" + name;
        port.pair = "bench";
        if (const Status done = ports_->attach(std::move(port), ""); !done)
            throw std::runtime_error(done.error());
    }
    void build_fabric(std::uint32_t pace) {
        dpdk::FabricPlan plan;
        for (const dpdk::Port& port : ports_->all())
            plan.ports.push_back({port.id, port.rx_queues, port.tx_queues, port.many_segments});
        plan.control_packets_per_second = pace;
        plan.cycles_per_second = rte_get_tsc_hz();
        plan.pool = pool_.get();
        auto built = dpdk::Fabric::build(plan);
        if (!built) throw std::runtime_error(built.error());
        fabric_ = std::move(*built);
    }

    DpdkMemory memory_;
    dpdk::BufferPool pool_;
    std::vector<rte_ring*> rings_;  ///< of each side: in, out, out for control packets
    std::unique_ptr<dpdk::Ports> ports_;
    std::unique_ptr<dpdk::Fabric> fabric_;
};

using ForwardingWorker = dpdk::Worker<dpdk::test::PlainTracker>;

constexpr unsigned polls = 16;  ///< in a row

[[gnu::noinline]] void pass(ForwardingWorker& worker) {
    for (unsigned i = 0; i < polls; ++i) worker.poll({.tick = 0}, rte_rdtsc());
}

void forward(benchmark::State& state, Flood flood) {
    guarded(state, [&] {
        constexpr unsigned packets = polls * burst;
        RingPorts ports(flood == Flood::paced ? 1'000 : 20'000'000);
        dpdk::test::PlainTracker tracker;
        ForwardingWorker worker(tracker, ports.fabric().links(0), ports.fabric().counters(0));
        if (flood == Flood::blocked) ports.block_control();
        std::uint64_t sent = 0, seen = 0, syns = 0;
        const auto check = [&] {
            ports.take(false, [&](std::uint64_t number) {
                if (number != seen++) throw std::runtime_error("a forwarded packet was lost or overtaken");
            });
            if (seen != sent) throw std::runtime_error("not every packet was forwarded");
            if (flood != Flood::blocked) ports.take(true, [](std::uint64_t) {});
        };
        const auto prepare = [&] {
            check();
            for (unsigned i = 0; i < packets; ++i) {
                ports.arrive(0, 'P', sent++);
                if (flood != Flood::alone) ports.arrive(1, flood == Flood::dropped ? 'D' : 'A', syns++);
            }
        };
        measure_passes(state, packets, prepare, [&] { pass(worker); });
        check();
        const dpdk::PortCounters& port = ports.fabric().counters(0).ports[1];
        const auto share = [&](const Counter& counter) {
            return syns == 0 ? 0 : static_cast<double>(counter.read()) / static_cast<double>(syns);
        };
        state.counters["answers_sent"] = share(port.control_packets);
        state.counters["answers_dropped"] = share(port.control_dropped);
        if (flood == Flood::blocked && port.control_packets.read() != 0)
            throw std::runtime_error("the control queue was not blocked");
    });
}

BENCHMARK_CAPTURE(forward, alone, Flood::alone)->Name("Worker/Forward/alone");
BENCHMARK_CAPTURE(forward, dropped, Flood::dropped)->Name("Worker/Forward/dropped");
BENCHMARK_CAPTURE(forward, answered, Flood::answered)->Name("Worker/Forward/answered");
BENCHMARK_CAPTURE(forward, paced, Flood::paced)->Name("Worker/Forward/paced");
BENCHMARK_CAPTURE(forward, blocked, Flood::blocked)->Name("Worker/Forward/blocked");

}  // namespace
}  // namespace sluice::bench::control_bench
