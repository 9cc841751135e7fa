// Few transmit queues: owners drain the others' rings, forwarding before control, and what finds no room is
// counted.
#include <gtest/gtest.h>

#include <algorithm>

#include "rig.hpp"

namespace sluice::dpdk::test {
namespace {

using Texts = std::vector<std::string>;

TEST(Transmit, AFullQueueDropsAndCounts) {
    Rig rig({.wire_slots = 16});  // 15 fit
    for (unsigned i = 0; i < 15; ++i) rig.arrive(0, "P");
    rig.turn(1);
    for (unsigned i = 0; i < 10; ++i) rig.arrive(0, "P");
    rig.turn(1);
    EXPECT_EQ(rig.dropped(Reason::tx_full), 10U);
    EXPECT_EQ(rig.received(), rig.sent() + rig.dropped(Reason::tx_full));
    EXPECT_EQ(rig.left(1).size(), 15U);
    EXPECT_EQ(rig.fabric->counters(0).ports[1].tx_bytes.read(), 15U);
}

TEST(Transmit, WithoutALinkPacketsAreDroppedAndCounted) {
    Rig rig;
    rig.fabric->port(1).link_up = false;
    rig.arrive(0, "P");
    rig.arrive(1, "P-back");
    rig.turn(1);
    EXPECT_EQ(rig.dropped(Reason::link_down), 1U);
    EXPECT_TRUE(rig.left(1).empty());
    EXPECT_EQ(rig.left(0), (Texts{"P-back"}));
}

TEST(Transmit, WhatIsLongerThanThePortAllowsIsDroppedBeforeTheDeviceAndCounted) {
    Rig rig;
    EXPECT_EQ(rig.fabric->port(1).longest_frame, any_length)
        << "a ring takes any frame, whatever MTU it states";
    rig.fabric->port(1).longest_frame = 20;
    const std::string fits = "P" + std::string(19, 'f');
    rig.arrive(0, fits + "+");
    rig.arrive(0, fits);
    rig.arrive(0, fits + std::string(1000, '+'));
    rig.arrive(0, "P");
    rig.arrive(1, fits + "-back");
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{fits, "P"}));
    EXPECT_EQ(rig.left(0), (Texts{fits + "-back"})) << "the other port has a limit of its own";
    EXPECT_EQ(rig.dropped(Reason::too_long), 2U);
    EXPECT_EQ(rig.received(), rig.sent() + rig.dropped(Reason::too_long));
    EXPECT_EQ(rig.fabric->counters(0).ports[1].tx_bytes.read(), fits.size() + 1);
}

TEST(Transmit, VlanTagsComeOnTopOfWhatThePortAllows) {
    Rig rig;
    const std::string macs = "P" + std::string(11, 'm');
    const std::string outer("\x88\xa8\x00\x01", 4);
    const std::string inner("\x81\x00\x00\x02", 4);
    const std::string rest = "\x08" + std::string(1, '\0') + "payload";
    rig.fabric->port(1).longest_frame = static_cast<std::uint32_t>(macs.size() + rest.size());
    const Texts fit{macs + rest, macs + inner + rest, macs + outer + inner + rest};
    for (const std::string& frame : fit) {
        rig.arrive(0, frame);
        rig.arrive(0, frame + "+");
    }
    rig.arrive(0, macs + outer + inner + inner + rest);  // a third tag is none
    rig.arrive(0, "P" + outer + std::string(30, '+'));   // where an address stands, there is no tag
    rig.turn(1);
    EXPECT_EQ(rig.left(1), fit);
    EXPECT_EQ(rig.dropped(Reason::too_long), 5U);
}

TEST(Transmit, OneQueueIsFedByAllWorkersThroughItsOwner) {
    Rig rig({.workers = 2, .tx_queues = 1, .rx_queues = 2});
    // Port 0's queues are polled by workers 0 and 1; port 1's only transmit queue has one owner.
    rig.arrive(0, "P-a", 0);
    rig.arrive(0, "P-b", 1);
    rig.turn(2);
    auto left = rig.left(1);
    std::sort(left.begin(), left.end());
    EXPECT_EQ(left, (Texts{"P-a", "P-b"}));
    const auto by0 = rig.fabric->counters(0).ports[1].tx_packets.read();
    const auto by1 = rig.fabric->counters(1).ports[1].tx_packets.read();
    EXPECT_EQ(std::max(by0, by1), 2U) << "one worker alone touches the queue";
    EXPECT_EQ(std::min(by0, by1), 0U);
}

