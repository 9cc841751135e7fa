#include "step.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "sluice/base/endian.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/parse.hpp"

namespace sluice::differential {
namespace {

constexpr std::size_t checksum_at = 16, fixed_header = 20;

void put16(Bytes& out, std::uint32_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}
void put32(Bytes& out, std::uint32_t value) {
    put16(out, value >> 16);
    put16(out, value);
}
void set16(std::uint8_t* at, std::uint32_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value);
}

Bytes options_of(const tcp::Segment& segment, bool timestamps) {
    Bytes out;
    if (segment.has_window_scale) out.insert(out.end(), {3, 3, segment.window_scale});
    if (segment.sack_permitted) out.insert(out.end(), {4, 2});
    if (timestamps) {
        out.insert(out.end(), {8, 10});
        put32(out, 1000);
        put32(out, 0);
    }
    if (segment.has_sack) {
        out.insert(out.end(), {5, 10});
        put32(out, segment.sack_highest - 1);
        put32(out, segment.sack_highest);
    }
    while (out.size() % 4 != 0) out.push_back(1);
    return out;
}

void put_ipv4_header(Bytes& out, const Step& step, std::uint16_t identification) {
    const std::size_t length = fixed_header + step.tcp.size();
    out.insert(out.end(), {0x45, 0});
    put16(out, static_cast<std::uint32_t>(length));
    put16(out, identification);
    out.insert(out.end(), {0x40, 0, 64, packet::tcp, 0, 0});
    const bool from_a = step.from == End::a;
    out.insert(out.end(), from_a ? ipv4_a : ipv4_b, (from_a ? ipv4_a : ipv4_b) + 4);
    out.insert(out.end(), from_a ? ipv4_b : ipv4_a, (from_a ? ipv4_b : ipv4_a) + 4);
    packet::ChecksumSum sum;
    sum.add(out);
    const std::uint16_t raw = sum.checksum().raw();
    std::memcpy(out.data() + 10, &raw, 2);
}

void put_ipv6_header(Bytes& out, const Step& step, std::uint16_t identification) {
    put32(out, 0x60000000U | identification);
    put16(out, static_cast<std::uint32_t>(step.tcp.size()));
    out.insert(out.end(), {packet::tcp, 64});
    const bool from_a = step.from == End::a;
    out.insert(out.end(), from_a ? ipv6_a : ipv6_b, (from_a ? ipv6_a : ipv6_b) + 16);
    out.insert(out.end(), from_a ? ipv6_b : ipv6_a, (from_a ? ipv6_b : ipv6_a) + 16);
}

std::uint32_t transport_checksum(const Bytes& ip, packet::Family family, std::span<const std::uint8_t> tcp) {
    packet::ChecksumSum sum;
    const std::span<const std::uint8_t> header(ip);
    sum.add(family == packet::Family::ipv4 ? header.subspan(12, 8) : header.subspan(8, 32));
    const Bytes tail{0, packet::tcp, static_cast<std::uint8_t>(tcp.size() >> 8),
                     static_cast<std::uint8_t>(tcp.size())};
    sum.add(tail);
    sum.add(tcp);
    return sum.checksum().host();
}

}  // namespace

Bytes bytes_of(const tcp::Segment& segment, bool timestamps) {
    const Bytes options = options_of(segment, timestamps);
    Bytes out;
    out.reserve(fixed_header + options.size() + segment.payload_length);
    put32(out, 0);  // ports
    put32(out, segment.sequence);
    put32(out, segment.acknowledgement);
    out.push_back(static_cast<std::uint8_t>(((fixed_header + options.size()) / 4) << 4));
    out.push_back(segment.flags);
    put16(out, segment.window);
    put32(out, 0);  // checksum, urgent pointer
    out.insert(out.end(), options.begin(), options.end());
    out.resize(out.size() + segment.payload_length);
    return out;
}

Bytes packet_of(const Step& step, const Ends& ends, std::uint16_t identification) {
    Bytes out;
    out.reserve(40 + step.tcp.size());
    if (ends.family == packet::Family::ipv4)
        put_ipv4_header(out, step, identification);
    else
        put_ipv6_header(out, step, identification);
    const std::size_t at = out.size();
    out.insert(out.end(), step.tcp.begin(), step.tcp.end());
    if (step.tcp.size() >= 4) {
        const bool from_a = step.from == End::a;
        set16(out.data() + at, from_a ? ends.port_a : ends.port_b);
        set16(out.data() + at + 2, from_a ? ends.port_b : ends.port_a);
    }
    if (step.tcp.size() >= checksum_at + 2) {
        set16(out.data() + at + checksum_at, 0);
        const std::uint32_t right = transport_checksum(out, ends.family, std::span(out).subspan(at));
        set16(out.data() + at + checksum_at, step.wrong_checksum ? right ^ 0x5A5AU : right);
    }
    return out;
}

std::optional<tcp::Segment> segment_of(const Step& step) {
    if (step.wrong_checksum) return std::nullopt;
    const Bytes bytes = packet_of(step, {}, 0);
    packet::Headers headers;
    packet::parse({.bytes = bytes, .frame_length = bytes.size(), .link = packet::LinkLayer::raw_ip}, headers);
    if (headers.refusal != Reason::none || headers.protocol != packet::tcp) return std::nullopt;
    const packet::TcpFields& tcp = headers.tcp;
    return tcp::Segment{.sequence = tcp.sequence,
                        .acknowledgement = tcp.acknowledgement,
                        .payload_length = tcp.payload_length,
                        .sack_highest = tcp.options.sack_highest,
                        .window = tcp.window,
                        .flags = tcp.flags,
                        .window_scale = tcp.options.window_scale,
                        .has_window_scale = tcp.options.has_window_scale,
                        .sack_permitted = tcp.options.sack_permitted,
                        .has_sack = tcp.options.has_sack};
}

void Tape::add(double now, Step step) {
    const double due = std::floor(now - passed_);
    if (due >= least_wait) {
        step.wait = static_cast<std::uint32_t>(std::min(due, 1e6));
        passed_ += due;
    }
    steps_.push_back(std::move(step));
}

std::string describe(const Step& step) {
    std::ostringstream out;
    if (step.wait != 0) out << "      (" << step.wait << " s pass)\n";
    out << "  " << (step.from == End::a ? "A>B " : "B>A ");
    const std::optional<tcp::Segment> segment = segment_of(step);
    if (!segment) {
        out << step.tcp.size() << " bytes" << (step.wrong_checksum ? ", wrong checksum" : "");
        return out.str();
    }
    static constexpr char letters[] = "FSRPAUEC";
    for (unsigned bit = 0; bit < 8; ++bit)
        if ((step.tcp[flags_at] >> bit & 1U) != 0) out << letters[bit];
    out << " seq " << segment->sequence << " ack " << segment->acknowledgement << " len "
        << segment->payload_length << " win " << segment->window;
    if (segment->has_window_scale) out << " scale " << static_cast<int>(segment->window_scale);
    if (segment->sack_permitted) out << " sackok";
    if (segment->has_sack) out << " sack " << segment->sack_highest;
    return out.str();
}

}  // namespace sluice::differential
