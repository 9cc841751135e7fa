// The interpreter against the RFC's own examples: figures 6 to 13 of RFC 9293, the acceptability table of its
// section 3.4, the three cases of RFC 5961 section 3.2 and RFC 7323's scaled windows.
#include <gtest/gtest.h>

#include "endpoint.hpp"
#include "middle.hpp"

namespace sluice::rfc9293 {
namespace {

std::string text(const std::optional<Segment>& s) {
    return s ? describe(*s) : "nothing";
}
constexpr auto window = "<WND=64>";

struct Figure : testing::Test {
    Endpoint a, b;

    void SetUp() override { a.buffer = b.buffer = 64; }

    void listen(Endpoint& e, std::uint32_t iss) {
        e.listen();
        e.iss = iss;
    }
    void says(const std::optional<Segment>& said, const std::string& numbers, const std::string& control) {
        EXPECT_EQ(text(said), numbers + window + "<CTL=" + control + ">");
    }
    /// A reset says no window.
    void resets(const std::optional<Segment>& said, const std::string& numbers) {
        EXPECT_EQ(text(said), numbers + "<WND=0><CTL=RST>");
    }
    void stand(State of_a, State of_b) {
        EXPECT_EQ(name_of(a.state), name_of(of_a)) << describe(a);
        EXPECT_EQ(name_of(b.state), name_of(of_b)) << describe(b);
    }
    /// Figures 9, 10, 12 and 13 begin here; the next octets are `next_a` and `next_b`.
    void establish(std::uint32_t next_a, std::uint32_t next_b) {
        listen(b, next_b - 1);
        const auto syn = a.open(next_a - 1);
        const auto syn_ack = b.arrives(*syn).reply;
        const auto ack = a.arrives(*syn_ack).reply;
        EXPECT_FALSE(b.arrives(*ack).reply);
        stand(State::established, State::established);
    }
};

TEST_F(Figure, Figure6BasicThreeWayHandshake) {
    listen(b, 300);
    const auto syn = a.open(100);
    says(syn, "<SEQ=100>", "SYN");
    const auto syn_ack = b.arrives(*syn).reply;
    stand(State::syn_sent, State::syn_rcvd);
    says(syn_ack, "<SEQ=300><ACK=101>", "SYN,ACK");
    const auto ack = a.arrives(*syn_ack).reply;
    stand(State::established, State::syn_rcvd);
    says(ack, "<SEQ=101><ACK=301>", "ACK");
    EXPECT_FALSE(b.arrives(*ack).reply);
    stand(State::established, State::established);
    says(a.send(5, false), "<SEQ=101><ACK=301><TEXT=5>", "ACK");
}

TEST_F(Figure, Figure7SimultaneousOpen) {
    const auto syn_a = a.open(100);
    const auto syn_b = b.open(300);
    const auto answer_a = a.arrives(*syn_b).reply;
    stand(State::syn_rcvd, State::syn_sent);
    const auto answer_b = b.arrives(*syn_a).reply;
    stand(State::syn_rcvd, State::syn_rcvd);
    says(answer_a, "<SEQ=100><ACK=301>", "SYN,ACK");
    says(answer_b, "<SEQ=300><ACK=101>", "SYN,ACK");
    (void)a.arrives(*answer_b);
    stand(State::established, State::syn_rcvd);
    (void)b.arrives(*answer_a);
    stand(State::established, State::established);
}

TEST_F(Figure, Figure8RecoveryFromOldDuplicateSyn) {
    listen(b, 300);
    const auto syn = a.open(100);
    Segment old = *syn;
    old.seq = 90;
    const auto wrong = b.arrives(old).reply;
    says(wrong, "<SEQ=300><ACK=91>", "SYN,ACK");
    const auto rst = a.arrives(*wrong).reply;
    resets(rst, "<SEQ=91>");
    EXPECT_FALSE(b.arrives(*rst).reply);
    stand(State::syn_sent, State::listen);
    b.iss = 400;
    const auto syn_ack = b.arrives(*syn).reply;
    says(syn_ack, "<SEQ=400><ACK=101>", "SYN,ACK");
    (void)b.arrives(*a.arrives(*syn_ack).reply);
    stand(State::established, State::established);
}

TEST_F(Figure, Figure9HalfOpenConnectionDiscovery) {
    establish(100, 300);
    a.vanish();
    const auto syn = a.open(400);
    const auto challenge = b.arrives(*syn).reply;
    says(challenge, "<SEQ=300><ACK=100>", "ACK");
    const auto rst = a.arrives(*challenge).reply;
    resets(rst, "<SEQ=100>");
    EXPECT_FALSE(b.arrives(*rst).reply);
    stand(State::syn_sent, State::closed);
    says(a.retransmit(0), "<SEQ=400>", "SYN");
}

TEST_F(Figure, Figure10ActiveSideCausesHalfOpenConnectionDiscovery) {
    establish(100, 300);
    a.vanish();
    const auto rst = a.arrives(*b.send(10, false)).reply;
    resets(rst, "<SEQ=100>");
    (void)b.arrives(*rst);
    stand(State::closed, State::closed);
}

TEST_F(Figure, Figure11OldDuplicateSynInitiatesAResetOnTwoPassiveSockets) {
    listen(a, 200);
    listen(b, 300);
    Segment old;
    old.seq = 90;
    old.control = SYN;
    old.window = 64;
    const auto syn_ack = b.arrives(old).reply;
    stand(State::listen, State::syn_rcvd);
    const auto rst = a.arrives(*syn_ack).reply;
    resets(rst, "<SEQ=91>");
    (void)b.arrives(*rst);
    stand(State::listen, State::listen);
}

TEST_F(Figure, Figure12NormalClose) {
    establish(100, 300);
    const auto fin_a = a.send(0, true);
    says(fin_a, "<SEQ=100><ACK=300>", "FIN,ACK");
    const auto ack_b = b.arrives(*fin_a).reply;
    stand(State::fin_wait_1, State::close_wait);
    says(ack_b, "<SEQ=300><ACK=101>", "ACK");
    EXPECT_FALSE(a.arrives(*ack_b).reply);
    stand(State::fin_wait_2, State::close_wait);
    const auto fin_b = b.send(0, true);
    says(fin_b, "<SEQ=300><ACK=101>", "FIN,ACK");
    const auto ack_a = a.arrives(*fin_b).reply;
    stand(State::time_wait, State::last_ack);
    says(ack_a, "<SEQ=101><ACK=301>", "ACK");
    EXPECT_FALSE(b.arrives(*ack_a).reply);
    stand(State::time_wait, State::closed);
    a.time_wait_over();
    stand(State::closed, State::closed);
}

TEST_F(Figure, Figure13SimultaneousClose) {
    establish(100, 300);
    const auto fin_a = a.send(0, true);
    const auto fin_b = b.send(0, true);
    const auto ack_a = a.arrives(*fin_b).reply;
    stand(State::closing, State::fin_wait_1);
    const auto ack_b = b.arrives(*fin_a).reply;
    stand(State::closing, State::closing);
    says(ack_a, "<SEQ=101><ACK=301>", "ACK");
    says(ack_b, "<SEQ=301><ACK=101>", "ACK");
    (void)a.arrives(*ack_b);
    stand(State::time_wait, State::closing);
    (void)b.arrives(*ack_a);
    stand(State::time_wait, State::time_wait);
}

TEST_F(Figure, TheAcceptabilityTableOfSection34) {
    struct Case {
        std::uint32_t window;
        std::int32_t offset;
        std::uint8_t text;
        bool accepted;
    };
    for (const Case& c : {Case{0, 0, 0, true},
                          {0, 1, 0, false},
                          {0, -1, 0, false},
                          {0, 0, 1, false},
                          {8, 0, 0, true},
                          {8, 7, 0, true},
                          {8, 8, 0, false},
                          {8, -1, 0, false},
                          {8, 7, 1, true},
                          {8, 8, 1, false},
                          {8, -1, 1, false},
                          {8, -1, 2, true},
                          {8, -4, 255, false}}) {
        a = b = {};
        a.buffer = b.buffer = 8;
        establish(0, 0xfffffffe);  // the numbers wrap
        b.rcv_wnd = c.window;
        Segment s = *a.keep_alive();
        s.seq = b.rcv_nxt + static_cast<std::uint32_t>(c.offset);
        s.text = c.text;
        const Arrival arrival = b.arrives(s);
        // An unacceptable segment is answered at once; an acceptable one without text is not, one with text
        // is.
        const bool answered = arrival.reply.has_value();
        const bool text_taken = b.rcv_nxt != 0 || arrival.early;
        const bool accepted = c.text == 0 ? !answered : text_taken;
        EXPECT_EQ(accepted, c.accepted)
            << "RCV.WND " << c.window << ", " << c.offset << " from RCV.NXT, text " << int{c.text};
    }
}

TEST_F(Figure, AResetActsOnlyAtExactlyRcvNxt) {
    for (const int offset : {-1, 0, 1, 63, 64}) {
        a = b = {};
        SetUp();
        establish(100, 300);
        Segment rst = *Endpoint(a).abort();
        rst.seq += static_cast<std::uint32_t>(offset);
        const Arrival arrival = b.arrives(rst);
        EXPECT_EQ(b.state == State::closed, offset == 0) << offset;
        EXPECT_EQ(arrival.reply.has_value(), offset > 0 && offset < 64) << "challenge for " << offset;
    }
}

TEST_F(Figure, ASynOnASynchronizedConnectionIsChallenged) {
    for (const int offset : {-1, 0, 5, 1000}) {
        a = b = {};
        SetUp();
        establish(100, 300);
        Segment syn = *Endpoint().open(100 + static_cast<std::uint32_t>(offset));
        says(b.arrives(syn).reply, "<SEQ=300><ACK=100>", "ACK");
        stand(State::established, State::established);
    }
}

TEST_F(Figure, AnAcknowledgementOfWhatWasNeverSentIsAnsweredAndDropped) {
    establish(100, 300);
    Segment s = *a.send(1, false);
    s.ack = b.snd_nxt + 1;
    says(b.arrives(s).reply, "<SEQ=300><ACK=100>", "ACK");
    EXPECT_EQ(b.rcv_nxt, 100u);
}

TEST_F(Figure, WindowsAreScaledOnlyWhenBothOffered) {
    for (const bool both : {true, false}) {
        a = b = {};
        SetUp();
        a.offered = 2;
        if (both) b.offered = 1;
        establish(100, 300);
        EXPECT_EQ(a.keep_alive()->window, both ? 16 : 64);
        EXPECT_EQ(b.keep_alive()->window, both ? 32 : 64);
        (void)a.arrives(*b.send(1, false));
        const auto update = a.read();
        (void)b.arrives(*update);
        EXPECT_EQ(b.snd_wnd, 64u);
    }
}

// The same figures from the middle.
World stage() {
    World w;
    for (Endpoint& e : w.endpoint) e.buffer = 4;
    w.next_iss = {0xffffffff, 300};
    w.network = {1, 0, 2, 2};
    w.user[0].open = 1;
    w.user[1].listen = 1;
    for (Allowance& u : w.user) u.close = u.octets = u.retransmit = 1;
    return w;
}
Segment make(std::uint8_t control, std::uint32_t seq, std::uint32_t ack, std::uint8_t octets = 0,
             std::uint16_t wnd = 4) {
    Segment s;
    s.control = control;
    s.seq = seq;
    s.ack = ack;
    s.text = octets;
    s.window = wnd;
    return s;
}
struct Line {
    int sender;
    Segment segment;
    Standing standing;
};
void follow(Middle middle, std::initializer_list<Line> lines) {
    for (const Line& line : lines) {
        ASSERT_TRUE(middle.pass(line.sender, line.segment)) << describe(line.segment);
        const auto standings = middle.standings();
        std::string all;
        for (const Standing& s : standings) all += describe(s) + " ";
        EXPECT_TRUE(standings.contains(line.standing)) << describe(line.segment) << " leaves " << all;
        EXPECT_LE(standings.size(), 2u) << all;
    }
}

TEST(Middle, SeesTheHandshakeAndTheNormalClose) {
    using enum tcp::EndpointState;
    follow(Middle({stage()}), {{0, make(SYN, 0xffffffff, 0), {syn_sent, syn_rcvd}},
                               {1, make(SYN | ACK, 300, 0), {established, syn_rcvd}},
                               {0, make(ACK, 0, 301), {established, established}},
                               {0, make(FIN | ACK, 0, 301), {fin_wait_1, close_wait}},
                               {1, make(ACK, 301, 1), {fin_wait_2, close_wait}},
                               {1, make(FIN | ACK, 301, 1), {time_wait, last_ack}},
                               {0, make(ACK, 1, 302), {time_wait, closed}}});
}

TEST(Middle, SeesThatFinsCrossed) {
    using enum tcp::EndpointState;
    follow(Middle({stage()}), {{0, make(SYN, 0xffffffff, 0), {syn_sent, syn_rcvd}},
                               {1, make(SYN | ACK, 300, 0), {established, syn_rcvd}},
                               {0, make(ACK, 0, 301), {established, established}},
                               {0, make(FIN | ACK, 0, 301), {fin_wait_1, close_wait}},
                               {1, make(FIN | ACK, 301, 0), {closing, closing}},
                               {0, make(ACK, 1, 302), {closing, time_wait}},
                               {1, make(ACK, 302, 1), {time_wait, time_wait}}});
}

TEST(Middle, SeesThatSynsCrossed) {
    using enum tcp::EndpointState;
    World w = stage();
    w.user[1].open = 1;
    follow(Middle({w}), {{0, make(SYN, 0xffffffff, 0), {syn_sent, syn_rcvd}},
                         {1, make(SYN, 300, 0), {syn_rcvd, syn_rcvd}},
                         {0, make(SYN | ACK, 0xffffffff, 301), {syn_rcvd, established}},
                         {1, make(SYN | ACK, 300, 0), {established, established}}});
}

TEST(Middle, KnowsWhatNoCorrectEndpointsSay) {
    Middle middle({stage()});
    ASSERT_TRUE(middle.pass(0, make(SYN, 0xffffffff, 0)));
    EXPECT_FALSE(middle.possible(1, make(SYN | ACK, 300, 1))) << "acknowledges what was not sent";
    EXPECT_FALSE(middle.possible(1, make(FIN | ACK, 300, 0))) << "closes before it opened";
    ASSERT_TRUE(middle.pass(1, make(SYN | ACK, 300, 0)));
    EXPECT_FALSE(middle.possible(0, make(RST, 1, 0))) << "resets at a number it has not reached";
    EXPECT_FALSE(middle.possible(0, make(ACK, 0, 301, 5))) << "sends more than the window";
    EXPECT_TRUE(middle.possible(1, make(SYN | ACK, 300, 0))) << "says it again";
    EXPECT_TRUE(middle.possible(0, make(FIN | ACK, 1, 301))) << "closes after text lost before the middle";
}

}  // namespace
}  // namespace sluice::rfc9293
