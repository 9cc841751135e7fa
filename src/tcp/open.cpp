// The first segment of a flow.
#include <algorithm>

#include "pending.hpp"
#include "sluice/tcp/begin.hpp"
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

Connection unheard(Pair pair) {
    Connection connection{};
    connection.pair = static_cast<unsigned>(pair) & 31U;
    connection.lifetime = static_cast<unsigned>(text_of(pair).lifetime) & 31U;
    connection.scale_original = detail::unknown_scale;
    connection.scale_reply = detail::unknown_scale;
    connection.scale_offered = both;
    connection.sack_permitted = both;
    connection.picked_up = 1;
    return connection;
}

Verdict open(Connection& connection, const Segment& segment, const Settings& settings) {
    const FlagClass cls = classify_flags(segment.flags);
    if (cls == FlagClass::bad) return {.outcome = Outcome::refused, .reason = Reason::bad_flags};
    if (cls == FlagClass::syn) [[likely]] {
        connection = begin(segment);
        return opens;
    }
    const bool mid_stream = (cls == FlagClass::ack && (settings.loose || settings.asymmetric)) ||
                            (cls == FlagClass::syn_ack && settings.asymmetric);
    if (!mid_stream) return {.outcome = Outcome::refused, .reason = Reason::no_connection};

    connection = open_in_mid_stream(segment);
    Verdict verdict = opens;
    verdict.lifetime = detail::lifetime_in_force(connection, segment.window, settings);
    connection.lifetime = static_cast<unsigned>(verdict.lifetime) & 31U;
    return verdict;
}

}  // namespace sluice::tcp
