// Segments that belong to no flow, while there is a guard: SYNs, and the answers to them. Part of
// tracker.hpp.
#pragma once

#include "sluice/packet/syn_ack.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

/// A plain SYN, and an address from its bytes, by how long addresses are.
template <unsigned AddressBytes>
using PlainSegment = packet::PlainSegment<AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6>;
template <unsigned AddressBytes>
[[nodiscard]] guard::Address address_of(const std::uint8_t* bytes) {
    if constexpr (AddressBytes == 4)
        return guard::Address::ipv4(bytes);
    else
        return guard::Address::ipv6(bytes);
}

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
    const SynSight sight =
        item.general == nullptr && was_foreseen(item)
            ? foreseen_[place_of(item)]
            : SynSight{guard_->account().hash(ends.source()), service_of(ends), packet::SynForm::other};
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
                        .asks_for_ecn = (item.segment.flags & ecn) == ecn,
                        .must_prove = is_to_prove_itself<AddressBytes>(item)});
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
            if (const auto denied = forbidden_answer<AddressBytes>(item, now)) return *denied;
            // What comes back with the cookie is to find no flow.
            if (reopened != nullptr)
                table<AddressBytes>().remove(item.candidate, flow::Removal::replaced,
                                             on_removed<AddressBytes>());
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

/// Of a plain packet to a server. A flood's want one service.
template <PacketIo Io, class Observer>
template <packet::Family family>
[[gnu::always_inline]] inline guard::ServiceNumber Tracker<Io, Observer>::service_of(
    const packet::PlainSegment<family>& segment) {
    constexpr unsigned address_bytes = packet::PlainSegment<family>::address_bytes;
    const guard::Address server = address_of<address_bytes>(segment.addresses() + address_bytes);
    const std::uint16_t port = load<be16>(segment.segment() + 2).host();
    if (!(last_service_.address == server) || last_service_.port != port)
        last_service_ = {server, port, settings_->protection->services.find(server, port)};
    return last_service_.service;
}

/// On a plain packet, a stage before it is judged: a SYN that seems to belong to no flow will be counted, and
/// what that takes is asked for.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::foresee(Item& item) {
    if (!guards() || item.general != nullptr || item.protocol != packet::tcp ||
        tcp::classify_flags(item.segment.flags) != tcp::FlagClass::syn)
        return;
    const PlainSegment<AddressBytes> syn(Io::data(item.packet));
    const guard::ServiceNumber service = service_of(syn);
    const std::size_t place = place_of(item);
    const auto source = guard::Source::of(address_of<AddressBytes>(syn.addresses()));
    foreseen_[place] = {guard_->account().prefetch(source, service), service,
                        item.segment.flags == packet::syn ? syn.syn_form() : packet::SynForm::other};
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

// ---- Under a flood: the short way, which knows one outcome. Nothing of it depends on the packets before it
// in the burst, so what goes it overtakes those that wait; its place in the output is its own.

/// On a plain packet that seems to belong to no flow, or a SYN that was foreseen. False, and nothing done: it
/// is for judge(), as every SYN is that rules do not let through.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline bool Tracker<Io, Observer>::settle_at_once(Item& item, Now now) {
    if (item.general != nullptr || !guards()) return false;
    if (item.usual) return refuse_at_once<AddressBytes>(item, now);
    return was_foreseen(item) && (rules_.policy() == nullptr || is_admitted(item)) &&
           answer_at_once<AddressBytes>(item);
}

/// By its bucket, as long as that is enough; the flow may have come since, or have moved home.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline bool Tracker<Io, Observer>::is_of_no_flow(const Item& item) {
    auto& flows = table<AddressBytes>();
    if (flows.candidate(item.hash) == flow::no_ref && !flows.may_lie_elsewhere(item.hash)) [[likely]]
        return true;
    return flows.holder_of(key<AddressBytes>(item), item.hash, flow::no_ref) == flow::no_ref;
}

/// On an ACK of no flow: refused when it brings a cookie that was guessed.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] bool Tracker<Io, Observer>::refuse_at_once(const Item& item, Now now) {
    const tcp::Settings& rules = settings_->tcp;
    if (tcp::classify_flags(item.segment.flags) != tcp::FlagClass::ack || item.segment.payload_length != 0 ||
        rules.loose || rules.asymmetric || (rules_.policy() != nullptr && rules_.policy()->picks_up))
        return false;
    const PlainSegment<AddressBytes> ack(Io::data(item.packet));
    const auto echo = ack.echo();
    if (!echo.known || !guard_->expects_cookies(service_of(ack))) return false;
    const auto& its_key = key<AddressBytes>(item);
    if (steering_.workers > 1 && steering_.owner(its_key, item.hash) != steering_.self) return false;
    if (!is_of_no_flow<AddressBytes>(item)) return false;
    const guard::Handshake<AddressBytes> handshake(ack.addresses(), ack.segment(), ack.sequence() - 1,
                                                   {its_key.vlans_and_pair, its_key.zone});
    const auto checked = guard_->cookies().template check_either<AddressBytes>(
        handshake, item.segment.acknowledgement, echo.there ? std::optional(echo.value) : std::nullopt,
        now.tick);
    if (checked.verdict != guard::CookieVerdict::wrong) return false;
    ++guesses_.packets;
    guesses_.bytes += item.bytes;
    const Decision decision = refuse(item, Reason::bad_cookie);
    if (decision.action == Action::drop && capture_.examples != nullptr &&
        capture_.examples->wants(Reason::bad_cookie, now.tick)) [[unlikely]] {
        at_ = now;
        keep_example(item.packet, decision);
    }
    out_->add(item.packet, decision);
    return true;
}

