#include "sluice/control/format.hpp"

#include <fmt/format.h>

#include <ctime>
#include <iterator>

#include "sluice/control/text.hpp"

namespace sluice::control {
namespace {

using pipeline::FlowView;

constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;

/// One direction of a flow, with the words that conntrack and JSON have for its fields.
struct Tuple {
    const packet::Address& source;
    const packet::Address& destination;
    std::uint16_t source_port, destination_port;
    std::uint8_t icmp_type;
    unsigned direction;  ///< index into the account
};

Tuple original_tuple(const FlowView& flow) {
    return {flow.source, flow.destination, flow.source_port, flow.destination_port, flow.icmp_type, 0};
}
Tuple reply_tuple(const FlowView& flow) {
    return {flow.destination, flow.source, flow.destination_port, flow.source_port, flow.reply_icmp_type, 1};
}

template <class... Arguments>
void append(std::string& out, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(out), text, std::forward<Arguments>(arguments)...);
}

std::string_view state_name(const FlowView& flow) {
    return tcp::text_of(static_cast<tcp::Pair>(flow.state.tcp.pair)).conntrack_name;
}

void append_listing_tuple(std::string& out, const FlowView& flow, const Tuple& tuple, const Format& format) {
    out += "src=";
    append_address(out, flow.family, tuple.source);
    out += " dst=";
    append_address(out, flow.family, tuple.destination);
    if (has_ports(flow.protocol))
        append(out, " sport={} dport={}", tuple.source_port, tuple.destination_port);
    else if (is_icmp(flow.protocol))
        append(out, " type={} code=0 id={}", tuple.icmp_type, flow.icmp_id);
    if (format.accounting)
        append(out, " packets={} bytes={}", flow.account.packets[tuple.direction],
               flow.account.bytes[tuple.direction]);
    out += ' ';
}

/// Seconds between the start of the flow and now, by the wall clock.
std::uint64_t age_seconds(const FlowView& flow, const Format& format) {
    const std::uint64_t start = flow.start_nanoseconds / nanoseconds_per_second;
    const std::uint64_t now = format.wall_nanoseconds / nanoseconds_per_second;
    return now > start ? now - start : 0;
}

void append_listing(std::string& out, const FlowView& flow, const Format& format) {
    if (format.extended) out += flow.family == packet::Family::ipv4 ? "ipv4     2 " : "ipv6     10 ";
    append(out, "{:<8} {} {} ", protocol_name(flow.protocol), flow.protocol, flow.seconds_left);
    if (flow.protocol == packet::tcp) append(out, "{} ", state_name(flow));
    append_listing_tuple(out, flow, original_tuple(flow), format);
    if (!flow.seen_reply) out += "[UNREPLIED] ";
    append_listing_tuple(out, flow, reply_tuple(flow), format);
    if (flow.assured) out += "[ASSURED] ";
    append(out, "mark={} ", flow.mark);
    if (flow.zone != 0) append(out, "zone={} ", flow.zone);
    if (format.timestamps) {
        append(out, "delta-time={} ", age_seconds(flow, format));
        if (format.start_time) {
            const auto seconds = static_cast<std::time_t>(flow.start_nanoseconds / nanoseconds_per_second);
            std::tm broken_down{};
            char text[32] = "";
            localtime_r(&seconds, &broken_down);
            (void)std::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &broken_down);
            append(out, "[start={}] ", static_cast<const char*>(text));
        }
    }
    out += "use=1";
    if (format.id) append(out, " id={}", flow.id);
}

