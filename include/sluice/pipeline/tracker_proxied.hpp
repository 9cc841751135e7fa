// Flows that the box proxies: opened by a cookie that came back, the handshake with the server carried on,
// then translated; and the packets that it sends for them. Part of tracker.hpp.
#pragma once

#include "sluice/pipeline/segments.hpp"
#include "sluice/pipeline/tracker.hpp"
#include "sluice/pipeline/tracker_answers.hpp"

namespace sluice::pipeline {

// ---- Begun by a cookie

/// On an ACK without a flow that may bring a cookie back.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
Decision Tracker<Io, Observer>::judge_cookie(Item& item, const FlowState& state, const tcp::Verdict& verdict,
                                             guard::ServiceNumber service, Now now) {
    const packet::TcpFields& ack = headers_of(item).tcp;
    const Ends ends{key<AddressBytes>(item), item.from_high ? 1U : 0U};
    const std::optional<std::uint32_t> echo =
        ack.options.has_timestamps ? std::optional(ack.options.timestamp_echo) : std::nullopt;
    const auto as_ack = ends.handshake(ack.sequence - 1);
    // A client whose ACK was lost probes the window of 0 with the number before (RFC 9293 3.8.6.1).
    const guard::SynCookies& cookies = guard_->cookies();
    const guard::SynCookies::EitherCheck checked =
        ack.payload_length == 0
            ? cookies.template check_either<AddressBytes>(as_ack, ack.acknowledgement, echo, now.tick)
            : guard::SynCookies::EitherCheck{
                  cookies.template check<AddressBytes>(as_ack, ack.acknowledgement, echo, now.tick), false};
    if (checked.verdict != guard::CookieVerdict::good) {
        if (verdict.outcome == Outcome::accepted) return begin_tcp<AddressBytes>(item, state, verdict, now);
        return refuse(
            item, checked.verdict == guard::CookieVerdict::too_old ? Reason::old_cookie : Reason::bad_cookie);
    }
    guard::ProvenClient client{.initial_sequence = ack.sequence - (checked.is_probe ? 0 : 1)};
    client.cookie = ack.acknowledgement - 1;
    client.timestamp_value = ack.options.timestamp_value;
    client.timestamp_echo = ack.options.timestamp_echo;
    client.window = ack.window;
    client.mss = checked.options.mss;
    client.window_scale = checked.options.window_scale;
    client.promised_window_scale = guard_->promised_scale(service);
    client.scales = checked.options.has_window_scale;
    client.sack = checked.options.sack_permitted;
    client.timestamps = checked.options.has_timestamps;
    client.ecn = checked.options.ecn;
    return open_proxied<AddressBytes>(item, client, service, now);
}

/// A client has proved its address: a flow for it, and the SYN to its server.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
Decision Tracker<Io, Observer>::open_proxied(Item& item, const guard::ProvenClient& client,
                                             guard::ServiceNumber service, Now now) {
    const Ends ends{key<AddressBytes>(item), item.from_high ? 1U : 0U};
    const auto link = packet::link_header_of(input_of(item.general->bearer), item.general->headers);
    if (!link || !guard_->has_place()) return no_room(item);
    if (const auto denied = forbidden<AddressBytes>(item, now)) return *denied;

    guard::HandshakeOutcome outcome;
    const guard::ProxiedHandshake machine(client, now.tick, outcome);
    FlowState state{};
    (void)tcp::open(state.tcp, segment_of(outcome.segments()[0].segment), settings_->tcp);
    const Tick patience = std::max(ticks_of(Lifetime::syn_sent), SynGuard::longest_handshake);
    const flow::Ref ref = insert<AddressBytes>(item, state, now.tick + patience, now);
    if (ref == flow::no_ref) return no_room(item);
    note_initial_sequence<AddressBytes>(ref, tcp::Direction::original, client.initial_sequence);
    OwnHandshake& handshake =
        guard_->template begin_handshake<AddressBytes>({.machine = machine,
                                                        .to_server = *link,
                                                        .client_port = Io::port(item.packet),
                                                        .service = service,
                                                        .family = item.family,
                                                        .flow = ref,
                                                        .next_free = 0});
    guard_->account().count_completed(ends.source(), service);
    emit(ends, handshake, outcome, item.packet);
    keep_half_open_budget<AddressBytes>(now);
    return {.action = Action::absorb, .state = CtState::new_flow, .family = item.family, .flow = ref};
}

// ---- Under way

/// From its SYN,ACK on, a server's numbers are others for the client.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::hide_sequence(Item& item, flow::Ref ref) {
    const packet::Headers& headers = item.general->headers;
    const auto bytes = Io::writable(item.general->bearer);
    if (headers.transport_offset + std::size_t{headers.tcp.header_length} > bytes.size()) return;
    const guard::Translation translation = guard_->hide({.family = headers.family,
                                                         .local_port = headers.source_port,
                                                         .remote_port = headers.destination_port,
                                                         .local = headers.source,
                                                         .remote = headers.destination},
                                                        headers.tcp.sequence);
    guard_->template translate<AddressBytes>(ref, translation);
    guard::translate(bytes.subspan(headers.transport_offset, headers.tcp.header_length),
                     guard::Toward::client, translation);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] Decision Tracker<Io, Observer>::judge_proxied(Item& item, flow::Ref ref, Now now) {
    using guard::Toward;
    const auto& flows = table<AddressBytes>();
    const bool client_is_high = flows.original_from_high(flows.record(ref));
    const tcp::Direction direction = direction_of(item.from_high, client_is_high);
    const Toward toward = direction == tcp::Direction::original ? Toward::server : Toward::client;
    GuardRecord& record = guard_->template record<AddressBytes>(ref);
    if (record.handshake != 0) [[unlikely]] {
        OwnHandshake& handshake = guard_->handshake_of(record);
        const packet::TcpFields segment = headers_of(item).tcp;
        const bool was_open = handshake.machine.state() == guard::HandshakeState::open;
        const guard::HandshakeOutcome outcome =
            toward == Toward::server
                ? handshake.machine.from_client(segment, now.tick)
                : handshake.machine.from_server(segment, guard_->profile(handshake.service));
        const Ends ends{flows.record(ref).key, client_is_high ? 1U : 0U};
        emit(ends, handshake, outcome, item.packet);
        if (!was_open && handshake.machine.state() == guard::HandshakeState::open)
            complete_handshake<AddressBytes>(item, ref, handshake, outcome, now);
        if (handshake.machine.state() == guard::HandshakeState::refused) {
            table<AddressBytes>().remove(ref, flow::Removal::deleted, on_removed<AddressBytes>());
            ref = flow::no_ref;
        }
        if (outcome.taken || ref == flow::no_ref)
            return {.action = Action::absorb,
                    .state = CtState::established,
                    .family = item.family,
                    .direction = direction,
                    .flow = ref};
        // The server has got our ACK: it says something else than its SYN,ACK.
        if (toward == Toward::client) guard_->end_handshake(record);
    }

    const guard::Translation translation = record.translation();
    if (toward == Toward::server) {
        item.segment.acknowledgement -= translation.sequence_delta;
        item.segment.sack_highest -= translation.sequence_delta;
    }
    Decision decision = judge_tcp<AddressBytes>(item, ref, now);
    // A SYN may have begun a new connection, which is the endpoints' own.
    if (decision.action != Action::pass || decision.flow == flow::no_ref ||
        !guard_->template is_proxied<AddressBytes>(decision.flow))
        return decision;
    const std::span<std::uint8_t> header = writable_header(item);
    if (header.empty()) [[unlikely]]
        return {.action = Action::drop,
                .state = CtState::untracked,
                .reason = Reason::no_buffer,
                .family = item.family,
                .direction = direction,
                .flow = ref};
    guard::translate(header, toward, translation);
    return decision;
}

