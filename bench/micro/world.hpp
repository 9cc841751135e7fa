// A population of TCP connections and the frames they send: what the tracker benchmarks are driven with.
// Flows, direction and lengths are random; sequence numbers are valid and move.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "sluice/base/endian.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/parse.hpp"
#include "support.hpp"

namespace sluice::bench {

enum TcpFlags : std::uint8_t { flag_fin = 1, flag_syn = 2, flag_rst = 4, flag_ack = 16 };

/// A frame in a buffer of its own, as a receive queue hands it over.
struct alignas(64) Frame {
    std::array<std::uint8_t, 128> bytes;
};

/// What frames carry beside the bare headers.
struct Shape {
    bool ipv6 = false;
    unsigned vlan_tags = 0;   ///< 0 to 2
    bool timestamps = false;  ///< TCP's timestamps option on every segment
    bool sack = false;        ///< agreed on by the SYNs
    bool blocks = false;      ///< with `sack`: two blocks on every segment (of what came twice)
    bool checksums = false;   ///< IP's and TCP's are right; else 0: a card has looked at them
};

/// One TCP segment about to be written. `side` 0 is the client.
struct Outline {
    std::uint32_t client_address;  ///< IPv6: the last four bytes
    std::uint16_t client_port;
    unsigned side;
    std::uint8_t flags;
    std::uint32_t sequence, acknowledgement;
    std::uint32_t payload_length;
};

/// Writes the frame of a segment; all servers are one. Returns its length.
class FrameWriter {
  public:
    static constexpr std::uint32_t server_address = 0x0A00'0001;  ///< IPv6: behind 2001:db8::
    static constexpr std::uint16_t server_port = 443;

    explicit FrameWriter(const Shape& shape = {}) : shape_(shape) {}

