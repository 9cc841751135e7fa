// The Internet checksum (RFC 1071): verification over one piece or several, and incremental change (RFC
// 1624). Sums are kept in the wire's byte order, read as host words: the checksum does not care which end
// comes first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/base/endian.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/packet/plain.hpp"

namespace sluice::packet {
namespace detail {

/// A sum of words folded to 16 bits.
[[nodiscard]] constexpr std::uint16_t folded(std::uint64_t sum) {
    sum = (sum & 0xFFFFFFFFU) + (sum >> 32);
    sum = (sum & 0xFFFFU) + (sum >> 16);  // below 2^33: three halves are left
    sum = (sum & 0xFFFFU) + (sum >> 16);
    sum = (sum & 0xFFFFU) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

}  // namespace detail

/// A one's-complement sum over bytes given piece by piece, each of any length.
class ChecksumSum {
  public:
    void add(std::span<const std::uint8_t> piece);
    /// A field of the pseudo header. Only between pieces of even length.
    void add_word(be16 word) { sum_ += word.raw(); }
    /// Two of them at once: an address, or any four bytes.
    void add_word(be32 word) { sum_ += word.raw(); }
    void add_length(std::uint32_t host_length);

    /// The sum folded to 16 bits: 0xFFFF over bytes that contain their own right checksum.
    [[nodiscard]] std::uint16_t folded() const { return detail::folded(sum_); }
    /// What belongs into a checksum field that was 0 while it was summed.
    [[nodiscard]] be16 checksum() const { return be16::from_raw(static_cast<std::uint16_t>(~folded())); }

  private:
    std::uint64_t sum_ = 0;
    bool odd_ = false;  ///< an odd number of bytes so far: the next piece begins in the middle of a word
};

enum class ChecksumVerdict : std::uint8_t {
    good,
    bad,
    absent,  ///< the protocol has none, or the packet says so (UDP with a field of 0)
};

/// `header` is a whole IPv4 header, options included: of `headers`, the bytes from network_offset to
/// transport_offset.
[[nodiscard]] bool ipv4_header_checksum_holds(std::span<const std::uint8_t> header);

/// The transport checksum of TCP, UDP, ICMP or ICMPv6, given the upper-layer bytes (from transport_offset on,
/// transport_length of them) in order and in pieces: the segments of a buffer chain, or the fragments of a
/// datagram in the order of their offsets. Feed it from `headers` of the whole packet or the first fragment
/// (refusal none). A packet with an IPv6 routing header or an IPv4 source route still to follow is summed
/// with the address it carries, not the last hop's, and so comes out bad.
class TransportChecksum {
  public:
    /// `transport_length` counts header and payload of the whole datagram.
    TransportChecksum(const Headers& headers, std::uint32_t transport_length);

    void add(std::span<const std::uint8_t> piece);
    [[nodiscard]] ChecksumVerdict verdict() const;

  private:
    ChecksumSum sum_;
    std::uint32_t left_;  ///< bytes still covered by the checksum
    std::uint32_t seen_ = 0;
    std::uint8_t protocol_;
    bool covered_;                 ///< the protocol has a checksum that we know
    bool sound_ = true;            ///< the lengths do not contradict each other
    std::uint16_t udp_field_ = 0;  ///< UDP's checksum field, whatever its byte order: only 0 matters
};

/// All of it in one piece.
[[nodiscard]] ChecksumVerdict verify_transport(const Headers& headers,
                                               std::span<const std::uint8_t> transport);

/// Both checksums of the plain packet (of IPv6 the one there is) whose network header lies at offset
/// `network` of `input`; false too when its payload is not all there.
template <Family family>
[[nodiscard]] bool plain_checksums_hold(const ParseInput& input, std::size_t network);

/// Writes the right checksum into a TCP, UDP, ICMP or ICMPv6 header that begins `transport`.
void write_transport_checksum(const Headers& headers, std::span<std::uint8_t> transport);

/// A checksum field after 16 bits under it change from `before` to `after` (RFC 1624, equation 3).
[[nodiscard]] constexpr be16 update_checksum(be16 checksum, be16 before, be16 after) {
    std::uint32_t sum = static_cast<std::uint16_t>(~checksum.raw());
    sum += static_cast<std::uint16_t>(~before.raw());
    sum += after.raw();
    sum = (sum & 0xFFFFU) + (sum >> 16);
    sum = (sum & 0xFFFFU) + (sum >> 16);
    return be16::from_raw(static_cast<std::uint16_t>(~sum));
}
[[nodiscard]] constexpr be16 update_checksum(be16 checksum, be32 before, be32 after) {
    const auto half = [](be32 word, unsigned shift) {
        return be16::from_raw(static_cast<std::uint16_t>(word.raw() >> shift));
    };
    return update_checksum(update_checksum(checksum, half(before, 0), half(after, 0)), half(before, 16),
                           half(after, 16));
}

/// Changes to fields under a checksum, gathered, so that the checksum is updated once (RFC 1624, equation 3).
/// A field may begin at an odd byte and lie across the words that are summed: its halves then count with
/// their bytes swapped (RFC 1071 2B). A checksum that was right is right afterwards, one that was wrong stays
/// wrong by as much.
///
/// 0xFFFF and 0 are one number to the sum. A field never becomes 0xFFFF, as one that is computed over
/// anything but zeros never is; one that was may become 0.
class ChecksumChange {
  public:
    /// `offset` counts from where the summing begins, or from any even distance to it.
    void replace(std::size_t offset, be32 before, be32 after) {
        sum_[offset % 2] += std::uint64_t{after.raw()} + static_cast<std::uint32_t>(~before.raw());
    }
    void replace(std::size_t offset, be16 before, be16 after) {
        sum_[offset % 2] += std::uint64_t{after.raw()} + static_cast<std::uint16_t>(~before.raw());
    }
    [[nodiscard]] be16 update(be16 checksum) const {
        const std::uint64_t sum = sum_[0] + __builtin_bswap16(detail::folded(sum_[1])) +
                                  static_cast<std::uint16_t>(~checksum.raw());
        return be16::from_raw(static_cast<std::uint16_t>(~detail::folded(sum)));
    }

  private:
    std::array<std::uint64_t, 2> sum_{};  ///< of the fields at even and at odd offsets
};

}  // namespace sluice::packet
