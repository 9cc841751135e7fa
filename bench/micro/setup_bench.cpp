// Tracker/Setup: whole connections, opened and closed, with a million closed ones waiting to expire.
//
// Each turn one connection begins and those that began some time ago go on: SYN, SYN,ACK, ACK, FIN, FIN,ACK,
// ACK, each segment 4,000 connections behind the one before (a millisecond and a third at three million a
// second). All clients are distinct and come in no order; segments carry timestamps, SYNs SACK. The clock
// moves so that as many connections begin within the timeout of TIME_WAIT as should be waiting; as many
// expire as begin.
#include <stdexcept>

#include "callers.hpp"
#include "plain_judge.hpp"

namespace sluice::bench::setup_bench {
namespace {

using pipeline::Action;

constexpr unsigned segments = 6;

/// What differs from one of these benchmarks to the next.
struct Plan {
    Shape shape{.timestamps = true, .sack = true};
    bool accounting = false;
    std::uint32_t waiting = 1'000'000;  ///< closed connections not yet expired
    bool events = false;                ///< somebody follows them, and throws them away
};

class Setup {
  public:
    explicit Setup(const Plan& plan)
        : waiting_(plan.waiting),
          distance_(plan.waiting / 250),
          box_(limits(plan), pipeline::Settings{}),
          writer_(plan.shape),
          sent_(pool_.size()),
          judge_(box_.settings(), plan.waiting) {
        time_wait_ =
            ticks_per_second * box_.settings().timeouts[static_cast<std::size_t>(Lifetime::time_wait)];
        start_ = shuffle_records(box_, pool_, writer_, capacity(plan), 1000);
        if (plan.events) box_->events().want(pipeline::all_event_kinds);
        while (turn_ < waiting_ + (segments + 2) * distance_) {
            refill();
            judge_pool();
        }
        check();
    }

    [[nodiscard]] std::uint32_t connections() const { return turns_per_pass; }

    void refill() {
        first_turn_ = turn_;
        used_ = 0;
        for (unsigned turn = 0; turn < turns_per_pass; ++turn, ++turn_)
            for (unsigned stage = 0; stage < segments; ++stage) {
                if (turn_ < stage * distance_) continue;  // in the first turns nobody is that far
                const std::uint64_t number = turn_ - stage * distance_;
                sent_[used_] = {number, stage};
                pool_.receive(used_, writer_.write(pool_.frame(used_), segment(number, stage)));
                ++used_;
            }
    }
    [[gnu::noinline]] void pass() {
        for (std::uint32_t at = 0; at < used_; at += burst) {
            box_.poll(pool_.burst(at, burst), {.tick = tick_at(at)});
            box_->events().discard();
        }
    }

    void report(benchmark::State& state) const {
        check();
        box_.report(state);
    }

  private:
    struct Sent {
        std::uint64_t connection;
        unsigned stage;
    };
    static constexpr std::uint32_t turns_per_pass = MbufPool::usual_size / (segments * burst) * burst;

    static std::uint32_t capacity(const Plan& plan) { return plan.waiting / 4 * 5; }
    static pipeline::Limits limits(const Plan& plan) {
        pipeline::Limits out = TrackerBox::limits(capacity(plan), plan.shape.ipv6);
        out.accounting = plan.accounting;
        out.event_slots = plan.events ? 1024 : 0;
        return out;
    }
    [[nodiscard]] static Outline segment(std::uint64_t number, unsigned stage) {
        constexpr std::uint8_t flags[segments] = {
            flag_syn, flag_syn | flag_ack, flag_ack, flag_fin | flag_ack, flag_fin | flag_ack, flag_ack};
        // What each has sent before, SYN and FIN counting one: the client's numbers, the server's.
        constexpr std::uint32_t sent[segments][2] = {{0, 0}, {1, 0}, {1, 1}, {1, 1}, {2, 1}, {2, 2}};
        const Caller client = caller(number);
        const std::uint32_t numbers[2] = {client.isn + sent[stage][0], ~client.isn + sent[stage][1]};
        const unsigned side = stage == 1 || stage == 4 ? 1 : 0;
        return {.client_address = client.address,
                .client_port = client.port,
                .side = side,
                .flags = flags[stage],
                .sequence = numbers[side],
                .acknowledgement = numbers[1 - side],
                .payload_length = 0};
    }
    /// At packet `at` of the pass.
    [[nodiscard]] Tick tick_at(std::uint32_t at) const {
        return start_ + static_cast<Tick>((first_turn_ + at / segments) * time_wait_ / waiting_);
    }

