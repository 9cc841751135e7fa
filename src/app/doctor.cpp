#include "app/doctor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "dpdk/device.hpp"
#include "dpdk/interface.hpp"
#include "dpdk/machine.hpp"
#include "dpdk/port_checks.hpp"
#include "sluice/base/words.hpp"
#include "sluice/control/client.hpp"
#include "sluice/pipeline/memory_io.hpp"
#include "sluice/pipeline/tracker.hpp"

namespace sluice::app {
namespace {

using dpdk::Device;

constexpr std::size_t megabyte = 1U << 20U;

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// What stands behind `name` at the beginning of a line, and a colon or spaces; nothing when no line does.
std::optional<std::string> value_behind(const std::string& path, std::string_view name) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (!std::string_view(line).starts_with(name)) continue;
        const std::size_t begin = line.find_first_not_of(" \t:", name.size());
        return begin == std::string::npos ? "" : line.substr(begin);
    }
    return std::nullopt;
}

bool has_word(const std::string& text, std::string_view wanted) {
    std::istringstream words(text);
    for (std::string word; words >> word;)
        if (word == wanted) return true;
    return false;
}

std::string listed(const std::vector<unsigned>& numbers) {
    std::string out;
    for (const unsigned number : numbers) out += (out.empty() ? "" : ",") + std::to_string(number);
    return out;
}

class Examination {
  public:
    Examination(const Surroundings& around, const Configuration* configuration)
        : around_(around), machine_(around.sys), configuration_(configuration) {}

    std::vector<Finding> run() {
        processor();
        huge_pages();
        if (configuration_ != nullptr) devices();
        processors();
        iommu();
        permissions();
        locked_memory();
        if (configuration_ != nullptr) spreading();
        socket();
        return std::move(found_);
    }

  private:
    void add(Health health, std::string about, std::string sentence, std::string remedy = "") {
        found_.push_back({health, std::move(about), std::move(sentence), std::move(remedy)});
    }
    /// What the daemon cannot do without, if it is to run.
    [[nodiscard]] Health missing() const { return configuration_ != nullptr ? Health::fail : Health::warn; }
    [[nodiscard]] bool some_device(Device::Kind kind) const {
        return std::any_of(devices_.begin(), devices_.end(),
                           [&](const Device& one) { return one.kind == kind; });
    }
    [[nodiscard]] bool some_xdp() const {
        return std::any_of(devices_.begin(), devices_.end(), [](const Device& one) { return one.xdp; });
    }

    void processor();
    void huge_pages();
    void devices();
    void processors();
    void nodes(const std::vector<unsigned>& workers);
    void iommu();
    void permissions();
    void locked_memory();
    void spreading();
    void socket();

    const Surroundings& around_;
    const dpdk::Machine machine_;
    const Configuration* configuration_;
    std::vector<Device> devices_;
    std::vector<Finding> found_;
};

/// What the programs were built for is needed to run at all; the rest is speed.
void Examination::processor() {
    const auto flags = value_behind(around_.proc + "/cpuinfo", "flags");
    if (!flags) return add(Health::ok, "processor", "it is no x86: the portable forms are used");
    std::string lacking;
    for (const auto& [flag, name] : {std::pair{"avx2", "AVX2"}, std::pair{"aes", "AES"}})
        if (!has_word(*flags, flag)) lacking += std::string(lacking.empty() ? "" : " and ") + name;
    if (lacking.empty()) return add(Health::ok, "processor", "it has AVX2 and AES");
    add(Health::warn, "processor",
        "it has no " + lacking +
            ": a build for the default of -Dcpu does not run on it, one for any x86-64 is slower",
        "meson setup build -Dcpu=x86-64");
}

