// Filters over the wire. Reading is strict: every key known, every value of the right kind and range.
#include <nlohmann/json.hpp>

#include "sluice/control/filter.hpp"
#include "sluice/control/json_fields.hpp"
#include "sluice/control/text.hpp"

namespace sluice::control {
namespace {

using nlohmann::json;

json address_json(packet::Family family, const AddressMatch& match) {
    return {{"address", address_text(family, match.address)}, {"mask", address_text(family, match.mask)}};
}

json tuple_json(packet::Family family, const TupleMatch& tuple) {
    json out = json::object();
    if (tuple.source) out["src"] = address_json(family, *tuple.source);
    if (tuple.destination) out["dst"] = address_json(family, *tuple.destination);
    if (tuple.source_port) out["sport"] = *tuple.source_port;
    if (tuple.destination_port) out["dport"] = *tuple.destination_port;
    return out;
}

std::optional<AddressMatch> read_address(JsonFields& fields, const char* key,
                                         std::optional<packet::Family>& family) {
    const json* value = fields.object(key);
    if (value == nullptr) return std::nullopt;
    JsonFields inner(*value, key);
    const auto address = parse_address(inner.text("address").value_or(""));
    const auto mask_text = inner.text("mask");
    if (!inner.finish(fields)) return std::nullopt;
    if (!address) return fields.fail(std::string(key) + ".address is not an IP address"), std::nullopt;
    if (family && *family != address->family)
        return fields.fail("addresses of both families in one filter"), std::nullopt;
    family = address->family;
    AddressMatch out{address->address, prefix_mask(address->family, 128)};
    if (mask_text) {
        const auto mask = parse_address(*mask_text);
        if (!mask || mask->family != address->family)
            return fields.fail(std::string(key) + ".mask is not a mask of the address's family"),
                   std::nullopt;
        out.mask = mask->address;
    }
    return out;
}

TupleMatch read_tuple(JsonFields& fields, const char* key, std::optional<packet::Family>& family) {
    TupleMatch out;
    const json* value = fields.object(key);
    if (value == nullptr) return out;
    JsonFields inner(*value, key);
    out.source = read_address(inner, "src", family);
    out.destination = read_address(inner, "dst", family);
    out.source_port = inner.number<std::uint16_t>("sport");
    out.destination_port = inner.number<std::uint16_t>("dport");
    (void)inner.finish(fields);
    return out;
}

constexpr std::uint64_t all_status_bits = seen_reply_bit | assured_bit | fixed_timeout_bit;

}  // namespace

json to_json(const Filter& filter) {
    json out = json::object();
    const auto family = filter.family.value_or(packet::Family::ipv4);
    if (filter.family) out["family"] = family == packet::Family::ipv4 ? "ipv4" : "ipv6";
    if (filter.protocol) out["protocol"] = *filter.protocol;
    if (filter.original != TupleMatch{}) out["original"] = tuple_json(family, filter.original);
    if (filter.reply != TupleMatch{}) out["reply"] = tuple_json(family, filter.reply);
    if (filter.icmp_type) out["icmp_type"] = *filter.icmp_type;
    if (filter.icmp_code) out["icmp_code"] = *filter.icmp_code;
    if (filter.icmp_id) out["icmp_id"] = *filter.icmp_id;
    if (filter.state) out["state"] = *filter.state;
    if (filter.status_set != 0) out["status_set"] = filter.status_set;
    if (filter.status_clear != 0) out["status_clear"] = filter.status_clear;
    if (filter.mark) out["mark"] = {{"value", filter.mark->value}, {"mask", filter.mark->mask}};
    if (filter.zone) out["zone"] = *filter.zone;
    if (filter.vlan) out["vlan"] = *filter.vlan;
    if (filter.port_pair) out["port_pair"] = *filter.port_pair;
    if (filter.nothing) out["nothing"] = true;
    return out;
}

Result<Filter> filter_from_json(const json& value) {
    Filter out;
    JsonFields fields(value, "filter");
    if (const auto family = fields.text("family")) {
        if (*family == "ipv4")
            out.family = packet::Family::ipv4;
        else if (*family == "ipv6")
            out.family = packet::Family::ipv6;
        else
            fields.fail("family is neither \"ipv4\" nor \"ipv6\"");
    }
    out.protocol = fields.number<std::uint8_t>("protocol");
    out.original = read_tuple(fields, "original", out.family);
    out.reply = read_tuple(fields, "reply", out.family);
    out.icmp_type = fields.number<std::uint8_t>("icmp_type");
    out.icmp_code = fields.number<std::uint8_t>("icmp_code");
    out.icmp_id = fields.number<std::uint16_t>("icmp_id");
    out.state = fields.text("state");
    if (out.state && !pair_of_state(*out.state)) fields.fail("state is no TCP state");
    out.status_set = fields.number<std::uint8_t>("status_set", all_status_bits).value_or(0);
    out.status_clear = fields.number<std::uint8_t>("status_clear", all_status_bits).value_or(0);
    if (const json* mark = fields.object("mark")) {
        JsonFields inner(*mark, "mark");
        out.mark = Filter::Mark{inner.number<std::uint32_t>("value").value_or(0),
                                inner.number<std::uint32_t>("mask").value_or(0xFFFFFFFFU)};
        (void)inner.finish(fields);
    }
    out.zone = fields.number<std::uint16_t>("zone");
    out.vlan = fields.number<std::uint16_t>("vlan", flow::Domain::no_tag);
    out.port_pair = fields.number<std::uint8_t>("port_pair");
    out.nothing = fields.flag("nothing");
    if (auto wrong = fields.result()) return Error{*wrong};
    return out;
}

}  // namespace sluice::control
