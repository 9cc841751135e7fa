// Setting up one port: the steps between finding a device and receiving from it.
#pragma once

#include <rte_mempool.h>

#include "sluice/base/result.hpp"
#include "sluice/dpdk/ports.hpp"

namespace sluice::dpdk {

/// Bytes of a frame around what the MTU counts: Ethernet, two VLAN tags, frame check sequence.
inline constexpr std::uint16_t frame_overhead = 14 + 8 + 4;

/// Reads what the device can do into `port`.
[[nodiscard]] Status learn(Port& port);

struct QueueCounts {
    std::uint16_t rx, tx;
};

/// Queues to open. Devices whose receive queues all receive whether opened or not get all of them, the others
/// one per worker when they spread (`rss`), else one; transmit queues as transmit_queues() says. A tap has as
/// many one way as the other, a memif one each way.
[[nodiscard]] QueueCounts queues_to_open(const Port& port, unsigned workers, bool rss);

/// Mode, queues, offloads, descriptors; `spreading` is null where the port is not to spread.
[[nodiscard]] Status configure(Port& port, const Options& options, const Spreading* spreading);
[[nodiscard]] Status set_up_queues(Port& port, const Options& options, rte_mempool* pool);
[[nodiscard]] Status bring_up(Port& port, const Options& options);

/// What is lost when `port` refuses promiscuous mode with `fault` (an errno, negative); empty when it
/// receives everything all the same, as virtual devices do that know no such mode.
[[nodiscard]] std::string without_promiscuous(const Port& port, int fault);

}  // namespace sluice::dpdk
