// One connection and what it takes to send segments through the engine by hand.
#pragma once

#include <cstdint>
#include <cstring>

#include "sluice/tcp/step.hpp"

namespace sluice::test {

struct Conversation {
    tcp::Connection connection{};
    tcp::PendingSyn pending{};
    tcp::Settings settings{};

    tcp::Verdict send(tcp::Direction direction, const tcp::Segment& segment) {
        return tcp::step(connection, pending, direction, segment, settings);
    }

    /// A segment with `length` bytes of payload and the window `open` was given.
    tcp::Verdict send(tcp::Direction direction, unsigned flags, std::uint32_t sequence,
                      std::uint32_t acknowledgement, std::uint32_t length = 0) {
        return send(direction, make(flags, sequence, acknowledgement, length));
    }

    [[nodiscard]] tcp::Segment make(unsigned flags, std::uint32_t sequence, std::uint32_t acknowledgement,
                                    std::uint32_t length = 0) const {
        tcp::Segment out;
        out.flags = static_cast<std::uint8_t>(flags);
        out.sequence = sequence;
        out.acknowledgement = acknowledgement;
        out.payload_length = length;
        out.window = window;
        return out;
    }

    /// A three-way handshake: A stands at `isn_a` + 1, B at `isn_b` + 1. `shape` may change the SYN and the
    /// SYN,ACK.
    template <class Shape>
    void open(std::uint32_t isn_a, std::uint32_t isn_b, std::uint16_t offered, Shape shape) {
        window = offered;
        tcp::Segment syn = make(tcp::Flag::syn, isn_a, 0);
        tcp::Segment syn_ack = make(tcp::Flag::syn | tcp::Flag::ack, isn_b, isn_a + 1);
        shape(syn, syn_ack);
        (void)tcp::open(connection, syn, settings);
        (void)send(tcp::Direction::reply, syn_ack);
        (void)send(tcp::Direction::original, tcp::Flag::ack, isn_a + 1, isn_b + 1);
    }
    void open(std::uint32_t isn_a, std::uint32_t isn_b, std::uint16_t offered) {
        open(isn_a, isn_b, offered, [](tcp::Segment&, tcp::Segment&) {});
    }

    [[nodiscard]] tcp::Pair pair() const { return static_cast<tcp::Pair>(connection.pair); }

    std::uint16_t window = 0;
};

}  // namespace sluice::test
