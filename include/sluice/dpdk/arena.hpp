// The memory of one worker's tables: taken whole at start, zeroed, given back at the end.
#pragma once

#include <cstddef>
#include <span>

#include "sluice/base/result.hpp"

namespace sluice::dpdk {

class Arena {
  public:
    /// `bytes` from DPDK's huge pages on NUMA node `node` (-1: any), or, when `huge_pages` is false, from the
    /// system with transparent huge pages asked for. After rte_eal_init in the first case.
    [[nodiscard]] static Result<Arena> take(std::size_t bytes, bool huge_pages, int node);
    Arena(Arena&& other) noexcept;
    Arena& operator=(Arena&& other) noexcept;
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena();

    [[nodiscard]] std::span<std::byte> bytes() const { return {start_, size_}; }

  private:
    Arena(std::byte* start, std::size_t size, bool mapped) : start_(start), size_(size), mapped_(mapped) {}
    std::byte* start_ = nullptr;
    std::size_t size_ = 0;
    bool mapped_ = false;
};

}  // namespace sluice::dpdk
