// Inspection on the packet path: flows that began under a rule with a profile are read, and what the tracker
// lets through of them leaves when it was read. Part of tracker.hpp.
//
// A TCP flow that is read has a bit in its record (Connection::pending_syn: something lies beside it) by
// which a group of packets sees that it has such, and a number in Inspector. Each segment that would pass
// goes through Reassembly: nearly every one passes in its place (read_next()); others leave behind what is in
// the output, wait until all in front of them was scanned, or are dropped. Segments that were refused never
// get there. Datagrams are scanned one by one and nothing of them is kept.
//
// The flow of a proxied connection is read in its server's numbers, as the table has them.
#pragma once

#include "sluice/pipeline/tracker.hpp"
#include "sluice/pipeline/tracker_refusals.hpp"

namespace sluice::pipeline {

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::Train::add(Packet* packet, const Decision& decision) {
    Packet* last = packet;
    if (decision.datagram)
        while (Io::next_fragment(last) != nullptr) last = Io::next_fragment(last);
    else
        Io::set_next_fragment(last, nullptr);
    if (empty()) {
        first_ = packet;
        decision_ = decision;
    } else {
        Io::set_next_fragment(last_, packet);
        decision_.datagram = true;
    }
    last_ = last;
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::Train::leave(Output<Io>& out) {
    if (empty()) return;
    out.add(first_, decision_);
    first_ = nullptr;
}

/// What Reassembly says, obeyed. Made for one call of it.
template <PacketIo Io, class Observer>
class Tracker<Io, Observer>::ReadingSink {
  public:
    /// `why`: what is dropped without a word of it.
    ReadingSink(Tracker& tracker, Reason why) : tracker_(tracker), why_(why) {}
    ReadingSink(const ReadingSink&) = delete;
    ReadingSink& operator=(const ReadingSink&) = delete;
    ~ReadingSink() { leave(); }
    void leave() { passing_.leave(*tracker_.out_); }

    void out(const Read<Packet>& read, inspect::Fate fate) {
        Item item;
        item.bytes = read.bytes;
        item.packets = read.packets;
        item.packet = read.packet;
        Decision decision = read.decision;
        if (fate == inspect::Fate::drop) {
            decision.action = Action::drop;
            decision.state = CtState::untracked;
            decision.reason = why_;
        }
        tracker_.count(item, decision);
        if (fate == inspect::Fate::drop) {
            tracker_.give_up(read.packet, decision);
            return;
        }
        const auto is_like = [&](const Decision& other) {
            return other.flow == decision.flow && other.direction == decision.direction &&
                   other.family == decision.family && other.state == decision.state;
        };
        if (!passing_.empty() && !is_like(passing_.decision())) passing_.leave(*tracker_.out_);
        passing_.add(read.packet, decision);
    }

    inspect::Effect match(inspect::FlowNumber number, tcp::Direction direction, std::uint32_t signature,
                          std::uint64_t end) {
        const inspect::Effect effect = tracker_.match(number, direction, signature, end);
        if (effect == inspect::Effect::block) why_ = Reason::signature;
        return effect;
    }

    /// What a packet is dropped for follows on what is told of it.
    void event(inspect::FlowNumber, tcp::Direction, inspect::Event event) {
        switch (event) {
            case inspect::Event::differing:
            case inspect::Event::unverifiable:
            case inspect::Event::beyond_window:
            case inspect::Event::low_ttl:
                why_ = Reason::evasion;
                return;
            case inspect::Event::duplicate:
                why_ = Reason::inspection_duplicate;
                return;
            case inspect::Event::no_memory:
            case inspect::Event::no_stream:
                why_ = Reason::inspection_full;
                return;
            case inspect::Event::waited:
                why_ = Reason::inspection_timeout;
                return;
            default:  // nothing is dropped for it
                return;
        }
    }

  private:
    Tracker& tracker_;
    Train passing_;
    Reason why_;
};

/// For what passes at once, unless there is a match in it.
template <PacketIo Io, class Observer>
struct Tracker<Io, Observer>::MatchSink {
    Tracker& tracker;
    inspect::Effect match(inspect::FlowNumber number, tcp::Direction direction, std::uint32_t signature,
                          std::uint64_t end) {
        return tracker.match(number, direction, signature, end);
    }
};

/// Drops a packet, whenever it comes out.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::give_up(Packet* packet, const Decision& decision) {
    if (!given_up_.empty() && given_up_.decision().reason != decision.reason) given_up_.leave(*out_);
    given_up_.add(packet, decision);
}

// ---- Flows begin and cease to be read

/// Whether both FINs were acknowledged: no receiver takes any more. (That a RST has passed proves nothing;
/// its receiver may not have believed it, or not have got it.)
[[nodiscard]] inline bool is_finished(const tcp::Connection& connection) {
    const auto pair = static_cast<tcp::Pair>(connection.pair);
    return pair == tcp::Pair::time_wait__closed || pair == tcp::Pair::closed__time_wait ||
           pair == tcp::Pair::time_wait__time_wait;
}

/// Whether a SYN may say where the data begin.
[[nodiscard]] inline bool is_opening(const tcp::Connection& connection) {
    const auto pair = static_cast<tcp::Pair>(connection.pair);
    return pair == tcp::Pair::syn_sent__syn_rcvd || pair == tcp::Pair::syn_rcvd__syn_rcvd ||
           pair == tcp::Pair::established__syn_rcvd || pair == tcp::Pair::syn_rcvd__established;
}

/// A flow is read, or not, as its rule says now. False: it would have to be and there is no room.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] bool Tracker<Io, Observer>::read_as_ruled(flow::Ref ref, Now now) {
    auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    if (record.key.protocol != packet::tcp) return true;
    const Policy* const policy = rules_.policy();
    const ProfileNumber profile =
        policy == nullptr ? no_profile : policy->profile_of(rules_.template record<AddressBytes>(ref).rule);
    const inspect::FlowNumber number = inspector_->template number_of<AddressBytes>(ref);
    if (number != inspect::no_flow) {
        if (inspector_->is_current(number) && inspector_->reading(number).profile == profile) return true;
        stop_reading<AddressBytes>(ref);
    }
    if (profile == no_profile || is_finished(record.payload.tcp) || is_killed(record.payload.tcp))
        return true;
    if (!inspector_->template begin<AddressBytes>(ref, profile)) return !must_read(profile);
    FlowState state = record.payload;
    state.tcp.pending_syn = 1;
    flows.update(ref, state, record.expiry, now.tick);
    return true;
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::stop_reading(flow::Ref ref) {
    ReadingSink sink(*this, Reason::inspection_timeout);
    inspector_->template end<AddressBytes>(ref, sink);
}

/// Whether nothing passes that was not read.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::must_read(ProfileNumber profile) const {
    const inspect::Terms& terms = inspector_->scanners.inspection()->profile(profile).terms;
    return terms.blocking && !terms.fail_open;
}

