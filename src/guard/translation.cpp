#include "sluice/guard/translation.hpp"

#include <algorithm>

namespace sluice::guard {
namespace {

enum OptionKind : std::uint8_t { end_of_list = 0, no_operation = 1, sack = 5, timestamps = 8 };

constexpr std::size_t fixed_header_bytes = 20;
constexpr std::size_t icmp_checksum_at = 2;  // of ICMPv6 too (RFC 4443 2.1)

// A TCP header, of which a quote may have cut the end off.
struct PartOfHeader {
    std::span<std::uint8_t> bytes;
    std::size_t length;  // of the whole

    explicit PartOfHeader(std::span<std::uint8_t> from_header) {
        const std::size_t said = from_header.size() > 12 ? (from_header[12] >> 4) * 4U : 0;
        length = std::max(said, fixed_header_bytes);
        bytes = from_header.first(std::min(from_header.size(), length));
    }
    [[nodiscard]] bool has(std::size_t at, std::size_t count) const { return at + count <= bytes.size(); }
    // Unknown flags are those of nearly every segment.
    [[nodiscard]] bool acknowledges() const { return !has(13, 1) || (bytes[13] & packet::ack) != 0; }
};

// What is added to the fields of a segment that travels `toward`.
struct Deltas {
    Toward toward;
    std::uint32_t sequence, timestamp;

    Deltas(Toward its_toward, const Translation& translation) : toward(its_toward) {
        const Translation signed_one = toward == Toward::client ? translation : inverse(translation);
        sequence = signed_one.sequence_delta;
        timestamp = signed_one.timestamp_delta;
    }
};

void add_if_there(const PartOfHeader& header, std::size_t at, std::uint32_t delta,
                  packet::ChecksumChange& change) {
    if (header.has(at, 4)) detail::add_to_field(header.bytes.data(), at, delta, change);
}

// The option at `at` says that it has `length` bytes, which the header has.
void translate_option(const PartOfHeader& header, std::size_t at, std::size_t length, const Deltas& deltas,
                      packet::ChecksumChange& change) {
    const std::uint8_t kind = header.bytes[at];
    const bool to_server = deltas.toward == Toward::server;
    if (kind == timestamps && length == 10) {
        add_if_there(header, at + (to_server ? 6 : 2), deltas.timestamp, change);
    } else if (kind == sack && to_server && length >= 10 && (length - 2) % 8 == 0) {
        // Both edges of each block, in whatever order: a duplicate's block may lie anywhere (RFC 2883).
        for (std::size_t edge = at + 2; edge < at + length; edge += 4) {
            add_if_there(header, edge, deltas.sequence, change);
        }
    }
}

void translate_options(const PartOfHeader& header, const Deltas& deltas, packet::ChecksumChange& change) {
    std::size_t at = fixed_header_bytes;
    while (header.has(at, 2)) {
        const std::uint8_t kind = header.bytes[at];
        if (kind == end_of_list) return;
        if (kind == no_operation) {
            ++at;
            continue;
        }
        const std::size_t length = header.bytes[at + 1];
        if (length < 2 || length > header.length - at) return;
        translate_option(header, at, length, deltas, change);
        at += length;
    }
}

// All but the window.
void translate_numbers(const PartOfHeader& header, const Deltas& deltas, packet::ChecksumChange& change) {
    if (deltas.toward == Toward::server && !header.acknowledges()) return;
    add_if_there(header, deltas.toward == Toward::client ? 4 : 8, deltas.sequence, change);
    translate_options(header, deltas, change);
}

}  // namespace

void detail::translate_any(std::span<std::uint8_t> header, Toward toward, const Translation& translation) {
    packet::ChecksumChange change;
    translate_numbers(PartOfHeader(header), Deltas(toward, translation), change);
    if (translation.window_shifts != 0 && (header[13] & packet::syn) == 0) {
        rescale_window_field(header.data(), translation.window_shift(toward), change);
    }
    update_tcp_checksum(header.data(), change);
}

void translate_quote(std::span<std::uint8_t> message, std::size_t quoted, Toward toward,
                     const Translation& translation) {
    // What the error's receiver sent had been translated on its way to the other side.
    const Deltas deltas(opposite(toward), inverse(translation));
    const PartOfHeader header(message.subspan(quoted));
    packet::ChecksumChange change;
    translate_numbers(header, deltas, change);
    if (header.has(16, 2)) {
        // The error sums the quoted fields and the quoted checksum, whose changes cancel: the headers before
        // the quoted one have even lengths.
        detail::update_tcp_checksum(header.bytes.data(), change);
    } else {
        const auto checksum = load<be16>(&message[icmp_checksum_at]);
        store(&message[icmp_checksum_at], change.update(checksum));
    }
}

}  // namespace sluice::guard
