// What a benchmark is held against before it is timed: the plain tracker of the tests (one packet at a time,
// flows in a std::map), which sees all packets of some of the flows and must decide the same of each.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "fuzz/plain_tracker.hpp"
#include "sluice/pipeline/verdict.hpp"

namespace sluice::bench {

class PlainJudge {
  public:
    /// Of `flows` flows, every so many that about 20,000 are followed.
    PlainJudge(const pipeline::Settings& settings, std::uint64_t flows)
        : tracker_(settings), stride_(flows / 20'000 + 1) {}

    [[nodiscard]] bool follows(std::uint64_t flow) const { return flow % stride_ == 0; }

    /// Throws when the decision on this packet is another than the plain tracker's. Each packet of a flow
    /// that is followed must come here, in order.
    void hold_against(const pipeline::Decision& decision, std::span<const std::uint8_t> frame,
                      pipeline::ChecksumState checksum, Tick now) {
        compare(decision, {.bytes = frame, .checksum = checksum}, now);
    }
    /// The same of a datagram put together again, of which nobody has looked at the checksum.
    void hold_against(const pipeline::Decision& decision, std::span<const std::uint8_t> datagram, Tick now) {
        constexpr std::size_t any = 1;  // of the first fragment: only ICMP errors are known by it
        compare(decision, {.bytes = datagram, .first_fragment_transport = any}, now);
    }
    [[nodiscard]] std::uint64_t compared() const { return compared_; }

  private:
    void compare(const pipeline::Decision& decision, const fuzz::PlainPacket& packet, Tick now) {
        const fuzz::PlainDecision plain = tracker_.judge(packet, now);
        ++compared_;
        if (decision.action == plain.action && decision.state == plain.state &&
            decision.reason == plain.reason && decision.direction == plain.direction &&
            (decision.flow != flow::no_ref) == plain.has_flow)
            return;
        throw std::runtime_error("packet " + std::to_string(compared_) +
                                 " of those compared is decided otherwise than by the plain tracker: " +
                                 words(decision.state, decision.reason) + " instead of " +
                                 words(plain.state, plain.reason));
    }
    static std::string words(pipeline::CtState state, Reason reason) {
        return std::string(name_of(state)) + ", " + std::string(text_of(reason).name);
    }
    fuzz::PlainTracker tracker_;
    std::uint64_t stride_;
    std::uint64_t compared_ = 0;
};

}  // namespace sluice::bench
