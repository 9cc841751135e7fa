#include "sluice/policy/rule.hpp"

#include <algorithm>

#include "sluice/base/address_text.hpp"
#include "sluice/base/words.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::policy {
namespace {

bool contains(const std::vector<Prefix>& all, const Address& address, bool ipv4) {
    return all.empty() || std::any_of(all.begin(), all.end(),
                                      [&](const Prefix& prefix) { return prefix.contains(address, ipv4); });
}

bool contains(const std::vector<Range>& all, unsigned number) {
    return all.empty() ||
           std::any_of(all.begin(), all.end(), [&](const Range& range) { return range.contains(number); });
}

bool contains(const std::vector<std::uint8_t>& all, std::uint8_t number) {
    return all.empty() || std::find(all.begin(), all.end(), number) != all.end();
}

bool contains(const std::vector<IcmpKind>& all, const FirstPacket& packet) {
    return all.empty() || std::any_of(all.begin(), all.end(), [&](const IcmpKind& kind) {
               return kind.type == packet.source_port &&
                      (!kind.code || *kind.code == packet.destination_port);
           });
}

/// "a, b or c"; of more than a few only some and their number.
template <class Item, class Text>
std::string listed(const std::vector<Item>& all, const Text& text) {
    constexpr std::size_t few = 4;
    std::string out;
    for (std::size_t i = 0; i < std::min(few, all.size()); ++i) {
        const bool last = i + 1 == all.size();
        out += (i == 0 ? "" : last ? " or " : ", ") + text(all[i]);
    }
    if (all.size() > few) out += " or one of " + counted(all.size() - few, "other");
    return out;
}

std::string number_text(const Range& range) {
    if (range.first == range.last) return std::to_string(range.first);
    return std::to_string(range.first) + '-' + std::to_string(range.last);
}

std::string vlan_text(const Range& range) {
    return range.first == untagged ? "untagged" : number_text(range);
}

std::string icmp_text(const IcmpKind& kind) {
    return std::to_string(kind.type) + (kind.code ? '/' + std::to_string(*kind.code) : "");
}

std::vector<unsigned> interfaces_in(std::uint64_t mask) {
    std::vector<unsigned> out;
    for (unsigned i = 0; i < most_interfaces; ++i)
        if ((mask >> i & 1U) != 0) out.push_back(i);
    return out;
}

/// Interfaces have their names where the configuration is known; here they have their places.
std::string interface_text(unsigned interface) {
    return joined("port ", interface % 2 + 1, " of pair ", interface / 2 + 1);
}

bool is_icmp(std::uint8_t protocol) {
    return protocol == packet::icmp || protocol == packet::icmpv6;
}
bool has_ports(std::uint8_t protocol) {
    return protocol == packet::tcp || protocol == packet::udp;
}

std::string side_text(std::string_view word, const std::vector<Prefix>& prefixes,
                      const std::vector<Range>& ports) {
    if (prefixes.empty() && ports.empty()) return "";
    std::string out = joined(
        ' ', word, ' ',
        prefixes.empty() ? "any" : listed(prefixes, [](const Prefix& prefix) { return text_of(prefix); }));
    if (!ports.empty()) out += " port " + listed(ports, number_text);
    return out;
}

}  // namespace

bool matches(const Rule& rule, const FirstPacket& packet) {
    return (rule.interfaces >> packet.interface & 1U) != 0 && contains(rule.protocols, packet.protocol) &&
           contains(rule.to_ports, packet.destination_port) &&
           contains(rule.from_ports, packet.source_port) && contains(rule.icmp, packet) &&
           contains(rule.vlans, packet.vlan) && contains(rule.to, packet.destination, packet.ipv4) &&
           contains(rule.from, packet.source, packet.ipv4);
}

std::string why_not(const Rule& rule, const FirstPacket& packet) {
    const auto prefixes = [](const std::vector<Prefix>& all) {
        return listed(all, [](const Prefix& prefix) { return text_of(prefix); });
    };
    if ((rule.interfaces >> packet.interface & 1U) == 0)
        return "it came in by " + interface_text(packet.interface) + ", not by " +
               listed(interfaces_in(rule.interfaces), interface_text);
    if (!contains(rule.vlans, packet.vlan))
        return (packet.vlan == untagged ? "it has no VLAN tag"
                                        : "its VLAN is " + std::to_string(packet.vlan)) +
               ", not " + listed(rule.vlans, vlan_text);
    if (!contains(rule.protocols, packet.protocol))
        return "its protocol is " + protocol_text(packet.protocol) + ", not " +
               listed(rule.protocols, protocol_text);
    if (!contains(rule.from, packet.source, packet.ipv4))
        return "its source " + sluice::text_of(packet.source) + " is not in " + prefixes(rule.from);
    if (!contains(rule.to, packet.destination, packet.ipv4))
        return "its destination " + sluice::text_of(packet.destination) + " is not in " + prefixes(rule.to);
    if (!contains(rule.from_ports, packet.source_port))
        return joined("its source port is ", packet.source_port, ", not ",
                      listed(rule.from_ports, number_text));
    if (!contains(rule.to_ports, packet.destination_port))
        return joined("its destination port is ", packet.destination_port, ", not ",
                      listed(rule.to_ports, number_text));
    if (!contains(rule.icmp, packet))
        return joined("its ICMP type and code are ", packet.source_port, '/', packet.destination_port,
                      ", not ", listed(rule.icmp, icmp_text));
    return "";
}

std::string text_of(const Prefix& prefix) {
    const unsigned whole = prefix.ipv4 ? 32 : 128;
    const unsigned length = prefix.length - (prefix.ipv4 ? 96U : 0U);
    return sluice::text_of(prefix.address) + (length == whole ? "" : '/' + std::to_string(length));
}

std::string protocol_text(std::uint8_t protocol) {
    switch (protocol) {
        case packet::tcp:
            return "tcp";
        case packet::udp:
            return "udp";
        case packet::icmp:
            return "icmp";
        case packet::icmpv6:
            return "icmpv6";
        default:
            return "protocol " + std::to_string(protocol);
    }
}

std::string describe(const Rule& rule) {
    std::string out(name_of(rule.action));
    if (!rule.profile.empty()) out += ' ' + rule.profile;
    out += ' ' + (rule.protocols.empty() ? "anything" : listed(rule.protocols, protocol_text));
    if (!rule.icmp.empty()) out += " type " + listed(rule.icmp, icmp_text);
    out += side_text("from", rule.from, rule.from_ports) + side_text("to", rule.to, rule.to_ports);
    if (!rule.vlans.empty()) out += " on VLAN " + listed(rule.vlans, vlan_text);
    if (rule.interfaces != all_interfaces)
        out += " that comes in by " + listed(interfaces_in(rule.interfaces), interface_text);
    if (rule.most_flows != 0) out += ", " + counted(rule.most_flows, "flow") + " at most";
    if (rule.most_a_second != 0) out += ", " + counted(rule.most_a_second, "new flow") + " a second at most";
    return out;
}

std::string describe(const FirstPacket& packet) {
    std::string out = protocol_text(packet.protocol);
    if (is_icmp(packet.protocol))
        out += joined(" type ", packet.source_port, " code ", packet.destination_port);
    const auto port = [&](std::uint16_t number) {
        return has_ports(packet.protocol) ? " port " + std::to_string(number) : std::string();
    };
    out += ' ' + sluice::text_of(packet.source) + port(packet.source_port) + " to " +
           sluice::text_of(packet.destination) + port(packet.destination_port);
    if (packet.vlan != untagged) out += " on VLAN " + std::to_string(packet.vlan);
    return out;
}

}  // namespace sluice::policy
