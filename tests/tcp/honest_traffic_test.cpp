// The promise that counts most: no segment of a conversation between two correct TCP stacks is refused,
// whatever the network does to it while the flow is in the table; and few are merely tolerated.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <iostream>
#include <sstream>

#include "../support/engine_backend.hpp"
#include "../support/honest_network.hpp"

namespace sluice::test {
namespace {

struct Tally {
    std::size_t segments = 0, tolerated = 0, refused = 0;
    std::map<std::string, std::size_t> reasons;
};

std::string describe(End from, const tcp::Segment& s, double now, const Observation& seen) {
    std::ostringstream out;
    out << now << (from == End::a ? " A>B " : " B>A ");
    for (const auto& [bit, letter] :
         {std::pair{tcp::syn, 'S'}, {tcp::fin, 'F'}, {tcp::rst, 'R'}, {tcp::ack, 'A'}})
        if ((s.flags & bit) != 0) out << letter;
    out << " seq " << s.sequence << " ack " << s.acknowledgement << " len " << s.payload_length << " win "
        << s.window;
    if (s.has_sack) out << " sack " << s.sack_highest;
    out << " -> ";
    if (seen.pair)
        out << tcp::name_of(tcp::text_of(*seen.pair).originator) << ","
            << tcp::name_of(tcp::text_of(*seen.pair).responder) << " ";
    out << text_of(seen.reason).name;
    return out.str();
}

/// A conversation through the engine. `blind_ms`: the tracker looks only from then on.
class Watched {
  public:
    Watched(tcp::Settings settings, double blind_ms) : blind_ms_(blind_ms) { backend_.reset(settings); }

    bool see(End from, const tcp::Segment& segment, double now, Tally& tally) {
        if (now < blind_ms_) return true;
        ScriptSegment scripted;
        scripted.tcp = segment;
        const Observation seen = backend_.send(from, scripted, now / 1000);
        if (!last_.pair) originator_ = from;
        last_ = seen;
        log_.push_back(describe(from, segment, now, seen));
        if (log_.size() > 60) log_.pop_front();
        ++tally.segments;
        const bool without_flow = !seen.pair;
        if (seen.outcome == Outcome::tolerated && seen.reason != Reason::after_close) {
            ++tally.tolerated;
            ++tally.reasons[std::string(text_of(seen.reason).name)];
        }
        if (seen.outcome != Outcome::refused || without_flow) return true;
        ++tally.refused;
        return false;
    }

    [[nodiscard]] std::string log() const {
        std::string out;
        for (const std::string& line : log_) out += line + "\n";
        return out;
    }
    [[nodiscard]] const Observation& last() const { return last_; }
    [[nodiscard]] End originator() const { return originator_; }

  private:
    EngineBackend backend_;
    double blind_ms_;
    std::deque<std::string> log_;
    Observation last_;
    End originator_ = End::a;
};

std::uint64_t first_seed() {
    const char* from = std::getenv("SLUICE_SEED");
    return from != nullptr ? std::strtoull(from, nullptr, 10) : 1;
}
std::uint64_t conversations(std::uint64_t usual) {
    const char* from = std::getenv("SLUICE_CONVERSATIONS");
    return from != nullptr ? std::strtoull(from, nullptr, 10) : usual;
}

tcp::Settings settings_with(bool loose) {
    tcp::Settings settings;
    settings.loose = loose;
    return settings;
}

void report(const Tally& tally) {
    std::cout << tally.segments << " segments, " << tally.tolerated << " tolerated";
    for (const auto& [reason, count] : tally.reasons) std::cout << ", " << reason << " " << count;
    std::cout << "\n";
}

TEST(HonestTraffic, OnABadNetworkNothingIsRefusedAndOnePercentTolerated) {
    Tally tally;
    for (std::uint64_t seed = first_seed(); seed < first_seed() + conversations(2500); ++seed) {
        Random random(seed);
        const ConversationPlan plan = draw_plan(random, false);
        Watched watched(settings_with(false), 0);
        converse(plan, random, [&](End from, const tcp::Segment& segment, double now) {
            return watched.see(from, segment, now, tally);
        });
        ASSERT_EQ(tally.refused, 0U) << "seed " << seed << "\n" << plan.describe() << "\n" << watched.log();
    }
    report(tally);
    EXPECT_LE(tally.tolerated * 100, tally.segments);
}

TEST(HonestTraffic, OnAPerfectNetworkNothingIsToleratedAndThePairIsThatOfTheEndpoints) {
    Tally tally;
    for (std::uint64_t seed = first_seed(); seed < first_seed() + conversations(1500); ++seed) {
        Random random(seed);
        const ConversationPlan plan = draw_plan(random, true);
        Watched watched(settings_with(false), 0);
        bool agrees = true;
        std::string stand;
        converse(
            plan, random,
            [&](End from, const tcp::Segment& segment, double now) {
                return watched.see(from, segment, now, tally) && tally.tolerated == 0;
            },
            [&](tcp::EndpointState a, tcp::EndpointState b) {
                if (!watched.last().pair) return true;
                const tcp::PairText& pair = tcp::text_of(*watched.last().pair);
                const bool reset = pair.originator == tcp::EndpointState::closed;
                if (watched.originator() == End::b) std::swap(a, b);
                const bool expired = a == tcp::EndpointState::closed || b == tcp::EndpointState::closed;
                agrees = reset || expired || (pair.originator == a && pair.responder == b);
                stand = std::string(tcp::name_of(a)) + "," + std::string(tcp::name_of(b));
                return agrees;
            });
        ASSERT_EQ(tally.refused + tally.tolerated, 0U) << "seed " << seed << "\n"
                                                       << plan.describe() << "\n"
                                                       << watched.log();
        ASSERT_TRUE(agrees) << "endpoints stand at " << stand << ", seed " << seed << "\n"
                            << plan.describe() << "\n"
                            << watched.log();
    }
    report(tally);
}

TEST(HonestTraffic, PickedUpInMidStreamNothingIsRefused) {
    Tally tally;
    for (std::uint64_t seed = first_seed(); seed < first_seed() + conversations(1500); ++seed) {
        Random random(seed);
        ConversationPlan plan = draw_plan(random, false);
        plan.redials = 0;
        Watched watched(settings_with(true), 30 + static_cast<double>(random() % 400));
        converse(plan, random, [&](End from, const tcp::Segment& segment, double now) {
            return watched.see(from, segment, now, tally);
        });
        ASSERT_EQ(tally.refused, 0U) << "seed " << seed << "\n" << plan.describe() << "\n" << watched.log();
    }
    report(tally);
}

}  // namespace
}  // namespace sluice::test
