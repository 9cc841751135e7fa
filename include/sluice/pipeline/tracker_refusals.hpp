// What the box says itself where it does not stand in for anybody: a connection is killed and both ends are
// told, a packet is rejected and its sender is told, a refused segment is challenged. Part of tracker.hpp.
//
// A RST is believed when its number is exactly the one that its receiver expects next (RFC 9293 3.5.3); one
// that is merely in the window is answered with that number (RFC 5961 3.2). So a killed flow stays for a
// while, no longer as a connection but as a mark that answers:
//
//     killed              each end gets a RST at once, where the guard remembers the way to it, numbered by
//                         the most that the other end has sent: exact for all but what was lost behind us
//     it says something   the sender gets the RST that an endpoint without the connection would send (RFC
//                         9293 3.10.7.1), which is exact, the other end the RST above in place of the packet
//     a SYN               begins anew, as after any RST
//     a RST               passes: its sender knows
//
// A segment that is tolerated reaches its receiver, who challenges it if it is to be challenged. One that is
// dropped does not, and so the box may (Settings::challenge_ack) say for the receiver what it would say.
#pragma once

#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

// ---- Rejected packets

/// Makes a packet that was parsed into `headers` the answer to itself, in its buffer: a RST to a TCP segment
/// (RFC 9293 3.10.7.1), "unreachable" to others. False, and the packet as it was, where there is none or the
/// buffer may not be written.
template <PacketIo Io>
[[nodiscard]] bool become_rejection(typename Io::Packet* packet, const packet::ParseInput& input,
                                    const packet::Headers& headers, packet::Unreachable why) {
    const std::span<std::uint8_t> room = Io::writable(packet);
    if (room.empty()) return false;
    std::array<std::uint8_t, packet::max_unreachable_bytes> answer;
    std::size_t length = headers.protocol == packet::tcp
                             ? packet::build_reset(input, headers, answer)
                             : packet::build_unreachable(input, headers, why, answer);
    if (length == 0) return false;
    if (input.link == packet::LinkLayer::ethernet && length < packet::least_ethernet_bytes) {
        std::fill(answer.begin() + static_cast<std::ptrdiff_t>(length),
                  answer.begin() + packet::least_ethernet_bytes, std::uint8_t{0});
        length = packet::least_ethernet_bytes;
    }
    if (room.size() < length) return false;
    std::copy_n(answer.begin(), length, room.begin());
    Io::set_length(packet, static_cast<std::uint32_t>(length));
    return true;
}

/// A packet is not let through, for `reason`, and its sender is told if it may be: RSTs, fragments and what
/// is not from one host to another are dropped without a word.
template <PacketIo Io, class Observer>
[[gnu::noinline]] Decision Tracker<Io, Observer>::reject(Item& item, Reason reason, packet::Unreachable why) {
    const bool answered =
        item.packets == 1 && become_rejection<Io>(item.packet, input_of(item.packet), headers_of(item), why);
    return {.action = answered ? Action::answer : Action::drop,
            .state = CtState::untracked,
            .reason = reason,
            .family = item.family};
}

// ---- Killed connections

/// Whether it is known what the endpoint that sends in this direction has sent, and what it expects. Of a
/// flow picked up in mid-stream one segment tells both ends; of one made by hand none has told anything.
[[nodiscard]] inline bool is_known(const tcp::Connection& connection, tcp::Direction sender) {
    return (connection.seen >> static_cast<unsigned>(sender) & 1U) != 0 ||
           (connection.picked_up != 0 && connection.seen != 0);
}

/// The RST that tells an endpoint that its peer, which sends in direction `from`, is gone. In the table's
/// numbers. None while nothing is known.
[[nodiscard]] inline std::optional<packet::TcpFields> reset_from(const tcp::Connection& connection,
                                                                 tcp::Direction from) {
    const tcp::Direction to = tcp::opposite(from);
    const tcp::Side& sender = connection.side[static_cast<unsigned>(from)];
    packet::TcpFields out;
    out.flags = packet::rst;
    if (is_known(connection, from)) {
        // What it acknowledges counts where the receiver still waits for the answer to its SYN.
        out.sequence = sender.end;
        if (is_known(connection, to)) {
            out.flags |= packet::ack;
            out.acknowledgement = sender.max_ack;
        }
    } else if (is_known(connection, to)) {  // a SYN, refused
        out.flags |= packet::ack;
        out.acknowledgement = connection.side[static_cast<unsigned>(to)].end;
    } else {
        return std::nullopt;
    }
    return out;
}

/// Whether neither end has anything left that a RST could take.
[[nodiscard]] inline bool is_over(const tcp::Connection& connection) {
    using tcp::EndpointState;
    const tcp::PairText& pair = tcp::text_of(static_cast<tcp::Pair>(connection.pair));
    const auto rests = [](EndpointState state) {
        return state == EndpointState::closed || state == EndpointState::listen ||
               state == EndpointState::time_wait;
    };
    return rests(pair.originator) && rests(pair.responder);
}

