// What `sluice explain` prints for small conversations, to the byte: tests/app/explain/*.txt. With
// SLUICE_WRITE_GOLDEN set the files are written anew, to be read before they are committed.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include <gtest/gtest.h>

#include "app/explain_svg.hpp"
#include "explain_run.hpp"
#include "replay_support.hpp"

namespace sluice::app {
namespace {

using packet::ack;
using packet::fin;
using packet::psh;
using packet::rst;
using packet::syn;
using test::from_client;
using test::from_server;
using test::PacketBuilder;
using test::Telling;
namespace option = test::option;

/// A handshake with today's options; sequence numbers begin near 2^32, A at 4294967000, B at 5000.
constexpr std::uint32_t isn_a = 4'294'967'000U, isn_b = 5000;
PacketBuilder a(std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags) {
    return from_client()
        .sequence(isn_a + sequence)
        .acknowledgement(isn_b + acknowledgement)
        .flags(flags)
        .window(502);
}
PacketBuilder b(std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags) {
    return from_server()
        .sequence(isn_b + sequence)
        .acknowledgement(isn_a + acknowledgement)
        .flags(flags)
        .window(510);
}
void open_as_today(Telling& tell) {
    tell.packet(0, a(0, 0U - isn_b, syn)
                       .window(64240)
                       .option(option::mss(1460))
                       .option(option::sack_permitted())
                       .option(option::timestamps(1, 0))
                       .option(option::window_scale(7)));
    tell.packet(0.0301, b(0, 1, syn | ack)
                            .window(65160)
                            .option(option::mss(1400))
                            .option(option::sack_permitted())
                            .option(option::timestamps(9, 1))
                            .option(option::window_scale(8)));
    tell.packet(0.0305, a(1, 1, ack));
}
/// `count` segments of 1,400 bytes from B, each second one acknowledged.
void download(Telling& tell, double at, std::uint32_t from, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        const std::uint32_t sequence = from + i * 1400;
        tell.packet(at + i * 0.001, b(sequence, 101, ack).payload(1400));
        if (i % 2 == 1) tell.packet(at + i * 0.001 + 0.0005, a(101, sequence + 1400, ack));
    }
}
void close(Telling& tell, double at, std::uint32_t b_sent) {
    tell.packet(at, b(b_sent, 101, fin | ack));
    tell.packet(at + 0.001, a(101, b_sent + 1, fin | ack));
    tell.packet(at + 0.031, b(b_sent + 1, 102, ack));
}

struct Conversation {
    const char* name;
    std::function<void(Telling&)> packets;
    bool unicode = false;
};

const std::vector<Conversation> conversations{
    {"normal",
     [](Telling& tell) {
         open_as_today(tell);
         tell.packet(0.031, a(1, 1, psh | ack).payload(100));
         download(tell, 0.1, 1, 40);
         close(tell, 0.2, 56'001);
     },
     true},
    {"normal-ascii",
     [](Telling& tell) {
         open_as_today(tell);
         tell.packet(0.031, a(1, 1, psh | ack).payload(100));
         download(tell, 0.1, 1, 8);
         close(tell, 0.2, 11'201);
         // Time passes until the connection has been forgotten.
         tell.packet(500, PacketBuilder().ethernet().ipv4("10.0.0.7", "10.0.0.8").udp(1, 2));
     }},
    {"simultaneous-open",
     [](Telling& tell) {
         tell.packet(0, a(0, 0U - isn_b, syn));
         tell.packet(0.001, b(0, 0U - isn_a, syn));
         tell.packet(0.030, b(0, 1, syn | ack));
         tell.packet(0.031, a(0, 1, syn | ack));
     },
     true},
    {"blind-reset",
     [](Telling& tell) {
         open_as_today(tell);
         tell.packet(0.5, b(0x3000'0000, 0, rst));
         tell.packet(0.6, b(20, 0, rst));
         tell.packet(0.7, a(0x0800'0000, 1, ack).payload(5));
         tell.packet(0.8, a(1, 1, ack).payload(10));
     },
     true},
    {"refused-connection",
     [](Telling& tell) {
         tell.packet(0, a(0, 0U - isn_b, syn).option(option::mss(1460)));
         tell.packet(0.02, from_server().sequence(0).acknowledgement(isn_a + 1).flags(rst | ack).window(0));
     },
     true},
    {"half-close",
     [](Telling& tell) {
         open_as_today(tell);
         tell.packet(0.05, a(1, 1, fin | psh | ack).payload(100));
         tell.packet(0.08, b(1, 102, ack));
         tell.packet(1.08, b(1, 102, psh | ack).payload(500));
         tell.packet(1.09, a(102, 501, ack));
         tell.packet(1.10, b(501, 102, fin | ack));
         tell.packet(1.13, a(102, 502, ack));
     },
     true},
    {"reset-with-leftovers",
     [](Telling& tell) {
         open_as_today(tell);
         tell.packet(0.1, b(1, 1, ack).payload(1400));
         tell.packet(0.2, a(1, 1401, rst | ack));
         tell.packet(0.201, b(1401, 1, ack).payload(1400));
         tell.packet(0.202, b(2801, 1, fin | ack));
     },
     true},
    {"loss-and-retransmission",
     [](Telling& tell) {
         open_as_today(tell);
         tell.packet(0.1, a(1, 1, psh | ack).payload(100));
         // The first segment of the answer was lost before it came here.
         tell.packet(0.15, b(1401, 101, ack).payload(1400));
         tell.packet(0.16, a(101, 1, ack).option(option::sack({{isn_b + 1401, isn_b + 2801}})));
         tell.packet(0.35, b(1, 101, ack).payload(1400));
         tell.packet(0.36, a(101, 2801, ack));
         // This one was lost behind us, and comes again.
         tell.packet(0.40, b(2801, 101, ack).payload(700));
         tell.packet(0.61, b(2801, 101, ack).payload(700));
         tell.packet(1.03, b(2801, 101, ack).payload(700));
         tell.packet(1.06, a(101, 3501, ack));
     },
     true},
    {"unreachable",
     [](Telling& tell) {
         const auto dialled = a(0, 0U - isn_b, syn);
         tell.packet(0, dialled);
         tell.packet(0.01, PacketBuilder().ethernet().ipv4("10.0.0.9", "10.0.0.1").icmp_error(3, 1, dialled));
         tell.packet(0.02, PacketBuilder()
                               .ethernet()
                               .ipv4("10.0.0.9", "10.0.0.1")
                               .icmp_error(3, 1, PacketBuilder(dialled).sequence(77)));
     },
     true},
    {"names-over-vlan",
     [](Telling& tell) {
         const auto query =
             PacketBuilder().ethernet().vlan(10).ipv6("2001:db8::1", "2001:db8::53").udp(5353, 53);
         tell.packet(0, PacketBuilder(query).payload(30));
         tell.packet(0.02, PacketBuilder()
                               .ethernet()
                               .vlan(10)
                               .ipv6("2001:db8::53", "2001:db8::1")
                               .udp(53, 5353)
                               .payload(120));
         for (const auto& piece : PacketBuilder(query).identification(3).payload(2000).build_fragments(1400))
             tell.packet(2.5, piece);
         tell.packet(3, PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2").icmp(8, 0, 77, 1));
         tell.packet(3.1, PacketBuilder().ethernet().ipv4("10.0.0.2", "10.0.0.1").icmp(0, 0, 77, 1));
     },
     true},
};

TEST(ExplainGolden, EachConversationIsToldAsItWasReadBefore) {
    const bool write = std::getenv("SLUICE_WRITE_GOLDEN") != nullptr;
    for (const Conversation& conversation : conversations) {
        const std::string path =
            std::string(SLUICE_SOURCE_ROOT "/tests/app/explain/") + conversation.name + ".txt";
        Telling tell;
        conversation.packets(tell);
        const std::string told = tell.told({.unicode = conversation.unicode});
        if (write)
            std::ofstream(path, std::ios::binary) << told;
        else
            EXPECT_EQ(told, test::contents_of(path)) << conversation.name;
    }
}

TEST(ExplainGolden, TheExampleOfTheDocumentationIsTrue) {
    const std::string golden = test::contents_of(SLUICE_SOURCE_ROOT "/tests/app/explain/blind-reset.txt");
    const std::string page = test::contents_of(SLUICE_SOURCE_ROOT "/docs/explain.md");
    ASSERT_GT(golden.size(), 1000U);
    EXPECT_NE(page.find(golden.substr(0, golden.find_last_not_of('\n') + 1)), std::string::npos);
}

/// The columns of a UTF-8 line.
std::size_t columns(std::string_view line) {
    return static_cast<std::size_t>(
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

TEST(ExplainGolden, TheBarsOfALadderStandBelowEachOther) {
    for (const Conversation& conversation : conversations) {
        Telling tell;
        conversation.packets(tell);
        tell.finish();
        for (const auto& [number, story] : tell.collector().stories()) {
            for (const bool unicode : {false, true}) {
                std::string ladder;
                append_ladder(ladder, story, {.unicode = unicode});
                const std::string_view bar = unicode ? "│" : "|";
                std::size_t left = 0, right = 0;
                std::istringstream lines(ladder);
                for (std::string line; std::getline(lines, line);) {
                    const std::size_t first = line.find(bar), last = line.rfind(bar);
                    if (first == std::string::npos) continue;
                    if (left == 0)
                        left = columns(line.substr(0, first)), right = columns(line.substr(0, last));
                    EXPECT_EQ(columns(line.substr(0, first)), left) << ladder;
                    EXPECT_EQ(columns(line.substr(0, last)), right) << ladder;
                    EXPECT_NE(left, right) << ladder;
                }
            }
        }
    }
}

TEST(ExplainGolden, AsciiMeansAscii) {
    for (const Conversation& conversation : conversations) {
        Telling tell;
        conversation.packets(tell);
        for (const char c : tell.told({.unicode = false})) ASSERT_LT(static_cast<unsigned char>(c), 0x80);
    }
}

TEST(ExplainSvg, WhatXmlReservesIsEscapedAndWhatItForbidsIsReplaced) {
    EXPECT_EQ(xml_escaped("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
    EXPECT_EQ(xml_escaped(std::string("x\0\x1b\xFF", 4)), "x???");
}

TEST(ExplainSvg, EveryConversationIsDrawnWithItsSentences) {
    for (const Conversation& conversation : conversations) {
        Telling tell;
        conversation.packets(tell);
        tell.finish();
        std::vector<const Story*> stories;
        for (const auto& [number, story] : tell.collector().stories()) stories.push_back(&story);
        const std::string svg = svg_of(stories);
        std::size_t arrows = 0, segments = 0;
        for (std::size_t at = 0; (at = svg.find("<line class=\"arrow", at)) != std::string::npos; ++at)
            ++arrows;
        for (const Story* story : stories) {
            if (!story->is_tcp()) continue;
            for (const StoryRow& row : story->rows.all())
                segments += std::holds_alternative<StorySegment>(row) ? 1 : 0;
        }
        EXPECT_EQ(arrows, segments) << conversation.name;
        EXPECT_NE(svg.find("prefers-color-scheme: dark"), std::string::npos);
    }
    EXPECT_NE(svg_of({}).find("There is no TCP connection to draw."), std::string::npos);
}

}  // namespace
}  // namespace sluice::app
