// The ring of events, and which events a tracker puts into it: nf_conntrack's, whichever way a packet is
// judged.
#include "sluice/pipeline/events.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Event;
using pipeline::EventKind;
using pipeline::EventRing;
using pipeline::FlowView;

void record(EventRing& ring, EventKind kind, flow::Ref number) {
    ring.record(kind, [&](Event& event) { event.flow = number; });
}

TEST(EventRing, GivesEventsBackInTheirOrder) {
    std::vector<Event> slots(4);
    EventRing ring(slots);
    EXPECT_EQ(ring.oldest(), nullptr);
    for (flow::Ref round = 0; round < 10; ++round) {
        for (flow::Ref i = 0; i < 3; ++i) record(ring, EventKind::updated, round * 3 + i);
        for (flow::Ref i = 0; i < 3; ++i) {
            const Event* event = ring.oldest();
            ASSERT_NE(event, nullptr);
            EXPECT_EQ(event->flow, round * 3 + i);
            EXPECT_EQ(event->kind, EventKind::updated);
            ring.take();
        }
        EXPECT_EQ(ring.oldest(), nullptr);
    }
    EXPECT_EQ(ring.recorded(), 30U);
}

TEST(EventRing, LosesAndCountsWhatFindsNoRoom) {
    std::vector<Event> slots(4);
    EventRing ring(slots);
    for (flow::Ref i = 0; i < 6; ++i) record(ring, EventKind::created, i);
    record(ring, EventKind::destroyed, 6);
    EXPECT_EQ(ring.lost(only(EventKind::created)), 2U);
    EXPECT_EQ(ring.lost(pipeline::all_event_kinds), 3U);
    EXPECT_EQ(ring.oldest()->flow, 0U) << "the oldest stay";
    ring.take();
    record(ring, EventKind::created, 7);
    EXPECT_EQ(ring.lost(only(EventKind::created)), 2U) << "there was room again";
    ring.discard();
    EXPECT_EQ(ring.oldest(), nullptr);
}

TEST(EventRing, WantsWhatWasAskedFor) {
    std::vector<Event> slots(4);
    EventRing ring(slots);
    EXPECT_FALSE(ring.wants(EventKind::created));
    ring.want(only(EventKind::created) | only(EventKind::destroyed));
    EXPECT_TRUE(ring.wants(EventKind::created));
    EXPECT_FALSE(ring.wants(EventKind::updated));
    EventRing none{std::span<Event>()};
    none.want(pipeline::all_event_kinds);
    EXPECT_FALSE(none.wants(EventKind::created)) << "it has no place for any";
}

TEST(EventRing, BetweenTwoThreadsEveryEventComesOrIsCounted) {
    constexpr flow::Ref events = 200'000;
    std::vector<Event> slots(64);
    EventRing ring(slots);
    std::atomic<bool> done = false;
    std::thread worker([&] {
        for (flow::Ref i = 1; i <= events; ++i) record(ring, EventKind::created, i);
        done = true;
    });
    std::uint64_t taken = 0;
    flow::Ref last = 0;
    for (bool more = true; more;) {
        more = !done;
        while (const Event* event = ring.oldest()) {
            ASSERT_GT(event->flow, last);
            last = event->flow;
            ring.take();
            ++taken;
        }
    }
    worker.join();
    EXPECT_EQ(taken, ring.recorded());
    EXPECT_EQ(taken + ring.lost(pipeline::all_event_kinds), events);
}

// ---- What a tracker tells

class Told : public testing::TestWithParam<bool> {
  protected:
    static pipeline::Limits limits() {
        auto out = TrackerBox::small_limits();
        out.event_slots = 1024;
        out.timestamps = true;
        return out;
    }
    Told() : box({}, limits()) { box.tracker().events().want(pipeline::all_event_kinds); }

