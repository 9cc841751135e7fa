// What the watch hands to the workers, what it remembers and what it says.
#include "sluice/control/guard_watch.hpp"

#include <gtest/gtest.h>

#include "guard_rig.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using guard::Level;
using guard::Mode;

constexpr std::uint32_t web = 0xC000'0201;  // 192.0.2.1

GuardOptions with(std::vector<GuardedService> services) {
    GuardOptions options;
    options.max_services = options.max_learnt = 8;
    options.services = std::move(services);
    return options;
}

TEST(GuardWatch, HandsOutNothingNewWhileNothingChanges) {
    GuardRig rig(with({service_at(web, 443, Mode::automatic)}));
    rig.steps(50, [&] { rig.handshakes(1, 20); });
    EXPECT_EQ(rig.changes, 0U);
    EXPECT_TRUE(rig.news.empty());
    EXPECT_TRUE(rig.watch->floods().empty());
    EXPECT_EQ(rig.board(1), guard::Defence{});
}

TEST(GuardWatch, GivesConfiguredServicesTheFirstNumbers) {
    GuardRig rig(with({service_at(web, 443, Mode::automatic), service_at(web, 0, Mode::off)}));
    EXPECT_EQ(rig.number_of(web, 443), 1);
    EXPECT_EQ(rig.number_of(web, 80), 2);
    EXPECT_EQ(rig.number_of(web + 1, 443), 0);
    EXPECT_EQ(rig.watch->protection()->workers, 2U);
}

TEST(GuardWatch, DefendsFromTheStartWhereTheModeIsAlways) {
    GuardRig rig(with({service_at(web, 443, Mode::always)}));
    EXPECT_EQ(rig.board(1).level, Level::defend);
}

