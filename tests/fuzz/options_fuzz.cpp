// The walk over TCP options against a plain one, written apart from it.
#include <vector>

#include "fuzz.hpp"
#include "sluice/packet/parse.hpp"

namespace {

using namespace sluice;
using fuzz::require;
using packet::TcpOptions;

/// A number of `count` bytes in network order.
std::uint32_t number(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t count) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < count; ++i) out = out << 8 | bytes[at + i];
    return out;
}

bool is_cookie(std::size_t length) {
    return length == 0 || length == 4 || length == 6 || length == 8 || length == 10 || length == 12 ||
           length == 14 || length == 16;
}

void take_sack(std::span<const std::uint8_t> option, TcpOptions& out) {
    if (option.size() <= 2 || option.size() % 8 != 2) return;
    for (std::size_t at = 2; at + 8 <= option.size(); at += 8) {
        const std::uint32_t left = number(option, at, 4), right = number(option, at + 4, 4);
        const std::uint32_t forward = right - left;
        if (forward == 0 || forward > 0x7FFFFFFF) continue;
        // At exactly half the circle nothing is highest: the last of the two is as good as the first.
        const std::uint32_t behind = out.sack_highest - right;
        if (!out.has_sack || behind > 0x7FFFFFFF) out.sack_highest = right;
        out.has_sack = true;
    }
}

/// RFC 9293 3.1: kind 0 ends the list, kind 1 stands alone, every other has a length that counts itself.
TcpOptions walk(std::span<const std::uint8_t> bytes) {
    TcpOptions out;
    while (!bytes.empty() && bytes[0] != 0) {
        if (bytes[0] == 1) {
            bytes = bytes.subspan(1);
            continue;
        }
        if (bytes.size() < 2 || bytes[1] < 2 || bytes[1] > bytes.size()) break;
        const auto option = bytes.first(bytes[1]);
        bytes = bytes.subspan(option.size());
        const std::size_t length = option.size();
        if (option[0] == 2 && length == 4) out.mss = static_cast<std::uint16_t>(number(option, 2, 2));
        if (option[0] == 3 && length == 3) {
            out.has_window_scale = true;
            out.window_scale = std::min<std::uint8_t>(option[2], 14);
        }
        if (option[0] == 4 && length == 2) out.sack_permitted = true;
        if (option[0] == 5) take_sack(option, out);
        if (option[0] == 8 && length == 10) {
            out.has_timestamps = true;
            out.timestamp_value = number(option, 2, 4);
            out.timestamp_echo = number(option, 6, 4);
        }
        if ((option[0] == 19 && length == 18) || (option[0] == 29 && length >= 4)) out.has_signature = true;
        if (option[0] == 34 && is_cookie(length - 2)) out.has_fast_open = true;
        if (option[0] == 254 && length >= 4 && number(option, 2, 2) == 0xF989 && is_cookie(length - 4))
            out.has_fast_open = true;
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto options = std::span(data, size).first(std::min<std::size_t>(size, 40));
    const std::vector<std::uint8_t> exact(options.begin(), options.end());
    require(packet::parse_tcp_options(exact) == walk(exact), "the options are those that a plain walk finds");
    return 0;
}
