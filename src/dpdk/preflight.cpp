#include "preflight.hpp"

#include <linux/if_ether.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>

#include "interface.hpp"
#include "port_checks.hpp"
#include "port_setup.hpp"
#include "sluice/dpdk/fabric.hpp"

namespace sluice::dpdk {
namespace {

/// Buffers that a driver in software keeps beside its descriptors (af_xdp fills 4096 into the kernel's ring).
constexpr std::uint32_t driver_reserve = 4096;
/// What the EAL, the drivers and the device tables take beside what we count.
constexpr std::size_t eal_reserve_megabytes = 48;
static_assert(2 * max_pairs <= RTE_MAX_ETHPORTS && max_pairs <= pipeline::max_port_pairs);

std::uint16_t largest_mtu(const Options& options, const std::vector<Device>& devices) {
    std::uint16_t largest = std::max<std::uint16_t>(options.mtu, RTE_ETHER_MTU);
    if (options.mtu != 0) return largest;
    for (const Device& device : devices) {
        if (device.kind == Device::Kind::interface) largest = std::max(largest, mtu_of(device.interface));
    }
    return largest;
}

/// What one buffer takes: the pool's header, and a line more for spreading buffers over memory channels.
constexpr std::size_t bytes_of_buffer(std::size_t room) {
    return room + sizeof(rte_mbuf) + 2 * RTE_CACHE_LINE_SIZE;
}

}  // namespace

MemoryPlan plan_memory(const Options& options, const TrackerNeeds& needs, std::uint16_t largest_mtu) {
    const auto ports = static_cast<std::uint32_t>(2 * options.pairs.size());
    // Forwarded packets and the box's own have a queue and a ring each: what waits there under a flood must
    // not be missing for receiving.
    const std::uint32_t per_port =
        std::uint32_t{options.rx_descriptors} + 2 * (std::uint32_t{options.tx_descriptors} + ring_slots);
    // What one worker can have in hand: its queues of every port, a burst at each stage, its cache, its
    // rings.
    const std::uint32_t computed = ports * per_port + options.workers * ring_slots +
                                   8 * static_cast<std::uint32_t>(pipeline::max_burst) +
                                   2 * RTE_MEMPOOL_CACHE_MAX_SIZE + needs.held_packets;
    MemoryPlan plan;
    const std::uint32_t each = options.packet_buffers != 0 ? options.packet_buffers : computed;
    plan.buffers = options.workers * each + ports * driver_reserve;
    const std::uint32_t frame = std::uint32_t{largest_mtu} + frame_overhead;
    const std::uint32_t room =
        std::max<std::uint32_t>(2048, (frame + 63U) / 64U * 64U) + RTE_PKTMBUF_HEADROOM;
    plan.buffer_room = static_cast<std::uint16_t>(std::min<std::uint32_t>(room, UINT16_MAX));
    plan.arena_bytes = needs.arena_bytes;

    constexpr std::size_t megabyte = 1U << 20U;
    const std::size_t buffer_bytes = bytes_of_buffer(plan.buffer_room);
    std::size_t bytes = plan.buffers * buffer_bytes + fabric_bytes(options.workers, ports);
    if (options.huge_pages) bytes += options.workers * (needs.arena_bytes + 2 * megabyte);
    plan.dpdk_megabytes = options.memory_megabytes != 0 ? options.memory_megabytes
                                                        : bytes / megabyte + 1 + eal_reserve_megabytes;
    return plan;
}

Result<Preflight> preflight(const Options& given, const TrackerNeeds& needs, const Machine& machine) {
    Preflight out;
    Options options = given;
    const auto& extra = options.eal_arguments;
    if (std::find(extra.begin(), extra.end(), "--no-huge") != extra.end()) options.huge_pages = false;
    if (Status checked = check_eal_arguments(extra); !checked) return Error{checked.error()};
    if (asks_for_company(extra) && !options.huge_pages) {
        return Error{
            "the EAL argument --proc-type=primary lets other processes of DPDK's attach, who find huge pages "
            "alone: set daemon.huge_pages = true, or leave it out"};
    }
    if (options.pairs.empty()) return Error{"no pair of ports is configured: add a [[pair]] with two ports"};
    if (options.pairs.size() > max_pairs) {
        return Error{"DPDK holds no more than " + std::to_string(2 * max_pairs) +
                     " ports: configure at most " + std::to_string(max_pairs) + " pairs, not " +
                     std::to_string(options.pairs.size())};
    }
    auto devices = parse_devices(options);
    if (!devices) return Error{devices.error()};
    out.devices = std::move(*devices);

    for (const Device& device : out.devices) {
        Status checked = success();
        if (device.kind == Device::Kind::interface) {
            checked = check_interface(device, options.allow_offloads, out.warnings);
        } else if (device.kind == Device::Kind::pci) {
            checked = check_pci(device, machine);
            out.eal.pci.push_back(device.name);
        }
        if (!checked) return Error{checked.error()};
    }
    for (const Device& device : out.devices) {
        if (device.kind == Device::Kind::other) continue;
        auto lock = Lock::take(device.interface.empty() ? device.name : device.interface);
        if (!lock) return Error{lock.error()};
        out.locks.push_back(std::move(*lock));
    }

    const int node = common_node(out.devices, machine);
    auto processors =
        place(options.workers, options.worker_cpus, allowed_processors(), machine.processors_of(node));
    if (!processors) return Error{processors.error()};
    out.eal.processors = std::move(*processors);
    out.memory = plan_memory(options, needs, largest_mtu(options, out.devices));
    if (options.huge_pages) {
        const Status enough = check_huge_pages(machine.huge_pages(), out.memory.dpdk_megabytes << 20U);
        if (!enough) return Error{enough.error()};
    }
    out.eal.huge_pages = options.huge_pages;
    out.eal.megabytes = out.memory.dpdk_megabytes;
    out.eal.node = options.huge_pages ? node : -1;
    out.eal.extra = extra;
    // Ours says it already, and the EAL takes it once.
    out.eal.extra.erase(std::remove(out.eal.extra.begin(), out.eal.extra.end(), "--no-huge"),
                        out.eal.extra.end());
    return out;
}

}  // namespace sluice::dpdk
