// What each segment leaves in memory, to the last field: no two numbers of a conversation are alike here, so
// that one taken from the wrong place shows.
//
// A side reads "end/max_end window ack": the highest number it sent, the highest it may send, the largest
// window it offered, the highest it acknowledged. What is remembered beside the connection stands in braces.
#include <gtest/gtest.h>

#include "conversation.hpp"
#include "memory.hpp"

namespace sluice::test {
namespace {

using tcp::Direction;
using tcp::Flag;
using tcp::Segment;

/// A segment as a sentence: Says(syn, 100).window(700).scale(7).
struct Says : Segment {
    Says(unsigned flag_bits, std::uint32_t from, std::uint32_t acknowledges = 0) {
        flags = static_cast<std::uint8_t>(flag_bits);
        sequence = from;
        acknowledgement = acknowledges;
    }
    Says& offers(std::uint16_t bytes) {
        window = bytes;
        return *this;
    }
    Says& bytes(std::uint32_t count) {
        payload_length = count;
        return *this;
    }
    Says& scale(std::uint8_t shift) {
        has_window_scale = true;
        window_scale = shift;
        return *this;
    }
    Says& sack_allowed() {
        sack_permitted = true;
        return *this;
    }
    Says& sack_to(std::uint32_t edge) {
        has_sack = true;
        sack_highest = edge;
        return *this;
    }
};

constexpr unsigned syn = Flag::syn, syn_ack = Flag::syn | Flag::ack, ack = Flag::ack,
                   fin = Flag::fin | Flag::ack, rst = Flag::rst, rst_ack = Flag::rst | Flag::ack;

class Remembered : public testing::Test {
  protected:
    Conversation talk;

