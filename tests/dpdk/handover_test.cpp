// A packet whose flow another worker owns goes there over a ring, and leaves from there.
#include <gtest/gtest.h>

#include "rig.hpp"

namespace sluice::dpdk::test {
namespace {

using Texts = std::vector<std::string>;

TEST(Handover, ThePacketIsJudgedByItsOwnerAndLeaves) {
    Rig rig({.workers = 2, .tx_queues = 4});
    rig.arrive(0, "H1");  // queue 0 of port 0 is polled by worker 0
    rig.turn(2);
    EXPECT_EQ(rig.left(1), (Texts{"H1"}));
    EXPECT_EQ(rig.fabric->counters(0).handed_over.read(), 1U);
    EXPECT_EQ(rig.fabric->counters(1).taken_over.read(), 1U);
    EXPECT_EQ(rig.fabric->counters(1).ports[1].tx_packets.read(), 1U);
}

TEST(Handover, ACompletedDatagramArrivesWithAllItsFragments) {
    Rig rig({.workers = 2, .tx_queues = 4});
    for (const char* text : {"X1a", "X1b", "X1c"}) rig.arrive(0, text);
    rig.turn(2);
    EXPECT_EQ(rig.trackers[1].datagrams_taken, 1U);
    EXPECT_EQ(rig.left(1), (Texts{"X1a", "X1b", "X1c"}));
    EXPECT_EQ(rig.fabric->counters(0).handed_over.read(), 3U);
    EXPECT_EQ(rig.fabric->counters(1).taken_over.read(), 3U);
}

TEST(Handover, PacketsAndDatagramsKeepTheirOrder) {
    Rig rig({.workers = 2, .tx_queues = 4});
    for (const char* text : {"H1-first", "X1a", "X1b", "X1c", "H1-last"}) rig.arrive(0, text);
    rig.turn(2);
    EXPECT_EQ(rig.left(1), (Texts{"H1-first", "X1a", "X1b", "X1c", "H1-last"}));
}

TEST(Handover, AFullRingDropsAndCountsEveryFragment) {
    Rig rig({.workers = 2, .tx_queues = 4});
    // Only worker 0 turns: its ring to worker 1 fills up.
    const unsigned fits = ring_slots - 1;
    for (unsigned sent = 0; sent < fits; ++sent) {
        rig.arrive(0, "H1");
        rig.workers[0]->poll(rig.now, rig.cycles);
    }
    EXPECT_EQ(rig.dropped(Reason::handover_full), 0U);
    for (const char* text : {"H1", "X1a", "X1b", "X1c"}) rig.arrive(0, text);
    rig.workers[0]->poll(rig.now, rig.cycles);
    EXPECT_EQ(rig.dropped(Reason::handover_full), 4U);
    EXPECT_EQ(rig.fabric->counters(0).handed_over.read(), fits);
}

TEST(Handover, PacketsLeftInARingAtTheEndAreFreed) {
    Rig rig({.workers = 2, .tx_queues = 4});
    for (const char* text : {"H1", "X1a", "X1b", "X1c"}) rig.arrive(0, text);
    rig.workers[0]->poll(rig.now, rig.cycles);
    EXPECT_EQ(rig.free_buffers(), rig.buffers_at_start - 4);
    // The rig's end checks that nothing is lost.
}

}  // namespace
}  // namespace sluice::dpdk::test
