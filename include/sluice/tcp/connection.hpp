// What the tracker remembers of a TCP connection: 36 bytes, made to lie in the flow's one hot cache line.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sluice/base/lifetime.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::tcp {

/// The states of RFC 9293 section 3.3.2.
enum class EndpointState : std::uint8_t {
    closed,
    listen,
    syn_sent,
    syn_rcvd,
    established,
    fin_wait_1,
    fin_wait_2,
    close_wait,
    closing,
    last_ack,
    time_wait,
};

/// Where both endpoints stand once everything that passed is delivered: the pair, originator first. The 19
/// that occur.
// X(identifier, originator's state, responder's state, nf_conntrack's name, lifetime)
// clang-format off
#define SLUICE_PAIRS(X)                                                                \
    X(syn_sent__syn_rcvd,         syn_sent,    syn_rcvd,    "SYN_SENT",    syn_sent)    \
    X(syn_rcvd__syn_rcvd,         syn_rcvd,    syn_rcvd,    "SYN_SENT2",   syn_sent2)   \
    X(established__syn_rcvd,      established, syn_rcvd,    "SYN_RECV",    syn_recv)    \
    X(syn_rcvd__established,      syn_rcvd,    established, "SYN_RECV",    syn_recv)    \
    X(established__established,   established, established, "ESTABLISHED", established) \
    X(fin_wait_1__close_wait,     fin_wait_1,  close_wait,  "FIN_WAIT",    fin_wait)    \
    X(close_wait__fin_wait_1,     close_wait,  fin_wait_1,  "FIN_WAIT",    fin_wait)    \
    X(fin_wait_2__close_wait,     fin_wait_2,  close_wait,  "CLOSE_WAIT",  close_wait)  \
    X(close_wait__fin_wait_2,     close_wait,  fin_wait_2,  "CLOSE_WAIT",  close_wait)  \
    X(closing__closing,           closing,     closing,     "LAST_ACK",    last_ack)    \
    X(time_wait__last_ack,        time_wait,   last_ack,    "LAST_ACK",    last_ack)    \
    X(last_ack__time_wait,        last_ack,    time_wait,   "LAST_ACK",    last_ack)    \
    X(closing__time_wait,         closing,     time_wait,   "TIME_WAIT",   time_wait)   \
    X(time_wait__closing,         time_wait,   closing,     "TIME_WAIT",   time_wait)   \
    X(time_wait__closed,          time_wait,   closed,      "TIME_WAIT",   time_wait)   \
    X(closed__time_wait,          closed,      time_wait,   "TIME_WAIT",   time_wait)   \
    X(time_wait__time_wait,       time_wait,   time_wait,   "TIME_WAIT",   time_wait)   \
    X(closed__closed,             closed,      closed,      "CLOSE",       close)       \
    X(closed__listen,             closed,      listen,      "CLOSE",       close)
// clang-format on

enum class Pair : std::uint8_t {
#define SLUICE_PAIR_IDENTIFIER(id, a, b, name, lifetime) id,
    SLUICE_PAIRS(SLUICE_PAIR_IDENTIFIER)
#undef SLUICE_PAIR_IDENTIFIER
        count_
};
inline constexpr std::size_t pair_count = static_cast<std::size_t>(Pair::count_);
static_assert(pair_count == 19);

struct PairText {
    EndpointState originator, responder;
    std::string_view conntrack_name;
    Lifetime lifetime;
};
inline constexpr std::array<PairText, pair_count> pair_texts{{
#define SLUICE_PAIR_TEXT(id, a, b, name, lifetime) \
    {EndpointState::a, EndpointState::b, name, Lifetime::lifetime},
    SLUICE_PAIRS(SLUICE_PAIR_TEXT)
#undef SLUICE_PAIR_TEXT
}};
[[nodiscard]] constexpr const PairText& text_of(Pair pair) {
    return pair_texts[static_cast<std::size_t>(pair)];
}

/// The name as JSON and people spell it: "SYN_SENT", "FIN_WAIT_1" …
[[nodiscard]] constexpr std::string_view name_of(EndpointState state) {
    constexpr std::array<std::string_view, 11> names{"CLOSED",      "LISTEN",     "SYN_SENT",   "SYN_RCVD",
                                                     "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT",
                                                     "CLOSING",     "LAST_ACK",   "TIME_WAIT"};
    return names[static_cast<std::size_t>(state)];
}

