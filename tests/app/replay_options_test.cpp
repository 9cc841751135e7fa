// The command line: what is understood, and what is said about the rest.
#include "app/replay_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<ReplayOptions> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "replay");
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    return parse_replay_options(static_cast<int>(words.size()), arguments.data());
}

TEST(ReplayOptions, ACaptureIsEnough) {
    const auto options = parse({"a.pcap"});
    ASSERT_TRUE(options.ok()) << options.error();
    EXPECT_THAT(options->captures, ElementsAre("a.pcap"));
    EXPECT_FALSE(options->json);
    EXPECT_FALSE(options->flows);
    EXPECT_EQ(options->workers, 1U);
}

TEST(ReplayOptions, EveryOptionIsUnderstoodBeforeAndBehindCaptures) {
    const auto options = parse({"--json", "a.pcap", "--config", "c.toml", "--set", "tcp.loose=false",
                                "--set=acct=true", "--workers", "4", "--flows", "--write", "out.pcap", "-"});
    ASSERT_TRUE(options.ok()) << options.error();
    EXPECT_TRUE(options->json);
    EXPECT_TRUE(options->flows);
    EXPECT_EQ(options->config, "c.toml");
    EXPECT_THAT(options->overrides, ElementsAre("tcp.loose=false", "acct=true"));
    EXPECT_EQ(options->workers, 4U);
    EXPECT_EQ(options->write, "out.pcap");
    EXPECT_THAT(options->captures, ElementsAre("a.pcap", "-"));
}

TEST(ReplayOptions, WhatIsWrongIsNamed) {
    const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
        {{}, "which capture?"},
        {{"--jsno", "a.pcap"}, "--jsno is no option"},
        {{"a.pcap", "--whatever=1"}, "--whatever=1 is no option"},
        {{"-x", "a.pcap"}, "-x is no option"},
        {{"--workers", "0", "a.pcap"}, "from 1 to 64, not '0'"},
        {{"--workers", "65", "a.pcap"}, "from 1 to 64, not '65'"},
        {{"--workers", "2x", "a.pcap"}, "not '2x'"},
        {{"--workers", "-1", "a.pcap"}, "not '-1'"},
        {{"--set", "tcp.loose", "a.pcap"}, "KEY=VALUE"},
        {{"--write", "-", "a.pcap"}, "--write wants a file"},
        {{"a.pcap", "--config"}, "--config wants a value"},
    };
    for (const auto& [words, sentence] : wrong) {
        const auto options = parse(words);
        ASSERT_FALSE(options.ok()) << sentence;
        EXPECT_THAT(options.error(), HasSubstr(sentence));
    }
}

TEST(ReplayOptions, HelpNeedsNoCapture) {
    for (const char* word : {"-h", "--help"}) {
        const auto options = parse({word});
        ASSERT_TRUE(options.ok()) << options.error();
        EXPECT_TRUE(options->help);
    }
}

}  // namespace
}  // namespace sluice::app
