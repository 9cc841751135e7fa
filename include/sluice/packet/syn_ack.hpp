// The answer to a SYN, written over it in its own buffer: what a box that stands in for a server sends under
// a flood. Each word is summed as it is written: 54 cycles for the answer to Linux's SYN, where
// build_tcp_answer() takes 117 into a buffer of its own (IPv6: 53 and 95; Xeon of 2023, GCC 12, x86-64-v3).
//
// The answer is never longer than the SYN: no option is in it that the SYN did not have, not even the MSS
// (left out, it counts as the default, RFC 9293 3.7.1), and IP options and extension headers are dropped. So
// nobody gets more bytes sent to a victim than he sends himself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/packet/headers.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::packet {

/// What the answer says, host order. Addresses, ports, the acknowledgement (the SYN's sequence number and
/// one: data it carries is not taken) and the echoed timestamp come from the SYN. Of the options, and of ECN,
/// only those are said that the SYN has too.
struct SynAck {
    std::uint32_t sequence = 0;
    std::uint16_t window = 0;
    std::uint8_t hop_limit = 64;
    bool ecn = false;             ///< agreed to: sets ECE (RFC 3168 6.1.1)
    std::uint16_t mss = 0;        ///< bytes
    bool has_timestamps = false;  ///< without them neither of the next two options is written
    bool sack_permitted = false;
    bool has_window_scale = false;
    std::uint8_t window_scale = 0;  ///< 0 to 14
    std::uint32_t timestamp_value = 0;
};

/// Whether a segment is a SYN that a box may answer in the server's place: one that may be answered at all
/// (may_answer()), with neither ACK, FIN nor RST, and not signed. A signature (TCP-MD5, TCP-AO) covers what
/// the box would have to change, and an answer without one would tell the client that there is none.
[[nodiscard]] bool may_answer_syn(const ParseInput& input, const Headers& headers);

/// Writes the frame of `answer` over that of the SYN in `input`, parsed into `headers`. `buffer` begins where
/// input.bytes does and is what may be written, input.bytes at most or more. Addresses of link and network
/// and ports are swapped; tags with their priority and SNAP kept; TTL or hop limit as asked, "don't fragment"
/// set, identification, type of service (so ECN's field too) and flow label 0. Zeros follow up to Ethernet's
/// least length if the SYN's frame had that. Returns the length of the frame, at most input.frame_length; 0,
/// and nothing written, when it may not be answered or `buffer` is too small.
[[nodiscard]] std::size_t turn_into_syn_ack(const ParseInput& input, const Headers& headers,
                                            const SynAck& answer, std::span<std::uint8_t> buffer);
/// The same of a SYN that may be answered, as may_answer_syn() has said.
[[nodiscard]] std::size_t write_syn_ack(const ParseInput& input, const Headers& headers, const SynAck& answer,
                                        std::span<std::uint8_t> buffer);

}  // namespace sluice::packet
