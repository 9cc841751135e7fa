// The rules on the packet path: the first packet of a flow is judged by them and the flow carries the
// verdict, so that its other packets cost nothing; new rules judge the flows that live. Part of tracker.hpp.
//
// First packets of a burst are matched together, before any of them is judged: what compiled rules cost is
// mostly waiting for memory, and they wait side by side. What has found no flow by then may find one that an
// earlier packet of the burst has begun; then it was matched in vain.
#pragma once

#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

/// What the rules see of an item that may begin a flow.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
policy::FirstPacket Tracker<Io, Observer>::first_packet_of(Item& item) {
    using guard::Toward;
    const Ends ends{key<AddressBytes>(item), item.from_high ? 1U : 0U};
    policy::FirstPacket out;
    out.ipv4 = AddressBytes == 4;
    out.source = ends.address(Toward::client);
    out.destination = ends.address(Toward::server);
    out.protocol = item.protocol;
    if (item.protocol == packet::icmp || item.protocol == packet::icmpv6) {
        const packet::Headers& headers = headers_of(item);
        out.source_port = headers.icmp_type;
        out.destination_port = headers.icmp_code;
    } else {
        out.source_port = ends.port(Toward::client);
        out.destination_port = ends.port(Toward::server);
    }
    if (settings_->vlan_in_key) {
        out.vlan = static_cast<std::uint16_t>(ends.key.vlans_and_pair & flow::Domain::no_tag);
    } else if (const packet::Headers& headers = headers_of(item); headers.vlan_count != 0) {
        out.vlan = headers.vlan[0];
    }
    const std::uint16_t port = Io::port(item.packet);
    const Policy* const policy = rules_.policy();
    out.interface = static_cast<std::uint8_t>(policy != nullptr && port < Policy::most_ports
                                                  ? policy->interface_of_port[port]
                                                  : port % policy::most_interfaces);
    return out;
}

/// The same of a flow that lives, whose first packet is long gone: of an ICMP query the code is not known, 0
/// is what queries have.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
policy::FirstPacket Tracker<Io, Observer>::first_packet_of(flow::Ref ref) {
    using guard::Toward;
    auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    const Ends ends{record.key, flows.original_from_high(record) ? 1U : 0U};
    const FlowRules::Record& kept = rules_.template record<AddressBytes>(ref);
    policy::FirstPacket out;
    out.ipv4 = AddressBytes == 4;
    out.source = ends.address(Toward::client);
    out.destination = ends.address(Toward::server);
    out.protocol = record.key.protocol;
    const bool is_icmp = out.protocol == packet::icmp || out.protocol == packet::icmpv6;
    out.source_port = is_icmp ? record.key.port[1] & 0xFFU : ends.port(Toward::client);
    out.destination_port = is_icmp ? 0 : ends.port(Toward::server);
    out.vlan = kept.vlan;
    out.interface = kept.interface;
    return out;
}

// ---- What rules say of a packet

/// Of an item that seems to belong to no flow.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
bool Tracker<Io, Observer>::may_begin_flow(const Item& item) const {
    if (item.kind != Kind::flow) return false;
    if (item.protocol == packet::tcp) {
        if (tcp::classify_flags(item.segment.flags) != tcp::FlagClass::syn) return false;
    } else if (item.is_answer) {
        return false;
    }
    return steering_.workers == 1 || steering_.owner(key<AddressBytes>(item), item.hash) == steering_.self;
}

template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::match_first_packets() {
    std::size_t count = 0;
    for (std::uint64_t rest = rulings_.wanted; rest != 0; rest &= rest - 1) {
        const auto place = static_cast<std::size_t>(std::countr_zero(rest));
        Item& item = items_[place];
        by_family(item.family, [&]<unsigned AddressBytes>() {
            if (!may_begin_flow<AddressBytes>(item)) return;
            rulings_.first[count] = first_packet_of<AddressBytes>(item);
            rulings_.places[place] = static_cast<std::uint8_t>(count++);
            rulings_.known |= rest & (0 - rest);
        });
    }
    rulings_.wanted = 0;
    rules_.policy()->matcher->match(std::span(rulings_.first).first(count),
                                    std::span(rulings_.number).first(count));
}

/// There must be a policy.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
typename Tracker<Io, Observer>::Ruling Tracker<Io, Observer>::ruling_of(Item& item) {
    if (is_ruled(item)) {
        const std::size_t place = rulings_.places[place_of(item)];
        return {rulings_.first[place], rulings_.number[place]};
    }
    const policy::FirstPacket first = first_packet_of<AddressBytes>(item);
    return {first, rules_.policy()->matcher->match(first)};
}

