#include "describe.hpp"

#include <rte_ethdev.h>

#include <algorithm>

namespace sluice::dpdk {
namespace {

/// Each number once, in order.
std::string list(std::vector<unsigned> numbers) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    std::string out;
    for (const unsigned number : numbers) out += (out.empty() ? "" : ",") + std::to_string(number);
    return out;
}

std::string count(std::size_t number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

std::string receiving(const Port& port, std::size_t index, Fabric& fabric) {
    std::vector<unsigned> pollers;
    for (unsigned worker = 0; worker < fabric.workers(); ++worker) {
        for (const RxQueue& queue : fabric.links(worker).rx) {
            if (queue.port == index) pollers.push_back(worker);
        }
    }
    return count(port.rx_queues, "receive queue") + " polled by worker " + list(pollers);
}

std::string sending(std::size_t index, Fabric& fabric) {
    std::vector<unsigned> owners;
    bool shared = false;
    bool control_apart = false;
    for (unsigned worker = 0; worker < fabric.workers(); ++worker) {
        for (const TxQueue& queue : fabric.links(worker).tx) {
            if (queue.port != index) continue;
            owners.push_back(worker);
            shared = shared || !queue.forward.empty();
            control_apart = control_apart || queue.control.empty();
        }
    }
    std::string out = count(owners.size(), "transmit queue") + " owned by worker " + list(owners);
    if (control_apart) return out + ", control traffic on queues of its own";
    if (shared) out += ", which drains the other workers' rings";
    return out + ", forwarding first and control traffic after";
}

std::string checksums(std::uint64_t offloads) {
    std::string out;
    if ((offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0) out += " IPv4";
    if ((offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) != 0) out += " TCP";
    if ((offloads & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) != 0) out += " UDP";
    return out.empty() ? "checksums checked in software" : "checksums checked by the port:" + out;
}

}  // namespace

std::string describe_port(const Ports& ports, std::size_t index, Fabric& fabric) {
    const Port& port = ports.all()[index];
    return "port " + std::to_string(index) + " (" + port.pair + ") " + port.given + ": driver " +
           port.driver + (port.node >= 0 ? ", NUMA node " + std::to_string(port.node) : "") + ", MTU " +
           std::to_string(port.mtu) + (port.promiscuous ? ", promiscuous" : "") + "; " +
           receiving(port, index, fabric) + "; " + sending(index, fabric) + "; " + checksums(port.checksums) +
           "; link " + (ports.link(index) ? "up" : "down");
}

std::string describe_spreading(const Spreading& spreading, unsigned workers) {
    if (workers == 1) return "one worker has every flow";
    if (spreading.by_rss) return "flows find their worker by symmetric RSS, verified on every port";
    return "flows find their worker by their keyed hash, in software: " + spreading.why_not;
}

}  // namespace sluice::dpdk
