// PacketIo over plain memory: for replay, tests and benchmarks without DPDK.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "sluice/base/prefetch.hpp"
#include "sluice/pipeline/packet_io.hpp"

namespace sluice::pipeline {

/// A frame in two pieces at most: what lies in `first` and the rest (empty for ordinary frames). Owned by the
/// caller.
struct MemoryPacket {
    std::span<const std::uint8_t> first;
    std::span<const std::uint8_t> rest{};
    std::uint32_t missing = 0;
    std::uint8_t port_pair = 0;
    ChecksumState checksum = ChecksumState::unknown;
    std::uint16_t port = 0;
    MemoryPacket* next_fragment = nullptr;
    std::uint64_t number = 0;  ///< for the caller: which packet this is
    /// From the first byte of `first` on; empty: nobody may write there.
    std::span<std::uint8_t> room{};
};

struct MemoryIo {
    using Packet = MemoryPacket;

    static const std::uint8_t* data(const Packet* p) { return p->first.data(); }
    static std::uint32_t first_length(const Packet* p) { return static_cast<std::uint32_t>(p->first.size()); }
    static std::uint32_t length(const Packet* p) {
        return static_cast<std::uint32_t>(p->first.size() + p->rest.size() + p->missing);
    }
    static void copy(const Packet* p, std::uint32_t offset, std::uint32_t count, std::uint8_t* to) {
        for (const auto piece : {p->first, p->rest}) {
            if (count == 0) return;  // `to` may be null then, which memcpy() may not be given
            const auto size = static_cast<std::uint32_t>(piece.size());
            if (offset >= size) {
                offset -= size;
                continue;
            }
            const std::uint32_t take = std::min(count, size - offset);
            std::memcpy(to, piece.data() + offset, take);
            to += take;
            count -= take;
            offset = 0;
        }
    }
    static ChecksumState network_checksum(const Packet* p) { return p->checksum; }
    static ChecksumState transport_checksum(const Packet* p) { return p->checksum; }
    static std::uint8_t port_pair(const Packet* p) { return p->port_pair; }
    static std::uint16_t port(const Packet* p) { return p->port; }
    static std::span<std::uint8_t> writable(Packet* p) {
        return p->rest.empty() && p->missing == 0 ? p->room : std::span<std::uint8_t>{};
    }
    static void set_length(Packet* p, std::uint32_t length) { p->first = p->room.first(length); }
    /// Whoever wants packets of the box's own puts a source of them here, one for each thread.
    using Maker = Packet* (*)(std::uint16_t port);
    static inline thread_local Maker maker = nullptr;
    static Packet* make(std::uint16_t port) { return maker == nullptr ? nullptr : maker(port); }
    static void set_next_fragment(Packet* p, Packet* next) { p->next_fragment = next; }
    static Packet* next_fragment(const Packet* p) { return p->next_fragment; }
    [[gnu::always_inline]] static void prefetch_packet(const Packet* p) { prefetch_read(p); }
    [[gnu::always_inline]] static void prefetch_header(const Packet* p) { prefetch_read(p->first.data()); }
};
static_assert(PacketIo<MemoryIo>);

}  // namespace sluice::pipeline