TEST(Transmit, AFullRingToTheOwnerDropsAndCounts) {
    Rig rig({.workers = 2, .tx_queues = 1, .rx_queues = 2});
    const unsigned other =
        rig.fabric->links(0).lanes[1].own != nullptr ? 1 : 0;  // the one that does not own it
    const unsigned queue = other;                              // port 0, queue w: worker w
    for (unsigned i = 0; i < ring_slots - 1 + 5; ++i) {
        rig.arrive(0, "P", queue);
        rig.workers[other]->poll(rig.now, rig.cycles);
    }
    EXPECT_EQ(rig.dropped(Reason::tx_full), 5U);
}

TEST(Transmit, ForwardedPacketsGoBeforeControlPackets) {
    Rig rig({.workers = 2, .tx_queues = 1, .rx_queues = 2});
    const unsigned owner = rig.fabric->links(0).lanes[1].own != nullptr ? 0 : 1;
    const unsigned other = 1 - owner;
    EXPECT_TRUE(rig.workers[other]->send_control(1, rig.frame("control")));
    rig.arrive(0, "P-forwarded", other);
    rig.workers[other]->poll(rig.now, rig.cycles);
    rig.workers[owner]->poll(rig.now, rig.cycles);
    EXPECT_EQ(rig.left(1), (Texts{"P-forwarded", "control"}));
    EXPECT_EQ(rig.fabric->counters(owner).ports[1].control_packets.read(), 1U);
}

TEST(Transmit, ControlPacketsWaitWhileForwardedOnesStillQueue) {
    Rig rig({.workers = 2, .tx_queues = 1, .rx_queues = 2});
    const unsigned owner = rig.fabric->links(0).lanes[1].own != nullptr ? 0 : 1;
    const unsigned other = 1 - owner;
    EXPECT_TRUE(rig.workers[other]->send_control(1, rig.frame("control")));
    for (unsigned i = 0; i < 100; ++i) rig.arrive(0, "P", other);
    for (unsigned i = 0; i < 4; ++i) rig.workers[other]->poll(rig.now, rig.cycles);  // 100 wait in the ring
    rig.workers[owner]->poll(rig.now, rig.cycles);                                   // takes 64 of them
    auto left = rig.left(1);
    EXPECT_EQ(left.size(), 64U);
    EXPECT_EQ(std::count(left.begin(), left.end(), "control"), 0);
    rig.workers[owner]->poll(rig.now, rig.cycles);
    left = rig.left(1);
    ASSERT_EQ(left.size(), 37U);
    EXPECT_EQ(left.back(), "control");
}

TEST(Transmit, ControlPacketsWaitWhereForwardedOnesWereLost) {
    for (const unsigned tx_queues : {1U, 2U}) {  // one for both, or one for each
        Rig rig({.tx_queues = tx_queues, .wire_slots = 16});
        for (unsigned i = 0; i < 15; ++i) rig.arrive(0, "P");
        rig.turn(1);
        rig.workers[0]->send_control(1, rig.frame("control"));
        rig.arrive(0, "P");
        rig.turn(1);
        EXPECT_EQ(rig.dropped(Reason::tx_full), 1U);
        EXPECT_EQ(rig.left(1), Texts(15, "P"));
        EXPECT_EQ(rig.fabric->counters(0).ports[1].control_dropped.read(), 0U);
        rig.turn(1);
        EXPECT_EQ(rig.left(1), (Texts{"control"}));
    }
}