/// The SYN of a flow that the box opens itself has passed in this direction.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::note_initial_sequence(flow::Ref ref, tcp::Direction direction,
                                                  std::uint32_t sequence) {
    if (inspector_ == nullptr) return;
    const inspect::FlowNumber number = inspector_->template number_of<AddressBytes>(ref);
    if (number != inspect::no_flow) inspector_->streams.begin(number, direction, sequence);
}

// ---- Packets

/// On a packet that is to pass: whether it is read first. Then it leaves, if it does, behind what is in the
/// output.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] bool Tracker<Io, Observer>::read(Item& item, Decision decision, Now now) {
    if (item.kind != Kind::flow || decision.action != Action::pass || decision.flow == flow::no_ref)
        return false;
    if (item.protocol != packet::tcp) return read_datagram<AddressBytes>(item, decision, now);
    const flow::Ref ref = decision.flow;
    inspect::FlowNumber number = inspector_->template number_of<AddressBytes>(ref);
    if (number == inspect::no_flow) return false;
    if (!inspector_->is_current(number)) {  // the profiles are others than those it began with
        if (!renew<AddressBytes>(ref, now)) {
            drop_unread(item, decision, Reason::policy_denied);
            return true;
        }
        number = inspector_->template number_of<AddressBytes>(ref);
        if (number == inspect::no_flow) return false;
    }
    const ProfileNumber profile = inspector_->reading(number).profile;
    const bool blocking = inspector_->scanners.inspection()->profile(profile).terms.blocking;
    if (decision.state == CtState::invalid) {  // refused, and passes if Settings::drop_invalid says so
        if (blocking) drop_unread(item, decision, decision.reason);
        return blocking;
    }
    // What a RST carries is no data. It leaves behind the data in front of it, which left their places.
    if ((item.segment.flags & tcp::Flag::rst) != 0) return pass_unread(item, decision);
    if ((item.segment.flags & tcp::Flag::syn) != 0) {
        if (blocking && item.segment.payload_length != 0) {
            drop_unread(item, decision, Reason::syn_data);
            return true;
        }
        // Where it says nothing of this connection, nobody takes its number for the first, or its data. So it
        // is with a SYN,ACK in the window of a connection that is open.
        const tcp::Connection& connection = table<AddressBytes>().record(ref).payload.tcp;
        if (decision.reason != Reason::none || !is_opening(connection)) return pass_unread(item, decision);
        begin_streams(number, decision.direction, item.segment);
    }
    read_segment<AddressBytes>(item, number, decision, now);
    return true;
}

