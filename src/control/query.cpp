#include "sluice/control/query.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "sluice/base/time.hpp"
#include "sluice/control/base64.hpp"
#include "sluice/control/json_fields.hpp"
#include "sluice/control/rule_words.hpp"
#include "sluice/control/text.hpp"
#include "sluice/packet/icmp.hpp"
#include "sluice/pipeline/settings.hpp"

namespace sluice::control {

const std::string_view program_version = SLUICE_VERSION;

namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 21> kind_names{
    "version", "list",       "count",   "get",     "delete", "update",  "insert",
    "flush",   "stats",      "reasons", "floods",  "reload", "rules",   "test-packet",
    "events",  "signatures", "drops",   "capture", "save",   "restore", "census"};
constexpr std::array<std::string_view, 5> event_names{"new", "updates", "destroy", "floods",
                                                      "alerts"};  // by bit
constexpr std::array<std::string_view, 3> style_names{"listing", "save", "json"};

/// Whether brackets nest no deeper than a request may; strings are skipped. Looks at each byte once, before
/// anything is built from them.
bool shallow(std::string_view line) {
    unsigned depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > max_request_depth) return false;
        } else if ((c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    return true;
}

template <std::size_t Size>
std::optional<std::size_t> index_of(const std::array<std::string_view, Size>& names, std::string_view name) {
    for (std::size_t i = 0; i < Size; ++i)
        if (names[i] == name) return i;
    return std::nullopt;
}

void read_format(JsonFields& fields, Format& format, bool events) {
    if (const auto style = fields.text("format")) {
        if (const auto index = index_of(style_names, *style))
            format.style = static_cast<Format::Style>(*index);
        else
            fields.fail("format is none of listing, save, json");
    }
    const json* options = fields.array("options");
    if (options == nullptr) return;
    for (const auto& option : *options) {
        if (option == "extended")
            format.extended = true;
        else if (option == "id")
            format.id = true;
        else if (option == "ktimestamp")
            format.start_time = true;
        else if (events && option == "timestamp")
            format.time = true;
        else
            fields.fail("options holds something else than extended, id, ktimestamp, for events timestamp");
    }
}

void read_buffer(JsonFields& fields, Query& query) {
    const auto bytes = fields.number<std::size_t>("buffer", most_event_buffer);
    query.buffer_bytes = bytes.value_or(usual_event_buffer);
    if (query.buffer_bytes < least_event_buffer)
        fields.fail("buffer is less than " + std::to_string(least_event_buffer));
}

void read_events(JsonFields& fields, Query& query) {
    if (const json* mask = fields.array("mask")) {
        query.events = 0;
        for (const auto& word : *mask) {
            const auto bit = word.is_string() ? index_of(event_names, word.get<std::string>()) : std::nullopt;
            if (bit)
                query.events |= 1U << *bit;
            else
                fields.fail("mask holds something else than new, updates, destroy, floods, alerts");
        }
        if (query.events == 0) fields.fail("mask names no event");
    }
    read_buffer(fields, query);
}

void read_capture(JsonFields& fields, Query& query) {
    if (const json* reasons = fields.array("reasons")) {
        query.captures = 0;
        for (const auto& word : *reasons) {
            const auto reason = word.is_string() ? reason_named(word.get<std::string>()) : std::nullopt;
            if (reason)
                query.captures |= pipeline::only(*reason);
            else
                fields.fail("reasons holds something that is no reason");
        }
        if (query.captures == 0) fields.fail("reasons names none");
    }
    if (fields.flag("passing")) query.captures |= pipeline::passing_too;
    query.story = fields.flag("story");
    if (query.story) query.captures = pipeline::every_packet;
    if (const json* program = fields.array("program")) {
        if (auto read = PacketFilter::from_json(*program))
            query.packets = std::move(*read);
        else
            fields.fail(read.error());
    }
    query.snap_bytes = fields.number<std::size_t>("snap", pipeline::most_captured_bytes)
                           .value_or(pipeline::most_captured_bytes);
    if (query.snap_bytes == 0) fields.fail("snap is 0: a byte is shown at least");
    read_buffer(fields, query);
}

std::optional<std::uint32_t> read_timeout(JsonFields& fields) {
    const auto timeout = fields.number<std::uint32_t>("timeout", max_lifetime_seconds);
    if (timeout && *timeout == 0) fields.fail("timeout is 0: a flow lives a second at least");
    return timeout;
}

std::uint8_t read_status(JsonFields& fields) {
    return fields.number<std::uint8_t>("status", seen_reply_bit | assured_bit | fixed_timeout_bit)
        .value_or(0);
}

void read_change(JsonFields& fields, Change& change) {
    change.timeout_seconds = read_timeout(fields);
    if (const json* mark = fields.object("mark")) {
        JsonFields inner(*mark, "mark");
        change.mark = Filter::Mark{inner.number<std::uint32_t>("value").value_or(0),
                                   inner.number<std::uint32_t>("mask").value_or(0xFFFFFFFFU)};
        (void)inner.finish(fields);
    }
    change.status = read_status(fields);
    if (!change.timeout_seconds && !change.mark && change.status == 0)
        fields.fail("update changes neither timeout nor mark nor status");
}

void read_protocol_part(JsonFields& fields, NewFlow& flow) {
    if (has_ports(flow.protocol)) {
        const auto source = fields.number<std::uint16_t>("sport");
        const auto destination = fields.number<std::uint16_t>("dport");
        if (!source || !destination) fields.fail("sport and dport are needed");
        flow.source_port = source.value_or(0);
        flow.destination_port = destination.value_or(0);
    }
    if (flow.protocol == packet::tcp) {
        const auto pair = pair_of_state(fields.text("state").value_or(""));
        if (!pair) fields.fail("state is no TCP state that a flow can be given");
        flow.pair = pair.value_or(flow.pair);
    }
    if (is_icmp(flow.protocol)) {
        const auto type = fields.number<std::uint8_t>("icmp_type");
        const bool own_family = (flow.protocol == packet::icmp) == (flow.family == packet::Family::ipv4);
        if (!own_family) fields.fail("icmp goes with IPv4 addresses, icmpv6 with IPv6");
        if (!type || packet::icmp_kind(flow.protocol, *type) != packet::IcmpKind::request)
            fields.fail("icmp_type is not the type of a query that has an answer");
        flow.icmp_type = type.value_or(0);
        flow.icmp_id = fields.number<std::uint16_t>("icmp_id").value_or(0);
    }
    if (flow.source == flow.destination && flow.source_port == flow.destination_port)
        fields.fail("source and destination are the same");
}

void read_flow(JsonFields& outer, NewFlow& flow) {
    const json* object = outer.object("flow");
    if (object == nullptr) return outer.fail("flow is missing");
    JsonFields fields(*object, "flow");
    const auto source = parse_address(fields.text("src").value_or(""));
    const auto destination = parse_address(fields.text("dst").value_or(""));
    const auto protocol = fields.number<std::uint8_t>("protocol");
    const auto timeout = read_timeout(fields);
    if (!source || !destination || source->family != destination->family)
        fields.fail("src and dst are not two addresses of one family");
    else if (!protocol)
        fields.fail("protocol is missing");
    else if (!timeout)
        fields.fail("timeout is missing");
    else {
        flow.family = source->family;
        flow.source = source->address;
        flow.destination = destination->address;
        flow.protocol = *protocol;
        flow.timeout_seconds = *timeout;
        read_protocol_part(fields, flow);
    }
    flow.status = read_status(fields);
    flow.mark = fields.number<std::uint32_t>("mark").value_or(0);
    flow.zone = fields.number<std::uint16_t>("zone").value_or(0);
    flow.vlan = fields.number<std::uint16_t>("vlan", 4094);
    flow.port_pair = fields.number<std::uint8_t>("port_pair", pipeline::max_port_pairs - 1).value_or(0);
    (void)fields.finish(outer);
}

std::string read_base64(JsonFields& fields, const char* key) {
    auto bytes = from_base64(fields.text(key).value_or(""));
    if (!bytes) fields.fail(std::string(key) + " is no base64");
    return std::move(bytes).value_or("");
}

json flow_json(const NewFlow& flow) {
    json out = {{"src", address_text(flow.family, flow.source)},
                {"dst", address_text(flow.family, flow.destination)},
                {"protocol", flow.protocol},
                {"timeout", flow.timeout_seconds},
                {"status", flow.status},
                {"mark", flow.mark},
                {"zone", flow.zone},
                {"port_pair", flow.port_pair}};
    if (has_ports(flow.protocol)) {
        out["sport"] = flow.source_port;
        out["dport"] = flow.destination_port;
    }
    if (flow.protocol == packet::tcp) out["state"] = tcp::text_of(flow.pair).conntrack_name;
    if (is_icmp(flow.protocol)) {
        out["icmp_type"] = flow.icmp_type;
        out["icmp_id"] = flow.icmp_id;
    }
    if (flow.vlan) out["vlan"] = *flow.vlan;
    return out;
}

bool takes_filter(Query::Kind kind) {
    using Kind = Query::Kind;
    return kind == Kind::list || kind == Kind::count || kind == Kind::get || kind == Kind::remove ||
           kind == Kind::update || kind == Kind::events || kind == Kind::capture;
}
bool shows_flows(Query::Kind kind) {
    using Kind = Query::Kind;
    return (takes_filter(kind) && kind != Kind::count && kind != Kind::capture) || kind == Kind::insert;
}

}  // namespace

