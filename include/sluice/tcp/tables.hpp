// The two tables of the engine, made by the compiler from the rules and rows of rows.hpp:
//
//   event = classify[flag class][predicates]      one byte each
//   cell  = table[pair][direction][event]         two bytes each
//
// A list that leaves a combination out, or covers one twice, stops the compilation.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/tcp/rows.hpp"

namespace sluice::tcp {

/// One entry of the transition table.
struct Cell {
    std::uint16_t next : 5;     ///< Pair
    std::uint16_t reason : 5;   ///< Reason; none: accepted
    std::uint16_t refresh : 2;  ///< Refresh
    std::uint16_t action : 3;   ///< spec::Action
    std::uint16_t assures : 1;
};
static_assert(sizeof(Cell) == 2);
static_assert(static_cast<unsigned>(Reason::no_connection) < 32,
              "a TCP reason is kept in five bits of a cell");

using ClassifyTable = std::array<std::array<Event, predicate_count>, flag_class_count>;
using TransitionTable = std::array<std::array<std::array<Cell, event_count>, 2>, pair_count>;
static_assert(sizeof(ClassifyTable) + sizeof(TransitionTable) <= 8192, "both tables stay within 8 KiB of L1");

namespace detail {

/// The pair with its two endpoints exchanged; count_ where that pair does not occur.
[[nodiscard]] constexpr Pair mirror(Pair pair) {
    const PairText& text = text_of(pair);
    for (std::size_t i = 0; i < pair_count; ++i)
        if (pair_texts[i].originator == text.responder && pair_texts[i].responder == text.originator)
            return static_cast<Pair>(i);
    return Pair::count_;
}

template <class Table>
struct Generated {
    Table table{};
    std::size_t covered = 0;    ///< combinations with at least one rule or row
    std::size_t ambiguous = 0;  ///< combinations with more than one
    bool malformed = false;     ///< a row that cannot be: two successors, a mirror image that does not exist
};

[[nodiscard]] constexpr Generated<ClassifyTable> generate_classify(std::span<const spec::Rule> rules) {
    Generated<ClassifyTable> out;
    std::array<std::array<bool, predicate_count>, flag_class_count> taken{};
    for (const spec::Rule& rule : rules) {
        if ((rule.with & rule.without) != 0) out.malformed = true;
        const unsigned open = (predicate_count - 1) & ~(rule.with | rule.without);
        for (std::size_t cls = 0; cls < flag_class_count; ++cls) {
            if (!rule.of.has(static_cast<FlagClass>(cls))) continue;
            for (unsigned rest = open;;
                 rest = (rest - 1) & open) {  // every subset of the predicates left open
                const unsigned predicates = rule.with | rest;
                if (taken[cls][predicates])
                    ++out.ambiguous;
                else
                    ++out.covered;
                taken[cls][predicates] = true;
                out.table[cls][predicates] = rule.event;
                if (rest == 0) break;
            }
        }
    }
    return out;
}

struct TransitionWriter {
    Generated<TransitionTable> out;
    std::array<std::array<std::uint64_t, 2>, pair_count> taken{};  ///< bit per Event

    constexpr void write(const spec::Row& row, Pair pair, Direction direction, Pair next) {
        if (next == Pair::count_ || pair == Pair::count_) {
            out.malformed = true;
            return;
        }
        const bool accepted = row.reason == Reason::none;
        Cell cell{};
        cell.next = static_cast<std::uint16_t>(static_cast<unsigned>(next) & 31U);
        cell.reason = static_cast<std::uint16_t>(static_cast<unsigned>(row.reason) & 31U);
        cell.refresh =
            static_cast<std::uint16_t>(static_cast<unsigned>(accepted ? row.refresh : Refresh::keep) & 3U);
        cell.action = static_cast<std::uint16_t>(static_cast<unsigned>(row.action) & 7U);
        cell.assures = static_cast<std::uint16_t>(row.assures);
        std::uint64_t& done = taken[static_cast<std::size_t>(pair)][static_cast<std::size_t>(direction)];
        for (std::uint64_t left = row.on.bits; left != 0; left &= left - 1) {
            const unsigned event = static_cast<unsigned>(std::countr_zero(left));
            if ((done >> event & 1U) != 0)
                ++out.ambiguous;
            else
                ++out.covered;
            out.table[static_cast<std::size_t>(pair)][static_cast<std::size_t>(direction)][event] = cell;
        }
        done |= row.on.bits;
    }

    constexpr void write(const spec::Row& row) {
        if (std::popcount(row.next.bits) > 1) out.malformed = true;
        for (std::uint64_t left = row.in.bits; left != 0; left &= left - 1) {
            const Pair pair = static_cast<Pair>(std::countr_zero(left));
            const Pair next = row.next.bits == 0 ? pair : static_cast<Pair>(std::countr_zero(row.next.bits));
            for (Direction direction : {Direction::original, Direction::reply}) {
                if (!row.from.has(direction)) continue;
                write(row, pair, direction, next);
                if (row.mirrored) write(row, mirror(pair), opposite(direction), mirror(next));
            }
        }
    }
};

[[nodiscard]] constexpr Generated<TransitionTable> generate_transitions(std::span<const spec::Row> rows) {
    TransitionWriter writer;
    for (const spec::Row& row : rows) writer.write(row);
    return writer.out;
}

inline constexpr Generated<ClassifyTable> classify_made = generate_classify(spec::rules);
static_assert(!classify_made.malformed, "a rule asks for a predicate and its opposite");
static_assert(classify_made.ambiguous == 0, "two rules claim the same flag class and predicates");
static_assert(classify_made.covered == flag_class_count * predicate_count,
              "a flag class and predicates have no rule");

inline constexpr Generated<TransitionTable> transitions_made = generate_transitions(spec::rows);
static_assert(!transitions_made.malformed,
              "a row with two successors, or mirrored where no mirror image occurs");
static_assert(transitions_made.ambiguous == 0, "two rows claim the same pair, direction and event");
static_assert(transitions_made.covered == pair_count * 2 * event_count,
              "a pair, direction and event have no row");

}  // namespace detail

inline constexpr ClassifyTable classify_table = detail::classify_made.table;
inline constexpr TransitionTable transition_table = detail::transitions_made.table;

[[nodiscard]] constexpr Event classify(FlagClass cls, unsigned predicates) {
    return classify_table[static_cast<std::size_t>(cls)][predicates];
}
[[nodiscard]] constexpr Cell transition(Pair pair, Direction direction, Event event) {
    return transition_table[static_cast<std::size_t>(pair)][static_cast<std::size_t>(direction)]
                           [static_cast<std::size_t>(event)];
}

}  // namespace sluice::tcp