    void judge_pool() {
        for (std::uint32_t at = 0; at < used_; at += burst) {
            const std::uint32_t some = std::min(burst, used_ - at);
            const pipeline::Now now{.tick = tick_at(at)};
            box_->process(pool_.burst(at, some), now, box_.out);
            if (box_.out.size != some) throw std::runtime_error("a packet has no decision");
            for (unsigned i = 0; i < some; ++i) check(at + i, box_.out.judged[i].decision, now.tick);
            box_->poll(now, box_.out);
            box_->events().discard();
        }
    }
    void check(std::uint32_t at, const pipeline::Decision& decision, Tick tick) {
        const Sent& sent = sent_[at];
        const auto wanted = sent.stage == 0 ? pipeline::CtState::new_flow : pipeline::CtState::established;
        if (decision.action != Action::pass || decision.reason != Reason::none || decision.state != wanted)
            throw std::runtime_error(
                "segment " + std::to_string(sent.stage) +
                " of a connection was not accepted: " + std::string(text_of(decision.reason).name));
        if (judge_.follows(sent.connection))
            judge_.hold_against(decision, pool_.bytes(at), pipeline::ChecksumState::good, tick);
    }
    /// The steady state: as many wait as should, and nothing was evicted.
    void check() const {
        box_.require_all_accepted();
        const std::uint64_t held = box_.flows_held();
        if (held < waiting_ || held > waiting_ + 10 * distance_)
            throw std::runtime_error(std::to_string(held) + " flows are not those waiting and those open");
        if (box_.counters().early_drop.read() != 0) throw std::runtime_error("flows were evicted");
        if (judge_.compared() < 20'000) throw std::runtime_error("too few packets were compared");
    }

    std::uint64_t waiting_, distance_;  ///< connections: closed, and between two segments of one
    TrackerBox box_;
    FrameWriter writer_;
    MbufPool pool_;
    std::vector<Sent> sent_;
    PlainJudge judge_;
    std::uint64_t time_wait_ = 0;  ///< ticks
    Tick start_ = 0;
    std::uint64_t turn_ = 0, first_turn_ = 0;
    std::uint32_t used_ = 0;  ///< buffers filled
};

void setup(benchmark::State& state, const std::string& name, const Plan& plan) {
    guarded(state, [&] {
        auto& subject = Kept::get(name, [&] { return std::make_unique<Setup>(plan); });
        measure_passes(
            state, subject.connections(), [&] { subject.refill(); }, [&] { subject.pass(); }, segments);
        subject.report(state);
    });
}

[[maybe_unused]] const bool registered = [] {
    const auto add = [](const std::string& name, const Plan& plan) {
        benchmark::RegisterBenchmark(name.c_str(), setup, name, plan);
    };
    add("Tracker/Setup", {});
    add("Tracker/Setup/acct:1", {.accounting = true});
    add("Tracker/Setup/ip6", {.shape = {.ipv6 = true, .timestamps = true, .sack = true}});
    add("Tracker/Setup/no_options", {.shape = {}});
    add("Tracker/Setup/waiting:10000", {.waiting = 10'000});
    add("Tracker/Setup/waiting:10000/events:1", {.waiting = 10'000, .events = true});
    return true;
}();

}  // namespace
}  // namespace sluice::bench::setup_bench
