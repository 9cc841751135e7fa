// Timestamps of captures go back, leap and lie; the tracker's clock does not.
#include "app/replay_clock.hpp"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::app {
namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t start = 1'700'000'000 * second;

struct Stops {
    void operator()(pipeline::Now now) { ticks.push_back(now.tick); }
    std::vector<Tick> ticks;
};

Tick tick_after(ReplayClock& clock, std::int64_t timestamp) {
    clock.advance_to(timestamp, [](pipeline::Now) {});
    return clock.now().tick;
}

TEST(ReplayClock, TimeCountsFromTheFirstPacketInMilliseconds) {
    ReplayClock clock;
    EXPECT_EQ(tick_after(clock, start), 0U);
    EXPECT_EQ(tick_after(clock, start + 999'999), 0U);
    EXPECT_EQ(tick_after(clock, start + 1'000'000), 1U);
    EXPECT_EQ(tick_after(clock, start + 120 * second), 120'000U);
    EXPECT_EQ(clock.now().wall_nanoseconds, static_cast<std::uint64_t>(start + 120 * second));
}

TEST(ReplayClock, FractionsOfAMillisecondAddUp) {
    ReplayClock clock;
    for (std::int64_t i = 0; i <= 10'000; ++i) tick_after(clock, start + i * 300'000);
    EXPECT_EQ(clock.now().tick, 3000U);
}

TEST(ReplayClock, ALittleReorderingDoesNotStretchTime) {
    ReplayClock clock;
    tick_after(clock, start);
    for (std::int64_t i = 1; i <= 1000; ++i) {
        tick_after(clock, start + i * 1'000'000);
        EXPECT_EQ(tick_after(clock, start + i * 1'000'000 - 900'000), static_cast<Tick>(i));
    }
    EXPECT_EQ(tick_after(clock, start + second), 1000U);
}

TEST(ReplayClock, AClockSetBackGoesOnFromThere) {
    ReplayClock clock;
    tick_after(clock, start);
    tick_after(clock, start + 10 * second);
    EXPECT_EQ(tick_after(clock, start - 3600 * second), 10'000U);
    EXPECT_EQ(tick_after(clock, start - 3595 * second), 15'000U);
}

TEST(ReplayClock, LongGapsAreTakenInSteps) {
    ReplayClock clock;
    Stops stops;
    clock.advance_to(start, stops);
    EXPECT_TRUE(stops.ticks.empty());
    clock.advance_to(start + 5 * 24 * 3600 * second + second / 2, stops);
    ASSERT_EQ(stops.ticks.size(), 6U);
    for (std::size_t i = 0; i + 1 < stops.ticks.size(); ++i)
        EXPECT_EQ(stops.ticks[i], (i + 1) * ReplayClock::longest_step);
    EXPECT_EQ(stops.ticks.back(), 5 * ReplayClock::longest_step + 500);
}

TEST(ReplayClock, AGapOfYearsCountsAsTheLongestLifetime) {
    ReplayClock clock;
    Stops stops;
    clock.advance_to(start, stops);
    clock.advance_to(start + 30LL * 365 * 24 * 3600 * second, stops);
    EXPECT_EQ(clock.now().tick, (max_lifetime_seconds + 1) * ticks_per_second);
    EXPECT_LE(stops.ticks.size(), 25U);
}

TEST(ReplayClock, TheEndsOfTimeAreHarmless) {
    ReplayClock clock;
    constexpr auto lowest = std::numeric_limits<std::int64_t>::min(),
                   highest = std::numeric_limits<std::int64_t>::max();
    Tick before = tick_after(clock, lowest);
    for (const std::int64_t time : {highest, lowest, std::int64_t{0}, highest, lowest, lowest + 1, highest}) {
        const Tick now = tick_after(clock, time);
        EXPECT_TRUE(reached(now, before));
        before = now;
    }
}

TEST(ReplayClock, PacketsOfOneMillisecondDoNotStop) {
    ReplayClock clock;
    Stops stops;
    clock.advance_to(start, stops);
    clock.advance_to(start + 100, stops);
    clock.advance_to(start + 200, stops);
    EXPECT_TRUE(stops.ticks.empty());
}

}  // namespace
}  // namespace sluice::app
