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
