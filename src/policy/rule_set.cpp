#include "sluice/policy/rule_set.hpp"

#include <algorithm>
#include <optional>

#include "sluice/base/words.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::policy {
namespace {

struct Protocols {
    std::uint8_t number = 0;
    bool any = true;
};

std::vector<Range> or_all(std::vector<Range> ranges) {
    if (ranges.empty()) ranges.push_back({});
    return ranges;
}

/// Runs of neighbouring interfaces.
std::vector<Range> interface_ranges(std::uint64_t mask) {
    if (mask == all_interfaces) return {{}};
    std::vector<Range> out;
    for (std::uint16_t i = 0; i < most_interfaces; ++i) {
        if ((mask >> i & 1U) == 0) continue;
        if (!out.empty() && out.back().last + 1 == i)
            out.back().last = i;
        else
            out.push_back({i, i});
    }
    return out;
}

/// The prefixes of one family: all of it where the list says nothing.
std::vector<Prefix> of_family(const std::vector<Prefix>& all, bool ipv4) {
    if (all.empty()) return {everything(ipv4)};
    std::vector<Prefix> out;
    std::copy_if(all.begin(), all.end(), std::back_inserter(out),
                 [&](const Prefix& prefix) { return prefix.ipv4 == ipv4; });
    return out;
}

/// What a rule says beside addresses: the dimensions whose product, with the addresses, are its boxes.
struct Dimensions {
    std::vector<Prefix> sources, destinations;
    std::vector<Protocols> protocols;
    std::vector<std::pair<Range, Range>> ports;
    std::vector<Range> vlans, interfaces;

    [[nodiscard]] std::uint64_t product() const {
        std::uint64_t out = 1;
        for (const std::size_t size : {sources.size(), destinations.size(), protocols.size(), ports.size(),
                                       vlans.size(), interfaces.size()})
            out = std::min<std::uint64_t>(out * size, RuleSet::most_boxes + 1);
        return out;
    }
};

Dimensions dimensions_of(const Rule& rule, bool ipv4) {
    Dimensions out;
    out.sources = of_family(rule.from, ipv4);
    out.destinations = of_family(rule.to, ipv4);
    for (const std::uint8_t protocol : rule.protocols) out.protocols.push_back({protocol, false});
    if (rule.protocols.empty()) out.protocols.push_back({});
    if (rule.icmp.empty()) {
        for (const Range& from : or_all(rule.from_ports))
            for (const Range& to : or_all(rule.to_ports)) out.ports.emplace_back(from, to);
    } else {
        for (const IcmpKind& kind : rule.icmp)
            out.ports.emplace_back(Range{kind.type, kind.type},
                                   kind.code ? Range{*kind.code, *kind.code} : Range{});
    }
    out.vlans = or_all(rule.vlans);
    out.interfaces = interface_ranges(rule.interfaces);
    return out;
}

template <class Visitor>
void for_each_box(const Rule& rule, const Visitor& visit) {
    for (const bool ipv4 : {true, false}) {
        const Dimensions all = dimensions_of(rule, ipv4);
        for (const Prefix& source : all.sources)
            for (const Prefix& destination : all.destinations)
                for (const Protocols& protocol : all.protocols)
                    for (const auto& [from, to] : all.ports)
                        for (const Range& vlan : all.vlans)
                            for (const Range& interface : all.interfaces)
                                visit(Box{source, destination, from, to, vlan, interface, protocol.number,
                                          protocol.any});
    }
}

bool only(const std::vector<std::uint8_t>& protocols, std::uint8_t one, std::uint8_t other) {
    return !protocols.empty() && std::all_of(protocols.begin(), protocols.end(), [&](std::uint8_t protocol) {
        return protocol == one || protocol == other;
    });
}

/// What a rule asks for that cannot be; empty: nothing.
std::string contradiction_of(const Rule& rule) {
    const bool has_ports = !rule.from_ports.empty() || !rule.to_ports.empty();
    if (has_ports && !only(rule.protocols, packet::tcp, packet::udp))
        return "ports need protocol tcp, udp or both of them and no other";
    if (!rule.icmp.empty() &&
        (rule.protocols.size() != 1 || !only(rule.protocols, packet::icmp, packet::icmpv6)))
        return "ICMP types need protocol icmp or icmpv6, one of them";
    if (rule.action == Action::proxy && !only(rule.protocols, packet::tcp, packet::tcp))
        return "only protocol tcp can be proxied";
    const auto may_be = [&](std::uint8_t protocol) {
        const auto& all = rule.protocols;
        return all.empty() || std::find(all.begin(), all.end(), protocol) != all.end();
    };
    if (rule.timeouts.tcp_established != 0 && !may_be(packet::tcp))
        return "it has a timeout for tcp, and its protocol is another";
    if ((rule.timeouts.udp | rule.timeouts.udp_stream) != 0 && !may_be(packet::udp))
        return "it has a timeout for udp, and its protocol is another";
    if ((rule.action == Action::inspect) == rule.profile.empty())
        return "a profile goes with the action inspect, and with no other";
    if (rule.interfaces == 0) return "it names no interface";
    for (const auto* ranges : {&rule.vlans, &rule.from_ports, &rule.to_ports})
        for (const Range& range : *ranges)
            if (range.first > range.last)
                return joined("the range ", range.first, '-', range.last, " ends before it starts");
    for (const auto* prefixes : {&rule.from, &rule.to})
        for (const Prefix& prefix : *prefixes)
            if (!same_prefix(prefix.address, everything(prefix.ipv4).address,
                             everything(prefix.ipv4).length) ||
                prefix.length < everything(prefix.ipv4).length || prefix.length > 128)
                return "a prefix has no length that its family knows";
    const auto of_one_family = [](const std::vector<Prefix>& all, bool ipv4) {
        return !all.empty() &&
               std::all_of(all.begin(), all.end(), [&](const Prefix& one) { return one.ipv4 == ipv4; });
    };
    for (const bool ipv4 : {true, false})
        if (of_one_family(rule.from, ipv4) && of_one_family(rule.to, !ipv4))
            return "its sources and destinations are of different families: no packet has both";
    return "";
}

}  // namespace

