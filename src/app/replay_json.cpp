// A line of `sluice replay --json`. Written by hand, key by key, because a capture of a hundred million
// packets is formatted here: fmt parses no format string and nothing is allocated.
#include <charconv>
#include <string_view>

#include "app/replay_format.hpp"
#include "sluice/tcp/connection.hpp"

namespace sluice::app {
namespace {

void number(TextBuffer& out, std::uint64_t value) {
    const fmt::format_int digits(value);
    out.append(digits.data(), digits.data() + digits.size());
}

void quoted(TextBuffer& out, std::string_view words) {
    out.push_back('"');
    text(out, words);
    out.push_back('"');
}

/// A sentence may quote anything: what JSON does not allow in a string is escaped (RFC 8259 section 7).
void escaped(TextBuffer& out, std::string_view words) {
    out.push_back('"');
    for (const char c : words) {
        if (c == '"' || c == '\\') out.push_back('\\');
        if (static_cast<unsigned char>(c) < 0x20)
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        else
            out.push_back(c);
    }
    out.push_back('"');
}

/// Seconds with six digits, as captures have them; nine when the finer ones are not zero.
void seconds(TextBuffer& out, std::int64_t nanoseconds) {
    const bool negative = nanoseconds < 0;
    const auto magnitude =
        negative ? 0 - static_cast<std::uint64_t>(nanoseconds) : static_cast<std::uint64_t>(nanoseconds);
    if (negative) out.push_back('-');
    number(out, magnitude / 1'000'000'000);
    std::uint64_t fraction = magnitude % 1'000'000'000;
    int digits = 9;
    if (fraction % 1000 == 0) {
        fraction /= 1000;
        digits = 6;
    }
    char buffer[10] = {'.'};
    for (int i = digits; i > 0; --i, fraction /= 10) buffer[i] = static_cast<char>('0' + fraction % 10);
    out.append(buffer, buffer + 1 + digits);
}

void addresses(TextBuffer& out, const Frame& frame) {
    const packet::Headers& headers = frame.headers;
    if (headers.family == packet::Family::none) {
        text(out, R"(,"protocol":null,"src":null,"dst":null,"sport":null,"dport":null)");
        return;
    }
    text(out, R"(,"protocol":)");
    switch (headers.protocol) {
        case packet::tcp:
            text(out, R"("tcp")");
            break;
        case packet::udp:
            text(out, R"("udp")");
            break;
        default:
            quoted(out, protocol_name(headers.protocol));
            break;
    }
    text(out, R"(,"src":")");
    append_address(out, headers.family, headers.source);
    text(out, R"(","dst":")");
    append_address(out, headers.family, headers.destination);
    if (knows_ports(headers)) {
        text(out, R"(","sport":)");
        number(out, headers.source_port);
        text(out, R"(,"dport":)");
        number(out, headers.destination_port);
    } else {
        text(out, R"(","sport":null,"dport":null)");
    }
}

void flow_state(TextBuffer& out, const Judgement& judgement) {
    if (judgement.flow != 0 && judgement.tcp) {
        const tcp::PairText& pair = text_of(judgement.pair);
        text(out, R"(,"pair":[")");
        text(out, tcp::name_of(pair.originator));
        text(out, R"(",")");
        text(out, tcp::name_of(pair.responder));
        text(out, R"("],"state":)");
        quoted(out, pair.conntrack_name);
    } else {
        text(out, R"(,"pair":null,"state":null)");
    }
    text(out, judgement.assured ? R"(,"assured":true,"timeout":)" : R"(,"assured":false,"timeout":)");
    if (judgement.flow != 0)
        number(out, judgement.timeout);
    else
        text(out, "null");
}

}  // namespace

void append_json(TextBuffer& out, const Judgement& judgement) {
    const Frame& frame = *judgement.frame;
    const pipeline::Decision& decision = judgement.decision;
    text(out, R"({"n":)");
    number(out, frame.number);
    text(out, R"(,"time":)");
    seconds(out, frame.nanoseconds);
    text(out, R"(,"worker":)");
    number(out, judgement.worker);
    text(out, R"(,"flow":)");
    if (judgement.flow != 0)
        number(out, judgement.flow);
    else
        text(out, "null");
    text(out, decision.direction == tcp::Direction::original ? R"(,"dir":"original","verdict":)"
                                                             : R"(,"dir":"reply","verdict":)");
    quoted(out, pipeline::name_of(decision.state));
    text(out, R"(,"reason":)");
    if (decision.reason == Reason::none)
        text(out, "null");
    else
        quoted(out, text_of(decision.reason).name);
    flow_state(out, judgement);
    text(out, decision.action == pipeline::Action::pass ? R"(,"action":"pass","length":)"
                                                        : R"(,"action":"drop","length":)");
    number(out, frame.length);
    if (frame.captured != frame.length) {
        text(out, R"(,"captured":)");
        number(out, frame.captured);
    }
    if (frame.headers.fragment.present) text(out, R"(,"fragment":true)");
    addresses(out, frame);
    if (!judgement.why.empty()) {
        text(out, R"(,"why":)");
        escaped(out, judgement.why);
    }
    if (!judgement.alerts.empty()) {
        text(out, R"(,"alerts":[)");
        for (std::size_t i = 0; i < judgement.alerts.size(); ++i) {
            if (i != 0) text(out, ",");
            number(out, judgement.alerts[i].id);
        }
        text(out, "]");
    }
    text(out, "}\n");
}

}  // namespace sluice::app
