// [inspection] and [[inspection.profile]]: what they mean, and what is said of what cannot be meant.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "app/inspection.hpp"
#include "config_support.hpp"

namespace sluice::app {
namespace {

using testing::error_of;

const std::string one_signature = "[[signature]]\nid = 1\nname = 'n'\npattern = 'word'\n";

class InspectionConfiguration : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("sluice-inspection-" + std::to_string(getpid()));
        std::filesystem::create_directory(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    void write(const std::string& name, const std::string& text) const {
        std::ofstream(folder_ / name, std::ios::binary) << text;
    }
    /// As `sluice replay` reads it, from a file in the folder of the test.
    [[nodiscard]] Result<Configuration> read(const std::string& text) const {
        write("c.toml", text);
        return load(folder_ / "c.toml", {}, Use::replay);
    }
    /// What is said, with the folder's name left out.
    [[nodiscard]] std::string plain(std::string text) const {
        const std::string name = folder_.string() + '/';
        for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos;)
            text.erase(at, name.size());
        return text;
    }
    [[nodiscard]] std::string refusal(const std::string& text) const { return plain(error_of(read(text))); }
    /// Of a profile with these lines, which begin at the third of the file.
    [[nodiscard]] std::string refusal_of_profile(const std::string& lines) const {
        return refusal("inspection.flows = 64\n[[inspection.profile]]\n" + lines);
    }
    /// What is said of signatures that are read but cannot be compiled.
    [[nodiscard]] std::string uncompiled(const std::string& signatures) const {
        write("s.toml", signatures);
        const auto c =
            read("inspection.flows = 64\n[[inspection.profile]]\nname = 'p'\nsignatures = 's.toml'\n");
        if (!c) return plain(c.error());
        const auto profiles = compile_profiles(c->inspection, {});
        return profiles ? "accepted" : plain(profiles.error());
    }

