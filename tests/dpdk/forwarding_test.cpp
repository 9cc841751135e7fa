// What comes in on one port of a pair leaves by the other, or is counted.
#include <gtest/gtest.h>

#include "rig.hpp"

namespace sluice::dpdk::test {
namespace {

using Texts = std::vector<std::string>;

TEST(Forwarding, GoesBothWaysInOrder) {
    Rig rig;
    for (const char* text : {"P1", "P2", "P3"}) rig.arrive(0, text);
    rig.arrive(1, "P-back");
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{"P1", "P2", "P3"}));
    EXPECT_EQ(rig.left(0), (Texts{"P-back"}));
}

TEST(Forwarding, DroppedPacketsAreFreedAndTheRestPass) {
    Rig rig;
    for (const char* text : {"P1", "D", "P2", "D"}) rig.arrive(0, text);
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{"P1", "P2"}));
    EXPECT_EQ(rig.received(), 4U);
    EXPECT_EQ(rig.sent(), 2U);
    EXPECT_EQ(rig.free_buffers(), rig.buffers_at_start);
}

TEST(Forwarding, CountsFramesAndBytesOfEachPort) {
    Rig rig;
    rig.arrive(0, "P1234");
    rig.arrive(1, "P");
    rig.turn(1);
    const auto& ports = rig.fabric->counters(0).ports;
    EXPECT_EQ(ports[0].rx_packets.read(), 1U);
    EXPECT_EQ(ports[0].rx_bytes.read(), 5U);
    EXPECT_EQ(ports[1].tx_packets.read(), 1U);
    EXPECT_EQ(ports[1].tx_bytes.read(), 5U);
    EXPECT_EQ(ports[0].tx_bytes.read(), 1U);
}

TEST(Forwarding, EveryReceiveQueueIsPolled) {
    Rig rig({.workers = 2, .tx_queues = 4, .rx_queues = 3});
    for (unsigned queue = 0; queue < 3; ++queue) rig.arrive(0, "P" + std::to_string(queue), queue);
    for (unsigned queue = 0; queue < 3; ++queue) rig.arrive(1, "P" + std::to_string(queue), queue);
    rig.turn(1);
    EXPECT_EQ(rig.left(0).size(), 3U);
    EXPECT_EQ(rig.left(1).size(), 3U);
}

TEST(Forwarding, HeldFragmentsLeaveTogetherInOrder) {
    Rig rig;
    for (const char* text : {"F1", "P", "F2"}) rig.arrive(0, text);
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{"P"}));
    rig.arrive(0, "F3");
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{"F1", "F2", "F3"}));
}

TEST(Forwarding, ALongBurstLeavesWhole) {
    Rig rig;
    for (unsigned i = 0; i < 500; ++i) rig.arrive(0, "P" + std::to_string(i));
    rig.turn(20);
    const auto left = rig.left(1);
    ASSERT_EQ(left.size(), 500U);
    for (unsigned i = 0; i < 500; ++i) EXPECT_EQ(left[i], "P" + std::to_string(i));
}

TEST(Forwarding, StoppingGivesUpFragmentsThatStillWait) {
    Rig rig;
    rig.arrive(0, "F1");
    rig.arrive(0, "F2");
    rig.turn(1);
    EXPECT_EQ(rig.free_buffers(), rig.buffers_at_start - 2);
    rig.workers[0]->give_up_fragments();
    EXPECT_EQ(rig.free_buffers(), rig.buffers_at_start);
}

TEST(Forwarding, DrainingTakesNothingNewFromTheWire) {
    Rig rig;
    rig.arrive(0, "P1");
    EXPECT_EQ(rig.workers[0]->poll_without_receiving(rig.now, rig.cycles).packets, 0U);
    EXPECT_TRUE(rig.left(1).empty());
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{"P1"}));
}

}  // namespace
}  // namespace sluice::dpdk::test
