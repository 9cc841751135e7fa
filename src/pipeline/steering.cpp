#include "sluice/pipeline/steering.hpp"

#include <bit>
#include <cstring>

#include "sluice/base/endian.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::pipeline {
namespace {

/// Exclusive or of the 16-bit words of the RSS input: both addresses, and the ports of TCP and UDP.
template <class KeyT>
std::uint16_t folded(const KeyT& key) {
    constexpr std::size_t words = KeyT::address_bytes / 4;  // of 32 bits
    std::uint32_t fold = 0;
    for (const auto& address : key.address) {
        std::array<std::uint32_t, words> parts;
        std::memcpy(parts.data(), address.data(), sizeof parts);
        for (const std::uint32_t part : parts) fold ^= part;
    }
    const std::uint16_t addresses = be16::from_raw(static_cast<std::uint16_t>(fold ^ (fold >> 16))).host();
    const bool ports = key.protocol == packet::tcp || key.protocol == packet::udp;
    return static_cast<std::uint16_t>(addresses ^ (ports ? key.port[0] ^ key.port[1] : 0));
}

/// Toeplitz over one 16-bit word: for each bit that is set, first bit first, the key from there on.
std::uint16_t toeplitz(std::uint16_t word, std::uint16_t key) {
    std::uint16_t hash = 0;
    for (int bit = 0; bit < 16; ++bit) {
        const bool set = ((word << bit) & 0x8000) != 0;
        hash = static_cast<std::uint16_t>(hash ^ (set ? std::rotl(key, bit) : 0));
    }
    return hash;
}

}  // namespace

std::uint16_t Steering::rss_hash(const flow::Key4& key) const {
    return toeplitz(folded(key), rss_word);
}

std::uint16_t Steering::rss_hash(const flow::Key6& key) const {
    return toeplitz(folded(key), rss_word);
}

}  // namespace sluice::pipeline
