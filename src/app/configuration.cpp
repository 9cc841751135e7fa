#include "app/configuration.hpp"

#include <algorithm>

#include "app/configuration_inspection.hpp"
#include "app/configuration_keys.hpp"
#include "app/configuration_reader.hpp"
#include "app/ether_types.hpp"
#include "app/inspection.hpp"
#include "app/output.hpp"
#include "app/regular_file.hpp"

namespace sluice::app {
namespace {

/// The profile has to be known before any other key, for the defaults hang on it. A wrong one is reported
/// later.
Profile find_profile(const Node* root, std::span<const std::string> overrides, Use use) {
    Profile profile = use == Use::daemon ? Profile::appliance : Profile::linux_kernel;
    const auto take = [&](std::string_view word) {
        if (word == "appliance") profile = Profile::appliance;
        if (word == "linux") profile = Profile::linux_kernel;
    };
    if (root != nullptr)
        for (const Node& member : root->nodes)
            if (member.name == "profile" && member.kind == Node::Kind::text) take(member.text);
    for (const std::string& text : overrides) {
        const auto parts = split_override(text);
        if (!parts || parts->name != "profile") continue;
        std::string_view word = parts->value;
        if (word.size() > 1 && (word.front() == '"' || word.front() == '\'') && word.back() == word.front())
            word = word.substr(1, word.size() - 2);
        take(word);
    }
    return profile;
}

/// What the parts are told, from what the operator said: totals shared out to workers and families, lists as
/// tables.
void derive(Configuration& c) {
    const std::uint32_t each = c.totals.flows / c.dpdk.workers;
    const auto ipv6 = static_cast<std::uint32_t>(std::uint64_t{each} * c.totals.ipv6_share / 100);
    c.limits.ipv6_flows = std::clamp(ipv6, 1U, each - 1);
    c.limits.ipv4_flows = each - c.limits.ipv6_flows;
    const std::uint32_t half_open = c.totals.half_open_flows;
    c.settings.half_open_limit = (half_open + c.dpdk.workers - 1) / c.dpdk.workers;
    c.settings.ether_type_count = 0;
    const auto add = [&](const std::vector<std::uint16_t>& types, bool pass) {
        for (const std::uint16_t type : types)
            c.settings.ether_types[c.settings.ether_type_count++] = {type, pass};
    };
    add(c.passed_ether_types, true);
    add(c.dropped_ether_types, false);
}

constexpr std::uint32_t half_open_share =
    8;  ///< an eighth of the flows: a flood of SYNs leaves the rest alone

std::string counted(std::size_t number, const std::string& noun) {
    return std::to_string(number) + ' ' + noun + (number == 1 ? "" : "s");
}

template <class Names>
std::string joined(const Names& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : ", ") + std::string(name);
    return out;
}

}  // namespace

Configuration defaults(Profile profile) {
    Configuration c;
    c.profile = profile;
    const bool linux_kernel = profile == Profile::linux_kernel;
    c.settings.timeouts = linux_kernel ? linux_timeouts() : appliance_timeouts();
    c.settings.tcp.loose = linux_kernel;
    // nf_conntrack has no such budget.
    c.totals.half_open_flows = linux_kernel ? 0 : c.totals.flows / half_open_share;
    for (const std::string_view name : {"arp", "lldp", "slow", "eapol", "ptp", "llc"})
        c.passed_ether_types.push_back(*ether_type_of(name));
    derive(c);
    return c;
}

Result<Configuration> load_text(std::string_view text, const std::string& name,
                                std::span<const std::string> overrides, Use use) {
    Faults faults(name);
    const auto parsed = parse_toml(text);
    const Node* const root = std::get_if<Node>(&parsed);
    if (const auto* fault = std::get_if<SyntaxFault>(&parsed)) faults.add({fault->at}, "", fault->sentence);

    Configuration c = defaults(find_profile(root, overrides, use));
    c.file = name;
    Reader reader(c, faults);
    if (root != nullptr) reader.read(*root);
    for (const std::string& override_text : overrides) reader.apply(override_text);
    if (!reader.given("tracker.half_open_max"))
        c.totals.half_open_flows =
            std::min(c.totals.half_open_flows, std::max(1U, c.totals.flows / half_open_share));
    if (root != nullptr) reader.check_together();
    if (root != nullptr && use == Use::daemon && c.dpdk.pairs.empty() && !faults.names("pair"))
        faults.add({}, "pair",
                   "expected at least one [[pair]] with ports = [\"FIRST\", \"SECOND\"], found none");
    if (faults.any()) return Error{faults.text()};
    c.given = reader.all_given();
    derive(c);
    // The counters of the guard lie in the workers' memory; `sluice replay` has no control thread to read
    // them.
    if (use == Use::daemon) c.limits.guarded_services = c.guard.numbers();
    // A reload may bring rules where there were none, so the daemon always has room for what they need.
    c.limits.rules = use == Use::daemon || c.rules != nullptr;
    // The same for events and captures.
    if (use == Use::daemon) c.limits.event_slots = c.control.event_slots;
    if (use == Use::daemon) c.limits.capture_slots = c.control.capture_slots;
    return c;
}

