#include "sluice/packet/build.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "option_words.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/icmp.hpp"
#include "walk.hpp"

namespace sluice::packet {
namespace {

constexpr std::uint16_t dont_fragment = 0x4000;
constexpr std::uint8_t default_hop_limit = 64;
/// Precedence "internetwork control", as RFC 1812 4.3.2.5 has it for errors.
constexpr std::uint8_t precedence_of_errors = 0xC0;
/// The longest errors, from the network header on.
constexpr std::size_t longest_ipv4_error = 576, longest_ipv6_error = 1280;

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

// On the link and on the network. Link layers other than Ethernet name no hosts.
bool is_between_hosts(const ParseInput& input, const Headers& headers) {
    if (input.link == LinkLayer::ethernet &&
        (is_group_mac(input.bytes.data()) || is_group_mac(input.bytes.data() + 6))) {
        return false;
    }
    return is_one_host(headers.family, headers.source) && is_one_host(headers.family, headers.destination);
}

// What checksums and layout need of a packet to be written, as the parser would report it: all but its ends.
Headers headers_of_layout(Family family, std::uint8_t protocol, std::size_t network_offset,
                          std::size_t transport_length) {
    Headers out;
    out.family = family;
    out.protocol = protocol;
    out.network_offset = static_cast<std::uint16_t>(network_offset);
    const std::size_t ip_header = family == Family::ipv4 ? ipv4_header_bytes : ipv6_header_bytes;
    out.transport_offset = static_cast<std::uint16_t>(network_offset + ip_header);
    out.transport_length = static_cast<std::uint32_t>(transport_length);
    return out;
}

Headers headers_of_answer(const Headers& headers, std::uint8_t protocol, std::size_t transport_length) {
    Headers out = headers_of_layout(headers.family, protocol, headers.network_offset, transport_length);
    out.source = headers.destination;
    out.destination = headers.source;
    out.source_port = headers.destination_port;
    out.destination_port = headers.source_port;
    return out;
}

Headers headers_of_segment(const OwnSegment& segment, std::size_t link_length, std::size_t segment_length) {
    Headers out = headers_of_layout(segment.family, tcp, link_length, segment_length);
    out.source = segment.source;
    out.destination = segment.destination;
    out.source_port = segment.source_port;
    out.destination_port = segment.destination_port;
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

void write_ipv4(const Headers& answer, std::uint8_t hop_limit, std::uint8_t service, std::uint8_t* out) {
    std::memset(out, 0, ipv4_header_bytes);
    out[0] = 0x45;
    out[1] = service;
    store(out + 2, be16(static_cast<std::uint16_t>(ipv4_header_bytes + answer.transport_length)));
    store(out + 6, be16(dont_fragment));  // and so an identification of 0 (RFC 6864 4.1)
    out[8] = hop_limit;
    out[9] = answer.protocol;
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
    out[6] = answer.protocol;
    out[7] = hop_limit;
    std::memcpy(out + 8, answer.source.data(), 16);
    std::memcpy(out + 24, answer.destination.data(), 16);
}

void write_tcp(const Headers& headers, const TcpAnswer& answer, std::uint8_t* out) {
    const std::size_t length = tcp_header_bytes + answer.options.size();
    store(out, be16(headers.source_port));
    store(out + 2, be16(headers.destination_port));
    store(out + 4, be32(answer.sequence));
    store(out + 8, be32(answer.acknowledgement));
    out[12] = static_cast<std::uint8_t>(length / 4 << 4);
    out[13] = answer.flags;
    store(out + 14, be16(answer.window));
    store(out + 16, be32(0));  // checksum and urgent pointer
    std::copy(answer.options.begin(), answer.options.end(), out + tcp_header_bytes);
}

// Of the frame that begins at `out`, where `headers` says.
void write_network(const Headers& headers, std::uint8_t hop_limit, std::uint8_t service,
                   std::span<std::uint8_t> out) {
    std::uint8_t* const network = out.data() + headers.network_offset;
    if (headers.family == Family::ipv4) {
        write_ipv4(headers, hop_limit, service, network);
    } else {
        write_ipv6(headers, hop_limit, network);
    }
}

// All behind the link header of the frame that begins at `out`, where `headers` says.
void write_segment(const Headers& headers, const TcpAnswer& answer, std::span<std::uint8_t> out) {
    write_network(headers, answer.hop_limit, 0, out);
    write_tcp(headers, answer, out.data() + headers.transport_offset);
    write_transport_checksum(headers, out.subspan(headers.transport_offset, headers.transport_length));
}

// Options as they are written: all four take 20 bytes.
struct OptionBytes {
    std::array<std::uint8_t, 20> bytes{};
    std::size_t length = 0;

    void write(std::uint32_t word) {
        store(&bytes[length], be32(word));
        length += sizeof word;
    }
};

OptionBytes bytes_of(const TcpOptions& options) {
    OptionBytes out;
    if (options.mss != 0) out.write(mss_word | options.mss);
    if (options.has_timestamps) {
        out.write(options.sack_permitted ? sack_timestamps_word : timestamps_word);
        out.write(options.timestamp_value);
        out.write(options.timestamp_echo);
    } else if (options.sack_permitted) {
        out.write(sack_word);
    }
    if (options.has_window_scale) out.write(scale_word | options.window_scale);
    return out;
}

}  // namespace

bool may_answer(const ParseInput& input, const Headers& headers) {
    if (headers.refusal != Reason::none || headers.family == Family::none || headers.protocol != tcp)
        return false;
    if (headers.fragment.present || (headers.tcp.flags & rst) != 0) return false;
    return is_between_hosts(input, headers);
}

std::size_t build_tcp_answer(const ParseInput& input, const Headers& headers, const TcpAnswer& answer,
                             std::span<std::uint8_t> out) {
    const std::size_t options = answer.options.size();
    if (!may_answer(input, headers) || options > 40 || options % 4 != 0) return 0;
    const Headers back = headers_of_answer(headers, tcp, tcp_header_bytes + options);
    const std::size_t length = back.transport_offset + back.transport_length;
    if (out.size() < length) return 0;
    write_link(input, headers, length - back.network_offset, out.data());
    write_segment(back, answer, out);
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

bool may_report(const ParseInput& input, const Headers& headers) {
    if (headers.refusal != Reason::none || headers.family == Family::none || is_later_fragment(headers))
        return false;
    if ((headers.protocol == icmp || headers.protocol == icmpv6) && !headers.icmp_query) return false;
    return is_between_hosts(input, headers);
}

std::size_t build_unreachable(const ParseInput& input, const Headers& headers, Unreachable why,
                              std::span<std::uint8_t> out) {
    if (!may_report(input, headers)) return 0;
    const bool is_ipv4 = headers.family == Family::ipv4;
    const std::size_t before_quote = (is_ipv4 ? ipv4_header_bytes : ipv6_header_bytes) + icmp_header_bytes;
    const std::size_t packet_length =
        headers.transport_offset - headers.network_offset + std::size_t{headers.transport_length};
    const auto packet = view_of(input).bytes.subspan(headers.network_offset);
    const std::size_t quoted = std::min(
        {packet_length, packet.size(), (is_ipv4 ? longest_ipv4_error : longest_ipv6_error) - before_quote});
    const Headers back = headers_of_answer(headers, is_ipv4 ? icmp : icmpv6, icmp_header_bytes + quoted);
    const std::size_t length = back.transport_offset + back.transport_length;
    if (out.size() < length) return 0;

    write_link(input, headers, length - back.network_offset, out.data());
    write_network(back, default_hop_limit, precedence_of_errors, out);
    const auto message = out.subspan(back.transport_offset, back.transport_length);
    std::memset(message.data(), 0, icmp_header_bytes);
    const bool of_port = why == Unreachable::port;
    message[0] = is_ipv4 ? icmp_type::destination_unreachable : icmpv6_type::destination_unreachable;
    if (is_ipv4)
        message[1] = of_port ? icmp_code::port_unreachable : icmp_code::prohibited;
    else
        message[1] = of_port ? icmpv6_code::port_unreachable : icmpv6_code::prohibited;
    std::memcpy(message.data() + icmp_header_bytes, packet.data(), quoted);
    write_transport_checksum(back, message);
    return length;
}

std::optional<LinkHeader> link_header_of(const ParseInput& input, const Headers& headers) {
    const std::size_t length = ethernet_header_bytes + headers.vlan_count * vlan_tag_bytes;
    if (input.link != LinkLayer::ethernet || headers.family == Family::none ||
        headers.network_offset != length) {
        return std::nullopt;
    }
    LinkHeader out;
    std::memcpy(out.bytes.data(), input.bytes.data(), length);
    out.length = static_cast<std::uint8_t>(length);
    return out;
}

LinkHeader link_header(const std::array<std::uint8_t, 12>& macs, std::uint16_t outer, std::uint16_t inner,
                       std::uint16_t ether_type) {
    constexpr std::uint16_t no_tag = 0xFFF, vlan_tag = 0x8100, service_tag = 0x88A8;
    LinkHeader out;
    std::copy(macs.begin(), macs.end(), out.bytes.begin());
    std::size_t length = macs.size();
    const auto put = [&](std::uint16_t half) {
        store(&out.bytes[length], be16(half));
        length += 2;
    };
    if (outer != no_tag) {
        put(inner != no_tag ? service_tag : vlan_tag);
        put(outer);
    }
    if (inner != no_tag) {
        put(vlan_tag);
        put(inner);
    }
    put(ether_type);
    out.length = static_cast<std::uint8_t>(length);
    return out;
}

LinkHeader reversed(const LinkHeader& header) {
    LinkHeader out = header;
    std::swap_ranges(out.bytes.begin(), out.bytes.begin() + 6, out.bytes.begin() + 6);
    return out;
}

std::size_t build_segment(const LinkHeader& link, const OwnSegment& segment, std::span<std::uint8_t> out) {
    const OptionBytes options = bytes_of(segment.fields.options);
    const Headers headers = headers_of_segment(segment, link.length, tcp_header_bytes + options.length);
    const std::size_t unpadded = headers.transport_offset + headers.transport_length;
    const std::size_t length = std::max(unpadded, least_ethernet_bytes);
    if (out.size() < length) return 0;
    std::memcpy(out.data(), link.bytes.data(), link.length);
    const TcpAnswer said{.sequence = segment.fields.sequence,
                         .acknowledgement = segment.fields.acknowledgement,
                         .window = segment.fields.window,
                         .flags = segment.fields.flags,
                         .hop_limit = segment.hop_limit,
                         .options = std::span(options.bytes).first(options.length)};
    write_segment(headers, said, out);
    std::memset(out.data() + unpadded, 0, length - unpadded);
    return length;
}

}  // namespace sluice::packet
