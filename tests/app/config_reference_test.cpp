// The files for operators: config/*.toml and docs/configuration.md say what the table of keys says.
#include "app/configuration_reference.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "app/configuration_keys.hpp"
#include "config_support.hpp"

namespace sluice::app {
namespace {

using testing::content_of;
using testing::error_of;
using testing::in_repository;

constexpr auto how_to_mend = "print it anew with build/src/app/config_reference";

TEST(ConfigurationReference, TheCommentedFileIsMadeFromTheTable) {
    EXPECT_EQ(content_of(in_repository("config/sluice.toml")), reference_toml()) << how_to_mend;
}

TEST(ConfigurationReference, TheDocumentationListsTheTable) {
    EXPECT_NE(content_of(in_repository("docs/configuration.md")).find(reference_markdown()),
              std::string::npos)
        << how_to_mend;
}

/// The commented file with every "#key = value" made to count.
std::string with_every_key() {
    std::istringstream lines(reference_toml());
    std::string out;
    for (std::string line; std::getline(lines, line); out += line + '\n')
        if (line.size() > 1 && line[0] == '#' && line[1] != ' ') line.erase(0, 1);
    return out;
}

TEST(ConfigurationReference, HoldsEveryKeyWithItsDefault) {
    const auto c = load_text(with_every_key(), "sluice.toml", {}, Use::daemon);
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_EQ(c->given.size(), keys().size());
    const Configuration standard = defaults(Profile::appliance);
    for (const Key& key : keys()) EXPECT_EQ(key.get(*c), key.get(standard)) << key.name;
}

TEST(ConfigurationReference, AsItStandsIsTheDefaultsAndOnePair) {
    const auto c = load(in_repository("config/sluice.toml"), {}, Use::daemon);
    ASSERT_TRUE(c.ok()) << error_of(c);
    const Configuration standard = defaults(Profile::appliance);
    for (const Key& key : keys()) EXPECT_EQ(key.get(*c), key.get(standard)) << key.name;
    EXPECT_EQ(c->dpdk.pairs.size(), 1U);
}

TEST(ConfigurationReference, TheLabRunsOverVethWithoutHugePages) {
    const auto c = load(in_repository("config/lab-veth.toml"), {}, Use::daemon);
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_FALSE(c->dpdk.huge_pages);
    EXPECT_EQ(c->dpdk.pairs[0].ports[0].device, "af_xdp:veth-client");
    EXPECT_TRUE(c->limits.accounting);
}

TEST(ConfigurationReference, TheApplianceRunsOverPciPorts) {
    const auto c = load(in_repository("config/appliance-pci.toml"), {}, Use::daemon);
    ASSERT_TRUE(c.ok()) << error_of(c);
    EXPECT_EQ(c->dpdk.workers, 4U);
    EXPECT_EQ((c->limits.ipv4_flows + c->limits.ipv6_flows) * 4, 2'097'152U);
    EXPECT_EQ(c->settings.half_open_limit, 32'768U);
    EXPECT_EQ(
        describe(*c).substr(c->file.size()),
        ": ok, profile appliance, 1 pair (uplink: 0000:3b:00.0 = 0000:3b:00.1), 4 workers, 1572864 IPv4 and "
        "524288 IPv6 flows, no rules: every flow is allowed, and daemon.workers = 4, "
        "state.file = \"/var/lib/sluice/flows\", tracker.max = 2097152, "
        "tracker.half_open_max = 131072");
}

}  // namespace
}  // namespace sluice::app