std::string_view name_of(Query::Kind kind) {
    return kind_names[static_cast<std::size_t>(kind)];
}

Result<Query> parse_query(std::string_view line) {
    if (line.size() > max_request_bytes) return Error{"the request is longer than 65536 bytes"};
    if (!shallow(line)) return Error{"the request nests deeper than 8 levels"};
    const json document = json::parse(line, nullptr, false);
    if (document.is_discarded() || !document.is_object()) return Error{"the request is not a JSON object"};

    Query query;
    JsonFields fields(document, "request");
    const auto version = fields.number<unsigned>("sluice");
    if (!version || *version != protocol_version)
        return Error{"request: \"sluice\" must be 1, the version of the protocol that this daemon speaks"};
    const auto kind = index_of(kind_names, fields.text("request").value_or(""));
    if (!kind) return Error{"request: \"request\" names nothing that can be asked for"};
    query.kind = static_cast<Query::Kind>(*kind);
    if (takes_filter(query.kind)) {
        if (const json* filter = fields.object("filter")) {
            auto read = filter_from_json(*filter);
            if (!read) return Error{read.error()};
            query.filter = *read;
        }
    }
    if (shows_flows(query.kind)) read_format(fields, query.format, query.kind == Query::Kind::events);
    if (query.kind == Query::Kind::events) read_events(fields, query);
    if (query.kind == Query::Kind::capture) read_capture(fields, query);
    if (query.kind == Query::Kind::drops)
        query.examples =
            fields.number<std::size_t>("examples", pipeline::DropExamples::kept).value_or(query.examples);
    if (query.kind == Query::Kind::list) query.zero = fields.flag("zero");
    if (query.kind == Query::Kind::remove) query.reset = fields.flag("reset");
    if (query.kind == Query::Kind::floods) query.services = fields.flag("services");
    if (query.kind == Query::Kind::test_packet) read_packet(fields, query.packet);
    if (query.kind == Query::Kind::update) read_change(fields, query.change);
    if (query.kind == Query::Kind::insert) read_flow(fields, query.flow);
    if (query.kind == Query::Kind::restore) {
        query.snapshot_head = read_base64(fields, "snapshot");
        query.records = read_base64(fields, "records");
    }
    if (auto wrong = fields.result()) return Error{*wrong};
    return query;
}

