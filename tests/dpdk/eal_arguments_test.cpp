// The command line that DPDK is given.
#include <gtest/gtest.h>

#include <algorithm>

#include "dpdk/eal.hpp"

namespace sluice::dpdk::test {
namespace {

std::string line(const EalRequest& request) {
    std::string out;
    for (const std::string& word : eal_arguments(request)) out += " " + word;
    return out + " ";
}
bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(EalArguments, WithoutHugePagesNothingIsPutInMemoryFiles) {
    const std::string words = line({.processors = {0, 1}, .huge_pages = false, .megabytes = 300});
    EXPECT_TRUE(has(words, " --no-huge ")) << words;
    EXPECT_FALSE(has(words, "--in-memory")) << "DPDK refuses the two together";
    EXPECT_TRUE(has(words, " -m 300 ")) << words;
}

TEST(EalArguments, HugePagesLeaveNoFiles) {
    const std::string words = line({.processors = {0, 1}, .megabytes = 300});
    EXPECT_TRUE(has(words, " --in-memory ")) << words;
    EXPECT_FALSE(has(words, "--no-huge"));
}

TEST(EalArguments, MemoryComesFromTheNodeOfThePorts) {
    EXPECT_TRUE(has(line({.processors = {0}, .megabytes = 300, .node = 0}), " --socket-mem 300 "));
    EXPECT_TRUE(has(line({.processors = {0}, .megabytes = 300, .node = 2}), " --socket-mem 0,0,300 "));
}

TEST(EalArguments, TelemetryIsOffUnlessAskedFor) {
    EXPECT_TRUE(has(line({.processors = {0}, .megabytes = 300}), " --no-telemetry "));
    const std::string asked = line({.processors = {0}, .megabytes = 300, .extra = {"--telemetry"}});
    EXPECT_FALSE(has(asked, "--no-telemetry")) << asked << ": it would win";
    EXPECT_TRUE(has(line({.processors = {0}, .megabytes = 300, .extra = {"--telemetry", "--no-telemetry"}}),
                    " --no-telemetry "));
}

TEST(EalArguments, LcoresShareProcessorsWhereThereAreTooFew) {
    EXPECT_TRUE(has(line({.processors = {0, 1, 1}}), " --lcores 0@0,1@1,2@1 --main-lcore 0 "));
}

TEST(EalArguments, NoOtherPciDeviceIsTouched) {
    EXPECT_TRUE(has(line({.processors = {0}}), " --no-pci "));
    const std::string words = line({.processors = {0}, .pci = {"0000:3b:00.0", "0000:3b:00.1"}});
    EXPECT_TRUE(has(words, " -a 0000:3b:00.0 -a 0000:3b:00.1 ")) << words;
    EXPECT_FALSE(has(words, "--no-pci"));
}

TEST(EalArguments, TheOperatorsComeLast) {
    const auto words = eal_arguments({.processors = {0}, .extra = {"--vdev", "net_null0"}});
    ASSERT_GE(words.size(), 2U);
    EXPECT_EQ(words[words.size() - 2], "--vdev");
    EXPECT_EQ(words.back(), "net_null0");
}

TEST(EalArguments, OnlyThePrimaryProcessIsStarted) {
    EXPECT_TRUE(check_eal_arguments({}));
    EXPECT_TRUE(check_eal_arguments({"--proc-type=primary", "--log-level", "8"}));
    EXPECT_TRUE(check_eal_arguments({"--proc-type", "primary"}));
    const std::vector<std::vector<std::string>> refused{{"--proc-type=secondary"},
                                                        {"--proc-type", "secondary"},
                                                        {"--log-level", "8", "--proc-type=auto"},
                                                        {"--proc", "auto"},
                                                        {"--proc-type"}};
    for (const auto& words : refused) {
        const Status checked = check_eal_arguments(words);
        ASSERT_FALSE(checked) << words.front();
        EXPECT_TRUE(has(checked.error(), "--proc-type takes only primary")) << checked.error();
    }
}

TEST(EalArguments, OthersMayAttachToWhoSaysThatItIsThePrimaryProcess) {
    for (const std::vector<std::string>& extra :
         {std::vector<std::string>{"--proc-type=primary"}, {"--log-level", "8", "--proc-type", "primary"}}) {
        const std::string words = line({.processors = {0}, .megabytes = 300, .extra = extra});
        EXPECT_FALSE(has(words, "--in-memory")) << words;
        EXPECT_TRUE(has(words, " --file-prefix sluice ")) << words;
    }
    EXPECT_FALSE(asks_for_company({"--proc-type"}));
}

TEST(EalArguments, HelpIsRefusedForItEndsTheProcess) {
    for (const char* word : {"-h", "--help", "--hel"}) {
        const Status checked = check_eal_arguments({word});
        ASSERT_FALSE(checked) << word;
        EXPECT_TRUE(has(checked.error(), word)) << checked.error();
    }
    EXPECT_TRUE(check_eal_arguments({"--huge-unlink"}));
}

}  // namespace
}  // namespace sluice::dpdk::test
