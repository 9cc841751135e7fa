// `floods` over the socket: attacks, services, and a daemon where nobody watches.
#include <nlohmann/json.hpp>

#include "daemon_rig.hpp"
#include "guard_rig.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using nlohmann::json;

Query floods(bool services) {
    Query query = query_of(Query::Kind::floods);
    query.services = services;
    return query;
}

TEST(Floods, AreRefusedWhereNobodyWatches) {
    DaemonRig rig;
    rig.start();
    const auto client = rig.client();
    ASSERT_NE(client, nullptr);
    const auto answer = ask(*client, floods(false));
    EXPECT_FALSE(answer.end.ok);
    EXPECT_EQ(answer.end.error, "nobody watches for floods: guard.enabled is false");
}

TEST(Floods, AreShownWithTheServicesAndTheCounters) {
    GuardOptions options;
    options.services = {service_at(0xC000'0201, 443, guard::Mode::automatic, "web")};
    GuardRig guard(options);
    guard.steps(20, [&] { guard.syns(1, 2'000); });
    DaemonRig rig;
    rig.workers.guard = guard.watch.get();
    rig.start();
    const auto client = rig.client();
    ASSERT_NE(client, nullptr);

    const auto attacks = ask(*client, floods(false));
    EXPECT_TRUE(attacks.end.ok);
    EXPECT_EQ(attacks.end.count, 1U);
    ASSERT_EQ(attacks.rows.size(), 1U);
    EXPECT_EQ(json::parse(attacks.rows[0])["service"], "192.0.2.1:443");

    const auto services = ask(*client, floods(true));
    EXPECT_EQ(services.end.count, 2U) << "and what belongs to none";
    ASSERT_EQ(services.rows.size(), 2U);
    EXPECT_EQ(json::parse(services.rows[0])["service"], "unlisted");
    EXPECT_EQ(json::parse(services.rows[1])["defence"], "defend");

    const auto statistics = ask(*client, query_of(Query::Kind::stats));
    EXPECT_EQ(json::parse(statistics.rows.back())["counters"]["guard_attacks"], 1);
}

// More rows than wait for one client at a time: it gets all of them, as fast as it reads.
TEST(Floods, OfManyServicesComeInSlices) {
    GuardOptions options;
    options.max_services = 2'000;
    for (std::uint32_t i = 0; i < 2'000; ++i)
        options.services.push_back(service_at(0xC612'0000 + i, 443, guard::Mode::monitor));
    GuardRig guard(options);
    guard.steps(1);
    DaemonRig rig;
    rig.workers.guard = guard.watch.get();
    rig.options.output_bytes = 16 * 1024;
    rig.start();
    const auto client = rig.client();
    ASSERT_NE(client, nullptr);
    const auto answer = ask(*client, floods(true));
    EXPECT_EQ(answer.end.count, 2'001U);
    EXPECT_EQ(answer.rows.size(), 2'001U);
}

}  // namespace
}  // namespace sluice::control