/// A SYN says where the data of its sender begin, and its acknowledgement where those of the other do, which
/// may have sent several.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::begin_streams(inspect::FlowNumber number, tcp::Direction direction,
                                          const tcp::Segment& segment) {
    auto& streams = inspector_->streams;
    streams.begin(number, direction, segment.sequence);
    if ((segment.flags & tcp::Flag::ack) != 0)
        streams.begin(number, tcp::opposite(direction), segment.acknowledgement - 1);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::read_segment(Item& item, inspect::FlowNumber number, const Decision& decision,
                                         Now now) {
    const tcp::Segment& from = item.segment;
    const flow::Ref ref = decision.flow;
    const tcp::Connection& connection = table<AddressBytes>().record(ref).payload.tcp;
    const bool syn = (from.flags & tcp::Flag::syn) != 0;
    inspect::StreamSegment segment;
    segment.sequence = from.sequence + (syn ? 1 : 0);
    segment.fin = (from.flags & tcp::Flag::fin) != 0;
    segment.has_acknowledgement = (from.flags & tcp::Flag::ack) != 0;
    segment.acknowledgement = from.acknowledgement;
    segment.right_edge = segment.sequence + from.payload_length;
    if (connection.seen == 3 && !syn)
        segment.right_edge = connection.side[static_cast<unsigned>(decision.direction)].max_end;
    if (from.payload_length != 0) {
        if (item.general == nullptr) [[likely]] {
            const PlainSegment<AddressBytes> plain(Io::data(item.packet));
            segment.ttl = plain.hop_limit();
            segment.payload =
                bytes_of(item.packet, plain.offset() + plain.header_length(), from.payload_length);
        } else {
            const packet::Headers& headers = item.general->headers;
            segment.ttl = headers.hop_limit;
            segment.payload = payload_of(item, headers.tcp.header_length, from.payload_length);
        }
    }
    const std::uint32_t unread =
        inspector_->streams.next_to_scan(number, decision.direction, segment.sequence);
    ReadingSink sink(*this, Reason::signature);
    inspector_->streams.segment(number, decision.direction, segment,
                                {item.packet, decision, item.bytes, item.packets}, now.tick, sink);
    sink.leave();
    if (!inspector_->resets().empty())
        reset_flow<AddressBytes>(item, ref, decision.direction, unread, now);
    else if (inspector_->streams.is_cleared(number) || is_finished(connection))
        inspector_->note_ending(AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6, ref);
    inspector_->forget_resets();
    count_held();
}

/// The same in short, of an open connection, for one that has no SYN, FIN or RST: nearly all. True: it
/// passes, as decided, in its place. False: it is for read().
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline bool Tracker<Io, Observer>::read_next(const Item& item,
                                                                    inspect::FlowNumber number,
                                                                    tcp::Direction direction) {
    if (item.general != nullptr) [[unlikely]]
        return false;
    const tcp::Segment& from = item.segment;
    std::uint8_t ttl = 0;
    std::uint32_t right_edge = 0;
    std::span<const std::uint8_t> payload;
    if (from.payload_length != 0) {
        const PlainSegment<AddressBytes> plain(Io::data(item.packet));
        const std::size_t begin = plain.offset() + plain.header_length();
        if (begin + from.payload_length > Io::first_length(item.packet)) [[unlikely]]
            return false;
        ttl = plain.hop_limit();
        payload = {Io::data(item.packet) + begin, from.payload_length};
        const tcp::Connection& connection = table<AddressBytes>().record(item.candidate).payload.tcp;
        right_edge = connection.side[static_cast<unsigned>(direction)].max_end;
    }
    const inspect::StreamSegment segment{.sequence = from.sequence,
                                         .payload = payload,
                                         .has_acknowledgement = true,
                                         .acknowledgement = from.acknowledgement,
                                         .right_edge = right_edge,
                                         .ttl = ttl};
    MatchSink sink{*this};
    return inspector_->streams.pass_next(number, direction, segment, sink);
}

/// Bytes of a packet, in one piece.
template <PacketIo Io, class Observer>
std::span<const std::uint8_t> Tracker<Io, Observer>::bytes_of(const Packet* packet, std::size_t at,
                                                              std::uint32_t length) {
    if (at + length <= Io::first_length(packet)) [[likely]]
        return {Io::data(packet) + at, length};
    std::uint8_t* const gathered = inspector_->gathered();
    length = std::min<std::uint32_t>(length, Inspector<Packet>::gathered_bytes);
    Io::copy(packet, static_cast<std::uint32_t>(at), length, gathered);
    return {gathered, length};
}

/// What lies behind the transport header of an item, in one piece.
template <PacketIo Io, class Observer>
std::span<const std::uint8_t> Tracker<Io, Observer>::payload_of(const Item& item, std::uint32_t header,
                                                                std::uint32_t length) {
    std::uint8_t* const gathered = inspector_->gathered();
    if (pieces_.empty())
        return bytes_of(item.general->bearer, item.general->headers.transport_offset + header, length);
    // Behind the IPv6 extension headers that the first piece has in front of the transport.
    const std::uint32_t whole = item.general->headers.transport_length;
    std::uint32_t end = 0;
    for (const Piece& piece : pieces_) end = std::max(end, piece.offset + piece.transport_length);
    const std::uint32_t skipped = end > whole ? end - whole : 0;
    for (const Piece& piece : pieces_) {
        const std::uint32_t to = piece.offset == 0 ? 0 : piece.offset - skipped;
        if (to + piece.transport_length <= Inspector<Packet>::gathered_bytes)
            Io::copy(piece.packet, piece.transport_offset, piece.transport_length, gathered + to);
    }
    return {gathered + header, length};
}

/// A signature wants the connection of this item closed at both ends; the item is dropped already, and so is
/// what its sender has sent from `unread` on.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::reset_flow(Item& item, flow::Ref ref, tcp::Direction direction,
                                       std::uint32_t unread, Now now) {
    auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    // Nobody is told. It stays and so do its streams, which let nothing through: without it, where
    // connections are picked up in mid-stream, what comes next would begin another.
    if (is_over(record.payload.tcp)) return;
    FlowState state = record.payload;
    state.tcp.side[static_cast<unsigned>(direction)].end = unread;
    flows.update(ref, state, record.expiry, now.tick);
    const bool to_server = direction == tcp::Direction::original;
    std::optional<Way> way;
    const packet::Headers& headers = headers_of(item);  // which fills item.general
    if (const auto link = packet::link_header_of(input_of(item.general->bearer), headers))
        way = Way{to_server ? *link : packet::reversed(*link), Io::port(item.packet)};
    // What goes on by the port's partner as the item would have, and what goes back by its own.
    kill<AddressBytes>(ref, now, way, direction);
}

