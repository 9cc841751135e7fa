#include "sluice/control/text.hpp"

#include <arpa/inet.h>
#include <fmt/compile.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <utility>

namespace sluice::control {
namespace {

struct ProtocolName {
    std::string_view name;
    std::uint8_t number;
    bool in_listings;  ///< conntrack prints the name; others it calls "unknown"
};

constexpr std::array<ProtocolName, 16> protocol_names{{
    {"tcp", 6, true},
    {"udp", 17, true},
    {"icmp", 1, true},
    {"icmpv6", 58, true},
    {"sctp", 132, true},
    {"dccp", 33, true},
    {"gre", 47, true},
    {"udplite", 136, true},
    {"ipv6-icmp", 58, false},
    {"esp", 50, false},
    {"ah", 51, false},
    {"ospf", 89, false},
    {"igmp", 2, false},
    {"ipip", 4, false},
    {"ipv6", 41, false},
    {"vrrp", 112, false},
}};

bool same_word(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::string_view protocol_name(std::uint8_t protocol) {
    for (const auto& known : protocol_names)
        if (known.in_listings && known.number == protocol) return known.name;
    return "unknown";
}

std::optional<std::uint8_t> parse_protocol(std::string_view text) {
    for (const auto& known : protocol_names)
        if (same_word(known.name, text)) return known.number;
    const auto number = parse_number(text, 255);
    if (!number) return std::nullopt;
    return static_cast<std::uint8_t>(*number);
}

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t highest) {
    int base = 10;
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text.remove_prefix(2);
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size() || value > highest) return std::nullopt;
    return value;
}

void append_address(std::string& out, packet::Family family, const packet::Address& address) {
    if (family == packet::Family::ipv6) {
        char text[INET6_ADDRSTRLEN];
        out += inet_ntop(AF_INET6, address.data(), text, sizeof text);
        return;
    }
    // inet_ntop() makes these with sprintf(), ten times slower, and a line has four of them.
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}.{}.{}.{}"), address[0], address[1], address[2],
                   address[3]);
}

std::string address_text(packet::Family family, const packet::Address& address) {
    std::string out;
    append_address(out, family, address);
    return out;
}

std::optional<ParsedAddress> parse_address(std::string_view text) {
    const std::string terminated(text);
    if (terminated.size() != std::string_view(terminated.c_str()).size()) return std::nullopt;
    ParsedAddress out;
    if (inet_pton(AF_INET, terminated.c_str(), out.address.data()) == 1)
        out.family = packet::Family::ipv4;
    else if (inet_pton(AF_INET6, terminated.c_str(), out.address.data()) == 1)
        out.family = packet::Family::ipv6;
    else
        return std::nullopt;
    return out;
}

std::optional<tcp::Pair> pair_of_state(std::string_view state) {
    using tcp::Pair;
    static constexpr std::array<std::pair<std::string_view, Pair>, 10> pairs{{
        {"SYN_SENT", Pair::syn_sent__syn_rcvd},
        {"SYN_SENT2", Pair::syn_rcvd__syn_rcvd},
        {"LISTEN", Pair::syn_rcvd__syn_rcvd},
        {"SYN_RECV", Pair::established__syn_rcvd},
        {"ESTABLISHED", Pair::established__established},
        {"FIN_WAIT", Pair::fin_wait_1__close_wait},
        {"CLOSE_WAIT", Pair::fin_wait_2__close_wait},
        {"LAST_ACK", Pair::time_wait__last_ack},
        {"TIME_WAIT", Pair::time_wait__closed},
        {"CLOSE", Pair::closed__closed},
    }};
    for (const auto& [name, pair] : pairs)
        if (name == state) return pair;
    return std::nullopt;
}

}  // namespace sluice::control
