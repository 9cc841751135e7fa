#include "sluice/control/capture_row.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>

#include "sluice/control/format.hpp"
#include "sluice/control/text.hpp"
#include "sluice/packet/icmp.hpp"
#include "sluice/packet/parse.hpp"
#include "sluice/pipeline/segments.hpp"
#include "sluice/tcp/explain.hpp"

namespace sluice::control {
namespace {

using nlohmann::json;
using pipeline::CapturedPacket;
using pipeline::FlowView;

constexpr std::array<std::string_view, 5> action_names{"pass", "drop", "handover", "answer", "absorb"};
constexpr std::array<std::string_view, 2> direction_names{"original", "reply"};
constexpr std::string_view digits = "0123456789abcdef";
/// Of a rule's name: a row has its bound.
constexpr std::size_t most_name_bytes = 64;
/// Of a traced flow's packet: any headers that are usual. And of its sentence.
constexpr std::size_t step_bytes = 128, most_why_bytes = 256;

std::string hexadecimal(std::span<const std::uint8_t> bytes) {
    std::string out;
    out.reserve(2 * bytes.size());
    for (const std::uint8_t byte : bytes) {
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
    return out;
}

std::optional<std::vector<std::uint8_t>> bytes_of(std::string_view text) {
    if (text.size() % 2 != 0 || text.size() > 2 * pipeline::most_captured_bytes) return std::nullopt;
    std::vector<std::uint8_t> out;
    out.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const std::size_t high = digits.find(text[i]), low = digits.find(text[i + 1]);
        if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
        out.push_back(static_cast<std::uint8_t>(high << 4U | low));
    }
    return out;
}

/// A name that was cut may end within a letter, which is no JSON.
std::string name_of_rule(const CapturedPacket& packet, const pipeline::Policy* policy) {
    if (policy == nullptr || packet.rule == policy::no_rule || packet.rule > policy->rules->size()) return {};
    return policy->rules->rule(packet.rule).name.substr(0, most_name_bytes);
}

template <class Value, std::size_t Size>
std::optional<Value> by_name(const std::array<std::string_view, Size>& names, const json& name) {
    if (!name.is_string()) return std::nullopt;
    const auto found = std::find(names.begin(), names.end(), name.get_ref<const std::string&>());
    if (found == names.end()) return std::nullopt;
    return static_cast<Value>(found - names.begin());
}

std::optional<pipeline::CtState> state_of(const json& name) {
    for (const auto state :
         {pipeline::CtState::new_flow, pipeline::CtState::established, pipeline::CtState::related,
          pipeline::CtState::invalid, pipeline::CtState::untracked})
        if (name == name_of(state)) return state;
    return std::nullopt;
}

std::optional<Reason> reason_of(const json& name) {
    if (name.is_null()) return Reason::none;
    return name.is_string() ? reason_named(name.get_ref<const std::string&>()) : std::nullopt;
}

std::optional<tcp::Pair> pair_of(const json& names) {
    if (!names.is_array() || names.size() != 2) return std::nullopt;
    for (std::size_t i = 0; i < tcp::pair_count; ++i) {
        const tcp::PairText& text = tcp::text_of(static_cast<tcp::Pair>(i));
        if (names[0] == tcp::name_of(text.originator) && names[1] == tcp::name_of(text.responder))
            return static_cast<tcp::Pair>(i);
    }
    return std::nullopt;
}

/// What there is in `row` of a number; 0 where there is none or it is too large.
template <class Number>
Number number(const json& row, const char* key) {
    const json value = row.value(key, json());
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<Number>::max())
        return 0;
    return value.get<Number>();
}

json pair_names(const FlowView& flow, const pipeline::FlowState& state) {
    if (flow.protocol != packet::tcp) return nullptr;
    const tcp::PairText& text = tcp::text_of(static_cast<tcp::Pair>(state.tcp.pair));
    return {tcp::name_of(text.originator), tcp::name_of(text.responder)};
}

nlohmann::ordered_json row_of(const CapturedPacket& packet, unsigned worker, const FlowView* flow,
                              const pipeline::Policy* policy, std::size_t snap) {
    nlohmann::ordered_json row;
    row["nanoseconds"] = packet.wall_nanoseconds;
    row["worker"] = worker;
    row["port"] = packet.port;
    row["length"] = packet.length;
    row["verdict"] = name_of(packet.state);
    row["action"] = action_names[static_cast<std::size_t>(packet.action)];
    row["reason"] = packet.kind == Reason::none ? json() : json(text_of(packet.kind).name);
    const bool has_flow = packet.has_flow && flow != nullptr;
    row["flow"] = has_flow ? json(flow->id) : json();
    row["dir"] = has_flow ? json(direction_names[static_cast<std::size_t>(packet.direction)]) : json();
    row["pair"] = has_flow ? pair_names(*flow, flow->state) : json();
    row["seen_reply"] = has_flow && flow->seen_reply;
    row["assured"] = has_flow && flow->assured;
    row["rule"] = packet.is_ruled ? json(packet.rule) : json();
    row["rule_name"] = packet.is_ruled ? json(name_of_rule(packet, policy)) : json();
    const std::size_t shown = std::min<std::size_t>(packet.captured, snap);
    row["bytes"] = hexadecimal({packet.bytes.data(), shown});
    return row;
}

void append(std::string& out, const nlohmann::ordered_json& row) {
    out += row.dump(-1, ' ', false, json::error_handler_t::replace);
    out += '\n';
}

/// In the TCP engine's words where it is the engine's reason, else in the reason's own.
std::string why(const CapturedPacket& packet, const tcp::Settings& settings) {
    if (packet.kind == Reason::none) return {};
    packet::Headers headers;
    packet::parse({{packet.bytes.data(), packet.captured}, packet.length}, headers);
    if (headers.refusal != Reason::none || headers.protocol != packet::tcp)
        return std::string(text_of(packet.kind).sentence);
    tcp::Verdict verdict;
    verdict.outcome = text_of(packet.kind).outcome;
    verdict.reason = packet.kind;
    return tcp::explain(packet.had_flow ? packet.before.tcp : tcp::Connection{}, packet.pending,
                        packet.direction, pipeline::segment_of(headers.tcp), verdict, settings);
}

/// Of a packet without a flow.
bool view_headers(const CapturedPacket& packet, FlowView& out) {
    packet::Headers headers;
    // Headers beyond what was kept look cut off: then what is in front of them counts.
    packet::parse({{packet.bytes.data(), packet.captured}, packet.length}, headers);
    if (headers.family == packet::Family::none) return false;
    out = FlowView{};
    out.family = headers.family;
    out.protocol = headers.protocol;
    out.source = headers.source;
    out.destination = headers.destination;
    if (is_icmp(headers.protocol)) {
        out.icmp_type = headers.icmp_type;
        out.reply_icmp_type = packet::reply_type_of(headers.protocol, headers.icmp_type);
        out.icmp_id = headers.source_port;
    } else {
        out.source_port = headers.source_port;
        out.destination_port = headers.destination_port;
    }
    if (headers.vlan_count > 0) out.outer_vlan = headers.vlan[0];
    if (headers.vlan_count > 1) out.inner_vlan = headers.vlan[1];
    out.port_pair = packet.port_pair;
    return true;
}

}  // namespace

