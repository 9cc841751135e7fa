// Lines for people: columns that line up, one line for each packet, room for the explanation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replay_run.hpp"

namespace sluice::app {
namespace {

using packet::ack;
using packet::rst;
using packet::syn;
using test::from_server;
using test::PacketBuilder;
using testing::HasSubstr;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        out.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

std::vector<std::string> connection_with_a_blind_reset(const HumanLines::Style& style) {
    test::Replay replay({}, 1, packet::LinkLayer::ethernet, &style);
    test::handshake(replay, 0);
    replay.packet(0.5, from_server().sequence(50'000'000).flags(rst));
    return lines_of(replay.text());
}

TEST(ReplayHuman, ColumnsLineUpWithin120Characters) {
    const auto lines = connection_with_a_blind_reset({});
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[0],
              "     1    0.000000     1  10.0.0.1:40000 A>B 10.0.0.2:80                tcp S    new         "
              "SYN_SENT,SYN_RCVD");
    EXPECT_EQ(lines[1],
              "     2    0.001000     1  10.0.0.2:80 B>A 10.0.0.1:40000                tcp S.   established "
              "ESTABLISHED,SYN_RCVD");
    for (std::size_t i = 0; i < 3; ++i) EXPECT_LE(lines[i].size(), 120U);
}

TEST(ReplayHuman, ARefusalGoesOnWithTheReasonAndTheNumbers) {
    const auto lines = connection_with_a_blind_reset({});
    EXPECT_THAT(lines[3], HasSubstr("invalid     ESTABLISHED,ESTABLISHED dropped, rst-out-of-window: "));
    EXPECT_THAT(lines[3], HasSubstr("50000000"));
}

TEST(ReplayHuman, OnANarrowTerminalTheExplanationHasALineOfItsOwn) {
    const auto lines = connection_with_a_blind_reset({.colour = false, .width = 120});
    ASSERT_EQ(lines.size(), 5U);
    EXPECT_EQ(lines[4].find("dropped, rst-out-of-window: "), 8U) << lines[4];
}

TEST(ReplayHuman, ColourComesWhenAskedForAndIsTakenBack) {
    const auto lines = connection_with_a_blind_reset({.colour = true, .width = 0});
    EXPECT_THAT(lines[0], HasSubstr("\x1b[32mnew        \x1b[0m "));
    EXPECT_THAT(lines[3], HasSubstr("\x1b[31minvalid    \x1b[0m "));
    EXPECT_EQ(lines[1].find('\x1b'), std::string::npos);
}

TEST(ReplayHuman, OtherProtocolsShowWhatTheirFlowHasSeen) {
    const HumanLines::Style style;
    test::Replay replay({}, 1, packet::LinkLayer::ethernet, &style);
    replay.packet(0, PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").udp(5000, 53));
    replay.packet(1, PacketBuilder().ethernet().ipv4("10.0.0.2", "10.0.0.1").udp(53, 5000));
    replay.packet(2, PacketBuilder().ethernet().ipv6("2001:db8::1", "2001:db8::2").icmpv6(128, 0, 7));
    replay.packet(3, PacketBuilder().ethernet().ether_type_as(0x88B5).ipv4("10.0.0.1", "10.0.0.2").udp(1, 2));
    const auto lines = lines_of(replay.text());
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_THAT(lines[0], testing::EndsWith("new         unreplied"));
    EXPECT_THAT(lines[1], testing::EndsWith("established replied"));
    EXPECT_THAT(lines[2], HasSubstr("2001:db8::1 A>B 2001:db8::2"));
    EXPECT_THAT(lines[2], HasSubstr("icmpv6 128/0"));
    EXPECT_THAT(lines[3], HasSubstr("EtherType 0x88b5"));
    EXPECT_THAT(lines[3], HasSubstr("dropped, ethertype: "));
}

TEST(ReplayHuman, FlagsAreTcpdumpsLetters) {
    EXPECT_EQ(tcp_flag_letters(0), "none");
    EXPECT_EQ(tcp_flag_letters(syn | ack), "S.");
    EXPECT_EQ(tcp_flag_letters(0xFF), "SFRPUEW.");
}

}  // namespace
}  // namespace sluice::app
