// The listing, to the byte as conntrack-tools 1.4.7 prints it: the lines expected here were printed by it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "flow_views.hpp"
#include "sluice/control/format.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using pipeline::FlowView;
using tcp::Pair;

FlowView established() {
    auto flow = tcp_flow("10.0.0.1", 1235, "10.0.0.2", 80, Pair::established__established);
    flow.seconds_left = 431999;
    flow.seen_reply = flow.assured = true;
    flow.mark = 7;
    flow.account = {{3, 2}, {180, 112}};
    flow.start_nanoseconds = 1'795'218'837'307'191'000;
    return flow;
}

TEST(Listing, ShowsATcpConnectionAsConntrackDoes) {
    EXPECT_EQ(line_of(established()),
              "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1235 dport=80 src=10.0.0.2 "
              "dst=10.0.0.1 "
              "sport=80 dport=1235 [ASSURED] mark=7 use=1\n");
}

TEST(Listing, CountsPacketsWhenAccountingIsOn) {
    Format format;
    format.accounting = true;
    format.timestamps = true;
    format.wall_nanoseconds = 1'795'218'837'999'999'999;
    EXPECT_EQ(
        line_of(established(), format),
        "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1235 dport=80 packets=3 bytes=180 "
        "src=10.0.0.2 dst=10.0.0.1 sport=80 dport=1235 packets=2 bytes=112 [ASSURED] mark=7 delta-time=0 "
        "use=1\n");
}

TEST(Listing, AgeIsInWholeSecondsOfTheWallClock) {
    Format format;
    format.timestamps = true;
    format.wall_nanoseconds = 1'795'218'840'000'000'000;
    EXPECT_NE(line_of(established(), format).find(" delta-time=3 use=1\n"), std::string::npos);
    format.wall_nanoseconds = 1'795'218'000'000'000'000;  // the clock was set back
    EXPECT_NE(line_of(established(), format).find(" delta-time=0 use=1\n"), std::string::npos);
}

TEST(Listing, StartTimeStandsBehindTheAge) {
    setenv("TZ", "UTC", 1);
    tzset();
    Format format;
    format.timestamps = format.start_time = true;
    format.wall_nanoseconds = 1'795'218'838'000'000'000;
    EXPECT_NE(line_of(established(), format).find(" delta-time=1 [start=Fri Nov 20 23:53:57 2026] use=1\n"),
              std::string::npos)
        << line_of(established(), format);
    format.timestamps = false;
    EXPECT_EQ(line_of(established(), format).find("start"), std::string::npos);
}

TEST(Listing, MarksWhatHasSeenNoReply) {
    auto flow = udp_flow("10.0.0.1", 53, "10.0.0.2", 53);
    flow.seconds_left = 29;
    EXPECT_EQ(
        line_of(flow),
        "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=53 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 "
        "sport=53 dport=53 mark=0 use=1\n");
}

TEST(Listing, ShowsQueriesByTypeAndIdentifier) {
    auto ping = query_flow("10.0.0.1", "10.0.0.2", packet::icmp, 8, 99);
    ping.seconds_left = 29;
    EXPECT_EQ(
        line_of(ping),
        "icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=99 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 "
        "type=0 code=0 id=99 mark=0 use=1\n");
    auto ping6 = query_flow("2001:db8::1", "2001:db8::2", packet::icmpv6, 128, 9);
    ping6.seconds_left = 29;
    EXPECT_EQ(
        line_of(ping6),
        "icmpv6   58 29 src=2001:db8::1 dst=2001:db8::2 type=128 code=0 id=9 [UNREPLIED] src=2001:db8::2 "
        "dst=2001:db8::1 type=129 code=0 id=9 mark=0 use=1\n");
}

TEST(Listing, CallsOtherProtocolsUnknown) {
    auto flow = flow_between("10.0.0.1", "10.0.0.2", 89);
    flow.seconds_left = 599;
    EXPECT_EQ(
        line_of(flow),
        "unknown  89 599 src=10.0.0.1 dst=10.0.0.2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 mark=0 use=1\n");
}

TEST(Listing, ShowsTheZoneUnlessItIsZero) {
    auto flow = established();
    flow.zone = 5;
    EXPECT_NE(line_of(flow).find(" mark=7 zone=5 use=1\n"), std::string::npos);
}

TEST(Listing, ExtendedNamesTheNetworkProtocol) {
    Format format;
    format.extended = true;
    EXPECT_EQ(line_of(established(), format).substr(0, 26), "ipv4     2 tcp      6 4319");
    EXPECT_EQ(line_of(query_flow("::1", "::2", packet::icmpv6, 128, 9), format).substr(0, 26),
              "ipv6     10 icmpv6   58 0 ");
}

TEST(Listing, IdComesLast) {
    Format format;
    format.id = true;
    auto flow = established();
    flow.id = 12345678901;
    EXPECT_NE(line_of(flow, format).find(" use=1 id=12345678901\n"), std::string::npos);
}

TEST(Listing, NamesEveryPairAsItsTableDoes) {
    for (std::size_t i = 0; i < tcp::pair_count; ++i) {
        const auto pair = static_cast<Pair>(i);
        const std::string expected = " 0 " + std::string(tcp::text_of(pair).conntrack_name) + " src=";
        EXPECT_NE(line_of(tcp_flow("1.1.1.1", 1, "2.2.2.2", 2, pair)).find(expected), std::string::npos);
    }
}

TEST(Listing, NoLineIsLongerThanSaid) {
    auto flow = tcp_flow("1111:2222:3333:4444:5555:6666:7777:8888", 65535,
                         "1111:2222:3333:4444:5555:6666:7777:9999", 65535, Pair::established__established);
    flow.seconds_left = flow.mark = 0xFFFFFFFF;
    flow.assured = true;
    flow.zone = 65535;
    flow.inner_vlan = flow.outer_vlan = 4000;
    flow.id = flow.start_nanoseconds = ~std::uint64_t{0};
    flow.account = {{flow.id, flow.id}, {flow.id, flow.id}};
    for (const auto style : {Format::Style::listing, Format::Style::save, Format::Style::json}) {
        const Format format{style, true, true, true, true, true, true, flow.id};
        EXPECT_LE(line_of(flow, format).size(), max_line_bytes);
    }
}

}  // namespace
}  // namespace sluice::control
