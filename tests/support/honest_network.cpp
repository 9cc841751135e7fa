#include "honest_network.hpp"

#include <algorithm>
#include <sstream>

namespace sluice::test {
namespace {

constexpr double leg_ms = 5;
/// A host that comes back from a crash says nothing for as long as a segment of its former life may be under
/// way (RFC 9293 section 3.4.3): its new numbers are drawn and may lie anywhere.
constexpr double crash_quiet = 4500;

struct Flight {
    double due;
    std::uint64_t order;
    std::uint64_t sent;  ///< how many were launched on this leg before it
    std::size_t leg;
    tcp::Segment segment;
    unsigned life;           ///< its sender's
    bool connected = false;  ///< its sender had a connection when it sent this
    bool operator<(const Flight& other) const {
        return due != other.due ? due > other.due : order > other.order;
    }
};

/// What one end's segments that passed the middle have said so far: what the other end will have heard once
/// all of them are delivered.
struct Said {
    std::optional<std::uint32_t> end, acknowledgement;
    bool reset_pending = false;  ///< a RST was sent and the other end has not acted on any since
    /// The middle saw another order than the ends: the pair is right by all that passed, and yet not where
    /// the ends stand. A FIN never came as far as the middle, or behind another copy that acknowledges more:
    /// a simultaneous close looks like one in turn. A FIN comes again that the other end has acknowledged:
    /// its sender may be in LAST_ACK still (C6). Or a RST came before what was sent before it. Or a SYN comes
    /// of a life that is over, or has come and got lost behind the middle: its receiver never knew of it. And
    /// so does a RST, or one that its sender sent before it had this connection.
    bool misleads = false;
    std::optional<std::uint32_t> fin_acknowledges;
    std::uint64_t reset_sent = 0;  ///< which of the segments on its leg it was

    void pass(const tcp::Segment& segment, std::uint64_t sent, std::optional<std::uint32_t> acknowledged) {
        if ((segment.flags & tcp::Flag::rst) != 0) {
            reset_sent = sent;
            return;
        }
        if (sent < reset_sent) misleads = true;
        const std::uint32_t length = segment.payload_length +
                                     ((segment.flags & tcp::Flag::syn) != 0 ? 1U : 0U) +
                                     ((segment.flags & tcp::Flag::fin) != 0 ? 1U : 0U);
        end = later(end.value_or(segment.sequence), segment.sequence + length);
        if ((segment.flags & tcp::Flag::fin) != 0) {
            if (fin_acknowledges && before(segment.acknowledgement, *fin_acknowledges)) misleads = true;
            if (fin_acknowledges && acknowledged == end) misleads = true;
            fin_acknowledges = segment.acknowledgement;
        }
        if ((segment.flags & tcp::Flag::ack) != 0)
            acknowledgement =
                later(acknowledgement.value_or(segment.acknowledgement), segment.acknowledgement);
    }
};

class Conversation {
  public:
    Conversation(const ConversationPlan& plan, Random& random, Coverage& coverage, const Middle& middle,
                 const Settled& settled)
        : plan_(plan),
          random_(random),
          coverage_(coverage),
          middle_(middle),
          settled_(settled),
          redials_(plan.redials),
          ends_{Endpoint(plan.a, End::a, coverage), Endpoint(plan.b, End::b, coverage)} {}

    std::size_t run() {
        note_scaling();
        if (plan_.network.outage_at < never) coverage_.saw(Feature::outage);
        if (plan_.simultaneous_open)
            dial(End::b);
        else
            at(End::b).listen();
        dial(End::a);
        while (now_ < plan_.seconds * 1000 && !stopped_) {
            if (flights_.empty() && settled_ && all_is_told() &&
                !settled_(standing(End::a), standing(End::b), now_))
                break;
            revive();
            const double next = std::min({flights_.empty() ? never : flights_.top().due,
                                          at(End::a).next_event(), at(End::b).next_event(), next_revival()});
            if (next >= never) break;
            now_ = std::max(now_, next);
            if (!flights_.empty() && flights_.top().due <= now_) {
                const Flight flight = flights_.top();
                flights_.pop();
                arrive(flight);
            } else {
                tick(End::a);
                tick(End::b);
            }
        }
        return passed_;
    }

