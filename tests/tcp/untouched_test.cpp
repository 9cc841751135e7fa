// Whatever arrives, in whatever state: a refused segment leaves no trace, a tolerated one none but what is
// pending, and the word of the connection stays well-formed.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "conversation.hpp"

namespace sluice::test {
namespace {

using tcp::Connection;
using tcp::Direction;
using tcp::PendingSyn;
using tcp::Segment;
using tcp::Verdict;

/// All that is pending, bit for bit.
std::array<std::uint32_t, 8> words_of(const PendingSyn& pending) {
    std::array<std::uint32_t, 8> out;
    static_assert(sizeof out == sizeof pending);
    std::memcpy(out.data(), &pending, sizeof pending);
    return out;
}

/// Near what the sides know, so that all events occur, in all states.
Segment draw(std::mt19937_64& random, const Connection& connection, Direction direction) {
    const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    const tcp::Side& own = connection.side[static_cast<std::size_t>(direction)];
    const tcp::Side& peer = connection.side[static_cast<std::size_t>(opposite(direction))];
    const std::uint32_t sequences[] = {
        own.end,     peer.max_ack,     own.max_end, own.max_end + peer.max_window,
        own.end - 1, peer.max_ack - 1, 0,           static_cast<std::uint32_t>(random())};
    const std::uint32_t acks[] = {peer.end,     own.max_ack,     peer.end - 66000,
                                  peer.end + 1, own.max_ack - 1, static_cast<std::uint32_t>(random())};
    Segment out;
    constexpr std::uint8_t usual[] = {tcp::syn, tcp::syn | tcp::ack, tcp::ack, tcp::ack | tcp::fin,
                                      tcp::rst, tcp::rst | tcp::ack};
    out.flags = below(10) == 0 ? static_cast<std::uint8_t>(random()) : usual[below(6)];
    out.sequence = sequences[below(8)] + below(3) - 1;
    out.acknowledgement = acks[below(6)] + below(3) - 1;
    out.payload_length = below(3) == 0 ? below(2000) : 0;
    out.window = static_cast<std::uint16_t>(below(4) == 0 ? 0 : below(65536));
    out.has_window_scale = below(2) == 0;
    out.window_scale = static_cast<std::uint8_t>(below(15));
    out.sack_permitted = below(2) == 0;
    out.has_sack = below(4) == 0;
    out.sack_highest = peer.end - below(500);
    return out;
}

TEST(AnySegment, RefusedLeavesNoTraceAndToleratedNoneButWhatIsPending) {
    std::mt19937_64 random(7);
    std::array<std::size_t, reason_count> met{};
    std::array<std::size_t, tcp::pair_count> stood{};
    for (int conversation = 0; conversation < 20000; ++conversation) {
        Conversation talk;
        talk.settings.strict = conversation % 7 == 0;
        talk.settings.be_liberal = conversation % 11 == 0;
        talk.settings.asymmetric = conversation % 13 == 0;
        const std::uint32_t isn = static_cast<std::uint32_t>(random());
        if (conversation % 3 == 0)
            (void)tcp::open(talk.connection, talk.make(conversation % 2 == 0 ? tcp::syn : tcp::ack, isn, 5),
                            talk.settings);
        else
            talk.open(isn, static_cast<std::uint32_t>(random()), 5000);
        for (int i = 0; i < 30; ++i) {
            const Direction direction = random() % 2 == 0 ? Direction::original : Direction::reply;
            const Connection before = talk.connection;
            const PendingSyn pending_before = talk.pending;
            const Verdict verdict = talk.send(direction, draw(random, talk.connection, direction));
            ++met[static_cast<std::size_t>(verdict.reason)];
            ASSERT_LT(talk.connection.pair, tcp::pair_count);
            ++stood[talk.connection.pair];
            ASSERT_EQ(verdict.outcome == Outcome::accepted, verdict.reason == Reason::none);
            if (verdict.outcome == Outcome::accepted) continue;
            ASSERT_EQ(verdict.refresh, tcp::Refresh::keep);
            Connection after = talk.connection;
            if (verdict.outcome == Outcome::refused) {
                ASSERT_EQ(words_of(pending_before), words_of(talk.pending));
            } else {
                after.pending_syn = before.pending_syn;
                after.seen_reply = before.seen_reply;
            }
            ASSERT_EQ(std::memcmp(&before, &after, sizeof before), 0) << text_of(verdict.reason).name;
        }
    }
    for (Reason reason :
         {Reason::none, Reason::old_duplicate, Reason::old_acknowledgement, Reason::window_overshoot,
          Reason::syn_in_connection, Reason::rst_inexact, Reason::ack_not_of_syn, Reason::old_syn,
          Reason::before_syn_ack, Reason::rst_old, Reason::after_close, Reason::bad_flags,
          Reason::seq_after_window, Reason::ack_unsent, Reason::rst_out_of_window})
        EXPECT_GT(met[static_cast<std::size_t>(reason)], 0U) << text_of(reason).name << " never came up";
    for (std::size_t pair = 0; pair < tcp::pair_count; ++pair)
        EXPECT_GT(stood[pair], 0U) << "pair " << pair << " never came up";
}

}  // namespace
}  // namespace sluice::test
