// Under a flood most SYNs and guessed cookies go a short way through the tracker (tracker_answers.hpp). A
// tracker that is observed takes each packet by itself, the long way: both must decide the same, answer with
// the same bytes and count the same, whether there are rules or not.
#include <gtest/gtest.h>

#include <random>

#include "../support/memory_tracker.hpp"
#include "../support/packet_builder.hpp"
#include "sluice/pipeline/policy.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;
using pipeline::MemoryIo;

struct Watcher {
    static constexpr bool watches = true;
    template <class... All>
    void segment(const All&... /*all*/) const {}
    template <class... All>
    void removed(const All&... /*all*/) const {}
};

constexpr std::uint16_t services = 4;

/// What leaves with a packet.
struct Outcome {
    pipeline::Decision decision;
    Bytes frame;
};

template <class Observer>
class Box {
  public:
    using Tracker = pipeline::Tracker<MemoryIo, Observer>;

    explicit Box(const pipeline::Settings& settings)
        : settings_(settings), arena_(Tracker::bytes_needed(limits()) + 64) {
        const auto address = reinterpret_cast<std::uintptr_t>(arena_.data());
        auto made = Tracker::create(limits(), settings_, flow::Secret{{11, 22, 33, 44}}, {},
                                    std::span(arena_).subspan((64 - address % 64) % 64),
                                    packet::LinkLayer::ethernet, &observer_);
        if (!made) throw std::runtime_error(made.error());
        tracker_ = std::move(*made);
    }
    std::vector<Outcome> send(const std::vector<Bytes>& frames, Tick tick) {
        std::vector<Bytes> rooms(frames.begin(), frames.end());
        std::vector<pipeline::MemoryPacket> packets(frames.size());
        std::vector<pipeline::MemoryPacket*> burst;
        for (std::size_t i = 0; i < frames.size(); ++i) {
            // Every other packet lies in a buffer of just its size, some may not be written.
            rooms[i].resize(i % 2 == 0 ? 256 : frames[i].size());
            packets[i] = {.first = std::span(rooms[i]).first(frames[i].size()), .room = rooms[i]};
            if (frames[i].back() % 16 == 15) packets[i].room = {};
            burst.push_back(&packets[i]);
        }
        tracker_->process(burst, {.tick = tick}, out_);
        std::vector<Outcome> outcomes;
        for (const auto& judged : out_.view())
            outcomes.push_back({judged.decision, {judged.packet->first.begin(), judged.packet->first.end()}});
        tracker_->poll({.tick = tick}, out_);
        return outcomes;
    }
    void adopt(const pipeline::Settings& settings, Tick tick) {
        const pipeline::Settings former = settings_;  // what it holds stays until the tracker obeys the new
        settings_ = settings;
        tracker_->mailbox().post({.kind = pipeline::Request::Kind::settings, .settings = &settings_});
        tracker_->poll({.tick = tick}, out_);
    }
    [[nodiscard]] std::vector<std::uint64_t> counts() const {
        const pipeline::Counters& all = tracker_->counters();
        std::vector<std::uint64_t> out{all.packets.read(), all.bytes.read(),    all.passed.read(),
                                       all.dropped.read(), all.answered.read(), all.found.read(),
                                       all.invalid.read(), all.insert.read(),   all.untracked.read()};
        for (const Counter& reason : all.reasons) out.push_back(reason.read());
        for (const guard::ServiceCounters& one : tracker_->guard()->accounts().services())
            out.insert(out.end(), {one.syns.read(), one.answered.read(), one.completed.read(),
                                   one.limited.read(), one.half_open.read()});
        const guard::SourceSketch& sources = tracker_->guard()->accounts().sources();
        out.push_back(sources.total());
        if (settings_.policy != nullptr)
            for (std::size_t i = 0; i <= settings_.policy->rules->size(); ++i) {
                const pipeline::RuleTally& tally = settings_.policy->tally(0)[i];
                out.insert(out.end(), {tally.hits.read(), tally.limited.read(), tally.flows.read()});
            }
        return out;
    }
    [[nodiscard]] Tracker& tracker() { return *tracker_; }

  private:
    static pipeline::Limits limits() {
        pipeline::Limits limits;
        limits.ipv4_flows = limits.ipv6_flows = 4096;
        limits.fragment_datagrams = 16;
        limits.guarded_services = services;
        limits.proxied_handshakes = 64;
        limits.rules = true;
        return limits;
    }

    Observer observer_;
    pipeline::Settings settings_;
    std::vector<std::byte> arena_;
    std::unique_ptr<Tracker> tracker_;
    pipeline::Output<MemoryIo> out_;
};

class Traffic {
  public:
    Traffic(bool ipv6, unsigned seed) : ipv6_(ipv6), random_(seed) {}

