// step_established() held against step(), which reads the tables: at every edge of the four bounds and of
// what is learnt, a word at a time and in lanes. What it takes, step() accepts with the same memory; what it
// leaves alone, step() does not accept, but for cases that are named.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>

#include "sluice/tcp/step.hpp"
#include "step_by_word.hpp"

namespace sluice::test {
namespace {

using tcp::Connection;
using tcp::Direction;
using tcp::Segment;

struct Case {
    Connection connection{};
    Direction direction{};
    Segment segment;
};

class Cases {
  public:
    Case next() {
        Case out;
        Connection& c = out.connection;
        for (tcp::Side& side : c.side) {
            const std::uint32_t end = number();
            side = {.end = end, .max_end = end + offset(), .max_window = window(), .max_ack = 0};
        }
        c.side[0].max_ack = c.side[1].end + offset();
        c.side[1].max_ack = c.side[0].end + offset();
        c.pair = static_cast<unsigned>(tcp::Pair::established__established) & 31U;
        c.seen = 3;
        c.seen_reply = c.assured = 1;
        c.scale_original = pick({0, 1, 7, 14}) & 15U;
        c.scale_reply = pick({0, 2, 14}) & 15U;
        c.scale_offered = bits() & 3U;
        c.sack_permitted = bits() & 3U;
        c.picked_up = bits() & 1U;
        c.retransmissions = bits() & 7U;
        c.lifetime = static_cast<unsigned>(tcp_lifetimes[bits() % std::size(tcp_lifetimes)]) & 31U;

        out.direction = (bits() & 1U) != 0 ? Direction::reply : Direction::original;
        const tcp::Side& sender = c.side[static_cast<unsigned>(out.direction)];
        const tcp::Side& receiver = c.side[1 - static_cast<unsigned>(out.direction)];
        Segment& s = out.segment;
        s.payload_length = pick({0, 1, 2, 1460, 65535});
        s.window = static_cast<std::uint16_t>(pick({0, 1, 1000, 65535}));
        s.flags = static_cast<std::uint8_t>(tcp::Flag::ack |
                                            (bits() & (tcp::Flag::psh | tcp::Flag::urg | tcp::Flag::ece)));
        const std::uint32_t sequences[] = {sender.end,
                                           sender.max_end,
                                           sender.end - s.payload_length,
                                           sender.end - receiver.max_window - s.payload_length,
                                           sender.max_end - receiver.max_window - s.payload_length,
                                           sender.max_end + receiver.max_window};
        s.sequence = sequences[bits() % std::size(sequences)] + offset_near();
        const std::uint32_t acknowledgements[] = {receiver.end, sender.max_ack,
                                                  receiver.end - sender.max_window,
                                                  receiver.end - tcp::max_ack_reach};
        s.acknowledgement = acknowledgements[bits() % std::size(acknowledgements)] + offset_near();
        return out;
    }
    tcp::Settings settings() {
        tcp::Settings out;
        out.be_liberal = bits() % 4 == 0;
        out.strict = bits() % 4 == 0;
        out.max_retrans = static_cast<std::uint8_t>(bits() % 8);
        return out;
    }

