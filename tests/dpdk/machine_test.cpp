// Huge pages counted before DPDK starts, and processors shared out.
#include "dpdk/machine.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace sluice::dpdk::test {
namespace {

constexpr std::size_t megabyte = 1U << 20U;

TEST(HugePages, TooFewAreSaidWithTheCommandThatReservesThem) {
    const Status status = check_huge_pages({{1024 * megabyte, 0, 0}, {2 * megabyte, 10, 4}}, 100 * megabyte);
    ASSERT_FALSE(status);
    // 8 MiB are free; 46 more pages beside the 10 that exist.
    EXPECT_NE(status.error().find("echo 56 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"),
              std::string::npos)
        << status.error();
    EXPECT_NE(status.error().find("100 MiB are needed and 8 MiB are free"), std::string::npos)
        << status.error();
}

TEST(HugePages, EnoughOfSeveralSizesTogetherWillDo) {
    EXPECT_TRUE(check_huge_pages({{1024 * megabyte, 1, 1}, {2 * megabyte, 10, 10}}, 1040 * megabyte));
}

TEST(HugePages, AKernelWithoutAnyIsSaid) {
    const Status status = check_huge_pages({}, megabyte);
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().find("daemon.huge_pages = false"), std::string::npos);
}

class FakeMachine : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("sluice-machine-" + std::to_string(::getpid()));
        put("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
        put("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "500\n");
        put("bus/pci/devices/0000:3b:00.0/numa_node", "1\n");
        put("class/net/eth1/device/numa_node", "-1\n");
        put("devices/system/node/node1/cpulist", "4-6,12\n");
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    void put(const std::string& path, const std::string& text) {
        std::filesystem::create_directories((folder_ / path).parent_path());
        std::ofstream(folder_ / path) << text;
    }
    [[nodiscard]] Machine machine() const { return Machine(folder_.string()); }

  private:
    std::filesystem::path folder_;
};

TEST_F(FakeMachine, IsRead) {
    const auto pages = machine().huge_pages();
    ASSERT_EQ(pages.size(), 1U);
    EXPECT_EQ(pages[0].page_bytes, 2 * megabyte);
    EXPECT_EQ(pages[0].free, 500U);
    EXPECT_EQ(machine().node_of_pci("0000:3b:00.0"), 1);
    EXPECT_EQ(machine().node_of_pci("0000:3b:00.1"), -1);
    EXPECT_EQ(machine().node_of_interface("eth1"), -1);
    EXPECT_EQ(machine().processors_of(1), (std::vector<unsigned>{4, 5, 6, 12}));
    EXPECT_TRUE(machine().has_pci("0000:3b:00.0"));
    EXPECT_FALSE(machine().has_pci("0000:3b:00.1"));
}

using Processors = std::vector<unsigned>;

TEST(Placement, EachWorkerGetsAProcessorBesideTheControlThreads) {
    EXPECT_EQ(*place(2, {}, {0, 1, 2, 3}, {}), (Processors{0, 1, 2}));
}

TEST(Placement, WorkersShareWhereThereAreTooFew) {
    EXPECT_EQ(*place(1, {}, {0, 1}, {}), (Processors{0, 1}));
    EXPECT_EQ(*place(3, {}, {0, 1}, {}), (Processors{0, 1, 0, 1}));
    EXPECT_EQ(*place(2, {}, {5}, {}), (Processors{5, 5, 5}));
}

TEST(Placement, ProcessorsNearThePortsComeFirst) {
    EXPECT_EQ(*place(2, {}, {0, 1, 2, 3}, {2, 3}), (Processors{2, 3, 0}));
}

TEST(Placement, TheOperatorsChoiceIsKept) {
    EXPECT_EQ(*place(2, {0, 3}, {0, 1, 2, 3}, {}), (Processors{1, 0, 3}));
}

TEST(Placement, AChoiceThatCannotBeIsRefused) {
    EXPECT_FALSE(place(2, {1}, {0, 1}, {}));
    EXPECT_FALSE(place(1, {9}, {0, 1}, {}));
}

TEST(Placement, ListsAreReadAsTheKernelWritesThem) {
    EXPECT_EQ(parse_processor_list("0-2,8"), (Processors{0, 1, 2, 8}));
    EXPECT_FALSE(parse_processor_list("2-0"));
    EXPECT_FALSE(parse_processor_list("x"));
    EXPECT_FALSE(parse_processor_list(""));
}

}  // namespace
}  // namespace sluice::dpdk::test
