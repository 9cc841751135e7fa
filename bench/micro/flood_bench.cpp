// Tracker/SynFlood/track: spoofed SYNs from distinct random clients, each tracked as a half-open flow. The
// table is full: each new flow pushes the oldest half-open one out; the records are in random order. …/guard:
// the SYNs go to a protected service and are counted, and nothing is defended.
#include <stdexcept>

#include "callers.hpp"
#include "plain_judge.hpp"
#include "protected.hpp"

namespace sluice::bench::flood_bench {
namespace {

constexpr std::uint32_t usual_capacity = 1'000'000;

/// What differs from one of these benchmarks to the next.
struct Plan {
    bool ipv6 = false;
    std::uint32_t capacity = usual_capacity;
    std::uint32_t per_tick = 15'000;           ///< SYNs a millisecond: how fast the clock moves
    std::uint32_t most_held = usual_capacity;  ///< half-open flows in the steady state
    bool guard = false;                        ///< SYNs are counted, nothing is defended
};

class Flood {
  public:
    explicit Flood(const Plan& plan)
        : plan_(plan),
          box_(limits(plan), plan.guard ? protected_.settings() : pipeline::Settings{}),
          writer_(Shape{.ipv6 = plan.ipv6}),
          judge_(box_.settings(), plan.capacity) {
        start_ = shuffle_records(box_, pool_, writer_, plan.capacity, 1000);
        while (sent_ < plan.most_held + plan.most_held / 4) {
            refill();
            judge_pool();
        }
        check();
    }
    [[nodiscard]] std::uint32_t packets() const { return pool_.size(); }

    void refill() {
        first_ = sent_;
        for (std::uint32_t i = 0; i < pool_.size(); ++i)
            pool_.receive(i, writer_.write(pool_.frame(i), syn_of(caller(sent_++))));
    }
    [[gnu::noinline]] void pass() {
        for (std::uint32_t at = 0; at < pool_.size(); at += burst)
            box_.poll(pool_.burst(at, burst), {.tick = tick_at(at)});
    }
    void report(benchmark::State& state) const {
        check();
        box_.report(state);
    }

  private:
    [[nodiscard]] static pipeline::Limits limits(const Plan& plan) {
        const pipeline::Limits out = TrackerBox::limits(plan.capacity, plan.ipv6);
        return plan.guard ? Protected::with_guard(out) : out;
    }
    [[nodiscard]] Tick tick_at(std::uint32_t at) const {
        return start_ + static_cast<Tick>((first_ + at) / plan_.per_tick);
    }
    void judge_pool() {
        for (std::uint32_t at = 0; at < pool_.size(); at += burst) {
            const pipeline::Now now{.tick = tick_at(at)};
            box_->process(pool_.burst(at, burst), now, box_.out);
            if (box_.out.size != burst) throw std::runtime_error("a packet has no decision");
            for (unsigned i = 0; i < burst; ++i) {
                const pipeline::Decision& decision = box_.out.judged[i].decision;
                if (decision.state != pipeline::CtState::new_flow || decision.flow == flow::no_ref)
                    throw std::runtime_error("a SYN was not tracked");
                if (judge_.follows(first_ + at + i))
                    judge_.hold_against(decision, pool_.bytes(at + i), pipeline::ChecksumState::good,
                                        now.tick);
            }
            box_->poll(now, box_.out);
        }
    }
    /// The steady state: as many flows leave as come.
    void check() const {
        box_.require_all_accepted();
        const std::uint32_t held = box_.flows_held();
        if (held > plan_.most_held || held + plan_.most_held / 50 < plan_.most_held)
            throw std::runtime_error(std::to_string(held) + " half-open flows are held instead of " +
                                     std::to_string(plan_.most_held));
        if (judge_.compared() < 10'000) throw std::runtime_error("too few packets were compared");
        if (!plan_.guard) return;
        const auto& counted = box_.guard().accounts().services()[Protected::service];
        if (counted.half_open.read() != held || counted.syns.read() < sent_)
            throw std::runtime_error("not every SYN was counted");
    }

    Plan plan_;
    Protected protected_;
    TrackerBox box_;
    FrameWriter writer_;
    MbufPool pool_;
    PlainJudge judge_;
    Tick start_ = 0;
    std::uint64_t sent_ = 0, first_ = 0;
};

void flood(benchmark::State& state, const std::string& name, const Plan& plan) {
    guarded(state, [&] {
        auto& subject = Kept::get(name, [&] { return std::make_unique<Flood>(plan); });
        measure_passes(
            state, subject.packets(), [&] { subject.refill(); }, [&] { subject.pass(); });
        subject.report(state);
    });
}

[[maybe_unused]] const bool registered = [] {
    const auto add = [](const std::string& name, const Plan& plan) {
        benchmark::RegisterBenchmark(name.c_str(), flood, name, plan);
    };
    add("Tracker/SynFlood/track", {});
    add("Tracker/SynFlood/track/ip6", {.ipv6 = true});
    add("Tracker/SynFlood/track/guard", {.guard = true});
    add("Tracker/SynFlood/track/flows:10000", {.capacity = 10'000, .most_held = 10'000});
    add("Tracker/SynFlood/track/flows:10000/guard", {.capacity = 10'000, .most_held = 10'000, .guard = true});
    // Slow enough that half-open flows expire (after 120 s) before the table is full.
    add("Tracker/SynFlood/track/expiring", {.per_tick = 7, .most_held = 7 * 120'000 + 7 * 512});
    return true;
}();

}  // namespace
}  // namespace sluice::bench::flood_bench
