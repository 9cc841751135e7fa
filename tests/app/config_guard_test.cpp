// [guard] and [[guard.service]]: what a service has of its own, and what it takes over.
#include <gtest/gtest.h>

#include "app/configuration_guard.hpp"
#include "config_support.hpp"

namespace sluice::app {
namespace {

using guard::Mode;
using testing::daemon_reads;
using testing::error_of;
using testing::replay_reads;
using Names = std::vector<std::string>;

TEST(GuardConfiguration, IsThereByDefaultAndChangesNothing) {
    const auto c = daemon_reads("");
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_EQ(c->guard.policy.mode, Mode::monitor);
    EXPECT_EQ(c->guard.unlisted_mode, Mode::monitor);
    EXPECT_EQ(c->limits.guarded_services, 1 + 256 + 256);
}

TEST(GuardConfiguration, TakesNoMemoryWhenItIsDisabledAndInReplay) {
    EXPECT_EQ(daemon_reads("guard.enabled = false")->limits.guarded_services, 0);
    EXPECT_EQ(replay_reads("guard.mode = \"auto\"")->limits.guarded_services, 0);
}

TEST(GuardConfiguration, AServiceTakesOverWhatItDoesNotSayWhereverTheGuardSaysIt) {
    const auto c = daemon_reads(
        "[[guard.service]]\n"
        "name = \"web\"\n"
        "address = \"192.0.2.1\"\n"
        "port = 443\n"
        "mode = \"always\"\n"
        "stay = 60\n"
        "leave_share = 25\n"
        "[[guard.service]]\n"
        "address = \"2001:db8::/32\"\n"
        "port = \"all\"\n",
        {"guard.alarm_rate=1500", "guard.mode=auto", "guard.stay=20"});
    ASSERT_TRUE(c.ok()) << error_of(c);
    ASSERT_EQ(c->guard.services.size(), 2U);
    const auto& web = c->guard.services[0];
    EXPECT_EQ(web.name, "web");
    EXPECT_EQ(web.address, (guard::Address{0, guard::Address::mapped | 0xC000'0201U}));
    EXPECT_EQ(web.prefix_length, 128);
    EXPECT_EQ(web.port, 443);
    EXPECT_EQ(web.policy.mode, Mode::always);
    EXPECT_EQ(web.policy.stay, 60'000U);
    EXPECT_DOUBLE_EQ(web.policy.leave_share, 0.25);
    EXPECT_EQ(web.policy.alarm.rate, 1500U);
    const auto& net = c->guard.services[1];
    EXPECT_EQ(net.address, (guard::Address{0x2001'0DB8'0000'0000, 0}));
    EXPECT_EQ(net.prefix_length, 32);
    EXPECT_EQ(net.port, 0);
    EXPECT_EQ(net.policy, c->guard.policy);
    EXPECT_EQ(net.policy.mode, Mode::automatic);
    EXPECT_EQ(net.policy.stay, 20'000U);
}

TEST(GuardConfiguration, ThresholdsLeftOutGiveWayToThoseGiven) {
    const auto up = daemon_reads("guard.alarm_rate = 9000");
    ASSERT_TRUE(up.ok()) << error_of(up);
    EXPECT_EQ(up->guard.policy.activate.rate, 9000U);
    EXPECT_EQ(up->guard.policy.maximum.rate, 500'000U);
    const auto down = daemon_reads("guard.maximum_half_open = 100");
    ASSERT_TRUE(down.ok()) << error_of(down);
    EXPECT_EQ(down->guard.policy.alarm.half_open, 100U);
    EXPECT_EQ(down->guard.policy.activate.half_open, 100U);
    EXPECT_EQ(down->guard.policy.alarm.rate, 1000U) << "the other quantity stays";
    const auto service = daemon_reads(
        "guard.activate_rate = 3000\n[[guard.service]]\naddress = \"192.0.2.1\"\nalarm_rate = 4000\n");
    ASSERT_TRUE(service.ok()) << error_of(service);
    EXPECT_EQ(service->guard.services[0].policy.activate.rate, 4000U);
    EXPECT_EQ(service->guard.policy.activate.rate, 3000U);
}

TEST(GuardConfiguration, ServicesMayStandOnACommandLine) {
    const auto c = daemon_reads("", {"guard.service=[{address = \"192.0.2.1\", port = 80}]"});
    ASSERT_TRUE(c.ok()) << error_of(c);
    ASSERT_EQ(c->guard.services.size(), 1U);
    EXPECT_EQ(c->guard.services[0].port, 80);
    EXPECT_EQ(error_of(daemon_reads("", {"guard.service=3"})),
              "--set guard.service=3: expected [[guard.service]] with address = \"ADDRESS\" below it, found "
              "3");
}

TEST(GuardConfiguration, SevenLengthsOfPrefixLeaveRoomForWhatIsLearnt) {
    std::string text;
    for (int bits = 8; bits < 15; ++bits)
        text += "[[guard.service]]\naddress = \"10.0.0.0/" + std::to_string(bits) + "\"\n";
    EXPECT_EQ(error_of(daemon_reads(text)), "accepted");
    const std::string eighth = text + "[[guard.service]]\naddress = \"10.0.0.0/15\"\n";
    EXPECT_NE(error_of(daemon_reads(eighth)), "accepted");
    EXPECT_EQ(error_of(daemon_reads("guard.max_learnt = 0\n" + eighth)), "accepted");
}

TEST(GuardConfiguration, AReloadMayChangeServicesAndThresholdsAndNoSizes) {
    const std::string service = "[[guard.service]]\naddress = \"192.0.2.1\"\n";
    const auto changes = [](const std::string& running, const std::string& wanted) {
        return reloadable_changes(*daemon_reads(running), *daemon_reads(wanted));
    };
    EXPECT_EQ(*changes("", service), Names{"guard.service"});
    EXPECT_EQ(*changes(service, service + "mode = \"auto\"\n"), Names{"guard.service"});
    EXPECT_EQ(*changes(service, service), Names{});
    EXPECT_EQ(*changes("", "guard.mode = \"auto\"\nguard.stay = 11"), (Names{"guard.mode", "guard.stay"}));
    EXPECT_FALSE(changes("", "guard.max_learnt = 100").ok());
    EXPECT_FALSE(changes("", "guard.max_services = 100").ok());
    EXPECT_FALSE(changes("", "guard.enabled = false").ok());
    EXPECT_FALSE(changes("", "guard.proxied_handshakes = 100").ok());
}

TEST(GuardConfiguration, AnAddressIsWholeOrAPrefixOfItsOwnFamily) {
    EXPECT_EQ(parse_prefix("0.0.0.0/0")->length, 96);
    EXPECT_EQ(parse_prefix("::/0")->length, 0);
    EXPECT_EQ(parse_prefix("10.0.0.0/8")->length, 104);
    for (const std::string_view wrong :
         {"", "/", "10.0.0.1/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/0008", "10.0.0",
          "::1/64", "2001:db8::/129", "10.0.0.1/8/8"})
        EXPECT_FALSE(parse_prefix(wrong).has_value()) << wrong;
    EXPECT_FALSE(parse_prefix(std::string_view("10.0.0.1\0x", 10)).has_value());
}

}  // namespace
}  // namespace sluice::app
