// What is in the tables, found a look at a time: `census`.
#include <nlohmann/json.hpp>

#include "daemon_rig.hpp"
#include "sluice/control/flow_census.hpp"
#include "sluice/control/frequent_items.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using nlohmann::json;

// ---- Frequent items

using Numbers = FrequentItems<unsigned, std::hash<unsigned>>;

TEST(FrequentItems, CountExactlyWhileTheyFit) {
    Numbers numbers(100, {});
    for (unsigned i = 1; i <= 100; ++i) numbers.add(i, i);
    numbers.add(7, 1000);
    numbers.add(101, 0);
    EXPECT_EQ(numbers.error(), 0U);
    EXPECT_EQ(numbers.of(7), 1007U);
    EXPECT_EQ(numbers.of(101), 0U);
    const auto heaviest = numbers.heaviest(3);
    ASSERT_EQ(heaviest.size(), 3U);
    EXPECT_EQ(heaviest[0], (Numbers::Count{7, 1007}));
    EXPECT_EQ(heaviest[1], (Numbers::Count{100, 100}));
    EXPECT_EQ(numbers.heaviest(1000).size(), 100U);
}

TEST(FrequentItems, AmongAMillionOthersAreFoundWithinTheBound) {
    constexpr std::size_t most = 256;
    Numbers numbers(most, {});
    std::uint64_t all = 0;
    const auto add = [&](unsigned item, std::uint64_t weight) {
        numbers.add(item, weight);
        all += weight;
    };
    for (unsigned i = 0; i < 1'000'000; ++i) {
        add(1000 + i, 1);  // each once
        if (i % 20 == 0) add(1, 1);
        if (i % 50 == 0) add(2, 1);
    }
    EXPECT_LE(numbers.error(), 2 * all / most);
    const auto heaviest = numbers.heaviest(2);
    EXPECT_EQ(heaviest[0].first, 1U);
    EXPECT_EQ(heaviest[1].first, 2U);
    EXPECT_LE(heaviest[0].second, 50'000U) << "never too many";
    EXPECT_GE(heaviest[0].second + numbers.error(), 50'000U);
    EXPECT_LE(numbers.heaviest(10'000).size(), most);
}

// ---- The census of two tables

struct Census {
    json table;
    std::vector<json> talkers;

    [[nodiscard]] json of(const char* kind, const char* address) const {
        for (const json& row : talkers)
            if (row["talker"] == kind && row["address"] == address) return row;
        return nullptr;
    }
};

Census read_rows(const std::vector<std::string>& rows) {
    Census out;
    for (const std::string& row : rows) {
        const json line = json::parse(row);
        if (line.contains("census"))
            out.table = line["census"];
        else
            out.talkers.push_back(line);
    }
    return out;
}

class TwoTables : public ::testing::Test {
  protected:
    explicit TwoTables(std::uint32_t slots = 1000) : census(slots, {1, 2}) {
        flow::TableConfig config;
        config.capacity = 1000;
        config.lifetimes = lifetime_count;
        config.interval.fill(1000 * ticks_per_second);
        config.eviction_class.fill(flow::never_evicted);
        config.accounting = true;
        arena4 = std::make_unique<Arena>(pipeline::Table4::bytes_needed(config));
        arena6 = std::make_unique<Arena>(pipeline::Table6::bytes_needed(config));
        table4 =
            std::make_unique<pipeline::Table4>(std::move(*pipeline::Table4::create(config, arena4->span())));
        table6 =
            std::make_unique<pipeline::Table6>(std::move(*pipeline::Table6::create(config, arena6->span())));
        WorkerHandle worker;
        worker.table4 = table4.get();
        worker.table6 = table6.get();
        workers.all.push_back(worker);
        workers.accounting = true;
    }
    /// From 10.0.0.`source` to 192.0.2.1:`port`.
    flow::Ref insert(std::uint8_t source, std::uint16_t source_port, std::uint16_t port,
                     std::uint8_t protocol = packet::udp, tcp::Pair pair = {}) {
        const std::uint8_t from[] = {10, 0, 0, source}, to[] = {192, 0, 2, 1};
        const auto made =
            flow::make_key<4>(from, to, source_port, port, protocol,
                              flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 0));
        pipeline::FlowState state{};
        if (protocol == packet::tcp) state.tcp.pair = static_cast<unsigned>(pair) & 31U;
        return table4->insert(made.key, table4->hash_of(made.key), made.from_high, state,
                              now + 1000 * ticks_per_second, now, [](auto&&...) {});
    }
    /// A whole look, in slices of seven slots.
    Census look() {
        census.begin(workers, now);
        unsigned budget = 0;
        do budget = 7;
        while (!census.go_on(workers, now, budget));
        std::string out;
        (void)census.append_rows(out, 50);
        std::vector<std::string> rows;
        for (std::size_t at = 0, end = 0; (end = out.find('\n', at)) != std::string::npos; at = end + 1)
            rows.push_back(out.substr(at, end - at));
        return read_rows(rows);
    }

    Tick now = 5'000'000;
    std::unique_ptr<Arena> arena4, arena6;
    std::unique_ptr<pipeline::Table4> table4;
    std::unique_ptr<pipeline::Table6> table6;
    Workers workers;
    FlowCensus census;
};

TEST_F(TwoTables, AreEmpty) {
    const Census found = look();
    EXPECT_EQ(found.table["flows"], 0);
    EXPECT_EQ(found.table["whole"], true);
    EXPECT_TRUE(found.talkers.empty());
}

TEST_F(TwoTables, FlowsAreCountedByProtocolStateSourceAndService) {
    for (std::uint16_t i = 0; i < 30; ++i) insert(1, i, 53);
    for (std::uint16_t i = 0; i < 20; ++i) insert(2, i, 80, packet::tcp, tcp::Pair::established__established);
    for (std::uint16_t i = 0; i < 5; ++i) insert(3, i, 80, packet::tcp, tcp::Pair::closed__closed);
    const Census found = look();
    EXPECT_EQ(found.table["flows"], 55);
    EXPECT_EQ(found.table["protocols"]["udp"], 30);
    EXPECT_EQ(found.table["protocols"]["tcp"], 25);
    EXPECT_EQ(found.table["states"]["ESTABLISHED"], 20);
    EXPECT_EQ(found.table["states"]["CLOSE"], 5);
    EXPECT_EQ(found.of("source", "10.0.0.1")["flows"], 30);
    EXPECT_EQ(found.of("source", "10.0.0.3")["flows"], 5);
    std::uint64_t web = 0;
    for (const json& row : found.talkers)
        if (row["talker"] == "service" && row["port"] == 80) web = row["flows"];
    EXPECT_EQ(web, 25U);
}

TEST_F(TwoTables, RatesAreWhatWasCountedBetweenTwoLooks) {
    const auto busy = insert(1, 1000, 53), idle = insert(2, 1000, 53);
    for (int i = 0; i < 10; ++i) table4->account(busy, 0, 1000);
    table4->account(idle, 0, 999);
    EXPECT_EQ(look().of("source", "10.0.0.1")["bytes"], 0) << "nothing to compare with";
    now += 2 * ticks_per_second;
    for (int i = 0; i < 20; ++i) table4->account(busy, 1, 500);
    const Census found = look();
    EXPECT_EQ(found.of("source", "10.0.0.1")["bytes"], 5000);
    EXPECT_EQ(found.of("source", "10.0.0.1")["packets"], 10);
    EXPECT_EQ(found.of("source", "10.0.0.2")["bytes"], 0);
    now += 10;
    EXPECT_EQ(look().of("source", "10.0.0.1")["bytes"], 5000) << "too soon for another look";
}

TEST_F(TwoTables, AFlowInTheSlotOfOneThatWentCountsFromItsBeginning) {
    const auto before = insert(1, 1000, 53);
    table4->account(before, 0, 50'000);
    (void)look();
    table4->remove(before, flow::Removal::deleted, [](auto&&...) {});
    const auto after = insert(2, 1000, 53);
    ASSERT_EQ(after, before) << "the slot freed last is used first";
    table4->account(after, 0, 300);
    now += ticks_per_second;
    const Census found = look();
    EXPECT_EQ(found.of("source", "10.0.0.2")["bytes"], 300);
    EXPECT_EQ(found.of("source", "10.0.0.1"), nullptr);
}

TEST_F(TwoTables, ManySlowFlowsAddUp) {
    std::vector<flow::Ref> flows;
    for (std::uint16_t i = 0; i < 100; ++i) flows.push_back(insert(1, i, 53));
    (void)look();
    for (const flow::Ref flow : flows) table4->account(flow, 0, 1);
    now += 4 * ticks_per_second;
    EXPECT_EQ(look().of("source", "10.0.0.1")["packets"], 25) << "a packet in four seconds each";
}

class LargeTables : public TwoTables {
  protected:
    LargeTables() : TwoTables(100) {}
};

TEST_F(LargeTables, AreGoneThroughLookByLookAndToldARoundAtATime) {
    for (std::uint16_t i = 0; i < 450; ++i) insert(static_cast<std::uint8_t>(i % 3), i, 53);
    for (int i = 1; i < 5; ++i) {
        const Census part = look();
        EXPECT_EQ(part.table["whole"], false);
        EXPECT_EQ(part.table["slots"], 100 * i);
        EXPECT_EQ(part.table["slots_in_use"], 450);
        EXPECT_EQ(part.table["flows"], 100 * i);
        now += ticks_per_second;
    }
    for (int i = 0; i < 4; ++i) {
        const Census whole = look();
        EXPECT_EQ(whole.table["whole"], true);
        EXPECT_EQ(whole.table["flows"], 450) << "also while the next round is under way";
        EXPECT_EQ(whole.table["seconds"], 4.0);
        EXPECT_EQ(whole.of("source", "10.0.0.2")["flows"], 150);
        now += ticks_per_second;
    }
}

TEST_F(LargeTables, RatesOfEveryFlowAreOfTheSecondInWhichItWasSeenTwice) {
    std::vector<flow::Ref> flows;
    for (std::uint16_t i = 0; i < 250; ++i) flows.push_back(insert(1, i, 53));
    json rate;
    for (int i = 0; i < 4; ++i) {
        rate = look().of("source", "10.0.0.1")["bytes"];
        for (const flow::Ref flow : flows) table4->account(flow, 0, 10);
        now += ticks_per_second;
    }
    EXPECT_EQ(rate, 2500) << "each carried 10 bytes a second, in whichever second it was looked at";
}

// ---- By the socket

TEST(CensusRequests, TellFlowsAndTalkersExactly) {
    DaemonRig rig;
    rig.fill(500);
    rig.start();
    const auto client = rig.client();
    const Answer answer = ask(*client, query_of(Query::Kind::census));
    ASSERT_TRUE(answer.end.ok) << answer.end.error;
    EXPECT_EQ(answer.end.count, answer.rows.size() - 1);
    const Census found = read_rows(answer.rows);
    EXPECT_EQ(found.table["flows"], 500);
    EXPECT_EQ(found.table["protocols"]["udp"], 500);
    EXPECT_EQ(found.of("service", "192.0.2.1")["flows"], 500);
    EXPECT_EQ(found.of("service", "192.0.2.1")["port"], 53);
}

TEST(CensusRequests, AreForAFewClientsAtATime) {
    DaemonRig rig;
    rig.start();
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(rig.client());
        EXPECT_TRUE(ask(*clients.back(), query_of(Query::Kind::census)).end.ok);
    }
    const auto another = rig.client();
    EXPECT_EQ(ask(*another, query_of(Query::Kind::census)).end.error,
              "too many others have a census already");
    EXPECT_TRUE(ask(*clients.front(), query_of(Query::Kind::census)).end.ok) << "who has one keeps it";
    clients.clear();
    Answer answer;
    for (int i = 0; i < 500 && (i == 0 || !answer.end.ok); ++i)
        answer = ask(*another, query_of(Query::Kind::census));
    EXPECT_TRUE(answer.end.ok);
}

}  // namespace
}  // namespace sluice::control
