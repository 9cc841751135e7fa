// Honest conversations through the SYN proxy, over networks that lose, repeat and reorder on both sides of
// the box: every one ends as it would have without it, whatever the two ends can do, and whether the defence
// goes on or not. Both ends check timestamps as RFC 7323 has them: one that was translated wrongly is dropped
// and the conversation hangs.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <sstream>

#include "../support/endpoint.hpp"
#include "../support/guarded_box.hpp"

namespace sluice::test {
namespace {

using tcp::EndpointState;

struct Leg {
    double loss = 0, repetition = 0, jitter = 0;
};

/// One end: a TCP endpoint, and what it does not know of: frames and timestamps.
class Host {
  public:
    Host(const EndpointPlan& plan, bool timestamps, std::uint32_t clock, bool is_client)
        : endpoint(plan, is_client ? test::End::a : test::End::b, coverage_),
          offers_(timestamps),
          clock_(clock) {}

    [[nodiscard]] PacketBuilder frame(PacketBuilder out, const tcp::Segment& segment, double now) {
        const bool syn = (segment.flags & tcp::Flag::syn) != 0;
        out.sequence(segment.sequence)
            .acknowledgement(segment.acknowledgement)
            .flags(segment.flags)
            .window(segment.window);
        if (syn) out.option(option::mss(1'400));
        if (segment.sack_permitted) out.option(option::sack_permitted());
        const bool stamped =
            (segment.flags & tcp::Flag::rst) == 0 &&
            (syn ? offers_ && ((segment.flags & tcp::Flag::ack) == 0 || peer_offers_) : agreed());
        if (stamped) out.option(option::timestamps(clock_ + static_cast<std::uint32_t>(now), recent_));
        if (segment.has_window_scale) out.option(option::window_scale(segment.window_scale));
        if (segment.has_sack) out.option(option::sack({{segment.sack_highest - 1, segment.sack_highest}}));
        return out.payload(segment.payload_length);
    }
    /// Whether the endpoint gets to see it.
    bool take(const packet::TcpFields& fields, double now, tcp::Segment& segment) {
        const packet::TcpOptions& options = fields.options;
        const bool syn = (fields.flags & packet::syn) != 0, rst = (fields.flags & packet::rst) != 0;
        const auto heard = endpoint.heard();
        if (syn && !heard) {
            peer_offers_ = options.has_timestamps;
            peer_isn = fields.sequence;
            recent_ = options.timestamp_value;
        } else if (agreed() && !rst && !syn) {
            if (!options.has_timestamps) return false;  // RFC 7323 3.2
            const std::uint32_t mine = options.timestamp_echo - clock_;
            if (mine > static_cast<std::uint32_t>(now)) ++impossible;
            if (before(options.timestamp_value, recent_)) return false;  // PAWS
            if (!heard || !after(fields.sequence, *heard)) recent_ = options.timestamp_value;
        }
        segment = {.sequence = fields.sequence,
                   .acknowledgement = fields.acknowledgement,
                   .payload_length = fields.payload_length,
                   .sack_highest = options.sack_highest,
                   .window = fields.window,
                   .flags = fields.flags,
                   .window_scale = options.window_scale,
                   .has_window_scale = options.has_window_scale,
                   .sack_permitted = options.sack_permitted,
                   .has_sack = options.has_sack};
        return true;
    }

    Endpoint endpoint;
    std::uint32_t peer_isn = 0;
    unsigned impossible = 0;  ///< echoes of a time that has not been

  private:
    [[nodiscard]] bool agreed() const { return offers_ && peer_offers_; }

    Coverage coverage_;
    bool offers_, peer_offers_ = false;
    std::uint32_t clock_, recent_ = 0;
};

class Conversation {
  public:
    Conversation(GuardedBox& box, std::uint16_t port, const EndpointPlan& client, const EndpointPlan& server,
                 bool client_timestamps, bool server_timestamps, const Leg& leg, Random& random)
        : box_(box),
          port_(port),
          leg_(leg),
          random_(random),
          ends_{Host(client, client_timestamps, below(), true),
                Host(server, server_timestamps, below(), false)},
          plans_{client, server} {}

    /// Until both have closed, or a minute has passed. `at_half`: called once in the middle.
    template <class AtHalf>
    void run(AtHalf&& at_half) {
        Endpoint::Segments out;
        ends_[1].endpoint.listen();
        ends_[0].endpoint.dial(now_, out);
        launch(0, out);
        bool called = false;
        while (now_ < 120'000 && !over()) {
            now_ += 1;
            box_.now.tick += 1;
            for (const Sent& sent : box_.poll()) leave(sent);
            arrive();
            for (const std::size_t side : {0U, 1U}) {
                if (ends_[side].endpoint.next_event() > now_) continue;
                ends_[side].endpoint.tick(now_, random_, out);
                launch(side, out);
            }
            if (!called && ends_[1].endpoint.heard()) {
                called = true;
                at_half();
            }
        }
    }
    /// Each end has got all that the other sent, and its FIN. (Whether it knows is another matter: an end may
    /// have left TIME_WAIT before its peer, whose last retransmissions are far apart, asks again.)
    [[nodiscard]] bool complete() const {
        for (const std::size_t side : {0U, 1U}) {
            const std::uint32_t all = ends_[side].peer_isn + 1 + plans_[1 - side].bytes_to_send + 1;
            if (ends_[side].endpoint.heard() != all || ends_[side].impossible != 0) return false;
        }
        return true;
    }
    [[nodiscard]] const std::string& log() const { return log_; }

  private:
    [[nodiscard]] std::uint32_t below() { return static_cast<std::uint32_t>(random_()); }
    [[nodiscard]] double chance() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
    [[nodiscard]] bool over() const {
        const auto closed = [](const Host& end) {
            const EndpointState state = end.endpoint.state();
            return state == EndpointState::closed || state == EndpointState::time_wait;
        };
        return closed(ends_[0]) && closed(ends_[1]);
    }
    void launch(std::size_t side, Endpoint::Segments& out) {
        for (const tcp::Segment& segment : out) {
            const PacketBuilder link = side == 0 ? box_.from_client(port_) : box_.from_server(port_);
            fly(side, ends_[side].frame(link, segment, now_).build());
        }
        out.clear();
    }
    /// Leg 0: client to box; 1: server to box; 2: box to client; 3: box to server.
    void fly(std::size_t leg, const Bytes& frame) {
        for (int copies = chance() < leg_.loss ? 0 : chance() < leg_.repetition ? 2 : 1; copies > 0; --copies)
            flights_.emplace(now_ + 5 + chance() * leg_.jitter, std::pair(leg, frame));
    }
    void leave(const Sent& sent) {
        note(sent.toward == Toward::client ? "    to client " : "    to server ", sent.tcp());
        fly(sent.toward == Toward::client ? 2 : 3, sent.frame);
    }
    void arrive() {
        while (!flights_.empty() && flights_.begin()->first <= now_) {
            const auto [leg, frame] = std::move(flights_.extract(flights_.begin()).mapped());
            packet::Headers headers;
            packet::parse({frame, frame.size()}, headers);
            if (leg < 2) {
                note(leg == 0 ? "client " : "server ", headers.tcp);
                for (const Sent& sent : box_.send(leg == 0 ? Toward::server : Toward::client, {frame}))
                    leave(sent);
                if (box_.decision.action == pipeline::Action::drop)
                    log_ += "    dropped: " + std::string(text_of(box_.decision.reason).name) + "\n";
                continue;
            }
            const std::size_t side = leg - 2;
            tcp::Segment segment;
            if (!ends_[side].take(headers.tcp, now_, segment)) continue;
            Endpoint::Segments out;
            ends_[side].endpoint.receive(segment, now_, random_, out);
            launch(side, out);
        }
    }
    void note(const char* what, const packet::TcpFields& tcp) {
        if (log_.size() > 200'000) return;
        std::ostringstream line;
        line << now_ << ' ' << what << "flags " << int{tcp.flags} << " seq " << tcp.sequence << " ack "
             << tcp.acknowledgement << " win " << tcp.window << " len " << tcp.payload_length;
        if (tcp.options.has_timestamps)
            line << " ts " << tcp.options.timestamp_value << ' ' << tcp.options.timestamp_echo;
        log_ += line.str() + "\n";
    }

    GuardedBox& box_;
    std::uint16_t port_;
    Leg leg_;
    Random& random_;
    std::array<Host, 2> ends_;
    std::array<EndpointPlan, 2> plans_;
    std::multimap<double, std::pair<std::size_t, Bytes>> flights_;
    double now_ = 0;
    std::string log_;
};

EndpointPlan draw_end(Random& random, bool with_options) {
    EndpointPlan out;
    out.isn = static_cast<std::uint32_t>(random());
    out.scale_offered = with_options && random() % 4 != 0;
    out.shift = static_cast<std::uint8_t>(random() % 10);
    out.sack = with_options && random() % 4 != 0;
    out.segment_size = 1'000;
    out.bytes_to_send = static_cast<std::uint32_t>(random() % 30'000);
    out.reads_slowly = random() % 4 == 0;
    return out;
}

/// How many boxes; SLUICE_GUARDED_BOXES asks for more.
std::uint64_t guard_seeds() {
    const char* const asked = std::getenv("SLUICE_GUARDED_BOXES");
    return asked == nullptr ? 60 : std::strtoull(asked, nullptr, 10);
}

void converse(bool ipv6, const Leg& leg) {
    unsigned proxied = 0;
    for (std::uint64_t seed = 1; seed <= guard_seeds(); ++seed) {
        Random random(seed);
        GuardedBox box(ipv6);
        const EndpointPlan server = draw_end(random, true);
        const bool server_timestamps = random() % 4 != 0;
        for (std::uint16_t port = 1; port <= 4; ++port) {
            EndpointPlan client = draw_end(random, port == 1 || random() % 4 != 0);
            EndpointPlan again = server;
            again.isn = static_cast<std::uint32_t>(random());
            if (port == 1) client.scale_offered = client.sack = true;  // it shows what the server can
            Conversation talk(box, port, client, again, port == 1 || random() % 4 != 0, server_timestamps,
                              leg, random);
            const std::uint64_t before = box.tracker().counters().answered.read();
            const bool leaves = random() % 3 == 0;
            talk.run([&] {
                if (port != 1 && leaves) box.defend(guard::Level::quiet);
            });
            if (box.tracker().counters().answered.read() != before) ++proxied;
            ASSERT_TRUE(talk.complete()) << "seed " << seed << ", connection " << port << "\n" << talk.log();
            ASSERT_EQ(box.faults, std::vector<std::string>{}) << "seed " << seed;
            box.defend();
        }
    }
    EXPECT_GT(proxied, guard_seeds() * 5 / 2) << "conversations of three a seed that went through the proxy";
}

TEST(GuardedTraffic, OnAPerfectNetworkIsCarriedWhole) {
    converse(false, {});
}
TEST(GuardedTraffic, OfIpv4OnABadNetworkIsCarriedWhole) {
    converse(false, {.loss = 0.05, .repetition = 0.05, .jitter = 20});
}
TEST(GuardedTraffic, OfIpv6OnABadNetworkIsCarriedWhole) {
    converse(true, {.loss = 0.02, .repetition = 0.02, .jitter = 8});
}

}  // namespace
}  // namespace sluice::test