void append_save(std::string& out, const FlowView& flow) {
    append(out, "-A -t {} -u ", flow.seconds_left);
    const std::size_t before = out.size();
    const auto word = [&](bool set, std::string_view name) {
        if (!set) return;
        if (out.size() != before) out += ',';
        out += name;
    };
    word(flow.seen_reply, "SEEN_REPLY");
    word(flow.assured, "ASSURED");
    word(flow.state.datagram.fixed_timeout != 0, "FIXED_TIMEOUT");
    word(out.size() == before, "UNSET");
    if (flow.zone != 0) append(out, " -w {}", flow.zone);
    const std::string source = address_text(flow.family, flow.source);
    const std::string destination = address_text(flow.family, flow.destination);
    append(out, " -s {} -d {} -r {} -q {} -p ", source, destination, destination, source);
    const auto name = protocol_name(flow.protocol);
    if (name == "unknown")
        append(out, "{}", flow.protocol);
    else
        out += name;
    if (has_ports(flow.protocol))
        append(out, " --sport {} --dport {} --reply-port-src {} --reply-port-dst {}", flow.source_port,
               flow.destination_port, flow.destination_port, flow.source_port);
    else if (is_icmp(flow.protocol))
        append(out, " --{0}-type {1} --{0}-code 0 --{0}-id {2}", name, flow.icmp_type, flow.icmp_id);
    if (flow.protocol == packet::tcp) append(out, " --state {}", state_name(flow));
}

void append_json_tuple(std::string& out, const FlowView& flow, const Tuple& tuple, const Format& format) {
    out += R"({"src":")";
    append_address(out, flow.family, tuple.source);
    out += R"(","dst":")";
    append_address(out, flow.family, tuple.destination);
    out += '"';
    if (has_ports(flow.protocol))
        append(out, R"(,"sport":{},"dport":{})", tuple.source_port, tuple.destination_port);
    else if (is_icmp(flow.protocol))
        append(out, R"(,"type":{},"code":0,"id":{})", tuple.icmp_type, flow.icmp_id);
    if (format.accounting)
        append(out, R"(,"packets":{},"bytes":{})", flow.account.packets[tuple.direction],
               flow.account.bytes[tuple.direction]);
    out += '}';
}

constexpr std::string_view truth(bool value) {
    return value ? "true" : "false";
}

void append_json(std::string& out, const FlowView& flow, const Format& format) {
    append(out, R"({{"id":{},"worker":{},"family":"{}","protocol":"{}","protocol_number":{},"timeout":{},)",
           flow.id, flow.worker, flow.family == packet::Family::ipv4 ? "ipv4" : "ipv6",
           protocol_name(flow.protocol), flow.protocol, flow.seconds_left);
    if (flow.protocol == packet::tcp) {
        const auto& pair = tcp::text_of(static_cast<tcp::Pair>(flow.state.tcp.pair));
        append(out, R"("state":"{}","pair":["{}","{}"],)", pair.conntrack_name, tcp::name_of(pair.originator),
               tcp::name_of(pair.responder));
    } else {
        out += R"("state":null,"pair":null,)";
    }
    out += R"("original":)";
    append_json_tuple(out, flow, original_tuple(flow), format);
    out += R"(,"reply":)";
    append_json_tuple(out, flow, reply_tuple(flow), format);
    append(out,
           R"(,"seen_reply":{},"assured":{},"fixed_timeout":{},"mark":{},"zone":{},"port_pair":{},"vlan":[)",
           truth(flow.seen_reply), truth(flow.assured), truth(flow.state.datagram.fixed_timeout != 0),
           flow.mark, flow.zone, flow.port_pair);
    if (flow.outer_vlan != flow::Domain::no_tag) append(out, "{}", flow.outer_vlan);
    if (flow.inner_vlan != flow::Domain::no_tag) append(out, ",{}", flow.inner_vlan);
    out += R"(],"start":)";
    if (format.timestamps)
        append(out, "{}.{:09}", flow.start_nanoseconds / nanoseconds_per_second,
               flow.start_nanoseconds % nanoseconds_per_second);
    else
        out += "null";
    out += '}';
}

}  // namespace

void append_flow(std::string& out, const FlowView& flow, const Format& format) {
    switch (format.style) {
        case Format::Style::listing:
            append_listing(out, flow, format);
            break;
        case Format::Style::save:
            append_save(out, flow);
            break;
        case Format::Style::json:
            append_json(out, flow, format);
            break;
    }
    out += '\n';
}

}  // namespace sluice::control
