// The second half of the SYN proxy, one conversation for each thing that can happen to it.
//
// The client's ISN is x, the cookie c, the server's ISN y: all so that the first numbers wrap.
#include "handshakes.hpp"

namespace sluice::test {
namespace {

using packet::ack;
using packet::cwr;
using packet::ece;
using packet::fin;
using packet::psh;
using packet::rst;
using packet::syn;

constexpr std::uint32_t x = 0xFFFF'FFFF, c = 0xFFFF'FFFF, y = 0x7FFF'FFFF;
constexpr std::uint32_t client_time = 0xFFFF'FFF0, box_time = 5000, server_time = 0x9000'0000;

ProvenClient plain_client() {
    return {.initial_sequence = x, .cookie = c, .window = 1000, .mss = 1460};
}
ProvenClient full_client() {
    ProvenClient client = plain_client();
    client.timestamp_value = client_time;
    client.timestamp_echo = box_time;
    client.window_scale = 7;
    client.promised_window_scale = 5;
    client.scales = client.sack = client.timestamps = client.ecn = true;
    return client;
}

// The machine between the two, and what it has sent.
class Conversation {
  public:
    explicit Conversation(const ProvenClient& client, Tick start = 1000)
        : now(start), machine(begin(client)) {}

    // Each says what must come out of an event, in order.
    void client_sends(const TcpFields& segment, const std::vector<SegmentToSend>& expected) {
        check(machine.from_client(segment, now), expected);
    }
    void server_sends(const TcpFields& segment, const std::vector<SegmentToSend>& expected) {
        check(machine.from_server(segment, profile), expected);
    }
    void time_passes(Tick ticks, const std::vector<SegmentToSend>& expected) {
        now += ticks;
        check(machine.tick(now), expected);
    }
    void expect_sent(const std::vector<SegmentToSend>& expected) { check(first, expected); }

    bool is_passed_on_from_client(const TcpFields& segment) {
        const HandshakeOutcome out = machine.from_client(segment, now);
        EXPECT_TRUE(out.segments().empty());
        return !out.taken;
    }
    bool is_passed_on_from_server(const TcpFields& segment) {
        const HandshakeOutcome out = machine.from_server(segment, profile);
        EXPECT_TRUE(out.segments().empty());
        return !out.taken;
    }

    Tick now;
    ServerProfile profile;
    HandshakeOutcome first;
    ProxiedHandshake machine;

