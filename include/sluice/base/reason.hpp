// The closed list of reasons. A reason is a counter, a sentence and what a test asserts; "why was this packet
// dropped?" always has an answer here. To add one, add a row: the counter, `sluice reasons` and the JSON
// follow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

/// What a reason says of the packet that carries it.
enum class Outcome : std::uint8_t {
    accepted,   ///< tracked; the flow moved
    tolerated,  ///< may be an honest leftover: passes with a valid verdict, changes nothing but a remembered
                ///< SYN
    refused,    ///< cannot be honest: invalid, changes nothing
    dropped,    ///< nothing wrong with it: we had no room, no link or an order not to carry it
};

// X(identifier, "name", outcome, "sentence")
// clang-format off
#define SLUICE_REASONS(X)                                                                                             \
    X(none,               "none",               accepted,  "nothing to report: the packet was accepted")               \
    /* TCP, tolerated (rows T1 to T9) */                                                                               \
    X(old_duplicate,      "old-duplicate",      tolerated, "every byte of it was seen before: an old duplicate or a keepalive") \
    X(old_acknowledgement,"old-acknowledgement",tolerated, "its acknowledgement is older than the window reaches back") \
    X(window_overshoot,   "window-overshoot",   tolerated, "it goes beyond the offered window, by no more than one further window") \
    X(syn_in_connection,  "syn-in-connection",  tolerated, "a SYN inside an open connection; the peer will challenge it (RFC 5961)") \
    X(rst_inexact,        "rst-inexact",        tolerated, "a RST inside the window but not at the exact sequence number (RFC 5961)") \
    X(ack_not_of_syn,     "ack-not-of-syn",     tolerated, "a SYN,ACK that does not acknowledge the newest SYN")         \
    X(old_syn,            "old-syn",            tolerated, "a SYN older than one already seen")                          \
    X(before_syn_ack,     "before-syn-ack",     tolerated, "overtook the SYN or SYN,ACK it follows, or answers a connection attempt we know nothing of")           \
    X(rst_old,            "rst-old",            tolerated, "a RST that answers something old")                           \
    X(after_close,        "after-close",        tolerated, "a leftover of a connection that has closed")                 \
    /* TCP, refused (rows R1 to R9) */                                                                                 \
    X(bad_flags,          "bad-flags",          refused,   "a combination of TCP flags that no endpoint sends")          \
    X(malformed,          "malformed",          refused,   "a header is cut short or its lengths contradict each other") \
    X(bad_checksum,       "bad-checksum",       refused,   "a checksum is wrong")                                        \
    X(seq_after_window,   "seq-after-window",   refused,   "its sequence numbers lie more than a window beyond what the receiver allows, or past the FIN") \
    X(ack_unsent,         "ack-unsent",         refused,   "it acknowledges what was never sent")                        \
    X(rst_out_of_window,  "rst-out-of-window",  refused,   "a RST outside the window")                                   \
    X(no_connection,      "no-connection",      refused,   "there is no flow it belongs to and it cannot start one")     \
    X(bad_cookie,         "bad-cookie",         refused,   "it acknowledges a SYN cookie that was never sent")           \
    X(old_cookie,         "old-cookie",         refused,   "it acknowledges a SYN cookie whose time has passed")         \
    /* everything else, refused */                                                                                     \
    X(same_endpoint,      "same-endpoint",      refused,   "source and destination are the same address and port")       \
    X(too_many_headers,   "too-many-headers",   refused,   "more VLAN tags or IPv6 extension headers than a packet may have") \
    X(icmp_unmatched,     "icmp-unmatched",     refused,   "an ICMP error about a flow that is not tracked")             \
    X(icmp_mismatch,      "icmp-mismatch",      refused,   "an ICMP error whose quote does not fit the flow it names")   \
    X(fragment_overlap,   "fragment-overlap",   refused,   "fragments overlap; the whole datagram is discarded (RFC 5722)") \
    X(fragment_tiny,      "fragment-tiny",      refused,   "a fragment too small for the headers it must carry (RFC 1858, RFC 7112)") \
    X(fragment_too_long,  "fragment-too-long",  refused,   "the fragments make a datagram longer than 65535 bytes, or contradict its length") \
    X(fragment_too_many,  "fragment-too-many",  refused,   "more fragments than one datagram may have")                  \
    /* resources and orders */                                                                                         \
    X(fragment_duplicate, "fragment-duplicate", dropped,   "a copy of a fragment already held, which stands for it")          \
    X(fragment_timeout,   "fragment-timeout",   dropped,   "the rest of the datagram did not arrive in time")            \
    X(fragment_table_full,"fragment-table-full",dropped,   "the fragment table was full and this datagram was the oldest") \
    X(table_full,         "table-full",         dropped,   "the flow table is full of assured flows")                    \
    X(syn_limit,          "syn-limit",          dropped,   "more SYNs than the guard lets through to its service")       \
    X(source_limit,       "source-limit",       dropped,   "more SYNs than the guard lets through from its source")      \
    X(source_denied,      "source-denied",      dropped,   "a SYN of a source that the guard is told to deny")           \
    X(first_syn,          "first-syn",          dropped,   "the first SYN of its client while only second ones pass")    \
    X(policy_denied,      "policy-denied",      dropped,   "no rule allows a flow to begin with it")                     \
    X(rule_limit,         "rule-limit",         dropped,   "its rule has as many flows, or new ones a second, as it may have") \
    X(killed,             "killed",             dropped,   "its connection was killed by hand, and who sent it is told so") \
    X(signature,          "signature",          dropped,   "a signature that blocks has matched in its flow")            \
    X(evasion,            "evasion",            dropped,   "its bytes are others than a copy that was read, cannot be held against it, reach beyond the window or may expire on the way") \
    X(inspection_duplicate,"inspection-duplicate",dropped, "a copy of a segment that waits to be read, which stands for it") \
    X(inspection_timeout, "inspection-timeout", dropped,   "it waited to be read, and what was missing in front of it did not come") \
    X(inspection_full,    "inspection-full",    dropped,   "no room was left to read it, and its profile fails closed")  \
    X(syn_data,           "syn-data",           dropped,   "a SYN with data, in a flow whose data are read before they pass") \
    X(ethertype,          "ethertype",          dropped,   "its EtherType is configured to be dropped")                  \
    X(handover_full,      "handover-full",      dropped,   "the ring to the worker that owns its flow was full")         \
    X(tx_full,            "tx-full",            dropped,   "the port it leaves by could not take it")                    \
    X(too_long,           "too-long",           dropped,   "it is longer than the MTU of the port it leaves by allows") \
    X(link_down,          "link-down",          dropped,   "the port it leaves by has no link")                          \
    X(no_buffer,          "no-buffer",          dropped,   "no packet buffer was left")
