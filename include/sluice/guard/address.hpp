// Whose packets are counted together: a destination by its address, a source by who is likely to hold it.
#pragma once

#include <cstdint>

#include "sluice/base/address.hpp"

namespace sluice::guard {

using sluice::Address;

/// Who sent a packet, as far as an address says: the host over IPv4, the /64 over IPv6, of which a single
/// host may use every address. In one word: IPv4 addresses take the place of prefixes in ff00::/8, which is
/// multicast and never a source.
struct Source {
    std::uint64_t word = 0;  ///< 0 (the prefix of :: and ::1): none

    static constexpr std::uint64_t ipv4 = 0xFFFF'FFFF'0000'0000;

    [[nodiscard]] static constexpr Source of(const Address& address) {
        return {address.is_ipv4() ? ipv4 | (address.low & 0xFFFF'FFFF) : address.high};
    }
    [[nodiscard]] constexpr bool is_ipv4() const { return (word & ipv4) == ipv4; }
    friend constexpr bool operator==(Source, Source) = default;
};

}  // namespace sluice::guard