/// Of a flow that is read: in its order, behind what is in the output. True.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::pass_unread(const Item& item, const Decision& decision) {
    ReadingSink(*this, Reason::none)
        .out({item.packet, decision, item.bytes, item.packets}, inspect::Fate::pass);
    return true;
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::drop_unread(const Item& item, Decision decision, Reason reason) {
    decision.action = Action::drop;
    if (decision.state != CtState::invalid) decision.state = CtState::untracked;
    decision.reason = reason;
    count(item, decision);
    give_up(item.packet, decision);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
bool Tracker<Io, Observer>::read_datagram(Item& item, const Decision& decision, Now now) {
    const flow::Ref ref = decision.flow;
    if (!rules_.template is_judged<AddressBytes>(ref) && !renew<AddressBytes>(ref, now)) {
        drop_unread(item, decision, Reason::policy_denied);
        return true;
    }
    const Policy* const policy = rules_.policy();
    if (policy == nullptr) return false;
    const ProfileNumber profile = policy->profile_of(rules_.template record<AddressBytes>(ref).rule);
    if (profile == no_profile) return false;
    auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    bool blocked = record.payload.datagram.blocked != 0;
    if (!blocked) {
        const packet::Headers& headers = headers_of(item);
        // UDP and ICMP queries have 8 bytes of their own; of other protocols nothing is known, and all is
        // read.
        const std::uint32_t header = item.protocol == packet::udp || packet::is_icmp(item.protocol) ? 8 : 0;
        const std::uint32_t length = headers.udp_length != 0 ? headers.udp_length : headers.transport_length;
        if (length <= header) return false;
        inspector_->counters.datagrams.add();
        inspector_->scanners.scan_datagram(
            profile, decision.direction, payload_of(item, header, length - header),
            [&](std::uint32_t signature, std::uint64_t end) {
                const auto done = found<AddressBytes>(ref, profile, decision.direction, signature, end);
                blocked = blocked || done == policy::SignatureAction::drop ||
                          done == policy::SignatureAction::reset;
            });
        if (!blocked) return false;
        FlowState state = record.payload;
        state.datagram.blocked = 1;
        flows.update(ref, state, record.expiry, now.tick);
    }
    drop_unread(item, decision, Reason::signature);
    return true;
}

// ---- Matches

/// In a stream. Whether it blocks its flow.
template <PacketIo Io, class Observer>
inspect::Effect Tracker<Io, Observer>::match(inspect::FlowNumber number, tcp::Direction direction,
                                             std::uint32_t signature, std::uint64_t end) {
    const Reading& reading = inspector_->reading(number);
    const policy::SignatureAction done = by_family(reading.family, [&]<unsigned AddressBytes>() {
        return found<AddressBytes>(reading.flow, reading.profile, direction, signature, end);
    });
    if (done == policy::SignatureAction::reset) inspector_->note_reset(number);
    const bool blocks = done == policy::SignatureAction::drop || done == policy::SignatureAction::reset;
    return blocks ? inspect::Effect::block : inspect::Effect::none;
}

/// A signature has matched: counted, told, and done what it asks for. What that was; a flow is dropped or
/// reset by the caller.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::noinline]] policy::SignatureAction Tracker<Io, Observer>::found(flow::Ref ref, ProfileNumber profile,
                                                                       tcp::Direction direction,
                                                                       std::uint32_t signature,
                                                                       std::uint64_t end) {
    using policy::SignatureAction;
    Inspector<Packet>& inspector = *inspector_;
    const InspectionProfile& terms = inspector.scanners.inspection()->profile(profile);
    const policy::Signature& matched = terms.signatures()[signature];
    auto& flows = table<AddressBytes>();
    const auto& record = flows.record(ref);
    const bool client_is_high = flows.original_from_high(record);
    const std::uint16_t port = Ends{record.key, client_is_high ? 1U : 0U}.port(guard::Toward::server);
    if (!matched.service.covers(record.key.protocol, port)) return SignatureAction::alert;
    SignatureTally& tally = inspector.scanners.tally(profile, signature);
    tally.hits.add();
    inspector.counters.hits.add();
    SignatureAction done = matched.action;
    if (!terms.terms.blocking && (done == SignatureAction::drop || done == SignatureAction::reset))
        done = SignatureAction::alert;
    if (done == SignatureAction::mark) flows.set_mark(ref, matched.mark);

    if (tally.alerts.take(1, inspector.time()) == 0) {
        tally.suppressed.add();
        inspector.counters.suppressed.add();
        return done;
    }
    Alert* const alert = inspector.alerts.claim();
    if (alert == nullptr) {
        inspector.counters.lost.add();
        return done;
    }
    alert->wall_nanoseconds = at_.wall_nanoseconds;
    alert->position = end;
    alert->generation = inspector.scanners.inspection()->generation();
    alert->signature = signature;
    alert->signature_id = matched.id;
    alert->profile = profile;
    alert->done = done;
    alert->family = AddressBytes == 4 ? packet::Family::ipv4 : packet::Family::ipv6;
    alert->flow = ref;
    alert->direction = direction;
    alert->original_from_high = client_is_high;
    if constexpr (AddressBytes == 4)
        alert->key4 = record.key;
    else
        alert->key6 = record.key;
    const auto bytes = inspector.scanners.scanning();
    const inspect::FlowNumber number = inspector.template number_of<AddressBytes>(ref);
    const std::uint64_t before = number == inspect::no_flow ? 0 : inspector.streams.fed(number, direction);
    const std::size_t here = std::min<std::size_t>(end - before, bytes.size());
    const std::size_t length = std::min<std::size_t>({here, terms.excerpt, longest_excerpt});
    alert->excerpt_length = static_cast<std::uint16_t>(length);
    std::copy_n(bytes.data() + (here - length), length, alert->excerpt.begin());
    inspector.alerts.publish();
    return done;
}

