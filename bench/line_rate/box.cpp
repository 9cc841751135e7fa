#include "line_rate/box.hpp"

#include <rte_eth_ring.h>
#include <rte_launch.h>
#include <time.h>

#include <chrono>
#include <thread>

#include "dpdk/eal.hpp"
#include "micro/flows.hpp"

namespace sluice::bench {
namespace {

/// More answers a second than a worker gives: a flood is answered as fast as it comes.
constexpr std::uint32_t no_pace = 200'000'000;

int turn_on_lcore(void* turn) {
    (*static_cast<std::function<void()>*>(turn))();
    return 0;
}

std::string fresh(const char* what) {
    static unsigned number = 0;
    return what + std::to_string(number++);
}

/// A port over rings that others hold the other ends of.
Status attach(dpdk::Ports& ports, std::vector<rte_ring*>& receive, std::vector<rte_ring*>& transmit) {
    dpdk::Port port;
    const std::string name = fresh("rate");
    port.name = port.given = "net_ring_" + name;
    port.pair = "line_rate";
    const auto queues = static_cast<unsigned>(receive.size());
    constexpr auto any_socket = static_cast<unsigned>(SOCKET_ID_ANY);
    if (rte_eth_from_rings(name.c_str(), receive.data(), queues, transmit.data(), queues, any_socket) < 0)
        return Error{"DPDK makes no port of rings for " + std::to_string(queues) + " workers: use fewer"};
    return ports.attach(std::move(port), "");
}

}  // namespace

Result<std::unique_ptr<Box>> Box::build(const Plan& plan) {
    std::unique_ptr<Box> box(new Box(plan));
    for (const auto step : {&Box::make_ports, &Box::make_fabric, &Box::make_trackers}) {
        if (const Status done = (box.get()->*step)(); !done) return Error{done.error()};
    }
    return box;
}

Result<std::vector<rte_ring*>> Box::make_rings(unsigned slots) {
    std::vector<rte_ring*> made;
    for (unsigned i = 0; i < plan_.workers; ++i) {
        // Exact: as many packets as a card's queue of this many descriptors. One generator and one worker
        // each.
        rte_ring* ring = rte_ring_create(fresh("rate_wire").c_str(), slots, SOCKET_ID_ANY,
                                         RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
        if (ring == nullptr) return Error{"no memory for the rings: lower --ring-slots or --workers"};
        rings_.push_back(ring);
        made.push_back(ring);
    }
    return made;
}

Status Box::make_ports() {
    inner_ = std::make_unique<dpdk::Ports>();
    outer_ = std::make_unique<dpdk::Ports>();
    const dpdk::Hush hush(false);
    for (unsigned side = 0; side < 2; ++side) {
        auto in = make_rings(plan_.ring_slots);
        auto out = make_rings(plan_.out_ring_slots);
        if (!in || !out) return Error{in ? out.error() : in.error()};
        if (Status done = attach(*inner_, *in, *out); !done) return done;
        if (Status done = attach(*outer_, *out, *in); !done) return done;
    }
    dpdk::Options options;
    options.workers = plan_.workers;
    if (Status done = inner_->start(options, plan_.pool); !done) return done;
    return outer_->start(options, plan_.pool);
}

Status Box::make_fabric() {
    if (Status done = dpdk::MbufIo::register_field(); !done) return done;
    dpdk::MbufIo::set_pool(plan_.pool);
    dpdk::FabricPlan plan;
    plan.workers = plan_.workers;
    plan.by_rss = true;  // the generators sort packets into queues as a card with RSS would
    plan.cycles_per_second = rte_get_tsc_hz();
    plan.pool = plan_.pool;
    plan.control_packets_per_second = no_pace;
    for (const dpdk::Port& port : inner_->all()) {
        plan.ports.push_back(
            {port.id, port.rx_queues, port.tx_queues, port.many_segments, port.longest_frame});
        dpdk::MbufIo::set_port_pair(port.id, 0);
    }
    auto built = dpdk::Fabric::build(plan);
    if (!built) return Error{built.error()};
    fabric_ = std::move(*built);
    for (unsigned i = 0; i < plan_.workers; ++i) controls_.push_back(std::make_unique<dpdk::WorkerControl>());
    turns_.resize(plan_.workers);
    threads_ = std::vector<std::atomic<pthread_t>>(plan_.workers);
    return success();
}

Status Box::make_trackers() {
    for (unsigned worker = 0; worker < plan_.workers; ++worker) {
        auto arena = dpdk::Arena::take(Tracker::bytes_needed(plan_.limits), plan_.huge_pages, -1);
        if (!arena) return Error{arena.error()};
        arenas_.push_back(std::move(*arena));
        pipeline::Steering steering;
        steering.workers = plan_.workers;
        steering.self = worker;
        auto tracker =
            Tracker::create(plan_.limits, plan_.settings, bench_secret, steering, arenas_.back().bytes());
        if (!tracker) return Error{tracker.error()};
        trackers_.push_back(std::move(*tracker));
        forwarders_.push_back(std::make_unique<NoTracker>());
    }
    return success();
}

template <class TrackerT>
std::function<void()> Box::turning(TrackerT& tracker, unsigned worker) {
    return [this, &tracker, worker] {
        threads_[worker].store(pthread_self());
        dpdk::WorkerCounters& counters = fabric_->counters(worker);
        dpdk::Worker<TrackerT> turning(tracker, fabric_->links(worker), counters);
        // The daemon's own ways when nothing arrives.
        const dpdk::Options shipped;
        dpdk::run(turning, counters, clock_,
                  dpdk::Idler(shipped.idle_backoff, shipped.idle_sleep_microseconds), *controls_[worker]);
    };
}

template <class TrackerT>
std::function<std::uint64_t()> Box::emptying(TrackerT& tracker) {
    auto worker = std::make_shared<dpdk::Worker<TrackerT>>(tracker, fabric_->links(0), fabric_->counters(0));
    return [this, worker] {
        const std::uint64_t began = dpdk::Clock::cycles();
        std::uint64_t cycles = began;
        while (worker->poll(clock_.at(cycles), cycles).packets != 0) cycles = dpdk::Clock::cycles();
        return dpdk::Clock::cycles() - began;
    };
}

Status Box::start(Kind kind, const Cores& cores) {
    if (cores.in_turns) {
        turn_ = kind == Kind::tracking ? emptying(*trackers_.front()) : emptying(*forwarders_.front());
        return success();
    }
    for (unsigned worker = 0; worker < plan_.workers; ++worker) {
        controls_[worker]->stage.store(dpdk::Stage::run);
        controls_[worker]->quiet.store(0);
        threads_[worker].store(pthread_t{});
        turns_[worker] = kind == Kind::tracking ? turning(*trackers_[worker], worker)
                                                : turning(*forwarders_[worker], worker);
        const unsigned lcore = cores.worker_lcore(worker);
        if (rte_eal_remote_launch(turn_on_lcore, &turns_[worker], lcore) != 0) {
            return Error{"no worker runs on lcore " + std::to_string(lcore) +
                         ": the EAL arguments must leave the lcores to line_rate"};
        }
        lcores_.push_back(lcore);
    }
    for (auto& thread : threads_) {
        while (thread.load() == pthread_t{}) std::this_thread::yield();
    }
    return success();
}

void Box::stop() {
    // The rings are empty by now: nothing to drain.
    for (auto& control : controls_) control->stage.store(dpdk::Stage::stop);
    for (const unsigned lcore : lcores_) rte_eal_wait_lcore(lcore);
    lcores_.clear();
}

Box::~Box() {
    stop();
    const dpdk::Hush hush(false);
    fabric_.reset();
    outer_.reset();
    inner_.reset();
    for (rte_ring* ring : rings_) rte_ring_free(ring);
}

std::array<std::uint16_t, 2> Box::outer_ports() const {
    return {outer_->all()[0].id, outer_->all()[1].id};
}

void Box::read_worker(unsigned worker, Tally& into) const {
    const dpdk::WorkerCounters& counters = fabric_->counters(worker);
    into.polls += counters.polls.read();
    into.settled += trackers_[worker]->counters().answered.read();
    into.emitted += trackers_[worker]->counters().emitted.read();
    for (const unsigned port : {0U, 1U}) into.taken[port] += counters.ports[port].rx_packets.read();
}

std::uint64_t Box::drops(unsigned worker) const {
    return trackers_[worker]->counters().dropped.read() + forwarders_[worker]->lost();
}

std::uint64_t Box::packets_under(std::size_t reason) const {
    std::uint64_t all = 0;
    for (const auto& tracker : trackers_) all += tracker->counters().reasons[reason].read();
    for (const auto& forwarder : forwarders_) all += forwarder->reasons()[reason].read();
    return all;
}

std::uint64_t Box::flows() const {
    std::uint64_t all = 0;
    for (const auto& tracker : trackers_) all += tracker->table4().size();
    return all;
}

std::uint64_t Box::handed_over() const {
    std::uint64_t all = 0;
    for (unsigned worker = 0; worker < plan_.workers; ++worker)
        all += fabric_->counters(worker).handed_over.read();
    return all;
}

double Box::processor_seconds(unsigned worker) const {
    clockid_t clock{};
    timespec spent{};
    if (pthread_getcpuclockid(threads_[worker].load(), &clock) != 0 || clock_gettime(clock, &spent) != 0)
        return 0;
    return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

}  // namespace sluice::bench
