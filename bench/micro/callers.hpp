// Endless distinct clients in no order, as new connections and spoofed SYNs come from: by number, with
// nothing kept of them.
#pragma once

#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "mbuf_pool.hpp"
#include "tracker_box.hpp"
#include "world.hpp"

namespace sluice::bench {

struct Caller {
    std::uint32_t address;
    std::uint16_t port;
    std::uint32_t isn;  ///< its first sequence number
};

/// A permutation of 45 bits, cut into an address of 16.0.0.0 to 79.255.255.255 and a port from 32768 on: no
/// two of 2^45 are the same.
[[nodiscard]] inline Caller caller(std::uint64_t number) {
    constexpr std::uint64_t mask = (std::uint64_t{1} << 45) - 1;
    std::uint64_t x = (number * 0x9E37'79B9'7F4A'7C15 + 1) & mask;
    x ^= x >> 23;
    x = (x * 0xBF58'476D'1CE4'E5B9) & mask;
    x ^= x >> 22;
    return {.address = static_cast<std::uint32_t>((x >> 15) + (std::uint64_t{16} << 24)),
            .port = static_cast<std::uint16_t>(0x8000U | (x & 0x7FFFU)),
            .isn = static_cast<std::uint32_t>(x * 0x94D0'49BB'1331'11EB >> 32)};
}

/// The SYN of this caller, or the RST,ACK that answers it.
[[nodiscard]] inline Outline syn_of(const Caller& from) {
    return {.client_address = from.address,
            .client_port = from.port,
            .side = 0,
            .flags = flag_syn,
            .sequence = from.isn,
            .acknowledgement = 0,
            .payload_length = 0};
}
[[nodiscard]] inline Outline reset_of(const Caller& from) {
    Outline out = syn_of(from);
    out.side = 1;
    out.flags = flag_rst | flag_ack;
    out.sequence = 0;
    out.acknowledgement = from.isn + 1;
    return out;
}

/// Fills an empty table with half-open flows, has them refused in random order and waits until they are gone:
/// records are then given out in random order, as they are after hours of traffic. Returns the time it is
/// then.
inline Tick shuffle_records(TrackerBox& box, const MbufPool& pool, const FrameWriter& writer,
                            std::uint32_t flows, Tick tick) {
    const std::uint64_t apart = std::uint64_t{1} << 44;  // from those that come later
    std::vector<std::uint32_t> order(flows);
    std::iota(order.begin(), order.end(), 0U);
    const auto send_all = [&](Outline (*outline)(const Caller&)) {
        for (std::uint32_t from = 0; from < flows; from += pool.size()) {
            const std::uint32_t count = std::min(pool.size(), flows - from);
            for (std::uint32_t i = 0; i < count; ++i)
                pool.receive(i, writer.write(pool.frame(i), outline(caller(apart + order[from + i]))));
            for (std::uint32_t at = 0; at < count; at += burst)
                box->process(pool.burst(at, std::min(burst, count - at)), {.tick = tick}, box.out);
        }
    };
    send_all(syn_of);
    if (box.flows_held() != flows) throw std::runtime_error("the table did not take all flows");
    Random random(5);
    for (std::uint32_t i = flows; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    send_all(reset_of);
    const std::uint32_t closed = box.settings().timeouts[static_cast<std::size_t>(Lifetime::close)];
    tick += (closed + 1) * ticks_per_second;
    for (std::uint32_t i = 0; i < flows && box.flows_held() != 0; ++i) box->poll({.tick = tick}, box.out);
    if (box.flows_held() != 0) throw std::runtime_error("refused connections did not go");
    return tick;
}

}  // namespace sluice::bench
