// Packets of which the capture holds only the beginning.
#include <gtest/gtest.h>

#include "replay_run.hpp"

namespace sluice::app {
namespace {

using nlohmann::json;
using packet::ack;
using packet::syn;
using test::from_client;
using test::PacketBuilder;
using test::Replay;

TEST(ReplayTruncated, ASegmentWhoseHeadersAreThereIsTrackedByItsRealLength) {
    Replay replay;
    test::handshake(replay, 0);
    const auto data = from_client().sequence(1001).acknowledgement(5001).flags(ack).payload(1000).build();
    replay.packet(0.1, data, 54);
    // The next segment is in order only if the thousand bytes were counted.
    replay.packet(0.2, PacketBuilder()
                           .ethernet()
                           .ipv4("10.0.0.2", "10.0.0.1")
                           .tcp(80, 40000)
                           .sequence(5001)
                           .acknowledgement(2001)
                           .flags(ack));
    const auto lines = replay.lines();
    EXPECT_EQ(lines[3]["verdict"], "established");
    EXPECT_TRUE(lines[3]["reason"].is_null());
    EXPECT_EQ(lines[3]["length"], 1054);
    EXPECT_EQ(lines[3]["captured"], 54);
    EXPECT_TRUE(lines[4]["reason"].is_null());
}

TEST(ReplayTruncated, OptionsThatAreMissingCountAsNotSent) {
    Replay replay;
    const auto bytes = from_client()
                           .sequence(1000)
                           .flags(syn)
                           .option(test::option::mss(1460))
                           .option(test::option::window_scale(7))
                           .build();
    replay.packet(0, bytes, 54);
    EXPECT_EQ(replay.lines()[0]["verdict"], "new");
}

TEST(ReplayTruncated, ASegmentWhoseHeaderIsCutIsMalformed) {
    Replay replay;
    const auto bytes = from_client().sequence(1000).flags(syn).payload(100).build();
    for (std::size_t captured = 1; captured < 54; ++captured) replay.packet(0, bytes, captured);
    const auto lines = replay.lines();
    ASSERT_EQ(lines.size(), 53U);
    for (const json& line : lines) EXPECT_NE(line["verdict"], "new") << line;
    EXPECT_EQ(lines.back()["reason"], "malformed");
}

TEST(ReplayTruncated, FragmentsCutShortStillMakeADatagram) {
    Replay replay;
    const auto fragments = PacketBuilder()
                               .ethernet()
                               .ipv4("10.0.0.3", "10.0.0.4")
                               .identification(7)
                               .udp(5000, 53)
                               .payload(600)
                               .build_fragments(400);
    ASSERT_EQ(fragments.size(), 2U);
    replay.packet(0, fragments[0], 60);
    replay.packet(0.1, fragments[1], 60);
    const auto lines = replay.lines();
    ASSERT_EQ(lines.size(), 2U);
    for (const json& line : lines) EXPECT_EQ(line["verdict"], "new");
}

}  // namespace
}  // namespace sluice::app
