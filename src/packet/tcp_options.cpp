// TCP options (RFC 9293 3.2, RFC 7323, RFC 2018, RFC 7413, RFC 2385, RFC 5925, RFC 6994).
#include "sluice/base/endian.hpp"
#include "sluice/base/sequence.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::packet {
namespace {

enum OptionKind : std::uint8_t {
    end_of_list = 0,
    no_operation = 1,
    maximum_segment_size = 2,
    window_scale = 3,
    sack_permitted = 4,
    sack = 5,
    timestamps = 8,
    signature_md5 = 19,
    signature_ao = 29,
    fast_open = 34,
    experiment = 254,
};

constexpr std::uint8_t largest_window_scale = 14;
constexpr std::uint16_t fast_open_magic = 0xF989;

std::uint8_t believable(std::uint8_t scale) {
    return scale > largest_window_scale ? largest_window_scale : scale;
}

std::uint16_t read16(std::span<const std::uint8_t> option, std::size_t at) {
    return load<be16>(&option[at]).host();
}
std::uint32_t read32(std::span<const std::uint8_t> option, std::size_t at) {
    return load<be32>(&option[at]).host();
}

// A block that does not go forward acknowledges nothing and is left out.
void read_sack(std::span<const std::uint8_t> option, TcpOptions& out) {
    if (option.size() < 10 || (option.size() - 2) % 8 != 0) return;
    for (std::size_t at = 2; at < option.size(); at += 8) {
        const std::uint32_t left = read32(option, at);
        const std::uint32_t right = read32(option, at + 4);
        if (!after(right, left)) continue;
        out.sack_highest = out.has_sack ? later(out.sack_highest, right) : right;
        out.has_sack = true;
    }
}

// A cookie has 4 to 16 bytes, an even number of them; none at all asks for one (RFC 7413 4.1.1).
bool is_fast_open_cookie(std::size_t length) {
    return length == 0 || (length >= 4 && length <= 16 && length % 2 == 0);
}

// `option` is one whole option, kind and length included. Of a repeated one the last counts, as in Linux.
void read_option(std::span<const std::uint8_t> option, TcpOptions& out) {
    const std::size_t length = option.size();
    switch (option[0]) {
        case maximum_segment_size:
            if (length == 4) out.mss = read16(option, 2);
            break;
        case window_scale:
            if (length == 3) {
                out.has_window_scale = true;
                out.window_scale = believable(option[2]);
            }
            break;
        case sack_permitted:
            if (length == 2) out.sack_permitted = true;
            break;
        case sack:
            read_sack(option, out);
            break;
        case timestamps:
            if (length == 10) {
                out.has_timestamps = true;
                out.timestamp_value = read32(option, 2);
                out.timestamp_echo = read32(option, 6);
            }
            break;
        case signature_md5:
            if (length == 18) out.has_signature = true;
            break;
        case signature_ao:
            if (length >= 4) out.has_signature = true;
            break;
        case fast_open:
            if (is_fast_open_cookie(length - 2)) out.has_fast_open = true;
            break;
        case experiment:
            if (length >= 4 && read16(option, 2) == fast_open_magic && is_fast_open_cookie(length - 4)) {
                out.has_fast_open = true;
            }
            break;
        default:
            break;
    }
}

/// The SYN of Linux, read as a whole: the walk takes five times as long, and a jump per option that no core
/// foresees.
bool read_linux_syn(std::span<const std::uint8_t> options, TcpOptions& out) {
    if (options.size() != 20) return false;
    // Kind and length of MSS, "SACK permitted" and timestamps; those of the window scale, behind a NOP.
    constexpr be64 first(0x0204'0000'0402'080A), free_of_first(0x0000'FFFF'0000'0000);
    constexpr be32 last(0x0103'0300), free_of_last(0x0000'00FF);
    if ((load<be64>(&options[0]).raw() & ~free_of_first.raw()) != first.raw() ||
        (load<be32>(&options[16]).raw() & ~free_of_last.raw()) != last.raw())
        return false;
    out.mss = read16(options, 2);
    out.sack_permitted = true;
    out.has_timestamps = true;
    out.timestamp_value = read32(options, 8);
    out.timestamp_echo = read32(options, 12);
    out.has_window_scale = true;
    out.window_scale = believable(options[19]);
    return true;
}

/// The timestamps of nearly every other segment, behind two NOPs, likewise.
bool read_padded_timestamps(std::span<const std::uint8_t> options, TcpOptions& out) {
    if (options.size() != 12 || load<be32>(&options[0]) != be32(0x0101'080A)) return false;
    out.has_timestamps = true;
    out.timestamp_value = read32(options, 4);
    out.timestamp_echo = read32(options, 8);
    return true;
}

}  // namespace

TcpOptions parse_tcp_options(std::span<const std::uint8_t> options) {
    TcpOptions out;
    if (read_linux_syn(options, out) || read_padded_timestamps(options, out)) return out;
    std::size_t at = 0;
    while (at < options.size()) {
        const std::uint8_t kind = options[at];
        if (kind == end_of_list) break;
        if (kind == no_operation) {
            ++at;
            continue;
        }
        // Without a believable length there is no telling where the next option begins.
        if (options.size() - at < 2) break;
        const std::size_t length = options[at + 1];
        if (length < 2 || length > options.size() - at) break;
        read_option(options.subspan(at, length), out);
        at += length;
    }
    return out;
}

}  // namespace sluice::packet
