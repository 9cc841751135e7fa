// What is wrong is said before anything is touched, with what to do.
#include "dpdk/preflight.hpp"

#include <gtest/gtest.h>

namespace sluice::dpdk::test {
namespace {

Options options_for(const std::string& first, const std::string& second) {
    Options options;
    options.pairs.push_back({"wan", {{first}, {second}}});
    options.huge_pages = false;
    return options;
}

std::string fault(const Options& options) {
    const auto result = preflight(options, {}, Machine());
    return result ? "" : result.error();
}

TEST(Preflight, AMissingInterfaceIsNamed) {
    const std::string said = fault(options_for("af_packet:nosuchif0", "net_null0"));
    EXPECT_NE(said.find("no interface nosuchif0"), std::string::npos) << said;
    EXPECT_NE(said.find("ip link"), std::string::npos) << said;
}

TEST(Preflight, AMissingPciDeviceIsNamed) {
    const std::string said = fault(options_for("ffff:ff:1f.7", "net_null0"));
    EXPECT_NE(said.find("no PCI device ffff:ff:1f.7"), std::string::npos) << said;
}

TEST(Preflight, NoPairsAreRefused) {
    Options options;
    EXPECT_NE(fault(options).find("no pair"), std::string::npos);
}

TEST(Preflight, MorePairsThanDpdkHasPortsForAreRefused) {
    Options options;
    options.huge_pages = false;
    const auto add = [&] {
        const std::size_t number = 2 * options.pairs.size();
        options.pairs.push_back(
            {"p" + std::to_string(number),
             {{"net_null" + std::to_string(number)}, {"net_null" + std::to_string(number + 1)}}});
    };
    while (options.pairs.size() < max_pairs) add();
    EXPECT_EQ(fault(options), "");
    add();
    EXPECT_NE(fault(options).find("at most 16 pairs"), std::string::npos) << fault(options);
}

TEST(Preflight, VirtualDevicesNeedNothing) {
    const auto result = preflight(options_for("net_null0", "net_null1"), {}, Machine());
    ASSERT_TRUE(result) << result.error();
    EXPECT_FALSE(result->eal.huge_pages);
    EXPECT_TRUE(result->eal.pci.empty());
    EXPECT_EQ(result->devices.size(), 2U);
}

TEST(Preflight, HugePagesAreCountedFirst) {
    Options options = options_for("net_null0", "net_null1");
    options.huge_pages = true;
    const auto result = preflight(options, {.arena_bytes = std::size_t{1} << 44U}, Machine());
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().find("huge pages"), std::string::npos) << result.error();
}

TEST(Preflight, TheOperatorMayTurnHugePagesOffThroughTheEalToo) {
    Options options = options_for("net_null0", "net_null1");
    options.huge_pages = true;
    options.eal_arguments = {"--no-huge"};
    const auto result = preflight(options, {}, Machine());
    ASSERT_TRUE(result) << result.error();
    EXPECT_FALSE(result->eal.huge_pages);
    EXPECT_TRUE(result->eal.extra.empty()) << "DPDK takes the word once";
}

TEST(Preflight, ArgumentsThatWouldHangTheEalAreRefused) {
    Options options = options_for("net_null0", "net_null1");
    options.eal_arguments = {"--proc-type=secondary"};
    EXPECT_NE(fault(options).find("--proc-type"), std::string::npos);
}

TEST(Preflight, OthersCannotAttachToOrdinaryPages) {
    Options options = options_for("net_null0", "net_null1");
    options.eal_arguments = {"--proc-type=primary"};
    EXPECT_NE(fault(options).find("daemon.huge_pages = true"), std::string::npos);
}

TEST(Lock, ADeviceHasOneDaemon) {
    auto first = Lock::take("test-device");
    ASSERT_TRUE(first);
    const auto second = Lock::take("test-device");
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("process " + std::to_string(::getpid())), std::string::npos)
        << second.error();
    EXPECT_TRUE(Lock::take("another-device"));
}

TEST(Lock, GoesWithItsHolder) {
    { auto first = Lock::take("test-device"); }
    EXPECT_TRUE(Lock::take("test-device"));
}

TEST(MemoryPlan, CountsHeldFragmentsRingsAndTables) {
    const Options options = options_for("net_null0", "net_null1");
    const MemoryPlan little = plan_memory(options, {}, 1500);
    const MemoryPlan much = plan_memory(options, {.held_packets = 10'000}, 1500);
    EXPECT_EQ(much.buffers, little.buffers + 10'000);
    EXPECT_GT(much.dpdk_megabytes, little.dpdk_megabytes + 20);
    EXPECT_GE(little.buffer_room, 1500 + 26 + RTE_PKTMBUF_HEADROOM);
    EXPECT_GE(plan_memory(options, {}, 9000).buffer_room, 9026 + RTE_PKTMBUF_HEADROOM);
}

TEST(MemoryPlan, HasBuffersForControlQueuesThatAreFull) {
    Options options = options_for("net_null0", "net_null1");
    options.rx_descriptors = options.tx_descriptors = 4096;
    EXPECT_GE(plan_memory(options, {}, 1500).buffers, 2 * 4096 + 2 * 2 * (4096 + ring_slots));
}

}  // namespace
}  // namespace sluice::dpdk::test
