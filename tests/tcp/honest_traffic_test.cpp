// The promise that counts most: no segment of a conversation between two correct TCP stacks is refused,
// whatever the network does to it while the flow is in the table; few are merely tolerated; and where all
// that passed has arrived, the pair is where the endpoints stand. `scripts/honest` runs it for longer.
#include <gtest/gtest.h>

#include <iostream>

#include "../support/engine_backend.hpp"
#include "../support/honest_watch.hpp"

namespace sluice::test {
namespace {

tcp::Settings settings_with(bool loose) {
    tcp::Settings settings;
    settings.loose = loose;
    return settings;
}

void report(const Tally& tally) {
    std::cout << "seed " << first_seed() << ": " << tally.text();
}

TEST(HonestTraffic, OnABadNetworkNothingIsRefusedAndOnePercentTolerated) {
    Tally tally;
    EngineBackend engine;
    const std::size_t wanted = segments_wanted(600'000);
    for (std::uint64_t seed = first_seed(); tally.segments < wanted; ++seed) {
        Random random(seed);
        const ConversationPlan plan = draw_plan(random, false);
        Watched watched(engine, settings_with(false), tally);
        bool agrees = true;
        converse(
            plan, random, tally.coverage,
            [&](End from, const tcp::Segment& segment, double now) {
                return watched.see(from, segment, now);
            },
            [&](Standing a, Standing b, double now) {
                agrees = watched.agrees(a, b, now);
                return agrees;
            });
        ASSERT_TRUE(agrees && tally.refused == 0) << "seed " << seed << "\n"
                                                  << plan.describe() << "\n"
                                                  << watched.log();
    }
    report(tally);
    tally.coverage.each([](const std::string& name, std::size_t count) {
        if (std::getenv("SLUICE_SEGMENTS") != nullptr) std::cout << "  " << count << "  " << name << "\n";
    });
    EXPECT_LE(tally.tolerated_in_all() * 100, tally.segments);
    // Each feature, each state to abort in, each fault on each leg, each pair.
    EXPECT_EQ(tally.coverage.below(std::max<std::size_t>(3, tally.segments / 180'000)), "");
    EXPECT_GT(tally.compared, tally.conversations);
}

TEST(HonestTraffic, OnAPerfectNetworkNothingIsToleratedAndThePairIsThatOfTheEndpoints) {
    Tally tally;
    EngineBackend engine;
    const std::size_t wanted = segments_wanted(250'000);
    for (std::uint64_t seed = first_seed(); tally.segments < wanted; ++seed) {
        Random random(seed);
        const ConversationPlan plan = draw_plan(random, true);
        Watched watched(engine, settings_with(false), tally);
        bool agrees = true;
        converse(
            plan, random, tally.coverage,
            [&](End from, const tcp::Segment& segment, double now) {
                if (!watched.see(from, segment, now)) return false;
                // What was in flight when one of them aborted arrives after the close, and draws a RST; who
                // aborts without a word dials into what the other end still has.
                if (plan.aborts()) tally.tolerated.clear();
                return tally.tolerated.empty();
            },
            [&](Standing a, Standing b, double now) {
                agrees = watched.agrees(a, b, now);
                return agrees;
            });
        ASSERT_TRUE(agrees && tally.refused == 0 && tally.tolerated.empty()) << "seed " << seed << "\n"
                                                                             << plan.describe() << "\n"
                                                                             << watched.log();
    }
    report(tally);
    EXPECT_GT(tally.compared, tally.conversations);
}

TEST(HonestTraffic, PickedUpInMidStreamNothingIsRefused) {
    Tally tally;
    EngineBackend engine;
    const std::size_t wanted = segments_wanted(120'000);
    for (std::uint64_t seed = first_seed(); tally.segments < wanted; ++seed) {
        Random random(seed);
        ConversationPlan plan = draw_plan(random, false);
        plan.redials = 0;
        // See "Limits" in docs/tcp.md: what rode on a SYN that passed before we looked cannot be known; nor
        // that a handshake is an old one, when it comes again that late.
        plan.a.syn_data = plan.b.syn_data = 0;
        plan.network.straggling = 0;
        Watched watched(engine, settings_with(true), tally, 30 + static_cast<double>(random() % 400));
        converse(plan, random, tally.coverage, [&](End from, const tcp::Segment& segment, double now) {
            return watched.see(from, segment, now);
        });
        ASSERT_EQ(tally.refused, 0U) << "seed " << seed << "\n" << plan.describe() << "\n" << watched.log();
    }
    report(tally);
}

}  // namespace
}  // namespace sluice::test
