#include "port_checks.hpp"

#include <linux/if_ether.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "interface.hpp"

namespace sluice::dpdk {
namespace {

/// A page of memory at most per af_xdp frame: the page less the buffer's own header and the kernel's
/// headroom.
constexpr std::uint16_t xdp_largest_mtu = 3498;

}  // namespace

Status check_interface(const Device& device, bool allow_offloads, std::vector<std::string>& warnings) {
    if (index_of(device.interface) == 0) {
        return Error{"there is no interface " + device.interface +
                     " here: `ip link` lists those of this network namespace"};
    }
    const int probe = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    const bool permitted = probe >= 0 || errno != EPERM;
    if (probe >= 0) close(probe);
    if (!permitted) {
        return Error{"no permission to use " + device.interface +
                     ": run sluiced as root, or give it the capabilities CAP_NET_RAW and CAP_NET_ADMIN "
                     "(af_xdp: CAP_BPF "
                     "and CAP_IPC_LOCK too)"};
    }
    if (device.xdp && mtu_of(device.interface) > xdp_largest_mtu) {
        return Error{device.interface + " has MTU " + std::to_string(mtu_of(device.interface)) +
                     ", and af_xdp carries at most " + std::to_string(xdp_largest_mtu) +
                     ": lower it with `ip link set " + device.interface +
                     " mtu 1500`, or use af_packet:" + device.interface};
    }
    if (allow_offloads) return success();
    return check_offloads(device.interface, device.xdp, warnings);
}

Status check_pci(const Device& device, const Machine& machine) {
    if (!machine.has_pci(device.name)) {
        return Error{"there is no PCI device " + device.name +
                     ": `dpdk-devbind.py --status-dev net` lists those there are"};
    }
    const std::string driver = machine.driver_of_pci(device.name);
    for (const char* usable : {"vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core", "mlx4_core"}) {
        if (driver == usable) return success();
    }
    return Error{"PCI device " + device.name + " is bound to " + (driver.empty() ? "no driver" : driver) +
                 ": give it to DPDK with `dpdk-devbind.py --bind=vfio-pci " + device.name +
                 "`, or use its interface as af_xdp:IF"};
}

int node_of(const Device& device, const Machine& machine) {
    if (device.kind == Device::Kind::pci) return machine.node_of_pci(device.name);
    if (device.kind == Device::Kind::interface) return machine.node_of_interface(device.interface);
    return -1;
}

int common_node(const std::vector<Device>& devices, const Machine& machine) {
    int node = -1;
    for (const Device& device : devices) {
        const int own = node_of(device, machine);
        if (own < 0) continue;
        if (node >= 0 && node != own) return -1;
        node = own;
    }
    return node;
}

}  // namespace sluice::dpdk
