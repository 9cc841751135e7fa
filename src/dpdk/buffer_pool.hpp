// The packet buffers of all ports and workers.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <memory>

#include "sluice/base/result.hpp"

namespace sluice::dpdk {

struct PoolDeleter {
    void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
};
using BufferPool = std::unique_ptr<rte_mempool, PoolDeleter>;

/// `buffers` mbufs of `room` bytes on NUMA node `node` (-1: any). With `for_cards` no buffer crosses a page,
/// as cards without an IOMMU need it; else they lie side by side, which takes less memory.
[[nodiscard]] Result<BufferPool> make_buffer_pool(std::uint32_t buffers, std::uint16_t room, int node,
                                                  bool for_cards);

/// Whether the buffers lie side by side in one piece. The af_xdp driver (22.11) counts on it: it shows the
/// kernel no more than their number times their size, and the kernel silently swallows every buffer beyond.
[[nodiscard]] bool lies_in_one_piece(rte_mempool& pool);

}  // namespace sluice::dpdk
