#include "machine.hpp"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

namespace sluice::dpdk {
namespace {

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

template <class Number>
std::optional<Number> number(const std::string& text) {
    Number out{};
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return out;
}

std::vector<std::string> entries(const std::string& folder, const std::string& prefix) {
    std::vector<std::string> out;
    DIR* list = opendir(folder.c_str());
    if (list == nullptr) return out;
    while (const dirent* entry = readdir(list)) {
        const std::string name = entry->d_name;
        if (name.rfind(prefix, 0) == 0) out.push_back(name);
    }
    closedir(list);
    return out;
}

bool contains(const std::vector<unsigned>& list, unsigned value) {
    return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

std::vector<HugePages> Machine::huge_pages() const {
    const std::string folder = sys_ + "/kernel/mm/hugepages";
    const std::string prefix = "hugepages-";
    std::vector<HugePages> out;
    for (const std::string& entry : entries(folder, prefix)) {
        const auto kilobytes =
            number<std::size_t>(entry.substr(prefix.size(), entry.size() - prefix.size() - 2));
        if (!kilobytes) continue;
        std::string at = folder;
        at.append("/").append(entry);
        out.push_back({*kilobytes * 1024, number<std::size_t>(first_line(at + "/nr_hugepages")).value_or(0),
                       number<std::size_t>(first_line(at + "/free_hugepages")).value_or(0)});
    }
    std::sort(out.begin(), out.end(),
              [](const HugePages& a, const HugePages& b) { return a.page_bytes > b.page_bytes; });
    return out;
}

int Machine::node_of_pci(const std::string& address) const {
    return number<int>(first_line(sys_ + "/bus/pci/devices/" + address + "/numa_node")).value_or(-1);
}
int Machine::node_of_interface(const std::string& interface) const {
    return number<int>(first_line(sys_ + "/class/net/" + interface + "/device/numa_node")).value_or(-1);
}
std::vector<unsigned> Machine::processors_of(int node) const {
    if (node < 0) return {};
    const auto list = parse_processor_list(
        first_line(sys_ + "/devices/system/node/node" + std::to_string(node) + "/cpulist"));
    return list.value_or(std::vector<unsigned>{});
}
bool Machine::has_pci(const std::string& address) const {
    return access((sys_ + "/bus/pci/devices/" + address).c_str(), F_OK) == 0;
}
std::string Machine::driver_of_pci(const std::string& address) const {
    std::array<char, 4096> target{};
    const ssize_t size = readlink((sys_ + "/bus/pci/devices/" + address + "/driver").c_str(), target.data(),
                                  target.size() - 1);
    if (size <= 0) return {};
    const std::string path(target.data(), static_cast<std::size_t>(size));
    return path.substr(path.rfind('/') + 1);
}

Status check_huge_pages(const std::vector<HugePages>& pages, std::size_t bytes) {
    std::size_t free = 0;
    for (const HugePages& size : pages) free += size.free * size.page_bytes;
    if (free >= bytes) return success();
    const std::size_t megabyte = 1U << 20U;
    const std::string needed = std::to_string((bytes + megabyte - 1) / megabyte);
    if (pages.empty()) {
        return Error{
            needed +
            " MiB of huge pages are needed and this kernel offers none: set daemon.huge_pages = false"};
    }
    const HugePages& smallest = pages.back();
    const std::size_t missing = (bytes - free + smallest.page_bytes - 1) / smallest.page_bytes;
    const std::string file = "/sys/kernel/mm/hugepages/hugepages-" +
                             std::to_string(smallest.page_bytes / 1024) + "kB/nr_hugepages";
    return Error{"too few huge pages: " + needed + " MiB are needed and " + std::to_string(free / megabyte) +
                 " MiB are free; reserve them with: echo " + std::to_string(smallest.total + missing) +
                 " > " + file + " (as root), or set daemon.huge_pages = false"};
}

std::vector<unsigned> allowed_processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<unsigned> out;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return out;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) out.push_back(cpu);
    }
    return out;
}

std::optional<std::vector<unsigned>> parse_processor_list(const std::string& text) {
    std::vector<unsigned> out;
    std::size_t at = 0;
    while (at <= text.size()) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        const std::string range = text.substr(at, end - at);
        const std::size_t dash = range.find('-');
        const auto first = number<unsigned>(range.substr(0, dash));
        const auto last = dash == std::string::npos ? first : number<unsigned>(range.substr(dash + 1));
        if (!first || !last || *last < *first || *last - *first > CPU_SETSIZE) return std::nullopt;
        for (unsigned cpu = *first; cpu <= *last; ++cpu) out.push_back(cpu);
        at = end + 1;
    }
    return out;
}

Result<std::vector<unsigned>> place(unsigned workers, const std::vector<unsigned>& wanted,
                                    const std::vector<unsigned>& allowed, const std::vector<unsigned>& near) {
    if (allowed.empty())
        return Error{"this process may run on no processor that it can name: check its CPU affinity"};
    if (!wanted.empty() && wanted.size() != workers) {
        return Error{"daemon.cpus names " + std::to_string(wanted.size()) + " processors for " +
                     std::to_string(workers) + " workers: give each worker one"};
    }
    for (const unsigned cpu : wanted) {
        if (!contains(allowed, cpu)) {
            return Error{"daemon.cpus names processor " + std::to_string(cpu) +
                         ", which this machine or this process's affinity does not have"};
        }
    }
    // Near ones first, each group in order. The workers take the last of them: processor 0 has the kernel's
    // own work.
    std::vector<unsigned> order;
    for (const unsigned cpu : allowed) {
        if (contains(near, cpu)) order.push_back(cpu);
    }
    for (const unsigned cpu : allowed) {
        if (!contains(near, cpu)) order.push_back(cpu);
    }
    std::vector<unsigned> out{order.front()};
    if (!wanted.empty()) {
        const auto idle =
            std::find_if(order.begin(), order.end(), [&](unsigned cpu) { return !contains(wanted, cpu); });
        if (idle != order.end()) out.front() = *idle;
        out.insert(out.end(), wanted.begin(), wanted.end());
        return out;
    }
    for (unsigned worker = 0; worker < workers; ++worker) out.push_back(order[(worker + 1) % order.size()]);
    return out;
}

}  // namespace sluice::dpdk
