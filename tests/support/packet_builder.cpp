#include "support/packet_builder.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace sluice::test {
namespace {

using packet::Family;

// Not inlined, and everything goes through it: GCC 12 at -O3 sees bounds overstepped in small vectors it
// unrolls.
[[gnu::noinline]] void put8(Bytes& out, unsigned value) {
    out.push_back(static_cast<std::uint8_t>(value));
}
void put16(Bytes& out, unsigned value) {
    put8(out, (value >> 8) & 0xFFU);
    put8(out, value & 0xFFU);
}
void put32(Bytes& out, std::uint32_t value) {
    put16(out, value >> 16);
    put16(out, value & 0xFFFFU);
}
void put(Bytes& out, std::span<const std::uint8_t> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}
void put_repeated(Bytes& out, std::size_t count, unsigned value) {
    for (; count > 0; --count) put8(out, value);
}
void put_zeros(Bytes& out, std::size_t count) {
    put_repeated(out, count, 0);
}

void set16(Bytes& bytes, std::size_t at, unsigned value) {
    bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
    bytes.at(at + 1) = static_cast<std::uint8_t>(value & 0xFFU);
}

// A checksum that is surely wrong: neither the right one nor 0, which means "none" in UDP.
std::uint16_t spoilt(std::uint16_t checksum) {
    const auto other = static_cast<std::uint16_t>(checksum ^ 0x5555U);
    return other == 0 || other == 0xFFFF ? static_cast<std::uint16_t>(checksum ^ 0x0F0FU) : other;
}

std::size_t address_bytes(Family family) {
    return family == Family::ipv4 ? 4 : 16;
}

constexpr std::uint8_t fragment_kind = 44;

}  // namespace

namespace option {

Bytes end() {
    return {0};
}
Bytes no_operation() {
    return {1};
}
Bytes mss(std::uint16_t value) {
    Bytes out{2, 4};
    put16(out, value);
    return out;
}
Bytes window_scale(std::uint8_t shift) {
    return {3, 3, shift};
}
Bytes sack_permitted() {
    return {4, 2};
}
Bytes sack(std::initializer_list<std::pair<std::uint32_t, std::uint32_t>> blocks) {
    Bytes out{5, static_cast<std::uint8_t>(2 + blocks.size() * 8)};
    for (const auto& [left, right] : blocks) {
        put32(out, left);
        put32(out, right);
    }
    return out;
}
Bytes timestamps(std::uint32_t value, std::uint32_t echo) {
    Bytes out{8, 10};
    put32(out, value);
    put32(out, echo);
    return out;
}
Bytes fast_open(std::size_t cookie_length) {
    Bytes out{34, static_cast<std::uint8_t>(2 + cookie_length)};
    put_repeated(out, cookie_length, 0xC0);
    return out;
}
Bytes fast_open_experiment(std::size_t cookie_length) {
    Bytes out{254, static_cast<std::uint8_t>(4 + cookie_length), 0xF9, 0x89};
    put_repeated(out, cookie_length, 0xC0);
    return out;
}
Bytes md5_signature() {
    return raw(19, 18, 16);
}
Bytes ao_signature() {
    return raw(29, 16, 14);
}
Bytes raw(std::uint8_t kind, std::uint8_t length, std::size_t body_length) {
    Bytes out{kind, length};
    put_repeated(out, body_length, 0xAA);
    return out;
}

}  // namespace option

packet::Address address(std::string_view text) {
    packet::Address out{};
    const int family = text.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
    if (inet_pton(family, std::string(text).c_str(), out.data()) != 1) {
        throw std::invalid_argument("not an address: " + std::string(text));
    }
    return out;
}

std::uint16_t plain_checksum(std::span<const std::uint8_t> bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
        sum = (sum & 0xFFFFU) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(~sum & 0xFFFFU);
}

// ---- Link

PacketBuilder& PacketBuilder::ethernet() {
    return macs({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2});
}
PacketBuilder& PacketBuilder::macs(std::initializer_list<std::uint8_t> source,
                                   std::initializer_list<std::uint8_t> destination) {
    link_ = packet::LinkLayer::ethernet;
    link_header_.assign(destination);
    link_header_.insert(link_header_.end(), source);
    return *this;
}
PacketBuilder& PacketBuilder::vlan(std::uint16_t id, std::uint16_t tag_type, std::uint8_t priority) {
    tags_.push_back({tag_type, static_cast<std::uint16_t>((priority << 13) | id)});
    return *this;
}
PacketBuilder& PacketBuilder::ether_type_as(std::uint16_t type) {
    ether_type_ = type;
    return *this;
}
PacketBuilder& PacketBuilder::snap() {
    snap_ = true;
    return *this;
}
PacketBuilder& PacketBuilder::linux_cooked_v1() {
    link_ = packet::LinkLayer::linux_cooked_v1;
    link_header_ = {0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0};
    return *this;
}
PacketBuilder& PacketBuilder::linux_cooked_v2() {
    link_ = packet::LinkLayer::linux_cooked_v2;
    link_header_ = {0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0};  // behind the EtherType
    return *this;
}
PacketBuilder& PacketBuilder::bsd_loopback(std::uint32_t family, bool swapped) {
    link_ = packet::LinkLayer::bsd_loopback;
    link_header_.clear();
    put32(link_header_, swapped ? __builtin_bswap32(family) : family);
    return *this;
}

