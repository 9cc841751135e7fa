// The SYN that almost every SYN of a flood is, answered without being parsed again: a plain packet
// (plain.hpp) behind Ethernet, its options Linux's or none. What all answers to such SYNs of one service have
// in common is made once a burst, the sum of its words too; an answer is then a few wide loads and stores.
//
// What it writes, write_syn_ack() writes too, which answers all other SYNs: the tests compare them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "sluice/base/endian.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/plain.hpp"
#include "sluice/packet/syn_ack.hpp"

namespace sluice::packet {

/// What a SYN has of options.
enum class SynForm : std::uint8_t {
    bare,        ///< none
    linux_like,  ///< an MSS, "SACK permitted", timestamps and the window scale, in Linux's order: 20 bytes
    other,
};
inline constexpr std::size_t syn_forms_answered = 2;

/// A plain packet's segment as it lies in its Ethernet frame.
template <Family of_family>
class PlainSegment {
  public:
    static constexpr Family family = of_family;
    explicit PlainSegment(const std::uint8_t* frame)
        : frame_(frame),
          network_(frame + ethernet_header_bytes +
                   (is_vlan_tag(load<be16>(frame + 12).host()) ? vlan_tag_bytes : 0)) {}

    static constexpr std::size_t address_bytes = family == Family::ipv4 ? 4 : 16;
    static constexpr std::size_t ip_header = family == Family::ipv4 ? ipv4_header_bytes : ipv6_header_bytes;

    [[nodiscard]] std::size_t network_offset() const { return static_cast<std::size_t>(network_ - frame_); }
    /// Of the TCP header in the frame.
    [[nodiscard]] std::size_t offset() const { return network_offset() + ip_header; }
    [[nodiscard]] const std::uint8_t* segment() const { return network_ + ip_header; }
    /// Source and destination.
    [[nodiscard]] const std::uint8_t* addresses() const { return segment() - 2 * address_bytes; }
    [[nodiscard]] std::uint32_t sequence() const { return load<be32>(segment() + 4).host(); }

    [[nodiscard]] std::uint8_t hop_limit() const { return network_[family == Family::ipv4 ? 8 : 7]; }
    [[nodiscard]] unsigned header_length() const { return unsigned{segment()[12]} >> 4U << 2U; }
    /// The echoed timestamp, where there are timestamps behind two NOPs and nothing else; 0 without options.
    /// Other options: `known` is false.
    struct Echo {
        bool known = false, there = false;
        std::uint32_t value = 0;
    };
    [[nodiscard]] Echo echo() const {
        const unsigned length = header_length();
        if (length == tcp_header_bytes) return {.known = true};
        constexpr be32 padded_timestamps(0x0101'080A);
        if (length != tcp_header_bytes + 12 || load<be32>(segment() + tcp_header_bytes) != padded_timestamps)
            return {};
        return {true, true, load<be32>(segment() + tcp_header_bytes + 8).host()};
    }

    // Of a SYN. An MSS of 0 is none (TcpOptions), and so another form.
    [[nodiscard]] SynForm syn_form() const {
        const unsigned length = header_length();
        if (length == tcp_header_bytes) return SynForm::bare;
        constexpr be64 first(0x0204'0000'0402'080A), free_of_first(0x0000'FFFF'0000'0000);
        constexpr be32 last(0x0103'0300), free_of_last(0x0000'00FF);
        const std::uint8_t* const options = segment() + tcp_header_bytes;
        if (length != tcp_header_bytes + 20 ||
            (load<be64>(options).raw() & ~free_of_first.raw()) != first.raw() ||
            (load<be32>(options + 16).raw() & ~free_of_last.raw()) != last.raw() || mss() == 0)
            return SynForm::other;
        return SynForm::linux_like;
    }
    // Of one like Linux's.
    [[nodiscard]] std::uint16_t mss() const { return load<be16>(segment() + 22).host(); }
    [[nodiscard]] be32 timestamp_value() const { return load<be32>(segment() + 28); }
    [[nodiscard]] std::uint8_t window_scale() const { return segment()[39]; }

    /// Whether it may be answered (may_answer()) as far as addresses say, or more narrowly than that: those
    /// left out are rare, and asked about in full.
    [[nodiscard]] bool is_between_hosts() const {
        const unsigned groups = (unsigned{frame_[0]} | frame_[6]) & 1U;
        return groups == 0 && may_be_host(addresses()[0]) && may_be_host(addresses()[address_bytes]);
    }

  private:
    /// By the first byte of an address.
    [[nodiscard]] static bool may_be_host(unsigned first) {
        return family == Family::ipv4 ? first - 1 < 223 && first != 127 : first - 1 < 254;
    }

    const std::uint8_t* frame_;
    const std::uint8_t* network_;
};

/// What answers to SYNs of one form say.
class SynAckForm {
  public:
    SynAckForm() = default;
    /// `answer` as write_syn_ack() takes it, sequence number and timestamp aside; without ECN, and with an
    /// MSS.
    SynAckForm(SynForm form, const SynAck& answer);

