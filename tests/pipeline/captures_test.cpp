// Which packets a tracker shows to those who capture, and what it says of them.
#include "sluice/pipeline/captures.hpp"

#include <gtest/gtest.h>

#include "policy/rules.hpp"
#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;
using pipeline::CapturedPacket;
using pipeline::CtState;

class Captures : public testing::Test {
  protected:
    static pipeline::Limits limits(std::uint32_t slots = 64) {
        auto out = TrackerBox::small_limits();
        out.capture_slots = slots;
        out.rules = true;
        return out;
    }
    static Frame segment(std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags,
                         std::size_t payload = 0, const char* from = "10.0.0.1", const char* to = "10.0.0.2",
                         std::uint16_t port = 40000, std::uint16_t to_port = 80) {
        return PacketBuilder()
            .ethernet()
            .ip(from, to)
            .tcp(port, to_port)
            .sequence(sequence)
            .acknowledgement(acknowledgement)
            .flags(flags)
            .payload(payload)
            .build();
    }
    static Frame answer() {
        return segment(300, 101, packet::syn | packet::ack, 0, "10.0.0.2", "10.0.0.1", 80, 40000);
    }
    static Frame forged() { return segment(1, 0, packet::syn | packet::fin); }
    /// Takes what waits.
    static std::vector<CapturedPacket> taken(TrackerBox& box) {
        std::vector<CapturedPacket> out;
        while (const CapturedPacket* packet = box.tracker().captures().oldest()) {
            out.push_back(*packet);
            box.tracker().captures().take();
        }
        return out;
    }
};

TEST_F(Captures, AreNoneWhileNobodyWantsThem) {
    TrackerBox box({}, limits());
    box.feed(forged());
    EXPECT_EQ(box.tracker().captures().recorded(), 0U);
    box.tracker().captures().want(pipeline::whatever_is_dropped);
    box.feed(forged());
    EXPECT_EQ(box.tracker().captures().recorded(), 1U);
    box.tracker().captures().want(0);
    box.feed(forged());
    EXPECT_EQ(box.tracker().captures().recorded(), 1U);
}

TEST_F(Captures, OfDroppedPacketsHaveTheirBytesAndReason) {
    TrackerBox box({}, limits());
    box.tracker().captures().want(pipeline::whatever_is_dropped);
    const Frame frame = forged();
    box.burst({segment(100, 0, packet::syn), frame});
    const auto all = taken(box);
    ASSERT_EQ(all.size(), 1U) << "the SYN passes";
    EXPECT_EQ(all[0].kind, Reason::bad_flags);
    EXPECT_EQ(all[0].action, Action::drop);
    EXPECT_EQ(all[0].state, CtState::invalid);
    EXPECT_EQ(all[0].length, frame.size());
    EXPECT_EQ(all[0].wall_nanoseconds, 1'700'000'000'000'000'000U);
    EXPECT_EQ(Frame(all[0].bytes.begin(), all[0].bytes.begin() + all[0].captured), frame);
}

TEST_F(Captures, OfEveryPacketHaveTheFlowAsItStands) {
    TrackerBox box({}, limits());
    box.tracker().captures().want(pipeline::every_packet);
    const auto first = box.feed(segment(100, 0, packet::syn));
    box.feed(answer());
    // Eight at once, as the short way takes them.
    std::vector<Frame> burst;
    for (unsigned i = 0; i < 9; ++i) burst.push_back(segment(101, 301, packet::ack));
    box.burst(burst);
    const auto all = taken(box);
    ASSERT_EQ(all.size(), 11U);
    for (const CapturedPacket& packet : all) {
        ASSERT_TRUE(packet.has_flow);
        EXPECT_EQ(packet.flow.flow, first.flow);
        EXPECT_FALSE(packet.is_ruled) << "there are no rules";
    }
    EXPECT_EQ(all[0].state, CtState::new_flow);
    EXPECT_EQ(all[1].state, CtState::established);
    EXPECT_EQ(all[1].direction, tcp::Direction::reply);
    pipeline::FlowView flow;
    view(all[10].flow, 3, flow);
    EXPECT_EQ(static_cast<tcp::Pair>(flow.state.tcp.pair), tcp::Pair::established__established);
    EXPECT_EQ(flow.source_port, 40000);
    EXPECT_EQ(flow.worker, 3U);
}

TEST_F(Captures, OfAToleratedPacketNeedThatPassingOnesAreWanted) {
    TrackerBox box({}, limits());
    box.feed(segment(100, 0, packet::syn));
    box.feed(answer());
    box.feed(segment(101, 301, packet::ack));
    const auto repeat = [&] { box.feed(segment(150, 0, packet::syn)); };  // in an open connection
    box.tracker().captures().want(pipeline::every_reason);
    repeat();
    EXPECT_TRUE(taken(box).empty());
    box.tracker().captures().want(pipeline::every_reason | pipeline::passing_too);
    repeat();
    const auto all = taken(box);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].action, Action::pass);
    EXPECT_EQ(text_of(all[0].kind).outcome, Outcome::tolerated) << text_of(all[0].kind).name;
}