// ---- Network

PacketBuilder& PacketBuilder::ipv4(std::string_view source, std::string_view destination) {
    family_ = Family::ipv4;
    source_ = address(source);
    destination_ = address(destination);
    return *this;
}
PacketBuilder& PacketBuilder::ipv6(std::string_view source, std::string_view destination) {
    ipv4(source, destination);
    family_ = Family::ipv6;
    return *this;
}
PacketBuilder& PacketBuilder::ip(std::string_view source, std::string_view destination) {
    const bool six = source.find(':') != std::string_view::npos;
    return six ? ipv6(source, destination) : ipv4(source, destination);
}
PacketBuilder& PacketBuilder::hop_limit(std::uint8_t value) {
    hop_limit_ = value;
    return *this;
}
PacketBuilder& PacketBuilder::identification(std::uint32_t value) {
    identification_ = value;
    return *this;
}
PacketBuilder& PacketBuilder::dont_fragment() {
    dont_fragment_ = true;
    return *this;
}
PacketBuilder& PacketBuilder::ipv4_options(const Bytes& options) {
    ipv4_options_ = options;
    put_zeros(ipv4_options_, (4 - options.size() % 4) % 4);
    return *this;
}
PacketBuilder& PacketBuilder::version_as(std::uint8_t version) {
    version_ = version;
    return *this;
}
PacketBuilder& PacketBuilder::header_words_as(std::uint8_t ihl) {
    header_words_ = ihl;
    return *this;
}
PacketBuilder& PacketBuilder::ip_length_as(std::uint16_t length) {
    ip_length_ = length;
    return *this;
}
PacketBuilder& PacketBuilder::wrong_ip_checksum() {
    wrong_ip_checksum_ = true;
    return *this;
}
PacketBuilder& PacketBuilder::fragment(std::size_t offset, bool more, std::uint32_t identification) {
    identification_ = identification;
    if (family_ == Family::ipv6) {
        Bytes header{0, 0};
        put16(header, static_cast<unsigned>(offset) | (more ? 1U : 0U));
        put32(header, identification);
        extensions_.push_back({fragment_kind, header});
    } else {
        fragment_offset_ = offset;
        fragment_more_ = more;
    }
    return *this;
}

// ---- Extension headers

PacketBuilder& PacketBuilder::hop_by_hop(std::size_t length) {
    return extension(0, static_cast<std::uint8_t>(length / 8 - 1), length);
}
PacketBuilder& PacketBuilder::hop_by_hop(const Bytes& options) {
    Bytes header{0, static_cast<std::uint8_t>((options.size() + 2) / 8 - 1)};
    put(header, options);
    extensions_.push_back({0, header});
    return *this;
}
PacketBuilder& PacketBuilder::destination_options(std::size_t length) {
    return extension(60, static_cast<std::uint8_t>(length / 8 - 1), length);
}
PacketBuilder& PacketBuilder::routing(std::uint8_t type, std::uint8_t segments_left, std::size_t length) {
    extension(43, static_cast<std::uint8_t>(length / 8 - 1), length);
    extensions_.back().bytes[2] = type;
    extensions_.back().bytes[3] = segments_left;
    return *this;
}
PacketBuilder& PacketBuilder::authentication(std::size_t length) {
    return extension(51, static_cast<std::uint8_t>(length / 4 - 2), length);
}
PacketBuilder& PacketBuilder::extension(std::uint8_t kind, std::uint8_t length_field, std::size_t length) {
    Bytes header{0, length_field};
    put_zeros(header, length - 2);  // zeros are Pad1 options
    extensions_.push_back({kind, header});
    return *this;
}

// ---- Upper layer

