// What tolerated segments leave beside the connection: where their data ended, whether a FIN did, and what
// they acknowledged (R5, T7, T8).
#include "remembered.hpp"

namespace sluice::test {
namespace {

using Tolerated = Remembered;

TEST_F(Tolerated, WhereToleratedDataEndedIsKeptUntilItIsAcknowledged) {
    open();
    EXPECT_EQ(a(Says(ack, 1000, 901).offers(700).bytes(30)),
              "window-overshoot: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured pending {data of A to 1030}");
    EXPECT_EQ(a(Says(ack, 950, 901).offers(700).bytes(30)),
              "window-overshoot: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured pending {data of A to 1030}");
    EXPECT_EQ(b(Says(ack, 901, 990).offers(800)),
              "A 990/1790 window 700 ack 901; B 901/1601 window 800 ack 990; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {data of A to 1030}");
    EXPECT_EQ(b(Says(ack, 901, 1031).offers(800)),
              "ack-unsent: A 990/1790 window 700 ack 901; B 901/1601 window 800 ack 990; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured pending {data of A to 1030}");
    EXPECT_EQ(b(Says(ack, 901, 1030).offers(800)),
              "A 1030/1830 window 700 ack 901; B 901/1601 window 800 ack 1030; ESTABLISHED,ESTABLISHED seen "
              "AB answered assured pending {data of A to 1030}");
    EXPECT_EQ(a(Says(ack, 1030, 901).offers(700).bytes(1)),
              "A 1031/1830 window 700 ack 901; B 901/1601 window 800 ack 1030; ESTABLISHED,ESTABLISHED seen "
              "AB answered assured");
}

TEST_F(Tolerated, AToleratedFinCountsOnceItIsAcknowledgedInWhole) {
    open();
    EXPECT_EQ(a(Says(fin, 1000, 901).offers(700).bytes(30)),
              "window-overshoot: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured pending {FIN of A to 1031}");
    EXPECT_EQ(b(Says(ack, 901, 1030).offers(800)),
              "A 1030/1830 window 700 ack 901; B 901/1601 window 800 ack 1030; ESTABLISHED,ESTABLISHED seen "
              "AB answered assured pending {FIN of A to 1031}");
    EXPECT_EQ(b(Says(ack, 901, 1031).offers(800)),
              "A 1031/1831 window 700 ack 901; B 901/1601 window 800 ack 1031; FIN_WAIT_2,CLOSE_WAIT seen AB "
              "answered assured pending {FIN of A to 1031}");
}

TEST_F(Tolerated, AToleratedEndFarAwayIsOfAnotherConnectionAndGivesWay) {
    constexpr std::uint32_t far = 2'000'000'000, half = 1U << 30;
    opens(Says(syn, 100).offers(700));
    EXPECT_EQ(b(Says(ack, far, 650).bytes(1)),
              "before-syn-ack: A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A "
              "answered pending {data of B to 2000000001; acknowledged 650}");
    EXPECT_EQ(b(Says(ack, far - half + 1, 651).bytes(1)),
              "before-syn-ack: A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A "
              "answered pending {data of B to 2000000001; acknowledged 651}");
    EXPECT_EQ(b(Says(fin, far - half, 652)),
              "before-syn-ack: A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A "
              "answered pending {FIN of B to 926258177; acknowledged 652}");
    EXPECT_EQ(b(Says(ack, far - half, 653).bytes(2)),
              "before-syn-ack: A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A "
              "answered pending {data of B to 926258178; acknowledged 653}");
}

TEST_F(Tolerated, AToleratedEndFurtherThanTwoWindowsIsForgotten) {
    constexpr std::uint32_t reach = 2 * 65536;
    for (const std::uint32_t ahead : {reach, reach + 1}) {
        opens(Says(syn, 100).offers(700));
        b(Says(ack, 901 + ahead - 1, 650).bytes(1));
        b(Says(syn_ack, 900, 101).offers(800));
        EXPECT_EQ(shown(talk.pending),
                  ahead == reach ? "data of B to 131973; acknowledged 650" : "acknowledged 650");
    }
    for (const std::uint32_t bytes : {0U, 1U}) {
        talk = {};
        opens(Says(syn, 100).offers(700).scale(7));
        b(Says(syn_ack, 900, 101).offers(800).scale(3));
        a(Says(ack, 101, 901).offers(700));  // 89,600 bytes: twice that is 179,200
        b(Says(ack, 901 + 179'200, 101).bytes(bytes));
        EXPECT_EQ(shown(talk.pending), "data of B to " + std::to_string(180'101 + bytes));
        b(Says(ack, 901, 101));
        EXPECT_EQ(talk.connection.pending_syn, bytes == 0 ? 1U : 0U);
    }
}

TEST_F(Tolerated, AToleratedEndThatIsReachedIsForgotten) {
    open();
    a(Says(ack, 950, 901).offers(700).bytes(30));
    b(Says(ack, 901, 101).offers(900));
    EXPECT_EQ(a(Says(ack, 101, 901).offers(700).bytes(878)),
              "A 979/1001 window 700 ack 901; B 901/1601 window 900 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {data of A to 980}");
    EXPECT_EQ(a(Says(ack, 979, 901).offers(700).bytes(1)),
              "A 980/1001 window 700 ack 901; B 901/1601 window 900 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}

TEST_F(Tolerated, AnAcknowledgementOfTheUnknownIsKept) {
    opens(Says(syn, 100).offers(700));
    EXPECT_EQ(b(Says(ack, 7000, 650).offers(800).bytes(20)),
              "before-syn-ack: A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A "
              "answered pending {data of B to 7020; acknowledged 650}");
    EXPECT_EQ(a(Says(ack, 101, 7020).offers(700)),
              "before-syn-ack: A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A "
              "answered pending {data of B to 7020; acknowledged 7020}");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "answered pending {data of B to 7020; acknowledged 7020}");
    EXPECT_EQ(a(Says(ack, 101, 901).offers(700)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {data of B to 7020; acknowledged 7020}");
    EXPECT_EQ(a(Says(ack, 101, 901).offers(700).bytes(1)),
              "A 102/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured pending {data of B to 7020}");
}

TEST_F(Tolerated, AFinBehindTheOthersFinIsThePassiveClose) {
    open();
    a(Says(fin, 101, 901).offers(700));
    b(Says(ack, 901, 102).offers(800));
    b(Says(fin, 1700, 102).offers(800));
    EXPECT_EQ(a(Says(ack, 102, 1701).offers(700)),
              "A 102/902 window 700 ack 1701; B 1701/2401 window 800 ack 102; TIME_WAIT,CLOSED seen AB "
              "answered assured pending {FIN of B to 1701}");
}
TEST_F(Tolerated, AFinThatCrossedTheOthersFinIsASimultaneousClose) {
    open();
    a(Says(fin, 101, 901).offers(700));
    b(Says(fin, 1700, 101).offers(800));
    EXPECT_EQ(a(Says(ack, 102, 1701).offers(700)),
              "A 102/901 window 700 ack 1701; B 1701/2401 window 800 ack 101; CLOSING,TIME_WAIT seen AB "
              "answered assured pending {FIN of B to 1701}");
}

TEST_F(Tolerated, NothingIsKeptOfWhatComesAfterAReset) {
    open();
    b(Says(rst, 901));
    EXPECT_EQ(a(Says(ack, 101, 950).bytes(3)),
              "after-close: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; CLOSED,CLOSED seen "
              "AB answered assured");
    EXPECT_EQ(a(Says(syn_ack, 5000, 950)),
              "after-close: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; CLOSED,CLOSED seen "
              "AB answered assured");
}
TEST_F(Tolerated, NothingIsKeptOfAReset) {
    open();
    EXPECT_EQ(a(Says(rst_ack, 300, 5000)),
              "rst-inexact: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured");
}
TEST_F(Tolerated, AnEndFarAwayIsForgottenOnlyByWhatIsInOrder) {
    opens(Says(syn, 100).offers(700));
    a(Says(ack, 1'000'000, 7).offers(700).bytes(1));
    EXPECT_EQ(a(Says(syn, 100).offers(700)),
              "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A pending {data of "
              "A to 1000001; acknowledged 7}");
    EXPECT_EQ(b(Says(rst_ack, 0, 101)),
              "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; CLOSED,CLOSED seen A answered pending "
              "{data of A to 1000001; acknowledged 7}");
}

TEST_F(Tolerated, AFinForgottenMakesNoFinOfTheDataThatEndsThere) {
    opens(Says(syn, 100).offers(700));
    b(Says(fin, 900'000, 650));
    b(Says(syn_ack, 900, 101).offers(800));
    a(Says(ack, 101, 901).offers(700));
    a(Says(syn, 70'000).offers(710));
    EXPECT_EQ(b(Says(ack, 900'000, 70'001).bytes(1)),
              "before-syn-ack: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,ESTABLISHED seen AB answered assured pending {highest A 70000+0 window 710; last "
              "A 70000+0 window 710; data of B to 900001; acknowledged 70001}");
}

TEST_F(Tolerated, TheFarthestEndIsKeptAndWhetherItIsAFins) {
    open();
    of_a(Says(ack, 1000, 901).bytes(30));
    of_a(Says(ack, 1000, 901).bytes(29));
    EXPECT_EQ(shown(talk.pending), "data of A to 1030");
    of_a(Says(fin, 1000, 901).bytes(29));
    EXPECT_EQ(shown(talk.pending), "FIN of A to 1030");
    of_a(Says(ack, 1030, 901));
    EXPECT_EQ(shown(talk.pending), "FIN of A to 1030") << "a bare ACK behind it takes nothing back";
}

TEST_F(Tolerated, AFinThatItsSenderHasGoneBeyondIsForgotten) {
    open();
    of_a(Says(fin, 1000, 901).bytes(30));
    of_b(Says(ack, 901, 101).offers(2000));
    EXPECT_EQ(shown(talk.pending), "FIN of A to 1031");
    of_a(Says(ack, 101, 901).bytes(931));
    EXPECT_EQ(talk.connection.pending_syn, 0U);
}
TEST_F(Tolerated, AFinThatIsAcceptedAfterAllIsForgotten) {
    open();
    of_a(Says(fin, 1000, 901).bytes(30));
    of_b(Says(ack, 901, 101).offers(2000));
    of_a(Says(ack, 101, 901).bytes(929));
    EXPECT_EQ(shown(talk.pending), "FIN of A to 1031");
    of_a(Says(fin, 1030, 901));
    EXPECT_EQ(talk.pair(), tcp::Pair::fin_wait_1__close_wait);
    EXPECT_EQ(talk.connection.pending_syn, 0U);
}
TEST_F(Tolerated, AFinThatIsOnlySackedIsNotAcknowledged) {
    opens(Says(syn, 100).offers(700).sack_allowed());
    b(Says(syn_ack, 900, 101).offers(800));
    a(Says(ack, 101, 901).offers(700));
    of_a(Says(fin, 1000, 901).bytes(30));
    EXPECT_EQ(b(Says(ack, 901, 101).offers(800).sack_to(1031)),
              "A 1031/1831 window 700 ack 901; B 901/1601 window 1730 ack 101; ESTABLISHED,ESTABLISHED seen "
              "AB sack A answered assured pending {FIN of A to 1031}");
    EXPECT_EQ(b(Says(ack, 901, 1031).offers(800)),
              "A 1031/1831 window 700 ack 901; B 901/1601 window 1730 ack 1031; FIN_WAIT_2,CLOSE_WAIT seen "
              "AB sack A answered assured pending {FIN of A to 1031}");
}
TEST_F(Tolerated, AFinBelowWhatItsSenderHasSentSinceIsOfAnotherConnection) {
    opens(Says(syn, 100).offers(700));
    b(Says(fin, 899, 1501));
    b(Says(syn, 900).offers(800));
    EXPECT_EQ(
        a(Says(ack, 2502, 900).offers(700)),
        "ack-not-of-syn: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; SYN_RCVD,SYN_RCVD seen "
        "AB answered pending {data of A to 2502; FIN of B to 900; acknowledged 1501}");
}
TEST_F(Tolerated, WhatLiesUpToWhereSomethingWasToleratedIsOfTheSameStream) {
    opens(Says(syn, 100).offers(700));
    of_b(Says(ack, 130'000, 9'000'000));
    of_b(Says(syn_ack, 900, 101).offers(800));
    of_a(Says(ack, 101, 901).offers(700));
    const auto judged = [this](std::uint32_t end) { return if_b(Says(ack, end - 10, 101).bytes(10)); };
    EXPECT_EQ(judged(130'001), Reason::seq_after_window);
    EXPECT_EQ(judged(130'000), Reason::before_syn_ack);
    EXPECT_EQ(judged(130'000 - 65'999), Reason::before_syn_ack);
    EXPECT_EQ(judged(130'000 - 66'000), Reason::seq_after_window);
    EXPECT_EQ(if_b(Says(ack, 130'000, 9'000'000)), Reason::before_syn_ack) << "come again";
    EXPECT_EQ(if_a(Says(ack, 130'000, 901)), Reason::seq_after_window) << "the other side's numbers";
}

TEST_F(Tolerated, AnAcknowledgementOfTheUnknownIsKeptAsLongAsASynIs) {
    for (const bool first : {true, false}) {
        talk = {};
        opens(Says(syn, 100).offers(700));
        of_b(Says(ack, 7000, 650));
        of_b(Says(syn_ack, 900, 101).offers(800));
        of_a(Says(ack, 101, 901).offers(700));
        for (const bool originator : {first, !first})
            originator ? of_a(Says(syn, 70'000)) : of_b(Says(syn, 80'000));
        speaks_on(Direction::original, 101, 901);
        EXPECT_EQ(talk.pending.acknowledgement_valid, 1U);
        speaks_on(Direction::reply, 901, 117);
        EXPECT_EQ(shown(talk.pending), "data of B to 7000");
    }
}

}  // namespace
}  // namespace sluice::test
