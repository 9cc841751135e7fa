// What the box says itself: answers in the buffers of the packets they answer, packets of its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "rig.hpp"

namespace sluice::dpdk::test {
namespace {

using Texts = std::vector<std::string>;

/// Of all workers.
std::uint64_t count_of(const Rig& rig, unsigned port, Counter PortCounters::*counter) {
    std::uint64_t total = 0;
    for (unsigned i = 0; i < rig.options.workers; ++i)
        total += (rig.fabric->counters(i).ports[port].*counter).read();
    return total;
}

TEST(Answers, LeaveByThePortThatThePacketCameInBy) {
    Rig rig;
    for (const char* text : {"A-one.", "P", "A-two."}) rig.arrive(0, text);
    rig.arrive(1, "A-three.");
    rig.turn(1);
    EXPECT_EQ(rig.left(0), (Texts{"a-one", "a-two"}));
    EXPECT_EQ(rig.left(1), (Texts{"P", "a-three"})) << "what is forwarded goes first";
    EXPECT_EQ(count_of(rig, 0, &PortCounters::control_packets), 2U);
    EXPECT_EQ(count_of(rig, 0, &PortCounters::tx_packets), 2U);
    EXPECT_EQ(count_of(rig, 0, &PortCounters::tx_bytes), 10U);
    EXPECT_EQ(count_of(rig, 1, &PortCounters::control_packets), 1U);
    EXPECT_EQ(count_of(rig, 1, &PortCounters::tx_packets), 2U);
}

TEST(Answers, ReachAQueueThatAnotherWorkerOwns) {
    Rig rig({.workers = 2, .tx_queues = 1, .rx_queues = 2});
    rig.arrive(0, "A-a.", 0);
    rig.arrive(0, "A-b.", 1);
    rig.turn(2);
    auto left = rig.left(0);
    std::sort(left.begin(), left.end());
    EXPECT_EQ(left, (Texts{"a-a", "a-b"}));
    EXPECT_EQ(count_of(rig, 0, &PortCounters::control_packets), 2U);
}

TEST(Answers, WhatIsAbsorbedIsFreed) {
    Rig rig;
    rig.arrive(0, "B");
    rig.turn(1);
    EXPECT_EQ(rig.sent(), 0U);
    EXPECT_EQ(rig.free_buffers(), rig.buffers_at_start);
}

TEST(Answers, PacketsOfTheBoxsOwnLeaveByEitherPort) {
    Rig rig;
    rig.arrive(0, "M");
    rig.turn(1);
    EXPECT_EQ(rig.left(0), (Texts{"n"}));
    EXPECT_EQ(rig.left(1), (Texts{"m"}));
    EXPECT_EQ(count_of(rig, 0, &PortCounters::control_packets), 1U);
    EXPECT_EQ(count_of(rig, 1, &PortCounters::control_packets), 0U) << "it takes the way of forwarded ones";
}

TEST(Answers, WithoutAFreeBufferNoneAreMade) {
    Rig rig;
    rig.arrive(0, "M");
    std::vector<rte_mbuf*> taken;
    while (rte_mbuf* packet = rte_pktmbuf_alloc(rig.pool)) taken.push_back(packet);
    rig.turn(1);
    for (rte_mbuf* packet : taken) rte_pktmbuf_free(packet);
    EXPECT_EQ(rig.sent(), 0U);
    EXPECT_EQ(rig.free_buffers(), rig.buffers_at_start);
}

/// Twelve bytes of addresses, then the type and "payload".
std::string tagged_frame(char first, bool with_tag) {
    return first + std::string("23456789012") + (with_tag ? std::string("\x81\x00\x61\x23", 4) : "") +
           std::string("\x08\x00payload.", 10);
}

TEST(Answers, CarryTheTagThatThePortTookOut) {
    for (const bool shared : {false, true}) {  // a shared buffer is copied to be tagged: the copy is ours
        Rig rig;
        rte_mbuf* const frame = rig.frame(tagged_frame('A', false));
        rte_mbuf* const packet = shared ? rte_pktmbuf_clone(frame, rig.pool) : frame;
        packet->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
        packet->vlan_tci = 0x6123;
        rig.arrive(0, packet);
        rig.turn(1);
        const std::string whole = tagged_frame('a', true);
        EXPECT_EQ(rig.left(0), (Texts{whole.substr(0, whole.size() - 1)}));
        if (shared) rte_pktmbuf_free(frame);
    }
}

TEST(Answers, CarryNothingThatThePortSaidOfThePacketThatCame) {
    Rig rig;
    rte_mbuf* const packet = rig.frame("A.");
    packet->ol_flags =
        RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_VLAN;
    rig.arrive(0, packet);
    rig.turn(1);
    void* left = nullptr;
    ASSERT_EQ(rte_ring_dequeue(rig.out[0][0], &left), 0);
    EXPECT_EQ(static_cast<rte_mbuf*>(left)->ol_flags, 0U);
    ASSERT_EQ(rte_ring_enqueue(rig.out[0][0], left), 0);
    EXPECT_EQ(rig.left(0), (Texts{"a"}));
}

TEST(Answers, AreNotWrittenWhereOthersMayRead) {
    Rig rig;
    rte_mbuf* const original = rig.frame("A-shared");
    rte_mbuf* const indirect = rte_pktmbuf_alloc(rig.pool);
    rte_pktmbuf_attach(indirect, original);
    rig.arrive(0, indirect);
    rte_mbuf* const counted_twice = rig.frame("A-twice");
    rte_mbuf_refcnt_update(counted_twice, 1);
    rig.arrive(0, counted_twice);
    rte_mbuf* const chain = rig.frame("A-");
    rte_pktmbuf_chain(chain, rig.frame("chain"));
    rig.arrive(0, chain);
    rig.turn(1);
    EXPECT_EQ(rig.sent(), 0U);
    EXPECT_EQ(std::string(rte_pktmbuf_mtod(original, char*), original->data_len), "A-shared");
    EXPECT_EQ(std::string(rte_pktmbuf_mtod(counted_twice, char*), counted_twice->data_len), "A-twice");
    rte_pktmbuf_free(original);
    rte_pktmbuf_free(counted_twice);
}

/// What arrived at one queue, oldest first.
Texts taken_from(rte_ring* wire) {
    Texts texts;
    void* taken = nullptr;
    while (rte_ring_dequeue(wire, &taken) == 0) {
        auto* packet = static_cast<rte_mbuf*>(taken);
        texts.emplace_back(rte_pktmbuf_mtod(packet, char*), packet->pkt_len);
        rte_pktmbuf_free(packet);
    }
    return texts;
}

// Forwarded packets and answers leave by the same port. Each poll there are as many SYNs as data packets.
TEST(Answers, ABlockedControlQueueTouchesNoForwardedPacket) {
    constexpr unsigned polls = 2000, each = 30;
    for (const std::uint32_t pace : {1'000U, 1'000'000U, 20'000'000U}) {
        Rig rig({.tx_queues = 2, .control_packets_per_second = pace});
        rte_ring* const forward = rig.out[1][0];
        rte_ring* const control = rig.out[1][1];
        while (rte_ring_free_count(control) != 0) rte_ring_enqueue(control, rig.frame("in the way"));
        const unsigned free_before = rig.free_buffers();

        unsigned sent = 0;
        Texts left, expected;
        for (unsigned poll = 0; poll < polls; ++poll) {
            for (unsigned i = 0; i < each; ++i) {
                expected.push_back("P" + std::to_string(sent++));
                rig.arrive(0, expected.back());
                rig.arrive(1, "A-syn.");
            }
            rig.turn(1);
            rig.cycles += 3'000;
            for (std::string& text : taken_from(forward)) left.push_back(std::move(text));
            ASSERT_EQ(left.size(), sent) << "at once, whatever waits beside it";
            ASSERT_GE(rig.free_buffers() + control_backlog, free_before) << "memory is flat";
        }
        EXPECT_EQ(left, expected);
        for (std::size_t i = 0; i < reason_count; ++i)
            EXPECT_EQ(rig.dropped(static_cast<Reason>(i)), 0U) << i;
        EXPECT_EQ(count_of(rig, 1, &PortCounters::tx_packets), sent);
        EXPECT_EQ(count_of(rig, 1, &PortCounters::control_packets), 0U);
        const unsigned waiting = rte_ring_count(rig.fabric->links(0).lanes[1].control);
        EXPECT_EQ(count_of(rig, 1, &PortCounters::control_dropped), polls * each - waiting);

        for (const std::string& text : taken_from(control)) EXPECT_EQ(text, "in the way");
        rig.cycles += 1'000'000'000;
        rig.turn(1);
        const Texts answers = taken_from(control);
        EXPECT_GE(answers.size(), std::min(waiting, 32U)) << "once it takes packets again, they go";
        EXPECT_EQ(answers, Texts(answers.size(), "a-syn"));
    }
}

TEST(Answers, ThatCannotBeSentAreCountedApartFromForwardedPackets) {
    const auto lost = [](const std::function<void(Rig&)>& spoil) {
        Rig rig;
        spoil(rig);
        rig.arrive(0, "A-longer-than-ten.");
        rig.turn(1);
        EXPECT_TRUE(rig.left(0).empty());
        EXPECT_EQ(count_of(rig, 0, &PortCounters::control_packets), 0U);
        EXPECT_EQ(count_of(rig, 0, &PortCounters::tx_packets), 0U);
        for (std::size_t i = 0; i < reason_count; ++i)
            EXPECT_EQ(rig.dropped(static_cast<Reason>(i)), 0U) << i;
        return count_of(rig, 0, &PortCounters::control_dropped);
    };
    EXPECT_EQ(lost([](Rig& rig) { rig.fabric->port(0).link_up = false; }), 1U);
    EXPECT_EQ(lost([](Rig& rig) { rig.fabric->port(0).longest_frame = 10; }), 1U);
}

}  // namespace
}  // namespace sluice::dpdk::test
