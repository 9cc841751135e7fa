// Which timeout runs (nf_conntrack's list, first match), and what counts as a retransmission.
//
//   unassured (picked up)            loose            300 s
//   retransmissions >= max_retrans   max_retrans      300 s
//   data not acknowledged            unacknowledged   300 s
//   last window 0                    unacknowledged   300 s
//   else                             the pair's       432000 s when established
#include <gtest/gtest.h>

#include "conversation.hpp"

namespace sluice::test {
namespace {

using tcp::Direction;
using tcp::Flag;
using tcp::Refresh;

class Timeout : public testing::Test {
  protected:
    Conversation talk;
    void SetUp() override { talk.open(10, 20, 1000); }
    Lifetime a(std::uint32_t sequence, std::uint32_t acknowledgement, std::uint32_t length = 0) {
        return talk.send(Direction::original, Flag::ack, sequence, acknowledgement, length).lifetime;
    }
    Lifetime b(std::uint32_t sequence, std::uint32_t acknowledgement, std::uint32_t length = 0) {
        return talk.send(Direction::reply, Flag::ack, sequence, acknowledgement, length).lifetime;
    }
};

TEST_F(Timeout, UnacknowledgedDataCutsItUntilTheLastByteIsAcknowledged) {
    EXPECT_EQ(a(11, 21, 100), Lifetime::unacknowledged);
    EXPECT_EQ(b(21, 110), Lifetime::unacknowledged);
    EXPECT_EQ(b(21, 111), Lifetime::established);
    EXPECT_EQ(b(21, 111, 1), Lifetime::unacknowledged);
    EXPECT_EQ(a(111, 22), Lifetime::established);
}

TEST_F(Timeout, AClosedWindowCutsIt) {
    talk.window = 0;
    EXPECT_EQ(b(21, 11), Lifetime::unacknowledged);
    talk.window = 1;
    EXPECT_EQ(b(21, 11), Lifetime::established);
}

TEST_F(Timeout, ThreeRetransmissionsCutItUntilThereIsProgress) {
    EXPECT_EQ(a(11, 21, 100), Lifetime::unacknowledged);
    EXPECT_EQ(a(11, 21, 100), Lifetime::unacknowledged);
    EXPECT_EQ(a(11, 21, 50), Lifetime::unacknowledged);
    EXPECT_EQ(a(11, 21, 100), Lifetime::max_retrans);
    EXPECT_EQ(a(11, 21, 100), Lifetime::max_retrans);
    EXPECT_EQ(b(21, 111), Lifetime::established);
    EXPECT_EQ(talk.connection.retransmissions, 0U);
}

TEST_F(Timeout, TheCountStopsAtSeven) {
    for (int i = 0; i < 30; ++i) (void)a(11, 21, 100);
    EXPECT_EQ(talk.connection.retransmissions, 7U);
    EXPECT_EQ(talk.pair(), tcp::Pair::established__established);
}

TEST_F(Timeout, DuplicateAcknowledgementsAreNoRetransmissions) {
    for (int i = 0; i < 10; ++i) EXPECT_EQ(b(21, 11), Lifetime::established);
}

TEST_F(Timeout, KeepalivesAreNoRetransmissions) {
    (void)a(11, 21, 100);
    (void)b(21, 111);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(a(110, 21), Lifetime::established);
        EXPECT_EQ(a(110, 21, 1), Lifetime::established);
        EXPECT_EQ(b(21, 111), Lifetime::established);
    }
}

TEST_F(Timeout, NewDataOfTheOtherSideIsProgress) {
    for (int i = 0; i < 5; ++i) (void)a(11, 21, 100);
    EXPECT_EQ(b(21, 11, 10), Lifetime::unacknowledged);
}

TEST_F(Timeout, MaxRetransIsASetting) {
    talk.settings.max_retrans = 1;
    EXPECT_EQ(a(11, 21, 100), Lifetime::unacknowledged);
    EXPECT_EQ(a(11, 21, 100), Lifetime::max_retrans);
}

TEST_F(Timeout, TheCutsAreForEstablishedFlowsOnly) {
    EXPECT_EQ(talk.send(Direction::original, Flag::ack | Flag::fin, 11, 21, 100).lifetime,
              Lifetime::fin_wait);
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(talk.send(Direction::original, Flag::ack | Flag::fin, 11, 21, 100).lifetime,
                  Lifetime::fin_wait);
    EXPECT_EQ(b(21, 112, 50), Lifetime::close_wait);
}

TEST_F(Timeout, WhatIsToleratedOrRefusedRefreshesNothing) {
    EXPECT_EQ(talk.send(Direction::original, Flag::rst, 12, 0).refresh, Refresh::keep);
    EXPECT_EQ(talk.send(Direction::original, Flag::ack, 11, 999).refresh, Refresh::keep);
    EXPECT_EQ(talk.send(Direction::original, Flag::syn, 5000, 0).refresh, Refresh::keep);
    EXPECT_EQ(talk.send(Direction::reply, Flag::ack, 21, 11).refresh, Refresh::set);
}

TEST(TimeoutOfPickedUpFlows, IsShortUntilBothSidesWereHeard) {
    Conversation talk;
    talk.window = 1000;
    EXPECT_EQ(tcp::open(talk.connection, talk.make(Flag::ack, 11, 21), talk.settings).lifetime,
              Lifetime::loose);
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(talk.send(Direction::original, Flag::ack, 11, 21, 10).lifetime, Lifetime::loose);
    EXPECT_EQ(talk.send(Direction::reply, Flag::ack, 21, 21).lifetime, Lifetime::loose);
    EXPECT_EQ(talk.connection.assured, 0U);
    EXPECT_EQ(talk.send(Direction::original, Flag::ack, 21, 21).lifetime, Lifetime::established);
    EXPECT_EQ(talk.connection.assured, 1U);
}

TEST(TimeoutOfPairs, IsThatOfTheNameConntrackUsersKnow) {
    for (const tcp::PairText& pair : tcp::pair_texts) {
        const std::string_view key = lifetime_texts[static_cast<std::size_t>(pair.lifetime)].key;
        std::string name(pair.conntrack_name);
        for (char& c : name) c = static_cast<char>(std::tolower(c));
        EXPECT_EQ(key, "tcp.timeout_" + name);
    }
}

}  // namespace
}  // namespace sluice::test
