// What the doctor says of machines that are not this one.
#include "app/doctor.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace sluice::app {
namespace {

class Doctor : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("sluice-doctor-" + std::to_string(::getpid()));
        around.proc = (folder_ / "proc").string();
        around.sys = (folder_ / "sys").string();
        around.processors = {0, 1, 2, 3};
        // A machine that has everything.
        put("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse2 aes avx2 rdtscp\n");
        put("proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\n");
        put("proc/self/limits",
            "Limit                     Soft Limit           Hard Limit           Units\n"
            "Max locked memory         8388608              8388608              bytes\n");
        put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "2048\n");
        put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "2048\n");
        put("sys/devices/system/cpu/isolated", "1-3\n");
        put("sys/bus/pci/drivers/vfio-pci/new_id", "");
        put("sys/kernel/iommu_groups/0/type", "DMA\n");
        put("sys/devices/system/node/node0/cpulist", "0-1\n");
        put("sys/devices/system/node/node1/cpulist", "2-3\n");
        for (const char* card : {"0000:3b:00.0", "0000:3b:00.1"}) {
            const std::string device = std::string("sys/bus/pci/devices/") + card;
            put(device + "/numa_node", "1\n");
            std::filesystem::create_directory_symlink("../../drivers/vfio-pci", folder_ / device / "driver");
        }
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    void put(const std::string& path, const std::string& text) const {
        std::filesystem::create_directories((folder_ / path).parent_path());
        std::ofstream(folder_ / path) << text;
    }
    void take(const std::string& path) const { std::filesystem::remove_all(folder_ / path); }
    static Configuration configuration(const std::string& more = "",
                                       const std::string& first = "0000:3b:00.0",
                                       const std::string& second = "0000:3b:00.1") {
        auto read = load_text("[[pair]]\nports = [\"" + first + "\", \"" + second + "\"]\n" + more, "a.toml",
                              {}, Use::daemon);
        if (!read) throw std::runtime_error(read.error());
        return *read;
    }
    /// Of the first finding about this.
    Finding about(const std::string& subject, const Configuration* wanted = nullptr) const {
        for (Finding& finding : examine(around, wanted))
            if (finding.about == subject) return finding;
        ADD_FAILURE() << "nothing is said of " << subject;
        return {};
    }
    static bool all_well(const std::vector<Finding>& found) {
        return std::all_of(found.begin(), found.end(),
                           [](const Finding& one) { return one.health == Health::ok; });
    }

    Surroundings around;

  private:
    std::filesystem::path folder_;
};

TEST_F(Doctor, FindsNothingWhereNothingIsMissing) {
    EXPECT_TRUE(all_well(examine(around, nullptr)));
    const Configuration wanted = configuration();
    for (const Finding& finding : examine(around, &wanted))
        EXPECT_EQ(finding.health, Health::ok) << line_of(finding);
}

TEST_F(Doctor, SaysWhatTheProcessorLacks) {
    put("proc/cpuinfo", "flags\t: fpu sse2 avx\n");
    EXPECT_EQ(about("processor").health, Health::warn);
    EXPECT_NE(about("processor").sentence.find("no AVX2 and AES"), std::string::npos);
    EXPECT_NE(about("processor").remedy.find("-Dcpu=x86-64"), std::string::npos);
}

TEST_F(Doctor, SaysHowManyHugePagesAreMissingAndReservesThem) {
    put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n");
    EXPECT_EQ(about("huge pages").health, Health::warn);
    EXPECT_NE(about("huge pages").remedy.find("nr_hugepages"), std::string::npos);
    const Configuration wanted = configuration();
    EXPECT_EQ(about("huge pages", &wanted).health, Health::fail);
    EXPECT_NE(about("huge pages", &wanted).sentence.find("reserve them with: echo "), std::string::npos);
    const Configuration without = configuration("[daemon]\nhuge_pages = false\n");
    EXPECT_EQ(about("huge pages", &without).health, Health::ok);
}