/// A plain item's TCP header, when it may be written; otherwise null.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline std::uint8_t* Tracker<Io, Observer>::plain_header(const Item& item) {
    std::uint8_t* const frame = Io::writable(item.packet).data();
    return frame == nullptr ? nullptr : frame + PlainSegment<AddressBytes>(frame).offset();
}

/// Any item's.
template <PacketIo Io, class Observer>
std::span<std::uint8_t> Tracker<Io, Observer>::writable_header(const Item& item) {
    if (item.general == nullptr)
        return by_family(item.family, [&]<unsigned AddressBytes>() -> std::span<std::uint8_t> {
            std::uint8_t* const header = plain_header<AddressBytes>(item);
            if (header == nullptr) return {};
            return {header, std::size_t{header[12]} >> 4U << 2U};
        });
    const auto bytes = Io::writable(item.general->bearer);
    const std::size_t offset = item.general->headers.transport_offset;
    const std::size_t length = item.general->headers.tcp.header_length;
    return offset + length <= bytes.size() ? bytes.subspan(offset, length) : std::span<std::uint8_t>{};
}

/// The records of proxied flows that packets of this burst may belong to.
template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::prefetch_proxied(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const Item& item = items_[i];
        if (item.kind != Kind::flow || item.candidate == flow::no_ref) continue;
        by_family(item.family, [&]<unsigned AddressBytes>() {
            if (guard_->template any_proxied<AddressBytes>())
                guard_->template prefetch_proxied<AddressBytes>(item.candidate);
        });
    }
}

