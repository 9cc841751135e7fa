#include "sluice/dpdk/link_watch.hpp"

#include <gtest/gtest.h>

namespace sluice::dpdk::test {
namespace {

TEST(LinkWatch, NothingHappensWhileBothLinksAreUp) {
    LinkWatch watch;
    EXPECT_FALSE(watch.look({true, true}, 0));
    EXPECT_FALSE(watch.look({true, true}, 100'000));
}

TEST(LinkWatch, ALostLinkTakesTheOtherDownOnce) {
    LinkWatch watch;
    const auto order = watch.look({false, true}, 0);
    ASSERT_TRUE(order);
    EXPECT_EQ(order->port, 1U);
    EXPECT_FALSE(order->up);
    EXPECT_FALSE(watch.look({false, false}, 100));
    EXPECT_TRUE(watch.taken_down(1));
}

TEST(LinkWatch, TheOtherComesBackWithTheLink) {
    LinkWatch watch;
    (void)watch.look({true, false}, 0);
    (void)watch.look({false, false}, 100);
    const auto order = watch.look({false, true}, 200);
    ASSERT_TRUE(order);
    EXPECT_EQ(order->port, 0U);
    EXPECT_TRUE(order->up);
}

TEST(LinkWatch, APortThatIsComingBackIsGivenTime) {
    LinkWatch watch;
    (void)watch.look({false, true}, 0);
    (void)watch.look({true, false}, 1000);  // port 1 is told to come up
    EXPECT_FALSE(watch.look({true, false}, 1000 + LinkWatch::settle_milliseconds - 1));
    const auto order = watch.look({true, false}, 1000 + LinkWatch::settle_milliseconds);
    ASSERT_TRUE(order) << "it never came up: now that is a loss of its own";
    EXPECT_EQ(order->port, 0U);
    EXPECT_FALSE(order->up);
}

TEST(LinkWatch, BothLostAtOnceTakesNeitherDown) {
    LinkWatch watch;
    EXPECT_FALSE(watch.look({false, false}, 0));
    EXPECT_FALSE(watch.taken_down(0) || watch.taken_down(1));
}

TEST(LinkWatch, ADeviceThatCannotObeyIsAskedAgain) {
    LinkWatch watch;
    ASSERT_TRUE(watch.look({false, true}, 0));
    watch.refused(1);
    EXPECT_TRUE(watch.look({false, true}, 100));
}

TEST(InterfaceWatch, TheSameInterfaceIsNothingToSpeakOf) {
    InterfaceWatch watch(7);
    EXPECT_FALSE(watch.look(7));
    EXPECT_FALSE(watch.gone());
}

TEST(InterfaceWatch, AnotherOfTheSameNameIsSaidOnce) {
    InterfaceWatch watch(7);
    EXPECT_TRUE(watch.look(9));
    EXPECT_TRUE(watch.gone());
    EXPECT_FALSE(watch.look(9));
    EXPECT_TRUE(watch.gone());
}

TEST(InterfaceWatch, ARemovedOneIsGoneForGood) {
    InterfaceWatch watch(7);
    EXPECT_TRUE(watch.look(0));
    EXPECT_FALSE(watch.look(9)) << "the new one under its name was said already";
    EXPECT_FALSE(watch.look(7)) << "moved away and back: its sockets were closed all the same";
    EXPECT_TRUE(watch.gone());
}

}  // namespace
}  // namespace sluice::dpdk::test
