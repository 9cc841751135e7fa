// The sentences people read beside a refusal: the numbers in them are those that decided.
#include <gtest/gtest.h>

#include "conversation.hpp"
#include "sluice/tcp/explain.hpp"

namespace sluice::tcp {
namespace {

using test::Conversation;

/// What is said of a segment in an open connection: A and B stand at 101 and 201, windows 1000.
std::string said(Direction direction, const Segment& segment, Settings settings = {}) {
    Conversation talk;
    talk.settings = settings;
    talk.open(100, 200, 1000);
    const Connection before = talk.connection;
    const Verdict verdict = talk.send(direction, segment);
    return explain(before, talk.pending, direction, segment, verdict, settings);
}

Segment segment(std::uint8_t flags, std::uint32_t sequence, std::uint32_t acknowledgement,
                std::uint32_t length = 0) {
    Segment out;
    out.flags = flags;
    out.sequence = sequence;
    out.acknowledgement = acknowledgement;
    out.payload_length = length;
    out.window = 1000;
    return out;
}

TEST(Explain, SaysHowFarBeyondTheWindow) {
    EXPECT_EQ(said(Direction::original, segment(ack, 5567, 201, 1)),
              "sequence 5567 is 4,466 beyond the window B offered, which ends at 1101");
    EXPECT_EQ(said(Direction::reply, segment(ack, 1202, 101, 1)),
              "sequence 1202 is 1 beyond the window A offered, which ends at 1201");
}

TEST(Explain, SaysWhatWasNeverSent) {
    EXPECT_EQ(said(Direction::original, segment(ack, 101, 1000201)),
              "acknowledgement 1000201 is 1,000,000 beyond 201, where what B has sent ends");
}

TEST(Explain, ASackEdgeIsNotCalledAnAcknowledgement) {
    Conversation talk;
    talk.open(100, 200, 1000);
    talk.connection.sack_permitted = 3;
    Segment edge = segment(ack, 101, 201);
    edge.has_sack = true;
    edge.sack_highest = 1000201;
    const Connection before = talk.connection;
    const Verdict verdict = talk.send(Direction::original, edge);
    EXPECT_EQ(explain(before, talk.pending, Direction::original, edge, verdict, talk.settings),
              "the SACK edge 1000201 is 1,000,000 beyond 201, where what B has sent ends");
}

TEST(Explain, SaysWhichResetWasExpected) {
    EXPECT_EQ(said(Direction::original, segment(rst, 111, 0)),
              "sequence 111 of the RST is 10 beyond 101, the one B expects");
    EXPECT_EQ(said(Direction::original, segment(rst, 91, 0)),
              "sequence 91 of the RST is 10 below 101, up to which B has acknowledged");
    EXPECT_EQ(said(Direction::original, segment(rst, 2101, 0)),
              "sequence 2101 is 1,000 beyond the window B offered, which ends at 1101");
}

TEST(Explain, NamesTheFlags) {
    EXPECT_EQ(said(Direction::original, segment(syn | fin, 101, 201)), "no endpoint sends the flags SYN+FIN");
    EXPECT_EQ(said(Direction::original, segment(psh, 101, 201)),
              "no endpoint sends the flags none of SYN, FIN, RST and ACK");
}

TEST(Explain, SaysWhereTheDuplicateEnded) {
    EXPECT_EQ(said(Direction::original, segment(ack, 4294957296, 201, 10)),
              "it ends at 4294957306, 10,091 before 101, up to which A has sent, and the window of B never "
              "was larger "
              "than 1,000");
}

TEST(Explain, IsSilentAboutAnAcceptedSegment) {
    EXPECT_EQ(said(Direction::original, segment(ack, 101, 201, 10)), "");
}

TEST(Explain, SaysWhyNoFlowWasOpened) {
    Settings settings;
    settings.loose = false;
    Connection none{};
    const Segment stray = segment(ack, 1, 1);
    const Verdict verdict = open(none, stray, settings);
    EXPECT_EQ(explain(Connection{}, PendingSyn{}, Direction::original, stray, verdict, settings),
              "a segment with ACK belongs to no flow and cannot start one while flows are not picked up in "
              "mid-stream");
}

}  // namespace
}  // namespace sluice::tcp
