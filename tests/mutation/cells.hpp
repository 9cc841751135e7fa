// Every other value a cell of the two tables might plausibly hold, and the tables with one of them in place.
// The altered copy of tables.hpp (scripts/mutate) asks for them here; part of mutation builds only.
#pragma once

#include <array>
#include <optional>

#include "sluice/mutation/mutant.hpp"

namespace sluice::mutant {

// A mutant's number is first_…, plus the cell's index times the variants a cell has, plus the variant.
inline constexpr long first_classify = 0;
inline constexpr long classify_variants = tcp::event_count;  ///< any other event
inline constexpr long first_transition = 300'000;
inline constexpr long transition_variants = 13;
inline constexpr long first_in_source = 1'000'000;  ///< alter_source.py's begin here

/// The cell altered; nothing where that leaves it as it is.
[[nodiscard]] constexpr std::optional<tcp::Cell> altered(tcp::Cell cell, long variant) {
    const tcp::Cell right = cell;
    if (variant < 2) {  // another pair
        cell.next =
            static_cast<std::uint16_t>((cell.next + (variant == 0 ? 1U : 7U)) % tcp::pair_count) & 31U;
    } else if (variant < 4) {  // another outcome, or another reason for the same
        const Reason reason = static_cast<Reason>(right.reason);
        const Reason another =
            text_of(reason).outcome == Outcome::refused ? Reason::old_duplicate : Reason::seq_after_window;
        const Reason similar = reason == Reason::none ? Reason::before_syn_ack : Reason::none;
        cell.reason = static_cast<unsigned>(variant == 2 ? another : similar) & 31U;
    } else if (variant < 6) {
        cell.refresh = (cell.refresh + static_cast<unsigned>(variant) - 3U) % 3U & 3U;
    } else if (variant < 12) {
        cell.action = (cell.action + static_cast<unsigned>(variant) - 5U) % 7U & 7U;
    } else {
        cell.assures = cell.assures == 0 ? 1 : 0;
    }
    const bool same = cell.next == right.next && cell.reason == right.reason &&
                      cell.refresh == right.refresh && cell.action == right.action &&
                      cell.assures == right.assures;
    return same ? std::nullopt : std::optional(cell);
}

[[nodiscard]] inline tcp::ClassifyTable with_mutant(tcp::ClassifyTable table) {
    const long at = active - first_classify;
    if (at < 0 || at >= static_cast<long>(sizeof table) * classify_variants) return table;
    const auto cell = static_cast<std::size_t>(at / classify_variants);
    table[cell / tcp::predicate_count][cell % tcp::predicate_count] =
        static_cast<tcp::Event>(at % classify_variants);
    return table;
}

[[nodiscard]] inline tcp::TransitionTable with_mutant(tcp::TransitionTable table) {
    const long at = active - first_transition;
    const long cells = tcp::pair_count * 2 * tcp::event_count;
    if (at < 0 || at >= cells * transition_variants) return table;
    const auto index = static_cast<std::size_t>(at / transition_variants);
    tcp::Cell& cell =
        table[index / tcp::event_count / 2][index / tcp::event_count % 2][index % tcp::event_count];
    if (const auto other = altered(cell, at % transition_variants)) cell = *other;
    return table;
}

}  // namespace sluice::mutant
