// A burst is judged as its packets would be one by one, whatever waits for company in between.
#include <gtest/gtest.h>

#include <random>

#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Decision;

/// Connections of both families that talk, mostly sensibly.
class Crowd {
  public:
    explicit Crowd(unsigned connections, std::uint64_t seed) : random_(seed), connections_(connections) {}

    Frame next() {
        const auto number = static_cast<std::uint32_t>(random_() % connections_.size());
        Talk& talk = connections_[number];
        const auto side = static_cast<unsigned>(random_() & 1U);
        const std::uint32_t length = random_() % 2 == 0 ? 0 : static_cast<std::uint32_t>(random_() % 100);
        const std::uint32_t next = talk.next[side], other = talk.next[1 - side];
        if (talk.step < 3) return handshake(number, talk);
        switch (random_() % 24) {
            case 0:
                return frame(number, side, next - 200, other, packet::ack, 10);  // again
            case 1:
                return frame(number, side, next + 1'000'000, other, packet::ack, 10);  // far out
            case 2:
                return frame(number, side, next, other + 5, packet::ack, 0);  // of what was never sent
            case 3:
                return frame(number, side, next + 70'000, other, packet::ack, 1);  // overshoot
            case 4:
                return frame(number, side, next, other, packet::ack | packet::urg, 0);
            case 5:
                if (random_() % 8 != 0) break;
                talk = {};
                return frame(number, side, next, other, packet::rst, 0);
            case 6:
                if (random_() % 8 != 0) break;
                talk.next[side] += 1;
                return frame(number, side, next, other, packet::fin | packet::ack, 0);
            case 7:
                return frame(number, side, next, 0, packet::syn, 0);
            case 8:
                return PacketBuilder()
                    .ethernet()
                    .ip(host(number, 0), host(number, 1))
                    .udp(9, 9)
                    .payload(4)
                    .build();
            default:
                break;
        }
        talk.next[side] += length;
        return frame(number, side, next, other, packet::ack, length);
    }

  private:
    struct Talk {
        std::array<std::uint32_t, 2> next{0xFFFFFF00, 0x7FFFFF00};
        unsigned step = 0;
    };
    Frame handshake(std::uint32_t number, Talk& talk) {
        const unsigned step = talk.step++;
        const unsigned side = step % 2;
        const unsigned flags = step == 0 ? packet::syn : step == 1 ? packet::syn | packet::ack : packet::ack;
        const std::uint32_t sequence = talk.next[side];
        if (step < 2) ++talk.next[side];
        return frame(number, side, sequence, step == 0 ? 0 : talk.next[1 - side], flags, 0);
    }
    std::string host(std::uint32_t number, unsigned side) const {
        if (number % 3 == 0) return "2001:db8::" + std::to_string(1 + side);
        return side == 0 ? "10.0.0.1" : "10.0.0.2";
    }
    Frame frame(std::uint32_t number, unsigned side, std::uint32_t sequence, std::uint32_t acknowledgement,
                unsigned flags, std::uint32_t length) {
        const std::string from = host(number, side), to = host(number, 1 - side);
        const auto client = static_cast<std::uint16_t>(1000 + number);
        PacketBuilder packet;
        packet.ethernet();
        if (number % 5 == 0) packet.vlan(7);
        packet.ip(from.c_str(), to.c_str());
        if (side == 0)
            packet.tcp(client, 80);
        else
            packet.tcp(80, client);
        packet.sequence(sequence).acknowledgement(acknowledgement).flags(flags).payload(length);
        return packet.build();
    }
    std::mt19937_64 random_;
    std::vector<Talk> connections_;
};

/// Connections that open and close, each followed by a new one. At random, each segment perhaps again; or in
/// turn, so that no two segments of a burst are of one connection.
class Comers {
  public:
    enum class Order { random, in_turn };
    Comers(unsigned at_once, std::uint64_t seed, Order order = Order::random)
        : random_(seed), order_(order), talks_(at_once) {
        for (Talk& talk : talks_) {
            talk.number = next_number_++;
        }
    }

