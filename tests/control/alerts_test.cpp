// What signatures find, on its way from the workers' rings to those who follow events and to the log; and the
// listing of signatures.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/cli_signatures.hpp"
#include "daemon_rig.hpp"
#include "sluice/control/alert_words.hpp"

namespace sluice::control {
namespace {

using nlohmann::json;
using testing::ask;
using testing::DaemonRig;
using testing::RawClient;

constexpr std::uint64_t noon = 1'700'000'000'123'456'000;

std::shared_ptr<const pipeline::Inspection> inspection_of(std::uint32_t generation, const std::string& name) {
    policy::Signature signature;
    signature.id = 1005;
    signature.name = name;
    signature.pattern = "secret";
    signature.severity = policy::Severity::high;
    auto set = policy::SignatureSet::create("s.toml", {signature});
    EXPECT_TRUE(set) << set.error();
    auto database = inspect::Database::compile(std::move(*set), {}, "");
    EXPECT_TRUE(database) << database.error();
    pipeline::InspectionProfile profile;
    profile.name = "web";
    profile.database = *database;
    auto built = pipeline::Inspection::create({profile}, 1, 1, generation);
    EXPECT_TRUE(built) << built.error();
    return *built;
}

pipeline::Alert alert_of(std::uint32_t generation) {
    pipeline::Alert alert{};
    alert.wall_nanoseconds = noon;
    alert.position = 37;
    alert.generation = generation;
    alert.signature_id = 1005;
    alert.done = policy::SignatureAction::reset;
    alert.family = packet::Family::ipv4;
    alert.direction = tcp::Direction::original;
    alert.key4.address = {{{192, 0, 2, 1}, {192, 0, 2, 2}}};
    alert.key4.port = {40000, 80};
    alert.key4.vlans_and_pair =
        flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 0).vlans_and_pair;
    alert.key4.protocol = packet::tcp;
    const std::string excerpt = "a \x1b[2Jsecret";
    std::copy(excerpt.begin(), excerpt.end(), alert.excerpt.begin());
    alert.excerpt_length = static_cast<std::uint16_t>(excerpt.size());
    return alert;
}

/// A daemon of one worker, whose ring of alerts the test writes.
class Alerts : public ::testing::Test {
  protected:
    Alerts() : slots_(4), ring_(slots_), rig_(1) {
        rig_.workers.all[0].alerts = &ring_;
        rig_.workers.all[0].inspection = &counters_;
        rig_.options.wall_clock = [] { return noon; };
        rig_.options.alerted = [this](const AlertNews& news) { logged_.push_back(alert_line(news)); };
        use(inspection_of(1, "the name"));
        rig_.server = std::make_unique<Server>(rig_.workers, rig_.options);
        EXPECT_TRUE(rig_.server->open());
    }
    void use(std::shared_ptr<const pipeline::Inspection> inspection) {
        rig_.workers.policy = std::make_shared<const pipeline::Policy>(
            std::make_shared<const policy::RuleSet>(), nullptr, 1, std::move(inspection));
    }
    void turns() {
        for (int i = 0; i < 20; ++i) rig_.server->turn(1);
    }
    void find(std::uint32_t generation = 1) {
        pipeline::Alert* const slot = ring_.claim();
        if (slot == nullptr) return counters_.lost.add();
        *slot = alert_of(generation);
        ring_.publish();
    }

