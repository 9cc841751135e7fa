// Which worker owns a packet. Software spreading uses the keyed hash of the flow; where ports spread by a
// symmetric RSS that was verified at start, the port's own function is repeated here for the packets it
// cannot place itself (ICMP errors belong to the flow they quote, a completed datagram to its flow).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "sluice/flow/hash.hpp"

namespace sluice::pipeline {

/// The Toeplitz hash of RSS over `input`, with a 40-byte key (52 bytes on some ports: the rest is not
/// reached).
[[nodiscard]] std::uint32_t toeplitz(std::span<const std::uint8_t> input, std::span<const std::uint8_t> key);

struct Steering {
    unsigned workers = 1;
    unsigned self = 0;
    bool by_rss = false;                        ///< false: by the flow's keyed hash
    std::array<std::uint8_t, 52> rss_key{};     ///< symmetric: its 16-bit words repeat
    std::array<std::uint8_t, 512> rss_table{};  ///< RSS indirection: worker by (hash modulo size)
    unsigned rss_table_size = 0;                ///< power of two

    /// The owner of the flow with this key and keyed hash.
    template <class KeyT>
    [[nodiscard]] unsigned owner(const KeyT& key, std::uint64_t hash) const {
        if (workers == 1) return 0;
        return by_rss ? owner_by_rss(key) : flow::owner_of(hash, workers);
    }

  private:
    [[nodiscard]] unsigned owner_by_rss(const flow::Key4& key) const;
    [[nodiscard]] unsigned owner_by_rss(const flow::Key6& key) const;
};

}  // namespace sluice::pipeline