  private:
    const ConversationPlan& plan_;
    Random& random_;
    Coverage& coverage_;
    const Middle& middle_;
    const Settled& settled_;
    int redials_;
    std::array<Endpoint, 2> ends_;
    std::array<Said, 2> said_;
    std::array<unsigned, 2> lives_{};        ///< by end: how many it had before this one
    std::array<bool, 2> dialled_in_vain_{};  ///< by end: in its life before this one
    std::array<bool, 2> syn_on_its_way_{};   ///< by sender: it has passed the middle and not arrived
    std::priority_queue<Flight> flights_;
    double now_ = 0;
    double redial_at_ = never;
    std::array<double, 2> reboot_at_{never, never};
    std::array<std::uint64_t, legs> launched_{}, arrived_{};
    std::uint64_t order_ = 0;
    std::size_t passed_ = 0;
    bool stopped_ = false;

    [[nodiscard]] double chance() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }
    [[nodiscard]] std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
    [[nodiscard]] static std::size_t index(End end) { return end == End::a ? 0 : 1; }
    [[nodiscard]] static End other(End end) { return end == End::a ? End::b : End::a; }
    [[nodiscard]] Endpoint& at(End end) { return ends_[index(end)]; }

    [[nodiscard]] Standing standing(End end) { return {at(end).state(), at(end).visible_state()}; }

    // ── the network ──

    void launch(End from, Endpoint::Segments& out) {
        for (const tcp::Segment& segment : out) {
            if ((segment.flags & tcp::Flag::rst) != 0) said_[index(from)].reset_pending = true;
            fly(2 * index(from), segment, lives_[index(from)], connected(from));
        }
        out.clear();
    }

    void fly(std::size_t leg, const tcp::Segment& segment, unsigned life, bool connected) {
        const NetworkPlan& network = plan_.network;
        const bool down = leg == network.outage_leg && now_ >= network.outage_at &&
                          now_ < network.outage_at + network.outage_ms;
        const int copies = down || chance() < network.loss ? 0 : (chance() < network.duplication ? 2 : 1);
        if (copies == 0) {
            ++coverage_.lost[leg];
            if (leg % 2 == 0 && (segment.flags & tcp::Flag::fin) != 0) said_[leg / 2].misleads = true;
        }
        if (copies == 2) ++coverage_.repeated[leg];
        for (int i = 0; i < copies; ++i) {
            double delay = leg_ms + chance() * network.jitter;
            if (chance() < network.straggling) delay += chance() * network.straggle_ms;
            flights_.push({now_ + delay, ++order_, ++launched_[leg], leg, segment, life, connected});
        }
    }

    void arrive(const Flight& flight) {
        if (flight.sent < arrived_[flight.leg]) ++coverage_.overtaken[flight.leg];
        arrived_[flight.leg] = std::max(arrived_[flight.leg], flight.sent);
        const End from = flight.leg < 2 ? End::a : End::b;
        Said& said = said_[index(from)];
        if (flight.leg % 2 == 0) {
            ++passed_;
            note(flight.segment);
            if (comes_late(flight, from)) said.misleads = true;
            if (dials(flight.segment)) syn_on_its_way_[index(from)] = true;
            said.pass(flight.segment, flight.sent, said_[index(other(from))].acknowledgement);
            if (!middle_(from, flight.segment, now_)) stopped_ = true;
            return fly(flight.leg + 1, flight.segment, flight.life, flight.connected);
        }
        Endpoint::Segments out;
        Endpoint& receiver = at(other(from));
        if (dials(flight.segment) && !receiver.crashed()) syn_on_its_way_[index(from)] = false;
        receiver.receive(flight.segment, now_, random_, out);
        if ((flight.segment.flags & tcp::Flag::rst) != 0 && receiver.was_reset()) said.reset_pending = false;
        launch(other(from), out);
    }

    void tick(End end) {
        Endpoint::Segments out;
        at(end).tick(now_, random_, out);
        launch(end, out);
    }

    /// Whether all that each end has sent has passed the middle, and its peer has taken all that has passed.
    [[nodiscard]] bool all_is_told() {
        for (const End from : {End::a, End::b}) {
            const Said& said = said_[index(from)];
            const Endpoint& hearer = at(other(from));
            if (said.reset_pending || said.misleads || said.end != hearer.heard() ||
                said.acknowledgement != hearer.acknowledged())
                return false;
            if (said.end.value_or(at(from).first()) != at(from).highest()) return false;
        }
        return true;
    }

