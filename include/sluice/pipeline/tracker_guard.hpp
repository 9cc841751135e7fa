// The guard on the packet path: SYNs are counted and, while their service is defended, answered with cookies;
// who proves its address gets a flow, and the box the rest of the handshake with the server; from then on the
// flow is translated. Part of tracker.hpp.
//
//     SYN without a flow      counted; passes, is dropped by a limit, or turned into the answer in its buffer
//     ACK without a flow      a good cookie opens a proxied flow, half-open until the server answers
//     packet of a proxied flow    of the handshake: the box goes on with it; later: judged by the server's
//                             numbers, which the table holds, and translated as it passes
#pragma once

#include "sluice/packet/syn_ack.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

/// What a cookie promises a client: what it offers and the server knows.
[[nodiscard]] inline guard::CookieOptions promised_options(const packet::TcpFields& syn,
                                                           const guard::ServerProfile& server) {
    guard::CookieOptions out = guard::offered_options(syn);
    out.has_timestamps &= server.timestamps;
    out.sack_permitted &= server.sack && out.has_timestamps;
    out.has_window_scale &= server.scales && out.has_timestamps;
    out.ecn &= server.ecn && out.has_timestamps;
    return out;
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
guard::ServiceNumber Tracker<Io, Observer>::service_of(const Ends<AddressBytes>& ends) const {
    return settings_->protection->services.find(ends.address(guard::Toward::server),
                                                ends.port(guard::Toward::server));
}

/// The item's headers, read again where the quick way did not keep them.
template <PacketIo Io, class Observer>
const packet::Headers& Tracker<Io, Observer>::headers_of(Item& item) {
    if (item.general == nullptr) {
        item.general = &general_[place_of(item)];
        item.general->bearer = item.packet;
        const packet::ParseInput input = input_of(item.packet);
        if (!packet::parse_plain(input, item.general->headers)) packet::parse(input, item.general->headers);
    }
    return item.general->headers;
}

// ---- Segments without a flow

/// On a segment that belongs to no flow, while there is a guard.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] Decision Tracker<Io, Observer>::open_guarded(Item& item, Now now) {
    if (tcp::classify_flags(item.segment.flags) == tcp::FlagClass::syn)
        return judge_syn<AddressBytes>(item, nullptr, now);
    FlowState state{};
    const tcp::Verdict verdict = tcp::open(state.tcp, item.segment, mid_stream_settings<AddressBytes>(item));
    const unsigned flags = item.segment.flags;
    if ((flags & (packet::syn | packet::ack | packet::rst)) == packet::ack &&
        verdict.reason != Reason::bad_flags) {
        const Ends ends{key<AddressBytes>(item), item.from_high ? 1U : 0U};
        const guard::ServiceNumber service = service_of(ends);
        if (guard_->expects_cookies(service))
            return judge_cookie<AddressBytes>(item, state, verdict, service, now);
    }
    if ((flags & (packet::syn | packet::ack | packet::rst | packet::fin)) == packet::rst &&
        answers_challenge<AddressBytes>(item, now))
        return {.action = Action::absorb, .state = CtState::untracked, .family = item.family};
    return begin_tcp<AddressBytes>(item, state, verdict, now);
}

