#include "line_rate/buffers.hpp"

#include <rte_errno.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "line_rate/frame.hpp"

namespace sluice::bench {
namespace {

constexpr std::uint16_t room = 2048 + RTE_PKTMBUF_HEADROOM;
constexpr unsigned cache = 256;
constexpr unsigned ring_flags = RTE_MEMPOOL_F_NO_IOVA_CONTIG;

std::string fresh_name() {
    static unsigned number = 0;
    return "line_rate" + std::to_string(number++);
}

Error no_memory(std::uint32_t count, int fault) {
    return Error{"no memory for " + std::to_string(count) + " packet buffers (" + rte_strerror(fault) +
                 "): over rings, lower --ring-slots or --workers; over ports, give DPDK more memory (-m)"};
}

void make_frame(rte_mbuf* buffer, std::uint16_t bytes, bool checked) {
    rte_pktmbuf_reset(buffer);
    buffer->data_len = bytes;
    buffer->pkt_len = bytes;
    if (checked) buffer->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    make_template(Buffers::frame_of(buffer), bytes);
}

struct Shaping {
    std::span<const std::uint16_t> lengths;
    Random random{7};
    bool checked;
};

void shape_one(rte_mempool*, void* with, void* object, unsigned) {
    auto& shaping = *static_cast<Shaping*>(with);
    auto* buffer = static_cast<rte_mbuf*>(object);
    const std::uint16_t bytes =
        shaping.lengths[shaping.random.below(static_cast<std::uint32_t>(shaping.lengths.size()))];
    make_frame(buffer, bytes, shaping.checked);
}

}  // namespace

Buffers::Buffers(dpdk::BufferPool pool)
    : pool_(std::move(pool)), queue_(std::bit_ceil(std::size_t{pool_->size})), mask_(queue_.size() - 1) {}

std::size_t Buffers::bytes_for_rings(std::uint32_t count) {
    rte_mempool_objsz each{};
    rte_mempool_calc_obj_size(sizeof(rte_mbuf) + room, ring_flags, &each);
    return std::size_t{count} * each.total_size + RTE_CACHE_LINE_SIZE;
}

Result<std::unique_ptr<Buffers>> Buffers::for_rings(std::uint32_t count, bool huge_pages) {
    auto memory = dpdk::Arena::take(bytes_for_rings(count), huge_pages, -1);
    if (!memory) return no_memory(count, ENOMEM);

    rte_pktmbuf_pool_private form{};
    form.mbuf_data_room_size = room;
    dpdk::BufferPool pool(rte_mempool_create_empty(fresh_name().c_str(), count, sizeof(rte_mbuf) + room,
                                                   cache, sizeof form, SOCKET_ID_ANY, ring_flags));
    if (pool == nullptr) return no_memory(count, rte_errno);
    rte_pktmbuf_pool_init(pool.get(), &form);
    const auto span = memory->bytes();
    const int populated = rte_mempool_populate_iova(pool.get(), reinterpret_cast<char*>(span.data()),
                                                    RTE_BAD_IOVA, span.size(), nullptr, nullptr);
    if (populated != static_cast<int>(count)) return no_memory(count, populated < 0 ? -populated : ENOMEM);
    rte_mempool_obj_iter(pool.get(), rte_pktmbuf_init, nullptr);

    std::unique_ptr<Buffers> buffers(new Buffers(std::move(pool)));
    buffers->first_ = reinterpret_cast<std::uintptr_t>(span.data());
    buffers->behind_ = buffers->first_ + span.size();
    buffers->memory_ = std::move(*memory);
    return buffers;
}

Result<std::unique_ptr<Buffers>> Buffers::for_ports(std::uint32_t count) {
    dpdk::BufferPool pool(
        rte_pktmbuf_pool_create(fresh_name().c_str(), count, cache, 0, room, SOCKET_ID_ANY));
    if (pool == nullptr) return no_memory(count, rte_errno);
    return std::unique_ptr<Buffers>(new Buffers(std::move(pool)));
}

void Buffers::shape(std::span<const std::uint16_t> frame_lengths) {
    // Everything into the pool, shaped, and, where it comes back, everything out again in random order.
    while (head_ != tail_) rte_mempool_put(pool_.get(), queue_[head_++ & mask_]);
    frame_length_ = frame_lengths.front();
    Shaping shaping{.lengths = frame_lengths, .checked = comes_back()};
    rte_mempool_obj_iter(pool_.get(), shape_one, &shaping);
    if (!comes_back()) return;
    // What other cores keep in caches of their own stays there, and comes out by and by.
    const unsigned home = rte_mempool_avail_count(pool_.get());
    void* buffer = nullptr;
    for (unsigned i = 0; i < home && rte_mempool_get(pool_.get(), &buffer) == 0; ++i) {
        give_back(static_cast<rte_mbuf*>(buffer));
    }
    Random random(11);
    for (std::size_t i = tail_; i > head_ + 1; --i) {
        const std::size_t other = head_ + random.below(static_cast<std::uint32_t>(i - head_));
        std::swap(queue_[(i - 1) & mask_], queue_[other & mask_]);
    }
}

unsigned Buffers::take(rte_mbuf** out, unsigned wanted) {
    unsigned taken = 0;
    while (taken < wanted && head_ != tail_) out[taken++] = queue_[head_++ & mask_];
    // Those that the box dropped went back to the pool, answers that it could not send among them.
    while (taken < wanted && rte_mempool_get(pool_.get(), reinterpret_cast<void**>(out + taken)) == 0) {
        if (is_answer(frame_of(out[taken])) || is_ipv6(frame_of(out[taken]))) restore(out[taken]);
        ++taken;
    }
    return taken;
}

void Buffers::restore(rte_mbuf* buffer) const {
    make_frame(buffer, frame_length_, comes_back());
}

}  // namespace sluice::bench