  private:
    static constexpr Lifetime tcp_lifetimes[] = {Lifetime::established, Lifetime::unacknowledged,
                                                 Lifetime::max_retrans};
    std::uint32_t bits() { return static_cast<std::uint32_t>(random_()); }
    std::uint32_t pick(std::initializer_list<std::uint32_t> from) {
        return *(from.begin() + bits() % from.size());
    }
    std::uint32_t number() { return pick({0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, bits()}); }
    std::uint32_t window() {
        return pick({0, 1, 1000, 65535, 66000, 66001, 1U << 20, tcp::largest_window, bits() >> 2});
    }
    std::uint32_t offset_near() { return pick({0, 0, 0, 1, 2, 0xFFFFFFFF, 0xFFFFFFFE, bits()}); }
    std::uint32_t offset() {
        return pick({0, 0, 1, 1000, 65535, 1U << 20, tcp::largest_window, 0xFFFFFFFF, 0U - 1000U, bits()});
    }
    std::mt19937_64 random_{20'261'127};
};

std::string text_of(const Connection& c) {
    std::ostringstream out;
    for (const tcp::Side& s : c.side)
        out << s.end << " " << s.max_end << " " << s.max_window << " " << s.max_ack << "; ";
    out << "fields " << std::hex << tcp::small_fields(c);
    return out.str();
}

/// What is left to step() although it will accept: where the distance from the window's lower edge no longer
/// fits half the circle; and in flows picked up in mid-stream, acknowledgements of what passed before.
bool is_left_to_step(const Case& c) {
    if (c.connection.picked_up != 0) return true;
    const tcp::Side& sender = c.connection.side[static_cast<unsigned>(c.direction)];
    const tcp::Side& receiver = c.connection.side[1 - static_cast<unsigned>(c.direction)];
    const std::uint32_t allowed = before(sender.end, sender.max_end) ? sender.end : sender.max_end;
    const std::int64_t ahead = sequence_distance(c.segment.sequence + c.segment.payload_length, allowed);
    return ahead + receiver.max_window > INT32_MAX;
}

TEST(Established, TakesWhatStepAcceptsAndRemembersTheSame) {
    Cases cases;
    constexpr int rounds = 2'000'000;
    int taken = 0, left = 0;
    for (int round = 0; round < rounds; ++round) {
        const tcp::Settings settings = cases.settings();
        const Case c = cases.next();
        ASSERT_TRUE(tcp::is_plainly_established(tcp::small_fields(c.connection)));
        Connection by_word = c.connection, by_step = c.connection;
        tcp::PendingSyn pending{};
        const bool took = step_by_word(by_word, c.direction, c.segment, settings);
        const tcp::Verdict verdict = tcp::step(by_step, pending, c.direction, c.segment, settings);
        const bool accepted = verdict.outcome == Outcome::accepted;
        if (!took) {
            ASSERT_TRUE(!accepted || is_left_to_step(c)) << "round " << round;
            left += accepted ? 1 : 0;
            continue;
        }
        ++taken;
        ASSERT_TRUE(accepted) << "round " << round << ": " << sluice::text_of(verdict.reason).name;
        ASSERT_EQ(verdict.refresh, tcp::Refresh::set);
        by_step.lifetime = static_cast<unsigned>(verdict.lifetime) & 31U;  // the caller's to set
        ASSERT_EQ(text_of(by_word), text_of(by_step))
            << "round " << round << ", from " << text_of(c.connection);
    }
    EXPECT_GT(taken, rounds / 10);
    EXPECT_LT(taken, rounds * 9 / 10);
    EXPECT_LT(left, rounds / 20);
}

TEST(Established, InLanesIsTheSame) {
    Cases cases;
    for (int round = 0; round < 100'000; ++round) {
        const tcp::Settings settings = cases.settings();
        std::array<Case, lane_count> eight;
        tcp::SideOf<Lanes> sender, receiver;
        tcp::SegmentOf<Lanes> segment;
        Lanes fields, from_reply;
        for (unsigned i = 0; i < lane_count; ++i) {
            Case& c = eight[i] = cases.next();
            const tcp::Side& s = c.connection.side[static_cast<unsigned>(c.direction)];
            const tcp::Side& r = c.connection.side[1 - static_cast<unsigned>(c.direction)];
            sender.end[i] = s.end, sender.max_end[i] = s.max_end;
            sender.max_window[i] = s.max_window, sender.max_ack[i] = s.max_ack;
            receiver.end[i] = r.end, receiver.max_end[i] = r.max_end;
            receiver.max_window[i] = r.max_window, receiver.max_ack[i] = r.max_ack;
            segment.sequence[i] = c.segment.sequence;
            segment.acknowledgement[i] = c.segment.acknowledgement;
            segment.payload_length[i] = c.segment.payload_length;
            segment.window[i] = c.segment.window;
            fields[i] = tcp::small_fields(c.connection);
            from_reply[i] = mask_of(c.direction == Direction::reply);
        }
        const Lanes taken =
            tcp::step_established<Lanes>(sender, receiver, fields, from_reply, segment, settings);
        for (unsigned i = 0; i < lane_count; ++i) {
            Case& c = eight[i];
            ASSERT_EQ(taken[i], mask_of(step_by_word(c.connection, c.direction, c.segment, settings)));
            if (taken[i] == 0) continue;
            const tcp::Side& s = c.connection.side[static_cast<unsigned>(c.direction)];
            const tcp::Side& r = c.connection.side[1 - static_cast<unsigned>(c.direction)];
            ASSERT_EQ(sender.end[i], s.end);
            ASSERT_EQ(sender.max_end[i], s.max_end);
            ASSERT_EQ(sender.max_window[i], s.max_window);
            ASSERT_EQ(sender.max_ack[i], s.max_ack);
            ASSERT_EQ(receiver.end[i], r.end);
            ASSERT_EQ(receiver.max_end[i], r.max_end);
            ASSERT_EQ(receiver.max_window[i], r.max_window);
            ASSERT_EQ(receiver.max_ack[i], r.max_ack);
            ASSERT_EQ(fields[i], tcp::small_fields(c.connection));
        }
    }
}

TEST(Established, IsNotForFlowsThatNeedMore) {
    Cases cases;
    const Connection plain = cases.next().connection;
    const auto is_plain = [&](auto&& change) {
        Connection connection = plain;
        change(connection);
        return tcp::is_plainly_established(tcp::small_fields(connection));
    };
    EXPECT_TRUE(is_plain([](Connection&) {}));
    EXPECT_FALSE(is_plain([](Connection& c) { c.pair = 3; }));
    EXPECT_FALSE(is_plain([](Connection& c) { c.seen = 1; }));
    EXPECT_FALSE(is_plain([](Connection& c) { c.seen_reply = 0; }));
    EXPECT_FALSE(is_plain([](Connection& c) { c.assured = 0; }));
    EXPECT_FALSE(is_plain([](Connection& c) { c.pending_syn = 1; }));
    EXPECT_FALSE(is_plain([](Connection& c) { c.fixed_timeout = 1; }));
    for (unsigned flags = 0; flags < 256; ++flags)
        EXPECT_EQ(tcp::is_plain_ack(static_cast<std::uint8_t>(flags)),
                  tcp::classify_flags(static_cast<std::uint8_t>(flags)) == tcp::FlagClass::ack);
}

}  // namespace
}  // namespace sluice::test
