// What `sluice replay --json` says of a packet, key by key.
#include <gtest/gtest.h>

#include "replay_run.hpp"

namespace sluice::app {
namespace {

using nlohmann::json;
using packet::ack;
using packet::fin;
using packet::rst;
using packet::syn;
using test::from_client;
using test::from_server;
using test::PacketBuilder;
using test::Replay;

TEST(ReplayJson, TheFirstLineOfAConnectionIsAsPromised) {
    Replay replay;
    replay.packet(0.000001, from_client().sequence(1000).flags(syn));
    EXPECT_EQ(
        replay.text(),
        R"({"n":1,"time":1700000000.000001,"worker":0,"flow":1,"dir":"original","verdict":"new","reason":null,)"
        R"("pair":["SYN_SENT","SYN_RCVD"],"state":"SYN_SENT","assured":false,"timeout":120,"action":"pass",)"
        R"("length":54,"protocol":"tcp","src":"10.0.0.1","dst":"10.0.0.2","sport":40000,"dport":80})"
        "\n");
}

TEST(ReplayJson, AConnectionIsFollowedFromSynToTimeWait) {
    Replay replay;
    test::handshake(replay, 0);
    replay.packet(1, from_client().sequence(1001).acknowledgement(5001).flags(fin | ack));
    replay.packet(1.1, from_server().sequence(5001).acknowledgement(1002).flags(fin | ack));
    replay.packet(1.2, from_client().sequence(1002).acknowledgement(5002).flags(ack));
    const auto lines = replay.lines();
    ASSERT_EQ(lines.size(), 6U);
    const std::vector<std::pair<json, std::string>> expected{
        {{"SYN_SENT", "SYN_RCVD"}, "SYN_SENT"},          {{"ESTABLISHED", "SYN_RCVD"}, "SYN_RECV"},
        {{"ESTABLISHED", "ESTABLISHED"}, "ESTABLISHED"}, {{"FIN_WAIT_1", "CLOSE_WAIT"}, "FIN_WAIT"},
        {{"TIME_WAIT", "LAST_ACK"}, "LAST_ACK"},         {{"TIME_WAIT", "CLOSED"}, "TIME_WAIT"}};
    for (std::size_t i = 0; i < lines.size(); ++i) {
        EXPECT_EQ(lines[i]["pair"], expected[i].first) << i;
        EXPECT_EQ(lines[i]["state"], expected[i].second) << i;
        EXPECT_EQ(lines[i]["flow"], 1) << i;
        EXPECT_EQ(lines[i]["assured"], i >= 2) << i;
    }
    EXPECT_EQ(lines[1]["dir"], "reply");
    EXPECT_EQ(lines[1]["verdict"], "established");
    EXPECT_EQ(lines[2]["timeout"], 432000);
    EXPECT_EQ(lines[5]["timeout"], 120);
}

TEST(ReplayJson, ARefusedSegmentSaysWhyAndKeepsThePair) {
    Replay replay;
    test::handshake(replay, 0);
    replay.packet(0.1, from_server().sequence(5001 + 10'000'000).flags(rst));
    const json line = replay.lines().back();
    EXPECT_EQ(line["verdict"], "invalid");
    EXPECT_EQ(line["reason"], "rst-out-of-window");
    EXPECT_EQ(line["action"], "drop");
    EXPECT_EQ(line["flow"], 1);
    EXPECT_EQ(line["pair"], json({"ESTABLISHED", "ESTABLISHED"}));
    EXPECT_FALSE(line["why"].get<std::string>().empty());
}

TEST(ReplayJson, WhereThereIsNoFlowItsKeysAreNull) {
    Replay replay;
    replay.packet(0, from_client().sequence(1000).flags(rst));
    const json line = replay.lines().back();
    EXPECT_EQ(line["reason"], "no-connection");
    EXPECT_TRUE(line["flow"].is_null());
    EXPECT_TRUE(line["pair"].is_null());
    EXPECT_TRUE(line["state"].is_null());
    EXPECT_TRUE(line["timeout"].is_null());
    EXPECT_EQ(line["assured"], false);
    EXPECT_EQ(line["dir"], "original");
}

TEST(ReplayJson, OtherProtocolsHaveAFlowAndNoPair) {
    Replay replay;
    replay.packet(0, PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").udp(5000, 53).payload(10));
    replay.packet(0.1, PacketBuilder().ethernet().ipv4("10.0.0.2", "10.0.0.1").udp(53, 5000).payload(10));
    replay.packet(0.2, PacketBuilder().ethernet().ipv6("2001:db8::1", "2001:db8::2").icmpv6(128, 0, 7));
    const auto lines = replay.lines();
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_TRUE(lines[0]["pair"].is_null());
    EXPECT_TRUE(lines[0]["state"].is_null());
    EXPECT_EQ(lines[0]["timeout"], 30);
    EXPECT_EQ(lines[1]["verdict"], "established");
    EXPECT_EQ(lines[1]["flow"], 1);
    EXPECT_EQ(lines[2]["flow"], 2);
    EXPECT_EQ(lines[2]["protocol"], "icmpv6");
    EXPECT_EQ(lines[2]["src"], "2001:db8::1");
    EXPECT_TRUE(lines[2]["sport"].is_null());
}

TEST(ReplayJson, AnIcmpErrorIsRelatedToTheFlowItQuotes) {
    Replay replay;
    const auto query = PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").udp(5000, 53).payload(10);
    replay.packet(0, query);
    replay.packet(0.1, PacketBuilder().ethernet().ipv4("10.0.0.2", "10.0.0.1").icmp_error(3, 3, query));
    const json line = replay.lines().back();
    EXPECT_EQ(line["verdict"], "related");
    EXPECT_EQ(line["flow"], 1);
    EXPECT_EQ(line["dir"], "reply");
}

TEST(ReplayJson, FramesThatAreNotIpAreUntracked) {
    Replay replay;
    replay.packet(0, PacketBuilder().ethernet().ether_type_as(0x88B5).ipv4("10.0.0.1", "10.0.0.2").udp(1, 2));
    const json line = replay.lines().back();
    EXPECT_EQ(line["verdict"], "untracked");
    EXPECT_EQ(line["reason"], "ethertype");
    EXPECT_EQ(line["action"], "drop");
    EXPECT_TRUE(line["src"].is_null());
    EXPECT_NE(line["why"].get<std::string>().find("0x88b5"), std::string::npos);
}

TEST(ReplayJson, EveryLinkLayerIsRead) {
    const auto builders = {PacketBuilder().ethernet(), PacketBuilder(), PacketBuilder().linux_cooked_v1(),
                           PacketBuilder().linux_cooked_v2(), PacketBuilder().bsd_loopback(2, false)};
    for (PacketBuilder builder : builders) {
        builder.ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).sequence(1000).flags(syn);
        Replay replay({}, 1, builder.link());
        replay.packet(0, builder);
        EXPECT_EQ(replay.lines()[0]["state"], "SYN_SENT") << replay.text();
    }
}

TEST(ReplayJson, NanosecondsAreShownWhenThereAreAny) {
    Replay replay;
    app::CapturedPacket packet;
    const auto bytes = from_client().sequence(1).flags(syn).build();
    packet.bytes = bytes;
    packet.length = static_cast<std::uint32_t>(bytes.size());
    for (const std::int64_t time :
         {std::int64_t{1'000'000'001}, std::int64_t{5'000}, std::int64_t{-1'500'000'000}}) {
        packet.nanoseconds = time;
        replay.engine().feed(packet);
    }
    EXPECT_NE(replay.text().find(R"("time":1.000000001,)"), std::string::npos);
    EXPECT_NE(replay.text().find(R"("time":0.000005,)"), std::string::npos);
    EXPECT_NE(replay.text().find(R"("time":-1.500000,)"), std::string::npos);
}

}  // namespace
}  // namespace sluice::app
