// The box under test: ports of rings, and sluiced's own worker loop with its own tracker, or with one that
// lets everything pass: plain forwarding, by the same loop over the same rings.
#pragma once

#include <pthread.h>
#include <rte_ring.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "line_rate/arguments.hpp"
#include "line_rate/environment.hpp"
#include "line_rate/tally.hpp"
#include "sluice/base/result.hpp"
#include "sluice/dpdk/arena.hpp"
#include "sluice/dpdk/clock.hpp"
#include "sluice/dpdk/fabric.hpp"
#include "sluice/dpdk/mbuf_tracker.hpp"
#include "sluice/dpdk/ports.hpp"
#include "sluice/dpdk/worker_loop.hpp"

namespace sluice::bench {

/// Forwards everything: what a worker costs without a tracker.
class NoTracker {
  public:
    using Output = pipeline::Output<dpdk::MbufIo>;
    void process(std::span<rte_mbuf* const> burst, pipeline::Now, Output& out) {
        out.size = 0;
        for (rte_mbuf* packet : burst) out.add(packet, {.action = pipeline::Action::pass});
    }
    void process_datagram(rte_mbuf* first, pipeline::Now, Output& out) {
        out.size = 0;
        out.add(first, {.action = pipeline::Action::pass, .datagram = true});
    }
    unsigned poll(pipeline::Now, Output& out) {
        out.size = 0;
        return 0;
    }
    void drop_held(Output& out) { out.size = 0; }
    void count_loss(Reason reason, std::uint64_t packets) {
        lost_.add(packets);
        reasons_[static_cast<std::size_t>(reason)].add(packets);
    }
    [[nodiscard]] std::uint64_t lost() const { return lost_.read(); }
    [[nodiscard]] const ReasonCounters& reasons() const { return reasons_; }

  private:
    Counter lost_;
    ReasonCounters reasons_;
};

class Box {
  public:
    using Tracker = dpdk::MbufTracker;
    enum class Kind : std::uint8_t { tracking, forwarding };

    /// Sizes of the tables of each worker, and what the trackers obey.
    struct Plan {
        unsigned workers = 1;
        unsigned ring_slots = 1024;      ///< of queues to the box
        unsigned out_ring_slots = 1024;  ///< of those from it
        bool huge_pages = false;
        rte_mempool* pool = nullptr;  ///< for copies of odd buffers and packets of the box's own
        pipeline::Limits limits;
        pipeline::Settings settings;
    };
    [[nodiscard]] static Result<std::unique_ptr<Box>> build(const Plan& plan);
    /// Stops what runs.
    ~Box();
    Box(const Box&) = delete;
    Box& operator=(const Box&) = delete;

    /// Launches the workers on their lcores, if they have any; stop() lets them finish what is under way.
    [[nodiscard]] Status start(Kind kind, const Cores& cores);
    void stop();
    /// Without lcores: runs the only worker's loop on the calling thread until its queues are empty. Returns
    /// how many cycles that took.
    std::uint64_t turn_worker() { return turn_(); }

    /// DPDK's numbers of the ports that the generators use, one a side.
    [[nodiscard]] std::array<std::uint16_t, 2> outer_ports() const;

    // What may be read at any time.
    void read_worker(unsigned worker, Tally& into) const;
    [[nodiscard]] std::uint64_t drops(unsigned worker) const;
    [[nodiscard]] const pipeline::Counters& counters(unsigned worker) const {
        return trackers_[worker]->counters();
    }
    /// Packets under a reason, of all workers, tracking and forwarding.
    [[nodiscard]] std::uint64_t packets_under(std::size_t reason) const;
    [[nodiscard]] std::uint64_t flows() const;
    [[nodiscard]] std::uint64_t handed_over() const;
    [[nodiscard]] std::size_t tracker_bytes() const { return Tracker::bytes_needed(plan_.limits); }
    /// Seconds that the worker's thread has had a processor since it was started.
    [[nodiscard]] double processor_seconds(unsigned worker) const;

  private:
    explicit Box(const Plan& plan) : plan_(plan), clock_(dpdk::Clock::start()) {}
    [[nodiscard]] Status make_ports();
    [[nodiscard]] Status make_fabric();
    [[nodiscard]] Status make_trackers();
    [[nodiscard]] Result<std::vector<rte_ring*>> make_rings(unsigned slots);
    template <class TrackerT>
    std::function<void()> turning(TrackerT& tracker, unsigned worker);
    template <class TrackerT>
    std::function<std::uint64_t()> emptying(TrackerT& tracker);

    Plan plan_;
    dpdk::Clock clock_;
    std::vector<rte_ring*> rings_;
    std::unique_ptr<dpdk::Ports> inner_, outer_;  ///< the box's, the generators'
    std::unique_ptr<dpdk::Fabric> fabric_;
    std::vector<dpdk::Arena> arenas_;
    std::vector<std::unique_ptr<Tracker>> trackers_;
    std::vector<std::unique_ptr<NoTracker>> forwarders_;
    std::vector<std::unique_ptr<dpdk::WorkerControl>> controls_;
    std::vector<std::function<void()>> turns_;
    std::function<std::uint64_t()> turn_;
    std::vector<std::atomic<pthread_t>> threads_;
    std::vector<unsigned> lcores_;  ///< running
};

}  // namespace sluice::bench
