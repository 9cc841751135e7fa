// One step of a conversation both judges are shown: some time passes, then one end sends one TCP segment.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../support/script.hpp"
#include "sluice/packet/headers.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::differential {

using test::End;
using Bytes = std::vector<std::uint8_t>;

/// A segment as bytes, its ports and checksum left 0: they are filled in by whoever builds the packet, so
/// that a conversation can be played again on other ports.
struct Step {
    End from = End::a;
    std::uint32_t wait = 0;       ///< whole seconds that pass before it; 0 or at least 3 (see Tape)
    Bytes tcp;                    ///< header, options, payload; may be cut short or lie about its length
    bool wrong_checksum = false;  ///< sent with a checksum that does not hold
};

/// Where the flags lie in a TCP header.
inline constexpr std::size_t flags_at = 13;

/// The two ends of one play. Every play has a source port of its own.
struct Ends {
    packet::Family family = packet::Family::ipv4;
    std::uint16_t port_a = 40000, port_b = 80;
};
inline constexpr std::uint8_t ipv4_a[4] = {10, 77, 0, 2}, ipv4_b[4] = {10, 78, 0, 2};
inline constexpr std::uint8_t ipv6_a[16] = {0xFD, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
inline constexpr std::uint8_t ipv6_b[16] = {0xFD, 0x78, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};

/// The wire form of a segment with the options it names. `timestamps` adds that option, too.
[[nodiscard]] Bytes bytes_of(const tcp::Segment& segment, bool timestamps = false);

/// The IP packet of a step: `identification` goes into the IPv4 identification or the IPv6 flow label.
[[nodiscard]] Bytes packet_of(const Step& step, const Ends& ends, std::uint16_t identification);

/// The segment as the tracker's parser reads it; nothing when it cannot be read or its checksum is wrong.
[[nodiscard]] std::optional<tcp::Segment> segment_of(const Step& step);

/// Collects the steps of a conversation whose times are fractions of seconds. Time is handed on in portions
/// of at least three seconds: with less, a timeout that was set again and one that was left alone could not
/// be told apart (the kernel shows whole seconds, rounded down).
class Tape {
  public:
    /// `now`: seconds since the conversation began; never goes back.
    void add(double now, Step step);
    [[nodiscard]] std::vector<Step>& steps() { return steps_; }

  private:
    static constexpr std::uint32_t least_wait = 3;
    std::vector<Step> steps_;
    double passed_ = 0;
};

/// "A>B SYN,ACK seq 17 ack 4 len 0 win 500".
[[nodiscard]] std::string describe(const Step& step);

}  // namespace sluice::differential
