// Addresses and rules, written short.
#pragma once

#include <arpa/inet.h>

#include <string>

#include "sluice/packet/headers.hpp"
#include "sluice/policy/rule_set.hpp"

namespace sluice::policy {

inline Address address(const std::string& text) {
    std::uint8_t bytes[16] = {};
    if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return Address::ipv4(bytes);
    if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return Address::ipv6(bytes);
    ADD_FAILURE() << text << " is no address";
    return {};
}

inline Prefix prefix(const std::string& text) {
    const std::size_t slash = text.find('/');
    const Address base = address(text.substr(0, slash));
    const bool ipv4 = text.find(':') == std::string::npos;
    const int length = slash == std::string::npos ? (ipv4 ? 32 : 128) : std::stoi(text.substr(slash + 1));
    return {base, static_cast<std::uint8_t>(length + (ipv4 ? 96 : 0)), ipv4};
}

inline FirstPacket first_packet(std::uint8_t protocol, const std::string& source, std::uint16_t source_port,
                                const std::string& destination, std::uint16_t destination_port) {
    FirstPacket out;
    out.source = address(source);
    out.destination = address(destination);
    out.ipv4 = source.find(':') == std::string::npos;
    out.protocol = protocol;
    out.source_port = source_port;
    out.destination_port = destination_port;
    return out;
}

inline const FirstPacket web = first_packet(packet::tcp, "192.0.2.7", 40000, "198.51.100.1", 443);

}  // namespace sluice::policy
