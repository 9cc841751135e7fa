// Tracker/Established: segments of open connections, mbuf in, decision out; and what each feature costs.
#include <map>
#include <stdexcept>

#include "mbuf_pool.hpp"
#include "plain_judge.hpp"
#include "tracker_box.hpp"
#include "world.hpp"

namespace sluice::bench {
namespace {

using pipeline::Action;
using pipeline::ChecksumState;
using pipeline::CtState;

/// What differs from one of these benchmarks to the next.
struct Plan {
    std::uint32_t flows;
    Shape shape{};
    bool accounting = false;
    bool start_times = false;
    bool imix = false;        ///< frames of 64, 594 and 1518 bytes, 7 : 4 : 1
    bool card_checks = true;  ///< the port has looked at the checksums
    std::uint32_t buffers = MbufPool::usual_size;
};

class Established {
  public:
    explicit Established(const Plan& plan)
        : plan_(plan),
          box_(limits(plan), pipeline::Settings{}),
          world_(plan.flows, plan.shape),
          pool_(plan.buffers),
          sent_(pool_.size()),
          flow_of_(plan.flows),
          judge_(box_.settings(), plan.flows) {
        open_all();
        for (unsigned pass = 0; pass < 2; ++pass) {
            refill();
            judge_pool(pool_.size());
        }
        if (judge_.compared() == 0) throw std::runtime_error("no packet was compared");
    }

    [[nodiscard]] std::uint32_t packets() const { return pool_.size(); }

    /// Writes the next segment of a random flow into each buffer.
    void refill() {
        for (Sent& sent : sent_) {
            const std::uint32_t bits = world_.random();
            sent = {world_.pick(), bits & 1U, payload_for(bits >> 1)};
            world_.prefetch(sent.flow);
        }
        for (std::uint32_t i = 0; i < pool_.size(); ++i) write(i, flag_ack);
        ++now_.tick;
    }
    /// Out of line, so that callgrind can be told to count this alone (--toggle-collect).
    [[gnu::noinline]] void pass() {
        for (std::uint32_t at = 0; at < pool_.size(); at += burst) box_.poll(pool_.burst(at, burst), now_);
    }
    /// Everything timed was accepted, too.
    void report(benchmark::State& state) const {
        box_.require_all_accepted();
        box_.report(state);
    }

  private:
    struct Sent {
        std::uint32_t flow;
        unsigned side;
        std::uint32_t payload;
    };

    static pipeline::Limits limits(const Plan& plan) {
        pipeline::Limits out = TrackerBox::limits(plan.flows, plan.shape.ipv6);
        out.accounting = plan.accounting;
        out.timestamps = plan.start_times;
        return out;
    }
    /// Half the segments are bare acknowledgements; of an IMIX most of the rest is small.
    [[nodiscard]] std::uint32_t payload_for(std::uint32_t bits) const {
        if (!plan_.imix) return (bits & 1U) != 0 ? World::payload : 0;
        const std::uint32_t twelfth = bits % 12;
        return twelfth < 7 ? 0 : twelfth < 11 ? 536 : 1460;
    }
    void write(std::uint32_t buffer, std::uint8_t flags) {
        const Sent& sent = sent_[buffer];
        pool_.receive(buffer, world_.write(pool_.frame(buffer), sent.flow, sent.side, flags, sent.payload),
                      plan_.card_checks ? MbufPool::checksums_good : MbufPool::checksums_unknown);
    }

    /// Each connection has carried data when it is measured: the first moves a flow to another age list,
    /// once.
    void open_all() {
        constexpr std::uint8_t first[] = {flag_syn, flag_syn | flag_ack, flag_ack, flag_ack};
        constexpr unsigned steps = std::size(first);
        for (std::uint32_t flow = 0; flow < world_.size();) {
            std::uint32_t used = 0;
            for (; flow < world_.size() && used + steps <= pool_.size(); ++flow)
                for (unsigned step = 0; step < steps; ++step, ++used) {
                    sent_[used] = {flow, step == 1 ? 1U : 0U, step == 3 ? World::payload : 0};
                    write(used, first[step]);
                }
            judge_pool(used);
        }
        if (box_.flows_held() != plan_.flows) throw std::runtime_error("not every connection has a flow");
    }

