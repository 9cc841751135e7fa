// The ports of the box: found, set up alike, started. Control thread only.
#pragma once

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/dpdk/link_watch.hpp"
#include "sluice/dpdk/links.hpp"
#include "sluice/dpdk/options.hpp"
#include "sluice/pipeline/steering.hpp"

namespace sluice::dpdk {

/// A port as it was found and set up.
struct Port {
    std::string name;       ///< DPDK's
    std::string given;      ///< as the operator wrote it
    std::string pair;       ///< name of its pair
    std::string interface;  ///< the kernel's, when it is one of its
    InterfaceWatch watch;   ///< of `interface`
    std::uint16_t id = 0;
    std::string driver;
    std::uint16_t most_rx_queues = 1, most_tx_queues = 1;
    std::uint16_t rx_queues = 0, tx_queues = 0;
    std::uint16_t rx_descriptors = 0, tx_descriptors = 0;
    std::uint16_t mtu = 0;
    /// In bytes, VLAN tags apart: longer frames are not given to it.
    std::uint32_t longest_frame = any_length;
    int node = -1;                 ///< NUMA node, -1: any
    std::uint64_t checksums = 0;   ///< RTE_ETH_RX_OFFLOAD_*_CKSUM it does
    std::uint64_t rss_fields = 0;  ///< RTE_ETH_RSS_* asked for; 0: no RSS
    std::uint16_t rss_table_size = 0;
    std::uint8_t rss_key_size = 0;
    bool many_segments = false;  ///< sends packets of several segments
    bool created = false;        ///< by us: removed at the end
    bool started = false;
    bool promiscuous = false;
    bool brought_up = false;       ///< by us, at start: `interface` was down
    std::string warning;           ///< what works, but not as wanted; empty: nothing
    bool takes_link_down = false;  ///< can be told to take its link down
};

/// What the set-up of all ports together came to.
struct Spreading {
    bool by_rss = false;
    std::string why_not;  ///< when by software, for people
    std::array<std::uint8_t, 52> key{};
    std::array<std::uint8_t, 512> table{};  ///< worker by (hash modulo size)
    std::uint16_t table_size = 0;
};

/// Finds and starts ports; stops and removes them at the end.
class Ports {
  public:
    Ports() = default;
    ~Ports();
    Ports(const Ports&) = delete;
    Ports& operator=(const Ports&) = delete;

    /// Finds a device by its DPDK name, or creates it with `arguments`. `port.given`, `.pair` and
    /// `.interface` are the caller's; the rest is filled in.
    [[nodiscard]] Status attach(Port port, const std::string& arguments);

    /// Decides queues and RSS for all ports, sets them up and starts them. Once.
    [[nodiscard]] Status start(const Options& options, rte_mempool* pool);

    [[nodiscard]] const std::vector<Port>& all() const { return ports_; }
    [[nodiscard]] const Spreading& spreading() const { return spreading_; }
    [[nodiscard]] pipeline::Steering steering(unsigned worker, unsigned workers) const;

    /// Says, once, that the interface behind port `index` was removed or replaced: its link is down for good.
    [[nodiscard]] std::optional<std::string> look_at_interface(std::size_t index);
    /// Whether the link of port `index` is up.
    [[nodiscard]] bool link(std::size_t index) const;
    /// Takes the link up or down where the device can; false where it cannot, or is no longer there.
    bool command_link(std::size_t index, bool up);

    /// What the devices themselves counted, by name ("port.NAME.rx_missed"): packets lost before or after us.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> device_counters() const;

    /// Stops all ports (packets in their queues are gone then).
    void stop();

  private:
    void choose_spreading(unsigned workers);
    void confirm_spreading();

    std::vector<Port> ports_;
    Spreading spreading_;
};

}  // namespace sluice::dpdk
