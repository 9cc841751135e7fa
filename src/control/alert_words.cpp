#include "sluice/control/alert_words.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <span>

#include "sluice/control/community_id.hpp"
#include "sluice/control/text.hpp"

namespace sluice::control {
namespace {

using nlohmann::ordered_json;

/// What is no printable ASCII as a dot.
std::string printable(std::span<const std::uint8_t> bytes) {
    std::string out;
    for (const std::uint8_t byte : bytes) out += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
    return out;
}
std::string printable(std::string_view text) {
    return printable({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::string hex(std::span<const std::uint8_t> bytes) {
    std::string out;
    for (const std::uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
    return out;
}

std::span<const std::uint8_t> excerpt_of(const pipeline::Alert& alert) {
    return std::span(alert.excerpt).first(std::min<std::size_t>(alert.excerpt_length, alert.excerpt.size()));
}

std::string endpoint(const pipeline::FlowView& flow, const packet::Address& address, std::uint16_t port) {
    std::string text = address_text(flow.family, address);
    if (!has_ports(flow.protocol)) return text;
    return flow.family == packet::Family::ipv6 ? fmt::format("[{}]:{}", text, port)
                                               : fmt::format("{}:{}", text, port);
}

std::string dumped(const ordered_json& row) {
    return row.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace

std::string_view name_of(policy::SignatureAction action) {
    constexpr std::string_view names[] = {"alert", "drop", "reset", "mark"};
    return names[static_cast<std::size_t>(action)];
}

std::string_view name_of(policy::Severity severity) {
    constexpr std::string_view names[] = {"low", "medium", "high", "critical"};
    return names[static_cast<std::size_t>(severity)];
}

AlertNews news_of(const pipeline::Alert& alert, unsigned worker, const pipeline::Inspection* inspection) {
    AlertNews news{alert, nullptr, {}, {}};
    if (inspection != nullptr && alert.profile < inspection->profiles().size()) {
        const auto& profile = inspection->profile(alert.profile);
        news.profile = profile.name;
        if (alert.signature < profile.signatures().size())
            news.signature = &profile.signatures()[alert.signature];
    }
    pipeline::Event event{};
    event.flow = alert.flow;
    event.family = alert.family;
    event.original_from_high = alert.original_from_high;
    if (alert.family == packet::Family::ipv4)
        event.key4 = alert.key4;
    else
        event.key6 = alert.key6;
    view(event, worker, news.flow);
    return news;
}

std::string alert_line(const AlertNews& news) {
    const pipeline::Alert& alert = news.alert;
    const pipeline::FlowView& flow = news.flow;
    std::string out = news.signature == nullptr
                          ? fmt::format("signature {}", alert.signature_id)
                          : fmt::format("{} {} ({}), profile {}", name_of(news.signature->severity),
                                        alert.signature_id, printable(news.signature->name), news.profile);
    out += fmt::format(": {} {} to {}, from the {}, before byte {}: {}", protocol_name(flow.protocol),
                       endpoint(flow, flow.source, flow.source_port),
                       endpoint(flow, flow.destination, flow.destination_port),
                       alert.direction == tcp::Direction::original ? "client" : "server", alert.position,
                       name_of(alert.done));
    if (const auto excerpt = excerpt_of(alert); !excerpt.empty())
        out += fmt::format(", \"{}\"", printable(excerpt));
    return out;
}

void append_alert(std::string& out, const AlertNews& news, const Format& format) {
    const pipeline::Alert& alert = news.alert;
    if (format.style != Format::Style::json) {
        append_tag(out, "[ALERT]", alert.wall_nanoseconds, format);
        out += alert_line(news) + '\n';
        return;
    }
    const pipeline::FlowView& flow = news.flow;
    ordered_json row;
    row["id"] = alert.signature_id;
    if (news.signature != nullptr) {
        row["name"] = news.signature->name;
        row["severity"] = name_of(news.signature->severity);
        row["profile"] = news.profile;
    }
    row["action"] = name_of(alert.done);
    row["direction"] = alert.direction == tcp::Direction::original ? "to-server" : "to-client";
    row["position"] = alert.position;
    row["protocol"] = protocol_name(flow.protocol);
    row["src"] = address_text(flow.family, flow.source);
    row["dst"] = address_text(flow.family, flow.destination);
    if (has_ports(flow.protocol)) {
        row["sport"] = flow.source_port;
        row["dport"] = flow.destination_port;
    }
    row["flow"] = flow.id;
    if (auto id = community_id(flow); !id.empty()) row["community_id"] = std::move(id);
    if (const auto excerpt = excerpt_of(alert); !excerpt.empty()) {
        row["excerpt"] = printable(excerpt);
        row["excerpt_hex"] = hex(excerpt);
    }
    // A time with all its digits is no number of the JSON library's.
    out += fmt::format(R"({{"event":"alert","time":{}.{:06},)", alert.wall_nanoseconds / 1'000'000'000,
                       alert.wall_nanoseconds % 1'000'000'000 / 1000);
    out += dumped(row).substr(1);
}

void append_signature(std::string& out, const pipeline::Inspection& inspection,
                      pipeline::ProfileNumber profile, std::size_t signature) {
    const policy::Signature& what = inspection.profile(profile).signatures()[signature];
    std::uint64_t hits = 0, suppressed = 0;
    for (unsigned worker = 0; worker < inspection.workers(); ++worker) {
        const pipeline::SignatureTally& tally = inspection.tally(worker, profile)[signature];
        hits += tally.hits.read();
        suppressed += tally.suppressed.read();
    }
    ordered_json row;
    row["profile"] = inspection.profile(profile).name;
    row["id"] = what.id;
    row["name"] = what.name;
    row["severity"] = name_of(what.severity);
    row["action"] = name_of(what.action);
    row["hits"] = hits;
    row["suppressed"] = suppressed;
    out += dumped(row);
}

}  // namespace sluice::control
