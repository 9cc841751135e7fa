// Workers share no cache line that either of them writes: two of them over established flows, set up as
// Runtime does it, each on an lcore of its own, and every line noted that they touch.
#include <gtest/gtest.h>
#include <rte_eth_ring.h>
#include <rte_launch.h>

#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <iomanip>
#include <thread>

#include "sluice/dpdk/arena.hpp"
#include "sluice/dpdk/fabric.hpp"
#include "sluice/dpdk/ports.hpp"
#include "sluice/dpdk/worker_loop.hpp"
#include "sluice/pipeline/tracker.hpp"
#include "support/packet_builder.hpp"
#include "touched_lines.hpp"

namespace sluice::dpdk::test {
namespace {

using pipeline::Action;
using Tracker = pipeline::Tracker<MbufIo>;
using sluice::test::PacketBuilder;

static_assert(alignof(Tracker) >= line_bytes && alignof(WorkerCounters) >= line_bytes &&
                  alignof(WorkerControl) >= line_bytes && alignof(TxQueue) >= line_bytes &&
                  alignof(pipeline::Mailbox) >= line_bytes && alignof(Worker<Tracker>) >= line_bytes,
              "what a worker writes begins on a line of its own, and by its alignment ends with one");

constexpr unsigned workers = 2;
constexpr unsigned flows = 64;  ///< of each worker

int turn_on_lcore(void* turn) {
    (*static_cast<std::function<void()>*>(turn))();
    return 0;
}

rte_ring* wire(const std::string& name) {
    return rte_ring_create(name.c_str(), 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

/// Two ports with a queue for each worker. What a worker sends by one port, it receives again by the other: a
/// few packets are traffic without end, and no third thread takes part.
class TwoWorkers : public ::testing::Test {
  protected:
    void SetUp() override {
        pool_ = rte_pktmbuf_pool_create("sharing", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
        ASSERT_NE(pool_, nullptr);
        ASSERT_TRUE(MbufIo::register_field());
        attach_ports();
        build_fabric();
        limits_.ipv4_flows = 1024;
        limits_.ipv6_flows = 64;
        limits_.accounting = true;
        for (unsigned i = 0; i < workers; ++i) make_worker(i);
        for (unsigned i = 0; i < workers; ++i) establish(i);
    }

    void TearDown() override {
        trackers_.clear();
        fabric_.reset();
        ports_.reset();
        for (rte_ring* ring : wires_) rte_ring_free(ring);
        rte_mempool_free(pool_);
    }

    /// Both workers run until each has judged so many packets; what they touched in the meantime.
    std::array<TouchedLines, workers> run_for(std::uint64_t packets) {
        std::array<TouchedLines, workers> touched;
        std::array<std::function<void()>, workers> turns;
        const Clock clock = Clock::start();
        for (unsigned i = 0; i < workers; ++i) {
            turns[i] = [this, i, &touched, &clock] {
                Worker<Tracker> turning(*trackers_[i], fabric_->links(i), fabric_->counters(i));
                const Recording recording(touched[i]);
                run(turning, fabric_->counters(i), clock, Idler(false, 0), *controls_[i]);
            };
            EXPECT_EQ(rte_eal_remote_launch(turn_on_lcore, &turns[i], i + 1), 0);
        }
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        for (unsigned i = 0; i < workers; ++i) {
            while (trackers_[i]->counters().packets.read() < packets &&
                   std::chrono::steady_clock::now() < deadline)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        for (auto& control : controls_) control->stage = Stage::stop;
        rte_eal_mp_wait_lcore();
        return touched;
    }

    /// What lies at an address, for people.
    std::string describe(const void* address) {
        std::ostringstream out;
        out << address << ":";
        for (unsigned i = 0; i < workers; ++i) {
            const auto say = [&](const char* what, const void* start, std::size_t bytes) {
                const auto distance = static_cast<const char*>(address) - static_cast<const char*>(start);
                if (distance > -static_cast<std::ptrdiff_t>(line_bytes) &&
                    distance < static_cast<std::ptrdiff_t>(bytes))
                    out << " worker " << i << "'s " << what << (distance < 0 ? "" : " + ") << distance;
            };
            say("tracker", trackers_[i].get(), sizeof(Tracker));
            say("mailbox", &trackers_[i]->mailbox(), sizeof(pipeline::Mailbox));
            say("arena", arenas_[i].bytes().data(), arenas_[i].bytes().size());
            say("counters", &fabric_->counters(i), sizeof(WorkerCounters));
            say("links", &fabric_->links(i), sizeof(Links));
            say("transmit queues", fabric_->links(i).tx.data(),
                fabric_->links(i).tx.size() * sizeof(TxQueue));
            say("control", controls_[i].get(), sizeof(WorkerControl));
        }
        say_port(address, out);
        return out.str();
    }

    std::vector<std::unique_ptr<Tracker>> trackers_;
    std::vector<Arena> arenas_;
    std::unique_ptr<Fabric> fabric_;
    std::vector<std::unique_ptr<WorkerControl>> controls_;

  private:
    void say_port(const void* address, std::ostringstream& out) {
        for (std::size_t i = 0; i < fabric_->port_count(); ++i) {
            if (static_cast<const void*>(&fabric_->port(i)) == address) out << " port " << i;
        }
    }

    void attach_ports() {
        ports_ = std::make_unique<Ports>();
        std::array<std::vector<rte_ring*>, 2> loops;  // what comes in by port 0, and by port 1
        for (unsigned port = 0; port < 2; ++port) {
            for (unsigned queue = 0; queue < 2 * workers;
                 ++queue) {  // the second half is for control packets
                loops[port].push_back(wire("loop" + std::to_string(port) + "_" + std::to_string(queue)));
                ASSERT_NE(loops[port].back(), nullptr);
                wires_.push_back(loops[port].back());
            }
        }
        for (unsigned i = 0; i < 2; ++i) {
            const std::string name = "sharing" + std::to_string(i);
            ASSERT_GE(rte_eth_from_rings(name.c_str(), loops[i].data(), workers, loops[i ^ 1].data(),
                                         2 * workers, 0),
                      0);
            Port port;
            port.name = port.given = "net_ring_" + name;
            port.pair = "test";
            ASSERT_TRUE(ports_->attach(port, ""));
        }
        Options options;
        options.workers = workers;
        const Status started = ports_->start(options, pool_);
        ASSERT_TRUE(started) << started.error();
    }

    void build_fabric() {
        FabricPlan plan;
        for (const Port& port : ports_->all())
            plan.ports.push_back({port.id, port.rx_queues, port.tx_queues, true});
        plan.workers = workers;
        plan.by_rss = true;  // queue q is worker q's
        plan.cycles_per_second = 1'000'000'000;
        plan.pool = pool_;
        auto built = Fabric::build(plan);
        ASSERT_TRUE(built);
        fabric_ = std::move(*built);
    }

    void make_worker(unsigned i) {
        auto arena = Arena::take(Tracker::bytes_needed(limits_), false, -1);
        ASSERT_TRUE(arena);
        arenas_.push_back(std::move(*arena));
        auto tracker = Tracker::create(limits_, settings_, flow::Secret{{1, 2, 3, 4}},
                                       {.workers = workers, .self = i}, arenas_[i].bytes());
        ASSERT_TRUE(tracker);
        trackers_.push_back(std::move(*tracker));
        controls_.push_back(std::make_unique<WorkerControl>());
    }

    rte_mbuf* packet(const std::vector<std::uint8_t>& frame) {
        rte_mbuf* made = rte_pktmbuf_alloc(pool_);
        std::memcpy(rte_pktmbuf_append(made, static_cast<std::uint16_t>(frame.size())), frame.data(),
                    frame.size());
        made->port = ports_->all()[0].id;
        return made;
    }

    /// Opens flows of worker `i`, and puts an acknowledgement of each on the wire to its queue, every other
    /// one by port 1.
    void establish(unsigned i) {
        constexpr std::uint8_t syn = 2, ack = 16;
        unsigned opened = 0;
        for (std::uint16_t port = 1024; opened < flows; ++port) {
            const auto from_client = [&] {
                return PacketBuilder().ethernet().ipv4("192.0.2.1", "198.51.100.1").tcp(port, 443);
            };
            const auto from_server = [&] {
                return PacketBuilder().ethernet().ipv4("198.51.100.1", "192.0.2.1").tcp(443, port);
            };
            if (judge(i, from_client().flags(syn).sequence(1000).window(65535).build()) == Action::handover)
                continue;
            ASSERT_EQ(judge(i, from_server()
                                   .flags(syn | ack)
                                   .sequence(5000)
                                   .acknowledgement(1001)
                                   .window(65535)
                                   .build()),
                      Action::pass);
            const auto third =
                from_client().flags(ack).sequence(1001).acknowledgement(5001).window(65535).build();
            const auto answer =
                from_server().flags(ack).sequence(5001).acknowledgement(1001).window(65535).build();
            ASSERT_EQ(judge(i, third), Action::pass);
            rte_ring* const queue = wires_[opened % 2 * 2 * workers + i];
            ASSERT_EQ(rte_ring_enqueue(queue, packet(opened % 2 == 0 ? third : answer)), 0);
            ++opened;
        }
    }

    Action judge(unsigned i, const std::vector<std::uint8_t>& frame) {
        rte_mbuf* judged = packet(frame);
        static pipeline::Output<MbufIo> out;
        trackers_[i]->process({&judged, 1}, {.tick = 0}, out);
        rte_pktmbuf_free(judged);
        return out.view().front().decision.action;
    }

    rte_mempool* pool_ = nullptr;
    std::vector<rte_ring*> wires_;
    std::unique_ptr<Ports> ports_;
    pipeline::Limits limits_;
    pipeline::Settings settings_;
};

TEST_F(TwoWorkers, WriteNoLineThatTheOtherTouches) {
    constexpr std::uint64_t packets = 20'000;
    std::array<std::uint64_t, workers> handed_over_before{};
    for (unsigned i = 0; i < workers; ++i)
        handed_over_before[i] = trackers_[i]->counters().handed_over.read();
    const auto touched = run_for(packets);
    for (unsigned i = 0; i < workers; ++i) {
        const pipeline::Counters& counters = trackers_[i]->counters();
        ASSERT_GE(counters.packets.read(), packets);
        ASSERT_EQ(counters.handed_over.read(), handed_over_before[i]);
        ASSERT_EQ(counters.dropped.read(), 0U);
        // The record shows what there was to see.
        EXPECT_TRUE(touched[i].wrote(&counters.packets));
        EXPECT_TRUE(touched[i].wrote(&fabric_->counters(i).polls));
        EXPECT_TRUE(touched[i].read(&fabric_->port(0).link_up));
        EXPECT_GE(touched[i].lines_written(arenas_[i].bytes().data(), arenas_[i].bytes().size()), flows);
        for (const void* line : touched[i].written_and_touched_by(touched[i ^ 1]))
            ADD_FAILURE() << "worker " << i << " wrote a line that worker " << (i ^ 1)
                          << " touches: " << describe(line);
    }
}

TEST(TouchedLinesTest, TwoCountersSideBySideAreALineShared) {
    struct alignas(line_bytes) {
        Counter mine, yours;
    } neighbours;
    TouchedLines one, other, reader;
    {
        const Recording recording(one);
        neighbours.mine.add();
    }
    {
        const Recording recording(other);
        neighbours.yours.add();
    }
    {
        const Recording recording(reader);
        static_cast<void>(neighbours.yours.read());
    }
    EXPECT_EQ(one.written_and_touched_by(other), std::vector<const void*>{&neighbours});
    EXPECT_EQ(one.written_and_touched_by(reader), std::vector<const void*>{&neighbours});
    EXPECT_TRUE(reader.written_and_touched_by(one).empty());
}

}  // namespace
}  // namespace sluice::dpdk::test
