// Generated conversations: senders that segment, retransmit and overlap as they please, a network that loses,
// copies and reorders on both sides of us, liars that throw in bytes of their own, and receivers that put
// together what reaches them. What a receiver has read must be what was scanned.
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <random>

#include "inspect/stream_bench.hpp"

namespace sluice::inspect {
namespace {

using testing::Direction;
using testing::Memory;
using testing::PlainScanner;

constexpr std::uint32_t window = 3000;
/// Of a conversation: where a liar was first, and what he said was lost, an honest sender is never heard.
constexpr unsigned most_steps = 3000;
const std::vector<std::string> patterns{"ab", "bca", "aabb", "cacbab", "bbbbbb", "abcabcab", "c"};

/// SLUICE_CONVERSATIONS=10000 for all of them.
unsigned conversations() {
    const char* const set = std::getenv("SLUICE_CONVERSATIONS");
    return set == nullptr ? 1000 : static_cast<unsigned>(std::strtoul(set, nullptr, 10));
}

/// A frame on its way: data of one direction, an acknowledgement of the other's.
struct Frame {
    Direction direction;
    std::uint32_t offset;
    std::string bytes;
    bool fin;
};

/// Reads what is in its window, the first copy of each byte, in order.
class Receiver {
  public:
    void take(const Frame& frame) {
        const std::uint32_t edge = next() + window;
        for (std::uint32_t i = 0; i < frame.bytes.size(); ++i) {
            const std::uint32_t at = frame.offset + i;
            if (at >= edge || at >= end_) break;
            if (at < text_.size()) continue;
            if (pending_.size() <= at) pending_.resize(at + 1);
            if (!pending_[at]) pending_[at] = frame.bytes[i];
        }
        const auto behind = frame.offset + static_cast<std::uint32_t>(frame.bytes.size());
        if (frame.fin && behind <= edge && behind >= next() && end_ == no_end) end_ = behind;
        if (pending_.size() > end_) pending_.resize(end_);
        while (text_.size() < pending_.size() && pending_[text_.size()]) text_ += *pending_[text_.size()];
    }
    [[nodiscard]] std::uint32_t next() const { return static_cast<std::uint32_t>(text_.size()); }
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    std::vector<std::optional<char>> pending_;
    std::string text_;
    static constexpr std::uint32_t no_end = 0xFFFFFFFFU;
    std::uint32_t end_ = no_end;  ///< where the FIN says that the data end
};

struct Weather {
    bool lossy_behind = false;  ///< segments are lost between us and the receiver
    bool liars = false;
};

/// Remembers how much had been scanned when a packet left.
struct Sink : testing::Recorder {
    const PlainScanner* scanner = nullptr;
    const std::vector<Frame>* packets = nullptr;
    bool all_must_be_scanned = false;
    unsigned left_unscanned = 0;

    void out(unsigned packet, Fate fate) {
        const Frame& frame = packets->at(packet);
        if (fate == Fate::pass && all_must_be_scanned &&
            frame.offset + frame.bytes.size() > scanner->text(frame.direction).size())
            ++left_unscanned;
        Recorder::out(packet, fate);
    }
};

class Conversation {
  public:
    Conversation(unsigned seed, const Terms& terms, const Weather& weather)
        : random_(seed),
          terms_(terms),
          weather_(weather),
          memory_(Streams::bytes_needed(limits())),
          scanner_(patterns),
          streams_(limits(), scanner_, memory_.span()),
          flow_(streams_.open(terms)) {
        for (const int side : {0, 1}) {
            data_[side].resize(random(6000));
            for (char& c : data_[side]) c = static_cast<char>('a' + random(3));
            isn_[side] = 0U - random(8000);
            streams_.begin(flow_, static_cast<Direction>(side), isn_[side]);
        }
        sink_.scanner = &scanner_;
        sink_.packets = &packets_;
        sink_.all_must_be_scanned = terms.blocking;
    }

    void run() {
        for (unsigned step = 0; step < most_steps && !over(); ++step) {
            const auto side = static_cast<int>(random(2));
            if (random(3) != 0) send(side);
            if (weather_.liars && random(8) == 0) lie(side);
            while (!network_.empty() && (network_.size() > 20 || random(2) == 0))
                carry(random(network_.size()));
            if (random(16) == 0) poll(1 + random(300));
        }
        while (!network_.empty()) carry(0);
        for (unsigned i = 0; i < 20; ++i) poll(100);
    }

    /// Everything arrived.
    [[nodiscard]] bool over() const {
        return receiver_[0].text().size() == data_[0].size() && receiver_[1].text().size() == data_[1].size();
    }

    /// Where nothing blocks, what found no room is missing from what was scanned.
    [[nodiscard]] bool is_exact() const { return terms_.blocking || count(Event::no_memory) == 0; }