    Frame next() {
        const bool in_turn = order_ == Order::in_turn;
        Talk& talk = talks_[in_turn ? turn_++ % talks_.size() : random_() % talks_.size()];
        if (talk.step == std::size(script)) talk = {.number = next_number_++};
        if (in_turn && random_() % 3 == 0 && talk.step < 2) talk = {.number = next_number_++};  // gives up
        const bool again = !in_turn && talk.step != 0 && random_() % 4 == 0;
        return frame(talk.number, script[again ? talk.step - 1 : talk.step++]);
    }

  private:
    struct Line {
        unsigned side, flags, sequence, acknowledgement, length;  ///< numbers above the ISNs
    };
    static constexpr Line script[] = {
        {0, packet::syn, 0, 0, 0},
        {1, packet::syn | packet::ack, 0, 1, 0},
        {0, packet::ack, 1, 1, 0},
        {0, packet::ack, 1, 1, 30},
        {1, packet::ack, 1, 31, 40},
        {1, packet::ack, 41, 31, 0},
        {0, packet::fin | packet::ack, 31, 41, 0},
        {1, packet::ack, 41, 32, 0},
        {1, packet::fin | packet::ack, 41, 32, 0},
        {0, packet::ack, 32, 42, 0},
    };
    struct Talk {
        std::uint32_t number = 0;
        std::size_t step = 0;
    };
    Frame frame(std::uint32_t number, const Line& line) {
        const bool v6 = number % 3 == 0;
        const std::string hosts[] = {v6 ? "2001:db8::1" : "10.0.0.1", v6 ? "2001:db8::2" : "10.0.0.2"};
        const std::uint16_t ports[] = {static_cast<std::uint16_t>(1000 + number), 80};
        const std::uint32_t isn[] = {0xFFFF'FFF0U + number, 0x7FFF'FFF0U - number};
        const unsigned side = line.side;
        PacketBuilder packet;
        packet.ethernet()
            .ip(hosts[side].c_str(), hosts[1 - side].c_str())
            .tcp(ports[side], ports[1 - side])
            .sequence(isn[side] + line.sequence)
            .acknowledgement((line.flags & packet::ack) == 0 ? 0 : isn[1 - side] + line.acknowledgement)
            .flags(line.flags)
            .payload(line.length);
        if ((line.flags & packet::syn) != 0) packet.option(option::sack_permitted());
        // Beyond what it acknowledges: of what has passed, or of what never did.
        const std::uint32_t edge = isn[1 - side] + line.acknowledgement;
        if (line.length == 40) packet.option(option::sack({{edge - 2, edge + (random_() % 3 == 0 ? 1 : 0)}}));
        return packet.build();
    }
    std::mt19937_64 random_;
    Order order_;
    std::vector<Talk> talks_;
    std::uint32_t next_number_ = 0;
    std::size_t turn_ = 0;
};

std::string text_of(const Decision& decision) {
    return std::string(sluice::text_of(decision.reason).name) + " " + std::string(name_of(decision.state)) +
           " action " + std::to_string(static_cast<int>(decision.action)) + " direction " +
           std::to_string(static_cast<int>(decision.direction)) + " flow " + std::to_string(decision.flow);
}

void expect_same_tables(TrackerBox& a, TrackerBox& b, const std::vector<TrackerBox::Judged>& judged) {
    for (const auto& [packet, decision] : judged) {
        if (decision.flow == flow::no_ref) continue;
        ASSERT_EQ(a.holds(decision), b.holds(decision)) << packet->number;
        if (!a.holds(decision)) continue;  // pushed out by those behind it
        const auto in_a = a.view(decision), in_b = b.view(decision);
        ASSERT_EQ(std::memcmp(&in_a.state, &in_b.state, sizeof in_a.state), 0) << packet->number;
        ASSERT_EQ(in_a.seconds_left, in_b.seconds_left);
        ASSERT_EQ(std::memcmp(&in_a.account, &in_b.account, sizeof in_a.account), 0);
    }
}

/// Room for every remembered SYN: which of them others push out depends on the order, and may.
constexpr std::uint32_t ample = 16'384;

template <class Some>
void compare(Some crowd, unsigned connections, std::uint64_t seed, std::uint32_t capacity = ample,
             const pipeline::Settings& settings = {}) {
    std::mt19937_64 random(seed);
    pipeline::Limits limits = TrackerBox::small_limits();
    limits.ipv4_flows = limits.ipv6_flows = capacity;
    TrackerBox together(settings, limits), one_by_one(settings, limits);
    std::uint64_t packets = 0, bytes = 0;
    for (int round = 0; round < 300; ++round) {
        std::vector<Frame> frames(1 + random() % pipeline::max_burst);
        for (Frame& frame : frames) bytes += (frame = crowd.next()).size();
        packets += frames.size();
        const auto judged = together.burst(frames);
        ASSERT_EQ(judged.size(), frames.size());
        for (std::size_t i = 0; i < frames.size(); ++i) {
            ASSERT_EQ(judged[i].packet->number, packets - frames.size() + i) << "the order is kept";
            ASSERT_EQ(text_of(judged[i].decision), text_of(one_by_one.feed(frames[i])))
                << connections << " connections, seed " << seed << ", burst " << round << ", packet " << i;
        }
        expect_same_tables(together, one_by_one, judged);
        const auto wait = static_cast<Tick>(random() % 50);
        together.pass_ticks(wait);
        one_by_one.pass_ticks(wait);
    }
    const auto &a = together.tracker().counters(), &b = one_by_one.tracker().counters();
    for (const auto member :
         {&pipeline::Counters::packets, &pipeline::Counters::bytes, &pipeline::Counters::passed,
          &pipeline::Counters::dropped, &pipeline::Counters::found, &pipeline::Counters::invalid,
          &pipeline::Counters::early_drop, &pipeline::Counters::insert})
        EXPECT_EQ((a.*member).read(), (b.*member).read());
    EXPECT_EQ(a.packets.read(), packets);
    EXPECT_EQ(a.bytes.read(), bytes);
    EXPECT_GT(a.found.read(), packets / 5);
    EXPECT_GT(a.invalid.read(), 0U);
    if (capacity < connections || settings.half_open_limit != 0) {
        EXPECT_GT(a.early_drop.read(), packets / 100);
    }

    // Past every timeout but that of an open connection with nothing under way: each flow is looked at in
    // time, in whichever age list it waits.
    const std::uint32_t before = together.flows();
    for (TrackerBox* box : {&together, &one_by_one}) {
        box->pass_seconds(310);
        for (int poll = 0; poll < 100; ++poll) box->poll();
    }
    EXPECT_EQ(together.flows(), one_by_one.flows()) << connections << " connections, seed " << seed;
    if (connections >= 40) {
        EXPECT_LT(together.flows(), before);
    }
}

TEST(Burst, IsJudgedAsItsPacketsOneByOne) {
    for (const unsigned connections : {1U, 2U, 3U, 9U, 40U, 200U})
        for (std::uint64_t seed = 1; seed <= 4; ++seed) {
            compare(Crowd(connections, seed), connections, seed);
            if (HasFatalFailure()) return;
        }
}

TEST(Burst, OfConnectionsThatOpenAndCloseIsJudgedAsItsPacketsOneByOne) {
    for (const unsigned connections : {3U, 9U, 40U, 200U})
        for (std::uint64_t seed = 1; seed <= 4; ++seed) {
            compare(Comers(connections, seed), connections, seed);
            if (HasFatalFailure()) return;
        }
}

// Here no two packets of a burst are of one flow: of flows that were queued in the same burst, who is older
// is nobody's promise.
TEST(Burst, ThatPushesFlowsOutOfAFullTablePushesOutTheSameOnes) {
    for (const std::uint32_t capacity : {40U, 60U, 90U, 130U})
        for (std::uint64_t seed = 1; seed <= 6; ++seed) {
            pipeline::Settings settings;
            settings.tcp.loose = false;  // picked up, a flow of which one side is unseen is judged alone
            compare(Comers(300, seed, Comers::Order::in_turn), 300, seed, capacity, settings);
            if (HasFatalFailure()) return;
        }
}

TEST(Burst, BeyondTheHalfOpenBudgetPushesOutTheSameFlows) {
    for (const std::uint32_t budget : {5U, 20U, 60U, 80U})
        for (std::uint64_t seed = 1; seed <= 6; ++seed) {
            pipeline::Settings settings;
            settings.half_open_limit = budget;
            compare(Comers(300, seed, Comers::Order::in_turn), 300, seed, ample, settings);
            if (HasFatalFailure()) return;
        }
}

}  // namespace
}  // namespace sluice::test
