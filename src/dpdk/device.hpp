// What an operator wrote for a port, understood: which kind of device, what DPDK will call it, how to create
// it.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/base/result.hpp"
#include "sluice/dpdk/options.hpp"

namespace sluice::dpdk {

struct Device {
    enum class Kind : std::uint8_t {
        pci,        ///< found by its address; bound to a driver for user space (or to mlx5's own)
        interface,  ///< an interface of the kernel, through af_xdp or af_packet
        other,      ///< any other virtual device: created, or given on the EAL command line
    };
    Kind kind = Kind::other;
    std::string given;        ///< as written
    std::string name;         ///< DPDK's name: "0000:3b:00.0", "net_af_xdp0", "net_ring0"
    std::string arguments;    ///< to create it with; may be empty
    std::string interface;    ///< kind interface: the kernel's name
    bool xdp = false;         ///< kind interface: af_xdp, not af_packet
    bool short_form = false;  ///< the arguments are ours to complete
};

/// Understands `given`. `number` (unique per port) goes into the names of devices made from short forms.
[[nodiscard]] Result<Device> parse_device(const std::string& given, unsigned number);

/// What a device of the short form is created with: every receive queue of the interface for af_xdp; for
/// af_packet one queue pair (several would share the interface by fanout) and frames that hold the MTU.
[[nodiscard]] std::string interface_arguments(const Device& device, unsigned channels, std::uint16_t mtu);

/// Both ports of each pair, in order, checked against one another: no device twice.
[[nodiscard]] Result<std::vector<Device>> parse_devices(const Options& options);

}  // namespace sluice::dpdk
