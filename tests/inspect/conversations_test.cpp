// Generated conversations through Reassembly: what a receiver has read must be what was scanned.
#include <gtest/gtest.h>

#include "inspect/stream_bench.hpp"
#include "inspect/talk.hpp"

namespace sluice::inspect {
namespace {

using testing::conversations;
using testing::Direction;
using testing::Frame;
using testing::Memory;
using testing::PlainScanner;
using testing::Weather;

constexpr unsigned most_steps = 3000;
const std::vector<std::string> patterns{"ab", "bca", "aabb", "cacbab", "bbbbbb", "abcabcab", "c"};

class Conversation : public testing::Talk {
  public:
    Conversation(unsigned seed, const Terms& terms, const Weather& weather)
        : Talk(seed, weather),
          terms_(terms),
          memory_(Streams::bytes_needed(limits())),
          scanner_(patterns),
          streams_(limits(), scanner_, memory_.span()),
          flow_(streams_.open(terms)),
          sink_(*this) {
        for (const int side : {0, 1}) streams_.begin(flow_, static_cast<Direction>(side), isn(side));
    }

    /// Where nothing blocks, what found no room is missing from what was scanned.
    [[nodiscard]] bool is_exact() const { return terms_.blocking || count(Event::no_memory) == 0; }

    void check() const {
        EXPECT_EQ(left_unscanned_, 0U);
        EXPECT_EQ(scanner_.misused, 0U);
        EXPECT_EQ(streams_.held(), 0U);
        for (const int side : {0, 1}) {
            const std::string scanned = scanner_.text(static_cast<Direction>(side));
            // Without loss behind us and without waiting they are one; else the receiver may lack the end.
            if (weather().lossy_behind || terms_.blocking)
                EXPECT_TRUE(scanned.starts_with(read(side))) << "side " << side;
            else
                EXPECT_TRUE(scanned == read(side))
                    << "side " << side << ": " << scanned.size() << ", " << read(side).size();
            if (!weather().liars) {
                EXPECT_TRUE(read(side) == sent(side))
                    << "side " << side << ": " << read(side).size() << " bytes of " << sent(side).size();
                EXPECT_EQ(count(Event::differing), 0U);
            }
            for (std::uint32_t i = 0; i < patterns.size(); ++i)
                EXPECT_EQ(ends_of(side, i), expected(scanned, i));
        }
    }
    [[nodiscard]] std::uint64_t count(Event event) const { return streams_.count(event); }
    [[nodiscard]] std::uint32_t most_held() const { return most_held_; }

  private:
    using Streams = Reassembly<unsigned, PlainScanner>;
    /// Notes what leaves before it was scanned.
    struct Sink : testing::Recorder {
        explicit Sink(Conversation& owner) : of(owner) {}
        void out(unsigned packet, Fate fate) {
            if (fate == Fate::drop) return;
            const Frame& frame = of.frame(packet);
            if (of.terms_.blocking &&
                frame.offset + frame.bytes.size() > of.scanner_.text(frame.direction).size())
                ++of.left_unscanned_;
            of.leaves(packet);
        }
        Conversation& of;
    };

    static ReassemblyLimits limits() {
        ReassemblyLimits limits;
        limits.flows = 1;
        limits.chunks = 64;
        limits.chunks_per_direction = 8;
        limits.held_packets = 40;
        limits.held_per_direction = 20;
        limits.burst_bytes = 2000;
        return limits;
    }
    /// Where a pattern was found; where it should have been, scanning the whole.
    [[nodiscard]] std::vector<std::uint64_t> ends_of(int side, std::uint32_t pattern) const {
        std::vector<std::uint64_t> ends;
        for (const auto& match : sink_.matches)
            if (match.signature == pattern && static_cast<int>(match.direction) == side)
                ends.push_back(match.end);
        return ends;
    }
    [[nodiscard]] static std::vector<std::uint64_t> expected(const std::string& whole,
                                                             std::uint32_t pattern) {
        const std::size_t at = whole.find(patterns[pattern]);
        if (at == std::string::npos) return {};
        return {at + patterns[pattern].size()};
    }

    void arrives(unsigned number, const Frame& frame) override {
        const auto side = static_cast<int>(frame.direction);
        StreamSegment segment;
        segment.sequence = isn(side) + 1 + frame.offset;
        segment.payload = {reinterpret_cast<const std::uint8_t*>(frame.bytes.data()), frame.bytes.size()};
        segment.fin = frame.fin;
        segment.right_edge = isn(side) + 1 + acknowledged(side) + testing::window;
        if (frame.bytes.empty()) {
            segment.has_acknowledgement = true;
            segment.acknowledgement = isn(1 - side) + 1 + acknowledged(1 - side);
        } else {
            streams_.begin_burst();
        }
        // The short way and the long one, in turn.
        if (number % 2 == 0 && streams_.pass_next(flow_, frame.direction, segment, sink_))
            sink_.out(number, Fate::pass);
        else
            streams_.segment(flow_, frame.direction, segment, number, now_, sink_);
        most_held_ = std::max(most_held_, streams_.held());
    }
    void polls(Tick passed) override {
        now_ += passed;
        streams_.poll(now_, sink_);
    }

    Terms terms_;
    Memory memory_;
    PlainScanner scanner_;
    Streams streams_;
    FlowNumber flow_;
    Sink sink_;
    std::uint32_t most_held_ = 0;
    unsigned left_unscanned_ = 0;
    Tick now_ = 0;
};

struct Case {
    const char* name;
    Terms terms;
    Weather weather;
};

class Conversations : public ::testing::TestWithParam<Case> {};

TEST_P(Conversations, AreScannedAsTheirReceiversReadThem) {
    const auto& [name, terms, weather] = GetParam();
    unsigned exact = 0, held = 0;
    std::uint64_t differing = 0;
    for (unsigned seed = 0; seed < conversations() && !HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        Conversation conversation(seed, terms, weather);
        conversation.run(most_steps);
        held += conversation.most_held() != 0;
        differing += conversation.count(Event::differing);
        if (!conversation.is_exact()) continue;
        ++exact;
        conversation.check();
    }
    EXPECT_GE(exact, conversations() * 95 / 100);
    // It is a test of something only if what it is about happened.
    EXPECT_EQ(held != 0, terms.blocking);
    EXPECT_EQ(differing != 0, weather.liars);
}

INSTANTIATE_TEST_SUITE_P(
    Of, Conversations,
    ::testing::Values(
        Case{"HonestOnesAlerting", testing::alerting, {}}, Case{"HonestOnesBlocking", testing::blocking, {}},
        Case{"HonestOnesAlertingLossBehind", testing::alerting, {.lossy_behind = true}},
        Case{"HonestOnesBlockingLossBehind", testing::blocking, {.lossy_behind = true}},
        Case{"LiarsAlerting", testing::alerting, {.liars = true}},
        Case{"LiarsBlocking", testing::blocking, {.liars = true}},
        Case{"LiarsBlockingLossBehind", testing::blocking, {.lossy_behind = true, .liars = true}}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace sluice::inspect
