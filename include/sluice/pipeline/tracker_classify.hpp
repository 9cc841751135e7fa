// The first two stages of the burst: what is this packet, and where may its flow lie? Part of tracker.hpp.
#pragma once

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
void Tracker<Io, Observer>::classify(Item& item) {
    Packet* packet = item.packet;
    const std::uint32_t length = Io::length(packet);
    const std::uint32_t first = Io::first_length(packet);
    item.packets = 1;
    item.bytes = length;
    item.candidate = flow::no_ref;

    // Headers split over segments are copied into one piece; the packet itself is never touched.
    std::array<std::uint8_t, packet::max_header_bytes> gathered;
    packet::ParseInput input{{Io::data(packet), first}, length, link_};
    if (first < length && first < packet::max_header_bytes) [[unlikely]] {
        const auto count = std::min(length, std::uint32_t{packet::max_header_bytes});
        Io::copy(packet, 0, count, gathered.data());
        input.bytes = {gathered.data(), count};
    }
    packet::parse(input, item.headers);
    item.refusal = item.headers.refusal;
    if (item.refusal != Reason::none) [[unlikely]] {
        item.kind = Kind::refused;
    } else if (item.headers.family == packet::Family::none) [[unlikely]] {
        item.kind = Kind::not_ip;
    } else if (!checksums_hold(item, input)) [[unlikely]] {
        item.kind = Kind::refused;
        item.refusal = Reason::bad_checksum;
    } else if (item.headers.fragment.present) [[unlikely]] {
        item.kind = Kind::fragment;
    } else {
        classify_parsed(item, input);
    }
}

/// A whole packet, or a datagram put together: which flow would it belong to?
template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::classify_parsed(Item& item, const packet::ParseInput& input) {
    const packet::Headers& headers = item.headers;
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
        hash_key<AddressBytes>(
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
    item.quote = packet::parse_quote(input, item.headers);
    const packet::Quote& quote = item.quote;
    if (!quote.valid) {
        item.kind = Kind::refused;
        item.refusal = Reason::malformed;
        return;
    }
    // The error goes to the sender of the packet it quotes, and both are of one family.
    if (quote.family != item.headers.family || quote.source != item.headers.destination) {
        item.kind = Kind::refused;
        item.refusal = Reason::icmp_mismatch;
        return;
    }
    item.kind = Kind::icmp_error;
    by_family(quote.family, [&]<unsigned AddressBytes>() {
        const flow::Domain domain = domain_of(item);
        const bool is_icmp = quote.protocol == packet::icmp || quote.protocol == packet::icmpv6;
        hash_key<AddressBytes>(
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

template <PacketIo Io, class Observer>
flow::Domain Tracker<Io, Observer>::domain_of(const Item& item) const {
    const std::uint8_t pair = Io::port_pair(item.packet) % max_port_pairs;
    const packet::Headers& headers = item.headers;
    const bool tags = settings_->vlan_in_key;
    return flow::Domain::make(tags && headers.vlan_count > 0 ? headers.vlan[0] : flow::Domain::no_tag,
                              tags && headers.vlan_count > 1 ? headers.vlan[1] : flow::Domain::no_tag, pair,
                              settings_->zone[pair]);
}

template <PacketIo Io, class Observer>
template <unsigned AddressBytes>
void Tracker<Io, Observer>::hash_key(Item& item, const flow::DirectedKey<AddressBytes>& directed) {
    key<AddressBytes>(item) = directed.key;
    item.from_high = directed.from_high;
    item.hash = table<AddressBytes>().hash_of(directed.key);
    table<AddressBytes>().prefetch_bucket(item.hash);
}

template <PacketIo Io, class Observer>
void Tracker<Io, Observer>::locate(Item& item) {
    if (item.kind != Kind::flow && item.kind != Kind::icmp_error) return;
    by_family(item.headers.family, [&]<unsigned AddressBytes>() {
        item.candidate = table<AddressBytes>().candidate(item.hash);
        if (item.candidate != flow::no_ref) table<AddressBytes>().prefetch_record(item.candidate);
    });
}

/// The port's word where it has one; our own sums otherwise, when the setting asks. A fragment's transport
/// checksum spans its datagram and is verified when that is complete.
template <PacketIo Io, class Observer>
bool Tracker<Io, Observer>::checksums_hold(const Item& item, const packet::ParseInput& input) const {
    const packet::Headers& headers = item.headers;
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
