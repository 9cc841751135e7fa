// Flows that go from one tracker to another through the bytes of a snapshot: the second judges what comes as
// the first would have.
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "saved_flows.hpp"
#include "support/guarded_box.hpp"
#include "support/honest_coverage.hpp"
#include "support/honest_network.hpp"
#include "support/tracker_backend.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;
using pipeline::CtState;
using pipeline::Decision;
using pipeline::Request;
using pipeline::Restored;

pipeline::Limits everything_kept() {
    pipeline::Limits limits = TrackerBox::small_limits();
    limits.timestamps = true;
    return limits;
}

/// A box with another secret and another clock.
std::unique_ptr<TrackerBox> elsewhere(const pipeline::Settings& settings = {},
                                      const pipeline::Limits& limits = everything_kept(),
                                      const pipeline::Steering& steering = {}) {
    auto box = std::make_unique<TrackerBox>(settings, limits, steering, packet::LinkLayer::ethernet,
                                            flow::Secret{{5, 6, 7, 8}});
    box->pass_seconds(3'000'000);  // past half the circle of ticks
    return box;
}

std::unique_ptr<TrackerBox> restored(TrackerBox& box, Tick passed = 0) {
    auto out = elsewhere(box.settings());
    restore_into<MemoryTracker>({&out->tracker()}, records_of(box.tracker(), box.moment()), out->moment(),
                                {passed});
    return out;
}

PacketBuilder between(bool ipv6, bool from_client) {
    const char* const client = ipv6 ? "2001:db8::1" : "10.0.0.1";
    const char* const server = ipv6 ? "2001:db8::2" : "10.0.0.2";
    PacketBuilder out;
    out.ethernet();
    return from_client ? out.ip(client, server) : out.ip(server, client);
}

// ---- TCP, cut anywhere

struct Cuts {
    std::size_t segments = 0, restores = 0, pending = 0;
    std::set<unsigned> pairs;
};

