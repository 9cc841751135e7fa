// An address as people write it. Not for the packet path: it allocates.
#pragma once

#include <arpa/inet.h>

#include <array>
#include <string>

#include "sluice/base/address.hpp"

namespace sluice {

[[nodiscard]] inline std::string text_of(const Address& address) {
    std::array<std::uint8_t, 16> bytes{};
    store(&bytes[0], be64(address.high));
    store(&bytes[8], be64(address.low));
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool ipv4 = address.is_ipv4();
    inet_ntop(ipv4 ? AF_INET : AF_INET6, &bytes[ipv4 ? 12 : 0], text.data(), text.size());
    return text.data();
}

}  // namespace sluice
