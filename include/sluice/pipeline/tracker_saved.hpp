// Flows leave a tracker for another and arrive from one (saved_flow.hpp), a slice at a time. Part of
// tracker.hpp.
#pragma once

#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

// ---- Out

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::export_flows(FlowExport& out, Now now, unsigned budget) {
    export_from<4>(out.next4, out, now, budget);
    export_from<16>(out.next6, out, now, budget);
    out.complete = out.next4 >= table4_.high_water() && out.next6 >= table6_.high_water();
}

/// Records never move: a flow that lives on is met exactly once.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::export_from(flow::Ref& next, FlowExport& out, Now now, unsigned& budget) {
    const auto& flows = table<AddressBytes>();
    for (; budget != 0 && out.count < FlowExport::most && next < flows.high_water(); ++next, --budget)
        export_one<AddressBytes>(next, out, now);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::export_one(flow::Ref ref, FlowExport& out, Now now) {
    const auto& flows = table<AddressBytes>();
    typename std::remove_cvref_t<decltype(flows)>::Snapshot snapshot;
    if (!flows.read(ref, snapshot) || reached(now.tick, snapshot.record.expiry)) return;
    const bool translated = is_proxied<AddressBytes>(ref);
    if (translated) {
        const GuardRecord& kept = guard_->template record<AddressBytes>(ref);
        if (kept.handshake != 0 &&
            guard_->handshake_of(kept).machine.state() != guard::HandshakeState::open) {
            ++out.left_out;
            return;
        }
    }
    SavedFlow& saved = out.flows[out.count++];
    saved = SavedFlow{};
    saved.family = AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6;
    saved.original_from_high = flows.original_from_high(snapshot.record);
    flow::Key<AddressBytes>& key = saved_key<AddressBytes>(saved);
    key = snapshot.record.key;
    key.spare = 0;
    saved.left = std::min<Tick>(snapshot.record.expiry - out.since, max_lifetime_seconds * ticks_per_second);
    saved.state = snapshot.record.payload;
    saved.mark = snapshot.mark;
    saved.account = snapshot.account;
    saved.start_nanoseconds = snapshot.start;
    const FlowRules::Record rule =
        rules_.kept() ? rules_.template record<AddressBytes>(ref) : FlowRules::Record{};
    saved.vlan = rule.vlan;
    if (rule.timeouts_are_own != 0)
        saved.state.datagram.fixed_timeout = 0;  // by the rule, which is not saved
    saved.interface = rule.interface;
    if (key.protocol != packet::tcp) {
        Tick& stream_since = saved.state.datagram.stream_since;
        stream_since = reached(out.since, stream_since) ? 0 : stream_since - out.since;
        return;
    }
    if (saved.state.tcp.pending_syn) {
        const tcp::PendingSyn* const kept = pending<AddressBytes>().find(ref);
        saved.has_pending_syn = kept != nullptr;
        if (kept == nullptr) saved.state.tcp.pending_syn = 0;  // pushed out by others: forgotten
        if (kept != nullptr) saved.pending_syn = *kept;
    }
    saved.has_translation = translated;
    if (translated) saved.translation = guard_->template record<AddressBytes>(ref).translation();
}

/// A request's share of a poll: 16 records cost some 2.5 µs from memory (64 took 10), as much as a burst. A
/// running daemon copies its flows so again and again (state.interval).
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::save_slice(Request& request, Now now) {
    constexpr unsigned slice = 16;
    export_flows(*request.saved, now, slice);
    if (!request.saved->complete && request.saved->count < FlowExport::most) return false;
    request.answer = Request::Answer::done;
    return true;
}

// ---- In

/// The same of flows that arrive: each touches its bucket, its record and what lies beside it.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::restore_slice(Request& request, Now now) {
    constexpr unsigned slice = 32;
    import_flows(*request.restored, now, slice);
    if (!request.restored->complete()) return false;
    request.answer = Request::Answer::done;
    return true;
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::import_flows(FlowImport& in, Now now, unsigned budget) {
    at_ = now;
    for (; budget != 0 && !in.complete(); ++in.next, --budget) {
        const SavedFlow& saved = in.flows[in.next];
        const Restored outcome = by_family(
            saved.family, [&]<unsigned AddressBytes>() { return import_one<AddressBytes>(saved, now); });
        ++in.outcomes[static_cast<std::size_t>(outcome)];
    }
}

/// A flow that lives wins, and none goes for one that is restored.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
Restored Tracker<Io, Observer>::import_one(const SavedFlow& saved, Now now) {
    auto& flows = table<AddressBytes>();
    const flow::Key<AddressBytes>& key = saved_key<AddressBytes>(saved);
    const std::uint64_t hash = flows.hash_of(key);
    const flow::Ref holder = flows.holder_of(key, hash, flow::no_ref);
    if (flows.unless_expired(holder, now.tick) != flow::no_ref) return Restored::exists;
    if (holder == flow::no_ref && flows.size() >= flows.capacity()) return Restored::no_room;
    if (saved.has_translation && guard_ == nullptr) return Restored::unguarded;

    FlowState state = saved.state;
    if (key.protocol != packet::tcp) state.datagram.stream_since += now.tick;
    const flow::Ref ref = flows.insert(key, hash, holder, saved.original_from_high, state,
                                       now.tick + saved.left, now.tick, on_removed<AddressBytes>());
    if (ref == flow::no_ref) return Restored::no_room;
    counters_.insert.add();
    flows.set_start(ref, saved.start_nanoseconds);
    flows.set_mark(ref, saved.mark);
    flows.set_account(ref, saved.account);
    if (saved.has_pending_syn) pending<AddressBytes>().put(ref, saved.pending_syn);
    if (guard_ != nullptr) {
        guard_->template record<AddressBytes>(ref) = {};
        if (saved.has_translation) guard_->template translate<AddressBytes>(ref, saved.translation);
    }
    if (events_.wants(EventKind::created)) [[unlikely]]
        tell_created<AddressBytes>(ref, now);
    if (rules_.kept()) {
        rules_.template begin_unjudged<AddressBytes>(ref, saved.vlan, saved.interface);
        if (rules_.policy() != nullptr && !judge_anew<AddressBytes>(ref, now)) return Restored::forbidden;
    }
    keep_half_open_budget<AddressBytes>(now);
    return Restored::done;
}

}  // namespace sluice::pipeline
