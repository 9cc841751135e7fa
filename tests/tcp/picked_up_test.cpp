// Flows of which one side is unseen: picked up in mid-stream (O14), or on a one-way path.
#include "remembered.hpp"

namespace sluice::test {
namespace {

using PickedUp = Remembered;

TEST_F(PickedUp, OfASegmentInMidStreamAllThatIsNotKnownCountsAsTheLargest) {
    EXPECT_EQ(opens(Says(ack, 1000, 2000).offers(3).bytes(50)),
              "A 1050/1050 window 65535 ack 2000; B 2000/67535 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up");
    EXPECT_EQ(talk.connection.lifetime, static_cast<unsigned>(Lifetime::loose));
    EXPECT_EQ(opens(Says(ack, 1000, 2000).offers(10).bytes(50)),
              "A 1050/1050 window 163840 ack 2000; B 2000/165840 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up");
}

TEST_F(PickedUp, OfASynAckOnAOneWayPathItsSynToo) {
    talk.settings.asymmetric = true;
    EXPECT_EQ(opens(Says(syn_ack, 1000, 2000).offers(10).bytes(50)),
              "A 1051/1051 window 163840 ack 2000; B 2000/165840 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up");
}

TEST_F(PickedUp, OfAFlowPickedUpEachSideIsBelievedTheFirstTime) {
    opens(Says(ack, 1000, 2000).offers(3).bytes(50));
    EXPECT_EQ(a(Says(ack, 5000, 2600).offers(7).bytes(40)),
              "A 5040/5040 window 114688 ack 2600; B 2600/117288 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up");
    EXPECT_EQ(b(Says(ack, 2300, 5020).offers(9).bytes(700)),
              "A 5040/152476 window 114688 ack 2600; B 3000/117288 window 147456 ack 5020; "
              "ESTABLISHED,ESTABLISHED seen AB scale AB 14,14 sack AB picked-up answered");
    EXPECT_EQ(b(Says(ack, 3000, 5040).offers(4).bytes(10)),
              "A 5040/152476 window 114688 ack 2600; B 3010/117288 window 147456 ack 5040; "
              "ESTABLISHED,ESTABLISHED seen AB scale AB 14,14 sack AB picked-up answered assured");
    EXPECT_EQ(a(Says(ack, 5040, 3010).offers(7).bytes(10)),
              "A 5050/152476 window 114688 ack 3010; B 3010/117698 window 147456 ack 5040; "
              "ESTABLISHED,ESTABLISHED seen AB scale AB 14,14 sack AB picked-up answered assured");
}

TEST_F(PickedUp, ASynAckOfTheUnseenSideOnlyOffersItsWindow) {
    opens(Says(ack, 1000, 2000).offers(3).bytes(50));
    EXPECT_EQ(b(Says(syn_ack, 1999, 1050).offers(100)),
              "A 1050/1150 window 65535 ack 2000; B 2000/67535 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up answered");
}

TEST_F(PickedUp, OfAFlowPickedUpTheFirstSegmentOfTheOtherSideMayBeOld) {
    opens(Says(ack, 1000, 2000).offers(3).bytes(50));
    EXPECT_EQ(b(Says(ack, 1900, 900).offers(9).bytes(30)),
              "A 1050/148356 window 65535 ack 2000; B 2000/67535 window 147456 ack 900; "
              "ESTABLISHED,ESTABLISHED seen AB scale AB 14,14 sack AB again 1 picked-up answered");
    EXPECT_EQ(b(Says(ack, 1930, 2000).offers(9).bytes(30)),
              "A 2000/149456 window 65535 ack 2000; B 2000/67535 window 147456 ack 2000; "
              "ESTABLISHED,ESTABLISHED seen AB scale AB 14,14 sack AB picked-up answered assured");
}

TEST_F(PickedUp, OfWhatASideOfAPickedUpFlowIsBelieved) {
    opens(Says(ack, 1000, 2000).offers(3).bytes(50));
    EXPECT_EQ(b(Says(ack, 1900, 1200).offers(2)),
              "A 1200/66735 window 65535 ack 2000; B 2000/67535 window 65535 ack 1200; "
              "ESTABLISHED,ESTABLISHED seen "
              "AB scale AB 14,14 sack AB picked-up answered");
    EXPECT_EQ(if_a(Says(ack, 1200, 67'535).offers(3)), Reason::none) << "data may have passed before us";
    EXPECT_EQ(if_a(Says(ack, 1200, 67'536).offers(3)), Reason::ack_unsent) << "but not more than A allowed";
    EXPECT_EQ(if_b(Says(ack, 2000, 66'735)), Reason::none);
    EXPECT_EQ(if_b(Says(ack, 2000, 66'736)), Reason::ack_unsent);
}

TEST_F(PickedUp, OnAOneWayPathTheDiallersOwnAckOpens) {
    talk.settings.asymmetric = true;
    opens(Says(syn, 100).offers(700).scale(2));
    EXPECT_EQ(a(Says(ack, 101, 9000).offers(5).bytes(20)),
              "A 121/121 window 81920 ack 9000; B 9000/90920 window 0 ack 101; ESTABLISHED,ESTABLISHED seen "
              "A scale A 14,14 picked-up");
    EXPECT_EQ(a(Says(ack, 50000, 9900).offers(5).bytes(20)),
              "A 50020/50020 window 81920 ack 9900; B 9900/91820 window 0 ack 101; ESTABLISHED,ESTABLISHED "
              "seen A scale A 14,14 picked-up");
}

TEST_F(PickedUp, OfTheDiallersSegmentsOnAOneWayPath) {
    talk.settings.asymmetric = true;
    opens(Says(syn, 1000).offers(700).bytes(5));
    EXPECT_EQ(if_a(Says(ack, 1005, 9000)), Reason::old_duplicate) << "before its end: no answer to a SYN,ACK";
    EXPECT_EQ(if_a(Says(ack, 1006, 9000)), Reason::none);
    EXPECT_EQ(if_a(Says(fin, 1007, 9000)), Reason::none);
    EXPECT_EQ(if_a(Says(rst, 1006)), Reason::none);
    EXPECT_EQ(if_a(Says(rst_ack, 1006, 9000)), Reason::none);
    EXPECT_EQ(if_a(Says(rst, 1007)), Reason::rst_old);
    EXPECT_EQ(if_a(Says(rst, 1005)), Reason::rst_old);
    EXPECT_EQ(if_a(Says(syn, 1000)), Reason::none);
    talk.settings.asymmetric = false;
    EXPECT_EQ(if_a(Says(ack, 1006, 9000)), Reason::before_syn_ack);
    EXPECT_EQ(if_a(Says(rst, 1006)), Reason::rst_old);
}

TEST_F(PickedUp, TheSideThatIsHeardMayGoBack) {
    opens(Says(ack, 1000, 2000).offers(3));
    EXPECT_EQ(a(Says(ack, 999, 1700).offers(3)),
              "A 1000/1000 window 65535 ack 2000; B 2000/67535 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up");
}
TEST_F(PickedUp, TheFirstSegmentOfTheOtherSideMayLieAnywhere) {
    opens(Says(ack, 1000, 2000).offers(3));
    EXPECT_EQ(b(Says(ack, 80'000'000, 2'500'000'000).offers(9)),
              "A 1000/1000 window 65535 ack 2000; B 80000000/80000000 window 147456 ack 2500000000; "
              "ESTABLISHED,ESTABLISHED seen AB scale AB 14,14 sack AB picked-up answered");
}
TEST_F(PickedUp, TheFirstSegmentOfTheOtherSideMayAcknowledgeAnythingOfASideThatHasClosed) {
    opens(Says(ack, 1000, 2000).offers(3));
    a(Says(fin, 1000, 2000).offers(3));
    EXPECT_EQ(b(Says(ack, 2000, 900'000).offers(9)),
              "A 900000/1047456 window 65535 ack 2000; B 2000/67535 window 147456 ack 900000; "
              "FIN_WAIT_2,CLOSE_WAIT seen AB scale AB 14,14 sack AB picked-up answered");
}
TEST_F(PickedUp, ASynRememberedOfTheUnseenSideBeginsNothing) {
    opens(Says(ack, 1000, 2000).offers(3));
    b(Says(syn, 7000).offers(800));
    EXPECT_EQ(a(Says(ack, 1000, 7001).offers(3)),
              "A 1000/1000 window 65535 ack 7001; B 7001/67535 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up answered assured pending {highest B 7000+0 window "
              "800; last B 7000+0 window 800}");
}
TEST_F(PickedUp, AResetOfTheUnseenSideIsHeldAgainstTheWindow) {
    opens(Says(ack, 1000, 4'100'000'000).offers(700));
    EXPECT_EQ(if_b(Says(rst, 4'099'999'999)), Reason::rst_old);
    EXPECT_EQ(if_b(Says(rst, 4'100'000'001)), Reason::rst_inexact);
    EXPECT_EQ(b(Says(rst, 0)),
              "rst-out-of-window: A 1000/1000 window 11468800 ack 4100000000; B 4100000000/4111468800 window "
              "0 ack 1000; ESTABLISHED,ESTABLISHED seen A scale AB 14,14 sack AB picked-up");
}
TEST_F(PickedUp, NothingThatFollowsAFinIsBelieved) {
    opens(Says(ack, 1000, 2000).offers(3));
    b(Says(fin, 2500, 1000).offers(3));
    EXPECT_EQ(a(Says(ack, 1000, 2502).offers(3)),
              "ack-unsent: A 1000/66535 window 65535 ack 2000; B 2501/67535 window 65535 ack 1000; "
              "CLOSE_WAIT,FIN_WAIT_1 seen AB scale AB 14,14 sack AB picked-up answered");
}
TEST_F(PickedUp, OnAOneWayPathAnotherSynWaitsAsOnAnyPath) {
    talk.settings.asymmetric = true;
    opens(Says(syn, 100).offers(700));
    EXPECT_EQ(a(Says(syn, 101).offers(710)),
              "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A pending {highest "
              "A 101+0 window 710; last A 101+0 window 710}");
}
TEST_F(PickedUp, OnAOneWayPathWhatIsAcknowledgedIsAllThatIsKnownOfTheOtherSide) {
    talk.settings.asymmetric = true;
    opens(Says(syn, 100).offers(700));
    EXPECT_EQ(a(Says(ack, 101, 3'000'000'000).offers(5)),
              "A 101/101 window 81920 ack 3000000000; B 3000000000/3000081920 window 0 ack 101; "
              "ESTABLISHED,ESTABLISHED seen A scale - 14,14 picked-up");
}
TEST_F(PickedUp, OnAOneWayPathAResetTeachesNothing) {
    talk.settings.asymmetric = true;
    opens(Says(syn, 100).offers(700));
    EXPECT_EQ(
        a(Says(rst_ack, 101, 1803)),
        "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; CLOSED,CLOSED seen A scale - 14,14 picked-up");
}
TEST_F(PickedUp, OnAOneWayPathOnlyTheDiallersOwnAckOpens) {
    talk.settings.asymmetric = true;
    opens(Says(syn, 100).offers(700));
    EXPECT_EQ(b(Says(fin, 9000, 102).offers(800)),
              "before-syn-ack: A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A "
              "answered pending {FIN of B to 9001; acknowledged 102}");
    EXPECT_EQ(a(Says(ack, 102, 9001).offers(5)),
              "A 102/102 window 81920 ack 9001; B 9001/90921 window 0 ack 101; ESTABLISHED,ESTABLISHED seen "
              "A scale - 14,14 picked-up answered assured pending {FIN of B to 9001}");
}

}  // namespace
}  // namespace sluice::test
