#include "app/pcapng_writer.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::app {
namespace {

enum Block : std::uint32_t { interface_description = 1, enhanced_packet = 6, section_header = 0x0A0D'0D0A };
enum Option : std::uint16_t { end = 0, comment = 1, name = 2, application = 4, resolution = 9 };

/// Blocks are in the writer's byte order, of which the section header tells the reader.
template <class Number>
void put(std::string& out, Number number) {
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void pad(std::string& out) {
    while (out.size() % 4 != 0) out += '\0';
}

void put_option(std::string& out, Option code, std::string_view value) {
    constexpr std::size_t longest = 0xFFFF;
    value = value.substr(0, longest);
    put(out, static_cast<std::uint16_t>(code));
    put(out, static_cast<std::uint16_t>(value.size()));
    out += value;
    pad(out);
}

/// `body` is a whole number of words.
std::string block(Block kind, std::string_view body) {
    const auto length = static_cast<std::uint32_t>(body.size() + 12);
    std::string out;
    put(out, static_cast<std::uint32_t>(kind));
    put(out, length);
    out += body;
    put(out, length);
    return out;
}

std::string describe_port(std::uint16_t port) {
    constexpr std::uint16_t ethernet = 1;
    constexpr char nanoseconds = 9;
    std::string body;
    put(body, ethernet);
    put(body, std::uint16_t{0});  // reserved
    put(body, std::uint32_t{0});  // as long as packets are
    put_option(body, Option::name, fmt::format("port {}", port));
    put_option(body, Option::resolution, std::string_view(&nanoseconds, 1));
    put_option(body, Option::end, "");
    return block(Block::interface_description, body);
}

}  // namespace

std::string PcapngWriter::beginning(std::string_view program) {
    std::string body;
    put(body, std::uint32_t{0x1A2B'3C4D});  // the byte order
    put(body, std::uint16_t{1});            // version 1.0
    put(body, std::uint16_t{0});
    put(body, ~std::uint64_t{0});  // of a length that is not known
    put_option(body, Option::application, program);
    put_option(body, Option::end, "");
    return block(Block::section_header, body);
}

std::string PcapngWriter::packet(std::uint16_t port, std::uint64_t nanoseconds, std::uint32_t length,
                                 std::span<const std::uint8_t> bytes, std::string_view comment) {
    std::string out;
    auto known = std::find(ports_.begin(), ports_.end(), port);
    if (known == ports_.end()) {
        out = describe_port(port);
        known = ports_.insert(ports_.end(), port);
    }
    std::string body;
    put(body, static_cast<std::uint32_t>(known - ports_.begin()));
    put(body, static_cast<std::uint32_t>(nanoseconds >> 32U));
    put(body, static_cast<std::uint32_t>(nanoseconds));
    put(body, static_cast<std::uint32_t>(bytes.size()));
    put(body, length);
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    pad(body);
    put_option(body, Option::comment, comment);
    put_option(body, Option::end, "");
    return out + block(Block::enhanced_packet, body);
}

}  // namespace sluice::app