    /// Writes it over the SYN, which has this form and may be answered: `frame` is all of its frame. Returns
    /// the answer's length, at most that.
    template <Family family>
    [[gnu::always_inline]] std::size_t write(std::span<std::uint8_t> frame, std::uint32_t sequence,
                                             std::uint32_t timestamp) const;

  private:
    template <Family family>
    [[nodiscard, gnu::always_inline]] std::uint64_t write_network(std::uint8_t* network) const;

    std::uint64_t first_options_ = 0;  ///< as on the wire, as the next two
    std::uint32_t last_option_ = 0;
    std::uint32_t control_ = 0;  ///< header length, flags, window
    std::uint64_t sum_ = 0;      ///< of these, and of the pseudo header what is no address
    std::uint8_t tcp_bytes_ = tcp_header_bytes;
    std::uint8_t hop_limit_ = 64;
    bool stamped_ = false;
};

/// Network header, addresses exchanged; their sum.
template <Family family>
[[gnu::always_inline]] inline std::uint64_t SynAckForm::write_network(std::uint8_t* network) const {
    const auto halves = [](std::uint64_t word) { return (word & 0xFFFF'FFFFU) + (word >> 32); };
    if constexpr (family == Family::ipv4) {
        // As write_syn_ack() has it: "don't fragment", no identification.
        const std::uint64_t start =
            be64(0x4500'0000'0000'4000 | std::uint64_t{ipv4_header_bytes + tcp_bytes_} << 32).raw();
        const std::uint32_t life = hop_limit_ | std::uint32_t{tcp} << 8;
        const auto addresses = load<std::uint64_t>(network + 12);
        const std::uint64_t sum = halves(addresses);
        const std::uint16_t checksum =
            static_cast<std::uint16_t>(~detail::folded(halves(start) + life + sum));
        store(network, start);
        store(network + 8, life | std::uint32_t{checksum} << 16);
        store(network + 12, addresses << 32 | addresses >> 32);
        return sum;
    } else {
        using Words = std::array<std::uint64_t, 2>;
        const auto source = load<Words>(network + 8), destination = load<Words>(network + 24);
        store(network, be64(0x6000'0000'0000'0000 | std::uint64_t{tcp_bytes_} << 16 |
                            std::uint64_t{tcp} << 8 | hop_limit_));
        store(network + 8, destination);
        store(network + 24, source);
        return halves(source[0]) + halves(source[1]) + halves(destination[0]) + halves(destination[1]);
    }
}

template <Family family>
[[gnu::always_inline]] inline std::size_t SynAckForm::write(std::span<std::uint8_t> whole,
                                                            std::uint32_t sequence,
                                                            std::uint32_t timestamp) const {
    std::uint8_t* const frame = whole.data();
    const PlainSegment<family> syn(frame);
    const std::size_t network = syn.network_offset();
    const auto destination = load<std::uint64_t>(frame);  // and two bytes of the source
    const auto source = load<std::uint32_t>(frame + 8);
    store(frame, destination >> 48 | std::uint64_t{source} << 16 | destination << 48);
    store(frame + 8, static_cast<std::uint32_t>(destination >> 16));

    std::uint64_t sum = sum_ + write_network<family>(frame + network);
    std::uint8_t* const segment = frame + network + PlainSegment<family>::ip_header;
    const auto ports = load<std::uint32_t>(segment);
    const std::uint32_t number = be32(sequence).raw(), acknowledged = be32(syn.sequence() + 1).raw();
    sum += std::uint64_t{ports} + number + acknowledged;
    store(segment, (ports << 16 | ports >> 16) | std::uint64_t{number} << 32);
    store(segment + 8, acknowledged | std::uint64_t{control_} << 32);
    if (stamped_) [[likely]] {
        const std::uint32_t value = be32(timestamp).raw(), echo = syn.timestamp_value().raw();
        sum += std::uint64_t{value} + echo;
        store(segment + 20, first_options_);
        store(segment + 28, value | std::uint64_t{echo} << 32);
        store(segment + 36, last_option_);
    } else if (tcp_bytes_ != tcp_header_bytes) {
        store(segment + 20, static_cast<std::uint32_t>(first_options_));
    }
    // The urgent pointer is 0.
    store(segment + 16, std::uint32_t{static_cast<std::uint16_t>(~detail::folded(sum))});

    const std::size_t length = static_cast<std::size_t>(segment - frame) + tcp_bytes_;
    if (family == Family::ipv4 && length < least_ethernet_bytes && length < whole.size()) [[unlikely]] {
        const std::size_t padded = std::min(least_ethernet_bytes, whole.size());
        std::memset(frame + length, 0, padded - length);
        return padded;
    }
    return length;
}

}  // namespace sluice::packet
