#include "sluice/control/rule_words.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "sluice/base/address_text.hpp"
#include "sluice/base/words.hpp"
#include "sluice/control/text.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::control {
namespace {

using nlohmann::ordered_json;
using policy::FirstPacket;
using policy::RuleNumber;
using policy::RuleSet;

ordered_json title_row(const RuleSet& rules, RuleNumber number) {
    const policy::Rule& rule = rules.rule(number);
    ordered_json row;
    row["rule"] = number;
    row["name"] = rule.name;
    row["action"] = policy::name_of(rule.action);
    row["text"] = number == policy::no_rule
                      ? std::string(policy::name_of(rule.action)) + " what no rule is about"
                      : describe(rule);
    return row;
}

bool put_address(Address& out, const ParsedAddress& parsed) {
    const bool ipv4 = parsed.family == packet::Family::ipv4;
    out = ipv4 ? Address::ipv4(parsed.address.data()) : Address::ipv6(parsed.address.data());
    return ipv4;
}

}  // namespace

void append_rule(std::string& out, const pipeline::Policy& policy, RuleNumber number) {
    ordered_json row = title_row(*policy.rules, number);
    std::uint64_t hits = 0, limited = 0, flows = 0;
    for (unsigned worker = 0; worker < policy.workers(); ++worker) {
        const pipeline::RuleTally& tally = policy.tally(worker)[number];
        hits += tally.hits.read();
        limited += tally.limited.read();
        flows += tally.flows.read();
    }
    row["hits"] = hits;
    row["limited"] = limited;
    row["flows"] = flows;
    out += row.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

void append_trial(std::string& out, const RuleSet& rules, const FirstPacket& packet) {
    const RuleNumber number = policy::LinearMatcher(rules).match(packet);
    ordered_json row = title_row(rules, number);
    row["packet"] = describe(packet);
    auto& passed_over = row["passed_over"] = ordered_json::array();
    const std::size_t end = number == policy::no_rule ? rules.size() + 1 : number;
    for (std::size_t i = 1; i < end && i <= most_passed_over; ++i) {
        const auto before = static_cast<RuleNumber>(i);
        passed_over.push_back({{"rule", before},
                               {"name", rules.rule(before).name},
                               {"why", why_not(rules.rule(before), packet)}});
    }
    row["more_passed_over"] = end - 1 > most_passed_over ? end - 1 - most_passed_over : 0;
    out += row.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

void read_packet(JsonFields& outer, FirstPacket& packet) {
    const nlohmann::json* object = outer.object("packet");
    if (object == nullptr) return outer.fail("packet is missing");
    JsonFields fields(*object, "packet");
    const auto source = parse_address(fields.text("src").value_or(""));
    const auto destination = parse_address(fields.text("dst").value_or(""));
    const auto protocol = fields.number<std::uint8_t>("protocol");
    if (!source || !destination || source->family != destination->family) {
        fields.fail("src and dst are not two addresses of one family");
    } else if (!protocol) {
        fields.fail("protocol is missing");
    } else {
        packet.ipv4 = put_address(packet.source, *source);
        (void)put_address(packet.destination, *destination);
        packet.protocol = *protocol;
        if (has_ports(*protocol)) {
            packet.source_port = fields.number<std::uint16_t>("sport").value_or(0);
            packet.destination_port = fields.number<std::uint16_t>("dport").value_or(0);
        } else if (is_icmp(*protocol)) {
            packet.source_port = fields.number<std::uint8_t>("icmp_type").value_or(0);
            packet.destination_port = fields.number<std::uint8_t>("icmp_code").value_or(0);
        }
    }
    packet.vlan = fields.number<std::uint16_t>("vlan", 4094).value_or(policy::untagged);
    packet.interface = fields.number<std::uint8_t>("interface", policy::most_interfaces - 1).value_or(0);
    (void)fields.finish(outer);
}

nlohmann::json packet_json(const FirstPacket& packet) {
    nlohmann::json out = {{"protocol", packet.protocol},
                          {"src", sluice::text_of(packet.source)},
                          {"dst", sluice::text_of(packet.destination)},
                          {"interface", packet.interface}};
    if (has_ports(packet.protocol)) {
        out["sport"] = packet.source_port;
        out["dport"] = packet.destination_port;
    } else if (is_icmp(packet.protocol)) {
        out["icmp_type"] = packet.source_port;
        out["icmp_code"] = packet.destination_port;
    }
    if (packet.vlan != policy::untagged) out["vlan"] = packet.vlan;
    return out;
}

Result<FirstPacket> parse_packet(std::span<const std::string> words) {
    const Error shape{
        "a packet is told as: PROTOCOL from ADDRESS [port N] to ADDRESS [port N] [type N] [code N] "
        "[vlan N] [on PAIR/PORT]"};
    if (words.empty() || words.size() % 2 == 0) return shape;
    FirstPacket out;
    const auto protocol = parse_protocol(words[0]);
    if (!protocol) return Error{"`" + words[0] + "' is no protocol"};
    out.protocol = *protocol;
    std::optional<bool> from_ipv4, to_ipv4;
    for (std::size_t i = 1; i + 1 < words.size(); i += 2) {
        const std::string &word = words[i], &value = words[i + 1];
        const auto number = [&](std::uint64_t most, auto& place) {
            const auto parsed = parse_number(value, most);
            if (parsed) place = static_cast<std::remove_reference_t<decltype(place)>>(*parsed);
            return parsed.has_value();
        };
        bool good = true;
        if (word == "from" || word == "to") {
            const auto parsed = parse_address(value);
            good = parsed.has_value();
            if (good && word == "from") from_ipv4 = put_address(out.source, *parsed);
            if (good && word == "to") to_ipv4 = put_address(out.destination, *parsed);
        } else if (word == "port" && has_ports(*protocol)) {
            good = number(0xffff, to_ipv4 ? out.destination_port : out.source_port);
        } else if (word == "type" && is_icmp(*protocol)) {
            good = number(0xff, out.source_port);
        } else if (word == "code" && is_icmp(*protocol)) {
            good = number(0xff, out.destination_port);
        } else if (word == "vlan") {
            good = number(4094, out.vlan);
        } else if (word == "on") {
            const std::size_t slash = value.find('/');
            const auto pair = parse_number(value.substr(0, slash), policy::most_interfaces / 2);
            const auto port =
                slash == std::string::npos ? std::nullopt : parse_number(value.substr(slash + 1), 2);
            good = pair && port && *pair != 0 && *port != 0;
            if (good) out.interface = static_cast<std::uint8_t>(2 * (*pair - 1) + *port - 1);
        } else {
            return Error{"`" + word + "' does not belong there; " + shape.sentence};
        }
        if (!good)
            return Error{joined('`', word, ' ', value, "' is not what it should be; ", shape.sentence)};
    }
    if (!from_ipv4 || !to_ipv4) return shape;
    if (*from_ipv4 != *to_ipv4) return Error{"the addresses are of different families"};
    out.ipv4 = *from_ipv4;
    return out;
}

}  // namespace sluice::control