PacketBuilder& PacketBuilder::tcp(std::uint16_t source_port, std::uint16_t destination_port) {
    protocol_ = packet::tcp;
    plain_payload_ = false;
    source_port_ = source_port;
    destination_port_ = destination_port;
    return *this;
}
PacketBuilder& PacketBuilder::sequence(std::uint32_t value) {
    sequence_ = value;
    return *this;
}
PacketBuilder& PacketBuilder::acknowledgement(std::uint32_t value) {
    acknowledgement_ = value;
    return *this;
}
PacketBuilder& PacketBuilder::flags(unsigned tcp_flags) {
    flags_ = static_cast<std::uint8_t>(tcp_flags);
    return *this;
}
PacketBuilder& PacketBuilder::window(std::uint16_t value) {
    window_ = value;
    return *this;
}
PacketBuilder& PacketBuilder::option(const Bytes& option) {
    put(options_, option);
    return *this;
}
PacketBuilder& PacketBuilder::header_bytes_as(unsigned length) {
    header_bytes_ = length;
    return *this;
}
PacketBuilder& PacketBuilder::udp(std::uint16_t source_port, std::uint16_t destination_port) {
    tcp(source_port, destination_port);
    protocol_ = packet::udp;
    return *this;
}
PacketBuilder& PacketBuilder::udp_length_as(std::uint16_t length) {
    udp_length_ = length;
    return *this;
}
PacketBuilder& PacketBuilder::without_checksum() {
    without_checksum_ = true;
    return *this;
}
PacketBuilder& PacketBuilder::icmp(std::uint8_t type, std::uint8_t code, std::uint16_t identifier,
                                   std::uint16_t number) {
    protocol_ = packet::icmp;
    plain_payload_ = false;
    icmp_type_ = type;
    icmp_code_ = code;
    source_port_ = identifier;
    destination_port_ = number;
    return *this;
}
PacketBuilder& PacketBuilder::icmpv6(std::uint8_t type, std::uint8_t code, std::uint16_t identifier,
                                     std::uint16_t number) {
    icmp(type, code, identifier, number);
    protocol_ = packet::icmpv6;
    return *this;
}
PacketBuilder& PacketBuilder::icmp_error(std::uint8_t type, std::uint8_t code, const PacketBuilder& packet,
                                         std::size_t limit) {
    icmp(type, code);
    if (family_ == Family::ipv6) protocol_ = packet::icmpv6;
    Bytes quote = packet.build_ip();
    quote.resize(std::min(quote.size(), limit));
    return payload(quote);
}
PacketBuilder& PacketBuilder::protocol(std::uint8_t number) {
    protocol_ = number;
    plain_payload_ = true;
    return *this;
}
PacketBuilder& PacketBuilder::wrong_transport_checksum() {
    wrong_transport_checksum_ = true;
    return *this;
}
PacketBuilder& PacketBuilder::payload(std::size_t length) {
    payload_.clear();
    for (std::size_t i = 0; i < length; ++i) put8(payload_, i & 0xFFU);
    return *this;
}
PacketBuilder& PacketBuilder::payload(const Bytes& bytes) {
    payload_ = bytes;
    return *this;
}
PacketBuilder& PacketBuilder::link_padding(std::size_t length) {
    padding_ = length;
    return *this;
}

// ---- Building

// `behind` is the length of what follows: SNAP says it.
Bytes PacketBuilder::build_link(std::size_t behind) const {
    const std::uint16_t type = ether_type_.value_or(family_ == Family::ipv4 ? 0x0800 : 0x86DD);
    if (link_ == packet::LinkLayer::raw_ip) return {};
    Bytes out = link_header_;
    if (link_ == packet::LinkLayer::bsd_loopback) return out;
    Bytes types;  // the EtherType of the link header, then each tag with the type behind it
    for (const Tag& tag : tags_) {
        put16(types, tag.type);
        put16(types, tag.control);
    }
    if (snap_) {
        put16(types, static_cast<unsigned>(8 + behind));
        put(types, Bytes{0xAA, 0xAA, 3, 0, 0, 0});
    }
    put16(types, type);
    if (link_ == packet::LinkLayer::linux_cooked_v2) {
        Bytes cooked(types.begin(), types.begin() + 2);
        put(cooked, out);
        put(cooked, std::span(types).subspan(2));
        return cooked;
    }
    put(out, types);
    return out;
}

Bytes PacketBuilder::build_tcp() const {
    Bytes options = options_;
    while (options.size() % 4 != 0) put8(options, 1);
    Bytes out;
    put16(out, source_port_);
    put16(out, destination_port_);
    put32(out, sequence_);
    put32(out, acknowledgement_);
    const std::size_t length = header_bytes_.value_or(static_cast<unsigned>(20 + options.size()));
    put8(out, static_cast<unsigned>(length / 4) << 4);
    put8(out, flags_);
    put16(out, window_);
    put32(out, 0);  // checksum and urgent pointer
    put(out, options);
    put(out, payload_);
    return out;
}

