// The part of the Reader that reads [[guard.service]], and what must hold between the thresholds.
#include <algorithm>

#include "app/configuration_guard.hpp"
#include "app/configuration_reader.hpp"
#include "sluice/guard/service_map.hpp"

namespace sluice::app {
namespace {

using Kind = Node::Kind;

constexpr std::string_view table_name = "guard.service";

std::string service_key(std::string_view leaf) {
    return std::string(table_name) + '.' + std::string(leaf);
}

/// The key of [guard] that a service may have for itself, or null.
const Key* own_key(std::string_view leaf) {
    const Key* key = find_key("guard." + std::string(leaf));
    return key != nullptr && key->of_service ? key : nullptr;
}

std::string expected_of_service(std::string_view name) {
    for (const TableKey& key : service_keys())
        if (key.name == name) return "expected " + std::string(key.expectation);
    return "expected a key of a service";
}

std::string_view meant(std::string_view wrong) {
    std::vector<std::string_view> names;
    for (const TableKey& key : service_keys()) names.push_back(key.name);
    for (const Key& key : keys())
        if (key.of_service) names.push_back(key.name.substr(key.name.find('.') + 1));
    return suggest(wrong, names);
}

guard::Service entry_of(const control::GuardedService& service, std::size_t index) {
    return {service.address, service.prefix_length, service.port,
            static_cast<guard::ServiceNumber>(index + 1)};
}

}  // namespace

void Reader::read_services(const Node& list, const Source& source) {
    given_[std::string(table_name)] = source;
    into_.guard.services.clear();
    services_.clear();
    const bool tables =
        list.kind == Kind::list && std::all_of(list.nodes.begin(), list.nodes.end(),
                                               [](const Node& item) { return item.kind == Kind::table; });
    if (!tables) {
        faults_.add(source, table_name,
                    "expected [[guard.service]] with address = \"ADDRESS\" below it, " + found(list) +
                        (list.kind == Kind::table ? " (double the brackets)" : ""));
        return;
    }
    for (const Node& table : list.nodes) read_service(table, place(source, table.at));
}

void Reader::read_service(const Node& table, const Source& source) {
    into_.guard.services.emplace_back();
    services_.push_back({source, {}, {}});
    bool address = false;
    for (const Node& member : table.nodes) {
        address = address || member.name == "address";
        read_service_part(member, source);
    }
    if (!address) faults_.add(source, table_name, "expected address = \"ADDRESS\", found no address");
    const auto& all = into_.guard.services;
    for (std::size_t i = 0; i + 1 < all.size(); ++i)
        if (!all.back().name.empty() && all[i].name == all.back().name)
            faults_.add(
                source, service_key("name"),
                "expected a name of its own, found \"" + all[i].name + "\" for an earlier service too");
}

void Reader::read_service_part(const Node& member, const Source& source) {
    control::GuardedService& service = into_.guard.services.back();
    const Source value = place(source, member.at);
    const std::string name = service_key(member.name);
    if (const Key* key = own_key(member.name)) {
        Key renamed = *key;
        renamed.name = name;
        services_.back().given[member.name] = value;
        if (auto read = convert(renamed, member, value)) services_.back().own.emplace_back(key, *read);
        return;
    }
    bool good = true;
    if (member.name == "name") {
        good = member.kind == Kind::text && is_table_name(member.text);
        if (good) service.name = member.text;
    } else if (member.name == "address") {
        const auto prefix = member.kind == Kind::text ? parse_prefix(member.text) : std::nullopt;
        good = prefix.has_value();
        if (good) service.address = prefix->address, service.prefix_length = prefix->length;
    } else if (member.name == "port") {
        const bool number = member.kind == Kind::integer && member.integer >= 1 && member.integer <= 0xffff;
        good = number || (member.kind == Kind::text && member.text == "all");
        service.port = number ? static_cast<std::uint16_t>(member.integer) : std::uint16_t{0};
    } else {
        const std::string_view right = meant(member.name);
        faults_.add(place(source, member.name_at), name,
                    right.empty() ? "there is no such key; docs/guard.md lists those of a service"
                                  : "there is no such key; did you mean " + service_key(right) + '?');
    }
    if (!good) faults_.add(value, name, expected_of_service(member.name) + ", " + found(member));
}

void Reader::check_services() {
    check_thresholds();
    check_service_thresholds();
    check_service_map();
    check_sources();
}

void Reader::check_sources() {
    const std::string name = given("guard.deny") ? "guard.deny" : "guard.allow";
    std::vector<control::SourcePrefix> all = into_.guard.allowed;
    for (const control::SourcePrefix& prefix : into_.guard.denied) all.push_back(prefix);
    for (auto prefix = all.begin(); prefix != all.end(); ++prefix) {
        if (std::find(all.begin(), prefix, *prefix) == prefix) continue;
        faults_.add(
            source_of(name), name,
            "expected each prefix once in guard.allow and guard.deny, found " + text_of(*prefix) + " twice");
        return;
    }
    if (const auto sources = into_.guard.sources(); !sources)
        faults_.add(source_of(name), name, sources.error());
}

/// Two thresholds that were given, the higher below the lower, are a fault of the lower one.
template <class SourceOf>
static void check_order(Faults& faults, guard::Policy& policy, const std::array<bool, 3>& given,
                        std::size_t quantity, const std::string& table, const SourceOf& source_of) {
    const ThresholdNames& names = threshold_names[quantity];
    for (std::size_t low = 0; low < 3; ++low)
        for (std::size_t high = low + 1; high < 3; ++high) {
            const std::uint32_t lower = threshold(policy, quantity, low);
            const std::uint32_t higher = threshold(policy, quantity, high);
            if (!given[low] || !given[high] || lower <= higher) continue;
            faults.add(source_of(names[low]), table + '.' + std::string(names[low]),
                       "expected at most " + table + '.' + std::string(names[high]) + ", which is " +
                           std::to_string(higher) + ", found " + std::to_string(lower));
            return;
        }
}

void Reader::check_thresholds() {
    for (std::size_t quantity = 0; quantity < threshold_names.size(); ++quantity) {
        std::array<bool, 3> given_here{};
        for (std::size_t step = 0; step < 3; ++step)
            given_here[step] = given("guard." + std::string(threshold_names[quantity][step]));
        check_order(faults_, into_.guard.policy, given_here, quantity, "guard",
                    [&](std::string_view name) { return source_of("guard." + std::string(name)); });
        put_in_order(into_.guard.policy, quantity, given_here);
    }
}

void Reader::check_service_thresholds() {
    for (std::size_t i = 0; i < services_.size(); ++i) {
        const ServicePart& part = services_[i];
        Configuration scratch;
        scratch.guard.policy = into_.guard.policy;
        scratch.guard.rules = into_.guard.rules;
        for (const auto& [key, value] : part.own) (void)key->set(scratch, value);
        guard::Policy& policy = into_.guard.services[i].policy;
        policy = scratch.guard.policy;
        into_.guard.services[i].rules = scratch.guard.rules;
        for (std::size_t quantity = 0; quantity < threshold_names.size(); ++quantity) {
            std::array<bool, 3> given_here{};
            for (std::size_t step = 0; step < 3; ++step)
                given_here[step] = part.given.count(std::string(threshold_names[quantity][step])) != 0;
            check_order(faults_, policy, given_here, quantity, std::string(table_name),
                        [&](std::string_view name) { return part.given.at(std::string(name)); });
            put_in_order(policy, quantity, given_here);
        }
    }
}

void Reader::check_service_map() {
    const auto& all = into_.guard.services;
    if (all.size() > into_.guard.max_services) {
        faults_.add(services_[into_.guard.max_services].at, table_name,
                    "expected at most guard.max_services, which is " +
                        std::to_string(into_.guard.max_services) + ", found " + std::to_string(all.size()));
        return;
    }
    if (faults_.names(service_key("address")) || faults_.names(service_key("port")) ||
        faults_.names(table_name))
        return;
    std::vector<guard::Service> entries;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto same = [&](const control::GuardedService& other) {
            return other.address == all[i].address && other.prefix_length == all[i].prefix_length &&
                   other.port == all[i].port;
        };
        entries.push_back(entry_of(all[i], i));
        if (std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i), same)) {
            faults_.add(services_[i].at, table_name,
                        "expected each address and port once, found " + guard::text_of(entries.back()) +
                            " for an earlier service too");
            return;
        }
    }
    // What is learnt has a shape too: a whole address and one port.
    const bool whole = std::any_of(entries.begin(), entries.end(), [](const guard::Service& entry) {
        return entry.prefix_length == 128 && entry.port != 0;
    });
    const bool one_more = !whole && !entries.empty() && into_.guard.max_learnt != 0;
    if (one_more) entries.push_back({{}, 128, 1, static_cast<guard::ServiceNumber>(entries.size() + 1)});
    const auto map = guard::ServiceMap::build(entries);
    if (!map)
        faults_.add(source_of(table_name), table_name,
                    map.error() + (one_more ? "; one of them is that of learnt services" : ""));
}

}  // namespace sluice::app