/// The way of a new flow is kept as long as it is not translated.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::remember_way(const Item& item, flow::Ref ref) {
    GuardRecord& record = guard_->template record<AddressBytes>(ref);
    record = {.words = {}, .counted = 0, .handshake = Io::port(item.packet)};
    const auto frame = input_of(item.packet).bytes;
    if (link_ == packet::LinkLayer::ethernet && frame.size() >= packet::ethernet_header_bytes)
        record.set(load<GuardRecord::Macs>(frame.data()));
}

/// The way from the client of a flow to its server, as its first packet went.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
std::optional<typename Tracker<Io, Observer>::Way> Tracker<Io, Observer>::way_of(flow::Ref ref) {
    // Tags are found in the key. A translated flow's record holds its translation.
    if (guard_ == nullptr || !settings_->vlan_in_key || guard_->template is_proxied<AddressBytes>(ref))
        return std::nullopt;
    const GuardRecord& kept = guard_->template record<AddressBytes>(ref);
    if (kept.macs() == GuardRecord::Macs{}) return std::nullopt;
    const auto& key = table<AddressBytes>().record(ref).key;
    const flow::Domain domain{key.vlans_and_pair, key.zone};
    return Way{packet::link_header(kept.macs(), domain.outer_vlan(), domain.inner_vlan(),
                                   AddressBytes == 4 ? packet::ether_type_ipv4 : packet::ether_type_ipv6),
               kept.handshake};
}

/// Tells the end that `toward` says, in the numbers that it knows, over the way from a client to its server.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::tell_end(flow::Ref ref, guard::Toward toward, const Way& way, Action action) {
    const auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    const tcp::Connection& connection = record.payload.tcp;
    const tcp::Direction from =
        toward == guard::Toward::server ? tcp::Direction::original : tcp::Direction::reply;
    auto reset = reset_from(connection, from);
    if (!reset) return;
    if (is_proxied<AddressBytes>(ref) && toward == guard::Toward::client) {
        if (!is_known(connection, from)) return;  // it has had a cookie, whose number nobody keeps
        reset->sequence += guard_->template record<AddressBytes>(ref).translation().sequence_delta;
    }
    emit(Ends{record.key, flows.original_from_high(record) ? 1U : 0U}, toward, *reset,
         toward == guard::Toward::server ? way.to_server : packet::reversed(way.to_server), way.port, action);
}

/// An operator's order, or a signature's: false when the flow is one that is killed already. What is no
/// connection, or none any more, is only removed. `known`: the way from its client to its server, and a port
/// that leads to who sends in direction `from`; without, the way that the guard remembers.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] bool Tracker<Io, Observer>::kill(flow::Ref ref, Now now, std::optional<Way> known,
                                                   tcp::Direction from) {
    auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    const bool is_tcp = record.key.protocol == packet::tcp;
    if (is_tcp && is_killed(record.payload.tcp)) return false;
    if (!is_tcp || is_over(record.payload.tcp)) {
        flows.remove(ref, flow::Removal::deleted, on_removed<AddressBytes>());
        return true;
    }
    const auto way = known ? known : way_of<AddressBytes>(ref);
    if (way) {
        const bool from_client = from == tcp::Direction::original;
        tell_end<AddressBytes>(ref, guard::Toward::server, *way, from_client ? Action::pass : Action::answer);
        tell_end<AddressBytes>(ref, guard::Toward::client, *way, from_client ? Action::answer : Action::pass);
    }
    if (inspector_ != nullptr) stop_reading<AddressBytes>(ref);
    FlowState state = record.payload;
    if (state.tcp.pending_syn) pending<AddressBytes>().erase(ref);
    if (guard_ != nullptr) {
        if (is_half_open(state.tcp.lifetime)) count_gone<AddressBytes>(ref, guard::HalfOpenEnd::lost);
        if (is_proxied<AddressBytes>(ref)) guard_->end_handshake(guard_->template record<AddressBytes>(ref));
    }
    state.tcp.pair = static_cast<unsigned>(tcp::Pair::closed__closed) & 31U;
    state.tcp.lifetime = static_cast<unsigned>(Lifetime::killed) & 31U;
    state.tcp.pending_syn = state.tcp.assured = state.tcp.fixed_timeout = 0;
    // Who has not been told yet will be when it speaks, if that is before the flow would have ended by
    // itself.
    const Tick least = now.tick + ticks_of(Lifetime::killed);
    const Tick expiry = way || !reached(record.expiry, least) ? least : record.expiry;
    if (events_.wants(EventKind::updated)) [[unlikely]]
        tell_if_changed<AddressBytes>(ref, state, expiry, now);
    flows.update(ref, state, expiry, now.tick);
    return true;
}

