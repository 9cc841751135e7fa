// What is scanned of a stream, and when its packets leave.
#include <gtest/gtest.h>

#include <numeric>

#include "inspect/stream_bench.hpp"

namespace sluice::inspect {
namespace {

using testing::alerting;
using testing::blocking;
using testing::Direction;
using testing::StreamBench;

const std::string text = "so it says attack! and goes on";
const std::string word = "attack!";

using Packets = std::vector<unsigned>;

// A pattern, cut anywhere.

TEST(SplitPattern, IsFoundOnceWhereverItsSegmentsAreCut) {
    for (const Terms& terms : {alerting, blocking})
        for (const Direction direction : {Direction::original, Direction::reply})
            for (std::size_t cut = 1; cut < text.size(); ++cut) {
                StreamBench bench({word}, terms);
                bench.send(0, text.substr(0, cut), false, direction);
                bench.send(static_cast<std::uint32_t>(cut), text.substr(cut), true, direction);
                ASSERT_EQ(bench.sink.matches.size(), 1U) << cut;
                EXPECT_EQ(bench.sink.matches[0].end, text.find(word) + word.size());
                EXPECT_EQ(bench.sink.matches[0].direction, direction);
                EXPECT_EQ(bench.passed(), (Packets{0, 1}));
            }
}

TEST(SplitPattern, IsFoundOnceInThreeSegmentsInAnyOrderWithCopies) {
    std::size_t cases = 0;
    for (const Terms& terms : {alerting, blocking})
        for (std::size_t one = 1; one + 1 < text.size(); ++one)
            for (std::size_t two = one + 1; two < text.size(); ++two) {
                const std::size_t cuts[] = {0, one, two, text.size()};
                std::array<unsigned, 3> order{0, 1, 2};
                do {
                    StreamBench bench({word}, terms);
                    for (const unsigned piece : order)
                        for (unsigned copy = 0; copy < 2; ++copy)
                            bench.send(static_cast<std::uint32_t>(cuts[piece]),
                                       text.substr(cuts[piece], cuts[piece + 1] - cuts[piece]));
                    ASSERT_EQ(bench.sink.matches.size(), 1U);
                    ASSERT_EQ(bench.scanner.text(0), text);
                    ASSERT_EQ(bench.streams.held(), 0U);
                    ++cases;
                } while (std::next_permutation(order.begin(), order.end()));
            }
    EXPECT_EQ(cases, 2 * 6 * 406U);
}

TEST(SplitPattern, IsFoundOnceByteByByteBackwards) {
    StreamBench bench({word}, alerting);
    // Every second byte makes an island of its own: as many as there may be, and their holes.
    const std::string short_text =
        text.substr(0, 2 * Reassembly<unsigned, testing::PlainScanner>::most_islands);
    for (auto i = static_cast<std::uint32_t>(short_text.size()); i-- > 0;)
        if (i % 2 == 1) bench.send(i, short_text.substr(i, 1));
    for (auto i = static_cast<std::uint32_t>(short_text.size()); i-- > 0;)
        if (i % 2 == 0) bench.send(i, short_text.substr(i, 1));
    EXPECT_EQ(bench.scanner.text(0), short_text);
    EXPECT_EQ(bench.sink.matches.size(), 1U);
}

TEST(SplitPattern, IsFoundAcrossOverlaps) {
    StreamBench bench({word}, blocking);
    bench.send(0, text.substr(0, 14));
    bench.send(20, text.substr(20));
    bench.send(8, text.substr(8, 16));
    EXPECT_EQ(bench.scanner.text(0), text);
    EXPECT_EQ(bench.sink.matches.size(), 1U);
    EXPECT_EQ(bench.passed(), (Packets{0, 2, 1}));
}

TEST(SplitPattern, IsNotFoundAcrossDirections) {
    StreamBench bench({word}, alerting);
    bench.send(0, "att", false, Direction::original);
    bench.send(0, "ack!", false, Direction::reply);
    EXPECT_TRUE(bench.sink.matches.empty());
}

// What waits, and for how long.

TEST(HeldPacket, LeavesOnlyAfterWhatLiesBeforeItWasScanned) {
    StreamBench bench({word}, blocking);
    bench.send(20, text.substr(20));
    bench.send(10, text.substr(10, 10));
    EXPECT_EQ(bench.streams.held(), 2U);
    EXPECT_TRUE(bench.passed().empty());
    bench.send(0, text.substr(0, 10));
    EXPECT_EQ(bench.passed(), (Packets{2, 1, 0}));
    EXPECT_EQ(bench.streams.held(), 0U);
}

TEST(HeldPacket, DoesNotExistWhereNothingMayBlock) {
    StreamBench bench({word}, alerting);
    bench.send(10, text.substr(10));
    EXPECT_EQ(bench.fate(0), "pass");
    bench.send(0, text.substr(0, 10));
    EXPECT_EQ(bench.sink.matches.size(), 1U);
}

TEST(HeldPacket, IsDroppedWhenItWaitedTooLongAndMayComeAgainWithOtherBytes) {
    StreamBench bench({word}, blocking);
    bench.send(10, "first copy");
    bench.now += 499;
    bench.poll();
    EXPECT_EQ(bench.fate(0), "held");
    bench.now += 1;
    bench.poll();
    EXPECT_EQ(bench.fate(0), "drop");
    EXPECT_EQ(bench.sink.count(Event::waited), 1U);
    // Nobody read the first copy.
    bench.send(10, text.substr(10));
    bench.send(0, text.substr(0, 10));
    EXPECT_EQ(bench.scanner.text(0), text);
    EXPECT_EQ(bench.sink.count(Event::differing), 0U);
}

TEST(HeldPacket, StandsForItsCopies) {
    StreamBench bench({word}, blocking);
    bench.send(10, text.substr(10));
    bench.send(10, text.substr(10));
    bench.send(12, text.substr(12, 3));
    EXPECT_EQ(bench.fate(1), "drop");
    EXPECT_EQ(bench.fate(2), "drop");
    EXPECT_EQ(bench.sink.count(Event::duplicate), 2U);
    bench.send(0, text.substr(0, 10));
    EXPECT_EQ(bench.passed(), (Packets{3, 0}));
}

TEST(HeldPacket, DoesNotOvertakeOneThatBeginsBeforeIt) {
    ReassemblyLimits limits = StreamBench::small();
    limits.burst_bytes = 16;
    StreamBench bench({word}, blocking, limits);
    bench.send(12, text.substr(12, 2));
    bench.send(10, text.substr(10));
    bench.send(0, text.substr(0, 10));
    EXPECT_EQ(bench.scanner.text(0).size(), 16U);
    EXPECT_EQ(bench.passed(), (Packets{2}));
    bench.poll();
    EXPECT_EQ(bench.passed(), (Packets{2, 1, 0}));
}

TEST(HeldPacket, GoesWithItsFlow) {
    StreamBench bench({word}, blocking);
    bench.send(10, text.substr(10));
    bench.streams.close(bench.flow, bench.sink);
    EXPECT_EQ(bench.fate(0), "drop");
    EXPECT_EQ(bench.streams.chunks() + bench.streams.held() + bench.streams.flows(), 0U);
}

// A match that blocks.

TEST(BlockingMatch, DropsWhatCompletedItAndAllThatFollows) {
    StreamBench bench({word}, blocking);
    bench.sink.effect = Effect::block;
    bench.send(0, text.substr(0, 14));
    bench.send(24, text.substr(24));
    bench.send(14, text.substr(14, 10));
    EXPECT_EQ(bench.fate(0), "pass");
    EXPECT_EQ(bench.fate(1), "drop");
    EXPECT_EQ(bench.fate(2), "drop");
    bench.send(30, "more");
    bench.send(0, "an answer", false, Direction::reply);
    EXPECT_EQ(bench.fate(3), "drop");
    EXPECT_EQ(bench.fate(4), "drop");
    EXPECT_TRUE(bench.streams.is_blocked(bench.flow));
    EXPECT_EQ(bench.streams.chunks(), 0U);
}

TEST(BlockingMatch, LetsNothingOfTheFlowThatWasHeldLeave) {
    StreamBench bench({word}, blocking);
    bench.sink.effect = Effect::block;
    bench.send(5, "of the other direction", false, Direction::reply);
    bench.send(0, text);
    EXPECT_EQ(bench.fate(0), "drop");
    EXPECT_EQ(bench.fate(1), "drop");
}

// Only what the receiver would accept.

TEST(Receiver, IsNotGivenBytesBeyondItsWindow) {
    StreamBench alert({word}, alerting);
    alert.edge = 14;
    alert.send(0, text);
    EXPECT_EQ(alert.scanner.text(0), text.substr(0, 14));
    EXPECT_TRUE(alert.sink.matches.empty());
    alert.edge = 100;
    alert.send(14, text.substr(14));
    EXPECT_EQ(alert.sink.matches.size(), 1U);

    StreamBench block({word}, blocking);
    block.edge = 14;
    block.send(0, text);
    EXPECT_EQ(block.fate(0), "drop");
    EXPECT_EQ(block.sink.count(Event::beyond_window), 1U);
}

TEST(Receiver, IsNotGivenBytesItHasAcknowledged) {
    StreamBench bench({word}, alerting);
    bench.send(0, "nothing here, ");
    bench.acknowledge(14);
    bench.send(0, "attack! there");
    bench.send(7, "attack!");
    EXPECT_EQ(bench.scanner.text(0), "nothing here, ");
    EXPECT_TRUE(bench.sink.matches.empty());
    EXPECT_EQ(bench.sink.count(Event::differing), 0U);
    EXPECT_EQ(bench.fate(2), "pass") << "the receiver discards it";
}

TEST(Receiver, MayBeSentWhatItHasAcknowledgedAlthoughNoCopyIsKept) {
    StreamBench bench({word}, blocking);
    bench.send(0, "nothing here, ");
    bench.acknowledge(14);
    EXPECT_EQ(bench.fate(bench.send(13, "x")), "pass") << "a keepalive";
    EXPECT_EQ(bench.fate(bench.send(10, "re, and more")), "pass");
    EXPECT_EQ(bench.scanner.text(0), "nothing here, and more");
    EXPECT_EQ(bench.sink.told.size(), 0U);
}

TEST(Receiver, IsNotGivenBytesBehindTheFin) {
    StreamBench bench({word}, alerting);
    bench.send(0, "the end", true);
    bench.send(7, "attack!");
    EXPECT_EQ(bench.scanner.text(0), "the end");
    EXPECT_EQ(bench.scanner.ended, 1U);
    StreamBench block({word}, blocking);
    block.send(0, "the end", true);
    block.send(7, "attack!");
    EXPECT_EQ(block.fate(1), "drop");
}

TEST(Receiver, IsNotGivenWhatCameEarlyAndLiesBehindTheFin) {
    StreamBench bench({word}, alerting);
    bench.send(5, "bc the end attack!");
    bench.send(3, "", true);
    bench.send(5, "bc", true);
    bench.send(0, "012");
    EXPECT_EQ(bench.scanner.text(0), "012");
    EXPECT_EQ(bench.scanner.ended, 1U);
}

TEST(Receiver, IsNotGivenTheEndOfASegmentThatCameEarlyAndReachesBeyondTheFin) {
    StreamBench bench({word}, alerting);
    bench.send(2, "234567");
    bench.send(10, "attack!");
    bench.send(5, "", true);
    bench.send(0, "01");
    EXPECT_EQ(bench.scanner.text(0), "01234");
    EXPECT_EQ(bench.scanner.ended, 1U);
}

TEST(Receiver, EndsItsStreamWhenTheBytesBeforeTheFinAreThere) {
    StreamBench bench({word}, blocking);
    bench.send(10, text.substr(10), true);
    EXPECT_EQ(bench.scanner.ended, 0U);
    bench.send(0, text.substr(0, 10));
    EXPECT_EQ(bench.scanner.ended, 1U);
    StreamBench alone({word}, blocking);
    alone.send(0, text);
    alone.send(static_cast<std::uint32_t>(text.size()), "", true);
    EXPECT_EQ(alone.scanner.ended, 1U);
}

TEST(Receiver, MayNotSeeWhatExpiresBeforeIt) {
    Terms terms = alerting;
    terms.minimum_ttl = 10;
    StreamBench bench({word}, terms);
    bench.ttl = 9;
    bench.send(0, "nothing here, really nothing");
    bench.ttl = 10;
    bench.send(0, text);
    EXPECT_EQ(bench.scanner.text(0), text);
    EXPECT_EQ(bench.sink.count(Event::low_ttl), 1U);
}

TEST(WindowProbe, PassesAndIsScannedOnceItIsAcknowledged) {
    StreamBench bench({word}, blocking);
    bench.edge = 14;
    bench.send(0, text.substr(0, 14));
    bench.send(14, text.substr(14, 1));
    EXPECT_EQ(bench.fate(1), "pass");
    EXPECT_EQ(bench.scanner.text(0).size(), 14U);
    bench.edge = 100;
    bench.acknowledge(15);
    bench.send(15, text.substr(15));
    EXPECT_EQ(bench.scanner.text(0), text);
    EXPECT_EQ(bench.sink.matches.size(), 1U);
}

TEST(WindowProbe, IsRememberedWhileWhatFollowsItWaits) {
    StreamBench bench({word}, blocking);
    bench.edge = 14;
    bench.send(0, text.substr(0, 14));
    bench.send(14, text.substr(14, 1));
    bench.edge = 100;
    bench.send(20, text.substr(20));
    bench.send(15, text.substr(15, 5));
    EXPECT_EQ(bench.fate(2), "held");
    bench.acknowledge(15);
    EXPECT_EQ(bench.passed(), (Packets{0, 1, 3, 2}));
    EXPECT_EQ(bench.scanner.text(0), text);
    // The byte of a probe comes again with what follows, which is where it is scanned.
    StreamBench again({word}, blocking);
    again.edge = 14;
    again.send(0, text.substr(0, 14));
    again.send(14, text.substr(14, 1));
    again.edge = 100;
    again.send(14, text.substr(14, 3));
    again.acknowledge(17);
    again.send(17, text.substr(17));
    EXPECT_EQ(again.scanner.text(0), text);
    EXPECT_EQ(again.sink.matches.size(), 1U);
}

TEST(WindowProbe, IsRememberedAgainstAnotherByte) {
    StreamBench bench({word}, blocking);
    bench.edge = 14;
    bench.send(0, text.substr(0, 14));
    bench.send(14, "X");
    bench.send(14, "Y");
    EXPECT_EQ(bench.fate(2), "drop");
    bench.edge = 100;
    bench.send(14, text.substr(14));
    EXPECT_EQ(bench.fate(3), "drop");
    EXPECT_EQ(bench.sink.count(Event::differing), 2U);
}

// Retransmissions.

TEST(Retransmission, WithOtherBytesIsDroppedWhereTermsBlock) {
    StreamBench bench({word}, blocking);
    bench.send(0, "harmless data that may be lost");
    bench.send(0, text);
    EXPECT_EQ(bench.fate(1), "drop");
    EXPECT_EQ(bench.sink.count(Event::differing), 1U);
    EXPECT_EQ(bench.scanner.text(0), "harmless data that may be lost");
    bench.send(0, "harmless data that may be lost, and more");
    EXPECT_EQ(bench.fate(2), "pass");
}

TEST(Retransmission, WithOtherBytesIsToldAndPassesWhereNothingBlocks) {
    StreamBench bench({word}, alerting);
    bench.send(10, "a first copy");
    bench.send(10, "A FIRST COPY of more");
    bench.send(0, "0123456789");
    EXPECT_EQ(bench.passed(), (Packets{0, 1, 2}));
    EXPECT_EQ(bench.sink.count(Event::differing), 1U);
    EXPECT_EQ(bench.scanner.text(0), "0123456789a first copy of more");
}

TEST(Retransmission, OfWhatIsNoLongerKeptIsUnverifiable) {
    ReassemblyLimits limits = StreamBench::small();
    limits.chunks_per_direction = 2;
    for (const bool open : {false, true}) {
        Terms terms = blocking;
        terms.fail_open = open;
        StreamBench bench({word}, terms, limits);
        const std::string much(chunk_bytes, 'x');
        for (std::uint32_t i = 0; i < 4; ++i) bench.send(i * chunk_bytes, much);
        EXPECT_EQ(bench.streams.chunks(), 2U);
        const unsigned again = bench.send(0, much);
        EXPECT_EQ(bench.sink.count(Event::unverifiable), 1U);
        EXPECT_EQ(bench.fate(again), open ? "pass" : "drop");
        EXPECT_EQ(bench.fate(bench.send(3 * chunk_bytes, much)), "pass");
    }
}

// Loss, memory and budgets.

TEST(Gap, IsBridgedByZerosWhereNothingBlocks) {
    StreamBench bench({word, std::string("a\0\0b", 4)}, alerting);
    bench.send(0, "attaca");
    bench.send(8, "bck!");
    EXPECT_TRUE(bench.sink.matches.empty());
    bench.acknowledge(12);
    EXPECT_EQ(bench.scanner.text(0), std::string("attaca\0\0bck!", 12));
    ASSERT_EQ(bench.sink.matches.size(), 1U);
    EXPECT_EQ(bench.sink.matches[0].end, 9U) << "positions stay right";
    EXPECT_EQ(bench.sink.count(Event::gap), 1U);
}

TEST(Gap, IsNotBelievedWhereTermsBlockAndFailClosed) {
    StreamBench bench({word}, blocking);
    bench.send(0, text.substr(0, 5));
    bench.send(10, text.substr(10));
    bench.acknowledge(20);
    EXPECT_EQ(bench.fate(1), "held");
    bench.send(5, text.substr(5, 5));
    EXPECT_EQ(bench.scanner.text(0), text);
    EXPECT_EQ(bench.sink.matches.size(), 1U);
}

TEST(Gap, ThatIsTooLongIsTheEnd) {
    StreamBench bench({word}, alerting);
    bench.send(0, "x");
    bench.acknowledge(1 + Reassembly<unsigned, testing::PlainScanner>::longest_gap + 1);
    EXPECT_EQ(bench.sink.count(Event::gave_up), 1U);
    bench.send(70'000, text);
    EXPECT_TRUE(bench.sink.matches.empty());
    EXPECT_EQ(bench.streams.chunks(), 0U);
}

TEST(Memory, OfAcknowledgedBytesGoesBack) {
    StreamBench bench({word}, alerting);
    const std::string much(1000, 'x');
    for (std::uint32_t i = 0; i < 200; ++i) {
        bench.send(i * 1000, much);
        bench.acknowledge((i + 1) * 1000);
        ASSERT_LE(bench.streams.chunks(), 2U);
    }
}

TEST(Memory, ThatRanOutDoesNotKeepWhatIsInOrderFromBeingScanned) {
    ReassemblyLimits limits = StreamBench::small();
    limits.chunks = limits.chunks_per_direction = 2;
    StreamBench bench({word}, blocking, limits);
    bench.send(2 * chunk_bytes, "behind");
    bench.send(4 * chunk_bytes, "far behind");
    const unsigned refused = bench.send(6 * chunk_bytes, "there is no room for this");
    EXPECT_EQ(bench.fate(refused), "drop");
    EXPECT_EQ(bench.sink.count(Event::no_memory), 1U);
    std::string begin(2 * chunk_bytes, 'x');
    begin.replace(2000, word.size(), word);
    EXPECT_EQ(bench.fate(bench.send(0, begin)), "pass");
    EXPECT_EQ(bench.sink.matches.size(), 1U);
    EXPECT_EQ(bench.scanner.text(0), begin + "behind");
    EXPECT_EQ(bench.fate(0), "pass");
}

TEST(Memory, ForIslandsIsBounded) {
    StreamBench bench({word}, blocking);
    constexpr unsigned most = Reassembly<unsigned, testing::PlainScanner>::most_islands;
    for (std::uint32_t i = 1; i <= most; ++i) EXPECT_EQ(bench.fate(bench.send(2 * i, "x")), "held");
    EXPECT_EQ(bench.fate(bench.send(2 * most + 2, "x")), "drop");
    EXPECT_EQ(bench.sink.count(Event::no_memory), 1U);
    bench.send(0, "ab");
    EXPECT_EQ(bench.scanner.text(0), "abx");
}

TEST(Memory, ThatRanOutLetsPassWhereTermsFailOpen) {
    ReassemblyLimits limits = StreamBench::small();
    limits.held_per_direction = 1;
    Terms terms = blocking;
    terms.fail_open = true;
    StreamBench bench({word}, terms, limits);
    bench.send(10, text.substr(10, 5));
    const unsigned unscanned = bench.send(15, text.substr(15));
    EXPECT_EQ(bench.fate(0), "held");
    EXPECT_EQ(bench.fate(unscanned), "pass");
    EXPECT_EQ(bench.sink.count(Event::no_memory), 1U);
}

TEST(Streams, ThatRanOutFailAsTheTermsSay) {
    for (const bool open : {false, true}) {
        Terms terms = blocking;
        terms.fail_open = open;
        StreamBench bench({word}, terms);
        bench.scanner.streams_left = 0;
        bench.send(0, text.substr(0, 14));
        EXPECT_EQ(bench.fate(0), open ? "pass" : "drop");
        EXPECT_EQ(bench.sink.count(Event::no_stream), 1U);
        bench.scanner.streams_left = 1;
        bench.send(0, text);
        EXPECT_EQ(bench.sink.matches.size(), open ? 0U : 1U);
    }
}

TEST(Streams, AreNotOpenedWhereNoSignatureLooks) {
    StreamBench bench({word}, blocking);
    bench.scanner.looks[0] = bench.scanner.looks[1] = false;
    EXPECT_EQ(bench.fate(bench.send(10, text)), "pass");
    EXPECT_EQ(bench.scanner.opened(), 0U);
    bench.send(0, text, false, Direction::reply);
    EXPECT_TRUE(bench.streams.is_cleared(bench.flow));
}

TEST(Budget, OfADirectionClearsItAndLetsGoWhatWasHeld) {
    Terms terms = blocking;
    terms.budget = 12;
    StreamBench bench({word}, terms);
    bench.send(20, text.substr(20));
    bench.send(0, text.substr(0, 14));
    EXPECT_EQ(bench.scanner.text(0), text.substr(0, 12));
    EXPECT_EQ(bench.passed(), (Packets{1, 0}));
    EXPECT_EQ(bench.sink.count(Event::spent), 1U);
    EXPECT_EQ(bench.fate(bench.send(14, text.substr(14))), "pass");
    EXPECT_TRUE(bench.sink.matches.empty());
    EXPECT_EQ(bench.streams.chunks(), 0U);
    EXPECT_EQ(bench.scanner.streams_left, 1000U);
}

TEST(Budget, OfABurstLeavesTheRestForLaterAndInOrder) {
    ReassemblyLimits limits = StreamBench::small();
    limits.burst_bytes = 10;
    for (const Terms& terms : {alerting, blocking}) {
        StreamBench bench({word}, terms, limits);
        bench.streams.begin_burst();
        bench.send(0, text.substr(0, 8));
        bench.send(8, text.substr(8, 8));
        bench.send(16, text.substr(16));
        EXPECT_EQ(bench.scanner.text(0).size(), 10U);
        EXPECT_EQ(bench.passed(), terms.blocking ? Packets{0} : (Packets{0, 1, 2}));
        bench.poll();
        EXPECT_EQ(bench.scanner.text(0).size(), 20U);
        EXPECT_EQ(bench.sink.matches.size(), 1U);
        bench.poll();
        EXPECT_EQ(bench.scanner.text(0), text);
        EXPECT_EQ(bench.passed(), (Packets{0, 1, 2}));
    }
}

TEST(Flows, AreOpenedAsLongAsThereIsRoom) {
    StreamBench bench({word}, alerting);
    std::vector<FlowNumber> opened;
    for (FlowNumber flow = 0; (flow = bench.streams.open(alerting)) != no_flow;) opened.push_back(flow);
    EXPECT_EQ(opened.size(), 3U);
    bench.streams.close(opened[1], bench.sink);
    EXPECT_EQ(bench.streams.open(alerting), opened[1]);
}

}  // namespace
}  // namespace sluice::inspect
