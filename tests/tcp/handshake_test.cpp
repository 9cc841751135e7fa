// What the segments of the handshake leave in memory: each SYN and SYN,ACK, its repetitions, and two that
// cross.
#include "remembered.hpp"

namespace sluice::test {
namespace {

using Handshake = Remembered;

TEST_F(Handshake, OfASynIsWhatItOffers) {
    EXPECT_EQ(
        opens(Says(syn, 100).offers(700).bytes(5).scale(7).sack_allowed()),
        "A 106/106 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A scale A 7,0 sack A");
    EXPECT_EQ(talk.connection.lifetime, static_cast<unsigned>(Lifetime::syn_sent));
}

TEST_F(Handshake, OfASynWithoutTheOptionNoScale) {
    Segment bare = Says(syn, 100).offers(700);
    bare.window_scale = 9;
    EXPECT_EQ(opens(bare), "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A");
    bare = Says(syn_ack, 900, 101).offers(800);
    bare.window_scale = 9;
    EXPECT_EQ(
        b(bare),
        "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB answered");
}

TEST_F(Handshake, TheHandshakeGivesBothSidesTheirNumbers) {
    opens(Says(syn, 100).offers(700).scale(7).sack_allowed());
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800).scale(3)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 7,3 sack A answered");
    EXPECT_EQ(a(Says(ack, 101, 901).offers(2)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "scale AB 7,3 sack A answered assured");
    EXPECT_EQ(a(Says(ack, 101, 901).offers(10).bytes(40)),
              "A 141/901 window 1280 ack 901; B 901/2181 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "scale AB 7,3 sack A answered assured");
    EXPECT_EQ(b(Says(ack, 901, 141).offers(150).bytes(60)),
              "A 141/1341 window 1280 ack 901; B 961/2181 window 1200 ack 141; ESTABLISHED,ESTABLISHED seen "
              "AB scale AB 7,3 sack A answered assured");
}

TEST_F(Handshake, TheLifetimeInForceIsLeftToTheCaller) {
    opens(Says(syn, 100).offers(700));
    talk.connection.lifetime = static_cast<unsigned>(Lifetime::close);
    talk.connection.fixed_timeout = 1;
    b(Says(syn_ack, 900, 101).offers(700));
    EXPECT_EQ(talk.connection.lifetime, static_cast<unsigned>(Lifetime::close));
    EXPECT_EQ(talk.connection.fixed_timeout, 1U);
    EXPECT_EQ(talk.connection.assured, 0U);
}

TEST_F(Handshake, DataOnBothSynsCounts) {
    opens(Says(syn, 100).offers(700).bytes(5));
    EXPECT_EQ(
        b(Says(syn_ack, 900, 106).offers(800).bytes(9)),
        "A 106/906 window 700 ack 901; B 910/1601 window 800 ack 106; ESTABLISHED,SYN_RCVD seen AB answered");
    EXPECT_EQ(a(Says(ack, 106, 910).offers(700)),
              "A 106/906 window 700 ack 910; B 910/1610 window 800 ack 106; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}

TEST_F(Handshake, AClosedWindowInTheHandshakeLeavesRoomForAProbe) {
    opens(Says(syn, 100).offers(0));
    EXPECT_EQ(
        b(Says(syn_ack, 900, 101).offers(0)),
        "A 101/102 window 0 ack 901; B 901/902 window 0 ack 101; ESTABLISHED,SYN_RCVD seen AB answered");
    EXPECT_EQ(
        b(Says(syn_ack, 900, 101).offers(0)),
        "A 101/102 window 0 ack 901; B 901/902 window 0 ack 101; ESTABLISHED,SYN_RCVD seen AB answered");
    EXPECT_EQ(a(Says(ack, 101, 901).offers(0)),
              "A 101/102 window 0 ack 901; B 901/902 window 0 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}

TEST_F(Handshake, OneSideWithoutScalingTurnsItOffForBoth) {
    opens(Says(syn, 100).offers(700).scale(7));
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800).sack_allowed()),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale A 0,0 sack B answered");
}

TEST_F(Handshake, ARepeatedSynAddsAndTakesNothingBack) {
    opens(Says(syn, 100).offers(700).bytes(3));
    EXPECT_EQ(
        a(Says(syn, 100).offers(750).bytes(7).scale(5).sack_allowed()),
        "A 108/104 window 750 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A scale A 5,0 sack A");
    EXPECT_EQ(
        a(Says(syn, 100).offers(600).bytes(2).scale(9)),
        "A 108/104 window 750 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A scale A 5,0 sack A");
    EXPECT_EQ(b(Says(syn_ack, 900, 108).offers(800).scale(3)),
              "A 108/908 window 750 ack 901; B 901/1651 window 800 ack 108; ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 5,3 sack A answered");
    EXPECT_EQ(
        a(Says(syn, 100).offers(760).bytes(2)),
        "old-syn: A 108/908 window 750 ack 901; B 901/1651 window 800 ack 108; ESTABLISHED,SYN_RCVD seen AB "
        "scale AB 5,3 sack A answered pending {highest A 100+2 window 760; last A 100+2 window 760}");
}

TEST_F(Handshake, ARepeatedSynAckAddsAndTakesNothingBack) {
    opens(Says(syn, 100).offers(700).bytes(20).scale(7));
    b(Says(syn_ack, 900, 101).offers(800));
    EXPECT_EQ(b(Says(syn_ack, 900, 111).offers(850).bytes(4).scale(3).sack_allowed()),
              "A 121/961 window 700 ack 901; B 905/1601 window 850 ack 111; ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 14,3 sack B answered");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(400)),
              "ack-not-of-syn: A 121/961 window 700 ack 901; B 905/1601 window 850 ack 111; "
              "ESTABLISHED,SYN_RCVD seen AB scale AB 14,3 sack B answered");
}

TEST_F(Handshake, AScaleOnlyALaterSynAckAnswersIsTakenForTheLargest) {
    opens(Says(syn, 100).offers(700).scale(7));
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale A 0,0 answered");
    EXPECT_EQ(b(Says(syn_ack, 5000, 101).offers(810).scale(3)),
              "A 101/911 window 700 ack 5001; B 5001/5701 window 810 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 14,3 answered pending {answer B 900+0 window 800}");
}

TEST_F(Handshake, CrossingSynsBeginBothSides) {
    opens(Says(syn, 100).offers(700).scale(7));
    EXPECT_EQ(b(Says(syn, 900).offers(800).scale(3)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; SYN_RCVD,SYN_RCVD seen AB scale "
              "AB 7,3 answered");
    EXPECT_EQ(a(Says(syn_ack, 100, 901).offers(750).scale(7)),
              "A 101/901 window 750 ack 901; B 901/1651 window 800 ack 101; SYN_RCVD,ESTABLISHED seen AB "
              "scale AB 7,3 answered");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(850).scale(3)),
              "A 101/951 window 750 ack 901; B 901/1651 window 850 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "scale AB 7,3 answered assured");
}

TEST_F(Handshake, ASynAckOfAnotherSynFinishesNoSimultaneousOpen) {
    opens(Says(syn, 100).offers(700).scale(7));
    of_b(Says(syn, 900).offers(800).scale(3).sack_allowed());
    of_b(Says(syn_ack, 900, 101).offers(800).scale(3));
    EXPECT_EQ(a(Says(syn_ack, 5000, 901).offers(750).scale(4)),
              "ack-not-of-syn: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 7,3 sack B answered pending {answer A 5000+0 window 750 scale 4}");
}

TEST_F(Handshake, ASynAckAgainInTheConnectionOffersItsWindow) {
    open();
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(1000)),
              "A 101/1101 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(500)),
              "A 101/1101 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}

TEST_F(Handshake, TheOwnHandshakeComingAgainLateBeginsNothingAnew) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn_ack, 900, 101).offers(50'000));
    a(Says(ack, 101, 901).offers(700));
    // Until A's end is that far: what lies up to 4 MiB behind it is its own.
    constexpr std::uint32_t reach = 1U << 22, end = 5'000'101;
    for (std::uint32_t sent = 101; sent < end; sent += 50'000) {
        ASSERT_EQ(of_a(Says(ack, sent, 901).bytes(50'000)), Reason::none);
        ASSERT_EQ(of_b(Says(ack, 901, sent + 50'000).offers(50'000)), Reason::none);
    }
    for (const std::uint32_t isn : {end - reach, end - reach - 1, end - 2}) {
        Conversation copy = talk;
        ASSERT_EQ(copy.send(Direction::original, Says(syn, isn)).reason, Reason::syn_in_connection);
        (void)copy.send(Direction::reply, Says(syn_ack, 900, isn + 1));
        EXPECT_EQ(copy.pair(), isn == end - reach - 1 ? tcp::Pair::established__syn_rcvd
                                                      : tcp::Pair::established__established);
    }
    // And of B's, whose end is 901.
    for (const std::uint32_t isn : {901U - reach, 901U - reach - 1, 901U, 902U}) {
        Conversation copy = talk;
        ASSERT_EQ(copy.send(Direction::original, Says(syn, end - 500)).reason, Reason::syn_in_connection);
        (void)copy.send(Direction::reply, Says(syn_ack, isn, end - 499));
        EXPECT_EQ(copy.pair(), isn == 901U - reach ? tcp::Pair::established__established
                                                   : tcp::Pair::established__syn_rcvd)
            << isn;
    }
}

TEST_F(Handshake, ASynAckOfAnotherSynDoesNotFinishItFromTheOtherSideEither) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn, 900).offers(800));
    a(Says(ack, 101, 901).offers(700).bytes(4));
    ASSERT_EQ(talk.pair(), tcp::Pair::syn_rcvd__established);
    EXPECT_EQ(if_b(Says(syn_ack, 5000, 101)), Reason::ack_not_of_syn);
    EXPECT_EQ(if_b(Says(syn_ack, 900, 101)), Reason::none);
    EXPECT_EQ(a(Says(syn_ack, 5000, 901).offers(710)),
              "A 5001/5801 window 710 ack 901; B 901/1611 window 800 ack 5001; SYN_RCVD,ESTABLISHED seen AB "
              "answered pending {answer A 100+4 window 700}")
        << "whose own answer is still to come, may begin anew";
}
TEST_F(Handshake, ASynAckThatRepeatsTheSynMayCarryMoreData) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn_ack, 900, 101).offers(800));
    EXPECT_EQ(a(Says(syn_ack, 100, 901).offers(700).bytes(1)),
              "A 102/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}

TEST_F(Handshake, ASynThatEndsWhereItsSideHasEndedAddsToIt) {
    opens(Says(syn, 1000).offers(700).bytes(5));
    b(Says(syn_ack, 9000, 1001).offers(800));
    EXPECT_EQ(a(Says(syn, 1005).offers(900).sack_allowed()),
              "A 1006/1801 window 900 ack 9001; B 9001/9701 window 800 ack 1001; ESTABLISHED,SYN_RCVD seen "
              "AB sack A answered");
}
TEST_F(Handshake, ASynAckWithAnotherIsnBeginsTheCountOfRepetitionsAnew) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn_ack, 900, 101).offers(800));
    b(Says(ack, 901, 101).offers(800).bytes(10));
    b(Says(ack, 901, 101).offers(800).bytes(10));
    ASSERT_EQ(talk.connection.retransmissions, 1U);
    b(Says(syn_ack, 5000, 101).offers(810));
    EXPECT_EQ(talk.connection.retransmissions, 0U);
}
TEST_F(Handshake, CrossingSynsMayCarryMoreThanTheOtherAllows) {
    opens(Says(syn, 100).offers(700).bytes(50));
    EXPECT_EQ(
        b(Says(syn, 900).offers(3)),
        "A 151/151 window 700 ack 901; B 901/1601 window 3 ack 101; SYN_RCVD,SYN_RCVD seen AB answered");
}
TEST_F(Handshake, ARepeatedSynAckWithASmallerWindowTakesNothingBack) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn_ack, 900, 101).offers(800));
    EXPECT_EQ(
        b(Says(syn_ack, 900, 101).offers(400)),
        "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB answered");
}
TEST_F(Handshake, WhoAcknowledgesSomethingElseThanTheSynThatWaitsKnowsAnotherConnection) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn, 900).offers(800));
    for (const std::uint32_t sequence : {50U, 500'000U}) {
        EXPECT_EQ(if_a(Says(ack, sequence, 902).bytes(200)), Reason::ack_not_of_syn);
        EXPECT_EQ(if_b(Says(ack, sequence, 102).bytes(900)), Reason::ack_not_of_syn);
    }
    EXPECT_EQ(if_a(Says(ack, 500'000, 901).bytes(1)), Reason::seq_after_window);
    EXPECT_EQ(if_b(Says(ack, 500'000, 101).bytes(1)), Reason::seq_after_window);
    Conversation crossing = talk;
    of_a(Says(ack, 101, 901));
    ASSERT_EQ(talk.pair(), tcp::Pair::syn_rcvd__established);
    EXPECT_EQ(if_a(Says(ack, 500'000, 902)), Reason::seq_after_window) << "B's SYN waits no more";
    EXPECT_EQ(if_b(Says(ack, 500'000, 102)), Reason::ack_not_of_syn);
    talk = crossing;
    of_b(Says(ack, 901, 101));
    ASSERT_EQ(talk.pair(), tcp::Pair::established__syn_rcvd);
    EXPECT_EQ(if_a(Says(ack, 500'000, 902)), Reason::ack_not_of_syn);
    EXPECT_EQ(if_b(Says(ack, 500'000, 102)), Reason::seq_after_window) << "A's SYN waits no more";
}

TEST_F(Handshake, WhileASideDialsThereIsNothingToHoldWhatItAcknowledgesAgainst) {
    opens(Says(syn, 100).offers(700));
    a(Says(syn, 100).offers(700).bytes(500));
    EXPECT_EQ(if_a(Says(fin, 102, 7)), Reason::before_syn_ack);
    EXPECT_EQ(if_a(Says(fin, 102, 101)), Reason::before_syn_ack);
}

}  // namespace
}  // namespace sluice::test