/// On a SYN that was foreseen: one that is answered, whatever it is and its source, waits for its cookie.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] bool Tracker<Io, Observer>::answer_at_once(const Item& item) {
    const std::size_t place = place_of(item);
    const SynSight& sight = foreseen_[place];
    if (sight.form == packet::SynForm::other) return false;
    const PlainSegment<AddressBytes> syn(Io::data(item.packet));
    const guard::Address client = address_of<AddressBytes>(syn.addresses());
    if (!guard_->answers(sight.service, client, sight.form == packet::SynForm::linux_like)) return false;
    if (steering_.workers > 1 && steering_.owner(key<AddressBytes>(item), item.hash) != steering_.self)
        return false;
    const std::span<std::uint8_t> buffer = Io::writable(item.packet);
    if (!syn.is_between_hosts() || buffer.size() < item.bytes || !is_of_no_flow<AddressBytes>(item))
        return false;
    guard_->count_answered(guard::Source::of(client), sight.source_hash, sight.service);
    PlainAnswers& answers = plain_answers<AddressBytes>();
    answers.frames[answers.count] = buffer.data();
    answers.places[answers.count++] = static_cast<std::uint8_t>(place);
    out_->add(item.packet, {.action = Action::answer, .state = CtState::untracked, .family = item.family});
    return true;
}

/// Those of a burst, eight side by side.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] void Tracker<Io, Observer>::write_plain_answers(Now now) {
    constexpr packet::Family family = PlainSegment<AddressBytes>::family;
    PlainAnswers& answers = plain_answers<AddressBytes>();
    std::array<guard::Handshake<AddressBytes>, answers_together> handshakes;
    std::array<guard::CookieOptions, answers_together> options;
    std::array<guard::Cookie, answers_together> cookies;
    std::array<const SynGuard::Answers*, answers_together> said;
    std::uint64_t bytes = 0;
    for (std::size_t at = 0; at < answers.count; at += answers_together) {
        const std::size_t some = std::min(answers_together, answers.count - at);
        for (std::size_t i = 0; i < some; ++i) {
            const Item& item = items_[answers.places[at + i]];
            const SynSight& sight = foreseen_[answers.places[at + i]];
            const PlainSegment<AddressBytes> syn(answers.frames[at + i]);
            const auto& its_key = key<AddressBytes>(item);
            said[i] = &guard_->answers_of(sight.service);
            handshakes[i] = {syn.addresses(), syn.segment(), item.segment.sequence,
                             flow::Domain{its_key.vlans_and_pair, its_key.zone}};
            options[i] = {};
            if (sight.form == packet::SynForm::linux_like) {
                options[i] = said[i]->promised;
                options[i].mss = syn.mss();
                options[i].window_scale = syn.window_scale();
            }
            bytes += item.bytes;
        }
        guard_->cookies().template make<AddressBytes>(std::span(handshakes).first(some),
                                                      std::span(options).first(some), now.tick,
                                                      std::span(cookies).first(some));
        for (std::size_t i = 0; i < some; ++i) {
            const Item& item = items_[answers.places[at + i]];
            const SynSight& sight = foreseen_[answers.places[at + i]];
            const std::size_t length =
                said[i]->forms[static_cast<std::size_t>(sight.form)].template write<family>(
                    {answers.frames[at + i], item.bytes}, cookies[i].sequence, cookies[i].timestamp);
            Io::set_length(item.packet, static_cast<std::uint32_t>(length));
        }
    }
    counters_.packets.add(answers.count);
    counters_.bytes.add(bytes);
    counters_.answered.add(answers.count);
    counters_.untracked.add(answers.count);
    answers.count = 0;
}

template <PacketIo Io, class Observer>
[[gnu::always_inline]] inline void Tracker<Io, Observer>::begin_burst() {
    if (guard_ == nullptr) [[likely]]
        return;
    is_foreseen_ = 0;
    last_service_ = {};
    guard_->begin_burst();
}

template <PacketIo Io, class Observer>
[[gnu::always_inline]] inline void Tracker<Io, Observer>::end_burst(Now now) {
    if (plain_answers4_.count != 0) [[unlikely]]
        write_plain_answers<4>(now);
    if (plain_answers6_.count != 0) [[unlikely]]
        write_plain_answers<16>(now);
    if (answer_count_ != 0) [[unlikely]]
        write_answers(now);
    if (guesses_.packets != 0) [[unlikely]]
        count_guesses();
}

template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::count_guesses() {
    counters_.packets.add(guesses_.packets);
    counters_.bytes.add(guesses_.bytes);
    (settings_->drop_invalid ? counters_.dropped : counters_.passed).add(guesses_.packets);
    counters_.reasons[static_cast<std::size_t>(Reason::bad_cookie)].add(guesses_.packets);
    counters_.invalid.add(guesses_.packets);
    guesses_ = {};
}

// ---- The others

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

}  // namespace sluice::pipeline