Result<Configuration> load(const std::string& path, std::span<const std::string> overrides, Use use) {
    const auto text = read_regular_file(path, "a configuration", max_configuration_bytes);
    if (!text) return Error{text.error()};
    return load_text(*text, path, overrides, use);
}

Result<std::vector<std::string>> reloadable_changes(const Configuration& running,
                                                    const Configuration& wanted) {
    std::vector<std::string> changed;
    std::vector<std::string> fixed;
    for (const Key& key : keys())
        if (key.get(running) != key.get(wanted)) (key.reloadable ? changed : fixed).emplace_back(key.name);
    const auto same_pair = [](const dpdk::PairOptions& a, const dpdk::PairOptions& b) {
        return a.name == b.name && a.ports[0].device == b.ports[0].device &&
               a.ports[1].device == b.ports[1].device;
    };
    if (!std::equal(running.dpdk.pairs.begin(), running.dpdk.pairs.end(), wanted.dpdk.pairs.begin(),
                    wanted.dpdk.pairs.end(), same_pair)) {
        fixed.emplace_back("pair");
    } else if (running.settings.zone != wanted.settings.zone) {
        fixed.emplace_back("pair.zone");  // part of the flow key: open connections would lose their flow
    }
    if (running.guard.services != wanted.guard.services) changed.emplace_back("guard.service");
    const auto same_rules = [](const auto& a, const auto& b) {
        return a == nullptr || b == nullptr ? a == b : *a == *b;
    };
    if (!same_rules(running.rules, wanted.rules)) changed.emplace_back("rule");
    if (running.inspection.profiles != wanted.inspection.profiles) changed.emplace_back(table_of_profiles);
    if (fixed.empty()) return changed;
    return Error{joined(fixed) + (fixed.size() == 1 ? " differs" : " differ") +
                 " from what is running and can only change by a restart; nothing was changed"};
}

std::string describe(const Configuration& c) {
    const Configuration standard = defaults(c.profile);
    std::vector<std::string> pairs;
    for (const dpdk::PairOptions& pair : c.dpdk.pairs)
        pairs.push_back(pair.name + ": " + pair.ports[0].device + " = " + pair.ports[1].device);
    std::vector<std::string> changed;
    for (const std::string& name : c.given) {
        const Key* key = find_key(name);
        if (name != "profile" && key->get(c) != key->get(standard))
            changed.push_back(name + " = " + literal(key->get(c)));
    }
    std::string out = (c.file.empty() ? "configuration" : c.file) + ": ok, profile ";
    out += c.profile == Profile::linux_kernel ? "linux" : "appliance";
    out += ", " + counted(pairs.size(), "pair");
    if (!pairs.empty()) out += " (" + joined(pairs) + ")";
    out += ", " + counted(c.dpdk.workers, "worker");
    out += ", " + std::to_string(std::uint64_t{c.limits.ipv4_flows} * c.dpdk.workers) + " IPv4 and " +
           std::to_string(std::uint64_t{c.limits.ipv6_flows} * c.dpdk.workers) + " IPv6 flows";
    if (!c.guard.services.empty()) out += ", " + counted(c.guard.services.size(), "guarded service");
    out += c.rules == nullptr ? ", no rules: every flow is allowed" : ", " + counted(c.rules->size(), "rule");
    if (!c.inspection.profiles.empty()) {
        std::size_t signatures = 0;
        for (const InspectionProfile& profile : c.inspection.profiles)
            signatures += profile.signatures->size();
        out += ", " + counted(c.inspection.profiles.size(), "profile") + " of inspection with " +
               counted(signatures, "signature");
    }
    out += changed.empty() ? ", every other key at its default" : ", and " + joined(changed);
    return out;
}

int check_main(const std::string& path, std::span<const std::string> overrides, Use use) {
    const auto configuration = load(path, overrides, use);
    if (!configuration) {
        print_error(configuration.error() + '\n');
        return 1;
    }
    // Whether patterns can be compiled is known when they have been; what is kept is the daemon's.
    if (const auto compiled = compile_profiles(configuration->inspection, compiling_shown()); !compiled) {
        print_error(compiled.error() + '\n');
        return 1;
    }
    for (const std::string& warning : warnings_of(*configuration)) print_error("warning: " + warning + '\n');
    print(describe(*configuration) + '\n');
    return 0;
}

}  // namespace sluice::app
