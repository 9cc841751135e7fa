// What each request does to the flows of running workers.
#include <nlohmann/json.hpp>
#include <set>

#include "daemon_rig.hpp"
#include "support/packet_builder.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using Kind = Query::Kind;
using nlohmann::json;

class Requests : public ::testing::Test {
  protected:
    /// Starts the daemon with so many flows of insertion().
    void start(std::uint32_t flows = 0) {
        rig.fill(flows);
        rig.start();
        client = rig.client();
        ASSERT_NE(client, nullptr);
    }
    Answer ask(const Query& query) { return testing::ask(*client, query); }
    Answer ask(Kind kind) { return ask(query_of(kind)); }
    static Filter from(const char* address) {
        Filter filter;
        filter.family = packet::Family::ipv4;
        filter.original.source =
            AddressMatch{parse_address(address)->address, prefix_mask(packet::Family::ipv4, 32)};
        return filter;
    }
    DaemonRig rig;
    std::unique_ptr<Client> client;
};

TEST_F(Requests, ListShowsEveryFlowOnce) {
    start(500);
    const auto answer = ask(Kind::list);
    EXPECT_TRUE(answer.end.ok);
    EXPECT_EQ(answer.end.count, 500U);
    EXPECT_EQ(std::set<std::string>(answer.rows.begin(), answer.rows.end()).size(), 500U);
    for (const auto& tracker : rig.trackers)
        EXPECT_GT(tracker->table4().size(), 100U) << "both workers have some";
}

TEST_F(Requests, ListOfAnEmptyTableIsDoneAtOnce) {
    start();
    const auto answer = ask(Kind::list);
    EXPECT_TRUE(answer.end.ok);
    EXPECT_EQ(answer.end.count, 0U);
    EXPECT_TRUE(answer.rows.empty());
}

TEST_F(Requests, RowsAreLinesOfTheListing) {
    start(1);
    const auto answer = ask(Kind::list);
    ASSERT_EQ(answer.rows.size(), 1U);
    EXPECT_EQ(answer.rows[0].substr(0, 110),
              "udp      17 1000 src=10.0.0.0 dst=192.0.2.1 sport=1000 dport=53 packets=0 bytes=0 [UNREPLIED] "
              "src=192.0.2.1 ds");
}

TEST_F(Requests, FiltersAreAppliedByTheDaemon) {
    start(300);
    auto query = query_of(Kind::list);
    query.filter = from("10.0.0.7");
    EXPECT_EQ(ask(query).end.count, 1U);
    query.kind = Kind::count;
    EXPECT_EQ(ask(query).end.count, 1U);
    query.filter.protocol = std::uint8_t{packet::tcp};
    EXPECT_EQ(ask(query).end.count, 0U);
}

TEST_F(Requests, CountOfEverythingIsTheTablesOwn) {
    start(42);
    const auto answer = ask(Kind::count);
    EXPECT_EQ(answer.end.count, 42U);
    EXPECT_TRUE(answer.rows.empty());
}

TEST_F(Requests, ExpiredFlowsAreNotShown) {
    rig.options.idle_seconds = 2'000;  // the jump is not the client's idleness
    start(3);
    rig.now += 1'001 * ticks_per_second;
    EXPECT_EQ(ask(Kind::list).end.count, 0U);
}

TEST_F(Requests, DeleteRemovesWhatMatchesAndShowsIt) {
    start(300);
    auto query = query_of(Kind::remove);
    query.filter = from("10.0.0.7");
    const auto answer = ask(query);
    EXPECT_EQ(answer.end.count, 1U);
    ASSERT_EQ(answer.rows.size(), 1U);
    EXPECT_NE(answer.rows[0].find("src=10.0.0.7 "), std::string::npos);
    EXPECT_EQ(ask(Kind::count).end.count, 299U);
    EXPECT_EQ(ask(query).end.count, 0U) << "it is gone";
}

TEST_F(Requests, DeleteWithAResetLeavesAMarkOfEachTcpConnectionOnce) {
    start(3);
    auto made = insertion(1);
    made.flow.protocol = packet::tcp;
    ASSERT_EQ(ask(made).end.count, 1U);
    auto query = query_of(Kind::remove);
    query.reset = true;
    EXPECT_EQ(ask(query).end.count, 4U) << "datagrams are only deleted";
    const auto left = ask(Kind::list);
    ASSERT_EQ(left.rows.size(), 1U);
    EXPECT_NE(left.rows[0].find(" CLOSE src="), std::string::npos) << left.rows[0];
    EXPECT_EQ(ask(query).end.count, 0U) << "it is killed already";
    EXPECT_EQ(ask(Kind::remove).end.count, 1U) << "the mark itself";
    EXPECT_EQ(ask(Kind::count).end.count, 0U);
}

