// Oddly laid-out buffers: many segments, shared, indirect, too short a chain, tags beside the frame.
#include <gtest/gtest.h>

#include <cstring>

#include "rig.hpp"

namespace sluice::dpdk::test {
namespace {

using Texts = std::vector<std::string>;

/// A chain of one-byte segments.
rte_mbuf* chain(Rig& rig, const std::string& text) {
    rte_mbuf* head = rig.frame(text.substr(0, 1));
    for (std::size_t i = 1; i < text.size(); ++i) rte_pktmbuf_chain(head, rig.frame(text.substr(i, 1)));
    return head;
}

TEST(Buffers, AChainOfSegmentsPassesAsItIs) {
    Rig rig;
    rig.arrive(0, chain(rig, "P-in-pieces"));
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{"P-in-pieces"}));
}

TEST(Buffers, APortThatSendsOneSegmentGetsOne) {
    Rig rig;
    rig.fabric->port(1).many_segments = false;
    rig.arrive(0, chain(rig, "P-in-pieces"));
    rig.turn(1);
    void* packet = nullptr;
    ASSERT_EQ(rte_ring_dequeue(rig.out[1][0], &packet), 0);
    EXPECT_EQ(static_cast<rte_mbuf*>(packet)->nb_segs, 1);
    rte_ring_enqueue(rig.out[1][0], packet);
    EXPECT_EQ(rig.left(1), (Texts{"P-in-pieces"}));
}

TEST(Buffers, AChainTooLongForOneBufferIsDroppedAndCounted) {
    Rig rig;
    rig.fabric->port(1).many_segments = false;
    rte_mbuf* head = rig.frame("P" + std::string(1999, 'x'));
    rte_pktmbuf_chain(head, rig.frame(std::string(2000, 'x')));
    rig.arrive(0, head);
    rig.turn(1);
    EXPECT_EQ(rig.dropped(Reason::no_buffer), 1U);
    EXPECT_TRUE(rig.left(1).empty());
}

TEST(Buffers, AnIndirectBufferPasses) {
    Rig rig;
    rte_mbuf* original = rig.frame("P-shared");
    rte_mbuf* indirect = rte_pktmbuf_alloc(rig.pool);
    rte_pktmbuf_attach(indirect, original);
    rig.arrive(0, indirect);
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{"P-shared"}));
    rte_pktmbuf_free(original);
}

TEST(Buffers, CopyReadsZerosWhereAChainIsShort) {
    Rig rig;
    rte_mbuf* packet = rig.frame("Pab");
    packet->pkt_len = 6;  // promises more than there is
    std::uint8_t bytes[6];
    std::memset(bytes, 0xFF, sizeof bytes);
    MbufIo::copy(packet, 1, 5, bytes);
    EXPECT_EQ(std::memcmp(bytes, "ab\0\0\0\xFF", 6), 0);
    packet->pkt_len = 3;
    rte_pktmbuf_free(packet);
}

TEST(Buffers, CopyGathersAcrossSegments) {
    Rig rig;
    rte_mbuf* packet = chain(rig, "Pabcdef");
    char bytes[4] = {};
    MbufIo::copy(packet, 2, 4, reinterpret_cast<std::uint8_t*>(bytes));
    EXPECT_EQ(std::string(bytes, 4), "bcde");
    EXPECT_EQ(MbufIo::first_length(packet), 1U);
    EXPECT_EQ(MbufIo::length(packet), 7U);
    rte_pktmbuf_free(packet);
}

/// Twelve bytes of addresses, then the type and "payload".
std::string tagged_frame(bool with_tag) {
    return "P23456789012" + (with_tag ? std::string("\x81\x00\x01\x23", 4) : "") +
           std::string("\x08\x00payload", 9);
}

TEST(Buffers, ATagThatThePortTookOutIsPutBack) {
    Rig rig;
    rte_mbuf* packet = rig.frame(tagged_frame(false));
    packet->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    packet->vlan_tci = 0x123;
    rig.arrive(0, packet);
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{tagged_frame(true)}));
}

TEST(Buffers, ATagGoesIntoACopyOfASharedBuffer) {
    Rig rig;
    rte_mbuf* original = rig.frame(tagged_frame(false));
    rte_mbuf* clone = rte_pktmbuf_clone(original, rig.pool);
    clone->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    clone->vlan_tci = 0x123;
    rig.arrive(0, clone);
    rig.turn(1);
    EXPECT_EQ(rig.left(1), (Texts{tagged_frame(true)}));
    EXPECT_EQ(std::string(rte_pktmbuf_mtod(original, char*), original->data_len), tagged_frame(false));
    rte_pktmbuf_free(original);
}

TEST(Buffers, TheChecksumVerdictOfThePortIsRead) {
    Rig rig;
    rte_mbuf* packet = rig.frame("P");
    using pipeline::ChecksumState;
    EXPECT_EQ(MbufIo::network_checksum(packet), ChecksumState::unknown);
    packet->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
    EXPECT_EQ(MbufIo::network_checksum(packet), ChecksumState::good);
    EXPECT_EQ(MbufIo::transport_checksum(packet), ChecksumState::bad);
    packet->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
    EXPECT_EQ(MbufIo::transport_checksum(packet), ChecksumState::good);
    EXPECT_EQ(MbufIo::network_checksum(packet), ChecksumState::unknown);
    rte_pktmbuf_free(packet);
}

}  // namespace
}  // namespace sluice::dpdk::test
