// What can be said of a port before it is opened: by the daemon when it starts, by `sluice doctor` at any
// time.
#pragma once

#include <string>
#include <vector>

#include "device.hpp"
#include "machine.hpp"
#include "sluice/base/result.hpp"

namespace sluice::dpdk {

/// Whether an interface of the kernel is there, may be used and hands over frames as they were on the wire;
/// else a sentence that says what to do. What only breaks some traffic goes to `warnings`.
[[nodiscard]] Status check_interface(const Device& device, bool allow_offloads,
                                     std::vector<std::string>& warnings);

/// Whether a PCI device is there and given to DPDK.
[[nodiscard]] Status check_pci(const Device& device, const Machine& machine);

/// The NUMA node of a port; -1: none or unknown.
[[nodiscard]] int node_of(const Device& device, const Machine& machine);
/// The node that the ports lie on; -1 when they lie on several or nobody knows.
[[nodiscard]] int common_node(const std::vector<Device>& devices, const Machine& machine);

}  // namespace sluice::dpdk