/// Whether the rules are known to let an item begin a flow, should their limits leave room.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::is_admitted(const Item& item) const {
    return is_ruled(item) &&
           policy::admits(
               rules_.policy()->rules->rule(rulings_.number[rulings_.places[place_of(item)]]).action);
}

/// On a SYN: whether its rule wants it answered by the guard.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
bool Tracker<Io, Observer>::is_to_prove_itself(Item& item) {
    const Policy* const policy = rules_.policy();
    return policy != nullptr && policy->proxies &&
           policy->rules->rule(ruling_of<AddressBytes>(item).number).action == policy::Action::proxy;
}

// ---- A flow begins

/// Whether there is room to read a flow that must be read.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::can_be_read(const Item& item, policy::RuleNumber number) {
    if (inspector_ == nullptr || item.protocol != packet::tcp || inspector_->has_room()) return true;
    const ProfileNumber profile = rules_.policy()->profile_of(number);
    if (profile == no_profile || !must_read(profile)) return true;
    inspector_->counters.no_room.add();
    return false;
}

/// Judges a packet that would begin a flow: nothing where it may. What insert() remembers is put by.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] std::optional<Decision> Tracker<Io, Observer>::forbidden_by_rules(Item& item, Now now) {
    const Policy* const policy = rules_.policy();
    const auto [first, number] = policy == nullptr
                                     ? Ruling{first_packet_of<AddressBytes>(item), policy::no_rule}
                                     : ruling_of<AddressBytes>(item);
    admitted_ = rules_.fresh(number, first.vlan, first.interface);
    if (policy == nullptr) return std::nullopt;
    // The flow that this one takes the place of leaves its own.
    const bool replaces_its_own = item.candidate != flow::no_ref &&
                                  rules_.template is_judged<AddressBytes>(item.candidate) &&
                                  rules_.template record<AddressBytes>(item.candidate).rule == number;
    const bool has_room = rules_.takes(number, now.tick, replaces_its_own);
    const policy::Rule& rule = policy->rules->rule(number);
    if (rule.log) rules_.log(number, first);
    const policy::Action action = rule.action;
    const bool admitted = policy::admits(action) && has_room;
    if (admitted && can_be_read(item, number)) return std::nullopt;
    if (capture_.wanted() != 0 || capture_.examples != nullptr) note_denial(item.packet, number);
    if (action == policy::Action::reject)
        return reject(
            item, Reason::policy_denied,
            item.protocol == packet::udp ? packet::Unreachable::port : packet::Unreachable::prohibited);
    const Reason denied = policy::admits(action) ? Reason::rule_limit : Reason::policy_denied;
    return Decision{.action = Action::drop,
                    .state = CtState::untracked,
                    .reason = admitted ? Reason::inspection_full : denied,
                    .family = item.family};
}

/// The same of a SYN that is to be answered with a cookie. One that may begin a flow is counted, and held to
/// the limits of its rule, when the cookie comes back: a flood of them uses nothing up.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
std::optional<Decision> Tracker<Io, Observer>::forbidden_answer(Item& item, Now now) {
    const Policy* const policy = rules_.policy();
    if (policy == nullptr || policy::admits(policy->rules->rule(ruling_of<AddressBytes>(item).number).action))
        return std::nullopt;
    return forbidden_by_rules<AddressBytes>(item, now);
}

/// A flow has begun with the packet that forbidden_by_rules() let through.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::begin_under_rule(flow::Ref ref, Now now) {
    rules_.template begin<AddressBytes>(ref, admitted_);
    const policy::Rule* const rule = rules_.template rule_of<AddressBytes>(ref);
    if (rule != nullptr && rule->mark != 0) table<AddressBytes>().set_mark(ref, rule->mark);
    if (rule != nullptr && rule->timeouts.any()) obey_timeouts<AddressBytes>(ref, *rule, now);
    // Where it must be read there is room: it would have been refused.
    if (inspector_ != nullptr) (void)read_as_ruled<AddressBytes>(ref, now);
}

// ---- Timeouts of a rule's own. A flow that has them is marked as one whose timeout is fixed, so that it is
// left alone where the timeouts of all others are known beforehand; and here it is found to be fixed by its
// rule, not by an operator (`conntrack -U --status FIXED_TIMEOUT`).

