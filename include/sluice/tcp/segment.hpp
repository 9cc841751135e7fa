// One TCP segment as the engine sees it, and the settings it obeys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice::tcp {

/// Which endpoint of the flow sent a segment: the originator sent the one that created the flow.
enum class Direction : std::uint8_t { original = 0, reply = 1 };
[[nodiscard]] constexpr Direction opposite(Direction d) {
    return static_cast<Direction>(1 - static_cast<int>(d));
}

enum Flag : std::uint8_t { fin = 1, syn = 2, rst = 4, psh = 8, ack = 16, urg = 32, ece = 64, cwr = 128 };

/// A segment, host order. Flags that no endpoint sends are still possible here: the engine judges them (R1).
struct Segment {
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgement = 0;
    std::uint32_t payload_length = 0;  ///< bytes, SYN and FIN not counted
    std::uint32_t sack_highest = 0;    ///< highest right edge of its SACK blocks; valid with has_sack
    std::uint16_t window = 0;          ///< unscaled
    std::uint8_t flags = 0;
    std::uint8_t window_scale = 0;  ///< 0 to 14, valid with has_window_scale
    bool has_window_scale = false;
    bool sack_permitted = false;
    bool has_sack = false;
    std::uint8_t reserved = 0;

    /// A segment without options, from the numbers as they lie in the header (`its_numbers`: sequence number,
    /// and above it the acknowledgement): six words, three stores.
    void set(std::uint64_t its_numbers, std::uint32_t its_payload_length, std::uint32_t window_and_flags) {
        const auto put = [this](std::size_t at, std::uint64_t two_words) {
            std::memcpy(reinterpret_cast<std::byte*>(this) + at, &two_words, sizeof two_words);
        };
        put(0, its_numbers);
        put(8, its_payload_length);
        put(16, window_and_flags);
    }
};
static_assert(sizeof(Segment) == 24 && offsetof(Segment, payload_length) == 8 &&
                  offsetof(Segment, window) == 16 && offsetof(Segment, flags) == 18,
              "set() writes words, and lanes read them");

/// What an operator may set (names and defaults of net.netfilter.nf_conntrack_tcp_*).
struct Settings {
    bool loose = true;                ///< pick flows up in mid-stream (O14)
    bool be_liberal = false;          ///< out-of-window segments are tolerated, except RST
    bool ignore_invalid_rst = false;  ///< a RST out of the window is tolerated instead of refused
    bool strict = false;              ///< refuse T3 to T5 instead of tolerating them
    /// For paths that show us one direction only: what the unseen side would have to confirm is not enforced,
    /// any segment but RST and FIN may open a flow, and a SYN followed by its sender's own ACK is an open
    /// connection.
    bool asymmetric = false;
    std::uint8_t max_retrans = 3;  ///< 0 to 7: retransmissions in a row until the flow's lifetime is cut
};

}  // namespace sluice::tcp
