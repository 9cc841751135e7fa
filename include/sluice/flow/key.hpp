// The key of a flow: canonical, so that both directions share it; which direction a packet goes is one bit
// beside it.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sluice/base/endian.hpp"

#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

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
        const auto difference = [&]<class Word>(std::size_t at, Word mask) -> std::uint64_t {
            Word in_a, in_b;
            std::memcpy(&in_a, reinterpret_cast<const std::uint8_t*>(&a) + at, sizeof(Word));
            std::memcpy(&in_b, reinterpret_cast<const std::uint8_t*>(&b) + at, sizeof(Word));
            return (in_a ^ in_b) & mask;
        };
        constexpr std::size_t last = sizeof(Key) - 4;  // zone, protocol and `spare`
        std::uint64_t differs = difference(last, std::uint32_t{0x00FF'FFFF});
        for (std::size_t at = 0; at < last; at += 8) differs |= difference(at, ~std::uint64_t{0});
        return differs == 0;
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

namespace detail {

// The parts of a key are joined in registers and stored as the hash loads them: a load that spans several
// smaller stores would wait until they have left the store buffer.
using Store16 [[gnu::vector_size(16)]] = std::uint64_t;

/// The ports of a key, lower endpoint's first, and behind them the word that follows.
[[gnu::always_inline]] inline std::uint64_t ports_and_next(std::uint16_t source_port,
                                                           std::uint16_t destination_port, int high,
                                                           std::uint32_t next) {
    const std::uint32_t ports = source_port | std::uint32_t{destination_port} << 16;
    return std::rotl(ports, high * 16) | std::uint64_t{next} << 32;
}
/// A condition that changes from packet to packet, as a number that the compiler makes no branch of: the
/// branch would be missed every other time.
[[gnu::always_inline]] inline int unforeseeable(bool condition) {
    int number = condition;
    asm("" : "+r"(number));
    return number;
}

/// Writes two endpoints, each an address and a port, lower first; returns whether the source is the higher.
/// With `differ` the addresses are known to, and decide alone.
template <bool differ>
[[gnu::always_inline]] inline bool write_endpoints(Key<4>& key, const std::uint8_t* source,
                                                   const std::uint8_t* destination, std::uint16_t source_port,
                                                   std::uint16_t destination_port) {
    const auto from = load<std::uint32_t>(source), to = load<std::uint32_t>(destination);
    const auto ordinal = [](std::uint32_t address, std::uint16_t port) {
        const std::uint32_t host = __builtin_bswap32(address);
        return differ ? host : std::uint64_t{host} << 16 | port;
    };
    const int high = unforeseeable(ordinal(from, source_port) > ordinal(to, destination_port));
    const std::uint64_t addresses = std::rotl(from | std::uint64_t{to} << 32, high * 32);
    store(&key, Store16{addresses, ports_and_next(source_port, destination_port, high, key.vlans_and_pair)});
    return high != 0;
}

template <bool differ>
[[gnu::always_inline]] inline bool write_endpoints(Key<16>& key, const std::uint8_t* source,
                                                   const std::uint8_t* destination, std::uint16_t source_port,
                                                   std::uint16_t destination_port) {
    const auto half = [](const std::uint8_t* at) { return __builtin_bswap64(load<std::uint64_t>(at)); };
    const std::uint64_t from[] = {half(source), half(source + 8)};
    const std::uint64_t to[] = {half(destination), half(destination + 8)};
    const bool port_higher = !differ && (from[1] == to[1]) & (source_port > destination_port);
    const bool low_higher = (from[1] > to[1]) | port_higher;
    const int high = unforeseeable((from[0] > to[0]) | ((from[0] == to[0]) & low_higher));
    const auto a = load<Store16>(source), b = load<Store16>(destination);
    const Store16 mask = Store16{} - static_cast<std::uint64_t>(static_cast<unsigned>(high));
    store(key.address[0].data(), (a & ~mask) | (b & mask));
    store(key.address[1].data(), (b & ~mask) | (a & mask));
    store(reinterpret_cast<std::uint8_t*>(&key) + offsetof(Key<16>, port),
          ports_and_next(source_port, destination_port, high, key.vlans_and_pair));
    return high != 0;
}

}  // namespace detail

/// Builds the canonical key; returns whether the source is endpoint 1. `source` and `destination` point at
/// AddressBytes wire bytes each. Endpoints compare as (address bytes, port), so a flow between two ports of
/// one host has a direction too; with `differ` the addresses are known not to be the same.
template <unsigned AddressBytes, bool differ = false>
[[gnu::always_inline]] inline bool write_key(Key<AddressBytes>& key, const std::uint8_t* source,
                                             const std::uint8_t* destination, std::uint16_t source_port,
                                             std::uint16_t destination_port, std::uint8_t protocol,
                                             Domain domain) {
    key.vlans_and_pair = domain.vlans_and_pair;
    store(reinterpret_cast<std::uint8_t*>(&key) + offsetof(Key<AddressBytes>, zone),
          domain.zone | std::uint32_t{protocol} << 16);
    return detail::write_endpoints<differ>(key, source, destination, source_port, destination_port);
}
/// The addresses of an IPv4 packet, eight bytes as they lie in it.
class AddressPair {
  public:
    explicit AddressPair(const std::uint8_t* addresses)
        : source_first_(__builtin_bswap64(load<std::uint64_t>(addresses))) {}
    [[nodiscard]] bool differ() const { return source_first_ != std::rotl(source_first_, 32); }
    [[nodiscard]] bool source_is_higher() const { return source_first_ > std::rotl(source_first_, 32); }

  private:
    std::uint64_t source_first_;  ///< both in host order, the source in the upper half
};

/// write_key() of addresses that differ and ports as they lie in a packet, one behind the other, at
/// `endpoints`, where 16 bytes can be read. `addresses` are the same. The portable form, and the one that
/// takes one shuffle of two.
[[gnu::always_inline]] inline bool write_key_portable(Key<4>& key, const std::uint8_t* endpoints,
                                                      AddressPair /*addresses*/, std::uint8_t protocol,
                                                      Domain domain) {
    const auto port = [&](std::size_t at) { return load<be16>(endpoints + at).host(); };
    return write_key<4, true>(key, endpoints, endpoints + 4, port(8), port(10), protocol, domain);
}
[[gnu::always_inline]] inline bool write_key(Key<4>& key, const std::uint8_t* endpoints,
                                             AddressPair addresses, std::uint8_t protocol, Domain domain) {
#if defined(__SSE4_1__)
    constexpr std::uint8_t none = 0x80;
    alignas(16) static constexpr std::uint8_t order[2][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 9, 8, 11, 10, none, none, none, none},
        {4, 5, 6, 7, 0, 1, 2, 3, 11, 10, 9, 8, none, none, none, none}};
    const bool high = addresses.source_is_higher();
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(endpoints));
    const __m128i ordered =
        _mm_shuffle_epi8(bytes, _mm_load_si128(reinterpret_cast<const __m128i*>(order[high])));
    store(&key, _mm_insert_epi32(ordered, static_cast<int>(domain.vlans_and_pair), 3));
    store(reinterpret_cast<std::uint8_t*>(&key) + offsetof(Key<4>, zone),
          domain.zone | std::uint32_t{protocol} << 16);
    return high;
#else
    return write_key_portable(key, endpoints, addresses, protocol, domain);
#endif
}

template <unsigned AddressBytes>
[[nodiscard]] inline DirectedKey<AddressBytes> make_key(const std::uint8_t* source,
                                                        const std::uint8_t* destination,
                                                        std::uint16_t source_port,
                                                        std::uint16_t destination_port, std::uint8_t protocol,
                                                        Domain domain) {
    DirectedKey<AddressBytes> out;
    out.from_high = write_key(out.key, source, destination, source_port, destination_port, protocol, domain);
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
