// RFC 1071 as it is told: 16-bit words in network order, summed one by one.
#pragma once

#include <cstdint>
#include <span>

#include "sluice/packet/checksum.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::fuzz {

class PlainSum {
  public:
    void add(std::span<const std::uint8_t> bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i)
            sum_ += std::uint64_t{bytes[i]} << (i % 2 == 0 ? 8 : 0);
    }
    void add_number(std::uint32_t number) { sum_ += (number >> 16) + (number & 0xFFFFU); }
    [[nodiscard]] std::uint16_t folded() const {
        std::uint64_t sum = sum_;
        while (sum > 0xFFFF) sum = (sum >> 16) + (sum & 0xFFFFU);
        return static_cast<std::uint16_t>(sum);
    }

  private:
    std::uint64_t sum_ = 0;
};

/// What verify_transport() should say of `transport`, the whole upper-layer part of the packet in `headers`.
[[nodiscard]] inline packet::ChecksumVerdict plain_verdict(const packet::Headers& headers,
                                                           std::span<const std::uint8_t> transport) {
    using packet::ChecksumVerdict;
    const bool four = headers.family == packet::Family::ipv4;
    const bool known = headers.protocol == packet::tcp || headers.protocol == packet::udp ||
                       headers.protocol == (four ? packet::icmp : packet::icmpv6);
    if (!known) return ChecksumVerdict::absent;
    auto covered = transport;
    if (headers.protocol == packet::udp) {
        if (headers.udp_length > transport.size()) return ChecksumVerdict::bad;
        covered = transport.first(headers.udp_length);
        if (covered.size() < 8 || (covered[6] == 0 && covered[7] == 0)) return ChecksumVerdict::absent;
    }
    PlainSum sum;
    if (headers.protocol != packet::icmp) {  // the pseudo header
        sum.add(std::span(headers.source).first(four ? 4 : 16));
        sum.add(std::span(headers.destination).first(four ? 4 : 16));
        sum.add_number(headers.protocol);
        sum.add_number(static_cast<std::uint32_t>(covered.size()));
    }
    sum.add(covered);
    return sum.folded() == 0xFFFF ? ChecksumVerdict::good : ChecksumVerdict::bad;
}

}  // namespace sluice::fuzz
