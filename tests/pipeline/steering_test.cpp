#include "sluice/pipeline/steering.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/toeplitz.hpp"

namespace sluice::pipeline {
namespace {

using test::toeplitz;

// Key and vectors of Microsoft's RSS verification suite ("Verifying the RSS Hash Calculation").
constexpr std::array<std::uint8_t, 40> microsoft_key{
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

TEST(Toeplitz, AgreesWithThePublishedVectors) {
    // 66.9.149.187:2794 -> 161.142.100.80:1766
    const std::vector<std::uint8_t> flow{66,  9,  149,       187,         161,       142,
                                         100, 80, 2794 >> 8, 2794 & 0xFF, 1766 >> 8, 1766 & 0xFF};
    EXPECT_EQ(toeplitz(flow, microsoft_key), 0x51ccc178U);
    EXPECT_EQ(toeplitz(std::span(flow).first(8), microsoft_key), 0x323e8fc2U);
}

/// The key of symmetric_rss(), as a card is given it.
constexpr auto symmetric_key = [] {
    std::array<std::uint8_t, 40> key{};
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = i % 2 == 0 ? 0x6d : 0x5a;
    return key;
}();

Steering symmetric_rss(unsigned workers) {
    Steering steering;
    steering.workers = workers;
    steering.by_rss = true;
    steering.rss_word = 0x6d5a;
    steering.rss_table_size = 128;
    for (std::size_t i = 0; i < 128; ++i) steering.rss_table[i] = static_cast<std::uint8_t>(i % workers);
    return steering;
}

TEST(Steering, ASymmetricRssKeySendsBothDirectionsOfAFlowToOneWorker) {
    const Steering steering = symmetric_rss(4);
    std::array<unsigned, 4> share{};
    for (unsigned i = 0; i < 4096; ++i) {
        const std::array<std::uint8_t, 4> a{10, 0, static_cast<std::uint8_t>(i >> 8),
                                            static_cast<std::uint8_t>(i)};
        const std::array<std::uint8_t, 4> b{192, 168, 7, 1};
        const auto port = static_cast<std::uint16_t>(1024 + i * 13);
        const std::vector<std::uint8_t> there{a[0],
                                              a[1],
                                              a[2],
                                              a[3],
                                              b[0],
                                              b[1],
                                              b[2],
                                              b[3],
                                              static_cast<std::uint8_t>(port >> 8),
                                              static_cast<std::uint8_t>(port),
                                              0,
                                              80};
        const std::vector<std::uint8_t> back{b[0],
                                             b[1],
                                             b[2],
                                             b[3],
                                             a[0],
                                             a[1],
                                             a[2],
                                             a[3],
                                             0,
                                             80,
                                             static_cast<std::uint8_t>(port >> 8),
                                             static_cast<std::uint8_t>(port)};
        EXPECT_EQ(toeplitz(there, symmetric_key), toeplitz(back, symmetric_key));
        const auto key = flow::make_key<4>(a.data(), b.data(), port, 80, 6, {});
        const unsigned owner = steering.owner(key.key, 0);
        EXPECT_EQ(owner, toeplitz(there, symmetric_key) % 128 % 4);
        ++share[owner];
    }
    for (const unsigned count : share) EXPECT_GT(count, 500U);
}

TEST(Steering, TheRssOfIPv6TakesThePortsOfTcpAndUdpAndTheAddressesOfAllElse) {
    const Steering steering = symmetric_rss(4);
    const std::array<std::uint8_t, 16> a{0x20, 0x01, 0x0d, 0xb8, 1}, b{0x20, 0x01, 0x0d, 0xb8, 2};
    std::vector<std::uint8_t> input(a.begin(), a.end());
    input.insert(input.end(), b.begin(), b.end());
    const auto owner_of = [&](std::uint8_t protocol) {
        return steering.owner(flow::make_key<16>(a.data(), b.data(), 5000, 443, protocol, {}).key, 0);
    };
    EXPECT_EQ(owner_of(58), toeplitz(input, symmetric_key) % 128 % 4);
    for (const unsigned byte : {5000U >> 8, 5000U & 0xFF, 443U >> 8, 443U & 0xFF})
        input.push_back(static_cast<std::uint8_t>(byte));
    for (const std::uint8_t protocol : {std::uint8_t{6}, std::uint8_t{17}})
        EXPECT_EQ(owner_of(protocol), toeplitz(input, symmetric_key) % 128 % 4);
}

TEST(Steering, WithoutRssTheKeyedHashDecides) {
    Steering steering;
    steering.workers = 3;
    EXPECT_EQ(steering.owner(flow::Key4{}, 0), 0U);
    EXPECT_EQ(steering.owner(flow::Key4{}, ~std::uint64_t{0}), 2U);
}

}  // namespace
}  // namespace sluice::pipeline
