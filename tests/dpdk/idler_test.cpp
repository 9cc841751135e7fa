#include <gtest/gtest.h>

#include "rig.hpp"
#include "sluice/dpdk/worker_loop.hpp"

namespace sluice::dpdk::test {
namespace {

constexpr std::uint64_t microsecond = 1'000;

/// Pauses once nothing was found as often as patience asks for.
Idler impatient(std::uint32_t longest_microseconds) {
    Idler idler(true, longest_microseconds);
    for (unsigned i = 1; i < Idler::patience; ++i) EXPECT_EQ(idler.pause_after(true), 0U);
    return idler;
}

TEST(Idler, SleepsDoubleUpToTheLongest) {
    Idler idler = impatient(35);
    for (const std::uint64_t expected : {5U, 10U, 20U, 35U, 35U})
        EXPECT_EQ(idler.pause_after(true), expected * microsecond);
}

TEST(Idler, WhateverIsFoundStartsAgain) {
    Idler idler = impatient(100);
    for (int i = 0; i < 10; ++i) idler.pause_after(true);
    EXPECT_EQ(idler.pause_after(false), 0U);
    for (unsigned i = 1; i < Idler::patience; ++i) EXPECT_EQ(idler.pause_after(true), 0U);
    EXPECT_EQ(idler.pause_after(true), 5 * microsecond);
}

TEST(Idler, ASecondOfSilenceTakesTheSleepsToAMillisecond) {
    Idler idler = impatient(100);
    std::uint64_t slept = 0;
    while (slept < Idler::silence) {
        const std::uint64_t pause = idler.pause_after(true);
        ASSERT_LE(pause, 100 * microsecond) << "after " << slept << " ns";
        slept += pause;
    }
    std::uint64_t pause = 0;
    for (int i = 0; i < 10; ++i) pause = idler.pause_after(true);
    EXPECT_EQ(pause, Idler::longest_in_silence);
    idler.pause_after(false);
    for (unsigned i = 1; i < Idler::patience; ++i) EXPECT_EQ(idler.pause_after(true), 0U);
    EXPECT_EQ(idler.pause_after(true), 5 * microsecond);
}

TEST(Idler, SilenceNeverShortensALongerSleep) {
    Idler idler = impatient(5'000);
    std::uint64_t pause = 0;
    for (int i = 0; i < 2'000; ++i) pause = idler.pause_after(true);
    EXPECT_EQ(pause, 5'000 * microsecond);
}

TEST(Idler, WithoutBackoffItNeverSleeps) {
    Idler idler(false, 100);
    for (int i = 0; i < 100'000; ++i) ASSERT_EQ(idler.pause_after(true), 0U);
}

TEST(Idler, FlowsToExpireKeepAWorkerAwake) {
    Rig rig;
    rig.trackers[0].chores = 64;
    EXPECT_FALSE(rig.workers[0]->poll(rig.now, rig.cycles).nothing());
    EXPECT_TRUE(rig.workers[0]->poll(rig.now, rig.cycles).nothing());
}

}  // namespace
}  // namespace sluice::dpdk::test