/// `reopened`: what is known where the SYN opens a closed flow again; null: it belongs to none.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
Decision Tracker<Io, Observer>::judge_syn(Item& item, const FlowState* reopened, Now now) {
    const Ends ends{key<AddressBytes>(item), item.from_high ? 1U : 0U};
    const SynSight sight = item.general == nullptr && was_foreseen(item)
                               ? foreseen_[place_of(item)]
                               : SynSight{guard_->account().hash(ends.source()), service_of(ends)};
    const guard::ServiceNumber service = sight.service;
    constexpr unsigned ecn = packet::ece | packet::cwr;
    const auto limited = [&](Reason reason) {
        return Decision{
            .action = Action::drop, .state = CtState::untracked, .reason = reason, .family = item.family};
    };
    const SynGuard::Fate fate =
        guard_->on_syn({.client = ends.address(guard::Toward::client),
                        .source_hash = sight.source_hash,
                        .service = service,
                        .flow_hash = item.hash,
                        .asks_for_options = item.segment.has_window_scale && item.segment.sack_permitted,
                        .asks_for_ecn = (item.segment.flags & ecn) == ecn});
    bool asks_for_all = false;
    switch (fate) {
        case SynGuard::Fate::denied:
            return limited(Reason::source_denied);
        case SynGuard::Fate::wait_for_second:
            return limited(Reason::first_syn);
        case SynGuard::Fate::over_source_limit:
            return limited(Reason::source_limit);
        case SynGuard::Fate::over_service_limit:
            return limited(Reason::syn_limit);
        case SynGuard::Fate::pass:
        case SynGuard::Fate::look_for_ecn:
            break;
        case SynGuard::Fate::look:
            asks_for_all = headers_of(item).tcp.options.has_timestamps;
            if (asks_for_all) {
                guard_->looks(service);
                break;
            }
            [[fallthrough]];
        case SynGuard::Fate::challenge:
        case SynGuard::Fate::answer: {
            const packet::Headers& headers = headers_of(item);
            // Signed, it is for the server alone to answer; what else cannot be answered no client needs.
            if (headers.tcp.options.has_signature) break;
            if (item.packets != 1 || !packet::may_answer_syn(input_of(item.packet), headers) ||
                Io::writable(item.packet).empty())
                return limited(Reason::syn_limit);
            if (const auto denied = forbidden<AddressBytes>(item, now)) return *denied;
            guard_->answered(service);
            answers_[answer_count_++] = {&item, service, fate == SynGuard::Fate::challenge};
            return {.action = Action::answer, .state = CtState::untracked, .family = item.family};
        }
    }
    const FlowState state = reopened != nullptr ? *reopened : FlowState{.tcp = tcp::begin(item.segment)};
    const Decision decision = begin_tcp<AddressBytes>(item, state, tcp::opens, now);
    if (decision.flow != flow::no_ref && (asks_for_all || fate == SynGuard::Fate::look_for_ecn)) {
        const bool asks_for_ecn = (item.segment.flags & ecn) == ecn;
        guard_->template record<AddressBytes>(decision.flow).counted |=
            static_cast<std::uint16_t>((asks_for_all ? GuardRecord::asked_for_all : 0U) |
                                       (asks_for_ecn ? GuardRecord::asked_for_ecn : 0U));
    }
    return decision;
}

/// On a plain packet, a stage before it is judged: a SYN that seems to belong to no flow will be counted, and
/// what that takes is asked for.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::foresee(Item& item) {
    if (!guards() || item.general != nullptr || item.protocol != packet::tcp ||
        tcp::classify_flags(item.segment.flags) != tcp::FlagClass::syn)
        return;
    const Ends ends{key<AddressBytes>(item), item.from_high ? 1U : 0U};
    const guard::ServiceNumber service = service_of(ends);
    const std::size_t place = place_of(item);
    foreseen_[place] = {guard_->account().prefetch(ends.source(), service), service};
    is_foreseen_ |= std::uint64_t{1} << place;
}

/// Whether a RST without a flow is what a client answers a challenge with: the number that it was told its
/// SYN was acknowledged with (RFC 9293 3.10.7.3). Its source is trusted then.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
bool Tracker<Io, Observer>::answers_challenge(Item& item, Now now) {
    const Ends ends{key<AddressBytes>(item), item.from_high ? 1U : 0U};
    const guard::ServiceNumber service = service_of(ends);
    if (!guard_->expects_cookies(service) || settings_->protection->rules_of(service).proof != Proof::reset ||
        guard_->cookies()
                .template check<AddressBytes>(ends.handshake(0), item.segment.sequence + 1, std::nullopt,
                                              now.tick)
                .verdict != guard::CookieVerdict::good)
        return false;
    guard_->trust_source(ends.source());
    return true;
}

/// Turns an answer, from its network header on, into one that acknowledges something else.
template <unsigned AddressBytes>
void acknowledge_another(std::span<std::uint8_t> answer, std::uint32_t acknowledgement) {
    std::uint8_t* const tcp =
        &answer[AddressBytes == 4 ? packet::ipv4_header_bytes : packet::ipv6_header_bytes];
    packet::ChecksumChange change;
    change.replace(8, load<be32>(tcp + 8), be32(acknowledgement));
    store(tcp + 8, be32(acknowledgement));
    store(tcp + 16, change.update(load<be16>(tcp + 16)));
}

