// What the DPDK part is told: ports, queues, workers. Plain values; the configuration file fills them in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::dpdk {

/// Two ports each: DPDK keeps RTE_MAX_ETHPORTS of them, 32 in the packages there are.
inline constexpr std::size_t max_pairs = 16;

/// What the other port of a pair sees when a port loses its link.
enum class LinkLoss : std::uint8_t { carry_over, ignore };

/// What happens to the wire when the daemon stops (only ports whose link we command can be taken down).
enum class OnStop : std::uint8_t { link_down, leave_up };

/// One end of a bump in the wire.
struct PortOptions {
    /// A PCI address ("0000:3b:00.0"), the name of a device given on the EAL command line ("net_ring0"), or a
    /// device to create with its arguments ("net_af_packet0,iface=eth1"; the short form "af_xdp:eth1" or
    /// "af_packet:eth1" names an interface and lets sluice choose the rest).
    std::string device;
};

// NOLINTNEXTLINE(bugprone-reserved-identifier): the compiler's own name in the copy of `ports`
struct PairOptions {
    std::string name;  ///< for people and counters
    PortOptions ports[2];
};

struct Options {
    std::vector<PairOptions> pairs;          ///< 1 to max_pairs
    unsigned workers = 1;                    ///< 1 to 64; each on an lcore of its own
    std::vector<unsigned> worker_cpus;       ///< cores for the workers; empty: chosen
    std::vector<std::string> eal_arguments;  ///< passed through untouched, after ours
    bool huge_pages = true;                  ///< false: --no-huge
    std::uint32_t memory_megabytes = 0;      ///< 0: computed from tables and pools
    std::uint16_t mtu = 0;                   ///< 0: leave as it is
    bool promiscuous = true;
    bool checksum_offload = true;  ///< let ports check checksums where they can
    bool allow_offloads = false;   ///< start although an interface's GRO, TSO or checksum offload is on
    std::uint16_t rx_descriptors = 1024;  ///< powers of two, 64 to 32768; lowered to what the device can
    std::uint16_t tx_descriptors = 1024;
    std::uint16_t burst = 32;          ///< packets a poll, 1 to 64
    std::uint32_t packet_buffers = 0;  ///< mbufs a worker; 0: computed
    LinkLoss link_loss = LinkLoss::carry_over;
    OnStop on_stop = OnStop::link_down;
    bool idle_backoff = true;  ///< sleep up to `idle_sleep_microseconds` when nothing arrives for a while
    std::uint32_t idle_sleep_microseconds = 100;
    std::uint32_t control_packets_per_second = 1'000'000;  ///< pace of the control TX queue of a port
};

}  // namespace sluice::dpdk
