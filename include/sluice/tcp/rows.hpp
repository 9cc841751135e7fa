// The specification of the TCP engine: what people edit. Two lists, both checked when they are compiled:
//
//   rules   (flag class, predicates)    -> event
//   rows    (pair, direction, event)    -> next pair, outcome with its reason, what is remembered
//
// Every combination must be covered by exactly one rule and one row; a missing or a doubled one does not
// compile (tables.hpp). The ids are those of docs/tcp.md. A row with `.mirrored` stands for itself and for
// its mirror image, the two endpoints exchanged, so that nothing is written twice.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <initializer_list>

#include "sluice/base/reason.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/event.hpp"
#include "sluice/tcp/verdict.hpp"

namespace sluice::tcp::spec {

/// A set of values of an enumeration: one bit each.
template <class Enum>
struct Set {
    std::uint64_t bits = 0;
    constexpr Set() = default;
    constexpr Set(Enum one)
        : bits(std::uint64_t{1} << static_cast<unsigned>(one)) {}  // NOLINT(google-explicit-constructor)
    constexpr Set(std::initializer_list<Set> parts) {
        for (Set part : parts) bits |= part.bits;
    }
    [[nodiscard]] constexpr bool has(Enum one) const { return (bits & Set(one).bits) != 0; }
    [[nodiscard]] constexpr Set without(Set other) const {
        Set out;
        out.bits = bits & ~other.bits;
        return out;
    }
};
using Pairs = Set<Pair>;
using Events = Set<Event>;
using Directions = Set<Direction>;
using Classes = Set<FlagClass>;

// ---------------------------------------------------------------------------------------------------------------
// Rules: which predicates make which event
// ---------------------------------------------------------------------------------------------------------------

struct Rule {
    Classes of;
    unsigned with = 0;     ///< predicates that must hold
    unsigned without = 0;  ///< predicates that must not
    Event event;
};

inline constexpr unsigned in_windows = not_after | not_before | ack_sent | ack_fresh;
inline constexpr unsigned in_order = in_windows | not_far_after | sender_seen;
inline constexpr unsigned acks_syn = ack_sent | ack_not_back;
inline constexpr Classes plain{FlagClass::ack, FlagClass::fin};
inline constexpr Classes resets{FlagClass::rst, FlagClass::rst_ack};

// clang-format off
inline constexpr std::array rules{
    Rule{.of = FlagClass::bad,                                                                      .event = Event::bad_flags},

    Rule{.of = FlagClass::syn,                                     .without = sender_seen,          .event = Event::syn_first},
    Rule{.of = FlagClass::syn,     .with = sender_seen | match,                                     .event = Event::syn_repeated},
    Rule{.of = FlagClass::syn,     .with = sender_seen | ack_not_back, .without = match,            .event = Event::syn_newer},
    Rule{.of = FlagClass::syn,     .with = sender_seen,            .without = match | ack_not_back, .event = Event::syn_older},

    Rule{.of = FlagClass::syn_ack, .with = answers_pending,                                         .event = Event::synack_pending},
    Rule{.of = FlagClass::syn_ack, .with = acks_syn | not_after | not_before, .without = answers_pending, .event = Event::synack_exact_in},
    Rule{.of = FlagClass::syn_ack, .with = acks_syn | not_before,  .without = answers_pending | not_after,  .event = Event::synack_exact_out},
    Rule{.of = FlagClass::syn_ack, .with = acks_syn,               .without = answers_pending | not_before, .event = Event::synack_exact_out},
    Rule{.of = FlagClass::syn_ack, .with = in_windows,             .without = answers_pending | ack_not_back, .event = Event::synack_in},
    Rule{.of = FlagClass::syn_ack, .with = ack_sent,               .without = answers_pending | ack_not_back | not_before, .event = Event::synack_before},
    Rule{.of = FlagClass::syn_ack, .with = ack_sent | not_before,  .without = answers_pending | ack_not_back | not_after, .event = Event::synack_out},
    Rule{.of = FlagClass::syn_ack, .with = ack_sent | not_before | not_after, .without = answers_pending | ack_not_back | ack_fresh, .event = Event::synack_out},
    Rule{.of = FlagClass::syn_ack,                                 .without = answers_pending | ack_sent, .event = Event::synack_out},

    Rule{.of = plain,                                              .without = sender_seen,          .event = Event::unseen},
    Rule{.of = plain, .with = sender_seen,                         .without = not_far_after | answers_pending, .event = Event::after_window},
    Rule{.of = plain, .with = sender_seen | answers_pending,       .without = not_far_after,        .event = Event::of_remembered},
    Rule{.of = plain, .with = sender_seen | not_far_after,         .without = not_before,           .event = Event::before_window},
    Rule{.of = plain, .with = sender_seen | not_far_after | not_before, .without = ack_sent | answers_pending, .event = Event::ack_of_unsent},
    Rule{.of = plain, .with = sender_seen | not_far_after | not_before | answers_pending, .without = ack_sent, .event = Event::of_remembered},
    Rule{.of = plain, .with = sender_seen | not_far_after | not_before | ack_sent | ack_fresh, .without = not_after, .event = Event::overshoot},
    Rule{.of = plain, .with = sender_seen | not_far_after | not_before | ack_sent, .without = not_after | ack_fresh | answers_pending, .event = Event::overshoot_old_ack},
    Rule{.of = plain, .with = sender_seen | not_far_after | not_before | ack_sent | answers_pending, .without = not_after | ack_fresh, .event = Event::of_remembered},
    Rule{.of = plain, .with = sender_seen | not_far_after | not_before | ack_sent | not_after, .without = ack_fresh, .event = Event::ack_too_old},
    Rule{.of = FlagClass::ack, .with = in_order | match,                                            .event = Event::ack_all},
    Rule{.of = FlagClass::ack, .with = in_order | ack_not_back,    .without = match,                .event = Event::ack_part},
    Rule{.of = FlagClass::ack, .with = in_order,                   .without = match | ack_not_back, .event = Event::ack_back},
    Rule{.of = FlagClass::fin, .with = in_order | match,                                            .event = Event::fin_all},
    Rule{.of = FlagClass::fin, .with = in_order | ack_not_back,    .without = match,                .event = Event::fin_part},
    Rule{.of = FlagClass::fin, .with = in_order,                   .without = match | ack_not_back, .event = Event::fin_back},

    Rule{.of = FlagClass::rst,                                     .without = sender_seen,          .event = Event::rst_unseen_stale},
    Rule{.of = FlagClass::rst, .with = sender_seen | match,                                         .event = Event::rst_exact},
    Rule{.of = FlagClass::rst, .with = sender_seen,                .without = match | not_before,   .event = Event::rst_before},
    Rule{.of = FlagClass::rst, .with = sender_seen | not_before | not_after, .without = match,      .event = Event::rst_inside},
    Rule{.of = FlagClass::rst, .with = sender_seen | not_before,   .without = match | not_after,    .event = Event::rst_beyond},

    Rule{.of = FlagClass::rst_ack, .with = answers_pending,                                         .event = Event::rst_pending},
    Rule{.of = FlagClass::rst_ack, .with = acks_syn,               .without = answers_pending | sender_seen, .event = Event::rst_unseen_acks_syn},
    Rule{.of = FlagClass::rst_ack, .with = ack_sent,               .without = answers_pending | sender_seen | ack_not_back, .event = Event::rst_unseen_stale},
    Rule{.of = FlagClass::rst_ack,                                 .without = answers_pending | sender_seen | ack_sent, .event = Event::rst_unseen_unsent},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen | match,    .without = answers_pending,      .event = Event::rst_exact},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen | acks_syn, .without = answers_pending | match | not_before, .event = Event::rst_before_acks},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen | acks_syn | not_before | not_after, .without = answers_pending | match, .event = Event::rst_inside_acks},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen | acks_syn | not_before, .without = answers_pending | match | not_after, .event = Event::rst_beyond_acks},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen | ack_sent, .without = answers_pending | match | ack_not_back | not_before, .event = Event::rst_before},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen | ack_sent | not_before | not_after, .without = answers_pending | match | ack_not_back, .event = Event::rst_inside},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen | ack_sent | not_before, .without = answers_pending | match | ack_not_back | not_after, .event = Event::rst_beyond},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen,            .without = answers_pending | match | ack_sent | not_before, .event = Event::rst_before},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen | not_before | not_after, .without = answers_pending | match | ack_sent, .event = Event::rst_inside},
    Rule{.of = FlagClass::rst_ack, .with = sender_seen | not_before, .without = answers_pending | match | ack_sent | not_after, .event = Event::rst_beyond},
};
// clang-format on

