// van Rooij's four bounds, each at its edge, around the wrap of the sequence space.
//
//   I    sequence            <= the sender's max_end             else T3 up to one window on, then R4
//   II   end                 >= end sent - the receiver's window  else T1
//   III  acknowledgement     <= what the receiver sent           else R5
//   IV   acknowledgement     >= that - max(66000, own window)    else T2
#include <gtest/gtest.h>

#include "conversation.hpp"

namespace sluice::test {
namespace {

using tcp::Direction;
using tcp::Flag;
using tcp::Segment;

constexpr std::uint32_t isns[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFF00, 0x12345678};

/// Every case runs at each initial sequence number of either side; `x` and `y` are where A and B stand.
class Window : public testing::TestWithParam<std::uint32_t> {
  protected:
    static constexpr std::uint16_t window = 1000;
    Conversation talk;
    std::uint32_t x = 0, y = 0;

    void SetUp() override {
        talk.open(GetParam(), GetParam() + 77, window);
        x = GetParam() + 1;
        y = GetParam() + 78;
    }
    Reason a(std::uint32_t sequence, std::uint32_t acknowledgement, std::uint32_t length = 0) {
        return talk.send(Direction::original, Flag::ack, sequence, acknowledgement, length).reason;
    }
    Reason b(std::uint32_t sequence, std::uint32_t acknowledgement, std::uint32_t length = 0) {
        return talk.send(Direction::reply, Flag::ack, sequence, acknowledgement, length).reason;
    }
};
INSTANTIATE_TEST_SUITE_P(Isn, Window, testing::ValuesIn(isns));

TEST_P(Window, TheLastSequenceNumberOfferedIsAccepted) {
    EXPECT_EQ(a(x + window, y, 1), Reason::none);
}
TEST_P(Window, OneBeyondIsAnOvershoot) {
    EXPECT_EQ(a(x + window + 1, y, 1), Reason::window_overshoot);
}
TEST_P(Window, AWholeFurtherWindowIsTheLastOvershoot) {
    EXPECT_EQ(a(x + 2 * window, y, 1), Reason::window_overshoot);
}
TEST_P(Window, BeyondAFurtherWindowIsRefused) {
    EXPECT_EQ(a(x + 2 * window + 1, y, 1), Reason::seq_after_window);
    EXPECT_EQ(a(x + 0x7FFFFFF0, y, 1), Reason::seq_after_window);
}
TEST_P(Window, TheFarEdgeOfTheLargestWindowIsNoOldDuplicate) {
    constexpr std::uint32_t largest = 65535U << 14;
    Conversation wide;
    wide.open(GetParam(), GetParam() + 77, 65535, [](tcp::Segment& syn, tcp::Segment& syn_ack) {
        for (tcp::Segment* segment : {&syn, &syn_ack}) {
            segment->has_window_scale = true;
            segment->window_scale = 14;
        }
    });
    EXPECT_EQ(wide.send(Direction::reply, Flag::ack, y, x).reason, Reason::none);
    EXPECT_EQ(wide.send(Direction::original, Flag::ack, x + largest, y, 65000).reason, Reason::none);
}
TEST_P(Window, AnAcknowledgementMovesTheEdge) {
    EXPECT_EQ(a(x, y, 500), Reason::none);
    EXPECT_EQ(b(y, x + 500), Reason::none);
    EXPECT_EQ(a(x + 500 + window, y, 1), Reason::none);
}
TEST_P(Window, AShrinkingWindowTakesNothingBack) {
    talk.window = 10;
    EXPECT_EQ(b(y, x), Reason::none);
    EXPECT_EQ(a(x + window, y, 1), Reason::none);
}
TEST_P(Window, AClosedWindowLeavesRoomForAProbe) {
    EXPECT_EQ(a(x, y, window), Reason::none);
    talk.window = 0;
    EXPECT_EQ(b(y, x + window), Reason::none);
    EXPECT_EQ(a(x + window, y, 1), Reason::none);
    EXPECT_EQ(b(y, x + window), Reason::none);
    EXPECT_EQ(a(x + window + 1, y, 1), Reason::none);
    EXPECT_EQ(a(x + window + 2, y, 1), Reason::window_overshoot);
}

TEST_P(Window, OneWindowBackIsARetransmission) {
    for (std::uint32_t sent = 0; sent < 5000; sent += 1000) {
        ASSERT_EQ(a(x + sent, y, 1000), Reason::none);
        ASSERT_EQ(b(y, x + sent + 1000), Reason::none);
    }
    EXPECT_EQ(a(x + 3900, y, 100), Reason::none);
    EXPECT_EQ(a(x + 3899, y, 100), Reason::old_duplicate);
}
TEST_P(Window, AKeepaliveIsAccepted) {
    EXPECT_EQ(a(x, y, 100), Reason::none);
    EXPECT_EQ(b(y, x + 100), Reason::none);
    EXPECT_EQ(a(x + 99, y), Reason::none);
    EXPECT_EQ(a(x + 99, y, 1), Reason::none);
}
TEST_P(Window, AcknowledgingOneByteTooManyIsRefused) {
    EXPECT_EQ(a(x, y + 1), Reason::ack_unsent);
    EXPECT_EQ(b(y, x, 10), Reason::none);
    EXPECT_EQ(a(x, y + 10), Reason::none);
    EXPECT_EQ(a(x, y + 11), Reason::ack_unsent);
    EXPECT_EQ(a(x, y + 0x70000000), Reason::ack_unsent);
}
TEST_P(Window, AnAcknowledgementReachesBack66000) {
    EXPECT_EQ(a(x, y - tcp::max_ack_reach), Reason::none);
    EXPECT_EQ(a(x, y - tcp::max_ack_reach - 1), Reason::old_acknowledgement);
}
TEST_P(Window, AToleratedOrRefusedSegmentLeavesTheConnectionAsItWas) {
    const tcp::Connection before = talk.connection;
    for (const auto& [sequence, acknowledgement] :
         {std::pair{x + window + 1, y}, {x + 5000, y}, {x - 5000, y}, {x, y + 5}, {x, y - 100000}}) {
        EXPECT_NE(a(sequence, acknowledgement, 1), Reason::none);
        tcp::Connection now = talk.connection;
        now.pending_syn = 0;
        EXPECT_EQ(std::memcmp(&before, &now, sizeof now), 0);
    }
}

TEST(WindowScale, CountsWhenBothOfferedIt) {
    for (unsigned shift_a = 0; shift_a <= 14; ++shift_a)
        for (unsigned shift_b = 0; shift_b <= 14; ++shift_b) {
            Conversation talk;
            talk.open(10, 20, 1000, [&](Segment& syn, Segment& syn_ack) {
                syn.has_window_scale = syn_ack.has_window_scale = true;
                syn.window_scale = static_cast<std::uint8_t>(shift_a);
                syn_ack.window_scale = static_cast<std::uint8_t>(shift_b);
            });
            // The windows of the SYNs count unscaled; from the first ACK on they are scaled.
            EXPECT_EQ(talk.connection.side[0].max_end, 11U + 1000);
            EXPECT_EQ(talk.connection.side[1].max_end, 21U + (1000U << shift_a));
            EXPECT_EQ(talk.send(Direction::reply, Flag::ack, 21, 11).reason, Reason::none);
            EXPECT_EQ(talk.connection.side[0].max_end, 11U + (1000U << shift_b));
        }
}

TEST(WindowScale, CountsForNeitherWhenOnlyOneOfferedIt) {
    for (const bool by_a : {false, true}) {
        Conversation talk;
        talk.open(10, 20, 1000, [&](Segment& syn, Segment& syn_ack) {
            (by_a ? syn : syn_ack).has_window_scale = true;
            (by_a ? syn : syn_ack).window_scale = 7;
        });
        EXPECT_EQ(talk.send(Direction::reply, Flag::ack, 21, 11).reason, Reason::none);
        EXPECT_EQ(talk.connection.side[0].max_end, 1011U);
        EXPECT_EQ(talk.connection.side[1].max_end, 1021U);
    }
}

/// A server short of memory answers without options, or did so once: SYN cookies without timestamps carry no
/// scale. Whichever SYN,ACK the client takes, what it offers is not held to less than it said.
TEST(WindowScale, IsNotLostBetweenTwoSynAcksOfWhichOneHasIt) {
    for (const bool first_has_it : {false, true}) {
        Conversation talk;
        talk.window = 1000;
        Segment syn = talk.make(Flag::syn, 10, 0);
        syn.has_window_scale = true;
        syn.window_scale = 7;
        ASSERT_EQ(tcp::open(talk.connection, syn, talk.settings).outcome, Outcome::accepted);
        for (const bool has_it : {first_has_it, !first_has_it}) {
            Segment answer = talk.make(Flag::syn | Flag::ack, has_it ? 20 : 90'000, 11);
            answer.has_window_scale = has_it;
            answer.window_scale = 3;
            ASSERT_EQ(talk.send(Direction::reply, answer).reason, Reason::none);
        }
        ASSERT_EQ(talk.send(Direction::original, Flag::ack, 11, 21).reason, Reason::none);
        EXPECT_EQ(talk.send(Direction::reply, Flag::ack, 21 + 127'000, 11, 1000).reason, Reason::none)
            << "A offered 128,000 bytes, first " << first_has_it;
    }
}

TEST(WindowScale, TheLargestWindowsStillHaveEdges) {
    Conversation talk;
    talk.open(0xFFFFFFF0, 20, 65535, [](Segment& syn, Segment& syn_ack) {
        syn.has_window_scale = syn_ack.has_window_scale = true;
        syn.window_scale = syn_ack.window_scale = 14;
    });
    const std::uint32_t x = 0xFFFFFFF1, whole = 65535U << 14;
    EXPECT_EQ(talk.send(Direction::reply, Flag::ack, 21, x).reason, Reason::none);
    EXPECT_EQ(talk.send(Direction::original, Flag::ack, x + whole + 1, 21, 1).reason,
              Reason::window_overshoot);
    EXPECT_EQ(talk.send(Direction::original, Flag::ack, x + 2 * whole, 21, 1).reason,
              Reason::window_overshoot);
    EXPECT_EQ(talk.send(Direction::original, Flag::ack, x + 2 * whole + 1, 21, 1).reason,
              Reason::seq_after_window);
    EXPECT_EQ(talk.send(Direction::original, Flag::ack, x + whole, 21, 1).reason, Reason::none);
}

TEST(Sack, CountsAsAcknowledgementWhereTheReceiverPermittedIt) {
    for (const bool permitted : {false, true}) {
        Conversation talk;
        talk.open(10, 20, 1000, [&](Segment& syn, Segment&) { syn.sack_permitted = permitted; });
        EXPECT_EQ(talk.send(Direction::original, Flag::ack, 11, 21, 100).reason, Reason::none);
        Segment selective = talk.make(Flag::ack, 21, 11);
        selective.has_sack = true;
        selective.sack_highest = 111;
        EXPECT_EQ(talk.send(Direction::reply, selective).reason, Reason::none);
        EXPECT_EQ(talk.connection.side[0].max_end, permitted ? 1111U : 1011U);
        selective.sack_highest = 112;
        EXPECT_EQ(talk.send(Direction::reply, selective).reason,
                  permitted ? Reason::ack_unsent : Reason::none);
    }
}

}  // namespace
}  // namespace sluice::test
