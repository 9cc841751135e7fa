#include "line_rate/stand.hpp"

#include <time.h>

#include <algorithm>

#include "dpdk/device.hpp"
#include "dpdk/interface.hpp"

namespace sluice::bench {
namespace {

constexpr unsigned port_buffers = 16'384;

double seconds_of(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// What runs on a generator's lcore.
struct Job {
    const std::function<Catch(const Schedule&)>* turn = nullptr;
    Schedule schedule;
    Catch caught;
    double share = 0;  ///< of its time it had a processor
};

int run_job(void* job_of) {
    auto& job = *static_cast<Job*>(job_of);
    const double wall = seconds_of(CLOCK_MONOTONIC), own = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    job.caught = (*job.turn)(job.schedule);
    job.share = (seconds_of(CLOCK_THREAD_CPUTIME_ID) - own) / (seconds_of(CLOCK_MONOTONIC) - wall);
    return 0;
}

}  // namespace

Outcome& Outcome::operator+=(const Outcome& other) {
    window += other.window;
    total += other.total;
    seconds += other.seconds;
    latency.add(other.latency);
    dropped += other.dropped;
    turns += other.turns;
    broken_turns += other.broken_turns;
    worker_share = std::min(worker_share, other.worker_share);
    generator_share = std::min(generator_share, other.generator_share);
    return *this;
}

Result<std::unique_ptr<Stand>> Stand::build(const Arguments& arguments, const Environment& environment,
                                            const pipeline::Limits& limits,
                                            const pipeline::Settings& settings) {
    std::unique_ptr<Stand> stand(new Stand(environment));
    stand->progress_ = std::vector<Progress>(stand->environment_.cores.generators.size());
    const Status joined =
        arguments.over_rings() ? stand->join_box(arguments, limits, settings) : stand->join_ports(arguments);
    if (!joined) return Error{joined.error()};
    return stand;
}

Status Stand::join_box(const Arguments& arguments, const pipeline::Limits& limits,
                       const pipeline::Settings& settings) {
    const auto generators = static_cast<unsigned>(environment_.cores.generators.size());
    for (unsigned generator = 0; generator < generators; ++generator) {
        Station station;
        for (unsigned worker = generator; worker < arguments.workers; worker += generators) {
            station.workers.push_back(worker);
        }
        const auto feeds = static_cast<unsigned>(station.workers.size());
        auto buffers = Buffers::for_rings(Buffers::count_for_rings(feeds, arguments.ring_slots),
                                          environment_.huge_pages);
        if (!buffers) return Error{buffers.error()};
        buffers_.push_back(std::move(*buffers));
        station.buffers = buffers_.back().get();
        station.shares_core = environment_.cores.shared;
        stations_.push_back(std::move(station));
    }
    rte_mempool* pool = buffers_.front()->pool();
    if (arguments.defended()) {  // what the box makes is told by where it lies
        auto buffers = Buffers::for_rings(Buffers::count_for_rings(arguments.workers, arguments.ring_slots),
                                          environment_.huge_pages);
        if (!buffers) return Error{buffers.error()};
        box_buffers_ = std::move(*buffers);
        pool = box_buffers_->pool();
    }
    // In turns, what came in by both may leave by one: answers, and what passes the other way.
    const unsigned out_ring_slots =
        (arguments.in_turns && arguments.defended() ? 2 : 1) * arguments.ring_slots;
    auto box = Box::build({.workers = arguments.workers,
                           .ring_slots = arguments.ring_slots,
                           .out_ring_slots = out_ring_slots,
                           .huge_pages = environment_.huge_pages,
                           .pool = pool,
                           .limits = limits,
                           .settings = settings});
    if (!box) return Error{box.error()};
    box_ = std::move(*box);
    for (Station& station : stations_) {
        station.ports = box_->outer_ports();
        station.read_workers = [&box = *box_, workers = station.workers](Tally& tally) {
            for (const unsigned worker : workers) box.read_worker(worker, tally);
        };
        if (environment_.cores.in_turns) station.turn_worker = [&box = *box_] { return box.turn_worker(); };
        station.read_drops = [&box = *box_, workers = station.workers] {
            std::uint64_t all = 0;
            for (const unsigned worker : workers) all += box.drops(worker);
            return all;
        };
    }
    return success();
}

Status Stand::join_ports(const Arguments& arguments) {
    ports_ = std::make_unique<dpdk::Ports>();
    const dpdk::Hush hush(dpdk::asks_for_log(arguments.eal_arguments));
    for (unsigned i = 0; i < 2; ++i) {
        auto device = dpdk::parse_device(arguments.ports[i], i);
        if (!device) return Error{device.error()};
        dpdk::Port port;
        port.name = device->name;
        port.given = device->given;
        port.interface = device->interface;
        port.pair = "line_rate";
        const std::string with = device->short_form
                                     ? dpdk::interface_arguments(*device, 1, dpdk::mtu_of(device->interface))
                                     : device->arguments;
        if (Status done = ports_->attach(std::move(port), with); !done) return done;
    }
    auto sent = Buffers::for_ports(port_buffers);
    auto received = Buffers::for_ports(port_buffers);
    if (!sent || !received) return Error{sent ? received.error() : sent.error()};
    buffers_.push_back(std::move(*sent));
    receive_buffers_ = std::move(*received);
    dpdk::Options options;
    if (Status done = ports_->start(options, receive_buffers_->pool()); !done) return done;
    Station station;
    station.ports = {ports_->all()[0].id, ports_->all()[1].id};
    station.workers = {0};
    station.buffers = buffers_.front().get();
    station.read_workers = [](Tally&) {};
    station.read_drops = [] { return std::uint64_t{0}; };
    stations_.push_back(std::move(station));
    return success();
}

void Stand::shape(const std::vector<unsigned>& with_fcs) {
    std::vector<std::uint16_t> lengths;
    for (const unsigned bytes : with_fcs) lengths.push_back(static_cast<std::uint16_t>(bytes - fcs_bytes));
    for (const auto& buffers : buffers_) buffers->shape(lengths);
}

unsigned Stand::buffers() const {
    unsigned all = 0;
    for (const auto& buffers : buffers_) all += buffers->count();
    return all;
}

void Stand::wait_for_generators(const TrialPlan& plan) {
    const auto running = [&](std::size_t generator) {
        return rte_eal_get_lcore_state(
                   environment_.cores.generator_lcore(static_cast<unsigned>(generator))) == RUNNING;
    };
    line_.begin(plan.what);
    constexpr auto nap = std::chrono::milliseconds(5);
    constexpr unsigned naps_a_line = 40;
    for (;;) {
        bool any = false;
        for (std::size_t i = 0; i < stations_.size(); ++i) any = any || running(i);
        if (!any) return;
        std::this_thread::sleep_for(nap);
        if (++naps_ % naps_a_line != 0) continue;
        std::uint64_t sent = 0, received = 0, completed = 0;
        for (const Progress& progress : progress_) {
            sent += progress.sent.load(std::memory_order_relaxed);
            received += progress.received.load(std::memory_order_relaxed);
            completed += progress.completed.load(std::memory_order_relaxed);
        }
        line_.show(sent, received, completed);
    }
}

Result<Outcome> Stand::run_turns(const TrialPlan& plan,
                                 const std::vector<std::function<Catch(const Schedule&)>>& turns) {
    const Cores& cores = environment_.cores;
    if (box_ != nullptr) {
        if (Status started = box_->start(plan.kind, cores); !started) return Error{started.error()};
    }
    const auto hertz = static_cast<double>(rte_get_tsc_hz());
    Schedule schedule;
    schedule.packets_per_second = plan.packets_per_second / static_cast<double>(turns.size());
    schedule.window = static_cast<std::uint64_t>(plan.seconds * hertz);
    schedule.warm_up = plan.until_done ? 0 : schedule.window / 10;
    schedule.until_done = plan.until_done;

    std::vector<double> before;
    for (unsigned worker = 0; worker < cores.workers.size(); ++worker)
        before.push_back(box_->processor_seconds(worker));
    const double began = seconds_of(CLOCK_MONOTONIC);
    std::vector<Job> jobs(turns.size());
    for (unsigned i = 0; i < turns.size(); ++i) {
        jobs[i].turn = &turns[i];
        jobs[i].schedule = schedule;
        if (rte_eal_remote_launch(run_job, &jobs[i], cores.generator_lcore(i)) != 0)
            return Error{"no generator runs on lcore " + std::to_string(cores.generator_lcore(i)) +
                         ": the EAL arguments must leave the lcores to line_rate"};
    }
    wait_for_generators(plan);
    const double wall = seconds_of(CLOCK_MONOTONIC) - began;
    Outcome out;
    for (unsigned worker = 0; worker < cores.workers.size(); ++worker) {
        out.worker_share =
            std::min(out.worker_share, (box_->processor_seconds(worker) - before[worker]) / wall);
    }
    for (unsigned i = 0; i < turns.size(); ++i) {
        rte_eal_wait_lcore(cores.generator_lcore(i));
        const Catch& caught = jobs[i].caught;
        out.window += caught.window;
        out.total += caught.total;
        out.latency.add(caught.latency);
        out.dropped += caught.dropped;
        out.turns += caught.turns;
        out.broken_turns += caught.broken_turns;
        out.seconds = std::max(out.seconds, static_cast<double>(caught.window_cycles) / hertz);
        out.generator_share = std::min(out.generator_share, jobs[i].share);
    }
    if (box_ != nullptr) box_->stop();
    return out;
}

}  // namespace sluice::bench