    std::string client(unsigned number) const {
        return (GetParam() ? "2001:db8::" : "10.0.0.") + std::to_string(10 + number);
    }
    const char* server() const { return GetParam() ? "2001:db8::2" : "10.0.0.2"; }
    Frame out(unsigned number, std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags) const {
        return PacketBuilder()
            .ethernet()
            .ip(client(number), server())
            .tcp(40000, 80)
            .sequence(sequence)
            .acknowledgement(acknowledgement)
            .flags(flags)
            .build();
    }
    Frame in(unsigned number, std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags) const {
        return PacketBuilder()
            .ethernet()
            .ip(server(), client(number))
            .tcp(80, 40000)
            .sequence(sequence)
            .acknowledgement(acknowledgement)
            .flags(flags)
            .build();
    }
    /// Segment `step` of a connection from SYN to the last ACK.
    Frame segment(unsigned number, unsigned step) const {
        using namespace packet;
        switch (step) {
            case 0:
                return out(number, 100, 0, syn);
            case 1:
                return in(number, 300, 101, syn | ack);
            case 2:
                return out(number, 101, 301, ack);
            case 3:
                return out(number, 101, 301, fin | ack);
            case 4:
                return in(number, 301, 102, ack);
            case 5:
                return in(number, 301, 102, fin | ack);
            default:
                return out(number, 102, 302, ack);
        }
    }
    static constexpr unsigned steps = 7;

    /// What waits in the ring, a word each: "new SYN_SENT 120", "update ESTABLISHED 432000 assured".
    std::vector<std::string> told(std::vector<FlowView>* views = nullptr) {
        constexpr const char* kinds[] = {"new", "update", "destroy"};
        constexpr const char* reasons[] = {" expired", " evicted", " deleted", " replaced"};
        std::vector<std::string> words;
        while (const Event* event = box.tracker().events().oldest()) {
            FlowView flow;
            view(*event, 0, flow);
            std::string text = kinds[static_cast<int>(event->kind)];
            if (flow.protocol == packet::tcp)
                text += " " +
                        std::string(tcp::text_of(static_cast<tcp::Pair>(flow.state.tcp.pair)).conntrack_name);
            text += " " + std::to_string(flow.seconds_left);
            if (flow.assured) text += " assured";
            if (event->kind == EventKind::destroyed) text += reasons[static_cast<int>(event->why)];
            words.push_back(text);
            if (views != nullptr) views->push_back(flow);
            box.tracker().events().take();
        }
        return words;
    }
    using Words = std::vector<std::string>;
    const Words whole_connection{"new SYN_SENT 120",
                                 "update SYN_RECV 60",
                                 "update ESTABLISHED 432000 assured",
                                 "update FIN_WAIT 120 assured",
                                 "update CLOSE_WAIT 60 assured",
                                 "update LAST_ACK 30 assured",
                                 "update TIME_WAIT 120 assured"};
    TrackerBox box;
};
INSTANTIATE_TEST_SUITE_P(Families, Told, testing::Bool(),
                         [](const auto& family) { return family.param ? "IPv6" : "IPv4"; });

TEST_P(Told, AConnectionFromItsSynToItsEnd) {
    for (unsigned step = 0; step < steps; ++step) box.feed(segment(0, step));
    std::vector<FlowView> views;
    EXPECT_EQ(told(&views), whole_connection);
    for (const FlowView& flow : views) {
        EXPECT_EQ(flow.source, address(client(0)));
        EXPECT_EQ(flow.destination_port, 80);
        EXPECT_EQ(flow.start_nanoseconds, 1'700'000'000'000'000'000U);
        EXPECT_EQ(flow.account.packets[0], 0U) << "only the last event tells what was counted";
    }
    EXPECT_FALSE(views[0].seen_reply);
    EXPECT_TRUE(views[1].seen_reply);
    views.clear();
    box.pass_seconds(121);
    box.poll();
    EXPECT_EQ(told(&views), Words{"destroy TIME_WAIT 0 assured expired"});
    EXPECT_EQ(views[0].account.packets[0], 4U);
    EXPECT_EQ(views[0].account.packets[1], 3U);
}

