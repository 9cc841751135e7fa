// Lines leave in the order of the input, whatever is held and however much waits behind it.
#include "app/replay_order.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice::app {
namespace {

struct Collected : LineSink {
    void write(std::string_view part) override { text += part; }
    std::string text;
};

TEST(ReplayOrder, LinesPassAtOnceWhenNothingIsHeld) {
    Collected out;
    OrderedLines lines(out);
    lines.line("1\n");
    EXPECT_EQ(out.text, "1\n");
    EXPECT_FALSE(lines.waiting());
}

TEST(ReplayOrder, LinesWaitForAHeldPacket) {
    Collected out;
    OrderedLines lines(out);
    lines.line("1\n");
    lines.hold(2);
    lines.line("3\n");
    EXPECT_EQ(out.text, "1\n");
    EXPECT_TRUE(lines.decide(2, "2\n"));
    EXPECT_EQ(out.text, "1\n2\n3\n");
    EXPECT_EQ(lines.held(), 0U);
}

TEST(ReplayOrder, HeldPacketsDecidedInAnyOrderLeaveInTheirs) {
    Collected out;
    OrderedLines lines(out);
    lines.hold(1);
    lines.hold(2);
    lines.line("3\n");
    lines.hold(4);
    lines.line("5\n");
    EXPECT_TRUE(lines.decide(4, "4\n"));
    EXPECT_TRUE(lines.decide(2, "2\n"));
    EXPECT_EQ(out.text, "");
    EXPECT_EQ(lines.held(), 1U);
    EXPECT_TRUE(lines.decide(1, "1\n"));
    EXPECT_EQ(out.text, "1\n2\n3\n4\n5\n");
}

TEST(ReplayOrder, APacketIsDecidedOnce) {
    Collected out;
    OrderedLines lines(out);
    lines.hold(1);
    lines.hold(2);
    EXPECT_TRUE(lines.decide(2, "2\n"));
    EXPECT_FALSE(lines.decide(2, "again\n"));
    EXPECT_FALSE(lines.decide(3, "3\n"));
    EXPECT_TRUE(lines.decide(1, "1\n"));
    EXPECT_EQ(out.text, "1\n2\n");
}

TEST(ReplayOrder, WhatDoesNotFitIntoMemoryComesBackFromTheFile) {
    constexpr std::size_t memory_limit = 64;
    Collected out;
    OrderedLines lines(out, memory_limit);
    std::string expected;
    // Two rounds: the file is given up in between and made anew.
    for (std::uint64_t first : {1U, 5000U}) {
        lines.hold(first);
        for (std::uint64_t n = first + 1; n < first + 4000; ++n) {
            if (n % 1000 == 0)
                lines.hold(n);
            else
                lines.line(fmt::format("{}\n", n));
        }
        for (std::uint64_t n = first + 1; n < first + 4000; ++n)
            if (n % 1000 == 0) {
                EXPECT_TRUE(lines.decide(n, fmt::format("{}\n", n)));
            }
        EXPECT_TRUE(lines.decide(first, fmt::format("{}\n", first)));
        for (std::uint64_t n = first; n < first + 4000; ++n) expected += fmt::format("{}\n", n);
        EXPECT_EQ(out.text, expected);
    }
    EXPECT_TRUE(lines.status().ok());
}

}  // namespace
}  // namespace sluice::app
