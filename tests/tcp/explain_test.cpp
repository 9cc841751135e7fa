// The sentences people read beside a refusal: the numbers in them are those that decided.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <sstream>
#include <vector>

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
              "sequence 5567 is 4,466 beyond the window B offered, which ends at 1101, and beyond a further "
              "window of 1,000");
    EXPECT_EQ(said(Direction::reply, segment(ack, 1202, 101, 1)),
              "sequence 1202 is 1 beyond the window A offered, which ends at 1201, but within a further "
              "window of 1,000");
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
    EXPECT_EQ(said(Direction::original, segment(syn | fin, 101, 201)),
              "no endpoint sends the flags SYN+FIN (sequence 101)");
    EXPECT_EQ(said(Direction::original, segment(psh, 101, 201)),
              "no endpoint sends the flags none of SYN, FIN, RST and ACK (sequence 101)");
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
              "a segment with ACK and sequence 1 belongs to no flow and cannot start one while flows are not "
              "picked up in "
              "mid-stream");
}

/// A reason, and all that is said of one segment judged so.
struct Row {
    Reason reason;
    const char* sentence;
    Direction direction;
    std::uint8_t flags;
    std::uint32_t sequence, acknowledgement;
    std::uint32_t length = 0;
    void (*prepare)(Conversation&) = [](Conversation& talk) { talk.open(100, 200, 1000); };
};
constexpr auto A = Direction::original, B = Direction::reply;

