// Packets as a receive queue hands them over: mbufs of a real pool, recycled.
//
// What is modelled. A card writes frames into buffers that went round before, with direct cache access into
// the shared cache: neither the frame's lines nor, in the worst case, the mbuf's are in the core's own
// caches. Here all buffers are written by the processor, outside of what is timed, and then taken in the same
// order. There are more of them than L2 holds, so when a buffer's turn comes it has gone to the shared cache,
// or to memory where the neighbours of this machine have pushed it out. Buffers come in mixed order, as they
// do after hours: no hardware prefetcher runs ahead. (A driver's receive function writes the first line of
// the mbuf just before the tracker reads it; here it is as cold as the frame, which is to our disadvantage.)
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include "dpdk/buffer_pool.hpp"
#include "dpdk_memory.hpp"
#include "sluice/dpdk/mbuf_io.hpp"
#include "support.hpp"

namespace sluice::bench {

class MbufPool {
  public:
    /// Two lines of each are touched, three of IPv6, and half a line of notes: more than the 2 MiB of L2 that
    /// the largest servers' cores have.
    static constexpr std::uint32_t usual_size = 16'384;

    /// `spare` more than `count`, for packets of the box's own.
    explicit MbufPool(std::uint32_t count = usual_size, std::uint32_t spare = 0)
        : memory_((count + spare) * std::size_t{2560} + (std::size_t{8} << 20)), packets_(count) {
        if (!dpdk::MbufIo::register_field()) throw std::runtime_error("no dynamic mbuf field is left");
        constexpr std::uint16_t room = 2048 + RTE_PKTMBUF_HEADROOM;
        auto pool = dpdk::make_buffer_pool(count + spare, room, memory_.socket(), false);
        if (!pool) throw std::runtime_error(pool.error());
        pool_ = std::move(*pool);
        if (rte_pktmbuf_alloc_bulk(pool_.get(), packets_.data(), count) != 0)
            throw std::runtime_error("the pool has fewer buffers than it was asked for");
        Random random(7);
        for (std::uint32_t i = count; i > 1; --i) std::swap(packets_[i - 1], packets_[random.below(i)]);
    }
    ~MbufPool() { rte_pktmbuf_free_bulk(packets_.data(), size()); }
    MbufPool(const MbufPool&) = delete;
    MbufPool& operator=(const MbufPool&) = delete;

    [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(packets_.size()); }
    [[nodiscard]] rte_mempool* pool() const { return pool_.get(); }
    /// Where the next frame in buffer `i` is to be written: room for 2048 bytes.
    [[nodiscard]] std::uint8_t* frame(std::size_t i) const {
        return static_cast<std::uint8_t*>(packets_[i]->buf_addr) + RTE_PKTMBUF_HEADROOM;
    }
    [[nodiscard]] std::span<const std::uint8_t> bytes(std::size_t i) const {
        return {frame(i), packets_[i]->pkt_len};
    }

    /// What a driver writes when a frame of `length` bytes has come: short ones padded to 60 bytes by the
    /// sender, checksums looked at by the card.
    static constexpr std::uint64_t checksums_good = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    static constexpr std::uint64_t checksums_unknown = 0;
    void receive(std::size_t i, std::uint32_t length, std::uint64_t checksums = checksums_good) const {
        constexpr std::uint32_t shortest = 60;  // 64 with the FCS
        rte_mbuf& packet = *packets_[i];
        if (length < shortest) std::fill_n(frame(i) + length, shortest - length, std::uint8_t{0});
        packet.data_off = RTE_PKTMBUF_HEADROOM;
        packet.nb_segs = 1;
        packet.port = 0;
        packet.ol_flags = checksums;
        packet.pkt_len = std::max(length, shortest);
        packet.data_len = static_cast<std::uint16_t>(packet.pkt_len);
    }
    [[nodiscard]] std::span<rte_mbuf* const> burst(std::size_t from, std::size_t count) const {
        return {packets_.data() + from, count};
    }

  private:
    DpdkMemory memory_;
    dpdk::BufferPool pool_;
    std::vector<rte_mbuf*> packets_;
};

}  // namespace sluice::bench
