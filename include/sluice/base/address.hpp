// An IP address of either family, and a prefix of addresses, as numbers.
#pragma once

#include <cstdint>

#include "sluice/base/endian.hpp"

namespace sluice {

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

/// The bits of an address that a prefix of this length has, 0 to 128.
[[nodiscard]] constexpr Address prefix_mask(unsigned length) {
    const auto half = [](unsigned bits) {
        return bits == 0 ? 0 : ~std::uint64_t{0} << (bits >= 64 ? 0 : 64 - bits);
    };
    return {half(length), half(length > 64 ? length - 64 : 0)};
}

/// Whether two addresses begin with the same `length` bits.
[[nodiscard]] constexpr bool same_prefix(const Address& a, const Address& b, unsigned length) {
    const Address mask = prefix_mask(length);
    return (((a.high ^ b.high) & mask.high) | ((a.low ^ b.low) & mask.low)) == 0;
}

}  // namespace sluice
