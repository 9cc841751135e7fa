// What a tracker tells those who follow its flows (sluice -E): nf_conntrack's events at the places where it
// has them. Part of tracker.hpp.
#pragma once

#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

/// nf_conntrack's IPCT_PROTOINFO, IPCT_REPLY and IPCT_ASSURED: its name of the state, or the status. Each
/// name of a state has a lifetime of its own.
[[nodiscard]] inline bool tells_apart(std::uint8_t protocol, const FlowState& was, const FlowState& is) {
    const auto status = [](const FlowState& state) {
        return state.datagram.seen_reply | state.datagram.assured << 1U | state.datagram.fixed_timeout << 2U;
    };
    if (status(was) != status(is)) return true;
    const auto state = [](const FlowState& of) {
        return tcp::text_of(static_cast<tcp::Pair>(of.tcp.pair)).lifetime;
    };
    return protocol == packet::tcp && state(was) != state(is);
}

/// All of an event but its kind and why a flow went.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::describe(Event& event, flow::Ref ref, const FlowState& state, Tick expiry,
                                     Now now) {
    const auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    event.wall_nanoseconds = now.wall_nanoseconds;
    event.start_nanoseconds = flows.read_start(ref);
    event.account = {};
    event.flow = ref;
    event.left = reached(now.tick, expiry) ? 0 : expiry - now.tick;
    event.fields =
        load<std::uint32_t>(reinterpret_cast<const std::byte*>(&state) + sizeof state - sizeof event.fields);
    event.mark = flows.read_mark(ref);
    event.family = AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6;
    event.original_from_high = flows.original_from_high(record);
    if constexpr (AddressBytes == 4)
        event.key4 = record.key;
    else
        event.key6 = record.key;
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::tell(EventKind kind, flow::Ref ref, const FlowState& state, Tick expiry, Now now,
                                 flow::Removal why) {
    events_.record(kind, [&](Event& event) {
        describe<AddressBytes>(event, ref, state, expiry, now);
        if (kind == EventKind::destroyed) event.account = table<AddressBytes>().read_account(ref);
        event.why = why;
    });
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::tell_created(flow::Ref ref, Now now) {
    const auto& record = table<AddressBytes>().record(ref);
    tell<AddressBytes>(EventKind::created, ref, record.payload, record.expiry, now);
}

/// Before the table has it: what is there is what was.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::tell_if_changed(flow::Ref ref, const FlowState& state,
                                                              Tick expiry, Now now) {
    const auto& record = table<AddressBytes>().record(ref);
    if (tells_apart(record.key.protocol, record.payload, state))
        tell<AddressBytes>(EventKind::updated, ref, state, expiry, now);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::tell_removed(flow::Ref ref, flow::Removal why) {
    const auto& record = table<AddressBytes>().record(ref);
    tell<AddressBytes>(EventKind::destroyed, ref, record.payload, record.expiry, at_, why);
}

}  // namespace sluice::pipeline
