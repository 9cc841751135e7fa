// From a segment to an event. A segment has a class (its flags) and predicates (its numbers held against what
// is remembered); the two together are one of the events below, and events are what the rows of the
// specification know.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sluice/tcp/segment.hpp"

namespace sluice::tcp {

/// The six combinations of SYN, FIN, RST and ACK that endpoints send, and all the others (R1). PSH, URG, ECE,
/// CWR and the reserved bits do not matter.
enum class FlagClass : std::uint8_t { bad, syn, syn_ack, ack, fin, rst, rst_ack, count_ };
inline constexpr std::size_t flag_class_count = static_cast<std::size_t>(FlagClass::count_);

namespace detail {
[[nodiscard]] constexpr unsigned flag_index(unsigned flags) {
    return (flags & 7U) | ((flags & Flag::ack) >> 1U);
}

inline constexpr std::array<FlagClass, 16> flag_classes = [] {
    std::array<FlagClass, 16> out{};  // FlagClass::bad
    out[flag_index(Flag::syn)] = FlagClass::syn;
    out[flag_index(Flag::syn | Flag::ack)] = FlagClass::syn_ack;
    out[flag_index(Flag::ack)] = FlagClass::ack;
    out[flag_index(Flag::fin | Flag::ack)] = FlagClass::fin;
    out[flag_index(Flag::rst)] = FlagClass::rst;
    out[flag_index(Flag::rst | Flag::ack)] = FlagClass::rst_ack;
    return out;
}();
}  // namespace detail

[[nodiscard]] constexpr FlagClass classify_flags(std::uint8_t flags) {
    return detail::flag_classes[detail::flag_index(flags)];
}

/// What the numbers of a segment say, one bit each. "Sender" is the side that sent this segment, "receiver"
/// the other. The first four are van Rooij's bounds I to IV.
enum Predicate : std::uint16_t {
    not_after = 1,  ///< I: its sequence lies within what the receiver allows (RST: the same)
    not_before =
        2,  ///< II: some of it lies within a window of what was seen (RST: not below what was acknowledged)
    ack_sent = 4,   ///< III: it acknowledges only what has passed
    ack_fresh = 8,  ///< IV: its acknowledgement is not older than the window reaches back
    not_far_after =
        16,  ///< its sequence is at most one further window beyond, and not behind the sender's own FIN
    ack_not_back = 32,  ///< it acknowledges no less than its sender has before (opening: at least the
                        ///< receiver's SYN); SYN: its sequence is not below the newest SYN's
    match = 64,         ///< ACK and FIN: acknowledges everything the receiver sent, its FIN included;
                        ///< SYN: repeats the newest one; RST: at exactly the expected sequence number (C10)
    sender_seen = 128,  ///< the sender's own SYN, or in a picked-up flow its first segment, is known
    answers_pending = 256,  ///< it acknowledges exactly a remembered SYN; ACK and FIN: or is otherwise known
                            ///< to be of another connection on these ports, whose numbers we do not have
};
inline constexpr std::size_t predicate_count = 512;

// X(identifier, what it is)
// clang-format off
#define SLUICE_EVENTS(X)                                                                          \
    X(bad_flags,          "flags no endpoint sends")                                                \
    X(syn_first,          "a SYN from a side not heard before")                                     \
    X(syn_repeated,       "the newest SYN again")                                                   \
    X(syn_newer,          "another SYN, its sequence not below the newest one's")                   \
    X(syn_older,          "another SYN, its sequence below the newest one's")                       \
    X(synack_pending,     "a SYN,ACK acknowledging exactly a remembered SYN")                       \
    X(synack_exact_in,    "a SYN,ACK acknowledging the peer's SYN (or latest data), inside the windows") \
    X(synack_exact_out,   "a SYN,ACK acknowledging the peer's SYN (or latest data), outside the windows") \
    X(synack_in,          "a SYN,ACK inside the windows, acknowledging something older")            \
    X(synack_before,      "a SYN,ACK wholly before the window, acknowledging something older")      \
    X(synack_out,         "any other SYN,ACK")                                                      \
    X(unseen,             "an ACK, data or FIN from a side whose SYN was not seen")                 \
    X(of_remembered,      "an ACK, data or FIN outside the windows, of another connection on these ports") \
    X(after_window,       "an ACK, data or FIN far after the window, or past the sender's FIN")     \
    X(before_window,      "an ACK, data or FIN wholly before the window")                           \
    X(ack_of_unsent,      "an ACK, data or FIN acknowledging what was never sent")                  \
    X(overshoot,          "an ACK, data or FIN up to one window beyond the window")                 \
    X(overshoot_old_ack,  "the same with an acknowledgement too old besides")                       \
    X(ack_too_old,        "an ACK, data or FIN whose acknowledgement is older than the window's reach") \
    X(ack_back,           "ACK or data, acknowledging less than its sender did before")             \
    X(ack_part,           "ACK or data, acknowledging part of what the peer sent")                  \
    X(ack_all,            "ACK or data, acknowledging all the peer sent, its FIN included")         \
    X(fin_back,           "a FIN acknowledging less than its sender did before")                    \
    X(fin_part,           "a FIN acknowledging part of what the peer sent")                         \
    X(fin_all,            "a FIN acknowledging all the peer sent, its FIN included")                \
    X(rst_unseen_stale,   "a RST acknowledging nothing, or an older SYN, from a side not heard before") \
    X(rst_unseen_acks_syn,"a RST,ACK acknowledging the SYN from a side not heard before")           \
    X(rst_unseen_unsent,  "a RST,ACK acknowledging what was never sent from a side not heard before") \
    X(rst_pending,        "a RST,ACK acknowledging exactly a remembered SYN")                       \
    X(rst_exact,          "a RST at exactly the expected sequence number")                          \
    X(rst_inside,         "a RST elsewhere inside the window")                                      \
    X(rst_before,         "a RST before the window")                                                \
    X(rst_beyond,         "a RST beyond the window")                                                \
    X(rst_inside_acks,    "rst_inside acknowledging the peer's SYN (or latest data)")               \
    X(rst_before_acks,    "rst_before acknowledging the peer's SYN (or latest data)")               \
    X(rst_beyond_acks,    "rst_beyond acknowledging the peer's SYN (or latest data)")
// clang-format on

enum class Event : std::uint8_t {
#define SLUICE_EVENT_IDENTIFIER(id, text) id,
    SLUICE_EVENTS(SLUICE_EVENT_IDENTIFIER)
#undef SLUICE_EVENT_IDENTIFIER
        count_
};
inline constexpr std::size_t event_count = static_cast<std::size_t>(Event::count_);

}  // namespace sluice::tcp
