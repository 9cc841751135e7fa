#include "sluice/packet/checksum.hpp"

#include <algorithm>

namespace sluice::packet {
namespace {

constexpr std::uint64_t fold_once(std::uint64_t sum) {
    return (sum & 0xFFFFFFFFU) + (sum >> 32);
}

// The sum of the 32-bit words of `bytes`. 64 bits hold 2^32 of them without a carry; the compiler makes lanes
// of it.
std::uint64_t sum_of(std::span<const std::uint8_t> bytes) {
    std::uint64_t sum = 0;
    std::size_t at = 0;
    for (; at + 4 <= bytes.size(); at += 4) sum += load<std::uint32_t>(&bytes[at]);
    if (at + 2 <= bytes.size()) {
        sum += load<std::uint16_t>(&bytes[at]);
        at += 2;
    }
    if (at < bytes.size()) sum += bytes[at];  // the low byte of a little-endian word: its pair is 0
    return sum;
}

std::size_t address_bytes(Family family) {
    return family == Family::ipv4 ? 4 : 16;
}

// RFC 9293 3.1, RFC 768, RFC 8200 8.1. ICMP alone has none.
void add_pseudo_header(ChecksumSum& sum, const Headers& headers, std::uint32_t length) {
    const std::size_t size = address_bytes(headers.family);
    sum.add(std::span(headers.source).first(size));
    sum.add(std::span(headers.destination).first(size));
    sum.add_word(be16(headers.protocol));
    sum.add_length(length);
}

bool has_checksum(const Headers& headers) {
    switch (headers.protocol) {
        case tcp:
        case udp:
            return true;
        case icmp:
            return headers.family == Family::ipv4;
        case icmpv6:
            return headers.family == Family::ipv6;
        default:
            return false;
    }
}

std::size_t checksum_offset(std::uint8_t protocol) {
    return protocol == tcp ? 16 : protocol == udp ? 6 : 2;
}

}  // namespace

void ChecksumSum::add(std::span<const std::uint8_t> piece) {
    const std::uint64_t sum = sum_of(piece);
    // A piece that begins in the middle of a word sums to its bytes swapped (RFC 1071 2B).
    sum_ += odd_ ? __builtin_bswap16(detail::folded(sum)) : fold_once(sum);
    odd_ ^= piece.size() % 2 != 0;
}

void ChecksumSum::add_length(std::uint32_t host_length) {
    const be32 length(host_length);
    sum_ += length.raw();
}

bool ipv4_header_checksum_holds(std::span<const std::uint8_t> header) {
    return detail::folded(sum_of(header)) == 0xFFFF;
}

TransportChecksum::TransportChecksum(const Headers& headers, std::uint32_t transport_length)
    : left_(transport_length), protocol_(headers.protocol), covered_(has_checksum(headers)) {
    if (protocol_ == udp) {
        // Bytes behind UDP's own length are not covered.
        left_ = std::min<std::uint32_t>(headers.udp_length, transport_length);
        sound_ = headers.udp_length <= transport_length;
    }
    if (covered_ && protocol_ != icmp) add_pseudo_header(sum_, headers, left_);
}

void TransportChecksum::add(std::span<const std::uint8_t> piece) {
    if (!covered_) return;
    piece = piece.first(std::min<std::size_t>(piece.size(), left_));
    left_ -= static_cast<std::uint32_t>(piece.size());
    if (protocol_ == udp && seen_ < 8) {
        for (std::uint32_t at = 6; at < 8; ++at) {
            if (at >= seen_ && at - seen_ < piece.size()) udp_field_ |= piece[at - seen_];
        }
    }
    seen_ += static_cast<std::uint32_t>(piece.size());
    sum_.add(piece);
}

ChecksumVerdict TransportChecksum::verdict() const {
    if (!covered_) return ChecksumVerdict::absent;
    if (!sound_ || left_ != 0) return ChecksumVerdict::bad;
    // RFC 768; over IPv6 for tunnels, which a box in the middle must let through (RFC 6936 5).
    if (protocol_ == udp && udp_field_ == 0) return ChecksumVerdict::absent;
    return sum_.folded() == 0xFFFF ? ChecksumVerdict::good : ChecksumVerdict::bad;
}

ChecksumVerdict verify_transport(const Headers& headers, std::span<const std::uint8_t> transport) {
    TransportChecksum checksum(headers, static_cast<std::uint32_t>(transport.size()));
    checksum.add(transport);
    return checksum.verdict();
}

template <Family family>
bool plain_checksums_hold(const ParseInput& input, std::size_t network) {
    PlainTcp plain;
    if (!read_plain<family>(input, network, plain)) return false;
    const auto readable = static_cast<std::size_t>(input.bytes.data() + input.bytes.size() - plain.segment);
    if (readable < plain.transport_length) return false;
    if (family == Family::ipv4 && !ipv4_header_checksum_holds({plain.network, ipv4_header_bytes}))
        return false;
    ChecksumSum sum;
    sum.add({plain.addresses, 2 * address_bytes(family)});
    sum.add_word(be16(tcp));
    sum.add_length(plain.transport_length);
    sum.add({plain.segment, plain.transport_length});
    return sum.folded() == 0xFFFF;
}
template bool plain_checksums_hold<Family::ipv4>(const ParseInput&, std::size_t);
template bool plain_checksums_hold<Family::ipv6>(const ParseInput&, std::size_t);

void write_transport_checksum(const Headers& headers, std::span<std::uint8_t> transport) {
    const std::size_t at = checksum_offset(headers.protocol);
    store(&transport[at], be16(0));
    ChecksumSum sum;
    if (headers.protocol != icmp) {
        add_pseudo_header(sum, headers, static_cast<std::uint32_t>(transport.size()));
    }
    sum.add(transport);
    be16 checksum = sum.checksum();
    // In UDP 0 says that there is none (RFC 768).
    if (headers.protocol == udp && checksum.raw() == 0) checksum = be16(0xFFFF);
    store(&transport[at], checksum);
}

}  // namespace sluice::packet
