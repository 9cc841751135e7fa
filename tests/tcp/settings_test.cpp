// What an operator may change about the judgement: be_liberal, ignore_invalid_rst, strict, loose, asymmetric.
#include <gtest/gtest.h>

#include "conversation.hpp"

namespace sluice::test {
namespace {

using tcp::Direction;
using tcp::Flag;
using tcp::Pair;
using tcp::Settings;
using tcp::Verdict;

Conversation opened(const Settings& settings) {
    Conversation talk;
    talk.settings = settings;
    talk.open(10, 20, 1000);
    return talk;
}

TEST(Liberal, ToleratesWhatIsOutsideTheWindowsButNoReset) {
    Settings settings;
    settings.be_liberal = true;
    Conversation talk = opened(settings);
    Verdict verdict = talk.send(Direction::original, Flag::ack, 1000000, 21, 10);
    EXPECT_EQ(verdict.outcome, Outcome::tolerated);
    EXPECT_EQ(verdict.reason, Reason::seq_after_window);
    verdict = talk.send(Direction::original, Flag::ack, 11, 9999, 10);
    EXPECT_EQ(verdict.outcome, Outcome::tolerated);
    EXPECT_EQ(verdict.reason, Reason::ack_unsent);
    EXPECT_EQ(talk.send(Direction::original, Flag::rst, 1000000, 0).outcome, Outcome::refused);
    EXPECT_EQ(talk.send(Direction::original, Flag::syn | Flag::fin, 11, 0).outcome, Outcome::refused);
}

TEST(IgnoreInvalidRst, ToleratesAResetOutsideTheWindow) {
    Settings settings;
    settings.ignore_invalid_rst = true;
    Conversation talk = opened(settings);
    const Verdict verdict = talk.send(Direction::original, Flag::rst, 1000000, 0);
    EXPECT_EQ(verdict.outcome, Outcome::tolerated);
    EXPECT_EQ(verdict.reason, Reason::rst_out_of_window);
    EXPECT_EQ(talk.pair(), Pair::established__established);
    EXPECT_EQ(talk.send(Direction::original, Flag::ack, 1000000, 21).outcome, Outcome::refused)
        << "what is no reset is refused as ever";
}

TEST(Strict, RefusesOvershootSynAndInexactReset) {
    Settings settings;
    settings.strict = true;
    Conversation talk = opened(settings);
    const tcp::Connection before = talk.connection;
    EXPECT_EQ(talk.send(Direction::original, Flag::ack, 1012, 21, 1).outcome, Outcome::refused);
    EXPECT_EQ(talk.send(Direction::original, Flag::syn, 77777, 0).outcome, Outcome::refused);
    EXPECT_EQ(talk.send(Direction::original, Flag::rst, 12, 0).outcome, Outcome::refused);
    EXPECT_EQ(std::memcmp(&before, &talk.connection, sizeof before), 0);
    EXPECT_EQ(talk.send(Direction::original, Flag::ack, 11, 21 - 70000U).outcome, Outcome::tolerated);
}

TEST(Loose, OpensOnlyOnAPlainAck) {
    Conversation talk;
    for (const unsigned flags :
         {unsigned{Flag::ack}, unsigned{Flag::ack | Flag::psh}, unsigned{Flag::ack | Flag::urg}})
        EXPECT_EQ(tcp::open(talk.connection, talk.make(flags, 1, 1), talk.settings).outcome,
                  Outcome::accepted);
    for (const unsigned flags : {unsigned{Flag::ack | Flag::fin}, unsigned{Flag::rst},
                                 unsigned{Flag::rst | Flag::ack}, unsigned{Flag::syn | Flag::ack}})
        EXPECT_EQ(tcp::open(talk.connection, talk.make(flags, 1, 1), talk.settings).reason,
                  Reason::no_connection);
    EXPECT_EQ(tcp::open(talk.connection, talk.make(Flag::fin, 1, 1), talk.settings).reason,
              Reason::bad_flags);
}

class OneWay : public testing::Test {
  protected:
    Conversation talk;
    void SetUp() override {
        talk.settings.asymmetric = true;
        talk.settings.loose = false;
        talk.window = 1000;
    }
    Verdict a(unsigned flags, std::uint32_t sequence, std::uint32_t acknowledgement,
              std::uint32_t length = 0) {
        return talk.send(Direction::original, flags, sequence, acknowledgement, length);
    }
};

TEST_F(OneWay, TheDiallersSideAloneIsFollowedToItsEnd) {
    ASSERT_EQ(tcp::open(talk.connection, talk.make(Flag::syn, 10, 0), talk.settings).outcome,
              Outcome::accepted);
    EXPECT_EQ(a(Flag::ack, 11, 5000).outcome, Outcome::accepted);
    EXPECT_EQ(talk.pair(), Pair::established__established);
    EXPECT_EQ(a(Flag::ack, 11, 5000, 100000).lifetime, Lifetime::established);
    EXPECT_EQ(a(Flag::ack, 100011, 9000000, 100000).outcome, Outcome::accepted);
    EXPECT_EQ(a(Flag::ack, 100011, 9000000, 100000).outcome, Outcome::accepted);
    EXPECT_EQ(a(Flag::ack | Flag::fin, 200011, 9000000).outcome, Outcome::accepted);
    EXPECT_EQ(talk.pair(), Pair::fin_wait_1__close_wait);
    EXPECT_EQ(talk.connection.assured, 0U);
}

TEST_F(OneWay, TheAnsweringSideAloneOpensAFlow) {
    EXPECT_EQ(tcp::open(talk.connection, talk.make(Flag::syn | Flag::ack, 10, 5000), talk.settings).outcome,
              Outcome::accepted);
    EXPECT_EQ(a(Flag::ack, 11, 6000, 5000).outcome, Outcome::accepted);
    EXPECT_EQ(a(Flag::rst, 5011, 0).outcome, Outcome::accepted);
    EXPECT_EQ(talk.pair(), Pair::closed__closed);
}

TEST_F(OneWay, AnyAckOpensAFlowAlsoWhereNoneIsPickedUp) {
    EXPECT_EQ(tcp::open(talk.connection, talk.make(Flag::ack, 10, 5000), talk.settings).outcome,
              Outcome::accepted);
}

TEST_F(OneWay, FinAndResetStillOpenNothing) {
    EXPECT_EQ(tcp::open(talk.connection, talk.make(Flag::fin | Flag::ack, 10, 5000), talk.settings).reason,
              Reason::no_connection);
    EXPECT_EQ(tcp::open(talk.connection, talk.make(Flag::rst, 10, 0), talk.settings).reason,
              Reason::no_connection);
}

TEST_F(OneWay, BothSidesSeenAfterAllAreHeldToTheirWindows) {
    talk.open(10, 20, 1000);
    EXPECT_EQ(talk.connection.assured, 1U);
    EXPECT_EQ(a(Flag::ack, 1000000, 21, 10).reason, Reason::seq_after_window);
    EXPECT_EQ(a(Flag::ack, 11, 22, 10).reason, Reason::ack_unsent);
}

}  // namespace
}  // namespace sluice::test
