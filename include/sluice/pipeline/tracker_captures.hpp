// What a tracker shows of packets to those who capture. Part of tracker.hpp.
#pragma once

#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

/// Remembers which rule a packet of the burst was denied by: it has no flow that would know.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::note_denial(const Packet* packet, policy::RuleNumber rule) {
    denials_[denial_count_++ % denials_.size()] = {packet, rule};
}

template <PacketIo Io, class Observer>
policy::RuleNumber Tracker<Io, Observer>::denied_by(const Packet* packet) const {
    const std::size_t kept = std::min(denial_count_, denials_.size());
    for (std::size_t i = 1; i <= kept; ++i) {  // the newest first: buffers come again
        const Denial& denial = denials_[(denial_count_ - i) % denials_.size()];
        if (denial.packet == packet) return denial.rule;
    }
    return policy::no_rule;
}

/// Copies what somebody wants to see of a burst that has been judged.
template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::capture(const Output<Io>& out, Now now) {
    const CaptureKinds wanted = capture_.wanted();
    if ((wanted & ~traced_too) == 0) return;
    for (const auto& judged : out.view()) {
        const Decision& decision = judged.decision;
        const bool passes = decision.action == Action::pass;
        if (decision.action == Action::handover || (wanted & only(decision.reason)) == 0 ||
            (passes && (wanted & passing_too) == 0))
            continue;
        if (!decision.datagram) {
            capture(judged.packet, judged.packet, decision, now);
            continue;
        }
        for (const Packet* p = judged.packet; p != nullptr; p = Io::next_fragment(p))
            capture(p, judged.packet, decision, now);
    }
    denial_count_ = 0;
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::capture(const Packet* packet, const Packet* first, const Decision& decision,
                                    Now now) {
    capture_.record(decision.reason,
                    [&](CapturedPacket& entry) { describe(entry, packet, first, decision, now); });
}

/// `first`: the packet that the decision was made about, which `packet` may be another fragment of.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::describe(CapturedPacket& entry, const Packet* packet, const Packet* first,
                                     const Decision& decision, Now now) {
    entry.wall_nanoseconds = now.wall_nanoseconds;
    entry.length = Io::length(packet);
    entry.captured = static_cast<std::uint16_t>(std::min<std::size_t>(entry.length, most_captured_bytes));
    Io::copy(packet, 0, entry.captured, entry.bytes.data());
    entry.port = Io::port(packet);
    entry.port_pair = Io::port_pair(packet);
    entry.action = decision.action;
    entry.state = decision.state;
    entry.direction = decision.direction;
    entry.is_step = false;
    entry.is_ruled = rules_.kept() && rules_.policy() != nullptr;
    entry.rule = policy::no_rule;
    entry.has_flow = decision.flow != flow::no_ref;
    const bool denied = decision.reason == Reason::policy_denied || decision.reason == Reason::rule_limit;
    if (entry.has_flow)
        by_family(decision.family, [&]<unsigned AddressBytes>() {
            const auto& record = table<AddressBytes>().record(decision.flow);
            describe<AddressBytes>(entry.flow, decision.flow, record.payload, record.expiry, now);
            if (!entry.is_ruled) return;
            entry.is_ruled = rules_.template is_judged<AddressBytes>(decision.flow);
            if (entry.is_ruled) entry.rule = rules_.template record<AddressBytes>(decision.flow).rule;
        });
    else if (entry.is_ruled && denied)
        entry.rule = denied_by(first);
    else
        entry.is_ruled = false;
}

// ---- Examples of what is dropped

/// On a packet that is dropped, once its reason wants another example.
template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::keep_example(const Packet* packet, const Decision& decision) {
    CapturedPacket entry{};
    entry.kind = decision.reason;
    describe(entry, packet, packet, decision, at_);
    capture_.examples->keep(decision.reason, entry);
}

// ---- Steps of traced flows

/// Marks those of the burst that belong to traced flows: they are judged by themselves and in no shorter way.
/// Returns a bit for each.
template <PacketIo Io, class Observer>
[[gnu::noinline]] std::uint64_t Tracker<Io, Observer>::set_traced_aside(std::size_t count) {
    const TracedFlows::Copy traced = capture_.traced.copy();
    std::uint64_t aside = 0;
    for (std::size_t i = 0; i < count; ++i) {
        Item& item = items_[i];
        if (item.kind < Kind::icmp_error || !traced.holds(item.hash)) continue;
        item.kind = Kind::traced;
        item.usual = false;
        aside |= std::uint64_t{1} << i;
    }
    is_foreseen_ &= ~aside;
    return aside;
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
typename Tracker<Io, Observer>::Before Tracker<Io, Observer>::before(const Item& item, Now now) {
    Before out;
    out.length = Io::length(item.packet);
    out.captured = static_cast<std::uint16_t>(std::min<std::size_t>(out.length, most_captured_bytes));
    Io::copy(item.packet, 0, out.captured, out.bytes.data());
    auto& flows = table<AddressBytes>();
    const flow::Ref ref = flows.find(key<AddressBytes>(item), item.hash, item.candidate, now.tick);
    if (ref == flow::no_ref) return out;
    out.had_flow = true;
    out.state = flows.record(ref).payload;
    if (item.protocol == packet::tcp && out.state.tcp.pending_syn)
        if (const tcp::PendingSyn* kept = pending<AddressBytes>().find(ref)) out.pending = *kept;
    return out;
}

/// Judges a packet of a traced flow, and shows it with its flow before and behind it. (What a signature found
/// in it may yet decide otherwise.)
template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::judge_traced(Item& item, bool datagram, Now now,
                                                           Output<Io>& out) {
    item.kind = item.general != nullptr && item.general->headers.icmp_error ? Kind::icmp_error : Kind::flow;
    by_family(item.family, [&]<unsigned AddressBytes>() {
        const Before was = before<AddressBytes>(item, now);
        Decision decision = decide<AddressBytes>(item, now);
        decision.datagram = datagram;
        if (decision.action != Action::handover)
            capture_.record(decision.reason, [&](CapturedPacket& entry) {
                describe(entry, item.packet, item.packet, decision, now);
                entry.is_step = true;
                entry.hash = item.hash;
                entry.had_flow = was.had_flow;
                entry.before = was.state;
                entry.pending = was.pending;
                entry.length = was.length;
                entry.captured = was.captured;
                entry.bytes = was.bytes;
            });
        if (inspector_ != nullptr && read<AddressBytes>(item, decision, now)) return;
        finish(item, item.packet, decision, out);
    });
}

}  // namespace sluice::pipeline
