// What the web page is told: that it is what was counted, and how much of the past.
#include "sluice/control/web_state.hpp"

#include <nlohmann/json.hpp>

#include "control/capture_feed.hpp"
#include "control/event_feed.hpp"
#include "control/statistics.hpp"
#include "daemon_rig.hpp"
#include "guard_rig.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using nlohmann::json;

/// A daemon that nobody drives, and a clock that the test moves.
struct WebRig : DaemonRig {
    explicit WebRig(unsigned count = 2) : DaemonRig(count) {
        for (std::size_t i = 0; i < count; ++i) workers.all[i].loop = &loops[i];
        begin();
    }
    void begin() {
        state.emplace(
            workers, [this] { return statistics(); }, "box", WebState::Moment{at, at + offset});
    }
    [[nodiscard]] std::string statistics() const {
        std::string out;
        append_statistics(out, workers, EventFeed(workers), CaptureFeed(workers), Crowd{});
        return out;
    }
    /// Turns of the control thread, ten a second.
    void pass(std::uint64_t milliseconds) {
        for (std::uint64_t i = 0; i < milliseconds; i += 100) {
            at += 100;
            state->look({at, at + offset});
        }
    }
    [[nodiscard]] json told(const std::string& since = "") { return json::parse(state->json(since)); }

    static constexpr std::uint64_t offset = 1'700'000'000'000;
    std::uint64_t at = 5'000'000;
    std::array<pipeline::WorkerCounters, 2> loops;
    std::optional<WebState> state;
};

/// A member of a row, by the name of its column.
json member(const json& state, std::size_t row, const std::string& column) {
    const auto& columns = state["columns"];
    const auto found = std::find(columns.begin(), columns.end(), column);
    EXPECT_NE(found, columns.end()) << column;
    return state["rows"][row][static_cast<std::size_t>(found - columns.begin())];
}

TEST(WebState, HoldsTheRowsOfStatsAndWhatTheyDoNotSay) {
    WebRig rig;
    rig.fill(300);
    rig.trackers[1]->count_loss(Reason::tx_full, 7);
    rig.workers.port_names = {"left", "right"};
    rig.loops[0].bursts.add(32);
    rig.loops[0].bursts.add(200);
    const json state = rig.told();
    std::istringstream rows(rig.statistics());
    std::size_t count = 0;
    for (std::string row; std::getline(rows, row); ++count)
        EXPECT_EQ(state["stats"][count], json::parse(row)) << "the same numbers under the same names";
    EXPECT_EQ(state["stats"].size(), count);
    EXPECT_EQ(state["host"], "box");
    EXPECT_EQ(state["version"], program_version);
    EXPECT_EQ(state["ports"], json({"left", "right"}));
    EXPECT_EQ(state["wall"].get<std::uint64_t>() - state["monotonic"].get<std::uint64_t>(), WebRig::offset);
    EXPECT_EQ(state["workers"][0]["bursts"], 2);
    EXPECT_EQ(state["workers"][0]["burst_packets"], 232);
    ASSERT_EQ(state["reasons"].size(), 1U) << "those that were met";
    EXPECT_EQ(state["reasons"][0]["reason"], "tx-full");
    EXPECT_EQ(state["reasons"][0]["outcome"], "dropped");
    EXPECT_EQ(state["reasons"][0]["packets"], 7);
    EXPECT_FALSE(state.contains("floods")) << "there is no guard";
    EXPECT_EQ(state["alerts"], json::array());
}