/// One endpoint, as van Rooij keeps it ("Real Stateful TCP Packet Filtering in IP Filter", 2001), all modulo
/// 2^32. `Word`: of one connection, or of eight in lanes.
template <class Word>
struct SideOf {
    Word end;         ///< highest sequence number it sent, plus one (SYN and FIN count)
    Word max_end;     ///< highest sequence number its peer allows
    Word max_window;  ///< largest window it ever offered, scaled, bytes
    Word max_ack;     ///< highest acknowledgement it sent
};
using Side = SideOf<std::uint32_t>;

/// Everything the hot path needs of a connection. Trivially copyable: the flow table moves it as words.
struct Connection {
    std::array<Side, 2>
        side;  ///< by Direction; until the responder is heard its own says other things (docs/tcp.md)

    // Common to flows of every protocol: these eight bits lie first in the word for all of them.
    std::uint32_t lifetime : 5;       ///< Lifetime in force (which of the timeouts; its age list)
    std::uint32_t seen_reply : 1;     ///< a packet of the reply direction was accepted or tolerated
    std::uint32_t assured : 1;        ///< nf_conntrack's ASSURED: never evicted
    std::uint32_t fixed_timeout : 1;  ///< an operator set the timeout by hand: it is not refreshed by packets

    std::uint32_t pair : 5;            ///< Pair
    std::uint32_t scale_original : 4;  ///< window shift in force; 0 until both sides offered one
    std::uint32_t scale_reply : 4;
    std::uint32_t scale_offered : 2;    ///< bit per Direction: its SYN carried the option
    std::uint32_t sack_permitted : 2;   ///< bit per Direction
    std::uint32_t seen : 2;             ///< bit per Direction: its Side has been initialised
    std::uint32_t picked_up : 1;        ///< began in mid-stream (O14)
    std::uint32_t retransmissions : 3;  ///< in a row; saturates
    std::uint32_t pending_syn : 1;      ///< a PendingSyn is kept for this flow in the side table, or it is
                                        ///< read (pipeline/inspector.hpp): its segments are not usual
};
static_assert(sizeof(Connection) == 36 && alignof(Connection) == 4);

/// One remembered SYN: enough to start a side of the connection from it once the peer answers.
struct RememberedSyn {
    std::uint32_t sequence;  ///< ISN
    std::uint16_t payload;   ///< bytes that rode on it (Fast Open)
    std::uint16_t window;    ///< as offered; the window of a SYN is never scaled (RFC 7323 2.2)
    [[nodiscard]] constexpr std::uint32_t end() const { return sequence + 1 + payload; }
    /// Whether `acknowledgement` answers exactly this SYN: all, some or none of the data on it acknowledged
    /// (O12).
    [[nodiscard]] constexpr bool answered_by(std::uint32_t acknowledgement) const {
        return acknowledgement - (sequence + 1) <= payload;
    }
};
static_assert(sizeof(RememberedSyn) == 8);

/// What passed but did not (yet) act. Rare, so kept beside the table, found by the flow, and forgotten as
/// soon as the connection moves on. Two SYNs (rows T4, O6, O8): the highest by sequence and the last to pass.
/// And of tolerated segments the two numbers an honest endpoint may answer with: where their data ended (an
/// acknowledgement of it is not of data never sent, R5) and what they acknowledged (a RST that answers them
/// carries it as its sequence, T8).
struct PendingSyn {
    /// What is known of one remembered SYN; `reply_side` says that the responder sent it.
    struct Kind {
        std::uint8_t scale : 4;
        std::uint8_t scale_offered : 1;
        std::uint8_t sack_permitted : 1;
        std::uint8_t reply_side : 1;
        std::uint8_t valid : 1;
    };
    RememberedSyn highest;
    RememberedSyn last;
    std::array<std::uint32_t, 2>
        tolerated_end;  ///< by Direction of the tolerated segment; valid with its bit below
    std::uint32_t tolerated_acknowledgement;  ///< of the last tolerated segment that acknowledged the unknown
    Kind highest_kind;
    Kind last_kind;
    std::uint8_t end_valid : 2;   ///< bit per Direction
    std::uint8_t end_is_fin : 2;  ///< bit per Direction: that end is a FIN's
    std::uint8_t acknowledgement_valid : 1;
    std::uint8_t acknowledgement_side : 1;  ///< Direction of the segment that carried it
    std::uint8_t highest_answers : 1;       ///< `highest` is a SYN,ACK's: the peer's ACK may decide for it
    std::uint8_t
        replaced : 1;  ///< `last` is no SYN: a RST of another connection than this (O8c, O10) has its number
    std::uint8_t advances;  ///< of each side that has a SYN here, since that SYN: a nibble each
};
static_assert(sizeof(PendingSyn) == 32 && alignof(PendingSyn) == 4);

}  // namespace sluice::tcp
