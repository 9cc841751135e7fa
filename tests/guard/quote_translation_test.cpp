// The TCP header quoted in an ICMP error, given back the numbers its sender knows.
#include "packet/parsing.hpp"
#include "segments.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/icmp.hpp"

namespace sluice::test {
namespace {

Translation some_translation() {
    Translation out{.sequence_delta = delta, .timestamp_delta = stamp_delta};
    out.set_window_shift(Toward::client, 2);
    return out;
}

// What stands in a quoted segment.
struct QuotedNumbers {
    std::uint32_t sequence = 0x7FFF'FFFF, acknowledgement = 0x8000'0001, value = 100, echo = 200;
    std::uint32_t sack = 3000;  // its left edge
    std::size_t nops = 2;       // before the timestamps
    unsigned flags = packet::ack;
};

PacketBuilder quoted(bool six, const QuotedNumbers& numbers) {
    return PacketBuilder()
        .ip(six ? "2001:db8:1::2" : "198.51.100.2", six ? "2001:db8::1" : "192.0.2.1")
        .tcp(443, 40000)
        .sequence(numbers.sequence)
        .acknowledgement(numbers.acknowledgement)
        .flags(numbers.flags)
        .option(Bytes(numbers.nops, 1))
        .option(option::timestamps(numbers.value, numbers.echo))
        .option(option::sack({{numbers.sack, numbers.sack + 500}}))
        .payload(1200);
}

// The numbers as the sender of the segment knows them, when the other side sees `seen`.
QuotedNumbers known(QuotedNumbers seen, Toward error_travels) {
    if (error_travels == Toward::server) {
        seen.sequence -= delta;
        seen.value -= stamp_delta;
    } else if ((seen.flags & packet::ack) != 0) {
        seen.acknowledgement += delta;
        seen.echo += stamp_delta;
        seen.sack += delta;
    }
    return seen;
}

Bytes error_about(bool six, const PacketBuilder& packet, std::size_t limit) {
    return six ? over_ipv6().icmp_error(packet::icmpv6_type::packet_too_big, 0, packet, limit).build()
               : over_ipv4().icmp_error(packet::icmp_type::destination_unreachable, 4, packet, limit).build();
}

// An error as it leaves the box; `given` is how much of the frame the box has at hand.
Bytes through(const Bytes& frame, Toward toward, std::size_t given) {
    const ExactBuffer buffer(first_of(frame, given));
    const ParseInput input{buffer.span(), frame.size(), LinkLayer::ethernet};
    Headers headers;
    packet::parse(input, headers);
    EXPECT_EQ(headers.refusal, Reason::none);
    const Quote quote = packet::parse_quote(input, headers);
    EXPECT_TRUE(quote.valid && quote.tcp_sequence_known);
    Bytes message(frame.begin() + headers.transport_offset,
                  frame.begin() + static_cast<std::ptrdiff_t>(given));
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[message.size()]);
    std::copy(message.begin(), message.end(), exact.get());
    guard::translate_quote({exact.get(), message.size()},
                           static_cast<std::size_t>(quote.transport_offset - headers.transport_offset),
                           toward, some_translation());
    Bytes out = frame;
    std::copy(exact.get(), exact.get() + message.size(), out.begin() + headers.transport_offset);
    return out;
}
Bytes through(const Bytes& frame, Toward toward) {
    return through(frame, toward, frame.size());
}

bool checksum_is_right(const Bytes& frame) {
    const Headers headers = parse_frame(frame);
    return packet::verify_transport(headers, std::span(frame).subspan(headers.transport_offset)) ==
           packet::ChecksumVerdict::good;
}

TEST(QuoteTranslation, AWholeQuoteIsTheSegmentItsSenderSent) {
    for (const bool six : {false, true}) {
        for (const Toward toward : both_ways) {
            for (const std::size_t nops : {0U, 1U, 2U, 3U}) {
                const QuotedNumbers seen{.nops = nops};
                const Bytes frame = error_about(six, quoted(six, seen), 576);
                EXPECT_EQ(through(frame, toward), error_about(six, quoted(six, known(seen, toward)), 576))
                    << "IPv" << (six ? 6 : 4) << " toward " << static_cast<int>(toward) << ", nops " << nops;
            }
        }
    }
}

TEST(QuoteTranslation, BehindIpOptionsAndExtensionHeadersToo) {
    const QuotedNumbers seen;
    for (const Toward toward : both_ways) {
        auto four = [&](const QuotedNumbers& numbers) {
            return quoted(false, numbers).ipv4_options(Bytes(12, 1));
        };
        EXPECT_EQ(through(error_about(false, four(seen), 576), toward),
                  error_about(false, four(known(seen, toward)), 576));
        const auto six = [&](const QuotedNumbers& numbers) {
            return PacketBuilder()
                .ipv6("2001:db8:1::2", "2001:db8::1")
                .hop_by_hop(16)
                .tcp(443, 40000)
                .sequence(numbers.sequence)
                .acknowledgement(numbers.acknowledgement)
                .flags(packet::ack);
        };
        EXPECT_EQ(through(error_about(true, six(seen), 576), toward),
                  error_about(true, six(known(seen, toward)), 576));
    }
}

// What is left of the quoted header after a cut: whole fields are given back, cut ones stay.
Bytes expected_header(const Bytes& seen, const Bytes& sent, std::size_t present) {
    Bytes out = first_of(seen, present);
    // Sequence, acknowledgement; with two NOPs before the timestamps, TSval and TSecr; the SACK edges.
    for (const std::size_t at : {4U, 8U, 24U, 28U, 34U, 38U}) {
        if (at + 4 <= present) {
            std::copy_n(sent.begin() + static_cast<std::ptrdiff_t>(at), 4,
                        out.begin() + static_cast<std::ptrdiff_t>(at));
        }
    }
    return out;
}

TEST(QuoteTranslation, AQuoteMayEndAnywhere) {
    for (const bool six : {false, true}) {
        const std::size_t network = six ? 40 : 20;
        for (const Toward toward : both_ways) {
            const QuotedNumbers seen;
            const Bytes as_seen = quoted(six, seen).build_ip();
            const Bytes as_sent = quoted(six, known(seen, toward)).build_ip();
            const Bytes seen_header(as_seen.begin() + static_cast<std::ptrdiff_t>(network), as_seen.end());
            const Bytes sent_header(as_sent.begin() + static_cast<std::ptrdiff_t>(network), as_sent.end());
            for (std::size_t present = 8; present <= 60; ++present) {
                const Bytes frame = error_about(six, quoted(six, seen), network + present);
                ASSERT_TRUE(checksum_is_right(frame));
                const Bytes behind = through(frame, toward);
                ASSERT_EQ(behind.size(), frame.size());
                EXPECT_TRUE(checksum_is_right(behind)) << present << " bytes";
                Bytes before = first_of(frame, frame.size() - present);
                put_half(before, 14 + network + 2, half_at(behind, 14 + network + 2));
                EXPECT_EQ(first_of(behind, before.size()), before)
                    << "of the rest, only the error's checksum";
                Bytes header(behind.end() - static_cast<std::ptrdiff_t>(present), behind.end());
                Bytes expected = expected_header(seen_header, sent_header, present);
                if (present >= 18) {
                    // The quoted checksum has changed by as much as the quoted fields.
                    EXPECT_EQ(plain_checksum(header), plain_checksum(first_of(seen_header, present)));
                    std::copy_n(header.begin() + 16, 2, expected.begin() + 16);
                }
                EXPECT_EQ(header, expected) << present << " bytes";
            }
        }
    }
}

TEST(QuoteTranslation, WhatLiesInAnotherBufferIsAsIfCutOff) {
    for (const bool six : {false, true}) {
        const Bytes frame = error_about(six, quoted(six, {}), 576);
        const std::size_t header = 14U + (six ? 40 : 20) + 8 + (six ? 40 : 20);
        for (const Toward toward : both_ways) {
            for (std::size_t present = 8; present <= 60; ++present) {
                const Bytes behind = through(frame, toward, header + present);
                EXPECT_TRUE(checksum_is_right(behind)) << present << " bytes";
                EXPECT_EQ(behind == frame, toward == Toward::client && present < 12) << present << " bytes";
            }
        }
    }
}

TEST(QuoteTranslation, ASegmentThatAcknowledgesNothingKeepsItsZeros) {
    for (const Toward toward : both_ways) {
        const QuotedNumbers seen{.acknowledgement = 0, .echo = 0, .flags = packet::syn};
        const Bytes frame = error_about(false, quoted(false, seen), 576);
        EXPECT_EQ(through(frame, toward), error_about(false, quoted(false, known(seen, toward)), 576));
    }
}

TEST(QuoteTranslation, AWrongChecksumOfTheErrorStaysWrong) {
    for (const std::size_t limit : {28U, 37U, 38U, 576U}) {
        for (const Toward toward : both_ways) {
            Bytes frame = error_about(false, quoted(false, {}), limit);
            Bytes behind = through(frame, toward);
            const unsigned right_before = half_at(frame, 36), right_behind = half_at(behind, 36);
            put_half(frame, 36, (right_before + 5) % 0xFFFF);
            put_half(behind, 36, (right_behind + 5) % 0xFFFF);
            EXPECT_EQ(through(frame, toward), behind) << limit;
        }
    }
}

TEST(QuoteTranslation, AnAbsurdHeaderLengthReadsNoFurther) {
    for (const unsigned bytes : {0U, 4U, 16U, 60U}) {
        for (std::size_t limit = 28; limit < 90; ++limit) {
            auto packet = quoted(false, {}).header_bytes_as(bytes).payload(0);
            const Bytes behind = through(error_about(false, packet, limit), Toward::server);
            EXPECT_TRUE(checksum_is_right(behind));
            EXPECT_EQ(word_at(behind, 14 + 20 + 8 + 20 + 4), QuotedNumbers{}.sequence - delta);
        }
    }
}

// A segment on its way, an error about it on the way back: the sender finds what it sent.
TEST(QuoteTranslation, UndoesWhatTheSegmentWentThrough) {
    std::mt19937_64 random(792);
    Translation translation = some_translation();
    translation.window_shifts = 0;
    for (int round = 0; round < 5000; ++round) {
        Bytes options;
        if (round % 4 != 0) {
            options.assign(random() % 4, 1);
            for (const Bytes& one : {option::timestamps(static_cast<std::uint32_t>(random()), 5),
                                     option::sack({{static_cast<std::uint32_t>(random()), 7}, {8, 9}})}) {
                options.insert(options.end(), one.begin(), one.end());
            }
        }
        const Bytes sent = make_header(random, packet::ack, options, 0);
        for (const Toward toward : both_ways) {
            Bytes message(8 + 20);  // ICMP, and an IPv4 header that nobody reads here
            const Bytes seen = translated(sent, toward, translation);
            message.insert(message.end(), seen.begin(), seen.end());
            guard::translate_quote(message, 28, guard::opposite(toward), translation);
            ASSERT_EQ(Bytes(message.begin() + 28, message.end()), sent);
            ASSERT_EQ(Bytes(message.begin(), message.begin() + 28), Bytes(28));
        }
    }
}

}  // namespace
}  // namespace sluice::test