Bytes PacketBuilder::build_transport() const {
    if (plain_payload_) return payload_;
    Bytes out;
    switch (protocol_) {
        case packet::tcp:
            out = build_tcp();
            break;
        case packet::udp:
            put16(out, source_port_);
            put16(out, destination_port_);
            put16(out, udp_length_.value_or(static_cast<std::uint16_t>(8 + payload_.size())));
            put16(out, 0);
            put(out, payload_);
            break;
        case packet::icmp:
        case packet::icmpv6:
            put8(out, icmp_type_);
            put8(out, icmp_code_);
            put16(out, 0);
            put16(out, source_port_);
            put16(out, destination_port_);
            put(out, payload_);
            break;
        default:
            return payload_;
    }
    write_transport_checksum(out);
    return out;
}

void PacketBuilder::write_transport_checksum(Bytes& transport) const {
    if (protocol_ == packet::udp && without_checksum_) return;
    Bytes summed;
    if (protocol_ != packet::icmp) {
        const std::size_t size = address_bytes(family_);
        put(summed, std::span(source_).first(size));
        put(summed, std::span(destination_).first(size));
        put32(summed, static_cast<std::uint32_t>(transport.size()));
        put32(summed, protocol_);
    }
    put(summed, transport);
    std::uint16_t checksum = plain_checksum(summed);
    if (protocol_ == packet::udp && checksum == 0) checksum = 0xFFFF;  // RFC 768
    if (wrong_transport_checksum_) checksum = spoilt(checksum);
    const std::size_t at = protocol_ == packet::tcp ? 16 : protocol_ == packet::udp ? 6 : 2;
    set16(transport, at, checksum);
}

Bytes PacketBuilder::build_ipv4(const Bytes& behind) const {
    const std::size_t header = 20 + ipv4_options_.size();
    Bytes out;
    put8(out, (static_cast<unsigned>(version_.value_or(4)) << 4) |
                  header_words_.value_or(static_cast<std::uint8_t>(header / 4)));
    put8(out, 0);
    put16(out, ip_length_.value_or(static_cast<std::uint16_t>(header + behind.size())));
    put16(out, identification_ & 0xFFFFU);
    put16(out, (dont_fragment_ ? 0x4000U : 0U) | (fragment_more_ ? 0x2000U : 0U) |
                   static_cast<unsigned>(fragment_offset_ / 8));
    put8(out, hop_limit_);
    put8(out, protocol_);
    put16(out, 0);
    put(out, std::span(source_).first(4));
    put(out, std::span(destination_).first(4));
    put(out, ipv4_options_);
    const std::uint16_t checksum = plain_checksum(out);
    set16(out, 10, wrong_ip_checksum_ ? spoilt(checksum) : checksum);
    put(out, behind);
    return out;
}

Bytes PacketBuilder::build_ipv6(const Bytes& behind) const {
    Bytes chain;
    for (std::size_t i = 0; i < extensions_.size(); ++i) {
        const std::size_t at = chain.size();
        put(chain, extensions_[i].bytes);
        chain[at] = i + 1 < extensions_.size() ? extensions_[i + 1].kind : protocol_;
    }
    put(chain, behind);
    Bytes out;
    put32(out, static_cast<std::uint32_t>(version_.value_or(6)) << 28);
    put16(out, ip_length_.value_or(static_cast<std::uint16_t>(chain.size())));
    put8(out, extensions_.empty() ? protocol_ : extensions_.front().kind);
    put8(out, hop_limit_);
    put(out, source_);
    put(out, destination_);
    put(out, chain);
    return out;
}

Bytes PacketBuilder::build_network(const Bytes& behind) const {
    if (family_ == Family::none) return behind;
    return family_ == Family::ipv4 ? build_ipv4(behind) : build_ipv6(behind);
}

Bytes PacketBuilder::build_ip() const {
    return build_network(build_transport());
}

Bytes PacketBuilder::build() const {
    const Bytes ip = build_ip();
    Bytes out = build_link(ip.size());
    put(out, ip);
    put_zeros(out, padding_);
    return out;
}

std::vector<Bytes> PacketBuilder::build_fragments(std::size_t piece) const {
    const Bytes whole = build_transport();
    std::vector<Bytes> out;
    for (std::size_t at = 0; at < whole.size(); at += piece) {
        const std::size_t length = std::min(piece, whole.size() - at);
        PacketBuilder one = *this;
        one.fragment(at, at + length < whole.size(), identification_);
        const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(at);
        const Bytes packet = one.build_network(Bytes(begin, begin + static_cast<std::ptrdiff_t>(length)));
        Bytes frame = one.build_link(packet.size());
        put(frame, packet);
        put_zeros(frame, padding_);
        out.push_back(frame);
    }
    return out;
}

}  // namespace sluice::test
