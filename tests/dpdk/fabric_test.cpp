// Who polls and who owns what, for few queues and for many.
#include "sluice/dpdk/fabric.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sluice::dpdk::test {
namespace {

std::unique_ptr<Fabric> fabric(unsigned workers, std::uint16_t rx, std::uint16_t tx, bool by_rss = false) {
    FabricPlan plan;
    plan.workers = workers;
    plan.by_rss = by_rss;
    for (std::uint16_t port = 0; port < 2; ++port) plan.ports.push_back({port, rx, tx, true});
    auto built = Fabric::build(plan);
    EXPECT_TRUE(built);
    return std::move(*built);
}

TEST(Fabric, EveryReceiveQueueHasExactlyOnePoller) {
    for (const unsigned workers : {1U, 2U, 3U}) {
        const auto made = fabric(workers, 5, 1);
        std::set<std::pair<unsigned, unsigned>> polled;
        std::size_t total = 0;
        for (unsigned worker = 0; worker < workers; ++worker) {
            for (const RxQueue& queue : made->links(worker).rx) polled.insert({queue.port, queue.queue_id});
            total += made->links(worker).rx.size();
        }
        EXPECT_EQ(polled.size(), 10U) << workers;
        EXPECT_EQ(total, 10U) << workers;
    }
}

TEST(Fabric, EveryTransmitQueueHasExactlyOneOwner) {
    for (const unsigned workers : {1U, 2U, 3U, 4U}) {
        for (std::uint16_t most = 1; most <= 9; ++most) {
            const std::uint16_t queues = transmit_queues(workers, most);
            const auto made = fabric(workers, 1, queues);
            std::set<std::pair<unsigned, unsigned>> owned;
            std::size_t total = 0;
            for (unsigned worker = 0; worker < workers; ++worker) {
                for (const TxQueue& queue : made->links(worker).tx)
                    owned.insert({queue.port, queue.queue_id});
                total += made->links(worker).tx.size();
            }
            EXPECT_EQ(owned.size(), std::size_t{2} * queues)
                << workers << " workers, " << queues << " queues";
            EXPECT_EQ(total, owned.size());
        }
    }
}

TEST(Fabric, EveryWorkerReachesEveryPortByAQueueOrARing) {
    for (const unsigned workers : {1U, 3U, 4U}) {
        for (const std::uint16_t queues :
             {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t(workers), std::uint16_t(2 * workers)}) {
            const auto made = fabric(workers, 1, transmit_queues(workers, queues));
            for (unsigned worker = 0; worker < workers; ++worker) {
                for (const Lane& lane : made->links(worker).lanes) {
                    EXPECT_NE(lane.own != nullptr, lane.forward != nullptr);
                    EXPECT_NE(lane.control, nullptr);
                }
            }
        }
    }
}

TEST(Fabric, WithRssQueueAndWorkerHaveTheSameNumber) {
    const auto made = fabric(3, 3, 6, true);
    for (unsigned worker = 0; worker < 3; ++worker) {
        for (const RxQueue& queue : made->links(worker).rx) EXPECT_EQ(queue.queue_id, worker);
    }
}

TEST(Fabric, TwoPortsOfOneQueueAreSharedOutOverTwoWorkers) {
    const auto made = fabric(2, 1, 1);
    for (unsigned worker = 0; worker < 2; ++worker) {
        EXPECT_EQ(made->links(worker).rx.size(), 1U);
        EXPECT_EQ(made->links(worker).tx.size(), 1U);
    }
}

TEST(Fabric, TheOtherEndOfAWireIsItsNeighbour) {
    EXPECT_EQ(partner_of(0), 1);
    EXPECT_EQ(partner_of(1), 0);
    EXPECT_EQ(partner_of(6), 7);
}

}  // namespace
}  // namespace sluice::dpdk::test