TEST(WebState, KeepsARowASecondOfWhatWasCountedInIt) {
    WebRig rig;
    rig.pass(1'000);
    rig.fill(50);
    rig.trackers[0]->count_loss(Reason::tx_full, 3);
    rig.loops[1].nanoseconds.add(1'000'000'000);
    rig.loops[1].busy_polls.add(250'000'000);
    rig.pass(2'000);
    const json state = rig.told();
    ASSERT_EQ(state["rows"].size(), 3U);
    EXPECT_EQ(member(state, 0, "inserted"), 0);
    EXPECT_EQ(member(state, 1, "inserted"), 50);
    EXPECT_EQ(member(state, 1, "flows"), 50);
    EXPECT_EQ(member(state, 1, "span"), 1'000);
    EXPECT_EQ(member(state, 1, "at"), 5'002'000);
    EXPECT_EQ(member(state, 1, "reasons"), json({{static_cast<unsigned>(Reason::tx_full), 3}}));
    EXPECT_EQ(member(state, 1, "loads"), json({0, 250})) << "thousandths";
    EXPECT_EQ(member(state, 2, "inserted"), 0) << "what a row holds is of its second alone";
    EXPECT_EQ(member(state, 2, "flows"), 50);
    EXPECT_EQ(member(state, 2, "reasons"), json::array());
    EXPECT_EQ(member(state, 2, "loads"), json({0, 0}));
}

TEST(WebState, GivesEachReaderTheRowsItDoesNotHave) {
    WebRig rig;
    rig.pass(5'000);
    EXPECT_EQ(rig.told().at("rows").size(), 5U);
    EXPECT_EQ(rig.told("5003000")["rows"].size(), 2U);
    EXPECT_EQ(member(rig.told("5003000"), 0, "at"), 5'004'000);
    EXPECT_EQ(rig.told("5005000")["rows"].size(), 0U);
    EXPECT_EQ(rig.told("1")["rows"].size(), 5U);
    for (const char* of_no_row : {"5005001", "99999999999999999999", "-1", "5003000 ", "x", "0x10"})
        EXPECT_EQ(rig.told(of_no_row)["rows"].size(), 5U) << "all of them, for " << of_no_row;
}

TEST(WebState, RemembersAQuarterOfAnHourAndNoMore) {
    WebRig rig;
    for (unsigned second = 0; second < 2'000; ++second) {
        for (std::size_t i = 1; i < reason_count; ++i)
            rig.trackers[0]->count_loss(static_cast<Reason>(i), 1'000'000'007);
        rig.pass(1'000);
    }
    const std::string text = rig.state->json("");
    const json state = json::parse(text);
    ASSERT_EQ(state["rows"].size(), WebState::most_rows);
    EXPECT_EQ(member(state, 0, "at"), 5'000'000 + 1'101 * 1'000);
    EXPECT_LT(text.size(), 1'500'000U) << "with every reason met in every second";
}

TEST(WebState, SaysHowLongARowThatCameLateCovers) {
    WebRig rig;
    rig.pass(1'000);
    rig.at += 7'300;
    rig.pass(100);
    const json state = rig.told();
    ASSERT_EQ(state["rows"].size(), 2U);
    EXPECT_EQ(member(state, 1, "span"), 7'400);
}

TEST(WebState, IsMadeOnceASecond) {
    WebRig rig;
    rig.pass(1'000);
    EXPECT_EQ(rig.told()["stats"][0]["insert"], 0);
    rig.fill(10);
    rig.pass(500);
    const json before = rig.told();
    EXPECT_EQ(before["made"], 5'001'000) << "the same as before";
    EXPECT_EQ(before["monotonic"], 5'001'500);
    rig.pass(500);
    const json state = rig.told();
    EXPECT_EQ(state["made"], 5'002'000);
    EXPECT_EQ(state["stats"][0]["insert"].get<int>() + state["stats"][1]["insert"].get<int>(), 10);
}

TEST(WebState, CountsFlowsWhileSomebodyLooks) {
    WebRig rig;
    rig.fill(300);
    rig.pass(2'000);
    EXPECT_EQ(rig.told()["census"], json::array()) << "nobody had asked";
    rig.pass(1'000);
    const json census = rig.told()["census"];
    ASSERT_GT(census.size(), 1U);
    EXPECT_EQ(census[0]["census"]["protocols"]["udp"], 300);
    EXPECT_EQ(census[0]["census"]["flows"], 300);
    EXPECT_EQ(census[1]["talker"], "source");
    rig.pass(30'000);
    EXPECT_EQ(rig.told()["census"], json::array()) << "nobody had asked for a while";
}

TEST(WebState, ShowsFloodsAndTheBusiestServices) {
    WebRig rig;
    GuardOptions options;
    for (std::uint16_t port = 1; port <= 20; ++port)
        options.services.push_back(service_at(0xC000'0201, port, guard::Mode::automatic, "web"));
    GuardRig guard(options);
    guard.steps(20, [&] {
        guard.syns(3, 2'000);
        guard.handshakes(5, 20);
    });
    rig.workers.guard = guard.watch.get();
    rig.begin();
    rig.pass(1'000);
    const json state = rig.told();
    ASSERT_EQ(state["floods"].size(), 1U);
    EXPECT_EQ(state["floods"][0]["service"], "192.0.2.1:3");
    EXPECT_EQ(state["floods"][0]["end"], json()) << "it goes on";
    ASSERT_EQ(state["services"].size(), WebState::most_services);
    EXPECT_EQ(state["services"][0]["service"], "192.0.2.1:3");
    EXPECT_EQ(state["services"][1]["service"], "192.0.2.1:5");
}

TEST(WebState, KeepsTheLastAlerts) {
    WebRig rig;
    pipeline::Alert alert{};
    for (std::uint32_t i = 0; i < 100; ++i) {
        alert.signature_id = i;
        alert.wall_nanoseconds = 1'700'000'000'123'000'000;
        rig.state->add(news_of(alert, 0, nullptr));
    }
    const json alerts = rig.told()["alerts"];
    ASSERT_EQ(alerts.size(), WebState::most_alerts);
    EXPECT_EQ(alerts[0]["time"], 1'700'000'000'123);
    EXPECT_NE(alerts[0]["text"].get<std::string>().find("signature 99"), std::string::npos);
}

}  // namespace
}  // namespace sluice::control
