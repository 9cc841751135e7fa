// The detector fed by hand: each rule of its page at its edges. Rates are per second and exact, a step is
// 100 ms.
#include "sluice/guard/detector.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace sluice::guard::test {
namespace {

using ServiceSetup = Detector::ServiceSetup;

/// What happens to a service within a step, a second's worth of it.
struct Rates {
    unsigned syns = 0;
    unsigned completed = 0;
    unsigned answered = 0;
    unsigned refused = 0;
    unsigned reset = 0;
    unsigned limited = 0;
    unsigned half_open = 0;  ///< now
    unsigned distinct = 1;
};

/// Answered, and completed by so many.
Rates some(unsigned syns, unsigned completed) {
    return {.syns = syns, .completed = completed, .answered = syns, .distinct = syns};
}

class Fed {
  public:
    explicit Fed(const Policy& policy = {}) : Fed({{policy}}, {}) {}
    Fed(const std::vector<ServiceSetup>& services, const std::vector<Policy>& groups)
        : sums_(services.size()), detector(services, groups) {}

    void step(const std::vector<Rates>& rates, const std::vector<LoudSource>& loud = {}) {
        for (std::size_t i = 0; i < sums_.size() && i < rates.size(); ++i) {
            ServiceSums& sums = sums_[i];
            sums.syns += rates[i].syns / 10;
            sums.completed += rates[i].completed / 10;
            sums.answered += rates[i].answered / 10;
            sums.refused += rates[i].refused / 10;
            sums.reset += rates[i].reset / 10;
            sums.limited += rates[i].limited / 10;
            sums.half_open = rates[i].half_open;
            sums.distinct_sources = rates[i].distinct;
        }
        now += 100;
        detector.step({now, sums_, loud, 2'000});
    }
    void run(Milliseconds duration, const std::vector<Rates>& rates,
             const std::vector<LoudSource>& loud = {}) {
        for (const Milliseconds stop = now + duration; now < stop;) step(rates, loud);
    }
    /// Steps until the level is reached, at most `most`.
    unsigned steps_until(Level level, const std::vector<Rates>& rates, unsigned most = 100) {
        for (unsigned count = 1; count <= most; ++count) {
            step(rates);
            if (detector.level(0) >= level) return count;
        }
        return most + 1;
    }

  private:
    std::vector<ServiceSums> sums_;

  public:
    Detector detector;
    Milliseconds now = 10'000;
};

Policy fixed() {
    Policy policy;
    policy.baseline_multiple = 0;
    return policy;
}

TEST(Detector, QuietTrafficIsQuiet) {
    Fed fed;
    fed.run(5'000, {some(900, 0)});
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
    EXPECT_TRUE(fed.detector.attacks().empty());
    EXPECT_EQ(fed.detector.defence(0), Defence{});
}

TEST(Detector, EachThresholdIsReachedExactly) {
    for (const auto& [rate, level] : {std::pair{990U, Level::quiet},
                                      {1'000U, Level::alarm},
                                      {1'990U, Level::alarm},
                                      {2'000U, Level::defend},
                                      {499'990U, Level::defend},
                                      {500'000U, Level::maximum}}) {
        Fed fed(fixed());
        fed.run(3'000, {some(rate, 0)});
        EXPECT_EQ(fed.detector.level(0), level) << rate;
    }
    for (const auto& [flows, level] : {std::pair{3'999U, Level::quiet},
                                       {4'000U, Level::alarm},
                                       {7'999U, Level::alarm},
                                       {8'000U, Level::defend},
                                       {199'999U, Level::defend},
                                       {200'000U, Level::maximum}}) {
        Fed fed(fixed());
        fed.run(3'000, {{.half_open = flows}});
        EXPECT_EQ(fed.detector.level(0), level) << flows;
    }
}

TEST(Detector, CompletedSynsDoNotCountHoweverMany) {
    Fed fed(fixed());
    fed.run(3'000, {some(1'000'000, 999'010)});
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
    fed.run(1'000, {some(1'000'000, 998'000)});
    EXPECT_EQ(fed.detector.level(0), Level::defend);
}

// 150 ms of grace: of a flood of F from the first step on, F x (t - 150 ms) count after t.
TEST(Detector, AFloodCountsAfterItsGrace) {
    for (const auto& [rate, steps] :
         {std::pair{20'000U, 2U}, {19'990U, 3U}, {6'670U, 3U}, {6'660U, 4U}, {1'180U, 10U}, {1'000U, 12U}}) {
        Fed fed(fixed());
        fed.run(2'000, {{}});
        EXPECT_EQ(fed.steps_until(Level::alarm, {some(rate, 0)}), steps) << rate;
    }
}

TEST(Detector, ACrowdThatComesAtOnceIsBelowTheAlarmWhileItsRoundTripIsShort) {
    // Handshakes complete two steps later: 50 ms beyond the grace, a twentieth of the crowd is in question.
    for (const auto& [rate, level] : {std::pair{19'980U, Level::quiet}, {20'000U, Level::alarm}}) {
        Fed fed(fixed());
        fed.run(2'000, {{}});
        fed.run(200, {some(rate, 0)});
        fed.run(3'000, {some(rate, rate)});
        EXPECT_EQ(fed.detector.level(0), level) << rate;
    }
}

TEST(Detector, FlowsThatWereJustOpenedDoNotWait) {
    Rates busy{.syns = 100'000, .completed = 100'000, .answered = 100'000};
    Fed fed(fixed());
    fed.run(2'000, {busy});
    busy.half_open = 18'990;
    fed.run(2'000, {busy});
    EXPECT_EQ(fed.detector.level(0), Level::quiet) << "15,000 of them are of the last 150 ms";
    busy.half_open = 19'000;
    fed.run(200, {busy});
    EXPECT_EQ(fed.detector.level(0), Level::alarm);
}

TEST(Detector, ALevelIsHeldUntilTheNumbersHaveBeenLowForTheStay) {
    Fed fed(fixed());
    fed.run(3'000, {some(3'000, 0)});
    ASSERT_EQ(fed.detector.level(0), Level::defend);
    fed.run(30'000, {some(1'000, 0)});
    EXPECT_EQ(fed.detector.level(0), Level::defend) << "half of activate holds it";
    fed.run(10'000, {some(990, 0)});  // which the first step does not see yet
    EXPECT_EQ(fed.detector.level(0), Level::defend);
    fed.run(100, {some(990, 0)});
    EXPECT_EQ(fed.detector.level(0), Level::alarm) << "above half of alarm";
    fed.run(20'000, {some(500, 0)});
    EXPECT_EQ(fed.detector.level(0), Level::alarm);
    fed.run(12'000, {some(490, 0)});
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
    ASSERT_EQ(fed.detector.attacks().size(), 1U);
    const Attack attack = fed.detector.attacks()[0];
    EXPECT_EQ(attack.step_count, 4U);
    EXPECT_EQ(attack.steps[0].level, Level::alarm);
    EXPECT_EQ(attack.steps[1].level, Level::defend);
    EXPECT_EQ(attack.steps[2].level, Level::alarm);
    EXPECT_EQ(attack.steps[3].level, Level::quiet);
    EXPECT_EQ(attack.steps[0].at, attack.start);
    EXPECT_EQ(attack.end, attack.steps[3].at - 10'000) << "when it was last above";
}

TEST(Detector, APauseShorterThanTheStayDoesNotEndAnAttackAndALongerOneDoes) {
    for (const auto& [pause, attacks] : {std::pair{9'000U, 1U}, {12'000U, 2U}}) {
        Fed fed(fixed());
        fed.run(2'000, {some(5'000, 0)});
        fed.run(pause, {some(100, 100)});
        fed.run(2'000, {some(5'000, 0)});
        EXPECT_EQ(fed.detector.attacks().size(), attacks) << pause;
        EXPECT_EQ(fed.detector.attacks()[0].id, attacks) << "the one that goes on comes first";
        EXPECT_EQ(fed.detector.attacks()[0].end, 0U);
    }
}

TEST(Detector, AModeSaysHowMuchIsDone) {
    const auto decided = [](Mode mode, unsigned rate) {
        Policy policy = fixed();
        policy.mode = mode;
        Fed fed(policy);
        fed.run(2'000, {some(rate, 0)});
        EXPECT_EQ(fed.detector.attacks().size(), mode == Mode::off || rate < 1'000 ? 0U : 1U);
        return fed.detector.defence(0);
    };
    EXPECT_EQ(decided(Mode::off, 600'000), (Defence{Level::quiet, 0}));
    EXPECT_EQ(decided(Mode::monitor, 600'000), (Defence{Level::alarm, 0}));
    EXPECT_EQ(decided(Mode::monitor, 100), (Defence{Level::quiet, 0}));
    EXPECT_EQ(decided(Mode::automatic, 2'500), (Defence{Level::defend, 0}));
    EXPECT_EQ(decided(Mode::automatic, 600'000), (Defence{Level::maximum, 500'000}));
    EXPECT_EQ(decided(Mode::always, 100), (Defence{Level::defend, 0}));
    EXPECT_EQ(decided(Mode::always, 600'000), (Defence{Level::maximum, 500'000}));
}

TEST(Detector, AModeSwitchedOffEndsTheAttack) {
    Fed fed(fixed());
    fed.run(2'000, {some(5'000, 0)});
    Policy off = fixed();
    off.mode = Mode::off;
    fed.detector.set_policy(0, off);
    fed.run(100, {some(5'000, 0)});
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
    ASSERT_EQ(fed.detector.attacks().size(), 1U);
    EXPECT_NE(fed.detector.attacks()[0].end, 0U);
}

// Learnt: 600 of 10,000 SYN/s stay unfinished, so that alarm is 4 x 600 = 2,400 and activate 4,800, and what
// the first moments deviate.
TEST(Detector, WhatIsUsualRaisesTheThresholds) {
    for (const auto& [extra, level] : {std::pair{1'700U, Level::quiet},
                                       {2'150U, Level::alarm},
                                       {4'000U, Level::alarm},
                                       {4'800U, Level::defend}}) {
        Fed fed;
        fed.run(60'000, {some(10'000, 9'400)});
        fed.run(3'000, {some(10'000 + extra, 9'400)});
        EXPECT_EQ(fed.detector.level(0), level) << extra;
    }
}

TEST(Detector, NothingIsUsualBeforeHalfAMinute) {
    Fed early, late;
    early.run(29'000, {some(10'000, 9'400)});
    early.run(3'000, {some(10'000, 8'500)});
    EXPECT_EQ(early.detector.level(0), Level::alarm);
    late.run(31'000, {some(10'000, 9'400)});
    late.run(3'000, {some(10'000, 8'500)});
    EXPECT_EQ(late.detector.level(0), Level::quiet);
}

TEST(Detector, ATinyServiceKeepsTheConfiguredThresholds) {
    Fed fed;
    fed.run(60'000, {some(10, 10)});
    fed.run(5'000, {some(500, 0)});
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
    fed.run(5'000, {some(1'000, 0)});
    EXPECT_EQ(fed.detector.level(0), Level::alarm);
}

TEST(Detector, WhatChangesMuchRaisesTheThresholdsByItsDeviation) {
    Fed fed;
    // Two seconds of 200 and two of 800: mean 500, deviation near 300, alarm near 3,200.
    for (unsigned i = 0; i < 30; ++i) {
        fed.run(2'000, {some(10'000, 9'800)});
        fed.run(2'000, {some(10'000, 9'200)});
    }
    fed.run(3'000, {some(10'000, 7'300)});
    EXPECT_EQ(fed.detector.level(0), Level::quiet) << "2,700, above four times the mean";
    fed.run(3'000, {some(10'000, 6'500)});
    EXPECT_EQ(fed.detector.level(0), Level::alarm);
}

TEST(Detector, ALearntThresholdHasACeiling) {
    Policy policy;
    policy.alarm.rate = 100;
    policy.activate.rate = 200;
    policy.maximum.rate = 700;  // below four times activate: then it decides first
    Fed fed(policy);
    // 90, then higher as the threshold rises, as one would who teaches it.
    for (unsigned rate = 90; rate < 390; rate += 10) fed.run(60'000, {some(10'000, 10'000 - rate)});
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
    fed.run(3'000, {some(10'000, 10'000 - 400)});
    EXPECT_EQ(fed.detector.level(0), Level::alarm);
    fed.run(3'000, {some(10'000, 10'000 - 690)});
    EXPECT_EQ(fed.detector.level(0), Level::alarm);
    fed.run(3'000, {some(10'000, 10'000 - 700)});
    EXPECT_EQ(fed.detector.level(0), Level::maximum) << "which is never raised";
}

TEST(Detector, NothingIsLearntFromWhatIsMostlyUnfinished) {
    Fed fed;
    fed.run(120'000, {some(1'900, 920)});  // 980 of them
    fed.run(3'000, {some(1'950, 920)});
    EXPECT_EQ(fed.detector.level(0), Level::alarm);
}

TEST(Detector, NothingIsLearntFromAnAttack) {
    Fed fed;
    fed.run(40'000, {some(10'000, 9'900)});
    fed.run(600'000, {some(13'000, 9'900)});
    EXPECT_EQ(fed.detector.level(0), Level::defend);
    fed.run(30'000, {some(10'000, 9'900)});
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
    fed.run(3'000, {some(11'000, 9'900)});
    EXPECT_EQ(fed.detector.level(0), Level::alarm);
}

Rates silent(unsigned syns) {
    return {.syns = syns, .distinct = syns};
}

TEST(Detector, ASilentServerWithNoMoreThanUsualIsNoFlood) {
    for (const auto& [rate, kind, level] : {std::tuple{5'000U, Kind::unanswered, Level::alarm},
                                            {5'900U, Kind::unanswered, Level::alarm},
                                            {6'200U, Kind::spoofed, Level::defend}}) {
        Fed fed;
        fed.run(60'000, {some(2'000, 2'000)});
        fed.run(5'000, {silent(rate)});
        EXPECT_EQ(fed.detector.level(0), level) << rate;
        ASSERT_EQ(fed.detector.attacks().size(), 1U);
        EXPECT_EQ(fed.detector.attacks()[0].kind, kind) << rate;
    }
}

TEST(Detector, AServerIsSilentWhenItAnswersLessThanHalf) {
    for (const auto& [answered, kind] : {std::pair{1'500U, Kind::unanswered}, {2'600U, Kind::spoofed}}) {
        Fed fed;
        fed.run(60'000, {some(2'000, 2'000)});
        fed.run(5'000, {{.syns = 5'000, .answered = answered, .distinct = 5'000}});
        EXPECT_EQ(fed.detector.attacks()[0].kind, kind) << answered;
    }
}

TEST(Detector, ASilentServerIsDefendedWhereThePolicySaysSo) {
    Policy policy;
    policy.defend_unanswered = true;
    Fed fed(policy);
    fed.run(60'000, {some(2'000, 2'000)});
    fed.run(3'000, {silent(2'500)});
    EXPECT_EQ(fed.detector.level(0), Level::defend);
    fed.run(3'000, {some(2'600, 0)});
    ASSERT_EQ(fed.detector.attacks().size(), 1U);
    EXPECT_EQ(fed.detector.attacks()[0].kind, Kind::unanswered) << "the box answers now; the server did not";
}

TEST(Detector, ASilentServerOfWhichNothingIsKnownIsTakenForFlooded) {
    Fed fed;
    fed.run(3'000, {silent(3'000)});
    EXPECT_EQ(fed.detector.level(0), Level::defend);
}

TEST(Detector, ALimitOfOursIsNoSilenceOfTheServer) {
    Fed fed;
    fed.run(60'000, {some(2'000, 2'000)});
    fed.run(5'000, {{.syns = 5'000, .limited = 5'000, .distinct = 5'000}});
    EXPECT_EQ(fed.detector.attacks()[0].kind, Kind::spoofed);
}

TEST(Detector, AFloodAfterASilenceIsDefended) {
    Fed fed;
    fed.run(60'000, {some(2'000, 2'000)});
    fed.run(5'000, {silent(2'000)});
    ASSERT_EQ(fed.detector.level(0), Level::alarm);
    fed.run(2'000, {silent(30'000)});
    EXPECT_EQ(fed.detector.level(0), Level::defend);
    EXPECT_EQ(fed.detector.attacks()[0].kind, Kind::spoofed);
}

LoudSource loud_source(std::uint64_t word, std::uint32_t syns, std::uint32_t completed = 0,
                       ServiceNumber service = 0) {
    return {{Source::ipv4 | word}, service, {syns, completed}};
}

/// A flood of 4,000 a second that has lasted, and of which more is learnt at a new peak: 8,000 in the two
/// seconds that the sources' counts cover.
Attack lasting(unsigned distinct, unsigned reset, const std::vector<LoudSource>& loud) {
    Fed fed(fixed());
    fed.run(4'000, {{.syns = 4'000, .answered = 4'000, .reset = reset, .distinct = distinct}});
    fed.run(2'000, {{.syns = 4'010, .answered = 4'010, .reset = reset, .distinct = distinct}}, loud);
    return fed.detector.attacks().at(0);
}

TEST(Detector, TheKindIsToldByItsSources) {
    EXPECT_EQ(lasting(4'000, 0, {}).kind, Kind::spoofed);
    EXPECT_EQ(lasting(1'400, 0, {}).kind, Kind::spoofed);
    EXPECT_EQ(lasting(1'300, 0, {}).kind, Kind::distributed) << "three SYNs each";
    EXPECT_EQ(lasting(1'300, 2'000, {}).kind, Kind::spoofed) << "disowned";
    EXPECT_EQ(lasting(1'300, 1'000, {}).kind, Kind::distributed);
    EXPECT_EQ(lasting(4'000, 0, {loud_source(1, 4'100)}).kind, Kind::loud);
    EXPECT_EQ(lasting(4'000, 0, {loud_source(1, 2'050), loud_source(2, 2'050)}).kind, Kind::loud);
    EXPECT_EQ(lasting(4'000, 0, {loud_source(1, 3'900)}).kind, Kind::spoofed);
    std::vector<LoudSource> many;
    for (std::uint32_t i = 0; i < 120; ++i) many.push_back(loud_source(i, 70));
    EXPECT_EQ(lasting(120, 0, many).kind, Kind::distributed) << "no one sends a hundredth";
    EXPECT_EQ(lasting(4'000, 0, {loud_source(1, 8'000, 4'100)}).kind, Kind::spoofed)
        << "what it completes is no flood";
    EXPECT_EQ(lasting(4'000, 0, {loud_source(1, 8'000, 0, 7)}).kind, Kind::spoofed) << "another service's";
}

TEST(Detector, ARecordSaysHowMuchFromWhomAndWhy) {
    Fed fed(fixed());
    fed.run(2'000, {{.syns = 100, .completed = 100, .answered = 100, .distinct = 50}});
    std::vector<LoudSource> loud;
    for (std::uint32_t i = 1; i <= 12; ++i) loud.push_back(loud_source(0xC000'0200 + i, 1'000 * i));
    loud.push_back(loud_source(0xC000'02FF, 20));
    fed.run(5'000, {{.syns = 40'000, .answered = 40'000, .half_open = 9'000, .distinct = 12}}, loud);
    const Attack attack = fed.detector.attacks().at(0);
    EXPECT_EQ(attack.id, 1U);
    EXPECT_EQ(attack.start, 12'100U) << "by its half-open flows";
    EXPECT_EQ(attack.end, 0U);
    EXPECT_FALSE(attack.of_group);
    EXPECT_EQ(attack.kind, Kind::loud);
    EXPECT_EQ(attack.peak_rate, 40'000U);
    EXPECT_EQ(attack.syns, 4'090U + 4'900 * 40) << "a second's up to the alarm, and 4.9 seconds";
    EXPECT_EQ(attack.completed, 90U);
    EXPECT_EQ(attack.distinct_sources, 50U) << "the most in a second, honest ones of the alarm's among them";
    ASSERT_EQ(attack.top_count, Attack::most_top_sources);
    for (unsigned i = 0; i < attack.top_count; ++i) {
        EXPECT_EQ(attack.top[i].source.word, Source::ipv4 | (0xC000'0200U + 12 - i));
        EXPECT_EQ(attack.top[i].unfinished_per_second, 500 * (12 - i));
    }
    EXPECT_EQ(
        attack.why,
        "40,000 SYNs a second stayed unfinished (alarm from 1,000, defence from 2,000) and 3,000 flows were "
        "left half-open (4,000, 8,000); 0 handshakes a second were completed; 8 sources, first 192.0.2.12, "
        "sent most of them");
}

TEST(Detector, OneAmongManyIsNoTopSource) {
    const Attack attack = lasting(4'000, 0, {loud_source(1, 79), loud_source(2, 82)});
    ASSERT_EQ(attack.top_count, 1U);
    EXPECT_EQ(attack.top[0].source.word, Source::ipv4 | 2) << "a hundredth of 8,000";
}

TEST(Detector, ALoudSourceIsLimitedWhileItsServiceIsDefended) {
    Fed fed({{fixed()}, {fixed()}}, {});
    const std::vector<LoudSource> loud{loud_source(1, 400), loud_source(2, 199), loud_source(3, 1'000, 600),
                                       loud_source(4, 1'000, 0, 1)};
    fed.run(2'000, {some(1'500, 0)}, loud);
    EXPECT_TRUE(fed.detector.source_limits().empty()) << "an alarm limits nobody";
    fed.run(2'000, {some(2'500, 0)}, loud);
    std::map<std::uint64_t, std::uint32_t> limits;
    for (const SourceLimit& limit : fed.detector.source_limits())
        limits[limit.source.word - Source::ipv4] = limit.rate;
    EXPECT_EQ(limits, (std::map<std::uint64_t, std::uint32_t>{{1, 10}, {3, 600}}))
        << "the floor, and twice what it completes";
    fed.run(9'900, {some(2'500, 0)});
    EXPECT_EQ(fed.detector.source_limits().size(), 2U) << "held for the stay";
    fed.run(100, {some(2'500, 0)});
    EXPECT_TRUE(fed.detector.source_limits().empty());
}

TEST(Detector, LimitsEndWithTheDefenceAndAreBounded) {
    Fed fed(fixed());
    std::vector<LoudSource> loud;
    for (std::uint32_t i = 0; i < 300; ++i) loud.push_back(loud_source(i, 1'000));
    fed.run(2'000, {some(100'000, 0)}, loud);
    EXPECT_EQ(fed.detector.source_limits().size(), Detector::most_limits);
    // Those of a service that is not defended take nobody's place.
    Fed two({{fixed()}, {fixed()}}, {});
    for (LoudSource& one : loud) one.service = 1;
    loud.push_back(loud_source(1'000, 1'000));
    two.run(2'000, {some(100'000, 0), {}}, loud);
    ASSERT_EQ(two.detector.source_limits().size(), 1U);
    EXPECT_EQ(two.detector.source_limits()[0].source.word, Source::ipv4 | 1'000);
    Policy monitor = fixed();
    monitor.mode = Mode::monitor;
    fed.detector.set_policy(0, monitor);
    fed.run(100, {some(100'000, 0)}, loud);
    EXPECT_TRUE(fed.detector.source_limits().empty());
}

TEST(Detector, AGroupAddsUpWhatNoMemberShowsAlone) {
    Fed fed({{fixed(), 0}, {fixed(), 0}, {fixed(), 0}, {fixed()}}, {fixed()});
    const Rates little = some(700, 0);
    fed.run(3'000, {little, little, little, little});
    EXPECT_EQ(fed.detector.group_level(0), Level::defend);
    for (ServiceNumber i = 0; i < 3; ++i) {
        EXPECT_EQ(fed.detector.level(i), Level::quiet);
        EXPECT_EQ(fed.detector.defence(i).level, Level::defend);
    }
    EXPECT_EQ(fed.detector.defence(3).level, Level::quiet) << "no member";
    ASSERT_EQ(fed.detector.attacks().size(), 1U);
    EXPECT_TRUE(fed.detector.attacks()[0].of_group);
    EXPECT_EQ(fed.detector.attacks()[0].service, 0U);
    EXPECT_EQ(fed.detector.attacks()[0].peak_rate, 2'100U);
}

TEST(Detector, AMemberLearnsNothingWhileItsGroupIsUnderAttack) {
    Policy policy;
    policy.baseline_ceiling = 100;
    Fed fed({{policy, 0}, {policy, 0}, {policy, 0}}, {fixed()});
    const Rates honest = some(3'000, 2'950), carpet = some(3'900, 2'950);
    fed.run(40'000, {honest, honest, honest});
    fed.run(600'000, {carpet, carpet, carpet});
    ASSERT_EQ(fed.detector.group_level(0), Level::defend);
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
    fed.run(3'000, {some(4'100, 2'950), carpet, carpet});
    EXPECT_EQ(fed.detector.level(0), Level::alarm);
}

TEST(Detector, AMemberUnderAttackIsNoAttackOfItsGroup) {
    Fed fed({{fixed(), 0}, {fixed(), 0}, {fixed(), 0}}, {fixed()});
    fed.run(5'000, {some(20'000, 0), some(700, 600), some(700, 600)});
    EXPECT_EQ(fed.detector.level(0), Level::defend);
    EXPECT_EQ(fed.detector.group_level(0), Level::quiet);
    EXPECT_EQ(fed.detector.attacks().size(), 1U);
}

TEST(Detector, AForgottenServiceStartsAnew) {
    Fed fed;
    fed.run(60'000, {some(10'000, 9'400)});
    fed.run(2'000, {some(20'000, 9'400)});
    ASSERT_EQ(fed.detector.level(0), Level::defend);
    fed.detector.forget(0);
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
    EXPECT_NE(fed.detector.attacks().at(0).end, 0U);
    fed.run(100, {{}});
    fed.run(3'000, {some(10'000, 8'900)});
    EXPECT_EQ(fed.detector.level(0), Level::alarm) << "its usual rate is unknown";
}

TEST(Detector, TheLastAttacksAreRemembered) {
    Policy policy = fixed();
    policy.stay = 1'000;
    Fed fed(policy);
    constexpr unsigned attacks = Detector::most_attacks + 3;
    for (unsigned i = 0; i < attacks; ++i) {
        fed.run(1'000, {some(5'000, 0)});
        fed.run(4'000, {{}});
    }
    const std::vector<Attack> remembered = fed.detector.attacks();
    ASSERT_EQ(remembered.size(), Detector::most_attacks);
    for (unsigned i = 0; i < remembered.size(); ++i) EXPECT_EQ(remembered[i].id, i + 4);
}

TEST(Detector, ALateStepIsNoFlood) {
    Fed fed(fixed());
    fed.run(3'000, {some(9'000, 8'100)});
    // The control thread sleeps for two seconds, and finds what came meanwhile.
    fed.now += 1'900;
    fed.step({{.syns = 180'000, .completed = 162'000, .answered = 180'000, .distinct = 1}});
    EXPECT_EQ(fed.detector.level(0), Level::quiet);
}

TEST(Detector, ManyLevelsAreKeptWithTheLastOfAll) {
    Policy policy = fixed();
    policy.stay = 1'000;
    Fed fed(policy);
    for (unsigned i = 0; i < 6; ++i) {
        fed.run(3'000, {some(3'000, 0)});
        fed.run(4'000, {some(800, 0)});
    }
    const Attack attack = fed.detector.attacks().at(0);
    ASSERT_EQ(attack.step_count, Attack::most_steps);
    EXPECT_EQ(attack.steps[0].level, Level::alarm);
    EXPECT_EQ(attack.steps[Attack::most_steps - 1].level, Level::alarm);
    EXPECT_GT(attack.steps[Attack::most_steps - 1].at, fed.now - 4'000);
}

TEST(DefenceBoard, GivesBackWhatWasPublished) {
    DefenceBoard board(3);
    EXPECT_EQ(board.read(1), Defence{});
    board.publish(1, {Level::maximum, 0xFFFF'FFFF});
    EXPECT_EQ(board.read(1), (Defence{Level::maximum, 0xFFFF'FFFF}));
    EXPECT_EQ(board.read(2), Defence{});
    board.publish(1, {Level::defend, 0});
    EXPECT_EQ(board.read(1), (Defence{Level::defend, 0}));
}

TEST(Attack, NamesAreThoseOfTheConfiguration) {
    EXPECT_EQ(name_of(Mode::automatic), "auto");
    EXPECT_EQ(name_of(Level::maximum), "maximum");
    EXPECT_EQ(name_of(Kind::unanswered), "unanswered");
}

}  // namespace
}  // namespace sluice::guard::test
