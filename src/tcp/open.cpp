// The first segment of a flow.
#include <algorithm>

#include "pending.hpp"
#include "sluice/tcp/step.hpp"

namespace sluice::tcp {
namespace {

constexpr unsigned both = 3;

void open_by_syn(Connection& connection, const Segment& segment, std::uint16_t earlier_payload) {
    Side& originator = connection.side[0];
    const std::uint32_t end =
        segment.sequence + 1 + std::max<std::uint32_t>(segment.payload_length, earlier_payload);
    originator = {.end = end, .max_end = end, .max_window = segment.window, .max_ack = 0};
    // What the responder will acknowledge at the least: the SYN. The ISN is found here until it does.
    connection.side[1].max_ack = segment.sequence + 1;
    connection.scale_original = (segment.has_window_scale ? segment.window_scale : 0U) & 15U;
    connection.scale_offered = segment.has_window_scale ? 1U : 0U;
    connection.sack_permitted = segment.sack_permitted ? 1U : 0U;
    connection.pair = static_cast<unsigned>(Pair::syn_sent__syn_rcvd) & 31U;
}

void open_in_mid_stream(Connection& connection, const Segment& segment) {
    const bool is_syn = (segment.flags & Flag::syn) != 0;  // a SYN,ACK, on a one-way path
    connection.scale_original = detail::unknown_scale;
    connection.scale_reply = detail::unknown_scale;
    connection.scale_offered = both;
    connection.sack_permitted = both;
    connection.picked_up = 1;
    const std::uint32_t end = segment.sequence + segment.payload_length + (is_syn ? 1U : 0U);
    const std::uint32_t window =
        std::max(detail::unknown_window, std::uint32_t{segment.window} << detail::unknown_scale);
    connection.side[0] = {
        .end = end, .max_end = end, .max_window = window, .max_ack = segment.acknowledgement};
    connection.side[1] = {.end = segment.acknowledgement,
                          .max_end = segment.acknowledgement + window,
                          .max_window = 0,
                          .max_ack = segment.sequence};
    connection.pair = static_cast<unsigned>(Pair::established__established) & 31U;
}

}  // namespace

Verdict open(Connection& connection, const Segment& segment, const Settings& settings,
             std::uint16_t earlier_payload) {
    const FlagClass cls = classify_flags(segment.flags);
    if (cls == FlagClass::bad) return {.outcome = Outcome::refused, .reason = Reason::bad_flags};
    const bool mid_stream = (cls == FlagClass::ack && (settings.loose || settings.asymmetric)) ||
                            (cls == FlagClass::syn_ack && settings.asymmetric);
    if (cls != FlagClass::syn && !mid_stream)
        return {.outcome = Outcome::refused, .reason = Reason::no_connection};

    Connection fresh{};
    fresh.seen = 1;
    if (mid_stream)
        open_in_mid_stream(fresh, segment);
    else
        open_by_syn(fresh, segment, earlier_payload);
    const Lifetime lifetime = detail::lifetime_in_force(fresh, segment.window, settings);
    fresh.lifetime = static_cast<unsigned>(lifetime) & 31U;
    connection = fresh;
    return {
        .outcome = Outcome::accepted, .reason = Reason::none, .refresh = Refresh::set, .lifetime = lifetime};
}

}  // namespace sluice::tcp
