// DPDK, the ports and everything between them, started as one and stopped as one. One per process; every
// function belongs to the control thread (the one that called start).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/dpdk/clock.hpp"
#include "sluice/dpdk/fabric.hpp"
#include "sluice/dpdk/options.hpp"
#include "sluice/dpdk/ports.hpp"
#include "sluice/dpdk/worker_loop.hpp"
#include "sluice/pipeline/steering.hpp"
#include "sluice/policy/rule_set.hpp"

namespace sluice::dpdk {

/// What the trackers will need, so that too little memory is found out before anything is touched.
struct TrackerNeeds {
    std::size_t arena_bytes = 0;     ///< tables of one worker
    std::uint32_t held_packets = 0;  ///< most fragments that one worker may hold at a time
};

class Runtime {
  public:
    /// Checks what can be checked, then starts DPDK and the ports. When it fails, nothing stays behind, and
    /// the error is a sentence that says what to do.
    [[nodiscard]] static Result<std::unique_ptr<Runtime>> start(const Options& options,
                                                                const TrackerNeeds& needs);
    /// Of the library that runs, not of the headers: "DPDK 22.11.7". Needs no start.
    [[nodiscard]] static std::string dpdk_version();
    /// Stops what runs, then gives everything back.
    ~Runtime();
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    [[nodiscard]] unsigned workers() const;
    [[nodiscard]] std::span<std::byte> arena(unsigned worker) const;
    [[nodiscard]] pipeline::Steering steering(unsigned worker) const;
    [[nodiscard]] const Clock& clock() const;

    /// A line for each port with what was chosen, one for each that had been down, and one on how flows find
    /// their worker.
    [[nodiscard]] std::vector<std::string> description() const;
    /// What will work, but perhaps not as wanted, links that are missing or taken down at start among it.
    [[nodiscard]] const std::vector<std::string>& warnings() const;
    /// The kernel's names of the ports that are interfaces of its own, DPDK's of the others, in the order of
    /// the pairs.
    [[nodiscard]] std::vector<std::string> port_names() const;
    /// DPDK's numbers of the ports, in the order of the pairs.
    [[nodiscard]] std::vector<std::uint16_t> port_numbers() const;
    /// A matcher for rules, compiled where the workers are.
    [[nodiscard]] Result<std::unique_ptr<const policy::Matcher>> compile(const policy::RuleSet& rules) const;

    /// Runs a worker over `tracker` on its lcore, until stop(). The tracker outlives that.
    template <class TrackerT>
    [[nodiscard]] Status launch(unsigned worker, TrackerT& tracker) {
        WorkerControl& control = this->control(worker);
        WorkerCounters& counters = fabric().counters(worker);
        return launch_on_lcore(worker, [&tracker, &counters, &control, idler = idler(), clock = clock(),
                                        &links = fabric().links(worker)] {
            Worker<TrackerT> turning(tracker, links, counters);
            run(turning, counters, clock, idler, control);
        });
    }

    /// Looks after the links; call it about every 100 ms. Returns what happened, for the log.
    std::vector<std::string> look_after_links();

    /// Drains and stops the workers, then the ports, then, as configured, takes the links down. True when
    /// everything under way was finished in time.
    bool stop();

    /// Ports, workers, rings and devices, by name. Safe while workers run.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> counters() const;
    /// How often each worker has turned. Safe while workers run: one whose number stands still hangs.
    [[nodiscard]] std::vector<std::uint64_t> polls() const;
    /// What a worker counts beside its tracker. Any thread; good as long as this lives.
    [[nodiscard]] const WorkerCounters& counters(unsigned worker) const;
    /// Packet buffers that are in use nowhere: the same before the first packet and after the last.
    [[nodiscard]] unsigned free_buffers() const;

  private:
    struct Parts;
    explicit Runtime(std::unique_ptr<Parts> parts);
    [[nodiscard]] Fabric& fabric() const;
    [[nodiscard]] WorkerControl& control(unsigned worker) const;
    [[nodiscard]] Idler idler() const;
    Status launch_on_lcore(unsigned worker, std::function<void()> turn);

    std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::dpdk