TEST_F(Requests, DeleteOfEverythingGetsThroughMoreThanTheMailboxHolds) {
    start(2000);
    const auto answer = ask(Kind::remove);
    EXPECT_EQ(answer.end.count, 2000U);
    EXPECT_EQ(std::set<std::string>(answer.rows.begin(), answer.rows.end()).size(), 2000U);
    EXPECT_EQ(ask(Kind::count).end.count, 0U);
}

TEST_F(Requests, UpdateChangesTimeoutAndMarkAndShowsThem) {
    start(10);
    auto query = query_of(Kind::update);
    query.filter = from("10.0.0.7");
    query.change.timeout_seconds = 77;
    query.change.mark = Filter::Mark{5, 0xFFFFFFFF};
    const auto answer = ask(query);
    EXPECT_EQ(answer.end.count, 1U);
    ASSERT_EQ(answer.rows.size(), 1U);
    EXPECT_EQ(answer.rows[0].find("udp      17 77 src=10.0.0.7 "), 0U) << answer.rows[0];
    EXPECT_NE(answer.rows[0].find(" mark=5 "), std::string::npos) << answer.rows[0];
}

TEST_F(Requests, UpdateClearsTheMaskedBitsOfTheMarkBeforeItFlipsTheOthers) {
    start();
    auto made = insertion(1);
    made.flow.mark = 0b1111'0000;
    ask(made);
    auto query = query_of(Kind::update);
    query.change.mark = Filter::Mark{0b1001'0001, 0b0011'1111};
    ask(query);
    auto list = query_of(Kind::list);
    list.filter.mark = Filter::Mark{(0b1111'0000 & ~0b0011'1111) ^ 0b1001'0001, 0xFFFFFFFF};
    EXPECT_EQ(ask(list).end.count, 1U);
}

TEST_F(Requests, UpdateSetsStatusAndTakesNoneBack) {
    start(3);
    auto query = query_of(Kind::update);
    query.change.status = assured_bit;
    auto answer = ask(query);
    ASSERT_EQ(answer.rows.size(), 3U);
    for (const auto& row : answer.rows) EXPECT_NE(row.find(" [ASSURED] "), std::string::npos) << row;
    query.change.status = seen_reply_bit;
    answer = ask(query);
    ASSERT_EQ(answer.rows.size(), 3U);
    for (const auto& row : answer.rows) {
        EXPECT_EQ(row.find("[UNREPLIED]"), std::string::npos) << row;
        EXPECT_NE(row.find(" [ASSURED] "), std::string::npos) << row;
    }
}

TEST_F(Requests, ListWithZeroShowsEachAccountOnceAndStartsItAgain) {
    rig.fill(1);
    const auto frame = test::PacketBuilder().ethernet().ip("10.0.0.0", "192.0.2.1").udp(1000, 53).build();
    for (auto& tracker : rig.trackers) {  // only the owner of the flow counts it, the other hands it over
        pipeline::MemoryPacket packet{.first = frame};
        pipeline::MemoryPacket* const burst[] = {&packet};
        pipeline::Output<pipeline::MemoryIo> out;
        tracker->process(burst, {.tick = rig.now.load()}, out);
    }
    rig.start();
    client = rig.client();
    ASSERT_NE(client, nullptr);
    auto query = query_of(Kind::list);
    query.zero = true;
    auto answer = ask(query);
    ASSERT_EQ(answer.rows.size(), 1U);
    EXPECT_NE(answer.rows[0].find(" packets=1 bytes=28 "), std::string::npos) << answer.rows[0];
    answer = ask(query);
    ASSERT_EQ(answer.rows.size(), 1U);
    EXPECT_NE(answer.rows[0].find(" packets=0 bytes=0 "), std::string::npos) << answer.rows[0];
    EXPECT_EQ(answer.end.count, 1U);
}

TEST_F(Requests, GetFindsAFlowByItsTuple) {
    start(10);
    auto query = query_of(Kind::get);
    query.filter = from("10.0.0.7");
    query.filter.protocol = std::uint8_t{packet::udp};
    query.filter.original.source_port = std::uint16_t{1000};
    query.filter.original.destination_port = std::uint16_t{53};
    EXPECT_EQ(ask(query).end.count, 1U);
    query.filter.original.source_port = std::uint16_t{1001};
    EXPECT_EQ(ask(query).end.count, 0U);
}

TEST_F(Requests, InsertMakesATcpFlowAsAsked) {
    start();
    auto query = query_of(Kind::insert);
    auto& flow = query.flow;
    flow.protocol = packet::tcp;
    flow.source = parse_address("10.0.0.2")->address;
    flow.destination = parse_address("10.0.0.1")->address;  // the originator is the key's higher endpoint
    flow.source_port = 1235;
    flow.destination_port = 80;
    flow.timeout_seconds = 100;
    flow.status = assured_bit;
    flow.mark = 1;
    flow.zone = 4;
    const auto answer = ask(query);
    ASSERT_EQ(answer.rows.size(), 1U) << answer.end.error;
    EXPECT_EQ(answer.rows[0],
              "tcp      6 100 ESTABLISHED src=10.0.0.2 dst=10.0.0.1 sport=1235 dport=80 packets=0 bytes=0 "
              "[UNREPLIED] "
              "src=10.0.0.1 dst=10.0.0.2 sport=80 dport=1235 packets=0 bytes=0 [ASSURED] mark=1 zone=4 "
              "delta-time=" +
                  answer.rows[0].substr(answer.rows[0].find("delta-time=") + 11));
    pipeline::FlowView view;
    unsigned found = 0;
    for (unsigned worker = 0; worker < rig.trackers.size(); ++worker) {
        const auto& table = rig.trackers[worker]->table4();
        for (flow::Ref ref = 0; ref < table.high_water(); ++ref)
            if (pipeline::view(table, ref, rig.now, worker, view)) ++found;
    }
    ASSERT_EQ(found, 1U);
    EXPECT_EQ(view.state.tcp.picked_up, 1U);
    EXPECT_EQ(view.state.tcp.seen, 0U) << "its windows are unknown";
}

TEST_F(Requests, InsertKnowsQueriesAndOtherProtocolsOfBothFamilies) {
    start();
    auto query = query_of(Kind::insert);
    query.format.style = Format::Style::save;
    auto& flow = query.flow;
    flow.family = packet::Family::ipv6;
    flow.source = parse_address("2001:db8::9")->address;
    flow.destination = parse_address("2001:db8::1")->address;
    flow.protocol = packet::icmpv6;
    flow.icmp_type = 128;
    flow.icmp_id = 77;
    flow.timeout_seconds = 30;
    EXPECT_EQ(ask(query).rows.at(0),
              "-A -t 30 -u UNSET -s 2001:db8::9 -d 2001:db8::1 -r 2001:db8::1 -q 2001:db8::9 -p icmpv6 "
              "--icmpv6-type 128 "
              "--icmpv6-code 0 --icmpv6-id 77\n");
    flow.protocol = 89;
    EXPECT_EQ(ask(query).rows.at(0),
              "-A -t 30 -u UNSET -s 2001:db8::9 -d 2001:db8::1 -r 2001:db8::1 -q 2001:db8::9 -p 89\n");
}

TEST_F(Requests, InsertOfAFlowThatExistsIsRefused) {
    start();
    ASSERT_TRUE(ask(insertion(1)).end.ok);
    const auto answer = ask(insertion(1));
    EXPECT_FALSE(answer.end.ok);
    EXPECT_NE(answer.end.error.find("exists"), std::string::npos);
    EXPECT_EQ(ask(Kind::count).end.count, 1U);
}

TEST_F(Requests, FlowsOfTwoVlansAreTwoFlows) {
    start();
    auto query = insertion(1);
    ASSERT_TRUE(ask(query).end.ok);
    query.flow.vlan = std::uint16_t{10};
    ASSERT_TRUE(ask(query).end.ok);
    auto list = query_of(Kind::list);
    list.filter.vlan = std::uint16_t{10};
    EXPECT_EQ(ask(list).end.count, 1U);
    EXPECT_EQ(ask(Kind::list).end.count, 2U);
}

TEST_F(Requests, FlushEmptiesEveryWorkersTables) {
    start(1000);
    const auto answer = ask(Kind::flush);
    EXPECT_TRUE(answer.end.ok);
    EXPECT_EQ(answer.end.count, 1000U);
    EXPECT_EQ(ask(Kind::count).end.count, 0U);
}

TEST_F(Requests, StatisticsHaveARowPerWorker) {
    start(100);
    const auto answer = ask(Kind::stats);
    ASSERT_EQ(answer.rows.size(), 3U);
    EXPECT_EQ(json::parse(answer.rows[2]).at("counters").at("event_rows"), 0);  // the daemon's own
    std::uint64_t inserted = 0, flows = 0;
    for (unsigned worker = 0; worker < 2; ++worker) {
        const json row = json::parse(answer.rows[worker]);
        EXPECT_EQ(row.at("worker"), worker);
        inserted += row.at("insert").get<std::uint64_t>();
        flows += row.at("flows").at("ipv4").get<std::uint64_t>();
        EXPECT_EQ(row.at("reasons").size(), reason_count - 1);
        for (const char* name :
             {"found", "invalid", "insert_failed", "drop", "early_drop", "error", "search_restart",
              "clash_resolve", "chaintoolong", "packets", "dropped", "expired"})
            EXPECT_TRUE(row.at(name).is_number_unsigned()) << name;
    }
    EXPECT_EQ(inserted, 100U);
    EXPECT_EQ(flows, 100U);
}

TEST_F(Requests, ReasonsAreTheClosedListWithCounts) {
    start();
    const auto answer = ask(Kind::reasons);
    ASSERT_EQ(answer.rows.size(), reason_count - 1);
    for (std::size_t i = 0; i < answer.rows.size(); ++i) {
        const json row = json::parse(answer.rows[i]);
        EXPECT_EQ(row.at("reason"), reason_texts[i + 1].name);
        EXPECT_EQ(row.at("packets"), 0);
    }
}

TEST_F(Requests, VersionSaysWhatTheDaemonIs) {
    start();
    const json row = json::parse(ask(Kind::version).rows.at(0));
    EXPECT_EQ(row.at("version"), program_version);
    EXPECT_EQ(row.at("protocol"), 1);
    EXPECT_EQ(row.at("workers"), 2);
}

TEST_F(Requests, ReloadWithoutAConfigurationIsRefused) {
    start();
    const auto answer = ask(Kind::reload);
    EXPECT_FALSE(answer.end.ok);
    EXPECT_NE(answer.end.error.find("no configuration"), std::string::npos);
}

TEST(Reload, IsDoneWhenEveryWorkerObeys) {
    DaemonRig rig(3);
    auto wanted = std::make_shared<pipeline::Settings>();
    wanted->timeouts[static_cast<std::size_t>(Lifetime::udp)] = 5;
    rig.options.reload = [&](const ServerOptions::Reloaded& done) {
        rig.server->replace_settings(wanted);
        done(success());
    };
    rig.start();
    const auto client = rig.client();
    std::weak_ptr<pipeline::Settings> watched = wanted;
    EXPECT_TRUE(ask(*client, query_of(Kind::reload)).end.ok);
    wanted = std::make_shared<pipeline::Settings>();
    EXPECT_FALSE(watched.expired()) << "workers still look at them";
    EXPECT_TRUE(ask(*client, query_of(Kind::reload)).end.ok);
    EXPECT_TRUE(watched.expired()) << "every worker has taken up the next ones";
    rig.stop_server();
    EXPECT_TRUE(rig.server->settled());
}

TEST(Reload, ThatFailsSaysWhy) {
    DaemonRig rig(1);
    rig.options.reload = [](const ServerOptions::Reloaded& done) {
        done(Error{"sluice.toml:3:1: no such key"});
    };
    rig.start();
    const auto client = rig.client();
    const auto answer = ask(*client, query_of(Kind::reload));
    EXPECT_FALSE(answer.end.ok);
    EXPECT_EQ(answer.end.error, "sluice.toml:3:1: no such key");
}

TEST(Reload, ThatTakesLongKeepsNobodyElseWaiting) {
    DaemonRig rig(1);
    std::mutex mutex;
    std::vector<ServerOptions::Reloaded> asked;
    rig.options.reload = [&](const ServerOptions::Reloaded& done) {
        const std::lock_guard lock(mutex);
        asked.push_back(done);
    };
    rig.start();
    const auto is_asked = [&](std::size_t times) {
        const std::lock_guard lock(mutex);
        return asked.size() == times;
    };
    const auto wait_for = [&](std::size_t times) {
        while (!is_asked(times)) std::this_thread::yield();
    };
    std::atomic<bool> answered{false};
    std::thread asker([&] {
        const auto client = rig.client();
        EXPECT_TRUE(ask(*client, query_of(Kind::reload)).end.ok);
        answered = true;
    });
    wait_for(1);
    {
        // One that has lost patience.
        const RawClient gone(rig.options.path);
        gone.send("{\"sluice\":1,\"request\":\"reload\"}\n");
        wait_for(2);
    }
    const auto client = rig.client();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(ask(*client, query_of(Kind::stats)).end.ok);
    EXPECT_FALSE(answered);
    rig.stop_server();
    for (const auto& done : asked) done(success());
    rig.start_server();
    asker.join();
}

TEST(ManyClients, EachGetTheirOwnAnswers) {
    DaemonRig rig;
    rig.start();
    std::vector<std::thread> threads;
    for (std::uint32_t number = 0; number < 8; ++number)
        threads.emplace_back([&rig, number] {
            const auto client = rig.client();
            for (std::uint32_t i = 0; i < 100; ++i) {
                auto made = insertion(number << 16 | i);
                made.flow.zone = static_cast<std::uint16_t>(number + 1);
                ASSERT_TRUE(ask(*client, made).end.ok);
            }
            auto mine = query_of(Kind::update);
            mine.filter.zone = static_cast<std::uint16_t>(number + 1);
            mine.change.mark = Filter::Mark{number + 1, 0xFFFFFFFF};
            EXPECT_EQ(ask(*client, mine).end.count, 100U);
            mine.kind = Kind::remove;
            const auto removed = ask(*client, mine);
            EXPECT_EQ(removed.rows.size(), 100U);
            for (const auto& row : removed.rows)
                EXPECT_NE(row.find(" mark=" + std::to_string(number + 1) +
                                   " zone=" + std::to_string(number + 1) + " "),
                          std::string::npos)
                    << row;
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(ask(*rig.client(), query_of(Kind::count)).end.count, 0U);
}

TEST(TableFull, InsertIsRefusedWhenAllFlowsAreAssured) {
    DaemonRig rig(1, 16);
    rig.start();
    const auto client = rig.client();
    for (std::uint32_t i = 0; i < 16; ++i) {
        auto made = insertion(i);
        made.flow.status = assured_bit | seen_reply_bit;
        ASSERT_TRUE(ask(*client, made).end.ok);
    }
    const auto answer = ask(*client, insertion(99));
    EXPECT_FALSE(answer.end.ok);
    EXPECT_NE(answer.end.error.find("full"), std::string::npos);
}

TEST_F(Requests, DropsAreShownByReasonWithTheirRate) {
    rig.trackers[0]->count_loss(Reason::tx_full, 1'000);
    rig.trackers[1]->count_loss(Reason::old_duplicate, 5);  // passes
    rig.server = std::make_unique<Server>(rig.workers, rig.options);
    ASSERT_TRUE(rig.server->open().ok());
    rig.server->turn(0);
    rig.now = rig.now.load() + ticks_per_second;
    rig.server->turn(0);
    rig.now = rig.now.load() + ticks_per_second / 2;
    rig.trackers[0]->count_loss(Reason::tx_full, 300);
    rig.trackers[1]->count_loss(Reason::no_buffer, 15);
    rig.start_server();
    client = rig.client();
    ASSERT_NE(client, nullptr);
    const auto answer = ask(Kind::drops);
    ASSERT_TRUE(answer.end.ok) << answer.end.error;
    EXPECT_EQ(answer.end.count, 2U);
    ASSERT_EQ(answer.rows.size(), 2U);
    const json full = json::parse(answer.rows[0]), buffer = json::parse(answer.rows[1]);
    EXPECT_EQ(full["reason"], "tx-full");
    EXPECT_EQ(full["outcome"], "dropped");
    EXPECT_EQ(full["packets"], 1'300);
    EXPECT_EQ(full["rate"], 200) << "300 in a second and a half";
    EXPECT_EQ(buffer["rate"], 10);
}

}  // namespace
}  // namespace sluice::control