TEST(GuardWatch, DefendsAFloodedServiceAndSaysSoOnceAStep) {
    GuardRig rig(with({service_at(web, 443, Mode::automatic, "web")}));
    rig.steps(20, [&] { rig.handshakes(1, 10); });
    rig.steps(20, [&] { rig.syns(1, 2'000); });
    EXPECT_EQ(rig.board(1).level, Level::defend);
    const auto floods = rig.watch->floods();
    ASSERT_EQ(floods.size(), 1U);
    EXPECT_EQ(floods[0].level, Level::defend);
    EXPECT_EQ(floods[0].attack.kind, guard::Kind::spoofed);
    EXPECT_EQ(floods[0].note.service, "192.0.2.1:443");
    EXPECT_EQ(floods[0].note.name, "web");
    EXPECT_EQ(floods[0].note.done, Level::defend);
    EXPECT_EQ(floods[0].note.mode, Mode::automatic);
    EXPECT_EQ(floods[0].note.wall_offset, GuardRig::wall_offset);
    ASSERT_EQ(rig.news.size(), 2U) << "its begin and its rise, or both at once and then nothing";
    EXPECT_TRUE(rig.news[0].warning);
    EXPECT_EQ(rig.news[0].text.find("flood #1: 192.0.2.1:443 (web), spoofed begins, level alarm: "), 0U)
        << rig.news[0].text;
    EXPECT_EQ(rig.news[1].text.find("flood #1: 192.0.2.1:443 (web), spoofed rises to level defend: "), 0U)
        << rig.news[1].text;

    rig.steps(130);
    EXPECT_EQ(rig.board(1), guard::Defence{});
    EXPECT_EQ(rig.watch->floods()[0].level, Level::quiet);
    EXPECT_NE(rig.watch->floods()[0].attack.end, 0U);
    ASSERT_GE(rig.news.size(), 3U);
    EXPECT_FALSE(rig.news.back().warning);
    EXPECT_NE(rig.news.back().text.find(" is over after "), std::string::npos) << rig.news.back().text;
    EXPECT_NE(rig.news.back().text.find("; SYN cookies"), std::string::npos) << rig.news.back().text;
    EXPECT_EQ(rig.changes, 0U) << "levels are on the board: the settings stay";
}

TEST(GuardWatch, OnlyReportsInModeMonitor) {
    GuardRig rig(with({service_at(web, 443, Mode::monitor)}));
    rig.steps(20, [&] { rig.syns(1, 2'000); });
    EXPECT_EQ(rig.board(1).level, Level::alarm);
    ASSERT_EQ(rig.watch->floods().size(), 1U);
    EXPECT_EQ(rig.watch->floods()[0].note.done, Level::alarm);
    EXPECT_EQ(deeds(rig.watch->floods()[0].note), "reported only (mode monitor)");
}

TEST(GuardWatch, LimitsALoudSourceToEachWorkersShare) {
    GuardRig rig(with({service_at(web, 443, Mode::automatic)}));
    rig.steps(20, [&] {
        rig.syns(1, 200, 0xCB00'7109);  // 203.0.113.9
        rig.syns(1, 400, 0xCB00'7107);
    });
    const auto& limits = rig.watch->protection()->source_limits;
    ASSERT_EQ(limits.size(), 2U);
    EXPECT_LT(limits[0].source.word, limits[1].source.word);
    EXPECT_EQ(limits[0].source, (guard::Source{guard::Source::ipv4 | 0xCB00'7107}));
    EXPECT_EQ(limits[0].rate, 5U) << "guard.source_floor over two workers";
    EXPECT_LE(rig.changes, 2U) << "handed out when somebody is limited, not at each step";
    EXPECT_EQ(rig.watch->floods()[0].note.limited_sources, 2U);
    EXPECT_EQ(rig.watch->floods()[0].attack.kind, guard::Kind::loud);

    rig.steps(150);
    EXPECT_TRUE(rig.watch->protection()->source_limits.empty());
}

TEST(GuardWatch, NoWorkersShareOfALimitIsNothing) {
    auto options = with({service_at(web, 443, Mode::automatic)});
    options.services[0].policy.source_floor = 1;
    GuardRig rig(options);
    rig.steps(20, [&] { rig.syns(1, 600, 0xCB00'7107); });
    ASSERT_EQ(rig.watch->protection()->source_limits.size(), 1U);
    EXPECT_EQ(rig.watch->protection()->source_limits[0].rate, 1U);
}

TEST(GuardWatch, LearnsAServiceAndJudgesIt) {
    auto options = with({});
    options.policy.mode = Mode::automatic;
    GuardRig rig(options);
    rig.complete({ipv4(web), 8080});
    rig.steps(1);
    EXPECT_EQ(rig.changes, 1U);
    EXPECT_EQ(rig.number_of(web, 8080), 9) << "the first behind those for configured services";
    rig.steps(20, [&] { rig.syns(9, 2'000); });
    EXPECT_EQ(rig.board(9).level, Level::defend);
    EXPECT_EQ(rig.watch->floods()[0].note.service, "192.0.2.1:8080");
    const auto row = rig.watch->service(9);
    ASSERT_TRUE(row.has_value());
    EXPECT_TRUE(row->learnt);
    EXPECT_NEAR(row->standing.syns, 20'000, 200);
    EXPECT_FALSE(rig.watch->service(10).has_value());
}

TEST(GuardWatch, DoesNotLearnWhenToldNotToNorWhatIsNamedAlready) {
    auto options = with({service_at(web, 0, Mode::automatic)});
    GuardRig rig(options);
    rig.complete({ipv4(web), 8080});
    rig.steps(1);
    EXPECT_EQ(rig.number_of(web, 8080), 1);
    options.learn = false;
    rig.watch->reload(options);
    rig.complete({ipv4(web + 1), 80});
    rig.steps(1);
    EXPECT_EQ(rig.number_of(web + 1, 80), 0);
}

TEST(GuardWatch, ForgetsALearntServiceThatIsIdleButNotUnderAttack) {
    auto options = with({});
    options.learnt_idle = 20;
    GuardRig rig(options);
    rig.complete({ipv4(web), 80});
    rig.complete({ipv4(web + 1), 80});
    rig.steps(1);
    const auto flooded = rig.number_of(web, 80);
    ASSERT_EQ(flooded, 9);
    rig.steps(250, [&] { rig.syns(flooded, 300); });
    EXPECT_EQ(rig.number_of(web, 80), flooded);
    EXPECT_EQ(rig.number_of(web + 1, 80), 0);
    rig.steps(400);
    EXPECT_EQ(rig.number_of(web, 80), 0);
}

TEST(GuardWatch, ANumberThatGoesToAnotherServiceBringsNothingAlong) {
    auto options = with({});
    options.max_learnt = 1;
    options.learnt_idle = 20;
    GuardRig rig(options);
    rig.complete({ipv4(web), 80});
    rig.steps(400, [&] { rig.handshakes(9, 50); });
    EXPECT_TRUE(rig.watch->service(9)->standing.usual_known);
    rig.steps(450);  // it goes, and as long again nobody gets its number
    rig.complete({ipv4(web + 1), 80});
    rig.steps(1);
    ASSERT_EQ(rig.number_of(web + 1, 80), 9);
    EXPECT_FALSE(rig.watch->service(9)->standing.usual_known);
}

TEST(GuardWatch, AReloadKeepsAttacksAndBaselinesOfServicesThatStay) {
    const auto kept = service_at(web, 443, Mode::monitor);
    GuardRig rig(with({service_at(web + 1, 80, Mode::monitor), kept}));
    rig.steps(400, [&] { rig.handshakes(2, 50); });
    rig.steps(20, [&] {
        rig.syns(1, 2'000);
        rig.syns(2, 2'000);
    });
    ASSERT_EQ(rig.watch->floods().size(), 2U);
    auto defended = kept;
    defended.policy.mode = Mode::automatic;
    rig.watch->reload(with({service_at(web + 2, 80, Mode::monitor), defended}));
    EXPECT_TRUE(rig.watch->take_change());
    EXPECT_EQ(rig.number_of(web, 443), 2) << "as before, though another service is named first";
    EXPECT_EQ(rig.number_of(web + 2, 80), 3) << "not the number that has just come free";
    EXPECT_EQ(rig.number_of(web + 1, 80), 0);
    EXPECT_EQ(rig.board(2).level, Level::defend) << "at once, by the new mode";
    rig.steps(1, [&] { rig.syns(2, 2'000); });
    const auto floods = rig.watch->floods();
    EXPECT_NE(floods[0].attack.end, 0U) << "of the service that went";
    EXPECT_EQ(floods[1].attack.end, 0U);
    EXPECT_EQ(floods[1].note.mode, Mode::automatic);
    EXPECT_TRUE(rig.watch->service(2)->standing.usual_known);
}

TEST(GuardWatch, AServiceThatComesBackGetsItsNumberBack) {
    const auto one = service_at(web, 443, Mode::monitor), two = service_at(web + 1, 443, Mode::monitor);
    GuardRig rig(with({one, two}));
    rig.steps(400, [&] { rig.handshakes(2, 50); });
    rig.watch->reload(with({one}));
    rig.watch->reload(with({service_at(web + 2, 443, Mode::monitor), one, two}));
    EXPECT_EQ(rig.number_of(web + 1, 443), 2);
    EXPECT_EQ(rig.number_of(web + 2, 443), 3);
    EXPECT_TRUE(rig.watch->service(2)->standing.usual_known);
}

TEST(GuardWatch, AFloodSpreadOverANetworkIsSeenByItsGroup) {
    std::vector<GuardedService> services;
    for (std::uint32_t i = 0; i < 8; ++i) services.push_back(service_at(web + i, 443, Mode::automatic));
    GuardRig rig(with(services));
    rig.steps(20, [&] {
        for (guard::ServiceNumber i = 1; i <= 8; ++i) rig.syns(i, 40);  // 400 a second each, 3,200 together
    });
    const auto floods = rig.watch->floods();
    ASSERT_EQ(floods.size(), 1U);
    EXPECT_TRUE(floods[0].attack.of_group);
    EXPECT_EQ(floods[0].note.service, "192.0.2.0/24:all");
    EXPECT_EQ(floods[0].note.mode, Mode::automatic);
    EXPECT_EQ(floods[0].note.done, Level::defend);
    for (guard::ServiceNumber i = 1; i <= 8; ++i) EXPECT_EQ(rig.board(i).level, Level::defend);
    EXPECT_EQ(rig.watch->service(1)->group, "192.0.2.0/24:all");

    auto apart = with(services);
    apart.group_ipv4 = 0;
    rig.watch->reload(apart);
    rig.steps(1);
    EXPECT_NE(rig.watch->floods()[0].attack.end, 0U) << "there is no such group any more";
    EXPECT_EQ(rig.board(1).level, Level::quiet);
    EXPECT_EQ(rig.watch->service(1)->group, "");
}

TEST(GuardWatch, AServiceAloneInItsPrefixIsInNoGroup) {
    GuardRig rig(with({service_at(web, 443, Mode::automatic), service_at(web + 256, 443, Mode::automatic)}));
    EXPECT_EQ(rig.watch->service(1)->group, "");
}

TEST(GuardWatch, TheSecretOfEachTurnIsDrawnAnewInTheMiddleOfTheOther) {
    GuardRig rig(with({}));
    const auto start = [&](Tick turn, Tick within) {
        rig.now = std::uint64_t{turn} * guard::secret_turn + within;
        rig.steps(1);
        return rig.watch->protection()->cookie_secrets;
    };
    const auto first = start(4, guard::secret_turn / 2);
    EXPECT_EQ(rig.changes, 0U) << "both are fresh";
    EXPECT_EQ(start(5, guard::secret_turn / 2 - 200).turns, first.turns);
    const auto second = start(5, guard::secret_turn / 2);
    EXPECT_EQ(rig.changes, 1U);
    EXPECT_NE(second.turns[0], first.turns[0]);
    EXPECT_EQ(second.turns[1], first.turns[1]) << "it is the turn of this one";
    EXPECT_EQ(second.timestamps, first.timestamps);
    EXPECT_EQ(start(5, guard::secret_turn / 2 + 60'000).turns, second.turns);
    EXPECT_EQ(rig.changes, 1U);
    const auto third = start(6, guard::secret_turn - guard::cookie_slot - 1'000);
    EXPECT_EQ(third.turns[0], second.turns[0]);
    EXPECT_NE(third.turns[1], second.turns[1]);
}

TEST(GuardWatch, WithoutRandomBytesTheOldSecretStaysAndItIsTriedAgain) {
    GuardRig rig(with({}));
    rig.steps(1);
    const auto before = rig.watch->protection()->cookie_secrets;
    rig.now = std::uint64_t{7} * guard::secret_turn + guard::secret_turn / 2;
    rig.random = false;
    rig.steps(100);
    EXPECT_EQ(rig.watch->protection()->cookie_secrets.turns, before.turns);
    EXPECT_EQ(rig.changes, 0U);
    EXPECT_GE(rig.news.size(), 1U);
    EXPECT_LE(rig.news.size(), 40U) << "said, but not ten times a second";
    rig.random = true;
    rig.steps(1);
    EXPECT_NE(rig.watch->protection()->cookie_secrets.turns, before.turns);
}

TEST(GuardWatch, IsNotMadeWithoutRandomBytes) {
    const auto made = GuardWatch::create(with({}), 1, [](std::span<std::byte>) { return false; });
    ASSERT_FALSE(made.ok());
    EXPECT_NE(made.error().find("no random bytes"), std::string::npos);
}

TEST(GuardWatch, SaysNoMoreThanALineASecond) {
    auto options = with({});
    options.max_services = 60;
    options.group_ipv4 = 0;
    for (std::uint32_t i = 0; i < 60; ++i)
        options.services.push_back(service_at(web + i, 443, Mode::monitor));
    GuardRig rig(options);
    rig.steps(20, [&] {
        for (guard::ServiceNumber i = 1; i <= 60; ++i) rig.syns(i, 150);
    });
    EXPECT_EQ(rig.watch->floods().size(), 60U) << "every one is remembered";
    EXPECT_GE(rig.news.size(), 20U);
    EXPECT_LE(rig.news.size(), 22U);
    rig.steps(150);
    const auto mended = std::find_if(rig.news.begin(), rig.news.end(), [](const GuardWatch::News& line) {
        return line.text.find(" left out before this)") != std::string::npos;
    });
    EXPECT_NE(mended, rig.news.end());
}

TEST(GuardWatch, RemembersNoMoreAttacksThanTheDetector) {
    auto options = with({service_at(web, 443, Mode::monitor)});
    options.services[0].policy.stay = 200;
    options.services[0].policy.baseline_multiple = 0;
    GuardRig rig(options);
    for (unsigned i = 0; i < guard::Detector::most_attacks + 20; ++i) {
        rig.steps(3, [&] { rig.syns(1, 500); });
        rig.steps(20);
    }
    const auto floods = rig.watch->floods();
    ASSERT_EQ(floods.size(), guard::Detector::most_attacks);
    EXPECT_EQ(floods.front().attack.id, 21U);
    for (const Flood& flood : floods) EXPECT_EQ(flood.note.service, "192.0.2.1:443");
}

TEST(GuardWatch, CountsForStatistics) {
    GuardRig rig(with({service_at(web, 443, Mode::automatic)}));
    rig.steps(20, [&] { rig.syns(1, 2'000); });
    std::map<std::string, std::uint64_t> counters;
    for (const auto& [name, value] : rig.watch->counters()) counters[name] = value;
    EXPECT_EQ(counters["guard_syns"], 40'000U);
    EXPECT_EQ(counters["guard_answered"], 40'000U);
    EXPECT_EQ(counters["guard_services"], 1U);
    EXPECT_EQ(counters["guard_defended"], 1U);
    EXPECT_EQ(counters["guard_attacks"], 1U);
    EXPECT_EQ(counters["guard_attacks_running"], 1U);
}

}  // namespace
}  // namespace sluice::control
