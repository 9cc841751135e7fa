// Lines of `sluice replay` for people. The columns fit 120 characters for IPv4; the explanation of a packet
// that was not simply accepted stands behind them:
//
//      n        time  flow  originator and responder as A and B          protocol    verdict     pair
//      4    0.030415     1  10.0.0.1:1234 A>B 10.0.0.2:80                tcp P.      established
//      ESTABLISHED,ESTABLISHED
#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "app/replay_format.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/tcp/connection.hpp"

namespace sluice::app {
namespace {

constexpr std::string_view red = "\x1b[31m", yellow = "\x1b[33m", green = "\x1b[32m", plain = "\x1b[0m";

void endpoint(TextBuffer& out, const packet::Headers& headers, const packet::Address& address,
              std::uint16_t port) {
    append_endpoint(out, headers.family, address, knows_ports(headers) ? std::optional(port) : std::nullopt);
}

void endpoints(TextBuffer& out, const Judgement& judgement) {
    const packet::Headers& headers = judgement.frame->headers;
    if (headers.family == packet::Family::none) {
        if (headers.refusal == Reason::none)
            fmt::format_to(std::back_inserter(out), "EtherType 0x{:04x}", headers.ether_type);
        else
            text(out, "(no IP header)");
        return;
    }
    endpoint(out, headers, headers.source, headers.source_port);
    if (judgement.flow == 0)
        text(out, "  >  ");
    else
        text(out, judgement.decision.direction == tcp::Direction::original ? " A>B " : " B>A ");
    endpoint(out, headers, headers.destination, headers.destination_port);
}

std::string protocol(const packet::Headers& headers) {
    if (headers.family == packet::Family::none) return "-";
    std::string name = protocol_name(headers.protocol);
    if (headers.fragment.present) return name + " frag";
    switch (headers.protocol) {
        case packet::tcp:
            return headers.refusal == Reason::malformed ? name
                                                        : name + " " + tcp_flag_letters(headers.tcp.flags);
        case packet::icmp:
        case packet::icmpv6:
            return fmt::format("{} {}/{}", name, headers.icmp_type, headers.icmp_code);
        default:
            return name;
    }
}

std::string flow_state(const Judgement& judgement) {
    if (judgement.flow == 0) return "-";
    if (judgement.tcp) {
        const tcp::PairText& pair = text_of(judgement.pair);
        return fmt::format("{},{}", tcp::name_of(pair.originator), tcp::name_of(pair.responder));
    }
    if (judgement.assured) return "assured";
    return judgement.seen_reply ? "replied" : "unreplied";
}

std::string_view colour_of(const Judgement& judgement) {
    if (judgement.decision.action == pipeline::Action::drop ||
        judgement.decision.state == pipeline::CtState::invalid)
        return red;
    if (judgement.decision.reason != Reason::none) return yellow;
    return judgement.decision.state == pipeline::CtState::new_flow ? green : std::string_view{};
}

}  // namespace

void append_address(TextBuffer& out, packet::Family family, const packet::Address& address) {
    if (family == packet::Family::ipv4) {
        for (std::size_t i = 0; i < 4; ++i) {
            if (i > 0) out.push_back('.');
            const fmt::format_int digits(unsigned{address[i]});
            out.append(digits.data(), digits.data() + digits.size());
        }
        return;
    }
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (inet_ntop(AF_INET6, address.data(), buffer.data(), buffer.size()) != nullptr)
        text(out, std::string_view(buffer.data()));
}

void append_endpoint(TextBuffer& out, packet::Family family, const packet::Address& address,
                     std::optional<std::uint16_t> port) {
    const bool brackets = port && family == packet::Family::ipv6;
    if (brackets) out.push_back('[');
    append_address(out, family, address);
    if (brackets) out.push_back(']');
    if (port) fmt::format_to(std::back_inserter(out), ":{}", *port);
}

std::string protocol_name(std::uint8_t protocol) {
    switch (protocol) {
        case packet::tcp:
            return "tcp";
        case packet::udp:
            return "udp";
        case packet::icmp:
            return "icmp";
        case packet::icmpv6:
            return "icmpv6";
        default:
            return fmt::format("{}", protocol);
    }
}

std::string_view treatment_of(pipeline::Action action, Reason reason) {
    if (action == pipeline::Action::drop) return "dropped";
    return text_of(reason).outcome == Outcome::tolerated ? "tolerated" : "passed";
}

void HumanLines::append(TextBuffer& out, const Judgement& judgement) {
    const Frame& frame = *judgement.frame;
    if (!started_) {
        started_ = true;
        first_nanoseconds_ = frame.nanoseconds;
    }
    const double time =
        (static_cast<double>(frame.nanoseconds) - static_cast<double>(first_nanoseconds_)) / 1e9;
    TextBuffer addresses;
    endpoints(addresses, judgement);
    constexpr std::size_t widest = 64;
    endpoints_width_ = std::clamp(addresses.size(), endpoints_width_, std::max(widest, endpoints_width_));

    const std::size_t start = out.size();
    const std::string_view colour = style_.colour ? colour_of(judgement) : std::string_view{};
    fmt::format_to(std::back_inserter(out), "{:>6} {:>11.6f} {:>5}  {:<{}} {:<8} {}{:<11}{} ", frame.number,
                   time, judgement.flow == 0 ? "-" : fmt::format("{}", judgement.flow),
                   std::string_view(addresses.data(), addresses.size()), endpoints_width_,
                   protocol(frame.headers), colour, pipeline::name_of(judgement.decision.state),
                   colour.empty() ? colour : plain);
    const std::string pair = flow_state(judgement);
    if (judgement.why.empty()) {
        text(out, pair);
    } else {
        fmt::format_to(std::back_inserter(out), "{:<23}", pair);
        const std::size_t columns = out.size() - start - (colour.empty() ? 0 : colour.size() + plain.size());
        append_why(out, judgement, columns);
    }
    for (const ReplayAlert& alert : judgement.alerts) text(out, "\n        alert: " + alert.line);
    out.push_back('\n');
}

/// What happened to it, the reason's name (which --json and the counters use) and the sentence.
void HumanLines::append_why(TextBuffer& out, const Judgement& judgement, std::size_t columns) const {
    const Reason reason = judgement.decision.reason;
    const std::string why = fmt::format("{}, {}: {}", treatment_of(judgement.decision.action, reason),
                                        text_of(reason).name, judgement.why);
    if (style_.width != 0 && columns + 1 + why.size() > style_.width) text(out, "\n       ");
    out.push_back(' ');
    text(out, why);
}

}  // namespace sluice::app