// ---- Time, and the end

/// What waits for its turn or waited too long, and flows whose profiles were replaced.
template <PacketIo Io, class Observer>
[[gnu::noinline]] unsigned Tracker<Io, Observer>::poll_inspection(Now now) {
    // As many records as the rules judge anew in a poll.
    unsigned budget = 64;
    if (inspector_->is_idle()) return 0;
    inspector_->advance(now.tick);
    while (budget != 0 && !inspector_->all_current()) {
        const inspect::FlowNumber number = inspector_->next_outdated(budget);
        if (number == inspect::no_flow) break;
        const Reading& reading = inspector_->reading(number);
        by_family(reading.family,
                  [&]<unsigned AddressBytes>() { (void)renew<AddressBytes>(reading.flow, now); });
    }
    // Until then what waits belongs to streams that are no more.
    if (inspector_->all_current()) {
        ReadingSink sink(*this, Reason::inspection_timeout);
        inspector_->streams.poll(now.tick, sink);
        sink.leave();
        for (const inspect::FlowNumber number : inspector_->resets()) {
            const Reading& reading = inspector_->reading(number);
            if (reading.flow == flow::no_ref) continue;
            by_family(reading.family, [&]<unsigned AddressBytes>() {
                if (!is_over(table<AddressBytes>().record(reading.flow).payload.tcp))
                    kill<AddressBytes>(reading.flow, now);
            });
        }
        inspector_->forget_resets();
    }
    inspector_->count_now();
    count_held();
    return inspector_->all_current() ? 0 : 1;
}