bool Box::contains(const Box& other) const {
    return (any_protocol || (!other.any_protocol && protocol == other.protocol)) &&
           destination_port.contains(other.destination_port) && source_port.contains(other.source_port) &&
           destination.contains(other.destination) && source.contains(other.source) &&
           vlan.contains(other.vlan) && interface.contains(other.interface);
}

RuleSet::RuleSet() : rules_(1) {
    rules_[no_rule].action = Action::allow;
}

Result<RuleSet> RuleSet::build(std::vector<Rule> rules) {
    RuleSet out;
    if (rules.empty()) return out;
    if (rules.size() > most_rules)
        return Error{
            joined("there are ", grouped(rules.size()), " rules; at most ", grouped(most_rules), " can be")};
    out.rules_[no_rule].action = Action::deny;
    std::uint64_t boxes = 0;
    for (Rule& rule : rules) {
        out.rules_.push_back(std::move(rule));
        const auto number = static_cast<RuleNumber>(out.size());
        const Rule& added = out.rules_.back();
        if (const std::string wrong = contradiction_of(added); !wrong.empty())
            return Error{title_of(out, number) + ": " + wrong};
        for (const bool ipv4 : {true, false}) boxes += dimensions_of(added, ipv4).product();
        if (boxes > most_boxes)
            return Error{
                joined(title_of(out, number), ": up to here the rules have more than ", grouped(most_boxes),
                       " combinations of what they list; a rule has as many as its sources times its "
                       "destinations times its ports: use fewer or shorter lists in one rule")};
    }
    return out;
}

std::vector<RuleSet::NumberedBox> RuleSet::boxes() const {
    std::vector<NumberedBox> out;
    for (std::size_t i = 1; i < rules_.size(); ++i)
        for_each_box(rules_[i], [&](const Box& box) { out.push_back({static_cast<RuleNumber>(i), box}); });
    return out;
}

Shadows find_shadows(const RuleSet& rules, std::uint64_t budget) {
    Shadows out;
    const std::vector<RuleSet::NumberedBox> boxes = rules.boxes();
    for (std::size_t first = 0; first < boxes.size();) {
        const RuleNumber number = boxes[first].rule;
        std::vector<RuleNumber> deciding;
        bool hidden = true;
        std::size_t end = first;
        for (; end < boxes.size() && boxes[end].rule == number; ++end) {
            if (!hidden) continue;
            const auto* const before = boxes.data() + first;
            const auto* const cover = std::find_if(
                boxes.data(), before,
                [&](const RuleSet::NumberedBox& one) { return one.box.contains(boxes[end].box); });
            const auto looked_at = static_cast<std::uint64_t>(cover - boxes.data()) + 1;
            if (looked_at > budget) {
                out.complete = false;
                return out;
            }
            budget -= looked_at;
            hidden = cover != before;
            if (hidden) deciding.push_back(cover->rule);
        }
        if (hidden) {
            std::sort(deciding.begin(), deciding.end());
            deciding.erase(std::unique(deciding.begin(), deciding.end()), deciding.end());
            out.found.push_back({number, std::move(deciding)});
        }
        first = end;
    }
    return out;
}

std::string title_of(const RuleSet& rules, RuleNumber number) {
    if (number == no_rule) return "no rule";
    const std::string& name = rules.rule(number).name;
    return "rule " + std::to_string(number) + (name.empty() ? "" : " (" + name + ")");
}

std::string describe(const RuleSet& rules, const Shadow& shadow) {
    std::string before;
    for (const RuleNumber number : shadow.before)
        before += (before.empty() ? "" : ", ") + title_of(rules, number);
    return title_of(rules, shadow.rule) + " never decides: all it is about is decided before it by " + before;
}

void LinearMatcher::match(std::span<const FirstPacket> packets, std::span<RuleNumber> out) const {
    for (std::size_t i = 0; i < packets.size(); ++i) {
        out[i] = no_rule;
        for (std::size_t number = 1; number <= rules_.size() && out[i] == no_rule; ++number)
            if (matches(rules_.rule(static_cast<RuleNumber>(number)), packets[i]))
                out[i] = static_cast<RuleNumber>(number);
    }
}

}  // namespace sluice::policy
