// The test stand: generators, and the box between them or ports that lead to one. Runs one trial after
// another.
#pragma once

#include <rte_launch.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "line_rate/box.hpp"
#include "line_rate/buffers.hpp"
#include "line_rate/environment.hpp"
#include "line_rate/generator.hpp"
#include "line_rate/progress.hpp"
#include "sluice/dpdk/ports.hpp"

namespace sluice::bench {

/// What one trial came to, all generators together.
struct Outcome {
    Tally window, total;
    double seconds = 0;  ///< of the window; in turns, of the worker's turns in it
    Histogram latency;   ///< cycles
    std::uint64_t dropped = 0;
    double worker_share = 1;     ///< of the trial, in which the least served worker had its processor
    double generator_share = 1;  ///< the same of generators
    std::uint64_t turns = 0, broken_turns = 0;  ///< as in Catch

    Outcome& operator+=(const Outcome& other);
};

struct TrialPlan {
    Box::Kind kind = Box::Kind::tracking;
    double packets_per_second = 0;  ///< of all generators; 0: as fast as the box takes them
    double seconds = 1;
    bool until_done = false;
    std::string what;  ///< for the progress line
};

class Stand {
  public:
    /// The box's tables as `limits` say; without a box they mean nothing.
    [[nodiscard]] static Result<std::unique_ptr<Stand>> build(const Arguments& arguments,
                                                              const Environment& environment,
                                                              const pipeline::Limits& limits,
                                                              const pipeline::Settings& settings);

    /// Runs `traffic[g]` on generator g. After it, everything sent has come out or is accounted for.
    template <class Traffic>
    [[nodiscard]] Result<Outcome> run(const TrialPlan& plan, std::vector<Traffic>& traffic) {
        std::vector<std::unique_ptr<Generator<Traffic>>> generators;
        std::vector<std::function<Catch(const Schedule&)>> turns;
        for (std::size_t i = 0; i < stations_.size(); ++i) {
            generators.push_back(
                std::make_unique<Generator<Traffic>>(stations_[i], traffic[i], progress_[i]));
            turns.emplace_back(
                [&generator = *generators.back()](const Schedule& s) { return generator.run(s); });
        }
        return run_turns(plan, turns);
    }

    /// Frame lengths (FCS included) of all packets from now on, each as often as it is named.
    void shape(const std::vector<unsigned>& with_fcs);

    [[nodiscard]] Box* box() { return box_.get(); }  ///< null over ports
    [[nodiscard]] const Environment& environment() const { return environment_; }
    [[nodiscard]] std::size_t generators() const { return stations_.size(); }
    [[nodiscard]] const std::vector<unsigned>& workers_of(std::size_t generator) const {
        return stations_[generator].workers;
    }
    [[nodiscard]] unsigned buffers() const;

  private:
    explicit Stand(const Environment& environment) : environment_(environment) {}
    [[nodiscard]] Status join_box(const Arguments& arguments, const pipeline::Limits& limits,
                                  const pipeline::Settings& settings);
    [[nodiscard]] Status join_ports(const Arguments& arguments);
    [[nodiscard]] Result<Outcome> run_turns(const TrialPlan& plan,
                                            const std::vector<std::function<Catch(const Schedule&)>>& turns);
    void wait_for_generators(const TrialPlan& plan);

    // In the order in which things are built.
    const Environment& environment_;
    std::vector<std::unique_ptr<Buffers>> buffers_;
    std::unique_ptr<Buffers> box_buffers_;      ///< for what a defending box says itself
    std::unique_ptr<Buffers> receive_buffers_;  ///< of ports
    std::unique_ptr<dpdk::Ports> ports_;
    std::unique_ptr<Box> box_;
    std::vector<Station> stations_;
    std::vector<Progress> progress_;
    ProgressLine line_;
    unsigned naps_ = 0;  ///< since the beginning: trials may be shorter than the time between two lines
};

}  // namespace sluice::bench
