#include "sluice/packet/syn_ack.hpp"

#include <algorithm>
#include <cstring>

#include "option_words.hpp"
#include "sluice/packet/build.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/plain_syn.hpp"
#include "walk.hpp"

namespace sluice::packet {
namespace {

// The agreed options that the SYN has too.
SynAck agreed(const SynAck& answer, const TcpFields& asked) {
    const TcpOptions& offered = asked.options;
    constexpr unsigned wants_ecn = ece | cwr;
    SynAck out = answer;
    out.ecn &= (asked.flags & wants_ecn) == wants_ecn;
    if (offered.mss == 0) out.mss = 0;
    out.has_timestamps &= offered.has_timestamps;
    out.sack_permitted &= offered.sack_permitted;
    out.has_window_scale &= offered.has_window_scale && out.has_timestamps;
    return out;
}

std::size_t option_bytes(const SynAck& answer) {
    return (answer.mss != 0 ? 4U : 0U) + (answer.has_timestamps ? 12U : 0U) +
           (answer.has_window_scale ? 4U : 0U);
}

// Writes words of four bytes one behind the other and sums them as it goes: nothing is read again for the
// checksum.
class SummedWords {
  public:
    explicit SummedWords(std::uint8_t* at) : at_(at) {}
    void write(std::uint32_t word) { write(be32(word)); }
    void write(be32 word) {
        store(at_, word);
        at_ += sizeof word;
        sum_.add_word(word);
    }
    // What stands elsewhere, but is summed too: an address, of 4 or 16 bytes.
    template <std::size_t bytes>
    void add(const Address& address) {
        for (std::size_t at = 0; at < bytes; at += 4) sum_.add_word(load<be32>(&address[at]));
    }
    void add(std::uint32_t word) { sum_.add_word(be32(word)); }
    [[nodiscard]] be16 checksum() const { return sum_.checksum(); }