std::string to_line(const Query& query) {
    json out = {{"sluice", protocol_version}, {"request", name_of(query.kind)}};
    if (takes_filter(query.kind) && !query.filter.everything()) out["filter"] = to_json(query.filter);
    if (shows_flows(query.kind)) {
        out["format"] = style_names[static_cast<std::size_t>(query.format.style)];
        json options = json::array();
        if (query.format.extended) options.push_back("extended");
        if (query.format.id) options.push_back("id");
        if (query.format.start_time) options.push_back("ktimestamp");
        if (query.format.time) options.push_back("timestamp");
        if (!options.empty()) out["options"] = options;
    }
    if (query.kind == Query::Kind::events) {
        for (std::size_t bit = 0; bit < event_names.size(); ++bit)
            if ((query.events >> bit & 1U) != 0) out["mask"].push_back(event_names[bit]);
        out["buffer"] = query.buffer_bytes;
    }
    if (query.kind == Query::Kind::capture) {
        if (query.story) {
            out["story"] = true;
        } else {
            for (std::size_t i = 0; i < reason_count; ++i)
                if ((query.captures >> i & 1U) != 0) out["reasons"].push_back(reason_texts[i].name);
            if ((query.captures & pipeline::passing_too) != 0) out["passing"] = true;
        }
        if (!query.packets.everything()) out["program"] = query.packets.to_json();
        out["snap"] = query.snap_bytes;
        out["buffer"] = query.buffer_bytes;
    }
    if (query.examples != 0) out["examples"] = query.examples;
    if (query.zero) out["zero"] = true;
    if (query.reset) out["reset"] = true;
    if (query.services) out["services"] = true;
    if (query.kind == Query::Kind::test_packet) out["packet"] = packet_json(query.packet);
    if (query.kind == Query::Kind::update) {
        if (query.change.status != 0) out["status"] = query.change.status;
        if (query.change.timeout_seconds) out["timeout"] = *query.change.timeout_seconds;
        if (query.change.mark)
            out["mark"] = {{"value", query.change.mark->value}, {"mask", query.change.mark->mask}};
    }
    if (query.kind == Query::Kind::insert) out["flow"] = flow_json(query.flow);
    if (query.kind == Query::Kind::restore) {
        out["snapshot"] = to_base64(query.snapshot_head);
        out["records"] = to_base64(query.records);
    }
    return out.dump();
}

std::string to_line(const End& end) {
    json inner =
        end.ok ? json{{"ok", true}, {"count", end.count}} : json{{"ok", false}, {"error", end.error}};
    return json{{"end", std::move(inner)}}.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::optional<End> parse_end(std::string_view line) {
    if (line.substr(0, end_prefix.size()) != end_prefix) return std::nullopt;
    const json document = json::parse(line, nullptr, false);
    if (document.is_discarded() || !document.is_object() || !document["end"].is_object()) return std::nullopt;
    const json& inner = document["end"];
    End out;
    out.ok = inner.value("ok", json()) == true;
    const json count = inner.value("count", json());
    const json error = inner.value("error", json());
    if (count.is_number_unsigned()) out.count = count.get<std::uint64_t>();
    if (error.is_string()) out.error = error.get<std::string>();
    return out;
}

}  // namespace sluice::control
