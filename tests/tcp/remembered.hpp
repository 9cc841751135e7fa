// What each segment leaves in memory, to the last field: no two numbers of a conversation are alike in these
// tests, so that one taken from the wrong place shows.
//
// A side reads "end/max_end window ack": the highest number it sent, the highest it may send, the largest
// window it offered, the highest it acknowledged. What is remembered beside the connection stands in braces.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "conversation.hpp"
#include "memory.hpp"

namespace sluice::test {

using tcp::Direction;
using tcp::Flag;
using tcp::Segment;

/// A segment as a sentence: Says(syn, 100).window(700).scale(7).
struct Says : Segment {
    Says(unsigned flag_bits, std::uint32_t from, std::uint32_t acknowledges = 0) {
        flags = static_cast<std::uint8_t>(flag_bits);
        sequence = from;
        acknowledgement = acknowledges;
    }
    Says& offers(std::uint16_t bytes) {
        window = bytes;
        return *this;
    }
    Says& bytes(std::uint32_t count) {
        payload_length = count;
        return *this;
    }
    Says& scale(std::uint8_t shift) {
        has_window_scale = true;
        window_scale = shift;
        return *this;
    }
    Says& sack_allowed() {
        sack_permitted = true;
        return *this;
    }
    Says& sack_to(std::uint32_t edge) {
        has_sack = true;
        sack_highest = edge;
        return *this;
    }
};

inline constexpr unsigned syn = Flag::syn, syn_ack = Flag::syn | Flag::ack, ack = Flag::ack,
                          fin = Flag::fin | Flag::ack, rst = Flag::rst, rst_ack = Flag::rst | Flag::ack;

class Remembered : public testing::Test {
  protected:
    Conversation talk;

    std::string memory() const {
        std::string out = shown(talk.connection);
        if (talk.connection.pending_syn != 0) out += " {" + shown(talk.pending) + "}";
        return out;
    }
    std::string opens(const Segment& segment) {
        EXPECT_EQ(tcp::open(talk.connection, segment, talk.settings).outcome, Outcome::accepted);
        return memory();
    }
    std::string says(Direction direction, const Segment& segment) {
        const Reason reason = talk.send(direction, segment).reason;
        return (reason == Reason::none ? "" : std::string(text_of(reason).name) + ": ") + memory();
    }
    std::string a(const Segment& segment) { return says(Direction::original, segment); }
    std::string b(const Segment& segment) { return says(Direction::reply, segment); }
    /// SYN 100, SYN,ACK 900 and the ACK, windows 700 and 800.
    void open() {
        opens(Says(syn, 100).offers(700));
        b(Says(syn_ack, 900, 101).offers(800));
        a(Says(ack, 101, 901).offers(700));
    }
    /// As many segments with a byte of new data each as let a remembered SYN of their sender be forgotten.
    void speaks_on(Direction direction, std::uint32_t from, std::uint32_t acknowledges) {
        for (std::uint32_t i = 0; i < 16; ++i)
            EXPECT_EQ(talk.send(direction, Says(ack, from + i, acknowledges).offers(700).bytes(1)).reason,
                      Reason::none);
    }
    Reason of_a(const Segment& segment) { return talk.send(Direction::original, segment).reason; }
    Reason of_b(const Segment& segment) { return talk.send(Direction::reply, segment).reason; }
    /// The same segment in copies of the conversation as it stands.
    Reason if_a(const Segment& segment) const {
        Conversation copy = talk;
        return copy.send(Direction::original, segment).reason;
    }
    Reason if_b(const Segment& segment) const {
        Conversation copy = talk;
        return copy.send(Direction::reply, segment).reason;
    }
};

}  // namespace sluice::test
