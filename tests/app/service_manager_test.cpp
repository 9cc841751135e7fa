// What a service manager is told: when all is well, and in which words.
#include "app/service_manager.hpp"

#include <gtest/gtest.h>

#include <array>

namespace sluice::app {
namespace {

using std::chrono::milliseconds;
constexpr pid_t process = 77;
constexpr Watchdog::Time start{std::chrono::hours(1)};

TEST(Watchdog, IsHeardTwiceInTheTimeAllowed) {
    Watchdog watchdog("2000000", "77", process);
    std::array<std::uint64_t, 2> polls{10, 20};
    unsigned heard = 0;
    for (int i = 0; i < 100; ++i) {  // ten seconds of looks
        ++polls[0], ++polls[1];
        heard += watchdog.due(start + milliseconds(100 * i), polls) ? 1 : 0;
    }
    EXPECT_EQ(heard, 10U);
}

TEST(Watchdog, IsSilentWhileOneWorkerStandsStill) {
    Watchdog watchdog("1000000", nullptr, process);
    EXPECT_TRUE(watchdog.due(start, std::array<std::uint64_t, 2>{1, 1}));
    EXPECT_FALSE(watchdog.due(start + milliseconds(600), std::array<std::uint64_t, 2>{2, 1}));
    EXPECT_FALSE(watchdog.due(start + milliseconds(900), std::array<std::uint64_t, 2>{9, 1}));
    EXPECT_TRUE(watchdog.due(start + milliseconds(1000), std::array<std::uint64_t, 2>{9, 2}));
}

TEST(Watchdog, WaitsForTheHalfOfTheTime) {
    Watchdog watchdog("1000000", nullptr, process);
    EXPECT_TRUE(watchdog.due(start, std::array<std::uint64_t, 1>{1}));
    EXPECT_FALSE(watchdog.due(start + milliseconds(499), std::array<std::uint64_t, 1>{2}));
    EXPECT_TRUE(watchdog.due(start + milliseconds(500), std::array<std::uint64_t, 1>{2}));
}

TEST(Watchdog, IsNeverHeardWhereNobodyWaits) {
    const std::array<std::uint64_t, 1> polls{1};
    for (const char* time : {static_cast<const char*>(nullptr), "", "0", "soon", "-1", "1000000x", "1",
                             "99999999999999999999999"})
        EXPECT_FALSE(Watchdog(time, nullptr, process).due(start, polls)) << (time == nullptr ? "null" : time);
    for (const char* other : {"78", "", "x", "-77"})
        EXPECT_FALSE(Watchdog("1000000", other, process).due(start, polls)) << other;
}

TEST(ServiceManager, IsToldOneLineOfAStatus) {
    EXPECT_EQ(status_line("ready, 1 worker"), "STATUS=ready, 1 worker");
    EXPECT_EQ(status_line("a.toml:1:1: first\na.toml:2:1: MAINPID=1"), "STATUS=a.toml:1:1: first");
    EXPECT_EQ(status_line(""), "STATUS=");
}

TEST(ServiceManager, IsToldWhenAReloadBegan) {
    EXPECT_EQ(reloading_lines(std::chrono::nanoseconds(12'345'678'999)),
              "RELOADING=1\nMONOTONIC_USEC=12345678");
}

}  // namespace
}  // namespace sluice::app
