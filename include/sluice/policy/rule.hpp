// One rule of a policy: which first packets of a flow it is about, and what becomes of them and their flow.
//
// A rule says several things of a packet, and all must hold; of each it lists what may be, and one of the
// list suffices. An empty list says nothing. Rules are looked through in their order and the first that
// matches decides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/address.hpp"

namespace sluice::policy {

/// Rules are numbered from 1 in their order; 0 is what holds where none matches.
using RuleNumber = std::uint16_t;
inline constexpr RuleNumber no_rule = 0;

enum class Action : std::uint8_t {
    allow,
    deny,     ///< dropped without a word: the client waits until it gives up
    reject,   ///< refused with an answer: a RST, or an ICMP error
    proxy,    ///< allowed once the client has proved its address (TCP)
    inspect,  ///< allowed, and read
};
[[nodiscard]] constexpr std::string_view name_of(Action action) {
    constexpr std::string_view names[] = {"allow", "deny", "reject", "proxy", "inspect"};
    return names[static_cast<int>(action)];
}
[[nodiscard]] constexpr bool admits(Action action) {
    return action != Action::deny && action != Action::reject;
}

/// A closed range of numbers.
struct Range {
    std::uint16_t first = 0;
    std::uint16_t last = 0xffff;

    [[nodiscard]] constexpr bool contains(unsigned number) const { return number >= first && number <= last; }
    [[nodiscard]] constexpr bool contains(const Range& other) const {
        return other.first >= first && other.last <= last;
    }
    friend constexpr bool operator==(const Range&, const Range&) = default;
};

/// Addresses of one family that begin alike.
struct Prefix {
    Address address;            ///< no bits beyond the length
    std::uint8_t length = 128;  ///< of Address: IPv4's plus 96
    bool ipv4 = false;

    [[nodiscard]] constexpr bool contains(const Address& other, bool other_is_ipv4) const {
        return ipv4 == other_is_ipv4 && same_prefix(address, other, length);
    }
    [[nodiscard]] constexpr bool contains(const Prefix& other) const {
        return other.length >= length && contains(other.address, other.ipv4);
    }
    friend constexpr bool operator==(const Prefix&, const Prefix&) = default;
};

/// All addresses of a family.
[[nodiscard]] constexpr Prefix everything(bool ipv4) {
    return ipv4 ? Prefix{{0, Address::mapped}, 96, true} : Prefix{{}, 0, false};
}

/// Of a packet without a VLAN tag: no tag has this id.
inline constexpr std::uint16_t untagged = 0xfff;

/// Interfaces are numbered by the pairs they belong to: 2 times the pair, and 1 more for its second port.
inline constexpr unsigned most_interfaces = 64;
inline constexpr std::uint64_t all_interfaces = ~std::uint64_t{0};

/// What rules look at.
struct FirstPacket {
    Address source, destination;
    /// TCP and UDP; ICMP: its type, and its code. Otherwise 0.
    std::uint16_t source_port = 0, destination_port = 0;
    std::uint16_t vlan = untagged;  ///< the outermost
    std::uint8_t protocol = 0;
    std::uint8_t interface = 0;  ///< that it came in by
    bool ipv4 = true;

    friend bool operator==(const FirstPacket&, const FirstPacket&) = default;
};

struct IcmpKind {
    std::uint8_t type = 0;
    std::optional<std::uint8_t> code;  ///< none: any

    friend bool operator==(const IcmpKind&, const IcmpKind&) = default;
};

/// How long flows of a rule last without a packet, where it is not as for all flows. Seconds, 1 to
/// max_lifetime_seconds; 0: as for all.
struct OwnTimeouts {
    std::uint32_t tcp_established = 0;  ///< what waits for an acknowledgement no longer than this either
    std::uint32_t udp = 0, udp_stream = 0;

    [[nodiscard]] constexpr bool any() const { return (tcp_established | udp | udp_stream) != 0; }
    friend bool operator==(const OwnTimeouts&, const OwnTimeouts&) = default;
};

struct Rule {
    std::string name;

    // What it is about.
    std::uint64_t interfaces = all_interfaces;  ///< a bit each
    std::vector<Range> vlans;
    std::vector<std::uint8_t> protocols;
    std::vector<Prefix> from, to;
    std::vector<Range> from_ports, to_ports;  ///< TCP and UDP alone
    std::vector<IcmpKind> icmp;               ///< ICMP or ICMPv6 alone

    // What becomes of the flow.
    Action action = Action::deny;
    std::string profile;              ///< of Action::inspect
    bool log = false;                 ///< first packets are reported
    std::uint32_t mark = 0;           ///< the flow's
    std::uint32_t most_flows = 0;     ///< at a time, all workers together; 0: any number
    std::uint32_t most_a_second = 0;  ///< new flows, all workers together; 0: any number
    std::optional<bool> pick_up;      ///< connections may be picked up in mid-stream; none: as elsewhere
    std::optional<bool>
        drop_invalid;  ///< packets of its flows that are refused are dropped; none: as elsewhere
    OwnTimeouts timeouts;
    /// Flows that a former policy allowed and this rule forbids live on.
    bool spares_live_flows = false;

    friend bool operator==(const Rule&, const Rule&) = default;
};

[[nodiscard]] bool matches(const Rule& rule, const FirstPacket& packet);

/// Why the rule is not about this packet, for people ("its source 192.0.2.1 is not among 198.51.100.0/24");
/// empty when it is.
[[nodiscard]] std::string why_not(const Rule& rule, const FirstPacket& packet);

/// "allow tcp from 192.0.2.0/24 to any port 443": long lists are cut.
[[nodiscard]] std::string describe(const Rule& rule);
/// "tcp 192.0.2.1 port 40000 to 198.51.100.1 port 443".
[[nodiscard]] std::string describe(const FirstPacket& packet);
[[nodiscard]] std::string text_of(const Prefix& prefix);
/// "tcp", "udp", "icmp", "icmpv6", or the number.
[[nodiscard]] std::string protocol_text(std::uint8_t protocol);

}  // namespace sluice::policy