void Examination::huge_pages() {
    const std::vector<dpdk::HugePages> pages = machine_.huge_pages();
    std::size_t total = 0, free = 0;
    for (const dpdk::HugePages& size : pages) {
        total += size.total * size.page_bytes;
        free += size.free * size.page_bytes;
    }
    const std::string amounts =
        fmt::format("{} MiB are reserved, {} MiB of them free", total / megabyte, free / megabyte);
    if (configuration_ != nullptr && !configuration_->dpdk.huge_pages)
        return add(Health::ok, "huge pages", "none are needed: daemon.huge_pages is false");
    if (configuration_ == nullptr) {
        if (free != 0) return add(Health::ok, "huge pages", amounts);
        return add(Health::warn, "huge pages",
                   amounts + ": cards need some, and everything is faster with them",
                   "echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    }
    // What packet buffers take as well is known to the daemon alone.
    using Tracker = pipeline::Tracker<pipeline::MemoryIo>;
    const std::size_t needed =
        std::max(std::size_t{configuration_->dpdk.memory_megabytes} * megabyte,
                 configuration_->dpdk.workers * Tracker::bytes_needed(configuration_->limits));
    if (const Status enough = dpdk::check_huge_pages(pages, needed); !enough)
        return add(Health::fail, "huge pages", enough.error());
    add(Health::ok, "huge pages",
        fmt::format("{}; the tables need {} MiB, packet buffers some more", amounts, needed / megabyte));
}

void Examination::devices() {
    auto parsed = dpdk::parse_devices(configuration_->dpdk);
    if (!parsed) return add(Health::fail, "ports", parsed.error());
    devices_ = std::move(*parsed);
    for (const Device& device : devices_) {
        const std::string about = "port " + device.given;
        std::vector<std::string> warnings;
        Status usable = success();
        if (device.kind == Device::Kind::interface)
            usable = dpdk::check_interface(device, configuration_->dpdk.allow_offloads, warnings);
        else if (device.kind == Device::Kind::pci)
            usable = dpdk::check_pci(device, machine_);
        if (!usable) add(Health::fail, about, usable.error());
        for (std::string& warning : warnings) add(Health::warn, about, std::move(warning));
        if (!usable || !warnings.empty()) continue;
        if (device.kind == Device::Kind::other)
            add(Health::ok, about, "a device that DPDK makes: looked at when the daemon starts");
        else
            add(Health::ok, about,
                device.kind == Device::Kind::pci
                    ? "bound to " + machine_.driver_of_pci(device.name)
                    : "there, and it hands over frames as they were on the wire");
    }
}

void Examination::processors() {
    const unsigned workers = configuration_ != nullptr ? configuration_->dpdk.workers : 1;
    const std::vector<unsigned> wanted =
        configuration_ != nullptr ? configuration_->dpdk.worker_cpus : std::vector<unsigned>();
    const auto placed = dpdk::place(workers, wanted, around_.processors,
                                    machine_.processors_of(dpdk::common_node(devices_, machine_)));
    if (!placed) return add(Health::fail, "processors", placed.error());
    const std::size_t needed = workers + 1;
    const std::string there = fmt::format("{} for {} and the control thread", around_.processors.size(),
                                          counted(workers, "worker"));
    if (around_.processors.size() < needed)
        add(Health::warn, "processors", there + ": they share, and what is under way waits meanwhile",
            fmt::format("set daemon.workers to {}", std::max<std::size_t>(around_.processors.size(), 2) - 1));
    else
        add(Health::ok, "processors", there);

    const std::vector<unsigned> mine(placed->begin() + 1, placed->end());
    const auto isolated =
        dpdk::parse_processor_list(first_line(around_.sys + "/devices/system/cpu/isolated"));
    const bool all_isolated =
        isolated && std::all_of(mine.begin(), mine.end(), [&](unsigned cpu) {
            return std::find(isolated->begin(), isolated->end(), cpu) != isolated->end();
        });
    const std::string list = listed(mine);
    if (all_isolated)
        add(Health::ok, "isolation", "nothing else runs on the workers' processors " + list);
    else
        add(Health::warn, "isolation",
            "the kernel runs other programs on the workers' processors " + list + ": packets wait for them",
            fmt::format("on the kernel's command line: isolcpus={0} nohz_full={0} rcu_nocbs={0}", list));
    nodes(mine);
}

/// Memory and ports of another node are half as fast.
void Examination::nodes(const std::vector<unsigned>& workers) {
    for (const Device& device : devices_) {
        const int node = dpdk::node_of(device, machine_);
        const std::vector<unsigned> near = machine_.processors_of(node);
        if (near.empty()) continue;
        std::vector<unsigned> far;
        std::copy_if(workers.begin(), workers.end(), std::back_inserter(far),
                     [&](unsigned cpu) { return std::find(near.begin(), near.end(), cpu) == near.end(); });
        const std::string about = "NUMA node of " + device.given;
        if (far.empty())
            add(Health::ok, about, fmt::format("node {}, as the workers' processors", node));
        else
            add(Health::warn, about,
                fmt::format("node {}, and processors {} are on another", node, listed(far)),
                "set daemon.cpus to some of " + listed(near));
    }
}

/// Cards are driven from user space behind an IOMMU, or without one if it must be.
void Examination::iommu() {
    if (configuration_ != nullptr && !some_device(Device::Kind::pci)) return;
    const bool vfio = std::filesystem::exists(around_.sys + "/bus/pci/drivers/vfio-pci");
    const bool groups = std::filesystem::exists(around_.sys + "/kernel/iommu_groups/0");
    if (vfio)
        add(Health::ok, "vfio", "the driver vfio-pci is there");
    else
        add(Health::warn, "vfio", "the driver vfio-pci, which gives cards to DPDK, is not loaded",
            "modprobe vfio-pci");
    if (groups)
        add(Health::ok, "IOMMU", "it is on");
    else
        add(Health::warn, "IOMMU",
            "there is none, or it is off: a card reaches all memory, and vfio-pci has to be told so",
            "on the kernel's command line: intel_iommu=on iommu=pt (amd_iommu=on for AMD); without one: echo "
            "1 > "
            "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
}

struct Capability {
    unsigned bit;
    std::string_view name;
    bool xdp_alone;
};
constexpr Capability net_admin{12, "CAP_NET_ADMIN", false}, net_raw{13, "CAP_NET_RAW", false},
    ipc_lock{14, "CAP_IPC_LOCK", true}, bpf{39, "CAP_BPF", true};

std::optional<std::uint64_t> capabilities(const std::string& proc) {
    const auto text = value_behind(proc + "/self/status", "CapEff:");
    std::uint64_t out = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), out, 16).ec != std::errc{})
        return std::nullopt;
    return out;
}

