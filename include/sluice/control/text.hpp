// Words and addresses as conntrack spells them, shared by the listing, the filters and the command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/packet/headers.hpp"
#include "sluice/tcp/connection.hpp"

namespace sluice::control {

/// The name of a protocol number in a listing; "unknown" for those conntrack has no name for.
[[nodiscard]] std::string_view protocol_name(std::uint8_t protocol);
/// A protocol by name, in any case, or by number 0 to 255. Knows the names of `protocol_name` and a few more.
[[nodiscard]] std::optional<std::uint8_t> parse_protocol(std::string_view text);
/// Whether flows of this protocol are told apart by ports.
[[nodiscard]] constexpr bool has_ports(std::uint8_t protocol) {
    return protocol == packet::tcp || protocol == packet::udp;
}
[[nodiscard]] constexpr bool is_icmp(std::uint8_t protocol) {
    return protocol == packet::icmp || protocol == packet::icmpv6;
}

/// Decimal, or hexadecimal behind "0x"; nothing but digits, and no more than `highest`.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t highest);

/// "10.0.0.1", "2001:db8::1". `family` is ipv4 or ipv6.
[[nodiscard]] std::string address_text(packet::Family family, const packet::Address& address);
void append_address(std::string& out, packet::Family family, const packet::Address& address);

struct ParsedAddress {
    packet::Family family = packet::Family::none;
    packet::Address address{};
};
[[nodiscard]] std::optional<ParsedAddress> parse_address(std::string_view text);

/// The pair that a state of nf_conntrack's stands for when a flow is made by hand: the commonest with that
/// name. "LISTEN" is an old name of SYN_SENT2. Nothing for a name that is none.
[[nodiscard]] std::optional<tcp::Pair> pair_of_state(std::string_view state);

}  // namespace sluice::control
