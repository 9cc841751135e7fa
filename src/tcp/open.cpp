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
    const std::uint32_t end = syn.sequence + 1 + std::max<std::uint32_t>(syn.payload_length, former.payload);
    Connection fresh{};
    fresh.side[0] = {.end = end, .max_end = end, .max_window = syn.window, .max_ack = 0};
    // Until the responder is heard its numbers say what is known otherwise. What it will acknowledge at the
    // least: the SYN, whose ISN is found here. And what it may acknowledge of the connection before: up to
    // `end`, from behind `max_end`.
    fresh.side[1] = {.end = former.end,
                     .max_end = former.acknowledged - (former.known ? 1U : 0U),
                     .max_window = 0,
                     .max_ack = syn.sequence + 1};
    // Put together in a register: bit by bit in memory, each would wait for the one before.
    const Field common([](Connection& c) {
        c.seen = 1;
        c.pair = static_cast<unsigned>(Pair::syn_sent__syn_rcvd) & 31U;
        c.lifetime = static_cast<unsigned>(Lifetime::syn_sent) & 31U;
    });
    const Field scale([](Connection& c) { c.scale_original = 15; });
    const Field scale_offered([](Connection& c) { c.scale_offered = 1; });
    const Field sack_permitted([](Connection& c) { c.sack_permitted = 1; });
    set_small_fields(fresh, common.mask() |
                                scale.in_place(mask_of(syn.has_window_scale) & (syn.window_scale & 15U)) |
                                scale_offered.in_place(std::uint32_t{syn.has_window_scale}) |
                                sack_permitted.in_place(std::uint32_t{syn.sack_permitted}));
    return fresh;
}

Verdict open(Connection& connection, const Segment& segment, const Settings& settings) {
    const FlagClass cls = classify_flags(segment.flags);
    if (cls == FlagClass::bad) return {.outcome = Outcome::refused, .reason = Reason::bad_flags};
    constexpr Verdict opens{.outcome = Outcome::accepted,
                            .reason = Reason::none,
                            .refresh = Refresh::set,
                            .lifetime = Lifetime::syn_sent};
    if (cls == FlagClass::syn) [[likely]] {
        connection = detail::begin(segment, {});
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
