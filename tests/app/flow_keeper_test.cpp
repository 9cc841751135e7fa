// What a daemon leaves for the next one, and what the next one makes of it.
#include "app/flow_keeper.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "app/flow_copy.hpp"

namespace sluice::app {
namespace {

constexpr std::uint64_t second = 1'000'000'000, start = 1'700'000'000 * second;

class FlowKeepers : public testing::Test {
  protected:
    FlowKeepers() {
        std::string name = testing::TempDir() + "sluice-keeper-XXXXXX";
        folder = mkdtemp(name.data());
        options.path = folder + "/state/flows";
        options.max_age_seconds = 300;
        room.layout.pairs = {{"uplink", 3}};
        room.ipv4_flows = 2;
        room.ipv6_flows = 1;
    }
    ~FlowKeepers() override { std::filesystem::remove_all(folder); }

    [[nodiscard]] static pipeline::SavedFlow flow(std::uint16_t port) {
        pipeline::SavedFlow out{};
        out.family = packet::Family::ipv4;
        const std::array<std::uint8_t, 4> client{192, 0, 2, 1}, server{192, 0, 2, 2};
        out.key4 = flow::make_key<4>(client.data(), server.data(), port, 53, packet::udp,
                                     flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 3))
                       .key;
        out.left = 30'000;
        out.state.datagram.lifetime = static_cast<unsigned>(Lifetime::udp) & 31U;
        return out;
    }
    /// A daemon that runs and stops in good order.
    void leave(std::uint16_t flows, std::uint64_t at = start) {
        FlowKeeper keeper(options);
        ASSERT_TRUE(keeper.note(flows, at));
        auto file = keeper.begin(room.layout, at);
        ASSERT_TRUE(file) << file.error();
        for (std::uint16_t i = 1; i <= flows; ++i) (*file)->add(flow(i));
        ASSERT_TRUE((*file)->commit());
        keeper.stop();
    }
    /// While it runs.
    void copy(const FlowKeeper& keeper, std::uint16_t flows, std::uint64_t at) const {
        auto file = keeper.begin_copy(room.layout, at);
        ASSERT_TRUE(file) << file.error();
        for (std::uint16_t i = 1; i <= flows; ++i) (*file)->add(flow(i));
        ASSERT_TRUE((*file)->commit());
    }
    std::optional<FlowKeeper::Found> find(std::uint64_t at = start + second) {
        lines.clear();
        return FlowKeeper(options).find(room, at, lines);
    }
    /// The one line that was said.
    [[nodiscard]] std::string line() const {
        return lines.size() == 1 ? lines[0].text : std::to_string(lines.size()) + " lines";
    }
    [[nodiscard]] bool there(const std::string& suffix = "") const {
        return std::filesystem::exists(options.path + suffix);
    }

    std::string folder;
    StateFile options;
    FlowKeeper::Room room;
    std::vector<FlowKeeper::Line> lines;
};

TEST_F(FlowKeepers, FindWhatAStopLeftAndUseItOnce) {
    leave(2);
    EXPECT_TRUE(there());
    EXPECT_FALSE(there(".running"));
    const auto found = find(start + 2 * second);
    ASSERT_TRUE(found) << line();
    EXPECT_TRUE(lines.empty());
    EXPECT_EQ(found->snapshot.flows(), 2U);
    EXPECT_EQ(found->since.passed, 2'000U);
    EXPECT_FALSE(found->since.went_on);
    FlowKeeper(options).used();
    EXPECT_FALSE(there());
    EXPECT_FALSE(find());
    EXPECT_TRUE(lines.empty()) << line();
}

TEST_F(FlowKeepers, FindAgainWhatAStartThatFailedDidNotUse) {
    leave(2);
    ASSERT_TRUE(find());
    ASSERT_TRUE(find());
}

TEST_F(FlowKeepers, SayWhatWasLostWithADaemonThatWasKilled) {
    ASSERT_TRUE(FlowKeeper(options).note(1234, start));
    EXPECT_FALSE(find(start + 7 * second));
    EXPECT_TRUE(lines[0].warning);
    EXPECT_EQ(line(),
              "the daemon before this one did not stop in good order: its flows are lost, 1234 of them when "
              "it last counted, 7 seconds ago; connections that it had let through must be opened anew");
    std::ofstream(options.path + ".running") << "no note at all";
    EXPECT_FALSE(find());
    EXPECT_EQ(
        line(),
        "the daemon before this one did not stop in good order: its flows are lost; connections that it "
        "had let through must be opened anew");
}

TEST_F(FlowKeepers, FindTheLastCopyOfADaemonThatWasKilled) {
    options.interval_seconds = 10;
    FlowKeeper killed(options);
    ASSERT_TRUE(killed.note(2, start + 3 * second));
    copy(killed, 1, start);
    const auto found = find(start + 5 * second);
    ASSERT_TRUE(found) << line();
    EXPECT_TRUE(found->since.went_on);
    EXPECT_EQ(found->since.passed, 5'000U);
    EXPECT_EQ(found->snapshot.flows(), 1U);
    EXPECT_EQ(line(),
              "the daemon before this one did not stop in good order: its flows are lost, 2 of them when it "
              "last counted, 2 seconds ago, but for those of the copy that it made 5000 ms ago; connections "
              "that it let through since must be opened anew");
    FlowKeeper(options).used();
    EXPECT_TRUE(there(".last")) << "until the next one is there, this daemon may be killed, too";
    options.interval_seconds = 0;
    FlowKeeper(options).used();
    EXPECT_FALSE(there(".last"));
}

TEST_F(FlowKeepers, PutAsideACopyThatDoesNotFitAndSayWhatWasLost) {
    FlowKeeper killed(options);
    ASSERT_TRUE(killed.note(2, start));
    copy(killed, 1, start);
    EXPECT_FALSE(find(start + 301 * second));
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_NE(lines[0].text.find(".last: was written 301 seconds ago"), std::string::npos) << lines[0].text;
    EXPECT_NE(lines[1].text.find("connections that it had let through must be opened anew"),
              std::string::npos);
    EXPECT_TRUE(there(".refused"));
}

TEST_F(FlowKeepers, LeaveNoCopyAfterAStopInGoodOrder) {
    FlowKeeper keeper(options);
    ASSERT_TRUE(keeper.note(2, start));
    copy(keeper, 2, start);
    leave(1);
    EXPECT_FALSE(there(".last"));
    const auto found = find();
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->since.went_on);
}

TEST_F(FlowKeepers, CopyBlockByBlockWhileTheDiskIsWaitedForElsewhere) {
    std::filesystem::create_directory(folder + "/state");
    auto file = FlowKeeper(options).begin_copy(room.layout, start);
    ASSERT_TRUE(file);
    FlowCopy out(std::move(*file));
    constexpr std::uint64_t batches = 100, each = 500;  // some megabytes
    std::uint16_t port = 0;
    for (std::uint64_t batch = 0; batch < batches; ++batch) {
        while (!out.ready()) std::this_thread::yield();
        std::string records;
        for (std::uint64_t i = 0; i < each; ++i) control::append_flow(records, flow(++port));
        out.take(records, each);
    }
    EXPECT_FALSE(out.outcome());
    EXPECT_FALSE(there(".last")) << "it is not whole";
    out.finish();
    std::optional<Result<std::uint64_t>> outcome;
    while (!(outcome = out.outcome())) std::this_thread::yield();
    ASSERT_TRUE(*outcome) << outcome->error();
    EXPECT_EQ(**outcome, batches * each);
    const auto read = control::read_snapshot(options.path + ".last", 1U << 30U);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->flows(), batches * each);
}

TEST_F(FlowKeepers, LeaveNothingOfACopyThatIsNotFinished) {
    std::filesystem::create_directory(folder + "/state");
    {
        auto file = FlowKeeper(options).begin_copy(room.layout, start);
        ASSERT_TRUE(file);
        FlowCopy out(std::move(*file));
        out.take("x", 1);
        EXPECT_TRUE(there(".last.new"));
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder + "/state"));
}