// ---------------------------------------------------------------------------------------------------------------
// Rows: what an event does to a pair
// ---------------------------------------------------------------------------------------------------------------

/// What an accepted segment leaves behind (a tolerated SYN too: `remember`).
enum class Action : std::uint8_t {
    learn,    ///< its numbers: highest end, window, acknowledgement
    nothing,  ///< it may be a duplicate, or ends the connection
    start,  ///< its sender's side begins with it (a SYN, a SYN,ACK); if it repeats what is known, adds to it
    adopt,  ///< the same, and the receiver's side begins anew from the remembered SYN it answers
    remember,  ///< it becomes a remembered SYN
    offer,     ///< only the window it offers: a SYN,ACK that others overtook may offer more than they did
    reopen,    ///< the flow ends and a new one begins
};

struct Row {
    const char* id;  ///< of the row in docs/tcp.md
    Pairs in;
    Directions from;
    Events on;
    Pairs next = {};                 ///< empty: the pair stays; otherwise exactly one
    Reason reason = Reason::none;    ///< none: accepted
    Refresh refresh = Refresh::set;  ///< of an accepted segment
    Action action = Action::learn;
    bool assures = false;  ///< the flow is assured once both sides have been heard
    bool mirrored = false;
};

inline constexpr Direction A = Direction::original;
inline constexpr Direction B = Direction::reply;
inline constexpr Directions either{A, B};