TEST_F(Captures, KeepTheFirstBytesOfLongPacketsAcrossSegments) {
    TrackerBox box({}, limits());
    box.tracker().captures().want(pipeline::every_packet);
    const Frame frame = segment(100, 0, packet::syn, 1000);
    box.feed(frame, 60);
    const auto all = taken(box);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].length, frame.size());
    ASSERT_EQ(all[0].captured, pipeline::most_captured_bytes);
    EXPECT_TRUE(std::equal(all[0].bytes.begin(), all[0].bytes.end(), frame.begin()));
}

TEST_F(Captures, ThatFindNoRoomAreCountedAndTheTrafficGoesOn) {
    TrackerBox box({}, limits(4));
    box.tracker().captures().want(pipeline::whatever_is_dropped);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(box.feed(forged()).reason, Reason::bad_flags);
    EXPECT_EQ(box.tracker().captures().lost(pipeline::only(Reason::bad_flags)), 6U);
    EXPECT_EQ(taken(box).size(), 4U);
}

// ---- The last packets dropped

std::vector<CapturedPacket> examples(TrackerBox& box, Reason reason) {
    std::vector<CapturedPacket> out;
    CapturedPacket one;
    for (std::size_t place = 0; place < pipeline::DropExamples::kept; ++place)
        if (box.tracker().captures().examples->read(reason, place, one)) out.push_back(one);
    return out;
}

TEST_F(Captures, OfDroppedPacketsTheLastAreKeptThoughNobodyAsked) {
    TrackerBox box({}, limits());
    EXPECT_TRUE(examples(box, Reason::bad_flags).empty());
    box.feed(forged());
    box.feed(segment(100, 0, packet::syn));  // passes
    const auto kept = examples(box, Reason::bad_flags);
    ASSERT_EQ(kept.size(), 1U);
    EXPECT_EQ(kept[0].kind, Reason::bad_flags);
    EXPECT_EQ(Frame(kept[0].bytes.begin(), kept[0].bytes.begin() + kept[0].captured), forged());
    EXPECT_EQ(kept[0].wall_nanoseconds, 1'700'000'000'000'000'000U);
    EXPECT_TRUE(examples(box, Reason::none).empty());
    EXPECT_EQ(box.tracker().captures().recorded(), 0U) << "nobody captures";
}

TEST_F(Captures, OfAFloodAFewAMillisecondAreKept) {
    TrackerBox box({}, limits());
    const auto forged_from = [](std::uint16_t port) {
        return segment(1, 0, packet::syn | packet::fin, 0, "10.0.0.1", "10.0.0.2", port);
    };
    const auto ports = [&] {
        std::vector<unsigned> out;
        for (const CapturedPacket& one : examples(box, Reason::bad_flags))
            out.push_back(one.bytes[34] * 256U + one.bytes[35]);
        std::sort(out.begin(), out.end());
        return out;
    };
    for (std::uint16_t port = 1; port <= 10; ++port) box.feed(forged_from(port));
    EXPECT_EQ(ports(), (std::vector<unsigned>{1, 2, 3, 4})) << "the clock stands";
    box.pass_ticks(1);
    for (std::uint16_t port = 11; port <= 12; ++port) box.feed(forged_from(port));
    EXPECT_EQ(ports(), (std::vector<unsigned>{3, 4, 11, 12})) << "the oldest went";
}

TEST_F(Captures, WithoutRoomForThemNoExamplesAreKept) {
    TrackerBox box({}, limits(0));
    box.feed(forged());
    EXPECT_EQ(box.tracker().captures().examples, nullptr);
}

// ---- Steps of traced flows

/// Has the packets of the flow of `segment()` shown.
void trace(TrackerBox& box, std::uint16_t port = 40000) {
    const std::uint8_t from[] = {10, 0, 0, 1}, to[] = {10, 0, 0, 2};
    const auto domain = flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 0);
    const auto key = flow::make_key<4>(from, to, port, 80, packet::tcp, domain);
    const std::uint64_t hash = box.tracker().table4().hash_of(key.key);
    box.tracker().captures().traced.set({&hash, 1});
    box.tracker().captures().want(pipeline::traced_too);
}

tcp::Pair pair_behind(const CapturedPacket& step) {
    pipeline::FlowView flow;
    view(step.flow, 0, flow);
    return static_cast<tcp::Pair>(flow.state.tcp.pair);
}