TEST_F(FlowKeepers, PutAsideWhatIsTooOld) {
    leave(1);
    ASSERT_TRUE(find(start + 300 * second));
    EXPECT_FALSE(find(start + 301 * second));
    EXPECT_EQ(line(), options.path +
                          ": was written 301 seconds ago, and state.max_age is 300; no flow of it was "
                          "taken up, and it is " +
                          options.path + ".refused now");
    EXPECT_FALSE(there());
    EXPECT_TRUE(there(".refused"));
}

TEST_F(FlowKeepers, PutAsideWhatTheClockSaysIsOfTheFuture) {
    leave(1);
    const auto found = find(start - 2 * second);
    ASSERT_TRUE(found) << "a clock that was set back a little";
    EXPECT_EQ(found->since.passed, 0U);
    EXPECT_FALSE(find(start - 400 * second));
    EXPECT_NE(line().find("400 seconds from now on, says the clock"), std::string::npos) << line();
}

TEST_F(FlowKeepers, PutAsideWhatDoesNotFit) {
    leave(3);
    EXPECT_FALSE(find());
    EXPECT_NE(line().find("holds 3 IPv4 flows, and there is room for 2"), std::string::npos) << line();
    leave(1);
    room.layout.pairs[0].zone = 4;
    EXPECT_FALSE(find());
    EXPECT_NE(line().find("had zone 3"), std::string::npos) << line();
}

TEST_F(FlowKeepers, PutAsideWhatIsDamaged) {
    leave(1);
    std::filesystem::resize_file(options.path, std::filesystem::file_size(options.path) - 1);
    EXPECT_FALSE(find());
    EXPECT_NE(line().find("is damaged or cut short"), std::string::npos) << line();
    EXPECT_TRUE(there(".refused"));
    EXPECT_FALSE(find());
    EXPECT_TRUE(lines.empty()) << "said once";
}

TEST_F(FlowKeepers, SayWhyTheyCannotWrite) {
    std::ofstream(folder + "/state") << "a file where the folder should be";
    FlowKeeper keeper(options);
    const Status noted = keeper.note(1, start);
    ASSERT_FALSE(noted);
    EXPECT_EQ(noted.error(), options.path +
                                 ".running: cannot be written: Not a directory; flows will not "
                                 "outlive a restart");
    EXPECT_FALSE(keeper.begin(room.layout, start));
}

TEST_F(FlowKeepers, WithoutAFileKeepNothing) {
    options.path.clear();
    FlowKeeper keeper(options);
    EXPECT_FALSE(keeper.keeps());
    EXPECT_TRUE(keeper.note(1, start));
    EXPECT_FALSE(find());
    EXPECT_TRUE(lines.empty());
    EXPECT_TRUE(std::filesystem::is_empty(folder));
}

}  // namespace
}  // namespace sluice::app
