// A judgement as a line: JSON for scripts (docs/replay.md lists the keys), columns for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "app/replay_engine.hpp"
#include "sluice/control/packet_words.hpp"

namespace sluice::app {

using TextBuffer = fmt::basic_memory_buffer<char, 1024>;

/// As it is; nothing is escaped.
inline void text(TextBuffer& out, std::string_view words) {
    out.append(words.data(), words.data() + words.size());
}

/// One JSON object and a newline.
void append_json(TextBuffer& out, const Judgement& judgement);

/// Lines for people. One object per replay: the address column grows with the longest pair seen.
class HumanLines {
  public:
    struct Style {
        bool colour = false;
        /// Columns of the terminal: an explanation that does not fit goes on a line of its own. 0: no
        /// terminal, each packet is exactly one line.
        unsigned width = 0;
    };
    explicit HumanLines(Style style) : style_(style) {}

    void append(TextBuffer& out, const Judgement& judgement);

  private:
    void append_why(TextBuffer& out, const Judgement& judgement, std::size_t columns) const;

    Style style_;
    bool started_ = false;
    std::int64_t first_nanoseconds_ = 0;
    std::size_t endpoints_width_ = 45;  ///< two IPv4 addresses with ports
};

/// "10.0.0.1", "2001:db8::1" (RFC 5952).
void append_address(TextBuffer& out, packet::Family family, const packet::Address& address);

/// With a port when there is one: "10.0.0.1:80", "[2001:db8::1]:80".
void append_endpoint(TextBuffer& out, packet::Family family, const packet::Address& address,
                     std::optional<std::uint16_t> port);

/// Ports are unknown where their header is cut short, and in a later fragment of a datagram never completed.
[[nodiscard]] inline bool knows_ports(const packet::Headers& headers) {
    if (headers.protocol != packet::tcp && headers.protocol != packet::udp) return false;
    return headers.source_port != 0 || headers.destination_port != 0 ||
           (headers.refusal == Reason::none && !packet::is_later_fragment(headers));
}

using control::tcp_flag_letters;

/// What happened to a packet with a reason: "dropped", "tolerated" or "passed".
[[nodiscard]] std::string_view treatment_of(pipeline::Action action, Reason reason);

/// "tcp", "udp", "icmp", "icmpv6", or the number.
[[nodiscard]] std::string protocol_name(std::uint8_t protocol);

}  // namespace sluice::app
