// Checksums: known vectors, pieces, and changes.
#include "sluice/packet/checksum.hpp"

#include <random>

#include "parsing.hpp"

namespace sluice::test {
namespace {

using packet::ChecksumVerdict;

std::span<const std::uint8_t> transport_of(const Bytes& frame, const Headers& headers) {
    return std::span(frame).subspan(headers.transport_offset, headers.transport_length);
}
ChecksumVerdict verdict_of(const PacketBuilder& builder) {
    const Bytes frame = builder.build();
    const Headers headers = parse_frame(frame, builder.link());
    EXPECT_EQ(headers.refusal, Reason::none);
    return packet::verify_transport(headers, transport_of(frame, headers));
}

TEST(Checksum, ExampleOfRfc1071) {
    const Bytes bytes{0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7};
    packet::ChecksumSum sum;
    sum.add(bytes);
    EXPECT_EQ(be16::from_raw(sum.folded()).host(), 0xDDF2);
    EXPECT_EQ(sum.checksum().host(), 0x220D);
}

// The compiler makes vectors of the sum, which have a beginning, a middle and an end.
TEST(Checksum, AnyLengthAtAnyAddressSumsAsOneWordAfterTheOther) {
    std::mt19937 random(1071);
    Bytes bytes(1600);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    std::fill_n(bytes.begin() + 500, 300, 0xFF);  // many carries
    for (std::size_t length = 0; length <= 1520; length += length < 300 ? 1 : 61) {
        for (std::size_t at = 0; at < 64; ++at) {
            const auto piece = std::span(bytes).subspan(at, length);
            packet::ChecksumSum sum;
            sum.add(piece);
            ASSERT_EQ(sum.checksum().host(), plain_checksum(piece)) << length << " bytes at " << at;
        }
    }
}

TEST(Checksum, KnownIpv4Header) {
    // A header whose checksum, 0xB861, is printed in many textbooks.
    Bytes header{0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                 0xB8, 0x61, 0xC0, 0xA8, 0x00, 0x01, 0xC0, 0xA8, 0x00, 0xC7};
    EXPECT_TRUE(packet::ipv4_header_checksum_holds(header));
    for (std::size_t at = 0; at < header.size(); ++at) {
        header[at] ^= 0x40;
        EXPECT_FALSE(packet::ipv4_header_checksum_holds(header)) << at;
        header[at] ^= 0x40;
    }
}

TEST(Checksum, Ipv4OptionsAreCovered) {
    for (const bool broken : {false, true}) {
        auto builder = tcp_over_ipv4().ipv4_options(Bytes{7, 7, 4, 1, 2, 3, 4});
        if (broken) builder.wrong_ip_checksum();
        const Bytes frame = builder.build();
        const Headers headers = parse_frame(frame);
        const auto header = std::span(frame).subspan(
            headers.network_offset,
            static_cast<std::size_t>(headers.transport_offset - headers.network_offset));
        EXPECT_EQ(packet::ipv4_header_checksum_holds(header), !broken);
    }
}

TEST(Checksum, EveryProtocolIsVerified) {
    const auto quoted_4 = PacketBuilder().ipv4("198.51.100.2", "192.0.2.1").tcp(443, 40000);
    const auto quoted_6 = PacketBuilder().ipv6("2001:db8:1::2", "2001:db8::1").tcp(443, 40000);
    for (std::size_t length = 0; length < 70; ++length) {
        for (const auto& builder :
             {tcp_over_ipv4().payload(length), tcp_over_ipv6().payload(length),
              over_ipv4().udp(1, 2).payload(length), over_ipv6().udp(1, 2).payload(length),
              over_ipv4().icmp(8, 0, 1, 2).payload(length), over_ipv6().icmpv6(128, 0, 1, 2).payload(length),
              over_ipv4().icmp_error(3, 3, quoted_4), over_ipv6().icmp_error(1, 3, quoted_6),
              tcp_over_ipv6().hop_by_hop().payload(length).link_padding(3)}) {
            auto one = builder;
            EXPECT_EQ(verdict_of(one), ChecksumVerdict::good);
            EXPECT_EQ(verdict_of(one.wrong_transport_checksum()), ChecksumVerdict::bad);
        }
    }
}

TEST(Checksum, OtherProtocolsHaveNone) {
    EXPECT_EQ(verdict_of(over_ipv4().protocol(47).payload(9)), ChecksumVerdict::absent);
    EXPECT_EQ(verdict_of(over_ipv6().protocol(1).payload(9)), ChecksumVerdict::absent);
    EXPECT_EQ(verdict_of(over_ipv4().protocol(58).payload(9)), ChecksumVerdict::absent);
}

TEST(Checksum, UdpWithoutOneIsAbsent) {
    EXPECT_EQ(verdict_of(over_ipv4().udp(1, 2).payload(9).without_checksum()), ChecksumVerdict::absent);
    EXPECT_EQ(verdict_of(over_ipv6().udp(1, 2).payload(9).without_checksum()), ChecksumVerdict::absent);
}

TEST(Checksum, BytesBehindTheUdpLengthAreNotCovered) {
    const Bytes plain = over_ipv4().udp(1, 2).payload(4).build();
    Bytes frame = over_ipv4().udp(1, 2).payload(9).udp_length_as(12).build();
    frame[14 + 20 + 6] = plain[14 + 20 + 6];
    frame[14 + 20 + 7] = plain[14 + 20 + 7];
    const Headers headers = parse_frame(frame);
    ASSERT_EQ(headers.transport_length, 17U);
    EXPECT_EQ(packet::verify_transport(headers, transport_of(frame, headers)), ChecksumVerdict::good);
}

TEST(Checksum, PiecesOfAnyLengthSumToTheSame) {
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
        auto builder = round % 2 == 0 ? tcp_over_ipv4() : over_ipv6().udp(9, 8);
        if (round % 3 == 0) builder.wrong_transport_checksum();
        const Bytes frame = builder.payload(random() % 300).build();
        const Headers headers = parse_frame(frame);
        const auto whole = transport_of(frame, headers);
        packet::TransportChecksum checksum(headers, headers.transport_length);
        for (std::size_t at = 0; at < whole.size();) {
            const std::size_t length = std::min<std::size_t>(whole.size() - at, random() % 40);
            checksum.add(whole.subspan(at, length));
            at += length;
        }
        EXPECT_EQ(checksum.verdict(), round % 3 == 0 ? ChecksumVerdict::bad : ChecksumVerdict::good);
    }
}

TEST(Checksum, OneBytePiecesOfUdpStillShowItsField) {
    const Bytes frame = over_ipv4().udp(9, 8).payload(5).without_checksum().build();
    const Headers headers = parse_frame(frame);
    packet::TransportChecksum checksum(headers, headers.transport_length);
    for (const std::uint8_t& byte : transport_of(frame, headers)) checksum.add({&byte, 1});
    EXPECT_EQ(checksum.verdict(), ChecksumVerdict::absent);
}

TEST(Checksum, FragmentsAreVerifiedAsOneDatagram) {
    for (const bool broken : {false, true}) {
        for (const auto& start :
             {tcp_over_ipv4(), over_ipv4().udp(5, 6), over_ipv6().udp(5, 6), over_ipv6().icmpv6(128, 0, 1)}) {
            auto builder = start;
            if (broken) builder.wrong_transport_checksum();
            const auto pieces = builder.payload(101).build_fragments(32);
            std::uint32_t total = 0;
            for (const Bytes& piece : pieces) total += parse_frame(piece).transport_length;
            packet::TransportChecksum checksum(parse_frame(pieces[0]), total);
            for (const Bytes& piece : pieces) checksum.add(transport_of(piece, parse_frame(piece)));
            EXPECT_EQ(checksum.verdict(), broken ? ChecksumVerdict::bad : ChecksumVerdict::good);
        }
    }
}

TEST(Checksum, UdpLengthBeyondTheDatagramIsBad) {
    const auto pieces = over_ipv4().udp(5, 6).payload(40).udp_length_as(49).build_fragments(24);
    const Headers first = parse_frame(pieces[0]);
    ASSERT_EQ(first.refusal, Reason::none);
    packet::TransportChecksum checksum(first, 48);
    for (const Bytes& piece : pieces) checksum.add(transport_of(piece, parse_frame(piece)));
    EXPECT_EQ(checksum.verdict(), ChecksumVerdict::bad);
}

TEST(Checksum, MissingBytesAreBad) {
    const Bytes frame = tcp_over_ipv4().payload(10).build();
    const Headers headers = parse_frame(frame);
    packet::TransportChecksum checksum(headers, headers.transport_length);
    checksum.add(transport_of(frame, headers).first(20));
    EXPECT_EQ(checksum.verdict(), ChecksumVerdict::bad);
}

TEST(Checksum, WritingItGivesWhatTheBuilderGives) {
    for (const auto& builder :
         {tcp_over_ipv4().payload(11), tcp_over_ipv6().payload(4), over_ipv4().udp(3, 4),
          over_ipv6().icmpv6(128, 0, 9), over_ipv4().icmp(8, 0, 9)}) {
        const Bytes frame = builder.build();
        auto broken = builder;
        Bytes mended = broken.wrong_transport_checksum().build();
        const Headers headers = parse_frame(frame);
        packet::write_transport_checksum(
            headers, std::span(mended).subspan(headers.transport_offset, headers.transport_length));
        EXPECT_EQ(mended, frame);
    }
}

TEST(Checksum, UdpChecksumThatComesOutZeroIsWrittenAsOnes) {
    // The payload is chosen so that everything else sums to 0xFFFF.
    Bytes frame = over_ipv4().udp(1, 2).payload(Bytes{0, 0}).build();
    const std::uint16_t before = load<be16>(&frame[40]).host();
    const Bytes zero =
        over_ipv4()
            .udp(1, 2)
            .payload(Bytes{static_cast<std::uint8_t>(before >> 8), static_cast<std::uint8_t>(before & 0xFF)})
            .build();
    EXPECT_EQ(load<be16>(&zero[40]).host(), 0xFFFF) << "the builder's own rule";
    Bytes mended = zero;
    mended[40] = mended[41] = 0;
    const Headers headers = parse_frame(mended);
    packet::write_transport_checksum(headers, std::span(mended).subspan(34));
    EXPECT_EQ(mended, zero);
    EXPECT_EQ(packet::verify_transport(headers, std::span(mended).subspan(34)), ChecksumVerdict::good);
}

TEST(Checksum, ExampleOfRfc1624) {
    // Section 4: 0xDD2F, a word changes from 0x5555 to 0x3285; the answer is 0x0000, where RFC 1141 gave
    // 0xFFFF.
    EXPECT_EQ(packet::update_checksum(be16(0xDD2F), be16(0x5555), be16(0x3285)).host(), 0x0000);
}

TEST(Checksum, UpdateEqualsSummingAnew) {
    std::mt19937 random(1624);
    for (int round = 0; round < 20000; ++round) {
        Bytes bytes(40);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
        const be16 checksum(plain_checksum(bytes));
        const std::size_t at = random() % 18 * 2;
        const be32 before = load<be32>(&bytes[at]);
        const be32 after(static_cast<std::uint32_t>(random()));
        store(&bytes[at], after);
        const std::uint16_t updated = packet::update_checksum(checksum, before, after).host();
        ASSERT_EQ(updated, plain_checksum(bytes));
    }
}

TEST(Checksum, ChangesAtAnyByteAreAddedUp) {
    std::mt19937 random(1624);
    for (int round = 0; round < 50'000; ++round) {
        Bytes bytes(2 + random() % 60);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 3 == 0 ? 0xFF : random());
        store(&bytes[0], be16(0));
        store(&bytes[0], be16(plain_checksum(bytes)));
        packet::ChecksumChange change;
        for (auto fields = random() % 6; fields > 0; --fields) {
            const auto after = static_cast<std::uint32_t>(random() % 4 == 0 ? 0 : random());
            const std::size_t size = random() % 2 == 0 ? 2 : 4;
            if (bytes.size() < 2 + size) continue;
            const std::size_t at = 2 + random() % (bytes.size() - size - 1);
            const auto replace = [&](auto replacement) {
                change.replace(at, load<decltype(replacement)>(&bytes[at]), replacement);
                store(&bytes[at], replacement);
            };
            if (size == 2) {
                replace(be16(static_cast<std::uint16_t>(after)));
            } else {
                replace(be32(after));
            }
        }
        const be16 updated = change.update(load<be16>(&bytes[0]));
        store(&bytes[0], be16(0));
        const std::uint16_t whole = plain_checksum(bytes);
        ASSERT_EQ(updated.host() % 0xFFFF, whole % 0xFFFF);
        if (whole != 0xFFFF) {
            ASSERT_EQ(updated.host(), whole) << "0 and 0xFFFF differ only over zeros alone";
        }
    }
}

}  // namespace
}  // namespace sluice::test
