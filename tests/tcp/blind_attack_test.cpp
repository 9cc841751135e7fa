// Attackers who know the addresses and ports of a connection but none of its numbers (RFC 5961): how many
// spoofed segments does it take to tear it down, or to make the tracker refuse what its ends go on to send?
// Sequence space is swept in steps of SLUICE_SWEEP_STEP (1 for all 2^32; by default a prime, so that no power
// of two hides anything) and number by number around every boundary; guessing is simulated from a seed. The
// figures are printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <vector>

#include "conversation.hpp"

namespace sluice::test {
namespace {

using tcp::Direction;
using tcp::Flag;
using tcp::Pair;

constexpr std::uint32_t isn_a = 4'294'900'000;  // the sweep and the conversation both cross zero
constexpr std::uint32_t isn_b = 100;
constexpr double space = 4294967296.0;

/// What blind segments are aimed at: both ends established, 1000 bytes each way, all of it acknowledged.
struct Target {
    Conversation conversation;
    std::uint32_t next_a = isn_a + 1001, next_b = isn_b + 1001;
    std::uint32_t window;

    explicit Target(std::uint8_t shift) : window(65535U << shift) {
        conversation.open(isn_a, isn_b, 65535, [shift](tcp::Segment& syn, tcp::Segment& syn_ack) {
            for (tcp::Segment* one : {&syn, &syn_ack}) {
                one->has_window_scale = true;
                one->window_scale = shift;
            }
        });
        (void)conversation.send(Direction::original, Flag::ack, isn_a + 1, isn_b + 1, 1000);
        (void)conversation.send(Direction::reply, Flag::ack, isn_b + 1, next_a, 1000);
        (void)conversation.send(Direction::original, Flag::ack, next_a, next_b);
    }
    /// A sends `bytes` that B has not acknowledged yet.
    void keep_in_flight(std::uint32_t bytes) {
        (void)conversation.send(Direction::original, Flag::ack, next_a, next_b, bytes);
        next_a += bytes;
    }
};

/// The worst that becomes of what the ends send next, each way, to the close.
Outcome honest_goes_on(Conversation after, const Target& target) {
    const std::uint32_t a = target.next_a, b = target.next_b;
    const tcp::Verdict verdicts[] = {
        after.send(Direction::original, Flag::ack, a, b, 100),
        after.send(Direction::reply, Flag::ack, b, a + 100, 100),
        after.send(Direction::original, Flag::ack | Flag::fin, a + 100, b + 100),
        after.send(Direction::reply, Flag::ack | Flag::fin, b + 100, a + 101),
        after.send(Direction::original, Flag::ack, a + 101, b + 101),
    };
    Outcome worst = after.pair() == Pair::time_wait__closed ? Outcome::accepted : Outcome::tolerated;
    for (const tcp::Verdict& verdict : verdicts) worst = std::max(worst, verdict.outcome);
    return worst;
}

/// Calls `visit` with numbers all over sequence space, and with every number near one of `boundaries`, once
/// each.
template <class Visit>
void sweep(std::vector<std::uint32_t> boundaries, Visit visit) {
    const char* asked = std::getenv("SLUICE_SWEEP_STEP");
    const std::uint64_t step = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 16411;
    constexpr std::uint32_t around = 2000;
    const auto is_near = [&boundaries](std::uint32_t number) {
        for (const std::uint32_t boundary : boundaries)
            if (number - (boundary - around) <= 2 * around) return true;
        return false;
    };
    for (std::uint64_t number = 0; number < (1ULL << 32); number += step)
        if (!is_near(static_cast<std::uint32_t>(number))) visit(static_cast<std::uint32_t>(number));
    for (std::size_t i = 0; i < boundaries.size(); ++i)
        for (std::uint32_t offset = 0; offset <= 2 * around; ++offset) {
            const std::uint32_t number = boundaries[i] - around + offset;
            bool earlier = false;
            for (std::size_t j = 0; j < i; ++j)
                earlier = earlier || number - (boundaries[j] - around) <= 2 * around;
            if (!earlier) visit(number);
        }
}

std::vector<std::uint32_t> boundaries_of(const Target& target) {
    return {target.next_a,
            target.next_a - 1000,
            target.next_a - target.window,
            target.next_a + target.window,
            target.next_a + 2 * target.window,
            target.next_a + 0x80000000U,
            isn_a};
}

class BlindAttack : public testing::TestWithParam<std::uint8_t> {};
INSTANTIATE_TEST_SUITE_P(Windows, BlindAttack, testing::Values<std::uint8_t>(0, 7, 14),
                         [](const auto& one) { return "Shift" + std::to_string(one.param); });

TEST_P(BlindAttack, AResetTearsDownAtOneNumberOfAllAndAtTwoWithDataInFlight) {
    for (const bool in_flight : {false, true}) {
        Target target(GetParam());
        if (in_flight) target.keep_in_flight(1000);
        for (const unsigned flags : {unsigned{Flag::rst}, unsigned{Flag::rst | Flag::ack}}) {
            std::uint64_t closes = 0, shortens = 0, tried = 0, harmed = 0;
            sweep(boundaries_of(target), [&](std::uint32_t sequence) {
                Conversation copy = target.conversation;
                const tcp::Verdict verdict = copy.send(Direction::original, flags, sequence, target.next_b);
                ++tried;
                if (copy.pair() != Pair::established__established)
                    ++closes;
                else if (verdict.refresh != tcp::Refresh::keep)
                    ++shortens;
                else if (honest_goes_on(copy, target) != Outcome::accepted)
                    ++harmed;
            });
            std::cout << "RST" << (flags == Flag::rst ? "" : ",ACK") << ", window " << target.window
                      << (in_flight ? ", data in flight" : ", idle") << ": " << closes << " of " << tried
                      << " numbers tried close; expected spoofed packets "
                      << space / static_cast<double>(closes) << ", where any number in the window would do "
                      << space / target.window << "\n";
            EXPECT_EQ(closes, in_flight ? 2U : 1U);
            EXPECT_EQ(shortens, 0U) << "an inexact RST changed the timeout";
            EXPECT_EQ(harmed, 0U);
        }
    }
}

TEST_P(BlindAttack, ASynNeverTearsDownNorPoisons) {
    const Target target(GetParam());
    for (const Direction from : {Direction::original, Direction::reply}) {
        std::uint64_t harmed = 0;
        sweep(boundaries_of(target), [&](std::uint32_t sequence) {
            Conversation copy = target.conversation;
            (void)copy.send(from, Flag::syn, sequence, 0);
            (void)copy.send(from, Flag::syn, sequence + 77, 0);
            if (copy.pair() != Pair::established__established ||
                honest_goes_on(copy, target) != Outcome::accepted)
                ++harmed;
        });
        EXPECT_EQ(harmed, 0U);
    }
}

TEST_P(BlindAttack, ASynAckNeverTearsDownNorPoisons) {
    const Target target(GetParam());
    std::uint64_t harmed = 0;
    std::mt19937_64 random(1);
    sweep(boundaries_of(target), [&](std::uint32_t acknowledgement) {
        Conversation copy = target.conversation;
        const auto sequence = static_cast<std::uint32_t>(random());
        (void)copy.send(Direction::reply, Flag::syn | Flag::ack, sequence, acknowledgement);
        if (copy.pair() != Pair::established__established ||
            honest_goes_on(copy, target) != Outcome::accepted)
            ++harmed;
    });
    EXPECT_EQ(harmed, 0U);
}

/// Data or an ACK must hit a range of sequence numbers and one of acknowledgements at once, and the real
/// receiver takes what hits both. What the ends send afterwards is never refused, even then.
TEST_P(BlindAttack, AnAckOrDataMustHitTwoRangesAtOnceAndPoisonsNothing) {
    const Target target(GetParam());
    std::uint64_t sequences = 0, acknowledgements = 0, refused = 0, tolerated = 0, tried = 0;
    const auto judge = [&](std::uint32_t sequence, std::uint32_t acknowledgement, std::uint32_t length) {
        Conversation copy = target.conversation;
        (void)copy.send(Direction::original, Flag::ack, sequence, acknowledgement, length);
        const Outcome honest = honest_goes_on(copy, target);
        if (honest == Outcome::refused) ++refused;
        if (honest == Outcome::tolerated) ++tolerated;
    };
    // Along each axis with the other number right.
    for (const std::uint32_t length : {0U, 100U}) {
        sweep(boundaries_of(target), [&](std::uint32_t number) { judge(number, target.next_b, length); });
        sweep({target.next_b, target.next_b - 66000, target.next_b - target.window},
              [&](std::uint32_t number) { judge(target.next_a, number, length); });
    }
    // Ranges measured by a comb of equal steps.
    constexpr std::uint32_t tooth = 4093;
    for (std::uint64_t number = 0; number < (1ULL << 32); number += tooth) {
        const auto guess = static_cast<std::uint32_t>(number);
        ++tried;
        Conversation copy = target.conversation;
        if (copy.send(Direction::original, Flag::ack, guess, target.next_b, 1).outcome == Outcome::accepted)
            ++sequences;
        copy = target.conversation;
        if (copy.send(Direction::original, Flag::ack, target.next_a, guess, 1).outcome == Outcome::accepted)
            ++acknowledgements;
    }
    const double share = static_cast<double>(sequences) / static_cast<double>(tried) *
                         (static_cast<double>(acknowledgements) / static_cast<double>(tried));
    std::cout << "data, window " << target.window << ": accepted at " << sequences * tooth
              << " sequence numbers and " << acknowledgements * tooth
              << " acknowledgements; expected spoofed packets " << 1 / share
              << "; honest segments behind them: " << refused << " refused, " << tolerated << " tolerated\n";
    EXPECT_EQ(refused, 0U);
    // The window, and as much again of what may be a retransmission; and the larger of 66000 and the window.
    EXPECT_NEAR(static_cast<double>(sequences * tooth), 2.0 * target.window, 2 * tooth + 2000);
    EXPECT_NEAR(static_cast<double>(acknowledgements * tooth), std::max(66000U, target.window),
                2 * tooth + 2000);
}

TEST(BlindAttacker, WhileAConnectionIsDialledOnlyTheExactAcknowledgementActs) {
    Conversation dialled;
    dialled.window = 65535;
    (void)tcp::open(dialled.connection, dialled.make(Flag::syn, isn_a, 0), dialled.settings);
    std::uint64_t resets = 0, answers = 0, spoilt = 0, tried = 0;
    std::mt19937_64 random(2);
    sweep({isn_a, isn_a + 0x80000000U, 0}, [&](std::uint32_t acknowledgement) {
        const auto sequence = static_cast<std::uint32_t>(random());
        ++tried;
        Conversation copy = dialled;
        (void)copy.send(Direction::reply, Flag::rst | Flag::ack, sequence, acknowledgement);
        if (copy.pair() != Pair::syn_sent__syn_rcvd) ++resets;
        if (acknowledgement == isn_a + 1) return;
        (void)copy.send(Direction::reply, Flag::syn | Flag::ack, sequence, acknowledgement);
        if (copy.pair() != Pair::syn_sent__syn_rcvd) ++answers;
        // The real answer is believed after all of it.
        (void)copy.send(Direction::reply, Flag::syn | Flag::ack, isn_b, isn_a + 1);
        (void)copy.send(Direction::original, Flag::ack, isn_a + 1, isn_b + 1);
        if (copy.pair() != Pair::established__established) ++spoilt;
    });
    std::cout << "dialling: " << resets << " of " << tried << " RST,ACKs close\n";
    EXPECT_EQ(resets, 1U);
    EXPECT_EQ(answers, 0U);
    EXPECT_EQ(spoilt, 0U);
}

/// Guesses until the connection is torn down. The attacker is granted the upper half of the sequence number:
/// an attacker without that needs 65536 times as many, which the sweeps above show exactly.
TEST(BlindAttacker, GuessingTakesAsLongAsTheoryHasIt) {
    constexpr std::uint64_t seed = 5961;
    constexpr int trials = 60;
    constexpr double guesses_in_theory = 65536;
    std::mt19937_64 random(seed);
    const Target target(0);
    std::uint64_t guesses = 0, guesses_in_window = 0;
    for (int trial = 0; trial < trials; ++trial) {
        Conversation victim = target.conversation;
        const auto base = target.next_a - static_cast<std::uint32_t>(random() % 65536);
        bool in_window = false;
        while (victim.pair() == Pair::established__established) {
            const std::uint32_t sequence = base + static_cast<std::uint32_t>(random() % 65536);
            (void)victim.send(Direction::original, Flag::rst, sequence, 0);
            ++guesses;
            // nf_conntrack's documented rule: in the window, not exact, and the timeout falls to 10 s.
            if (!in_window) {
                ++guesses_in_window;
                in_window = sequence - target.next_a < target.window;
            }
        }
    }
    const double mean = static_cast<double>(guesses) / trials;
    std::cout << "seed " << seed << ": " << mean << " guesses on average, " << guesses_in_theory
              << " in theory; with a rule that acts on any number of the window "
              << static_cast<double>(guesses_in_window) / trials << "\n";
    // The mean of 60 geometric variables: their standard deviation is 1/sqrt(60) of it, three of them 39 %.
    EXPECT_NEAR(mean, guesses_in_theory, 0.39 * guesses_in_theory);
}

/// The limit: whoever can send as either end needs no numbers. A SYN and the SYN,ACK that answers it look
/// like an endpoint that came back after a crash (O8c), and from then on the numbers of the forged pair
/// count.
TEST(BlindAttacker, WhoSpoofsBothEndsNeedsTwoSegments) {
    const Target target(0);
    constexpr int trials = 10'000;
    std::mt19937_64 random(8);
    int begun_anew = 0, refused = 0;
    for (int trial = 0; trial < trials; ++trial) {
        const auto x = static_cast<std::uint32_t>(random()), y = static_cast<std::uint32_t>(random());
        Conversation victim = target.conversation;
        (void)victim.send(Direction::original, Flag::syn, x, 0);
        EXPECT_EQ(honest_goes_on(victim, target), Outcome::accepted);
        (void)victim.send(Direction::reply, Flag::syn | Flag::ack, y, x + 1);
        if (victim.pair() == Pair::established__syn_rcvd) ++begun_anew;
        if (honest_goes_on(victim, target) == Outcome::refused) ++refused;
    }
    std::cout << "both ends spoofed, seed 8: " << begun_anew << " of " << trials
              << " forged handshakes are believed, honest segments refused behind " << refused << "\n";
    EXPECT_GT(begun_anew, trials * 99 / 100);
}

}  // namespace
}  // namespace sluice::test