/// A flow has come under a rule.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::obey_timeouts(flow::Ref ref, const policy::Rule& rule, Now now) {
    auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    FlowState state = record.payload;  // all protocols keep their status in the same bits
    const bool by_operator =
        state.datagram.fixed_timeout && !rules_.template timeouts_are_own<AddressBytes>(ref);
    const bool own = rule.timeouts.any() && !by_operator;
    if (by_operator || (!own && !state.datagram.fixed_timeout)) return;
    rules_.template set_timeouts_are_own<AddressBytes>(ref, own);
    state.datagram.fixed_timeout = own ? 1 : 0;
    const auto lifetime = static_cast<Lifetime>(state.datagram.lifetime);
    const Tick general = ticks_of(lifetime), interval = interval_under(rule, lifetime, general);
    flows.update(ref, state, interval == general ? record.expiry : now.tick + interval, now.tick);
}

/// How long a flow whose timeout is fixed lasts from a packet on; nothing where it is fixed for good.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] std::optional<Tick> Tracker<Io, Observer>::own_interval(flow::Ref ref,
                                                                          Lifetime lifetime) const {
    if (!rules_.kept() || !rules_.template timeouts_are_own<AddressBytes>(ref)) return std::nullopt;
    const policy::Rule* const rule = rules_.template rule_of<AddressBytes>(ref);
    const Tick general = ticks_of(lifetime);
    return rule == nullptr ? general : interval_under(*rule, lifetime, general);
}

/// How TCP is to judge a segment without a flow: a rule may have its own word on picking connections up. Who
/// is to prove its address has not done so by being in mid-stream.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
tcp::Settings Tracker<Io, Observer>::mid_stream_settings(Item& item) {
    tcp::Settings out = settings_->tcp;
    const Policy* const policy = rules_.policy();
    if (policy == nullptr || !policy->overrides_pick_up) return out;
    const policy::Rule& rule = policy->rules->rule(ruling_of<AddressBytes>(item).number);
    out.loose = rule.pick_up.value_or(out.loose && rule.action != policy::Action::proxy);
    return out;
}

/// A flow that an earlier policy let begin: the rules in force allow it, or spare it, or it goes, which is
/// false.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
bool Tracker<Io, Observer>::judge_anew(flow::Ref ref, Now now) {
    auto& flows = table<AddressBytes>();
    if (!rules_.template is_judged<AddressBytes>(ref)) {
        const policy::FirstPacket first = first_packet_of<AddressBytes>(ref);
        const policy::RuleNumber number = rules_.policy()->matcher->match(first);
        const policy::Rule& rule = rules_.policy()->rules->rule(number);
        if (!policy::admits(rule.action) && !rule.spares_live_flows) {
            if (rule.action == policy::Action::reject)
                kill<AddressBytes>(ref, now);
            else
                flows.remove(ref, flow::Removal::deleted, on_removed<AddressBytes>());
            return false;
        }
        const bool own = rules_.template timeouts_are_own<AddressBytes>(ref);
        rules_.template begin<AddressBytes>(ref, rules_.fresh(number, first.vlan, first.interface));
        rules_.template set_timeouts_are_own<AddressBytes>(ref, own);
        obey_timeouts<AddressBytes>(ref, rule, now);
    }
    if (inspector_ == nullptr || read_as_ruled<AddressBytes>(ref, now)) return true;
    flows.remove(ref, flow::Removal::deleted, on_removed<AddressBytes>());
    return false;
}

/// A slice of the flows that live.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
unsigned Tracker<Io, Observer>::judge_live_flows(Now now) {
    // 64 records cost about 5 µs from memory and the matcher about as much again.
    constexpr unsigned slice = 64;
    auto& flows = table<AddressBytes>();
    flow::Ref& next = rules_.template next<AddressBytes>();
    typename std::remove_reference_t<decltype(flows)>::Record record;
    unsigned looked_at = 0;
    for (; looked_at < slice && next < flows.high_water(); ++looked_at, ++next) {
        if (!flows.read(next, record) || rules_.template is_judged<AddressBytes>(next)) continue;
        (void)judge_anew<AddressBytes>(next, now);
    }
    return looked_at;
}

template <PacketIo Io, class Observer>
unsigned Tracker<Io, Observer>::poll_rules(Now now) {
    rules_.advance(now.tick);
    if (!rules_.sweeping()) [[likely]]
        return 0;
    const unsigned looked_at = judge_live_flows<4>(now) + judge_live_flows<16>(now);
    if (looked_at == 0) rules_.swept();
    return looked_at;
}

}  // namespace sluice::pipeline
