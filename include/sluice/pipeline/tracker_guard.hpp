// The guard on the packet path: SYNs are counted and, while their service is defended, answered with cookies;
// who proves its address gets a flow, and the box the rest of the handshake with the server; from then on the
// flow is translated. Part of tracker.hpp.
//
//     SYN without a flow      counted; passes, is dropped by a limit, or turned into the answer in its buffer
//                             (tracker_answers.hpp)
//     ACK without a flow      a good cookie opens a proxied flow, half-open until the server answers
//     packet of a proxied flow    of the handshake: the box goes on with it; later: judged by the server's
//                             numbers, which the table holds, and translated as it passes
//                             (tracker_proxied.hpp)
//
// Here: half-open flows, from the SYN that passed to what ends their wait; and what is due once a poll.
#pragma once

#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

// ---- Half-open flows, counted

/// A flow has been made by a SYN that passed.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::count_opened(Item& item, flow::Ref ref) {
    const Ends ends{key<AddressBytes>(item), item.from_high ? 1U : 0U};
    const guard::ServiceNumber service = service_of(ends);
    guard_->account().count_opened(service);
    GuardRecord& record = guard_->template record<AddressBytes>(ref);
    record = {
        .words = {}, .counted = static_cast<std::uint16_t>(service + 1U), .handshake = Io::port(item.packet)};
    const auto frame = input_of(item.packet).bytes;
    if (link_ == packet::LinkLayer::ethernet && frame.size() >= packet::ethernet_header_bytes)
        record.set(load<GuardRecord::Macs>(frame.data()));
}

/// A flow is half-open no more.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::count_gone(flow::Ref ref, guard::HalfOpenEnd end) {
    std::uint16_t& counted = guard_->template record<AddressBytes>(ref).counted;
    if (counted == 0) return;
    const guard::ServiceNumber service = guard_->template record<AddressBytes>(ref).service();
    counted = 0;
    const auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    const Ends ends{record.key, flows.original_from_high(record) ? 1U : 0U};
    guard_->account().count_gone(ends.source(), service, end);
    if (end == guard::HalfOpenEnd::completed && service == guard::no_service)
        guard_->candidates().count_completed(
            {ends.address(guard::Toward::server), ends.port(guard::Toward::server)});
}

/// A TCP flow goes, `last` as it was.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::forget_guarded(flow::Ref ref, const tcp::Connection& last) {
    if (is_half_open(last.lifetime)) {
        if (last.seen_reply) tell_server<AddressBytes>(ref);
        count_gone<AddressBytes>(ref, guard::HalfOpenEnd::lost);
    }
    if (is_proxied<AddressBytes>(ref)) guard_->template forget_proxied<AddressBytes>(ref);
}

/// After a segment that left a flow in `state`: was it the one that answers a SYN, or the last of the
/// handshake?
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::follow_half_open(Item& item, flow::Ref ref,
                                                               tcp::Direction direction, bool was_answered,
                                                               const tcp::Connection& after) {
    const GuardRecord& record = guard_->template record<AddressBytes>(ref);
    if (record.counted == 0) return;
    const bool syn = (item.segment.flags & packet::syn) != 0, rst = (item.segment.flags & packet::rst) != 0;
    if (!was_answered && after.seen_reply && syn && direction == tcp::Direction::reply) {
        const guard::ServiceNumber service = record.service();
        guard_->account().count_answered(service);
        const packet::TcpFields& answer = headers_of(item).tcp;
        // What the SYN offered, as far as it was kept or the answer shows it.
        packet::TcpFields asked;
        asked.options.has_window_scale = (after.scale_offered & 1U) != 0;
        asked.options.sack_permitted = (after.sack_permitted & 1U) != 0;
        asked.options.has_timestamps =
            answer.options.has_timestamps || (record.counted & GuardRecord::asked_for_all) != 0;
        constexpr unsigned ecn = packet::ece | packet::cwr;
        const bool asked_for_ecn =
            (answer.flags & ecn) == packet::ece || (record.counted & GuardRecord::asked_for_ecn) != 0;
        if (asked_for_ecn) asked.flags = packet::syn | ecn;
        guard::learn(asked, answer, guard_->profile(service));
        if (asked.options.has_timestamps && asked.options.has_window_scale && asked.options.sack_permitted)
            guard_->learnt(service);
        if (asked_for_ecn) guard_->learnt_ecn(service);
        if (guards() && settings_->protection->rules_of(service).hides_sequence)
            hide_sequence<AddressBytes>(item, ref);
    }
    if (is_half_open(after.lifetime)) return;
    count_gone<AddressBytes>(ref, !rst                                    ? guard::HalfOpenEnd::completed
                                  : direction == tcp::Direction::original ? guard::HalfOpenEnd::reset
                                                                          : guard::HalfOpenEnd::refused);
}

