// SYNs and SYN,ACKs that wait beside the connection: which one is the newest, which repeats it, which is
// older, and what the answer to each begins (O6, O8c, T4, T6).
#include "remembered.hpp"

namespace sluice::test {
namespace {

using RememberedSyn = Remembered;

TEST_F(RememberedSyn, ASynAckWithAnotherIsnTakesOverAndTheReplacedOneIsKept) {
    opens(Says(syn, 100).offers(700).scale(7).sack_allowed());
    b(Says(syn_ack, 900, 101).offers(800).bytes(6).scale(3).sack_allowed());
    EXPECT_EQ(b(Says(syn_ack, 5000, 101).offers(810)),
              "A 101/911 window 700 ack 5001; B 5001/5701 window 810 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale A 0,0 sack A answered pending {answer B 900+6 window 800 scale 3 sack}");
    EXPECT_EQ(
        a(Says(ack, 101, 901).offers(20)),
        "A 101/911 window 327680 ack 901; B 907/328581 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
        "scale AB 14,3 sack AB answered assured pending {answer B 900+6 window 800 scale 3 sack}");
}

TEST_F(RememberedSyn, ANewerSynWaitsBesideAndItsAnswerBeginsBothSidesAnew) {
    opens(Says(syn, 100).offers(700));
    EXPECT_EQ(a(Says(syn, 2000).offers(710).bytes(4).scale(6).sack_allowed()),
              "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A pending {highest "
              "A 2000+4 window 710 scale 6 sack; last A 2000+4 window 710 scale 6 sack}");
    EXPECT_EQ(a(Says(syn, 2000).offers(720).bytes(2)),
              "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A pending {highest "
              "A 2000+4 window 720 scale 6 sack; last A 2000+4 window 720 scale 6 sack}");
    EXPECT_EQ(b(Says(syn_ack, 900, 2001).offers(800).scale(3)),
              "A 2005/2801 window 720 ack 901; B 901/1621 window 800 ack 2001; ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 6,3 sack A answered");
}

TEST_F(RememberedSyn, WhereOnlyTheDiallerWasHeardItsAnswerReplacesNothing) {
    opens(Says(syn, 100).offers(700));
    b(Says(ack, 7000, 650).offers(800));
    a(Says(syn, 2000).offers(710));
    EXPECT_EQ(b(Says(syn_ack, 900, 2001).offers(800)),
              "A 2001/2801 window 710 ack 901; B 901/1611 window 800 ack 2001; ESTABLISHED,SYN_RCVD seen AB "
              "answered pending {data of B to 7000; acknowledged 650}");
}

TEST_F(RememberedSyn, AnOlderSynAndItsAnswerAreBelievedOnceTheDiallerAnswersThem) {
    opens(Says(syn, 3000).offers(700));
    EXPECT_EQ(a(Says(syn, 100).offers(710).bytes(4).scale(6).sack_allowed()),
              "old-syn: A 3001/3001 window 700 ack 0; B 0/0 window 0 ack 3001; SYN_SENT,SYN_RCVD seen A "
              "pending {last A 100+4 window 710 scale 6 sack}");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800).scale(3)),
              "ack-not-of-syn: A 3001/3001 window 700 ack 0; B 0/0 window 0 ack 3001; SYN_SENT,SYN_RCVD seen "
              "A answered pending {answer B 900+0 window 800 scale 3; last A 100+4 window 710 scale 6 sack; "
              "acknowledged 101}");
    EXPECT_EQ(a(Says(ack, 101, 901).offers(20)),
              "A 105/905 window 1280 ack 901; B 901/2181 window 800 ack 105; ESTABLISHED,ESTABLISHED seen AB "
              "scale AB 6,3 sack A answered assured pending {acknowledged 101}");
}

