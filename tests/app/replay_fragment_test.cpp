// Fragments: a line for each, in the order of the input, when their datagram has been decided.
#include <gtest/gtest.h>

#include "replay_run.hpp"

namespace sluice::app {
namespace {

using nlohmann::json;
using packet::syn;
using test::from_client;
using test::PacketBuilder;
using test::Replay;

std::vector<test::Bytes> datagram() {
    return PacketBuilder()
        .ethernet()
        .ipv4("10.0.0.3", "10.0.0.4")
        .identification(7)
        .udp(5000, 53)
        .payload(60)
        .build_fragments(32);
}

void expect_order(const std::vector<json>& lines, std::size_t count) {
    ASSERT_EQ(lines.size(), count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(lines[i]["n"], i + 1);
}

TEST(ReplayFragments, LinesWaitUntilTheDatagramIsComplete) {
    Replay replay;
    const auto fragments = datagram();
    ASSERT_EQ(fragments.size(), 3U);
    replay.packet(0, fragments[0]);
    replay.packet(0.001, from_client().sequence(1000).flags(syn));
    replay.packet(0.002, fragments[2]);
    EXPECT_EQ(replay.text(), "");
    EXPECT_EQ(replay.engine().held(), 2U);
    replay.packet(0.003, fragments[1]);
    EXPECT_EQ(replay.engine().held(), 0U);

    const auto lines = replay.lines();
    expect_order(lines, 4);
    EXPECT_EQ(lines[1]["flow"], 1);  // the SYN was there first
    for (const std::size_t i : {0U, 2U, 3U}) {
        EXPECT_EQ(lines[i]["flow"], 2);
        EXPECT_EQ(lines[i]["verdict"], "new");
        EXPECT_EQ(lines[i]["fragment"], true);
        EXPECT_EQ(lines[i]["sport"], 5000);
        EXPECT_EQ(lines[i]["dport"], 53);
    }
}

TEST(ReplayFragments, WhatIsStillHeldAtTheEndIsDroppedAsTimedOut) {
    Replay replay;
    replay.packet(0, datagram()[0]);
    replay.packet(0.001, from_client().sequence(1000).flags(syn));
    replay.engine().finish();
    const auto lines = replay.lines();
    expect_order(lines, 2);
    EXPECT_EQ(lines[0]["reason"], "fragment-timeout");
    EXPECT_EQ(lines[0]["action"], "drop");
    EXPECT_TRUE(lines[0]["flow"].is_null());
    EXPECT_EQ(lines[1]["verdict"], "new");
}

TEST(ReplayFragments, TheRestOfADatagramTooLateDoesNotCompleteIt) {
    Replay replay;
    const auto fragments = datagram();
    replay.packet(0, fragments[0]);
    replay.packet(0.1, fragments[1]);
    replay.packet(31, fragments[2]);
    replay.engine().finish();
    const auto lines = replay.lines();
    expect_order(lines, 3);
    for (const json& line : lines) EXPECT_EQ(line["reason"], "fragment-timeout");
}

TEST(ReplayFragments, AnOverlapDropsThemAll) {
    Replay replay;
    const auto fragments = datagram();
    const auto overlapping = PacketBuilder()
                                 .ethernet()
                                 .ipv4("10.0.0.3", "10.0.0.4")
                                 .fragment(24, true, 7)
                                 .protocol(17)
                                 .payload(16)
                                 .build();
    replay.packet(0, fragments[0]);
    replay.packet(0.1, overlapping);
    replay.packet(0.2, fragments[1]);
    replay.packet(0.3, fragments[2]);
    replay.engine().finish();
    const auto lines = replay.lines();
    expect_order(lines, 4);
    for (const json& line : lines) EXPECT_EQ(line["action"], "drop");
    EXPECT_EQ(lines[0]["reason"], "fragment-overlap");
    EXPECT_EQ(lines[1]["reason"], "fragment-overlap");
}

TEST(ReplayFragments, AnExactDuplicateHasALineToo) {
    Replay replay;
    const auto fragments = datagram();
    replay.packet(0, fragments[0]);
    replay.packet(0.1, fragments[0]);
    replay.packet(0.2, fragments[1]);
    replay.packet(0.3, fragments[2]);
    replay.engine().finish();
    expect_order(replay.lines(), 4);
}

TEST(ReplayFragments, MoreDatagramsThanTheTableHoldsLoseNoLine) {
    constexpr std::size_t datagrams = 500;  // the table holds 64
    Replay replay;
    for (std::uint32_t id = 0; id < datagrams; ++id)
        replay.packet(id * 0.001, PacketBuilder()
                                      .ethernet()
                                      .ipv4("10.0.0.3", "10.0.0.4")
                                      .fragment(0, true, id)
                                      .protocol(17)
                                      .payload(64)
                                      .build());
    replay.engine().finish();
    expect_order(replay.lines(), datagrams);
    EXPECT_EQ(replay.totals().passed, 0U);
}

TEST(ReplayFragments, ChangingTheLinkLayerSettlesWhatIsHeld) {
    Replay replay;
    replay.packet(0, datagram()[0]);
    replay.engine().set_link_layer(packet::LinkLayer::raw_ip);
    EXPECT_EQ(replay.engine().held(), 0U);
    replay.packet(1, PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).sequence(1).flags(syn));
    const auto lines = replay.lines();
    expect_order(lines, 2);
    EXPECT_EQ(lines[1]["verdict"], "new");
}

}  // namespace
}  // namespace sluice::app
