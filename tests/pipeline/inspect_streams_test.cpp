// TCP flows on the packet path that are read: a pattern is found however it is cut, ordered and copied,
// nothing of a profile that blocks leaves unread, and known evasions end where they should.
#include <gtest/gtest.h>

#include "inspected_box.hpp"

namespace sluice::test {
namespace {

using policy::SignatureAction;

const std::string attack = "GET /attack.cgi";  ///< the client's
const std::string secret = "TOP-SECRET-FILE";  ///< the server's

std::shared_ptr<const inspect::Database> alerting_database() {
    static const auto database = database_of(signatures({"attack\\.cgi", "SECRET"}));
    return database;
}
std::shared_ptr<const inspect::Database> dropping_database() {
    static const auto database = database_of(signatures({"attack\\.cgi", "SECRET"}, SignatureAction::drop));
    return database;
}

/// All memory is back.
void expect_nothing_left(InspectedBox& box) {
    box.finish();
    box.poll();
    EXPECT_EQ(box.counted().flows.read(), 0U);
    EXPECT_EQ(box.counted().chunks.read(), 0U);
    EXPECT_EQ(box.counted().held.read(), 0U);
    EXPECT_EQ(box.tracker().counters().held.read(), 0U);
}

class Modes : public testing::TestWithParam<bool> {
  protected:
    static const inspect::Terms& terms() { return GetParam() ? blocking : alerting; }
};
INSTANTIATE_TEST_SUITE_P(Of, Modes, testing::Bool(),
                         [](const auto& one) { return one.param ? "Blocking" : "Alerting"; });

TEST_P(Modes, APatternIsFoundOnceHoweverItsSegmentsAreCutAndOrdered) {
    for (const Direction direction : {Direction::original, Direction::reply}) {
        const std::string& text = direction == Direction::original ? attack : secret;
        for (std::size_t cut = 1; cut < text.size(); ++cut)
            for (const bool in_order : {true, false}) {
                SCOPED_TRACE(cut);
                InspectedBox box(alerting_database(), terms());
                box.open();
                const auto at = static_cast<std::uint32_t>(cut);
                const std::string first = text.substr(0, cut), second = text.substr(cut);
                if (in_order) box.send(0, first, 0, direction);
                const auto late = box.send(at, second, 0, direction);
                if (!in_order) {
                    EXPECT_EQ(box.fate(late), GetParam() ? "held" : "pass");
                    box.send(0, first, 0, direction);
                }
                box.send(at, second, 0, direction);  // once more
                const auto alerts = box.alerts();
                ASSERT_EQ(alerts.size(), 1U);
                EXPECT_EQ(alerts[0].direction, direction);
                EXPECT_EQ(alerts[0].signature_id, direction == Direction::original ? 1U : 2U);
                EXPECT_EQ(alerts[0].position, direction == Direction::original ? 15U : 10U);
                EXPECT_EQ(box.fate(late), "pass");
                if (GetParam()) {
                    EXPECT_TRUE(box.text(direction).starts_with(text));
                }
                expect_nothing_left(box);
            }
    }
}

TEST_P(Modes, OverlapsAndCopiesChangeNothing) {
    InspectedBox box(alerting_database(), terms());
    box.open();
    box.send(0, attack.substr(0, 6));
    box.send(9, attack.substr(9));
    box.send(9, attack.substr(9));
    box.send(3, attack.substr(3, 8));
    box.send(0, attack);
    EXPECT_EQ(box.alerts().size(), 1U);
    EXPECT_EQ(box.count(inspect::Event::differing), 0U);
    expect_nothing_left(box);
}

TEST_P(Modes, AMultiSegmentPacketIsReadWhole) {
    for (const std::size_t split : {20U, 54U, 60U, 68U}) {
        InspectedBox box(alerting_database(), terms());
        box.open();
        box.feed(box.data(0, attack), Direction::original, split);
        EXPECT_EQ(box.alerts().size(), 1U) << split;
    }
}

TEST_P(Modes, ATcpSegmentInFragmentsIsReadWhole) {
    InspectedBox box(alerting_database(), terms());
    box.open();
    const auto pieces = box.data(0, "0123456789" + attack).identification(7).build_fragments(24);
    ASSERT_EQ(pieces.size(), 2U);
    box.burst(pieces, Direction::original);
    EXPECT_EQ(box.alerts().size(), 1U);
    EXPECT_EQ(box.fate(box.left.back().number), "pass");
    EXPECT_EQ(box.left.size(), 5U) << "three of the handshake and both pieces";
}

TEST_P(Modes, ManyFlowsInOneBurstAreReadApartAndKeepTheirOrder) {
    InspectedBox box(alerting_database(), terms());
    std::vector<Bytes> frames;
    for (std::uint16_t port = 1; port <= 4; ++port) box.open(port);
    const std::size_t before = box.left.size();
    const std::string request = attack + " HTTP";
    for (const std::uint32_t at : {0U, 10U, 5U, 15U})
        for (std::uint16_t port = 1; port <= 4; ++port)
            frames.push_back(box.data(at, request.substr(at, 5), 0, Direction::original, port).build());
    box.burst(frames, Direction::original);
    EXPECT_EQ(box.alerts().size(), 4U);
    ASSERT_EQ(box.left.size(), before + frames.size());
    if (!GetParam()) return;
    for (std::uint16_t port = 1; port <= 4; ++port) {
        std::string text;
        for (const auto& gone : box.left)
            if (gone.headers.source_port == port) text += gone.payload;
        EXPECT_EQ(text, request);
    }
}

TEST_P(Modes, WhatIsRefusedIsNotRead) {
    InspectedBox box(alerting_database(), terms());
    box.open();
    box.feed(box.data(0, attack).wrong_transport_checksum());
    box.feed(box.data(500'000, attack));
    box.feed(box.data(400'000, "", packet::rst));
    EXPECT_EQ(box.count(Reason::bad_checksum), 1U);
    EXPECT_EQ(box.count(Reason::seq_after_window), 1U);
    EXPECT_EQ(box.count(Reason::rst_out_of_window), 1U);
    EXPECT_TRUE(box.alerts().empty());
    box.send(0, "harmless, it is");
    EXPECT_TRUE(box.alerts().empty()) << "the first copy of a byte is the one that was believed";
    box.send(15, attack);
    EXPECT_EQ(box.alerts().size(), 1U) << "and the flow is read on";
}

TEST_P(Modes, WhatFollowsTheEndOfTheirReadingInABurstKeepsItsPlace) {
    inspect::Terms some = terms();
    some.budget = 4;
    InspectedBox box(alerting_database(), some);
    box.open();
    box.send(0, "four", 0, Direction::reply);
    const auto first =
        box.burst({box.data(0, "01").build(), box.data(2, "23").build(), box.data(4, "45").build(),
                   box.data(6, "67").build(), box.data(8, "", packet::rst).build()},
                  Direction::original);
    ASSERT_EQ(box.left.size(), 9U);
    for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(box.left[4 + i].number, first + i);
    box.poll();
    EXPECT_EQ(box.counted().flows.read(), 0U);
}

TEST_P(Modes, ASynInAnOpenConnectionSaysNothingOfItsData) {
    for (const std::string text : {"", "of nobody"}) {
        InspectedBox box(alerting_database(), terms());
        box.open();
        const auto syn = box.send(500, text, packet::syn);
        EXPECT_EQ(box.fate(syn), GetParam() && !text.empty() ? "syn-data" : "pass");
        box.feed(box.data(0, text, packet::syn));
        box.send(0, attack);
        EXPECT_EQ(box.alerts().size(), 1U) << "what its receiver reads was read";
    }
}

TEST(InspectedStreams, DataInFrontOfTheSynThatWasBelievedAreNotLetThrough) {
    InspectedBox box(dropping_database(), blocking);
    const auto answer = [&](std::uint32_t later) {
        return box.feed(box.from(Direction::reply)
                            .sequence(InspectedBox::server_isn + later)
                            .acknowledgement(InspectedBox::client_isn + 1)
                            .window(65'000)
                            .flags(packet::syn | packet::ack),
                        Direction::reply);
    };
    box.feed(
        box.from(Direction::original).sequence(InspectedBox::client_isn).window(65'000).flags(packet::syn));
    EXPECT_EQ(box.fate(answer(0)), "pass");
    EXPECT_EQ(box.fate(answer(1000)), "pass") << "nobody knows which the client believes";
    EXPECT_NE(box.fate(box.send(0, secret, 0, Direction::reply)), "pass");
    EXPECT_EQ(box.text(Direction::reply), "");
}

TEST(InspectedStreams, BehindARstThatItsReceiverMayNotHaveBelievedTheyAreReadOn) {
    InspectedBox box(alerting_database(), alerting);
    box.open();
    box.send(0, attack.substr(0, 8));
    box.feed(box.data(8, "", packet::rst));
    box.send(8, attack.substr(8));
    // Whatever the tracker says of data behind a RST, none of it passes unread.
    const bool passed = box.text().find(attack) != std::string::npos;
    EXPECT_EQ(box.alerts().size(), passed ? 1U : 0U);
}

TEST(InspectedStreams, NothingThatMatchesLeavesABlockingProfileWhole) {
    for (std::size_t cut = 1; cut < attack.size(); ++cut)
        for (const bool in_order : {true, false}) {
            SCOPED_TRACE(cut);
            InspectedBox box(dropping_database(), blocking);
            box.open();
            const auto at = static_cast<std::uint32_t>(cut);
            if (in_order) box.send(0, attack.substr(0, cut));
            box.send(at, attack.substr(cut));
            if (!in_order) box.send(0, attack.substr(0, cut));
            EXPECT_TRUE(attack.starts_with(box.text()) && box.text() != attack) << box.text();
            // And nothing from there on, either way; what carries no data passes.
            const auto more = box.send(15, "more");
            const auto back = box.send(0, "answer", 0, Direction::reply);
            const auto bare = box.send(15, "");
            EXPECT_EQ(box.fate(more), "signature");
            EXPECT_EQ(box.fate(back), "signature");
            EXPECT_EQ(box.fate(bare), "pass");
            const auto alerts = box.alerts();
            ASSERT_EQ(alerts.size(), 1U);
            EXPECT_EQ(alerts[0].done, SignatureAction::drop);
            expect_nothing_left(box);
        }
}

TEST(InspectedStreams, AMatchAmongManyFlowsBlocksItsFlowAlone) {
    for (const SignatureAction action : {SignatureAction::drop, SignatureAction::reset}) {
        InspectedBox box(database_of(signatures({"attack\\.cgi"}, action)), blocking);
        for (std::uint16_t port = 1; port <= 4; ++port) box.open(port);
        const auto to_all = [&](std::uint32_t at, const std::string& text, const std::string& to_second) {
            std::vector<Bytes> frames;
            for (std::uint16_t port = 1; port <= 4; ++port)
                frames.push_back(
                    box.data(at, port == 2 ? to_second : text, 0, Direction::original, port).build());
            return box.burst(frames, Direction::original);
        };
        to_all(0, "harmless", "attack.c");
        const std::size_t before = box.left.size();
        const std::uint64_t first = to_all(8, "it was", "gi, was");
        for (const unsigned i : {0U, 2U, 3U}) EXPECT_EQ(box.fate(first + i), "pass");
        EXPECT_EQ(box.fate(first + 1), "signature");
        const bool resets = action == SignatureAction::reset;
        ASSERT_EQ(box.left.size(), before + 3 + (resets ? 2 : 0));
        for (std::size_t i = before; i < box.left.size(); ++i) {
            const packet::TcpFields& tcp = box.left[i].headers.tcp;
            if ((tcp.flags & packet::rst) == 0) continue;
            const bool to_server = box.left[i].headers.destination_port == 80;
            EXPECT_EQ(tcp.sequence, InspectedBox::isn(to_server ? Direction::original : Direction::reply) +
                                        1 + (to_server ? 8 : 0))
                << "what its server has got, and not what was dropped";
        }
        const std::uint64_t second = to_all(14, " of them", " of it, ");
        for (const unsigned i : {0U, 2U, 3U}) EXPECT_EQ(box.fate(second + i), "pass");
        if (!resets) {
            EXPECT_EQ(box.fate(second + 1), "signature");
        }
        const std::string text = box.text();
        EXPECT_EQ(text.find("gi"), std::string::npos) << text;
        EXPECT_EQ(text.find(" of it"), std::string::npos) << text;
        EXPECT_EQ(box.alerts().size(), 1U);
    }
}

TEST(InspectedStreams, AProfileThatDoesNotBlockOnlyTellsWhatADropWouldHaveBeen) {
    InspectedBox box(dropping_database(), alerting);
    box.open();
    box.send(0, attack);
    EXPECT_EQ(box.text(), attack);
    const auto alerts = box.alerts();
    ASSERT_EQ(alerts.size(), 1U);
    EXPECT_EQ(alerts[0].done, SignatureAction::alert);
}

TEST(InspectedStreams, AnAlertHasTheFlowAndTheBytesUpToTheMatch) {
    InspectedBox box(alerting_database(), alerting);
    box.open();
    box.send(0, "0123456789 " + attack + " HTTP/1.1");
    const auto alerts = box.alerts();
    ASSERT_EQ(alerts.size(), 1U);
    const pipeline::Alert& alert = alerts[0];
    EXPECT_EQ(alert.wall_nanoseconds, box.now.wall_nanoseconds);
    EXPECT_EQ(alert.family, packet::Family::ipv4);
    EXPECT_EQ(alert.flow, box.flow.flow);
    EXPECT_EQ(alert.key4.port[0] + alert.key4.port[1], 40'080);
    EXPECT_EQ(alert.key4.port[alert.original_from_high ? 1 : 0], 40'000);
    EXPECT_EQ(alert.generation, 0U);
    EXPECT_EQ(alert.position, 26U);
    EXPECT_EQ(std::string(alert.excerpt.begin(), alert.excerpt.begin() + alert.excerpt_length),
              " GET /attack.cgi");
}

TEST(InspectedStreams, AnotherTextInARetransmissionIsNotLetThrough) {
    InspectedBox box(dropping_database(), blocking);
    box.open();
    box.send(0, "harmless, it is");
    EXPECT_EQ(box.fate(box.send(0, attack)), "evasion");
    EXPECT_EQ(box.count(inspect::Event::differing), 1U);
    box.acknowledge(15);
    box.send(15, attack.substr(0, 9));
    const auto held = box.send(40, "behind a hole");
    EXPECT_EQ(box.fate(box.send(40, "BEHIND A HOLE")), "evasion");
    EXPECT_EQ(box.fate(held), "held");
    EXPECT_EQ(box.fate(box.send(40, "behind a hole")), "inspection-duplicate");
}

TEST(InspectedStreams, ATtlThatMayEndOnTheWayIsNotBelieved) {
    InspectedBox box(dropping_database(), {.blocking = true, .fail_open = false, .minimum_ttl = 10});
    box.open();
    box.hop_limit = 9;
    EXPECT_EQ(box.fate(box.send(0, "harmless, it is")), "evasion");
    box.hop_limit = 10;
    box.send(0, attack);
    EXPECT_EQ(box.alerts().size(), 1U);
    EXPECT_EQ(box.text(), "");
}

TEST(InspectedStreams, ASynWithDataIsDroppedWhereNothingPassesUnread) {
    InspectedBox box(dropping_database(), blocking);
    const auto syn = box.from(Direction::original).sequence(InspectedBox::client_isn).window(65'000);
    EXPECT_EQ(box.fate(box.feed(PacketBuilder(syn).flags(packet::syn).payload(InspectedBox::bytes(attack)))),
              "syn-data");
    box.open();  // the client does without
    box.send(0, attack);
    EXPECT_EQ(box.alerts().size(), 1U);

    InspectedBox other(alerting_database(), alerting);
    other.feed(PacketBuilder(syn).flags(packet::syn).payload(InspectedBox::bytes(attack)));
    EXPECT_EQ(other.text(), attack);
    EXPECT_EQ(other.alerts().size(), 1U) << "elsewhere it passes and is read";
}

TEST(InspectedStreams, WhoIsHeldTooLongIsDroppedAndMayComeAgain) {
    InspectedBox box(alerting_database(), blocking);
    box.open();
    const auto held = box.send(8, attack.substr(8));
    EXPECT_EQ(box.tracker().counters().held.read(), 1U);
    box.poll(499);
    EXPECT_EQ(box.fate(held), "held");
    box.poll(1);
    EXPECT_EQ(box.fate(held), "inspection-timeout");
    EXPECT_EQ(box.tracker().counters().held.read(), 0U);
    box.send(0, attack.substr(0, 8));
    box.send(8, attack.substr(8));
    EXPECT_EQ(box.alerts().size(), 1U);
    EXPECT_EQ(box.text(), attack);
    EXPECT_EQ(box.tracker().counters().packets.read(),
              box.tracker().counters().passed.read() + box.tracker().counters().dropped.read());
}

TEST(InspectedStreams, WhenTheFlowGoesAllThatIsHeldOfItGoes) {
    InspectedBox box(alerting_database(), blocking);
    box.open();
    const auto held = box.send(8, attack.substr(8));
    box.tracker().mailbox().post({.kind = pipeline::Request::Kind::flush});
    box.poll();
    EXPECT_EQ(box.fate(held), "inspection-timeout");
    box.poll();
    EXPECT_EQ(box.counted().flows.read(), 0U);
    EXPECT_EQ(box.counted().chunks.read(), 0U);
}

TEST(InspectedStreams, AConnectionThatHasClosedGivesItsMemoryBack) {
    InspectedBox box(alerting_database(), blocking);
    box.open();
    box.send(0, "bye", packet::fin);
    box.acknowledged[0] = 4;
    box.send(0, "", packet::fin, Direction::reply);
    box.acknowledged[1] = 1;
    box.feed(box.data(4, ""));
    box.poll();
    EXPECT_EQ(box.view().state.tcp.pair, static_cast<unsigned>(tcp::Pair::time_wait__closed));
    EXPECT_EQ(box.counted().flows.read(), 0U);
}

TEST(InspectedStreams, OneBurstReadsNoMoreThanItsBudgetAndKeepsTheOrder) {
    pipeline::Limits limits = InspectedBox::small_limits();
    limits.inspection.burst_bytes = 2000;
    InspectedBox box(alerting_database(), blocking, limits);
    box.open();
    std::vector<Bytes> frames;
    std::string all;
    for (unsigned i = 0; i < 8; ++i) {
        const std::string text =
            std::string(990, static_cast<char>('a' + i)) + (i == 5 ? "SECRET.cgi" : "          ");
        frames.push_back(box.data(1000 * i, text).build());
        all += text;
    }
    box.burst(frames, Direction::original);
    EXPECT_LT(box.text().size(), all.size());
    for (int i = 0; i < 8; ++i) box.poll(1);
    EXPECT_EQ(box.text(), all);
    EXPECT_EQ(box.alerts().size(), 1U);
}

TEST(InspectedStreams, WithoutMemoryTheProfileDecidesWhatIsLetThrough) {
    pipeline::Limits limits = InspectedBox::small_limits();
    limits.inspection.held_packets = 1;
    for (const bool fail_open : {true, false}) {
        InspectedBox box(alerting_database(), {.blocking = true, .fail_open = fail_open}, limits);
        box.open();
        EXPECT_EQ(box.fate(box.send(5, "a")), "held");
        EXPECT_EQ(box.fate(box.send(7, "b")), fail_open ? "pass" : "inspection-full");
    }
}

TEST(InspectedStreams, WithoutANumberLeftTheProfileDecidesWhetherTheFlowBegins) {
    for (const bool fail_open : {true, false}) {
        InspectedBox box(alerting_database(), {.blocking = true, .fail_open = fail_open});
        for (std::uint16_t port = 1; port <= 4; ++port) box.open(port);
        const auto syn = box.feed(box.from(Direction::original, 5).sequence(1).flags(packet::syn));
        EXPECT_EQ(box.fate(syn), fail_open ? "pass" : "inspection-full");
        EXPECT_EQ(box.counted().no_room.read(), 1U);
    }
}

TEST(InspectedStreams, OnceTheirBudgetIsSpentTheyAreReadNoMore) {
    InspectedBox box(alerting_database(), {.blocking = true, .fail_open = false, .budget = 10});
    box.open();
    box.send(0, "0123456789");
    box.send(0, "0123456789", 0, Direction::reply);
    box.send(10, attack);
    EXPECT_TRUE(box.alerts().empty());
    box.poll();
    EXPECT_EQ(box.counted().flows.read(), 0U);
    EXPECT_EQ(box.text(), "0123456789" + attack);
}

TEST(InspectedStreams, PickedUpInMidStreamTheyAreReadFromThere) {
    InspectedBox box(alerting_database(), blocking);
    box.send(700, "some " + attack);
    const auto alerts = box.alerts();
    ASSERT_EQ(alerts.size(), 1U);
    EXPECT_EQ(alerts[0].position, 20U);
}

}  // namespace
}  // namespace sluice::test