/// The server has answered: the connection in the table goes through the two segments that the box has seen
/// and sent itself, and from now on it is translated.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::complete_handshake(const Item& syn_ack, flow::Ref ref,
                                               const OwnHandshake& handshake,
                                               const guard::HandshakeOutcome& outcome, Now now) {
    Item item = syn_ack;
    (void)judge_tcp<AddressBytes>(item, ref, now);
    note_initial_sequence<AddressBytes>(ref, tcp::Direction::reply, syn_ack.segment.sequence);
    for (const guard::SegmentToSend& sent : outcome.segments()) {
        if (sent.toward != guard::Toward::server) continue;
        item.segment = segment_of(sent.segment);
        item.from_high = !syn_ack.from_high;
        (void)judge_tcp<AddressBytes>(item, ref, now);
    }
    guard_->template record<AddressBytes>(ref).set(handshake.machine.translation());
}

/// An ICMP error about a proxied flow: the sender of the quoted segment must recognise its numbers.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
bool Tracker<Io, Observer>::translate_error(Item& item, flow::Ref ref, tcp::Direction quoted) {
    const packet::Quote& quote = item.general->quote;
    const auto bytes = Io::writable(item.general->bearer);
    const std::size_t message = item.general->headers.transport_offset;
    const std::size_t length = std::min<std::size_t>(item.general->headers.transport_length,
                                                     Io::length(item.general->bearer) - message);
    if (message + length > bytes.size()) return false;
    guard::translate_quote(bytes.subspan(message, length), quote.transport_offset - message,
                           quoted == tcp::Direction::original ? guard::Toward::client : guard::Toward::server,
                           guard_->template record<AddressBytes>(ref).translation());
    return true;
}

// ---- Packets of the box's own

/// `cause`: the packet that calls for them; null: time does. What goes on the way that it goes is forwarded
/// as it would have been, for no attacker calls for it; what goes back is an answer.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::emit(const Ends<AddressBytes>& ends, const OwnHandshake& handshake,
                                 const guard::HandshakeOutcome& outcome, const Packet* cause) {
    using guard::Toward;
    const std::uint16_t port = cause == nullptr ? handshake.client_port : Io::port(cause);
    const Toward back = port == handshake.client_port ? Toward::client : Toward::server;
    for (const guard::SegmentToSend& sent : outcome.segments())
        emit(ends, sent.toward, sent.segment,
             sent.toward == Toward::server ? handshake.to_server : packet::reversed(handshake.to_server),
             port, sent.toward == back ? Action::answer : Action::pass);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::emit(const Ends<AddressBytes>& ends, guard::Toward toward,
                                 const packet::TcpFields& fields, const packet::LinkHeader& link,
                                 std::uint16_t port, Action action) {
    const guard::Toward from = guard::opposite(toward);
    packet::OwnSegment segment{.family = AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6,
                               .source_port = ends.port(from),
                               .destination_port = ends.port(toward),
                               .fields = fields};
    std::copy_n(ends.bytes(from), AddressBytes, segment.source.begin());
    std::copy_n(ends.bytes(toward), AddressBytes, segment.destination.begin());
    // Room is left for what is judged: many flows may go in one poll (a flush), each with a word to its
    // server.
    const bool room = out_->size + 4 * max_burst < out_->judged.size();
    Packet* const packet = room ? Io::make(port) : nullptr;
    if (packet == nullptr) {
        counters_.not_emitted.add();
        return;
    }
    const std::size_t length = packet::build_segment(link, segment, Io::writable(packet));
    Io::set_length(packet, static_cast<std::uint32_t>(length));
    counters_.emitted.add();
    if (action == Action::pass) counters_.emitted_on.add();
    out_->add(packet, {.action = action, .state = CtState::established, .family = segment.family});
}

}  // namespace sluice::pipeline
