// Questions to the kernel about its own interfaces: ports that run over af_xdp and af_packet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/result.hpp"

namespace sluice::dpdk {

/// Offloads of one interface that change frames before or after we see them.
struct Offloads {
    bool transmit_checksum = false;  ///< a veth hands its peer frames whose checksums are not filled in
    bool segmentation = false;       ///< TSO: a veth hands its peer frames longer than the MTU
    bool generic_receive = false;    ///< GRO: frames are merged before af_packet sees them
    bool large_receive = false;      ///< LRO: the same in hardware
    bool vlan_on_transmit =
        false;  ///< tags leave beside the frame; a veth's peer has them there, unseen by af_xdp
    bool vlan_on_receive = false;  ///< tags are taken out of arriving frames, unseen by af_xdp
};

/// The kernel's number of interface `name` in this network namespace; 0 when there is none.
[[nodiscard]] unsigned index_of(const std::string& name);

/// The offloads of interface `name` in this network namespace; all false for what cannot be asked.
[[nodiscard]] Offloads offloads_of(const std::string& name);

/// Receive queues (channels) of the interface, at least 1.
[[nodiscard]] unsigned channels_of(const std::string& name);

/// The kernel's MTU, or 0.
[[nodiscard]] std::uint16_t mtu_of(const std::string& name);
[[nodiscard]] bool set_mtu(const std::string& name, std::uint16_t mtu);

/// Administratively up, with carrier or without.
[[nodiscard]] bool is_up(const std::string& name);
/// Up and with carrier.
[[nodiscard]] bool has_link(const std::string& name);
/// Administratively up or down; false when the kernel refused.
bool set_up(const std::string& name, bool up);

/// The far end of a veth: where it is, what it is called there, and its offloads. `visible` is false when it
/// lies in a namespace without a name (a container's).
struct Peer {
    bool visible = false;
    std::string name_space;  ///< as `ip netns` lists it; empty: this one
    std::string name;
    Offloads offloads;
};
/// Empty when `name` is no veth.
[[nodiscard]] std::optional<Peer> peer_of(const std::string& name);

/// Refuses an interface whose settings would hand us frames that never were on a wire, with the lines to
/// type. What only breaks VLAN-tagged traffic goes to `warnings`. `xdp`: it is read through af_xdp, not
/// af_packet.
[[nodiscard]] Status check_offloads(const std::string& interface, bool xdp,
                                    std::vector<std::string>& warnings);

}  // namespace sluice::dpdk
