#include "sluice/control/community_id.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "sluice/control/text.hpp"

namespace sluice::control {
namespace {

using Digest = std::array<std::uint8_t, 20>;

/// SHA-1 (RFC 3174) of a message that fits into one block: what a Community ID hashes is 40 bytes at most.
constexpr std::size_t most_in_a_block = 55;
Digest sha1(std::span<const std::uint8_t> message) {
    std::array<std::uint8_t, 64> block{};
    std::memcpy(block.data(), message.data(), message.size());
    block[message.size()] = 0x80;
    const std::size_t bits = message.size() * 8;
    block[62] = static_cast<std::uint8_t>(bits >> 8);
    block[63] = static_cast<std::uint8_t>(bits);

    std::array<std::uint32_t, 80> words;
    for (std::size_t i = 0; i < 16; ++i)
        words[i] = std::uint32_t{block[4 * i]} << 24 | std::uint32_t{block[4 * i + 1]} << 16 |
                   std::uint32_t{block[4 * i + 2]} << 8 | block[4 * i + 3];
    for (std::size_t i = 16; i < 80; ++i)
        words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);

    const std::array<std::uint32_t, 5> first{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    auto [a, b, c, d, e] = first;
    for (std::size_t i = 0; i < 80; ++i) {
        const auto [mixed, constant] = i < 20   ? std::pair{(b & c) | (~b & d), 0x5A827999U}
                                       : i < 40 ? std::pair{b ^ c ^ d, 0x6ED9EBA1U}
                                       : i < 60 ? std::pair{(b & c) | (b & d) | (c & d), 0x8F1BBCDCU}
                                                : std::pair{b ^ c ^ d, 0xCA62C1D6U};
        const std::uint32_t next = std::rotl(a, 5) + mixed + e + constant + words[i];
        e = std::exchange(d, std::exchange(c, std::exchange(b, std::exchange(a, next))));
        c = std::rotl(c, 30);
    }
    Digest out;
    const std::array<std::uint32_t, 5> last{a, b, c, d, e};
    for (std::size_t i = 0; i < last.size(); ++i)
        for (std::size_t byte = 0; byte < 4; ++byte)
            out[4 * i + byte] = static_cast<std::uint8_t>((first[i] + last[i]) >> (24 - 8 * byte));
    return out;
}

std::string base64(std::span<const std::uint8_t> bytes) {
    constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t three = 0;
        for (std::size_t j = i; j < i + 3; ++j) three = three << 8 | (j < bytes.size() ? bytes[j] : 0U);
        for (std::size_t j = 0; j < 4; ++j)
            out += i + j > bytes.size() ? '=' : digits[three >> (18 - 6 * j) & 63];
    }
    return out;
}

}  // namespace

std::string community_id(const pipeline::FlowView& flow) {
    if (flow.protocol == 132) return {};
    const std::size_t address_bytes = flow.family == packet::Family::ipv4 ? 4 : 16;
    const packet::Address* source = &flow.source;
    const packet::Address* destination = &flow.destination;
    // Of an ICMP query its type and that of its answer take the place of ports.
    std::uint16_t source_port = is_icmp(flow.protocol) ? flow.icmp_type : flow.source_port;
    std::uint16_t destination_port = is_icmp(flow.protocol) ? flow.reply_icmp_type : flow.destination_port;
    const int order = std::memcmp(source->data(), destination->data(), address_bytes);
    if (order > 0 || (order == 0 && source_port > destination_port)) {
        std::swap(source, destination);
        std::swap(source_port, destination_port);
    }
    std::array<std::uint8_t, most_in_a_block> message{};  // it begins with the seed, two bytes
    std::size_t length = 2;
    const auto put_address = [&](const packet::Address& address) {
        std::memcpy(&message[length], address.data(), address_bytes);
        length += address_bytes;
    };
    put_address(*source);
    put_address(*destination);
    message[length++] = flow.protocol;
    message[length++] = 0;
    if (has_ports(flow.protocol) || is_icmp(flow.protocol))
        for (const std::uint16_t port : {source_port, destination_port}) {
            message[length++] = static_cast<std::uint8_t>(port >> 8);
            message[length++] = static_cast<std::uint8_t>(port);
        }
    return "1:" + base64(sha1(std::span(message).first(length)));
}

}  // namespace sluice::control
