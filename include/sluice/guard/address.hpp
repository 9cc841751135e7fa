// Whose packets are counted together: a destination by its address, a source by who is likely to hold it.
#pragma once

#include <cstdint>

#include "sluice/base/endian.hpp"

namespace sluice::guard {

/// An address of either family, host order; IPv4 as IPv6 maps it (RFC 4291, 2.5.5.2), so that one table and
/// one prefix length (IPv4's plus 96) serve both.
struct Address {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    static constexpr std::uint64_t mapped = 0xFFFF'0000'0000;

    /// From the 4 or 16 bytes of the wire.
    [[nodiscard]] static Address ipv4(const std::uint8_t* bytes) {
        return {0, mapped | load<be32>(bytes).host()};
    }
    [[nodiscard]] static Address ipv6(const std::uint8_t* bytes) {
        return {load<be64>(bytes).host(), load<be64>(bytes + 8).host()};
    }
    [[nodiscard]] constexpr bool is_ipv4() const { return high == 0 && low >> 32 == mapped >> 32; }
    friend constexpr bool operator==(const Address&, const Address&) = default;
};

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
