// Random rule sets and random first packets that hit them: few addresses and ports, so that rules overlap,
// and packets at the edges of what rules list.
#pragma once

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "sluice/packet/headers.hpp"
#include "sluice/policy/rule_set.hpp"

namespace sluice::policy {

class ArbitraryRules {
  public:
    explicit ArbitraryRules(std::uint64_t seed) : random_(seed) {}

    /// `narrow`: rules as people write them, most about one address and port; else about anything.
    std::vector<Rule> rules(std::size_t count, bool narrow = false) {
        std::vector<Rule> out;
        while (out.size() < count) {
            Rule candidate = rule(narrow);
            if (RuleSet::build({candidate}).ok()) out.push_back(std::move(candidate));
        }
        return out;
    }

    Rule rule(bool narrow) {
        Rule out;
        out.action = one_in(2) ? Action::allow : Action::deny;
        const bool ipv4 = one_in(2);
        const auto prefixes = [&](std::vector<Prefix>& all) {
            if (!narrow && one_in(3)) return;
            for (std::size_t i = 0, most = narrow ? 1 : below(4) + 1; i < most; ++i)
                all.push_back(prefix(narrow || !one_in(4) ? ipv4 : !ipv4, narrow));
        };
        prefixes(out.from);
        prefixes(out.to);
        switch (below(6)) {
            case 0:
                break;
            case 1:
                out.protocols = {number<std::uint8_t>(256)};
                break;
            case 2:
                out.protocols = {ipv4 ? packet::icmp : packet::icmpv6};
                for (std::size_t i = 0; i < below(3); ++i)
                    out.icmp.push_back(
                        {number<std::uint8_t>(10),
                         one_in(2) ? std::optional<std::uint8_t>(number<std::uint8_t>(4)) : std::nullopt});
                break;
            default:
                out.protocols = {one_in(2) ? packet::tcp : packet::udp};
                if (one_in(3)) out.protocols = {packet::tcp, packet::udp};
                if (narrow || !one_in(3)) ranges(out.to_ports, narrow);
                if (!narrow && one_in(4)) ranges(out.from_ports, narrow);
        }
        if (!narrow && one_in(6)) {
            if (one_in(3)) out.vlans.push_back({untagged, untagged});
            if (out.vlans.empty() || one_in(2)) {
                const auto low = number<std::uint16_t>(20);
                out.vlans.push_back({low, static_cast<std::uint16_t>(low + below(5))});
            }
        }
        if (!narrow && one_in(6)) out.interfaces = random_() | 1U << below(4);
        return out;
    }

    /// Every other one is about what some rule of the set lists, give or take one.
    FirstPacket packet(const RuleSet& rules) {
        FirstPacket out;
        out.ipv4 = one_in(2);
        out.source = address(out.ipv4);
        out.destination = address(out.ipv4);
        constexpr std::uint8_t usual[] = {packet::tcp, packet::udp, packet::tcp, packet::icmp,
                                          packet::icmpv6};
        out.protocol = one_in(10) ? number<std::uint8_t>(256) : usual[below(std::size(usual))];
        fill_ports(out);
        out.vlan = one_in(2) ? untagged : number<std::uint16_t>(26);
        out.interface = number<std::uint8_t>(6);
        if (!rules.empty() && one_in(2))
            resemble(out, rules.rule(static_cast<RuleNumber>(1 + below(rules.size()))));
        return out;
    }

  private:
    std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }
    bool one_in(std::size_t many) { return below(many) == 0; }
    template <class Number>
    Number number(std::size_t end) {
        return static_cast<Number>(below(end));
    }

    /// Of few networks, so that prefixes contain one another.
    Address address(bool ipv4) {
        const std::uint64_t host = below(2) == 0 ? below(8) : random_();
        if (ipv4) {
            const std::uint32_t word = 0x0A00'0000U | number<std::uint32_t>(4) << 16U | (host & 0xFFFFU);
            return {0, Address::mapped | word};
        }
        return {0x2001'0DB8'0000'0000U | below(4) << 16U | below(2), host};
    }

    Prefix prefix(bool ipv4, bool narrow) {
        const unsigned whole = ipv4 ? 32 : 128;
        unsigned length =
            narrow ? whole - number<unsigned>(2) * number<unsigned>(9) : number<unsigned>(whole + 1);
        if (!narrow && one_in(2)) length = whole - number<unsigned>(17);
        Prefix out{address(ipv4), static_cast<std::uint8_t>(length + (ipv4 ? 96 : 0)), ipv4};
        const Address mask = prefix_mask(out.length);
        out.address.high &= mask.high;
        out.address.low &= mask.low;
        return out;
    }

    void ranges(std::vector<Range>& all, bool narrow) {
        for (std::size_t i = 0, most = narrow ? 1 : below(3) + 1; i < most; ++i) {
            const auto first = number<std::uint16_t>(one_in(2) ? 100 : 0x10000);
            const std::size_t length = one_in(2) ? 0 : below(one_in(2) ? 20 : 0x10000);
            all.push_back({first, static_cast<std::uint16_t>(std::min<std::size_t>(first + length, 0xffff))});
        }
    }

    void fill_ports(FirstPacket& out) {
        if (out.protocol == packet::tcp || out.protocol == packet::udp) {
            out.source_port = number<std::uint16_t>(0x10000);
            out.destination_port = number<std::uint16_t>(one_in(2) ? 120 : 0x10000);
        } else if (out.protocol == packet::icmp || out.protocol == packet::icmpv6) {
            out.source_port = number<std::uint16_t>(11);
            out.destination_port = number<std::uint16_t>(5);
        } else {
            out.source_port = out.destination_port = 0;
        }
    }

    void resemble(FirstPacket& out, const Rule& rule) {
        const auto near = [&](Address base, const Prefix& prefix) {
            const Address mask = prefix_mask(prefix.length);
            base.high = (base.high & ~mask.high) | prefix.address.high;
            base.low = (base.low & ~mask.low) | prefix.address.low;
            if (one_in(4)) base.low ^= std::uint64_t{1} << below(32);
            return base;
        };
        const auto some = [&](const auto& all) { return all[below(all.size())]; };
        if (!rule.from.empty()) {
            const Prefix from = some(rule.from);
            out.ipv4 = from.ipv4;
            out.source = near(address(out.ipv4), from);
            out.destination = address(out.ipv4);
        }
        if (!rule.to.empty()) {
            const Prefix to = some(rule.to);
            if (to.ipv4 != out.ipv4 && !rule.from.empty()) return;
            if (to.ipv4 != out.ipv4) out.source = address(to.ipv4);
            out.ipv4 = to.ipv4;
            out.destination = near(address(out.ipv4), to);
        }
        if (!rule.protocols.empty()) out.protocol = some(rule.protocols);
        fill_ports(out);
        const auto edge = [&](const Range& range) {
            const unsigned where = one_in(2) ? range.first : range.last;
            return static_cast<std::uint16_t>(where + below(3) - 1);
        };
        if (!rule.to_ports.empty()) out.destination_port = edge(some(rule.to_ports));
        if (!rule.from_ports.empty()) out.source_port = edge(some(rule.from_ports));
        if (!rule.icmp.empty()) out.source_port = some(rule.icmp).type;
        if (!rule.vlans.empty() && !one_in(3)) out.vlan = edge(some(rule.vlans)) & 0xfff;
    }

    std::mt19937_64 random_;
};

}  // namespace sluice::policy
