// The screen of `sluice top`, without a terminal: what is on it, and what keys do.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "app/cli_top.hpp"
#include "app/progress.hpp"
#include "app/top_screen.hpp"
#include "app/top_state.hpp"
#include "app/top_tables.hpp"
#include "sluice/base/words.hpp"

namespace sluice::app {
namespace {

using nlohmann::ordered_json;

ordered_json worker_row(std::uint64_t number, std::uint64_t packets, std::uint64_t flows) {
    return {
        {"worker", number},
        {"insert", flows},
        {"insert_failed", 0U},
        {"early_drop", 0U},
        {"packets", packets},
        {"bytes", 100 * packets},
        {"passed", packets},
        {"dropped", packets / 10},
        {"handed_over", 0U},
        {"expired", 0U},
        {"deleted", 0U},
        {"half_open", flows / 10},
        {"half_open_limit", 1'000'000U},
        {"flows", {{"ipv4", flows}, {"ipv4_limit", 8'000'000U}, {"ipv6", 0U}, {"ipv6_limit", 2'000'000U}}},
        {"loop",
         {{"nanoseconds", 10 * packets},
          {"busy_nanoseconds", 4 * packets},
          {"bursts", packets / 20},
          {"burst_packets", packets}}}};
}

ordered_json talker_row(const std::string& address, std::uint64_t flows) {
    return {{"talker", "source"},
            {"address", address},
            {"flows", flows},
            {"packets", 2 * flows},
            {"bytes", 1000 * flows}};
}

/// Two workers that have had so many packets and flows each by then.
TopReading reading(double at, std::uint64_t packets, std::uint64_t flows) {
    TopReading out;
    out.at = at;
    out.version = {{"version", "0.1.0"}, {"start", 1'000'000U}, {"ports", {"veth0", "veth1"}}};
    out.workers = {worker_row(0, packets, flows), worker_row(1, packets, flows)};
    out.counters = {
        {"cycles_per_second", 2'000'000'000U}, {"port0_link_up", 1U}, {"port0_rx_packets", packets}};
    out.census = {{"flows", 2 * flows},
                  {"protocols", {{"tcp", 2 * flows}, {"udp", 0U}}},
                  {"states", {{"ESTABLISHED", flows}, {"SYN_SENT", flows}}}};
    out.talkers = {talker_row("10.0.0.1", flows),
                   talker_row("2001:db8::1", flows / 2),
                   {{"talker", "service"},
                    {"address", "2001:db8::9"},
                    {"protocol", "tcp"},
                    {"port", 443U},
                    {"flows", flows},
                    {"packets", 1U},
                    {"bytes", 2U}}};
    out.drops = {{{"reason", "bad-flags"},
                  {"outcome", "refused"},
                  {"packets", packets / 100},
                  {"sentence", "a combination of TCP flags that no endpoint sends"}},
                 {{"reason", "tx-full"},
                  {"outcome", "dropped"},
                  {"packets", packets / 10},
                  {"sentence", "the port it leaves by could not take it"}}};
    return out;
}

TopState state_of(std::uint64_t packets, std::uint64_t flows) {
    TopState out;
    out.wall_seconds = 1'000'000 + 93'784;  // a day, two hours, three minutes and four seconds later
    out.take(reading(10, 0, flows));
    out.take(reading(12, packets, flows));
    return out;
}

bool shows(const Screen& screen, std::string_view text) {
    for (std::size_t y = 0; y < screen.height(); ++y)
        if (screen.line(y).find(text) != std::string::npos) return true;
    return false;
}

TopView on(Page page) {
    TopView view;
    view.page = page;
    return view;
}

// ---- What is on it

TEST(TopScreen, OfAnOrdinaryTerminalHasTheHeadSomeOfEachTableAndTheKeys) {
    const Screen screen = draw_top(state_of(2'000'000, 1000), {}, 80, 24);
    EXPECT_EQ(screen.line(0).substr(0, 48), " sluice 0.1.0  up 1 day 02:03:04  2 workers     ")
        << screen.text();
    EXPECT_TRUE(shows(screen, "Traffic   2.00M packets/s  1.60G bits/s  2.00M passed/s  200k dropped/s"))
        << screen.text();
    EXPECT_TRUE(shows(screen, "Flows     2,000 now")) << screen.text();
    EXPECT_TRUE(shows(screen, "Load 0    [|||||||||||")) << screen.text();
    EXPECT_TRUE(shows(screen, "TCP       1.00k ESTABLISHED  1.00k SYN_SENT")) << screen.text();
    EXPECT_TRUE(shows(screen, "Floods    none")) << screen.text();
    EXPECT_TRUE(shows(screen, "10.0.0.1")) << screen.text();
    EXPECT_TRUE(shows(screen, "tx-full")) << screen.text();
    EXPECT_EQ(screen.line(23).substr(0, 14), "F1Help F10Quit") << screen.text();
}

TEST(TopScreen, OfALargeTerminalShowsEveryTableWhole) {
    const Screen screen = draw_top(state_of(2'000'000, 1000), {}, 200, 60);
    for (const char* title : {"SOURCE", "SERVICE", "REASON", "WORKER", "PORT", "WHY"})
        EXPECT_TRUE(shows(screen, title)) << title << '\n' << screen.text();
    EXPECT_TRUE(shows(screen, "the port it leaves by could not take it"));
    EXPECT_TRUE(shows(screen, "[2001:db8::9]:443 tcp"));
}

TEST(TopScreen, OfASmallTerminalKeepsWhatMatters) {
    const Screen screen = draw_top(state_of(2'000'000, 1000), {}, 40, 10);
    EXPECT_TRUE(shows(screen, "Traffic   2.00M packets/s"));
    EXPECT_TRUE(shows(screen, "Table     ["));
    EXPECT_TRUE(shows(screen, "10.0.0.1"));
}

TEST(TopScreen, FitsWhateverTheSizeAndThePage) {
    const TopState state = state_of(18'000'000'000'000'000'000U, 10'000'000);
    for (std::size_t page = 0; page < page_count; ++page)
        for (const std::size_t width : {1, 2, 7, 20, 40, 79, 80, 132, 300})
            for (const std::size_t height : {1, 2, 3, 4, 5, 10, 16, 24, 61}) {
                const Screen screen = draw_top(state, on(static_cast<Page>(page)), width, height);
                EXPECT_EQ(screen.width(), width);
                EXPECT_EQ(screen.height(), height);
            }
}

TEST(TopScreen, OfADaemonWithNothingToSayHasZeros) {
    TopState state;
    state.take(TopReading{});
    for (std::size_t page = 0; page < page_count; ++page)
        EXPECT_FALSE(draw_top(state, on(static_cast<Page>(page)), 80, 24).text().empty());
    const Screen screen = draw_top(state, {}, 80, 24);
    EXPECT_TRUE(shows(screen, "Traffic   - packets/s"));
    EXPECT_TRUE(shows(screen, "Flows     0 now"));
    EXPECT_TRUE(shows(screen, "no flows"));
    EXPECT_TRUE(shows(draw_top(TopState{}, {}, 80, 24), "waiting for the daemon"));
}

TEST(TopScreen, OfTenMillionFlowsHasTheirExactNumber) {
    const TopState state = state_of(4'000'000'000, 5'000'000);
    const Screen screen = draw_top(state, {}, 100, 30);
    EXPECT_TRUE(shows(screen, "Flows     10,000,000 now")) << screen.text();
    EXPECT_TRUE(shows(screen, "50.0% of 20,000,000]")) << screen.text();
    EXPECT_TRUE(shows(screen, "5,000,000   50.0     10.0M   40.0G")) << screen.text();
}

TEST(TopScreen, NumbersAreTheCounters) {
    const TopState state = state_of(123'456'789, 4242);
    const Screen screen = draw_top(state, on(Page::drops), 120, 40);
    EXPECT_TRUE(shows(screen, grouped(123'456'789 / 100))) << screen.text();
    EXPECT_TRUE(shows(screen, grouped(123'456'789 / 10))) << screen.text();
    const ordered_json json = to_json(state);
    EXPECT_EQ(json["workers"][0]["packets"], 123'456'789U);
    EXPECT_EQ(json["drops"][1]["packets"], 123'456'789U / 10);
    EXPECT_EQ(json["rates"]["packets"], 123'456'789.0);
    EXPECT_EQ(json["workers"][1]["rates"]["load"], 0.4);
    EXPECT_EQ(json["workers"][1]["rates"]["cycles_per_packet"], 8.0);
    EXPECT_EQ(json["uptime"], 93'784U);
}

TEST(TopScreen, HostileTextsStayWithinTheirCells) {
    TopState state = state_of(1000, 10);
    const std::string hostile = "\x1b[2J\r\n\t\x07\xff" + std::string(10'000, 'x') + "]";
    state.now->talkers = {talker_row(hostile, 10)};
    state.now->version["version"] = hostile;
    state.now->version["ports"] = {hostile, 7, nullptr};
    state.now->drops[0]["sentence"] = hostile;
    state.now->floods = {
        {{"id", 1U}, {"service", hostile}, {"name", hostile}, {"why", hostile}, {"end", nullptr}}};
    state.now->census = {{"protocols", {{hostile, 5U}}}, {"states", {hostile, 1}}};
    state.lost = hostile;
    for (std::size_t page = 0; page < page_count; ++page) {
        const Screen screen = draw_top(state, on(static_cast<Page>(page)), 80, 24);
        for (std::size_t y = 0; y < screen.height(); ++y)
            for (std::size_t x = 0; x < screen.width(); ++x) {
                const char text = screen.at(x, y).text;
                ASSERT_TRUE(text >= ' ' && text <= '~');
            }
        EXPECT_EQ(screen.line(1).substr(0, 7), "Traffic");
    }
}

TEST(TopScreen, AFloodStandsOutOnEveryPage) {
    TopState state = state_of(1000, 10);
    state.now->floods = {{{"service", "192.0.2.1:80"},
                          {"kind", "spoofed"},
                          {"level", "alarm"},
                          {"peak_rate", 900U},
                          {"end", 17.5}},
                         {{"service", "192.0.2.2:443"},
                          {"kind", "spoofed"},
                          {"level", "defend"},
                          {"peak_rate", 1'200'000U},
                          {"end", nullptr}}};
    for (std::size_t page = 0; page < page_count; ++page) {
        const Screen screen = draw_top(state, on(static_cast<Page>(page)), 80, 24);
        const std::string line =
            "FLOODS    1 under way: 192.0.2.2:443 spoofed, level defend, peak 1.20M SYN/s";
        std::size_t y = 0;
        while (y < 24 && screen.line(y) != line) ++y;
        ASSERT_LT(y, 24U) << screen.text();
        EXPECT_EQ(screen.at(0, y).style, Style::alarm);
    }
}

TEST(TopScreen, SaysThatTheConnectionIsLostAndKeepsWhatItKnew) {
    TopState state = state_of(1000, 10);
    state.lost = "no sluiced answers";
    const Screen screen = draw_top(state, {}, 80, 24);
    EXPECT_EQ(screen.line(0), " connection lost, retrying: no sluiced answers");
    EXPECT_EQ(screen.at(0, 0).style, Style::alarm);
    EXPECT_TRUE(shows(screen, "10.0.0.1"));
}

TEST(TopScreen, ADaemonStartedAgainHasNoRatesYet) {
    TopState state = state_of(1'000'000, 10);
    TopReading other = reading(13, 5, 1);
    other.version["start"] = 2'000'000U;
    state.take(other);
    EXPECT_FALSE(state.rate("packets").has_value());
    EXPECT_TRUE(shows(draw_top(state, {}, 80, 24), "- packets/s"));
}

TEST(TopScreen, OfABatchHasAllRowsAndNoKeys) {
    TopState state = state_of(1000, 10);
    for (int i = 0; i < 40; ++i) state.now->talkers.push_back(talker_row("192.0.2." + std::to_string(i), 1));
    TopView view;
    view.batch = true;
    const Screen screen = draw_top(state, view, 120, full_height(state, view));
    EXPECT_TRUE(shows(screen, "192.0.2.39"));
    EXPECT_TRUE(shows(screen, "WHY"));
    EXPECT_FALSE(shows(screen, "F10"));
    EXPECT_LE(screen.height() - static_cast<std::size_t>(std::ranges::count(screen.text(), '\n')), 3U)
        << "no lines to spare";
}

TEST(TopScreen, NumbersAreShort) {
    const std::pair<double, const char*> numbers[] = {
        {0, "0"},         {0.34, "0.3"},     {1, "1"},           {99.4, "99.4"},    {99.96, "100"},
        {999, "999"},     {999.6, "1.00k"},  {1234, "1.23k"},    {9999, "10.0k"},   {12'345, "12.3k"},
        {99'960, "100k"}, {999'400, "999k"}, {999'600, "1.00M"}, {1.8e19, "18.0E"}, {-5, "0"}};
    for (const auto& [number, text] : numbers) EXPECT_EQ(short_number(number), text);
    EXPECT_EQ(short_number(std::nullopt), "-");
    EXPECT_EQ(short_number(1e300 * 1e300), "-");
}

// ---- Keys

class TopKeys : public ::testing::Test {
  protected:
    TopKeys() : state(state_of(1000, 10)) {
        for (int i = 0; i < 60; ++i)
            state.now->talkers.push_back(
                talker_row("192.0.2." + std::to_string(i), static_cast<std::uint64_t>(100 + i)));
    }
    bool type(int key) { return press(view, key, state, 80, 24); }
    [[nodiscard]] std::string first_row() const {
        const Screen screen = draw_top(state, view, 80, 24);
        for (std::size_t y = 0; y + 1 < screen.height(); ++y)
            if (screen.line(y).starts_with("SOURCE"))
                return screen.line(y + 1).substr(0, screen.line(y + 1).find(' '));
        return "";
    }
    TopState state;
    TopView view;
};

TEST_F(TopKeys, QAndF10EndIt) {
    EXPECT_FALSE(type('q'));
    EXPECT_FALSE(type(key_f10));
    EXPECT_TRUE(type('x'));
}

TEST_F(TopKeys, NumbersAndTabChooseThePage) {
    type('2');
    EXPECT_EQ(view.page, Page::sources);
    type(key_tab);
    EXPECT_EQ(view.page, Page::services);
    for (std::size_t i = 0; i < page_count; ++i) type(key_tab);
    EXPECT_EQ(view.page, Page::services);
    type(key_left);
    EXPECT_EQ(view.page, Page::sources);
}

TEST_F(TopKeys, SortingIsByTheColumnAskedFor) {
    type('2');
    EXPECT_EQ(first_row(), "192.0.2.59") << "most flows";
    state.now->talkers[0]["bytes"] = 99'000'000U;
    type('M');
    EXPECT_EQ(first_row(), "10.0.0.1");
    type('I');
    EXPECT_NE(first_row(), "10.0.0.1");
    type('N');
    EXPECT_EQ(first_row(), "192.0.2.59");
    type('<');
    EXPECT_EQ(first_row(), "10.0.0.1") << "by name";
    type(key_f6);
    EXPECT_EQ(first_row(), "192.0.2.59");
}

TEST_F(TopKeys, AFilterIsTypedKeptAndTakenAway) {
    type('2');
    type('/');
    for (const char c : std::string("2.0.2.7q")) type(c);
    EXPECT_EQ(draw_top(state, view, 80, 24).line(23),
              "Filter: 2.0.2.7q_   (Enter keeps it, Esc takes it away)");
    type(key_backspace);
    type(key_enter);
    EXPECT_EQ(first_row(), "192.0.2.7");
    EXPECT_TRUE(shows(draw_top(state, view, 80, 24), "F4Filter: 2.0.2.7"));
    type('/');
    type('#');
    type(key_enter);
    EXPECT_EQ(first_row(), "nothing");
    type(key_escape);
    EXPECT_EQ(first_row(), "192.0.2.59");
}

TEST_F(TopKeys, ScrollingEndsAtTheLastRow) {
    type('2');
    type(key_down);
    EXPECT_EQ(first_row(), "192.0.2.58");
    type(key_end);
    type(key_page_down);
    EXPECT_TRUE(shows(draw_top(state, view, 80, 24), "2001:db8::1"));
    const std::size_t last = view.scroll;
    type(key_up);
    EXPECT_EQ(view.scroll, last - 1);
    type(key_home);
    type(key_up);
    EXPECT_EQ(first_row(), "192.0.2.59");
}

TEST_F(TopKeys, HelpPauseAndIntervalAreThere) {
    type(key_f1);
    EXPECT_TRUE(shows(draw_top(state, view, 100, 24), "read less often, more often"));
    type('h');
    EXPECT_FALSE(view.help);
    type(' ');
    EXPECT_TRUE(shows(draw_top(state, view, 80, 24), "PAUSED"));
    type(' ');
    type('+');
    EXPECT_EQ(view.interval, 2);
    for (int i = 0; i < 20; ++i) type('-');
    EXPECT_EQ(view.interval, 0.1);
    for (int i = 0; i < 20; ++i) type('+');
    EXPECT_EQ(view.interval, 50);
}

// ---- Long work

TEST(ProgressText, HasABarWhereTheEndIsKnown) {
    EXPECT_EQ(progress_text("listing", "flows", 250'000, 1'000'000, 2, 200),
              "listing  [=======>                      ]  25 %, 250,000 of 1,000,000 flows, 6 s left");
    EXPECT_EQ(progress_text("listing", "flows", 9, 3, 2, 200),
              "listing  [==============================] 100 %, 9 of 3 flows, 0 s left")
        << "they may become more";
    EXPECT_EQ(progress_text("a.pcap", "packets", 1234, 0, 2.4, 200), "a.pcap  1,234 packets, 2 s");
    EXPECT_EQ(progress_text("listing", "flows", 0, 10, 0, 20).size(), 20U);
}

// ---- What is typed

Result<TopOptions> parsed(std::vector<std::string> words) {
    words.insert(words.begin(), "top");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    return parse_top_options(static_cast<int>(words.size()), arguments.data(), nullptr);
}

TEST(TopOptions, AreTaken) {
    const auto options = parsed({"--interval", "0.5", "-n", "3", "-o", "json", "--socket", "/x"});
    ASSERT_TRUE(options.ok());
    EXPECT_EQ(options->interval, 0.5);
    EXPECT_EQ(options->count, 3U);
    EXPECT_TRUE(options->json);
    EXPECT_FALSE(options->batch);
    EXPECT_EQ(options->socket, "/x");
    EXPECT_TRUE(parsed({"--once"})->batch);
}

TEST(TopOptions, ThatMeanNothingAreRefused) {
    for (const char* interval : {"0", "0.01", "51", "nan", "inf", "-1", "1s", ""})
        EXPECT_EQ(parsed({"-d", interval}).error(),
                  "`" + std::string(interval) + "' is no interval: seconds from 0.1 to 50 are");
    EXPECT_FALSE(parsed({"-n", "0"}).ok());
    EXPECT_FALSE(parsed({"-o", "xml"}).ok());
    EXPECT_FALSE(parsed({"--socket", ""}).ok());
    EXPECT_EQ(parsed({"now"}).error(), "top takes no `now'");
    EXPECT_EQ(parsed({"--frobnicate"}).error(), "unknown option `--frobnicate'");
}

}  // namespace
}  // namespace sluice::app
