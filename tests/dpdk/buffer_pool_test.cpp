// One piece of memory for all packet buffers: what af_xdp counts on without checking.
#include "dpdk/buffer_pool.hpp"

#include <gtest/gtest.h>

namespace sluice::dpdk::test {
namespace {

constexpr std::uint16_t room = 2048 + RTE_PKTMBUF_HEADROOM;

TEST(BufferPool, LiesInOnePieceAlsoWherePagesAreSmall) {
    const auto pool = make_buffer_pool(4000, room, SOCKET_ID_ANY, false);
    ASSERT_TRUE(pool.ok()) << pool.error();
    EXPECT_TRUE(lies_in_one_piece(**pool));
    EXPECT_EQ(rte_mempool_avail_count(pool->get()), 4000U);
    rte_mbuf* packet = rte_pktmbuf_alloc(pool->get());
    ASSERT_NE(packet, nullptr);
    EXPECT_EQ(rte_pktmbuf_tailroom(packet), 2048);
    EXPECT_EQ(rte_mbuf_refcnt_read(packet), 1);
    rte_pktmbuf_free(packet);
}

TEST(BufferPool, ThatLetsNoBufferCrossASmallPageIsSeenNotToLieInOnePiece) {
    const BufferPool pool(rte_pktmbuf_pool_create("holes", 1023, 0, 0, room, SOCKET_ID_ANY));
    ASSERT_NE(pool, nullptr);
    EXPECT_FALSE(lies_in_one_piece(*pool));
}

TEST(BufferPool, ThatFindsNoMemorySaysWhatToDo) {
    const auto pool = make_buffer_pool(10'000'000, room, SOCKET_ID_ANY, false);
    ASSERT_FALSE(pool.ok());
    EXPECT_NE(pool.error().find("raise daemon.memory_mb"), std::string::npos) << pool.error();
}

}  // namespace
}  // namespace sluice::dpdk::test