TEST(Transmit, ControlPacketsWaitWhereForwardedOnesOfOthersWereLost) {
    Rig rig({.workers = 2, .tx_queues = 1, .rx_queues = 2, .wire_slots = 16});
    const unsigned owner = rig.fabric->links(0).lanes[1].own != nullptr ? 0 : 1;
    const unsigned other = 1 - owner;
    EXPECT_TRUE(rig.workers[other]->send_control(1, rig.frame("control")));
    for (unsigned i = 0; i < 15; ++i) rig.arrive(0, "P", other);
    rig.workers[other]->poll(rig.now, rig.cycles);
    rig.arrive(0, "P", other);
    rig.workers[other]->poll(rig.now, rig.cycles);
    rig.workers[owner]->poll(rig.now, rig.cycles);
    EXPECT_EQ(rig.dropped(Reason::tx_full), 1U);
    EXPECT_EQ(rig.left(1), Texts(15, "P"));
    rig.workers[owner]->poll(rig.now, rig.cycles);
    EXPECT_EQ(rig.left(1), (Texts{"control"}));
}

TEST(Transmit, ControlPacketsArePaced) {
    Rig rig({.control_packets_per_second = 1000});
    for (unsigned i = 0; i < 100; ++i) rig.workers[0]->send_control(1, rig.frame("c"));
    rig.turn(5);
    EXPECT_EQ(rig.left(1).size(), 32U) << "what may be saved up";
    rig.turn(5);
    EXPECT_TRUE(rig.left(1).empty());
    rig.cycles += 10'000'000;  // 10 ms at 1 GHz: ten more
    rig.turn(5);
    EXPECT_EQ(rig.left(1).size(), 10U);
}

/// Answers that leave by port 1 in `milliseconds`, while there are always enough, in polls `interval` apart.
std::uint64_t sent_in(const RigOptions& options, unsigned milliseconds, std::uint64_t interval_ns) {
    Rig rig(options);
    rig.cycles += 1'000'000'000;
    for (std::uint64_t passed = 0; passed < milliseconds * std::uint64_t{1'000'000}; passed += interval_ns) {
        for (auto& worker : rig.workers) {
            for (unsigned i = 0; i < 64; ++i) worker->send_control(1, rig.frame("c"));
        }
        rig.turn(1);
        rig.left(1);
        rig.cycles += interval_ns;
    }
    std::uint64_t sent = 0;
    for (unsigned i = 0; i < options.workers; ++i)
        sent += rig.fabric->counters(i).ports[1].control_packets.read();
    return sent;
}