    /// Judges the first `count` packets; each must be accepted, belong to its own flow and, where the plain
    /// tracker follows, be decided as there.
    void judge_pool(std::uint32_t count) {
        for (std::uint32_t at = 0; at < count; at += burst) {
            const std::uint32_t some = std::min(burst, count - at);
            box_->process(pool_.burst(at, some), now_, box_.out);
            if (box_.out.size != some) throw std::runtime_error("a packet has no decision");
            for (std::uint32_t i = 0; i < some; ++i) check(at + i, box_.out.judged[i]);
        }
    }
    template <class Judged>
    void check(std::uint32_t buffer, const Judged& judged) {
        const Sent& sent = sent_[buffer];
        const pipeline::Decision& decision = judged.decision;
        if (judged.packet != pool_.burst(buffer, 1)[0]) throw std::runtime_error("packets changed places");
        if (decision.action != Action::pass || decision.reason != Reason::none ||
            static_cast<unsigned>(decision.direction) != sent.side)
            throw std::runtime_error("a valid segment was not accepted: " +
                                     std::string(text_of(decision.reason).name));
        if (decision.state == CtState::new_flow) flow_of_[sent.flow] = decision.flow;
        if (decision.flow != flow_of_[sent.flow]) throw std::runtime_error("another flow was found");
        if (judge_.follows(sent.flow))
            judge_.hold_against(decision, pool_.bytes(buffer),
                                plan_.card_checks ? ChecksumState::good : ChecksumState::unknown, now_.tick);
    }

    Plan plan_;
    TrackerBox box_;
    World world_;
    MbufPool pool_;
    std::vector<Sent> sent_;
    std::vector<flow::Ref> flow_of_;
    PlainJudge judge_;
    pipeline::Now now_{.tick = 1000};
};

void established(benchmark::State& state, const std::string& name, const Plan& plan) {
    guarded(state, [&] {
        auto& subject = Kept::get(name, [&] { return std::make_unique<Established>(plan); });
        measure_passes(
            state, subject.packets(), [&] { subject.refill(); }, [&] { subject.pass(); });
        subject.report(state);
    });
}

void add(const std::string& name, const Plan& plan) {
    benchmark::RegisterBenchmark(name.c_str(), established, name, plan);
}

[[maybe_unused]] const bool registered = [] {
    const std::string family = "Tracker/Established/flows:";
    for (const std::int64_t size : working_sets) {
        const auto flows = static_cast<std::uint32_t>(size);
        const std::string name = family + std::to_string(flows);
        const Shape ip6{.ipv6 = true};
        add(name, {.flows = flows});
        add(name + "/acct:1", {.flows = flows, .accounting = true});
        add(name + "/ip6", {.flows = flows, .shape = ip6});
        add(name + "/acct:1/ip6", {.flows = flows, .shape = ip6, .accounting = true});
    }
    // What a feature costs: the same with one thing changed.
    for (const std::uint32_t flows : {1'000U, 1'000'000U}) {
        const std::string name = family + std::to_string(flows);
        const Shape timestamps{.timestamps = true};
        const Shape blocks{.timestamps = true, .sack = true, .blocks = true};
        add(name + "/start_times", {.flows = flows, .start_times = true});
        add(name + "/vlan:1", {.flows = flows, .shape = {.vlan_tags = 1}});
        add(name + "/vlan:2", {.flows = flows, .shape = {.vlan_tags = 2}});
        add(name + "/tcp_timestamps", {.flows = flows, .shape = timestamps});
        add(name + "/tcp_timestamps/sack", {.flows = flows, .shape = blocks});
        add(name + "/software_checksums",
            {.flows = flows, .shape = {.checksums = true}, .card_checks = false});
        add(name + "/imix", {.flows = flows, .imix = true});
        add(name + "/buffers:1024", {.flows = flows, .buffers = 1024});
    }
    return true;
}();

}  // namespace
}  // namespace sluice::bench
