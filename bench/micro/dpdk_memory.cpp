#include "dpdk_memory.hpp"

#include <rte_errno.h>
#include <sched.h>

#include <memory>
#include <stdexcept>

#include "dpdk/eal.hpp"

namespace sluice::bench {
namespace {

constexpr std::size_t whole_pages(std::size_t bytes) {
    return (bytes + HugeMemory::page - 1) / HugeMemory::page * HugeMemory::page;
}

/// The EAL binds its caller to one processor; the benchmarks before and after it should run alike.
void start_eal() {
    static std::unique_ptr<dpdk::Eal> eal;
    if (eal != nullptr) return;
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    dpdk::EalRequest request;
    request.processors = {static_cast<unsigned>(sched_getcpu())};
    request.huge_pages = false;
    request.megabytes = 64;
    {
        const dpdk::Hush hush(false);
        auto started = dpdk::Eal::start(request);
        if (!started) throw std::runtime_error(started.error() + '\n' + hush.heard());
        eal = std::move(*started);
        eal->quiet();
    }
    sched_setaffinity(0, sizeof before, &before);
}

}  // namespace

DpdkMemory::DpdkMemory(std::size_t bytes) : memory_(whole_pages(bytes)) {
    start_eal();
    static unsigned number = 0;
    name_ = "bench" + std::to_string(number++);
    const auto span = memory_.span();
    if (rte_malloc_heap_create(name_.c_str()) != 0 ||
        rte_malloc_heap_memory_add(name_.c_str(), span.data(), span.size(), nullptr,
                                   static_cast<unsigned>(span.size() / HugeMemory::page),
                                   HugeMemory::page) != 0)
        throw std::runtime_error(std::string("DPDK takes no heap of ours: ") + rte_strerror(rte_errno));
    socket_ = rte_malloc_heap_get_socket(name_.c_str());
}

DpdkMemory::~DpdkMemory() {
    const auto span = memory_.span();
    rte_malloc_heap_memory_remove(name_.c_str(), span.data(), span.size());
    rte_malloc_heap_destroy(name_.c_str());
}

std::size_t DpdkMemory::bytes_in_use() const {
    rte_malloc_socket_stats stats{};
    rte_malloc_get_socket_stats(socket_, &stats);
    return stats.heap_allocsz_bytes;
}

}  // namespace sluice::bench
