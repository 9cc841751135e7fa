// Link layers, and the short cut for the packet that almost every packet is.
#include "sluice/packet/parse.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "walk.hpp"

namespace sluice::packet {
namespace {

constexpr bool is_tag(std::uint16_t ether_type) {
    return ether_type == 0x8100 || ether_type == 0x88A8 ||
           ether_type == 0x9100;  // 802.1Q, 802.1ad, pre-standard QinQ
}

// What lies behind a link header: its EtherType and where it begins.
struct LinkPayload {
    Reason refusal = Reason::none;
    std::uint16_t ether_type = 0;
    std::size_t offset = 0;
};

LinkPayload payload_of_raw_ip(const FrameView& frame, std::size_t offset) {
    if (!frame.holds(offset, 1)) return {Reason::malformed, 0, 0};
    switch (frame.u8(offset) >> 4) {
        case 4:
            return {Reason::none, ether_type_ipv4, offset};
        case 6:
            return {Reason::none, ether_type_ipv6, offset};
        default:
            return {Reason::malformed, 0, 0};
    }
}

// The address family is a host word of whatever machine captured; all BSDs agree on 2 and none on IPv6's
// number.
LinkPayload payload_of_bsd_loopback(const FrameView& frame) {
    constexpr std::size_t header = 4;
    if (!frame.holds(0, header)) return {Reason::malformed, 0, 0};
    const std::uint32_t word = frame.u32(0);
    const std::uint32_t family = word > 0xFFFF ? __builtin_bswap32(word) : word;
    if (family == 2) return {Reason::none, ether_type_ipv4, header};
    if (family == 10 || family == 24 || family == 28 || family == 30)
        return {Reason::none, ether_type_ipv6, header};
    return {Reason::none, 0, header};
}

LinkPayload payload_of(const FrameView& frame, LinkLayer link) {
    struct Fixed {
        std::size_t bytes, type_at;
    };
    const auto fixed = [&frame](Fixed header) -> LinkPayload {
        if (!frame.holds(0, header.bytes)) return {Reason::malformed, 0, 0};
        return {Reason::none, frame.u16(header.type_at), header.bytes};
    };
    switch (link) {
        case LinkLayer::ethernet:
            return fixed({ethernet_header_bytes, 12});
        case LinkLayer::linux_cooked_v1:
            return fixed({16, 14});
        case LinkLayer::linux_cooked_v2:
            return fixed({20, 0});
        case LinkLayer::bsd_loopback:
            return payload_of_bsd_loopback(frame);
        case LinkLayer::raw_ip:
            break;
    }
    return payload_of_raw_ip(frame, 0);
}

// Takes the VLAN tags off: headers.vlan and vlan_count, and `payload` moved behind them.
Reason take_tags(const FrameView& frame, LinkPayload& payload, Headers& headers) {
    while (is_tag(payload.ether_type)) {
        if (headers.vlan_count == 2) return Reason::too_many_headers;
        if (!frame.holds(payload.offset, 4)) return Reason::malformed;
        headers.vlan[headers.vlan_count++] = frame.u16(payload.offset) & 0x0FFFU;
        payload.ether_type = frame.u16(payload.offset + 2);
        payload.offset += 4;
    }
    return Reason::none;
}

Reason parse_frame(const FrameView& frame, LinkLayer link, Headers& headers) {
    LinkPayload payload = payload_of(frame, link);
    if (payload.refusal != Reason::none) return payload.refusal;
    if (const Reason reason = take_tags(frame, payload, headers); reason != Reason::none) return reason;
    headers.ether_type = payload.ether_type;
    headers.network_offset = static_cast<std::uint16_t>(payload.offset);
    if (payload.ether_type == ether_type_ipv4) return parse_ipv4(frame, headers);
    if (payload.ether_type == ether_type_ipv6) return parse_ipv6(frame, headers);
    return Reason::none;
}

// ---- The short cut: IPv4 without options or IPv6 without extension headers, not a fragment, TCP that is
// whole and sound. It is bound by its stores (about one a cycle): the fields are ordered and written so that
// they need 14.

// The bytes of Headers from `offset` on, which span several fields, as one store.
template <class Word>
void store_fields(Headers& out, std::size_t offset, Word word) {
    static_assert(std::is_trivially_copyable_v<Headers>);
    std::memcpy(reinterpret_cast<std::uint8_t*>(&out) + offset, &word, sizeof word);
}

// The last word of TCP's fixed header that matters: window, flags and header length lie in Headers as they do
// in the byte-swapped word, but for the unit of the length.
static_assert(offsetof(TcpFields, flags) == offsetof(TcpFields, window) + 2 &&
              offsetof(TcpFields, header_length) == offsetof(TcpFields, window) + 3);
static_assert(offsetof(Headers, source_port) == offsetof(Headers, destination_port) + 2);
static_assert(offsetof(Headers, destination) == offsetof(Headers, source) + 16);

struct PlainNetwork {
    std::uint32_t odd;              // 0 when the network header says what it must
    std::int64_t transport_length;  // negative when its length field is too small
};

template <Family family>
inline constexpr std::size_t plain_header_bytes =
    family == Family::ipv4 ? ipv4_header_bytes : ipv6_header_bytes;

template <Family family>
[[gnu::always_inline]] inline PlainNetwork check_network(const std::uint8_t* network) {
    if constexpr (family == Family::ipv4) {
        // Version and header length; fragment offset, "more" and protocol. Type of service, "don't fragment",
        // the reserved bit and the TTL are free.
        const std::uint32_t head = load<be32>(network).host();
        const std::uint32_t tail = load<be32>(network + 6).host();
        return {((head >> 24) ^ 0x45U) | ((tail & 0x3FFF00FFU) ^ tcp), std::int64_t{head & 0xFFFFU} - 20};
    } else {
        const std::uint32_t lengths =
            load<be32>(network + 4).host();  // payload length, next header, hop limit
        return {((network[0] >> 4) ^ 6U) | (((lengths >> 8) & 0xFFU) ^ tcp), lengths >> 16};
    }
}

template <Family family>
[[gnu::always_inline]] inline void write_addresses(const std::uint8_t* network, Headers& out) {
    if constexpr (family == Family::ipv4) {
        using Lanes [[gnu::vector_size(16)]] = std::uint32_t;
        store_fields(out, offsetof(Headers, source), Lanes{load<std::uint32_t>(network + 12), 0, 0, 0});
        store_fields(out, offsetof(Headers, destination), Lanes{load<std::uint32_t>(network + 16), 0, 0, 0});
    } else {
        store_fields(out, offsetof(Headers, source), load<std::array<std::uint8_t, 32>>(network + 8));
    }
}

[[gnu::noinline]] void write_options(const std::uint8_t* options, std::size_t length, Headers& out) {
    out.tcp.options = parse_tcp_options({options, length});
}

// Fills `out`, whole, and returns true for a plain packet whose network header lies at `network`, behind the
// tags given; for any other, sound or not, returns false. All conditions are added up into one branch.
template <Family family>
[[gnu::always_inline]] inline bool parse_plain(const ParseInput& input, std::size_t network,
                                               std::uint8_t tags, std::uint16_t tag, Headers& out) {
    const std::size_t transport = network + plain_header_bytes<family>;
    if (input.bytes.size() < transport + tcp_header_bytes) return false;
    const std::uint8_t* const ip = input.bytes.data() + network;
    const std::uint8_t* const segment = input.bytes.data() + transport;
    const auto [odd_network, transport_length] = check_network<family>(ip);
    const std::uint32_t ports = load<be32>(segment).host();
    const std::uint32_t control = load<be32>(segment + 12).host();  // header length, flags, window
    const std::int64_t header_length = (control >> 28) * 4;
    // Each length less what it must hold: the sign of their union tells whether any falls short.
    const auto readable = static_cast<std::int64_t>(input.bytes.size() - transport);
    const auto in_frame = static_cast<std::int64_t>(input.frame_length - transport);
    const std::int64_t shortfall = (header_length - static_cast<std::int64_t>(tcp_header_bytes)) |
                                   (transport_length - header_length) | (in_frame - transport_length) |
                                   (readable - header_length);
    // Equal ports are left to the general path, which compares the addresses as well.
    if ((odd_network != 0) | (shortfall < 0) | (ports == std::rotl(ports, 16))) return false;

    out.refusal = Reason::none;
    out.family = family;
    out.protocol = tcp;
    out.vlan_count = tags;
    out.vlan[0] = tag;
    out.vlan[1] = 0;
    out.ether_type = family == Family::ipv4 ? ether_type_ipv4 : ether_type_ipv6;
    out.network_offset = static_cast<std::uint16_t>(network);
    out.transport_offset = static_cast<std::uint16_t>(transport);
    out.icmp_error = out.icmp_query = false;
    out.transport_length = static_cast<std::uint32_t>(transport_length);
    store_fields(out, offsetof(Headers, destination_port), ports);
    constexpr std::size_t hop_limit_shift =
        (offsetof(Headers, hop_limit) - offsetof(Headers, udp_length)) * 8;
    static_assert(offsetof(Headers, source) == offsetof(Headers, udp_length) + 8);
    const std::uint64_t hop_limit = family == Family::ipv4 ? ip[8] : ip[7];
    store_fields(out, offsetof(Headers, udp_length),
                 hop_limit << hop_limit_shift);  // ICMP's fields between: 0
    write_addresses<family>(ip, out);
    out.tcp.sequence = load<be32>(segment + 4).host();
    out.tcp.acknowledgement = load<be32>(segment + 8).host();
    store_fields(out, offsetof(Headers, tcp.window), (control & 0x00FFFFFFU) | ((control >> 28) << 26));
    out.tcp.payload_length = static_cast<std::uint32_t>(transport_length - header_length);
    // Options and fragment, up to the end.
    store_fields(out, offsetof(Headers, tcp.options),
                 std::array<std::uint8_t, sizeof(Headers) - offsetof(Headers, tcp.options)>{});
    if (header_length == tcp_header_bytes) return true;
    // Two NOPs and the timestamps: what every established connection of today's systems carries.
    constexpr std::uint32_t padded_timestamps = 0x0101080AU;
    const std::uint8_t* const options = segment + tcp_header_bytes;
    if (header_length == 32 && load<be32>(options).host() == padded_timestamps) {
        out.tcp.options.has_timestamps = true;
        out.tcp.options.timestamp_value = load<be32>(options + 4).host();
        out.tcp.options.timestamp_echo = load<be32>(options + 8).host();
        return true;
    }
    write_options(options, static_cast<std::size_t>(header_length) - tcp_header_bytes, out);
    return true;
}

// What is not plain IPv4 behind a bare Ethernet header of which `bytes` holds a tag's length more.
[[gnu::noinline]] void parse_other(const ParseInput& input, Headers& out) {
    const std::uint8_t* const bytes = input.bytes.data();
    const std::uint16_t ether_type = load<be16>(bytes + 12).host();
    if (ether_type == ether_type_ipv6) {
        if (parse_plain<Family::ipv6>(input, ethernet_header_bytes, 0, 0, out)) return;
    } else if (is_tag(ether_type)) {
        constexpr std::size_t network = ethernet_header_bytes + 4;
        const std::uint16_t tag = load<be16>(bytes + ethernet_header_bytes).host() & 0x0FFFU;
        const std::uint16_t inner = load<be16>(bytes + ethernet_header_bytes + 2).host();
        if (inner == ether_type_ipv4 && parse_plain<Family::ipv4>(input, network, 1, tag, out)) return;
        if (inner == ether_type_ipv6 && parse_plain<Family::ipv6>(input, network, 1, tag, out)) return;
    }
    parse_general(input, out);
}

}  // namespace

void parse_general(const ParseInput& input, Headers& out) {
    out = Headers{};
    out.refusal = parse_frame(view_of(input), input.link, out);
}

void parse(const ParseInput& input, Headers& out) {
    // Any plain packet is longer than a link header and a tag.
    if (input.link != LinkLayer::ethernet || input.bytes.size() < ethernet_header_bytes + 4) {
        return parse_general(input, out);
    }
    if (load<be16>(input.bytes.data() + 12).host() == ether_type_ipv4 &&
        parse_plain<Family::ipv4>(input, ethernet_header_bytes, 0, 0, out)) [[likely]] {
        return;
    }
    parse_other(input, out);
}

}  // namespace sluice::packet
