// The proxy between a model client and a model server, over a network that loses, repeats, delays and
// reorders on both sides. Whatever happens, a handshake ends: open, with numbers that both sides believe, or
// with both sides reset. Segments of the open flow go through translate() as bytes.
#include <array>
#include <map>

#include "model_endpoints.hpp"
#include "segments.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::test {
namespace {

constexpr Tick step = 20;
constexpr Tick network_heals_at = 30'000, end_of_world = 90'000;

struct Network {
    double loss = 0, repetition = 0, reordering = 0;
};

// A segment through the box, as the bytes of its header.
TcpFields through_translation(const TcpFields& segment, Toward toward, const Translation& translation,
                              std::mt19937_64& random) {
    Bytes options(random() % 4, 1);
    const auto append = [&](const Bytes& one) { options.insert(options.end(), one.begin(), one.end()); };
    const packet::TcpOptions& in = segment.options;
    if (in.mss != 0) append(option::mss(in.mss));
    if (in.has_window_scale) append(option::window_scale(in.window_scale));
    if (in.sack_permitted) append(option::sack_permitted());
    if (in.has_timestamps) append(option::timestamps(in.timestamp_value, in.timestamp_echo));
    if (in.has_sack) append(option::sack({{in.sack_highest - 1, in.sack_highest}}));
    Bytes header = make_header(random, segment.flags, options, 0);
    put_word(header, 4, segment.sequence);
    put_word(header, 8, segment.acknowledgement);
    put_half(header, 14, segment.window);
    put_half(header, 16, 0);
    put_half(header, 16, plain_checksum(header));
    header = translated(header, toward, translation);
    EXPECT_EQ(plain_checksum(header), 0);
    TcpFields out = fields(header[13], word_at(header, 4), word_at(header, 8), half_at(header, 14));
    out.payload_length = segment.payload_length;
    out.options = packet::parse_tcp_options(std::span(header).subspan(20));
    return out;
}

class World {
  public:
    World(const ProvenClient& proven, const ServerPlan& plan, const Network& network,
          std::uint32_t client_clock, std::uint32_t client_room, bool strays, Tick gives_up_at,
          std::uint64_t seed)
        : proven_(proven),
          network_(network),
          random_(seed),
          strays_(strays),
          gives_up_at_(gives_up_at),
          client(proven, client_room, client_clock),
          server(plan),
          box(start()) {}

    void run() {
        for (; now < end_of_world; now += step) {
            deliver();
            Segments out;
            client.tick(now, random_, out);
            if (now >= gives_up_at_ && now < gives_up_at_ + step) client.give_up(out);
            leave(from_client_, out);
            out.clear();
            server.tick(now, out);
            leave(from_server_, out);
            emit(box.tick(start_ + now));
            // A SYN of the client's former life, or a forged one.
            if (strays_ && random_() % 50 == 0) {
                from_client_.emplace(now, fields(packet::syn, static_cast<std::uint32_t>(random_())));
            }
        }
    }

    [[nodiscard]] bool exchanged_everything() const {
        return client.received() == 250 && server.received() == 350 && client.acknowledged() == 350 &&
               server.acknowledged() == 250;
    }

  private:
    using Leg = std::multimap<Tick, TcpFields>;  // by the time of arrival

    static constexpr Tick start_ = 0xFFFF'E000;  // the box's clock wraps in the middle
    const ProvenClient proven_;
    Network network_;
    std::mt19937_64 random_;
    bool strays_;
    Tick gives_up_at_;
    bool reset_passed_ = false;
    Leg from_client_, from_server_, to_client_, to_server_;

  public:
    Tick now = 0;
    unsigned asked = 0;  ///< how often the box sent its SYN
    ServerProfile profile;
    ModelClient client;
    ModelServer server;
    ProxiedHandshake box;

