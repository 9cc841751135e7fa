// Which worker owns a packet. Software spreading uses the keyed hash of the flow; where ports spread by a
// symmetric RSS that was verified at start, the port's own function is repeated here for the packets it
// cannot place itself (ICMP errors belong to the flow they quote, a completed datagram to its flow).
#pragma once

#include <array>
#include <cstdint>

#include "sluice/flow/hash.hpp"

namespace sluice::pipeline {

/// RSS over a key that is `rss_word` over and over (S. Woo and K. Park, "Scalable TCP Session Monitoring with
/// Symmetric Receive-side Scaling", 2012). Each 16-bit word of the input then meets the same piece of the
/// key, so that only the exclusive or of all words counts, in whichever order they stand.
struct Steering {
    unsigned workers = 1;
    unsigned self = 0;
    bool by_rss = false;                        ///< false: by the flow's keyed hash
    std::uint16_t rss_word = 0;                 ///< the key, big-endian
    std::array<std::uint8_t, 512> rss_table{};  ///< RSS indirection: worker by (hash modulo size)
    unsigned rss_table_size = 0;                ///< power of two

    /// The owner of the flow with this key and keyed hash.
    template <class KeyT>
    [[nodiscard]] unsigned owner(const KeyT& key, std::uint64_t hash) const {
        if (workers == 1) return 0;
        return by_rss ? rss_table[rss_hash(key) & (rss_table_size - 1)] : flow::owner_of(hash, workers);
    }

    /// The lower half of the Toeplitz hash, which equals the upper one.
    [[nodiscard]] std::uint16_t rss_hash(const flow::Key4& key) const;
    [[nodiscard]] std::uint16_t rss_hash(const flow::Key6& key) const;
};

}  // namespace sluice::pipeline
