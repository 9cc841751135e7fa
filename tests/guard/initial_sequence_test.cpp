// Initial sequence numbers of RFC 6528: in order for each pair of endpoints, and without a pattern between
// pairs. The statistics are of fixed inputs, so they come out the same each time; the bounds leave chance one
// in about 10^9 (six standard deviations).
#include "sluice/guard/initial_sequence.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <set>
#include <vector>

#include "sluice/base/sequence.hpp"
#include "support/packet_builder.hpp"

namespace sluice::test {
namespace {

using guard::Endpoints;
using guard::InitialSequence;
using packet::Family;

constexpr SipHashKey secret{0x0123'4567'89AB'CDEF, 0xFEDC'BA98'7654'3210};
constexpr std::uint32_t clock_now = 0xFFFF'F000;
constexpr std::size_t draws = 1U << 16;

Endpoints ipv4_endpoints(std::uint16_t remote_port) {
    return {Family::ipv4, 443, remote_port, address("198.51.100.2"), address("192.0.2.1")};
}
Endpoints ipv6_endpoints(std::uint16_t remote_port) {
    return {Family::ipv6, 443, remote_port, address("2001:db8:1::2"), address("2001:db8::1")};
}

// Numbers of neighbours: one byte or bit of the endpoints counts up.
using Numbers = std::vector<std::uint32_t>;
Numbers of_neighbouring_ports(Family family) {
    Numbers out;
    for (std::size_t i = 0; i < draws; ++i) {
        const auto port = static_cast<std::uint16_t>(i);
        out.push_back(InitialSequence(secret).number(
            family == Family::ipv4 ? ipv4_endpoints(port) : ipv6_endpoints(port), clock_now));
    }
    return out;
}
Numbers of_neighbouring_addresses(bool local) {
    Numbers out;
    for (std::size_t i = 0; i < draws; ++i) {
        Endpoints endpoints = ipv4_endpoints(40000);
        packet::Address& one = local ? endpoints.local : endpoints.remote;
        one[2] = static_cast<std::uint8_t>(i >> 8);
        one[3] = static_cast<std::uint8_t>(i);
        out.push_back(InitialSequence(secret).number(endpoints, clock_now));
    }
    return out;
}
std::vector<Numbers> all_neighbours() {
    return {of_neighbouring_ports(Family::ipv4), of_neighbouring_ports(Family::ipv6),
            of_neighbouring_addresses(false), of_neighbouring_addresses(true)};
}

void expect_even_bytes(const Numbers& numbers, const char* what) {
    for (unsigned byte = 0; byte < 4; ++byte) {
        std::vector<double> seen(256);
        for (const std::uint32_t number : numbers) ++seen[number >> (8 * byte) & 0xFF];
        const double expected = static_cast<double>(numbers.size()) / 256.0;
        double chi_square = 0;
        for (const double count : seen) chi_square += (count - expected) * (count - expected) / expected;
        EXPECT_NEAR(chi_square, 255, 6 * std::sqrt(2 * 255.0)) << what << ", byte " << byte;
    }
}

TEST(InitialSequence, EveryByteOfANumberAndOfWhatTheNextAddsIsEvenlySpread) {
    for (const Numbers& numbers : all_neighbours()) {
        expect_even_bytes(numbers, "a number");
        Numbers differences;
        for (std::size_t i = 1; i < draws; ++i) differences.push_back(numbers[i] - numbers[i - 1]);
        expect_even_bytes(differences, "a difference");
    }
}

// Also of the differences between neighbours, which a linear function would betray.
TEST(InitialSequence, EveryBitIsSetHalfTheTimeAndChangesHalfTheTime) {
    const double bound = 6 * std::sqrt(draws / 4.0);
    for (const Numbers& numbers : all_neighbours()) {
        for (unsigned bit = 0; bit < 32; ++bit) {
            double set = 0, changed = 0, borrowed = 0;
            for (std::size_t i = 1; i < draws; ++i) {
                set += numbers[i] >> bit & 1;
                changed += (numbers[i] ^ numbers[i - 1]) >> bit & 1;
                borrowed += (numbers[i] - numbers[i - 1]) >> bit & 1;
            }
            EXPECT_NEAR(set, draws / 2.0, bound) << "bit " << bit;
            EXPECT_NEAR(changed, draws / 2.0, bound) << "bit " << bit;
            EXPECT_NEAR(borrowed, draws / 2.0, bound) << "bit " << bit;
        }
    }
}

TEST(InitialSequence, NoTwoBitsGoTogether) {
    const double bound = 6 * std::sqrt(draws / 4.0);
    for (const Numbers& numbers : all_neighbours()) {
        for (unsigned distance = 1; distance < 32; ++distance) {
            for (unsigned bit = 0; bit < 32; ++bit) {
                double differ = 0;
                for (const std::uint32_t number : numbers) {
                    differ += (number ^ std::rotr(number, static_cast<int>(distance))) >> bit & 1;
                }
                EXPECT_NEAR(differ, draws / 2.0, bound)
                    << "bit " << bit << " and the one " << distance << " up";
            }
        }
    }
}

TEST(InitialSequence, NeighboursAreNotCorrelated) {
    for (const Numbers& numbers : all_neighbours()) {
        for (const std::size_t lag : {1U, 2U, 16U, 256U}) {
            double sum = 0;
            for (std::size_t i = lag; i < draws; ++i) {
                const auto centred = [](std::uint32_t number) { return (number + 0.5) / 0x1p32 - 0.5; };
                sum += centred(numbers[i]) * centred(numbers[i - lag]);
            }
            EXPECT_NEAR(sum * 12 / draws, 0, 6 / std::sqrt(static_cast<double>(draws))) << "lag " << lag;
        }
    }
}

TEST(InitialSequence, EachPartOfTheEndpointsCounts) {
    const InitialSequence numbers(secret);
    for (const Endpoints& start : {ipv4_endpoints(40000), ipv6_endpoints(40000)}) {
        std::set<std::uint32_t> seen{numbers.number(start, clock_now)};
        std::size_t variants = 1;
        const auto another = [&](const auto& change) {
            Endpoints endpoints = start;
            change(endpoints);
            EXPECT_TRUE(seen.insert(numbers.number(endpoints, clock_now)).second) << variants;
            ++variants;
        };
        for (unsigned bit = 0; bit < 16; ++bit) {
            const auto flip = static_cast<std::uint16_t>(1U << bit);
            another([&](Endpoints& e) { e.local_port = e.local_port ^ flip; });
            another([&](Endpoints& e) { e.remote_port = e.remote_port ^ flip; });
        }
        for (std::size_t byte = 0; byte < (start.family == Family::ipv4 ? 4U : 16U); ++byte) {
            another([&](Endpoints& e) { e.local[byte] ^= 1; });
            another([&](Endpoints& e) { e.remote[byte] ^= 0x80; });
        }
        another([&](Endpoints& e) { std::swap(e.local, e.remote); });
        another([&](Endpoints& e) { std::swap(e.local_port, e.remote_port); });
    }
}

TEST(InitialSequence, AddressesOfTheTwoFamiliesAreDifferent) {
    Endpoints four = ipv4_endpoints(40000), six = four;
    six.family = Family::ipv6;
    EXPECT_NE(InitialSequence(secret).number(four, 0), InitialSequence(secret).number(six, 0));
}

TEST(InitialSequence, AnotherSecretIsAnotherSequence) {
    const Numbers one = of_neighbouring_ports(Family::ipv4);
    for (const SipHashKey& other :
         {SipHashKey{secret[0] ^ 1, secret[1]}, {secret[0], secret[1] ^ 1U << 31}}) {
        double equal_bits = 0;
        std::set<std::uint32_t> differences;
        for (std::size_t i = 0; i < draws; ++i) {
            const std::uint32_t number =
                InitialSequence(other).number(ipv4_endpoints(static_cast<std::uint16_t>(i)), clock_now);
            equal_bits += std::popcount(~(number ^ one[i]));
            differences.insert(number - one[i]);
        }
        EXPECT_NEAR(equal_bits, draws * 16.0, 6 * std::sqrt(draws * 8.0));
        EXPECT_GT(differences.size(), draws - 10) << "not one sequence moved";
    }
}

TEST(InitialSequence, TheClockAloneMovesTheNumbersOfAPair) {
    std::mt19937_64 random(6528);
    const InitialSequence numbers(secret);
    for (int round = 0; round < 10'000; ++round) {
        const auto port = static_cast<std::uint16_t>(random());
        const auto then = static_cast<std::uint32_t>(random());
        const std::uint32_t later_by = 1 + static_cast<std::uint32_t>(random() % 0x7FFF'FFFF);
        for (const Endpoints& endpoints : {ipv4_endpoints(port), ipv6_endpoints(port)}) {
            const std::uint32_t first = numbers.number(endpoints, then);
            const std::uint32_t second = numbers.number(endpoints, then + later_by);
            ASSERT_TRUE(after(second, first));
            ASSERT_EQ(second - first, later_by);
        }
    }
}

TEST(InitialSequence, TheClientSeesTheNumberInsteadOfTheHosts) {
    const InitialSequence numbers(secret);
    for (const std::uint32_t its_own : {0U, 1U, 64'000U, 0xFFFF'FFFFU}) {
        const guard::Translation translation = numbers.hide(ipv4_endpoints(40000), its_own, 1000);
        EXPECT_EQ(its_own + translation.sequence_delta, numbers.number(ipv4_endpoints(40000), 1000));
        EXPECT_EQ(translation.timestamp_delta, 0U);
        EXPECT_EQ(translation.window_shifts, 0U);
    }
}

}  // namespace
}  // namespace sluice::test