    std::string memory() const {
        std::string out = shown(talk.connection);
        if (talk.connection.pending_syn != 0) out += " {" + shown(talk.pending) + "}";
        return out;
    }
    std::string opens(const Segment& segment) {
        EXPECT_EQ(tcp::open(talk.connection, segment, talk.settings).outcome, Outcome::accepted);
        return memory();
    }
    std::string says(Direction direction, const Segment& segment) {
        const Reason reason = talk.send(direction, segment).reason;
        return (reason == Reason::none ? "" : std::string(text_of(reason).name) + ": ") + memory();
    }
    std::string a(const Segment& segment) { return says(Direction::original, segment); }
    std::string b(const Segment& segment) { return says(Direction::reply, segment); }
    /// SYN 100, SYN,ACK 900 and the ACK, windows 700 and 800.
    void open() {
        opens(Says(syn, 100).offers(700));
        b(Says(syn_ack, 900, 101).offers(800));
        a(Says(ack, 101, 901).offers(700));
    }
};

TEST_F(Remembered, OfASynIsWhatItOffers) {
    EXPECT_EQ(
        opens(Says(syn, 100).offers(700).bytes(5).scale(7).sack_allowed()),
        "A 106/106 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A scale A 7,0 sack A");
    EXPECT_EQ(talk.connection.lifetime, static_cast<unsigned>(Lifetime::syn_sent));
}
TEST_F(Remembered, OfASynWithoutTheOptionNoScale) {
    Segment bare = Says(syn, 100).offers(700);
    bare.window_scale = 9;
    EXPECT_EQ(opens(bare), "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; SYN_SENT,SYN_RCVD seen A");
    bare = Says(syn_ack, 900, 101).offers(800);
    bare.window_scale = 9;
    EXPECT_EQ(
        b(bare),
        "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB answered");
}
TEST_F(Remembered, OfASegmentInMidStreamAllThatIsNotKnownCountsAsTheLargest) {
    EXPECT_EQ(opens(Says(ack, 1000, 2000).offers(3).bytes(50)),
              "A 1050/1050 window 65535 ack 2000; B 2000/67535 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up");
    EXPECT_EQ(talk.connection.lifetime, static_cast<unsigned>(Lifetime::loose));
    EXPECT_EQ(opens(Says(ack, 1000, 2000).offers(10).bytes(50)),
              "A 1050/1050 window 163840 ack 2000; B 2000/165840 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up");
}
TEST_F(Remembered, OfASynAckOnAOneWayPathItsSynToo) {
    talk.settings.asymmetric = true;
    EXPECT_EQ(opens(Says(syn_ack, 1000, 2000).offers(10).bytes(50)),
              "A 1051/1051 window 163840 ack 2000; B 2000/165840 window 0 ack 1000; ESTABLISHED,ESTABLISHED "
              "seen A scale AB 14,14 sack AB picked-up");
}

TEST_F(Remembered, TheHandshakeGivesBothSidesTheirNumbers) {
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
TEST_F(Remembered, DataOnBothSynsCounts) {
    opens(Says(syn, 100).offers(700).bytes(5));
    EXPECT_EQ(
        b(Says(syn_ack, 900, 106).offers(800).bytes(9)),
        "A 106/906 window 700 ack 901; B 910/1601 window 800 ack 106; ESTABLISHED,SYN_RCVD seen AB answered");
    EXPECT_EQ(a(Says(ack, 106, 910).offers(700)),
              "A 106/906 window 700 ack 910; B 910/1610 window 800 ack 106; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}
TEST_F(Remembered, AClosedWindowInTheHandshakeLeavesRoomForAProbe) {
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
TEST_F(Remembered, OneSideWithoutScalingTurnsItOffForBoth) {
    opens(Says(syn, 100).offers(700).scale(7));
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800).sack_allowed()),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale A 0,0 sack B answered");
}
TEST_F(Remembered, ARepeatedSynAddsAndTakesNothingBack) {
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
TEST_F(Remembered, ARepeatedSynAckAddsAndTakesNothingBack) {
    opens(Says(syn, 100).offers(700).bytes(20).scale(7));
    b(Says(syn_ack, 900, 101).offers(800));
    EXPECT_EQ(b(Says(syn_ack, 900, 111).offers(850).bytes(4).scale(3).sack_allowed()),
              "A 121/961 window 700 ack 901; B 905/1601 window 850 ack 111; ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 14,3 sack B answered");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(400)),
              "ack-not-of-syn: A 121/961 window 700 ack 901; B 905/1601 window 850 ack 111; "
              "ESTABLISHED,SYN_RCVD seen AB scale AB 14,3 sack B answered");
}
TEST_F(Remembered, AScaleOnlyALaterSynAckAnswersIsTakenForTheLargest) {
    opens(Says(syn, 100).offers(700).scale(7));
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale A 0,0 answered");
    EXPECT_EQ(b(Says(syn_ack, 5000, 101).offers(810).scale(3)),
              "A 101/911 window 700 ack 5001; B 5001/5701 window 810 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 14,3 answered pending {highest B 900+0 window 800}");
}
TEST_F(Remembered, CrossingSynsBeginBothSides) {
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
TEST_F(Remembered, ASynAckWithAnotherIsnTakesOverAndTheReplacedOneIsKept) {
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
TEST_F(Remembered, ANewerSynWaitsBesideAndItsAnswerBeginsBothSidesAnew) {
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
TEST_F(Remembered, AnOlderSynAndItsAnswerAreBelievedOnceTheDiallerAnswersThem) {
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
TEST_F(Remembered, ASynInAConnectionWaitsBesideUntilItIsAnswered) {
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
TEST_F(Remembered, NewDataOfItsSenderForgetsASynOldDataDoesNot) {
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
TEST_F(Remembered, TheOffersOfDataAreTheLargestEver) {
    open();
    EXPECT_EQ(a(Says(ack, 101, 901).offers(900).bytes(30)),
              "A 131/901 window 900 ack 901; B 901/1801 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
    EXPECT_EQ(b(Says(ack, 901, 131).offers(100).bytes(40)),
              "A 131/901 window 900 ack 901; B 941/1801 window 800 ack 131; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
    EXPECT_EQ(a(Says(ack, 111, 941).offers(0).bytes(20)),
              "A 131/901 window 900 ack 941; B 941/1801 window 800 ack 131; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
    EXPECT_EQ(b(Says(ack, 941, 101).offers(801)),
              "A 131/902 window 900 ack 941; B 941/1801 window 801 ack 131; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}
TEST_F(Remembered, ASackBlockCountsTowardsTheWindow) {
    opens(Says(syn, 100).offers(700).sack_allowed());
    b(Says(syn_ack, 900, 101).offers(800));
    a(Says(ack, 101, 901).offers(700).bytes(300));
    EXPECT_EQ(b(Says(ack, 901, 101).offers(780).sack_to(351)),
              "A 401/1131 window 700 ack 901; B 901/1601 window 1030 ack 101; ESTABLISHED,ESTABLISHED seen "
              "AB sack A answered assured");
    EXPECT_EQ(b(Says(ack, 901, 151).offers(780).sack_to(121)),
              "A 401/1131 window 700 ack 901; B 901/1601 window 1030 ack 151; ESTABLISHED,ESTABLISHED seen "
              "AB sack A answered assured");
}
TEST_F(Remembered, ASynAckAgainInTheConnectionOffersItsWindow) {
    open();
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(1000)),
              "A 101/1101 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(500)),
              "A 101/1101 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,ESTABLISHED seen AB "
              "answered assured");
}
TEST_F(Remembered, WhereToleratedDataEndedIsKeptUntilItIsAcknowledged) {
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
TEST_F(Remembered, AToleratedFinCountsOnceItIsAcknowledgedInWhole) {
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
TEST_F(Remembered, AToleratedEndFarAwayIsOfAnotherConnectionAndGivesWay) {
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
TEST_F(Remembered, AToleratedEndFurtherThanTwoWindowsIsForgotten) {
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
TEST_F(Remembered, AToleratedEndThatIsReachedIsForgotten) {
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
TEST_F(Remembered, AnAcknowledgementOfTheUnknownIsKept) {
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
TEST_F(Remembered, OfAFlowPickedUpEachSideIsBelievedTheFirstTime) {
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
TEST_F(Remembered, OfAFlowPickedUpTheFirstSegmentOfTheOtherSideMayBeOld) {
    opens(Says(ack, 1000, 2000).offers(3).bytes(50));
    EXPECT_EQ(b(Says(ack, 1900, 900).offers(9).bytes(30)),
              "A 1050/148356 window 65535 ack 2000; B 2000/67535 window 147456 ack 900; "
              "ESTABLISHED,ESTABLISHED seen AB scale AB 14,14 sack AB again 1 picked-up answered");
    EXPECT_EQ(b(Says(ack, 1930, 2000).offers(9).bytes(30)),
              "A 2000/149456 window 65535 ack 2000; B 2000/67535 window 147456 ack 2000; "
              "ESTABLISHED,ESTABLISHED seen AB scale AB 14,14 sack AB picked-up answered assured");
}
TEST_F(Remembered, OnAOneWayPathTheDiallersOwnAckOpens) {
    talk.settings.asymmetric = true;
    opens(Says(syn, 100).offers(700).scale(2));
    EXPECT_EQ(a(Says(ack, 101, 9000).offers(5).bytes(20)),
              "A 121/121 window 81920 ack 9000; B 9000/90920 window 0 ack 101; ESTABLISHED,ESTABLISHED seen "
              "A scale A 14,14 picked-up");
    EXPECT_EQ(a(Says(ack, 50000, 9900).offers(5).bytes(20)),
              "A 50020/50020 window 81920 ack 9900; B 9900/91820 window 0 ack 101; ESTABLISHED,ESTABLISHED "
              "seen A scale A 14,14 picked-up");
}
TEST_F(Remembered, AResetLeavesTheNumbersAsTheyAre) {
    open();
    EXPECT_EQ(b(Says(rst, 901)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; CLOSED,CLOSED seen AB answered "
              "assured");
    EXPECT_EQ(a(Says(rst_ack, 101, 901)),
              "after-close: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; CLOSED,CLOSED seen "
              "AB answered assured");
}
TEST_F(Remembered, TheAnswerToTheLastSynOpensAClosedFlowAgain) {
    opens(Says(syn, 100).offers(700).scale(7));
    EXPECT_EQ(
        b(Says(rst_ack, 0, 101)),
        "A 101/101 window 700 ack 0; B 0/0 window 0 ack 101; CLOSED,CLOSED seen A scale A 7,0 answered");
    EXPECT_EQ(b(Says(syn_ack, 900, 101).offers(800).scale(3)),
              "A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 7,3 answered");
}

// Which SYN is the newest, which repeats it, which is older: at the edges of each.

class Edges : public Remembered {
  protected:
    Reason of_a(const Segment& segment) { return talk.send(Direction::original, segment).reason; }
    Reason of_b(const Segment& segment) { return talk.send(Direction::reply, segment).reason; }
    /// The same segment in copies of the conversation as it stands.
    Reason if_a(const Segment& segment) const {
        Conversation copy = talk;
        return copy.send(Direction::original, segment).reason;
    }
    Reason if_b(const Segment& segment) const {
        Conversation copy = talk;
        return copy.send(Direction::reply, segment).reason;
    }
};

TEST_F(Edges, OfASynWhileItsSideDials) {
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
TEST_F(Edges, OfASynWhileTheConnectionOpens) {
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
TEST_F(Edges, OfASynInAConnection) {
    open();
    EXPECT_EQ(if_a(Says(syn, 100)), Reason::none);
    EXPECT_EQ(if_a(Says(syn, 99)), Reason::syn_in_connection);
    EXPECT_EQ(if_a(Says(syn, 101)), Reason::syn_in_connection);
    ASSERT_EQ(of_a(Says(ack, 101, 901).bytes(10)), Reason::none);
    EXPECT_EQ(if_a(Says(syn, 100)), Reason::syn_in_connection) << "its ISN is forgotten";
    EXPECT_EQ(if_a(Says(syn, 110)), Reason::none);
}

TEST_F(Edges, TheOwnHandshakeComingAgainLateBeginsNothingAnew) {
    open();
    for (std::uint32_t sent = 101; sent < 101 + 80'000; sent += 800) {
        ASSERT_EQ(of_a(Says(ack, sent, 901).bytes(800)), Reason::none);
        ASSERT_EQ(of_b(Says(ack, 901, sent + 800).offers(800)), Reason::none);
    }
    // A's end is 80,101: what lies up to 66,000 behind it is its own.
    const std::uint32_t end = 80'101;
    for (const std::uint32_t isn : {end - 66'000, end - 66'001, end - 2}) {
        Conversation copy = talk;
        ASSERT_EQ(copy.send(Direction::original, Says(syn, isn)).reason, Reason::syn_in_connection);
        (void)copy.send(Direction::reply, Says(syn_ack, 900, isn + 1));
        EXPECT_EQ(copy.pair(), isn == end - 66'001 ? tcp::Pair::established__syn_rcvd
                                                   : tcp::Pair::established__established);
    }
    // And of B's, whose end is 901.
    for (const std::uint32_t isn : {901U - 66'000U, 901U - 66'001U, 901U, 902U}) {
        Conversation copy = talk;
        ASSERT_EQ(copy.send(Direction::original, Says(syn, end - 500)).reason, Reason::syn_in_connection);
        (void)copy.send(Direction::reply, Says(syn_ack, isn, end - 499));
        EXPECT_EQ(copy.pair(), isn == 901U - 66'000U ? tcp::Pair::established__established
                                                     : tcp::Pair::established__syn_rcvd)
            << isn;
    }
}

TEST_F(Edges, AfterAResetOnlyTheLastSynWaitsForAnAnswer) {
    opens(Says(syn, 1000).offers(700));
    ASSERT_EQ(of_a(Says(syn, 2000)), Reason::none);
    ASSERT_EQ(of_b(Says(rst_ack, 0, 2001)), Reason::none);
    ASSERT_EQ(talk.pair(), tcp::Pair::closed__closed);
    EXPECT_EQ(if_b(Says(syn_ack, 9000, 1001)), Reason::after_close);
    EXPECT_EQ(if_b(Says(syn_ack, 9000, 2002)), Reason::after_close);
    EXPECT_EQ(if_b(Says(syn_ack, 9000, 2001)), Reason::none);
}
TEST_F(Edges, AfterAResetAnAnswerGivenBeforeIsNone) {
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
TEST_F(Edges, AfterTheResetOfAFlowPickedUpNoAnswerIsWaitedFor) {
    opens(Says(ack, 1000, 2000));
    of_b(Says(ack, 2000, 1000));
    of_b(Says(rst, 2000));
    ASSERT_EQ(talk.pair(), tcp::Pair::closed__closed);
    EXPECT_EQ(if_b(Says(syn_ack, 900'000, 1000)), Reason::after_close);
}

TEST_F(Edges, OfAResetWhileDialling) {
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
TEST_F(Edges, OfAResetInAConnection) {
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
TEST_F(Edges, OfAResetThatAnswersAToleratedSegment) {
    opens(Says(syn, 1000).offers(700));
    of_b(Says(ack, 50'000, 40'000).bytes(9));
    EXPECT_EQ(if_a(Says(rst, 40'000)), Reason::rst_old);
    of_b(Says(syn_ack, 9000, 1001).offers(800));
    EXPECT_EQ(if_a(Says(rst, 40'000)), Reason::rst_old);
    EXPECT_EQ(if_a(Says(rst, 40'001)), Reason::rst_out_of_window);
}

TEST_F(Edges, OfTheDiallersSegmentsOnAOneWayPath) {
    talk.settings.asymmetric = true;
    opens(Says(syn, 1000).offers(700).bytes(5));
    EXPECT_EQ(if_a(Says(ack, 1005, 9000)), Reason::old_duplicate) << "before its end: no answer to a SYN,ACK";
    EXPECT_EQ(if_a(Says(ack, 1006, 9000)), Reason::none);
    EXPECT_EQ(if_a(Says(fin, 1007, 9000)), Reason::none);
    EXPECT_EQ(if_a(Says(rst, 1006)), Reason::none);
    EXPECT_EQ(if_a(Says(rst_ack, 1006, 9000)), Reason::none);
    EXPECT_NE(if_a(Says(rst, 1007)), Reason::none);
    EXPECT_NE(if_a(Says(rst, 1005)), Reason::none);
    EXPECT_EQ(if_a(Says(syn, 1000)), Reason::none);
    talk.settings.asymmetric = false;
    EXPECT_EQ(if_a(Says(ack, 1006, 9000)), Reason::before_syn_ack);
    EXPECT_EQ(if_a(Says(rst, 1006)), Reason::rst_old);
}

TEST_F(Edges, NothingFollowsAFinInAnyPair) {
    using tcp::EndpointState;
    for (std::size_t pair = 1; pair < tcp::pair_count; ++pair)
        for (const Direction side : {Direction::original, Direction::reply}) {
            const tcp::PairText& text = tcp::pair_texts[pair];
            if (text.conntrack_name == "CLOSE") continue;  // after a RST there is no window
            open();
            talk.connection.pair = static_cast<unsigned>(pair) & 31U;
            const EndpointState state = side == Direction::original ? text.originator : text.responder;
            const bool sent_no_fin = state == EndpointState::syn_rcvd ||
                                     state == EndpointState::established ||
                                     state == EndpointState::close_wait;
            const Reason reason = side == Direction::original ? if_a(Says(ack, 101, 901).bytes(1))
                                                              : if_b(Says(ack, 901, 101).bytes(1));
            EXPECT_EQ(reason, sent_no_fin ? Reason::none : Reason::seq_after_window)
                << tcp::name_of(state) << " in pair " << pair;
        }
}
TEST_F(Edges, ASackBlockBelowTheAcknowledgementTakesNothingAway) {
    opens(Says(syn, 100).offers(700).sack_allowed());
    b(Says(syn_ack, 900, 101).offers(800));
    a(Says(ack, 101, 901).offers(700).bytes(300));
    EXPECT_EQ(of_b(Says(ack, 901, 401).offers(790).sack_to(121)), Reason::none);
    EXPECT_EQ(talk.connection.side[0].max_end, 401U + 790);
    EXPECT_EQ(talk.connection.side[1].max_window, 800U);
}

TEST_F(Edges, OfAFinThatEndsBelowWhatItsSideHasSent) {
    open();
    ASSERT_EQ(of_a(Says(ack, 101, 901).bytes(50)), Reason::none);
    EXPECT_EQ(if_a(Says(fin, 149, 901)), Reason::old_duplicate);
    EXPECT_EQ(if_a(Says(fin, 150, 901)), Reason::none);
    EXPECT_EQ(if_a(Says(fin, 120, 901).bytes(29)), Reason::old_duplicate);
    EXPECT_EQ(if_a(Says(fin, 120, 901).bytes(30)), Reason::none);
}

TEST_F(Edges, ALargeWindowReachesFurtherBackThan66000) {
    opens(Says(syn, 100).offers(65535).scale(2));
    b(Says(syn_ack, 900, 101).offers(65535).scale(2));
    a(Says(ack, 101, 901).offers(20'000));  // 80,000 bytes
    for (std::uint32_t sent = 901; sent < 901 + 90'000; sent += 10'000) {
        ASSERT_EQ(of_b(Says(ack, sent, 101).offers(100).bytes(10'000)), Reason::none);
        ASSERT_EQ(of_a(Says(ack, 101, sent + 10'000).offers(20'000)), Reason::none);
    }
    EXPECT_EQ(if_a(Says(ack, 101, 90'901 - 80'000)), Reason::none);
    EXPECT_EQ(if_a(Says(ack, 101, 90'901 - 80'001)), Reason::old_acknowledgement);
}

TEST_F(Edges, WhatIsRememberedOfOneSideIsNotForgottenByTheOther) {
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
TEST_F(Edges, ARepetitionOfOneSidesSynSaysNothingOfTheOthers) {
    open();
    of_a(Says(syn, 70'000).offers(710).bytes(9).scale(6).sack_allowed());
    of_b(Says(syn, 70'000).offers(10));
    EXPECT_EQ(shown(talk.pending), "highest A 70000+9 window 710 scale 6 sack; last B 70000+0 window 10");
    of_a(Says(syn, 70'000).offers(5));
    EXPECT_EQ(shown(talk.pending),
              "highest A 70000+9 window 710 scale 6 sack; last A 70000+9 window 710 scale 6 sack");
}
TEST_F(Edges, ASynAckOfAnotherSynFinishesNoSimultaneousOpen) {
    opens(Says(syn, 100).offers(700).scale(7));
    of_b(Says(syn, 900).offers(800).scale(3).sack_allowed());
    of_b(Says(syn_ack, 900, 101).offers(800).scale(3));
    EXPECT_EQ(a(Says(syn_ack, 5000, 901).offers(750).scale(4)),
              "ack-not-of-syn: A 101/901 window 700 ack 901; B 901/1601 window 800 ack 101; "
              "ESTABLISHED,SYN_RCVD seen AB "
              "scale AB 7,3 sack B answered");
}
TEST_F(Edges, OfWhatASideOfAPickedUpFlowIsBelieved) {
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
}  // namespace
}  // namespace sluice::test