// In a burst the third segment, FINs and what follows are judged eight connections at a time.
TEST_P(Told, JudgedInLanesTheSameIsTold) {
    constexpr unsigned connections = 8;
    std::vector<Words> of_each(connections);
    for (unsigned step = 0; step < steps; ++step) {
        std::vector<Frame> frames;
        for (unsigned i = 0; i < connections; ++i) frames.push_back(segment(i, step));
        box.burst(frames);
        std::vector<FlowView> views;
        const Words words = told(&views);
        ASSERT_EQ(words.size(), connections) << "at segment " << step;
        for (std::size_t i = 0; i < words.size(); ++i)
            of_each[views[i].source[GetParam() ? 15 : 3] % connections].push_back(words[i]);
    }
    for (const Words& words : of_each) EXPECT_EQ(words, whole_connection);
}

TEST_P(Told, DataAndRepeatedSegmentsAreNoEvents) {
    for (unsigned step = 0; step < 3; ++step) box.feed(segment(0, step));
    (void)told();
    box.feed(segment(0, 2));
    box.feed(out(0, 101, 301, packet::ack | packet::psh));
    box.feed(segment(0, 0));
    EXPECT_EQ(told(), Words{});
}

TEST_P(Told, NothingWhenNobodyWantsIt) {
    box.tracker().events().want(only(EventKind::destroyed));
    for (unsigned step = 0; step < steps; ++step) box.feed(segment(0, step));
    EXPECT_EQ(told(), Words{});
    box.pass_seconds(121);
    box.poll();
    EXPECT_EQ(told().size(), 1U);
}

TEST_P(Told, ASynThatEndsAnOldConnectionReplacesIt) {
    for (unsigned step = 0; step < steps; ++step) box.feed(segment(0, step));
    (void)told();
    box.feed(out(0, 90'000'000, 0, packet::syn));
    EXPECT_EQ(told(), (Words{"destroy TIME_WAIT 120 assured replaced", "new SYN_SENT 120"}));
}

TEST_P(Told, DatagramsAreAnsweredAndBecomeAStream) {
    const auto ask = [&] {
        box.feed(PacketBuilder().ethernet().ip(client(0), server()).udp(5000, 53).build());
    };
    const auto answer = [&] {
        box.feed(PacketBuilder().ethernet().ip(server(), client(0)).udp(53, 5000).build());
    };
    ask();
    answer();
    ask();
    box.pass_seconds(3);
    ask();
    answer();
    EXPECT_EQ(told(), (Words{"new 30", "update 30", "update 120 assured"}));
}

TEST_P(Told, WhatAnOperatorDoes) {
    const auto decision = box.feed(segment(0, 0));
    const FlowView flow = box.view(decision);
    (void)told();
    const auto ask = [&](pipeline::Request request) {
        request.family = flow.family;
        request.flow = flow.flow;
        request.key4 = flow.key4;
        request.key6 = flow.key6;
        ASSERT_TRUE(box.tracker().mailbox().post(request));
        box.poll();
        ASSERT_TRUE(box.tracker().mailbox().collect(request));
        ASSERT_EQ(request.answer, pipeline::Request::Answer::done);
    };
    pipeline::Request update;
    update.kind = pipeline::Request::Kind::update;
    update.set_mark = true;
    update.mark = 7;
    ask(update);
    pipeline::Request account;
    account.kind = pipeline::Request::Kind::update;
    account.reset_account = true;
    ask(account);
    pipeline::Request removal;
    removal.kind = pipeline::Request::Kind::remove;
    ask(removal);
    std::vector<FlowView> views;
    EXPECT_EQ(told(&views), (Words{"update SYN_SENT 120", "destroy SYN_SENT 120 deleted"}));
    EXPECT_EQ(views[0].mark, 7U);
    EXPECT_EQ(views[1].mark, 7U);
}

}  // namespace
}  // namespace sluice::test
