// Flow keys by number, and a secret, for the benchmarks.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "sluice/flow/hash.hpp"
#include "sluice/flow/key.hpp"

namespace sluice::bench {

inline constexpr flow::Secret bench_secret{
    {0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89}};

/// The canonical key of a TCP flow to one server, distinct for each number: a few instructions, cheaper than
/// fetching a stored key from memory.
template <class KeyT>
[[nodiscard]] inline KeyT key_of(std::uint32_t number) {
    KeyT key{};
    key.address[0][0] = 10;
    std::memcpy(&key.address[0][KeyT::address_bytes - 3], &number, 3);
    key.address[1][0] = 192;
    key.address[1][1] = 2;
    key.port = {static_cast<std::uint16_t>(1024 + (number >> 24)), 443};
    key.vlans_and_pair = 0xFF'FFFF;
    key.protocol = 6;
    return key;
}

}  // namespace sluice::bench
