#include "sluice/control/format.hpp"

#include <fmt/format.h>

#include <ctime>
#include <iterator>

#include "sluice/control/community_id.hpp"
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

/// "Sat Nov 28 17:48:21 2026", local time.
std::string date_text(std::uint64_t wall_nanoseconds) {
    const auto seconds = static_cast<std::time_t>(wall_nanoseconds / nanoseconds_per_second);
    std::tm broken_down{};
    char text[32] = "";
    localtime_r(&seconds, &broken_down);
    (void)std::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &broken_down);
    return text;
}

/// `event`: null in a listing. Of an event the kernel tells less, and conntrack prints what it is told.
void append_listing(std::string& out, const FlowView& flow, const Format& format,
                    const Happening* event = nullptr) {
    const bool gone = event != nullptr && event->kind == pipeline::EventKind::destroyed;
    if (format.extended) out += flow.family == packet::Family::ipv4 ? "ipv4     2 " : "ipv6     10 ";
    append(out, "{:<8} {} ", protocol_name(flow.protocol), flow.protocol);
    if (!gone || flow.seconds_left != 0) append(out, "{} ", flow.seconds_left);
    if (flow.protocol == packet::tcp) append(out, "{} ", state_name(flow));
    append_listing_tuple(out, flow, original_tuple(flow), format);
    if (!flow.seen_reply) out += "[UNREPLIED] ";
    append_listing_tuple(out, flow, reply_tuple(flow), format);
    if (flow.assured) out += "[ASSURED] ";
    if (event == nullptr || flow.mark != 0) append(out, "mark={} ", flow.mark);
    if (flow.zone != 0) append(out, "zone={} ", flow.zone);
    if (format.timestamps) {
        append(out, "delta-time={} ", age_seconds(flow, format));
        if (format.start_time) append(out, "[start={}] ", date_text(flow.start_nanoseconds));
        if (format.start_time && gone) append(out, "[stop={}] ", date_text(event->wall_nanoseconds));
    }
    if (event == nullptr) out += "use=1 ";
    if (format.id) append(out, "id={} ", flow.id);
    out.pop_back();
}

void append_save(std::string& out, const FlowView& flow, char command = 'A') {
    append(out, "-{} -t {} -u ", command, flow.seconds_left);
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

void append_tag(std::string& out, std::string_view tag, std::uint64_t wall_nanoseconds,
                const Format& format) {
    if (format.time)
        append(out, "[{}.{:06}]\t", wall_nanoseconds / nanoseconds_per_second,
               wall_nanoseconds % nanoseconds_per_second / 1000);
    append(out, "{:>9} ", tag);
}

void append_event(std::string& out, const FlowView& flow, const Happening& event, const Format& format) {
    constexpr std::string_view tags[] = {"[NEW]", "[UPDATE]", "[DESTROY]"};
    constexpr std::string_view words[] = {"new", "update", "destroy"};
    constexpr std::string_view reasons[] = {"expired", "evicted", "deleted", "replaced"};
    const auto kind = static_cast<std::size_t>(event.kind);
    const bool gone = event.kind == pipeline::EventKind::destroyed;
    Format told = format;
    told.accounting &= gone;
    told.wall_nanoseconds = event.wall_nanoseconds;
    switch (format.style) {
        case Format::Style::listing:
            told.timestamps &= gone;
            append_tag(out, tags[kind], event.wall_nanoseconds, format);
            append_listing(out, flow, told, &event);
            break;
        case Format::Style::save:
            append_save(out, flow, "AUD"[kind]);
            break;
        case Format::Style::json: {
            append(out, R"({{"event":"{}","time":{}.{:09},"why":)", words[kind],
                   event.wall_nanoseconds / nanoseconds_per_second,
                   event.wall_nanoseconds % nanoseconds_per_second);
            if (gone)
                append(out, R"("{}")", reasons[static_cast<std::size_t>(event.why)]);
            else
                out += "null";
            const std::string community = community_id(flow);
            if (community.empty())
                out += R"(,"community_id":null,)";
            else
                append(out, R"(,"community_id":"{}",)", community);
            const std::size_t brace = out.size();
            append_json(out, flow, told);
            out.erase(brace, 1);
            break;
        }
    }
    out += '\n';
}

}  // namespace sluice::control
