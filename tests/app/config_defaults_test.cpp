// Defaults: nf_conntrack's in profile linux (its sysctl documentation), the appliance's where they differ.
#include <gtest/gtest.h>

#include <array>
#include <map>

#include "config_support.hpp"

namespace sluice::app {
namespace {

using testing::daemon_reads;
using testing::error_of;
using testing::replay_reads;

std::uint32_t timeout(const Configuration& c, Lifetime lifetime) {
    return c.settings.timeouts[static_cast<std::size_t>(lifetime)];
}

TEST(ConfigurationDefaults, TheDaemonIsAnApplianceUnlessToldOtherwise) {
    const auto c = daemon_reads("");
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_EQ(c->profile, Profile::appliance);
    EXPECT_FALSE(c->settings.tcp.loose);
    EXPECT_EQ(c->settings.timeouts, appliance_timeouts());
    EXPECT_EQ(c->settings.half_open_limit, 32'768U);
}

TEST(ConfigurationDefaults, ReplayIsNfConntrackUnlessToldOtherwise) {
    const auto c = replay_reads("");
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_EQ(c->profile, Profile::linux_kernel);
    EXPECT_TRUE(c->settings.tcp.loose);
    EXPECT_EQ(timeout(*c, Lifetime::established), 432'000U);
    EXPECT_EQ(timeout(*c, Lifetime::syn_sent), 120U);
    EXPECT_EQ(c->settings.half_open_limit, 0U);
    EXPECT_EQ(c->settings.fragment_timeout_ipv6, 60U);
    EXPECT_EQ(c->settings.tcp.max_retrans, 3);
    EXPECT_TRUE(c->settings.checksum);
    EXPECT_FALSE(c->limits.accounting);
    EXPECT_FALSE(c->limits.timestamps);
    EXPECT_EQ(c->totals.flows, 262'144U);
}

TEST(ConfigurationDefaults, TheFileChoosesTheProfileForEitherUse) {
    EXPECT_EQ(daemon_reads("profile = \"linux\"")->settings.timeouts, linux_timeouts());
    EXPECT_EQ(replay_reads("profile = \"appliance\"")->settings.timeouts, appliance_timeouts());
}

TEST(ConfigurationDefaults, AKeyGivenReplacesTheProfilesDefaultWhereverItStands) {
    const auto c = daemon_reads("tcp.loose = false\ntcp.timeout_close = 7\nprofile = \"linux\"");
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_FALSE(c->settings.tcp.loose);
    EXPECT_EQ(timeout(*c, Lifetime::close), 7U);
    EXPECT_EQ(timeout(*c, Lifetime::established), 432'000U);
}

TEST(ConfigurationDefaults, NeighboursAndSpanningTreePassAndMplsDoesNot) {
    const auto& settings = defaults(Profile::appliance).settings;
    const auto passes = [&](std::uint16_t type) {
        for (std::size_t i = 0; i < settings.ether_type_count; ++i)
            if (settings.ether_types[i].ether_type == type) return settings.ether_types[i].pass;
        return settings.pass_other_ether_types;
    };
    constexpr std::array<std::uint16_t, 6> passed{0x0806, 0x88cc, 0x8809, 0x888e, 0x88f7, 0x0000};
    constexpr std::array<std::uint16_t, 4> dropped{0x8847, 0x8848, 0x8863, 0x8864};
    for (const std::uint16_t type : passed) EXPECT_TRUE(passes(type)) << type;
    for (const std::uint16_t type : dropped) EXPECT_FALSE(passes(type)) << type;
}

TEST(ConfigurationDefaults, TheListOfEtherTypesIsTheTrackersOwn) {
    const auto ours = defaults(Profile::appliance).settings;
    pipeline::Settings theirs;
    theirs.set_default_ether_types();
    using Policies = std::map<std::uint16_t, bool>;
    const auto policies = [](const pipeline::Settings& settings) {
        Policies out;
        for (std::size_t i = 0; i < settings.ether_type_count; ++i)
            out[settings.ether_types[i].ether_type] = settings.ether_types[i].pass;
        return out;
    };
    EXPECT_EQ(policies(ours), policies(theirs));
    EXPECT_EQ(ours.pass_other_ether_types, theirs.pass_other_ether_types);
}

TEST(ConfigurationDefaults, ReplayNeedsNoPairAndTheDaemonDoes) {
    EXPECT_TRUE(load_text("", "file", {}, Use::replay).ok());
    EXPECT_FALSE(load_text("", "file", {}, Use::daemon).ok());
}

}  // namespace
}  // namespace sluice::app
