// RSTs: which one is exact, inside, before or beyond (C10, T5, T8, R6), and what a flow waits for after one
// (T9).
#include "remembered.hpp"

namespace sluice::test {
namespace {

using Reset = Remembered;

TEST_F(Reset, AResetLeavesTheNumbersAsTheyAre) {
    open();
    EXPECT_EQ(b(Says(rst, 901)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; CLOSED,CLOSED seen AB answered "
              "assured");
    EXPECT_EQ(a(Says(rst_ack, 101, 901)),
              "after-close: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; CLOSED,CLOSED seen "
              "AB answered assured");
}

TEST_F(Reset, TheAnswerToTheLastSynOpensAClosedFlowAgain) {
    opens(Says(syn, 100).offers(700).scale(7));
    EXPECT_EQ(
        b(Says(rst_ack, 0, 101)),
        "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; CLOSED,CLOSED seen A scale A 7,0 answered");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800).scale(3)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 7,3 answered");
}

TEST_F(Reset, TheAnswerToTheLastSynMayComeFromJustBelowZeroWhereItsSideWasNotHeard) {
    opens(Says(syn, 3000).offers(700));
    ASSERT_EQ(of_a(Says(syn, 100)), Reason::old_syn);
    ASSERT_EQ(of_b(Says(rst_ack, 0, 3001)), Reason::none);
    ASSERT_EQ(talk.pair(), tcp::Pair::closed__closed);
    EXPECT_EQ(of_b(Says(syn_ack, 0xFFFF'FFF0, 101)), Reason::none);
    EXPECT_EQ(talk.pair(), tcp::Pair::established__syn_rcvd);
}

TEST_F(Reset, OfASideThatWasNotHeardTheNextConnectionKnowsNothing) {
    open();
    ASSERT_EQ(of_b(Says(rst, 901)), Reason::none);
    ASSERT_EQ(of_a(Says(syn, 70'000)), Reason::none);
    ASSERT_EQ(shown(talk.connection).substr(0, 63),
              "A 70001/70001 window 0 ack 0; B 101/100 window 0 ack 70001; SYN");
    ASSERT_EQ(of_b(Says(rst_ack, 0, 70'001)), Reason::none);
    ASSERT_TRUE(talk.send(Direction::reply, Says(syn, 50)).reopens);
    EXPECT_EQ(shown(talk.connection).substr(0, 55),
              "A 51/51 window 0 ack 0; B 0/0 window 0 ack 51; SYN_SENT");
}

TEST_F(Reset, AfterAResetOnlyTheLastSynWaitsForAnAnswer) {
    opens(Says(syn, 1000).offers(700));
    ASSERT_EQ(of_a(Says(syn, 2000)), Reason::none);
    ASSERT_EQ(of_b(Says(rst_ack, 0, 2001)), Reason::none);
    ASSERT_EQ(talk.pair(), tcp::Pair::closed__closed);
    EXPECT_EQ(if_b(Says(syn_ack, 9000, 1001)), Reason::after_close);
    EXPECT_EQ(if_b(Says(syn_ack, 9000, 2002)), Reason::after_close);
    EXPECT_EQ(if_b(Says(syn_ack, 9000, 2001)), Reason::none);
}

TEST_F(Reset, AfterAResetAnAnswerGivenBeforeIsNone) {
    opens(Says(syn, 1000).offers(700));
    of_b(Says(syn_ack, 9000, 1001).offers(800).bytes(20));
    of_a(Says(ack, 1001, 9011).offers(700));
    of_a(Says(rst, 1001));
    ASSERT_EQ(talk.pair(), tcp::Pair::closed__closed);
    EXPECT_EQ(if_b(Says(syn_ack, 9000, 1001)), Reason::after_close);
    EXPECT_EQ(if_b(Says(syn_ack, 9021, 1001)), Reason::none) << "a restarted B";
    EXPECT_EQ(if_b(Says(syn_ack, 9021U - 66'000U, 1001)), Reason::after_close);
    EXPECT_EQ(if_b(Says(syn_ack, 9021U - 66'001U, 1001)), Reason::none);
}

TEST_F(Reset, AfterTheResetOfAFlowPickedUpNoAnswerIsWaitedFor) {
    opens(Says(ack, 1000, 2000));
    of_b(Says(ack, 2000, 1000));
    of_b(Says(rst, 2000));
    ASSERT_EQ(talk.pair(), tcp::Pair::closed__closed);
    EXPECT_EQ(if_b(Says(syn_ack, 900'000, 1000)), Reason::after_close);
}

TEST_F(Reset, OfAResetWhileDialling) {
    opens(Says(syn, 1000).offers(700).bytes(5));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1000)), Reason::rst_old);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1001)), Reason::none);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1006)), Reason::none);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1007)), Reason::rst_out_of_window);
    of_a(Says(syn, 2000));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1001)), Reason::rst_old) << "refuses a SYN dialled before";
    EXPECT_EQ(if_b(Says(rst_ack, 0, 2001)), Reason::none);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 2002)), Reason::rst_out_of_window);
    of_b(Says(ack, 50'000, 40'000).bytes(9));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 40'000)), Reason::rst_old) << "of an older connection";
    EXPECT_EQ(if_b(Says(rst_ack, 0, 40'001)), Reason::rst_out_of_window);
}

TEST_F(Reset, OfAResetInAConnection) {
    open();
    ASSERT_EQ(of_a(Says(ack, 101, 901).offers(700).bytes(50)), Reason::none);
    for (const unsigned flags : {rst, rst_ack}) {
        EXPECT_EQ(if_a(Says(flags, 100, 901)), Reason::rst_old);
        EXPECT_EQ(if_a(Says(flags, 101, 901)), Reason::none) << "what B has acknowledged";
        EXPECT_EQ(if_a(Says(flags, 102, 901)), Reason::rst_inexact);
        EXPECT_EQ(if_a(Says(flags, 150, 901)), Reason::rst_inexact);
        EXPECT_EQ(if_a(Says(flags, 151, 901)), Reason::none) << "where A has ended";
        EXPECT_EQ(if_a(Says(flags, 901, 901)), Reason::rst_inexact);
        EXPECT_EQ(if_a(Says(flags, 902, 901)), Reason::rst_out_of_window);
    }
    EXPECT_EQ(if_a(Says(rst_ack, 0x80000000U, 901)), Reason::rst_out_of_window);
    EXPECT_EQ(if_a(Says(rst_ack, 0, 901)), Reason::rst_old);
}

TEST_F(Reset, OfAResetThatAnswersAToleratedSegment) {
    opens(Says(syn, 1000).offers(700));
    of_b(Says(ack, 50'000, 40'000).bytes(9));
    EXPECT_EQ(if_a(Says(rst, 40'000)), Reason::rst_old);
    of_b(Says(syn_ack, 9000, 1001).offers(800));
    EXPECT_EQ(if_a(Says(rst, 40'000)), Reason::rst_old);
    EXPECT_EQ(if_a(Says(rst, 40'001)), Reason::rst_out_of_window);
}

TEST_F(Reset, WhileDiallingOneThatAcknowledgesToleratedDataIsOfAnOlderConnection) {
    opens(Says(syn, 1000).offers(700));
    of_a(Says(ack, 1001, 40'000).bytes(9));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1001)), Reason::none);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1002)), Reason::rst_old);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1010)), Reason::rst_old);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1011)), Reason::rst_out_of_window);
}
TEST_F(Reset, WhileDiallingOneThatRefusesAnySynKnownIsOld) {
    opens(Says(syn, 1000).offers(700));
    of_a(Says(syn, 3000));
    of_a(Says(syn, 2000));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 2001)), Reason::rst_old);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 2002)), Reason::rst_out_of_window);
    EXPECT_EQ(if_b(Says(rst_ack, 0, 3001)), Reason::none);
}
TEST_F(Reset, WhileDiallingASynAckKeptBesideMakesNoRefusalOld) {
    opens(Says(syn, 3000).offers(700));
    of_a(Says(syn, 1000));
    of_b(Says(syn_ack, 9000, 1001));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 3001)), Reason::none);
}
TEST_F(Reset, ARefusalOfTheSynInAnOpeningConnectionIsNotMadeOldByASynThatFollowed) {
    opens(Says(syn, 1000).offers(700));
    of_b(Says(syn_ack, 9000, 1001).offers(800));
    of_a(Says(syn, 2000));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1001)), Reason::none);
}
TEST_F(Reset, AfterOneASideThatHasDialledSinceWaitsForItsOwnAnswerAlone) {
    for (const bool first : {true, false}) {
        talk = {};
        open();
        for (const bool originator : {first, !first})
            originator ? of_a(Says(syn, 70'000)) : of_b(Says(syn, 80'000));
        of_b(Says(rst, 901));
        ASSERT_EQ(talk.pair(), tcp::Pair::closed__closed);
        EXPECT_EQ(if_a(Says(syn_ack, 500'000, 901)), Reason::after_close);
        EXPECT_EQ(if_b(Says(syn_ack, 500'000, 101)), Reason::after_close);
        EXPECT_EQ(if_a(Says(syn_ack, 500'000, 80'001)), Reason::none);
        EXPECT_EQ(if_b(Says(syn_ack, 500'000, 70'001)), Reason::none);
    }
}
TEST_F(Reset, AfterOneASynOfTheSenderDoesNotStandInTheWayOfItsAnswer) {
    open();
    of_a(Says(syn, 70'000));
    of_b(Says(rst, 901));
    EXPECT_EQ(if_a(Says(syn_ack, 500'000, 901)), Reason::none);
    EXPECT_EQ(if_b(Says(syn_ack, 500'000, 101)), Reason::after_close);
}
TEST_F(Reset, AfterARefusalTheFirstAnswerIsNotLate) {
    opens(Says(syn, 1000).offers(700).bytes(2));
    of_b(Says(rst_ack, 0, 1003));
    EXPECT_EQ(if_b(Says(syn_ack, 0U - 66'000, 1003)), Reason::none) << "B has sent nothing yet";
}

TEST_F(Reset, WhileDiallingOneThatRefusesTheSynCountsEvenIfItsDataWasTolerated) {
    opens(Says(syn, 1000).offers(700).bytes(5));
    of_a(Says(ack, 1001, 40'000).bytes(1));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1002)), Reason::none);
}
TEST_F(Reset, ALateRefusalSaysNothingOfTheWindow) {
    opens(Says(syn, 100).offers(700));
    of_b(Says(syn_ack, 4'100'000'000, 101).offers(800));
    of_a(Says(ack, 101, 4'100'000'001).offers(700));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 101)), Reason::rst_old);
    EXPECT_EQ(if_b(Says(rst_ack, 1, 101)), Reason::rst_out_of_window);
    of_a(Says(ack, 1000, 4'100'000'001).bytes(30));
    EXPECT_EQ(if_b(Says(rst_ack, 0, 1000)), Reason::rst_out_of_window) << "acknowledges what was tolerated";
}

}  // namespace
}  // namespace sluice::test
