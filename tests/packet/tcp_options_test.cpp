// TCP options: what is kept, and that malformed ones are ignored one by one.
#include <random>

#include "parsing.hpp"

namespace sluice::test {
namespace {

using packet::TcpOptions;

TcpOptions options_of(std::initializer_list<Bytes> parts) {
    Bytes all;
    for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
    const ExactBuffer buffer(all);
    return packet::parse_tcp_options(buffer.span());
}

TEST(TcpOptions, EverythingASynOffersIsRead) {
    const TcpOptions options =
        options_of({option::mss(1460), option::sack_permitted(), option::timestamps(5, 6),
                    option::no_operation(), option::window_scale(7)});
    EXPECT_EQ(options.mss, 1460);
    EXPECT_TRUE(options.sack_permitted);
    EXPECT_TRUE(options.has_timestamps);
    EXPECT_EQ(options.timestamp_value, 5U);
    EXPECT_EQ(options.timestamp_echo, 6U);
    EXPECT_TRUE(options.has_window_scale);
    EXPECT_EQ(options.window_scale, 7);
    EXPECT_FALSE(options.has_sack || options.has_fast_open || options.has_signature);
}

TEST(TcpOptions, NoneAreReadFromNothing) {
    EXPECT_EQ(options_of({}), TcpOptions{});
    EXPECT_EQ(options_of({Bytes(40, 1)}), TcpOptions{});
    EXPECT_EQ(options_of({Bytes(40, 0)}), TcpOptions{});
}

TEST(TcpOptions, ScaleAboveFourteenCountsAsFourteen) {
    for (int shift = 0; shift < 256; ++shift) {
        const TcpOptions options = options_of({option::window_scale(static_cast<std::uint8_t>(shift))});
        EXPECT_TRUE(options.has_window_scale);
        EXPECT_EQ(options.window_scale, shift > 14 ? 14 : shift);
    }
}

TEST(TcpOptions, EndOfListStopsTheWalk) {
    const TcpOptions options = options_of({option::mss(536), option::end(), option::window_scale(3)});
    EXPECT_EQ(options.mss, 536);
    EXPECT_FALSE(options.has_window_scale);
}

TEST(TcpOptions, WrongLengthOfOneOptionIgnoresThatOne) {
    const TcpOptions options = options_of({option::raw(2, 3, 1), option::raw(3, 4, 2), option::raw(4, 3, 1),
                                           option::raw(8, 9, 7), option::raw(19, 17, 15), option::mss(700)});
    TcpOptions expected;
    expected.mss = 700;
    EXPECT_EQ(options, expected);
}

TEST(TcpOptions, LengthZeroOrOneEndsTheWalk) {
    for (const std::uint8_t length : std::initializer_list<std::uint8_t>{0, 1}) {
        const TcpOptions options =
            options_of({option::sack_permitted(), Bytes{2, length, 5, 180}, option::window_scale(3)});
        EXPECT_TRUE(options.sack_permitted);
        EXPECT_EQ(options.mss, 0);
        EXPECT_FALSE(options.has_window_scale);
    }
}

TEST(TcpOptions, LengthBeyondTheHeaderEndsTheWalk) {
    EXPECT_EQ(options_of({Bytes{2, 4, 5}}).mss, 0);
    EXPECT_EQ(options_of({Bytes{2}}).mss, 0);
    EXPECT_EQ(options_of({option::mss(9), option::raw(8, 10, 7)}).mss, 9);
    EXPECT_FALSE(options_of({option::raw(8, 10, 7)}).has_timestamps);
    EXPECT_FALSE(options_of({option::raw(5, 255, 34)}).has_sack);
}

TEST(TcpOptions, LastOfRepeatedOptionsCounts) {
    const TcpOptions options =
        options_of({option::mss(1), option::mss(1400), option::window_scale(1), option::window_scale(9)});
    EXPECT_EQ(options.mss, 1400);
    EXPECT_EQ(options.window_scale, 9);
}

TEST(TcpOptions, HighestRightEdgeOfTheSackBlocksIsKept) {
    EXPECT_EQ(options_of({option::sack({{100, 200}})}).sack_highest, 200U);
    EXPECT_EQ(options_of({option::sack({{100, 200}, {500, 600}, {300, 400}})}).sack_highest, 600U);
}

TEST(TcpOptions, SackEdgesCompareInSequenceOrder) {
    const TcpOptions options = options_of({option::sack({{0xFFFFFF00, 0xFFFFFFF0}, {0xFFFFFFF8, 16}})});
    EXPECT_TRUE(options.has_sack);
    EXPECT_EQ(options.sack_highest, 16U) << "16 lies behind 0xFFFFFFF0 on the circle";
}

TEST(TcpOptions, SackBlocksThatDoNotGoForwardAreIgnored) {
    EXPECT_FALSE(options_of({option::sack({{200, 100}})}).has_sack);
    EXPECT_FALSE(options_of({option::sack({{200, 200}})}).has_sack);
    const TcpOptions options = options_of({option::sack({{900, 800}, {100, 200}})});
    EXPECT_TRUE(options.has_sack);
    EXPECT_EQ(options.sack_highest, 200U);
}

TEST(TcpOptions, SackOfOddLengthIsIgnored) {
    for (const std::uint8_t length : std::initializer_list<std::uint8_t>{2, 3, 9, 11, 17}) {
        const std::size_t body = length - 2U;
        EXPECT_FALSE(options_of({option::raw(5, length, body)}).has_sack) << int{length};
    }
}

TEST(TcpOptions, FastOpenIsSeenInBothForms) {
    for (const std::size_t cookie : {0U, 4U, 8U, 16U}) {
        EXPECT_TRUE(options_of({option::fast_open(cookie)}).has_fast_open) << cookie;
        EXPECT_TRUE(options_of({option::fast_open_experiment(cookie)}).has_fast_open) << cookie;
    }
    for (const std::size_t cookie : {1U, 2U, 5U, 18U}) {
        EXPECT_FALSE(options_of({option::fast_open(cookie)}).has_fast_open) << cookie;
    }
    EXPECT_FALSE(options_of({Bytes{254, 4, 0xE2, 0xD4}}).has_fast_open) << "another experiment";
    EXPECT_FALSE(options_of({Bytes{253, 4, 0xF9, 0x89}}).has_fast_open);
}

TEST(TcpOptions, SignaturesAreSeen) {
    EXPECT_TRUE(options_of({option::md5_signature()}).has_signature);
    EXPECT_TRUE(options_of({option::ao_signature()}).has_signature);
    EXPECT_FALSE(options_of({option::raw(29, 3, 1)}).has_signature);
}

// A second reading of the rules, written as one sentence per option, for the random test below.
TcpOptions read_plainly(const Bytes& bytes) {
    TcpOptions out;
    const auto word = [&bytes](std::size_t at) {
        return (std::uint32_t{bytes[at]} << 24) | (std::uint32_t{bytes[at + 1]} << 16) |
               (std::uint32_t{bytes[at + 2]} << 8) | bytes[at + 3];
    };
    for (std::size_t at = 0; at < bytes.size() && bytes[at] != 0;) {
        if (bytes[at] == 1) {
            ++at;
            continue;
        }
        if (at + 1 == bytes.size() || bytes[at + 1] < 2 || at + bytes[at + 1] > bytes.size()) break;
        const unsigned kind = bytes[at], length = bytes[at + 1];
        if (kind == 2 && length == 4) out.mss = static_cast<std::uint16_t>(word(at) & 0xFFFF);
        if (kind == 3 && length == 3) out.has_window_scale = true;
        if (kind == 3 && length == 3) out.window_scale = std::min<std::uint8_t>(bytes[at + 2], 14);
        if (kind == 4 && length == 2) out.sack_permitted = true;
        for (std::size_t block = at + 2; kind == 5 && length % 8 == 2 && block < at + length; block += 8) {
            const std::uint32_t left = word(block), right = word(block + 4);
            if (right - left - 1 >= 0x7FFFFFFFU) continue;
            if (!out.has_sack || right - out.sack_highest - 1 < 0x7FFFFFFFU) out.sack_highest = right;
            out.has_sack = true;
        }
        if (kind == 8 && length == 10) {
            out.has_timestamps = true;
            out.timestamp_value = word(at + 2);
            out.timestamp_echo = word(at + 6);
        }
        const bool cookie = length == 2 || (length >= 6 && length <= 18 && length % 2 == 0);
        if (kind == 34 && cookie) out.has_fast_open = true;
        const bool experiment = length == 4 || (length >= 8 && length <= 20 && length % 2 == 0);
        if (kind == 254 && experiment && bytes[at + 2] == 0xF9 && bytes[at + 3] == 0x89)
            out.has_fast_open = true;
        if ((kind == 19 && length == 18) || (kind == 29 && length >= 4)) out.has_signature = true;
        at += length;
    }
    return out;
}

TEST(TcpOptions, RandomBytesAreReadAsThePlainReadingSays) {
    std::mt19937 random(18);
    constexpr std::uint8_t likely[] = {0, 1, 2, 3, 4, 5, 6, 8, 10, 18, 19, 29, 34, 254, 0xF9, 0x89};
    for (int round = 0; round < 300000; ++round) {
        Bytes bytes(random() % 41);
        for (auto& byte : bytes) {
            byte = random() % 3 != 0 ? likely[random() % std::size(likely)]
                                     : static_cast<std::uint8_t>(random());
        }
        const ExactBuffer buffer(bytes);
        ASSERT_EQ(packet::parse_tcp_options(buffer.span()), read_plainly(bytes))
            << testing::PrintToString(bytes);
    }
}

TEST(TcpOptions, ALinuxSynIsReadAsAWalkReadsIt) {
    const Bytes syn{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7};
    const auto agrees = [](const Bytes& bytes) {
        const ExactBuffer buffer(bytes);
        return packet::parse_tcp_options(buffer.span()) == read_plainly(bytes);
    };
    for (std::size_t at = 0; at < syn.size(); ++at) {
        for (unsigned value = 0; value < 256; ++value) {
            Bytes bytes = syn;
            bytes[at] = static_cast<std::uint8_t>(value);
            ASSERT_TRUE(agrees(bytes)) << value << " at " << at;
        }
    }
    for (std::size_t size = 0; size < syn.size(); ++size)
        ASSERT_TRUE(agrees({syn.begin(), syn.begin() + static_cast<std::ptrdiff_t>(size)}));
    Bytes longer = syn;
    for (std::size_t size = syn.size(); size < 40; ++size) {
        longer.push_back(1);
        ASSERT_TRUE(agrees(longer));
    }
}

TEST(TcpOptions, EveryPairOfKindAndLengthStaysInsideTheHeader) {
    for (unsigned room = 0; room <= 40; ++room) {
        for (unsigned kind = 0; kind < 256; ++kind) {
            for (unsigned length = 0; length < 48; ++length) {
                Bytes bytes(room, 1);
                if (room > 0) bytes[0] = static_cast<std::uint8_t>(kind);
                if (room > 1) bytes[1] = static_cast<std::uint8_t>(length);
                const ExactBuffer buffer(bytes);
                ASSERT_EQ(packet::parse_tcp_options(buffer.span()), read_plainly(bytes))
                    << kind << ' ' << length;
            }
        }
    }
}

}  // namespace
}  // namespace sluice::test
