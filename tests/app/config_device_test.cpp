// Names of devices: what is one, and which two are the same.
#include <gtest/gtest.h>

#include "app/device_name.hpp"

namespace sluice::app {
namespace {

using namespace std::string_literals;

TEST(DeviceName, APciAddressIsTheSameInShortAndInCapitals) {
    EXPECT_EQ(device_identity("0000:3b:00.0"), "0000:3b:00.0");
    EXPECT_EQ(device_identity("3B:00.0"), "0000:3b:00.0");
    EXPECT_EQ(device_identity("0000:3b:00.0,representor=0"), "0000:3b:00.0");
    EXPECT_NE(device_identity("0001:3b:00.0"), device_identity("0000:3b:00.0"));
}

TEST(DeviceName, AnInterfaceIsTheSameWhicheverDriverOpensIt) {
    EXPECT_EQ(device_identity("af_xdp:eth1"), device_identity("af_packet:eth1"));
    EXPECT_EQ(device_identity("af_xdp:eth1"), device_identity("net_af_packet7,qpairs=1,iface=eth1"));
    EXPECT_NE(device_identity("af_xdp:eth1"), device_identity("af_xdp:eth10"));
    EXPECT_TRUE(device_identity("af_xdp:eth1.100").has_value());
}

TEST(DeviceName, EveryKindOfVirtualDeviceIsTaken) {
    for (const std::string_view name : {"net_ring0", "net_null0", "net_memif0,role=client,id=1",
                                        "net_tap0,iface=tap0", "net_pcap0,rx_pcap=a.pcap,tx_pcap=b.pcap",
                                        "net_af_xdp0,iface=veth0,start_queue=0", "auxiliary:mlx5_core.sf.4"})
        EXPECT_TRUE(device_identity(name).has_value()) << name;
}

TEST(DeviceName, NothingElseIsADevice) {
    for (const std::string& name :
         {""s, "eth0"s, "net_"s, "net_null0,"s, "af_xdp:"s, "af_xdp:a/b"s, "af_xdp:.."s,
          "af_xdp:name-of-16-bytes"s, "net_tap0,iface="s, "0000:3b:00.8"s, "0000-3b-00.0"s, "00000:3b:00.0"s,
          "net_null 0"s, "net_null\t0"s, "--no-huge"s, "auxiliary:"s, "net_null0\0"s, "net_\xc3\xa9"s,
          "net_"s + std::string(300, 'a')})
        EXPECT_FALSE(device_identity(name).has_value()) << name;
}

TEST(DeviceName, ABareInterfaceIsToldHowToBeWritten) {
    EXPECT_EQ(device_expectation("eth1"),
              "a device: for the interface eth1 write \"af_xdp:eth1\" or \"af_packet:eth1\"");
}

}  // namespace
}  // namespace sluice::app
