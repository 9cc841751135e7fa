// What a run of honest conversations has really exercised: a closed list of features, each counted where it
// happens, so that a test can assert that none of them stayed a promise.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>

#include "script.hpp"

namespace sluice::test {

// X(identifier, in words)
// clang-format off
#define SLUICE_FEATURES(X)                                                  \
    X(syn_with_data,          "data on a SYN")                              \
    X(syn_ack_with_data,      "data on a SYN,ACK")                          \
    X(scaled_both,            "window scaling on both sides")               \
    X(scaled_one,             "window scaling offered by one side only")    \
    X(scaled_none,            "no window scaling")                          \
    X(window_closed,          "a window of zero")                           \
    X(window_grew,            "a receive buffer that grows")                \
    X(window_probe,           "a probe of a closed window")                 \
    X(keepalive,              "a keepalive")                                \
    X(selective_ack,          "a selective acknowledgement")                \
    X(pushed,                 "PSH")                                        \
    X(urgent,                 "URG")                                        \
    X(ecn_set_up,             "a SYN that offers ECN")                      \
    X(ecn_echo,               "ECE on an acknowledgement")                  \
    X(ecn_reduced,            "CWR on data")                                \
    X(wrapped,                "a segment across sequence number 0")         \
    X(half_closed_data,       "new data from the side not yet closed")      \
    X(simultaneous_open,      "a SYN that meets a SYN")                     \
    X(simultaneous_close,     "a FIN that meets a FIN")                     \
    X(syn_again,              "a retransmitted SYN or SYN,ACK")             \
    X(data_again,             "retransmitted data")                         \
    X(fin_again,              "a retransmitted FIN")                        \
    X(challenge,              "a challenge ACK")                            \
    X(reset_by_a,             "an abort by A")                              \
    X(reset_by_b,             "an abort by B")                              \
    X(reset_unasked,          "a RST from an end that knows no connection") \
    X(gave_up,                "an end that gives up retransmitting")        \
    X(reused_in_time_wait,    "a SYN taken in TIME_WAIT")                   \
    X(dialled_in_time_wait,   "a new connection dialled out of TIME_WAIT")  \
    X(dialled_after_close,    "a new connection after a close")             \
    X(dialled_after_reset,    "a new connection after a RST")               \
    X(dialled_after_crash,    "a new connection after a crash")             \
    X(dialled_into_the_old,   "a SYN to an end that still has the old one") \
    X(roles_swapped,          "a new connection dialled by the other end")  \
    X(crashed,                "an end that crashes")                        \
    X(rebooted,               "an end that answers again after a crash")    \
    X(outage,                 "a link that is down for seconds")
// clang-format on

enum class Feature {
#define SLUICE_FEATURE_ID(id, words) id,
    SLUICE_FEATURES(SLUICE_FEATURE_ID)
#undef SLUICE_FEATURE_ID
        count_
};

/// The four legs between the ends: from A to the middle, from the middle to B, and back.
constexpr std::size_t legs = 4;

struct Coverage {
    std::array<std::size_t, static_cast<std::size_t>(Feature::count_)> features{};
    std::array<std::size_t, 15> shifts{};                  ///< SYNs that offered each window shift
    std::array<std::array<std::size_t, 11>, 2> aborted{};  ///< by end and by EndpointState it stood in
    std::array<std::size_t, legs> lost{}, repeated{}, overtaken{};
    std::array<std::size_t, tcp::pair_count> pairs{};  ///< segments after which the tracker showed it

    void saw(Feature feature) { ++features[static_cast<std::size_t>(feature)]; }
    /// Every number with its name, in a fixed order.
    void each(const std::function<void(const std::string& name, std::size_t count)>& visit) const;
    /// What was seen less than `least` times, a line each.
    [[nodiscard]] std::string below(std::size_t least) const;
};

}  // namespace sluice::test
