// SipHash-2-4 against the reference vectors of its authors: key 00 01 … 0f, input 00 01 … (n-1).
#include "sluice/base/siphash.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sluice
