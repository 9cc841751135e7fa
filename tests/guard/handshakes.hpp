// Segments of a proxied handshake, as fields.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <vector>

#include "sluice/guard/proxied_handshake.hpp"

namespace sluice::packet {
/// Failures print segments as one writes them.
inline void PrintTo(const TcpFields& segment, std::ostream* out) {
    constexpr const char* names[] = {"FIN ", "SYN ", "RST ", "PSH ", "ACK ", "URG ", "ECE ", "CWR "};
    for (unsigned bit = 0; bit < 8; ++bit) {
        if ((segment.flags >> bit & 1) != 0) *out << names[bit];
    }
    *out << segment.sequence << " ack " << segment.acknowledgement << " win " << segment.window;
    if (segment.payload_length != 0) *out << " len " << segment.payload_length;
    const TcpOptions& options = segment.options;
    if (options.mss != 0) *out << " mss " << options.mss;
    if (options.has_window_scale) *out << " scale " << int{options.window_scale};
    if (options.sack_permitted) *out << " sack";
    if (options.has_timestamps) *out << " ts " << options.timestamp_value << ' ' << options.timestamp_echo;
}
}  // namespace sluice::packet

namespace sluice::guard {
inline bool operator==(const SegmentToSend& a, const SegmentToSend& b) {
    return a.toward == b.toward && a.segment == b.segment;
}
inline void PrintTo(const SegmentToSend& sent, std::ostream* out) {
    *out << (sent.toward == Toward::client ? "to the client: " : "to the server: ");
    PrintTo(sent.segment, out);
}
}  // namespace sluice::guard

namespace sluice::test {

using guard::HandshakeOutcome;
using guard::HandshakeState;
using guard::ProvenClient;
using guard::ProxiedHandshake;
using guard::SegmentToSend;
using guard::ServerProfile;
using guard::Toward;
using guard::Translation;
using packet::TcpFields;

inline TcpFields fields(unsigned flags, std::uint32_t sequence, std::uint32_t acknowledgement = 0,
                        std::uint16_t window = 0) {
    TcpFields out;
    out.flags = static_cast<std::uint8_t>(flags);
    out.sequence = sequence;
    out.acknowledgement = acknowledgement;
    out.window = window;
    return out;
}
inline TcpFields with_timestamps(TcpFields segment, std::uint32_t value, std::uint32_t echo) {
    segment.options.has_timestamps = true;
    segment.options.timestamp_value = value;
    segment.options.timestamp_echo = echo;
    return segment;
}
inline TcpFields with_scale(TcpFields segment, std::uint8_t scale) {
    segment.options.has_window_scale = true;
    segment.options.window_scale = scale;
    return segment;
}
inline TcpFields with_sack(TcpFields segment) {
    segment.options.sack_permitted = true;
    return segment;
}
inline TcpFields with_mss(TcpFields segment, std::uint16_t mss) {
    segment.options.mss = mss;
    return segment;
}
inline TcpFields with_payload(TcpFields segment, std::uint32_t length) {
    segment.payload_length = length;
    return segment;
}

}  // namespace sluice::test
