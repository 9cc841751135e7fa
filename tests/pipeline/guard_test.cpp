// The guard on the packet path: what is counted, what is answered, how proxied flows are carried.
#include <gtest/gtest.h>

#include <random>

#include "../support/arbitrary_guarded_traffic.hpp"

namespace sluice::test {
namespace {

using guard::Level;
using pipeline::Action;
using pipeline::SynGuard;

constexpr std::uint32_t client_isn = 1'000'000, server_isn = 0xFFFF'FFF0;

class Guard : public testing::TestWithParam<bool> {
  protected:
    GuardedBox box{GetParam()};

    void TearDown() override { EXPECT_EQ(box.faults, std::vector<std::string>{}); }

    [[nodiscard]] PacketBuilder syn(std::uint16_t port = 40'000) const {
        return box.from_client(port)
            .sequence(client_isn)
            .flags(packet::syn)
            .window(64'240)
            .option(option::mss(1460))
            .option(option::sack_permitted())
            .option(option::timestamps(7'000, 0))
            .option(option::window_scale(9));
    }
    [[nodiscard]] PacketBuilder syn_ack(std::uint16_t port = 40'000, std::uint32_t echo = 7'000) const {
        return box.from_server(port)
            .sequence(server_isn)
            .acknowledgement(client_isn + 1)
            .flags(packet::syn | packet::ack)
            .window(65'160)
            .option(option::mss(1400))
            .option(option::sack_permitted())
            .option(option::timestamps(990'000, echo))
            .option(option::window_scale(5));
    }
    [[nodiscard]] PacketBuilder ack(std::uint32_t acknowledgement, std::uint32_t echo,
                                    std::uint16_t port = 40'000) const {
        return box.from_client(port)
            .sequence(client_isn + 1)
            .acknowledgement(acknowledgement)
            .flags(packet::ack)
            .window(502)
            .option(option::timestamps(7'010, echo));
    }
    /// A handshake that the box only watches: it then knows the server.
    void watch(std::uint16_t port = 39'999) {
        ASSERT_EQ(box.client(syn(port)).size(), 1U);
        ASSERT_EQ(box.server(syn_ack(port)).size(), 1U);
        ASSERT_EQ(box.client(ack(server_isn + 1, 990'000, port)).size(), 1U);
    }
    /// The cookie's SYN,ACK.
    packet::TcpFields answer_to(const PacketBuilder& packet) {
        const auto sent = box.client(packet);
        EXPECT_EQ(box.decision.action, Action::answer);
        EXPECT_EQ(sent.size(), 1U);
        if (sent.size() != 1) return {};
        EXPECT_EQ(sent[0].toward, Toward::client);
        return sent[0].tcp();
    }
    /// A proxied flow, open; the cookie.
    packet::TcpFields proxy(std::uint16_t port = 40'000) {
        const packet::TcpFields cookie = answer_to(syn(port));
        EXPECT_EQ(box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value, port)).size(), 1U);
        EXPECT_EQ(box.server(syn_ack(port, 7'010)).size(), 2U);
        return cookie;
    }
};
INSTANTIATE_TEST_SUITE_P(Families, Guard, testing::Bool(),
                         [](const auto& one) { return one.param ? "Ipv6" : "Ipv4"; });

TEST_P(Guard, CountsAHandshakeThatIsOnlyWatched) {
    EXPECT_EQ(box.client(syn()).size(), 1U);
    EXPECT_EQ(box.counted().syns.read(), 1U);
    EXPECT_EQ(box.counted().half_open.read(), 1U);
    EXPECT_EQ(box.counted().answered.read(), 0U);
    box.client(syn());
    EXPECT_EQ(box.counted().syns.read(), 1U) << "a repetition is none";
    box.server(syn_ack());
    box.server(syn_ack());
    EXPECT_EQ(box.counted().answered.read(), 1U);
    EXPECT_EQ(box.counted().half_open.read(), 1U);
    box.client(ack(server_isn + 1, 990'000));
    EXPECT_EQ(box.state(), "ESTABLISHED");
    EXPECT_EQ(box.counted().completed.read(), 1U);
    EXPECT_EQ(box.counted().half_open.read(), 0U);
    box.client(ack(server_isn + 1, 990'000));
    EXPECT_EQ(box.counted().completed.read(), 1U);
}

TEST_P(Guard, CountsHandshakesThatAreCompletedSideBySide) {
    std::vector<Bytes> syns, answers, acks;
    for (std::uint16_t port = 1; port <= 30; ++port) {
        syns.push_back(syn(port).build());
        answers.push_back(syn_ack(port).build());
        acks.push_back(ack(server_isn + 1, 990'000, port).build());
    }
    box.send(Toward::server, syns);
    box.send(Toward::client, answers);
    EXPECT_EQ(box.counted().half_open.read(), 30U);
    EXPECT_EQ(box.counted().answered.read(), 30U);
    box.send(Toward::server, acks);
    EXPECT_EQ(box.counted().half_open.read(), 0U);
    EXPECT_EQ(box.counted().completed.read(), 30U);
}

TEST_P(Guard, CountsWhoEndsAHandshake) {
    box.client(syn(1));
    box.server(box.from_server(1).acknowledgement(client_isn + 1).flags(packet::rst | packet::ack));
    EXPECT_EQ(box.counted().refused.read(), 1U);
    box.client(syn(2));
    box.server(syn_ack(2));
    box.client(box.from_client(2).sequence(client_isn + 1).flags(packet::rst));
    EXPECT_EQ(box.counted().reset.read(), 1U);
    EXPECT_EQ(box.counted().half_open.read(), 0U);
    box.client(syn(3));
    EXPECT_EQ(box.counted().half_open.read(), 1U);
    box.pass(130'000, 1'000);
    EXPECT_EQ(box.counted().half_open.read(), 0U) << "its time ran out";
    EXPECT_EQ(box.counted().completed.read(), 0U);
    EXPECT_EQ(box.counted().syns.read(), 3U);
}

TEST_P(Guard, CountsWhatNoServiceCoversUnderNumberZeroAndNamesItOnceItIsUsed) {
    const auto to = [&](std::uint16_t from) {
        return PacketBuilder()
            .macs({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})
            .ip(box.client_address(), box.server_address())
            .tcp(from, 8'080);
    };
    for (std::uint16_t port = 1; port <= 64; ++port) {
        box.client(to(port).sequence(5).flags(packet::syn));
        box.server(PacketBuilder()
                       .macs({2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1})
                       .ip(box.server_address(), box.client_address())
                       .tcp(8'080, port)
                       .sequence(9)
                       .acknowledgement(6)
                       .flags(packet::syn | packet::ack));
        box.client(to(port).sequence(6).acknowledgement(10).flags(packet::ack));
    }
    EXPECT_EQ(box.counted(0).completed.read(), 64U);
    const auto learnt = box.tracker().guard()->candidates().take();
    ASSERT_TRUE(learnt.has_value());
    EXPECT_EQ(learnt->port, 8'080);
}

TEST_P(Guard, AnswersASynInTheServersNameAndKeepsNothing) {
    watch();
    const std::uint32_t flows = box.flows();
    box.defend();
    const packet::TcpFields cookie = answer_to(syn());
    EXPECT_EQ(cookie.flags, packet::syn | packet::ack);
    EXPECT_EQ(cookie.acknowledgement, client_isn + 1);
    EXPECT_EQ(cookie.window, 0);
    EXPECT_EQ(cookie.options.mss, 1400);
    EXPECT_TRUE(cookie.options.sack_permitted);
    EXPECT_TRUE(cookie.options.has_window_scale);
    EXPECT_EQ(cookie.options.timestamp_echo, 7'000U);
    EXPECT_EQ(box.flows(), flows);
    EXPECT_EQ(box.counted().half_open.read(), 0U);
    EXPECT_EQ(box.counted().answered.read(), 2U);
    EXPECT_EQ(box.tracker().counters().answered.read(), 1U);
}

TEST_P(Guard, LetsASynThroughWhileItKnowsNothingOfTheServer) {
    box.defend();
    EXPECT_EQ(box.client(syn(1)).size(), 1U);
    EXPECT_EQ(box.decision.action, Action::pass) << "its answer will show what the server knows";
    const packet::TcpFields plain = answer_to(syn(2));
    EXPECT_FALSE(plain.options.has_timestamps);
    box.server(syn_ack(1));
    EXPECT_TRUE(answer_to(syn(3)).options.has_timestamps);
}

TEST_P(Guard, LooksAtTheServerThroughASynThatAsksForEverything) {
    box.defend();
    const auto poor = [&](std::uint16_t port) {
        return box.from_client(port)
            .sequence(client_isn)
            .flags(packet::syn)
            .option(option::sack_permitted())
            .option(option::window_scale(9));
    };
    answer_to(poor(1));
    EXPECT_EQ(box.client(syn(2)).size(), 1U);
    EXPECT_EQ(box.decision.action, Action::pass);
    box.server(syn_ack(2));
    EXPECT_TRUE(answer_to(syn(3)).options.has_timestamps);
    // A server that has none shows that, too, and is not asked again before a minute has passed.
    box.pass(SynGuard::next_look);
    answer_to(poor(4));
    box.client(syn(5));
    EXPECT_EQ(box.decision.action, Action::pass);
    box.server(box.from_server(5)
                   .sequence(server_isn)
                   .acknowledgement(client_isn + 1)
                   .flags(packet::syn | packet::ack)
                   .option(option::mss(1'200)));
    const packet::TcpFields answer = answer_to(syn(6));
    EXPECT_FALSE(answer.options.has_timestamps);
    EXPECT_EQ(answer.options.mss, 1'200);
}

TEST_P(Guard, LooksForEcnByASynThatAsksForIt) {
    watch();
    box.defend();
    constexpr std::uint8_t asks = packet::syn | packet::ece | packet::cwr;
    EXPECT_EQ(answer_to(syn(1)).flags & packet::ece, 0);
    box.client(syn(2).flags(asks));
    EXPECT_EQ(box.decision.action, Action::pass);
    box.server(syn_ack(2).flags(packet::syn | packet::ack | packet::ece));
    EXPECT_EQ(answer_to(syn(3).flags(asks)).flags & packet::ece, packet::ece);
    EXPECT_EQ(answer_to(syn(4)).flags & packet::ece, 0);
}

TEST_P(Guard, DoesNotAskAgainForEcnWhereTheServerHasShownThatItKnowsNone) {
    watch();
    box.defend();
    constexpr std::uint8_t asks = packet::syn | packet::ece | packet::cwr;
    box.client(syn(2).flags(asks));
    EXPECT_EQ(box.decision.action, Action::pass);
    box.server(syn_ack(2));
    box.pass(10'000, 100);
    EXPECT_EQ(answer_to(syn(3).flags(asks)).flags & packet::ece, 0);
}

TEST_P(Guard, CarriesAProxiedConnection) {
    watch();
    box.defend();
    const packet::TcpFields cookie = answer_to(syn());
    const std::uint32_t clock = cookie.options.timestamp_value;

    auto sent = box.client(ack(cookie.sequence + 1, clock));
    EXPECT_EQ(box.decision.action, Action::absorb);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].toward, Toward::server);
    EXPECT_EQ(sent[0].tcp().flags, packet::syn);
    EXPECT_EQ(sent[0].tcp().sequence, client_isn);
    EXPECT_EQ(sent[0].tcp().options.window_scale, 9);
    EXPECT_TRUE(sent[0].tcp().options.sack_permitted);
    EXPECT_EQ(sent[0].tcp().options.timestamp_value, 7'010U);
    EXPECT_EQ(box.state(), "SYN_SENT");
    EXPECT_EQ(box.counted().half_open.read(), 0U) << "the client has shown its address";
    EXPECT_EQ(box.counted().completed.read(), 2U);

    sent = box.server(syn_ack(40'000, 7'010));
    EXPECT_EQ(box.state(), "ESTABLISHED");
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].toward, Toward::server);
    EXPECT_EQ(sent[0].tcp().acknowledgement, server_isn + 1);
    EXPECT_EQ(sent[1].toward, Toward::client);
    EXPECT_EQ(sent[1].tcp().sequence, cookie.sequence + 1);
    EXPECT_NE(sent[1].tcp().window, 0);

    // The client speaks first, then the server, whose numbers wrap.
    sent = box.client(ack(cookie.sequence + 1, clock).payload(100));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().acknowledgement, server_isn + 1);
    EXPECT_EQ(sent[0].tcp().options.timestamp_echo, 990'000U);
    EXPECT_EQ(sent[0].tcp().payload_length, 100U);
    sent = box.server(box.from_server()
                          .sequence(server_isn + 1)
                          .acknowledgement(client_isn + 101)
                          .flags(packet::ack)
                          .window(500)
                          .option(option::timestamps(990'050, 7'010))
                          .payload(300));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].toward, Toward::client);
    EXPECT_EQ(sent[0].tcp().sequence, cookie.sequence + 1);
    EXPECT_EQ(sent[0].tcp().options.timestamp_value, clock + 50);
    EXPECT_EQ(sent[0].tcp().window, 500);
    EXPECT_EQ(box.state(), "ESTABLISHED");

    // Selective acknowledgements, and the close.
    sent = box.client(box.from_client()
                          .sequence(client_isn + 101)
                          .acknowledgement(cookie.sequence + 1)
                          .flags(packet::ack)
                          .window(500)
                          .option(option::timestamps(7'020, clock))
                          .option(option::sack({{cookie.sequence + 101, cookie.sequence + 301}})));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().options.sack_highest, server_isn + 301);
    sent = box.client(box.from_client()
                          .sequence(client_isn + 101)
                          .acknowledgement(cookie.sequence + 301)
                          .flags(packet::ack | packet::fin)
                          .window(500)
                          .option(option::timestamps(7'020, clock)));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(box.state(), "FIN_WAIT");
    EXPECT_EQ(box.count(Reason::none), 0U);
    EXPECT_EQ(box.tracker().counters().invalid.read(), 0U);
}

TEST_P(Guard, WatchesProxiedConnectionsByTheServersNumbers) {
    watch();
    box.defend();
    const packet::TcpFields cookie = proxy();
    EXPECT_TRUE(box.client(ack(cookie.sequence + 1 + 70'000'000, cookie.options.timestamp_value)).empty());
    EXPECT_EQ(box.decision.reason, Reason::ack_unsent);
    EXPECT_TRUE(box.server(box.from_server()
                               .sequence(server_isn + 1 + 70'000'000)
                               .acknowledgement(client_isn + 1)
                               .flags(packet::ack)
                               .option(option::timestamps(990'050, 7'010))
                               .payload(10))
                    .empty());
    EXPECT_EQ(box.decision.reason, Reason::seq_after_window);
}

TEST_P(Guard, TellsTheServerAgainThatItsAnswerCame) {
    watch();
    box.defend();
    proxy();
    const auto sent = box.server(syn_ack(40'000, 7'010));
    EXPECT_EQ(box.decision.action, Action::absorb);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].toward, Toward::server);
    EXPECT_EQ(sent[0].tcp().acknowledgement, server_isn + 1);
}

TEST_P(Guard, ClientsThatWereThereBeforeNeverNotice) {
    watch(1);
    box.client(syn(2));
    box.defend();
    EXPECT_EQ(box.client(syn(2)).size(), 1U) << "its flow is known";
    box.server(syn_ack(2));
    EXPECT_EQ(box.client(ack(server_isn + 1, 990'000, 2)).size(), 1U);
    EXPECT_EQ(box.client(ack(server_isn + 1, 990'000, 1).payload(10)).size(), 1U);
}

TEST_P(Guard, AProxiedFlowOutlivesTheDefence) {
    watch();
    box.defend();
    const packet::TcpFields cookie = proxy(1);
    const packet::TcpFields unused = answer_to(syn(2));
    box.defend(Level::quiet);
    box.pass(20'000, 1'000);
    auto sent = box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value, 1).payload(5));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().acknowledgement, server_isn + 1);
    sent = box.client(ack(unused.sequence + 1, unused.options.timestamp_value, 2));
    EXPECT_EQ(sent.size(), 1U) << "a cookie that was under way is honoured";
    box.pass(70'000, 1'000);
    EXPECT_TRUE(box.client(ack(1, 2, 3)).empty());
    EXPECT_EQ(box.decision.reason, Reason::no_connection) << "no cookie can be out any more";
}

TEST_P(Guard, RefusesWhatIsNoCookie) {
    watch();
    box.defend();
    const packet::TcpFields cookie = answer_to(syn());
    const std::uint32_t flows = box.flows();
    for (unsigned bit = 0; bit < 32; ++bit) {
        EXPECT_TRUE(
            box.client(ack((cookie.sequence + 1) ^ 1U << bit, cookie.options.timestamp_value)).empty());
        EXPECT_EQ(box.decision.reason, Reason::bad_cookie) << "bit " << bit;
        EXPECT_TRUE(box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value ^ 1U << bit)).empty());
        EXPECT_EQ(box.decision.reason, Reason::bad_cookie) << "bit " << bit << " of the timestamp";
    }
    EXPECT_TRUE(box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value, 40'001)).empty());
    EXPECT_EQ(box.decision.reason, Reason::bad_cookie) << "another port's";
    EXPECT_EQ(box.flows(), flows);
    EXPECT_EQ(box.counted().completed.read(), 1U);
}

TEST_P(Guard, RefusesACookieWhoseTimeHasPassed) {
    watch();
    box.defend();
    const packet::TcpFields cookie = answer_to(syn());
    box.pass(2 * guard::cookie_slot, 1'024);
    EXPECT_EQ(box.client(syn(2)).size(), 1U) << "after a minute the server is looked at again";
    answer_to(syn(3));
    EXPECT_TRUE(box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value)).empty());
    EXPECT_EQ(box.decision.reason, Reason::old_cookie);
}

TEST_P(Guard, AClientWhoseAckWasLostGetsInByItsProbe) {
    watch();
    box.defend();
    const packet::TcpFields cookie = answer_to(syn());
    const auto sent = box.client(box.from_client()
                                     .sequence(client_isn)
                                     .acknowledgement(cookie.sequence + 1)
                                     .flags(packet::ack)
                                     .window(502)
                                     .option(option::timestamps(7'010, cookie.options.timestamp_value)));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().sequence, client_isn);
    EXPECT_EQ(sent[0].tcp().flags, packet::syn);
}

TEST_P(Guard, AsksASilentServerAgainAndThenTellsTheClient) {
    watch();
    box.defend();
    const packet::TcpFields cookie = answer_to(syn());
    const std::uint32_t flows = box.flows();
    box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value));
    EXPECT_EQ(box.flows(), flows + 1);
    EXPECT_EQ(box.tracker().guard()->handshakes(), 1U);
    std::vector<Tick> asked;
    for (Tick waited = 0; waited < 16'000; waited += 10) {
        for (const Sent& sent : box.pass(10)) {
            if (sent.toward == Toward::server) {
                EXPECT_EQ(sent.tcp().flags, packet::syn);
                asked.push_back(waited / 100);
            } else {
                EXPECT_EQ(sent.tcp().flags, packet::rst);
                EXPECT_EQ(sent.tcp().sequence, cookie.sequence + 1);
                asked.push_back(1'000 + waited / 100);
            }
        }
    }
    EXPECT_EQ(asked, (std::vector<Tick>{9, 29, 69, 1'149}));
    EXPECT_EQ(box.flows(), flows);
    EXPECT_EQ(box.tracker().guard()->handshakes(), 0U);
    EXPECT_EQ(box.tracker().guard()->proxied_flows(), 0U);
}

TEST_P(Guard, TellsTheClientThatTheServerRefused) {
    watch();
    box.defend();
    const packet::TcpFields cookie = answer_to(syn());
    box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value));
    const std::uint32_t flows = box.flows();
    const auto sent =
        box.server(box.from_server().acknowledgement(client_isn + 1).flags(packet::rst | packet::ack));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].toward, Toward::client);
    EXPECT_EQ(sent[0].tcp().flags, packet::rst);
    EXPECT_EQ(sent[0].tcp().sequence, cookie.sequence + 1);
    EXPECT_EQ(box.flows(), flows - 1);
}

TEST_P(Guard, TranslatesErrorsSoThatPathMtuDiscoveryGoesOnWorking) {
    watch();
    box.defend();
    const packet::TcpFields cookie = proxy();
    const bool ipv6 = GetParam();
    // A router before the client could not carry what the server sent, translated.
    const PacketBuilder to_client = box.from_server()
                                        .sequence(cookie.sequence + 1)
                                        .acknowledgement(client_isn + 1)
                                        .flags(packet::ack)
                                        .option(option::timestamps(cookie.options.timestamp_value, 7'010))
                                        .payload(600);
    const auto error = [&](const char* to, const PacketBuilder& quoted, bool of_client) {
        PacketBuilder out;
        if (of_client)
            out.macs({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2});
        else
            out.macs({2, 0, 0, 0, 0, 2}, {2, 0, 0, 0, 0, 1});
        return out.ip(ipv6 ? "2001:2::99" : "198.18.0.99", to).icmp_error(ipv6 ? 2 : 3, ipv6 ? 0 : 4, quoted);
    };
    auto sent = box.client(error(box.server_address(), to_client, true));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(box.decision.state, pipeline::CtState::related);
    packet::Quote quote = packet::parse_quote({sent[0].frame, sent[0].frame.size()}, sent[0].headers);
    EXPECT_EQ(quote.tcp_sequence, server_isn + 1) << "the server must know its own number";
    // And one behind the box what the client sent.
    const PacketBuilder to_server = box.from_client()
                                        .sequence(client_isn + 1)
                                        .acknowledgement(server_isn + 1)
                                        .flags(packet::ack)
                                        .option(option::timestamps(7'010, 990'000))
                                        .payload(600);
    sent = box.server(error(box.client_address(), to_server, false));
    ASSERT_EQ(sent.size(), 1U);
    quote = packet::parse_quote({sent[0].frame, sent[0].frame.size()}, sent[0].headers);
    EXPECT_EQ(quote.tcp_sequence, client_isn + 1);
    const std::uint8_t* const acknowledged = &sent[0].frame[quote.transport_offset + 8U];
    EXPECT_EQ(load<be32>(acknowledged).host(), cookie.sequence + 1) << "quoted as the client sent it";
    // An error about numbers that were never sent stays out.
    EXPECT_TRUE(
        box.client(error(box.server_address(),
                         box.from_server().sequence(server_isn + 1 + 0x4000'0000).flags(packet::ack), true))
            .empty());
    EXPECT_EQ(box.decision.reason, Reason::icmp_mismatch);
}

TEST_P(Guard, AnswersAndProxiesWithinVlans) {
    box.vlans = {100, 7};
    watch();
    box.defend();
    const packet::TcpFields cookie = proxy();
    EXPECT_EQ(box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value).payload(3)).size(), 1U);
    const packet::TcpFields other = answer_to(syn(41'000));
    box.vlans = {100, 8};
    EXPECT_TRUE(box.client(ack(other.sequence + 1, other.options.timestamp_value, 41'000)).empty())
        << "a cookie is good on its own VLAN alone";
}

TEST_P(Guard, TranslatesFragmentsOfAProxiedFlow) {
    watch();
    box.defend();
    const packet::TcpFields cookie = proxy();
    const auto pieces =
        ack(cookie.sequence + 1, cookie.options.timestamp_value).payload(1'000).build_fragments(400);
    const auto sent = box.send(Toward::server, {pieces[1], pieces[0], pieces[2]});
    ASSERT_EQ(sent.size(), 3U);
    EXPECT_EQ(sent[1].headers.fragment.offset, 0) << "they leave as they came";
    EXPECT_EQ(sent[1].tcp().acknowledgement, server_isn + 1);
}

TEST_P(Guard, PromisesTheScaleOfTheServerAndTranslatesWindowsOfOneThatHasAnother) {
    watch();
    box.defend();
    EXPECT_EQ(answer_to(syn(1)).options.window_scale, 5);
    const packet::TcpFields cookie = answer_to(syn());
    box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value));
    box.server(box.from_server()
                   .sequence(server_isn)
                   .acknowledgement(client_isn + 1)
                   .flags(packet::syn | packet::ack)
                   .window(65'160)
                   .option(option::sack_permitted())
                   .option(option::timestamps(990'000, 7'010))
                   .option(option::window_scale(3)));
    const auto sent = box.server(box.from_server()
                                     .sequence(server_isn + 1)
                                     .acknowledgement(client_isn + 1)
                                     .flags(packet::ack)
                                     .window(400)
                                     .option(option::timestamps(990'001, 7'010)));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().window, 100) << "3 bits of scale were agreed, 5 promised";
    EXPECT_EQ(answer_to(syn(2)).options.window_scale, 5) << "cookies that promised 5 may come back";
    box.pass(SynGuard::cookies_live, 1'024);
    box.client(syn(3));
    EXPECT_EQ(box.decision.action, Action::pass) << "a look at the server, a minute later";
    EXPECT_EQ(answer_to(syn(4)).options.window_scale, 3);
}

TEST_P(Guard, RelievesAServerOfWhatTheFloodLeftOnItBeforeItWasKnown) {
    box.vlans = {9};
    watch();
    for (std::uint16_t port = 1; port <= 50; ++port) {
        box.client(syn(port));
        if (port != 50) box.server(syn_ack(port));
    }
    EXPECT_EQ(box.counted().half_open.read(), 50U);
    EXPECT_TRUE(box.pass(1'000, 100).empty()) << "as long as all is quiet they have their time";
    box.client(syn(60));
    box.server(syn_ack(60));
    box.defend();
    answer_to(syn(61));
    const auto sent = box.pass(500);
    EXPECT_EQ(sent.size(), 49U);
    for (const Sent& one : sent) {
        EXPECT_EQ(one.toward, Toward::server);
        EXPECT_EQ(one.tcp().flags, packet::rst);
        EXPECT_EQ(one.tcp().sequence, client_isn + 1);
        EXPECT_EQ(one.headers.vlan[0], 9);
    }
    EXPECT_EQ(box.counted().half_open.read(), 1U) << "the youngest may still be somebody's";
    EXPECT_EQ(box.client(ack(server_isn + 1, 990'000, 60)).size(), 1U);
    EXPECT_EQ(box.state(), "ESTABLISHED");
}

TEST_P(Guard, AFlushUnderAFloodTellsNoMoreServersThanThereIsRoomFor) {
    for (unsigned port = 1; port <= 700; ++port) {
        box.client(syn(static_cast<std::uint16_t>(port)));
        box.server(syn_ack(static_cast<std::uint16_t>(port)));
    }
    box.defend();
    for (unsigned i = 0; i < 8; ++i) box.tracker().mailbox().post({.kind = pipeline::Request::Kind::flush});
    std::size_t told = 0;
    for (unsigned i = 0; i < 8; ++i) {
        const std::size_t now = box.poll().size();
        EXPECT_LE(now, 256U) << "the rest of the output is for packets";
        told += now;
    }
    EXPECT_EQ(box.flows(), 0U);
    EXPECT_EQ(told + box.tracker().counters().not_emitted.read(), 700U);
    EXPECT_GT(told, 256U);
}

TEST_P(Guard, LeavesSignedSynsToTheServerAndDropsWhatNobodyCanAnswer) {
    watch();
    box.defend();
    EXPECT_EQ(box.client(box.from_client(1).flags(packet::syn).option(option::md5_signature())).size(), 1U);
    EXPECT_EQ(box.decision.action, Action::pass);
    const auto pieces = syn(2).payload(64).build_fragments(64);
    EXPECT_TRUE(box.send(Toward::server, pieces).empty());
    EXPECT_EQ(box.decision.reason, Reason::syn_limit);
}

TEST_P(Guard, LimitsALoudSourceAndASoughtAfterService) {
    watch();
    pipeline::Protection protection = *box.settings.protection;
    const guard::Source source =
        GetParam() ? guard::Source{0x2001'0002'0000'0000} : guard::Source{guard::Source::ipv4 | 0xC612'0001};
    protection.source_limits = {{source, 20}};
    box.adopt(protection);
    for (std::uint16_t port = 1; port <= 100; ++port) box.client(syn(port));
    EXPECT_EQ(box.count(Reason::source_limit), 0U) << "nothing is limited while all is quiet";
    box.defend();
    for (std::uint16_t port = 101; port <= 200; ++port) box.client(syn(port));
    EXPECT_EQ(box.count(Reason::source_limit), 98U) << "a tenth of a second's may be saved up";
    box.pass(1'000);
    for (std::uint16_t port = 201; port <= 300; ++port) box.client(syn(port));
    EXPECT_EQ(box.count(Reason::source_limit), 98U + 98U);
    box.adopt(protection);
    for (std::uint16_t port = 301; port <= 400; ++port) box.client(syn(port));
    EXPECT_EQ(box.count(Reason::source_limit), 98U + 98U + 100U) << "named again, it has saved nothing";

    protection.source_limits = {};
    box.adopt(protection);
    box.defend(Level::maximum, 50);
    for (std::uint16_t port = 401; port <= 500; ++port) box.client(syn(port));
    EXPECT_EQ(box.count(Reason::syn_limit), 95U);
    EXPECT_EQ(box.counted().limited.read(), 98U + 98U + 100U + 95U);
}

TEST_P(Guard, ObeysRulesForSourcesAndRatesOfServicesWhateverTheLevel) {
    watch();
    pipeline::Protection protection = *box.settings.protection;
    const guard::Address whole =
        GetParam() ? guard::Address{0x2001'0002'0000'0000, 0} : guard::Address{0, 0xFFFF'C612'0000};
    const guard::Address client =
        GetParam() ? guard::Address{0x2001'0002'0000'0000, 1} : guard::Address{0, 0xFFFF'C612'0001};
    const auto rules = [&](std::vector<guard::Service> prefixes, pipeline::ServiceRules of_service) {
        protection.sources = guard::ServiceMap::build(prefixes).value();
        protection.rules = {{}, of_service};
        box.adopt(protection);
    };
    const std::uint8_t wide = GetParam() ? 64 : 112;
    rules({{whole, wide, 0, pipeline::denied}}, {});
    EXPECT_TRUE(box.client(syn(1)).empty());
    EXPECT_EQ(box.decision.reason, Reason::source_denied);
    box.defend();
    rules({{whole, wide, 0, pipeline::denied}, {client, 128, 0, pipeline::allowed}}, {});
    EXPECT_EQ(box.client(syn(2)).size(), 1U) << "the longer prefix counts";
    EXPECT_EQ(box.decision.action, Action::pass) << "nobody asks it for a cookie";
    box.defend(Level::quiet);
    box.pass(3'000);
    rules({}, {.syn_rate = 10});
    for (std::uint16_t port = 100; port < 110; ++port) box.client(syn(port));
    EXPECT_EQ(box.count(Reason::syn_limit), 9U);
    box.pass(3'000);
    rules({}, {.source_rate = 4});
    for (std::uint16_t port = 200; port < 210; ++port) box.client(syn(port));
    EXPECT_EQ(box.count(Reason::source_limit), 4U) << "six in one and a half seconds pass";
}

TEST_P(Guard, ByResetCookieLetsInWhoAnswersTheChallenge) {
    pipeline::Protection protection = *box.settings.protection;
    protection.rules = {{}, {.proof = pipeline::Proof::reset}};
    box.adopt(protection);
    box.defend();
    const packet::TcpFields challenge = answer_to(syn());
    EXPECT_EQ(challenge.flags, packet::syn | packet::ack);
    EXPECT_NE(challenge.acknowledgement, client_isn + 1) << "no server would say so";
    EXPECT_EQ(box.flows(), 0U);
    // A guess is none.
    EXPECT_TRUE(
        box.client(box.from_client().sequence(challenge.acknowledgement + 1).flags(packet::rst)).empty());
    EXPECT_EQ(box.decision.reason, Reason::no_connection);
    EXPECT_EQ(box.client(syn()).size(), 1U);
    EXPECT_EQ(box.decision.action, Action::answer);
    EXPECT_TRUE(box.client(box.from_client().sequence(challenge.acknowledgement).flags(packet::rst)).empty());
    EXPECT_EQ(box.decision.action, Action::absorb) << "the RST is for the box";
    auto sent = box.client(syn());
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(box.decision.action, Action::pass);
    EXPECT_EQ(sent[0].tcp().sequence, client_isn);
    EXPECT_EQ(box.client(syn(41'000)).size(), 1U) << "its source is trusted";
    EXPECT_EQ(box.decision.action, Action::pass);
    box.server(syn_ack());
    EXPECT_EQ(box.client(ack(server_isn + 1, 990'000)).size(), 1U);
    EXPECT_EQ(box.tracker().guard()->proxied_flows(), 0U) << "nothing is translated";
    box.pass(SynGuard::trust, 10'000);
    answer_to(syn(42'000));
}

TEST_P(Guard, BySecondSynLetsInWhoAsksAgain) {
    pipeline::Protection protection = *box.settings.protection;
    protection.rules = {{}, {.proof = pipeline::Proof::second_syn}};
    box.adopt(protection);
    box.defend();
    EXPECT_TRUE(box.client(syn()).empty());
    EXPECT_EQ(box.decision.reason, Reason::first_syn);
    box.pass(100);
    EXPECT_TRUE(box.client(syn()).empty()) << "too soon for a client";
    box.pass(1'000);
    EXPECT_TRUE(box.client(syn(40'001)).empty()) << "another first";
    EXPECT_EQ(box.client(syn()).size(), 1U);
    EXPECT_EQ(box.client(syn(40'002)).size(), 1U) << "its source is trusted";
    EXPECT_EQ(box.count(Reason::first_syn), 3U);
}

TEST_P(Guard, HidesGuessableSequenceNumbers) {
    pipeline::Protection protection = *box.settings.protection;
    protection.rules = {{}, {.hides_sequence = true}};
    box.adopt(protection);
    box.client(syn());
    auto sent = box.server(syn_ack());
    ASSERT_EQ(sent.size(), 1U);
    const std::uint32_t shown = sent[0].tcp().sequence;
    EXPECT_NE(shown, server_isn);
    EXPECT_EQ(sent[0].tcp().options.timestamp_value, 990'000U);
    EXPECT_EQ(sent[0].tcp().window, 65'160);
    sent = box.server(syn_ack());
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().sequence, shown) << "a repetition has the same";
    sent = box.client(ack(shown + 1, 990'000).payload(10));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().acknowledgement, server_isn + 1);
    EXPECT_EQ(box.state(), "ESTABLISHED");
    EXPECT_EQ(box.counted().completed.read(), 1U);
    EXPECT_EQ(box.counted().half_open.read(), 0U);
    sent = box.server(box.from_server()
                          .sequence(server_isn + 1)
                          .acknowledgement(client_isn + 11)
                          .flags(packet::ack)
                          .option(option::timestamps(990'001, 7'010))
                          .payload(5));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().sequence, shown + 1);
    // Another connection's number tells nothing of it; the same ends begin where the clock has come to.
    box.pass(1'000);
    box.client(syn(41'000));
    const std::uint32_t other = box.server(syn_ack(41'000))[0].tcp().sequence;
    EXPECT_NE(other, shown + 250'000);
    box.client(ack(shown + 1, 990'000).flags(packet::rst | packet::ack).sequence(client_isn + 11));
    EXPECT_EQ(box.state(), "CLOSE");
    box.client(syn().sequence(client_isn + 900'000));
    sent = box.server(syn_ack().acknowledgement(client_isn + 900'001));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().sequence, shown + 250'000) << "a number every 4 microseconds";
}

TEST_P(Guard, WithoutBuffersTheHandshakeGoesOnWhenThereAreSome) {
    watch();
    box.defend();
    const packet::TcpFields cookie = answer_to(syn());
    box.buffers_left = 0;
    EXPECT_TRUE(box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value)).empty());
    EXPECT_EQ(box.tracker().counters().not_emitted.read(), 1U);
    box.buffers_left = 100;
    const auto sent = box.pass(1'100);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().flags, packet::syn);
}

TEST_P(Guard, AFullHouseOfHandshakesTurnsNewOnesAway) {
    watch();
    box.defend();
    for (std::uint16_t port = 1; port <= 65; ++port) {
        const packet::TcpFields cookie = answer_to(syn(port));
        box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value, port));
        EXPECT_EQ(box.decision.action, port <= 64 ? Action::absorb : Action::drop);
    }
    EXPECT_EQ(box.decision.reason, Reason::table_full);
    // One gives its place back; the next client gets it.
    box.server(box.from_server(7).acknowledgement(client_isn + 1).flags(packet::rst | packet::ack));
    const packet::TcpFields cookie = answer_to(syn(65));
    box.client(ack(cookie.sequence + 1, cookie.options.timestamp_value, 65));
    EXPECT_EQ(box.decision.action, Action::absorb);
    EXPECT_EQ(box.tracker().guard()->handshakes(), 64U);
}

TEST_P(Guard, ASynOfTheClientsNextConnectionEndsTheTranslation) {
    watch();
    box.defend();
    const packet::TcpFields cookie = proxy();
    box.client(box.from_client()
                   .sequence(client_isn + 1)
                   .acknowledgement(cookie.sequence + 1)
                   .flags(packet::rst)
                   .option(option::timestamps(7'020, cookie.options.timestamp_value)));
    EXPECT_EQ(box.state(), "CLOSE");
    EXPECT_EQ(box.tracker().guard()->proxied_flows(), 1U);
    const PacketBuilder next = box.from_client().sequence(client_isn + 500'000).flags(packet::syn);
    box.client(next);
    EXPECT_EQ(box.decision.action, Action::answer) << "it is asked for a cookie as any other";
    EXPECT_EQ(box.tracker().guard()->proxied_flows(), 0U);
    box.defend(Level::quiet);
    box.client(next);
    EXPECT_EQ(box.decision.action, Action::pass);
    EXPECT_EQ(box.state(), "SYN_SENT");
    const auto sent = box.server(box.from_server()
                                     .sequence(77)
                                     .acknowledgement(client_isn + 500'001)
                                     .flags(packet::syn | packet::ack));
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].tcp().sequence, 77U);
}

TEST_P(Guard, WhateverArrivesNothingIsLeftBehindAndNoResetIsAnswered) {
    std::uint64_t answered = 0, emitted = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        std::mt19937_64 random(seed);
        ArbitraryTraffic traffic(GetParam(), [&] { return static_cast<std::uint32_t>(random()); });
        for (unsigned step = 0; step < 2'000; ++step) traffic.step();
        const auto& counters = traffic.box().tracker().counters();
        answered += counters.answered.read();
        emitted += counters.emitted.read();
        traffic.finish();
        ASSERT_EQ(traffic.box().faults, std::vector<std::string>{}) << "seed " << seed;
    }
    EXPECT_GT(answered, 1'000U);
    EXPECT_GT(emitted, 200U);
}

}  // namespace
}  // namespace sluice::test
