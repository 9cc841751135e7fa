#include "sluice/packet/build.hpp"

#include <algorithm>
#include <cstring>

#include "sluice/packet/checksum.hpp"
#include "walk.hpp"

namespace sluice::packet {
namespace {

constexpr std::uint16_t dont_fragment = 0x4000;

bool is_group_mac(const std::uint8_t* mac) {
    return (mac[0] & 1U) != 0;
}

// Multicast (224/4), broadcast and reserved (240/4), "this network" (0/8), loopback (127/8).
bool is_one_host_ipv4(const Address& address) {
    return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

// Multicast (ff00::/8), unspecified (::) and loopback (::1).
bool is_one_host_ipv6(const Address& address) {
    if (address[0] == 0xFF) return false;
    const bool zeros =
        std::all_of(address.begin(), address.end() - 1, [](std::uint8_t byte) { return byte == 0; });
    return !zeros || address[15] > 1;
}

bool is_one_host(Family family, const Address& address) {
    return family == Family::ipv4 ? is_one_host_ipv4(address) : is_one_host_ipv6(address);
}

// The fields of the answer that checksums and layout need, as the parser would report them.
Headers headers_of_answer(const Headers& headers, std::size_t segment_length) {
    Headers out;
    out.family = headers.family;
    out.protocol = tcp;
    out.network_offset = headers.network_offset;
    const std::size_t network = headers.family == Family::ipv4 ? ipv4_header_bytes : ipv6_header_bytes;
    out.transport_offset = static_cast<std::uint16_t>(headers.network_offset + network);
    out.transport_length = static_cast<std::uint32_t>(segment_length);
    out.source = headers.destination;
    out.destination = headers.source;
    return out;
}

// `behind` is how many bytes will follow the link header.
void write_link(const ParseInput& input, const Headers& headers, std::size_t behind, std::uint8_t* out) {
    std::memcpy(out, input.bytes.data(), headers.network_offset);
    if (input.link != LinkLayer::ethernet) return;  // nothing to swap in a capture's pseudo header
    std::memcpy(out, input.bytes.data() + 6, 6);
    std::memcpy(out + 6, input.bytes.data(), 6);
    const std::size_t type_end = ethernet_header_bytes + headers.vlan_count * vlan_tag_bytes;
    if (headers.network_offset == type_end) return;
    const std::size_t length = headers.network_offset - type_end + behind;  // of SNAP and what it carries
    store(out + type_end - 2, be16(static_cast<std::uint16_t>(length)));
}

void write_ipv4(const Headers& answer, std::uint8_t hop_limit, std::uint8_t* out) {
    std::memset(out, 0, ipv4_header_bytes);
    out[0] = 0x45;
    store(out + 2, be16(static_cast<std::uint16_t>(ipv4_header_bytes + answer.transport_length)));
    store(out + 6, be16(dont_fragment));  // and so an identification of 0 (RFC 6864 4.1)
    out[8] = hop_limit;
    out[9] = tcp;
    std::memcpy(out + 12, answer.source.data(), 4);
    std::memcpy(out + 16, answer.destination.data(), 4);
    ChecksumSum sum;
    sum.add({out, ipv4_header_bytes});
    store(out + 10, sum.checksum());
}

void write_ipv6(const Headers& answer, std::uint8_t hop_limit, std::uint8_t* out) {
    std::memset(out, 0, 8);
    out[0] = 0x60;
    store(out + 4, be16(static_cast<std::uint16_t>(answer.transport_length)));
    out[6] = tcp;
    out[7] = hop_limit;
    std::memcpy(out + 8, answer.source.data(), 16);
    std::memcpy(out + 24, answer.destination.data(), 16);
}

void write_tcp(const Headers& headers, const TcpAnswer& answer, std::uint8_t* out) {
    const std::size_t length = tcp_header_bytes + answer.options.size();
    store(out, be16(headers.destination_port));
    store(out + 2, be16(headers.source_port));
    store(out + 4, be32(answer.sequence));
    store(out + 8, be32(answer.acknowledgement));
    out[12] = static_cast<std::uint8_t>(length / 4 << 4);
    out[13] = answer.flags;
    store(out + 14, be16(answer.window));
    store(out + 16, be32(0));  // checksum and urgent pointer
    std::copy(answer.options.begin(), answer.options.end(), out + tcp_header_bytes);
}

}  // namespace

bool may_answer(const ParseInput& input, const Headers& headers) {
    if (headers.refusal != Reason::none || headers.family == Family::none || headers.protocol != tcp)
        return false;
    if (headers.fragment.present || (headers.tcp.flags & rst) != 0) return false;
    if (input.link == LinkLayer::ethernet &&
        (is_group_mac(input.bytes.data()) || is_group_mac(input.bytes.data() + 6))) {
        return false;
    }
    return is_one_host(headers.family, headers.source) && is_one_host(headers.family, headers.destination);
}

std::size_t build_tcp_answer(const ParseInput& input, const Headers& headers, const TcpAnswer& answer,
                             std::span<std::uint8_t> out) {
    const std::size_t options = answer.options.size();
    if (!may_answer(input, headers) || options > 40 || options % 4 != 0) return 0;
    const Headers back = headers_of_answer(headers, tcp_header_bytes + options);
    const std::size_t length = back.transport_offset + back.transport_length;
    if (out.size() < length) return 0;
    write_link(input, headers, length - back.network_offset, out.data());
    std::uint8_t* const network = out.data() + back.network_offset;
    if (back.family == Family::ipv4) {
        write_ipv4(back, answer.hop_limit, network);
    } else {
        write_ipv6(back, answer.hop_limit, network);
    }
    write_tcp(headers, answer, out.data() + back.transport_offset);
    write_transport_checksum(back, out.subspan(back.transport_offset, back.transport_length));
    return length;
}

std::size_t build_reset(const ParseInput& input, const Headers& headers, std::span<std::uint8_t> out) {
    TcpAnswer answer;
    if ((headers.tcp.flags & ack) != 0) {
        answer.sequence = headers.tcp.acknowledgement;
        answer.flags = rst;
    } else {
        const std::uint32_t syn_and_fin =
            ((headers.tcp.flags & syn) != 0 ? 1U : 0U) + ((headers.tcp.flags & fin) != 0 ? 1U : 0U);
        answer.acknowledgement = headers.tcp.sequence + headers.tcp.payload_length + syn_and_fin;
        answer.flags = rst | ack;
    }
    return build_tcp_answer(input, headers, answer, out);
}

}  // namespace sluice::packet
