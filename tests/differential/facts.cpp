#include "facts.hpp"

#include <array>

namespace sluice::differential {

bool began_in_mid_stream(const Difference& d) {
    bool out = false;
    for (const Past& one : d.past) {
        // A flow's first packet is new and accepted; so are others before the first reply, of the same kind.
        const FlagClass cls = tcp::classify_flags(flags_of(one.step));
        if (one.judgement.verdict == Verdict::new_flow && one.judgement.treatment == Treatment::accepted &&
            (cls == FlagClass::ack || (one.judgement.entry && one.judgement.entry->state == State::syn_sent)))
            out = cls == FlagClass::ack;
    }
    return out;
}

bool opened_simultaneously(const Difference& d) {
    bool out = false;
    for (const Past& one : d.past) {
        if (one.judgement.verdict == Verdict::new_flow) out = false;
        out |= one.judgement.entry && one.judgement.entry->state == State::syn_sent2;
    }
    return out;
}

bool several_syns(const Difference& d) {
    std::array<const Step*, 2> first{};
    bool out = false;
    State state = State::none;
    for (const Past& one : d.past) {
        const FlagClass cls = tcp::classify_flags(flags_of(one.step));
        const bool syn = cls == FlagClass::syn || cls == FlagClass::syn_ack;
        const State next = one.judgement.entry ? one.judgement.entry->state : State::none;
        // A SYN that opens, or opens again, begins the tale.
        const bool begins = syn && one.judgement.treatment == Treatment::accepted &&
                            one_of(next, State::syn_sent, State::syn_recv) && next != state &&
                            state != State::syn_sent && state != State::syn_sent2;
        if (begins) {
            first = {};
            out = false;
        }
        state = next;
        if (!syn || !one_of(next, State::syn_sent, State::syn_sent2, State::syn_recv)) continue;
        const Step*& known = first[static_cast<std::size_t>(one.step.from)];
        out |= known != nullptr && known->tcp != one.step.tcp;
        if (known == nullptr) known = &one.step;
    }
    return out;
}

bool syn_in_last_ack(const Difference& d) {
    bool out = false;
    for (const Past& one : d.past) {
        const bool last_ack = one.judgement.entry && one.judgement.entry->state == State::last_ack;
        out = last_ack && (out || tcp::classify_flags(flags_of(one.step)) == FlagClass::syn);
    }
    return out;
}

bool half_the_circle_away(const Difference& d) {
    if (!d.sight.flow) return false;
    constexpr std::uint32_t half = 0x80000000, near = 1U << 18;
    const auto at_half = [](std::uint32_t a, std::uint32_t b) { return a - b - half + near <= 2 * near; };
    const tcp::Segment& segment = d.sight.segment;
    const auto seen = [&d](tcp::Direction side) {
        return (d.sight.before.seen >> static_cast<unsigned>(side) & 1U) != 0;
    };
    const bool ours = seen(d.sight.direction) && at_half(segment.sequence, sender(d).end);
    // A SYN is held against those before it, too.
    if (is_syn(d))
        for (const Past& one : d.past)
            if (const auto syn = segment_of(one.step); one.step.from == d.step.from && syn &&
                                                       (syn->flags & tcp::Flag::syn) != 0 &&
                                                       at_half(segment.sequence, syn->sequence))
                return true;
    const bool acknowledges = seen(tcp::opposite(d.sight.direction)) && (segment.flags & tcp::Flag::ack) != 0;
    return ours || (acknowledges && (at_half(segment.acknowledgement, receiver(d).end) ||
                                     (segment.has_sack && at_half(segment.sack_highest, receiver(d).end))));
}

unsigned repeated_in_a_row(const Difference& d) {
    const auto same = [](const Step& a, const Step& b) {
        const auto one = segment_of(a), other = segment_of(b);
        return a.from == b.from && one && other && one->sequence == other->sequence &&
               one->acknowledgement == other->acknowledgement &&
               one->payload_length == other->payload_length && one->window == other->window;
    };
    unsigned out = 0;
    for (auto one = d.past.rbegin(); one != d.past.rend(); ++one) {
        if (tcp::classify_flags(flags_of(one->step)) != FlagClass::ack ||
            one->judgement.treatment != Treatment::accepted)
            continue;
        if (!same(one->step, d.step)) break;
        ++out;
    }
    return out;
}

}  // namespace sluice::differential
