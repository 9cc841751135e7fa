#include "sluice/packet/plain.hpp"

#include <cstring>

namespace sluice::packet {
namespace {

template <Family family>
bool parse_plain_at(const ParseInput& input, std::size_t network, Headers& out) {
    constexpr std::size_t address_bytes = family == Family::ipv4 ? 4 : 16;
    PlainTcp plain;
    if (!read_plain<family>(input, network, plain)) return false;
    const std::uint8_t* const destination = plain.addresses + address_bytes;
    if (std::memcmp(plain.addresses, destination, address_bytes) == 0) return false;
    out = {};
    out.family = family;
    out.protocol = tcp;
    if (network != ethernet_header_bytes) {
        out.vlan_count = 1;
        out.vlan[0] = load<be16>(plain.network - vlan_tag_bytes).host() & 0x0FFFU;
    }
    out.ether_type = family == Family::ipv4 ? ether_type_ipv4 : ether_type_ipv6;
    out.network_offset = static_cast<std::uint16_t>(network);
    out.transport_offset = static_cast<std::uint16_t>(plain.segment - input.bytes.data());
    out.transport_length = plain.transport_length;
    out.source_port = load<be16>(plain.segment).host();
    out.destination_port = load<be16>(plain.segment + 2).host();
    out.hop_limit = plain.network[family == Family::ipv4 ? 8 : 7];
    std::memcpy(out.source.data(), plain.addresses, address_bytes);
    std::memcpy(out.destination.data(), destination, address_bytes);
    out.tcp = {.sequence = plain.sequence(),
               .acknowledgement = plain.acknowledgement(),
               .window = plain.window(),
               .flags = plain.flags(),
               .header_length = static_cast<std::uint8_t>(plain.header_length),
               .payload_length = plain.payload_length(),
               .options = plain.options()};
    return true;
}

}  // namespace

bool parse_plain(const ParseInput& input, Headers& out) {
    std::size_t network = ethernet_header_bytes;
    if (input.link != LinkLayer::ethernet || input.bytes.size() < network + vlan_tag_bytes) return false;
    std::uint16_t ether_type = load<be16>(&input.bytes[12]).host();
    if (is_vlan_tag(ether_type)) {
        ether_type = load<be16>(&input.bytes[network + 2]).host();
        network += vlan_tag_bytes;
    }
    if (ether_type == ether_type_ipv4) return parse_plain_at<Family::ipv4>(input, network, out);
    if (ether_type == ether_type_ipv6) return parse_plain_at<Family::ipv6>(input, network, out);
    return false;
}

}  // namespace sluice::packet
