// What signatures do to flows on the packet path, and which flows are read: datagrams, marks, resets,
// services, how often is told, and other profiles while flows live.
#include <gtest/gtest.h>

#include <array>

#include "inspected_box.hpp"
#include "support/guarded_box.hpp"

namespace sluice::test {
namespace {

using policy::SignatureAction;
using policy::Transport;

const std::string word = "attack-word";

std::vector<policy::Signature> one_signature(SignatureAction action) {
    return signatures({"attack-w[o]rd"}, action);
}

PacketBuilder datagram(const std::string& text, Direction direction = Direction::original,
                       std::uint16_t server = 53) {
    const bool client = direction == Direction::original;
    PacketBuilder out;
    out.ethernet().ip(client ? "10.0.0.1" : "10.0.0.2", client ? "10.0.0.2" : "10.0.0.1");
    return (client ? out.udp(4000, server) : out.udp(server, 4000)).payload(InspectedBox::bytes(text));
}

TEST(InspectedDatagrams, AreReadOneByOneInBothDirections) {
    InspectedBox box(database_of(one_signature(SignatureAction::alert)), blocking);
    box.feed(datagram("attack-"));
    box.feed(datagram("word"));
    EXPECT_TRUE(box.alerts().empty()) << "they are no stream";
    box.feed(datagram("an " + word));
    box.feed(datagram("an " + word, Direction::reply), Direction::reply);
    const auto alerts = box.alerts();
    ASSERT_EQ(alerts.size(), 2U);
    EXPECT_EQ(alerts[0].direction, Direction::original);
    EXPECT_EQ(alerts[1].direction, Direction::reply);
    EXPECT_EQ(alerts[1].position, 14U);
    EXPECT_EQ(std::string(alerts[1].excerpt.begin(), alerts[1].excerpt.begin() + alerts[1].excerpt_length),
              "an " + word);
    EXPECT_EQ(box.left.size(), 4U);
    EXPECT_EQ(box.counted().datagrams.read(), 4U);
}

TEST(InspectedDatagrams, AreReadWholeWhenTheyCameInFragments) {
    InspectedBox box(database_of(one_signature(SignatureAction::drop)), blocking);
    const auto pieces = datagram("0123456789" + word).identification(9).build_fragments(16);
    ASSERT_EQ(pieces.size(), 2U);
    box.burst({pieces[1], pieces[0]}, Direction::original);
    EXPECT_EQ(box.alerts().size(), 1U);
    EXPECT_EQ(box.dropped.size(), 2U);
    EXPECT_EQ(box.count(Reason::signature), 2U);
}

TEST(InspectedDatagrams, BehindOneThatIsDroppedNoneOfItsFlowPasses) {
    for (const auto action : {SignatureAction::drop, SignatureAction::reset}) {
        InspectedBox box(database_of(one_signature(action)), blocking);
        EXPECT_EQ(box.fate(box.feed(datagram("harmless"))), "pass");
        EXPECT_EQ(box.fate(box.feed(datagram(word))), "signature");
        EXPECT_EQ(box.fate(box.feed(datagram("harmless"))), "signature");
        EXPECT_EQ(box.fate(box.feed(datagram("harmless", Direction::reply), Direction::reply)), "signature");
        EXPECT_EQ(box.fate(box.feed(datagram(word, Direction::original, 54))), "signature");
        EXPECT_EQ(box.alerts().size(), 2U);
    }
}

PacketBuilder ping(const std::string& text, Direction direction = Direction::original, bool ipv6 = false) {
    const bool client = direction == Direction::original;
    const std::array<const char*, 2> hosts{ipv6 ? "2001:db8::1" : "10.0.0.1",
                                           ipv6 ? "2001:db8::2" : "10.0.0.2"};
    PacketBuilder out;
    out.ethernet().ip(hosts[client ? 0 : 1], hosts[client ? 1 : 0]);
    ipv6 ? out.icmpv6(client ? 128 : 129, 0, 7) : out.icmp(client ? 8 : 0, 0, 7);
    return out.payload(InspectedBox::bytes(text));
}

TEST(InspectedDatagrams, OfIcmpAndOtherProtocolsAreReadBehindTheirHeader) {
    for (const bool ipv6 : {false, true}) {
        InspectedBox box(database_of(signatures({"^attack-w[o]rd"}, SignatureAction::drop)), blocking);
        EXPECT_EQ(box.fate(box.feed(ping("an " + word, Direction::original, ipv6))), "pass");
        EXPECT_EQ(box.fate(box.feed(ping(word, Direction::reply, ipv6), Direction::reply)), "signature");
        EXPECT_EQ(box.fate(box.feed(ping("harmless", Direction::original, ipv6))), "signature");
        EXPECT_EQ(box.alerts().size(), 1U);
    }
    InspectedBox box(database_of(one_signature(SignatureAction::drop)), blocking);
    PacketBuilder tunnel;
    tunnel.ethernet().ip("10.0.0.1", "10.0.0.2").protocol(47).payload(InspectedBox::bytes(word));
    EXPECT_EQ(box.fate(box.feed(tunnel)), "signature");
    EXPECT_EQ(box.count(Reason::signature), 1U);
    const auto pieces = ping("0123456789" + word).identification(9).build_fragments(16);
    box.burst(pieces, Direction::original);
    EXPECT_EQ(box.count(Reason::signature), 1U + pieces.size());
}

TEST(InspectedDatagrams, ASignatureAsksForTheirProtocol) {
    auto all = signatures({"attack-w[o]rd", "attack-wo[r]d", "attack-wor[d]"});
    all[0].service.transport = Transport::icmp;
    all[1].service.transport = Transport::udp;
    InspectedBox box(database_of(all), alerting);
    const auto found_in = [&](const PacketBuilder& packet) {
        box.feed(packet);
        std::string out;
        for (const auto& alert : box.alerts()) out += std::to_string(alert.signature_id);
        return out;
    };
    EXPECT_EQ(found_in(ping(word)), "13");
    EXPECT_EQ(found_in(datagram(word)), "23");
    PacketBuilder tunnel;
    tunnel.ethernet().ip("10.0.0.1", "10.0.0.2").protocol(47).payload(InspectedBox::bytes(word));
    EXPECT_EQ(found_in(tunnel), "3");
}

TEST(InspectedFlows, ASignatureAsksForTheServersPort) {
    auto all = signatures({"attack-w[o]rd", "attack-wo[r]d", "attack-wor[d]"});
    all[0].service = {Transport::tcp, false, {{80, 80}}};
    all[1].service = {Transport::tcp, true, {{80, 80}}};
    all[2].service = {Transport::udp, false, {{53, 53}}};
    InspectedBox box(database_of(all), alerting);
    box.open();
    box.send(0, word);
    box.send(0, word, 0, Direction::reply);
    auto alerts = box.alerts();
    ASSERT_EQ(alerts.size(), 2U);
    EXPECT_EQ(alerts[0].signature_id, 1U);
    EXPECT_EQ(alerts[1].signature_id, 1U) << "the server's port, whoever sends";
    box.feed(datagram(word));
    box.feed(datagram(word, Direction::original, 54));
    alerts = box.alerts();
    ASSERT_EQ(alerts.size(), 1U);
    EXPECT_EQ(alerts[0].signature_id, 3U);
    EXPECT_EQ(box.tally(1).hits.read(), 0U);
}

TEST(InspectedFlows, AMatchMayMarkTheFlow) {
    auto all = one_signature(SignatureAction::mark);
    all[0].mark = 77;
    InspectedBox box(database_of(all), alerting);
    box.open();
    EXPECT_EQ(box.view().mark, 0U);
    box.send(0, word);
    EXPECT_EQ(box.view().mark, 77U);
    const auto alerts = box.alerts();
    ASSERT_EQ(alerts.size(), 1U);
    EXPECT_EQ(alerts[0].done, SignatureAction::mark);
    EXPECT_EQ(box.text(), word);
}

class Resets : public testing::TestWithParam<Direction> {};
INSTANTIATE_TEST_SUITE_P(Of, Resets, testing::Values(Direction::original, Direction::reply),
                         [](const auto& one) {
                             return one.param == Direction::original ? "FromTheClient" : "FromTheServer";
                         });

TEST_P(Resets, BothEndsAreToldAtOnceWithTheNumbersTheyExpect) {
    const Direction bad = GetParam();
    InspectedBox box(database_of(one_signature(SignatureAction::reset)), blocking);
    box.open();
    box.send(0, "harmless", 0, bad);
    const std::size_t before = box.left.size();
    EXPECT_EQ(box.fate(box.send(8, word, 0, bad)), "signature");
    ASSERT_EQ(box.left.size(), before + 2);
    for (std::size_t i = before; i < box.left.size(); ++i) {
        const InspectedBox::Gone& reset = box.left[i];
        const bool to_server = reset.headers.destination_port == 80;
        EXPECT_NE(reset.headers.tcp.flags & packet::rst, 0);
        const bool to_victim = to_server == (bad == Direction::original);
        const Direction sender = to_server ? Direction::original : Direction::reply;
        EXPECT_EQ(reset.headers.tcp.sequence, InspectedBox::isn(sender) + 1 + (to_victim ? 8 : 0))
            << "what the victim has got, and not what was dropped";
        // Each leaves towards its receiver: as an answer by the port the packet came in by, or onward.
        EXPECT_EQ(reset.decision.action, to_victim ? pipeline::Action::pass : pipeline::Action::answer);
    }
    EXPECT_EQ(box.view().state.tcp.lifetime, static_cast<unsigned>(Lifetime::killed));
    EXPECT_EQ(box.fate(box.send(19, "more", 0, bad)), "pass") << "it became the RST to its sender";
    EXPECT_NE(box.left.back().headers.tcp.flags & packet::rst, 0);
    box.poll();
    EXPECT_EQ(box.counted().flows.read(), 0U);
    const auto alerts = box.alerts();
    ASSERT_EQ(alerts.size(), 1U);
    EXPECT_EQ(alerts[0].done, SignatureAction::reset);
}

TEST(InspectedFlows, AMatchBehindARstStaysBlocked) {
    InspectedBox box(database_of(one_signature(SignatureAction::reset)), blocking);
    box.open();
    box.feed(box.data(0, "", packet::rst));
    EXPECT_EQ(box.fate(box.send(0, word)), "signature");
    EXPECT_NE(box.fate(box.send(6, word.substr(6))), "pass");
    EXPECT_NE(box.fate(box.send(0, word.substr(0, 6))), "pass");
    EXPECT_EQ(box.text(), "") << "no byte of it, in whatever order";
}

TEST(InspectedFlows, AMatchBehindAHoleResetsWhenTheHoleIsFilled) {
    InspectedBox box(database_of(one_signature(SignatureAction::reset)), blocking);
    box.open();
    const auto held = box.send(6, word.substr(6));
    const std::size_t before = box.left.size();
    box.send(0, word.substr(0, 6));
    EXPECT_EQ(box.fate(held), "signature");
    ASSERT_EQ(box.left.size(), before + 2);
    for (std::size_t i = before; i < box.left.size(); ++i)
        if (box.left[i].headers.destination_port == 80) {
            EXPECT_EQ(box.left[i].headers.tcp.sequence, InspectedBox::client_isn + 1);
        }
}

TEST(InspectedFlows, ASignatureIsToldOfSoOftenASecondAndItsHitsAreAllCounted) {
    const auto database = database_of(one_signature(SignatureAction::alert));
    InspectedBox box(database, alerting);
    box.alerts_a_second = 3;
    box.obey(database, alerting);
    for (unsigned i = 0; i < 5; ++i) box.feed(datagram(word));
    EXPECT_EQ(box.alerts().size(), 3U);
    EXPECT_EQ(box.tally(0).hits.read(), 5U);
    EXPECT_EQ(box.tally(0).suppressed.read(), 2U);
    box.now.tick += ticks_per_second;
    box.feed(datagram(word));
    EXPECT_EQ(box.alerts().size(), 1U);
}

TEST(InspectedFlows, AlertsThatFindTheRingFullAreCounted) {
    InspectedBox box(database_of(one_signature(SignatureAction::alert)), alerting);
    for (unsigned i = 0; i < 70; ++i) box.feed(datagram(word));
    EXPECT_EQ(box.alerts().size(), 64U);
    EXPECT_EQ(box.counted().lost.read(), 6U);
    EXPECT_EQ(box.counted().hits.read(), 70U);
}

TEST(InspectedFlows, OtherSignaturesReadALiveFlowFromWhereItIs) {
    for (const unsigned sweeps : {0U, 20U}) {  // before and behind the sweep over all flows
        InspectedBox box(database_of(signatures({"first-w[o]rd"})), alerting);
        box.open();
        box.send(0, "first-word att");
        EXPECT_EQ(box.alerts().size(), 1U);
        box.obey(database_of(one_signature(SignatureAction::drop)), blocking, sweeps);
        box.send(14, "ack-word first-word");
        EXPECT_TRUE(box.alerts().empty()) << "its beginning was read by the former";
        EXPECT_EQ(box.fate(box.send(33, word)), "signature");
        const auto alerts = box.alerts();
        ASSERT_EQ(alerts.size(), 1U);
        EXPECT_EQ(alerts[0].generation, 1U);
        EXPECT_EQ(alerts[0].position, 19U + word.size());
    }
}

TEST(InspectedFlows, WhatWaitsWhenTheProfilesGoIsDropped) {
    InspectedBox box(database_of(one_signature(SignatureAction::drop)), blocking);
    box.open();
    const auto held = box.send(6, "behind a hole");
    box.obey(database_of(signatures({"other"})), blocking, 20);
    EXPECT_EQ(box.fate(held), "inspection-timeout");
    EXPECT_EQ(box.counted().held.read(), 0U);
    EXPECT_EQ(box.counted().flows.read(), 1U);
}

TEST(InspectedFlows, AFlowWhoseRuleReadsNoMoreIsLetGo) {
    for (const unsigned sweeps : {0U, 20U}) {
        InspectedBox box(database_of(one_signature(SignatureAction::drop)), blocking);
        box.open();
        box.send(0, "x");
        box.obey(nullptr, {}, sweeps);
        EXPECT_EQ(box.fate(box.send(1, word)), "pass");
        box.poll();
        EXPECT_EQ(box.counted().flows.read(), 0U);
        EXPECT_EQ(box.view().state.tcp.pending_syn, 0U) << "and is judged the fast way again";
    }
}

TEST(InspectedFlows, AFlowWhoseRuleBeginsToReadIsReadFromThere) {
    InspectedBox box(nullptr, {});
    box.open();
    box.send(0, word);
    box.obey(database_of(one_signature(SignatureAction::drop)), blocking, 20);
    EXPECT_EQ(box.fate(box.send(11, word)), "signature");
    EXPECT_EQ(box.alerts().size(), 1U);
}

TEST(InspectedFlows, AConnectionThatTheGuardOpenedIsReadInItsServersNumbers) {
    pipeline::Limits limits = GuardedBox::small_limits();
    limits.rules = true;
    limits.inspection = InspectedBox::small_limits().inspection;
    const InspectedBox rules(database_of(one_signature(SignatureAction::reset)), blocking);
    GuardedBox box(false, limits);
    box.settings.policy = rules.settings_for(blocking).policy;
    box.adopt(*box.settings.protection);
    box.defend(guard::Level::maximum);
    const auto asked = box.client(box.from_client().sequence(70).flags(packet::syn));
    const std::uint32_t cookie = asked.at(0).tcp().sequence;
    const auto client = [&](std::uint32_t sequence, std::uint32_t heard, const std::string& text) {
        return box.client(box.from_client()
                              .sequence(sequence)
                              .acknowledgement(cookie + 1 + heard)
                              .flags(packet::ack)
                              .payload(InspectedBox::bytes(text)));
    };
    const auto server = [&](std::uint32_t sequence, std::uint32_t heard, const std::string& text) {
        return box.server(box.from_server()
                              .sequence(sequence)
                              .acknowledgement(heard)
                              .window(60'000)
                              .flags(packet::ack)
                              .payload(InspectedBox::bytes(text)));
    };
    client(71, 0, "");
    box.server(box.from_server().sequence(9'000).acknowledgement(71).window(60'000).flags(packet::syn |
                                                                                          packet::ack));
    ASSERT_EQ(box.tracker().guard()->proxied_flows(), 1U);

    // Out of order from the first byte on: where the streams begin is known.
    EXPECT_EQ(client(75, 0, "5678").size(), 0U);
    ASSERT_EQ(client(71, 0, "1234").size(), 2U);
    EXPECT_EQ(server(9'007, 79, "word").size(), 0U);
    const auto sent = server(9'001, 79, "first ");
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].tcp().sequence, cookie + 1);
    EXPECT_EQ(sent[1].tcp().sequence, cookie + 7) << "what was held was translated, too";
    EXPECT_EQ(client(79, 10, "").size(), 1U);

    const auto resets = server(9'011, 79, word);
    ASSERT_EQ(resets.size(), 2U);
    for (const Sent& reset : resets) {
        EXPECT_NE(reset.tcp().flags & packet::rst, 0);
        EXPECT_EQ(reset.tcp().sequence, reset.toward == Toward::client ? cookie + 11 : 79U);
    }
    EXPECT_EQ(box.tracker().inspection()->hits.read(), 1U);
    EXPECT_EQ(box.faults, std::vector<std::string>{});
}

TEST(InspectedFlows, WithoutInspectionThereIsNoMemoryForIt) {
    pipeline::Limits without = InspectedBox::small_limits();
    without.inspection.flows = 0;
    pipeline::Limits more = without;
    more.inspection.chunks = 1'000'000;
    more.alert_slots = 4096;
    EXPECT_EQ(MemoryTracker::bytes_needed(without), MemoryTracker::bytes_needed(more));
    InspectedBox box(nullptr, {}, without);
    EXPECT_EQ(box.tracker().alerts(), nullptr);
    EXPECT_EQ(box.tracker().inspection(), nullptr);
    box.open();
    box.send(0, word);
    EXPECT_EQ(box.text(), word);
}

}  // namespace
}  // namespace sluice::test