TEST_F(RememberedSyn, ASynInAConnectionWaitsBesideUntilItIsAnswered) {
    open();
    EXPECT_EQ(a(Says(syn, 70000).offers(710).scale(6).sack_allowed()),
              "syn-in-connection: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured pending {highest A 70000+0 window 710 scale "
              "6 sack; last A 70000+0 window 710 scale 6 sack}");
    EXPECT_EQ(a(Says(syn, 80000).offers(720)),
              "syn-in-connection: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured pending {highest A 80000+0 window 720; last "
              "A 80000+0 window 720}");
    EXPECT_EQ(a(Says(syn, 75000).offers(730)),
              "syn-in-connection: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured pending {highest A 80000+0 window 720; last "
              "A 75000+0 window 730}");
    EXPECT_EQ(b(Says(ack, 901, 101).offers(800)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {highest A 80000+0 window 720; last A 75000+0 window 730}");
    EXPECT_EQ(b(Says(syn_ack, 9000, 80001).offers(850)),
              "A 80001/80851 window 720 ack 9001; B 9001/9721 window 850 ack 80001; ESTABLISHED,SYN_RCVD "
              "seen AB answered assured pending {acknowledged 101; replaced 901}");
}

TEST_F(RememberedSyn, NewDataOfItsSenderForgetsASynInTheLongRunOldDataDoesNot) {
    open();
    a(Says(syn, 70000).offers(710));
    EXPECT_EQ(a(Says(ack, 101, 901).offers(700)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {highest A 70000+0 window 710; last A 70000+0 window 710}");
    EXPECT_EQ(b(Says(ack, 901, 101).offers(800).bytes(10)),
              "A 101/901 window 700 ack 901; B 911/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {highest A 70000+0 window 710; last A 70000+0 window 710}");
    // Fifteen segments may have been overtaken by the SYN.
    for (std::uint32_t i = 0; i < 15; ++i) {
        EXPECT_EQ(of_a(Says(ack, 101 + 10 * i, 911).offers(700).bytes(10)), Reason::none);
        EXPECT_EQ(shown(talk.pending), "highest A 70000+0 window 710; last A 70000+0 window 710");
    }
    EXPECT_EQ(a(Says(ack, 251, 911).offers(700).bytes(10)),
              "A 261/901 window 700 ack 911; B 911/1611 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}

TEST_F(RememberedSyn, ARepetitionIsRememberedAsLongAsTheFirst) {
    open();
    a(Says(syn, 70000).offers(710));
    for (std::uint32_t i = 0; i < 30; ++i) {
        if (i == 15) a(Says(syn, 70000).offers(710));
        EXPECT_EQ(of_a(Says(ack, 101 + 10 * i, 901).offers(700).bytes(10)), Reason::none);
    }
    EXPECT_EQ(shown(talk.pending), "highest A 70000+0 window 710; last A 70000+0 window 710");
}

TEST_F(RememberedSyn, WhatIsRememberedOfOneSideIsNotForgottenByTheOther) {
    open();
    of_a(Says(syn, 70'000).offers(710));
    of_b(Says(syn, 80'000).offers(810));
    EXPECT_EQ(shown(talk.pending), "highest A 70000+0 window 710; last B 80000+0 window 810");
    Conversation copy = talk;
    speaks_on(Direction::original, 101, 901);
    EXPECT_EQ(shown(talk.pending), "last B 80000+0 window 810");
    speaks_on(Direction::reply, 901, 117);
    EXPECT_EQ(talk.connection.pending_syn, 0U);
    talk = copy;
    speaks_on(Direction::reply, 901, 101);
    EXPECT_EQ(shown(talk.pending), "highest A 70000+0 window 710");
}

TEST_F(RememberedSyn, ARepetitionOfOneSidesSynSaysNothingOfTheOthers) {
    open();
    of_a(Says(syn, 70'000).offers(710).bytes(9).scale(6).sack_allowed());
    of_b(Says(syn, 70'000).offers(10));
    EXPECT_EQ(shown(talk.pending), "highest A 70000+9 window 710 scale 6 sack; last B 70000+0 window 10");
    of_a(Says(syn, 70'000).offers(5));
    EXPECT_EQ(shown(talk.pending),
              "highest A 70000+9 window 710 scale 6 sack; last A 70000+9 window 710 scale 6 sack");
}

TEST_F(RememberedSyn, OfASynWhileItsSideDials) {
    opens(Says(syn, 1000).offers(700));
    EXPECT_EQ(if_a(Says(syn, 999)), Reason::old_syn);
    EXPECT_EQ(if_a(Says(syn, 1000)), Reason::none);
    EXPECT_EQ(if_a(Says(syn, 1001)), Reason::none);
    ASSERT_EQ(of_a(Says(syn, 2000)), Reason::none);
    for (const std::uint32_t older : {999U, 1000U, 1001U, 1999U})
        EXPECT_EQ(if_a(Says(syn, older)), Reason::old_syn) << older;
    EXPECT_EQ(a(Says(syn, 2000).offers(5)),
              "A 1001/1001 window 700 ack 0; B 0/0 window 0 ack 1001; SYN_SENT,SYN_RCVD seen A pending "
              "{highest A 2000+0 window 5; last A 2000+0 window 5}");
    EXPECT_EQ(a(Says(syn, 2001).offers(6)),
              "A 1001/1001 window 700 ack 0; B 0/0 window 0 ack 1001; SYN_SENT,SYN_RCVD seen A pending "
              "{highest A 2001+0 window 6; last A 2001+0 window 6}");
}

TEST_F(RememberedSyn, OfASynWhileTheConnectionOpens) {
    opens(Says(syn, 1000).offers(700).bytes(5));
    of_b(Says(syn_ack, 9000, 1001).offers(800));
    EXPECT_EQ(if_a(Says(syn, 999)), Reason::old_syn);
    EXPECT_EQ(if_a(Says(syn, 1000)), Reason::none);
    EXPECT_EQ(if_a(Says(syn, 1001)), Reason::syn_in_connection);
    EXPECT_EQ(if_a(Says(syn, 1005)), Reason::none) << "it ends where A has ended";
    EXPECT_EQ(if_a(Says(syn, 1006)), Reason::syn_in_connection);
    EXPECT_EQ(if_b(Says(syn, 9000)), Reason::none);
    EXPECT_EQ(if_b(Says(syn, 8999)), Reason::old_syn);
    EXPECT_EQ(if_b(Says(syn, 9001)), Reason::syn_in_connection);
}

TEST_F(RememberedSyn, OfASynInAConnection) {
    open();
    EXPECT_EQ(if_a(Says(syn, 100)), Reason::none);
    EXPECT_EQ(if_a(Says(syn, 99)), Reason::syn_in_connection);
    EXPECT_EQ(if_a(Says(syn, 101)), Reason::syn_in_connection);
    ASSERT_EQ(of_a(Says(ack, 101, 901).bytes(10)), Reason::none);
    EXPECT_EQ(if_a(Says(syn, 100)), Reason::syn_in_connection) << "its ISN is forgotten";
    EXPECT_EQ(if_a(Says(syn, 110)), Reason::none);
}

TEST_F(RememberedSyn, OfThreeThatLieFarApartTheLastIsTheNewest) {
    opens(Says(syn, 100).offers(700));
    ASSERT_EQ(of_a(Says(syn, 1'000'000'000)), Reason::none);
    ASSERT_EQ(of_a(Says(syn, 2'250'000'000)), Reason::none);
    EXPECT_EQ(if_a(Says(syn, 2'250'000'000)), Reason::none)
        << "the newest again, half the circle from the first";
    EXPECT_EQ(if_a(Says(syn, 2'249'999'999)), Reason::old_syn);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 101)), Reason::rst_old) << "refuses a SYN dialled before";
}
TEST_F(RememberedSyn, OfTwoNeighboursTheSecondIsTheNewest) {
    opens(Says(syn, 100).offers(700));
    ASSERT_EQ(of_a(Says(syn, 101).offers(710)), Reason::none);
    EXPECT_EQ(if_a(Says(syn, 100)), Reason::old_syn);
    EXPECT_EQ(if_a(Says(syn, 101)), Reason::none);
}
TEST_F(RememberedSyn, TheReplacedSynAckIsBelievedWithItsOwnNumbers) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn_ack, 900, 101).offers(800));
    b(Says(syn_ack, 5000, 101).offers(810));
    EXPECT_EQ(a(Says(ack, 101, 901).offers(200)),
              "A 101/911 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {answer B 900+0 window 800}");
}
TEST_F(RememberedSyn, TheReplacedSynAckIsBelievedAlsoWhenItIsTheNeighbourOfTheOther) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn_ack, 900, 101).offers(800));
    b(Says(syn_ack, 901, 101).offers(810));
    EXPECT_EQ(a(Says(ack, 101, 901).offers(200)),
              "A 101/911 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {answer B 900+0 window 800}");
}
TEST_F(RememberedSyn, AnAckThatAnswersBothSynAcksStaysWithTheLaterOne) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn_ack, 900, 101).offers(800).bytes(1));
    b(Says(syn_ack, 901, 101).offers(810));
    EXPECT_EQ(a(Says(ack, 101, 902).offers(200)),
              "A 101/911 window 700 ack 902; B 902/1602 window 810 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {answer B 900+1 window 800}");
}
TEST_F(RememberedSyn, AnAckThatBelievesAnotherSynAckBringsNothingNew) {
    opens(Says(syn, 100).offers(700).bytes(500));
    b(Says(syn_ack, 899, 601).offers(810));
    b(Says(syn_ack, 900, 601).offers(800));
    EXPECT_EQ(a(Says(ack, 101, 900).offers(200).bytes(2)),
              "A 601/1401 window 700 ack 900; B 900/1600 window 810 ack 601; ESTABLISHED,ESTABLISHED seen AB "
              "again 1 answered assured pending {answer B 899+0 window 810}");
}
TEST_F(RememberedSyn, WhatFollowsTheSynAckOfTheOtherSideIsNotKnownByIt) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn, 900).offers(800));
    b(Says(syn_ack, 70'000, 101).offers(810));
    EXPECT_EQ(if_b(Says(ack, 70'001, 101).bytes(1)), Reason::before_syn_ack);
    EXPECT_EQ(if_b(Says(ack, 70'001 + 700, 101).bytes(1)), Reason::before_syn_ack) << "A's window";
    EXPECT_EQ(if_b(Says(ack, 70'001 + 701, 101).bytes(1)), Reason::seq_after_window);
    EXPECT_EQ(if_a(Says(ack, 70'001, 901).bytes(1)), Reason::seq_after_window);
}
TEST_F(RememberedSyn, AnotherSynAckCountsItsSidesNewDataFromTheBeginning) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn, 900).offers(800));
    b(Says(syn, 70'000).offers(810));
    for (std::uint32_t i = 0; i < 10; ++i) of_b(Says(ack, 901 + i, 101).bytes(1));
    b(Says(syn_ack, 5000, 101).offers(820));
    ASSERT_EQ(shown(talk.pending), "answer B 900+10 window 800; last B 70000+0 window 810");
    for (std::uint32_t i = 0; i < 15; ++i) of_b(Says(ack, 5001 + i, 101).bytes(1));
    EXPECT_EQ(shown(talk.pending), "answer B 900+10 window 800; last B 70000+0 window 810");
    of_b(Says(ack, 5016, 101).bytes(1));
    EXPECT_EQ(talk.connection.pending_syn, 0U);
}
TEST_F(RememberedSyn, AnAckDecidesBetweenSynAcksAndNotForASyn) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn_ack, 900, 101).offers(800));
    b(Says(syn, 899).offers(810));
    EXPECT_EQ(of_a(Says(ack, 101, 900)), Reason::ack_not_of_syn);
    EXPECT_EQ(talk.pair(), tcp::Pair::established__syn_rcvd);
}
TEST_F(RememberedSyn, AnOlderSynIsNotBelievedOnTheWordOfItsReceiverAlone) {
    opens(Says(syn, 3000).offers(700));
    a(Says(syn, 100).offers(710));
    b(Says(syn_ack, 900, 101).offers(800));
    EXPECT_EQ(a(Says(ack, 3001, 901).offers(700)),
              "before-syn-ack: A 3001/3001 window 700 ack 0; B 0/0 window 0 ack 3001; SYN_SENT,SYN_RCVD seen "
              "A answered pending {answer B 900+0 window 800; last A 100+0 window 710; acknowledged 901}")
        << "A stands at the SYN in the connection";
}
TEST_F(RememberedSyn, OnlyTheOriginatorsAckDecidesBetweenTwo) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn_ack, 900, 101).offers(800));
    a(Says(syn, 1500).offers(710));
    EXPECT_EQ(b(Says(ack, 1400, 1501).offers(800)),
              "before-syn-ack: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,SYN_RCVD seen AB answered pending {highest A 1500+0 window 710; last A 1500+0 "
              "window 710; data of B to 1400; acknowledged 1501}");
}
TEST_F(RememberedSyn, OneThatItsSenderHasLeftBehindDecidesNothing) {
    opens(Says(syn, 100).offers(700));
    b(Says(syn, 900).offers(800));
    b(Says(syn, 1600).offers(810));
    speaks_on(Direction::reply, 901, 101);
    EXPECT_EQ(a(Says(fin, 101, 1601).offers(700)),
              "ack-not-of-syn: A 101/901 window 700 ack 901; B 917/1601 window 800 ack 101; "
              "ESTABLISHED,SYN_RCVD seen AB answered pending {FIN of A to 102; acknowledged 1601}");
}
TEST_F(RememberedSyn, ItsAnswerBeginsAnewAlsoWhereBothLieJustBehindTheDataOfAnOpeningConnection) {
    opens(Says(syn, 100).offers(700).bytes(1));
    b(Says(syn, 900).offers(800).bytes(1400));
    b(Says(syn, 1600).offers(810));
    EXPECT_EQ(a(Says(syn_ack, 101, 1601).offers(720)),
              "A 102/912 window 720 ack 1601; B 1601/2321 window 810 ack 102; SYN_RCVD,ESTABLISHED seen AB "
              "answered pending {acknowledged 901; replaced 101}");
}

TEST_F(RememberedSyn, TheAnswerToTheLastBeginsFromIt) {
    open();
    a(Says(syn, 80'000).offers(720).scale(6));
    a(Says(syn, 75'000).offers(730).scale(4));
    EXPECT_EQ(b(Says(syn_ack, 9000, 75'001).offers(850).scale(3)),
              "A 75001/75851 window 730 ack 9001; B 9001/9731 window 850 ack 75001; ESTABLISHED,SYN_RCVD "
              "seen AB scale AB 4,3 answered assured pending {acknowledged 101; replaced 901}");
}
TEST_F(RememberedSyn, TheAnswerToTheHighestBeginsFromIt) {
    open();
    a(Says(syn, 80'000).offers(720).scale(6));
    a(Says(syn, 75'000).offers(730).scale(4));
    EXPECT_EQ(b(Says(syn_ack, 9000, 80'001).offers(850).scale(3)),
              "A 80001/80851 window 720 ack 9001; B 9001/9721 window 850 ack 80001; ESTABLISHED,SYN_RCVD "
              "seen AB scale AB 6,3 answered assured pending {acknowledged 101; replaced 901}");
}
TEST_F(RememberedSyn, OfTwoWithOneNumberTheAnswerIsToTheOthers) {
    open();
    b(Says(syn, 80'000).offers(810));
    a(Says(syn, 80'000).offers(720));
    ASSERT_EQ(shown(talk.pending), "highest B 80000+0 window 810; last A 80000+0 window 720");
    EXPECT_EQ(b(Says(syn_ack, 9000, 80'001).offers(850)),
              "A 80001/80851 window 720 ack 9001; B 9001/9721 window 850 ack 80001; ESTABLISHED,SYN_RCVD "
              "seen AB answered assured pending {acknowledged 101; replaced 901}");
}
TEST_F(RememberedSyn, ThereMayBeALastWithoutAHighest) {
    opens(Says(syn, 3000).offers(700));
    a(Says(syn, 0).offers(710));
    b(Says(syn_ack, 9000, 3001).offers(800));
    ASSERT_EQ(shown(talk.pending), "last A 0+0 window 710");
    EXPECT_EQ(
        b(Says(syn_ack, 7000, 1).offers(850)),
        "A 1/851 window 710 ack 7001; B 7001/7711 window 850 ack 1; ESTABLISHED,SYN_RCVD seen AB answered "
        "pending {acknowledged 3001; replaced 9001}");
}
TEST_F(RememberedSyn, ItsAnswerEndsWhatWasPickedUp) {
    opens(Says(ack, 1000, 2000).offers(3));
    b(Says(ack, 2000, 1000).offers(9));
    a(Says(ack, 1000, 2000).offers(3).bytes(10));
    a(Says(ack, 1000, 2000).offers(3).bytes(10));
    ASSERT_EQ(talk.connection.retransmissions, 1U);
    a(Says(syn, 70'000'000).offers(720).scale(5));
    EXPECT_EQ(b(Says(syn_ack, 9000, 70'000'001).offers(850)),
              "A 70000001/70000851 window 720 ack 9001; B 9001/9721 window 850 ack 70000001; "
              "ESTABLISHED,SYN_RCVD seen AB scale A 0,0 answered assured pending {acknowledged 1000; "
              "replaced 2000}")
        << "which has offered no scale";
}
TEST_F(RememberedSyn, ItsAnswerLeavesRoomForAProbeOfAClosedWindow) {
    open();
    a(Says(syn, 70'000).offers(0));
    EXPECT_EQ(b(Says(syn_ack, 9000, 70'001).offers(0)),
              "A 70001/70002 window 0 ack 9001; B 9001/9002 window 0 ack 70001; ESTABLISHED,SYN_RCVD seen AB "
              "answered assured pending {acknowledged 101; replaced 901}");
}
TEST_F(RememberedSyn, ASynAckThatAnswersNoneIsNotKept) {
    opens(Says(syn, 3000).offers(700));
    EXPECT_EQ(b(Says(syn_ack, 900, 101)),
              "ack-not-of-syn: A 3001/3001 window 700 ack 0; B 0/0 window 0 ack 3001; SYN_SENT,SYN_RCVD seen "
              "A answered pending {acknowledged 101}");
    a(Says(syn, 100).offers(710));
    EXPECT_EQ(b(Says(syn_ack, 900, 102)),
              "ack-not-of-syn: A 3001/3001 window 700 ack 0; B 0/0 window 0 ack 3001; SYN_SENT,SYN_RCVD seen "
              "A answered pending {last A 100+0 window 710; acknowledged 102}");
    EXPECT_EQ(a(Says(syn_ack, 500, 101)),
              "ack-not-of-syn: A 3001/3001 window 700 ack 0; B 0/0 window 0 ack 3001; SYN_SENT,SYN_RCVD seen "
              "A answered pending {last A 100+0 window 710; acknowledged 101}")
        << "its own SYN";
}
TEST_F(RememberedSyn, TheOwnSynAckComingAgainLateIsNotKept) {
    open();
    a(Says(ack, 101, 901).offers(700).bytes(50));
    a(Says(syn, 120).offers(710));
    EXPECT_EQ(b(Says(syn_ack, 100, 121).offers(800)),
              "ack-not-of-syn: A 151/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured pending {highest A 120+0 window 710; last A "
              "120+0 window 710}");
}
TEST_F(RememberedSyn, OnlyWithItsMarkInTheConnection) {
    opens(Says(syn, 100).offers(700));
    talk.pending.highest = {.sequence = 70'000, .payload = 0, .window = 1};
    talk.pending.highest_kind.valid = 1;
    EXPECT_EQ(of_b(Says(syn_ack, 900, 70'001)), Reason::ack_not_of_syn)
        << "what another flow has left behind";
}
TEST_F(RememberedSyn, WhenItReopensTheFlowTheDataOfAnEarlierCopyCounts) {
    open();
    a(Says(syn, 80'000).bytes(9));
    a(Says(syn, 75'000).bytes(7));
    b(Says(rst, 901));
    const auto reopened = [this](Direction direction, std::uint32_t isn) {
        Conversation copy = talk;
        const tcp::Verdict verdict = copy.send(direction, Says(syn, isn));
        EXPECT_EQ(verdict.outcome, Outcome::accepted);
        EXPECT_EQ(verdict.refresh, tcp::Refresh::set);
        EXPECT_EQ(verdict.lifetime, Lifetime::syn_sent);
        EXPECT_TRUE(verdict.reopens);
        EXPECT_EQ(copy.connection.lifetime, static_cast<unsigned>(Lifetime::syn_sent));
        return copy.connection.side[0].end - isn - 1;
    };
    EXPECT_EQ(reopened(Direction::original, 80'000), 9U);
    EXPECT_EQ(reopened(Direction::original, 75'000), 7U);
    EXPECT_EQ(reopened(Direction::original, 80'001), 0U);
    EXPECT_EQ(reopened(Direction::reply, 80'000), 0U);
}

TEST_F(RememberedSyn, OneForgottenAddsNothingToItsRepetition) {
    open();
    of_a(Says(syn, 70'000).offers(710).bytes(9));
    of_b(Says(syn, 80'000).offers(810));
    speaks_on(Direction::original, 101, 901);
    ASSERT_EQ(shown(talk.pending), "last B 80000+0 window 810");
    of_a(Says(syn, 70'000).offers(5));
    EXPECT_EQ(shown(talk.pending), "highest A 70000+0 window 5; last A 70000+0 window 5");
}

TEST_F(RememberedSyn, ARepetitionAddsAndTakesNothingBack) {
    open();
    of_a(Says(syn, 80'000).offers(720));
    of_a(Says(syn, 75'000).offers(730).bytes(7).scale(6));
    of_a(Says(syn, 75'000).offers(5).bytes(9).scale(3));
    EXPECT_EQ(shown(talk.pending), "highest A 80000+0 window 720; last A 75000+9 window 730 scale 3");
    Segment bare = Says(syn, 79'999).offers(740);
    bare.window_scale = 9;
    of_a(bare);
    EXPECT_EQ(shown(talk.pending), "highest A 80000+0 window 720; last A 79999+0 window 740");
}
TEST_F(RememberedSyn, OfAReplacedSynAckItsOwnScaleAndNoMoreThanASynCanOffer) {
    opens(Says(syn, 100).offers(700).scale(7));
    b(Says(syn, 900).offers(800).scale(3));
    a(Says(ack, 101, 901).offers(2000).bytes(4));
    ASSERT_EQ(talk.connection.side[0].max_window, 256'000U);
    a(Says(syn_ack, 5000, 901).offers(710).scale(6));
    EXPECT_EQ(shown(talk.pending), "answer A 100+4 window 65535 scale 7");
}

TEST_F(RememberedSyn, WhileItsSideDialsOnlyThatSideCanStandAtIt) {
    opens(Says(syn, 100).offers(700));
    a(Says(syn, 2000).offers(710));
    EXPECT_EQ(b(Says(ack, 2001, 2001).offers(800)),
              "before-syn-ack: A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A "
              "answered pending {highest A 2000+0 window 710; last A 2000+0 window 710; data of B to 2001; "
              "acknowledged 2001}");
}

}  // namespace
}  // namespace sluice::test
