// Fragments on their way through the tracker: held until their datagram is complete, judged as one, sent on
// as they came. Part of tracker.hpp.
#pragma once

#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::collect_fragment(Item& item, Now now, Output<Io>& out) {
    const flow::Domain domain = domain_of(item);
    const packet::FragmentPiece<Packet*> piece{.headers = item.general->headers,
                                               .vlans_and_pair = domain.vlans_and_pair,
                                               .zone = domain.zone,
                                               .frame_bytes = item.bytes,
                                               .handle = item.packet};
    // A port may spread the fragments of one datagram (the first has ports to hash, the others have none):
    // whoever receives one, the datagram's hash names the worker that collects them all.
    if (steering_.workers > 1) {
        const unsigned collector = flow::owner_of(fragments_.hash_of(piece), steering_.workers);
        if (collector != steering_.self) {
            const Decision elsewhere{.action = Action::handover,
                                     .family = item.family,
                                     .owner = static_cast<std::uint8_t>(collector)};
            finish(item, item.packet, elsewhere, out);
            return;
        }
    }
    DroppedFragments dropped(*this, out);
    const auto decision = fragments_.add(piece, now.tick, dropped);
    dropped.flush();
    if (decision.kind == packet::FragmentDecision<Packet*>::Kind::complete)
        judge_datagram(decision.packets, now, out);
    count_held();
}

/// Chains packets given up for the same reason into one decision: an addition may give up two datagrams and
/// itself.
template <PacketIo Io, class Observer>
class Tracker<Io, Observer>::DroppedFragments {
  public:
    DroppedFragments(Tracker& tracker, Output<Io>& out) : tracker_(tracker), out_(out) {}

    void operator()(Packet* packet, Reason reason) {
        if (count_ > 0 && reason != reason_) flush();
        Io::set_next_fragment(packet, nullptr);
        if (count_ == 0)
            first_ = packet;
        else
            Io::set_next_fragment(last_, packet);
        last_ = packet;
        reason_ = reason;
        bytes_ += Io::length(packet);
        ++count_;
    }

    void flush() {
        if (count_ == 0) return;
        Item item;
        item.packets = count_;
        item.bytes = bytes_;
        item.packet = first_;
        const bool refused = text_of(reason_).outcome == Outcome::refused;
        const Decision decision{.action = Action::drop,
                                .state = refused ? CtState::invalid : CtState::untracked,
                                .reason = reason_,
                                .datagram = true};
        tracker_.finish(item, first_, decision, out_);
        count_ = bytes_ = 0;
    }