/// A flow is read for what its rule says now, which may be another. False: it is gone.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
bool Tracker<Io, Observer>::renew(flow::Ref ref, Now now) {
    if (rules_.policy() != nullptr) return judge_anew<AddressBytes>(ref, now);
    (void)read_as_ruled<AddressBytes>(ref, now);
    return true;
}

/// Packets that were read and did not pass at once have left their places in the output to nobody.
template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::close_gaps(Output<Io>& out) {
    const auto begin = out.judged.begin();
    const auto end = std::remove_if(begin, begin + static_cast<std::ptrdiff_t>(out.size),
                                    [](const auto& judged) { return judged.packet == nullptr; });
    out.size = static_cast<std::size_t>(end - begin);
    has_gaps_ = false;
}

/// Once all packets of a call are judged.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::end_reading(Output<Io>& out) {
    // Not before: what follows in the burst would keep its place and overtake what was read.
    for (const auto& [family, ref] : inspector_->endings())
        by_family(family, [&, ref = ref]<unsigned AddressBytes>() {
            const inspect::FlowNumber number = inspector_->template number_of<AddressBytes>(ref);
            if (number != inspect::no_flow && (inspector_->streams.is_cleared(number) ||
                                               is_finished(table<AddressBytes>().record(ref).payload.tcp)))
                stop_reading<AddressBytes>(ref);
        });
    inspector_->forget_endings();
    if (has_gaps_) close_gaps(out);
    given_up_.leave(out);
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::drop_unread_of_all() {
    for (inspect::FlowNumber number = 0; number < inspector_->capacity(); ++number) {
        const Reading& reading = inspector_->reading(number);
        if (reading.flow == flow::no_ref) continue;
        by_family(reading.family, [&]<unsigned AddressBytes>() { stop_reading<AddressBytes>(reading.flow); });
    }
}

}  // namespace sluice::pipeline