    std::filesystem::path folder_;
};

TEST_F(InspectionConfiguration, WithoutProfilesThereIsNone) {
    const auto c = read("");
    ASSERT_TRUE(c) << error_of(c);
    EXPECT_TRUE(c->inspection.profiles.empty());
    EXPECT_EQ(c->limits.inspection.flows, 0U);
    EXPECT_EQ(*build_inspection(*c, 1, {}), nullptr);
}

TEST_F(InspectionConfiguration, AProfileSaysWhatIsLookedForAndHow) {
    write("a.toml", one_signature);
    write("b.toml", "[[signature]]\nid = 2\nname = 'm'\npattern = 'other'\naction = 'reset'\n");
    const auto c = read(
        "[inspection]\nflows = 64\nchunks = 100\nhold_ms = 200\ncache = ''\n"
        "[[inspection.profile]]\nname = 'web'\nsignatures = ['a.toml', 'b.toml']\nmode = 'block'\n"
        "fail = 'closed'\nminimum_ttl = 3\nbudget = 1000000\nexcerpt = 256\nalerts_per_second = 7\n"
        "[[inspection.profile]]\nname = 'watch'\nsignatures = 'b.toml'\n");
    ASSERT_TRUE(c) << error_of(c);
    EXPECT_EQ(c->limits.inspection.flows, 64U);
    EXPECT_EQ(c->limits.inspection.chunks, 100U);
    EXPECT_EQ(c->limits.inspection.hold, 200U);
    const auto inspection = build_inspection(*c, 2, {});
    ASSERT_TRUE(inspection) << inspection.error();
    ASSERT_EQ((*inspection)->profiles().size(), 2U);
    const auto& web = (*inspection)->profile(0);
    EXPECT_EQ(web.name, "web");
    EXPECT_EQ(web.signatures().size(), 2U);
    EXPECT_TRUE(web.terms.blocking);
    EXPECT_FALSE(web.terms.fail_open);
    EXPECT_EQ(web.terms.minimum_ttl, 3U);
    EXPECT_EQ(web.terms.budget, 1'000'000U);
    EXPECT_EQ(web.excerpt, 256U);
    EXPECT_EQ(web.alerts_a_second, 7U);
    const auto& watch = (*inspection)->profile(1);
    EXPECT_FALSE(watch.terms.blocking);
    EXPECT_TRUE(watch.terms.fail_open);
    EXPECT_EQ(watch.excerpt, 0U);
    EXPECT_NE(describe(*c).find(", 2 profiles of inspection with 3 signatures"), std::string::npos);
}

TEST_F(InspectionConfiguration, ABlockingProfileWhoseSignaturesOnlyAlertHoldsNothing) {
    write("s.toml", one_signature);
    const auto c = read(
        "inspection.flows = 1\n[[inspection.profile]]\nname = 'p'\nsignatures = 's.toml'\nmode = 'block'\n");
    ASSERT_TRUE(c) << error_of(c);
    const auto profiles = compile_profiles(c->inspection, {});
    ASSERT_TRUE(profiles) << profiles.error();
    EXPECT_FALSE(profiles->front().terms.blocking);
}

TEST_F(InspectionConfiguration, WhatAProfileLacksIsSaid) {
    write("s.toml", one_signature);
    EXPECT_EQ(refusal_of_profile("name = 'p'\n"),
              "c.toml:2:1: inspection.profile: expected name and signatures, found no signatures");
    EXPECT_EQ(refusal_of_profile("signatures = 's.toml'\n"),
              "c.toml:2:1: inspection.profile: expected name and signatures, found no name");
    EXPECT_EQ(refusal("[[inspection.profile]]\nname = 'p'\nsignatures = 's.toml'\n"),
              "c.toml:1:1: inspection.profile: expected inspection.flows to say how many flows a worker may "
              "inspect, found none");
}

TEST_F(InspectionConfiguration, EachWrongKeyIsSaidInItsPlace) {
    write("s.toml", one_signature);
    EXPECT_EQ(
        refusal_of_profile("name = 'p'\nsignatures = 's.toml'\nmode = 'stop'\nfail = 1\n"
                           "minimum_ttl = 256\nbudget = -1\nexcerpt = 257\nalerts_per_second = 0\nmod = 1\n"),
        "c.toml:5:8: inspection.profile.mode: expected \"alert\" (the default) or \"block\", found \"stop\"\n"
        "c.toml:6:8: inspection.profile.fail: expected \"open\" (the default) or \"closed\", found 1\n"
        "c.toml:7:15: inspection.profile.minimum_ttl: expected a whole number from 0 (the default) to 255, "
        "found 256\n"
        "c.toml:8:10: inspection.profile.budget: expected a whole number of bytes from 0 (the default: all) "
        "to 1099511627776, found -1\n"
        "c.toml:9:11: inspection.profile.excerpt: expected a whole number of bytes from 0 (the default) to "
        "256, found 257\n"
        "c.toml:10:21: inspection.profile.alerts_per_second: expected a whole number from 1 to 1000000 (the "
        "default: 100), found 0\n"
        "c.toml:11:1: inspection.profile.mod: there is no such key; did you mean inspection.profile.mode?");
}

TEST_F(InspectionConfiguration, NamesAreWordsAndGivenOnce) {
    write("s.toml", one_signature);
    EXPECT_EQ(
        refusal_of_profile("name = 'a b'\nsignatures = 's.toml'\n"),
        "c.toml:3:8: inspection.profile.name: expected 1 to 31 letters, digits, '_', '-' and '.', different "
        "from the other profiles, found \"a b\"");
    EXPECT_EQ(
        refusal_of_profile("name = 'p'\nsignatures = 's.toml'\n"
                           "[[inspection.profile]]\nname = 'p'\nsignatures = 's.toml'\n"),
        "c.toml:5:1: inspection.profile.name: expected a name of its own, found \"p\" for an earlier profile "
        "too");
}

TEST_F(InspectionConfiguration, SingleBracketsAreSaid) {
    EXPECT_EQ(refusal("[inspection.profile]\nname = 'p'\n"),
              "c.toml:1:1: inspection.profile: expected [[inspection.profile]] with name = \"NAME\" below "
              "it, found "
              "a table (double the brackets)");
}

TEST_F(InspectionConfiguration, FilesOfSignaturesAreNamedWithTheirFaults) {
    EXPECT_EQ(
        refusal_of_profile("name = 'p'\nsignatures = 'none.toml'\n"),
        "c.toml:4:14: inspection.profile.signatures: none.toml: cannot be read as a file of signatures: No "
        "such file or directory");
    write("s.toml",
          "\x7f"
          "ELF\x02\x01");
    EXPECT_EQ(
        refusal_of_profile("name = 'p'\nsignatures = 's.toml'\n"),
        "c.toml:4:14: inspection.profile.signatures: s.toml:1:1: expected text, found the control character "
        "0x7f");
    EXPECT_EQ(
        refusal_of_profile("name = 'p'\nsignatures = 3\n"),
        "c.toml:4:14: inspection.profile.signatures: expected the name of a file, from the configuration's "
        "folder on unless it begins with \"/\", or a list of at most 16 of these, found 3");
}

TEST_F(InspectionConfiguration, AnIdGivenInTwoFilesIsSaidWithBoth) {
    write("a.toml", one_signature);
    write("b.toml", "\n" + one_signature);
    EXPECT_EQ(refusal_of_profile("name = 'p'\nsignatures = ['a.toml', 'b.toml']\n"),
              "c.toml:2:1: inspection.profile.signatures: b.toml:2: id: expected another number, found 1, "
              "which the "
              "signature of line 1 of a.toml has");
}

TEST_F(InspectionConfiguration, ARuleThatNamesNoProfileIsSaid) {
    EXPECT_EQ(refusal("[[rule]]\naction = 'inspect web'\n"),
              "c.toml:1:1: rule.action: expected the name of an [[inspection.profile]] behind inspect, found "
              "\"web\"");
}

TEST_F(InspectionConfiguration, PatternsThatCannotBeCompiledAreSaidWithFileAndLine) {
    const std::string start = one_signature + "[[signature]]\nid = 2\nname = 'm'\npattern = ";
    EXPECT_EQ(uncompiled(start + "'('\n"),
              "s.toml:5: pattern: Missing close parenthesis for group started at index 0");
    EXPECT_EQ(uncompiled(start + "'a+'\n"),
              "s.toml:5: pattern: what it matches has no greatest length: write .{0,200} for .* and a{1,50} "
              "for a+");
    EXPECT_EQ(uncompiled(start + "'(a)\\1'\n").substr(0, 18), "s.toml:5: pattern:");
}

TEST_F(InspectionConfiguration, AHundredThousandSignaturesAreRefusedInOneSentence) {
    std::string text;
    for (unsigned id = 1; id <= 100'000; ++id)
        text += "[[signature]]\nid = " + std::to_string(id) + "\nname = 'n'\npattern = 'p'\n";
    EXPECT_EQ(
        uncompiled(text),
        "c.toml:4:14: inspection.profile.signatures: s.toml:131073: expected at most 32768 signatures, found "
        "100000");
}

TEST_F(InspectionConfiguration, OfTwoProfilesWithOneSetItIsCompiledOnce) {
    write("s.toml", one_signature);
    const auto c = read(
        "inspection.flows = 1\n[[inspection.profile]]\nname = 'p'\nsignatures = 's.toml'\n"
        "[[inspection.profile]]\nname = 'q'\nsignatures = 's.toml'\n");
    ASSERT_TRUE(c) << error_of(c);
    unsigned compiled = 0;
    Compiling compiling;
    compiling.progress = [&](const std::string& line) {
        compiled += line.starts_with("compiling 1 signature of ");
    };
    const auto first = build_inspection(*c, 1, compiling);
    ASSERT_TRUE(first) << first.error();
    EXPECT_EQ(compiled, 1U);
    EXPECT_EQ((*first)->profile(0).database, (*first)->profile(1).database);
    // And when nothing has changed, nothing is built.
    compiling.running = *first;
    EXPECT_EQ(*build_inspection(*c, 1, compiling), *first);
    EXPECT_EQ(compiled, 1U);
}

TEST_F(InspectionConfiguration, AReloadMayChangeProfilesAndNotTheMemory) {
    write("s.toml", one_signature);
    const std::string profile = "[[inspection.profile]]\nname = 'p'\nsignatures = 's.toml'\n";
    const auto before = read("inspection.flows = 64\n" + profile);
    ASSERT_TRUE(before) << error_of(before);
    write("s.toml", one_signature + "severity = 'low'\n");
    const auto after = read("inspection.flows = 64\n" + profile);
    ASSERT_TRUE(after) << error_of(after);
    EXPECT_EQ(*reloadable_changes(*before, *after), std::vector<std::string>{"inspection.profile"});
    const auto larger = read("inspection.flows = 65\n" + profile);
    EXPECT_EQ(reloadable_changes(*before, *larger).error(),
              "inspection.flows differs from what is running and can only change by a restart; nothing was "
              "changed");
}

}  // namespace
}  // namespace sluice::app