// clang-format on

enum class Reason : std::uint8_t {
#define SLUICE_REASON_IDENTIFIER(id, name, outcome, sentence) id,
    SLUICE_REASONS(SLUICE_REASON_IDENTIFIER)
#undef SLUICE_REASON_IDENTIFIER
        count_
};

inline constexpr std::size_t reason_count = static_cast<std::size_t>(Reason::count_);

struct ReasonText {
    std::string_view name;      ///< as scripts spell it: lower case and hyphens
    Outcome outcome;            ///< what becomes of the packet, unless configured otherwise
    std::string_view sentence;  ///< for people
};

inline constexpr std::array<ReasonText, reason_count> reason_texts{{
#define SLUICE_REASON_TEXT(id, name, outcome, sentence) {name, Outcome::outcome, sentence},
    SLUICE_REASONS(SLUICE_REASON_TEXT)
#undef SLUICE_REASON_TEXT
}};

[[nodiscard]] constexpr const ReasonText& text_of(Reason reason) {
    return reason_texts[static_cast<std::size_t>(reason)];
}

/// The reason with this name; nothing when there is none.
[[nodiscard]] constexpr std::optional<Reason> reason_named(std::string_view name) {
    for (std::size_t i = 0; i < reason_count; ++i)
        if (reason_texts[i].name == name) return static_cast<Reason>(i);
    return std::nullopt;
}

}  // namespace sluice
