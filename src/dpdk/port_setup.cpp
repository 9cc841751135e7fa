#include "port_setup.hpp"

#include <rte_ethdev.h>

#include <algorithm>
#include <cstring>

#include "interface.hpp"
#include "rss.hpp"
#include "sluice/dpdk/fabric.hpp"

namespace sluice::dpdk {
namespace {

constexpr std::uint64_t checksum_offloads =
    RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;

Error failed(const Port& port, const std::string& what, int fault) {
    return Error{port.given + ": " + what + " (" + std::strerror(fault < 0 ? -fault : fault) + ")"};
}

/// Every queue of these receives from the moment they exist, opened or not: a queue left out would swallow
/// packets.
bool queues_are_fixed(const Port& port) {
    for (const char* driver : {"net_ring", "net_af_packet", "net_af_xdp", "net_pcap"}) {
        if (port.driver == driver) return true;
    }
    return false;
}

/// Their MTU is a number that nobody holds to: a file takes any frame, and so does the memory of another
/// process.
bool takes_any_length(const Port& port) {
    for (const char* driver : {"net_ring", "net_memif", "net_pcap", "net_null"}) {
        if (port.driver == driver) return true;
    }
    return false;
}

}  // namespace

Status learn(Port& port) {
    rte_eth_dev_info info{};
    if (const int fault = rte_eth_dev_info_get(port.id, &info); fault != 0) {
        return failed(port, "the device does not say what it can do", fault);
    }
    port.driver = info.driver_name != nullptr ? info.driver_name : "";
    port.most_rx_queues = std::max<std::uint16_t>(1, info.max_rx_queues);
    port.most_tx_queues = std::max<std::uint16_t>(1, info.max_tx_queues);
    port.checksums = info.rx_offload_capa & checksum_offloads;
    port.many_segments = (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0 ||
                         port.driver == "net_pcap" || port.driver == "net_null";
    port.rss_fields = usable_rss_fields(info.flow_type_rss_offloads);
    port.rss_table_size = info.reta_size;
    port.rss_key_size =
        info.hash_key_size != 0 ? info.hash_key_size : std::uint8_t{40};  // DPDK: 0 says the usual 40
    port.node = rte_eth_dev_socket_id(port.id);
    return success();
}

QueueCounts queues_to_open(const Port& port, unsigned workers, bool rss) {
    // A memif's client offers a ring for each of its queues, and a server with fewer queues that way breaks
    // the connection off ("Invalid ring index"). One is what every peer has, however many its workers.
    if (port.driver == "net_memif") return {.rx = 1, .tx = 1};
    QueueCounts queues{.rx = 1, .tx = transmit_queues(workers, port.most_tx_queues)};
    if (queues_are_fixed(port)) {
        queues.rx = port.most_rx_queues;
    } else if (rss) {
        queues.rx = static_cast<std::uint16_t>(std::min<unsigned>(workers, port.most_rx_queues));
    }
    // A tap wants as many queues one way as the other.
    if (port.driver == "net_tap") queues.rx = queues.tx = std::max(queues.rx, queues.tx);
    return queues;
}

Status configure(Port& port, const Options& options, const Spreading* spreading) {
    rte_eth_dev_info info{};
    if (const int fault = rte_eth_dev_info_get(port.id, &info); fault != 0)
        return failed(port, "no answer", fault);
    rte_eth_conf conf{};
    conf.rxmode.mtu = options.mtu;
    if (!options.checksum_offload) port.checksums = 0;
    conf.rxmode.offloads = port.checksums;
    conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    std::array<std::uint8_t, 52> key{};
    if (spreading != nullptr) {
        key = spreading->key;
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_key = key.data();
        conf.rx_adv_conf.rss_conf.rss_key_len = port.rss_key_size;
        conf.rx_adv_conf.rss_conf.rss_hf = port.rss_fields;
    }
    const QueueCounts queues = queues_to_open(port, options.workers, spreading != nullptr);
    port.rx_queues = queues.rx;
    port.tx_queues = queues.tx;
    if (const int fault = rte_eth_dev_configure(port.id, port.rx_queues, port.tx_queues, &conf); fault != 0) {
        return failed(port,
                      "the device refuses " + std::to_string(port.rx_queues) + " receive and " +
                          std::to_string(port.tx_queues) + " transmit queues" +
                          (options.mtu != 0 ? " at MTU " + std::to_string(options.mtu) : ""),
                      fault);
    }
    return success();
}

Status set_up_queues(Port& port, const Options& options, rte_mempool* pool) {
    port.rx_descriptors = options.rx_descriptors;
    port.tx_descriptors = options.tx_descriptors;
    if (const int fault =
            rte_eth_dev_adjust_nb_rx_tx_desc(port.id, &port.rx_descriptors, &port.tx_descriptors);
        fault != 0) {
        return failed(port, "no number of descriptors suits the device", fault);
    }
    const auto node = static_cast<unsigned>(port.node);
    for (std::uint16_t queue = 0; queue < port.rx_queues; ++queue) {
        if (const int fault =
                rte_eth_rx_queue_setup(port.id, queue, port.rx_descriptors, node, nullptr, pool);
            fault != 0) {
            return failed(port, "receive queue " + std::to_string(queue) + " cannot be set up", fault);
        }
    }
    for (std::uint16_t queue = 0; queue < port.tx_queues; ++queue) {
        if (const int fault = rte_eth_tx_queue_setup(port.id, queue, port.tx_descriptors, node, nullptr);
            fault != 0) {
            return failed(port, "transmit queue " + std::to_string(queue) + " cannot be set up", fault);
        }
    }
    return success();
}

std::string without_promiscuous(const Port& port, int fault) {
    const bool is_virtual = port.name.rfind("net_", 0) == 0;
    if (fault == -ENOTSUP && is_virtual) return {};
    return failed(port,
                  "the device refuses promiscuous mode, so frames to any MAC address but its own are lost "
                  "before they reach sluiced",
                  fault)
        .sentence;
}

Status bring_up(Port& port, const Options& options) {
    if (!port.interface.empty()) {
        if (options.mtu != 0 && !set_mtu(port.interface, options.mtu)) {
            return failed(port, "the interface refuses MTU " + std::to_string(options.mtu), errno);
        }
        port.brought_up = !is_up(port.interface);
        if (!set_up(port.interface, true)) return failed(port, "the interface cannot be brought up", errno);
    } else if (options.mtu != 0) {
        const int fault = rte_eth_dev_set_mtu(port.id, options.mtu);
        if (fault != 0 && fault != -ENOTSUP) {
            return failed(port, "the device refuses MTU " + std::to_string(options.mtu), fault);
        }
    }
    if (const int fault = rte_eth_dev_start(port.id); fault != 0)
        return failed(port, "the device does not start", fault);
    port.started = true;
    if (options.promiscuous) {
        const int fault = rte_eth_promiscuous_enable(port.id);
        port.promiscuous = fault == 0;
        if (fault != 0) port.warning = without_promiscuous(port, fault);
    }
    if (port.interface.empty()) {
        rte_eth_dev_get_mtu(port.id, &port.mtu);
    } else {
        port.mtu = mtu_of(port.interface);
    }
    if (port.mtu != 0 && !takes_any_length(port))
        port.longest_frame = std::uint32_t{port.mtu} + RTE_ETHER_HDR_LEN;
    // Tells whether the device can: setting it up again changes nothing.
    port.takes_link_down = !port.interface.empty() || rte_eth_dev_set_link_up(port.id) == 0;
    return success();
}

}  // namespace sluice::dpdk
