// step_usual() for eight connections held against step_usual() and step() for each: at every edge of the
// windows and of what is learnt, in every pair, and as it is within open connections. What it takes, step()
// accepts with the same memory. (step() itself is held against the interpreter of the rows elsewhere.)
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <sstream>
#include <string>

#include "sluice/tcp/step.hpp"

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
    /// Within an open connection.
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
    /// In any pair, perhaps a FIN, perhaps with SACK, confirmed or not.
    Case next_in_any_pair() {
        Case out = next();
        Connection& c = out.connection;
        c.pair = bits() % tcp::pair_count & 31U;
        c.assured = bits() & 1U;
        c.seen_reply = bits() & 1U;
        c.fixed_timeout = bits() & 1U;
        Segment& s = out.segment;
        if (bits() % 3 == 0) s.flags |= tcp::Flag::fin;
        s.has_sack = bits() % 3 == 0;
        s.sack_highest = s.acknowledgement + offset_near();
        return out;
    }
    tcp::Settings settings() {
        tcp::Settings out;
        out.be_liberal = bits() % 4 == 0;
        out.strict = bits() % 4 == 0;
        out.asymmetric = bits() % 4 == 0;
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

std::string sides_of(const Connection& c) {
    std::ostringstream out;
    for (const tcp::Side& s : c.side)
        out << s.end << " " << s.max_end << " " << s.max_window << " " << s.max_ack << "; ";
    return out.str();
}

/// Eight connections in lanes.
struct Eight {
    tcp::SideOf<Lanes> sender{}, receiver{};
    tcp::SegmentOf<Lanes> segment{};
    Lanes fields{}, from_reply{};

    void set(unsigned i, const Case& c) {
        const auto put = [i](tcp::SideOf<Lanes>& to, const tcp::Side& from) {
            to.end[i] = from.end, to.max_end[i] = from.max_end;
            to.max_window[i] = from.max_window, to.max_ack[i] = from.max_ack;
        };
        put(sender, c.connection.side[static_cast<unsigned>(c.direction)]);
        put(receiver, c.connection.side[1 - static_cast<unsigned>(c.direction)]);
        const Segment& s = c.segment;
        segment.sequence[i] = s.sequence;
        segment.acknowledgement[i] = s.acknowledgement;
        segment.payload_length[i] = s.payload_length;
        segment.window[i] = s.window;
        segment.fin[i] = s.flags & std::uint32_t{tcp::Flag::fin};
        segment.sack_highest[i] = s.sack_highest;
        segment.has_sack[i] = mask_of(s.has_sack);
        fields[i] = tcp::small_fields(c.connection);
        from_reply[i] = mask_of(c.direction == Direction::reply);
    }
    [[nodiscard]] Connection connection(unsigned i, Direction direction) const {
        const auto side = [i](const tcp::SideOf<Lanes>& of) {
            return tcp::Side{of.end[i], of.max_end[i], of.max_window[i], of.max_ack[i]};
        };
        Connection out{};
        out.side[static_cast<unsigned>(direction)] = side(sender);
        out.side[1 - static_cast<unsigned>(direction)] = side(receiver);
        tcp::set_small_fields(out, fields[i]);
        return out;
    }
};

std::string text_of(const Connection& c) {
    return sides_of(c) + " fields " + std::to_string(tcp::small_fields(c));
}

bool same(const Connection& a, const Connection& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

/// What comes of one connection by itself: by step_usual() for a word, and by step().
struct Outcomes {
    bool accepted_by_word, accepted;
    tcp::Verdict verdict;
    Connection after;
};
template <tcp::Within within>
Outcomes alone(const Case& c, const tcp::Settings& settings) {
    Connection by_word = c.connection, by_step = c.connection;
    std::uint32_t fields = tcp::small_fields(by_word);
    const auto made = tcp::step_usual<within>(by_word.side[static_cast<unsigned>(c.direction)],
                                              by_word.side[1 - static_cast<unsigned>(c.direction)], fields,
                                              mask_of(c.direction == Direction::reply),
                                              tcp::detail::words_of(c.segment), settings);
    tcp::PendingSyn pending{};
    const tcp::Verdict verdict = tcp::step(by_step, pending, c.direction, c.segment, settings);
    return {made.accepted != 0, verdict.outcome == Outcome::accepted, verdict, by_step};
}

/// Lanes against step(), eight cases of `next` at a time; returns how many were taken.
template <tcp::Within within, class Next>
int compare(int rounds, Cases& cases, Next&& next) {
    int taken = 0;
    for (int round = 0; round < rounds && !::testing::Test::HasFailure(); ++round) {
        const tcp::Settings settings = cases.settings();
        std::array<Case, lane_count> all;
        Eight eight;
        for (unsigned i = 0; i < lane_count; ++i) eight.set(i, all[i] = next());
        const tcp::StepOf<Lanes> step = tcp::step_usual<within>(eight.sender, eight.receiver, eight.fields,
                                                                eight.from_reply, eight.segment, settings);
        for (unsigned i = 0; i < lane_count; ++i) {
            const Outcomes one = alone<within>(all[i], settings);
            const bool taken_in_lanes = step.accepted[i] != 0;
            const Connection after = eight.connection(i, all[i].direction);
            const bool as_one =
                !taken_in_lanes || (one.accepted && same(after, one.after) &&
                                    step.refresh[i] == static_cast<std::uint32_t>(one.verdict.refresh) &&
                                    step.lifetime[i] == static_cast<std::uint32_t>(one.verdict.lifetime));
            EXPECT_TRUE(taken_in_lanes == one.accepted_by_word && as_one)
                << "round " << round << ", lane " << i << "\nfrom     " << text_of(all[i].connection)
                << "\nin lanes " << (taken_in_lanes ? text_of(after) : "left alone") << ", refresh "
                << step.refresh[i] << ", lifetime " << step.lifetime[i] << "\nalone    "
                << (one.accepted_by_word ? "" : "left alone, ") << sluice::text_of(one.verdict.reason).name
                << ", " << text_of(one.after) << ", refresh " << static_cast<int>(one.verdict.refresh)
                << ", lifetime " << static_cast<int>(one.verdict.lifetime);
            taken += taken_in_lanes ? 1 : 0;
        }
    }
    return taken;
}

TEST(Usual, WithinOpenConnectionsEightAreAsOneByOne) {
    Cases cases;
    constexpr int rounds = 250'000, total = rounds * static_cast<int>(lane_count);
    const int taken = compare<tcp::Within::open_connection>(rounds, cases, [&] { return cases.next(); });
    EXPECT_GT(taken, total / 10);
    EXPECT_LT(taken, total * 9 / 10);
}

TEST(Usual, InAnyPairEightAreAsOneByOne) {
    Cases cases;
    constexpr int rounds = 250'000, total = rounds * static_cast<int>(lane_count);
    const int taken = compare<tcp::Within::any_pair>(rounds, cases, [&] { return cases.next_in_any_pair(); });
    EXPECT_GT(taken, total / 20);
    EXPECT_LT(taken, total * 9 / 10);
}

TEST(Usual, AWordWithinAnOpenConnectionIsAsInAnyPair) {
    Cases cases;
    for (int round = 0; round < 500'000; ++round) {
        const tcp::Settings settings = cases.settings();
        const Case c = cases.next();
        ASSERT_EQ(~std::uint32_t{0}, tcp::is_plainly_open(tcp::small_fields(c.connection)));
        const auto step = [&]<tcp::Within within>() {
            Connection out = c.connection;
            tcp::Side& sender = out.side[static_cast<unsigned>(c.direction)];
            tcp::Side& receiver = out.side[1 - static_cast<unsigned>(c.direction)];
            std::uint32_t fields = tcp::small_fields(out);
            const auto made =
                tcp::step_usual<within>(sender, receiver, fields, mask_of(c.direction == Direction::reply),
                                        tcp::detail::words_of(c.segment), settings);
            if (made.accepted == 0) return std::string("left alone");
            return sides_of(out) + " fields " + std::to_string(fields) + " refresh " +
                   std::to_string(made.refresh) + " lifetime " + std::to_string(made.lifetime);
        };
        ASSERT_EQ(step.template operator()<tcp::Within::open_connection>(),
                  step.template operator()<tcp::Within::any_pair>())
            << "round " << round << ", from " << text_of(c.connection);
    }
}

TEST(Usual, IsNotForFlowsThatNeedMore) {
    Cases cases;
    const Connection plain = cases.next().connection;
    const auto asked = [&](auto&& change) {
        Connection connection = plain;
        change(connection);
        const std::uint32_t fields = tcp::small_fields(connection);
        return std::string(tcp::is_usual(fields) != 0 ? "usual" : "") +
               (tcp::is_plainly_open(fields) != 0 ? " open" : "");
    };
    EXPECT_EQ("usual open", asked([](Connection&) {}));
    EXPECT_EQ("usual", asked([](Connection& c) { c.pair = 3; }));
    EXPECT_EQ("usual", asked([](Connection& c) { c.seen_reply = 0; }));
    EXPECT_EQ("usual", asked([](Connection& c) { c.assured = 0; }));
    EXPECT_EQ("usual", asked([](Connection& c) { c.fixed_timeout = 1; }));
    EXPECT_EQ("", asked([](Connection& c) { c.seen = 1; }));
    EXPECT_EQ("", asked([](Connection& c) { c.seen = 2; }));
    EXPECT_EQ("", asked([](Connection& c) { c.pending_syn = 1; }));
    for (unsigned bits = 0; bits < 256; ++bits) {
        const auto flags = static_cast<std::uint8_t>(bits);
        const tcp::FlagClass cls = tcp::classify_flags(flags);
        EXPECT_EQ(tcp::are_usual(flags), cls == tcp::FlagClass::ack || cls == tcp::FlagClass::fin);
    }
}

}  // namespace
}  // namespace sluice::test