  private:
    ProxiedHandshake start() {
        HandshakeOutcome out;
        ProxiedHandshake machine(proven_, start_, out);
        emit(out);
        return machine;
    }
    bool chance(double probability) {
        return static_cast<double>(random_() >> 11) * 0x1p-53 < (now < network_heals_at ? probability : 0);
    }
    void travel(Leg& leg, const TcpFields& segment) {
        if (chance(network_.loss)) return;
        do {
            const Tick delay = 1 + static_cast<Tick>(random_() % 30);
            leg.emplace(now + delay + (chance(network_.reordering) ? static_cast<Tick>(random_() % 3000) : 0),
                        segment);
        } while (chance(network_.repetition));
    }
    void leave(Leg& leg, const Segments& segments) {
        for (const TcpFields& segment : segments) travel(leg, segment);
    }
    void emit(const HandshakeOutcome& out) {
        for (const SegmentToSend& sent : out.segments()) {
            asked += (sent.segment.flags & packet::syn) != 0 ? 1 : 0;
            travel(sent.toward == Toward::client ? to_client_ : to_server_, sent.segment);
        }
    }
    // What the tracker would not let through: leftovers of the server's old connection, and behind a RST a
    // SYN, which begins another flow.
    [[nodiscard]] bool is_from_elsewhere(const TcpFields& segment, Toward toward) const {
        if (reset_passed_ && (segment.flags & packet::syn) != 0) return true;
        const std::uint32_t server_isn = proven_.cookie - box.translation().sequence_delta;
        return toward == Toward::client && segment.sequence - server_isn > 100'000;
    }
    void pass_on(const TcpFields& segment, const HandshakeOutcome& out, Toward toward) {
        emit(out);
        if (out.taken || box.state() != HandshakeState::open || is_from_elsewhere(segment, toward)) return;
        reset_passed_ |= (segment.flags & packet::rst) != 0;
        travel(toward == Toward::client ? to_client_ : to_server_,
               through_translation(segment, toward, box.translation(), random_));
    }
    template <class Receive>
    void arrive(Leg& leg, const Receive& receive) {
        while (!leg.empty() && leg.begin()->first <= now) {
            const TcpFields segment = leg.begin()->second;
            leg.erase(leg.begin());
            receive(segment);
        }
    }
    void deliver() {
        arrive(from_client_, [&](const TcpFields& segment) {
            pass_on(segment, box.from_client(segment, start_ + now), Toward::server);
        });
        arrive(from_server_, [&](const TcpFields& segment) {
            pass_on(segment, box.from_server(segment, profile), Toward::client);
        });
        Segments out;
        arrive(to_client_,
               [&](const TcpFields& segment) { client.receive(segment, now, server.room(), out); });
        leave(from_client_, out);
        out.clear();
        arrive(to_server_,
               [&](const TcpFields& segment) { server.receive(segment, now, client.room(), out); });
        leave(from_server_, out);
    }
};

constexpr std::uint32_t corners[] = {0, 1, 0x7FFF'FFFF, 0x8000'0000, 0xFFFF'FFFF};

class Draw {
  public:
    explicit Draw(std::uint64_t seed) : random(seed) {}
    bool one_in(unsigned n) { return random() % n == 0; }
    std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); }
    std::uint32_t number() {
        return one_in(2) ? corners[below(5)] - below(3) : static_cast<std::uint32_t>(random());
    }
    std::mt19937_64 random;
};

ServerPlan draw_server(Draw& draw) {
    ServerPlan plan;
    plan.scales = !draw.one_in(6);
    plan.sack = !draw.one_in(6);
    plan.timestamps = !draw.one_in(10);
    plan.ecn = !draw.one_in(10);
    plan.scale = static_cast<std::uint8_t>(draw.below(15));
    plan.isn = draw.number();
    plan.clock = draw.number();
    plan.room = 40'000 + draw.below(1'000'000);
    plan.remembers_another = draw.one_in(8);
    if (draw.one_in(12)) plan.manner = ServerPlan::silent;
    if (draw.one_in(12)) plan.manner = ServerPlan::refusing;
    if (draw.one_in(6)) plan.manner = ServerPlan::stateless;
    return plan;
}

