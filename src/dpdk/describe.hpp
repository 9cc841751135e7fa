// What was chosen at start, in words: printed once, so that nobody has to guess.
#pragma once

#include <string>

#include "sluice/dpdk/fabric.hpp"
#include "sluice/dpdk/ports.hpp"

namespace sluice::dpdk {

/// "port 0 (wan) af_xdp:eth1: …": driver, node, MTU, queues and who polls or owns them, checksums, link.
[[nodiscard]] std::string describe_port(const Ports& ports, std::size_t index, Fabric& fabric);

/// How a flow's packets find its worker.
[[nodiscard]] std::string describe_spreading(const Spreading& spreading, unsigned workers);

}  // namespace sluice::dpdk