TEST_F(Doctor, LooksAtEachPort) {
    take("sys/bus/pci/devices/0000:3b:00.0/driver");
    const Configuration cards = configuration();
    EXPECT_EQ(about("port 0000:3b:00.0", &cards).health, Health::fail);
    EXPECT_NE(
        about("port 0000:3b:00.0", &cards).sentence.find("dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0"),
        std::string::npos);
    EXPECT_EQ(about("port 0000:3b:00.1", &cards).health, Health::ok);
    const Configuration interfaces = configuration("", "af_packet:no-such-if", "net_null0");
    EXPECT_EQ(about("port af_packet:no-such-if", &interfaces).health, Health::fail);
    EXPECT_EQ(about("port net_null0", &interfaces).health, Health::ok);
}

TEST_F(Doctor, PutsWorkersOnProcessorsOfTheirOwnBesideTheirPorts) {
    put("sys/devices/system/cpu/isolated", "\n");
    EXPECT_NE(about("isolation").remedy.find("isolcpus="), std::string::npos);
    const Configuration far = configuration("[daemon]\ncpus = [1]\n");
    EXPECT_EQ(about("NUMA node of 0000:3b:00.0", &far).health, Health::warn);
    EXPECT_EQ(about("NUMA node of 0000:3b:00.0", &far).remedy, "set daemon.cpus to some of 2,3");
    const Configuration near = configuration("[daemon]\ncpus = [2]\n");
    EXPECT_EQ(about("NUMA node of 0000:3b:00.0", &near).health, Health::ok);
    const Configuration many = configuration("[daemon]\nworkers = 4\n");
    EXPECT_EQ(about("processors", &many).remedy, "set daemon.workers to 3");
    const Configuration absent = configuration("[daemon]\ncpus = [9]\n");
    EXPECT_EQ(about("processors", &absent).health, Health::fail);
}

TEST_F(Doctor, SaysWhatCardsNeedFromTheKernel) {
    take("sys/bus/pci/drivers/vfio-pci");
    take("sys/kernel/iommu_groups");
    EXPECT_EQ(about("vfio").remedy, "modprobe vfio-pci");
    EXPECT_NE(about("IOMMU").remedy.find("iommu=pt"), std::string::npos);
}

TEST_F(Doctor, SaysWhatThisUserMayNotDo) {
    put("proc/self/status", "CapEff:\t0000000000001000\n");  // CAP_NET_ADMIN alone
    const Configuration wanted = configuration();
    EXPECT_EQ(about("permissions", &wanted).health, Health::fail);
    EXPECT_NE(about("permissions", &wanted).sentence.find("lacks CAP_NET_RAW"), std::string::npos);
    EXPECT_EQ(about("permissions").health, Health::warn);
    EXPECT_EQ(about("locked memory", &wanted).health, Health::fail);
    EXPECT_NE(about("locked memory", &wanted).sentence.find("limited to 8388608 bytes"), std::string::npos);
    const Configuration none = configuration("", "net_null0", "net_null1");
    EXPECT_EQ(about("permissions", &none).health, Health::ok);
    EXPECT_EQ(about("locked memory", &none).health, Health::ok);
}

TEST_F(Doctor, SaysWhetherADaemonAnswers) {
    around.socket = "/nonexistent/socket";
    EXPECT_EQ(about("socket").health, Health::warn);
    EXPECT_NE(about("socket").sentence.find("/nonexistent/socket"), std::string::npos);
    const Configuration wanted = configuration();
    EXPECT_EQ(about("socket", &wanted).health, Health::ok) << "it is to be started";
}

TEST_F(Doctor, OfAMachineThatCannotBeReadSaysSoAndNoMore) {
    for (const char* all : {"proc", "sys"}) take(all);
    for (const Finding& finding : examine(around, nullptr))
        EXPECT_NE(finding.health, Health::fail) << finding.about;
}

TEST(DoctorRow, IsALineOrAnObject) {
    const Finding finding{Health::warn, "vfio", "it is not loaded", "modprobe vfio-pci"};
    EXPECT_EQ(line_of(finding), "warn  vfio: it is not loaded\n            modprobe vfio-pci\n");
    EXPECT_EQ(json_of(finding),
              R"({"health":"warn","about":"vfio","sentence":"it is not loaded","remedy":"modprobe vfio-pci"})"
              "\n");
    EXPECT_EQ(nlohmann::json::parse(json_of({Health::ok, "a", "b", ""}))["remedy"], nullptr);
}

}  // namespace
}  // namespace sluice::app
