#include "sluice/pipeline/steering.hpp"

#include <algorithm>
#include <cstring>

#include "sluice/base/endian.hpp"

namespace sluice::pipeline {

std::uint32_t toeplitz(std::span<const std::uint8_t> input, std::span<const std::uint8_t> key) {
    std::uint32_t hash = 0;
    std::uint32_t window = (std::uint32_t{key[0]} << 24) | (std::uint32_t{key[1]} << 16) |
                           (std::uint32_t{key[2]} << 8) | std::uint32_t{key[3]};
    for (std::size_t i = 0; i < input.size(); ++i) {
        const std::uint8_t next = i + 4 < key.size() ? key[i + 4] : std::uint8_t{0};
        for (unsigned bit = 0; bit < 8; ++bit) {
            if (input[i] & (0x80U >> bit)) hash ^= window;
            window = (window << 1) | ((next >> (7 - bit)) & 1U);
        }
    }
    return hash;
}

namespace {

/// RSS input is source address, destination address, source port, destination port in network order; with a
/// symmetric key the order of the two ends does not matter.
template <class KeyT>
std::uint32_t rss_hash(const KeyT& key, std::span<const std::uint8_t> rss_key) {
    std::array<std::uint8_t, 2 * KeyT::address_bytes + 4> input;
    std::memcpy(input.data(), key.address[0].data(), KeyT::address_bytes);
    std::memcpy(input.data() + KeyT::address_bytes, key.address[1].data(), KeyT::address_bytes);
    // Ports hash only for TCP and UDP; everything else is spread by addresses alone.
    const bool ports = key.protocol == 6 || key.protocol == 17;
    store(input.data() + 2 * KeyT::address_bytes, be16(key.port[0]));
    store(input.data() + 2 * KeyT::address_bytes + 2, be16(key.port[1]));
    const std::size_t size = 2 * KeyT::address_bytes + (ports ? 4U : 0U);
    return toeplitz({input.data(), size}, rss_key);
}

}  // namespace

unsigned Steering::owner_by_rss(const flow::Key4& key) const {
    return rss_table[rss_hash(key, rss_key) & (rss_table_size - 1)];
}

unsigned Steering::owner_by_rss(const flow::Key6& key) const {
    return rss_table[rss_hash(key, rss_key) & (rss_table_size - 1)];
}

}  // namespace sluice::pipeline
