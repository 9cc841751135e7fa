// The parser, the quote in an ICMP error, checksums, answers and the fragment table over arbitrary bytes. The
// input is a list of frames, so that fragments meet: a control byte (link layer, cut, clock), two bytes of
// length, the frame.
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "frame_repair.hpp"
#include "fuzz.hpp"
#include "plain_checksum.hpp"
#include "sluice/packet/build.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/fragments.hpp"
#include "sluice/packet/parse.hpp"
#include "support/plain_packet.hpp"

namespace {

using namespace sluice;
using namespace sluice::packet;
using fuzz::require;

// The whole life of a fragment table: counts how often each handle leaves.
class Fragments {
  public:
    auto drop() {
        return [this](std::uint32_t handle, Reason) { ++left_[handle]; };
    }
    void add(const Headers& headers, std::uint32_t frame_bytes) {
        const auto handle = static_cast<std::uint32_t>(left_.size());
        left_.push_back(0);
        pieces_.push_back(headers.fragment);
        const auto decision = table_.add({headers, 0, 0, frame_bytes, handle}, now_, drop());
        if (decision.kind != FragmentDecision<std::uint32_t>::Kind::complete) return;
        require(decision.first < decision.packets.size(), "a complete datagram has a first fragment");
        for (const std::uint32_t one : decision.packets) ++left_[one];
        check_complete(decision.packets);
    }
    void pass_time(Tick ticks) {
        now_ += ticks;
        table_.expire(now_, max_fragments, drop());
    }
    void finish() {
        table_.clear(Reason::fragment_timeout, drop());
        require(table_.packets() == 0 && table_.bytes() == 0 && table_.datagrams() == 0,
                "an emptied fragment table holds nothing");
        for (const int times : left_) require(times == 1, "every fragment leaves exactly once");
    }

  private:
    using Table = FragmentTable<std::uint32_t>;
    struct Free {
        void operator()(std::byte* bytes) const { operator delete[](bytes, std::align_val_t{64}); }
    };
    static constexpr FragmentLimits limits{.datagrams = 4, .packets = 64, .bytes = 65536};

    /// The pieces lie side by side, without gap or overlap, and only the last says that it is the last.
    void check_complete(std::span<const std::uint32_t> handles) {
        std::vector<FragmentFields> pieces;
        for (const std::uint32_t handle : handles) pieces.push_back(pieces_[handle]);
        std::sort(pieces.begin(), pieces.end(),
                  [](const auto& a, const auto& b) { return a.offset < b.offset; });
        std::uint32_t end = 0;
        for (const FragmentFields& piece : pieces) {
            require(piece.offset == end, "the pieces of a complete datagram lie side by side");
            require(piece.identification == pieces[0].identification, "and have one identification");
            end += piece.length;
            require(piece.more == (&piece != &pieces.back()), "and only the last of them is the last");
        }
        require(end <= 65535, "no datagram is longer than 65535 bytes");
    }