ProvenClient draw_client(Draw& draw) {
    ProvenClient client{.initial_sequence = draw.number(), .cookie = draw.number(), .mss = 1460};
    client.timestamps = draw.one_in(2);
    if (client.timestamps) {
        client.timestamp_value = draw.number();
        client.timestamp_echo = draw.number();
        client.scales = !draw.one_in(4);
        client.sack = !draw.one_in(4);
        client.ecn = draw.one_in(2);
    }
    client.window_scale = static_cast<std::uint8_t>(draw.below(15));
    client.promised_window_scale = static_cast<std::uint8_t>(draw.below(15));
    return client;
}

struct Ends {
    unsigned open = 0, refused = 0, given_up = 0;
};

void check_one(std::uint64_t seed, Ends& ends) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Draw draw(seed);
    ProvenClient proven = draw_client(draw);
    const ServerPlan plan = draw_server(draw);
    const std::uint32_t room = 40'000 + draw.below(1'000'000);
    proven.window =
        static_cast<std::uint16_t>(std::min(room >> (proven.scales ? proven.window_scale : 0), 65535U));
    const bool perfect = draw.one_in(5), strays = draw.one_in(4), gives_up = draw.one_in(10);
    const Network network =
        perfect ? Network{} : Network{0.05 * draw.below(9), 0.05 * draw.below(5), 0.05 * draw.below(5)};
    World world(proven, plan, network, proven.timestamp_value, room, strays,
                gives_up ? draw.below(6000) : 2 * end_of_world, seed);
    world.run();

    for (const auto& who : {world.client.complaints, world.server.complaints}) {
        for (const std::string& complaint : who) ADD_FAILURE() << complaint;
    }
    EXPECT_NE(world.box.state(), HandshakeState::connecting) << "hangs";
    EXPECT_LE(world.asked, 4U);
    const auto stands = world.server.state();
    if (gives_up && world.client.closed()) {
        ++ends.given_up;
        EXPECT_NE(stands, ModelServer::State::syn_received);
        if (stands == ModelServer::State::established) {
            EXPECT_EQ(world.server.acknowledged(), 250U);
        }
    } else if (world.box.state() == HandshakeState::open) {
        ++ends.open;
        EXPECT_TRUE(world.exchanged_everything());
        const Translation translation = world.box.translation();
        EXPECT_EQ(world.server.isn() + translation.sequence_delta, proven.cookie);
    } else {
        ++ends.refused;
        EXPECT_TRUE(world.client.closed());
        EXPECT_NE(stands, ModelServer::State::established);
        EXPECT_NE(stands, ModelServer::State::syn_received);
    }
    const bool willing = plan.manner == ServerPlan::honest || plan.manner == ServerPlan::stateless;
    if (perfect && !gives_up) {
        EXPECT_EQ(world.box.state() == HandshakeState::open,
                  willing && !world.server.was_asked_for_less(proven))
            << "over a perfect network it opens exactly when the server agrees";
    }
}

TEST(ProxiedHandshakeAtRandom, EveryHandshakeEndsOpenOrWithBothSidesReset) {
    Ends ends;
    constexpr unsigned rounds = 3000;
    for (std::uint64_t seed = 1; seed <= rounds && !testing::Test::HasFailure(); ++seed)
        check_one(seed, ends);
    RecordProperty("open", static_cast<int>(ends.open));
    RecordProperty("refused", static_cast<int>(ends.refused));
    EXPECT_GT(ends.open, rounds / 2);
    EXPECT_GT(ends.refused, rounds / 10);
    EXPECT_GT(ends.given_up, rounds / 20);
}

}  // namespace
}  // namespace sluice::test