TEST(Transmit, ThePaceIsThatOfThePortHoweverManyQueuesItHas) {
    constexpr std::uint32_t rate = 100'000;
    for (const unsigned tx_queues : {1U, 2U, 3U, 6U}) {
        const std::uint64_t sent =
            sent_in({.workers = 3, .tx_queues = tx_queues, .control_packets_per_second = rate}, 10, 20'000);
        EXPECT_GE(sent, rate / 100) << tx_queues << " queues";
        EXPECT_LE(sent, rate / 100 + 3 * 33) << tx_queues << " queues, with what was saved up";
    }
    EXPECT_GT(sent_in({.workers = 3, .tx_queues = 3, .control_packets_per_second = 1}, 5000, 1'000'000'000),
              3 * 32U)
        << "no queue's share is nothing";
}

TEST(Transmit, ALineOfTenGigabitsOfAnswersIsPossible) {
    // 18 million a second: less than the pace, and 64 a poll, more than a bucket of one burst would grant.
    const std::uint64_t sent = sent_in({.control_packets_per_second = 20'000'000}, 1, 3'500);
    EXPECT_GE(sent, 14'880U);
}

TEST(Transmit, WorkersThatShareAQueueShareItsPace) {
    Rig rig({.workers = 3, .tx_queues = 1, .control_packets_per_second = 1000});
    Texts left;
    for (unsigned round = 0; round < 300; ++round) {
        for (unsigned i = 0; i < 3; ++i)
            EXPECT_TRUE(rig.workers[i]->send_control(1, rig.frame(std::to_string(i))));
        rig.turn(1);
        rig.cycles += 1'000'000;  // a token a round, three answers
        for (const std::string& text : rig.left(1)) left.push_back(text);
    }
    EXPECT_GE(left.size(), 300U);
    for (const char* worker : {"0", "1", "2"})
        EXPECT_GE(std::count(left.begin(), left.end(), worker), 100) << worker;
}

TEST(Transmit, ControlPacketsHaveQueuesOfTheirOwnWhereThereAreEnough) {
    Rig rig({.workers = 2, .tx_queues = 4});
    rig.workers[1]->send_control(1, rig.frame("control"));
    rig.arrive(0, "P");
    rig.turn(1);
    EXPECT_EQ(rte_ring_count(rig.out[1][0]), 1U) << "worker 0 forwards on queue 0";
    EXPECT_EQ(rte_ring_count(rig.out[1][3]), 1U) << "worker 1 speaks on queue 2 + 1";
}

Texts numbered(unsigned from, unsigned to) {
    Texts out;
    for (unsigned i = from; i < to; ++i) out.push_back(std::to_string(i));
    return out;
}

/// Everything that waits to leave by port 1, with all the time it needs.
Texts all_that_waited(Rig& rig) {
    Texts out;
    for (unsigned round = 0; round < ring_slots; ++round) {
        rig.cycles += 1'000'000'000;
        rig.turn(1);
        for (const std::string& text : rig.left(1)) out.push_back(text);
    }
    return out;
}

TEST(Transmit, TheOldestControlPacketsAreTheFirstToGo) {
    Rig rig({.control_packets_per_second = 1000});
    const auto& counted = rig.fabric->counters(0).ports[1];
    Texts left;
    for (unsigned number = 0; number < 20'000; ++number) {
        EXPECT_TRUE(rig.workers[0]->send_control(1, rig.frame(std::to_string(number)))) << "there is room";
        if (number % 100 != 99) continue;
        rig.turn(1);
        for (const std::string& text : rig.left(1)) left.push_back(text);
    }
    EXPECT_EQ(left, numbered(0, static_cast<unsigned>(left.size()))) << "while there was no backlog";
    EXPECT_EQ(counted.control_dropped.read(), 20'000 - left.size() - control_backlog);
    EXPECT_EQ(all_that_waited(rig), numbered(20'000 - control_backlog, 20'000));
    EXPECT_EQ(counted.control_packets.read() + counted.control_dropped.read(), 20'000U);
    EXPECT_EQ(rig.dropped(Reason::tx_full), 0U);
}

TEST(Transmit, TheOldestControlPacketsGoAlsoWhileForwardedOnesStillQueue) {
    Rig rig({.workers = 2, .tx_queues = 1, .rx_queues = 2});
    const unsigned owner = rig.fabric->links(0).lanes[1].own != nullptr ? 0 : 1;
    const unsigned other = 1 - owner;
    const auto& counted = rig.fabric->counters(owner).ports[1];
    unsigned forwarded = 0;
    for (unsigned number = 0; number < 3000; ++number) {
        EXPECT_TRUE(rig.workers[other]->send_control(1, rig.frame(std::to_string(number))));
        if (number % 300 != 299) continue;
        for (unsigned i = 0; i < 96; ++i) rig.arrive(0, "P", other);
        for (unsigned i = 0; i < 3; ++i) rig.workers[other]->poll(rig.now, rig.cycles);
        rig.workers[owner]->poll(rig.now, rig.cycles);  // takes 64 forwarded packets of 96
        for (const std::string& text : rig.left(1)) {
            EXPECT_EQ(text, "P");
            ++forwarded;
        }
    }
    EXPECT_EQ(forwarded, 640U);
    EXPECT_EQ(counted.control_packets.read(), 0U);
    EXPECT_EQ(counted.control_dropped.read(), 3000U - control_backlog);
    Texts waited = all_that_waited(rig);
    EXPECT_EQ(std::erase(waited, "P"), 320U);
    EXPECT_EQ(waited, numbered(3000 - control_backlog, 3000));
    EXPECT_EQ(rig.dropped(Reason::tx_full), 0U);
}

TEST(Transmit, TheNewestControlPacketsGoWhereTheOwnerDoesNotPoll) {
    Rig rig;
    for (unsigned i = 0; i < ring_slots - 1; ++i)
        EXPECT_TRUE(rig.workers[0]->send_control(0, rig.frame("c")));
    EXPECT_FALSE(rig.workers[0]->send_control(0, rig.frame("c")));
    EXPECT_EQ(rig.fabric->counters(0).ports[0].control_dropped.read(), 1U);
    EXPECT_EQ(rig.dropped(Reason::tx_full), 0U);
}

}  // namespace
}  // namespace sluice::dpdk::test
