// The packets' timestamps are the clock: timeouts happen when they would have happened.
#include <gtest/gtest.h>

#include "replay_run.hpp"

namespace sluice::app {
namespace {

using nlohmann::json;
using packet::ack;
using packet::syn;
using test::from_client;
using test::from_server;
using test::Replay;

TEST(ReplayTime, AnAnswerJustInTimeFindsItsFlow) {
    Replay replay;
    replay.packet(0, from_client().sequence(1000).flags(syn));
    replay.packet(119.999, from_server().sequence(5000).acknowledgement(1001).flags(syn | ack));
    EXPECT_EQ(replay.lines().back()["state"], "SYN_RECV");
}

TEST(ReplayTime, AnAnswerTooLateFindsNothing) {
    Replay replay;
    replay.packet(0, from_client().sequence(1000).flags(syn));
    replay.packet(120, from_server().sequence(5000).acknowledgement(1001).flags(syn | ack));
    EXPECT_EQ(replay.lines().back()["reason"], "no-connection");
}

TEST(ReplayTime, TheSecondsLeftRunDown) {
    Replay replay;
    replay.packet(0, from_client().sequence(1000).flags(syn));
    replay.packet(50.5, from_client().sequence(1000).flags(syn));  // repeated: does not extend the flow
    EXPECT_EQ(replay.lines().back()["timeout"], 69);
}

TEST(ReplayTime, AConnectionAfterAnExpiredOneHasANumberOfItsOwn) {
    Replay replay;
    replay.packet(0, from_client().sequence(1000).flags(syn));
    replay.packet(500, from_client().sequence(9000).flags(syn));
    EXPECT_EQ(replay.lines()[0]["flow"], 1);
    EXPECT_EQ(replay.lines()[1]["flow"], 2);
    EXPECT_EQ(replay.engine().flows().size(), 1U);
}

TEST(ReplayTime, AGapOfYearsEndsEveryFlow) {
    Replay replay;
    test::handshake(replay, 0);
    replay.packet(20 * 365 * 86400.0, from_client().sequence(1001).acknowledgement(5001).flags(ack));
    const json line = replay.lines().back();
    EXPECT_EQ(line["flow"], 2);
    EXPECT_EQ(replay.engine().flows().size(), 1U);
}

TEST(ReplayTime, AFlowOutlivesAPauseShorterThanItsTimeout) {
    Replay replay;
    test::handshake(replay, 0);
    replay.packet(4 * 86400.0, from_client().sequence(1001).acknowledgement(5001).flags(ack).payload(10));
    EXPECT_EQ(replay.lines().back()["flow"], 1);
    EXPECT_EQ(replay.lines().back()["verdict"], "established");
}

TEST(ReplayTime, TimestampsThatGoBackDoNotUndoTime) {
    Replay replay;
    replay.packet(100, from_client().sequence(1000).flags(syn));
    replay.packet(0, from_server().sequence(5000).acknowledgement(1001).flags(syn | ack));
    const json line = replay.lines().back();
    EXPECT_EQ(line["timeout"], 60);
    EXPECT_EQ(line["time"], 1'700'000'000);
}

}  // namespace
}  // namespace sluice::app
