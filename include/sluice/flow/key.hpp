// The key of a flow: canonical, so that both directions share it; which direction a packet goes is one bit
// beside it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace sluice::flow {

/// Where a packet was seen, beside its addresses: two flows that differ here are different flows.
struct Domain {
    /// Outer VLAN id, inner VLAN id (12 bits each, no_tag: none), port pair (8 bits).
    std::uint32_t vlans_and_pair = 0;
    std::uint16_t zone = 0;  ///< conntrack zone

    static constexpr std::uint16_t no_tag = 0xFFF;
    static constexpr Domain make(std::uint16_t outer, std::uint16_t inner, std::uint8_t pair,
                                 std::uint16_t zone) {
        return {(outer & 0xFFFU) | ((inner & 0xFFFU) << 12) | (std::uint32_t{pair} << 24), zone};
    }
    [[nodiscard]] constexpr std::uint16_t outer_vlan() const { return vlans_and_pair & 0xFFF; }
    [[nodiscard]] constexpr std::uint16_t inner_vlan() const { return (vlans_and_pair >> 12) & 0xFFF; }
    [[nodiscard]] constexpr std::uint8_t pair() const {
        return static_cast<std::uint8_t>(vlans_and_pair >> 24);
    }
};

/// `AddressBytes` is 4 or 16. Addresses are wire bytes; endpoint 0 is the lower by (address, port). Ports are
/// host order. ICMP queries: port[0] is the identifier, port[1] the request's type; others: 0. `spare`
/// belongs to the record (the table's own bits) and is no part of the key: equality and hash leave it out.
template <unsigned AddressBytes>
struct Key {
    std::array<std::array<std::uint8_t, AddressBytes>, 2> address;
    std::array<std::uint16_t, 2> port;
    std::uint32_t vlans_and_pair;
    std::uint16_t zone;
    std::uint8_t protocol;
    std::uint8_t spare;

    static constexpr unsigned address_bytes = AddressBytes;

    [[nodiscard]] friend bool operator==(const Key& a, const Key& b) {
        return std::memcmp(&a, &b, sizeof(Key) - 1) == 0;
    }
};
using Key4 = Key<4>;
using Key6 = Key<16>;
static_assert(sizeof(Key4) == 20 && sizeof(Key6) == 44, "no padding: keys are compared and hashed as bytes");

/// A key and the direction of the packet it was made from.
template <unsigned AddressBytes>
struct DirectedKey {
    Key<AddressBytes> key;
    bool from_high;  ///< the packet's source is endpoint 1
};

/// Builds the canonical key. `source` and `destination` point at AddressBytes wire bytes each.
/// Endpoints compare as (address bytes, port), so a flow between two ports of one host has a direction too.
template <unsigned AddressBytes>
[[nodiscard]] inline DirectedKey<AddressBytes> make_key(const std::uint8_t* source,
                                                        const std::uint8_t* destination,
                                                        std::uint16_t source_port,
                                                        std::uint16_t destination_port, std::uint8_t protocol,
                                                        Domain domain) {
    const int order = std::memcmp(source, destination, AddressBytes);
    const bool high = order > 0 || (order == 0 && source_port > destination_port);
    DirectedKey<AddressBytes> out{};
    std::memcpy(out.key.address[high ? 1 : 0].data(), source, AddressBytes);
    std::memcpy(out.key.address[high ? 0 : 1].data(), destination, AddressBytes);
    out.key.port[high ? 1 : 0] = source_port;
    out.key.port[high ? 0 : 1] = destination_port;
    out.key.vlans_and_pair = domain.vlans_and_pair;
    out.key.zone = domain.zone;
    out.key.protocol = protocol;
    out.from_high = high;
    return out;
}

/// The key of an ICMP or ICMPv6 query and its answers: ordered by address alone; the ports hold the
/// identifier and the request's type. Two hosts may ask each other with one identifier (some always use 1):
/// what each asks is a flow of its own, so the side that asks is part of the key, in the byte above the type.
template <unsigned AddressBytes>
[[nodiscard]] inline DirectedKey<AddressBytes> make_query_key(const std::uint8_t* source,
                                                              const std::uint8_t* destination,
                                                              std::uint16_t identifier,
                                                              std::uint8_t request_type, bool is_answer,
                                                              std::uint8_t protocol, Domain domain) {
    auto out = make_key<AddressBytes>(source, destination, 0, 0, protocol, domain);
    const unsigned high_asks = out.from_high != is_answer ? 1 : 0;
    out.key.port = {identifier, static_cast<std::uint16_t>(high_asks << 8 | request_type)};
    return out;
}

}  // namespace sluice::flow
