// How the parser's tests parse: from a buffer of exactly the frame's size, so that the address sanitizer sees
// a read beyond it, and along both paths, so that every test also compares them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "sluice/packet/parse.hpp"
#include "support/packet_builder.hpp"
#include "support/plain_packet.hpp"

namespace sluice::test {

using packet::Family;
using packet::Headers;
using packet::LinkLayer;
using packet::ParseInput;
using packet::Quote;

/// A heap copy with no room to spare.
class ExactBuffer {
  public:
    explicit ExactBuffer(const Bytes& bytes) : size_(bytes.size()), bytes_(new std::uint8_t[bytes.size()]) {
        std::copy(bytes.begin(), bytes.end(), bytes_.get());
    }
    [[nodiscard]] std::span<const std::uint8_t> span() const { return {bytes_.get(), size_}; }

  private:
    std::size_t size_;
    std::unique_ptr<std::uint8_t[]> bytes_;
};

/// Parses `bytes`, the first part of a frame of `frame_length` bytes.
inline Headers parse_part(const Bytes& bytes, std::size_t frame_length, LinkLayer link) {
    const ExactBuffer buffer(bytes);
    const ParseInput input{buffer.span(), frame_length, link};
    Headers headers;
    // What was there before must not show through.
    headers.udp_length = 0xDEAD;
    headers.tcp.options.has_sack = true;
    packet::parse(input, headers);
    EXPECT_STREQ(compare_plain(input, headers).differs, nullptr) << "read_plain() and parse() differ";
    return headers;
}

inline Headers parse_frame(const Bytes& frame, LinkLayer link = LinkLayer::ethernet) {
    return parse_part(frame, frame.size(), link);
}
inline Headers parse_built(const PacketBuilder& builder) {
    return parse_frame(builder.build(), builder.link());
}
inline Reason refusal_of(const PacketBuilder& builder) {
    return parse_built(builder).refusal;
}

inline Quote quote_in(const Bytes& frame, LinkLayer link = LinkLayer::ethernet) {
    const ExactBuffer buffer(frame);
    const ParseInput input{buffer.span(), frame.size(), link};
    Headers headers;
    packet::parse(input, headers);
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_TRUE(headers.icmp_error);
    return packet::parse_quote(input, headers);
}

/// Starting points: plain packets of each family over Ethernet.
inline PacketBuilder over_ipv4() {
    return PacketBuilder().ethernet().ipv4("192.0.2.1", "198.51.100.2");
}
inline PacketBuilder over_ipv6() {
    return PacketBuilder().ethernet().ipv6("2001:db8::1", "2001:db8:1::2");
}
inline PacketBuilder tcp_over_ipv4() {
    return over_ipv4().tcp(40000, 443).flags(packet::ack);
}
inline PacketBuilder tcp_over_ipv6() {
    return over_ipv6().tcp(40000, 443).flags(packet::ack);
}

inline Bytes first_of(const Bytes& bytes, std::size_t count) {
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace sluice::test

namespace sluice {
/// Failures name the reason.
inline void PrintTo(Reason reason, std::ostream* out) {
    *out << text_of(reason).name;
}
}  // namespace sluice
