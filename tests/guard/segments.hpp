// Segments for the tests of translation: TCP headers alone, and the plain translation that every one of them
// is compared with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <span>

#include "sluice/guard/translation.hpp"
#include "support/packet_builder.hpp"

namespace sluice::test {

using guard::Toward;
using guard::Translation;

constexpr std::uint32_t delta = 0xF234'5678, stamp_delta = 0x8765'4321;  ///< of a flow like any other
constexpr Toward both_ways[] = {Toward::client, Toward::server};

inline std::uint32_t word_at(std::span<const std::uint8_t> bytes, std::size_t at) {
    return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 |
           std::uint32_t{bytes[at + 2]} << 8 | bytes[at + 3];
}
inline void put_word(std::span<std::uint8_t> bytes, std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}
inline std::uint16_t half_at(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
inline void put_half(std::span<std::uint8_t> bytes, std::size_t at, unsigned value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

/// Translates a heap copy with no room to spare, for the address sanitizer.
inline Bytes translated(const Bytes& header, Toward toward, const Translation& translation) {
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[header.size()]);
    std::copy(header.begin(), header.end(), exact.get());
    guard::translate({exact.get(), header.size()}, toward, translation);
    return {exact.get(), exact.get() + header.size()};
}

/// A whole TCP header; options are padded with NOPs. Its checksum is right for `rest_sum`, the sum of all
/// that it covers beside the header.
inline Bytes make_header(std::mt19937_64& random, unsigned flags, const Bytes& options,
                         std::uint16_t rest_sum) {
    Bytes header(20);
    for (auto& byte : header) byte = static_cast<std::uint8_t>(random());
    header.insert(header.end(), options.begin(), options.end());
    header.resize((header.size() + 3) / 4 * 4, 1);
    header[12] = static_cast<std::uint8_t>(header.size() / 4 << 4);
    header[13] = static_cast<std::uint8_t>(flags);
    put_half(header, 16, rest_sum);
    put_half(header, 16, plain_checksum(header));
    return header;
}
/// What make_header() took care of.
inline bool checksum_holds(Bytes header, std::uint16_t rest_sum) {
    header.push_back(static_cast<std::uint8_t>(rest_sum >> 8));
    header.push_back(static_cast<std::uint8_t>(rest_sum));
    return plain_checksum(header) == 0;
}

/// Translation as one would explain it, the checksum computed over again.
inline Bytes plainly_translated(Bytes header, Toward toward, const Translation& translation,
                                std::uint16_t rest_sum) {
    const auto add = [&](std::size_t at, std::uint32_t value) {
        put_word(header, at, word_at(header, at) + value);
    };
    const bool has_ack = (header[13] & 16) != 0, has_syn = (header[13] & 2) != 0;
    if (toward == Toward::client) add(4, translation.sequence_delta);
    if (toward == Toward::server && has_ack) add(8, 0U - translation.sequence_delta);
    for (std::size_t at = 20; at < header.size() && header[at] != 0;) {
        if (header[at] == 1) {
            at += 1;
            continue;
        }
        if (at + 1 == header.size() || header[at + 1] < 2 || at + header[at + 1] > header.size()) break;
        const unsigned kind = header[at], length = header[at + 1];
        if (kind == 8 && length == 10) {
            if (toward == Toward::client) add(at + 2, translation.timestamp_delta);
            if (toward == Toward::server && has_ack) add(at + 6, 0U - translation.timestamp_delta);
        }
        const bool whole_blocks = length == 10 || length == 18 || length == 26 || length == 34;
        if (kind == 5 && whole_blocks && toward == Toward::server && has_ack) {
            for (std::size_t edge = at + 2; edge < at + length; edge += 4)
                add(edge, 0U - translation.sequence_delta);
        }
        at += length;
    }
    if (!has_syn) {
        std::uint64_t window = half_at(header, 14);
        const int shift = translation.window_shift(toward);
        for (int i = 0; i < shift; ++i) window *= 2;
        for (int i = 0; i > shift; --i) window /= 2;
        put_half(header, 14, static_cast<unsigned>(std::min<std::uint64_t>(window, 65535)));
    }
    put_half(header, 16, rest_sum);
    put_half(header, 16, plain_checksum(header));
    return header;
}

}  // namespace sluice::test
