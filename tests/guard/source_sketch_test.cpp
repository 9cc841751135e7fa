// The sketch of sources against exact counts, its windows and the table of loud ones; the estimate of how
// many sources there were.
#include "sluice/guard/source_sketch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "flood_world.hpp"
#include "sluice/guard/distinct_sources.hpp"

namespace sluice::guard::test {
namespace {

constexpr flow::Secret secret{{0x0123'4567'89AB'CDEF, 2, 3, 0xFEDC'BA98'7654'3210}};

Source host(std::uint32_t number) {
    return {Source::ipv4 | number};
}

struct Sketch {
    explicit Sketch(Tick start = 0) : sketch(std::make_unique<SourceSketch>(secret, start)) {}
    void syn(Source source, unsigned times = 1, std::uint16_t service = 1) {
        for (unsigned i = 0; i < times; ++i) sketch->count_syn(source, sketch->hash(source), service);
    }
    void completed(Source source, unsigned times = 1) {
        for (unsigned i = 0; i < times; ++i) sketch->count_completed(source, sketch->hash(source));
    }
    [[nodiscard]] std::vector<LoudSource> loud() const {
        std::array<LoudSource, SourceSketch::most_loud> out;
        const unsigned count = sketch->loud(out);
        std::sort(out.begin(), out.begin() + count, [](const LoudSource& a, const LoudSource& b) {
            return a.count.unfinished() > b.count.unfinished();
        });
        return {out.begin(), out.begin() + count};
    }
    std::unique_ptr<SourceSketch> sketch;
};

TEST(Source, AHostOverIpv4AndA64OverIpv6AreOneEach) {
    const std::array<std::uint8_t, 4> v4{192, 0, 2, 1};
    const Address address = Address::ipv4(v4.data());
    EXPECT_TRUE(address.is_ipv4());
    EXPECT_EQ(Source::of(address).word, 0xFFFF'FFFF'C000'0201U);
    EXPECT_TRUE(Source::of(address).is_ipv4());
    std::array<std::uint8_t, 16> v6{0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 7, 1};
    const Source first = Source::of(Address::ipv6(v6.data()));
    EXPECT_EQ(first.word, 0x2001'0DB8'0000'0007U);
    EXPECT_FALSE(first.is_ipv4());
    v6[15] = 9;
    EXPECT_EQ(Source::of(Address::ipv6(v6.data())), first);
    v6[7] = 8;
    EXPECT_FALSE(Source::of(Address::ipv6(v6.data())) == first);
}

TEST(SourceSketch, CountsOneSourceExactly) {
    Sketch of;
    of.syn(host(1), 300);
    of.completed(host(1), 100);
    const SourceCount count = of.sketch->estimate(host(1));
    EXPECT_EQ(count.syns, 300U);
    EXPECT_EQ(count.completed, 100U);
    EXPECT_EQ(count.unfinished(), 200U);
    EXPECT_EQ(of.sketch->estimate(host(2)).syns, 0U);
    EXPECT_EQ(of.sketch->total(), 300U);
    EXPECT_EQ((SourceCount{1, 2}).unfinished(), 0U) << "never below nothing";
}

// eps = e / width, delta = e^-rows: of all sources at most delta are overestimated by more than eps N, and
// none is underestimated. A skewed crowd: a few send much, most send one.
TEST(SourceSketch, ErrsNoMoreThanItsBoundsAllow) {
    Sketch of;
    Random random(7);
    std::unordered_map<std::uint64_t, std::uint32_t> truth;
    constexpr unsigned syns = 200'000;
    for (unsigned i = 0; i < syns; ++i) {
        const auto which = static_cast<std::uint32_t>(1'000'000 * std::pow(random.share(), 4));
        of.syn(host(which));
        ++truth[host(which).word];
    }
    const double eps = std::exp(1.0) / SourceSketch::width;
    const double delta = std::exp(-double{SourceSketch::rows});
    unsigned beyond = 0;
    double error = 0;
    for (const auto& [word, count] : truth) {
        const std::uint32_t estimate = of.sketch->estimate({word}).syns;
        ASSERT_GE(estimate, count);
        if (estimate - count > eps * syns) ++beyond;
        error += estimate - count;
    }
    EXPECT_LE(beyond, delta * static_cast<double>(truth.size()));
    RecordProperty("mean_error_of_N", std::to_string(error / static_cast<double>(truth.size()) / syns));
    // What conservative update is for: the plain sketch errs by about N / width.
    EXPECT_LE(error / static_cast<double>(truth.size()), 0.45 * syns / SourceSketch::width);
}

TEST(SourceSketch, SpoofedSourcesLeaveFarLessThanTheBoundInEachCell) {
    Sketch of;
    Random random(11);
    constexpr unsigned syns = 400'000;
    for (unsigned i = 0; i < syns; ++i) of.syn({Source::ipv4 | random.next() >> 32});
    double sum = 0;
    for (unsigned i = 0; i < 1'000; ++i) sum += of.sketch->estimate(Source{random.next() >> 4}).syns;
    const double of_each = syns / (sum / 1'000);
    RecordProperty("syns_per_unit_of_noise", std::to_string(of_each));
    EXPECT_GT(of_each, 8'500) << "what the header says: about N / 9,000";
    EXPECT_TRUE(of.loud().empty()) << "and nobody is written down for it";
}

TEST(SourceSketch, CompanyOfTheSameCellsDependsOnTheSecret) {
    const auto one = std::make_unique<SourceSketch>(flow::Secret{{1, 2, 3, 4}}, 0);
    const auto other = std::make_unique<SourceSketch>(flow::Secret{{1, 2, 3, 5}}, 0);
    unsigned alike = 0;
    for (std::uint32_t i = 0; i < 4'096; ++i)
        alike +=
            one->hash(host(i)) % SourceSketch::width == other->hash(host(i)) % SourceSketch::width ? 1 : 0;
    EXPECT_LE(alike, 8U) << "as by chance";
}

TEST(SourceSketch, CountsSaturate) {
    Sketch of;
    of.syn(host(1), 70'000);
    EXPECT_EQ(of.sketch->estimate(host(1)).syns, 65'535U);
    of.sketch->advance(SourceSketch::window);
    of.syn(host(1), 70'000);
    EXPECT_EQ(of.sketch->estimate(host(1)).syns, 131'070U);
    ASSERT_EQ(of.loud().size(), 1U);
    EXPECT_EQ(of.loud()[0].count.syns, 131'070U);
    EXPECT_EQ(of.loud()[0].service, 1U);
}

TEST(SourceSketch, CountsCoverBetweenOneAndTwoWindows) {
    constexpr Tick start = static_cast<Tick>(-700);  // the clock wraps meanwhile
    Sketch of(start);
    const Tick window = SourceSketch::window;
    EXPECT_EQ(of.sketch->covers(start + 300), 300U);
    of.syn(host(1), 10);
    of.sketch->advance(start + window - 1);
    EXPECT_EQ(of.sketch->estimate(host(1)).syns, 10U);
    of.sketch->advance(start + window);
    of.syn(host(1), 5);
    EXPECT_EQ(of.sketch->estimate(host(1)).syns, 15U);
    EXPECT_EQ(of.sketch->total(), 15U);
    EXPECT_EQ(of.sketch->covers(start + window + 300), window + 300U);
    of.sketch->advance(start + 2 * window);
    EXPECT_EQ(of.sketch->estimate(host(1)).syns, 5U) << "the first window is forgotten";
    EXPECT_EQ(of.sketch->covers(start + 2 * window), window);
    of.sketch->advance(start + 3 * window);
    EXPECT_EQ(of.sketch->estimate(host(1)).syns, 0U);
}

TEST(SourceSketch, ALongPauseForgetsAll) {
    Sketch of;
    of.syn(host(1), 100);
    EXPECT_EQ(of.loud().size(), 1U);
    of.sketch->advance(3 * SourceSketch::window);
    EXPECT_EQ(of.sketch->estimate(host(1)).syns, 0U);
    EXPECT_EQ(of.sketch->total(), 0U);
    EXPECT_TRUE(of.loud().empty());
    EXPECT_EQ(of.sketch->covers(3 * SourceSketch::window + 10), 10U);
}

TEST(SourceSketch, ALoudSourceIsWrittenDownAndOutdatedWithItsWindow) {
    Sketch of;
    of.syn(host(1), SourceSketch::loud_floor - 1);
    EXPECT_TRUE(of.loud().empty());
    of.syn(host(1), 1, 3);
    ASSERT_EQ(of.loud().size(), 1U);
    EXPECT_EQ(of.loud()[0].source, host(1));
    EXPECT_EQ(of.loud()[0].service, 3U);
    EXPECT_EQ(of.loud()[0].count.syns, SourceSketch::loud_floor);
    of.completed(host(1), 5);
    EXPECT_EQ(of.loud()[0].count.completed, 5U) << "what it completes is seen at once";
    of.sketch->advance(SourceSketch::window);
    EXPECT_EQ(of.loud().size(), 1U);
    of.sketch->advance(2 * SourceSketch::window);
    EXPECT_TRUE(of.loud().empty());
}

TEST(SourceSketch, WhoCompletesItsHandshakesIsNotLoud) {
    Sketch of;
    for (unsigned i = 0; i < 10'000; ++i) {
        of.syn(host(1));
        if (i >= 10) of.completed(host(1));
    }
    EXPECT_TRUE(of.loud().empty());
}

TEST(SourceSketch, AmongManyQuietOnesEveryLoudOneIsNamed) {
    Sketch of;
    Random random(3);
    constexpr unsigned syns = 200'000;
    for (unsigned i = 0; i < syns; ++i) {
        // A tenth from twenty sources, each 1/200 of all.
        of.syn(i % 10 == 0 ? host(static_cast<std::uint32_t>(random.below(20)))
                           : Source{Source::ipv4 | random.next() >> 32});
    }
    const std::vector<LoudSource> loud = of.loud();
    ASSERT_GE(loud.size(), 20U);
    for (unsigned i = 0; i < 20; ++i) EXPECT_LT(loud[i].source.word, host(20).word) << i;
    // Between 1/512 and what a busy start of the window let in.
    EXPECT_LE(loud.size(), 24U);
}

TEST(SourceSketch, TheLouderTakesThePlaceOfTheLessLoud) {
    Sketch of;
    // More sources than the table has room for, the later ones louder.
    for (std::uint32_t i = 0; i < 400; ++i) of.syn(host(i), 20 + i);
    const std::vector<LoudSource> loud = of.loud();
    EXPECT_GE(loud.size(), 120U);
    ASSERT_FALSE(loud.empty());
    EXPECT_EQ(loud[0].source, host(399));
    for (const LoudSource& one : loud) EXPECT_GE(one.source.word, host(100).word);

    Sketch falling;
    for (std::uint32_t i = 0; i < 400; ++i) falling.syn(host(i), 420 - i);
    const std::vector<LoudSource> stayed = falling.loud();
    ASSERT_GE(stayed.size(), 120U);
    const auto set_of = [&](Source source) {
        return falling.sketch->hash(source) >> 48 & (SourceSketch::sets - 1);
    };
    for (const LoudSource& one : stayed) {
        unsigned louder = 0;  // in its set
        for (std::uint32_t i = 0; host(i).word < one.source.word; ++i)
            louder += set_of(host(i)) == set_of(one.source) ? 1 : 0;
        EXPECT_LT(louder, SourceSketch::ways);
    }
}

// The service a source's SYNs go to is a function of the source here, so that a mixture would show.
TEST(SourceSketch, AReaderNeverSeesOneSourceWithTheCountOfAnother) {
    Sketch of;
    std::atomic<bool> stop{false};
    std::atomic<unsigned> rounds{0};
    unsigned mixed = 0, seen = 0;
    std::thread reader([&] {
        std::array<LoudSource, SourceSketch::most_loud> out;
        for (bool last = false; !last; rounds.fetch_add(1)) {
            last = stop.load();
            const unsigned count = of.sketch->loud(out);
            seen += count;
            for (unsigned i = 0; i < count; ++i) {
                mixed += out[i].service != out[i].source.word % 1'000 ? 1 : 0;
                mixed += out[i].count.syns < SourceSketch::loud_floor ? 1 : 0;
            }
        }
    });
    Tick now = 0;
    for (std::uint32_t i = 0; i < 20'000 || rounds.load() < 3; ++i) {
        // Each louder than the one before within its window, so that it displaces.
        of.syn(host(i), 17 + i % 100, static_cast<std::uint16_t>(host(i).word % 1'000));
        if (i % 100 == 99) of.sketch->advance(now += SourceSketch::window);
    }
    stop = true;
    reader.join();
    EXPECT_EQ(mixed, 0U);
    EXPECT_GT(seen, 0U);
}

TEST(DistinctSources, AreEstimatedWithinThreeStandardErrors) {
    const double standard_error = 1.04 / std::sqrt(double{DistinctSources::registers});
    for (const unsigned sources : {1U, 3U, 10U, 40U, 150U, 400U, 3'000U, 100'000U, 2'000'000U}) {
        const auto sketch = std::make_unique<SourceSketch>(secret, 0);
        double mean = 0;
        constexpr unsigned runs = 8;
        for (unsigned run = 0; run < (sources > 1'000'000 ? 1 : runs); ++run) {
            DistinctSources seen;
            for (unsigned i = 0; i < sources; ++i)
                for (unsigned again = 0; again < (sources < 1'000 ? 3 : 1); ++again)
                    seen.count(sketch->hash(host(run * 10'000'000 + i)));
            DistinctEstimate estimate;
            seen.merge_into(estimate);
            EXPECT_NEAR(estimate.sources(), sources, std::max(1.0, 3 * standard_error * sources)) << sources;
            mean += estimate.sources() / double{runs};
        }
        if (sources <= 1'000'000) {
            EXPECT_NEAR(mean, sources, std::max(0.5, 1.2 * standard_error * sources)) << sources;
        }
    }
}

TEST(DistinctSources, OfSeveralWorkersAreThoseOfTheUnion) {
    const auto sketch = std::make_unique<SourceSketch>(secret, 0);
    DistinctSources one, other, all;
    for (std::uint32_t i = 0; i < 6'000; ++i) {
        if (i < 4'000) one.count(sketch->hash(host(i)));
        if (i >= 2'000) other.count(sketch->hash(host(i)));
        all.count(sketch->hash(host(i)));
    }
    DistinctEstimate both, whole;
    one.merge_into(both);
    other.merge_into(both);
    all.merge_into(whole);
    EXPECT_EQ(both.sources(), whole.sources());
    one.clear();
    DistinctEstimate none;
    one.merge_into(none);
    EXPECT_EQ(none.sources(), 0U);
}

}  // namespace
}  // namespace sluice::guard::test