    std::vector<Bytes> burst() {
        std::vector<Bytes> out(1 + below(64));
        for (Bytes& frame : out) frame = below(8) == 0 && !out[0].empty() ? out[0] : frame_of_any_kind();
        return out;
    }
    /// Cookies that were sent come back.
    void hear(const Outcome& outcome) {
        if (outcome.decision.action != Action::answer) return;
        packet::Headers headers;
        packet::parse({outcome.frame, outcome.frame.size()}, headers);
        heard_[below(heard_.size())] = headers;
    }
    [[nodiscard]] PacketBuilder from(unsigned client, std::uint16_t port, std::uint16_t server_port) {
        PacketBuilder out;
        out.macs({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, static_cast<std::uint8_t>(below(32) == 0 ? 1 : 2)});
        if (below(6) == 0) out.vlan(5);
        const std::string number = std::to_string(client);
        return out
            .ip(ipv6_ ? "2001:2:0:" + number + "::1" : "198.18.1." + number,
                ipv6_ ? "2001:2::2" : "198.18.0.2")
            .tcp(port, server_port);
    }
    /// A SYN that asks for everything, or its answer.
    [[nodiscard]] Bytes of_a_server_that_knows_all(bool answer) const {
        const std::string client = ipv6_ ? "2001:2:0:f::1" : "198.18.1.200";
        const std::string server = ipv6_ ? "2001:2::2" : "198.18.0.2";
        PacketBuilder out;
        out.macs({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2});
        if (answer)
            out.ip(server, client).tcp(80, 9).flags(packet::syn | packet::ack).sequence(7).acknowledgement(2);
        else
            out.ip(client, server).tcp(9, 80).flags(packet::syn).sequence(1);
        out.option(option::mss(1460)).option(option::sack_permitted()).option(option::timestamps(1, 1));
        return out.option({1}).option(option::window_scale(7)).build();
    }
    unsigned below(std::size_t bound) { return static_cast<unsigned>(random_() % bound); }

  private:
    Bytes frame_of_any_kind() {
        constexpr std::uint16_t ports[] = {80, 80, 80, 81, 82};
        auto out = from(1 + below(9), static_cast<std::uint16_t>(1 + below(300)), ports[below(5)]);
        out.sequence(static_cast<std::uint32_t>(random_())).window(static_cast<std::uint16_t>(random_()));
        const packet::Headers& heard = heard_[below(heard_.size())];
        switch (below(10)) {
            case 0:
            case 1:
            case 2:
                out.flags(packet::ack).acknowledgement(static_cast<std::uint32_t>(random_()));
                if (below(2) == 0) stamp(out, static_cast<std::uint32_t>(random_()));
                break;
            case 3: {  // a cookie that was sent, or one that was guessed from it
                if (heard.destination_port == 0) break;
                out = from(ipv6_ ? heard.destination[7] : heard.destination[3], heard.destination_port, 80);
                out.flags(packet::ack).sequence(heard.tcp.acknowledgement - below(2));
                out.acknowledgement(heard.tcp.sequence + 1 + below(2));
                if (heard.tcp.options.has_timestamps) stamp(out, heard.tcp.options.timestamp_value);
                break;
            }
            case 4:
                out.flags(below(2) == 0 ? packet::rst : packet::fin | packet::ack);
                break;
            default:
                out.flags(packet::syn | (below(8) == 0 ? packet::ece | packet::cwr : 0U));
                add_options(out);
        }
        return out.payload(below(6) == 0 ? 5 : 0).build();
    }
    static void stamp(PacketBuilder& out, std::uint32_t echo) {
        out.option({1, 1}).option(option::timestamps(7, echo));
    }
    void add_options(PacketBuilder& out) {
        switch (below(6)) {
            case 0:
                break;
            case 1:
                out.option(option::mss(1400));
                break;
            case 2:
                out.option(option::md5_signature());
                break;
            default:
                out.option(option::mss(static_cast<std::uint16_t>(below(1600))));
                out.option(option::sack_permitted());
                out.option(option::timestamps(static_cast<std::uint32_t>(random_()), 0));
                out.option({1}).option(option::window_scale(static_cast<std::uint8_t>(below(16))));
        }
    }

    bool ipv6_;
    std::mt19937_64 random_;
    std::array<packet::Headers, 8> heard_{};
};

