#include "buffer_pool.hpp"

#include <rte_eal.h>
#include <rte_errno.h>

#include <algorithm>
#include <string>

namespace sluice::dpdk {

Result<BufferPool> make_buffer_pool(std::uint32_t buffers, std::uint16_t room, int node, bool for_cards) {
    // What rte_pktmbuf_pool_create() does, which takes no flags. With IOVA as VA one piece serves cards too.
    const bool pages_matter = for_cards && rte_eal_iova_mode() != RTE_IOVA_VA;
    const unsigned flags = pages_matter ? 0U : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
    rte_pktmbuf_pool_private shape{};
    shape.mbuf_data_room_size = room;
    BufferPool pool(rte_mempool_create_empty("sluice_buffers", buffers, sizeof(rte_mbuf) + room,
                                             RTE_MEMPOOL_CACHE_MAX_SIZE / 2, sizeof shape, node, flags));
    int failure = pool == nullptr ? rte_errno : 0;
    if (failure == 0) {
        rte_pktmbuf_pool_init(pool.get(), &shape);
        if (const int populated = rte_mempool_populate_default(pool.get()); populated < 0)
            failure = -populated;
    }
    if (failure != 0) {
        return Error{"no memory for " + std::to_string(buffers) + " packet buffers (" +
                     rte_strerror(failure) + "): raise daemon.memory_mb or lower daemon.packet_buffers"};
    }
    rte_mempool_obj_iter(pool.get(), rte_pktmbuf_init, nullptr);
    return pool;
}

bool lies_in_one_piece(rte_mempool& pool) {
    if (pool.nb_mem_chunks != 1) return false;
    const char* highest = nullptr;
    rte_mempool_obj_iter(
        &pool,
        [](rte_mempool*, void* end, void* buffer, unsigned) {
            auto& so_far = *static_cast<const char**>(end);
            so_far = std::max(so_far, static_cast<const char*>(buffer));
        },
        &highest);
    const auto* first = static_cast<const char*>(STAILQ_FIRST(&pool.mem_list)->addr);
    const std::size_t each = pool.header_size + pool.elt_size + pool.trailer_size;
    return highest != nullptr && highest + pool.elt_size + pool.trailer_size <= first + pool.size * each;
}

}  // namespace sluice::dpdk
