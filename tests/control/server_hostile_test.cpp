// Clients that mean ill, or are broken: the daemon's memory stays bounded and everybody else is served.
#include <sys/syscall.h>

#include <nlohmann/json.hpp>

#include "daemon_rig.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using Kind = Query::Kind;

const std::string list_line = "{\"sluice\":1,\"request\":\"list\"}\n";
const std::string count_line = "{\"sluice\":1,\"request\":\"count\"}\n";

class Hostile : public ::testing::Test {
  protected:
    void start(std::uint32_t flows = 0) {
        rig.fill(flows);
        rig.start();
    }
    void expect_alive() {
        const auto client = rig.client();
        ASSERT_NE(client, nullptr);
        EXPECT_TRUE(ask(*client, query_of(Kind::count)).end.ok);
    }
    /// Turns the server by hand until it has `count` clients.
    void turn_until_clients(std::size_t count) {
        for (int i = 0; i < 10'000 && rig.server->clients() != count; ++i) rig.server->turn(1);
        EXPECT_EQ(rig.server->clients(), count);
    }
    /// Everything but the server's thread, which the test turns by hand.
    void start_by_hand() {
        rig.server = std::make_unique<Server>(rig.workers, rig.options);
        ASSERT_TRUE(rig.server->open().ok());
        rig.start_workers();
    }
    DaemonRig rig;
};

TEST_F(Hostile, GarbageIsAnsweredWithASentenceAndTheConnectionGoesOn) {
    start();
    RawClient raw(rig.options.path);
    for (const std::string& line :
         {std::string("hello\n"), std::string("\n"), std::string("\0\0\0\n", 4),
          std::string("\xff\xfe\x80\n"),
          std::string("{\"sluice\":1,\"request\":\"list\",\"filter\":{\"zone\":1e99}}\n"),
          std::string("GET / HTTP/1.1\r\n"), "{\"a\":" + std::string(60'000, '[') + "\n",
          "\"" + std::string(50'000, 'a') + "!\n"}) {
        ASSERT_TRUE(raw.send(line));
        const auto end = parse_end(raw.line());
        ASSERT_TRUE(end) << line.substr(0, 40);
        EXPECT_FALSE(end->ok);
        EXPECT_FALSE(end->error.empty());
    }
    ASSERT_TRUE(raw.send(count_line));
    EXPECT_TRUE(parse_end(raw.line())->ok);
}

TEST_F(Hostile, ALineOfAHundredMegabytesIsCutOff) {
    start();
    RawClient raw(rig.options.path);
    const std::string chunk(1 << 20, 'a');
    bool cut_off = false;
    for (int i = 0; i < 100 && !cut_off; ++i) cut_off = !raw.send(chunk);
    EXPECT_TRUE(cut_off);
    const auto end = parse_end(raw.line());
    ASSERT_TRUE(end);
    EXPECT_NE(end->error.find("65536"), std::string::npos);
    EXPECT_EQ(raw.line(), "");
    expect_alive();
}

TEST_F(Hostile, JsonNestedAHundredThousandDeepIsRefused) {
    start();
    RawClient raw(rig.options.path);
    (void)raw.send(std::string(100'000, '['));
    EXPECT_FALSE(parse_end(raw.line())->ok);
    expect_alive();
}

TEST_F(Hostile, RequestsInManySmallPiecesAreOneRequest) {
    start();
    RawClient raw(rig.options.path);
    for (const char c : count_line) ASSERT_TRUE(raw.send(std::string_view(&c, 1)));
    EXPECT_TRUE(parse_end(raw.line())->ok);
}

TEST_F(Hostile, RequestsSentAllAtOnceAreAnsweredInOrder) {
    start(20);
    RawClient raw(rig.options.path);
    std::string lines;
    for (int i = 0; i < 500; ++i) lines += i % 2 == 0 ? count_line : list_line;
    std::thread sender([&] { EXPECT_TRUE(raw.send(lines)); });
    for (int i = 0; i < 500; ++i) {
        const int rows = i % 2 == 0 ? 0 : 20;
        for (int row = 0; row < rows; ++row) ASSERT_EQ(raw.line().substr(0, 3), "udp");
        const auto end = parse_end(raw.line());
        ASSERT_TRUE(end) << i;
        ASSERT_EQ(end->count, 20U);
    }
    sender.join();
}

TEST_F(Hostile, AClientThatStopsSendingStillGetsItsAnswer) {
    start(20);
    RawClient raw(rig.options.path);
    ASSERT_TRUE(raw.send(list_line));
    raw.finish_sending();
    for (int row = 0; row < 20; ++row) ASSERT_EQ(raw.line().substr(0, 3), "udp");
    EXPECT_TRUE(parse_end(raw.line()));
    EXPECT_EQ(raw.line(), "") << "and is let go then";
}

TEST_F(Hostile, AReaderThatDoesNotReadHoldsUpNobody) {
    start(4000);
    std::vector<std::unique_ptr<RawClient>> lazy;
    for (int i = 0; i < 10; ++i) {
        lazy.push_back(std::make_unique<RawClient>(rig.options.path));
        ASSERT_TRUE(lazy.back()->send(list_line + list_line));
    }
    const auto client = rig.client();
    EXPECT_EQ(ask(*client, query_of(Kind::list)).end.count, 4000U);
    EXPECT_EQ(ask(*client, query_of(Kind::remove)).end.count, 4000U);
}

TEST_F(Hostile, AReaderThatWakesUpLateMissesNothing) {
    start(4000);
    RawClient lazy(rig.options.path);
    ASSERT_TRUE(lazy.send(list_line));
    ASSERT_EQ(lazy.line().substr(0, 3), "udp");
    expect_alive();
    for (int row = 1; row < 4000; ++row) ASSERT_EQ(lazy.line().substr(0, 3), "udp") << row;
    EXPECT_EQ(parse_end(lazy.line())->count, 4000U);
}

TEST_F(Hostile, AClientKilledInMidListingLeavesNothingBehind) {
    start(4000);
    for (int i = 0; i < 10; ++i) {
        RawClient doomed(rig.options.path);
        ASSERT_TRUE(doomed.send(list_line));
        ASSERT_EQ(doomed.line().substr(0, 3), "udp");
    }
    expect_alive();
    rig.stop_server();
    turn_until_clients(0);
}

TEST_F(Hostile, AClientKilledInMidDeletionHarmsNobody) {
    start(4000);
    for (int i = 0; i < 20; ++i) {
        RawClient doomed(rig.options.path);
        ASSERT_TRUE(doomed.send("{\"sluice\":1,\"request\":\"update\",\"mark\":{\"value\":1}}\n"));
        if (i % 2 != 0) (void)doomed.line();
    }
    const auto client = rig.client();
    EXPECT_EQ(ask(*client, query_of(Kind::remove)).end.count, 4000U);
}

TEST_F(Hostile, AThousandConnectionsAreServedInTheirTurn) {
    start(5);
    std::vector<std::thread> threads;
    threads.reserve(10);
    std::atomic<int> served{0};
    for (int t = 0; t < 10; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 100; ++i) {
                RawClient one(rig.options.path);
                if (!one.connected() || !one.send(count_line)) continue;
                if (parse_end(one.line())) ++served;
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(served, 1000);
}

TEST_F(Hostile, AThousandOpenConnectionsTakeNoMoreThanTheirPlaces) {
    rig.options.max_clients = 64;
    start_by_hand();
    std::vector<std::unique_ptr<RawClient>> open;
    for (int i = 0; i < 1000; ++i) {
        open.push_back(std::make_unique<RawClient>(rig.options.path));
        ASSERT_TRUE(open.back()->connected());
        rig.server->turn(0);
        ASSERT_LE(rig.server->clients(), rig.options.max_clients);
    }
    // Those that ask nothing make room for those who wait, a second later.
    RawClient honest(rig.options.path);
    ASSERT_TRUE(honest.send(count_line));
    std::atomic<bool> answered = false;
    std::thread reader([&] {
        const auto end = parse_end(honest.line());
        EXPECT_TRUE(end && end->ok);
        answered = true;
    });
    for (int second = 0; second < 1000 / 64 + 2; ++second) {
        rig.now += ticks_per_second;
        for (int i = 0; i < 20; ++i) rig.server->turn(0);
    }
    for (int i = 0; i < 1000 && !answered; ++i) rig.server->turn(1);
    EXPECT_TRUE(answered) << "as many of them as there are places go every second";
    for (auto& each : open) each->hang_up();
    reader.join();
}

TEST_F(Hostile, WhoeverReadsNothingMakesRoomForWhoWaitsAfterASecond) {
    rig.options.max_clients = 4;
    rig.options.output_bytes = 8 * 1024;
    rig.fill(4000);
    start_by_hand();
    std::vector<std::unique_ptr<RawClient>> lazy;
    for (int i = 0; i < 4; ++i) {
        lazy.push_back(std::make_unique<RawClient>(rig.options.path));
        ASSERT_TRUE(lazy.back()->send(list_line + list_line + list_line));
    }
    turn_until_clients(4);
    for (int i = 0; i < 1000; ++i) rig.server->turn(0);
    RawClient honest(rig.options.path);
    ASSERT_TRUE(honest.send(count_line));
    for (int i = 0; i < 100; ++i) rig.server->turn(0);
    EXPECT_EQ(rig.server->clients(), 4U);
    rig.now += ticks_per_second + 1;
    for (int i = 0; i < 100; ++i) rig.server->turn(0);
    EXPECT_EQ(parse_end(honest.line())->count, 4000U);
    EXPECT_EQ(rig.server->clients(), 4U) << "one of them went";
}

TEST_F(Hostile, StrangersWhoTakeAllTheirPlacesAreToldSoAndDoNotKeepRootOut) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can be two users";
    rig.options.max_clients = 4;
    rig.options.reserved_clients = 2;
    rig.options.mode = 0666;
    std::filesystem::permissions(rig.directory.file(""), std::filesystem::perms(0755));
    start_by_hand();
    const auto stranger = [&] {
        // Of this thread alone.
        EXPECT_EQ(syscall(SYS_setresuid, -1, 65534, -1), 0);
        auto out = std::make_unique<RawClient>(rig.options.path);
        EXPECT_EQ(syscall(SYS_setresuid, -1, 0, -1), 0);
        EXPECT_TRUE(out->connected());
        return out;
    };
    const auto one = stranger(), other = stranger();
    turn_until_clients(2);
    const auto third = stranger();
    RawClient root(rig.options.path);
    ASSERT_TRUE(root.send(count_line));
    // They are busy: nobody goes for others.
    const auto pass = [&](Tick ticks) {
        rig.now += ticks;
        for (const RawClient* each : {one.get(), other.get()}) EXPECT_TRUE(each->send(count_line));
        for (int i = 0; i < 20; ++i) rig.server->turn(0);
    };
    pass(500);
    EXPECT_EQ(rig.server->clients(), 2U) << "a place may become free";
    for (int i = 0; i < 3; ++i) pass(500);
    EXPECT_EQ(parse_end(third->line())->error,
              "all places at the control socket are taken by others, who are busy; try again");
    EXPECT_TRUE(parse_end(root.line())->ok);
    EXPECT_EQ(rig.server->clients(), 3U);
}

TEST_F(Hostile, WhoeverAsksNothingForAMinuteIsLetGo) {
    start_by_hand();
    RawClient idle(rig.options.path);
    turn_until_clients(1);
    rig.now += 59 * ticks_per_second;
    rig.server->turn(0);
    EXPECT_EQ(rig.server->clients(), 1U);
    rig.now += 2 * ticks_per_second;
    rig.server->turn(0);
    EXPECT_EQ(rig.server->clients(), 0U);
    EXPECT_EQ(idle.line(), "");
}

TEST_F(Hostile, AnUnfinishedRequestIsNotWaitedForLong) {
    start_by_hand();
    RawClient slow(rig.options.path);
    turn_until_clients(1);
    ASSERT_TRUE(slow.send("{"));
    rig.server->turn(10);
    for (int second = 0; second < 10; ++second) {  // a byte a second does not help
        ASSERT_TRUE(slow.send(" "));
        rig.server->turn(10);
        EXPECT_EQ(rig.server->clients(), 1U);
        rig.now += ticks_per_second;
    }
    rig.now += ticks_per_second;
    rig.server->turn(0);
    EXPECT_EQ(rig.server->clients(), 0U);
}

TEST_F(Hostile, WhoeverReadsNothingForAMinuteIsLetGo) {
    rig.options.output_bytes = 8 * 1024;
    start(4000);
    rig.stop_server();
    RawClient lazy(rig.options.path);
    ASSERT_TRUE(lazy.send(list_line));
    turn_until_clients(1);
    for (int i = 0; i < 1000; ++i) rig.server->turn(0);
    rig.now += 61 * ticks_per_second;
    rig.server->turn(0);
    EXPECT_EQ(rig.server->clients(), 0U);
}

}  // namespace
}  // namespace sluice::control