    std::vector<pipeline::Alert> slots_;
    pipeline::AlertRing ring_;
    pipeline::InspectionCounters counters_;
    DaemonRig rig_;
    std::vector<std::string> logged_;
};

const std::string expected_line =
    "high 1005 (the name), profile web: tcp 192.0.2.1:40000 to 192.0.2.2:80, from the client, before byte "
    "37: "
    "reset, \"a .[2Jsecret\"";

TEST_F(Alerts, ReachThoseWhoFollowAndTheLog) {
    RawClient text(rig_.options.path), as_json(rig_.options.path), flows(rig_.options.path);
    ASSERT_TRUE(text.send(R"({"sluice":1,"request":"events","options":["timestamp"]})"
                          "\n"));
    ASSERT_TRUE(as_json.send(R"({"sluice":1,"request":"events","format":"json","mask":["alerts"]})"
                             "\n"));
    ASSERT_TRUE(flows.send(R"({"sluice":1,"request":"events","mask":["new","floods"]})"
                           "\n"));
    turns();
    find();
    turns();
    EXPECT_EQ(text.line(), "[1700000000.123456]\t  [ALERT] " + expected_line + '\n');
    const json row = json::parse(as_json.line());
    EXPECT_EQ(row["event"], "alert");
    EXPECT_EQ(row["id"], 1005);
    EXPECT_EQ(row["name"], "the name");
    EXPECT_EQ(row["severity"], "high");
    EXPECT_EQ(row["profile"], "web");
    EXPECT_EQ(row["action"], "reset");
    EXPECT_EQ(row["direction"], "to-server");
    EXPECT_EQ(row["position"], 37);
    EXPECT_EQ(row["src"], "192.0.2.1");
    EXPECT_EQ(row["dport"], 80);
    EXPECT_TRUE(row["community_id"].get<std::string>().starts_with("1:"));
    EXPECT_EQ(row["excerpt"], "a .[2Jsecret");
    EXPECT_EQ(row["excerpt_hex"], "61201b5b324a736563726574");
    EXPECT_EQ(logged_, std::vector<std::string>{expected_line});
    flows.finish_sending();
    turns();
    EXPECT_TRUE(parse_end(flows.line())) << "who did not ask for alerts is shown none";
}

TEST_F(Alerts, ThatFindNoRoomAreCountedAndTold) {
    RawClient client(rig_.options.path);
    ASSERT_TRUE(client.send(R"({"sluice":1,"request":"events","mask":["alerts"]})"
                            "\n"));
    turns();
    for (int i = 0; i < 7; ++i) find();
    turns();
    client.finish_sending();
    turns();
    for (int i = 0; i < 4; ++i) EXPECT_EQ(client.line(), "  [ALERT] " + expected_line + '\n');
    const json lost = json::parse(client.line());
    EXPECT_EQ(lost["by_workers"], 3);
}

TEST_F(Alerts, OfSignaturesThatAReloadHasTakenAwayKeepTheirNames) {
    turns();
    use(inspection_of(2, "another"));
    find(1);
    find(2);
    turns();
    use(inspection_of(3, "a third"));
    turns();
    find(1);
    turns();
    ASSERT_EQ(logged_.size(), 3U);
    EXPECT_EQ(logged_[0], expected_line);
    EXPECT_TRUE(logged_[1].starts_with("high 1005 (another), profile web: ")) << logged_[1];
    EXPECT_TRUE(logged_[2].starts_with("signature 1005: tcp ")) << logged_[2];
}

TEST_F(Alerts, OfAFilterAreThoseOfItsFlows) {
    RawClient other(rig_.options.path);
    ASSERT_TRUE(
        other.send(R"({"sluice":1,"request":"events","mask":["alerts"],"filter":{"original":{"dport":81}}})"
                   "\n"));
    turns();
    find();
    turns();
    other.finish_sending();
    turns();
    EXPECT_TRUE(parse_end(other.line()));
}

TEST_F(Alerts, SignaturesAreListedWithTheirHits) {
    auto& tally = rig_.workers.policy->inspection->tally(0, 0)[0];
    for (int i = 0; i < 1'234; ++i) tally.hits.add();
    tally.suppressed.add();
    RawClient client(rig_.options.path);
    ASSERT_TRUE(client.send(R"({"sluice":1,"request":"signatures"})"
                            "\n"));
    turns();
    const std::string row = client.line();
    EXPECT_EQ(
        row, R"({"profile":"web","id":1005,"name":"the name","severity":"high","action":"alert","hits":1234,)"
             R"("suppressed":1})"
             "\n");
    EXPECT_EQ(app::signature_line(row),
              "web                        1005 high     alert           1,234            1  the name\n");
    EXPECT_EQ(parse_end(client.line())->count, 1U);
}

TEST_F(Alerts, SignaturesThatThereAreNotAreSaid) {
    rig_.workers.policy.reset();
    RawClient client(rig_.options.path);
    ASSERT_TRUE(client.send(R"({"sluice":1,"request":"signatures"})"
                            "\n"));
    turns();
    EXPECT_EQ(parse_end(client.line())->error, "there are no signatures: nothing is inspected");
}

TEST_F(Alerts, CountersOfInspectionAreAmongTheStatistics) {
    counters_.stream_bytes.add(77);
    counters_.events[static_cast<std::size_t>(inspect::Event::low_ttl)].add();
    RawClient client(rig_.options.path);
    ASSERT_TRUE(client.send(R"({"sluice":1,"request":"stats"})"
                            "\n"));
    turns();
    const json row = json::parse(client.line())["inspection"];
    EXPECT_EQ(row["stream_bytes"], 77);
    EXPECT_EQ(row["low-ttl"], 1);
    EXPECT_EQ(row["gap"], 0);
}

}  // namespace
}  // namespace sluice::control
