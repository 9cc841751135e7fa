#include "sluice/packet/explain.hpp"

#include <algorithm>
#include <iomanip>
#include <vector>

#include "sluice/base/words.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/icmp.hpp"
#include "walk.hpp"

namespace sluice::packet {
namespace {

std::string hexadecimal(std::uint16_t word) {
    std::ostringstream out;
    out << "0x" << std::hex << std::setfill('0') << std::setw(4) << word;
    return out.str();
}

/// "the TCP header takes 20 bytes, the packet holds 12".
std::string too_short(const char* header, std::size_t takes, const char* holder, std::size_t holds) {
    return joined(header, " takes ", counted(takes, "byte"), ", ", holder, " holds ", grouped(holds));
}

// ---- Link

const char* name_of(LinkLayer link) {
    switch (link) {
        case LinkLayer::ethernet:
            return "an Ethernet header";
        case LinkLayer::linux_cooked_v1:
        case LinkLayer::linux_cooked_v2:
            return "a Linux cooked header";
        case LinkLayer::bsd_loopback:
            return "a loopback header";
        case LinkLayer::raw_ip:
            break;
    }
    return "an IP header";
}

std::size_t header_bytes(LinkLayer link) {
    switch (link) {
        case LinkLayer::ethernet:
            return ethernet_header_bytes;
        case LinkLayer::linux_cooked_v1:
            return 16;
        case LinkLayer::linux_cooked_v2:
            return 20;
        case LinkLayer::bsd_loopback:
            return 4;
        case LinkLayer::raw_ip:
            break;
    }
    return 1;
}

std::string explain_link(const FrameView& frame, const ParseInput& input, const Headers& headers) {
    const std::size_t link = header_bytes(input.link);
    if (!frame.holds(0, link)) return too_short(name_of(input.link), link, "the frame", frame.bytes.size());
    if (input.link == LinkLayer::raw_ip)
        return joined("the packet says IP version ", frame.u8(0) >> 4, ", which is neither 4 nor 6");
    if (headers.refusal == Reason::too_many_headers)
        return "the packet has more than 2 VLAN tags, and may have 2";
    const std::size_t at = link + std::size_t{headers.vlan_count} * 4;
    const bool snap = input.link == LinkLayer::ethernet && frame.u16(at - 2) < least_ether_type;
    return joined(snap ? "the SNAP header at byte " : "the VLAN tag at byte ", at, " takes ", snap ? 8 : 4,
                  " bytes, the frame ends at byte ", frame.bytes.size());
}

// ---- Fragments, of either family

std::string explain_fragment(const Headers& headers, std::size_t headers_before) {
    const FragmentFields& fragment = headers.fragment;
    const std::uint32_t end = std::uint32_t{fragment.offset} + fragment.length;
    if (fragment.length == 0) return joined("a fragment of 0 bytes at byte ", fragment.offset);
    if (fragment.more && fragment.length % 8 != 0)
        return joined("a fragment with more to follow has ", counted(fragment.length, "byte"),
                      ", which is no multiple of 8");
    if (headers_before + end > 65535)
        return joined("the fragment ends at byte ", grouped(end), " behind ", counted(headers_before, "byte"),
                      " of headers: no datagram is longer than 65,535");
    if (headers.refusal == Reason::fragment_tiny && fragment.offset != 0 &&
        fragment.offset < tcp_header_bytes)
        return joined("the fragment begins at byte ", fragment.offset,
                      ", inside the TCP header of 20 bytes, whose flags it could rewrite");
    return {};
}

// ---- Upper layer

std::string explain_transport(const FrameView& frame, const Headers& headers) {
    const std::size_t at = headers.transport_offset;
    const std::size_t holds = headers.transport_length;
    const char* const holder = headers.fragment.present ? "the first fragment" : "the packet";
    switch (headers.protocol) {
        case tcp: {
            if (holds < tcp_header_bytes) return too_short("a TCP header", tcp_header_bytes, holder, holds);
            if (!frame.holds(at, tcp_header_bytes)) return {};
            const unsigned says = (frame.u8(at + 12) >> 4) * 4U;
            if (says < tcp_header_bytes)
                return joined("the TCP header says that it has ", counted(says, "byte"), ", fewer than 20");
            if (says > holds)
                return joined("the TCP header says that it has ", counted(says, "byte"), ", ", holder,
                              " holds ", grouped(holds));
            return {};
        }
        case udp: {
            if (holds < udp_header_bytes) return too_short("a UDP header", udp_header_bytes, holder, holds);
            const unsigned says = headers.udp_length;
            if (says < udp_header_bytes)
                return joined("the UDP header says ", counted(says, "byte"), ", fewer than its own 8");
            if (says > holds)
                return joined("the UDP header says ", counted(says, "byte"), ", ", holder, " holds ",
                              grouped(holds));
            return {};
        }
        case icmp:
        case icmpv6:
            if (holds < icmp_header_bytes)
                return too_short("an ICMP header", icmp_header_bytes, holder, holds);
            return {};
        default:
            return {};
    }
}

// ---- Network

std::string explain_ipv4(const FrameView& frame, const Headers& headers) {
    const std::size_t at = headers.network_offset;
    const std::size_t holds = frame.frame_length - at;
    if (holds < ipv4_header_bytes) return too_short("an IPv4 header", ipv4_header_bytes, "the frame", holds);
    if (!frame.holds(at, ipv4_header_bytes)) return {};
    const unsigned version = frame.u8(at) >> 4;
    const std::size_t length = (frame.u8(at) & 0xFU) * 4U;
    const std::size_t total = frame.u16(at + 2);
    if (version != 4) return joined("a packet announced as IPv4 says version ", version);
    if (length < ipv4_header_bytes)
        return joined("the IPv4 header says that it has ", counted(length, "byte"), ", fewer than 20");
    if (total < length)
        return joined("the IPv4 header says ", counted(total, "byte"), " in all, fewer than its own ",
                      length);
    if (total > holds)
        return joined("the IPv4 header says ", counted(total, "byte"), ", the frame holds ", grouped(holds));
    if (!headers.fragment.present) return {};
    return explain_fragment(headers, length);
}

// The chain as walk_extensions() walks it, up to the header it stopped at.
std::string explain_extensions(const FrameView& frame, std::size_t offset, std::size_t end,
                               std::uint8_t next) {
    constexpr std::uint8_t hop_by_hop = 0, routing = 43, fragment = 44, authentication = 51, options = 60;
    std::size_t bytes = 0;
    bool fragmented = false;
    for (unsigned count = 1;; ++count) {
        const bool extension = next == hop_by_hop || next == routing || next == fragment ||
                               next == authentication || next == options;
        if (!extension) return {};
        const std::string which = joined("the IPv6 extension header ", unsigned{next}, " at byte ", offset);
        if (count > max_extension_headers)
            return joined("the packet has more than ", max_extension_headers,
                          " IPv6 extension headers, and may have ", max_extension_headers);
        if (next == hop_by_hop && count != 1)
            return joined(which, " is number ", count, " of the chain, and may only be the first");
        if (end - offset < 8) return joined(which, " takes 8 bytes, ", grouped(end - offset), " are left");
        if (!frame.holds(offset, 8)) return {};
        const std::size_t field = frame.u8(offset + 1);
        const std::size_t length = next == fragment         ? 8
                                   : next == authentication ? (field + 2) * 4
                                                            : (field + 1) * 8;
        bytes += length;
        if (bytes > max_extension_bytes)
            return joined("the IPv6 extension headers have ", counted(bytes, "byte"), ", and may have ",
                          max_extension_bytes);
        if (length > end - offset)
            return joined(which, " says ", counted(length, "byte"), ", ", grouped(end - offset), " are left");
        if (next == hop_by_hop && frame.holds(offset, length)) {
            for (std::size_t at = offset + 2; at < offset + length;) {
                const unsigned option = frame.u8(at);
                if (option == 0) {
                    ++at;
                    continue;
                }
                if (option == 0xC2)
                    return joined("the jumbo payload option at byte ", at,
                                  " would make the length field meaningless");
                if (at + 1 >= offset + length || at + 2U + frame.u8(at + 1) > offset + length)
                    return joined("the hop-by-hop option ", option, " at byte ", at,
                                  " goes beyond its header, which ends at byte ", offset + length);
                at += 2U + frame.u8(at + 1);
            }
        }
        if (next == routing && frame.u8(offset + 2) == 0 && frame.u8(offset + 3) != 0)
            return joined("the routing header is of type 0 with ", unsigned{frame.u8(offset + 3)},
                          " segments left, which nobody may follow (RFC 5095)");
        if (next == fragment) {
            if (fragmented) return joined(which, " is the second fragment header of the packet");
            fragmented = true;
            if ((frame.u16(offset + 2) & 0xFFF8U) != 0) return {};
        }
        next = frame.u8(offset);
        offset += length;
    }
}

std::string explain_ipv6(const FrameView& frame, const Headers& headers) {
    const std::size_t at = headers.network_offset;
    const std::size_t holds = frame.frame_length - at;
    if (holds < ipv6_header_bytes) return too_short("an IPv6 header", ipv6_header_bytes, "the frame", holds);
    if (!frame.holds(at, ipv6_header_bytes)) return {};
    if (frame.u8(at) >> 4 != 6) return joined("a packet announced as IPv6 says version ", frame.u8(at) >> 4);
    const std::size_t payload = frame.u16(at + 4);
    if (payload > holds - ipv6_header_bytes)
        return joined("the IPv6 header says ", counted(payload, "byte"), " of payload, the frame holds ",
                      grouped(holds - ipv6_header_bytes));
    const std::size_t begin = at + ipv6_header_bytes;
    if (headers.fragment.present) {
        const std::size_t before = payload - headers.fragment.length - 8;
        if (std::string why = explain_fragment(headers, before); !why.empty()) return why;
    }
    return explain_extensions(frame, begin, begin + payload, frame.u8(at + 6));
}

const char* protocol_name(std::uint8_t protocol) {
    return protocol == tcp ? "TCP" : protocol == udp ? "UDP" : protocol == icmp ? "ICMP" : "ICMPv6";
}

// Where the checksum lies in the upper layer's header.
std::size_t checksum_at(std::uint8_t protocol) {
    return protocol == tcp ? 16 : protocol == udp ? 6 : 2;
}

}  // namespace

std::string explain_refusal(const ParseInput& input, const Headers& headers) {
    const FrameView frame = view_of(input);
    if (headers.ether_type == 0) return explain_link(frame, input, headers);
    std::string why =
        headers.ether_type == ether_type_ipv4 ? explain_ipv4(frame, headers) : explain_ipv6(frame, headers);
    if (why.empty() && headers.transport_offset != 0) why = explain_transport(frame, headers);
    return why;
}

std::string explain_quote(const ParseInput& input, const Headers& headers) {
    const FrameView frame = view_of(input);
    const std::size_t at = std::size_t{headers.transport_offset} + icmp_header_bytes;
    const std::size_t end =
        std::min(frame.bytes.size(), std::size_t{headers.transport_offset} + headers.transport_length);
    const std::size_t quoted = end > at ? end - at : 0;
    const bool ipv4 = headers.family == Family::ipv4;
    const std::size_t least = ipv4 ? ipv4_header_bytes : ipv6_header_bytes;
    const auto cut = [&](std::size_t wanted) {
        return joined("the ICMP error quotes ", counted(quoted, "byte"),
                      ", and its packet's headers and 8 bytes behind them take ", wanted);
    };
    if (quoted < least) return cut(least + 8);
    const unsigned version = frame.u8(at) >> 4;
    if (version != (ipv4 ? 4U : 6U))
        return joined("an ICMP error of IPv", ipv4 ? 4 : 6, " quotes a packet of IP version ", version);
    std::size_t transport = 0;
    std::uint8_t protocol = 0;
    std::size_t fragment_offset = 0;
    if (ipv4) {
        const std::size_t length = (frame.u8(at) & 0xFU) * 4U;
        if (length < ipv4_header_bytes)
            return joined("the quoted IPv4 header says that it has ", counted(length, "byte"),
                          ", fewer than 20");
        fragment_offset = (frame.u16(at + 6) & 0x1FFFU) * 8U;
        transport = at + length;
        protocol = frame.u8(at + 9);
    } else {
        const FrameView part{frame.bytes.first(end), frame.frame_length};
        const ExtensionChain chain = walk_extensions(part, at + least, end, frame.u8(at + 6));
        fragment_offset = chain.fragment.offset;
        if (chain.refusal != Reason::none)
            return joined("the quoted packet: ", explain_extensions(part, at + least, end, frame.u8(at + 6)));
        transport = chain.offset;
        protocol = chain.protocol;
    }
    if (fragment_offset != 0)
        return joined("the ICMP error quotes a later fragment, at byte ", grouped(fragment_offset),
                      " of its datagram, which has no ports");
    if (transport + 8 > end) return cut(transport - at + 8);
    const unsigned type = frame.u8(transport);
    return joined("the ICMP error quotes another, of ", protocol_name(protocol), " type ", type);
}

std::string explain_checksum(const Headers& headers, std::span<const std::uint8_t> network,
                             std::span<const std::uint8_t> transport) {
    if (!network.empty() && !ipv4_header_checksum_holds(network)) {
        std::vector<std::uint8_t> copy(network.begin(), network.end());
        constexpr std::size_t at = 10;
        const std::uint16_t is = load<be16>(&copy[at]).host();
        store(&copy[at], be16(0));
        ChecksumSum sum;
        sum.add(copy);
        return joined("the IPv4 header's checksum is ", hexadecimal(is), ", over its ",
                      counted(network.size(), "byte"), " it should be ", hexadecimal(sum.checksum().host()));
    }
    // Bytes behind UDP's own length are not covered.
    if (headers.protocol == udp)
        transport = transport.first(std::min<std::size_t>(transport.size(), headers.udp_length));
    const std::size_t at = checksum_at(headers.protocol);
    if (transport.size() < at + 2 || verify_transport(headers, transport) != ChecksumVerdict::bad) return {};
    std::vector<std::uint8_t> copy(transport.begin(), transport.end());
    const std::uint16_t is = load<be16>(&copy[at]).host();
    write_transport_checksum(headers, copy);
    return joined("the ", protocol_name(headers.protocol), " checksum is ", hexadecimal(is), ", over ",
                  counted(transport.size(), "byte"), " and the addresses it should be ",
                  hexadecimal(load<be16>(&copy[at]).host()));
}

}  // namespace sluice::packet