bool view(const CapturedPacket& packet, unsigned worker, FlowView& out) {
    if (!packet.has_flow) return view_headers(packet, out);
    view(packet.flow, worker, out);
    return true;
}

void append_capture(std::string& out, const CapturedPacket& packet, unsigned worker, const FlowView* flow,
                    const pipeline::Policy* policy, std::size_t snap) {
    append(out, row_of(packet, worker, flow, policy, snap));
}

void append_step(std::string& out, const CapturedPacket& packet, unsigned worker, const FlowView* flow,
                 const pipeline::Policy* policy, const tcp::Settings& tcp) {
    nlohmann::ordered_json row = row_of(packet, worker, flow, policy, step_bytes);
    const bool had_flow = packet.had_flow && flow != nullptr;
    row["before"] = had_flow ? pair_names(*flow, packet.before) : json();
    row["timeout"] = packet.has_flow && flow != nullptr ? flow->seconds_left : 0;
    const std::string sentence = why(packet, tcp);
    row["why"] = sentence.empty() ? json() : json(sentence.substr(0, most_why_bytes));
    append(out, row);
}

std::optional<CaptureRow> parse_capture(std::string_view line) {
    const json row = json::parse(line, nullptr, false);
    if (row.is_discarded() || !row.is_object() || !row.contains("nanoseconds")) return std::nullopt;
    CaptureRow out;
    out.nanoseconds = number<std::uint64_t>(row, "nanoseconds");
    out.worker = number<unsigned>(row, "worker");
    out.port = number<std::uint16_t>(row, "port");
    out.length = number<std::uint32_t>(row, "length");
    const auto state = state_of(row.value("verdict", json()));
    const auto action = by_name<pipeline::Action>(action_names, row.value("action", json()));
    const auto reason = reason_of(row.value("reason", json()));
    const json text = row.value("bytes", json());
    auto bytes = text.is_string() ? bytes_of(text.get_ref<const std::string&>()) : std::nullopt;
    if (!state || !action || !reason || !bytes) return std::nullopt;
    out.decision.state = *state;
    out.decision.action = *action;
    out.decision.reason = *reason;
    out.bytes = std::move(*bytes);
    out.has_flow = row.value("flow", json()).is_number_unsigned();
    out.flow = number<std::uint64_t>(row, "flow");
    out.decision.direction =
        by_name<tcp::Direction>(direction_names, row.value("dir", json())).value_or(tcp::Direction::original);
    out.pair = pair_of(row.value("pair", json()));
    out.before = pair_of(row.value("before", json()));
    out.timeout = number<std::uint32_t>(row, "timeout");
    if (const json why = row.value("why", json()); why.is_string()) out.why = why.get<std::string>();
    out.seen_reply = row.value("seen_reply", json()) == true;
    out.assured = row.value("assured", json()) == true;
    if (row.value("rule", json()).is_number_unsigned()) out.rule = number<unsigned>(row, "rule");
    if (const json name = row.value("rule_name", json()); name.is_string())
        out.rule_name = name.get<std::string>();
    return out;
}

}  // namespace sluice::control