TEST_F(Captures, OfATracedFlowTellHowItStoodBeforeAndBehindEachPacketOfABurst) {
    TrackerBox box({}, limits());
    trace(box);
    const auto other = [](std::uint32_t sequence, unsigned flags) {
        return segment(sequence, 0, flags, 0, "10.0.0.1", "10.0.0.2", 40001);
    };
    box.burst({other(1, packet::syn), segment(100, 0, packet::syn), answer(), other(5, packet::syn),
               segment(101, 301, packet::ack), segment(101, 301, packet::ack | packet::psh, 10),
               segment(99'999'999, 0, packet::rst)});
    const auto all = taken(box);
    ASSERT_EQ(all.size(), 5U) << "and none of the other flow";
    using tcp::Pair;
    constexpr Pair before[] = {Pair{}, Pair::syn_sent__syn_rcvd, Pair::established__syn_rcvd,
                               Pair::established__established, Pair::established__established};
    constexpr Pair behind[] = {Pair::syn_sent__syn_rcvd, Pair::established__syn_rcvd,
                               Pair::established__established, Pair::established__established,
                               Pair::established__established};
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_TRUE(all[i].is_step && all[i].has_flow) << i;
        EXPECT_EQ(all[i].had_flow, i != 0) << i;
        if (i != 0) {
            EXPECT_EQ(static_cast<Pair>(all[i].before.tcp.pair), before[i]) << i;
        }
        EXPECT_EQ(pair_behind(all[i]), behind[i]) << i;
    }
    EXPECT_EQ(all[4].kind, Reason::rst_out_of_window);
    EXPECT_EQ(all[4].action, Action::drop);
}

TEST_F(Captures, OfATracedFlowChangeNothingOfWhatIsDecided) {
    std::vector<Frame> frames{segment(100, 0, packet::syn), answer()};
    for (std::uint32_t i = 0; i < 20; ++i)
        for (const unsigned port : {40000U, 40001U, 40002U})
            frames.push_back(segment(101 + 10 * i, i % 7 == 6 ? 9'999'999 : 301, packet::ack, 10, "10.0.0.1",
                                     "10.0.0.2", static_cast<std::uint16_t>(port)));
    TrackerBox plain({}, limits()), traced({}, limits());
    trace(traced);
    const auto expected = plain.burst(frames), got = traced.burst(frames);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].decision.action, expected[i].decision.action) << i;
        EXPECT_EQ(got[i].decision.reason, expected[i].decision.reason) << i;
        EXPECT_EQ(got[i].decision.state, expected[i].decision.state) << i;
        EXPECT_EQ(got[i].decision.flow, expected[i].decision.flow) << i;
    }
    EXPECT_EQ(taken(traced).size(), 22U);
}

TEST_F(Captures, OfATracedFlowShowPacketsThatBeginNone) {
    TrackerBox box({}, limits());
    trace(box);
    box.feed(segment(1, 1, packet::rst | packet::ack));
    const auto all = taken(box);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].kind, Reason::no_connection);
    EXPECT_FALSE(all[0].has_flow || all[0].had_flow);
}

TEST_F(Captures, NameTheRuleThatDecided) {
    policy::Rule web, rejected;
    web.action = policy::Action::allow;
    web.to_ports = {{80, 80}};
    web.protocols = {packet::tcp};
    rejected.action = policy::Action::reject;
    rejected.to_ports = {{81, 81}};
    rejected.protocols = {packet::tcp};
    auto built = policy::RuleSet::build({web, rejected});
    ASSERT_TRUE(built.ok()) << built.error();
    const auto set = std::make_shared<const policy::RuleSet>(std::move(*built));
    pipeline::Settings settings;
    settings.policy =
        std::make_shared<const pipeline::Policy>(set, std::make_unique<policy::LinearMatcher>(*set), 1);
    TrackerBox box(settings, limits());
    box.tracker().captures().want(pipeline::every_packet);
    box.burst({segment(100, 0, packet::syn),
               segment(100, 0, packet::syn, 0, "10.0.0.1", "10.0.0.2", 40000, 81),
               segment(100, 0, packet::syn, 0, "10.0.0.1", "10.0.0.2", 40000, 82), forged()});
    const auto all = taken(box);
    ASSERT_EQ(all.size(), 4U);
    constexpr policy::RuleNumber by[] = {1, 2, policy::no_rule};
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(all[i].is_ruled);
        EXPECT_EQ(all[i].rule, by[i]);
        EXPECT_EQ(all[i].kind, i == 0 ? Reason::none : Reason::policy_denied);
    }
    EXPECT_EQ(all[3].kind, Reason::bad_flags);
    EXPECT_TRUE(all[3].has_flow && all[3].rule == 1) << "its flow began under the first rule";
}

}  // namespace
}  // namespace sluice::test
