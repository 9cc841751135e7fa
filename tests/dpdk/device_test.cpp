// What an operator writes for a port, and the sentence for what makes no sense.
#include "dpdk/device.hpp"

#include <gtest/gtest.h>

namespace sluice::dpdk::test {
namespace {

TEST(Device, APciAddressIsCompletedAndLowered) {
    const auto device = parse_device("3B:00.0", 0);
    ASSERT_TRUE(device);
    EXPECT_EQ(device->kind, Device::Kind::pci);
    EXPECT_EQ(device->name, "0000:3b:00.0");
}

TEST(Device, TheShortFormsNameAnInterface) {
    const auto xdp = parse_device("af_xdp:eth1", 3);
    ASSERT_TRUE(xdp);
    EXPECT_EQ(xdp->kind, Device::Kind::interface);
    EXPECT_EQ(xdp->interface, "eth1");
    EXPECT_EQ(xdp->name, "net_af_xdp3");
    EXPECT_TRUE(xdp->xdp);
    const auto packet = parse_device("af_packet:veth-a", 0);
    ASSERT_TRUE(packet);
    EXPECT_FALSE(packet->xdp);
}

TEST(Device, AfXdpOpensEveryReceiveQueueOfTheInterface) {
    const auto device = parse_device("af_xdp:eth1", 0);
    EXPECT_EQ(interface_arguments(*device, 4, 1500), "iface=eth1,start_queue=0,queue_count=4");
}

TEST(Device, FramesOfAfPacketHoldTheMtu) {
    const auto device = parse_device("af_packet:eth1", 0);
    EXPECT_EQ(interface_arguments(*device, 1, 1500),
              "iface=eth1,qpairs=1,framesz=2048,blocksz=65536,framecnt=2048");
    EXPECT_EQ(interface_arguments(*device, 1, 9000),
              "iface=eth1,qpairs=1,framesz=16384,blocksz=65536,framecnt=256");
    EXPECT_EQ(interface_arguments(*device, 1, 65535),
              "iface=eth1,qpairs=1,framesz=131072,blocksz=131072,framecnt=32");
}

TEST(Device, AVirtualDeviceKeepsItsArguments) {
    const auto device = parse_device("net_memif0,role=server,id=1", 0);
    ASSERT_TRUE(device);
    EXPECT_EQ(device->kind, Device::Kind::other);
    EXPECT_EQ(device->name, "net_memif0");
    EXPECT_EQ(device->arguments, "role=server,id=1");
}

TEST(Device, TheLongFormOfAnInterfaceIsKnownAsOne) {
    const auto device = parse_device("net_af_packet0,qpairs=1,iface=eth7", 0);
    ASSERT_TRUE(device);
    EXPECT_EQ(device->interface, "eth7");
}

TEST(Device, NonsenseIsRefusedWithWhatToWrite) {
    for (const char* nonsense : {"", "af_xdp:", "af_packet:a/b", "af_xdp:a-name-longer-than-linux-takes",
                                 "3b:00.9", "net_af_xdp0", "net tap", ",iface=x"}) {
        const auto device = parse_device(nonsense, 0);
        ASSERT_FALSE(device) << nonsense;
        EXPECT_NE(device.error().find(nonsense), std::string::npos) << device.error();
    }
}

TEST(Device, NoDeviceIsUsedTwice) {
    Options options;
    options.pairs.push_back({"wan", {{"af_xdp:eth1"}, {"af_packet:eth1"}}});
    const auto devices = parse_devices(options);
    ASSERT_FALSE(devices);
    EXPECT_NE(devices.error().find("already used"), std::string::npos) << devices.error();
}

}  // namespace
}  // namespace sluice::dpdk::test
