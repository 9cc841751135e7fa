// An attack as a row, as a person reads it, and as lines of the log.
#include "sluice/control/flood_words.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "app/cli_floods.hpp"

namespace sluice::control {
namespace {

using guard::Level;
using nlohmann::json;

Flood example() {
    Flood flood;
    guard::Attack& attack = flood.attack;
    attack.id = 3;
    attack.start = 5'000;
    attack.end = 94'300;
    attack.service = 1;
    attack.kind = guard::Kind::loud;
    attack.peak_rate = 248'911;
    attack.peak_half_open = 31'004;
    attack.syns = 2'480'004;
    attack.completed = 1;
    attack.distinct_sources = 12;
    attack.top[0] = {{guard::Source::ipv4 | 0xCB00'7107}, 12'000};
    attack.top[1] = {{0x2001'0DB8'0000'0001}, 900};
    attack.top_count = 2;
    attack.steps[0] = {5'000, Level::alarm};
    attack.steps[1] = {5'100, Level::maximum};
    attack.steps[2] = {94'300, Level::quiet};
    attack.step_count = 3;
    attack.why = "2 sources sent most of them";
    flood.note = {"192.0.2.1:443",  "web", guard::Mode::automatic, Level::maximum, 500'000, 2, 7,
                  1'700'000'000'000};
    return flood;
}

TEST(FloodWords, ARowHoldsTheWholeRecord) {
    std::string out;
    append_flood(out, example());
    EXPECT_EQ(
        out,
        R"({"id":3,"service":"192.0.2.1:443","name":"web","group":false,"kind":"loud","level":"quiet",)"
        R"("highest_level":"maximum","start":1700000005.0,"end":1700000094.3,"peak_rate":248911,)"
        R"("peak_half_open":31004,"syns":2480004,"completed":1,"sources":12,)"
        R"("top_sources":[{"source":"203.0.113.7","rate":12000},{"source":"2001:db8:0:1::/64","rate":900}],)"
        R"("steps":[{"time":1700000005.0,"level":"alarm"},{"time":1700000005.1,"level":"maximum"},)"
        R"({"time":1700000094.3,"level":"quiet"}],"why":"2 sources sent most of them","mode":"auto",)"
        R"("defence":"maximum","syn_limit":500000,"limited_sources":2,"limited_syns":7,)"
        R"("done":"SYN cookies; at most 500,000 SYNs a second to the service; 2 sources limited; 7 SYNs dropped by )"
        R"(limits"})"
        "\n");
}

TEST(FloodWords, AnAttackThatGoesOnHasNoEnd) {
    Flood flood = example();
    flood.attack.end = 0;
    flood.level = Level::maximum;
    flood.note.name.clear();
    std::string out;
    append_flood(out, flood);
    const json row = json::parse(out);
    EXPECT_TRUE(row["end"].is_null());
    EXPECT_TRUE(row["name"].is_null());
    EXPECT_EQ(row["level"], "maximum");
}

TEST(FloodWords, APersonReadsItInAFewLines) {
    setenv("TZ", "UTC", 1);
    tzset();
    std::string row;
    append_flood(row, example());
    EXPECT_EQ(
        app::flood_text(row),
        "#3 192.0.2.1:443 (web): loud, 2023-11-14 22:13:25.0 to 2023-11-14 22:14:54.3, level maximum\n"
        "    peak     248,911 SYNs a second unfinished, 31,004 half-open flows\n"
        "    in all   2,480,004 SYNs, 1 completed handshake, about 12 sources\n"
        "    sources  203.0.113.7 12,000/s, 2001:db8:0:1::/64 900/s\n"
        "    levels   22:13:25.0 alarm, 22:13:25.1 maximum, 22:14:54.3 quiet\n"
        "    why      2 sources sent most of them\n"
        "    done     SYN cookies; at most 500,000 SYNs a second to the service; 2 sources limited; 7 SYNs "
        "dropped by limits\n");
}

TEST(FloodWords, WhatIsNoRowIsNotShown) {
    for (const char* wrong : {"", "{", "[]", "{}", "3", "{\"kind\":"}) {
        EXPECT_EQ(app::flood_text(wrong), "") << wrong;
        EXPECT_EQ(app::guarded_line(wrong), "") << wrong;
    }
    EXPECT_NE(app::flood_text(R"({"kind":3,"end":"x","top_sources":{},"steps":[1,{}],"peak_rate":-1})"), "");
    EXPECT_NE(app::guarded_line(R"({"syn_rate":-1,"alarm":{}})"), "");
}

TEST(FloodWords, AServiceIsALineOfATable) {
    GuardedRow row{
        1, "192.0.2.1:443", "web", "192.0.2.0/24:all", false, guard::Mode::monitor, Level::defend, {}, 31,
        {}};
    row.defence.level = Level::alarm;
    row.standing.syns = 20'000.4;
    row.standing.completed = 12;
    row.standing.unfinished = 19'988;
    row.standing.distinct = 19'000;
    row.standing.thresholds[0] = {1'000, 4'000};
    std::string out;
    append_guarded(out, row);
    EXPECT_EQ(app::guarded_heading(),
              "service                      name         mode     level    defence      SYNs/s  completed/s  "
              "unfinished/s   alarm at  half-open    sources\n");
    EXPECT_EQ(
        app::guarded_line(out),
        "192.0.2.1:443                web          monitor  defend   alarm        20,000           12      "
        "  19,988      1,000         31     19,000\n");
    const json parsed = json::parse(out);
    EXPECT_TRUE(parsed["usual_syn_rate"].is_null()) << "nothing is known yet";
    EXPECT_EQ(parsed["group"], "192.0.2.0/24:all");
    EXPECT_EQ(parsed["alarm"]["half_open"], 4000);
}

TEST(FloodWords, TheLogSaysWhatBeganRoseFellAndEnded) {
    Flood flood = example();
    flood.level = Level::alarm;
    flood.note.done = Level::alarm;
    flood.note.mode = guard::Mode::monitor;
    EXPECT_EQ(
        begin_line(flood),
        "flood #3: 192.0.2.1:443 (web), loud begins, level alarm: 2 sources sent most of them; reported only "
        "(mode monitor)");
    EXPECT_EQ(level_line(flood, Level::maximum), "flood #3: 192.0.2.1:443 (web), loud falls to level alarm");
    EXPECT_EQ(
        end_line(flood),
        "flood #3: 192.0.2.1:443 (web), loud is over after 89 s: at its peak 248,911 SYNs a second "
        "unfinished "
        "and 31,004 half-open flows, 2,480,004 SYNs in all and 1 completed handshake, about 12 sources; "
        "reported only (mode monitor)");
}

}  // namespace
}  // namespace sluice::control
