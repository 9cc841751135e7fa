// DPDK's memory without root and without preparation: the EAL runs without huge pages of its own, and what a
// benchmark allocates through DPDK comes from a heap over the same memory that our tables lie in.
#pragma once

#include <rte_malloc.h>

#include <cstddef>
#include <string>

#include "huge_memory.hpp"

namespace sluice::bench {

/// A heap of rte_malloc(). All that was taken from it must be freed before it goes.
class DpdkMemory {
  public:
    /// Starts the EAL when it is the first one of the process. Throws with a sentence.
    explicit DpdkMemory(std::size_t bytes);
    ~DpdkMemory();
    DpdkMemory(const DpdkMemory&) = delete;
    DpdkMemory& operator=(const DpdkMemory&) = delete;

    /// What DPDK's functions want as the NUMA node.
    [[nodiscard]] int socket() const { return socket_; }
    [[nodiscard]] std::size_t bytes_in_use() const;
    [[nodiscard]] double huge_share() const { return memory_.huge_share(); }

  private:
    std::string name_;
    HugeMemory memory_;
    int socket_ = -1;
};

}  // namespace sluice::bench
