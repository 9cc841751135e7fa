// What a judge says of one segment, in the words both judges share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "step.hpp"

namespace sluice::differential {

enum class Verdict : std::uint8_t { new_flow, established, invalid, untracked, lost };
[[nodiscard]] constexpr std::string_view name_of(Verdict verdict) {
    constexpr std::string_view names[] = {"new", "established", "invalid", "untracked", "lost"};
    return names[static_cast<int>(verdict)];
}

/// The states of nf_conntrack, by its own numbers (enum tcp_conntrack).
enum class State : std::uint8_t {
    none,
    syn_sent,
    syn_recv,
    established,
    fin_wait,
    close_wait,
    last_ack,
    time_wait,
    close,
    syn_sent2
};
[[nodiscard]] constexpr std::string_view name_of(State state) {
    constexpr std::string_view names[] = {"NONE",       "SYN_SENT", "SYN_RECV",  "ESTABLISHED", "FIN_WAIT",
                                          "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",       "SYN_SENT2"};
    return names[static_cast<int>(state)];
}

/// The flow as it stands behind a segment.
struct Entry {
    State state = State::none;
    bool assured = false;
    End originator = End::a;
    std::uint32_t timeout = 0;  ///< whole seconds left, rounded down
};

/// What a judge makes of a segment beside letting it pass or not.
enum class Treatment : std::uint8_t {
    accepted,   ///< learnt from: it moves windows, state, timeout
    tolerated,  ///< passes and changes nothing (conntrack: "ignored")
    refused,
};
[[nodiscard]] constexpr std::string_view name_of(Treatment treatment) {
    constexpr std::string_view names[] = {"accepted", "tolerated", "refused"};
    return names[static_cast<int>(treatment)];
}

struct Judgement {
    Verdict verdict = Verdict::lost;
    Treatment treatment = Treatment::refused;
    bool overshoots = false;  ///< conntrack alone: beyond the window, so that its end counts and nothing else
    std::optional<Entry> entry;  ///< nothing: no flow is tracked
    std::string why;             ///< the judge's own words; empty when it gives none
};

/// What two judges may disagree on.
enum Differs : unsigned {
    differs_verdict = 1,
    differs_presence = 2,  ///< one has a flow and the other has none
    differs_state = 4,
    differs_assured = 8,
    differs_timeout = 16,
    differs_originator = 32,
    differs_treatment = 64,  ///< nothing to be seen of it yet, but it may tell later
};

/// Which of them they do disagree on. The kernel's clock goes on while it is asked, so that its timeout may
/// be a second less than ours.
[[nodiscard]] unsigned difference(const Step& step, const Judgement& ours, const Judgement& kernels);

[[nodiscard]] std::string describe(const Judgement& judgement);

}  // namespace sluice::differential
