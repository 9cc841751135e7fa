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

/// `first`: the packet that the decision was made about, which `packet` may be another fragment of.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::capture(const Packet* packet, const Packet* first, const Decision& decision,
                                    Now now) {
    capture_.record(decision.reason, [&](CapturedPacket& entry) {
        entry.wall_nanoseconds = now.wall_nanoseconds;
        entry.length = Io::length(packet);
        entry.captured = static_cast<std::uint16_t>(std::min<std::size_t>(entry.length, most_captured_bytes));
        Io::copy(packet, 0, entry.captured, entry.bytes.data());
        entry.port = Io::port(packet);
        entry.port_pair = Io::port_pair(packet);
        entry.action = decision.action;
        entry.state = decision.state;
        entry.direction = decision.direction;
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
    });
}

}  // namespace sluice::pipeline
