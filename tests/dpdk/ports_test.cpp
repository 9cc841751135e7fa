// Devices found, set up and spread.
#include "sluice/dpdk/ports.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include "dpdk/eal.hpp"
#include "dpdk/port_setup.hpp"
#include "dpdk/rss.hpp"
#include "support/toeplitz.hpp"

namespace sluice::dpdk::test {
namespace {

class PortsTest : public ::testing::Test {
  protected:
    void SetUp() override {
        pool_ = rte_pktmbuf_pool_create("ports_test", 1023, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
        ASSERT_NE(pool_, nullptr);
    }
    void TearDown() override { rte_mempool_free(pool_); }
    Status attach(Ports& ports, const std::string& name, const std::string& arguments = "") {
        const Hush hush(false);
        Port port;
        port.name = port.given = name;
        return ports.attach(port, arguments);
    }
    rte_mempool* pool_ = nullptr;
};

TEST_F(PortsTest, AnUnknownDriverIsSaid) {
    Ports ports;
    const Status status = attach(ports, "net_nonsense0");
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().find("net_nonsense0"), std::string::npos) << status.error();
}

TEST_F(PortsTest, WrongArgumentsAreSaid) {
    Ports ports;
    const Status status = attach(ports, "net_pcap0", "rx_pcap=/nowhere/at/all.pcap");
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().find("rx_pcap=/nowhere/at/all.pcap"), std::string::npos) << status.error();
}

TEST_F(PortsTest, NullDevicesStartAndAreRemovedAgain) {
    std::uint16_t id = 0;
    {
        Ports ports;
        ASSERT_TRUE(attach(ports, "net_null0"));
        ASSERT_TRUE(attach(ports, "net_null1"));
        Options options;
        const Status started = ports.start(options, pool_);
        ASSERT_TRUE(started) << started.error();
        EXPECT_TRUE(ports.link(0));
        EXPECT_EQ(ports.all()[0].tx_queues, 2) << "one to forward, one for control";
        EXPECT_EQ(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
    }
    EXPECT_NE(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
}

TEST_F(PortsTest, PortsThatSpreadAsTheyAreToldAreTrusted) {
    Ports ports;
    ASSERT_TRUE(attach(ports, "net_null0"));
    ASSERT_TRUE(attach(ports, "net_null1"));
    Options options;
    options.workers = 2;
    ASSERT_TRUE(ports.start(options, pool_));
    ASSERT_TRUE(ports.spreading().by_rss) << ports.spreading().why_not;
    EXPECT_EQ(ports.all()[0].rx_queues, 2);
    const pipeline::Steering steering = ports.steering(1, 2);
    EXPECT_TRUE(steering.by_rss);
    EXPECT_EQ(steering.rss_word, rss_word);
    EXPECT_EQ(steering.rss_table_size, ports.all()[0].rss_table_size);
}

TEST_F(PortsTest, APortThatForgetsWhatItWasToldIsFoundOut) {
    Ports ports;
    ASSERT_TRUE(attach(ports, "net_null0"));
    ASSERT_TRUE(attach(ports, "net_null1"));
    Options options;
    options.workers = 2;
    ASSERT_TRUE(ports.start(options, pool_));
    const Port& port = ports.all()[0];
    const Spreading& told = ports.spreading();
    ASSERT_TRUE(verify_rss(port, told));

    Spreading other = told;
    other.key[7] ^= 1;
    write_rss_key(port, other);
    EXPECT_NE(verify_rss(port, told).error().find("symmetric RSS key"), std::string::npos);
    write_rss_key(port, told);
    ASSERT_TRUE(verify_rss(port, told));

    other.table[5] ^= 1;
    ASSERT_TRUE(write_rss_table(port, other));
    EXPECT_NE(verify_rss(port, told).error().find("indirection table"), std::string::npos);
    ASSERT_TRUE(write_rss_table(port, told));

    Port fewer = port;
    fewer.rss_fields &= ~std::uint64_t{RTE_ETH_RSS_NONFRAG_IPV6_TCP};
    EXPECT_NE(verify_rss(fewer, told).error().find("other fields"), std::string::npos);
}

TEST_F(PortsTest, PortsThatCannotSpreadAreSpreadInSoftware) {
    Ports ports;
    ASSERT_TRUE(attach(ports, "net_ring0"));
    ASSERT_TRUE(attach(ports, "net_ring1"));
    Options options;
    options.workers = 2;
    ASSERT_TRUE(ports.start(options, pool_));
    EXPECT_FALSE(ports.spreading().by_rss);
    EXPECT_NE(ports.spreading().why_not.find("net_ring0"), std::string::npos) << ports.spreading().why_not;
    EXPECT_EQ(ports.all()[0].rx_queues, ports.all()[0].most_rx_queues) << "every queue of a ring receives";
    EXPECT_FALSE(ports.steering(1, 2).by_rss);
}

TEST(Queues, AMemifHasOneEachWayHoweverManyWorkers) {
    Port port;
    port.driver = "net_memif";
    port.most_rx_queues = port.most_tx_queues = 255;
    for (const unsigned workers : {1U, 4U}) {
        const QueueCounts queues = queues_to_open(port, workers, false);
        EXPECT_EQ(queues.rx, 1) << workers << " workers";
        EXPECT_EQ(queues.tx, 1) << workers << " workers";
    }
}

TEST(Queues, ATapHasAsManyOneWayAsTheOther) {
    Port port;
    port.driver = "net_tap";
    port.most_rx_queues = port.most_tx_queues = 16;
    const QueueCounts queues = queues_to_open(port, 2, false);
    EXPECT_EQ(queues.tx, 4) << "of each worker one to forward and one for control";
    EXPECT_EQ(queues.rx, queues.tx);
}

TEST(Queues, ACardReceivesOnOnePerWorkerWhereItSpreads) {
    Port port;
    port.driver = "net_ice";
    port.most_rx_queues = port.most_tx_queues = 64;
    EXPECT_EQ(queues_to_open(port, 4, true).rx, 4);
    EXPECT_EQ(queues_to_open(port, 4, false).rx, 1);
    EXPECT_EQ(queues_to_open(port, 4, true).tx, 8);
}

TEST(Promiscuous, ACardThatRefusesIsWarnedOf) {
    Port port;
    port.name = port.given = "0000:3b:00.0";
    for (const int fault : {-ENOTSUP, -EAGAIN}) {
        const std::string said = without_promiscuous(port, fault);
        EXPECT_NE(said.find("0000:3b:00.0"), std::string::npos) << said;
        EXPECT_NE(said.find("any MAC address but its own are lost"), std::string::npos) << said;
    }
}

TEST(Promiscuous, AVirtualDeviceWithoutTheModeReceivesAllTheSame) {
    Port port;
    port.name = port.given = "net_memif0";
    EXPECT_EQ(without_promiscuous(port, -ENOTSUP), "");
    EXPECT_NE(without_promiscuous(port, -EPERM), "") << "an interface may refuse too";
}

TEST(Rss, TheKeyIsSymmetric) {
    const auto key = symmetric_key();
    const std::array<std::uint8_t, 12> forward{10, 0, 0, 1, 192, 168, 7, 9, 0x1F, 0x90, 0xC3, 0x50};
    const std::array<std::uint8_t, 12> backward{192, 168, 7, 9, 10, 0, 0, 1, 0xC3, 0x50, 0x1F, 0x90};
    EXPECT_EQ(sluice::test::toeplitz(forward, key), sluice::test::toeplitz(backward, key));
    const std::array<std::uint8_t, 12> other{10, 0, 0, 1, 192, 168, 7, 9, 0x1F, 0x91, 0xC3, 0x50};
    EXPECT_NE(sluice::test::toeplitz(forward, key), sluice::test::toeplitz(other, key));
}

TEST(Rss, APortThatLeavesOutPortNumbersIsNotUsed) {
    EXPECT_EQ(usable_rss_fields(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6), 0U);
    EXPECT_NE(usable_rss_fields(wanted_rss_fields()), 0U);
    EXPECT_EQ(usable_rss_fields(wanted_rss_fields() | RTE_ETH_RSS_VXLAN), wanted_rss_fields());
}

}  // namespace
}  // namespace sluice::dpdk::test
