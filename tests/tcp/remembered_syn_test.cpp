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
              "scale A 0,0 sack A answered pending {highest B 900+6 window 800 scale 3 sack}");
    EXPECT_EQ(
        a(Says(ack, 101, 901).offers(20)),
        "A 101/911 window 327680 ack 901; B 907/328581 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
        "scale AB 14,3 sack AB answered assured pending {highest B 900+6 window 800 scale 3 sack}");
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

TEST_F(RememberedSyn, AnOlderSynAndItsAnswerAreBelievedOnceTheDiallerAnswersThem) {
    opens(Says(syn, 3000).offers(700));
    EXPECT_EQ(a(Says(syn, 100).offers(710).bytes(4).scale(6).sack_allowed()),
              "old-syn: A 3001/3001 window 700 ack 0; B 0/0 window 0 ack 3001; SYN_SENT,SYN_RCVD seen A "
              "pending {last A 100+4 window 710 scale 6 sack}");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800).scale(3)),
              "ack-not-of-syn: A 3001/3001 window 700 ack 0; B 0/0 window 0 ack 3001; SYN_SENT,SYN_RCVD seen "
              "A answered pending {highest B 900+0 window 800 scale 3; last A 100+4 window 710 scale 6 sack; "
              "acknowledged 101}");
    EXPECT_EQ(a(Says(ack, 101, 901).offers(20)),
              "A 105/905 window 1280 ack 901; B 901/2181 window 800 ack 105; ESTABLISHED,ESTABLISHED seen AB "
              "scale AB 6,3 sack A answered assured pending {highest B 900+0 window 800 scale 3; last A "
              "100+4 window 710 scale 6 sack; acknowledged 101}");
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
              "seen AB answered assured");
}

TEST_F(RememberedSyn, NewDataOfItsSenderForgetsASynOldDataDoesNot) {
    open();
    a(Says(syn, 70000).offers(710));
    EXPECT_EQ(a(Says(ack, 101, 901).offers(700)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {highest A 70000+0 window 710; last A 70000+0 window 710}");
    EXPECT_EQ(b(Says(ack, 901, 101).offers(800).bytes(10)),
              "A 101/901 window 700 ack 901; B 911/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {highest A 70000+0 window 710; last A 70000+0 window 710}");
    EXPECT_EQ(a(Says(ack, 101, 911).offers(700).bytes(10)),
              "A 111/901 window 700 ack 911; B 911/1611 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}

TEST_F(RememberedSyn, WhatIsRememberedOfOneSideIsNotForgottenByTheOther) {
    open();
    of_a(Says(syn, 70'000).offers(710));
    of_b(Says(syn, 80'000).offers(810));
    EXPECT_EQ(shown(talk.pending), "highest A 70000+0 window 710; last B 80000+0 window 810");
    Conversation copy = talk;
    EXPECT_EQ(of_a(Says(ack, 101, 901).bytes(1)), Reason::none);
    EXPECT_EQ(shown(talk.pending), "last B 80000+0 window 810");
    EXPECT_EQ(of_b(Says(ack, 901, 102).bytes(1)), Reason::none);
    EXPECT_EQ(talk.connection.pending_syn, 0U);
    talk = copy;
    EXPECT_EQ(of_b(Says(ack, 901, 101).bytes(1)), Reason::none);
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

}  // namespace
}  // namespace sluice::test