/// A half-open flow goes whose server has answered and may wait for a minute, its backlog full of such: it is
/// told so, in its client's name, while it is under a flood.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::tell_server(flow::Ref ref) {
    const GuardRecord& kept = guard_->template record<AddressBytes>(ref);
    if (kept.counted == 0 || !guard_->is_defended(kept.service())) return;
    const GuardRecord::Macs macs = kept.macs();
    // The way is not known, or no longer: the record has a translation by now.
    if (macs == GuardRecord::Macs{} || !settings_->vlan_in_key || is_proxied<AddressBytes>(ref)) return;
    const auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    const flow::Domain domain{record.key.vlans_and_pair, record.key.zone};
    const packet::LinkHeader link =
        packet::link_header(macs, domain.outer_vlan(), domain.inner_vlan(),
                            AddressBytes == 4 ? packet::ether_type_ipv4 : packet::ether_type_ipv6);
    packet::TcpFields reset;
    reset.flags = packet::rst;
    reset.sequence = record.payload.tcp.side[1].max_ack;  // exactly what the server expects (RFC 5961 3.2)
    emit(Ends{record.key, flows.original_from_high(record) ? 1U : 0U}, guard::Toward::server, reset, link,
         kept.handshake, Action::pass);
}

/// Half-open flows of services under a flood do not get the time that others have: the flood's own, which
/// passed before it was known as such, would fill the servers' backlogs for as long. A slice of the slots a
/// poll; and a rest after each round, or a poll of a small table would do little else.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::sweep_half_open(Sweep& sweep, Now now) {
    constexpr unsigned slice = 128, most_removed = 16;
    constexpr Tick rest = ticks_per_second / 8;
    if (sweep.next == 0 && now.tick - sweep.ended < rest) return;
    auto& flows = table<AddressBytes>();
    typename std::remove_reference_t<decltype(flows)>::Record record;
    unsigned removed = 0;
    for (unsigned i = 0; i < slice && removed < most_removed; ++i, ++sweep.next) {
        if (sweep.next >= flows.high_water()) {
            sweep = {.next = 0, .ended = now.tick};
            return;
        }
        const GuardRecord& kept = guard_->template record<AddressBytes>(sweep.next);
        if (kept.counted == 0 || !flows.read(sweep.next, record) || record.key.protocol != packet::tcp ||
            !is_half_open(record.payload.tcp.lifetime))
            continue;
        const Tick left = record.expiry - now.tick;
        const Tick waited = ticks_of(static_cast<Lifetime>(record.payload.tcp.lifetime)) - left;
        if (static_cast<std::int32_t>(waited - SynGuard::impatience) < 0 ||
            !guard_->is_defended(kept.service()))
            continue;
        flows.remove(sweep.next, flow::Removal::evicted, on_removed<AddressBytes>());
        ++removed;
    }
}

/// What is due of handshakes with servers.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::poll_guard(Now now) {
    guard_->advance(now.tick);
    if (guard_->sweeps()) [[unlikely]] {
        sweep_half_open<4>(swept4_, now);
        sweep_half_open<16>(swept6_, now);
    }
    guard_->for_some_handshakes([&](OwnHandshake& handshake) {
        by_family(handshake.family, [&]<unsigned AddressBytes>() {
            auto& flows = table<AddressBytes>();
            const guard::HandshakeOutcome outcome = handshake.machine.tick(now.tick);
            const auto& record = flows.record(handshake.flow);
            emit(Ends{record.key, flows.original_from_high(record) ? 1U : 0U}, handshake, outcome, nullptr);
            if (handshake.machine.state() == guard::HandshakeState::refused)
                flows.remove(handshake.flow, flow::Removal::deleted, on_removed<AddressBytes>());
        });
    });
}

}  // namespace sluice::pipeline
