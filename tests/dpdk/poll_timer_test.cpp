// Where a worker's time goes, told by the clock that it reads at the beginning of each poll.
#include <gtest/gtest.h>

#include "sluice/dpdk/worker_loop.hpp"

namespace sluice::dpdk::test {
namespace {

TEST(PollTimer, CountsAPollAsBusyThatFoundSomethingUntilTheNextBegins) {
    WorkerCounters counters;
    PollTimer timer(counters, 1'000);
    timer.begin(1'500);
    timer.end(false);
    timer.begin(4'500);
    timer.end(true);
    timer.begin(10'000);
    EXPECT_EQ(counters.nanoseconds.read(), 9'000U);
    EXPECT_EQ(counters.busy_polls.sum(), 3'000U);
    EXPECT_EQ(counters.busy_polls.count(2), 1U) << "up to 4,096 ns";
}

TEST(PollTimer, TakesAClockThatStepsBackForOneThatStoodStill) {
    WorkerCounters counters;
    PollTimer timer(counters, 1'000);
    timer.end(false);
    timer.begin(900);
    EXPECT_EQ(counters.nanoseconds.read(), 0U);
    EXPECT_EQ(counters.busy_polls.count(0), 1U);
    timer.begin(1'100);
    EXPECT_EQ(counters.nanoseconds.read(), 200U);
}

}  // namespace
}  // namespace sluice::dpdk::test