    std::uint32_t write(std::uint8_t* const frame, const Outline& segment) const {
        std::uint8_t* at = write_link(frame);
        const std::uint32_t tcp_header = 20 + option_bytes(segment.flags);
        at = shape_.ipv6 ? write_ipv6(at, segment, tcp_header) : write_ipv4(at, segment, tcp_header);
        std::uint8_t* const tcp = at;
        store(at, be16(segment.side == 0 ? segment.client_port : server_port));
        store(at + 2, be16(segment.side == 0 ? server_port : segment.client_port));
        store(at + 4, be32(segment.sequence));
        store(at + 8, be32((segment.flags & flag_ack) != 0 ? segment.acknowledgement : 0));
        at[12] = static_cast<std::uint8_t>(tcp_header << 2);
        at[13] = segment.flags;
        store(at + 14, be16(65'535));
        store(at + 16, std::uint32_t{0});
        at = write_options(at + 20, segment);
        std::memset(at, 0x55, segment.payload_length);
        const auto length = static_cast<std::uint32_t>(at + segment.payload_length - frame);
        if (shape_.checksums) write_checksums(frame, length, tcp);
        return length;
    }
    [[nodiscard]] const Shape& shape() const { return shape_; }

  private:
    std::uint8_t* write_link(std::uint8_t* at) const {
        std::memset(at, 0, 12);
        at += 12;
        for (unsigned i = 0; i < shape_.vlan_tags; ++i, at += 4) {
            store(at, be16(i + 1 < shape_.vlan_tags ? 0x88A8 : 0x8100));
            store(at + 2, be16(static_cast<std::uint16_t>(100 + i)));
        }
        store(at, be16(shape_.ipv6 ? 0x86DD : 0x0800));
        return at + 2;
    }
    static std::uint8_t* write_ipv4(std::uint8_t* at, const Outline& segment, std::uint32_t tcp_header) {
        at[0] = 0x45;
        at[1] = 0;
        store(at + 2, be16(static_cast<std::uint16_t>(20 + tcp_header + segment.payload_length)));
        store(at + 4, std::uint32_t{0});
        at[8] = 64;
        at[9] = 6;
        store(at + 10, std::uint16_t{0});
        store(at + 12, be32(segment.side == 0 ? segment.client_address : server_address));
        store(at + 16, be32(segment.side == 0 ? server_address : segment.client_address));
        return at + 20;
    }
    static std::uint8_t* write_ipv6(std::uint8_t* at, const Outline& segment, std::uint32_t tcp_header) {
        std::memset(at, 0, 40);
        at[0] = 0x60;
        store(at + 4, be16(static_cast<std::uint16_t>(tcp_header + segment.payload_length)));
        at[6] = 6;
        at[7] = 64;
        for (const unsigned offset : {8U, 24U}) store(at + offset, be32(0x2001'0DB8));
        store(at + (segment.side == 0 ? 20 : 36), be32(segment.client_address));
        store(at + (segment.side == 0 ? 36 : 20), be32(server_address));
        return at + 40;
    }

    /// As Linux sends it, when both timestamps and SACK are on.
    [[nodiscard]] bool is_linux_syn(std::uint8_t flags) const {
        return (flags & flag_syn) != 0 && shape_.timestamps && shape_.sack;
    }
    [[nodiscard]] std::uint32_t option_bytes(std::uint8_t flags) const {
        if (is_linux_syn(flags)) return 20;
        const bool syn = (flags & flag_syn) != 0;
        return (shape_.timestamps ? 12U : 0U) + (shape_.sack && syn ? 4U : 0U) +
               (shape_.blocks && !syn ? 20U : 0U);
    }
    std::uint8_t* write_options(std::uint8_t* at, const Outline& segment) const {
        const bool linux_syn = is_linux_syn(segment.flags);
        if (linux_syn) {
            store(at, be32(0x0204'05B4));
            at += 4;
        }
        if (shape_.timestamps) {
            store(at, be32(linux_syn ? 0x0402'080A : 0x0101'080A));
            store(at + 4, be32(segment.sequence / 1000));
            store(at + 8, be32(segment.acknowledgement / 1000));
            at += 12;
        }
        if (linux_syn) {
            store(at, be32(0x0103'0307));
            return at + 4;
        }
        if ((segment.flags & flag_syn) != 0) {
            if (!shape_.sack) return at;
            store(at, be32(0x0101'0402));
            return at + 4;
        }
        if (!shape_.blocks) return at;
        store(at, be32(0x0101'0512));
        for (unsigned block = 0; block < 2; ++block) {  // RFC 2883: what lies below the acknowledgement
            store(at + 4 + 8 * block, be32(segment.acknowledgement - 20 - 40 * block));
            store(at + 8 + 8 * block, be32(segment.acknowledgement - 10 - 40 * block));
        }
        return at + 20;
    }

    void write_checksums(std::uint8_t* frame, std::uint32_t length, std::uint8_t* tcp) const {
        if (!shape_.ipv6) {
            std::uint8_t* const ip = tcp - 20;
            packet::ChecksumSum sum;
            sum.add({ip, 20});
            store(ip + 10, sum.checksum());
        }
        packet::Headers headers;
        packet::parse({{frame, length}, length, packet::LinkLayer::ethernet}, headers);
        packet::write_transport_checksum(headers, {tcp, frame + length});
    }

    Shape shape_;
};

/// One connection: its endpoints follow from its number, its sequence numbers move.
struct Connection {
    std::array<std::uint32_t, 2> next;  ///< next sequence number of each side
    /// Of a proxied one: the server's numbers as the client knows them, minus the server's own.
    std::uint32_t server_shift = 0;
};

class World {
  public:
    static constexpr std::uint32_t payload = 10;  ///< makes an IPv4 frame of 64 bytes without the FCS

    explicit World(std::uint32_t flows, bool ipv6 = false) : World(flows, Shape{.ipv6 = ipv6}) {}
    World(std::uint32_t flows, const Shape& shape) : writer_(shape), connections_(flows), random_(flows) {
        for (auto& connection : connections_) connection.next = {random(), random()};
    }

    [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(connections_.size()); }
    [[nodiscard]] std::uint32_t random() { return static_cast<std::uint32_t>(random_.next()); }
    [[nodiscard]] std::uint32_t pick() { return random_.below(size()); }

    /// Writes the next segment of flow `number` in direction `side` and moves its sequence numbers. Returns
    /// its length.
    std::uint32_t write(std::uint8_t* frame, std::uint32_t number, unsigned side, std::uint8_t flags,
                        std::uint32_t length) {
        Connection& connection = connections_[number];
        const std::uint32_t written = writer_.write(
            frame, {.client_address = 0x6400'0000 + number / 60'000 * 7 + 2,
                    .client_port = static_cast<std::uint16_t>(1024 + number % 60'000),
                    .side = side,
                    .flags = flags,
                    .sequence = connection.next[side],
                    .acknowledgement = connection.next[1 - side] + (side == 0 ? connection.server_shift : 0),
                    .payload_length = length});
        connection.next[side] += length + ((flags & (flag_syn | flag_fin)) != 0 ? 1U : 0U);
        return written;
    }
    std::uint32_t write(Frame& frame, std::uint32_t number, unsigned side, std::uint8_t flags,
                        std::uint32_t length) {
        return write(frame.bytes.data(), number, side, flags, length);
    }
    [[nodiscard]] Connection& connection(std::uint32_t number) { return connections_[number]; }
    void prefetch(std::uint32_t number) const { __builtin_prefetch(&connections_[number], 1); }

  private:
    FrameWriter writer_;
    std::vector<Connection> connections_;
    Random random_;
};

}  // namespace sluice::bench