/// On a segment of a killed flow. Nothing: it is judged as after any RST.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] std::optional<Decision> Tracker<Io, Observer>::answer_killed(Item& item, flow::Ref ref,
                                                                               tcp::Direction direction,
                                                                               Now now) {
    const tcp::FlagClass flags = tcp::classify_flags(item.segment.flags);
    if (flags == tcp::FlagClass::syn || flags == tcp::FlagClass::rst || flags == tcp::FlagClass::rst_ack ||
        flags == tcp::FlagClass::bad)
        return std::nullopt;
    auto& flows = table<AddressBytes>();
    if (item.packets == 1 && !Io::writable(item.packet).empty()) {
        const bool to_server = direction == tcp::Direction::original;
        const auto link = packet::link_header_of(input_of(item.packet), headers_of(item));
        if (link)
            tell_end<AddressBytes>(ref, to_server ? guard::Toward::server : guard::Toward::client,
                                   {to_server ? *link : packet::reversed(*link), Io::port(item.packet)},
                                   Action::pass);
    }
    Decision decision = reject(item, Reason::killed, packet::Unreachable::prohibited);
    decision.direction = direction;
    decision.flow = ref;
    flows.update(ref, flows.record(ref).payload, now.tick + ticks_of(Lifetime::killed), now.tick);
    return decision;
}

// ---- Challenges

/// Whether a receiver answers such a segment with an acknowledgement: one that is not acceptable (RFC 9293
/// 3.10.7.4), a SYN in a connection, a RST in the window that is not exact, an acknowledgement of the unsent
/// (RFC 5961 3.2, 4.2, 5.2). A RST out of the window is dropped in silence.
[[nodiscard]] constexpr bool calls_for_challenge(Reason reason) {
    return reason == Reason::seq_after_window || reason == Reason::window_overshoot ||
           reason == Reason::syn_in_connection || reason == Reason::rst_inexact ||
           reason == Reason::ack_unsent;
}

/// The acknowledgement that the peer of `sender` would send now. In the table's numbers, the window as its
/// own scale has it. None where the peer has no connection, or not all is known.
[[nodiscard]] inline std::optional<packet::TcpFields> challenge_to(const tcp::Connection& connection,
                                                                   tcp::Direction sender) {
    using tcp::EndpointState;
    const bool is_original = sender == tcp::Direction::original;
    const tcp::PairText& pair = tcp::text_of(static_cast<tcp::Pair>(connection.pair));
    const EndpointState state = is_original ? pair.responder : pair.originator;
    if (connection.seen != 3 || state == EndpointState::closed || state == EndpointState::listen ||
        state == EndpointState::syn_sent)
        return std::nullopt;
    const tcp::Side& own = connection.side[static_cast<unsigned>(tcp::opposite(sender))];
    const tcp::Side& others = connection.side[static_cast<unsigned>(sender)];
    const std::uint32_t room = after(others.max_end, own.max_ack) ? others.max_end - own.max_ack : 0;
    packet::TcpFields out;
    out.flags = packet::ack;
    out.sequence = own.end;
    out.acknowledgement = own.max_ack;
    const unsigned scale = is_original ? connection.scale_reply : connection.scale_original;
    out.window = static_cast<std::uint16_t>(std::min(room >> scale, 0xFFFFU));
    return out;
}

/// On a refused segment that is dropped.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::challenge(Item& item, flow::Ref ref, tcp::Direction direction,
                                                        Reason reason, Now now) {
    if (!calls_for_challenge(reason) || item.packets != 1 || Io::writable(item.packet).empty()) return;
    const auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    auto acknowledgement = challenge_to(record.payload.tcp, direction);
    if (!acknowledgement) return;
    const packet::Headers& headers = headers_of(item);
    const auto link = packet::link_header_of(input_of(item.packet), headers);
    if (!link || !challenges_.may_go(item.hash, direction, now.tick)) return;

    const guard::Toward toward =
        direction == tcp::Direction::original ? guard::Toward::client : guard::Toward::server;
    if (is_proxied<AddressBytes>(ref)) {
        const guard::Translation translation = guard_->template record<AddressBytes>(ref).translation();
        if (toward == guard::Toward::client) acknowledgement->sequence += translation.sequence_delta;
        acknowledgement->window =
            guard::rescale_window(acknowledgement->window, translation.window_shift(toward));
    }
    // What it has last heard of its peer's clock is not too old for it (RFC 7323 5.3).
    const packet::TcpOptions& options = headers.tcp.options;
    if (options.has_timestamps && (headers.tcp.flags & packet::ack) != 0) {
        acknowledgement->options.has_timestamps = true;
        acknowledgement->options.timestamp_value = options.timestamp_echo;
        acknowledgement->options.timestamp_echo = options.timestamp_value;
    }
    emit(Ends{record.key, flows.original_from_high(record) ? 1U : 0U}, toward, *acknowledgement,
         packet::reversed(*link), Io::port(item.packet), Action::answer);
}

}  // namespace sluice::pipeline