/// The answers of a burst, written side by side.
template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::write_answers(Now now) {
    for (const packet::Family family : {packet::Family::ipv4, packet::Family::ipv6}) {
        std::array<const Answer*, answers_together> some;
        std::size_t count = 0;
        const auto write = [&] {
            by_family(family, [&]<unsigned AddressBytes>() {
                write_answers_of<AddressBytes>(std::span(some).first(count), now);
            });
            count = 0;
        };
        for (std::size_t i = 0; i < answer_count_; ++i) {
            if (answers_[i].item->family != family) continue;
            some[count++] = &answers_[i];
            if (count == answers_together) write();
        }
        if (count != 0) write();
    }
    answer_count_ = 0;
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::write_answers_of(std::span<const Answer* const> answers, Now now) {
    std::array<guard::Handshake<AddressBytes>, answers_together> handshakes;
    std::array<guard::CookieOptions, answers_together> options;
    std::array<guard::Cookie, answers_together> cookies;
    const std::size_t count = answers.size();
    for (std::size_t i = 0; i < count; ++i) {
        Item& item = *answers[i]->item;
        const packet::TcpFields& syn = item.general->headers.tcp;
        const Ends ends{key<AddressBytes>(item), item.from_high ? 1U : 0U};
        // A challenge is answered by a RST, which says nothing of the SYN.
        const bool challenge = answers[i]->challenge;
        handshakes[i] = ends.handshake(challenge ? 0 : syn.sequence);
        options[i] =
            challenge ? guard::CookieOptions{} : promised_options(syn, guard_->profile(answers[i]->service));
    }
    guard_->cookies().template make<AddressBytes>(std::span(handshakes).first(count),
                                                  std::span(options).first(count), now.tick,
                                                  std::span(cookies).first(count));
    for (std::size_t i = 0; i < count; ++i) {
        Item& item = *answers[i]->item;
        const packet::SynAck answer{.sequence = cookies[i].sequence,
                                    .window = 0,
                                    .ecn = options[i].ecn,
                                    .mss = guard_->profile(answers[i]->service).mss,
                                    .has_timestamps = options[i].has_timestamps,
                                    .sack_permitted = options[i].sack_permitted,
                                    .has_window_scale = options[i].has_window_scale,
                                    .window_scale = guard_->promised_scale(answers[i]->service),
                                    .timestamp_value = cookies[i].timestamp};
        const std::size_t length = packet::write_syn_ack(input_of(item.packet), item.general->headers, answer,
                                                         Io::writable(item.packet));
        if (answers[i]->challenge)
            acknowledge_another<AddressBytes>(
                Io::writable(item.packet).subspan(item.general->headers.network_offset), cookies[i].sequence);
        // It may be answered and never grows, so it always fits.
        Io::set_length(item.packet, static_cast<std::uint32_t>(length));
    }
}

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

// ---- Proxied flows

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

/// The item's TCP header, when it may be written; otherwise nothing.
template <PacketIo Io, class Observer>
[[gnu::always_inline]] inline std::span<std::uint8_t> Tracker<Io, Observer>::writable_header(
    const Item& item) {
    std::size_t offset, length;
    std::span<std::uint8_t> bytes;
    if (item.general == nullptr) {
        bytes = Io::writable(item.packet);
        if (bytes.empty()) return {};
        // Plain: an IP header of one length behind Ethernet, with a tag or without.
        const std::uint16_t ether_type = load<be16>(&bytes[12]).host();
        offset =
            packet::ethernet_header_bytes + (packet::is_vlan_tag(ether_type) ? packet::vlan_tag_bytes : 0) +
            (item.family == packet::Family::ipv4 ? packet::ipv4_header_bytes : packet::ipv6_header_bytes);
        length = std::size_t{bytes[offset + 12]} >> 4U << 2U;
    } else {
        bytes = Io::writable(item.general->bearer);
        offset = item.general->headers.transport_offset;
        length = item.general->headers.tcp.header_length;
    }
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
