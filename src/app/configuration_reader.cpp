#include "app/configuration_reader.hpp"

#include <algorithm>

#include "app/ether_types.hpp"
#include "sluice/control/listen_address.hpp"

namespace sluice::app {
namespace {

using Kind = Node::Kind;

bool is_section(std::string_view name) {
    return std::any_of(keys().begin(), keys().end(), [&](const Key& key) {
        return key.name.size() > name.size() && key.name.starts_with(name) && key.name[name.size()] == '.';
    });
}

std::vector<std::string_view> all_names() {
    std::vector<std::string_view> names{"pair", "guard.service", "inspection.profile", "rule", "set"};
    for (const Key& key : keys()) names.push_back(key.name);
    return names;
}

std::vector<std::string_view> section_names() {
    std::vector<std::string_view> names{"pair", "rule", "set"};
    for (const Key& key : keys()) {
        const std::string_view section = key.name.substr(0, key.name.find('.'));
        if (section != key.name && section != names.back()) names.push_back(section);
    }
    return names;
}

/// What a person who wrote `node` for `key` probably overlooked, in brackets, or nothing.
std::string hint(const Key& key, const Node& node) {
    if (key.type == Type::boolean && node.kind == Kind::integer && (node.integer == 0 || node.integer == 1))
        return node.integer == 0 ? " (write false)" : " (write true)";
    if (node.kind == Kind::text && (key.type == Type::boolean || key.type == Type::integer) &&
        !node.text.empty()) {
        const bool number = node.text.find_first_not_of("0123456789") == std::string::npos;
        if (key.type == Type::integer ? number : node.text == "true" || node.text == "false")
            return " (leave the quotes out)";
    }
    if ((key.type == Type::text || key.type == Type::choice) && node.kind == Kind::integer)
        return " (put it in quotes)";
    if ((key.type == Type::integers || key.type == Type::texts) && node.kind != Kind::list &&
        node.kind != Kind::table)
        return " (put it in brackets)";
    return "";
}

Node text_node(std::string_view text) {
    Node node;
    node.kind = Kind::text;
    node.text = text;
    return node;
}

/// The value of an override as a TOML literal, or nothing when it is none.
std::optional<Node> parse_literal(const std::string& literal_text) {
    const auto parsed = parse_toml("value = " + literal_text);
    const Node* root = std::get_if<Node>(&parsed);
    if (root == nullptr || root->nodes.size() != 1) return std::nullopt;
    return root->nodes.front();
}

/// What a person types on a command line: TOML literals, and for words, switches and lists what a shell makes
/// easy.
Node override_value(const Key& key, std::string_view value) {
    const std::string text(value);
    const bool quoted = !text.empty() && (text.front() == '"' || text.front() == '\'');
    switch (key.type) {
        case Type::boolean:
            if (text == "0" || text == "1") return *parse_literal(text == "1" ? "true" : "false");
            break;
        case Type::integer:
            break;
        case Type::choice:
        case Type::text:
            if (!quoted) return text_node(text);
            break;
        case Type::integers:
            if (!text.starts_with('[')) return parse_literal('[' + text + ']').value_or(text_node(text));
            break;
        case Type::texts:
            if (!text.starts_with('[') && !quoted) {
                Node list;
                list.kind = Kind::list;
                for (std::size_t from = 0; from < text.size();) {
                    const std::size_t comma = std::min(text.find(',', from), text.size());
                    list.nodes.push_back(text_node(text.substr(from, comma - from)));
                    from = comma + 1;
                }
                return list;
            }
            break;
    }
    return parse_literal(text).value_or(text_node(text));
}

/// A list of a few numbers as it was written; of anything else "a list".
std::string short_list(const Node& list) {
    constexpr std::size_t few = 8;
    const bool numbers = std::all_of(list.nodes.begin(), list.nodes.end(),
                                     [](const Node& item) { return item.kind == Kind::integer; });
    if (!numbers || list.nodes.size() > few) return "a list";
    std::string out = "[";
    for (const Node& item : list.nodes) {
        if (out.size() > 1) out += ", ";
        out += std::to_string(item.integer);
    }
    return out += ']';
}

}  // namespace

Source place(const Source& source, const Position& at) {
    return source.is_override ? source : Source{at};
}

std::string found(const Node& node) {
    switch (node.kind) {
        case Kind::boolean:
            return node.boolean ? "found true" : "found false";
        case Kind::integer:
            return "found " + std::to_string(node.integer);
        case Kind::real:
            return "found the fraction " + printable(node.text);
        case Kind::text:
            return "found \"" + printable(node.text) + '"';
        case Kind::date:
            return "found the date or time " + printable(node.text);
        case Kind::list:
            return "found " + short_list(node);
        case Kind::table:
            break;
    }
    return "found a table";
}

std::optional<Override> split_override(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    return Override{text, text.substr(0, equals), text.substr(equals + 1)};
}

void Reader::read(const Node& root) {
    read_section(root, "");
}

void Reader::read_section(const Node& section, const std::string& name) {
    for (const Node& member : section.nodes) {
        const Source source{member.name_at};
        const std::string full = name.empty() ? member.name : name + '.' + member.name;
        const bool one_name = member.name.find('.') == std::string::npos;
        if (const Key* key = one_name ? find_key(full) : nullptr) {
            store(*key, member, {member.at});
        } else if (full == "pair") {
            read_pairs(member, {member.at});
        } else if (full == "guard.service" && one_name) {
            read_services(member, {member.at});
        } else if (full == table_of_profiles && one_name) {
            profiles_.take(member, {member.at});
        } else if (full == "rule" || full == "set") {
            rules_.take(full, member, {member.at});
        } else if (name.empty() && one_name && is_section(full)) {
            if (member.kind == Kind::table) {
                read_section(member, full);
            } else {
                faults_.add({member.at}, full, "expected the section [" + full + "], " + found(member));
            }
        } else {
            unknown(member, full, source);
        }
    }
}

void Reader::unknown(const Node& member, const std::string& name, const Source& source) {
    const bool table = member.kind == Kind::table && !source.is_override;
    std::string sentence = table ? "there is no such section" : "there is no such key";
    // Looking for what was meant is the slow part of a file full of nonsense, of which only the start is
    // shown.
    if (faults_.full()) return faults_.add(source, name, std::move(sentence));
    if (member.name.find('.') != std::string::npos && find_key(name) != nullptr) {
        sentence += "; what is in quotes is one name, dots and all: leave the quotes out";
        return faults_.add(source, name, std::move(sentence));
    }
    std::string_view meant;
    if (const Key* key = find_key_by_any_name(name)) meant = key->name;
    if (meant.empty()) meant = suggest(name, table ? section_names() : all_names());
    if (meant.empty() && table) meant = suggest(name, all_names());
    sentence += meant.empty() ? "; docs/configuration.md lists them all"
                              : "; did you mean " + std::string(meant) + '?';
    faults_.add(source, name, std::move(sentence));
}

void Reader::store(const Key& key, const Node& node, const Source& source) {
    given_[std::string(key.name)] = source;
    const auto value = convert(key, node, source);
    if (value && !key.set(into_, *value))
        faults_.add(source, key.name, "expected " + expectation_of(key) + ", " + found(node));
}

std::optional<Value> Reader::convert(const Key& key, const Node& node, const Source& source) {
    switch (key.type) {
        case Type::boolean:
            if (node.kind == Kind::boolean) return Value(node.boolean);
            break;
        case Type::integer:
            if (node.kind == Kind::integer && contains(key.range, node.integer)) return Value(node.integer);
            break;
        case Type::choice:
            if (node.kind == Kind::text &&
                std::find(key.words.begin(), key.words.end(), node.text) != key.words.end())
                return Value(node.text);
            break;
        case Type::text:
            if (node.kind == Kind::text) return Value(node.text);
            break;
        case Type::integers:
        case Type::texts:
            if (node.kind == Kind::list) return convert_list(key, node, source);
            break;
    }
    faults_.add(
        source, key.name,
        "expected " + expectation_of(key) + ", " + found(node) + (source.is_override ? "" : hint(key, node)));
    return std::nullopt;
}

std::optional<Value> Reader::convert_list(const Key& key, const Node& node, const Source& source) {
    if (node.nodes.size() > key.most_items) {
        faults_.add(source, key.name,
                    "expected at most " + std::to_string(key.most_items) + " items, found " +
                        std::to_string(node.nodes.size()));
        return std::nullopt;
    }
    std::vector<std::int64_t> numbers;
    std::vector<std::string> texts;
    bool good = true;
    for (const Node& item : node.nodes) {
        std::string text;
        if (!good_item(key, item, text)) {
            const std::string what = text.empty() ? found(item) : "found " + text;
            faults_.add(place(source, item.at), key.name, "expected " + expectation_of(key) + ", " + what);
            good = false;
        }
        numbers.push_back(item.integer);
        texts.push_back(std::move(text));
    }
    if (!good) return std::nullopt;
    return key.type == Type::integers ? Value(numbers) : Value(texts);
}

bool Reader::good_item(const Key& key, const Node& item, std::string& text) const {
    if (key.type == Type::integers) return item.kind == Kind::integer && contains(key.range, item.integer);
    constexpr std::int64_t largest = 0xffff;
    if (key.numbers_as_text && item.kind == Kind::integer && item.integer >= 0 && item.integer <= largest) {
        constexpr std::string_view digits = "0123456789abcdef";
        text = "0x";
        for (unsigned shift = 16; shift != 0; shift -= 4)
            text += digits[static_cast<std::size_t>(item.integer) >> (shift - 4U) & 15U];
    } else if (item.kind == Kind::text) {
        text = item.text;
    } else {
        return false;
    }
    Configuration scratch;
    const bool good = key.set(scratch, Value(std::vector<std::string>{text}));
    // A number is shown as EtherTypes are written; a text as found() does.
    if (!good && item.kind == Kind::text) text.clear();
    return good;
}

void Reader::apply(const std::string& override_text) {
    const Source source{{}, override_text, true};
    const auto parts = split_override(override_text);
    if (!parts) {
        faults_.add(source, "", "expected KEY=VALUE");
        return;
    }
    if (std::any_of(override_text.begin(), override_text.end(), [](unsigned char c) { return c < 0x20; })) {
        faults_.add(source, "", "expected one line without control characters");
        return;
    }
    if (const Key* key = find_key_by_any_name(parts->name)) {
        store(*key, override_value(*key, parts->value), source);
    } else if (parts->name == "pair") {
        read_pairs(parse_literal(std::string(parts->value)).value_or(text_node(parts->value)), source);
    } else if (parts->name == "guard.service") {
        read_services(parse_literal(std::string(parts->value)).value_or(text_node(parts->value)), source);
    } else if (parts->name == table_of_profiles) {
        profiles_.take(parse_literal(std::string(parts->value)).value_or(text_node(parts->value)), source);
    } else if (parts->name == "rule" || parts->name == "set") {
        rules_.take(parts->name, parse_literal(std::string(parts->value)).value_or(text_node(parts->value)),
                    source);
    } else {
        unknown(Node{}, std::string(parts->name), source);
    }
}

Source Reader::source_of(std::string_view key) const {
    const auto at = given_.find(std::string(key));
    return at == given_.end() ? Source{} : at->second;
}

std::vector<std::string> Reader::all_given() const {
    std::vector<std::string> names;
    for (const Key& key : keys())
        if (given(key.name)) names.emplace_back(key.name);
    return names;
}

void Reader::check_together() {
    check_cpus();
    check_sizes();
    check_ether_types();
    check_flow_records();
    check_web();
    check_services();
    check_state();
    profiles_.finish();
    rules_.finish();
}

void Reader::check_cpus() {
    const std::size_t cpus = into_.dpdk.worker_cpus.size();
    if (cpus == 0 || cpus == into_.dpdk.workers || faults_.names("daemon.workers")) return;
    faults_.add(source_of("daemon.cpus"), "daemon.cpus",
                "expected one core for each of the " + std::to_string(into_.dpdk.workers) +
                    " workers (daemon.workers), found " + std::to_string(cpus));
}

void Reader::check_state() {
    const StateFile& state = into_.state;
    if (state.interval_seconds <= state.max_age_seconds || faults_.names("state.max_age")) return;
    faults_.add(source_of("state.interval"), "state.interval",
                "expected no more than state.max_age (" + std::to_string(state.max_age_seconds) +
                    "), beyond which a copy would be refused, found " +
                    std::to_string(state.interval_seconds));
}

void Reader::check_sizes() {
    const TrackerTotals& totals = into_.totals;
    if (faults_.names("tracker.max")) return;
    const std::string_view blamed = given("tracker.max") ? "tracker.max" : "daemon.workers";
    // Each worker has a table for each address family, and a table has at least one flow.
    const std::uint32_t least = 2 * into_.dpdk.workers;
    if (totals.flows < least)
        faults_.add(source_of(blamed), blamed,
                    "expected at least 2 flows for each of the " + std::to_string(into_.dpdk.workers) +
                        " workers, found tracker.max = " + std::to_string(totals.flows));
    if (given("tracker.half_open_max") && !faults_.names("tracker.half_open_max") &&
        totals.half_open_flows > totals.flows)
        faults_.add(source_of("tracker.half_open_max"), "tracker.half_open_max",
                    "expected at most tracker.max, which is " + std::to_string(totals.flows) + ", found " +
                        std::to_string(totals.half_open_flows));
}

/// What is written down of flows is what workers tell.
void Reader::check_flow_records() {
    if (into_.ipfix.active_timeout_seconds != 0 && !(into_.limits.accounting && into_.limits.timestamps))
        faults_.add(source_of("ipfix.active_timeout"), "ipfix.active_timeout",
                    "expected tracker.acct and tracker.timestamp to be true beside it");
    if (into_.control.event_slots != 0) return;
    const auto check = [&](std::string_view name, const std::string& value) {
        if (!value.empty())
            faults_.add(source_of(name), name,
                        "expected events to be kept for it, found control.event_slots = 0");
    };
    check("flow_log.file", into_.flow_log.path);
    check("ipfix.collector", into_.ipfix.collector);
}

void Reader::check_web() {
    const auto address = control::parse_listen_address(into_.web.listen);
    if (!address || into_.web.beyond_loopback || control::is_loopback(*address)) return;
    faults_.add(source_of("web.listen"), "web.listen",
                "expected an address of this machine alone, 127.0.0.1 or [::1], or web.beyond_loopback = "
                "true; found \"" +
                    into_.web.listen + '"');
}

void Reader::check_ether_types() {
    // What passes by default gives way to an order to drop it.
    if (!given("ethertypes.pass"))
        for (const std::uint16_t type : into_.dropped_ether_types) std::erase(into_.passed_ether_types, type);
    std::vector<std::uint16_t> seen;
    const auto look_through = [&](std::string_view name, const std::vector<std::uint16_t>& types) {
        for (const std::uint16_t type : types) {
            if (std::find(seen.begin(), seen.end(), type) != seen.end())
                faults_.add(
                    source_of(name), name,
                    "expected each EtherType once in ethertypes.pass and ethertypes.drop together, found \"" +
                        name_of_ether_type(type) + "\" twice");
            seen.push_back(type);
        }
    };
    look_through("ethertypes.pass", into_.passed_ether_types);
    look_through("ethertypes.drop", into_.dropped_ether_types);
    if (seen.size() > pipeline::max_ether_types && !faults_.names("ethertypes.pass") &&
        !faults_.names("ethertypes.drop"))
        faults_.add(source_of("ethertypes.drop"), "ethertypes.drop",
                    "expected at most " + std::to_string(pipeline::max_ether_types) +
                        " EtherTypes in ethertypes.pass and ethertypes.drop together, found " +
                        std::to_string(seen.size()));
}

}  // namespace sluice::app
