#include "sluice/control/packet_words.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <utility>

#include "sluice/control/text.hpp"

namespace sluice::control {
namespace {

std::string endpoint_words(const packet::Headers& headers, const packet::Address& address,
                           std::uint16_t port) {
    std::string text = address_text(headers.family, address);
    const bool knows_port = has_ports(headers.protocol) && !packet::is_later_fragment(headers) &&
                            (headers.refusal == Reason::none || port != 0);
    if (!knows_port) return text;
    return headers.family == packet::Family::ipv6 ? fmt::format("[{}]:{}", text, port)
                                                  : fmt::format("{}:{}", text, port);
}

}  // namespace

std::string tcp_flag_letters(std::uint8_t flags) {
    constexpr std::array<std::pair<std::uint8_t, char>, 8> letters{{{packet::syn, 'S'},
                                                                    {packet::fin, 'F'},
                                                                    {packet::rst, 'R'},
                                                                    {packet::psh, 'P'},
                                                                    {packet::urg, 'U'},
                                                                    {packet::ece, 'E'},
                                                                    {packet::cwr, 'W'},
                                                                    {packet::ack, '.'}}};
    std::string out;
    for (const auto& [flag, letter] : letters)
        if (flags & flag) out += letter;
    return out.empty() ? "none" : out;
}

std::string segment_words(const packet::Headers& headers) {
    const std::string_view known = protocol_name(headers.protocol);
    std::string out = known == "unknown" ? fmt::format("protocol {}", headers.protocol) : std::string(known);
    if (headers.fragment.present) return out + " frag";
    if (is_icmp(headers.protocol)) return out + fmt::format(" {}/{}", headers.icmp_type, headers.icmp_code);
    if (headers.protocol != packet::tcp || headers.refusal == Reason::malformed) return out;
    const packet::TcpFields& tcp = headers.tcp;
    out += fmt::format(" {} seq {}", tcp_flag_letters(tcp.flags), tcp.sequence);
    if ((tcp.flags & packet::ack) != 0) out += fmt::format(" ack {}", tcp.acknowledgement);
    return out + fmt::format(" win {} len {}", tcp.window, tcp.payload_length);
}

std::string packet_words(const packet::Headers& headers) {
    if (headers.family == packet::Family::none)
        return headers.refusal == Reason::none ? fmt::format("EtherType 0x{:04x}", headers.ether_type)
                                               : "(no IP header)";
    return fmt::format("{} > {} {}", endpoint_words(headers, headers.source, headers.source_port),
                       endpoint_words(headers, headers.destination, headers.destination_port),
                       segment_words(headers));
}

std::string time_words(std::uint64_t nanoseconds_since_1970) {
    constexpr std::uint64_t second = 1'000'000'000;
    return fmt::format("{:%FT%T}.{:06}Z",
                       fmt::gmtime(static_cast<std::time_t>(nanoseconds_since_1970 / second)),
                       nanoseconds_since_1970 % second / 1000);
}

}  // namespace sluice::control
