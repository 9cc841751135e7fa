// The first segment of a flow.
#include <algorithm>

#include "pending.hpp"
#include "sluice/tcp/step.hpp"

namespace sluice::tcp {
namespace {

constexpr unsigned both = 3;

Connection open_in_mid_stream(const Segment& segment) {
    Connection connection{};
    connection.seen = 1;
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
    return connection;
}

}  // namespace

Connection detail::begin(const Segment& syn, const Former& former) {
    Connection fresh{};
    fresh.seen = 1;
    const std::uint32_t end = syn.sequence + 1 + std::max<std::uint32_t>(syn.payload_length, former.payload);
    fresh.side[0] = {.end = end, .max_end = end, .max_window = syn.window, .max_ack = 0};
    // Until the responder is heard its numbers say what is known otherwise. What it will acknowledge at the
    // least: the SYN, whose ISN is found here. And what it may acknowledge of the connection before: up to
    // `end`, from behind `max_end`.
    fresh.side[1] = {.end = former.end,
                     .max_end = former.acknowledged - (former.known ? 1U : 0U),
                     .max_window = 0,
                     .max_ack = syn.sequence + 1};
    fresh.scale_original = (syn.has_window_scale ? syn.window_scale : 0U) & 15U;
    fresh.scale_offered = syn.has_window_scale ? 1U : 0U;
    fresh.sack_permitted = syn.sack_permitted ? 1U : 0U;
    fresh.pair = static_cast<unsigned>(Pair::syn_sent__syn_rcvd) & 31U;
    fresh.lifetime = static_cast<unsigned>(Lifetime::syn_sent) & 31U;
    return fresh;
}

Verdict open(Connection& connection, const Segment& segment, const Settings& settings) {
    const FlagClass cls = classify_flags(segment.flags);
    if (cls == FlagClass::bad) return {.outcome = Outcome::refused, .reason = Reason::bad_flags};
    const bool mid_stream = (cls == FlagClass::ack && (settings.loose || settings.asymmetric)) ||
                            (cls == FlagClass::syn_ack && settings.asymmetric);
    if (cls != FlagClass::syn && !mid_stream)
        return {.outcome = Outcome::refused, .reason = Reason::no_connection};

    Connection fresh = mid_stream ? open_in_mid_stream(segment) : detail::begin(segment, {});
    const Lifetime lifetime = detail::lifetime_in_force(fresh, segment.window, settings);
    fresh.lifetime = static_cast<unsigned>(lifetime) & 31U;
    connection = fresh;
    return {
        .outcome = Outcome::accepted, .reason = Reason::none, .refresh = Refresh::set, .lifetime = lifetime};
}

}  // namespace sluice::tcp
