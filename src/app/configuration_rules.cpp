#include "app/configuration_rules.hpp"

#include <algorithm>
#include <charconv>

#include "app/configuration_guard.hpp"
#include "app/configuration_reader.hpp"
#include "app/regular_file.hpp"
#include "sluice/base/time.hpp"
#include "sluice/base/words.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/pipeline/policy.hpp"

namespace sluice::app {
namespace {

using Kind = Node::Kind;
using policy::Action;
using policy::Rule;

const std::vector<TableKey>& keys_of(std::string_view table) {
    return table == "rule" ? rule_keys() : set_keys();
}

std::string full_name(std::string_view table, std::string_view leaf) {
    return std::string(table) + '.' + std::string(leaf);
}

std::string expected(std::string_view table, std::string_view name) {
    for (const TableKey& key : keys_of(table))
        if (key.name == name) return "expected " + std::string(key.expectation);
    return "expected a key of a " + std::string(table);
}

void say_unknown(Faults& faults, std::string_view table, const Node& member, const Source& source) {
    std::vector<std::string_view> names;
    for (const TableKey& key : keys_of(table)) names.push_back(key.name);
    const std::string_view meant = suggest(member.name, names);
    faults.add(place(source, member.name_at), full_name(table, member.name),
               meant.empty() ? "there is no such key; docs/policy.md lists those of a " + std::string(table)
                             : "there is no such key; did you mean " + full_name(table, meant) + '?');
}

/// A single value stands for a list of one.
std::vector<const Node*> items_of(const Node& node) {
    if (node.kind != Kind::list) return {&node};
    std::vector<const Node*> out;
    for (const Node& item : node.nodes) out.push_back(&item);
    return out;
}

std::optional<unsigned> number_in(std::string_view text, unsigned most) {
    unsigned out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size() || out > most) return std::nullopt;
    return out;
}

std::optional<unsigned> number_of(const Node& item, unsigned most) {
    if (item.kind == Kind::integer && item.integer >= 0 && item.integer <= most)
        return static_cast<unsigned>(item.integer);
    return item.kind == Kind::text ? number_in(item.text, most) : std::nullopt;
}

/// 80, "80", "8000-8080".
std::optional<policy::Range> range_of(const Node& item, unsigned least, unsigned most) {
    std::optional<unsigned> first = number_of(item, most), last = first;
    const std::size_t dash = item.kind == Kind::text ? item.text.find('-') : std::string::npos;
    if (dash != std::string::npos) {
        first = number_in(std::string_view(item.text).substr(0, dash), most);
        last = number_in(std::string_view(item.text).substr(dash + 1), most);
    }
    if (!first || !last || *first < least || *first > *last) return std::nullopt;
    return policy::Range{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

bool read_port(std::vector<policy::Range>& ports, const Node& item) {
    const auto range = range_of(item, 1, 0xffff);
    if (range) ports.push_back(*range);
    return range.has_value();
}

bool read_vlan(std::vector<policy::Range>& vlans, const Node& item) {
    constexpr unsigned last_vlan = 4094;
    const auto range = item.kind == Kind::text && item.text == "untagged"
                           ? policy::Range{policy::untagged, policy::untagged}
                           : range_of(item, 0, last_vlan);
    if (range) vlans.push_back(*range);
    return range.has_value();
}

bool read_protocol(std::vector<std::uint8_t>& protocols, const Node& item) {
    struct Name {
        std::string_view name;
        std::uint8_t number;
    };
    constexpr Name names[] = {
        {"tcp", packet::tcp}, {"udp", packet::udp}, {"icmp", packet::icmp}, {"icmpv6", packet::icmpv6}};
    std::optional<unsigned> number = number_of(item, 0xff);
    for (const Name& name : names)
        if (item.kind == Kind::text && item.text == name.name) number = name.number;
    if (number) protocols.push_back(static_cast<std::uint8_t>(*number));
    return number.has_value();
}

/// 8, "8", "3/4", "echo-request".
bool read_icmp(std::vector<policy::IcmpKind>& kinds, const Node& item, bool ipv6) {
    if (item.kind == Kind::text && item.text == "echo-request") {
        kinds.push_back({static_cast<std::uint8_t>(ipv6 ? 128 : 8), std::nullopt});
        return true;
    }
    const std::size_t slash = item.kind == Kind::text ? item.text.find('/') : std::string::npos;
    const std::string_view text = item.text;
    const auto type =
        slash == std::string::npos ? number_of(item, 0xff) : number_in(text.substr(0, slash), 0xff);
    const auto code = slash == std::string::npos ? std::nullopt : number_in(text.substr(slash + 1), 0xff);
    if (!type || (slash != std::string::npos && !code)) return false;
    kinds.push_back({static_cast<std::uint8_t>(*type),
                     code ? std::optional(static_cast<std::uint8_t>(*code)) : std::nullopt});
    return true;
}

bool read_flag(bool& flag, const Node& node) {
    if (node.kind == Kind::boolean) flag = node.boolean;
    return node.kind == Kind::boolean;
}

template <class Meaning>
bool read_word(Meaning& meaning, const Node& node, std::string_view yes, std::string_view no) {
    if (node.kind != Kind::text || (node.text != yes && node.text != no)) return false;
    meaning = node.text == yes;
    return true;
}

bool read_number(std::uint32_t& number, const Node& node, std::int64_t least, std::int64_t most) {
    if (node.kind != Kind::integer || node.integer < least || node.integer > most) return false;
    number = static_cast<std::uint32_t>(node.integer);
    return true;
}

/// What the rules know and the packet path cannot do yet; empty: it can.
std::string why_unavailable(const Rule& rule, const control::GuardOptions& guard) {
    if (rule.action == Action::proxy && guard.numbers() == 0)
        return "the guard answers for servers, and it has no memory: set guard.enabled = true";
    return "";
}

policy::Prefix as_prefix(const AddressPrefix& read) {
    return {read.address, read.length, read.address.is_ipv4() && read.length >= 96};
}

}  // namespace

void RuleReader::take(std::string_view table, const Node& list, const Source& source) {
    (table == "rule" ? rules_ : sets_) = {&list, source};
}

void RuleReader::finish() {
    read_tables("set", sets_);
    read_tables("rule", rules_);
    if (faults_.names("rule") || faults_.names("set") || read_.empty()) return;
    for (const Source& source : places_) into_.rule_lines.push_back(source.at.line);
    auto built = policy::RuleSet::build(std::move(read_));
    if (built)
        into_.rules = std::make_shared<const policy::RuleSet>(std::move(*built));
    else
        faults_.add(rules_.source, "rule", built.error());
}

void RuleReader::read_tables(std::string_view table, const Given& given) {
    if (given.list == nullptr) return;
    const Node& list = *given.list;
    const bool tables =
        list.kind == Kind::list && std::all_of(list.nodes.begin(), list.nodes.end(),
                                               [](const Node& item) { return item.kind == Kind::table; });
    if (!tables) {
        faults_.add(given.source, table,
                    "expected [[" + std::string(table) + "]] with its keys below it, " + found(list) +
                        (list.kind == Kind::table ? " (double the brackets)" : ""));
        return;
    }
    if (table == "rule" && list.nodes.size() > policy::RuleSet::most_rules) {
        faults_.add(given.source, table,
                    "expected at most " + grouped(policy::RuleSet::most_rules) + " rules, found " +
                        grouped(list.nodes.size()));
        return;
    }
    for (const Node& one : list.nodes) {
        const Source source = place(given.source, one.at);
        if (table == "rule")
            read_rule(one, source);
        else
            read_set(one, source);
    }
}

// ---- Sets

void RuleReader::read_set(const Node& table, const Source& source) {
    std::string name;
    std::vector<policy::Prefix> prefixes;
    bool content = false;
    for (const Node& member : table.nodes) {
        const Source value = place(source, member.at);
        if (member.name == "name") {
            if (member.kind == Kind::text && is_table_name(member.text) && member.text != "anywhere" &&
                !parse_prefix(member.text))
                name = member.text;
            else
                faults_.add(value, "set.name", expected("set", "name") + ", " + found(member));
        } else if (member.name == "addresses") {
            content = true;
            for (const Node* item : items_of(member)) {
                const auto prefix = item->kind == Kind::text ? parse_prefix(item->text) : std::nullopt;
                if (prefix)
                    prefixes.push_back(as_prefix(*prefix));
                else
                    faults_.add(place(source, item->at), "set.addresses",
                                expected("set", "addresses") + ", " + found(*item));
            }
        } else if (member.name == "file") {
            content = true;
            read_set_file(member, value, prefixes);
        } else {
            say_unknown(faults_, "set", member, source);
        }
    }
    if (table.nodes.empty() || !content || (name.empty() && !faults_.names("set.name"))) {
        faults_.add(source, "set",
                    std::string("expected name and addresses or file, found no ") +
                        (name.empty() ? "name" : "addresses"));
        return;
    }
    if (!by_name_.emplace(name, std::move(prefixes)).second)
        faults_.add(source, "set.name",
                    "expected a name of its own, found \"" + name + "\" for an earlier set too");
}

void RuleReader::read_set_file(const Node& node, const Source& source,
                               std::vector<policy::Prefix>& prefixes) {
    if (node.kind != Kind::text)
        return faults_.add(source, "set.file", expected("set", "file") + ", " + found(node));
    const std::string path = beside(into_.file, node.text);
    const auto text = read_regular_file(path, "a set of addresses", max_configuration_bytes);
    if (!text) return faults_.add(source, "set.file", text.error());
    unsigned line = 0;
    for (std::size_t from = 0; from < text->size();) {
        ++line;
        const std::size_t end = std::min(text->find('\n', from), text->size());
        std::string_view word = std::string_view(*text).substr(from, end - from);
        from = end + 1;
        word = word.substr(0, word.find('#'));
        const std::size_t first = word.find_first_not_of(" \t\r");
        if (first == std::string_view::npos) continue;
        word = word.substr(first, word.find_last_not_of(" \t\r") + 1 - first);
        if (const auto prefix = parse_prefix(word))
            prefixes.push_back(as_prefix(*prefix));
        else
            return faults_.add(source, "set.file",
                               path + ':' + std::to_string(line) +
                                   ": expected an address or a prefix a line, found \"" + printable(word) +
                                   '"');
    }
}

// ---- Rules

void RuleReader::read_rule(const Node& table, const Source& source) {
    Rule rule;
    bool has_action = false;
    for (const Node& member : table.nodes) {
        has_action = has_action || member.name == "action";
        if (member.name != "icmp") read_part(rule, member, source);
    }
    // What its words mean depends on the protocol.
    for (const Node& member : table.nodes)
        if (member.name == "icmp") read_part(rule, member, source);
    if (!has_action) faults_.add(source, "rule", "expected action = \"allow\" or another, found no action");
    // One rule on its own, so that the fault has its line.
    Rule alone = rule;
    alone.name.clear();
    if (const auto built = policy::RuleSet::build({std::move(alone)}); !built && has_action)
        faults_.add(source, "rule", built.error().substr(built.error().find(": ") + 2));
    const auto& profiles = into_.inspection.profiles;
    if (rule.action == Action::inspect && !rule.profile.empty() &&
        std::none_of(profiles.begin(), profiles.end(),
                     [&](const InspectionProfile& profile) { return profile.name == rule.profile; }))
        faults_.add(source, "rule.action",
                    "expected the name of an [[inspection.profile]] behind inspect, found \"" +
                        printable(rule.profile) + '"');
    else if (const std::string why = why_unavailable(rule, into_.guard); !why.empty())
        faults_.add(source, "rule.action", why);
    read_.push_back(std::move(rule));
    places_.push_back(source);
}

void RuleReader::read_part(Rule& rule, const Node& member, const Source& source) {
    const Source value = place(source, member.at);
    const std::string& name = member.name;
    const auto each = [&](const auto& read) {
        for (const Node* item : items_of(member))
            if (!read(*item))
                faults_.add(place(source, item->at), full_name("rule", name),
                            expected("rule", name) + ", " + found(*item));
        return member.kind != Kind::list || !member.nodes.empty();
    };
    bool good = true;
    if (name == "name") {
        good = member.kind == Kind::text && is_table_name(member.text);
        if (good) {
            rule.name = member.text;
            if (!rule_names_.emplace(rule.name, 0).second)
                faults_.add(
                    value, "rule.name",
                    "expected a name of its own, found \"" + rule.name + "\" for an earlier rule too");
        }
    } else if (name == "action") {
        good = read_action(rule, member);
    } else if (name == "from" || name == "to") {
        auto& prefixes = name == "from" ? rule.from : rule.to;
        if (member.kind != Kind::text || member.text != "anywhere")
            good = each([&](const Node& item) { return read_prefixes(prefixes, item); });
    } else if (name == "from_port" || name == "to_port") {
        auto& ports = name == "from_port" ? rule.from_ports : rule.to_ports;
        good = each([&](const Node& item) { return read_port(ports, item); });
    } else if (name == "protocol") {
        good = each([&](const Node& item) { return read_protocol(rule.protocols, item); });
    } else if (name == "icmp") {
        const bool ipv6 = rule.protocols == std::vector<std::uint8_t>{packet::icmpv6};
        good = each([&](const Node& item) { return read_icmp(rule.icmp, item, ipv6); });
    } else if (name == "vlan") {
        good = each([&](const Node& item) { return read_vlan(rule.vlans, item); });
    } else if (name == "interface") {
        rule.interfaces = 0;
        good = each([&](const Node& item) { return read_interface(rule.interfaces, item); });
    } else if (name == "log") {
        good = read_flag(rule.log, member);
    } else if (name == "mark") {
        good = read_number(rule.mark, member, 0, 0xffff'ffff);
    } else if (name == "most_flows") {
        good = read_number(rule.most_flows, member, 1, 0x7fff'ffff);
    } else if (name == "most_a_second") {
        good = read_number(rule.most_a_second, member, 1, 100'000'000);
    } else if (name == "pick_up") {
        good = read_flag(rule.pick_up.emplace(), member);
    } else if (name == "invalid") {
        good = read_word(rule.drop_invalid, member, "drop", "pass");
    } else if (name == "tcp_timeout_established") {
        good = read_number(rule.timeouts.tcp_established, member, 1, max_lifetime_seconds);
    } else if (name == "udp_timeout") {
        good = read_number(rule.timeouts.udp, member, 1, max_lifetime_seconds);
    } else if (name == "udp_timeout_stream") {
        good = read_number(rule.timeouts.udp_stream, member, 1, max_lifetime_seconds);
    } else if (name == "live_flows") {
        good = read_word(rule.spares_live_flows, member, "keep", "remove");
    } else {
        say_unknown(faults_, "rule", member, source);
    }
    if (!good) faults_.add(value, full_name("rule", name), expected("rule", name) + ", " + found(member));
}

bool RuleReader::read_action(Rule& rule, const Node& node) const {
    if (node.kind != Kind::text) return false;
    const std::size_t space = node.text.find(' ');
    const std::string word = node.text.substr(0, space);
    for (const Action action : {Action::allow, Action::deny, Action::reject, Action::proxy, Action::inspect})
        if (word == name_of(action)) {
            rule.action = action;
            if (space != std::string::npos) rule.profile = node.text.substr(space + 1);
            return (action == Action::inspect) == is_table_name(rule.profile);
        }
    return false;
}

bool RuleReader::read_prefixes(std::vector<policy::Prefix>& prefixes, const Node& item) const {
    if (item.kind != Kind::text) return false;
    if (const auto prefix = parse_prefix(item.text)) {
        prefixes.push_back(as_prefix(*prefix));
        return true;
    }
    const auto set = by_name_.find(item.text);
    if (set == by_name_.end()) return false;
    prefixes.insert(prefixes.end(), set->second.begin(), set->second.end());
    return true;
}

/// A pair by its name: both its ports; a port by its device.
bool RuleReader::read_interface(std::uint64_t& interfaces, const Node& item) const {
    if (item.kind != Kind::text) return false;
    std::uint64_t named = 0;
    for (std::size_t pair = 0; pair < into_.dpdk.pairs.size(); ++pair)
        for (std::size_t side = 0; side < 2; ++side)
            if (into_.dpdk.pairs[pair].name == item.text ||
                into_.dpdk.pairs[pair].ports[side].device == item.text)
                named |= std::uint64_t{1} << (2 * pair + side);
    interfaces |= named;
    return named != 0;
}

const std::vector<TableKey>& set_keys() {
    static const std::vector<TableKey> all{
        {"name", true, "What rules call the set.",
         "1 to 31 letters, digits, '_', '-' and '.', no address, and different from the other sets"},
        {"addresses", true, "What is in it.",
         "addresses and prefixes without bits beyond their length, such as \"192.0.2.1\" or "
         "\"2001:db8::/48\""},
        {"file", true,
         "More of it: an address or a prefix a line, \"#\" begins a comment; read with the configuration.",
         "the name of a file, from the configuration's folder on unless it begins with \"/\""},
    };
    return all;
}

const std::vector<TableKey>& rule_keys() {
    static const std::vector<TableKey> all{
        {"name", true, "What people and counters call the rule.",
         "1 to 31 letters, digits, '_', '-' and '.', different from the other rules"},
        {"action", true,
         "What becomes of a flow whose first packet the rule is about, when no rule before it is. Must be "
         "given.",
         "\"allow\", \"deny\", \"reject\", \"proxy\" or \"inspect PROFILE\""},
        {"protocol", true, "Left out: any.",
         "\"tcp\", \"udp\", \"icmp\", \"icmpv6\" or a number from 0 to 255, or a list of these"},
        {"from", true, "Where the flow comes from; left out: anywhere.",
         "an address, a prefix without bits beyond its length, the name of a set, or a list of these; or "
         "\"anywhere\""},
        {"from_port", true, "Port that it comes from, for tcp and udp; left out: any.",
         "a port from 1 to 65535, a range such as \"8000-8080\", or a list of these"},
        {"to", true, "Where the flow goes; left out: anywhere.",
         "an address, a prefix without bits beyond its length, the name of a set, or a list of these; or "
         "\"anywhere\""},
        {"to_port", true, "Port that it goes to, for tcp and udp; left out: any.",
         "a port from 1 to 65535, a range such as \"8000-8080\", or a list of these"},
        {"icmp", true, "Kinds of queries, for icmp or icmpv6; left out: any.",
         "\"echo-request\", a type, a type and a code such as \"8/0\", or a list of these"},
        {"vlan", true, "The outermost VLAN tag; left out: any or none.",
         "a number from 0 to 4094, a range such as \"20-29\", \"untagged\", or a list of these"},
        {"interface", true, "The port that the first packet comes in by; left out: any.",
         "the name of a pair (either port), a device as its pair names it, or a list of these"},
        {"log", true, "Report first packets that the rule decides.", "true or false"},
        {"mark", true, "The mark of its flows.", "a whole number from 0 to 4294967295"},
        {"most_flows", true, "Its flows at a time; beyond, new ones are dropped. Left out: any number.",
         "a whole number from 1 to 2147483647"},
        {"most_a_second", true, "Its new flows a second; beyond, they are dropped. Left out: any number.",
         "a whole number from 1 to 100000000"},
        {"pick_up", true, "Pick its connections up in mid-stream. Left out: as tcp.loose says.",
         "true or false"},
        {"invalid", true, "What becomes of refused packets of its flows. Left out: as tracker.invalid says.",
         "\"drop\" or \"pass\""},
        {"tcp_timeout_established", true,
         "Its connections go when they have been idle for so long. Left out: as tcp.timeout_established "
         "says.",
         "a whole number of seconds from 1 to 2000000"},
        {"udp_timeout", true,
         "Its UDP flows go when they have been idle for so long. Left out: as udp.timeout says.",
         "a whole number of seconds from 1 to 2000000"},
        {"udp_timeout_stream", true,
         "The same of those that carry traffic both ways. Left out: as udp.timeout_stream says.",
         "a whole number of seconds from 1 to 2000000"},
        {"live_flows", true,
         "What becomes of flows that were allowed before a reload, when this rule now forbids them.",
         "\"remove\" (the default) or \"keep\""},
    };
    return all;
}

void obey_rules(Configuration& c, unsigned workers, std::shared_ptr<const pipeline::Inspection> inspection) {
    if (c.rules == nullptr) return;
    c.settings.policy = std::make_shared<const pipeline::Policy>(
        c.rules, std::make_unique<policy::LinearMatcher>(*c.rules), workers, std::move(inspection));
}

std::vector<std::string> warnings_of(const Configuration& c) {
    std::vector<std::string> out;
    if (!c.ipfix.collector.empty() && !c.limits.accounting)
        out.emplace_back("ipfix.collector: records have no packets and bytes, as tracker.acct is false");
    if (c.rules == nullptr) return out;
    const policy::Shadows shadows = policy::find_shadows(*c.rules);
    for (const policy::Shadow& shadow : shadows.found) {
        const unsigned line = c.rule_lines[shadow.rule - 1U];
        out.push_back((line == 0 ? "" : c.file + ':' + std::to_string(line) + ": ") +
                      describe(*c.rules, shadow));
    }
    if (!shadows.complete)
        out.emplace_back("there are too many rules to compare them all: more may never decide");
    return out;
}

}  // namespace sluice::app
