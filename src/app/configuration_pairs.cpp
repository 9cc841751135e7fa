// The part of the Reader that reads [[pair]]: port pairs, their devices and zones.
#include <algorithm>
#include <cctype>

#include "app/configuration_reader.hpp"
#include "app/device_name.hpp"

namespace sluice::app {
namespace {

using Kind = Node::Kind;

/// The words the documentation has for a key of a pair.
std::string expected(std::string_view name) {
    for (const TableKey& key : pair_keys())
        if (key.name == name) return "expected " + std::string(key.expectation);
    return "expected a key of a pair";
}

}  // namespace

bool is_table_name(std::string_view name) {
    constexpr std::size_t longest = 31;
    return !name.empty() && name.size() <= longest &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) {
               return c < 0x80 && (std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.');
           });
}

void Reader::read_pairs(const Node& list, const Source& source) {
    given_["pair"] = source;
    into_.dpdk.pairs.clear();
    into_.settings.zone = {};
    devices_.clear();
    const bool tables =
        list.kind == Kind::list && std::all_of(list.nodes.begin(), list.nodes.end(),
                                               [](const Node& item) { return item.kind == Kind::table; });
    if (!tables) {
        const bool single = list.kind == Kind::table;
        faults_.add(source, "pair",
                    "expected [[pair]] with ports = [\"FIRST\", \"SECOND\"] below it, " + found(list) +
                        (single ? " (double the brackets)" : ""));
        return;
    }
    for (std::size_t i = 0; i < list.nodes.size(); ++i) {
        if (i == dpdk::max_pairs) {
            faults_.add(place(source, list.nodes[i].at), "pair",
                        "expected at most " + std::to_string(dpdk::max_pairs) + " pairs, for DPDK holds " +
                            std::to_string(2 * dpdk::max_pairs) + " ports, found " +
                            std::to_string(list.nodes.size()));
            return;
        }
        read_pair(list.nodes[i], place(source, list.nodes[i].at));
    }
}

void Reader::read_pair(const Node& table, const Source& source) {
    dpdk::PairOptions& pair = into_.dpdk.pairs.emplace_back();
    pair.name = "pair" + std::to_string(into_.dpdk.pairs.size());
    const Node* ports = nullptr;
    for (const Node& member : table.nodes) {
        const Source value = place(source, member.at);
        if (member.name == "name") {
            read_pair_name(member, value, pair.name);
        } else if (member.name == "ports") {
            ports = &member;
            read_pair_ports(member, value, pair);
        } else if (member.name == "zone") {
            read_pair_zone(member, value);
        } else {
            std::vector<std::string_view> names;
            for (const TableKey& key : pair_keys()) names.push_back(key.name);
            const std::string_view meant = suggest(member.name, names);
            faults_.add(place(source, member.name_at), "pair." + member.name,
                        meant.empty()
                            ? "there is no such key; a pair has name, ports and zone"
                            : "there is no such key; did you mean pair." + std::string(meant) + '?');
        }
    }
    if (ports == nullptr)
        faults_.add(source, "pair", "expected ports = [\"FIRST\", \"SECOND\"], found no ports");
    for (std::size_t i = 0; i + 1 < into_.dpdk.pairs.size(); ++i)
        if (into_.dpdk.pairs[i].name == pair.name)
            faults_.add(source, "pair.name",
                        "expected a name of its own, found \"" + pair.name + "\" for an earlier pair too");
}

void Reader::read_pair_name(const Node& node, const Source& source, std::string& name) {
    if (node.kind == Kind::text && is_table_name(node.text)) {
        name = node.text;
    } else {
        faults_.add(source, "pair.name", expected("name") + ", " + found(node));
    }
}

void Reader::read_pair_ports(const Node& node, const Source& source, dpdk::PairOptions& pair) {
    if (node.kind != Kind::list || node.nodes.size() != 2) {
        const std::string what =
            node.kind == Kind::list ? "found " + std::to_string(node.nodes.size()) : found(node);
        faults_.add(source, "pair.ports", "expected two devices, [\"FIRST\", \"SECOND\"], " + what);
        return;
    }
    for (std::size_t i = 0; i < 2; ++i) {
        const Node& item = node.nodes[i];
        const Source at = place(source, item.at);
        const auto identity = item.kind == Kind::text ? device_identity(item.text) : std::nullopt;
        if (!identity) {
            faults_.add(at, "pair.ports", "expected " + device_expectation(item.text) + ", " + found(item));
            continue;
        }
        pair.ports[i].device = item.text;
        const auto [earlier, fresh] = devices_.emplace(*identity, item.at.line);
        if (fresh) continue;
        std::string where = !source.is_override ? " in line " + std::to_string(earlier->second) : "";
        if (earlier->second == item.at.line) where.clear();
        faults_.add(at, "pair.ports",
                    "expected each device once in the whole file, found " + *identity +
                        " again, named before" + where);
    }
}

void Reader::read_pair_zone(const Node& node, const Source& source) {
    constexpr std::int64_t largest_zone = 0xffff;
    if (node.kind == Kind::integer && node.integer >= 0 && node.integer <= largest_zone) {
        into_.settings.zone[into_.dpdk.pairs.size() - 1] = static_cast<std::uint16_t>(node.integer);
    } else {
        faults_.add(source, "pair.zone", expected("zone") + ", " + found(node));
    }
}

}  // namespace sluice::app