    void check() const {
        EXPECT_EQ(sink_.left_unscanned, 0U);
        EXPECT_EQ(scanner_.misused, 0U);
        EXPECT_EQ(streams_.held(), 0U);
        for (const int side : {0, 1}) {
            const std::string scanned = scanner_.text(static_cast<Direction>(side));
            const std::string& read = receiver_[side].text();
            // Without loss behind us and without waiting they are one; else the receiver may lack the end.
            if (weather_.lossy_behind || terms_.blocking)
                EXPECT_TRUE(scanned.starts_with(read)) << "side " << side;
            else
                EXPECT_TRUE(scanned == read)
                    << "side " << side << ": " << scanned.size() << ", " << read.size();
            if (!weather_.liars) {
                EXPECT_TRUE(read == data_[side])
                    << "side " << side << ": " << read.size() << " bytes of " << data_[side].size();
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

    std::uint32_t random(std::size_t below) {
        return below == 0 ? 0 : static_cast<std::uint32_t>(random_() % below);
    }

    void send(int side) {
        const std::string& data = data_[side];
        const std::uint32_t acknowledged = acknowledged_[side];
        const auto edge =
            std::min<std::uint32_t>(acknowledged + window, static_cast<std::uint32_t>(data.size()));
        std::uint32_t from = sent_[side];
        if (random(3) == 0) {  // once more, or a part of it
            from = acknowledged;
            if (random(2) == 0 && from < sent_[side]) from += random(sent_[side] - from);
        }
        if (random(20) == 0) from = random(acknowledged + 1);  // something old
        const std::uint32_t length = std::min(1 + random(700), edge - std::min(from, edge));
        if (length == 0) return;
        const std::uint32_t end = from + length;
        sent_[side] = std::max(sent_[side], end);
        network_.push_back(
            {static_cast<Direction>(side), from, data.substr(from, length), end == data.size()});
        if (random(10) == 0) network_.push_back(network_.back());
    }

    /// Bytes that the sender never sent, anywhere near the window.
    void lie(int side) {
        const auto size = static_cast<std::uint32_t>(data_[side].size());
        const std::uint32_t middle = acknowledged_[side];
        const std::uint32_t offset = middle - std::min(middle, 500U) + random(window + 1000);
        if (offset >= size) return;
        std::string bytes(std::min(1 + random(400), size - offset), 'x');
        for (char& c : bytes) c = static_cast<char>('a' + random(3));
        network_.push_back({static_cast<Direction>(side), offset, bytes, false});
    }

    void carry(std::size_t which) {
        const Frame frame = network_[which];
        network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(which));
        if (random(8) == 0) return;  // lost before it reached us
        const auto side = static_cast<int>(frame.direction);
        StreamSegment segment;
        segment.sequence = isn_[side] + 1 + frame.offset;
        segment.payload = {reinterpret_cast<const std::uint8_t*>(frame.bytes.data()), frame.bytes.size()};
        segment.fin = frame.fin;
        segment.right_edge = isn_[side] + 1 + acknowledged_[side] + window;
        packets_.push_back(frame);
        streams_.begin_burst();
        streams_.segment(flow_, frame.direction, segment, static_cast<unsigned>(packets_.size() - 1), now_,
                         sink_);
        most_held_ = std::max(most_held_, streams_.held());
        deliver();
    }

    void poll(Tick passed) {
        now_ += passed;
        streams_.poll(now_, sink_);
        deliver();
    }

    /// What left goes on to its receiver, who acknowledges at once.
    void deliver() {
        for (; delivered_ < sink_.left.size(); ++delivered_) {
            const auto& left = sink_.left[delivered_];
            if (left.fate == Fate::drop) continue;
            const Frame& frame = packets_[left.packet];
            if (frame.bytes.empty()) continue;  // an acknowledgement
            const auto side = static_cast<int>(frame.direction);
            if (weather_.lossy_behind && random(8) == 0) continue;
            receiver_[side].take(frame);
            // A lost acknowledgement leaves us, and an honest sender, with an older window than a liar may
            // hit.
            if (!weather_.liars && random(4) == 0) continue;
            acknowledge(side);
        }
    }

    void acknowledge(int side) {
        const auto back = static_cast<Direction>(1 - side);
        StreamSegment segment;
        segment.sequence = isn_[1 - side] + 1;
        segment.has_acknowledgement = true;
        acknowledged_[side] = receiver_[side].next();
        segment.acknowledgement = isn_[side] + 1 + acknowledged_[side];
        packets_.push_back({back, 0, "", false});
        streams_.segment(flow_, back, segment, static_cast<unsigned>(packets_.size() - 1), now_, sink_);
    }

    std::mt19937 random_;
    Terms terms_;
    Weather weather_;
    Memory memory_;
    PlainScanner scanner_;
    Streams streams_;
    FlowNumber flow_;
    Sink sink_;
    std::vector<Frame> network_, packets_;
    std::size_t delivered_ = 0;
    std::string data_[2];
    std::uint32_t isn_[2], sent_[2] = {}, acknowledged_[2] = {};
    Receiver receiver_[2];
    std::uint32_t most_held_ = 0;
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
        conversation.run();
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