  private:
    Tracker& tracker_;
    Output<Io>& out_;
    Packet* first_ = nullptr;
    Packet* last_ = nullptr;
    Reason reason_ = Reason::none;
    std::uint32_t count_ = 0, bytes_ = 0;
};

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::expire_fragments(Now now, Output<Io>& out) {
    DroppedFragments dropped(*this, out);
    fragments_.expire(now.tick, packet::max_fragments, dropped);
    dropped.flush();
    count_held();
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::count_held() {
    counters_.held.set(fragments_.packets() + (inspector_ == nullptr ? 0 : inspector_->streams.held()));
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::drop_held(Output<Io>& out) {
    out.size = 0;
    out_ = &out;
    DroppedFragments dropped(*this, out);
    fragments_.clear(Reason::fragment_timeout, dropped);
    dropped.flush();
    if (inspector_ != nullptr) {
        drop_unread_of_all();
        end_reading(out);
    }
    count_held();
    show(out, at_);
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::process_datagram(Packet* first, Now now, Output<Io>& out) {
    out.size = 0;
    out_ = &out;
    at_ = now;
    std::array<Packet*, packet::max_fragments> fragments;
    std::size_t count = 0;
    for (Packet* p = first; p != nullptr && count < fragments.size(); p = Io::next_fragment(p))
        fragments[count++] = p;
    judge_datagram({fragments.data(), count}, now, out);
    if (inspector_ != nullptr) end_reading(out);
    show(out, now);
}

/// Chains fragments in their order of arrival, so that one pointer stands for all.
template <PacketIo Io>
void link_fragments(std::span<typename Io::Packet* const> fragments) {
    for (std::size_t i = 0; i < fragments.size(); ++i)
        Io::set_next_fragment(fragments[i], i + 1 < fragments.size() ? fragments[i + 1] : nullptr);
}

/// Parses one fragment from a copy of its first bytes.
template <PacketIo Io, class Observer>
packet::ParseInput Tracker<Io, Observer>::parse_fragment(const Packet* fragment, HeaderBytes& bytes,
                                                         packet::Headers& headers) const {
    const auto count = std::min(Io::length(fragment), std::uint32_t{packet::max_header_bytes});
    Io::copy(fragment, 0, count, bytes.data());
    const packet::ParseInput input{{bytes.data(), count}, Io::length(fragment), link_};
    packet::parse(input, headers);
    return input;
}

/// The datagram is judged by the headers of its first fragment and the length of the whole.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::judge_datagram(std::span<Packet* const> fragments, Now now, Output<Io>& out) {
    link_fragments<Io>(fragments);
    General general;
    Item item;
    item.general = &general;
    item.usual = false;
    item.family = packet::Family::none;
    item.packet = fragments.front();
    item.kind = Kind::refused;
    item.refusal = Reason::malformed;
    item.packets = static_cast<std::uint32_t>(fragments.size());
    item.bytes = 0;
    item.candidate = flow::no_ref;

    std::array<Piece, packet::max_fragments> pieces;
    std::uint32_t total = 0;
    Packet* first = nullptr;
    for (std::size_t i = 0; i < fragments.size(); ++i) {
        HeaderBytes bytes;
        packet::Headers headers;
        (void)parse_fragment(fragments[i], bytes, headers);
        item.bytes += Io::length(fragments[i]);
        total =
            std::max<std::uint32_t>(total, std::uint32_t{headers.fragment.offset} + headers.fragment.length);
        pieces[i] = {fragments[i], headers.fragment.offset, headers.transport_offset,
                     headers.transport_length};
        if (!packet::is_later_fragment(headers)) first = fragments[i];
    }
    if (first != nullptr) {
        general.bearer = first;
        HeaderBytes bytes;
        const packet::ParseInput input = parse_fragment(first, bytes, general.headers);
        item.family = general.headers.family;
        adopt_datagram_length(item, total);
        if (item.refusal == Reason::none && !datagram_checksum_holds(item, {pieces.data(), fragments.size()}))
            item.refusal = Reason::bad_checksum;
        if (item.refusal == Reason::none) classify_parsed(item, input);
    }

    switch (item.kind) {
        case Kind::flow:
        case Kind::icmp_error:
            pieces_ = {pieces.data(), fragments.size()};
            if (is_traced(item.hash)) [[unlikely]]
                judge_traced(item, true, now, out);
            else
                judge_flow_or_hand_over(item, true, now, out);
            pieces_ = {};
            return;
        case Kind::untracked:
            pass_untracked(item, out);
            break;
        default:
            finish(item, item.packet, refuse(item, item.refusal), out);
            break;
    }
    out.judged[out.size - 1].decision.datagram = true;
}

/// From here on the first fragment's headers speak for the datagram.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::adopt_datagram_length(Item& item, std::uint32_t total) const {
    packet::Headers& headers = item.general->headers;
    // IPv6 extension headers behind the fragment header belong to the fragmentable part and not to the
    // transport.
    const std::uint32_t extension_bytes = headers.fragment.length - headers.transport_length;
    headers.transport_length = total - extension_bytes;
    headers.fragment = {};
    item.refusal = Reason::none;
    if (headers.protocol == packet::tcp)
        headers.tcp.payload_length = headers.transport_length - headers.tcp.header_length;
    if (headers.protocol == packet::udp && headers.udp_length > headers.transport_length)
        item.refusal = Reason::malformed;
}

/// Over the pieces in the order of their offsets, as the checksum wants them.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::datagram_checksum_holds(const Item& item, std::span<Piece> pieces) const {
    if (!settings_->checksum) return true;
    std::sort(pieces.begin(), pieces.end(),
              [](const Piece& a, const Piece& b) { return a.offset < b.offset; });
    const packet::Headers& headers = item.general->headers;
    packet::TransportChecksum sum(headers, headers.transport_length);
    for (const Piece& piece : pieces) {
        if (Io::transport_checksum(piece.packet) == ChecksumState::good)
            return true;  // vouched for by the source
        add_piecewise<Io>(sum, piece.packet, piece.transport_offset, piece.transport_length);
    }
    return sum.verdict() != packet::ChecksumVerdict::bad;
}

}  // namespace sluice::pipeline
