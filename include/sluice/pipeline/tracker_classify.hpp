// The first two stages of the burst: what is this packet, and where may its flow lie? Part of tracker.hpp.
#pragma once

#include "sluice/pipeline/segments.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::pipeline {

/// IHL in the first byte of an IPv4 header, in bytes.
[[nodiscard]] constexpr std::size_t ipv4_header_length(std::uint8_t first_byte) {
    return (first_byte & 0xFU) * 4U;
}

/// Feeds part of a packet in several segments to a checksum, a piece of scratch memory at a time.
template <PacketIo Io>
void add_piecewise(packet::TransportChecksum& sum, const typename Io::Packet* packet, std::uint32_t offset,
                   std::uint32_t length) {
    constexpr std::uint32_t piece_bytes = 2048;
    std::array<std::uint8_t, piece_bytes> piece;
    while (length > 0) {
        const auto count = std::min(length, piece_bytes);
        Io::copy(packet, offset, count, piece.data());
        sum.add({piece.data(), count});
        offset += count;
        length -= count;
    }
}

template <PacketIo Io, class Observer>
[[gnu::always_inline]] inline void Tracker<Io, Observer>::classify(Item& item) {
    const packet::ParseInput input = input_of(item.packet);
    item.packets = 1;
    item.bytes = static_cast<std::uint32_t>(input.frame_length);
    if (link_ == packet::LinkLayer::ethernet) [[likely]] {
        if (classify_plain<packet::Family::ipv4>(item, input, packet::ethernet_header_bytes,
                                                 flow::Domain::no_tag)) [[likely]]
            return;
        if (classify_other_plain(item)) return;
    }
    classify_general(item);
}

/// Plain TCP that is not IPv4 right behind the Ethernet header.
template <PacketIo Io, class Observer>
[[gnu::noinline]] bool Tracker<Io, Observer>::classify_other_plain(Item& item) {
    const packet::ParseInput input = input_of(item.packet);
    using packet::Family;
    std::size_t network = packet::ethernet_header_bytes;
    // Any plain packet is longer than a link header and a tag.
    if (input.bytes.size() < network + packet::vlan_tag_bytes) return false;
    std::uint16_t ether_type = load<be16>(input.bytes.data() + 12).host();
    std::uint16_t tag = flow::Domain::no_tag;
    if (packet::is_vlan_tag(ether_type)) {
        tag = load<be16>(input.bytes.data() + network).host() & 0x0FFFU;
        ether_type = load<be16>(input.bytes.data() + network + 2).host();
        network += packet::vlan_tag_bytes;
    }
    if (ether_type == packet::ether_type_ipv4 && tag != flow::Domain::no_tag)
        return classify_plain<Family::ipv4>(item, input, network, tag);
    if (ether_type == packet::ether_type_ipv6) return classify_plain<Family::ipv6>(item, input, network, tag);
    return false;
}

