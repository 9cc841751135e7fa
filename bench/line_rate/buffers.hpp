// The packet buffers of one generator. Each is made a frame once; what comes back from the box joins the end
// of a queue and is sent again when its turn comes, so that thousands of others come in between, as in the
// pool of a card: what is written into was not touched lately, by anybody.
//
// The generator never looks at the buffers' own headers: a card's driver would run on the worker's core,
// where those headers stay.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dpdk/buffer_pool.hpp"
#include "random.hpp"
#include "sluice/base/result.hpp"
#include "sluice/dpdk/arena.hpp"

namespace sluice::bench {

class Buffers {
  public:
    /// Enough for all queues of this many workers to be full while thousands stand in line to be used again.
    [[nodiscard]] static std::uint32_t count_for_rings(unsigned workers, unsigned ring_slots) {
        return 8192 + workers * (4 * ring_slots + 1024);
    }
    [[nodiscard]] static std::size_t bytes_for_rings(std::uint32_t count);
    /// For rings: `count` buffers that come back through the box; in huge pages, or in memory of our own for
    /// which they are advised (the EAL's own without them lies in small pages).
    [[nodiscard]] static Result<std::unique_ptr<Buffers>> for_rings(std::uint32_t count, bool huge_pages);
    /// For ports that lead elsewhere: what is sent is gone.
    [[nodiscard]] static Result<std::unique_ptr<Buffers>> for_ports(std::uint32_t count);

    /// Makes every buffer a frame of one of these lengths, each as often as it is named, mixed. All must be
    /// home.
    void shape(std::span<const std::uint16_t> frame_lengths);

    /// `wanted` buffers whose frames are about to be written; fewer when there are no more.
    unsigned take(rte_mbuf** out, unsigned wanted);
    /// Asks for the frames that the next take() will return.
    void prefetch(unsigned count) const {
        for (unsigned i = 0; i < count; ++i) __builtin_prefetch(frame_of(queue_[(head_ + i) & mask_]), 1, 3);
    }
    void give_back(rte_mbuf* buffer) { queue_[tail_++ & mask_] = buffer; }

    /// Whether it is one of these, rather than something that the box itself said.
    [[nodiscard]] bool owns(const rte_mbuf* buffer) const {
        const auto at = reinterpret_cast<std::uintptr_t>(buffer);
        return at >= first_ && at < behind_;
    }
    /// Makes one that the box has answered in place, or that was of IPv6, what shape() made it. Where lengths
    /// were mixed, the first.
    void restore(rte_mbuf* buffer) const;
    [[nodiscard]] bool comes_back() const { return behind_ != 0; }
    [[nodiscard]] rte_mempool* pool() const { return pool_.get(); }
    [[nodiscard]] std::uint32_t count() const { return pool_->size; }

    /// Where the frame of one of these lies.
    [[nodiscard]] static std::uint8_t* frame_of(rte_mbuf* buffer) {
        return reinterpret_cast<std::uint8_t*>(buffer + 1) + RTE_PKTMBUF_HEADROOM;
    }

  private:
    explicit Buffers(dpdk::BufferPool pool);

    std::optional<dpdk::Arena> memory_;
    dpdk::BufferPool pool_;
    std::uintptr_t first_ = 0, behind_ = 0;
    std::vector<rte_mbuf*> queue_;  ///< home, longest ago first
    std::size_t head_ = 0, tail_ = 0, mask_ = 0;
    std::uint16_t frame_length_ = 0;
};

}  // namespace sluice::bench