    std::vector<int> left_;
    std::vector<FragmentFields> pieces_;
    std::unique_ptr<std::byte[], Free> arena_{new (std::align_val_t{64})
                                                  std::byte[Table::bytes_needed(limits)]};
    Table table_ = std::move(*Table::create(limits, {arena_.get(), Table::bytes_needed(limits)}));
    Tick now_ = 0;
};

void check_answer(const ParseInput& input, const Headers& headers) {
    std::uint8_t bytes[max_answer_bytes];
    const std::size_t length = build_reset(input, headers, bytes);
    require((length != 0) <= may_answer(input, headers), "what may not be answered is not answered");
    if (length == 0) return;
    Headers answer;
    parse({{bytes, length}, length, input.link}, answer);
    require(answer.refusal == Reason::none && answer.tcp.payload_length == 0, "an answer is well-formed");
    require(answer.source == headers.destination && answer.source_port == headers.destination_port &&
                answer.destination == headers.source && answer.destination_port == headers.source_port,
            "an answer goes back to where the segment came from");
    require(verify_transport(answer, std::span(bytes).first(length).subspan(answer.transport_offset)) ==
                ChecksumVerdict::good,
            "the checksum of an answer is right");
}

void check_checksums(const Headers& headers, std::span<const std::uint8_t> transport, unsigned piece_bytes) {
    const ChecksumVerdict whole = verify_transport(headers, transport);
    require(whole == fuzz::plain_verdict(headers, transport), "the checksum agrees with the plain one");
    TransportChecksum sum(headers, static_cast<std::uint32_t>(transport.size()));
    for (auto left = transport; !left.empty();) {
        const auto piece = left.first(std::min<std::size_t>(left.size(), 1 + piece_bytes));
        sum.add(piece);
        left = left.subspan(piece.size());
    }
    require(sum.verdict() == whole, "a checksum does not depend on the segments of the packet");
    if (whole == ChecksumVerdict::absent || headers.fragment.present) return;
    if (headers.protocol == udp && headers.udp_length != transport.size()) return;
    std::vector<std::uint8_t> copy(transport.begin(), transport.end());
    write_transport_checksum(headers, copy);
    require(verify_transport(headers, copy) == ChecksumVerdict::good, "a checksum written is right");
}

void check_quote(const ParseInput& input, const Headers& headers) {
    const Quote quote = parse_quote(input, headers);
    if (!quote.valid) return;
    require(quote.family == headers.family, "a quote is of the family of the error");
    require(quote.network_offset == headers.transport_offset + 8U, "a quote begins behind the ICMP header");
    require(quote.transport_offset >= quote.network_offset + (quote.family == Family::ipv4 ? 20U : 40U),
            "a quoted transport header lies behind its network header");
    require(quote.transport_offset + 8U <= input.bytes.size() &&
                quote.transport_offset + 8U <= headers.transport_offset + headers.transport_length,
            "eight quoted bytes are there, and not in the link padding");
}

void check_fields(const ParseInput& input, const Headers& headers) {
    const std::size_t end = std::size_t{headers.transport_offset} + headers.transport_length;
    require(headers.network_offset < headers.transport_offset && end <= input.frame_length,
            "headers follow one another inside the frame");
    require(headers.vlan_count <= 2, "at most two tags");
    if (headers.protocol == tcp && !is_later_fragment(headers)) {
        require(headers.tcp.header_length >= 20 && headers.tcp.header_length <= 60 &&
                    headers.tcp.header_length + headers.tcp.payload_length == headers.transport_length,
                "TCP header and payload make up the transport");
        require(headers.tcp.options.window_scale <= 14, "no shift over 14");
    }
    if (headers.family == Family::ipv4)
        for (std::size_t i = 4; i < 16; ++i)
            require(headers.source[i] == 0 && headers.destination[i] == 0, "IPv4 fills four bytes");
}

void check_frame(const ParseInput& input, unsigned piece_bytes, Fragments& fragments) {
    Headers headers;
    parse(input, headers);
    require(test::compare_plain(input, headers).differs == nullptr,
            "a plain packet is read as the parser reads it");
    if (input.bytes.size() > max_header_bytes) {
        Headers part;
        parse({input.bytes.first(max_header_bytes), input.frame_length, input.link}, part);
        require(headers == part, "the first segment is enough");
    }
    if (headers.refusal != Reason::none || headers.family == Family::none) return;
    check_fields(input, headers);
    if (headers.icmp_error) check_quote(input, headers);
    if (std::size_t{headers.transport_offset} + headers.transport_length <= input.bytes.size())
        check_checksums(headers, input.bytes.subspan(headers.transport_offset, headers.transport_length),
                        piece_bytes);
    check_answer(input, headers);
    if (headers.fragment.present) fragments.add(headers, static_cast<std::uint32_t>(input.frame_length));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    Fragments fragments;
    while (!input.empty()) {
        const std::uint8_t control = input.u8();
        const auto bytes = input.bytes(input.u16());
        // Of its exact size, so that the address sanitizer sees a read beyond it.
        const std::unique_ptr<std::uint8_t[]> frame(new std::uint8_t[bytes.size()]);
        std::copy(bytes.begin(), bytes.end(), frame.get());
        const auto link = static_cast<LinkLayer>((control & 7U) % 5);
        // Now and then a longer frame of which this is the first part, or a shorter one.
        const std::size_t frame_length = (control & 8U) != 0    ? bytes.size() + 1000
                                         : (control & 16U) != 0 ? bytes.size() / 2
                                                                : bytes.size();
        check_frame({{frame.get(), bytes.size()}, frame_length, link}, control >> 4, fragments);
        if ((control & 32U) != 0) fragments.pass_time(10 * ticks_per_second);
    }
    fragments.finish();
    return 0;
}

/// Half of the mutations are repaired: the lengths of one frame's headers are made to fit, so that what lies
/// behind them is reached.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 2 == 0) return size;
    unsigned skip = (seed >> 1) % 8;
    for (std::size_t at = 0; at + 3 < size;) {
        const std::size_t length =
            std::min<std::size_t>(std::size_t{data[at + 1]} << 8 | data[at + 2], size - at - 3);
        if (skip-- == 0) {
            fuzz::repair_frame({data + at + 3, length}, static_cast<LinkLayer>((data[at] & 7U) % 5));
            break;
        }
        at += 3 + length;
    }
    return size;
}
