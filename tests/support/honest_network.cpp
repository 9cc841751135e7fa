#include "honest_network.hpp"

#include <algorithm>
#include <sstream>

namespace sluice::test {
namespace {

constexpr double leg_ms = 5;

struct Flight {
    double due;
    std::uint64_t order;
    End from;
    bool past_middle;
    tcp::Segment segment;
    bool operator<(const Flight& other) const {
        return due != other.due ? due > other.due : order > other.order;
    }
};

class Conversation {
  public:
    Conversation(const ConversationPlan& plan, Random& random, const Middle& middle, const Quiet& quiet)
        : plan_(plan), random_(random), middle_(middle), quiet_(quiet), a_(plan.a), b_(plan.b) {}

    std::size_t run() {
        Endpoint::Segments out;
        b_.listen();
        if (plan_.simultaneous_open) {
            b_ = Endpoint(plan_.b);
            b_.dial(now_, out);
            launch(End::b, out);
        }
        a_.dial(now_, out);
        launch(End::a, out);
        int redials = plan_.redials;
        while (now_ < plan_.seconds * 1000 && !stopped_) {
            const double next =
                std::min({flights_.empty() ? 1e18 : flights_.top().due, a_.next_event(), b_.next_event()});
            if (flights_.empty() && quiet_ && !quiet_(a_.visible_state(), b_.visible_state())) break;
            if (next > 1e17) {
                if (redials-- <= 0) break;
                redial();
                continue;
            }
            now_ = std::max(now_, next);
            if (!flights_.empty() && flights_.top().due <= now_) {
                const Flight flight = flights_.top();
                flights_.pop();
                arrive(flight);
            } else {
                tick(End::a, a_);
                tick(End::b, b_);
            }
        }
        return passed_;
    }

  private:
    const ConversationPlan& plan_;
    Random& random_;
    const Middle& middle_;
    const Quiet& quiet_;
    Endpoint a_, b_;
    std::priority_queue<Flight> flights_;
    double now_ = 0;
    std::uint64_t order_ = 0;
    std::size_t passed_ = 0;
    bool stopped_ = false;

    [[nodiscard]] double chance() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

    void launch(End from, Endpoint::Segments& out) {
        for (const tcp::Segment& segment : out) fly(from, false, segment);
        out.clear();
    }

    void fly(End from, bool past_middle, const tcp::Segment& segment) {
        const NetworkPlan& network = plan_.network;
        const int copies = chance() < network.loss ? 0 : (chance() < network.duplication ? 2 : 1);
        for (int i = 0; i < copies; ++i) {
            double delay = leg_ms + chance() * network.jitter;
            if (chance() < network.straggling) delay += chance() * network.straggle_ms;
            flights_.push({now_ + delay, ++order_, from, past_middle, segment});
        }
    }

    void arrive(const Flight& flight) {
        if (!flight.past_middle) {
            ++passed_;
            if (!middle_(flight.from, flight.segment, now_)) stopped_ = true;
            return fly(flight.from, true, flight.segment);
        }
        Endpoint::Segments out;
        const End to = flight.from == End::a ? End::b : End::a;
        (to == End::a ? a_ : b_).receive(flight.segment, now_, random_, out);
        launch(to, out);
    }

    void tick(End end, Endpoint& endpoint) {
        Endpoint::Segments out;
        endpoint.tick(now_, random_, out);
        launch(end, out);
    }

    /// A comes back on the same ports, after a crash or after the end; B listens again unless it still holds
    /// the old connection.
    void redial() {
        EndpointPlan again = plan_.a;
        again.isn = plan_.a.isn + (random_() % 2 == 0 ? 300000U : static_cast<std::uint32_t>(random_()));
        again.crash_after_segments = -1;
        again.abort_after_segments = -1;
        a_ = Endpoint(again);
        if (b_.state() == tcp::EndpointState::closed) {
            EndpointPlan fresh = plan_.b;
            fresh.isn = plan_.b.isn + 500000;
            fresh.crash_after_segments = -1;
            fresh.abort_after_segments = -1;
            b_ = Endpoint(fresh);
            b_.listen();
        }
        now_ += 50;
        Endpoint::Segments out;
        a_.dial(now_, out);
        launch(End::a, out);
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
    if (below(8) == 0) plan.abort_after_segments = static_cast<int>(1 + below(40));
    return plan;
}

}  // namespace

ConversationPlan draw_plan(Random& random, bool perfect_network) {
    const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    ConversationPlan plan;
    plan.a = draw_endpoint(random);
    plan.b = draw_endpoint(random);
    if (below(6) == 0) plan.a.syn_data = 1 + below(std::min(plan.a.bytes_to_send + 1, 1000U));
    plan.a.bytes_to_send = std::max(plan.a.bytes_to_send, plan.a.syn_data);
    plan.simultaneous_open = below(10) == 0;
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
    plan.redials = below(2) == 0 ? static_cast<int>(below(3)) : 0;
    plan.network.loss = below(3) == 0 ? 0 : 0.08 * below(100) / 100.0;
    plan.network.duplication = below(3) == 0 ? 0 : 0.05 * below(100) / 100.0;
    plan.network.jitter = below(4) == 0 ? 0 : below(60);
    plan.network.straggling = below(3) == 0 ? 0.01 : 0;
    plan.network.straggle_ms = 2000;
    return plan;
}

std::size_t converse(const ConversationPlan& plan, Random& random, const Middle& middle, const Quiet& quiet) {
    return Conversation(plan, random, middle, quiet).run();
}

std::string ConversationPlan::describe() const {
    std::ostringstream out;
    for (const EndpointPlan* one : {&a, &b})
        out << (one == &a ? "A" : "B") << ": isn " << one->isn << " scale "
            << (one->scale_offered ? static_cast<int>(one->shift) : -1) << " sack " << one->sack << " buffer "
            << one->buffer << " sends " << one->bytes_to_send << " syn data " << one->syn_data << " abort "
            << one->abort_after_segments << " crash " << one->crash_after_segments << "\n";
    out << "loss " << network.loss << " duplication " << network.duplication << " jitter " << network.jitter
        << " straggling " << network.straggling << (simultaneous_open ? " simultaneous open" : "")
        << " redials " << redials;
    return out.str();
}

}  // namespace sluice::test