/// Fills `item` for plain TCP with sound checksums. False: the general path decides, from the start.
template <PacketIo Io, class Observer>
template <packet::Family family>
[[gnu::always_inline]] inline bool Tracker<Io, Observer>::classify_plain(Item& item,
                                                                         const packet::ParseInput& input,
                                                                         std::size_t network,
                                                                         std::uint16_t tag) {
    constexpr unsigned address_bytes = family == packet::Family::ipv4 ? 4 : 16;
    packet::PlainTcp plain;
    if (!packet::read_plain<family>(input, network, plain)) [[unlikely]]
        return false;
    const std::uint8_t* const source = plain.addresses;
    const std::uint8_t* const destination = plain.addresses + address_bytes;
    [[maybe_unused]] const flow::AddressPair addresses(source);
    // A host that talks to itself through us: the general path looks at the ports as well.
    const bool differ = family == packet::Family::ipv4 ? addresses.differ()
                                                       : std::memcmp(source, destination, address_bytes) != 0;
    if (!differ) [[unlikely]]
        return false;
    if (!plain_checksums_hold<family>(item.packet, network)) [[unlikely]]
        return false;

    auto& key = this->template key<address_bytes>(item);
    const flow::Domain domain = domain_of(item.packet, tag);
    if constexpr (family == packet::Family::ipv4) {
        item.from_high = flow::write_key(key, source, addresses, packet::tcp, domain);
    } else {
        const auto port = [&](std::size_t at) { return load<be16>(plain.segment + at).host(); };
        item.from_high = flow::write_key<address_bytes, true>(key, source, destination, port(0), port(2),
                                                              packet::tcp, domain);
    }
    hash_key<address_bytes>(item);
    item.kind = Kind::flow;
    item.refusal = Reason::none;
    item.protocol = packet::tcp;
    item.family = family;
    item.network_bytes = plain.network_length();
    item.segment.set(plain.numbers, plain.payload_length(), plain.window_and_flags);
    item.usual = tcp::are_usual(plain.flags());
    item.general = nullptr;
    if (!plain.options_are_usual()) [[unlikely]]
        set_options(item.segment, plain.options());
    return true;
}

/// Whatever is not plain TCP.
template <PacketIo Io, class Observer>
[[gnu::noinline]] void Tracker<Io, Observer>::classify_general(Item& item) {
    packet::ParseInput input = input_of(item.packet);
    General& general = general_[place_of(item)];
    item.general = &general;
    general.bearer = item.packet;
    item.usual = false;
    // Headers split over segments are copied into one piece; the packet itself is never touched.
    std::array<std::uint8_t, packet::max_header_bytes> gathered;
    if (input.bytes.size() < input.frame_length && input.bytes.size() < gathered.size()) [[unlikely]] {
        const auto count = static_cast<std::uint32_t>(std::min(input.frame_length, gathered.size()));
        Io::copy(item.packet, 0, count, gathered.data());
        input.bytes = {gathered.data(), count};
    }
    const packet::Headers& headers = general.headers;
    packet::parse(input, general.headers);
    item.refusal = headers.refusal;
    item.family = headers.family;
    if (item.refusal != Reason::none) [[unlikely]] {
        item.kind = Kind::refused;
    } else if (headers.family == packet::Family::none) [[unlikely]] {
        item.kind = Kind::not_ip;
    } else if (!checksums_hold(item, input)) [[unlikely]] {
        item.kind = Kind::refused;
        item.refusal = Reason::bad_checksum;
    } else if (headers.fragment.present) [[unlikely]] {
        item.kind = Kind::fragment;
    } else {
        classify_parsed(item, input);
    }
}

/// A whole packet, or a datagram put together: which flow would it belong to?
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::classify_parsed(Item& item, const packet::ParseInput& input) {
    const packet::Headers& headers = item.general->headers;
    item.family = headers.family;
    item.protocol = headers.protocol;
    item.network_bytes = headers.transport_offset - headers.network_offset + headers.transport_length;
    item.is_answer = headers.icmp_query && packet::is_icmp_reply(headers.protocol, headers.icmp_type);
    if (headers.protocol == packet::tcp) item.segment = segment_of(headers.tcp);
    if (headers.icmp_error) [[unlikely]] {
        classify_quote(item, input);
        return;
    }
    const bool is_icmp = headers.protocol == packet::icmp || headers.protocol == packet::icmpv6;
    if (is_icmp && !headers.icmp_query) [[unlikely]] {
        item.kind = Kind::untracked;  // neighbour discovery, listener reports, router advertisements
        return;
    }
    item.kind = Kind::flow;
    by_family(headers.family, [&]<unsigned AddressBytes>() {
        const flow::Domain domain = domain_of(item);
        set_key<AddressBytes>(
            item, is_icmp ? flow::make_query_key<AddressBytes>(
                                headers.source.data(), headers.destination.data(), headers.source_port,
                                packet::request_type_of(headers.protocol, headers.icmp_type),
                                packet::is_icmp_reply(headers.protocol, headers.icmp_type), headers.protocol,
                                domain)
                          : flow::make_key<AddressBytes>(headers.source.data(), headers.destination.data(),
                                                         headers.source_port, headers.destination_port,
                                                         headers.protocol, domain));
    });
}

