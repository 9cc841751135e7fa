// Lanes do for eight words what the word's functions do for one.
#include "sluice/base/lanes.hpp"

#include <gtest/gtest.h>

#include <array>

namespace sluice::test {
namespace {

constexpr std::array<std::uint32_t, 12> edges{0,          1,          2,          0x7FFFFFFE,
                                              0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE,
                                              0xFFFFFFFF, 1U << 30,   12345,      0xDEADBEEF};

Lanes eight_from(std::size_t first) {
    Lanes out;
    for (unsigned i = 0; i < lane_count; ++i) out[i] = edges[(first + i) % edges.size()];
    return out;
}

TEST(Lanes, AgreeWithTheWord) {
    for (std::size_t first = 0; first < edges.size(); ++first) {
        for (std::size_t second = 0; second < edges.size(); ++second) {
            const Lanes a = eight_from(first), b = eight_from(second);
            const Lanes mask = is_negative(a);
            unsigned bits = 0;
            for (unsigned i = 0; i < lane_count; ++i) {
                EXPECT_EQ(is_negative(a)[i], is_negative(std::uint32_t{a[i]}));
                EXPECT_EQ(is_positive(a)[i], is_positive(std::uint32_t{a[i]}));
                EXPECT_EQ(is_equal(a, b)[i], is_equal(std::uint32_t{a[i]}, std::uint32_t{b[i]}));
                EXPECT_EQ(is_less(a, b)[i], is_less(std::uint32_t{a[i]}, std::uint32_t{b[i]}));
                EXPECT_EQ(is_above(a, b)[i], is_above(std::uint32_t{a[i]}, std::uint32_t{b[i]}));
                EXPECT_EQ(larger(a, b)[i], larger(std::uint32_t{a[i]}, std::uint32_t{b[i]}));
                EXPECT_EQ(smaller(a, b)[i], smaller(std::uint32_t{a[i]}, std::uint32_t{b[i]}));
                EXPECT_EQ(select(mask, a, b)[i],
                          select(std::uint32_t{mask[i]}, std::uint32_t{a[i]}, std::uint32_t{b[i]}));
                bits |= (mask[i] & 1U) << i;
            }
            EXPECT_EQ(bits_of(mask), bits);
            EXPECT_EQ(any_of(mask), bits != 0);
        }
    }
}

TEST(Lanes, KnowWhichOfThemRepeatAnEarlierOne) {
    std::uint32_t state = 1;
    for (int round = 0; round < 10'000; ++round) {
        Lanes word;
        for (unsigned i = 0; i < lane_count; ++i) {
            state = state * 1'664'525U + 1'013'904'223U;
            word[i] = (state >> 16) % 12;
        }
        const Lanes repeats = repeats_earlier(word);
        for (unsigned i = 0; i < lane_count; ++i) {
            bool earlier = false;
            for (unsigned j = 0; j < i; ++j) earlier |= word[j] == word[i];
            ASSERT_EQ(repeats[i], mask_of(earlier)) << "lane " << i << " of round " << round;
        }
    }
}

TEST(Lanes, AreLoadedAsColumnsAndStoredAsRows) {
    std::array<std::array<std::uint32_t, 5>, lane_count> rows;
    for (unsigned i = 0; i < lane_count; ++i)
        for (unsigned j = 0; j < 5; ++j) rows[i][j] = 10 * i + j;
    const auto columns =
        load_columns([&](unsigned i) { return reinterpret_cast<const std::byte*>(&rows[i][1]); });
    for (unsigned i = 0; i < lane_count; ++i)
        for (unsigned j = 0; j < 4; ++j) EXPECT_EQ(columns[j][i], 10 * i + j + 1);
    const Quads back = rows_of(columns[0], columns[1], columns[2], columns[3]);
    for (unsigned i = 0; i < lane_count; ++i)
        for (unsigned j = 0; j < 4; ++j) EXPECT_EQ(row(back, i)[j], 10 * i + j + 1);
}

TEST(Lanes, AreGatheredFromEightPlaces) {
    std::array<std::array<std::uint32_t, 3>, lane_count> rows;
    for (unsigned i = 0; i < lane_count; ++i) rows[i] = {0, 100 + i, 0};
    const Lanes words = gather([&](unsigned lane) { return &rows[lane][1]; });
    for (unsigned i = 0; i < lane_count; ++i) EXPECT_EQ(words[i], 100 + i);
}

TEST(Lanes, EachRowsBitsAreUnitedInItsOwnLane) {
    for (unsigned lane = 0; lane < lane_count; ++lane)
        for (unsigned word = 0; word < 4; ++word) {
            std::array<std::array<std::uint32_t, 4>, lane_count> rows{};
            rows[lane][word] = 0x8000'0001;
            rows[lane][3 - word] |= 0x10;
            const Lanes bits = union_of_rows([&](unsigned i) { return load<HalfLanes>(rows[i].data()); });
            for (unsigned i = 0; i < lane_count; ++i)
                ASSERT_EQ(bits[i], i == lane ? 0x8000'0011 : 0U) << "lane " << lane << ", word " << word;
        }
}

TEST(Lanes, EachThatIsMeantIsCalledOnceAndInOrder) {
    for (unsigned bits = 0; bits <= all_lane_bits; ++bits) {
        unsigned called = 0;
        for_each_lane(bits, [&](unsigned lane) {
            EXPECT_EQ(called >> lane, 0U);
            called |= 1U << lane;
        });
        ASSERT_EQ(called, bits);
    }
}

}  // namespace
}  // namespace sluice::test
