#include "line_rate/frame.hpp"

namespace sluice::bench {
namespace {

/// The Internet checksum's sum, in wire order: the order of bytes does not matter to it (RFC 1071).
std::uint64_t sum(const std::uint8_t* from, std::size_t bytes) {
    std::uint64_t total = 0;
    for (; bytes >= 2; bytes -= 2, from += 2) total += load<std::uint16_t>(from);
    return bytes == 0 ? total : total + *from;
}

std::uint16_t folded(std::uint64_t total) {
    while ((total >> 16U) != 0) total = (total & 0xFFFFU) + (total >> 16U);
    return static_cast<std::uint16_t>(~total);
}

}  // namespace

Told options_of(const std::uint8_t* frame) {
    constexpr std::uint8_t end_of_list = 0, nop = 1, window_scale = 3, timestamps = 8;
    Told out;
    const unsigned behind = offset::ports + (std::uint32_t{frame[offset::data_offset]} >> 4U) * 4U;
    for (unsigned at = offset::payload; at < behind && frame[at] != end_of_list;) {
        if (frame[at] == nop) {
            ++at;
            continue;
        }
        const unsigned length = frame[at + 1];
        if (length < 2 || at + length > behind) break;
        if (frame[at] == window_scale) out.scales = true;
        if (frame[at] == timestamps && length == 10) {
            out.timestamps = true;
            out.timestamp = load<be32>(frame + at + 2).host();
        }
        at += length;
    }
    return out;
}

void write_checksums(std::uint8_t* frame) {
    if (is_ipv6(frame)) {
        const std::uint16_t tcp_bytes = load<be16>(frame + 18).host();
        std::uint8_t* const tcp = frame + header_bytes;
        store(tcp + 16, std::uint16_t{0});
        const std::uint64_t pseudo = sum(frame + 22, 32) + be16(packet::tcp).raw() + be16(tcp_bytes).raw();
        store(tcp + 16, folded(pseudo + sum(tcp, tcp_bytes)));
        return;
    }
    store(frame + offset::ip_checksum, std::uint16_t{0});
    store(frame + offset::ip_checksum, folded(sum(frame + 14, 20)));
    const auto tcp_bytes = static_cast<std::uint16_t>(load<be16>(frame + offset::total_length).host() - 20);
    store(frame + offset::tcp_checksum, std::uint16_t{0});
    const std::uint64_t pseudo =
        sum(frame + offset::addresses, 8) + be16(packet::tcp).raw() + be16(tcp_bytes).raw();
    store(frame + offset::tcp_checksum, folded(pseudo + sum(frame + offset::ports, tcp_bytes)));
}

}  // namespace sluice::bench