  private:
    std::uint8_t* at_;
    ChecksumSum sum_;
};

// The link header stays where it is. `behind` is how many bytes follow it.
void answer_link(const ParseInput& input, const Headers& headers, std::size_t behind, std::uint8_t* frame) {
    if (input.link != LinkLayer::ethernet) return;
    using Mac = std::array<std::uint8_t, 6>;
    const auto destination = load<Mac>(frame);
    store(frame, load<Mac>(frame + sizeof(Mac)));
    store(frame + sizeof(Mac), destination);
    const std::size_t type_end = ethernet_header_bytes + headers.vlan_count * vlan_tag_bytes;
    if (headers.network_offset == type_end) return;
    // An 802.3 length, of SNAP and what it carries.
    store(frame + type_end - 2, be16(static_cast<std::uint16_t>(headers.network_offset - type_end + behind)));
}

void write_ipv4(const Headers& headers, std::size_t length, std::uint8_t hop_limit, std::uint8_t* out) {
    constexpr std::uint32_t dont_fragment = 0x4000;
    SummedWords words(out);
    words.write(0x4500'0000 | static_cast<std::uint32_t>(length));
    words.write(dont_fragment);  // and so an identification of 0 (RFC 6864 4.1)
    words.write(std::uint32_t{hop_limit} << 24 | std::uint32_t{tcp} << 16);
    words.write(load<be32>(headers.destination.data()));
    words.write(load<be32>(headers.source.data()));
    store(out + 10, words.checksum());
}

void write_ipv6(const Headers& headers, std::size_t length, std::uint8_t hop_limit, std::uint8_t* out) {
    store(out, be32(0x6000'0000));
    store(out + 4, be32(static_cast<std::uint32_t>(length - ipv6_header_bytes) << 16 |
                        std::uint32_t{tcp} << 8 | hop_limit));
    store(out + 8, headers.destination);
    store(out + 24, headers.source);
}

void write_options(const SynAck& answer, const TcpOptions& offered, SummedWords& words) {
    if (answer.mss != 0) words.write(mss_word | answer.mss);
    if (answer.has_timestamps) {
        words.write(answer.sack_permitted ? sack_timestamps_word : timestamps_word);
        words.write(answer.timestamp_value);
        words.write(offered.timestamp_value);
    }
    if (answer.has_window_scale) words.write(scale_word | answer.window_scale);
}

// Header length, flags and window.
std::uint32_t control_word(const SynAck& answer, std::uint32_t length) {
    const std::uint32_t flags = syn | ack | (answer.ecn ? std::uint32_t{ece} : 0);
    return length / 4 << 28 | flags << 16 | answer.window;
}

template <Family family>
void write_tcp(const Headers& headers, const SynAck& answer, std::uint8_t* out) {
    constexpr std::size_t address_bytes = family == Family::ipv4 ? 4 : 16;
    const auto length = static_cast<std::uint32_t>(tcp_header_bytes + option_bytes(answer));
    SummedWords words(out);
    words.write(std::uint32_t{headers.destination_port} << 16 | headers.source_port);
    words.write(answer.sequence);
    words.write(headers.tcp.sequence + 1);
    words.write(control_word(answer, length));
    words.write(0U);  // checksum and urgent pointer
    write_options(answer, headers.tcp.options, words);
    words.add<address_bytes>(headers.source);  // the pseudo header
    words.add<address_bytes>(headers.destination);
    words.add(tcp + length);  // the two halves of one word: their sum is the same
    store(out + 16, words.checksum());
}

}  // namespace

bool may_answer_syn(const ParseInput& input, const Headers& headers) {
    return may_answer(input, headers) && (headers.tcp.flags & (syn | ack | fin | rst)) == syn &&
           !headers.tcp.options.has_signature;
}

std::size_t turn_into_syn_ack(const ParseInput& input, const Headers& headers, const SynAck& answer,
                              std::span<std::uint8_t> buffer) {
    return may_answer_syn(input, headers) ? write_syn_ack(input, headers, answer, buffer) : 0;
}

std::size_t write_syn_ack(const ParseInput& input, const Headers& headers, const SynAck& answer,
                          std::span<std::uint8_t> buffer) {
    const SynAck said = agreed(answer, headers.tcp);
    const std::size_t ip_header = headers.family == Family::ipv4 ? ipv4_header_bytes : ipv6_header_bytes;
    const std::size_t network_length = ip_header + tcp_header_bytes + option_bytes(said);
    const std::size_t unpadded = headers.network_offset + network_length;
    const std::size_t least = input.link == LinkLayer::ethernet ? least_ethernet_bytes : 0;
    const std::size_t length = std::max(unpadded, std::min(least, input.frame_length));
    if (buffer.size() < length) return 0;

    answer_link(input, headers, network_length, buffer.data());
    std::uint8_t* const network = buffer.data() + headers.network_offset;
    if (headers.family == Family::ipv4) {
        write_ipv4(headers, network_length, said.hop_limit, network);
        write_tcp<Family::ipv4>(headers, said, network + ip_header);
    } else {
        write_ipv6(headers, network_length, said.hop_limit, network);
        write_tcp<Family::ipv6>(headers, said, network + ip_header);
    }
    if (length != unpadded) std::memset(buffer.data() + unpadded, 0, length - unpadded);
    return length;
}

SynAckForm::SynAckForm(SynForm form, const SynAck& answer) : hop_limit_(answer.hop_limit) {
    const bool has_options = form == SynForm::linux_like;
    TcpOptions offered;
    offered.mss = has_options ? answer.mss : std::uint16_t{0};
    offered.has_timestamps = offered.sack_permitted = offered.has_window_scale = has_options;
    const SynAck said = agreed(answer, {.options = offered});
    stamped_ = said.has_timestamps;
    const auto length = static_cast<std::uint32_t>(tcp_header_bytes + option_bytes(said));
    tcp_bytes_ = static_cast<std::uint8_t>(length);
    const std::uint32_t stamps = !stamped_ ? 0 : said.sack_permitted ? sack_timestamps_word : timestamps_word;
    first_options_ = be64(std::uint64_t{said.mss != 0 ? mss_word | said.mss : 0} << 32 | stamps).raw();
    last_option_ = be32(said.has_window_scale ? scale_word | said.window_scale : 0).raw();
    control_ = be32(control_word(said, length)).raw();
    sum_ = (first_options_ & 0xFFFF'FFFFU) + (first_options_ >> 32) + last_option_ + control_ +
           be32(tcp + length).raw();
}

}  // namespace sluice::packet
