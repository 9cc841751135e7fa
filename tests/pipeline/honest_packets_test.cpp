// The promise of tests/tcp/honest_traffic_test.cpp kept by the whole tracker: the same conversations as
// packets of either family, with their options and checksums, through classify, locate and judge.
#include <gtest/gtest.h>

#include <iostream>

#include "../support/honest_watch.hpp"
#include "../support/tracker_backend.hpp"

namespace sluice::test {
namespace {

void converse_in_packets(packet::Family family, bool perfect_network) {
    Tally tally;
    TrackerBackend tracker(family);
    tcp::Settings settings;
    settings.loose = false;
    for (std::uint64_t seed = first_seed(); tally.segments < 25'000; ++seed) {
        Random random(seed);
        const ConversationPlan plan = draw_plan(random, perfect_network);
        Watched watched(tracker, settings, tally);
        if (seed % 2 == 0) watched.use_timestamps();
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
        if (perfect_network && plan.aborts()) tally.tolerated.clear();  // what was in flight then
        const bool none_tolerated = !perfect_network || tally.tolerated.empty();
        ASSERT_TRUE(agrees && tally.refused == 0 && none_tolerated) << "seed " << seed << "\n"
                                                                    << plan.describe() << "\n"
                                                                    << watched.log();
    }
    std::cout << "seed " << first_seed() << ": " << tally.text();
    EXPECT_LE(tally.tolerated_in_all() * 100, tally.segments);
    EXPECT_GT(tally.compared, tally.conversations);
}

TEST(HonestPackets, OfIpv4OnABadNetworkAreNeverRefused) {
    converse_in_packets(packet::Family::ipv4, false);
}
TEST(HonestPackets, OfIpv6OnABadNetworkAreNeverRefused) {
    converse_in_packets(packet::Family::ipv6, false);
}
TEST(HonestPackets, OfIpv4OnAPerfectNetworkAreNotEvenTolerated) {
    converse_in_packets(packet::Family::ipv4, true);
}
TEST(HonestPackets, OfIpv6OnAPerfectNetworkAreNotEvenTolerated) {
    converse_in_packets(packet::Family::ipv6, true);
}

}  // namespace
}  // namespace sluice::test