/// An ICMP error is looked up by the packet it quotes.
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::classify_quote(Item& item, const packet::ParseInput& input) {
    const packet::Headers& headers = item.general->headers;
    packet::Quote& quote = item.general->quote;
    quote = packet::parse_quote(input, headers);
    if (!quote.valid) {
        item.kind = Kind::refused;
        item.refusal = Reason::malformed;
        return;
    }
    // The error goes to the sender of the packet it quotes, and both are of one family.
    if (quote.family != headers.family || quote.source != headers.destination) {
        item.kind = Kind::refused;
        item.refusal = Reason::icmp_mismatch;
        return;
    }
    item.kind = Kind::icmp_error;
    by_family(quote.family, [&]<unsigned AddressBytes>() {
        const flow::Domain domain = domain_of(item);
        const bool is_icmp = quote.protocol == packet::icmp || quote.protocol == packet::icmpv6;
        set_key<AddressBytes>(
            item, is_icmp
                      ? flow::make_query_key<AddressBytes>(
                            quote.source.data(), quote.destination.data(), quote.source_port,
                            packet::request_type_of(quote.protocol, quote.icmp_type),
                            packet::is_icmp_reply(quote.protocol, quote.icmp_type), quote.protocol, domain)
                      : flow::make_key<AddressBytes>(quote.source.data(), quote.destination.data(),
                                                     quote.source_port, quote.destination_port,
                                                     quote.protocol, domain));
    });
}

/// Of a packet with these tags; no_tag: none.
template <PacketIo Io, class Observer>
[[gnu::always_inline]] inline flow::Domain Tracker<Io, Observer>::domain_of(const Packet* packet,
                                                                            std::uint16_t outer_tag,
                                                                            std::uint16_t inner_tag) const {
    constexpr std::uint16_t no_tag = flow::Domain::no_tag;
    const flow::Domain untagged = untagged_[Io::port_pair(packet) % max_port_pairs];
    if ((outer_tag == no_tag && inner_tag == no_tag) || !settings_->vlan_in_key) [[likely]]
        return untagged;
    return flow::Domain::make(outer_tag, inner_tag, untagged.pair(), untagged.zone);
}

