// read_plain() and parse_plain() held against parse(), which reads every packet: for tests and the fuzzer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "sluice/packet/parse.hpp"
#include "sluice/packet/plain.hpp"

namespace sluice::test {

struct PlainComparison {
    bool plain = false;             ///< read_plain() took it
    const char* differs = nullptr;  ///< what it says otherwise than parse(); null: nothing
};

template <packet::Family family>
[[nodiscard]] inline PlainComparison compare_plain(const packet::ParseInput& input, std::size_t network,
                                                   const packet::Headers& headers) {
    constexpr std::size_t address_bytes = family == packet::Family::ipv4 ? 4 : 16;
    packet::PlainTcp plain{};
    packet::Headers quick;
    const bool quickly = packet::parse_plain(input, quick);
    if (!packet::read_plain<family>(input, network, plain))
        return {false, quickly ? "parse_plain() takes what is not plain" : nullptr};
    // The tracker leaves a host that talks to itself to parse(), which looks at the ports as well.
    if (std::memcmp(plain.addresses, plain.addresses + address_bytes, address_bytes) == 0)
        return {false, quickly ? "parse_plain() takes a host that talks to itself" : nullptr};
    if (headers.refusal != Reason::none) return {true, "what is plain is sound"};
    if (headers.family != family || headers.protocol != packet::tcp || headers.fragment.present)
        return {true, "what is plain is TCP, and whole"};

    const auto offset = [&](const std::uint8_t* at) {
        return static_cast<std::uint16_t>(at - input.bytes.data());
    };
    packet::Headers read = headers;  // all that plain packets tell is written over it
    read.network_offset = offset(plain.network);
    read.transport_offset = offset(plain.segment);
    read.transport_length = plain.transport_length;
    read.source = read.destination = {};
    std::copy_n(plain.addresses, address_bytes, read.source.begin());
    std::copy_n(plain.addresses + address_bytes, address_bytes, read.destination.begin());
    read.source_port = load<be16>(plain.segment).host();
    read.destination_port = load<be16>(plain.segment + 2).host();
    read.tcp = {.sequence = plain.sequence(),
                .acknowledgement = plain.acknowledgement(),
                .window = plain.window(),
                .flags = plain.flags(),
                .header_length = static_cast<std::uint8_t>(plain.header_length),
                .payload_length = plain.payload_length(),
                .options = plain.options()};
    if (!(read == headers)) return {true, "its fields"};
    if (!quickly || !(quick == headers)) return {true, "the headers that parse_plain() makes of it"};
    const packet::TcpOptions& options = headers.tcp.options;
    if (plain.options_are_usual() && (options.has_window_scale || options.sack_permitted || options.has_sack))
        return {true, "usual options are none that the tracker wants"};
    if (plain.network_length() !=
        headers.transport_offset - headers.network_offset + headers.transport_length)
        return {true, "its length"};
    return {true, nullptr};
}

/// Of an Ethernet frame with one tag at most, as the tracker looks at it.
[[nodiscard]] inline PlainComparison compare_plain(const packet::ParseInput& input,
                                                   const packet::Headers& headers) {
    std::size_t network = packet::ethernet_header_bytes;
    if (input.link != packet::LinkLayer::ethernet || input.bytes.size() < network + packet::vlan_tag_bytes)
        return {};
    std::uint16_t ether_type = load<be16>(&input.bytes[12]).host();
    if (packet::is_vlan_tag(ether_type)) {
        ether_type = load<be16>(&input.bytes[network + 2]).host();
        network += packet::vlan_tag_bytes;
    }
    if (ether_type == packet::ether_type_ipv4)
        return compare_plain<packet::Family::ipv4>(input, network, headers);
    if (ether_type == packet::ether_type_ipv6)
        return compare_plain<packet::Family::ipv6>(input, network, headers);
    return {};
}

}  // namespace sluice::test