void dial(Conversation& talk) {
    talk.window = 1000;
    (void)tcp::open(talk.connection, talk.make(syn, 100, 0), talk.settings);
}
void dial_again(Conversation& talk) {
    dial(talk);
    (void)talk.send(A, syn, 5100, 0);
}
void answer(Conversation& talk) {
    dial(talk);
    (void)talk.send(B, syn | ack, 200, 101);
}
void reset(Conversation& talk) {
    talk.open(100, 200, 1000);
    (void)talk.send(A, rst, 101, 0);
}
void dial_into_the_open(Conversation& talk) {
    talk.open(100, 200, 1000);
    (void)talk.send(A, syn, 4'294'897'397, 0);
}
void begin_anew(Conversation& talk) {
    talk.open(100, 200, 1000);
    (void)talk.send(A, syn, 70'000, 0);
    (void)talk.send(B, syn | ack, 3'000'000'000, 70'001);
}
void half_close(Conversation& talk) {
    talk.open(100, 200, 1000);
    (void)talk.send(A, fin | ack, 101, 201, 10);
}
void send_much(Conversation& talk) {
    talk.open(100, 200, 1000);
    for (std::uint32_t at = 101; at < 101 + 100'000; at += 1000) {
        (void)talk.send(A, ack, at, 201, 1000);
        (void)talk.send(B, ack, 201, at + 1000);
    }
}

const Row rows[] = {
    {Reason::old_duplicate,
     "it ends at 4294957306, 10,091 before 101, up to which A has sent, and the window of B never was larger "
     "than 1,000",
     A, ack, 4294957296U, 201, 10},
    {Reason::old_duplicate, "the FIN ends at 106, 6 before 112, up to which A has sent already", A, fin | ack,
     101, 201, 4, half_close},
    {Reason::old_acknowledgement,
     "acknowledgement 101 is 100,000 behind 100101, up to which A has sent; no more than 66,000 may be under "
     "way",
     B, ack, 201, 101, 10, send_much},
    {Reason::window_overshoot,
     "sequence 2101 is 1,000 beyond the window B offered, which ends at 1101, but within a further window of "
     "1,000",
     A, ack, 2101, 201, 1},
    {Reason::seq_after_window,
     "sequence 2102 is 1,001 beyond the window B offered, which ends at 1101, and beyond a further window of "
     "1,000",
     A, ack, 2102, 201, 1},
    {Reason::seq_after_window, "it ends at 117, 5 beyond the FIN of A, which ended at 112", A, ack, 112, 201,
     5, half_close},
    {Reason::seq_after_window,
     "sequence 1202 is 1 beyond the window A offered, which ends at 1201; and acknowledgement 101 is 100,000 "
     "behind 100101, "
     "up to which A has sent; no more than 66,000 may be under way",
     B, ack, 1202, 101, 10, send_much},
    {Reason::syn_in_connection,
     "a SYN with sequence 70000 inside a connection that is at ESTABLISHED,ESTABLISHED; B will challenge it",
     A, syn, 70000, 0},
    {Reason::rst_inexact, "sequence 111 of the RST is 10 beyond 101, the one B expects", A, rst, 111, 0},
    {Reason::ack_not_of_syn, "acknowledgement 102 is not 101, which would acknowledge the SYN of A", B,
     syn | ack, 200, 102, 0, dial},
    {Reason::ack_not_of_syn, "acknowledgement 55 answers no SYN of A that is waiting for an answer", B,
     syn | ack, 70000, 55},
    {Reason::old_syn, "sequence 4100 of the SYN is 1,000 below 5100, that of a newer SYN", A, syn, 4100, 0, 0,
     dial_again},
    {Reason::old_syn, "sequence 90 of the SYN is 10 below 100, that of a newer SYN", A, syn, 90, 0, 0,
     answer},
    {Reason::before_syn_ack,
     "no SYN of B has been seen, so that sequence 201 and acknowledgement 101 have nothing to be held "
     "against",
     B, ack, 201, 101, 10, dial},
    {Reason::rst_old, "sequence 91 of the RST is 10 below 101, up to which B has acknowledged", A, rst, 91,
     0},
    {Reason::rst_old,
     "the RST with sequence 0 acknowledges 101, and 5101 would acknowledge the newest SYN of A", B, rst | ack,
     0, 101, 0, dial_again},
    {Reason::rst_old,
     "the RST with sequence 7 acknowledges nothing, and A is waiting for the answer to its SYN 100", B, rst,
     7, 0, 0, dial},
    {Reason::rst_old,
     "sequence 100 of the RST answers something older: nothing B sent in this connection has passed", A, rst,
     100, 0, 0, dial},
    {Reason::rst_old,
     "sequence 201 of the RST is of another connection on these ports than 3000000001, up to which A has "
     "acknowledged",
     B, rst, 201, 0, 0, begin_anew},
    {Reason::ack_not_of_syn,
     "acknowledgement 4294897398 and sequence 200 may be those of a handshake that is over and comes again "
     "late",
     B, syn | ack, 200, 4'294'897'398, 0, dial_into_the_open},
    {Reason::after_close,
     "the connection was reset and stands at CLOSED,CLOSED; ACK with sequence 201 is neither a SYN nor the "
     "answer to the last "
     "one, which alone open it again",
     B, ack, 201, 101, 0, reset},
    {Reason::bad_flags, "no endpoint sends the flags SYN+RST (sequence 101)", A, syn | rst, 101, 201},
    {Reason::ack_unsent, "acknowledgement 1000201 is 1,000,000 beyond 201, where what B has sent ends", A,
     ack, 101, 1000201},
    {Reason::rst_out_of_window, "sequence 2101 is 1,000 beyond the window B offered, which ends at 1101", A,
     rst, 2101, 0},
    {Reason::rst_out_of_window, "the RST acknowledges 201, 100 beyond the SYN of A, which ends at 101", B,
     rst | ack, 0, 201, 0, dial},
};

TEST(Explain, EveryReasonHasItsNumbers) {
    for (const Row& row : rows) {
        Conversation talk;
        row.prepare(talk);
        const Connection before = talk.connection;
        const PendingSyn pending = talk.pending;
        const Segment sent = talk.make(row.flags, row.sequence, row.acknowledgement, row.length);
        const Verdict verdict = talk.send(row.direction, sent);
        EXPECT_EQ(text_of(verdict.reason).name, text_of(row.reason).name) << row.sentence;
        EXPECT_EQ(explain(before, pending, row.direction, sent, verdict, talk.settings), row.sentence);
    }
}

/// The numbers of a sentence, in their order, commas left out. A word with a digit in it is no number.
std::vector<std::uint64_t> numbers_in(const std::string& sentence) {
    std::vector<std::uint64_t> out;
    std::istringstream words(sentence);
    for (std::string word; words >> word;) {
        std::erase_if(word, [](char c) { return c == ',' || c == ';' || c == '(' || c == ')'; });
        if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos)
            out.push_back(std::stoull(word));
    }
    return out;
}

/// "X … D beyond E" and its kind: X - E is D, and on the side the word says.
void expect_arithmetic(const std::string& sentence) {
    const bool ahead = sentence.find(" beyond ") != std::string::npos;
    const bool behind = sentence.find(" before ") != std::string::npos ||
                        sentence.find(" behind ") != std::string::npos ||
                        sentence.find(" below ") != std::string::npos;
    if (!ahead && !behind) return;
    const auto numbers = numbers_in(sentence);
    ASSERT_GE(numbers.size(), 3U) << sentence;
    const auto x = static_cast<std::uint32_t>(numbers[0]), e = static_cast<std::uint32_t>(numbers[2]);
    EXPECT_EQ(ahead ? x - e : e - x, numbers[1]) << sentence;
    EXPECT_LE(numbers[1], std::uint64_t{1} << 31) << sentence;
    EXPECT_GT(numbers[1], 0U) << sentence;
}

/// Arbitrary segments, most of them near the edges that decide: every sentence has a number, and what it
/// says of distances is so.
TEST(Explain, WhatIsSaidOfDistancesIsTrue) {
    constexpr unsigned seed = 9293;
    std::mt19937 random(seed);
    const auto one_of = [&random](std::initializer_list<std::uint32_t> values) {
        return *(values.begin() + random() % values.size());
    };
    std::array<unsigned, reason_count> met{};
    for (unsigned round = 0; round < 4'000; ++round) {
        Conversation talk;
        talk.window = 2000;
        talk.settings.asymmetric = round % 16 == 0;
        const auto isn = static_cast<std::uint32_t>(random());
        if (round % 3 == 0)
            (void)tcp::open(talk.connection, talk.make(random() % 4 == 0 ? ack : syn, isn, isn),
                            talk.settings);
        else
            talk.open(isn, static_cast<std::uint32_t>(random()), 2000);
        for (unsigned step = 0; step < 12; ++step) {
            const auto direction = static_cast<Direction>(random() % 2);
            const Side& sender = talk.connection.side[static_cast<std::size_t>(direction)];
            const Side& receiver = talk.connection.side[static_cast<std::size_t>(opposite(direction))];
            const std::uint32_t off = one_of({0, 0, 0, 1, 2, 500, 2000, 2001, 66'000, 70'000, 1U << 30,
                                              0U - 1, 0U - 500, 0U - 2000, 0U - 2001, 0U - 66'001});
            const std::uint32_t off_ack = one_of({0, 0, 0, 0, 1, 500, 0U - 1, 0U - 66'001, 1U << 20});
            Segment sent = talk.make(
                one_of({syn, syn | ack, ack, ack, ack, fin | ack, rst, rst | ack, syn | fin}),
                one_of({sender.end, sender.max_end, receiver.max_ack, 0, isn}) + off,
                one_of({receiver.end, sender.max_ack, isn + 1}) + off_ack, one_of({0, 0, 1, 100, 1460}));
            const Connection before = talk.connection;
            const PendingSyn pending = talk.pending;
            const Verdict verdict = talk.send(direction, sent);
            ++met[static_cast<std::size_t>(verdict.reason)];
            if (verdict.outcome == Outcome::accepted) continue;
            const std::string sentence = explain(before, pending, direction, sent, verdict, talk.settings);
            EXPECT_FALSE(numbers_in(sentence).empty()) << sentence;
            expect_arithmetic(sentence);
            if (testing::Test::HasFailure())
                FAIL() << text_of(verdict.reason).name << ", seed " << seed << ", round " << round
                       << ", step " << step << " in "
                       << tcp::name_of(text_of(static_cast<Pair>(before.pair)).originator) << ","
                       << tcp::name_of(text_of(static_cast<Pair>(before.pair)).responder);
        }
    }
    for (const Row& row : rows)
        EXPECT_GT(met[static_cast<std::size_t>(row.reason)], 0U) << text_of(row.reason).name;
}

TEST(Explain, AReasonOfAnotherPartIsSaidInItsOwnWords) {
    const Verdict verdict{.outcome = Outcome::refused, .reason = Reason::bad_checksum};
    EXPECT_EQ(explain(Connection{}, PendingSyn{}, Direction::original, segment(ack, 1, 1), verdict, {}),
              text_of(Reason::bad_checksum).sentence);
}

}  // namespace
}  // namespace sluice::tcp
