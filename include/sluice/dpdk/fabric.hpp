// Who polls which receive queue, who owns which transmit queue, and the rings in between.
//
// Receive queues: where RSS was verified, queue q belongs to worker q; elsewhere they are dealt out in turn,
// and the trackers hand packets over by the flow's hash.
//
// Transmit queues of a port with T of them and W workers:
//   T >= 2 W   each worker has one for forwarding and one for what it says itself
//   T >= W     each worker has one and uses it for both, forwarding first
//   T <  W     each queue has an owner that alone touches it and drains the others' rings: forwarding first
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"
#include "sluice/dpdk/links.hpp"

namespace sluice::dpdk {

/// A port as the fabric needs it: started or about to be, with this many queues set up.
struct FabricPort {
    std::uint16_t port_id = 0;
    std::uint16_t rx_queues = 1;
    std::uint16_t tx_queues = 1;
    bool many_segments = true;
    std::uint32_t longest_frame = any_length;
};

struct FabricPlan {
    unsigned workers = 1;           ///< 1 to max_workers
    std::vector<FabricPort> ports;  ///< an even number, pairs side by side
    bool by_rss = false;
    std::uint16_t burst = 32;
    std::uint32_t control_packets_per_second = 1'000'000;  ///< of a port, all workers together
    std::uint64_t cycles_per_second = 1;
    rte_mempool* pool = nullptr;
    int socket = -1;  ///< NUMA node for the rings, -1: any
};

/// Transmit queues to set up on a port that can have `most`.
[[nodiscard]] constexpr std::uint16_t transmit_queues(unsigned workers, std::uint16_t most) {
    if (most >= 2 * workers) return static_cast<std::uint16_t>(2 * workers);
    return most >= workers ? static_cast<std::uint16_t>(workers) : most;
}

/// The worker that polls queue `queue` of our port `port`.
[[nodiscard]] constexpr unsigned receiver_of(unsigned port, unsigned queue, unsigned workers, bool by_rss) {
    return (by_rss ? queue : port + queue) % workers;
}

/// Bytes that the rings take, for planning.
[[nodiscard]] std::size_t fabric_bytes(unsigned workers, std::size_t ports);

class Fabric {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Fabric>> build(const FabricPlan& plan);
    /// Frees the rings and the packets in them.
    ~Fabric();
    Fabric(const Fabric&) = delete;
    Fabric& operator=(const Fabric&) = delete;

    [[nodiscard]] Links& links(unsigned worker) { return links_[worker]; }
    [[nodiscard]] WorkerCounters& counters(unsigned worker) { return *counters_[worker]; }
    [[nodiscard]] PortState& port(std::size_t port) { return *ports_[port]; }
    [[nodiscard]] std::size_t port_count() const { return ports_.size(); }
    [[nodiscard]] unsigned workers() const { return static_cast<unsigned>(links_.size()); }

  private:
    Fabric() = default;
    rte_ring* ring(const std::string& name);
    void deal_receive_queues(const FabricPlan& plan);
    void deal_transmit_queues(const FabricPlan& plan, std::size_t port);
    void join_workers();

    int socket_ = -1;
    bool failed_ = false;
    std::vector<Links> links_;
    std::vector<std::unique_ptr<WorkerCounters>> counters_;
    std::vector<std::unique_ptr<PortState>> ports_;
    std::vector<rte_ring*> rings_;
};

}  // namespace sluice::dpdk
