// The story of a flow, before it is laid out: what is kept of it, what is folded, how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/explain_words.hpp"
#include "explain_run.hpp"

namespace sluice::app {
namespace {

using packet::ack;
using packet::fin;
using packet::rst;
using packet::syn;
using test::from_client;
using test::from_server;
using test::PacketBuilder;
using test::Telling;
using testing::EndsWith;
using testing::HasSubstr;

void open(Telling& tell, double at = 0) {
    tell.packet(at, from_client().sequence(1000).flags(syn));
    tell.packet(at + 0.001, from_server().sequence(5000).acknowledgement(1001).flags(syn | ack));
    tell.packet(at + 0.002, from_client().sequence(1001).acknowledgement(5001).flags(ack));
}
/// `count` segments of 10 bytes from the client, one after the other, from sequence `from`.
void upload(Telling& tell, double at, unsigned count, std::uint32_t from = 1001) {
    for (unsigned i = 0; i < count; ++i)
        tell.packet(at + i * 0.001,
                    from_client().sequence(from + i * 10).acknowledgement(5001).flags(ack).payload(10));
}
PacketBuilder far_away(std::uint16_t port = 9) {
    return PacketBuilder().ethernet().ipv4("10.9.9.1", "10.9.9.2").udp(port, 9);
}

std::vector<StorySegment> segments_of(const Story& story) {
    std::vector<StorySegment> out;
    for (const StoryRow& row : story.rows.all())
        if (const auto* segment = std::get_if<StorySegment>(&row)) out.push_back(*segment);
    return out;
}
std::vector<StoryFold> folds_of(const Story& story) {
    std::vector<StoryFold> out;
    for (const StoryRow& row : story.rows.all())
        if (const auto* fold = std::get_if<StoryFold>(&row)) out.push_back(*fold);
    return out;
}

TEST(ExplainStory, EachTransitionHasItsPacketAndThePairsAroundIt) {
    Telling tell;
    open(tell);
    const auto segments = segments_of(tell.story());
    ASSERT_EQ(segments.size(), 3U);
    EXPECT_EQ(segments[0].before, std::nullopt);
    EXPECT_EQ(segments[0].after, tcp::Pair::syn_sent__syn_rcvd);
    EXPECT_EQ(segments[1].before, tcp::Pair::syn_sent__syn_rcvd);
    EXPECT_EQ(segments[1].after, tcp::Pair::established__syn_rcvd);
    EXPECT_EQ(segments[2].after, tcp::Pair::established__established);
    EXPECT_EQ(segments[1].relative_acknowledgement, 1);
    EXPECT_EQ(segments[2].relative_sequence, 1);
    EXPECT_EQ(segments[2].timeout, 432'000U);
}

TEST(ExplainStory, ARunOfPlainSegmentsIsFoldedBetweenItsFirstAndItsLast) {
    Telling tell;
    open(tell);
    upload(tell, 1, 100);
    const auto folds = folds_of(tell.story());
    ASSERT_EQ(folds.size(), 1U);
    // 3 of the handshake, of the run the first 3 and the last 2. The first byte of data moves nothing.
    EXPECT_EQ(segments_of(tell.story()).size(), 8U);
    EXPECT_EQ(folds[0].way[0].packets, 95U);
    EXPECT_EQ(folds[0].way[0].bytes, 950U);
    EXPECT_EQ(folds[0].first, 7U);
    EXPECT_EQ(folds[0].last, 101U);
    EXPECT_FALSE(folds[0].left_out);
    EXPECT_EQ(fold_text(folds[0], true), "95 data segments, 950 bytes, A to B");
}

TEST(ExplainStory, ARunOfSixIsNotWorthAFold) {
    Telling tell;
    open(tell);
    upload(tell, 1, 6);
    EXPECT_TRUE(folds_of(tell.story()).empty());
    EXPECT_EQ(segments_of(tell.story()).size(), 9U);
}

TEST(ExplainStory, WhatIsNotPlainEndsARunAndIsNeverFolded) {
    Telling tell;
    open(tell);
    upload(tell, 1, 20);
    tell.packet(2, from_server().sequence(50'000'000).flags(rst));
    upload(tell, 3, 20, 1201);
    const auto folds = folds_of(tell.story());
    ASSERT_EQ(folds.size(), 2U);
    EXPECT_EQ(folds[0].way[0].packets, 15U);
    EXPECT_EQ(folds[1].way[0].packets, 15U);
    EXPECT_EQ(tell.story().reasons[static_cast<std::size_t>(Reason::rst_out_of_window)], 1U);
}

TEST(ExplainStory, FullTellsThemAll) {
    StoryChoice choice;
    choice.full = true;
    Telling tell(choice);
    open(tell);
    upload(tell, 1, 100);
    EXPECT_EQ(segments_of(tell.story()).size(), 103U);
}

TEST(ExplainStory, OfALongStoryTheBeginningAndTheEndAreKept) {
    StoryChoice choice;
    choice.most_rows = 10;
    Telling tell(choice);
    open(tell);
    for (unsigned i = 0; i < 1000; ++i)
        tell.packet(1 + i * 0.001, from_server().sequence(50'000'000).flags(rst));
    const auto folds = folds_of(tell.story());
    const auto segments = segments_of(tell.story());
    ASSERT_EQ(folds.size(), 1U);
    EXPECT_EQ(segments.size(), 10U);
    EXPECT_EQ(segments.front().number, 1U);
    EXPECT_EQ(segments.back().number, 1003U);
    EXPECT_TRUE(folds[0].left_out);
    EXPECT_EQ(folds[0].refused, 993U);
    EXPECT_EQ(tell.story().way[1].packets, 1001U);
}

/// However folds and bounds meet, every packet is in a row or in a fold, once, and in its place.
TEST(ExplainStory, NoPacketIsLostBetweenFoldsAndBounds) {
    for (std::size_t most_rows = 2; most_rows < 24; ++most_rows) {
        StoryChoice choice;
        choice.most_rows = most_rows;
        Telling tell(choice);
        open(tell);
        for (unsigned round = 0; round < 12; ++round) {
            upload(tell, 1 + round, round * 3 % 14, 1001 + round * 200);
            tell.packet(1.5 + round, from_server().sequence(50'000'000).flags(rst));
        }
        std::uint64_t counted = 0, last = 0;
        for (const StoryRow& row : tell.story().rows.all()) {
            if (const auto* segment = std::get_if<StorySegment>(&row)) {
                ++counted;
                EXPECT_GT(segment->number, last) << most_rows << '\n' << tell.table();
                last = segment->number;
            } else {
                const auto& fold = std::get<StoryFold>(row);
                for (const auto& way : fold.way) counted += way.packets + way.empty;
                EXPECT_GT(fold.first, last) << most_rows << '\n' << tell.table();
                last = fold.last;
            }
        }
        EXPECT_EQ(counted, tell.story().way[0].packets + tell.story().way[1].packets) << most_rows << '\n'
                                                                                      << tell.table();
        EXPECT_LE(tell.story().rows.all().size(), most_rows + 1);
    }
}

TEST(ExplainStory, OnlySoManyFlowsAreTold) {
    StoryChoice choice;
    choice.most_flows = 3;
    Telling tell(choice);
    for (std::uint16_t port = 1; port <= 10; ++port) tell.packet(port * 0.1, far_away(port));
    EXPECT_EQ(tell.collector().stories().size(), 3U);
    EXPECT_EQ(tell.collector().left_out(), 7U);
}

TEST(ExplainStory, FiltersChooseByTheOriginalDirection) {
    StoryChoice choice;
    choice.filter.original.destination_port = 80;
    Telling tell(choice);
    tell.packet(0, far_away());
    open(tell, 1);
    ASSERT_EQ(tell.collector().stories().size(), 1U);
    EXPECT_EQ(flow_text(tell.story(2)), "tcp 10.0.0.1:40000 > 10.0.0.2:80");
}

TEST(ExplainStory, ScaledWindowsAreThoseOfBothOffers) {
    Telling tell;
    tell.packet(0, from_client().sequence(1000).flags(syn).option(test::option::window_scale(7)));
    tell.packet(0.1, from_server().sequence(5000).acknowledgement(1001).flags(syn | ack).option(
                         test::option::window_scale(2)));
    tell.packet(0.2, from_client().sequence(1001).acknowledgement(5001).flags(ack).window(100));
    tell.packet(0.3, from_server().sequence(5001).acknowledgement(1001).flags(ack).window(100));
    const auto segments = segments_of(tell.story());
    EXPECT_EQ(segments[0].window, 65'535U);
    EXPECT_EQ(segments[2].window, 12'800U);
    EXPECT_EQ(segments[3].window, 400U);
}

TEST(ExplainStory, AConnectionWithoutItsSynCountsFromItsFirstByte) {
    Telling tell;
    tell.packet(0, from_client().sequence(7000).acknowledgement(9000).flags(ack).payload(10));
    tell.packet(0.1, from_server().sequence(9000).acknowledgement(7010).flags(ack));
    const auto segments = segments_of(tell.story());
    EXPECT_EQ(packet_text(segments[0]), "ACK seq 1 ack 1 len 10");
    EXPECT_EQ(packet_text(segments[1]), "ACK seq 1 ack 11");
    EXPECT_FALSE(tell.story().scaled());
}

TEST(ExplainStory, NumbersGoOnBeyondTwoGigabytes) {
    Telling tell;
    const auto scale = test::option::window_scale(14);
    tell.packet(0, from_client().sequence(1000).flags(syn).option(scale));
    tell.packet(0.1, from_server().sequence(5000).acknowledgement(1001).flags(syn | ack).option(scale));
    tell.packet(0.2, from_client().sequence(1001).acknowledgement(5001).flags(ack));
    tell.packet(0.3, from_server().sequence(5001).acknowledgement(1001).flags(ack));  // its window is scaled
    // Four times nearly a whole window of 1 GiB; most of it passes elsewhere.
    for (unsigned i = 1; i <= 4; ++i) {
        const std::uint32_t sent = i * 900'000'000U;
        tell.packet(1, from_client().sequence(1001 + sent - 10).acknowledgement(5001).flags(ack).payload(10));
        tell.packet(1, from_server().sequence(5001).acknowledgement(1001 + sent).flags(ack));
    }
    const auto segments = segments_of(tell.story());
    EXPECT_EQ(segments.back().reason, Reason::none) << tell.table();
    EXPECT_EQ(segments.back().relative_acknowledgement, 3'600'000'001) << tell.table();
}

TEST(ExplainStory, WhatComesAgainAndWhatLeavesAGapIsSaidAndNotFolded) {
    Telling tell;
    open(tell);
    tell.packet(0.5, from_client().sequence(1000).flags(syn));
    upload(tell, 1, 20);
    tell.packet(2, from_client().sequence(1001).acknowledgement(5001).flags(ack).payload(10));
    tell.packet(3, from_client().sequence(1301).acknowledgement(5001).flags(ack).payload(10));
    tell.packet(4, from_client().sequence(1251).acknowledgement(5001).flags(ack).payload(10));
    tell.packet(5, from_client().sequence(1251).acknowledgement(5001).flags(ack).payload(10));
    tell.packet(6, from_client().sequence(1201).acknowledgement(5001).flags(ack).payload(200));
    const auto segments = segments_of(tell.story());
    std::vector<std::string> said;
    for (std::size_t i = 9; i < segments.size(); ++i) said.push_back(packet_text(segments[i]));
    EXPECT_EQ(verdict_text(segments[3]), "again") << tell.table();
    EXPECT_EQ(said, (std::vector<std::string>{
                        "ACK seq 1 ack 1 len 10 (again)", "ACK seq 301 ack 1 len 10 (gap before it)",
                        "ACK seq 251 ack 1 len 10 (fills a gap)", "ACK seq 251 ack 1 len 10 (again)",
                        "ACK seq 201 ack 1 len 200 (fills a gap)"}))
        << tell.table();
}

// ---- How it ended

std::string ending(const std::function<void(Telling&)>& packets) {
    Telling tell;
    packets(tell);
    tell.finish();
    return ending_text(tell.story());
}

TEST(ExplainEnding, AnUnansweredSynIsForgottenInTime) {
    EXPECT_EQ(ending([](Telling& tell) {
                  tell.packet(0, from_client().sequence(1000).flags(syn));
                  tell.packet(500, far_away());
              }),
              "never opened: B did not answer the SYN; forgotten at 120.000000 s, after 120.000000 s without "
              "a packet "
              "that keeps it");
}

TEST(ExplainEnding, AnOpenConnectionIsStillTracked) {
    EXPECT_EQ(ending([](Telling& tell) { open(tell); }), "open; still tracked at the end, 432,000 s left");
}

TEST(ExplainEnding, AResetNamesItsSender) {
    EXPECT_THAT(ending([](Telling& tell) {
                    open(tell);
                    tell.packet(1, from_server().sequence(5001).flags(rst));
                }),
                HasSubstr("reset by B in packet 4; "));
}

TEST(ExplainEnding, ARefusalIsNoReset) {
    EXPECT_EQ(ending([](Telling& tell) {
                  tell.packet(0, from_client().sequence(1000).flags(syn));
                  tell.packet(0.1, from_server().sequence(0).acknowledgement(1001).flags(rst | ack));
              }),
              "refused by B in packet 2; still tracked at the end, 10 s left");
}

TEST(ExplainEnding, ANewConnectionTakesThePlaceOfAClosedOne) {
    EXPECT_THAT(ending([](Telling& tell) {
                    open(tell);
                    tell.packet(1, from_server().sequence(5001).flags(rst));
                    tell.packet(2, from_client().sequence(99'000).flags(syn));
                }),
                EndsWith("; gave way to a new connection at 2.000000 s"));
}

TEST(ExplainEnding, AFullTableIsSaid) {
    pipeline::Limits one = test::small_tables();
    one.ipv4_flows = 1;
    Telling tell({}, {}, one);
    tell.packet(0, from_client().sequence(1000).flags(syn));
    tell.packet(1, far_away());
    EXPECT_THAT(ending_text(tell.story()), EndsWith("; pushed out of a full table at 1.000000 s"));
}

TEST(ExplainEnding, BothFinsAreNamedInTheirOrder) {
    EXPECT_THAT(ending([](Telling& tell) {
                    open(tell);
                    tell.packet(1, from_server().sequence(5001).acknowledgement(1001).flags(fin | ack));
                    tell.packet(2, from_client().sequence(1001).acknowledgement(5002).flags(fin | ack));
                    tell.packet(3, from_server().sequence(5002).acknowledgement(1002).flags(ack));
                }),
                HasSubstr("closed in order: FIN of B in packet 4, FIN of A in packet 5; "));
    EXPECT_THAT(ending([](Telling& tell) {
                    open(tell);
                    tell.packet(1, from_client().sequence(1001).acknowledgement(5001).flags(fin | ack));
                }),
                HasSubstr("half closed by A: FIN of A in packet 4, no FIN of B seen; "));
}

TEST(ExplainWords, LinesBreakAtSpacesWhereThereAreAny) {
    EXPECT_EQ(wrapped("one two three", 7), (std::vector<std::string>{"one two", "three"}));
    EXPECT_EQ(wrapped("onetwothree", 4), (std::vector<std::string>{"onet", "woth", "ree"}));
    EXPECT_EQ(wrapped("", 4), (std::vector<std::string>{""}));
}

TEST(ExplainWords, TimesBeforeTheFirstPacketAndBefore1970AreNegative) {
    EXPECT_EQ(seconds_text(-1'500'000), "-0.001500");
    EXPECT_EQ(date_text(-1'000'000), "1969-12-31 23:59:59.999000 UTC");
    EXPECT_EQ(date_text(1'700'000'000'000'001'000), "2023-11-14 22:13:20.000001 UTC");
}

}  // namespace
}  // namespace sluice::app
