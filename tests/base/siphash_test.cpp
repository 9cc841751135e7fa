// SipHash-2-4 against the reference vectors of its authors: key 00 01 … 0f, input 00 01 … (n-1).
#include "sluice/base/siphash.hpp"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <vector>

namespace sluice {
namespace {

TEST(SipHash, GivesTheReferenceValues) {
    const SipHashKey key{0x0706050403020100ULL, 0x0F0E0D0C0B0A0908ULL};
    const auto of_length = [&key](std::size_t length) {
        std::vector<std::uint8_t> bytes(length);
        std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
        return siphash(bytes, key);
    };
    EXPECT_EQ(of_length(0), 0x726FDB47DD0E0E31ULL);
    EXPECT_EQ(of_length(1), 0x74F839C593DC67FDULL);
    EXPECT_EQ(of_length(7), 0xAB0200F58B01D137ULL);
    EXPECT_EQ(of_length(8), 0x93F5F5799A932462ULL);
    EXPECT_EQ(of_length(15), 0xA129CA6149BE45E5ULL);
    EXPECT_EQ(of_length(63), 0x958A324CEB064572ULL);
}

TEST(SipHash, DependsOnEveryBitOfTheKey) {
    const std::vector<std::uint8_t> bytes(44, 7);
    const std::uint64_t base = siphash(bytes, {1, 2});
    for (unsigned bit = 0; bit < 64; ++bit) {
        EXPECT_NE(siphash(bytes, {1 ^ (1ULL << bit), 2}), base);
        EXPECT_NE(siphash(bytes, {1, 2 ^ (1ULL << bit)}), base);
    }
}

// The first bytes 00 01 … of `count` words, the last one's highest left out.
template <std::size_t count>
std::array<std::uint64_t, count> counting_words() {
    std::array<std::uint8_t, 8 * count> bytes;
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    bytes.back() = 0;
    return load<std::array<std::uint64_t, count>>(bytes.data());
}

TEST(SipHash, OfWordsGivesTheReferenceValues) {
    const SipHashKey key{0x0706050403020100ULL, 0x0F0E0D0C0B0A0908ULL};
    EXPECT_EQ(siphash_words(counting_words<1>(), key), 0xAB0200F58B01D137ULL);
    EXPECT_EQ(siphash_words(counting_words<2>(), key), 0xA129CA6149BE45E5ULL);
    EXPECT_EQ(siphash_words(counting_words<8>(), key), 0x958A324CEB064572ULL);
}

// Words of `count`, one by one and in lanes, against the same bytes in the general form.
template <std::size_t count>
void compare_forms() {
    std::uint64_t state = count;
    const auto next = [&state] { return state = (state ^ state >> 29) * 0x9E3779B97F4A7C15ULL + 1; };
    for (int round = 0; round < 200; ++round) {
        const SipHashKey key{next(), next()};
        std::array<std::array<std::uint64_t, count>, 4> messages;
        std::array<SipHashLanes, count> lanes;
        for (auto& message : messages) {
            for (auto& word : message) word = next();
            message.back() &= ~std::uint64_t{0} >> 8;
        }
        for (std::size_t i = 0; i < count; ++i)
            lanes[i] = SipHashLanes{messages[0][i], messages[1][i], messages[2][i], messages[3][i]};
        const SipHashLanes in_lanes = siphash_words(lanes, key);
        for (unsigned lane = 0; lane < 4; ++lane) {
            const auto bytes = load<std::array<std::uint8_t, 8 * count>>(messages[lane].data());
            const std::uint64_t expected = siphash(std::span(bytes).first(8 * count - 1), key);
            ASSERT_EQ(siphash_words(messages[lane], key), expected) << count << " words";
            ASSERT_EQ(in_lanes[lane], expected) << count << " words, lane " << lane;
        }
    }
}

TEST(SipHash, OfWordsIsTheGeneralFormOfTheirBytes) {
    compare_forms<1>();
    compare_forms<2>();
    compare_forms<3>();
    compare_forms<4>();
    compare_forms<5>();
    compare_forms<7>();
    compare_forms<8>();
}

}  // namespace
}  // namespace sluice
