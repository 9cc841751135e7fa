// The table of keys itself.
#include <gtest/gtest.h>

#include <set>

#include "app/configuration_keys.hpp"
#include "app/ether_types.hpp"
#include "config_support.hpp"

namespace sluice::app {
namespace {

using testing::daemon_reads;
using testing::error_of;
using testing::replay_reads;

TEST(ConfigurationKeys, HaveNamesOfTheirOwnHoweverTheyAreSpelt) {
    std::set<std::string> names;
    for (const Key& key : keys()) {
        std::string plain(key.name);
        std::replace(plain.begin(), plain.end(), '.', '_');
        EXPECT_TRUE(names.insert(plain).second) << key.name;
    }
}

TEST(ConfigurationKeys, AreExplainedInASentence) {
    for (const Key& key : keys()) {
        EXPECT_GT(key.sentence.size(), 15U) << key.name;
        EXPECT_TRUE(key.sentence.ends_with('.')) << key.name;
        EXPECT_FALSE(expectation_of(key).empty()) << key.name;
    }
}

TEST(ConfigurationKeys, HaveEveryLifetimeAmongThem) {
    for (const LifetimeText& lifetime : lifetime_texts) {
        const Key* key = find_key(lifetime.key);
        ASSERT_NE(key, nullptr) << lifetime.key;
        EXPECT_EQ(key->get(defaults(Profile::linux_kernel)), Value(std::int64_t{lifetime.linux_seconds}));
        EXPECT_EQ(key->get(defaults(Profile::appliance)), Value(std::int64_t{lifetime.appliance_seconds}));
    }
}

TEST(ConfigurationKeys, KeepWhatIsStoredThroughThem) {
    for (const Key& key : keys()) {
        for (const Profile profile : {Profile::appliance, Profile::linux_kernel}) {
            const Value value = key.get(defaults(profile));
            Configuration c;
            EXPECT_TRUE(key.set(c, value)) << key.name;
            EXPECT_EQ(key.get(c), value) << key.name;
        }
    }
}

TEST(ConfigurationKeys, TakeEveryIntegerOfTheirRangeAndNoneBeyond) {
    for (const Key& key : keys()) {
        if (key.type != Type::integer) continue;
        const std::string name(key.name);
        const auto given = [&](std::int64_t number) {
            // Whatever the number, the other keys must leave room for it.
            return replay_reads(
                "tracker.max = 1073741824\ntracker.acct = true\ntracker.timestamp = true\nstate.max_age = "
                "86400",
                {name + '=' + std::to_string(number)});
        };
        for (const std::int64_t number : {key.range.least, key.range.most}) {
            const auto c = given(number);
            ASSERT_TRUE(c.ok()) << error_of(c);
            EXPECT_EQ(key.get(*c), Value(number)) << name;
        }
        EXPECT_FALSE(given(key.range.most + 1).ok()) << name;
        if (key.range.zero.empty() || key.range.least > 1) {
            EXPECT_FALSE(given(key.range.least - 1).ok()) << name;
        }
        EXPECT_FALSE(given(std::numeric_limits<std::int64_t>::min()).ok()) << name;
        EXPECT_FALSE(given(std::numeric_limits<std::int64_t>::max()).ok()) << name;
    }
}

TEST(ConfigurationKeys, TakeEachOfTheirWords) {
    for (const Key& key : keys())
        for (const std::string_view word : key.words) {
            const auto c = daemon_reads("", {std::string(key.name) + '=' + std::string(word)});
            ASSERT_TRUE(c.ok()) << error_of(c);
            EXPECT_EQ(key.get(*c), Value(std::string(word)));
        }
}

TEST(ConfigurationKeys, WithOneWrongLetterAreGuessed) {
    std::vector<std::string_view> names;
    for (const Key& key : keys()) names.push_back(key.name);
    for (const std::string_view name : names) {
        std::string missing(name);
        missing.pop_back();
        const std::string_view guess = suggest(missing, names);
        // What is a letter short may be as near to another key.
        EXPECT_FALSE(guess.empty()) << missing;
        std::string doubled(name);
        doubled += doubled.back();
        EXPECT_EQ(suggest(doubled, names), name);
    }
    EXPECT_EQ(suggest("strawberry", names), "");
    EXPECT_EQ(suggest(std::string(100'000, 'x'), names), "");
}

TEST(EtherTypes, AreReadBackFromTheirNames) {
    for (unsigned number = 0x600; number <= 0xffff; ++number) {
        const auto type = static_cast<std::uint16_t>(number);
        const bool parsed =
            type == 0x0800 || type == 0x86dd || type == 0x8100 || type == 0x88a8 || type == 0x9100;
        const auto back = ether_type_of(name_of_ether_type(type));
        ASSERT_EQ(back.has_value(), !parsed) << number;
        if (back) {
            EXPECT_EQ(*back, type);
        }
    }
    EXPECT_EQ(ether_type_of("llc"), llc_frames);
    for (const std::string_view wrong :
         {"", "0x", "0x5ff", "0x12345", "88cc", "0x88cg", "-1", "ARP", "0x+123"})
        EXPECT_FALSE(ether_type_of(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace sluice::app