  private:
    ProxiedHandshake begin(const ProvenClient& client) { return {client, now, first}; }
    static void check(const HandshakeOutcome& out, const std::vector<SegmentToSend>& expected) {
        EXPECT_TRUE(out.taken);
        EXPECT_EQ(std::vector<SegmentToSend>(out.segments().begin(), out.segments().end()), expected);
    }
};

int sent(const HandshakeOutcome& out) {
    return static_cast<int>(out.segments().size());
}
SegmentToSend to_server(const TcpFields& segment) {
    return {Toward::server, segment};
}
SegmentToSend to_client(const TcpFields& segment) {
    return {Toward::client, segment};
}

// What full_client() and its server say.
TcpFields full_syn() {
    return with_timestamps(with_scale(with_sack(with_mss(fields(syn | ece | cwr, x, 0, 65535), 1460)), 7),
                           client_time, 0);
}
TcpFields full_syn_ack() {
    return with_timestamps(with_scale(with_sack(with_mss(fields(syn | ack | ece, y, x + 1, 64000), 1400)), 5),
                           server_time, client_time);
}
const SegmentToSend plain_syn = to_server(with_mss(fields(syn, x, 0, 1000), 1460));
const TcpFields plain_syn_ack = with_mss(fields(syn | ack, y, x + 1, 29200), 1460);
const SegmentToSend reset_of_client = to_client(fields(rst, c + 1));
const SegmentToSend reset_of_server = to_server(fields(rst, x + 1));

// ---- Asking the server

TEST(ProxiedHandshake, TheServerIsAskedAsTheClientAsked) {
    Conversation(full_client()).expect_sent({to_server(full_syn())});
    Conversation(plain_client()).expect_sent({plain_syn});
}

TEST(ProxiedHandshake, TheWindowOfTheSynIsInBytes) {
    ProvenClient client = full_client();
    client.window = 100;
    TcpFields expected = full_syn();
    expected.window = 12800;
    Conversation(client).expect_sent({to_server(expected)});
}

TEST(ProxiedHandshake, OnlyWhatTheClientWasPromisedIsAskedFor) {
    ProvenClient client = full_client();
    client.scales = client.ecn = false;  // the scale's value is still there, and means nothing
    Conversation(client).expect_sent(
        {to_server(with_timestamps(with_sack(with_mss(fields(syn, x, 0, 1000), 1460)), client_time, 0))});
}

TEST(ProxiedHandshake, TheServersAnswerOpensBothSides) {
    Conversation talk(full_client());
    talk.server_sends(full_syn_ack(),
                      {to_server(with_timestamps(fields(ack, x + 1, y + 1, 1000), client_time, server_time)),
                       to_client(with_timestamps(fields(ack, c + 1, x + 1, 2000), box_time, client_time))});
    EXPECT_EQ(talk.machine.state(), HandshakeState::open);
    const Translation translation = talk.machine.translation();
    EXPECT_EQ(y + translation.sequence_delta, c);
    EXPECT_EQ(server_time + translation.timestamp_delta, box_time);
    EXPECT_EQ(translation.window_shifts, 0U) << "the scale is the one promised";
}

TEST(ProxiedHandshake, APlainHandshakeHasNoOptions) {
    Conversation talk(plain_client());
    talk.server_sends(plain_syn_ack, {to_server(fields(ack, x + 1, y + 1, 1000)),
                                      to_client(fields(ack, c + 1, x + 1, 29200))});
    EXPECT_EQ(talk.machine.translation(), Translation{.sequence_delta = c - y});
}

TEST(ProxiedHandshake, OptionsThatNobodyAskedForAreIgnored) {
    Conversation talk(plain_client());
    talk.server_sends(full_syn_ack(), {to_server(fields(ack, x + 1, y + 1, 1000)),
                                       to_client(fields(ack, c + 1, x + 1, 64000))});
    EXPECT_EQ(talk.machine.translation(), Translation{.sequence_delta = c - y});
}

// ---- Promises

TEST(ProxiedHandshake, AnotherScaleIsTranslated) {
    for (std::uint8_t scale = 0; scale <= 14; ++scale) {
        Conversation talk(full_client());
        talk.server_sends(
            with_scale(full_syn_ack(), scale),
            {to_server(with_timestamps(fields(ack, x + 1, y + 1, 1000), client_time, server_time)),
             to_client(with_timestamps(fields(ack, c + 1, x + 1, 2000), box_time, client_time))});
        EXPECT_EQ(talk.machine.translation().window_shift(Toward::client), scale - 5);
        EXPECT_EQ(talk.machine.translation().window_shift(Toward::server), 0);
        EXPECT_TRUE(talk.profile.scales);
        EXPECT_EQ(talk.profile.window_scale, scale);
    }
}

TEST(ProxiedHandshake, AServerThatDoesNotScaleIsSpokenToInBytes) {
    Conversation talk(full_client());
    talk.profile.scales = true;
    talk.profile.window_scale = 5;
    TcpFields answer = full_syn_ack();
    answer.options.has_window_scale = false;
    talk.server_sends(answer,
                      {to_server(with_timestamps(fields(ack, x + 1, y + 1, 65535), client_time, server_time)),
                       to_client(with_timestamps(fields(ack, c + 1, x + 1, 2000), box_time, client_time))});
    EXPECT_EQ(talk.machine.translation().window_shift(Toward::client), -5);
    EXPECT_EQ(talk.machine.translation().window_shift(Toward::server), 7);
    EXPECT_FALSE(talk.profile.scales);
    EXPECT_EQ(talk.profile.window_scale, 0);
}

TEST(ProxiedHandshake, AClientThatMissesTimestampsIsRefused) {
    Conversation talk(full_client());
    talk.profile.timestamps = true;
    TcpFields answer = full_syn_ack();
    answer.options.has_timestamps = false;
    talk.server_sends(answer, {reset_of_server, reset_of_client});
    EXPECT_EQ(talk.machine.state(), HandshakeState::refused);
    EXPECT_FALSE(talk.profile.timestamps) << "the next cookie does not promise them";
}

TEST(ProxiedHandshake, AClientThatMissesEcnIsRefused) {
    for (const unsigned flags : {syn | ack | 0U, syn | ack | ece | cwr | 0U}) {
        Conversation talk(full_client());
        talk.profile.ecn = true;
        TcpFields answer = full_syn_ack();
        answer.flags = static_cast<std::uint8_t>(flags);
        talk.server_sends(answer, {reset_of_server, reset_of_client});
        EXPECT_EQ(talk.machine.state(), HandshakeState::refused);
        EXPECT_FALSE(talk.profile.ecn);
    }
}

TEST(ProxiedHandshake, AClientThatMissesSackGoesOn) {
    Conversation talk(full_client());
    talk.profile.sack = true;
    TcpFields answer = full_syn_ack();
    answer.options.sack_permitted = false;
    EXPECT_EQ(sent(talk.machine.from_server(answer, talk.profile)), 2);
    EXPECT_EQ(talk.machine.state(), HandshakeState::open);
    EXPECT_FALSE(talk.profile.sack);
}

TEST(ProxiedHandshake, TheServersProfileIsLearnt) {
    Conversation talk(full_client());
    static_cast<void>(talk.machine.from_server(full_syn_ack(), talk.profile));
    EXPECT_EQ(talk.profile, (ServerProfile{.mss = 1400,
                                           .window = 64000,
                                           .window_scale = 5,
                                           .scales = true,
                                           .sack = true,
                                           .timestamps = true,
                                           .ecn = true}));
}

TEST(ServerProfile, OnlyWhatWasAskedForIsLearnt) {
    const ServerProfile rich{.mss = 1,
                             .window = 1,
                             .window_scale = 3,
                             .scales = true,
                             .sack = true,
                             .timestamps = true,
                             .ecn = true};
    ServerProfile profile = rich;
    guard::learn(fields(syn, x), fields(syn | ack, y, x + 1, 500), profile);
    ServerProfile expected = rich;
    expected.mss = 536;
    expected.window = 500;
    EXPECT_EQ(profile, expected);
    guard::learn(full_syn(), fields(syn | ack, y, x + 1, 500), profile);
    EXPECT_EQ(profile, (ServerProfile{.mss = 536, .window = 500}));
    guard::learn(fields(syn | ece, x), full_syn_ack(), profile);
    EXPECT_FALSE(profile.ecn) << "a SYN that asks for ECN has both flags";
}

// ---- A server that does not answer

TEST(ProxiedHandshake, TheSynIsRepeatedAfterOneTwoAndFourSeconds) {
    for (const Tick start : {1000U, 0xFFFF'FC00U}) {
        Conversation talk(plain_client(), start);
        EXPECT_EQ(talk.machine.due(), start + 1000);
        talk.time_passes(999, {});
        talk.time_passes(1, {plain_syn});
        talk.time_passes(1999, {});
        talk.time_passes(1, {plain_syn});
        talk.time_passes(3999, {});
        talk.time_passes(1, {plain_syn});
        talk.time_passes(7999, {});
        EXPECT_EQ(talk.machine.state(), HandshakeState::connecting);
        talk.time_passes(1, {reset_of_client});
        EXPECT_EQ(talk.machine.state(), HandshakeState::refused);
        talk.time_passes(60'000, {});
    }
}

TEST(ProxiedHandshake, AnAnswerToALaterSynWillDo) {
    Conversation talk(plain_client());
    talk.time_passes(1000, {plain_syn});
    talk.time_passes(2000, {plain_syn});
    EXPECT_EQ(sent(talk.machine.from_server(plain_syn_ack, talk.profile)), 2);
    talk.time_passes(60'000, {});
    EXPECT_EQ(talk.machine.state(), HandshakeState::open);
}

TEST(ProxiedHandshake, AClientThatAsksAgainHurriesTheSyn) {
    for (const TcpFields& again : {fields(ack, x + 1, c + 1, 1000),  // its ACK
                                   fields(ack, x, c + 1, 1000),      // a probe as Linux sends it
                                   with_payload(fields(ack, x + 1, c + 1, 1000), 1),  // a probe of one byte
                                   with_payload(fields(ack | psh, x + 1, c + 1, 1000), 1400),   // data
                                   with_payload(fields(ack, x + 1 + 2800, c + 1, 1000), 1400),  // more of it
                                   fields(ack, x + 1 + 65535, c + 1, 1000),  // as far as there is
                                   fields(ack | fin, x + 1, c + 1, 1000)}) {
        Conversation talk(plain_client());
        talk.time_passes(499, {});
        talk.client_sends(again, {});
        talk.time_passes(1, {});
        talk.client_sends(again, {plain_syn});
        talk.client_sends(again, {});
        talk.time_passes(1999, {});
        talk.time_passes(1, {plain_syn});
    }
}

TEST(ProxiedHandshake, AClientThatAsksForEverMakesNoMoreSynsThanTime) {
    Conversation talk(plain_client());
    int syns = 0;
    while (talk.machine.state() == HandshakeState::connecting && syns < 100) {
        talk.now += 100;
        syns += sent(talk.machine.from_client(fields(ack, x + 1, c + 1, 1000), talk.now));
        static_cast<void>(talk.machine.tick(talk.now));
    }
    EXPECT_EQ(syns, 3);
    EXPECT_EQ(talk.now, 1000U + 3 * 500 + 8000);
}

TEST(ProxiedHandshake, TheLatestOfTheClientsWordsCounts) {
    Conversation talk(full_client());
    talk.now += 500;
    TcpFields expected = with_timestamps(full_syn(), 7, 0);
    expected.window = 128 * 20;
    talk.client_sends(with_timestamps(fields(ack, x + 1, c + 1, 20), 7, box_time), {to_server(expected)});
    talk.client_sends(with_timestamps(fields(ack, x + 1, c + 1, 30), client_time, box_time), {});
    talk.server_sends(full_syn_ack(),
                      {to_server(with_timestamps(fields(ack, x + 1, y + 1, 30), 7, server_time)),
                       to_client(with_timestamps(fields(ack, c + 1, x + 1, 2000), box_time, 7))});
}

TEST(ProxiedHandshake, SegmentsThatCannotBeTheClientsMoveNothing) {
    for (const TcpFields& forged :
         {fields(ack, x + 1, c, 9), fields(ack, x + 1, c + 2, 9), fields(ack, x - 1, c + 1, 9),
          fields(ack, x + 1 + 65536, c + 1, 9), fields(ack, x + 0x8000'0000, c + 1, 9),
          fields(psh, x + 1, c + 1, 9), fields(syn | ack, x + 1, c + 1, 9)}) {
        Conversation talk(plain_client());
        talk.now += 700;
        talk.client_sends(forged, {});
        talk.time_passes(300, {plain_syn});
    }
}

// ---- A client that comes and goes

TEST(ProxiedHandshake, AClientsResetReachesTheServer) {
    for (const std::uint32_t ahead : {0U, 1U}) {
        for (const unsigned flags : {rst + 0U, rst | ack | 0U}) {
            Conversation talk(plain_client());
            talk.client_sends(fields(flags, x + 1 + ahead, c + 1), {reset_of_server});
            EXPECT_EQ(talk.machine.state(), HandshakeState::refused);
            talk.server_sends(plain_syn_ack, {reset_of_server});
            talk.time_passes(60'000, {});
        }
    }
}

TEST(ProxiedHandshake, ABlindResetMovesNothing) {
    for (const std::uint32_t sequence : {x - 1, x, x + 3, x + 1000, 0x8000'0000U}) {
        Conversation talk(plain_client());
        talk.client_sends(fields(rst, sequence), {});
        EXPECT_EQ(talk.machine.state(), HandshakeState::connecting);
    }
}

TEST(ProxiedHandshake, ADuplicateOfTheClientsSynIsTaken) {
    Conversation talk(plain_client());
    talk.client_sends(fields(syn, x), {});
    EXPECT_EQ(talk.machine.state(), HandshakeState::connecting);
}

TEST(ProxiedHandshake, ARebornClientIsChallengedAndResets) {
    Conversation talk(full_client());
    talk.client_sends(fields(syn, 400),
                      {to_client(with_timestamps(fields(ack, c + 1, x + 1, 0), box_time, client_time))});
    talk.client_sends(fields(rst, x + 1), {reset_of_server});
    EXPECT_TRUE(talk.is_passed_on_from_client(fields(syn, 400))) << "a new connection";
}

// ---- A server that refuses, or remembers another connection

TEST(ProxiedHandshake, AServersResetReachesTheClient) {
    Conversation talk(plain_client());
    talk.server_sends(fields(rst | ack, 0, x + 1), {reset_of_client});
    EXPECT_EQ(talk.machine.state(), HandshakeState::refused);
}

TEST(ProxiedHandshake, AServersResetOfSomethingElseMovesNothing) {
    for (const TcpFields& reset :
         {fields(rst | ack, 0, x), fields(rst | ack, 0, x + 2), fields(rst, x + 1), fields(rst, 0, x + 1)}) {
        Conversation talk(plain_client());
        talk.server_sends(reset, {});
        EXPECT_EQ(talk.machine.state(), HandshakeState::connecting);
    }
}

TEST(ProxiedHandshake, AnOldConnectionOfTheServersIsReset) {
    for (const TcpFields& old : {fields(ack, 300, 100), fields(syn | ack, 300, 91), fields(ack | fin, 300, x),
                                 with_payload(fields(ack | psh, 300, 100), 50)}) {
        Conversation talk(plain_client());
        talk.server_sends(old, {to_server(fields(rst, old.acknowledgement))});
        EXPECT_EQ(talk.machine.state(), HandshakeState::connecting);
        EXPECT_EQ(talk.profile, ServerProfile{}) << "nothing is learnt from it";
        talk.time_passes(1000, {plain_syn});
        EXPECT_EQ(sent(talk.machine.from_server(plain_syn_ack, talk.profile)), 2);
    }
}

TEST(ProxiedHandshake, WhatIsNeitherAnswerNorResetIsTaken) {
    Conversation talk(plain_client());
    talk.server_sends(fields(ack, y + 1, x + 1, 500), {});
    talk.server_sends(fields(syn, y), {});
    talk.server_sends(fields(psh, y), {});
    EXPECT_EQ(talk.machine.state(), HandshakeState::connecting);
}

// ---- Open

TEST(ProxiedHandshake, ARepeatedAnswerIsAcknowledgedAgain) {
    Conversation talk(full_client());
    static_cast<void>(talk.machine.from_server(full_syn_ack(), talk.profile));
    const SegmentToSend again =
        to_server(with_timestamps(fields(ack, x + 1, y + 1, 1000), client_time, server_time));
    talk.server_sends(full_syn_ack(), {again});
    TcpFields other = with_timestamps(full_syn_ack(), server_time + 500, 0);
    other.sequence = y + 12345;
    talk.server_sends(other, {again});
    EXPECT_EQ(y + talk.machine.translation().sequence_delta, c) << "the first one counts";
}

TEST(ProxiedHandshake, AllElseIsTheTrackersWhenOpen) {
    Conversation talk(plain_client());
    static_cast<void>(talk.machine.from_server(plain_syn_ack, talk.profile));
    for (const TcpFields& segment : {fields(ack, x + 1, c + 1), fields(rst, x + 1), fields(syn, x),
                                     fields(syn, 5), fields(fin | ack, x + 1, c + 1)}) {
        EXPECT_TRUE(talk.is_passed_on_from_client(segment));
    }
    for (const TcpFields& segment :
         {fields(ack, y + 1, x + 1), fields(rst, y + 1), fields(rst | ack, 0, x + 1), fields(syn, y),
          fields(syn | ack, y, x + 2), fields(syn | ack | rst, y, x + 1), fields(fin | ack, y + 1, x + 1)}) {
        EXPECT_TRUE(talk.is_passed_on_from_server(segment));
    }
    EXPECT_EQ(talk.machine.state(), HandshakeState::open);
}

// ---- Refused

TEST(ProxiedHandshake, BothSidesAreToldAgainWhenTheyDidNotHear) {
    Conversation talk(plain_client());
    talk.server_sends(fields(rst | ack, 0, x + 1), {reset_of_client});
    talk.client_sends(fields(ack, x, c + 1), {reset_of_client});
    talk.client_sends(with_payload(fields(ack, x + 1, c + 1), 10), {reset_of_client});
    talk.server_sends(plain_syn_ack, {reset_of_server});
    talk.server_sends(fields(ack, 300, 100), {to_server(fields(rst, 100))});
}

TEST(ProxiedHandshake, AResetIsNeverAnswered) {
    for (const bool refused : {false, true}) {
        for (const unsigned flags : {rst + 0U, rst | ack | 0U, rst | syn | ack | 0U, rst | fin | ack | 0U}) {
            for (const std::uint32_t number : {x, x + 1, c + 1, 77U}) {
                Conversation talk(plain_client());
                if (refused) talk.server_sends(fields(rst | ack, 0, x + 1), {reset_of_client});
                const auto of_client = talk.machine.from_client(fields(flags, number, number), talk.now);
                for (const SegmentToSend& one : of_client.segments()) EXPECT_EQ(one.toward, Toward::server);
                const auto of_server = talk.machine.from_server(fields(flags, number, number), talk.profile);
                for (const SegmentToSend& one : of_server.segments()) EXPECT_EQ(one.toward, Toward::client);
            }
        }
    }
}

TEST(ProxiedHandshake, ANewConnectionIsNotOurs) {
    Conversation talk(plain_client());
    talk.server_sends(fields(rst | ack, 0, x + 1), {reset_of_client});
    EXPECT_TRUE(talk.is_passed_on_from_client(fields(syn, 400)));
    EXPECT_TRUE(talk.is_passed_on_from_server(fields(syn, 400)));
}

}  // namespace
}  // namespace sluice::test