    // ── coming back ──

    [[nodiscard]] End dialler() const { return plan_.b_redials ? End::b : End::a; }

    [[nodiscard]] double next_revival() const {
        return std::min({may_begin() ? redial_at_ : never, reboot_at_[0], reboot_at_[1]});
    }
    [[nodiscard]] bool may_begin() const { return !plan_.waits_for_quiet || flights_.empty(); }

    /// Lets a crashed host come back, a server listen again, and a client dial again on the same ports.
    void revive() {
        for (const End end : {End::a, End::b}) {
            double& reboot_at = reboot_at_[index(end)];
            if (at(end).crashed() && reboot_at == never) reboot_at = now_ + crash_quiet + chance() * 3000;
            if (now_ < reboot_at) continue;
            coverage_.saw(Feature::rebooted);
            reboot_at = never;
            const bool listens = end != dialler();
            renew(end, number_after_crash(end));
            if (listens) at(end).listen();
            if (!listens && redials_ > 0) {
                coverage_.saw(Feature::dialled_after_crash);
                redial();
            }
        }
        Endpoint& server = at(other(dialler()));
        const bool over = server.state() == tcp::EndpointState::closed && !server.crashed();
        if (over && plan_.listens_on && redials_ > 0 && may_begin()) {
            renew(other(dialler()), server.highest() + 100000 + below(400000));
            at(other(dialler())).listen();
        }
        const Endpoint& client = at(dialler());
        const bool gone = client.state() == tcp::EndpointState::closed && !client.crashed();
        const bool waiting = client.state() == tcp::EndpointState::time_wait && plan_.dials_in_time_wait;
        if (redials_ > 0 && redial_at_ == never && (gone || waiting)) redial_at_ = now_ + plan_.patience;
        if (now_ < redial_at_ || !may_begin()) return;
        coverage_.saw(waiting              ? Feature::dialled_in_time_wait
                      : client.was_reset() ? Feature::dialled_after_reset
                                           : Feature::dialled_after_close);
        renew(dialler(), client.highest() + 65537 + below(300000));
        redial();
    }

    /// Drawn anew, as after a loss of the secret of RFC 6528; but by the clock where segments may be late by
    /// seconds. A RST that answered the old connection would then meet the new one anywhere in its numbers,
    /// and nobody can tell it from a forged one.
    [[nodiscard]] std::uint32_t number_after_crash(End end) {
        if (plan_.network.straggling == 0) return static_cast<std::uint32_t>(random_());
        return at(end).highest() + 100000 + below(2'000'000);
    }

    /// Another life of the same host: its numbers begin at `isn`, and it behaves.
    void renew(End end, std::uint32_t isn) {
        EndpointPlan plan = end == End::a ? plan_.a : plan_.b;
        plan.isn = isn;
        plan.crash_after_segments = -1;
        plan.abort_after_segments = -1;
        plan.abort_at = never;
        plan.abort_in.reset();
        // Its peer never knew, or not for long, that it dialled, and nothing will say that it no longer does.
        dialled_in_vain_[index(end)] =
            syn_on_its_way_[index(end)] || at(end).visible_state() == tcp::EndpointState::syn_sent;
        at(end) = Endpoint(plan, end, coverage_);
        ++lives_[index(end)];
        said_ = {};
        for (std::size_t i = 0; i < 2; ++i) said_[i].misleads = dialled_in_vain_[i];
    }

    void redial() {
        --redials_;
        redial_at_ = never;
        if (dialler() == End::b) coverage_.saw(Feature::roles_swapped);
        Endpoint& server = at(other(dialler()));
        if (server.state() == tcp::EndpointState::closed && !server.crashed()) {
            renew(other(dialler()), server.highest() + 500000);
            at(other(dialler())).listen();
        } else if (server.state() != tcp::EndpointState::listen) {
            coverage_.saw(Feature::dialled_into_the_old);
        }
        dial(dialler());
    }

    void dial(End end) {
        Endpoint::Segments out;
        at(end).dial(now_, out);
        launch(end, out);
    }

    // ── what passes the middle ──

    void note_scaling() {
        const int sides = (plan_.a.scale_offered ? 1 : 0) + (plan_.b.scale_offered ? 1 : 0);
        coverage_.saw(sides == 2   ? Feature::scaled_both
                      : sides == 1 ? Feature::scaled_one
                                   : Feature::scaled_none);
    }