void Examination::permissions() {
    const auto held = capabilities(around_.proc);
    if (!held) return add(Health::warn, "permissions", "what this process may do cannot be read");
    if (configuration_ != nullptr && !some_device(Device::Kind::interface) && !some_device(Device::Kind::pci))
        return add(Health::ok, "permissions", "these ports need none");
    const bool xdp = configuration_ == nullptr || some_xdp();
    std::string lacking;
    for (const Capability& one : {net_admin, net_raw, ipc_lock, bpf})
        if ((xdp || !one.xdp_alone) && (*held >> one.bit & 1U) == 0)
            lacking += (lacking.empty() ? "" : ", ") + std::string(one.name);
    if (lacking.empty()) return add(Health::ok, "permissions", "this user may open every kind of port");
    add(missing(), "permissions", "this user lacks " + lacking,
        "run sluiced as root, or: setcap cap_net_admin,cap_net_raw,cap_ipc_lock,cap_bpf+ep sluiced");
}

/// What DPDK maps for cards and af_xdp's rings must stay in memory.
void Examination::locked_memory() {
    const auto limit = value_behind(around_.proc + "/self/limits", "Max locked memory");
    const auto held = capabilities(around_.proc);
    const bool exempt = held && (*held >> ipc_lock.bit & 1U) != 0;
    const bool wanted = configuration_ == nullptr || some_xdp() || some_device(Device::Kind::pci);
    if (exempt || !wanted || (limit && limit->starts_with("unlimited")))
        return add(Health::ok, "locked memory",
                   exempt   ? "this user is not limited"
                   : wanted ? "unlimited"
                            : "these ports need none");
    add(missing(), "locked memory",
        "it is limited" + (limit ? " to " + limit->substr(0, limit->find(' ')) + " bytes" : std::string()) +
            ": cards and af_xdp need more",
        "ulimit -l unlimited (LimitMEMLOCK=infinity in a unit of systemd)");
}

/// How flows find their worker.
void Examination::spreading() {
    if (configuration_->dpdk.workers == 1) return add(Health::ok, "RSS", "one worker needs none");
    for (const Device& device : devices_) {
        const std::string about = "RSS of " + device.given;
        const unsigned queues =
            device.kind == Device::Kind::interface && device.xdp ? dpdk::channels_of(device.interface) : 1;
        if (device.kind == Device::Kind::interface)
            add(Health::warn, about,
                fmt::format(
                    "the kernel hands over {}, which no symmetric RSS can be asked of: workers pass packets "
                    "on to one another",
                    counted(queues, "queue")),
                "set daemon.workers to 1, or give DPDK the card");
        else
            add(Health::ok, about, "whether it is symmetric is verified when the daemon starts");
    }
}

void Examination::socket() {
    if (around_.socket.empty()) return;
    const auto client = control::Client::connect(around_.socket);
    if (client)
        add(Health::ok, "socket", "a daemon answers at " + around_.socket);
    else
        add(configuration_ != nullptr ? Health::ok : Health::warn, "socket", client.error());
}

}  // namespace

std::vector<Finding> examine(const Surroundings& around, const Configuration* configuration) {
    return Examination(around, configuration).run();
}

std::string line_of(const Finding& finding) {
    constexpr int indent = 6;
    std::string out =
        fmt::format("{:<{}}{}: {}\n", name_of(finding.health), indent, finding.about, finding.sentence);
    if (!finding.remedy.empty()) out += fmt::format("{:<{}}{}\n", "", 2 * indent, finding.remedy);
    return out;
}

std::string json_of(const Finding& finding) {
    const nlohmann::ordered_json row = {
        {"health", name_of(finding.health)},
        {"about", finding.about},
        {"sentence", finding.sentence},
        {"remedy",
         finding.remedy.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(finding.remedy)}};
    return row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::app
