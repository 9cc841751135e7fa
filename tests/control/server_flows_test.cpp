// `save` and `restore` over the control socket, while workers run.
#include <nlohmann/json.hpp>
#include <set>

#include "daemon_rig.hpp"
#include "sluice/control/base64.hpp"
#include "sluice/control/flow_transfer.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using Kind = Query::Kind;
using nlohmann::json;

struct Saved {
    std::string head, records;
    std::uint64_t flows = 0;
};

void give_layout(DaemonRig& rig, const std::string& pair = "wire") {
    rig.workers.layout.pairs = {{pair, 0}};
}

Saved save(Client& client) {
    Saved out;
    const Answer answer = ask(client, query_of(Kind::save));
    EXPECT_TRUE(answer.end.ok) << answer.end.error;
    for (const std::string& line : answer.rows) {
        const json row = json::parse(line);
        if (row.contains("snapshot")) out.head = from_base64(row["snapshot"].get<std::string>()).value();
        if (!row.contains("records")) continue;
        out.records += from_base64(row["records"].get<std::string>()).value();
        out.flows += row["flows"].get<std::uint64_t>();
    }
    EXPECT_EQ(answer.end.count, out.flows);
    return out;
}

/// Until the server has seen that those who hung up are gone: five seconds at most, and the caller's check
/// tells.
void wait_until_there_is_room(Client& client) {
    for (int i = 0; i < 5000 && !ask(client, query_of(Kind::save)).end.ok; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// Restores in requests of a hundred flows each.
RestoreTally restore(Client& client, const Saved& saved) {
    RestoreTally tally;
    std::string_view rest = saved.records;
    while (!rest.empty()) {
        Query query = query_of(Kind::restore);
        query.snapshot_head = saved.head;
        const std::string_view from = rest;
        pipeline::SavedFlow flow;
        for (int i = 0; i < 100 && !rest.empty(); ++i) EXPECT_TRUE(take_flow(rest, flow));
        query.records = from.substr(0, from.size() - rest.size());
        const Answer answer = ask(client, query);
        EXPECT_TRUE(answer.end.ok) << answer.end.error;
        EXPECT_EQ(answer.rows.size(), 1U);
        for (const std::string& row : answer.rows) {
            const auto part = parse_tally(row);
            EXPECT_TRUE(part) << row;
            if (part) tally.add(*part);
        }
    }
    return tally;
}

TEST(ServerFlows, SavedByTwoWorkersAreRestoredByThreeEachOnce) {
    DaemonRig two(2), three(3);
    for (DaemonRig* const rig : {&two, &three}) give_layout(*rig);
    two.fill(3'000);
    two.start();
    three.start();
    const auto from = two.client(), to = three.client();
    const Saved saved = save(*from);
    EXPECT_EQ(saved.flows, 3'000U);
    EXPECT_EQ(restore(*to, saved).restored(), 3'000U);
    EXPECT_EQ(ask(*to, query_of(Kind::count)).end.count, 3'000U);
    EXPECT_EQ(restore(*to, saved).of(pipeline::Restored::exists), 3'000U) << "those that live stay";
    EXPECT_EQ(ask(*to, query_of(Kind::count)).end.count, 3'000U);
    EXPECT_EQ(ask(*from, query_of(Kind::count)).end.count, 3'000U) << "saving takes nothing away";
}

/// Takes a batch only every other time that it is asked.
struct SlowTaker final : FlowTaker {
    bool ready() override { return ++asked % 2 == 0; }
    void take(std::string_view batch, std::size_t count) override {
        records += batch;
        flows += count;
    }
    void finish() override { finished = true; }
    std::string records;
    std::size_t flows = 0, asked = 0;
    bool finished = false;
};

TEST(ServerFlows, AreCopiedForTheDaemonItselfEachOnceWhileClientsAreServed) {
    DaemonRig rig(2);
    rig.fill(3'000);
    rig.server = std::make_unique<Server>(rig.workers, rig.options);
    ASSERT_TRUE(rig.server->open().ok());
    rig.start_workers();
    for (int time = 0; time < 2; ++time) {
        const auto taker = std::make_shared<SlowTaker>();
        rig.server->copy_flows(taker);
        RawClient raw(rig.options.path);
        ASSERT_TRUE(raw.send("{\"sluice\":1,\"request\":\"save\"}\n"));
        for (int i = 0; i < 10'000 && !taker->finished; ++i) rig.server->turn(1);
        ASSERT_TRUE(taker->finished);
        EXPECT_EQ(taker->flows, 3'000U);
        std::string_view rest = taker->records;
        pipeline::SavedFlow flow;
        std::set<std::string> keys;
        while (!rest.empty()) {
            ASSERT_TRUE(take_flow(rest, flow));
            keys.emplace(reinterpret_cast<const char*>(&flow.key4), sizeof flow.key4);
        }
        EXPECT_EQ(keys.size(), 3'000U);
    }
}

TEST(ServerFlows, AreSavedForAFewClientsAtATime) {
    DaemonRig rig(1);
    rig.options.max_transfers = 1;
    rig.fill(4'000);
    rig.start();
    RawClient lazy(rig.options.path);
    ASSERT_TRUE(lazy.send("{\"sluice\":1,\"request\":\"save\"}\n"));
    EXPECT_TRUE(lazy.line().starts_with("{\"snapshot\""));
    const auto client = rig.client();
    EXPECT_EQ(ask(*client, query_of(Kind::save)).end.error,
              "too many others save or restore flows; try again");
    lazy.hang_up();
    wait_until_there_is_room(*client);
    EXPECT_EQ(ask(*client, query_of(Kind::save)).end.count, 4'000U);
}

TEST(ServerFlows, OfAnEmptyTableAreASnapshotToo) {
    DaemonRig rig;
    give_layout(rig);
    rig.start();
    const Saved saved = save(*rig.client());
    EXPECT_EQ(saved.flows, 0U);
    std::string_view bytes = saved.head;
    const auto head = take_head(bytes);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->layout, rig.workers.layout);
}

TEST(ServerFlows, OfAClientThatGoesAwayMeanwhileHarmNobody) {
    DaemonRig rig;
    give_layout(rig);
    rig.fill(4'000);
    rig.start();
    const auto client = rig.client();
    for (int i = 0; i < 50; ++i) {
        RawClient raw(rig.options.path);
        ASSERT_TRUE(raw.send(to_line(query_of(Kind::save)) + "\n"));
        if (i % 2 == 0) {
            EXPECT_NE(raw.line(), "");
        }
        raw.hang_up();
    }
    wait_until_there_is_room(*client);
    EXPECT_EQ(save(*client).flows, 4'000U);
}

TEST(ServerFlows, OfAnotherLayoutAreRefusedWithASentence) {
    DaemonRig rig, other;
    give_layout(rig);
    give_layout(other, "uplink");
    rig.fill(10);
    rig.start();
    other.start();
    const Saved saved = save(*rig.client());
    Query query = query_of(Kind::restore);
    query.snapshot_head = saved.head;
    query.records = saved.records;
    const auto client = other.client();
    EXPECT_EQ(ask(*client, query).end.error,
              "the snapshot has flows of the pair \"wire\", which the configuration does not have");
    query.snapshot_head = "no head";
    EXPECT_EQ(ask(*client, query).end.error, "the snapshot has a head that this daemon does not understand");
    EXPECT_EQ(ask(*client, query_of(Kind::count)).end.count, 0U);
}

TEST(ServerFlows, ThatCannotBeAreCountedAndNotTaken) {
    DaemonRig rig;
    give_layout(rig);
    rig.start();
    std::string head;
    append_head(head, {rig.workers.layout, 0});
    Query query = query_of(Kind::restore);
    query.snapshot_head = head;
    query.records = std::string(500, 'x');
    const auto client = rig.client();
    const Answer answer = ask(*client, query);
    ASSERT_EQ(answer.rows.size(), 1U);
    EXPECT_EQ(parse_tally(answer.rows[0])->misfits, 1U);
    RawClient raw(rig.options.path);
    ASSERT_TRUE(raw.send("{\"sluice\":1,\"request\":\"restore\",\"snapshot\":\"*\",\"records\":\"\"}\n"));
    EXPECT_NE(raw.line().find("snapshot is no base64"), std::string::npos);
    EXPECT_EQ(ask(*client, query_of(Kind::count)).end.count, 0U);
}

}  // namespace
}  // namespace sluice::control
