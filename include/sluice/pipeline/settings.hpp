// Everything that tells a tracker how to behave. Limits are fixed when it is built; Settings may be replaced
// while it runs (a reload), whole, through the mailbox.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "sluice/base/lifetime.hpp"
#include "sluice/inspect/terms.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::pipeline {

struct Policy;      // policy.hpp
struct Protection;  // protection.hpp

/// Sizes of one worker's tables. Memory for them is taken once, at start.
struct Limits {
    std::uint32_t ipv4_flows = 196'608;       ///< records, at least 1
    std::uint32_t ipv6_flows = 65'536;        ///< records, at least 1
    std::uint32_t fragment_datagrams = 1024;  ///< datagrams held at once, 1 to 65536
    bool accounting = false;                  ///< packets and bytes per direction (nf_conntrack_acct)
    bool timestamps = false;                  ///< start time of each flow (nf_conntrack_timestamp)
    std::uint16_t guarded_services = 0;       ///< numbers of services that SYNs are counted for; 0: no guard
    bool rules = false;                       ///< room to remember which rule each flow began under
    std::uint16_t proxied_handshakes = 8192;  ///< with a guard: handshakes with servers under way, 1 to 65534
    std::uint32_t event_slots = 0;    ///< events that may wait to be taken, a power of two; 0: none are kept
    std::uint32_t capture_slots = 0;  ///< the same for packets that are captured
    /// What flows under rules that inspect are read with. No flows: nothing is read, and it takes no memory.
    inspect::ReassemblyLimits inspection{.flows = 0};
    std::uint32_t alert_slots = 256;  ///< with inspection: alerts that may wait to be taken, a power of two
};

/// EtherTypes with a policy of their own, beside the default for what is not IP.
inline constexpr std::size_t max_ether_types = 32;
inline constexpr std::size_t max_port_pairs = 32;

/// What an operator may change at any time. A plain value: built by the configuration, obeyed whole by each
/// worker.
struct Settings {
    tcp::Settings tcp;
    Timeouts timeouts = linux_timeouts();  ///< seconds, 1 to max_lifetime_seconds
    bool checksum = true;                  ///< verify checksums that the port did not (R3)
    bool drop_invalid = true;              ///< refused packets are dropped; false: passed and counted
    bool challenge_ack = false;  ///< the sender of a dropped segment is told what its receiver expects
    bool drop_when_full = true;  ///< a new flow that finds no room is dropped; false: passed untracked
    bool vlan_in_key = true;     ///< VLAN tags are part of the flow key
    std::uint32_t half_open_limit =
        0;  ///< half-open flows of one worker and family; 0: no budget of their own
    std::uint32_t fragment_timeout_ipv4 = 30;          ///< seconds
    std::uint32_t fragment_timeout_ipv6 = 60;          ///< seconds (nf_conntrack_frag6_timeout)
    std::array<std::uint16_t, max_port_pairs> zone{};  ///< conntrack zone of each port pair

    /// What the guard does; null: nothing. Means something where Limits::guarded_services is not 0.
    std::shared_ptr<const Protection> protection;

    /// The rules that first packets of flows are judged by; null: none, everything is allowed. Means
    /// something with Limits::rules.
    std::shared_ptr<const Policy> policy;

    /// Frames that are not IP: the default, and the exceptions to it.
    bool pass_other_ether_types = false;
    struct EtherTypePolicy {
        std::uint16_t ether_type;  ///< host order; below 0x600: LLC, unless SNAP names an EtherType
        bool pass;
    };
    std::size_t ether_type_count = 0;
    std::array<EtherTypePolicy, max_ether_types> ether_types{};

    /// The policy shipped: ARP, LLDP, slow protocols (LACP), 802.1X, PTP and LLC (spanning tree) pass; MPLS,
    /// PPPoE and all else that is not IP is dropped and counted.
    void set_default_ether_types();
};

}  // namespace sluice::pipeline
