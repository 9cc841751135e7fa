#include "sluice/base/power_histogram.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using Sizes = PowerHistogram<0, 7>;
using Times = PowerHistogram<10, 3>;

TEST(PowerHistogram, HoldsAValueInTheFirstBucketWhoseBoundItDoesNotExceed) {
    for (std::uint64_t value = 0; value <= Sizes::bound(Sizes::size - 1); ++value) {
        Sizes sizes;
        sizes.add(value);
        std::size_t expected = 0;
        while (value > Sizes::bound(expected)) ++expected;
        for (std::size_t i = 0; i <= Sizes::size; ++i)
            EXPECT_EQ(sizes.count(i), i == expected ? 1U : 0U) << value << " in " << i;
    }
}

TEST(PowerHistogram, CountsApartWhatIsBeyondTheLastBucket) {
    Times times;
    EXPECT_EQ(Times::bound(0), 1'024U);
    EXPECT_EQ(Times::bound(2), 4'096U);
    for (const std::uint64_t value : {0ULL, 1'024ULL, 1'025ULL, 4'096ULL, 4'097ULL, ~0ULL}) times.add(value);
    EXPECT_EQ(times.count(0), 2U);
    EXPECT_EQ(times.count(1), 1U);
    EXPECT_EQ(times.count(2), 1U);
    EXPECT_EQ(times.count(Times::size), 2U);
}

TEST(PowerHistogram, AddsUpItsValues) {
    Times times;
    for (const std::uint64_t value : {3U, 40'000U, 0U}) times.add(value);
    EXPECT_EQ(times.sum(), 40'003U);
}

}  // namespace
}  // namespace sluice
