// The last stage of the burst: find the flow for certain, step it, publish it, decide. Part of tracker.hpp.
#pragma once

#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

/// nf_conntrack's word for a packet that belongs to a flow: new until the other side has been heard.
[[nodiscard]] constexpr CtState ct_state_of(tcp::Direction direction, bool seen_reply) {
    return direction == tcp::Direction::reply || seen_reply ? CtState::established : CtState::new_flow;
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::process(std::span<Packet* const> burst, Now now, Output<Io>& out) {
    // Far enough ahead that a packet's first lines have come from memory, near enough that they are still in
    // L1. The handle (an mbuf) tells where the frame is: it must be here when the frame is asked for.
    constexpr std::size_t packet_distance = 12;
    constexpr std::size_t header_distance = 6;

    out.size = 0;
    out_ = &out;
    begin_burst();
    if (inspector_ != nullptr) [[unlikely]]
        inspector_->begin_burst(now.tick);
    const std::size_t count = burst.size();
    for (std::size_t i = 0; i < std::min(packet_distance, count); ++i) Io::prefetch_packet(burst[i]);
    for (std::size_t i = 0; i < std::min(header_distance, count); ++i) Io::prefetch_header(burst[i]);
    const auto classify_at = [&](std::size_t i) __attribute__((always_inline)) {
        items_[i].packet = burst[i];
        classify(items_[i]);
    };
    std::size_t i = 0;
    for (; i + packet_distance < count; ++i) {
        Io::prefetch_packet(burst[i + packet_distance]);
        Io::prefetch_header(burst[i + header_distance]);
        classify_at(i);
    }
    for (; i < count; ++i) {
        if (i + header_distance < count) Io::prefetch_header(burst[i + header_distance]);
        classify_at(i);
    }
    std::uint64_t of_known_flow = 0;  // a bit an item: usual, over IPv4, its flow seems to be known
    std::uint64_t elsewhere = 0;      // usual, and its flow is not where it is looked for first
    std::uint64_t bit = 1;
    for (i = 0; i < count; ++i, bit += bit)
        if (locate(items_[i])) [[likely]]
            of_known_flow |= bit;
        else if (items_[i].usual && items_[i].candidate == flow::no_ref)
            elsewhere |= bit;
    for (; elsewhere != 0; elsewhere &= elsewhere - 1)
        if (locate_elsewhere(items_[static_cast<unsigned>(std::countr_zero(elsewhere))]))
            of_known_flow |= elsewhere & (0 - elsewhere);
    if (guard_ != nullptr && guard_->proxied_flows() != 0) [[unlikely]]
        prefetch_proxied(count);
    if (rulings_.wanted != 0) [[unlikely]]
        match_first_packets();
    if ((capture_.wanted() & traced_too) != 0) [[unlikely]]
        of_known_flow &= ~set_traced_aside(count);
    if constexpr (Observer::watches) {
        for (i = 0; i < count; ++i) judge(items_[i], now, out);
    } else {
        Group<4> group4(*this, now, out);
        Group<16> group6(*this, now, out);
        constexpr unsigned eight = all_lane_bits;
        for (i = 0; i < count; ++i) {
            Item& item = items_[i];
            if ((of_known_flow >> i & eight) == eight && group4.take_eight(&item)) {
                i += lane_count - 1;
                continue;
            }
            const bool is_ipv4 = item.family == packet::Family::ipv4;
            if (item.usual && (is_ipv4 ? group4.take(item) : group6.take(item))) continue;
            if (guard_ != nullptr && (is_ipv4 ? settle_at_once<4>(item, now) : settle_at_once<16>(item, now)))
                continue;
            const bool of_a_flow = item.kind == Kind::flow || item.kind == Kind::icmp_error;
            if (!of_a_flow || !(is_ipv4 ? group4.may_overtake(item.hash) : group6.may_overtake(item.hash))) {
                group4.judge();
                group6.judge();
            }
            judge(item, now, out);
        }
        group4.judge();
        group6.judge();
    }
    rulings_.known = 0;
    if (inspector_ != nullptr) [[unlikely]]
        end_reading(out);
    end_burst(now);
    show(out, now);
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::judge(Item& item, Now now, Output<Io>& out) {
    if (item.kind >= Kind::icmp_error) [[likely]]
        judge_flow_or_hand_over(item, false, now, out);
    else
        judge_without_flow(item, now, out);
}

template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::judge_without_flow(Item& item, Now now, Output<Io>& out) {
    at_ = now;
    switch (item.kind) {
        case Kind::fragment:
            collect_fragment(item, now, out);
            return;
        case Kind::traced:
            judge_traced(item, false, now, out);
            return;
        case Kind::refused:
            finish(item, item.packet, refuse(item, item.refusal), out);
            return;
        case Kind::untracked:
            pass_untracked(item, out);
            return;
        case Kind::not_ip:
        case Kind::icmp_error:
        case Kind::flow:
            break;
    }
    bool pass = settings_->pass_other_ether_types;
    const std::uint16_t ether_type =
        item.general->headers.ether_type < 0x600 ? std::uint16_t{0} : item.general->headers.ether_type;
    for (std::size_t i = 0; i < settings_->ether_type_count; ++i)
        if (settings_->ether_types[i].ether_type == ether_type) pass = settings_->ether_types[i].pass;
    finish(item, item.packet,
           {.action = pass ? Action::pass : Action::drop,
            .state = CtState::untracked,
            .reason = pass ? Reason::none : Reason::ethertype},
           out);
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::pass_untracked(const Item& item, Output<Io>& out) {
    const Decision decision{.action = Action::pass, .state = CtState::untracked, .family = item.family};
    finish(item, item.packet, decision, out);
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::judge_flow_or_hand_over(Item& item, bool datagram, Now now, Output<Io>& out) {
    by_family(item.family, [&]<unsigned AddressBytes>() {
        Decision decision = decide<AddressBytes>(item, now);
        decision.datagram = datagram;
        if (inspector_ != nullptr && read<AddressBytes>(item, decision, now)) [[unlikely]]
            return;
        finish(item, item.packet, decision, out);
    });
}

/// On a packet of a flow, or an error about one, that may be another worker's.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline Decision Tracker<Io, Observer>::decide(Item& item, Now now) {
    at_ = now;
    if (steering_.workers > 1) {
        const unsigned owner = steering_.owner(key<AddressBytes>(item), item.hash);
        if (owner != steering_.self)
            return Decision{
                .action = Action::handover, .family = item.family, .owner = static_cast<std::uint8_t>(owner)};
    }
    return item.kind == Kind::flow ? judge_flow<AddressBytes>(item, now)
                                   : judge_icmp_error<AddressBytes>(item, now);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
Decision Tracker<Io, Observer>::judge_flow(Item& item, Now now) {
    auto& flows = table<AddressBytes>();
    // From here on no guess: should the flow begin, what is left of one with its key.
    item.candidate = flows.holder_of(key<AddressBytes>(item), item.hash, item.candidate);
    const flow::Ref ref = flows.unless_expired(item.candidate, now.tick);
    if (item.protocol != packet::tcp) return judge_datagram_flow<AddressBytes>(item, ref, now);
    if (ref == flow::no_ref) return open_tcp<AddressBytes>(item, now);
    if (is_proxied<AddressBytes>(ref)) [[unlikely]]
        return judge_proxied<AddressBytes>(item, ref, now);
    return judge_tcp<AddressBytes>(item, ref, now);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline Decision Tracker<Io, Observer>::open_tcp(Item& item, Now now) {
    if (guards()) [[unlikely]]
        return open_guarded<AddressBytes>(item, now);
    if (tcp::classify_flags(item.segment.flags) == tcp::FlagClass::syn) [[likely]]
        return begin_tcp<AddressBytes>(item, FlowState{.tcp = tcp::begin(item.segment)}, tcp::opens, now);
    return open_in_mid_stream<AddressBytes>(item, now);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] Decision Tracker<Io, Observer>::open_in_mid_stream(Item& item, Now now) {
    FlowState state{};
    const tcp::Verdict verdict = tcp::open(state.tcp, item.segment, mid_stream_settings<AddressBytes>(item));
    return begin_tcp<AddressBytes>(item, state, verdict, now);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] Decision Tracker<Io, Observer>::judge_tcp(Item& item, flow::Ref ref, Now now) {
    const tcp::Segment& segment = item.segment;
    auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    const tcp::Direction direction = direction_of(item.from_high, flows.original_from_high(record));
    if (is_killed(record.payload.tcp)) [[unlikely]] {
        if (const auto told = answer_killed<AddressBytes>(item, ref, direction, now)) return *told;
    }
    FlowState state = record.payload;
    const bool was_answered = state.tcp.seen_reply;
    const bool was_half_open = is_half_open(state.tcp.lifetime);
    tcp::PendingSyn syn{};
    bool was_pending = false;
    if (state.tcp.pending_syn) [[unlikely]] {
        if (const tcp::PendingSyn* kept = pending<AddressBytes>().find(ref)) {
            syn = *kept;
            was_pending = true;
        } else {
            state.tcp.pending_syn = 0;  // pushed out by others: forgotten
        }
    }
    const tcp::Verdict verdict = tcp::step(state.tcp, syn, direction, segment, settings_->tcp);
    if constexpr (Observer::watches) observer_->segment(record.payload.tcp, syn, direction, segment, verdict);

    if (verdict.outcome == Outcome::refused) [[unlikely]] {
        if (settings_->challenge_ack && settings_->drop_invalid)
            challenge<AddressBytes>(item, ref, direction, verdict.reason, now);
        Decision decision = refuse(item, verdict.reason);
        if (rules_.kept())
            if (const policy::Rule* rule = rules_.template rule_of<AddressBytes>(ref);
                rule != nullptr && rule->drop_invalid)
                decision.action = *rule->drop_invalid ? Action::drop : Action::pass;
        decision.direction = direction;
        decision.flow = ref;
        return decision;
    }
    if (verdict.reopens) [[unlikely]] {
        // The flow stays until another takes its place (insert()): a SYN that may open none ends none.
        const FlowState reopened{.tcp = state.tcp};
        if (guards() && tcp::classify_flags(segment.flags) == tcp::FlagClass::syn) [[unlikely]]
            return judge_syn<AddressBytes>(item, &reopened, now);
        return begin_tcp<AddressBytes>(
            item, reopened,
            {.outcome = Outcome::accepted, .reason = Reason::none, .lifetime = verdict.lifetime}, now);
    }
    if (state.tcp.pending_syn) [[unlikely]]
        pending<AddressBytes>().put(ref, syn);
    else if (was_pending) [[unlikely]]
        pending<AddressBytes>().erase(ref);
    if (inspector_ != nullptr && inspector_->template number_of<AddressBytes>(ref) != inspect::no_flow)
        [[unlikely]]
        state.tcp.pending_syn = 1;

    Tick expiry = record.expiry;
    if (verdict.refresh != tcp::Refresh::keep) [[likely]] {
        state.tcp.lifetime = static_cast<std::uint32_t>(verdict.lifetime) & 31U;
        Tick interval = ticks_of(verdict.lifetime);
        bool is_fixed = state.tcp.fixed_timeout;
        if (is_fixed) [[unlikely]]
            if (const auto own = own_interval<AddressBytes>(ref, verdict.lifetime)) {
                interval = *own;
                is_fixed = false;
            }
        const Tick wanted = now.tick + interval;
        const bool later = verdict.refresh == tcp::Refresh::set || !reached(expiry, wanted);
        if (later && !is_fixed) expiry = wanted;
    }
    // A tolerated segment may have marked the flow as answered, or as having a remembered SYN.
    if (verdict.outcome == Outcome::accepted || state.tcp.pending_syn != record.payload.tcp.pending_syn ||
        state.tcp.seen_reply != record.payload.tcp.seen_reply) {
        if (events_.wants(EventKind::updated)) [[unlikely]]
            tell_if_changed<AddressBytes>(ref, state, expiry, now);
        flows.update(ref, state, expiry, now.tick);
    }
    if (guard_ != nullptr && was_half_open) [[unlikely]]
        follow_half_open<AddressBytes>(item, ref, direction, was_answered, state.tcp);
    flows.account(ref, static_cast<unsigned>(direction), item.network_bytes);
    return {.action = Action::pass,
            .state = ct_state_of(direction, state.tcp.seen_reply),
            .reason = verdict.reason,
            .family = item.family,
            .direction = direction,
            .flow = ref};
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline Decision Tracker<Io, Observer>::begin_tcp(Item& item, const FlowState& state,
                                                                        const tcp::Verdict& verdict,
                                                                        Now now) {
    if constexpr (Observer::watches)
        observer_->segment(tcp::Connection{}, tcp::PendingSyn{}, tcp::Direction::original, item.segment,
                           verdict);
    if (verdict.outcome == Outcome::refused) return refuse(item, verdict.reason);
    if (const auto denied = forbidden<AddressBytes>(item, now)) return *denied;

    const flow::Ref ref = insert<AddressBytes>(item, state, now.tick + ticks_of(verdict.lifetime), now);
    if (ref == flow::no_ref) return no_room(item);
    if (guards() && is_half_open(static_cast<std::uint32_t>(verdict.lifetime))) [[unlikely]]
        count_opened<AddressBytes>(item, ref);
    else if (guard_ != nullptr) [[unlikely]]
        remember_way<AddressBytes>(item, ref);
    keep_half_open_budget<AddressBytes>(now);
    return {.action = Action::pass,
            .state = CtState::new_flow,
            .reason = verdict.reason,
            .family = item.family,
            .flow = ref};
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] Decision Tracker<Io, Observer>::judge_datagram_flow(Item& item, flow::Ref ref, Now now) {
    auto& flows = table<AddressBytes>();
    const std::uint8_t protocol = item.protocol;
    if (ref == flow::no_ref) {
        if (item.is_answer) return refuse(item, Reason::no_connection);  // to a query that nobody sent
        if (const auto denied = forbidden<AddressBytes>(item, now)) return *denied;
        const FlowState state = open_datagram_flow(protocol, now.tick);
        ref = insert<AddressBytes>(item, state, now.tick + ticks_of(first_lifetime(protocol)), now);
        if (ref == flow::no_ref) return no_room(item);
        return {.action = Action::pass, .state = CtState::new_flow, .family = item.family, .flow = ref};
    }

    const auto& record = flows.record(ref);
    const tcp::Direction direction = direction_of(item.from_high, flows.original_from_high(record));
    FlowState state = record.payload;
    step_datagram_flow(state.datagram, protocol, direction, now.tick);
    const auto lifetime = static_cast<Lifetime>(state.datagram.lifetime);
    Tick expiry = now.tick + ticks_of(lifetime);
    if (state.datagram.fixed_timeout) [[unlikely]] {
        const auto own = own_interval<AddressBytes>(ref, lifetime);
        expiry = own ? now.tick + *own : record.expiry;
    }
    if (events_.wants(EventKind::updated)) [[unlikely]]
        tell_if_changed<AddressBytes>(ref, state, expiry, now);
    flows.update(ref, state, expiry, now.tick);
    flows.account(ref, static_cast<unsigned>(direction), item.network_bytes);
    return {.action = Action::pass,
            .state = ct_state_of(direction, state.datagram.seen_reply),
            .family = item.family,
            .direction = direction,
            .flow = ref};
}

/// The sequence numbers that a segment of `sender` still under way may have (RFC 5927 4.1): between one
/// window behind and the end of what its receiver allows. None when nothing of it has been seen.
struct QuoteBounds {
    std::uint32_t oldest, newest;
};
[[nodiscard]] inline std::optional<QuoteBounds> quote_bounds(const tcp::Connection& connection,
                                                             tcp::Direction sender) {
    constexpr std::uint32_t least_window =
        66'000;  // as in the window check: an unscaled window and a segment
    if (!(connection.seen & (1U << static_cast<unsigned>(sender)))) return std::nullopt;
    const tcp::Side& from = connection.side[static_cast<unsigned>(sender)];
    const tcp::Side& to = connection.side[static_cast<unsigned>(tcp::opposite(sender))];
    return QuoteBounds{from.end - std::max(least_window, to.max_window), later(from.end, from.max_end)};
}

/// Whether a quoted TCP sequence number is one that its sender may have sent lately.
[[nodiscard]] inline bool quote_fits(const tcp::Connection& connection, tcp::Direction sender,
                                     std::uint32_t sequence) {
    const auto bounds = quote_bounds(connection, sender);
    return bounds && !before(sequence, bounds->oldest) && !after(sequence, bounds->newest);
}

/// An ICMP error is related to the flow it quotes; it never changes the flow.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
Decision Tracker<Io, Observer>::judge_icmp_error(Item& item, Now now) {
    auto& flows = table<AddressBytes>();
    const flow::Ref ref = flows.find(key<AddressBytes>(item), item.hash, item.candidate, now.tick);
    if (ref == flow::no_ref) return refuse(item, Reason::icmp_unmatched);

    const auto& record = flows.record(ref);
    const tcp::Direction quoted = direction_of(item.from_high, flows.original_from_high(record));
    const packet::Quote& quote = item.general->quote;
    const bool proxied = quote.protocol == packet::tcp && is_proxied<AddressBytes>(ref);
    // What the client saw of the server's numbers is not what the table has of them.
    const std::uint32_t sequence =
        proxied && quoted == tcp::Direction::reply
            ? quote.tcp_sequence - guard_->template record<AddressBytes>(ref).translation().sequence_delta
            : quote.tcp_sequence;
    const bool fits = quote.protocol != packet::tcp ||
                      (quote.tcp_sequence_known && quote_fits(record.payload.tcp, quoted, sequence));
    Decision decision =
        fits ? Decision{.action = Action::pass, .state = CtState::related, .family = item.family}
             : refuse(item, Reason::icmp_mismatch);
    if (fits && proxied && !translate_error<AddressBytes>(item, ref, quoted)) [[unlikely]]
        decision = {.action = Action::drop,
                    .state = CtState::untracked,
                    .reason = Reason::no_buffer,
                    .family = item.family};
    decision.direction = tcp::opposite(quoted);
    decision.flow = ref;
    return decision;
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline flow::Ref Tracker<Io, Observer>::insert(Item& item, const FlowState& state,
                                                                      Tick expiry, Now now) {
    auto& flows = table<AddressBytes>();
    const flow::Ref ref = flows.insert(key<AddressBytes>(item), item.hash, item.candidate, item.from_high,
                                       state, expiry, now.tick, on_removed<AddressBytes>());
    if (ref == flow::no_ref) {
        counters_.insert_failed.add();
        return ref;
    }
    counters_.insert.add();
    if (rules_.kept()) begin_under_rule<AddressBytes>(ref, now);
    flows.set_start(ref, now.wall_nanoseconds);
    flows.account(ref, 0, item.network_bytes);
    if (events_.wants(EventKind::created)) [[unlikely]]
        tell_created<AddressBytes>(ref, now);
    return ref;
}

/// Whether a flow with this hash could be added, behind all that one burst may add, and no flow go for it.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
bool Tracker<Io, Observer>::adds_quietly(std::uint64_t hash) {
    constexpr auto half_open = static_cast<std::uint8_t>(EvictionClass::half_open);
    const auto& flows = table<AddressBytes>();
    return flows.has_room(hash, max_burst) &&
           (settings_->half_open_limit == 0 ||
            flows.size_of_class(half_open) + max_burst <= settings_->half_open_limit);
}

/// Half-open flows have a budget of their own: beyond it the oldest of them goes, however much room there is.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline void Tracker<Io, Observer>::keep_half_open_budget(Now now) {
    constexpr auto half_open = static_cast<std::uint8_t>(EvictionClass::half_open);
    auto& flows = table<AddressBytes>();
    if (settings_->half_open_limit == 0 || flows.size_of_class(half_open) <= settings_->half_open_limit)
        return;
    flows.evict_oldest(half_open, now.tick, on_removed<AddressBytes>());
}

template <PacketIo Io, class Observer>
Decision Tracker<Io, Observer>::refuse(const Item& item, Reason reason) const {
    return {.action = settings_->drop_invalid ? Action::drop : Action::pass,
            .state = CtState::invalid,
            .reason = reason,
            .family = item.family};
}

template <PacketIo Io, class Observer>
Decision Tracker<Io, Observer>::no_room(const Item& item) {
    return {.action = settings_->drop_when_full ? Action::drop : Action::pass,
            .state = CtState::untracked,
            .reason = Reason::table_full,
            .family = item.family};
}

/// Counts a decision, once, and hands it out. (Inline, so that the decision stays in registers.)
template <PacketIo Io, class Observer>
[[gnu::always_inline]] inline void Tracker<Io, Observer>::finish(const Item& item, Packet* packet,
                                                                 const Decision& decision, Output<Io>& out) {
    count(item, decision);
    out.add(packet, decision);
}

template <PacketIo Io, class Observer>
[[gnu::always_inline]] inline void Tracker<Io, Observer>::count(const Item& item, const Decision& decision) {
    const bool of_a_flow = decision.state == CtState::new_flow || decision.state == CtState::established;
    if (decision.action != Action::pass || decision.reason != Reason::none || !of_a_flow) [[unlikely]] {
        count_unusual(item, decision);
        return;
    }
    counters_.packets.add(item.packets);
    counters_.bytes.add(item.bytes);
    counters_.passed.add(item.packets);
    counters_.found.add(item.packets);
}

/// The same of any.
template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::count_unusual(const Item& item, const Decision& decision) {
    if (decision.action == Action::handover) {
        counters_.handed_over.add(item.packets);
        return;
    }
    counters_.packets.add(item.packets);
    counters_.bytes.add(item.bytes);
    if (decision.action == Action::answer || decision.action == Action::absorb)
        counters_.answered.add(item.packets);
    else if (decision.action == Action::pass)
        counters_.passed.add(item.packets);
    else {
        counters_.dropped.add(item.packets);
        if (capture_.examples != nullptr && capture_.examples->wants(decision.reason, at_.tick)) [[unlikely]]
            keep_example(item.packet, decision);
    }
    if (decision.reason != Reason::none)
        counters_.reasons[static_cast<std::size_t>(decision.reason)].add(item.packets);
    switch (decision.state) {
        case CtState::invalid:
            counters_.invalid.add(item.packets);
            break;
        case CtState::untracked:
            counters_.untracked.add(item.packets);
            break;
        case CtState::related:
            counters_.related.add(item.packets);
            break;
        case CtState::new_flow:
        case CtState::established:
            counters_.found.add(item.packets);
            break;
    }
}

}  // namespace sluice::pipeline
