// Generated conversations through the tracker, held against the plainest of readers: put together whole what
// a receiver has read, then look for each pattern in it.
#include <gtest/gtest.h>

#include <unordered_map>

#include "inspect/talk.hpp"
#include "inspected_box.hpp"

namespace sluice::test {
namespace {

using inspect::testing::conversations;
using inspect::testing::Frame;
using inspect::testing::Weather;
using policy::SignatureAction;

const std::vector<std::string> patterns{"ab", "bca", "aabb", "cacbab", "bbbbbb", "abcabcab", "cccccccc"};

struct Case {
    const char* name;
    inspect::Terms terms;
    Weather weather;
    SignatureAction rare;  ///< what the last two patterns ask for
};

std::shared_ptr<const inspect::Database> database_for(SignatureAction rare) {
    auto all = signatures(patterns);
    for (std::size_t i = patterns.size() - 2; i < patterns.size(); ++i) all[i].action = rare;
    return database_of(std::move(all));
}

/// Other connections, which have a word to say with each packet: so many are judged together.
constexpr unsigned company = 3;

pipeline::Limits limits() {
    pipeline::Limits out = InspectedBox::small_limits();
    out.ipv4_flows = out.ipv6_flows = 16;
    out.inspection.flows = 1 + company;
    out.inspection.chunks_per_direction = 8;
    out.inspection.held_packets = 40;
    out.inspection.held_per_direction = 20;
    out.inspection.burst_bytes = 2000;
    return out;
}

class ThroughTracker : public inspect::testing::Talk {
  public:
    ThroughTracker(unsigned seed, const Case& one, std::shared_ptr<const inspect::Database> database)
        : Talk(seed, one.weather),
          has_company_(seed % 2 != 0),
          terms_(one.terms),
          box_(std::move(database), one.terms, limits()) {
        if (has_company_)
            for (unsigned i = 1; i <= company; ++i) box_.open(static_cast<std::uint16_t>(i));
        feed(from(0).flags(packet::syn), 0);
        feed(from(1).acknowledgement(isn(0) + 1).flags(packet::syn | packet::ack), 1);
        feed(from(0).sequence(isn(0) + 1).acknowledgement(isn(1) + 1).flags(packet::ack), 0);
        box_.left.clear();
    }

    /// Where nothing blocks, what found no room is missing from what was read.
    [[nodiscard]] bool is_exact() { return terms_.blocking || box_.count(inspect::Event::no_memory) == 0; }
    void check() {
        box_.poll();
        const auto alerts = box_.alerts();
        for (const int side : {0, 1})
            for (std::size_t i = 0; i < patterns.size(); ++i) {
                const std::size_t at = read(side).find(patterns[i]);
                std::vector<std::uint64_t> ends;
                for (const auto& alert : alerts)
                    if (alert.signature == i && static_cast<int>(alert.direction) == side &&
                        // What never reached the receiver may have been read.
                        (alert.position <= read(side).size()))
                        ends.push_back(alert.position);
                blocked += std::count_if(alerts.begin(), alerts.end(), [](const auto& alert) {
                               return alert.done == SignatureAction::drop;
                           }) != 0;
                const std::vector<std::uint64_t> expected =
                    at == std::string::npos ? std::vector<std::uint64_t>{}
                                            : std::vector<std::uint64_t>{at + patterns[i].size()};
                EXPECT_EQ(ends, expected) << "pattern " << patterns[i] << ", side " << side;
            }
        EXPECT_EQ(box_.counted().held.read(), 0U);
        if (!weather().liars && blocked == 0)
            for (const int side : {0, 1}) {
                EXPECT_TRUE(read(side) == sent(side)) << "side " << side;
            }
    }
    /// Whether a pattern that is to be dropped got through.
    [[nodiscard]] bool leaks() const {
        for (const int side : {0, 1})
            for (std::size_t i = patterns.size() - 2; i < patterns.size(); ++i)
                if (read(side).find(patterns[i]) != std::string::npos) return true;
        return false;
    }
    std::uint64_t blocked = 0;

  private:
    [[nodiscard]] PacketBuilder from(int side) const {
        return box_.from(static_cast<Direction>(side))
            .sequence(isn(side))
            .window(static_cast<std::uint16_t>(inspect::testing::window));
    }
    /// The number that the box gives it.
    std::uint64_t feed(const PacketBuilder& packet, int side) {
        const auto direction = static_cast<Direction>(side);
        std::vector<Bytes> frames{packet.build()};
        if (has_company_)
            for (unsigned i = 1; i <= company; ++i)
                frames.push_back(box_.data(0, "", 0, direction, static_cast<std::uint16_t>(i)).build());
        return box_.burst(frames, direction);
    }
    void arrives(unsigned number, const Frame& frame) override {
        const auto side = static_cast<int>(frame.direction);
        const std::uint64_t given =
            feed(from(side)
                     .sequence(isn(side) + 1 + (frame.bytes.empty() ? sent_so_far(side) : frame.offset))
                     .acknowledgement(isn(1 - side) + 1 + acknowledged(1 - side))
                     .flags(unsigned{packet::ack} | (frame.fin ? unsigned{packet::fin} : 0U))
                     .payload(InspectedBox::bytes(frame.bytes)),
                 side);
        numbers_.emplace(given, number);
        take();
    }
    void polls(Tick passed) override {
        box_.poll(passed);
        take();
    }
    void take() {
        for (const auto& gone : box_.left) {
            if (const auto known = numbers_.find(gone.number); known != numbers_.end()) leaves(known->second);
        }
        box_.left.clear();
        box_.dropped.clear();
    }

    bool has_company_;
    inspect::Terms terms_;
    InspectedBox box_;
    std::unordered_map<std::uint64_t, unsigned> numbers_;  ///< of the box: the conversation's
};

class Conversations : public testing::TestWithParam<Case> {};

TEST_P(Conversations, AreReadAsTheirReceiversReadThem) {
    constexpr unsigned most_steps = 1000;
    const Case& one = GetParam();
    const auto database = database_for(one.rare);
    const bool drops = one.terms.blocking && one.rare == SignatureAction::drop;
    unsigned exact = 0;
    std::uint64_t blocked = 0;
    for (unsigned seed = 0; seed < conversations() && !HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        ThroughTracker conversation(seed, one, database);
        conversation.run(most_steps);
        if (!conversation.is_exact()) continue;
        ++exact;
        EXPECT_FALSE(drops && conversation.leaks());
        conversation.check();
        blocked += conversation.blocked != 0;
    }
    EXPECT_GE(exact, conversations() * 95 / 100);
    EXPECT_EQ(blocked != 0, drops);
}

INSTANTIATE_TEST_SUITE_P(
    Of, Conversations,
    testing::Values(
        Case{"HonestOnesAlerting", alerting, {}, SignatureAction::alert},
        Case{"HonestOnesBlocking", blocking, {}, SignatureAction::alert},
        Case{"HonestOnesDropping", blocking, {.lossy_behind = true}, SignatureAction::drop},
        Case{"LiarsAlerting", alerting, {.liars = true}, SignatureAction::alert},
        Case{"LiarsDropping", blocking, {.lossy_behind = true, .liars = true}, SignatureAction::drop}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace sluice::test