// Pairs that are treated alike.
inline constexpr Pairs dialling{Pair::syn_sent__syn_rcvd};
inline constexpr Pairs opening{Pair::syn_rcvd__syn_rcvd, Pair::established__syn_rcvd,
                               Pair::syn_rcvd__established};
inline constexpr Pairs open_{Pair::established__established};
inline constexpr Pairs closing{
    Pair::fin_wait_1__close_wait, Pair::close_wait__fin_wait_1, Pair::fin_wait_2__close_wait,
    Pair::close_wait__fin_wait_2, Pair::closing__closing,       Pair::time_wait__last_ack,
    Pair::last_ack__time_wait,    Pair::closing__time_wait,     Pair::time_wait__closing};
inline constexpr Pairs reusable{Pair::time_wait__closed, Pair::closed__time_wait, Pair::time_wait__time_wait};
inline constexpr Pairs closed{Pair::closed__closed, Pair::closed__listen};
inline constexpr Pairs ending{closing, reusable};
inline constexpr Pairs synchronised{open_, ending};
inline constexpr Pairs alive{opening, synchronised};

// Events that are treated alike.
inline constexpr Events syn_known{Event::syn_repeated, Event::syn_newer, Event::syn_older};
inline constexpr Events syn_any{Event::syn_first, syn_known};
inline constexpr Events synack_exact{Event::synack_exact_in, Event::synack_exact_out};
inline constexpr Events synack_other{Event::synack_in, Event::synack_before, Event::synack_out};
inline constexpr Events acks{Event::ack_back, Event::ack_part, Event::ack_all};
inline constexpr Events fins{Event::fin_back, Event::fin_part, Event::fin_all};
inline constexpr Events acks_of_syn{Event::ack_part, Event::ack_all};
inline constexpr Events fins_of_syn{Event::fin_part, Event::fin_all};
inline constexpr Events acks_not_of_fin{Event::ack_back, Event::ack_part};
inline constexpr Events fins_not_of_fin{Event::fin_back, Event::fin_part};
inline constexpr Events overshoots{Event::overshoot, Event::overshoot_old_ack};
/// Beside the SYN of the peer: too low, too high, or lower than before (O11).
inline constexpr Events acks_wrong{Event::ack_back, Event::fin_back, Event::ack_too_old,
                                   Event::ack_of_unsent};
inline constexpr Events rst_acks{Event::rst_inside_acks, Event::rst_before_acks, Event::rst_beyond_acks};
inline constexpr Events rst_seen{Event::rst_exact, Event::rst_inside, Event::rst_before, Event::rst_beyond,
                                 rst_acks};
inline constexpr Events rst_unseen{Event::rst_unseen_stale, Event::rst_unseen_acks_syn,
                                   Event::rst_unseen_unsent};
/// Once a side has been heard, in whatever way, these do not happen on its segments.
inline constexpr Events of_the_unheard{Event::syn_first, Event::unseen, rst_unseen};

