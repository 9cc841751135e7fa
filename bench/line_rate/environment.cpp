#include "line_rate/environment.hpp"

#include <algorithm>
#include <set>

#include "dpdk/device.hpp"
#include "dpdk/machine.hpp"

namespace sluice::bench {
namespace {

constexpr std::size_t megabyte = 1U << 20U;
/// What the EAL, the drivers, rings and tables of devices take beside buffers and trackers.
constexpr std::size_t reserve_bytes = 64 * megabyte;

bool contains(const std::vector<std::string>& list, const char* word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

std::vector<unsigned> Cores::by_lcore() const {
    std::vector<unsigned> out{main};
    out.insert(out.end(), workers.begin(), workers.end());
    out.insert(out.end(), generators.begin(), generators.end());
    return out;
}

Cores place_cores(const std::vector<unsigned>& processors, unsigned workers, unsigned generators) {
    const bool enough = processors.size() >= std::size_t{2} * workers;
    if (generators == 0) generators = enough ? std::max(workers, 1U) : 1;
    Cores cores;
    std::size_t next = 0;
    const auto take = [&] { return processors[next++ % processors.size()]; };
    for (unsigned i = 0; i < generators; ++i) cores.generators.push_back(take());
    for (unsigned i = 0; i < workers; ++i) cores.workers.push_back(take());
    // Beside a generator it disturbs no worker; without workers there may be a processor left.
    cores.main = workers != 0 ? cores.generators.front() : processors.back();
    cores.shared = std::set(processors.begin(), processors.end()).size() < generators + workers;
    return cores;
}

Result<Environment> Environment::start(const Arguments& arguments, std::size_t arena_bytes) {
    Environment made;
    made.cores = place_cores(dpdk::allowed_processors(), arguments.worker_cores(), arguments.generators);
    made.cores.in_turns = arguments.in_turns;

    dpdk::EalRequest request;
    request.processors = made.cores.by_lcore();
    request.extra = arguments.eal_arguments;
    const bool refused = contains(request.extra, "--no-huge");
    request.extra.erase(std::remove(request.extra.begin(), request.extra.end(), "--no-huge"),
                        request.extra.end());
    request.huge_pages = !refused && dpdk::check_huge_pages(dpdk::Machine().huge_pages(),
                                                            arena_bytes + arena_bytes / 8 + reserve_bytes)
                                         .ok();
    // Tables and buffers want pieces of their own, which leaves gaps.
    request.megabytes = (reserve_bytes + (request.huge_pages ? arena_bytes + arena_bytes / 8 : 0)) / megabyte;
    for (std::size_t i = 0; i < arguments.ports.size(); ++i) {
        auto device = dpdk::parse_device(arguments.ports[i], static_cast<unsigned>(i));
        if (!device) return Error{device.error()};
        if (device->kind == dpdk::Device::Kind::pci) request.pci.push_back(device->name);
        request.megabytes += 64;  // buffers that cards can reach
    }
    const dpdk::Hush hush(dpdk::asks_for_log(request.extra));
    auto eal = dpdk::Eal::start(request);
    if (!eal) return Error{eal.error() + "; DPDK said: " + hush.heard()};
    made.eal = std::move(*eal);
    made.huge_pages = request.huge_pages;
    if (!dpdk::asks_for_log(request.extra)) made.eal->quiet();
    return made;
}

}  // namespace sluice::bench
