#include "sluice/dpdk/arena.hpp"

#include <rte_malloc.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace sluice::dpdk {

Result<Arena> Arena::take(std::size_t bytes, bool huge_pages, int node) {
    constexpr unsigned line = 64;
    const std::string megabytes = std::to_string((bytes >> 20U) + 1);
    if (huge_pages) {
        void* start = rte_zmalloc_socket("sluice tables", bytes, line, node);
        if (start == nullptr) {
            return Error{
                "no " + megabytes +
                " MiB of huge pages in one piece for a worker's tables: lower tracker.max or reserve more"};
        }
        return Arena(static_cast<std::byte*>(start), bytes, false);
    }
    void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        return Error{"no " + megabytes + " MiB of memory for a worker's tables (" + std::strerror(errno) +
                     "): lower tracker.max"};
    }
    madvise(start, bytes, MADV_HUGEPAGE);  // a wish: without it lookups miss the TLB more often
    // Every page now: later no packet waits for one and the process never grows.
    if (madvise(start, bytes, MADV_POPULATE_WRITE) != 0) std::memset(start, 0, bytes);
    return Arena(static_cast<std::byte*>(start), bytes, true);
}

Arena::Arena(Arena&& other) noexcept
    : start_(std::exchange(other.start_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(other.mapped_) {}

Arena& Arena::operator=(Arena&& other) noexcept {
    std::swap(start_, other.start_);
    std::swap(size_, other.size_);
    std::swap(mapped_, other.mapped_);
    return *this;
}

Arena::~Arena() {
    if (start_ == nullptr) return;
    if (mapped_) {
        munmap(start_, size_);
    } else {
        rte_free(start_);
    }
}

}  // namespace sluice::dpdk