template <PacketIo Io, class Observer>
flow::Domain Tracker<Io, Observer>::domain_of(const Item& item) const {
    const packet::Headers& headers = item.general->headers;
    return domain_of(item.packet, headers.vlan_count > 0 ? headers.vlan[0] : flow::Domain::no_tag,
                     headers.vlan_count > 1 ? headers.vlan[1] : flow::Domain::no_tag);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::set_key(Item& item, const flow::DirectedKey<AddressBytes>& directed) {
    key<AddressBytes>(item) = directed.key;
    item.from_high = directed.from_high;
    hash_key<AddressBytes>(item);
}

/// Of an item whose key is set; asks for the bucket.
template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
[[gnu::always_inline]] inline void Tracker<Io, Observer>::hash_key(Item& item) {
    item.hash = table<AddressBytes>().hash_of(key<AddressBytes>(item));
    item.bucket = table<AddressBytes>().bucket_of(item.hash);
    table<AddressBytes>().prefetch_bucket(item.bucket);
}

/// Whether it is a usual segment over IPv4 whose flow seems to be known.
template <PacketIo Io, class Observer>
[[gnu::always_inline]] inline bool Tracker<Io, Observer>::locate(Item& item) {
    // The usual packet first, and nothing asked twice.
    if (item.usual && item.family == packet::Family::ipv4) [[likely]] {
        item.candidate = table4_.candidate(item.hash, item.bucket);
        table4_.prefetch_record(item.candidate);
        return item.candidate != flow::no_ref;
    }
    if (item.kind < Kind::icmp_error) [[unlikely]]
        return false;
    by_family(item.family, [&]<unsigned AddressBytes>() {
        item.candidate = table<AddressBytes>().candidate(item.hash, item.bucket);
        table<AddressBytes>().prefetch_record(item.candidate);
        if (item.usual) return;
        table<AddressBytes>().prefetch_age(item.candidate);
        if (item.candidate != flow::no_ref) return;
        if (guard_ != nullptr) [[unlikely]]
            foresee<AddressBytes>(item);
        if (rules_.policy() != nullptr) [[unlikely]]
            rulings_.wanted |= std::uint64_t{1} << place_of(item);
    });
    return false;
}

/// A usual segment whose flow does not lie where it is looked for first; whether it is over IPv4 and seems to
/// be known after all.
template <PacketIo Io, class Observer>
[[gnu::noinline]] bool Tracker<Io, Observer>::locate_elsewhere(Item& item) {
    by_family(item.family, [&]<unsigned AddressBytes>() {
        item.candidate = table<AddressBytes>().candidate_elsewhere(item.hash, item.bucket);
        table<AddressBytes>().prefetch_record(item.candidate);
    });
    return item.family == packet::Family::ipv4 && item.candidate != flow::no_ref;
}

/// The same question of plain TCP, answered where that is quick: false may mean that it was not.
template <PacketIo Io, class Observer>
template <packet::Family family>
[[gnu::always_inline]] inline bool Tracker<Io, Observer>::plain_checksums_hold(const Packet* packet,
                                                                               std::size_t network) const {
    constexpr ChecksumState good = ChecksumState::good;
    const bool network_good = family == packet::Family::ipv6 || Io::network_checksum(packet) == good;
    if (network_good && Io::transport_checksum(packet) == good) [[likely]]
        return true;
    return plain_sums_hold<family>(packet, network);
}

template <PacketIo Io, class Observer>
template <packet::Family family>
[[gnu::noinline]] bool Tracker<Io, Observer>::plain_sums_hold(const Packet* packet,
                                                              std::size_t network) const {
    constexpr ChecksumState bad = ChecksumState::bad;
    if (family == packet::Family::ipv4 && Io::network_checksum(packet) == bad) return false;
    if (Io::transport_checksum(packet) == bad) return false;
    return !settings_->checksum || packet::plain_checksums_hold<family>(input_of(packet), network);
}

/// The port's word where it has one; our own sums otherwise, when the setting asks. A fragment's transport
/// checksum spans its datagram and is verified when that is complete.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::checksums_hold(const Item& item, const packet::ParseInput& input) const {
    const packet::Headers& headers = item.general->headers;
    const ChecksumState network = Io::network_checksum(item.packet);
    const ChecksumState transport = Io::transport_checksum(item.packet);
    if (headers.family == packet::Family::ipv4) {
        if (network == ChecksumState::bad) return false;
        if (network == ChecksumState::unknown && settings_->checksum) {
            if (!packet::ipv4_header_checksum_holds(input.bytes.subspan(
                    headers.network_offset, ipv4_header_length(input.bytes[headers.network_offset]))))
                return false;
        }
    }
    if (headers.fragment.present) return true;
    if (transport == ChecksumState::bad) return false;
    if (transport == ChecksumState::good || !settings_->checksum) return true;
    if (headers.transport_offset + headers.transport_length <= input.bytes.size()) [[likely]]
        return packet::verify_transport(
                   headers, input.bytes.subspan(headers.transport_offset, headers.transport_length)) !=
               packet::ChecksumVerdict::bad;
    packet::TransportChecksum sum(headers, headers.transport_length);
    add_piecewise<Io>(sum, item.packet, headers.transport_offset, headers.transport_length);
    return sum.verdict() != packet::ChecksumVerdict::bad;
}

}  // namespace sluice::pipeline
