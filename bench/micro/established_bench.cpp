// Tracker/Established: segments of open connections, mbuf in, decision out; and what each feature costs.
// …/guard: there is a guard, nothing is defended and nothing proxied. …/proxied: each connection was opened
// with a cookie, and is translated. …/inspection: other flows could be read. …/rules:N: the first packet of
// each has been judged by so many rules.
#include <map>
#include <stdexcept>

#include "mbuf_pool.hpp"
#include "plain_judge.hpp"
#include "protected.hpp"
#include "sluice/pipeline/policy.hpp"
#include "tracker_box.hpp"
#include "world.hpp"

namespace sluice::bench::established_bench {
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
    bool guard = false;
    bool proxied = false;     ///< with `guard`
    bool inspection = false;  ///< there is memory to read flows with, and no rule that reads these
    std::uint32_t rules = 0;
    std::uint32_t buffers = MbufPool::usual_size;
};

/// So many rules, of which the last allows everything and the others are about something else. They are not
/// compiled: nobody asks them in what is timed.
std::shared_ptr<const pipeline::Policy> rules(std::uint32_t count) {
    std::vector<policy::Rule> all(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        all[i].action = policy::Action::allow;
        if (i + 1 != count) all[i].to = {{{0, Address::mapped | 0xF000'0000U | i}, 128, true}};
    }
    auto set =
        std::make_shared<const policy::RuleSet>(std::move(policy::RuleSet::build(std::move(all)).value()));
    auto matcher = std::make_unique<policy::LinearMatcher>(*set);
    return std::make_shared<const pipeline::Policy>(set, std::move(matcher), 1);
}

class Established {
  public:
    explicit Established(const Plan& plan)
        : plan_(plan),
          box_(limits(plan), settings(plan, protected_)),
          world_(plan.flows, plan.shape),
          pool_(plan.buffers, plan.proxied ? spare_buffers : 0),
          sent_(pool_.size()),
          flow_of_(plan.flows),
          judge_(box_.settings(), plan.flows) {
        if (plan.proxied)
            open_all_proxied();
        else
            open_all();
        for (unsigned pass = 0; pass < 2; ++pass) {
            refill();
            judge_pool(pool_.size());
        }
        if (judge_.compared() == 0 && !plan.proxied) throw std::runtime_error("no packet was compared");
        const bool all_proxied = plan.proxied && box_.guard().proxied_flows() == plan.flows;
        if (plan.proxied != all_proxied) throw std::runtime_error("not every connection is proxied");
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
        if (!plan_.proxied) box_.require_all_accepted();
        if (box_.counters().invalid.read() != 0) throw std::runtime_error("a segment was refused");
        box_.report(state);
    }

  private:
    struct Sent {
        std::uint32_t flow;
        unsigned side;
        std::uint32_t payload;
    };

    static pipeline::Settings settings(const Plan& plan, const Protected& guard) {
        pipeline::Settings out = plan.guard ? guard.settings() : pipeline::Settings{};
        if (plan.rules != 0) out.policy = rules(plan.rules);
        return out;
    }
    static pipeline::Limits limits(const Plan& plan) {
        pipeline::Limits out = TrackerBox::limits(plan.flows, plan.shape.ipv6);
        out.accounting = plan.accounting;
        out.timestamps = plan.start_times;
        out.rules = plan.inspection || plan.rules != 0;
        if (plan.inspection) out.inspection = {};
        return plan.guard ? Protected::with_guard(out) : out;
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

    /// The same through cookies: the client's SYN is answered; its ACK brings the cookie back, the box asks
    /// the server, which answers, and then both send data.
    void open_all_proxied() {
        now_.tick = Protected::watch_server(box_, pool_, plan_.shape.ipv6, now_.tick);
        protected_.defend();
        dpdk::MbufIo::set_pool(pool_.pool());
        constexpr unsigned steps = 4;
        const std::uint32_t some = pool_.size() / steps;
        for (std::uint32_t from = 0; from < world_.size(); from += some) {
            const std::uint32_t count = std::min(some, world_.size() - from);
            for (std::uint32_t i = 0; i < count; ++i) {
                sent_[i] = {from + i, 0, 0};
                write(i, flag_syn);
            }
            judge_handshake(count, Action::answer);
            std::vector<packet::TcpFields> answers(count);
            for (std::uint32_t i = 0; i < count; ++i) answers[i] = tcp_of(i);
            for (std::uint32_t i = 0; i < count; ++i) {
                // The server answers with the next of its numbers, and the client knows it by the cookie.
                Connection& connection = world_.connection(from + i);
                connection.server_shift = answers[i].sequence - connection.next[1];
                const std::uint32_t at = steps * i;
                sent_[at] = sent_[at + 2] = {from + i, 0, 0};
                sent_[at + 1] = sent_[at + 3] = {from + i, 1, 0};
                write(at + 1, flag_syn | flag_ack);
                write(at, flag_ack);
                echo(at, answers[i]);
                sent_[at + 2].payload = sent_[at + 3].payload = World::payload;
                write(at + 2, flag_ack);
                write(at + 3, flag_ack);
            }
            judge_handshake(steps * count, Action::absorb);
        }
        dpdk::MbufIo::set_pool(nullptr);
        if (box_.flows_held() != plan_.flows) throw std::runtime_error("not every connection has a flow");
    }
    /// Segments of handshakes through the box; what it says itself goes back to the pool.
    void judge_handshake(std::uint32_t count, Action first) {
        for (std::uint32_t i = 0; i < count; ++i) {
            box_->process(pool_.burst(i, 1), now_, box_.out);
            for (const auto& judged : box_.out.view()) {
                const pipeline::Decision& decision = judged.decision;
                if (judged.packet != pool_.burst(i, 1)[0]) {
                    rte_pktmbuf_free(judged.packet);
                } else if (decision.action != (i % 4 < 2 || first == Action::answer ? first : Action::pass)) {
                    throw std::runtime_error("a handshake went wrong");
                } else {
                    flow_of_[sent_[i].flow] = decision.flow;
                }
            }
        }
    }
    [[nodiscard]] packet::TcpFields tcp_of(std::uint32_t buffer) const {
        packet::Headers headers;
        packet::parse({pool_.bytes(buffer), pool_.bytes(buffer).size()}, headers);
        return headers.tcp;
    }
    /// The client's ACK echoes the timestamp of this answer.
    void echo(std::uint32_t buffer, const packet::TcpFields& answer) {
        const std::size_t tcp = plan_.shape.ipv6 ? 54 : 34;
        if (plan_.shape.timestamps)
            store(pool_.frame(buffer) + tcp + 28, be32(answer.options.timestamp_value));
    }

    /// Judges the first `count` packets; each must be accepted, belong to its own flow and, where the plain
    /// tracker follows, be decided as there.
    void judge_pool(std::uint32_t count) {
        for (std::uint32_t at = 0; at < count; at += burst) {
            const std::uint32_t some = std::min(burst, count - at);
            std::array<packet::TcpFields, burst> before;
            for (std::uint32_t i = 0; plan_.proxied && i < some; ++i) before[i] = tcp_of(at + i);
            box_->process(pool_.burst(at, some), now_, box_.out);
            if (box_.out.size != some) throw std::runtime_error("a packet has no decision");
            for (std::uint32_t i = 0; i < some; ++i) check(at + i, box_.out.judged[i]);
            for (std::uint32_t i = 0; plan_.proxied && i < some; ++i) check_translated(at + i, before[i]);
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
        if (!plan_.proxied && judge_.follows(sent.flow))
            judge_.hold_against(decision, pool_.bytes(buffer),
                                plan_.card_checks ? ChecksumState::good : ChecksumState::unknown, now_.tick);
    }

    /// Each side reads of the server the numbers that it knows, under a right checksum.
    void check_translated(std::uint32_t buffer, const packet::TcpFields& before) {
        const Sent& sent = sent_[buffer];
        const std::uint32_t shift = world_.connection(sent.flow).server_shift;
        const packet::TcpFields after = tcp_of(buffer);
        packet::Headers headers;
        const auto frame = pool_.bytes(buffer);
        packet::parse({frame, frame.size()}, headers);
        const bool right = packet::verify_transport(
                               headers, frame.subspan(headers.transport_offset, headers.transport_length)) ==
                           packet::ChecksumVerdict::good;
        if (after.sequence != before.sequence + (sent.side == 1 ? shift : 0) ||
            after.acknowledgement != before.acknowledgement - (sent.side == 0 ? shift : 0) ||
            (plan_.shape.checksums && !right))
            throw std::runtime_error("a segment was not translated");
    }

    static constexpr std::uint32_t spare_buffers = 512;

    Plan plan_;
    Protected protected_;
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
    for (const std::uint32_t rules : {1U, 10'000U})
        add(family + "1000/rules:" + std::to_string(rules), {.flows = 1'000, .rules = rules});
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
        const Shape summed{.checksums = true}, stamped{.timestamps = true, .checksums = true};
        add(name + "/guard", {.flows = flows, .guard = true});
        add(name + "/inspection", {.flows = flows, .inspection = true});
        add(name + "/proxied", {.flows = flows, .shape = summed, .guard = true, .proxied = true});
        add(name + "/proxied/tcp_timestamps",
            {.flows = flows, .shape = stamped, .guard = true, .proxied = true});
    }
    return true;
}();

}  // namespace
}  // namespace sluice::bench::established_bench
