// The generated tables against the plain interpreter, in every cell; and the generator against lists that are
// wrong.
#include "sluice/tcp/tables.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "reference.hpp"

namespace sluice::test {
namespace {

using tcp::Direction;
using tcp::FlagClass;
using tcp::Pair;

/// Of a segment that is not accepted nothing can be kept but a SYN, beside the connection.
Kept kept_by(tcp::Cell cell) {
    using tcp::spec::Action;
    const auto action = static_cast<Action>(cell.action);
    if (cell.reason != 0 && action != Action::remember) return Kept::nothing;
    switch (action) {
        case Action::learn:
            return Kept::numbers;
        case Action::start:
            return Kept::beginning;
        case Action::adopt:
            return Kept::new_start;
        case Action::remember:
            return Kept::beside;
        case Action::offer:
            return Kept::offer;
        case Action::reopen:
            return Kept::new_flow;
        case Action::nothing:
            break;
    }
    return Kept::nothing;
}

/// A judgement in words.
std::string text_of_judgement(const Judgement& judgement) {
    constexpr const char* kept[] = {"nothing",     "its numbers",  "its side's beginning",
                                    "a new start", "a SYN beside", "its offer",
                                    "a new flow"};
    constexpr const char* refresh[] = {"kept", "set", "extended"};
    const tcp::PairText& next = tcp::text_of(judgement.next);
    return std::string(text_of(judgement.reason).name) + " -> " + std::string(tcp::name_of(next.originator)) +
           "," + std::string(tcp::name_of(next.responder)) + ", timeout " +
           refresh[static_cast<std::size_t>(judgement.refresh)] + (judgement.assures ? ", assured" : "") +
           ", remembered: " + kept[static_cast<std::size_t>(judgement.kept)];
}

TEST(Tables, AgreeWithThePlainInterpreterInEveryCell) {
    std::size_t wrong = 0;
    for (std::size_t p = 0; p < tcp::pair_count; ++p)
        for (const Direction from : {Direction::original, Direction::reply})
            for (std::size_t cls = 0; cls < tcp::flag_class_count; ++cls)
                for (unsigned predicates = 0; predicates < tcp::predicate_count; ++predicates) {
                    const Pair pair = static_cast<Pair>(p);
                    const tcp::Event event = tcp::classify(static_cast<FlagClass>(cls), predicates);
                    const tcp::Cell cell = tcp::transition(pair, from, event);
                    const Judgement made{static_cast<Pair>(cell.next), static_cast<Reason>(cell.reason),
                                         static_cast<tcp::Refresh>(cell.refresh), cell.assures != 0,
                                         kept_by(cell)};
                    const Judgement meant =
                        judge_by_the_book(pair, from, static_cast<FlagClass>(cls), predicates);
                    if (made == meant) continue;
                    if (++wrong > 20) FAIL() << "and more";
                    ADD_FAILURE() << "pair " << tcp::name_of(tcp::text_of(pair).originator) << ","
                                  << tcp::name_of(tcp::text_of(pair).responder) << " from "
                                  << (from == Direction::original ? "A" : "B") << " class " << cls
                                  << " predicates " << predicates << ": table " << text_of_judgement(made)
                                  << "; book " << text_of_judgement(meant);
                }
}

TEST(Tables, AreMirrorImagesWhereTheEndpointsAreAlike) {
    for (std::size_t p = 0; p < tcp::pair_count; ++p) {
        const Pair pair = static_cast<Pair>(p);
        const Pair image = tcp::detail::mirror(pair);
        if (image == Pair::count_ || pair == Pair::syn_sent__syn_rcvd) continue;
        for (std::size_t event = 0; event < tcp::event_count; ++event) {
            const tcp::Cell one = tcp::transition(pair, Direction::original, static_cast<tcp::Event>(event));
            const tcp::Cell other = tcp::transition(image, Direction::reply, static_cast<tcp::Event>(event));
            EXPECT_EQ(one.reason, other.reason) << p << " event " << event;
            const bool listener = static_cast<Pair>(one.next) == Pair::closed__listen;
            if (!listener && pair != Pair::closed__closed) {
                EXPECT_EQ(tcp::detail::mirror(static_cast<Pair>(one.next)), static_cast<Pair>(other.next))
                    << p << " event " << event;
            }
        }
    }
}

TEST(Tables, StayWithinEightKilobytes) {
    EXPECT_LE(sizeof(tcp::classify_table) + sizeof(tcp::transition_table), 8192U);
}

TEST(Tables, ChangeNothingForARefusedOrToleratedSegment) {
    for (std::size_t p = 0; p < tcp::pair_count; ++p)
        for (const Direction from : {Direction::original, Direction::reply})
            for (std::size_t event = 0; event < tcp::event_count; ++event) {
                const tcp::Cell cell =
                    tcp::transition(static_cast<Pair>(p), from, static_cast<tcp::Event>(event));
                if (cell.reason == 0) continue;
                EXPECT_EQ(cell.next, p);
                EXPECT_EQ(static_cast<tcp::Refresh>(cell.refresh), tcp::Refresh::keep);
            }
}

TEST(Generator, FindsAMissingRow) {
    std::vector<tcp::spec::Row> rows(tcp::spec::rows.begin(), tcp::spec::rows.end());
    rows.erase(rows.begin() + 7);
    const auto made = tcp::detail::generate_transitions(rows);
    EXPECT_LT(made.covered, tcp::pair_count * 2 * tcp::event_count);
    EXPECT_EQ(made.ambiguous, 0U);
}

TEST(Generator, FindsADoubledRow) {
    std::vector<tcp::spec::Row> rows(tcp::spec::rows.begin(), tcp::spec::rows.end());
    rows.push_back(rows.back());
    EXPECT_GT(tcp::detail::generate_transitions(rows).ambiguous, 0U);
}

TEST(Generator, FindsARowWithoutAMirrorImage) {
    std::vector<tcp::spec::Row> rows;
    rows.push_back({.id = "wrong",
                    .in = Pair::syn_sent__syn_rcvd,
                    .from = Direction::original,
                    .on = tcp::Event::syn_first,
                    .mirrored = true});
    EXPECT_TRUE(tcp::detail::generate_transitions(rows).malformed);
}

TEST(Generator, FindsAMissingAndADoubledRule) {
    std::vector<tcp::spec::Rule> rules(tcp::spec::rules.begin(), tcp::spec::rules.end());
    rules.pop_back();
    EXPECT_LT(tcp::detail::generate_classify(rules).covered, tcp::flag_class_count * tcp::predicate_count);
    rules.push_back(tcp::spec::rules.back());
    rules.push_back(tcp::spec::rules.back());
    EXPECT_GT(tcp::detail::generate_classify(rules).ambiguous, 0U);
}

}  // namespace
}  // namespace sluice::test
