// PacketIo over mbufs: what an application that already runs DPDK hands to pipeline::Tracker.
//
// Before the first packet, once a process: MbufIo::register_field(), and MbufIo::set_port_pair() for each
// port. Both belong to set-up; afterwards they are only read.
//
// A tracker writes into a packet only where writable() says that it may: buffers may be shared, indirect,
// external or in many segments.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "sluice/base/prefetch.hpp"
#include "sluice/base/result.hpp"
#include "sluice/pipeline/packet_io.hpp"

namespace sluice::dpdk {

struct MbufIo {
    using Packet = rte_mbuf;

    // ---- Set-up.

    /// Reserves the eight bytes of each mbuf (a dynamic field) that link the fragments of a datagram. After
    /// rte_eal_init, before any packet; again does no harm. Fails when another library holds all dynamic
    /// fields.
    [[nodiscard]] static Status register_field();

    /// Packets received on `port` belong to port pair `pair` (0 to pipeline::max_port_pairs - 1). 0 unless
    /// told.
    static void set_port_pair(std::uint16_t port, std::uint8_t pair) { pair_of_port_[port] = pair; }

    /// Where packets of the box's own come from; no pool: none are made.
    static void set_pool(rte_mempool* pool) { pool_ = pool; }

    // ---- The concept.

    static const std::uint8_t* data(const rte_mbuf* packet) {
        return rte_pktmbuf_mtod(packet, const std::uint8_t*);
    }
    static std::uint32_t first_length(const rte_mbuf* packet) { return packet->data_len; }
    static std::uint32_t length(const rte_mbuf* packet) { return packet->pkt_len; }

    /// What a chain is short of (a pkt_len that promises more than the segments hold) reads as zeros: hostile
    /// or broken senders must not make us follow a null pointer.
    static void copy(const rte_mbuf* packet, std::uint32_t offset, std::uint32_t count, std::uint8_t* to) {
        for (const rte_mbuf* segment = packet; segment != nullptr && count != 0; segment = segment->next) {
            if (offset >= segment->data_len) {
                offset -= segment->data_len;
                continue;
            }
            const std::uint32_t take = std::min<std::uint32_t>(count, segment->data_len - offset);
            std::memcpy(to, rte_pktmbuf_mtod_offset(segment, const std::uint8_t*, offset), take);
            to += take;
            count -= take;
            offset = 0;
        }
        if (count != 0) std::memset(to, 0, count);
    }

    static pipeline::ChecksumState network_checksum(const rte_mbuf* packet) {
        return state_of(packet->ol_flags, RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_BAD);
    }
    static pipeline::ChecksumState transport_checksum(const rte_mbuf* packet) {
        return state_of(packet->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_BAD);
    }

    static std::uint8_t port_pair(const rte_mbuf* packet) {
        return packet->port < RTE_MAX_ETHPORTS ? pair_of_port_[packet->port] : std::uint8_t{0};
    }

    static std::uint16_t port(const rte_mbuf* packet) { return packet->port; }
    static std::span<std::uint8_t> writable(rte_mbuf* packet) {
        if (packet->nb_segs != 1 || !RTE_MBUF_DIRECT(packet) || rte_mbuf_refcnt_read(packet) != 1) return {};
        return {rte_pktmbuf_mtod(packet, std::uint8_t*),
                std::size_t{packet->data_len} + rte_pktmbuf_tailroom(packet)};
    }
    /// What the port said of the packet that came (checksums, hash) goes with it: a device in software hands
    /// it on to the next reader.
    static void set_length(rte_mbuf* packet, std::uint32_t length) {
        packet->ol_flags = 0;
        packet->data_len = static_cast<std::uint16_t>(length);
        packet->pkt_len = length;
    }
    static rte_mbuf* make(std::uint16_t port) {
        rte_mbuf* const packet = pool_ == nullptr ? nullptr : rte_pktmbuf_alloc(pool_);
        if (packet != nullptr) packet->port = port;
        return packet;
    }

    static void set_next_fragment(rte_mbuf* packet, rte_mbuf* next) {
        *RTE_MBUF_DYNFIELD(packet, next_fragment_offset_, rte_mbuf**) = next;
    }
    static rte_mbuf* next_fragment(const rte_mbuf* packet) {
        return *RTE_MBUF_DYNFIELD(packet, next_fragment_offset_, rte_mbuf* const*);
    }

    [[gnu::always_inline]] static void prefetch_packet(const rte_mbuf* packet) { prefetch_read(packet); }
    [[gnu::always_inline]] static void prefetch_header(const rte_mbuf* packet) {
        prefetch_read(data(packet));
    }

  private:
    /// Two bits have four values: unknown (0), good, bad, and both, which means "none": the field is not
    /// filled in but the port vouches for the data (it never left the host), which is as good as good.
    static pipeline::ChecksumState state_of(std::uint64_t flags, std::uint64_t good, std::uint64_t bad) {
        if ((flags & good) != 0) return pipeline::ChecksumState::good;
        return (flags & bad) != 0 ? pipeline::ChecksumState::bad : pipeline::ChecksumState::unknown;
    }

    static inline rte_mempool* pool_ = nullptr;
    static inline int next_fragment_offset_ = 0;
    static inline std::array<std::uint8_t, RTE_MAX_ETHPORTS> pair_of_port_{};
};
static_assert(pipeline::PacketIo<MbufIo>);

}  // namespace sluice::dpdk
