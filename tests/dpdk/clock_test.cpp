#include "sluice/dpdk/clock.hpp"

#include <gtest/gtest.h>

namespace sluice::dpdk::test {
namespace {

constexpr std::uint64_t gigahertz = 1'000'000'000;

TEST(Clock, CountsMillisecondsFromTheStart) {
    const Clock clock(3 * gigahertz, 1000, 0);
    EXPECT_EQ(clock.at(1000).tick, 0U);
    EXPECT_EQ(clock.at(1000 + 3 * gigahertz / 2).tick, 500U);
    EXPECT_NEAR(static_cast<double>(clock.at(1000 + 3 * gigahertz * 3600).tick), 3'600'000.0, 1.0);
}

TEST(Clock, WallTimeIsTheStartPlusWhatPassed) {
    const Clock clock(2 * gigahertz, 0, 1'700'000'000'000'000'000ULL);
    EXPECT_EQ(clock.at(0).wall_nanoseconds, 1'700'000'000'000'000'000ULL);
    EXPECT_EQ(clock.at(2 * gigahertz).wall_nanoseconds, 1'700'000'001'000'000'000ULL);
}

TEST(Clock, ACounterBehindTheStartReadsAsTheStart) {
    const Clock clock(gigahertz, 5000, 0);
    EXPECT_EQ(clock.at(4000).tick, 0U);
}

TEST(Clock, TheTickWrapsAndGoesOn) {
    const Clock clock(gigahertz, 0, 0);
    const std::uint64_t wrap = (std::uint64_t{1} << 32U) * 1'000'000;  // cycles until the tick is 0 again
    const Tick before = clock.at(wrap - 5'000'000).tick;
    const Tick after = clock.at(wrap + 5'000'000'000).tick;
    EXPECT_GT(before, after);
    EXPECT_TRUE(reached(after, before));
}

TEST(Clock, AWholeYearDoesNotOverflow) {
    const Clock clock(4 * gigahertz, 0, 0);
    const std::uint64_t year = 365ULL * 86'400;
    const auto seconds = clock.at(4 * gigahertz * year).wall_nanoseconds / gigahertz;
    EXPECT_NEAR(static_cast<double>(seconds), static_cast<double>(year), 1.0);
}

}  // namespace
}  // namespace sluice::dpdk::test
