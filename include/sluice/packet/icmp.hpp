// The kinds of ICMP and ICMPv6 messages a tracker tells apart.
#pragma once

#include <cstdint>

#include "sluice/packet/headers.hpp"

namespace sluice::packet {

enum class IcmpKind : std::uint8_t {
    other,    ///< neither: tracked by address pair, like any protocol without ports
    request,  ///< a query that expects the reply of request_type_of()
    reply,
    error,  ///< quotes the packet it is about
};

namespace icmp_type {
inline constexpr std::uint8_t echo_reply = 0, destination_unreachable = 3, source_quench = 4, redirect = 5,
                              echo = 8, time_exceeded = 11, parameter_problem = 12, timestamp = 13,
                              timestamp_reply = 14, information = 15, information_reply = 16,
                              address_mask = 17, address_mask_reply = 18;
}  // namespace icmp_type

namespace icmpv6_type {
inline constexpr std::uint8_t destination_unreachable = 1, packet_too_big = 2, time_exceeded = 3,
                              parameter_problem = 4, echo = 128, echo_reply = 129, listener_query = 130,
                              redirect = 137, listener_report_v2 = 143;
}  // namespace icmpv6_type

/// Codes of "destination unreachable".
namespace icmp_code {
inline constexpr std::uint8_t port_unreachable = 3, prohibited = 13;
}
namespace icmpv6_code {
inline constexpr std::uint8_t prohibited = 1, port_unreachable = 4;
}

/// `protocol` is `icmp` (RFC 792, RFC 950) or `icmpv6` (RFC 4443); anything else is `other`. Every ICMPv6
/// type below 128 is an error, known or not (RFC 4443 2.1).
[[nodiscard]] constexpr IcmpKind icmp_kind(std::uint8_t protocol, std::uint8_t type) {
    if (protocol == icmpv6) {
        if (type < 128) return IcmpKind::error;
        if (type == icmpv6_type::echo) return IcmpKind::request;
        return type == icmpv6_type::echo_reply ? IcmpKind::reply : IcmpKind::other;
    }
    if (protocol != icmp) return IcmpKind::other;
    switch (type) {
        case icmp_type::echo:
        case icmp_type::timestamp:
        case icmp_type::information:
        case icmp_type::address_mask:
            return IcmpKind::request;
        case icmp_type::echo_reply:
        case icmp_type::timestamp_reply:
        case icmp_type::information_reply:
        case icmp_type::address_mask_reply:
            return IcmpKind::reply;
        case icmp_type::destination_unreachable:
        case icmp_type::source_quench:
        case icmp_type::redirect:
        case icmp_type::time_exceeded:
        case icmp_type::parameter_problem:
            return IcmpKind::error;
        default:
            return IcmpKind::other;
    }
}

/// The type of the request that a query belongs to: its own for a request, the request's for a reply.
/// Meaningful for requests and replies only.
[[nodiscard]] constexpr std::uint8_t request_type_of(std::uint8_t protocol, std::uint8_t type) {
    if (icmp_kind(protocol, type) != IcmpKind::reply) return type;
    if (type == icmp_type::echo_reply) return icmp_type::echo;
    return static_cast<std::uint8_t>(type - 1);  // every other reply is its request's type plus one
}

[[nodiscard]] constexpr bool is_icmp_reply(std::uint8_t protocol, std::uint8_t type) {
    return icmp_kind(protocol, type) == IcmpKind::reply;
}

/// The type of the reply to a request; the inverse of request_type_of() for replies.
[[nodiscard]] constexpr std::uint8_t reply_type_of(std::uint8_t protocol, std::uint8_t request) {
    if (protocol == icmp && request == icmp_type::echo) return icmp_type::echo_reply;
    return static_cast<std::uint8_t>(request + 1);
}

/// Neighbour and listener discovery (RFC 4861, RFC 2710, RFC 3810): a bump in the wire carries these without
/// tracking them, as Linux does.
[[nodiscard]] constexpr bool is_link_scope_icmpv6(std::uint8_t type) {
    return (type >= icmpv6_type::listener_query && type <= icmpv6_type::redirect) ||
           type == icmpv6_type::listener_report_v2;
}

}  // namespace sluice::packet
