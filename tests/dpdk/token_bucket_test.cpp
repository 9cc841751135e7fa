#include "sluice/base/token_bucket.hpp"

#include <gtest/gtest.h>

namespace sluice::dpdk::test {
namespace {

TEST(TokenBucket, StartsFullAndHoldsNoMoreThanItsDepth) {
    TokenBucket bucket(100, 1000, 10);
    EXPECT_EQ(bucket.take(50, 1), 10U);
    EXPECT_EQ(bucket.take(50, 1'000'000), 10U);
}

TEST(TokenBucket, GivesItsRateOverTimeHoweverOftenItIsAsked) {
    TokenBucket bucket(3, 1000, 5);
    std::uint64_t taken = bucket.take(5, 1);
    for (std::uint64_t now = 2; now <= 100'001; ++now) taken += bucket.take(1, now);
    EXPECT_EQ(taken, 5U + 300U);
}

TEST(TokenBucket, TimeThatStandsStillOrGoesBackGivesNothing) {
    TokenBucket bucket(1000, 1000, 5);
    EXPECT_EQ(bucket.take(5, 500), 5U);
    EXPECT_EQ(bucket.take(5, 500), 0U);
    EXPECT_EQ(bucket.take(5, 100), 0U);
}

TEST(TokenBucket, ALongPauseDoesNotOverflow) {
    TokenBucket bucket(10'000'000, 3'000'000'000ULL, 32);
    EXPECT_EQ(bucket.take(32, 1), 32U);
    EXPECT_EQ(bucket.take(64, ~0ULL), 32U);
}

}  // namespace
}  // namespace sluice::dpdk::test
