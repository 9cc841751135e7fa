// Where to listen for TCP connections, as a configuration says it: "127.0.0.1:9477", "[::1]:9477".
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::control {

/// As bind() takes it.
struct ListenAddress {
    sockaddr_storage socket{};
    socklen_t length = 0;
};

/// Nothing when the text is no numeric address with a port from 1 to 65535 behind it.
[[nodiscard]] inline std::optional<ListenAddress> parse_listen_address(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + colon + 1, end, port);
    if (read.ec != std::errc{} || read.ptr != end || port == 0) return std::nullopt;
    const std::string host(text.substr(0, colon));
    if (host.find('\0') != std::string::npos) return std::nullopt;
    ListenAddress out;
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(port);
        if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address.sin6_addr) != 1)
            return std::nullopt;
        out.length = sizeof address;
        std::memcpy(&out.socket, &address, sizeof address);
    } else {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return std::nullopt;
        out.length = sizeof address;
        std::memcpy(&out.socket, &address, sizeof address);
    }
    return out;
}

/// Whether only programs of this machine reach it: 127.0.0.0/8, ::1.
[[nodiscard]] inline bool is_loopback(const ListenAddress& address) {
    if (address.socket.ss_family == AF_INET) {
        sockaddr_in ipv4;
        std::memcpy(&ipv4, &address.socket, sizeof ipv4);
        return ntohl(ipv4.sin_addr.s_addr) >> 24U == IN_LOOPBACKNET;
    }
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, &address.socket, sizeof ipv6);
    return IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
}

}  // namespace sluice::control
