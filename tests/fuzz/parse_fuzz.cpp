// libFuzzer target: the parser, quotes, TCP options, checksums, answers and the fragment table over arbitrary
// bytes. The input is a list of frames, so that fragments meet: a control byte (link layer, cut, clock), a
// length byte, the frame. What must hold for any input is checked and aborts.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "sluice/packet/build.hpp"
#include "sluice/packet/checksum.hpp"
#include "sluice/packet/fragments.hpp"
#include "sluice/packet/parse.hpp"

namespace {

using namespace sluice;
using namespace sluice::packet;

void require(bool holds) {
    if (!holds) std::abort();
}

// The whole life of a fragment table: counts how often each handle leaves.
class Fragments {
  public:
    auto drop() {
        return [this](std::uint32_t handle, Reason) { ++left_[handle]; };
    }
    void add(const Headers& headers, std::uint32_t frame_bytes) {
        const auto handle = static_cast<std::uint32_t>(left_.size());
        left_.push_back(0);
        const auto decision = table_.add({headers, 0, 0, frame_bytes, handle}, now_, drop());
        if (decision.kind != FragmentDecision<std::uint32_t>::Kind::complete) return;
        require(decision.first < decision.packets.size());
        for (const std::uint32_t one : decision.packets) ++left_[one];
    }
    void pass_time(Tick ticks) {
        now_ += ticks;
        table_.expire(now_, max_fragments, drop());
    }
    void finish() {
        table_.clear(Reason::fragment_timeout, drop());
        require(table_.packets() == 0 && table_.bytes() == 0 && table_.datagrams() == 0);
        for (const int times : left_) require(times == 1);
    }

  private:
    using Table = FragmentTable<std::uint32_t>;
    struct Free {
        void operator()(std::byte* bytes) const { operator delete[](bytes, std::align_val_t{64}); }
    };
    static constexpr FragmentLimits limits{.datagrams = 4, .packets = 64, .bytes = 65536};

    std::vector<int> left_;
    std::unique_ptr<std::byte[], Free> arena_{new (std::align_val_t{64})
                                                  std::byte[Table::bytes_needed(limits)]};
    Table table_ = std::move(*Table::create(limits, {arena_.get(), Table::bytes_needed(limits)}));
    Tick now_ = 0;
};

void check_answer(const ParseInput& input, const Headers& headers) {
    std::uint8_t bytes[max_answer_bytes];
    const std::size_t length = build_reset(input, headers, bytes);
    if (length == 0) return;
    Headers answer;
    parse({{bytes, length}, length, input.link}, answer);
    require(answer.refusal == Reason::none && answer.tcp.payload_length == 0);
    require(answer.source == headers.destination && answer.source_port == headers.destination_port);
    require(verify_transport(answer, std::span(bytes).first(length).subspan(answer.transport_offset)) ==
            ChecksumVerdict::good);
}

void check_frame(const ParseInput& input, Fragments& fragments) {
    Headers headers, general;
    parse(input, headers);
    parse_general(input, general);
    require(headers == general);
    if (headers.refusal != Reason::none || headers.family == Family::none) return;
    require(std::size_t{headers.transport_offset} + headers.transport_length <= input.frame_length);
    if (headers.icmp_error) (void)parse_quote(input, headers);
    if (headers.transport_offset <= input.bytes.size()) {
        const auto transport = input.bytes.subspan(headers.transport_offset);
        if (headers.transport_length <= transport.size()) {
            (void)verify_transport(headers, transport.first(headers.transport_length));
        }
    }
    check_answer(input, headers);
    if (headers.fragment.present) fragments.add(headers, static_cast<std::uint32_t>(input.frame_length));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::span<const std::uint8_t> left(data, size);
    Fragments fragments;
    while (left.size() >= 2) {
        const std::uint8_t control = left[0];
        const std::size_t length = std::min<std::size_t>(left[1], left.size() - 2);
        // Of its exact size, so that the address sanitizer sees a read beyond it.
        const std::unique_ptr<std::uint8_t[]> frame(new std::uint8_t[length]);
        if (length != 0) std::memcpy(frame.get(), &left[2], length);
        left = left.subspan(2 + length);
        const auto link = static_cast<LinkLayer>((control & 7U) % 5);
        // Now and then a longer frame of which this is the first part, or a shorter one.
        const std::size_t frame_length = (control & 8U) != 0    ? length + 1000
                                         : (control & 16U) != 0 ? length / 2
                                                                : length;
        check_frame({{frame.get(), length}, frame_length, link}, fragments);
        (void)parse_tcp_options(
            std::span<const std::uint8_t>(frame.get(), std::min<std::size_t>(length, 40)));
        if ((control & 32U) != 0) fragments.pass_time(10 * ticks_per_second);
    }
    fragments.finish();
    return 0;
}