/// Feeds honest conversations to one tracker and, from cuts at random on, to another that has its flows.
void cut_conversations(packet::Family family, Cuts& cuts) {
    pipeline::Settings settings;
    settings.tcp.loose = false;
    for (std::uint64_t seed = 1; cuts.segments < 20'000; ++seed) {
        Random random(seed), where(seed + 1'000'000);
        Coverage coverage;
        TrackerBox box(settings, everything_kept());
        std::unique_ptr<TrackerBox> twin;
        const Tick start = box.now();
        converse(draw_plan(random, false), random, coverage,
                 [&](End from, const tcp::Segment& segment, double milliseconds) {
                     const Tick passed = start + static_cast<Tick>(milliseconds) - box.now();
                     box.pass_ticks(passed);
                     if (twin != nullptr) twin->pass_ticks(passed);
                     if (where() % 8 == 0) {
                         twin = restored(box);
                         ++cuts.restores;
                     }
                     ScriptSegment script;
                     script.tcp = segment;
                     const Frame frame = TrackerBackend::frame(family, from, script);
                     const Decision one = box.feed(frame);
                     ++cuts.segments;
                     if (twin == nullptr) return true;
                     const Decision other = twin->feed(frame);
                     EXPECT_EQ(one.action, other.action);
                     EXPECT_EQ(one.state, other.state);
                     EXPECT_EQ(one.reason, other.reason);
                     EXPECT_EQ(one.direction, other.direction);
                     // And all that either knows of the flow, to the bit and the millisecond.
                     const std::string kept = records_of(box.tracker(), box.moment());
                     EXPECT_EQ(kept, records_of(twin->tracker(), twin->moment()));
                     std::string_view rest = kept;
                     pipeline::SavedFlow flow;
                     if (control::take_flow(rest, flow)) {
                         cuts.pairs.insert(flow.state.tcp.pair);
                         cuts.pending += flow.has_pending_syn ? 1 : 0;
                     }
                     return !testing::Test::HasFailure();
                 });
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
}

TEST(SavedFlows, OfTcpCutAnywhereGoOnAsIfNothingHadHappened) {
    for (const packet::Family family : {packet::Family::ipv4, packet::Family::ipv6}) {
        Cuts cuts;
        cut_conversations(family, cuts);
        EXPECT_GT(cuts.restores, 1'000U);
        EXPECT_GT(cuts.pending, 20U) << "flows with a remembered SYN";
        EXPECT_GE(cuts.pairs.size(), 15U) << "of the 19 pairs of states";
    }
}

// ---- TCP, saved some time before the tracker ended

struct OldRecords {
    std::string records;
    Tick at = 0;
    std::size_t segment = 0;
};

bool is_open(const std::string& records) {
    std::string_view rest = records;
    pipeline::SavedFlow flow;
    return control::take_flow(rest, flow) &&
           static_cast<tcp::Pair>(flow.state.tcp.pair) == tcp::Pair::established__established;
}

TEST(SavedFlows, OfTcpThatHasGoneOnSinceAreLearntAnewFromWhatIsHeard) {
    pipeline::Settings settings;
    settings.tcp.loose = false;
    std::size_t restores = 0, judged = 0, tolerated = 0;
    for (std::uint64_t seed = 1; judged < 10'000; ++seed) {
        Random random(seed), where(seed + 1'000'000);
        Coverage coverage;
        ConversationPlan plan = draw_plan(random, false);
        plan.redials = 0;
        TrackerBox box(settings, everything_kept());
        std::unique_ptr<TrackerBox> twin;
        std::optional<OldRecords> old;
        std::size_t segments = 0;
        const Tick start = box.now();
        converse(plan, random, coverage, [&](End from, const tcp::Segment& segment, double milliseconds) {
            const Tick passed = start + static_cast<Tick>(milliseconds) - box.now();
            box.pass_ticks(passed);
            if (twin != nullptr) twin->pass_ticks(passed);
            if (twin == nullptr) {
                const std::string records = records_of(box.tracker(), box.moment());
                if (!old && where() % 4 == 0 && is_open(records)) old = {records, box.now(), segments};
                // Killed a while later, and started again.
                if (old && segments > old->segment + where() % 16 && is_open(records)) {
                    twin = elsewhere(settings);
                    restore_into<MemoryTracker>({&twin->tracker()}, old->records, twin->moment(),
                                                {.passed = box.now() - old->at, .went_on = true});
                    ++restores;
                }
            }
            ++segments;
            ScriptSegment script;
            script.tcp = segment;
            const Frame frame = TrackerBackend::frame(packet::Family::ipv4, from, script);
            const Decision one = box.feed(frame);
            if (twin == nullptr) return true;
            const Decision other = twin->feed(frame);
            ++judged;
            tolerated += other.reason != Reason::none ? 1 : 0;
            if (one.action == Action::pass) {
                EXPECT_EQ(other.action, Action::pass)
                    << "segment " << segments << ": " << text_of(other.reason).name;
            }
            return !testing::Test::HasFailure();
        });
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
    EXPECT_GT(restores, 50U);
    EXPECT_LT(tolerated * 20, judged) << "of " << judged;
}

TEST(SavedFlows, OfTcpThatHasGoneOnSinceAreHeldToTheirWindowsOnceBothEndsWereHeard) {
    pipeline::Settings settings;
    settings.tcp.loose = false;
    TrackerBox box(settings, everything_kept());
    const auto segment = [](bool from_client, std::uint32_t sequence, std::uint32_t acknowledgement,
                            unsigned flags, std::size_t payload = 0) {
        auto packet = between(false, from_client);
        return (from_client ? packet.tcp(5000, 80) : packet.tcp(80, 5000))
            .sequence(sequence)
            .acknowledgement(acknowledgement)
            .flags(static_cast<std::uint8_t>(flags))
            .payload(payload)
            .build();
    };
    box.feed(segment(true, 99, 0, packet::syn));
    box.feed(segment(false, 999, 100, packet::syn | packet::ack));
    box.feed(segment(true, 100, 1000, packet::ack));
    auto twin = elsewhere(settings);
    restore_into<MemoryTracker>({&twin->tracker()}, records_of(box.tracker(), box.moment()), twin->moment(),
                                {.passed = 1000, .went_on = true});
    // A hundred megabytes later.
    EXPECT_EQ(twin->feed(segment(false, 100'000'000, 100, packet::ack, 100)).action, Action::pass);
    EXPECT_EQ(twin->feed(segment(true, 100, 100'000'100, packet::ack)).action, Action::pass);
    EXPECT_EQ(twin->feed(segment(false, 100'000'100, 100, packet::ack, 100)).action, Action::pass);
    EXPECT_EQ(twin->feed(segment(false, 500'000'000, 100, packet::ack, 100)).action, Action::drop);
    EXPECT_EQ(twin->feed(segment(true, 100, 500'000'000, packet::ack)).action, Action::drop);
}

// ---- Other protocols

class SavedDatagrams : public testing::TestWithParam<bool> {
  protected:
    [[nodiscard]] Frame udp(bool from_client) const {
        auto packet = between(GetParam(), from_client);
        return (from_client ? packet.udp(5000, 53) : packet.udp(53, 5000)).payload(20).build();
    }
    TrackerBox box{{}, everything_kept()};
};
INSTANTIATE_TEST_SUITE_P(Families, SavedDatagrams, testing::Bool(),
                         [](const auto& one) { return one.param ? "Ipv6" : "Ipv4"; });

TEST_P(SavedDatagrams, OfUdpKeepWhatIsLeftOfTheirTimeAndBecomeAStreamWhenTheyWould) {
    box.feed(udp(true));
    box.feed(udp(false));
    box.pass_seconds(1);
    constexpr Tick gap = 500;
    auto next = restored(box, gap);
    box.pass_ticks(gap);
    EXPECT_EQ(records_of(box.tracker(), box.moment()), records_of(next->tracker(), next->moment()));
    for (TrackerBox* const each : {&box, next.get()}) {
        each->pass_ticks(499);
        const Decision before = each->feed(udp(true));
        EXPECT_FALSE(each->view(before).assured) << "1.999 s after it began";
        each->pass_ticks(1);
        const Decision after = each->feed(udp(false));
        EXPECT_TRUE(each->view(after).assured);
        EXPECT_EQ(after.direction, tcp::Direction::reply);
        EXPECT_EQ(each->view(after).seconds_left, 120U);
    }
}

TEST_P(SavedDatagrams, ThatExpireInBetweenAreNotRestored) {
    box.feed(udp(true));
    auto next = elsewhere();
    const auto records = records_of(box.tracker(), box.moment());
    EXPECT_EQ(restore_into<MemoryTracker>({&next->tracker()}, records, next->moment(), {30'000}).expired, 1U);
    EXPECT_EQ(next->flows(), 0U);
    EXPECT_EQ(restore_into<MemoryTracker>({&next->tracker()}, records, next->moment(), {29'999}).restored(),
              1U);
    EXPECT_NE(records_of(next->tracker(), next->moment()), "");
    next->pass_ticks(1);
    EXPECT_EQ(records_of(next->tracker(), next->moment()), "") << "it ends when it would have";
}

TEST_P(SavedDatagrams, OfIcmpFindTheirAnswer) {
    const bool six = GetParam();
    const auto echo = [&](bool request) {
        auto packet = between(six, request);
        return (six ? packet.icmpv6(request ? 128 : 129, 0, 77) : packet.icmp(request ? 8 : 0, 0, 77))
            .build();
    };
    box.feed(echo(true));
    auto next = restored(box);
    EXPECT_EQ(next->feed(echo(false)).state, CtState::established);
    TrackerBox without;
    EXPECT_EQ(without.feed(echo(false)).action, Action::drop) << "an answer to a query that nobody sent";
}

// ---- What lies beside a record

TEST(SavedFlows, KeepMarkAccountStartAndATimeoutByHand) {
    TrackerBox box({}, everything_kept());
    const Decision opened =
        box.feed(between(false, true).tcp(40'000, 80).sequence(1).flags(packet::syn).build());
    const pipeline::FlowView before = box.view(opened);
    Request request;
    request.kind = Request::Kind::update;
    request.family = before.family;
    request.flow = before.flow;
    request.key4 = before.key4;
    request.set_mark = request.set_timeout = request.set_fixed_timeout = true;
    request.mark = 0xCAFE;
    request.timeout_seconds = 2'000'000;
    ASSERT_TRUE(box.tracker().mailbox().post(request));
    box.poll();
    auto next = restored(box);
    pipeline::FlowView after;
    ASSERT_TRUE(pipeline::view(next->tracker().table4(), 0, next->now(), 0, after));
    EXPECT_EQ(after.mark, 0xCAFEU);
    EXPECT_EQ(after.account.packets[0], 1U);
    EXPECT_EQ(after.account.bytes[0], before.account.bytes[0]);
    EXPECT_EQ(after.start_nanoseconds, before.start_nanoseconds);
    EXPECT_EQ(after.seconds_left, 2'000'000U);
    EXPECT_EQ(after.state.tcp.fixed_timeout, 1U);
}

// ---- Who gets what

Frame syn_of(unsigned port) {
    return between(port % 2 != 0, true)
        .tcp(static_cast<std::uint16_t>(port), 80)
        .sequence(1)
        .flags(packet::syn)
        .build();
}

TEST(SavedFlows, OfOneWorkerAreDealtOutToThreeEachToItsOwner) {
    TrackerBox box;
    for (unsigned port = 1; port <= 300; ++port) box.feed(syn_of(port));
    const std::string records = records_of(box.tracker(), box.moment());
    std::vector<std::unique_ptr<TrackerBox>> boxes;
    std::vector<MemoryTracker*> trackers;
    boxes.reserve(3);
    trackers.reserve(3);
    for (unsigned self = 0; self < 3; ++self) {
        pipeline::Steering steering;
        steering.workers = 3;
        steering.self = self;
        boxes.push_back(elsewhere({}, everything_kept(), steering));
        trackers.push_back(&boxes.back()->tracker());
    }
    pipeline::Steering steering;
    steering.workers = 3;
    const auto tally = restore_into(trackers, records, boxes[0]->moment(), {}, steering);
    EXPECT_EQ(tally.restored(), 300U);
    for (unsigned port = 1; port <= 300; ++port) {
        const Decision decision = boxes[0]->feed(syn_of(port));
        auto& owner = *boxes[decision.action == Action::handover ? decision.owner : 0];
        EXPECT_TRUE(decision.action == Action::handover || &owner == boxes[0].get());
        owner.feed(syn_of(port));
    }
    std::uint32_t flows = 0;
    for (const auto& each : boxes) {
        EXPECT_GT(each->flows(), 50U);
        flows += each->flows();
    }
    EXPECT_EQ(flows, 300U) << "a SYN that finds no flow would have begun another";
}

TEST(SavedFlows, GiveWayToOnesThatLive) {
    TrackerBox box;
    for (unsigned port = 1; port <= 4; ++port) box.feed(syn_of(port));
    auto next = elsewhere();
    next->feed(syn_of(2));
    next->pass_seconds(20);
    const auto before = records_of(next->tracker(), next->moment());
    const auto tally = restore_into<MemoryTracker>({&next->tracker()},
                                                   records_of(box.tracker(), box.moment()), next->moment());
    EXPECT_EQ(tally.restored(), 3U);
    EXPECT_EQ(tally.of(Restored::exists), 1U);
    EXPECT_EQ(control::describe(tally), "3 flows restored; 1 not: 1 had been opened anew");
    EXPECT_EQ(records_of(next->tracker(), next->moment()).substr(0, before.size()), before);
}

TEST(SavedFlows, ThatFindNoRoomPushNobodyOut) {
    TrackerBox box;
    for (unsigned port = 2; port <= 20; port += 2) box.feed(syn_of(port));
    pipeline::Limits small = everything_kept();
    small.ipv4_flows = 4;
    auto next = elsewhere({}, small);
    next->feed(syn_of(100));
    const auto tally = restore_into<MemoryTracker>({&next->tracker()},
                                                   records_of(box.tracker(), box.moment()), next->moment());
    EXPECT_EQ(tally.restored(), 3U);
    EXPECT_EQ(tally.of(Restored::no_room), 7U);
    EXPECT_EQ(next->tracker().counters().early_drop.read(), 0U);
}

// ---- Through the mailbox, while packets are judged

TEST(SavedFlows, LeaveAndArriveThroughTheMailboxInSlices) {
    TrackerBox box;
    for (unsigned port = 1; port <= 300; ++port) box.feed(syn_of(port));
    auto out = std::make_unique<pipeline::FlowExport>();
    out->since = box.now();
    std::string records;
    unsigned polls = 0;
    while (!out->complete) {
        ASSERT_TRUE(box.tracker().mailbox().post({.kind = Request::Kind::save, .saved = out.get()}));
        Request answer;
        while (!box.tracker().mailbox().collect(answer)) {
            box.poll();
            ASSERT_LT(++polls, 100U);
        }
        EXPECT_EQ(answer.answer, Request::Answer::done);
        for (std::size_t i = 0; i < out->count; ++i) control::append_flow(records, out->flows[i]);
        out->count = 0;
    }
    EXPECT_GT(polls, 4U) << "a poll looks at a slice of them";
    EXPECT_EQ(records.size(), records_of(box.tracker(), box.moment()).size());

    auto next = elsewhere();
    pipeline::FlowImport in;
    std::string_view rest = records;
    while (!rest.empty()) ASSERT_TRUE(control::take_flow(rest, in.flows[in.count++]));
    ASSERT_TRUE(next->tracker().mailbox().post({.kind = Request::Kind::restore, .restored = &in}));
    polls = 0;
    Request answer;
    while (!next->tracker().mailbox().collect(answer)) {
        next->poll();
        ASSERT_LT(++polls, 100U);
    }
    EXPECT_GT(polls, 4U);
    EXPECT_EQ(in.outcomes[static_cast<std::size_t>(Restored::done)], 300U);
    EXPECT_EQ(next->flows(), 300U);
}

// ---- Proxied flows

class SavedProxied : public testing::TestWithParam<bool> {
  protected:
    static constexpr std::uint32_t client_isn = 1'000'000, server_isn = 0xFFFF'FFF0;

    static PacketBuilder syn_from(const GuardedBox& box) {
        return box.from_client()
            .sequence(client_isn)
            .flags(packet::syn)
            .window(64'240)
            .option(option::mss(1460));
    }
    static PacketBuilder syn_ack_from(const GuardedBox& box) {
        return box.from_server()
            .sequence(server_isn)
            .acknowledgement(client_isn + 1)
            .flags(packet::syn | packet::ack)
            .window(65'160)
            .option(option::mss(1400));
    }
    /// The cookie that the client has.
    static std::uint32_t ask(GuardedBox& box) {
        box.defend();
        // The first SYNs pass, so that their answers show what the server knows.
        std::vector<Sent> sent;
        for (int i = 0; i < 5 && (sent.empty() || sent[0].toward != Toward::client); ++i)
            sent = box.client(syn_from(box));
        EXPECT_EQ(sent.size(), 1U);
        const std::uint32_t cookie = sent.empty() ? 0 : sent[0].tcp().sequence;
        box.client(box.from_client()
                       .sequence(client_isn + 1)
                       .acknowledgement(cookie + 1)
                       .flags(packet::ack)
                       .window(64'240));
        return cookie;
    }
};
INSTANTIATE_TEST_SUITE_P(Families, SavedProxied, testing::Bool(),
                         [](const auto& one) { return one.param ? "Ipv6" : "Ipv4"; });

TEST_P(SavedProxied, GoOnTranslated) {
    std::string records;
    std::uint32_t cookie = 0;
    {
        GuardedBox box(GetParam());
        cookie = ask(box);
        box.server(syn_ack_from(box));
        records = records_of(box.tracker(), box.now);
    }
    GuardedBox next(GetParam());
    const auto tally = restore_into<MemoryTracker>({&next.tracker()}, records, next.now);
    EXPECT_EQ(tally.restored(), 1U) << control::describe(tally);
    EXPECT_EQ(next.tracker().guard()->proxied_flows(), 1U);
    const auto to_client = next.server(next.from_server()
                                           .sequence(server_isn + 1)
                                           .acknowledgement(client_isn + 1)
                                           .flags(packet::ack | packet::psh)
                                           .window(1000)
                                           .payload(10));
    ASSERT_EQ(to_client.size(), 1U) << text_of(next.decision.reason).name;
    EXPECT_EQ(to_client[0].tcp().sequence, cookie + 1) << "in the numbers that the client knows";
    const auto to_server = next.client(next.from_client()
                                           .sequence(client_isn + 1)
                                           .acknowledgement(cookie + 11)
                                           .flags(packet::ack)
                                           .window(1000));
    ASSERT_EQ(to_server.size(), 1U) << text_of(next.decision.reason).name;
    EXPECT_EQ(to_server[0].tcp().acknowledgement, server_isn + 11);
    EXPECT_EQ(next.faults, std::vector<std::string>{});
}

TEST_P(SavedProxied, WithAHandshakeUnderWayAreLeftOutAndCounted) {
    GuardedBox box(GetParam());
    ask(box);
    std::uint64_t left_out = 0;
    EXPECT_EQ(records_of(box.tracker(), box.now, &left_out), "");
    EXPECT_EQ(left_out, 1U);
}

TEST_P(SavedProxied, AreNotTakenByATrackerWithoutAGuard) {
    GuardedBox box(GetParam());
    ask(box);
    box.server(syn_ack_from(box));
    auto next = elsewhere();
    const auto tally =
        restore_into<MemoryTracker>({&next->tracker()}, records_of(box.tracker(), box.now), next->moment());
    EXPECT_EQ(tally.of(Restored::unguarded), 1U);
    EXPECT_EQ(next->flows(), 0U);
}

}  // namespace
}  // namespace sluice::test