guard::Address address_of(bool ipv6, unsigned client) {
    if (ipv6) return {std::uint64_t{0x2001'0002'0000'0000} | client, 1};
    const std::array<std::uint8_t, 4> bytes{198, 18, 1, static_cast<std::uint8_t>(client)};
    return guard::Address::ipv4(bytes.data());
}

policy::Rule rule(policy::Action action, std::initializer_list<guard::Address> from, std::uint16_t port) {
    policy::Rule out;
    out.action = action;
    out.protocols = {packet::tcp};
    for (const guard::Address& address : from) out.from.push_back({address, 128, address.is_ipv4()});
    if (port != 0) out.to_ports = {{port, port}};
    return out;
}

/// Some clients are denied, some rejected, one is picked up in mid-stream if `variant` says so; port 82 is
/// proxied, and few flows go to port 81.
std::shared_ptr<const pipeline::Policy> rules_of(bool ipv6, unsigned variant) {
    using policy::Action;
    const auto client = [&](unsigned number) { return address_of(ipv6, number); };
    std::vector<policy::Rule> rules{
        rule(Action::deny, {client(1), client(2)}, 0), rule(Action::reject, {client(6)}, 80),
        rule(Action::allow, {client(7)}, 0), rule(Action::proxy, {}, 82), rule(Action::allow, {}, 0)};
    if (variant % 2 == 0) rules[2].pick_up = true;
    rules[4].most_flows = 30;
    auto set = std::make_shared<const policy::RuleSet>(std::move(policy::RuleSet::build(rules).value()));
    auto matcher = std::make_unique<policy::LinearMatcher>(*set);
    return std::make_shared<const pipeline::Policy>(set, std::move(matcher), 1);
}

pipeline::Settings settings_with(const guard::DefenceBoard& board, bool ipv6, unsigned variant, bool rules) {
    auto protection = std::make_shared<pipeline::Protection>();
    const std::array<std::uint8_t, 4> server{198, 18, 0, 2};
    const guard::Address address =
        ipv6 ? guard::Address{0x2001'0002'0000'0000, 2} : guard::Address::ipv4(server.data());
    protection->services = std::move(
        guard::ServiceMap::build(std::vector<guard::Service>{{address, 128, 80, 1}, {address, 128, 81, 2}})
            .value());
    protection->board = &board;
    protection->cookie_secrets = {.turns = {{{1, 2}, {3, 4}}}, .timestamps = {5, 6}};
    if (variant == 1)
        protection->sources = std::move(
            guard::ServiceMap::build(
                std::vector<guard::Service>{{address_of(ipv6, 3), 128, 0, pipeline::SourceRule::allowed},
                                            {address_of(ipv6, 4), 128, 0, pipeline::SourceRule::denied}})
                .value());
    if (variant == 2) protection->source_limits = {{guard::Source::of(address_of(ipv6, 5)), 1}};
    if (variant == 3) protection->rules = {{}, {.syn_rate = 10}};
    if (variant == 4) protection->rules = {{}, {.proof = pipeline::Proof::reset}};
    pipeline::Settings settings;
    settings.protection = std::move(protection);
    settings.tcp.loose = variant == 5;
    if (rules) settings.policy = rules_of(ipv6, variant);
    return settings;
}

struct World {
    bool ipv6, rules;
};
class ShortWay : public testing::TestWithParam<World> {};
INSTANTIATE_TEST_SUITE_P(All, ShortWay,
                         testing::Values(World{false, false}, World{true, false}, World{false, true},
                                         World{true, true}),
                         [](const auto& one) {
                             return std::string(one.param.ipv6 ? "Ipv6" : "Ipv4") +
                                    (one.param.rules ? "UnderRules" : "");
                         });

TEST_P(ShortWay, IsNoOtherThanTheLong) {
    const auto [ipv6, rules] = GetParam();
    std::uint64_t answered = 0, guessed = 0, opened = 0;
    for (unsigned seed = 0; seed < 24; ++seed) {
        guard::DefenceBoard board(services);
        Traffic traffic(ipv6, seed);
        Box<pipeline::NoObserver> quick(settings_with(board, ipv6, 0, rules));
        Box<Watcher> plain(settings_with(board, ipv6, 0, rules));
        Tick tick = 100'000;
        for (unsigned round = 0; round < 60; ++round) {
            if (round == 3) board.publish(1, {guard::Level::defend, 0});
            if (round % 10 == 9) {
                const unsigned variant = traffic.below(6);
                board.publish(2, {guard::Level::defend, variant == 0 ? 100U : 0U});
                quick.adopt(settings_with(board, ipv6, variant, rules), tick);
                plain.adopt(settings_with(board, ipv6, variant, rules), tick);
            }
            tick += traffic.below(3) == 0 ? 400 : 1;
            auto frames = traffic.burst();
            if (round == 1 || round == 2) frames = {traffic.of_a_server_that_knows_all(round == 2)};
            const auto shortly = quick.send(frames, tick), at_length = plain.send(frames, tick);
            ASSERT_EQ(shortly.size(), at_length.size());
            for (std::size_t i = 0; i < shortly.size(); ++i) {
                const pipeline::Decision &a = shortly[i].decision, &b = at_length[i].decision;
                const auto where = [&] {
                    return "seed " + std::to_string(seed) + ", round " + std::to_string(round) + ", packet " +
                           std::to_string(i);
                };
                ASSERT_EQ(a.action, b.action) << where();
                ASSERT_EQ(a.state, b.state) << where();
                ASSERT_EQ(a.reason, b.reason) << where();
                ASSERT_EQ(a.direction, b.direction) << where();
                ASSERT_EQ(shortly[i].frame, at_length[i].frame) << where();
                traffic.hear(shortly[i]);
                answered += a.action == Action::answer ? 1 : 0;
                guessed += a.reason == Reason::bad_cookie ? 1 : 0;
                opened += a.action == Action::absorb ? 1 : 0;
            }
            ASSERT_EQ(quick.counts(), plain.counts()) << "seed " << seed << ", round " << round;
        }
    }
    EXPECT_GT(answered, 1'000U);
    EXPECT_GT(guessed, 1'000U);
    EXPECT_GT(opened, 20U);
}

}  // namespace
}  // namespace sluice::test
