// A population of TCP connections and the frames they send: what the tracker benchmarks are driven with.
// Flows, direction and lengths are random; sequence numbers are valid and move.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "sluice/base/endian.hpp"
#include "sluice/pipeline/memory_io.hpp"
#include "sluice/pipeline/tracker.hpp"
#include "support.hpp"

namespace sluice::bench {

enum TcpFlags : std::uint8_t { flag_fin = 1, flag_syn = 2, flag_ack = 16 };

/// A frame in a buffer of its own, as a receive queue hands it over.
struct alignas(64) Frame {
    std::array<std::uint8_t, 128> bytes;
};

/// One connection: its endpoints follow from its number, its sequence numbers move.
struct Connection {
    std::array<std::uint32_t, 2> next;  ///< next sequence number of each side
};

class World {
  public:
    static constexpr std::uint32_t payload = 10;  ///< makes an IPv4 frame of 64 bytes without the FCS

    explicit World(std::uint32_t flows, bool ipv6 = false)
        : ipv6_(ipv6), connections_(flows), random_(flows) {
        for (auto& connection : connections_) connection.next = {random(), random()};
    }

    [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(connections_.size()); }
    [[nodiscard]] std::uint32_t random() { return static_cast<std::uint32_t>(random_.next()); }
    [[nodiscard]] std::uint32_t pick() { return random_.below(size()); }

    /// Writes the next segment of flow `number` in direction `side` and moves its sequence numbers. Returns
    /// its length.
    std::uint32_t write(Frame& frame, std::uint32_t number, unsigned side, std::uint8_t flags,
                        std::uint32_t length) {
        Connection& connection = connections_[number];
        std::uint8_t* at = frame.bytes.data();
        std::memset(at, 0, 14);
        store(at + 12, be16(ipv6_ ? 0x86DD : 0x0800));
        at += 14;
        at = ipv6_ ? write_ipv6(at, number, side, length) : write_ipv4(at, number, side, length);
        const std::uint16_t client = static_cast<std::uint16_t>(1024 + number % 60'000), server = 443;
        store(at, be16(side == 0 ? client : server));
        store(at + 2, be16(side == 0 ? server : client));
        store(at + 4, be32(connection.next[side]));
        store(at + 8, be32((flags & flag_ack) != 0 ? connection.next[1 - side] : 0));
        at[12] = 0x50;
        at[13] = flags;
        store(at + 14, be16(65'535));
        store(at + 16, std::uint32_t{0});
        std::memset(at + 20, 0x55, length);
        connection.next[side] += length + ((flags & (flag_syn | flag_fin)) != 0 ? 1U : 0U);
        return static_cast<std::uint32_t>(at + 20 + length - frame.bytes.data());
    }

  private:
    static constexpr std::uint32_t server_address = 0x0A00'0001;

    static std::uint8_t* write_ipv4(std::uint8_t* at, std::uint32_t number, unsigned side,
                                    std::uint32_t length) {
        const std::uint32_t client = 0x6400'0000 + number / 60'000 * 7 + 2;
        at[0] = 0x45;
        at[1] = 0;
        store(at + 2, be16(static_cast<std::uint16_t>(40 + length)));
        store(at + 4, std::uint32_t{0});
        at[8] = 64;
        at[9] = 6;
        store(at + 10, std::uint16_t{0});
        store(at + 12, be32(side == 0 ? client : server_address));
        store(at + 16, be32(side == 0 ? server_address : client));
        return at + 20;
    }
    static std::uint8_t* write_ipv6(std::uint8_t* at, std::uint32_t number, unsigned side,
                                    std::uint32_t length) {
        std::memset(at, 0, 40);
        at[0] = 0x60;
        store(at + 4, be16(static_cast<std::uint16_t>(20 + length)));
        at[6] = 6;
        at[7] = 64;
        for (const unsigned offset : {8U, 24U}) store(at + offset, be32(0x2001'0DB8));
        store(at + (side == 0 ? 20 : 36), be32(0x6400'0000 + number / 60'000 * 7 + 2));
        store(at + (side == 0 ? 36 : 20), be32(server_address));
        return at + 40;
    }

    bool ipv6_;
    std::vector<Connection> connections_;
    Random random_;
};

}  // namespace sluice::bench
