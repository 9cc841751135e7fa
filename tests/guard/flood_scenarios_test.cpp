// Floods of many kinds and honest bursts of many kinds, each played through the workers' half and the
// detector: what is recorded, and how soon. Default thresholds: alarm from 1,000 unfinished SYNs a second or
// 4,000 waiting flows, defence from twice that.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "flood_world.hpp"
#include "sluice/base/words.hpp"

namespace sluice::guard::test {
namespace {

/// 200 connections a second to service 1, from 500 addresses: there in every flood.
constexpr Stream everyday{.rate = 200};

Stream flood(double rate, From from) {
    return {.rate = rate, .from = from, .fate = Fate::never_completes, .start = 2'037};
}
Stream from_pool(double rate, unsigned sources) {
    Stream stream = flood(rate, From::pool);
    stream.sources = sources;
    return stream;
}

std::vector<Scenario> floods() {
    std::vector<Scenario> all;
    const auto add = [&](Scenario scenario) {
        if (scenario.flood_start == 2'000) scenario.flood_start = 2'037;
        all.push_back(std::move(scenario));
    };
    add({.name = "spoofed sources at random",
         .streams = {everyday, flood(20'000, From::random_ipv4)},
         .attacks = {{.kind = Kind::spoofed}}});
    add({.name = "spoofed sources one after the other",
         .streams = {everyday, flood(20'000, From::sequential)},
         .attacks = {{.kind = Kind::spoofed}}});
    add({.name = "one loud source",
         .streams = {everyday, from_pool(20'000, 1)},
         .attacks = {{.kind = Kind::loud}}});
    add({.name = "ten loud sources",
         .streams = {everyday, from_pool(20'000, 10)},
         .attacks = {{.kind = Kind::loud}}});
    add({.name = "two thousand real hosts",
         .streams = {everyday, from_pool(20'000, 2'000)},
         .attacks = {{.kind = Kind::distributed}}});
    {
        Stream carpet = flood(51'200, From::random_ipv4);
        carpet.services = 256;
        add({.name = "carpet bombing: a /24 of services, 200 a second to each",
             .streams = {everyday, carpet},
             .attacks = {{.service = 0, .group = true, .kind = Kind::spoofed}},
             .services = 257,
             .grouped = true});
    }
    {
        Stream pulse = flood(20'000, From::random_ipv4);
        pulse.on = 1'000;
        pulse.off = 2'000;
        add({.name = "pulses: one second on, two off",
             .streams = {everyday, pulse},
             .attacks = {{.kind = Kind::spoofed}},
             .duration = 20'000});
    }
    // One that leaves half-open flows behind is caught by those; one whose flows end at once can teach the
    // baseline, up to its ceiling.
    for (const Fate fate : {Fate::never_completes, Fate::disowned}) {
        Stream ramp = flood(0, From::random_ipv4);
        ramp.rate_at_end = 6'000;
        ramp.start = 32'000;
        ramp.fate = fate;
        Stream busy = everyday;
        busy.rate = 3'000;
        const bool piles_up = fate == Fate::never_completes;
        add({.name = piles_up ? "a slow ramp" : "a slow ramp that leaves no flows half-open",
             .streams = {busy, ramp},
             .attacks = {{.kind = Kind::spoofed, .level = piles_up ? Level::defend : Level::alarm}},
             .duration = 122'000,
             .flood_start = 32'000,
             .alarm_within = piles_up ? 12'000U : 61'000U,  // when 4,000 flows wait; at 4,000 SYN/s
             .defend_within = piles_up ? 17'000U : 0U});
    }
    {
        Stream slow = from_pool(200, 200);
        add({.name = "slow: half-open flows pile up, 200 a second",
             .streams = {everyday, slow},
             .attacks = {{.kind = Kind::spoofed}},
             .duration = 55'000,
             .alarm_within = 21'000,  // 4,000 flows, at 200 a second
             .defend_within = 41'000});
    }
    add({.name = "slow: the same from one source",
         .streams = {everyday, from_pool(200, 1)},
         .attacks = {{.kind = Kind::loud}},
         .duration = 55'000,
         .alarm_within = 21'000,
         .defend_within = 41'000});
    {
        Stream ports = flood(20'000, From::random_ipv4);
        ports.fate = Fate::refused;
        ports.service = 2;  // a prefix with all ports
        add({.name = "many ports of one host, closed",
             .streams = {everyday, ports},
             .attacks = {{.service = 2, .kind = Kind::spoofed}}});
    }
    add({.name = "IPv6, all over one /64",
         .streams = {everyday, flood(20'000, From::one_64)},
         .attacks = {{.kind = Kind::loud}}});
    add({.name = "IPv6, over many /64s",
         .streams = {everyday, flood(20'000, From::many_64s)},
         .attacks = {{.kind = Kind::spoofed}}});
    {
        Stream disowned = from_pool(20'000, 3'000);
        disowned.fate = Fate::disowned;
        add({.name = "addresses of real hosts, which answer with RST",
             .streams = {everyday, disowned},
             .attacks = {{.kind = Kind::spoofed}}});
    }
    {
        Stream fifty = everyday;
        fifty.rate = 500;
        fifty.sources = 50;
        add({.name = "among fifty honest clients",
             .streams = {fifty, flood(20'000, From::random_ipv4)},
             .attacks = {{.kind = Kind::spoofed}}});
    }
    {
        Stream loud = from_pool(20'000, 1);
        loud.service = 2;
        add({.name = "two services at once, one by spoofed sources, one by a loud one",
             .streams = {everyday, flood(20'000, From::random_ipv4), loud},
             .attacks = {{.service = 1, .kind = Kind::spoofed}, {.service = 2, .kind = Kind::loud}}});
    }
    {
        Stream silent = flood(40'000, From::random_ipv4);
        silent.fate = Fate::silence;
        silent.start = 35'037;
        Stream before = everyday, after = everyday;
        before.stop = after.start = 35'037;
        after.fate = Fate::silence;
        add({.name = "a flood that fills the server's backlog: it answers nobody",
             .streams = {before, after, silent},
             .attacks = {{.kind = Kind::spoofed}},
             .duration = 40'000,
             .flood_start = 35'037});
    }
    return all;
}

std::vector<Scenario> honest_bursts() {
    std::vector<Scenario> all;
    const auto add = [&](Scenario scenario) { all.push_back(std::move(scenario)); };
    const auto stream = [](double rate, unsigned sources) {
        Stream out{.rate = rate, .sources = sources};
        out.start = 2'000;
        return out;
    };
    add({.name = "a flash crowd: from 200 to 20,000 a second at once",
         .streams = {everyday, stream(20'000, 60'000)}});
    {
        Stream ramp = stream(0, 60'000);
        ramp.rate_at_end = 30'000;
        ramp.stop = 6'000;
        ramp.round_trip_most = 400;
        add({.name = "a flash crowd from far away, within four seconds", .streams = {everyday, ramp}});
    }
    {
        Stream slow = stream(400, 500);
        slow.round_trip_least = 3'000;
        slow.round_trip_most = 4'000;
        Stream before = everyday;
        before.rate = 400;
        before.stop = 2'000;
        add({.name = "a slow server: every handshake takes three seconds", .streams = {before, slow}});
    }
    {
        Stream before = everyday, during = everyday, after = everyday;
        before.rate = during.rate = after.rate = 900;
        before.stop = during.start = 33'000;
        during.fate = Fate::refused;
        during.stop = after.start = 36'000;
        add({.name = "a server that is restarted, three seconds",
             .streams = {before, during, after},
             .duration = 40'000,
             .flood_start = 33'000});
    }
    {
        Stream scan = stream(600, 1);
        scan.fate = Fate::refused;
        scan.service = 2;
        add({.name = "a port scan by one source, 600 ports a second", .streams = {everyday, scan}});
    }
    add({.name = "an office: 2,000 users behind one address", .streams = {everyday, stream(4'000, 1)}});
    {
        Stream benchmark = stream(30'000, 1);
        benchmark.round_trip_least = 1;
        benchmark.round_trip_most = 2;
        add({.name = "a benchmark client, 30,000 a second", .streams = {everyday, benchmark}});
    }
    {
        Stream mobile = stream(8'000, 40'000);
        mobile.round_trip_least = 60;
        mobile.round_trip_most = 240;
        mobile.lost = 0.05;
        add({.name = "mobile clients with 5 % loss", .streams = {everyday, mobile}});
    }
    return all;
}

/// Bursts that are no attack, and are said to be what they are.
std::vector<Scenario> outages() {
    std::vector<Scenario> all;
    for (const Fate fate : {Fate::silence, Fate::refused}) {
        Stream before = everyday, during = everyday;
        before.rate = during.rate = 3'000;
        before.stop = during.start = 33'000;
        during.fate = fate;
        all.push_back(
            {.name = fate == Fate::silence ? "a busy server goes silent" : "a busy server refuses all",
             .streams = {before, during},
             .attacks = {{.kind = Kind::unanswered, .level = Level::alarm}},
             .duration = 38'000,
             .flood_start = 33'000,
             .alarm_within = 1'000,
             .defend_within = 0});
    }
    return all;
}

Level highest(const Attack& attack) {
    Level level = Level::quiet;
    for (unsigned i = 0; i < attack.step_count; ++i) level = std::max(level, attack.steps[i].level);
    return level;
}

std::string told(const Outcome& outcome) {
    std::string out;
    for (const std::string& line : outcome.story) out += line + '\n';
    for (const Attack& attack : outcome.attacks)
        out += joined("attack ", attack.id, " on ", attack.of_group ? "group " : "service ", attack.service,
                      ": ", name_of(attack.kind), ", ", name_of(highest(attack)), ", peak ", attack.peak_rate,
                      "/s, ", attack.peak_half_open, " half-open, ", attack.syns, " SYNs, ", attack.completed,
                      " completed, ", attack.distinct_sources, " sources\n  ", attack.why, '\n');
    return out;
}

const Attack* find(const Outcome& outcome, const Expected& expected) {
    const auto found = std::find_if(outcome.attacks.begin(), outcome.attacks.end(), [&](const Attack& one) {
        return one.service == expected.service && one.of_group == expected.group;
    });
    return found == outcome.attacks.end() ? nullptr : &*found;
}

void expect_as_recorded(const Scenario& scenario, const Outcome& outcome) {
    EXPECT_EQ(outcome.attacks.size(), scenario.attacks.size());
    for (const Expected& expected : scenario.attacks) {
        const Attack* const found = find(outcome, expected);
        ASSERT_NE(found, nullptr) << "missed";
        EXPECT_EQ(name_of(found->kind), name_of(expected.kind));
        EXPECT_EQ(name_of(highest(*found)), name_of(expected.level));
    }
    if (scenario.attacks.empty()) return;
    EXPECT_GT(outcome.first_alarm, 0U);
    EXPECT_LE(outcome.first_alarm, scenario.alarm_within);
    if (scenario.defend_within == 0) {
        EXPECT_EQ(outcome.first_defence, 0U);
    } else {
        EXPECT_GT(outcome.first_defence, 0U);
        EXPECT_LE(outcome.first_defence, scenario.defend_within);
    }
}

void play_all(const std::vector<Scenario>& scenarios) {
    std::size_t expected = 0, missed = 0, recorded = 0;
    for (const Scenario& scenario : scenarios) {
        const Outcome outcome = play(scenario);
        SCOPED_TRACE(scenario.name + '\n' + told(outcome));
        expect_as_recorded(scenario, outcome);
        expected += scenario.attacks.size();
        recorded += outcome.attacks.size();
        for (const Expected& one : scenario.attacks) missed += find(outcome, one) == nullptr ? 1 : 0;
        std::printf("  %-64s alarm %5llu ms, defence %5llu ms\n", scenario.name.c_str(),
                    static_cast<unsigned long long>(outcome.first_alarm),
                    static_cast<unsigned long long>(outcome.first_defence));
    }
    std::printf("  %zu scenarios, %zu attacks in them: %zu missed, %zu false\n", scenarios.size(), expected,
                missed, recorded + missed - expected);
}

TEST(FloodScenarios, EveryFloodIsRecordedForWhatItIsAndInTime) {
    play_all(floods());
}

TEST(FloodScenarios, EveryFloodIsRecordedForWhatItIsAndInTimeHoweverTheDiceFall) {
    for (std::uint64_t seed = 2; seed < 5; ++seed)
        for (Scenario& scenario : floods()) {
            scenario.seed = seed;
            const Outcome outcome = play(scenario);
            SCOPED_TRACE(scenario.name + ", seed " + std::to_string(seed) + '\n' + told(outcome));
            expect_as_recorded(scenario, outcome);
        }
}

// Steps come every 100 ms: wherever the flood begins between two.
TEST(FloodScenarios, AFloodOfTwentyTimesTheAlarmIsSeenInTimeWheneverItBegins) {
    Milliseconds slowest_alarm = 0, slowest_defence = 0;
    for (unsigned phase = 0; phase < 100; phase += 7) {
        Scenario scenario{.name = "spoofed", .streams = {everyday, flood(20'000, From::random_ipv4)}};
        scenario.flood_start = scenario.streams[1].start = 2'001 + phase;
        scenario.duration = 2'700;
        scenario.seed = phase;
        const Outcome outcome = play(scenario);
        ASSERT_GT(outcome.first_alarm, 0U) << phase;
        ASSERT_GT(outcome.first_defence, 0U) << phase;
        slowest_alarm = std::max(slowest_alarm, outcome.first_alarm);
        slowest_defence = std::max(slowest_defence, outcome.first_defence);
    }
    EXPECT_LE(slowest_alarm, 300U);
    EXPECT_LE(slowest_defence, 400U);
    std::printf("  slowest of 15 phases: alarm %llu ms, defence %llu ms\n",
                static_cast<unsigned long long>(slowest_alarm),
                static_cast<unsigned long long>(slowest_defence));
}

TEST(FloodScenarios, NoHonestBurstIsAnAttack) {
    play_all(honest_bursts());
}

TEST(FloodScenarios, NoHonestBurstIsAnAttackHoweverTheDiceFall) {
    for (std::uint64_t seed = 2; seed < 8; ++seed)
        for (Scenario& scenario : honest_bursts()) {
            scenario.seed = seed;
            const Outcome outcome = play(scenario);
            EXPECT_TRUE(outcome.attacks.empty()) << scenario.name << '\n' << told(outcome);
        }
}

TEST(FloodScenarios, AServerThatIsDownIsSaidToBeThat) {
    play_all(outages());
}

// One infected machine in an office: the office's address is limited to what it uses, the flood is not let
// in.
TEST(FloodScenarios, ALoudSourceIsLimitedAndNobodyElse) {
    Scenario scenario{.name = "an office with an infected machine",
                      .streams = {everyday, from_pool(5'000, 1), from_pool(300, 1)}};
    scenario.streams[2].fate = Fate::completes;
    scenario.streams[2].addresses = 1;
    scenario.flood_start = 2'037;
    const Outcome outcome = play(scenario);
    ASSERT_EQ(outcome.limits.size(), 1U) << told(outcome);
    EXPECT_NEAR(outcome.limits[0].rate, 600, 120);
}

}  // namespace
}  // namespace sluice::guard::test