    [[nodiscard]] static bool dials(const tcp::Segment& segment) {
        return (segment.flags & (tcp::Flag::syn | tcp::Flag::ack)) == tcp::Flag::syn;
    }

    [[nodiscard]] bool connected(End end) {
        return at(end).state() != tcp::EndpointState::closed && at(end).state() != tcp::EndpointState::listen;
    }

    /// A SYN or RST of a life that is over, or a RST from before its sender's connection began.
    [[nodiscard]] bool comes_late(const Flight& flight, End from) {
        const bool reset = (flight.segment.flags & tcp::Flag::rst) != 0;
        if (!reset && !dials(flight.segment)) return false;
        return flight.life != lives_[index(from)] || (reset && !flight.connected && connected(from));
    }

    void note(const tcp::Segment& segment) {
        const auto saw_if = [this](bool seen, Feature feature) {
            if (seen) coverage_.saw(feature);
        };
        const auto has = [&segment](unsigned flags) { return (segment.flags & flags) == flags; };
        using tcp::Flag;
        const std::uint32_t end = segment.sequence + segment.payload_length;
        if (has(Flag::syn)) {
            saw_if(segment.payload_length != 0,
                   has(Flag::ack) ? Feature::syn_ack_with_data : Feature::syn_with_data);
            saw_if(has(Flag::ece | Flag::cwr), Feature::ecn_set_up);
            if (segment.has_window_scale) ++coverage_.shifts[segment.window_scale];
        } else if (!has(Flag::rst)) {
            saw_if(segment.window == 0, Feature::window_closed);
            saw_if(has(Flag::ece), Feature::ecn_echo);
            saw_if(has(Flag::cwr), Feature::ecn_reduced);
        }
        saw_if(segment.has_sack, Feature::selective_ack);
        saw_if(has(Flag::psh), Feature::pushed);
        saw_if(has(Flag::urg), Feature::urgent);
        saw_if(end < segment.sequence, Feature::wrapped);
    }
};

EndpointPlan draw_endpoint(Random& random) {
    const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    constexpr std::uint32_t edges[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    EndpointPlan plan;
    plan.isn = below(2) == 0 ? edges[below(5)] - below(3) * 20000 : static_cast<std::uint32_t>(random());
    plan.scale_offered = below(4) != 0;
    plan.shift = static_cast<std::uint8_t>(below(15));
    plan.sack = below(3) != 0;
    plan.buffer = below(3) == 0 ? 2000 + below(20000) : 30000 + below(400000);
    plan.segment_size = below(4) == 0 ? 100 + below(500) : 1460;
    plan.bytes_to_send = below(4) == 0 ? below(200) : below(60000);
    plan.accepts_syn_data = below(2) == 0;
    plan.closes_when_sent = below(3) != 0;
    plan.plain_rfc793 = below(2) == 0;
    plan.reads_slowly = below(4) == 0;
    plan.keepalives = below(3) == 0;
    plan.autotunes = below(3) == 0;
    plan.ecn = below(3) == 0;
    plan.urgent_bytes = below(6) == 0 ? below(3000) : 0;
    return plan;
}

/// One conversation in six is aborted by one of the two: after some segments, at some time, or in a state
/// that is drawn. Most states last no longer than a round trip; the conversation is short so that it comes to
/// them soon.
void draw_abort(Random& random, ConversationPlan& plan) {
    const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    if (below(6) != 0) return;
    const bool by_a = below(2) == 0;
    EndpointPlan& one = by_a ? plan.a : plan.b;
    const std::uint32_t how = below(8);
    if (how == 0) {
        one.abort_after_segments = static_cast<int>(1 + below(40));
        return;
    }
    if (how == 1) {
        one.abort_at = below(4000);
        return;
    }
    using State = tcp::EndpointState;
    constexpr State states[] = {State::syn_sent,   State::syn_rcvd,   State::established,
                                State::fin_wait_1, State::fin_wait_2, State::close_wait,
                                State::closing,    State::last_ack,   State::time_wait};
    one.abort_in = states[below(std::size(states))];
    one.abort_delay = below(15);
    if (by_a ? *one.abort_in == State::syn_rcvd : *one.abort_in == State::syn_sent)
        plan.simultaneous_open = true;
    for (EndpointPlan* each : {&plan.a, &plan.b}) {
        each->bytes_to_send = std::max(each->syn_data, below(4000));
        each->closes_when_sent = true;
    }
    // The other one must not be the first to close, or the last.
    if (*one.abort_in == State::fin_wait_2) (by_a ? plan.b : plan.a).closes_when_sent = false;
    if (*one.abort_in == State::close_wait || *one.abort_in == State::last_ack) one.closes_when_sent = false;
}

}  // namespace

ConversationPlan draw_plan(Random& random, bool perfect_network) {
    const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    ConversationPlan plan;
    plan.a = draw_endpoint(random);
    plan.b = draw_endpoint(random);
    if (below(6) == 0) plan.a.syn_data = 1 + below(std::min(plan.a.bytes_to_send + 1, 1000U));
    plan.a.bytes_to_send = std::max(plan.a.bytes_to_send, plan.a.syn_data);
    if (below(6) == 0) plan.b.syn_data = below(std::min(plan.b.bytes_to_send + 1, 1000U));
    plan.b.bytes_to_send = std::max(plan.b.bytes_to_send, plan.b.syn_data);
    plan.simultaneous_open = below(10) == 0;
    draw_abort(random, plan);
    plan.redials = below(2) == 0 ? static_cast<int>(1 + below(2)) : 0;
    plan.waits_for_quiet = perfect_network;
    plan.patience = below(2) == 0 ? below(30) : below(3000);
    // Dialled again before its own RST is through, a simultaneous open can mislead us: see "Limits" in
    // docs/tcp.md.
    if (plan.simultaneous_open) plan.patience += 200;
    plan.b_redials = below(8) == 0;
    plan.dials_in_time_wait = below(2) == 0;
    plan.listens_on = below(2) == 0;
    if (perfect_network) {
        // A receiver that throws away what did not fit is a loss, too.
        for (EndpointPlan* one : {&plan.a, &plan.b}) {
            one->buffer = std::max(one->buffer, 100000U);
            one->reads_slowly = false;
        }
        return plan;
    }
    if (below(8) == 0) plan.a.crash_after_segments = static_cast<int>(1 + below(30));
    if (below(10) == 0) plan.b.crash_after_segments = static_cast<int>(1 + below(30));
    plan.network.loss = below(3) == 0 ? 0 : 0.08 * below(100) / 100.0;
    plan.network.duplication = below(3) == 0 ? 0 : 0.05 * below(100) / 100.0;
    plan.network.jitter = below(4) == 0 ? 0 : below(60);
    plan.network.straggling = below(3) == 0 ? 0.01 : 0;
    plan.network.straggle_ms = 2000;
    if (below(12) == 0) {
        plan.network.outage_at = below(1500);
        plan.network.outage_ms = below(3) == 0 ? 60'000 : 200 + below(6000);  // some never end
        plan.network.outage_leg = below(legs);
    }
    return plan;
}

std::size_t converse(const ConversationPlan& plan, Random& random, Coverage& coverage, const Middle& middle,
                     const Settled& settled) {
    return Conversation(plan, random, coverage, middle, settled).run();
}

bool ConversationPlan::aborts() const {
    for (const EndpointPlan* one : {&a, &b})
        if (one->abort_after_segments >= 0 || one->abort_at < never || one->abort_in) return true;
    return false;
}

std::string ConversationPlan::describe() const {
    std::ostringstream out;
    for (const EndpointPlan* one : {&a, &b})
        out << (one == &a ? "A" : "B") << ": isn " << one->isn << " scale "
            << (one->scale_offered ? static_cast<int>(one->shift) : -1) << " sack " << one->sack << " buffer "
            << one->buffer << " sends " << one->bytes_to_send << " syn data " << one->syn_data << " abort "
            << one->abort_after_segments << "/" << one->abort_at << "/"
            << (one->abort_in ? tcp::name_of(*one->abort_in) : "-") << " crash " << one->crash_after_segments
            << "\n";
    out << "loss " << network.loss << " duplication " << network.duplication << " jitter " << network.jitter
        << " straggling " << network.straggling << " outage of leg " << network.outage_leg << " at "
        << network.outage_at << " for " << network.outage_ms
        << (simultaneous_open ? " simultaneous open" : "") << " redials " << redials
        << (b_redials ? " by B" : "") << " after " << patience;
    return out.str();
}

}  // namespace sluice::test
