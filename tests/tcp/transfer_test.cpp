// What data, acknowledgements and FINs leave in memory, and where the bounds lie that follow from it.
#include "remembered.hpp"

namespace sluice::test {
namespace {

using Transfer = Remembered;

TEST_F(Transfer, TheOffersOfDataAreTheLargestEver) {
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

TEST_F(Transfer, ASackBlockCountsTowardsTheWindow) {
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

TEST_F(Transfer, ASackBlockBelowTheAcknowledgementTakesNothingAway) {
    opens(Says(syn, 100).offers(700).sack_allowed());
    b(Says(syn_ack, 900, 101).offers(800));
    a(Says(ack, 101, 901).offers(700).bytes(300));
    EXPECT_EQ(of_b(Says(ack, 901, 401).offers(790).sack_to(121)), Reason::none);
    EXPECT_EQ(talk.connection.side[0].max_end, 401U + 790);
    EXPECT_EQ(talk.connection.side[1].max_window, 800U);
}

TEST_F(Transfer, ALargeWindowReachesFurtherBackThan66000) {
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

TEST_F(Transfer, OfAFinThatEndsBelowWhatItsSideHasSent) {
    open();
    ASSERT_EQ(of_a(Says(ack, 101, 901).bytes(50)), Reason::none);
    EXPECT_EQ(if_a(Says(fin, 149, 901)), Reason::old_duplicate);
    EXPECT_EQ(if_a(Says(fin, 150, 901)), Reason::none);
    EXPECT_EQ(if_a(Says(fin, 120, 901).bytes(29)), Reason::old_duplicate);
    EXPECT_EQ(if_a(Says(fin, 120, 901).bytes(30)), Reason::none);
}

TEST_F(Transfer, NothingFollowsAFinInAnyPair) {
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

TEST_F(Transfer, OneByteMoreAcknowledgedIsNoRepetition) {
    open();
    of_b(Says(ack, 901, 101).offers(800).bytes(1));
    of_a(Says(ack, 101, 901).bytes(10));
    of_a(Says(ack, 101, 901).bytes(10));
    EXPECT_EQ(talk.connection.retransmissions, 1U);
    of_a(Says(ack, 101, 902).bytes(10));
    EXPECT_EQ(talk.connection.retransmissions, 0U);
}
TEST_F(Transfer, NoWindowIsLargerThanAGibibyte) {
    opens(Says(syn, 100).offers(65535).scale(14).sack_allowed());
    of_b(Says(syn_ack, 900, 101).offers(65535).scale(14));
    of_a(Says(ack, 101, 901).offers(65535).bytes(40'000));
    of_b(Says(ack, 901, 101).offers(65535).sack_to(101 + 16'384));
    EXPECT_EQ(talk.connection.side[1].max_window, 1U << 30);
    of_b(Says(ack, 901, 101).offers(65535).sack_to(101 + 16'385));
    EXPECT_EQ(talk.connection.side[1].max_window, 1U << 30);
}

}  // namespace
}  // namespace sluice::test