// clang-format off
inline constexpr std::array rows{
    Row{.id = "R1", .in = {dialling, alive, closed}, .from = either, .on = Event::bad_flags, .reason = Reason::bad_flags},

    // SYN_SENT,SYN_RCVD: the originator has spoken, the responder has not ---------------------------------------------
    Row{.id = "O3",  .in = dialling, .from = A, .on = Event::syn_repeated, .refresh = Refresh::keep, .action = Action::start},
    Row{.id = "O6c", .in = dialling, .from = A, .on = Event::syn_newer, .action = Action::remember},
    Row{.id = "O6b", .in = dialling, .from = A, .on = Event::syn_older, .reason = Reason::old_syn, .action = Action::remember},
    Row{.id = "T6",  .in = dialling, .from = A, .on = {Event::synack_pending, synack_exact, synack_other}, .reason = Reason::ack_not_of_syn},
    Row{.id = "T1",  .in = dialling, .from = A, .on = Event::before_window, .reason = Reason::old_duplicate},
    // Leftovers of an older connection with higher numbers (O13); or the SYN,ACK passed before we looked. The other
    // side's numbers are unknown: there is nothing to hold these against.
    Row{.id = "T7",  .in = dialling, .from = A, .on = {Event::after_window, Event::of_remembered, Event::ack_of_unsent, overshoots, Event::ack_too_old, acks, fins}, .reason = Reason::before_syn_ack},
    Row{.id = "T8",  .in = dialling, .from = A, .on = {rst_seen, Event::rst_pending}, .reason = Reason::rst_old},
    Row{.id = "-",   .in = dialling, .from = A, .on = of_the_unheard, .reason = Reason::before_syn_ack},

    Row{.id = "O2",  .in = dialling, .from = B, .on = Event::syn_first, .next = Pair::syn_rcvd__syn_rcvd, .action = Action::start},
    Row{.id = "O1",  .in = dialling, .from = B, .on = synack_exact, .next = Pair::established__syn_rcvd, .action = Action::start},
    Row{.id = "O6c", .in = dialling, .from = B, .on = Event::synack_pending, .next = Pair::established__syn_rcvd, .action = Action::adopt},
    Row{.id = "O11", .in = dialling, .from = B, .on = synack_other, .reason = Reason::ack_not_of_syn},
    Row{.id = "T7",  .in = dialling, .from = B, .on = Event::unseen, .reason = Reason::before_syn_ack},
    Row{.id = "O10", .in = dialling, .from = B, .on = {Event::rst_unseen_acks_syn, Event::rst_pending}, .next = Pair::closed__closed, .action = Action::nothing},
    Row{.id = "T8",  .in = dialling, .from = B, .on = Event::rst_unseen_stale, .reason = Reason::rst_old},
    Row{.id = "R6",  .in = dialling, .from = B, .on = Event::rst_unseen_unsent, .reason = Reason::rst_out_of_window},
    Row{.id = "-",   .in = dialling, .from = B, .on = {syn_known, Event::of_remembered, Event::after_window, Event::before_window, Event::ack_of_unsent, overshoots, Event::ack_too_old, acks, fins, rst_seen}, .reason = Reason::before_syn_ack},

    // Both SYNs have passed, not both are acknowledged -----------------------------------------------------------------
    Row{.id = "O4",  .in = opening, .from = either, .on = Event::syn_repeated, .refresh = Refresh::keep, .action = Action::start},
    Row{.id = "T4",  .in = opening, .from = either, .on = Event::syn_newer, .reason = Reason::syn_in_connection, .action = Action::remember},
    Row{.id = "T6",  .in = opening, .from = either, .on = Event::syn_older, .reason = Reason::old_syn, .action = Action::remember},
    Row{.id = "O11", .in = opening, .from = either, .on = synack_other, .reason = Reason::ack_not_of_syn},

    Row{.id = "O2",  .in = Pair::syn_rcvd__syn_rcvd, .from = A, .on = synack_exact, .next = Pair::syn_rcvd__established, .action = Action::start, .mirrored = true},
    Row{.id = "O2",  .in = Pair::syn_rcvd__syn_rcvd, .from = A, .on = acks_of_syn, .next = Pair::syn_rcvd__established, .mirrored = true},
    Row{.id = "O5",  .in = Pair::syn_rcvd__syn_rcvd, .from = A, .on = fins_of_syn, .next = Pair::fin_wait_1__close_wait, .mirrored = true},
    Row{.id = "O11", .in = Pair::syn_rcvd__syn_rcvd, .from = either, .on = acks_wrong, .reason = Reason::ack_not_of_syn},

    Row{.id = "O1",  .in = Pair::established__syn_rcvd, .from = A, .on = acks_of_syn, .next = Pair::established__established, .assures = true, .mirrored = true},
    Row{.id = "O2",  .in = Pair::established__syn_rcvd, .from = A, .on = synack_exact, .next = Pair::established__established, .action = Action::start, .assures = true, .mirrored = true},
    Row{.id = "O5",  .in = Pair::established__syn_rcvd, .from = A, .on = fins_of_syn, .next = Pair::fin_wait_1__close_wait, .assures = true, .mirrored = true},
    Row{.id = "O11", .in = Pair::established__syn_rcvd, .from = A, .on = acks_wrong, .reason = Reason::ack_not_of_syn, .mirrored = true},
    Row{.id = "O4",  .in = Pair::established__syn_rcvd, .from = B, .on = synack_exact, .action = Action::start, .mirrored = true},
    Row{.id = "O12", .in = Pair::established__syn_rcvd, .from = B, .on = acks, .mirrored = true},
    Row{.id = "O16", .in = Pair::established__syn_rcvd, .from = B, .on = fins, .next = Pair::close_wait__fin_wait_1, .mirrored = true},
    Row{.id = "R5",  .in = Pair::established__syn_rcvd, .from = B, .on = Event::ack_of_unsent, .reason = Reason::ack_unsent, .mirrored = true},
    Row{.id = "T2",  .in = Pair::established__syn_rcvd, .from = B, .on = Event::ack_too_old, .reason = Reason::old_acknowledgement, .mirrored = true},

    Row{.id = "O7",  .in = Pair::established__syn_rcvd, .from = A, .on = Event::rst_exact, .next = Pair::closed__listen, .action = Action::nothing},
    Row{.id = "O5c", .in = Pair::established__syn_rcvd, .from = B, .on = Event::rst_exact, .next = Pair::closed__closed, .action = Action::nothing},
    Row{.id = "O2",  .in = {Pair::syn_rcvd__syn_rcvd, Pair::syn_rcvd__established}, .from = either, .on = Event::rst_exact, .next = Pair::closed__closed, .action = Action::nothing},
    // The SYN came again and found nobody any more: its refusal is exact by its acknowledgement (O10).
    Row{.id = "O10", .in = Pair::established__syn_rcvd, .from = B, .on = rst_acks, .next = Pair::closed__closed, .action = Action::nothing, .mirrored = true},
    Row{.id = "O10", .in = Pair::syn_rcvd__syn_rcvd, .from = either, .on = rst_acks, .next = Pair::closed__closed, .action = Action::nothing},
    Row{.id = "T5",  .in = Pair::established__syn_rcvd, .from = A, .on = Event::rst_inside_acks, .reason = Reason::rst_inexact, .mirrored = true},
    Row{.id = "T8",  .in = Pair::established__syn_rcvd, .from = A, .on = Event::rst_before_acks, .reason = Reason::rst_old, .mirrored = true},
    Row{.id = "R6",  .in = Pair::established__syn_rcvd, .from = A, .on = Event::rst_beyond_acks, .reason = Reason::rst_out_of_window, .mirrored = true},
    Row{.id = "T5",  .in = opening, .from = either, .on = Event::rst_inside, .reason = Reason::rst_inexact},
    Row{.id = "T8",  .in = opening, .from = either, .on = Event::rst_before, .reason = Reason::rst_old},
    Row{.id = "R6",  .in = opening, .from = either, .on = Event::rst_beyond, .reason = Reason::rst_out_of_window},

    // ESTABLISHED,ESTABLISHED ------------------------------------------------------------------------------------------
    Row{.id = "O5b", .in = open_, .from = either, .on = acks, .assures = true},
    Row{.id = "C1",  .in = open_, .from = A, .on = fins, .next = Pair::fin_wait_1__close_wait, .assures = true, .mirrored = true},
    Row{.id = "O4",  .in = open_, .from = either, .on = Event::syn_repeated, .refresh = Refresh::keep, .action = Action::nothing},
    Row{.id = "T4",  .in = open_, .from = either, .on = {Event::syn_newer, Event::syn_older}, .reason = Reason::syn_in_connection, .action = Action::remember},

    // Closing, written as A closes first; the mirror image is B closing first ------------------------------------------
    // A in FIN_WAIT_1: B has not acknowledged its FIN. The responder of a flow whose third segment is missing (O16)
    // does not make it assured: only the originator's segments prove the originator.
    Row{.id = "C4",  .in = Pair::fin_wait_1__close_wait, .from = A, .on = {acks, fins}, .assures = true},
    Row{.id = "O16", .in = Pair::close_wait__fin_wait_1, .from = B, .on = {acks, fins}},
    Row{.id = "C13", .in = Pair::fin_wait_1__close_wait, .from = B, .on = acks_not_of_fin, .assures = true, .mirrored = true},
    Row{.id = "C1",  .in = Pair::fin_wait_1__close_wait, .from = B, .on = Event::ack_all, .next = Pair::fin_wait_2__close_wait, .assures = true, .mirrored = true},
    Row{.id = "C2",  .in = Pair::fin_wait_1__close_wait, .from = B, .on = Event::fin_all, .next = Pair::time_wait__last_ack, .assures = true, .mirrored = true},
    Row{.id = "C3",  .in = Pair::fin_wait_1__close_wait, .from = B, .on = fins_not_of_fin, .next = Pair::closing__closing, .assures = true, .mirrored = true},

    Row{.id = "C5b", .in = Pair::fin_wait_2__close_wait, .from = A, .on = {acks, fins}, .assures = true, .mirrored = true},
    Row{.id = "C12", .in = Pair::fin_wait_2__close_wait, .from = B, .on = acks, .assures = true, .mirrored = true},
    Row{.id = "C1",  .in = Pair::fin_wait_2__close_wait, .from = B, .on = Event::fin_all, .next = Pair::time_wait__last_ack, .assures = true, .mirrored = true},
    // B's FIN crossed A's and was overtaken by B's own ACK of A's FIN: a simultaneous close all the same.
    Row{.id = "C3",  .in = Pair::fin_wait_2__close_wait, .from = B, .on = fins_not_of_fin, .next = Pair::time_wait__closing, .assures = true, .mirrored = true},

    Row{.id = "C6",  .in = Pair::time_wait__last_ack, .from = A, .on = {Event::ack_all, Event::fin_all}, .next = Pair::time_wait__closed, .assures = true, .mirrored = true},
    Row{.id = "C5b", .in = Pair::time_wait__last_ack, .from = A, .on = {acks_not_of_fin, fins_not_of_fin}, .assures = true, .mirrored = true},
    // After a step back from TIME_WAIT,CLOSED the repetitions must not shorten what 2MSL was given.
    Row{.id = "C8",  .in = Pair::time_wait__last_ack, .from = B, .on = {acks, fins}, .refresh = Refresh::extend, .assures = true, .mirrored = true},

    Row{.id = "C3",  .in = Pair::closing__closing, .from = A, .on = {Event::ack_all, Event::fin_all}, .next = Pair::closing__time_wait, .assures = true, .mirrored = true},
    Row{.id = "C3c", .in = Pair::closing__closing, .from = either, .on = {acks_not_of_fin, fins_not_of_fin}, .assures = true},
    Row{.id = "C3",  .in = Pair::closing__time_wait, .from = B, .on = {Event::ack_all, Event::fin_all}, .next = Pair::time_wait__time_wait, .assures = true, .mirrored = true},
    Row{.id = "C3b", .in = Pair::closing__time_wait, .from = B, .on = {acks_not_of_fin, fins_not_of_fin}, .assures = true, .mirrored = true},
    Row{.id = "C3b", .in = Pair::closing__time_wait, .from = A, .on = {acks, fins}, .assures = true, .mirrored = true},

    Row{.id = "C6",  .in = Pair::time_wait__closed, .from = A, .on = {acks, fins}, .assures = true, .mirrored = true},
    Row{.id = "C6",  .in = Pair::time_wait__closed, .from = B, .on = fins, .next = Pair::time_wait__last_ack, .refresh = Refresh::extend, .assures = true, .mirrored = true},
    Row{.id = "C6",  .in = Pair::time_wait__closed, .from = B, .on = acks, .assures = true, .mirrored = true},
    Row{.id = "C14", .in = Pair::time_wait__time_wait, .from = either, .on = {acks, fins}, .assures = true},

    Row{.id = "T4",  .in = closing, .from = either, .on = syn_known, .reason = Reason::syn_in_connection, .action = Action::remember},
    Row{.id = "O13", .in = reusable, .from = either, .on = syn_any, .action = Action::reopen},

    // All of these ------------------------------------------------------------------------------------------------------
    Row{.id = "O8c", .in = alive, .from = B, .on = Event::synack_pending, .next = Pair::established__syn_rcvd, .action = Action::adopt},
    Row{.id = "O8c", .in = alive, .from = A, .on = Event::synack_pending, .next = Pair::syn_rcvd__established, .action = Action::adopt},
    Row{.id = "O8c", .in = alive, .from = either, .on = Event::rst_pending, .next = Pair::closed__closed, .action = Action::nothing},
    Row{.id = "O5b", .in = synchronised, .from = either, .on = {Event::synack_exact_in, Event::synack_in}, .refresh = Refresh::keep, .action = Action::offer},
    Row{.id = "T1",  .in = synchronised, .from = either, .on = Event::synack_before, .reason = Reason::old_duplicate},
    Row{.id = "T6",  .in = synchronised, .from = either, .on = {Event::synack_exact_out, Event::synack_out}, .reason = Reason::ack_not_of_syn},
    // The SYN was believed and its SYN,ACK was lost before us, so that its sender's numbers are new.
    Row{.id = "T7",  .in = alive, .from = either, .on = Event::of_remembered, .reason = Reason::before_syn_ack},
    Row{.id = "R4",  .in = alive, .from = either, .on = Event::after_window, .reason = Reason::seq_after_window},
    Row{.id = "T1",  .in = alive, .from = either, .on = Event::before_window, .reason = Reason::old_duplicate},
    Row{.id = "T3",  .in = alive, .from = either, .on = Event::overshoot, .reason = Reason::window_overshoot},
    Row{.id = "R4",  .in = alive, .from = either, .on = Event::overshoot_old_ack, .reason = Reason::seq_after_window},
    Row{.id = "R5",  .in = synchronised, .from = either, .on = Event::ack_of_unsent, .reason = Reason::ack_unsent},
    Row{.id = "T2",  .in = synchronised, .from = either, .on = Event::ack_too_old, .reason = Reason::old_acknowledgement},
    Row{.id = "C10", .in = synchronised, .from = either, .on = Event::rst_exact, .next = Pair::closed__closed, .action = Action::nothing},
    Row{.id = "T5",  .in = synchronised, .from = either, .on = {Event::rst_inside, Event::rst_inside_acks}, .reason = Reason::rst_inexact},
    Row{.id = "T8",  .in = synchronised, .from = either, .on = {Event::rst_before, Event::rst_before_acks}, .reason = Reason::rst_old},
    Row{.id = "R6",  .in = synchronised, .from = either, .on = {Event::rst_beyond, Event::rst_beyond_acks}, .reason = Reason::rst_out_of_window},
    Row{.id = "-",   .in = {opening, open_, closing}, .from = either, .on = of_the_unheard, .reason = Reason::before_syn_ack},
    Row{.id = "-",   .in = reusable, .from = either, .on = of_the_unheard.without(Event::syn_first), .reason = Reason::before_syn_ack},

    // After a RST -------------------------------------------------------------------------------------------------------
    Row{.id = "O10", .in = closed, .from = either, .on = syn_any, .action = Action::reopen},
    Row{.id = "T9",  .in = closed, .from = B, .on = synack_exact, .next = Pair::established__syn_rcvd, .action = Action::start},
    Row{.id = "T9",  .in = closed, .from = A, .on = synack_exact, .next = Pair::syn_rcvd__established, .action = Action::start},
    Row{.id = "O6c", .in = closed, .from = B, .on = Event::synack_pending, .next = Pair::established__syn_rcvd, .action = Action::adopt},
    Row{.id = "O6c", .in = closed, .from = A, .on = Event::synack_pending, .next = Pair::syn_rcvd__established, .action = Action::adopt},
    Row{.id = "T9",  .in = closed, .from = either, .on = {synack_other, Event::unseen, Event::of_remembered, Event::after_window, Event::before_window, Event::ack_of_unsent, overshoots, Event::ack_too_old, acks, fins, rst_unseen, rst_seen, Event::rst_pending}, .reason = Reason::after_close},
};
// clang-format on

}  // namespace sluice::tcp::spec
