// The burst as a whole: a packet in, a decision out, everything counted once.
#include <gtest/gtest.h>

#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;
using pipeline::CtState;
using pipeline::Decision;

class TrackerOf : public testing::TestWithParam<bool> {
  protected:
    const char* client() const { return GetParam() ? "2001:db8::1" : "10.0.0.1"; }
    const char* server() const { return GetParam() ? "2001:db8::2" : "10.0.0.2"; }
    PacketBuilder from_client() const { return PacketBuilder().ethernet().ip(client(), server()); }
    PacketBuilder from_server() const { return PacketBuilder().ethernet().ip(server(), client()); }
    PacketBuilder out(std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags) const {
        return from_client().tcp(40000, 80).sequence(sequence).acknowledgement(acknowledgement).flags(flags);
    }
    PacketBuilder in(std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags) const {
        return from_server().tcp(80, 40000).sequence(sequence).acknowledgement(acknowledgement).flags(flags);
    }
    void open(TrackerBox& box) const {
        EXPECT_EQ(box.feed(out(100, 0, packet::syn).build()).reason, Reason::none);
        EXPECT_EQ(box.feed(in(300, 101, packet::syn | packet::ack).build()).reason, Reason::none);
        EXPECT_EQ(box.feed(out(101, 301, packet::ack).build()).reason, Reason::none);
    }
};
INSTANTIATE_TEST_SUITE_P(Families, TrackerOf, testing::Bool(),
                         [](const auto& family) { return family.param ? "IPv6" : "IPv4"; });

TEST_P(TrackerOf, AHandshakeMakesOneAssuredFlow) {
    TrackerBox box;
    const Decision syn = box.feed(out(100, 0, packet::syn).build());
    EXPECT_EQ(syn.action, Action::pass);
    EXPECT_EQ(syn.state, CtState::new_flow);
    EXPECT_EQ(box.view(syn).seconds_left, 120U);
    const Decision syn_ack = box.feed(in(300, 101, packet::syn | packet::ack).build());
    EXPECT_EQ(syn_ack.state, CtState::established);
    EXPECT_EQ(syn_ack.direction, tcp::Direction::reply);
    EXPECT_EQ(syn_ack.flow, syn.flow);
    EXPECT_FALSE(box.view(syn_ack).assured);
    const Decision ack = box.feed(out(101, 301, packet::ack).build());
    EXPECT_EQ(ack.state, CtState::established);
    EXPECT_TRUE(box.view(ack).assured);
    EXPECT_EQ(static_cast<tcp::Pair>(box.view(ack).state.tcp.pair), tcp::Pair::established__established);
    EXPECT_EQ(box.view(ack).source, address(client()));
    EXPECT_EQ(box.view(ack).source_port, 40000);
    EXPECT_EQ(box.flows(), 1U);
    EXPECT_EQ(box.tracker().counters().insert.read(), 1U);
    EXPECT_EQ(box.tracker().counters().passed.read(), 3U);
}

TEST_P(TrackerOf, AWholeConnectionMayLieInOneBurst) {
    TrackerBox box;
    const auto judged = box.burst(
        {out(100, 0, packet::syn).build(), in(300, 101, packet::syn | packet::ack).build(),
         out(101, 301, packet::ack).build(), out(101, 301, packet::ack | packet::psh).payload(10).build(),
         in(301, 111, packet::ack).build()});
    ASSERT_EQ(judged.size(), 5U);
    for (const auto& [packet, decision] : judged) {
        EXPECT_EQ(decision.action, Action::pass) << packet->number;
        EXPECT_EQ(decision.reason, Reason::none) << packet->number;
        EXPECT_EQ(decision.flow, judged[0].decision.flow);
    }
}

TEST_P(TrackerOf, ARefusedSegmentIsDroppedCountedAndChangesNothing) {
    TrackerBox box;
    open(box);
    const Decision wild = box.feed(in(301 + 1'000'000, 101, packet::ack).payload(10).build());
    EXPECT_EQ(wild.action, Action::drop);
    EXPECT_EQ(wild.state, CtState::invalid);
    EXPECT_EQ(wild.reason, Reason::seq_after_window);
    EXPECT_EQ(box.count(Reason::seq_after_window), 1U);
    EXPECT_EQ(box.tracker().counters().invalid.read(), 1U);
    EXPECT_EQ(box.tracker().counters().dropped.read(), 1U);
    EXPECT_EQ(box.feed(in(301, 101, packet::ack).payload(10).build()).reason, Reason::none);
}

TEST_P(TrackerOf, InvalidPacketsPassWhenTheSettingSaysSoAndAreCountedAllTheSame) {
    pipeline::Settings settings;
    settings.drop_invalid = false;
    TrackerBox box(settings);
    const Decision stray = box.feed(in(1, 1, packet::syn | packet::ack).build());
    EXPECT_EQ(stray.action, Action::pass);
    EXPECT_EQ(stray.state, CtState::invalid);
    EXPECT_EQ(box.count(Reason::no_connection), 1U);
}

TEST_P(TrackerOf, AWrongChecksumIsRefusedBeforeItReachesTheFlow) {
    TrackerBox box;
    open(box);
    const Decision reset =
        box.feed(in(301, 101, packet::rst | packet::ack).wrong_transport_checksum().build());
    EXPECT_EQ(reset.reason, Reason::bad_checksum);
    EXPECT_EQ(box.feed(out(101, 301, packet::ack).build()).reason, Reason::none) << "the flow lives on";

    pipeline::Settings trusting;
    trusting.checksum = false;
    TrackerBox careless(trusting);
    open(careless);
    EXPECT_EQ(
        careless.feed(in(301, 101, packet::rst | packet::ack).wrong_transport_checksum().build()).reason,
        Reason::none);
}

TEST_P(TrackerOf, HeadersSplitOverSegmentsAreJudgedAlike) {
    for (std::size_t split = 1; split < 100; ++split) {
        TrackerBox box;
        const Decision syn = box.feed(out(100, 0, packet::syn).option(option::mss(1460)).build(), split);
        EXPECT_EQ(syn.state, CtState::new_flow) << "split at " << split;
        const auto data = in(300, 101, packet::syn | packet::ack).payload(3000).build();
        EXPECT_EQ(box.feed(data, split).reason, Reason::none) << "split at " << split;
    }
}

TEST_P(TrackerOf, TheSameTupleOnTwoVlansIsTwoFlows) {
    TrackerBox box;
    const auto syn = [&](std::uint16_t id) {
        return box.feed(PacketBuilder()
                            .ethernet()
                            .vlan(id)
                            .ip(client(), server())
                            .tcp(40000, 80)
                            .flags(packet::syn)
                            .build());
    };
    const Decision ten = syn(10), twenty = syn(20);
    EXPECT_NE(ten.flow, twenty.flow);
    EXPECT_EQ(box.flows(), 2U);
    EXPECT_EQ(box.view(twenty).outer_vlan, 20);

    pipeline::Settings settings;
    settings.vlan_in_key = false;
    TrackerBox blind(settings);
    const auto frame = [&](std::uint16_t id) {
        return PacketBuilder()
            .ethernet()
            .vlan(id)
            .ip(client(), server())
            .tcp(40000, 80)
            .flags(packet::syn)
            .build();
    };
    blind.feed(frame(10));
    blind.feed(frame(20));
    EXPECT_EQ(blind.flows(), 1U);
}

TEST_P(TrackerOf, AccountingCountsBytesFromTheIpHeaderOnByDirection) {
    TrackerBox box;
    open(box);
    const Decision data = box.feed(out(101, 301, packet::ack).payload(100).link_padding(7).build());
    const auto account = box.view(data).account;
    const std::uint64_t header = GetParam() ? 60 : 40;
    EXPECT_EQ(account.packets[0], 3U);
    EXPECT_EQ(account.packets[1], 1U);
    EXPECT_EQ(account.bytes[0], 3 * header + 100);
    EXPECT_EQ(account.bytes[1], header);
}

TEST_P(TrackerOf, AnExpiredFlowIsGoneForPacketsAtOnceAndFreedByThePoll) {
    TrackerBox box;
    box.feed(out(100, 0, packet::syn).build());
    box.pass_seconds(120);
    EXPECT_EQ(box.feed(in(300, 101, packet::syn | packet::ack).build()).reason, Reason::no_connection);
    box.poll();
    EXPECT_EQ(box.flows(), 0U);
    EXPECT_EQ(box.tracker().counters().expired.read(), 1U);
}

TEST_P(TrackerOf, ATimeoutThatCutsAFlowShortNeverLengthensIt) {
    pipeline::Settings settings;
    settings.timeouts[static_cast<std::size_t>(Lifetime::established)] = 100;
    TrackerBox box(settings);
    open(box);
    const auto data = box.feed(out(101, 301, packet::ack).payload(10).build());
    EXPECT_EQ(box.view(data).seconds_left, 100U)
        << "unacknowledged data: 300 s, but established flows live 100 s";
}

TEST_P(TrackerOf, ANewConnectionOutOfTimeWaitReplacesTheOldFlow) {
    TrackerBox box;
    open(box);
    box.feed(out(101, 301, packet::fin | packet::ack).build());
    box.feed(in(301, 102, packet::fin | packet::ack).build());
    box.feed(out(102, 302, packet::ack).build());
    const Decision again = box.feed(in(9000, 0, packet::syn).build());
    EXPECT_EQ(again.state, CtState::new_flow);
    EXPECT_EQ(again.direction, tcp::Direction::original);
    EXPECT_EQ(box.view(again).source, address(server())) << "the sender of the SYN is the originator";
    EXPECT_EQ(box.flows(), 1U);
    EXPECT_EQ(box.tracker().counters().deleted.read(), 1U);
}

TEST_P(TrackerOf, UdpBecomesAStreamWhenBothWaysGoOnBeyondTwoSeconds) {
    TrackerBox box;
    const auto ask = from_client().udp(5353, 53).payload(20).build();
    const auto answer = from_server().udp(53, 5353).payload(20).build();
    EXPECT_EQ(box.view(box.feed(ask)).seconds_left, 30U);
    EXPECT_EQ(box.feed(answer).state, CtState::established);
    EXPECT_FALSE(box.view(box.feed(ask)).assured);
    box.pass_seconds(2);
    const Decision later = box.feed(ask);
    EXPECT_TRUE(box.view(later).assured);
    EXPECT_EQ(box.view(later).seconds_left, 120U);
}

TEST_P(TrackerOf, AnEchoAndItsAnswerAreOneFlowAndAnUnaskedAnswerIsNone) {
    TrackerBox box;
    const bool six = GetParam();
    const auto echo = [&](bool request, std::uint16_t id) {
        auto packet = request ? from_client() : from_server();
        return six ? packet.icmpv6(request ? 128 : 129, 0, id, 1).payload(8).build()
                   : packet.icmp(request ? 8 : 0, 0, id, 1).payload(8).build();
    };
    EXPECT_EQ(box.feed(echo(false, 7)).reason, Reason::no_connection);
    const Decision request = box.feed(echo(true, 7));
    EXPECT_EQ(request.state, CtState::new_flow);
    const Decision reply = box.feed(echo(false, 7));
    EXPECT_EQ(reply.state, CtState::established);
    EXPECT_EQ(reply.direction, tcp::Direction::reply);
    EXPECT_EQ(box.view(reply).icmp_id, 7);
    EXPECT_EQ(box.view(reply).icmp_type, six ? 128 : 8);
    EXPECT_EQ(box.flows(), 1U);
}

TEST_P(TrackerOf, TwoHostsMayAskEachOtherWithOneIdentifier) {
    TrackerBox box;
    const auto echo = [&](bool client_sends, bool request) {
        auto packet = client_sends ? from_client() : from_server();
        return (GetParam() ? packet.icmpv6(request ? 128 : 129, 0, 1, 1)
                           : packet.icmp(request ? 8 : 0, 0, 1, 1))
            .payload(8)
            .build();
    };
    const Decision there = box.feed(echo(true, true));
    EXPECT_EQ(box.feed(echo(true, false)).reason, Reason::no_connection) << "nobody asked the client yet";
    const Decision back = box.feed(echo(false, true));
    EXPECT_EQ(back.reason, Reason::none);
    EXPECT_EQ(back.state, CtState::new_flow);
    EXPECT_EQ(box.flows(), 2U);
    for (const bool client_answers : {false, true}) {
        const Decision answer = box.feed(echo(client_answers, false));
        EXPECT_EQ(answer.flow, client_answers ? back.flow : there.flow);
        EXPECT_EQ(answer.direction, tcp::Direction::reply);
        EXPECT_EQ(answer.state, CtState::established);
        EXPECT_EQ(box.view(answer).icmp_type, GetParam() ? 128 : 8);
        EXPECT_EQ(box.view(answer).source, address(client_answers ? server() : client()));
    }
}

/// 1,024 flows have room for 64 remembered SYNs.
TEST_P(TrackerOf, AFlowWhoseRememberedSynOthersPushedOutGoesOnWithoutIt) {
    TrackerBox box;
    const auto dial = [&](std::uint16_t port, std::uint32_t sequence) {
        return box.feed(from_client().tcp(port, 80).sequence(sequence).flags(packet::syn).build());
    };
    const auto answer = [&](std::uint16_t port, std::uint32_t acknowledgement) {
        return box.feed(from_server()
                            .tcp(80, port)
                            .sequence(5000)
                            .acknowledgement(acknowledgement)
                            .flags(packet::syn | packet::ack)
                            .build());
    };
    for (std::uint16_t port = 1; port <= 600; ++port) {
        dial(port, 1000);
        dial(port, 2000);
    }
    EXPECT_EQ(answer(600, 2001).reason, Reason::none);
    const Decision forgotten = answer(1, 2001);
    EXPECT_EQ(forgotten.reason, Reason::ack_not_of_syn);
    EXPECT_EQ(forgotten.action, Action::pass);
    EXPECT_EQ(answer(1, 1001).reason, Reason::none) << "the SYN in the connection still stands";
}

TEST_P(TrackerOf, AnyOtherProtocolIsTrackedByItsAddressPair) {
    TrackerBox box;
    const Decision there = box.feed(from_client().protocol(47).payload(30).build());
    EXPECT_EQ(there.state, CtState::new_flow);
    EXPECT_EQ(box.view(there).seconds_left, 600U);
    EXPECT_EQ(box.feed(from_server().protocol(47).payload(30).build()).flow, there.flow);
}

TEST_P(TrackerOf, AHostMayTalkToItselfThroughUsFromOnePortToAnother) {
    TrackerBox box;
    const auto segment = [&](std::uint16_t from, std::uint16_t to, std::uint32_t sequence,
                             std::uint32_t acknowledgement, unsigned flags) {
        return box.feed(PacketBuilder()
                            .ethernet()
                            .ip(client(), client())
                            .tcp(from, to)
                            .sequence(sequence)
                            .acknowledgement(acknowledgement)
                            .flags(flags)
                            .build());
    };
    const Decision syn = segment(1000, 2000, 100, 0, packet::syn);
    EXPECT_EQ(syn.state, CtState::new_flow);
    EXPECT_EQ(segment(2000, 1000, 300, 101, packet::syn | packet::ack).flow, syn.flow);
    EXPECT_EQ(segment(1000, 2000, 101, 301, packet::ack).direction, tcp::Direction::original);
    EXPECT_EQ(segment(1000, 1000, 100, 0, packet::syn).reason, Reason::same_endpoint);
    EXPECT_EQ(box.flows(), 1U);
}

TEST(Tracker, PacketsLostOutsideCountAsDroppedUnderTheirReason) {
    TrackerBox box;
    box.tracker().count_loss(Reason::tx_full, 3);
    box.tracker().count_loss(Reason::link_down, 2);
    EXPECT_EQ(box.tracker().counters().dropped.read(), 5U);
    EXPECT_EQ(box.count(Reason::tx_full), 3U);
    EXPECT_EQ(box.count(Reason::link_down), 2U);
}

TEST(Tracker, ReadsFramesAsTheirLinkLayerSays) {
    TrackerBox box;
    const auto bare = PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).flags(packet::syn).build();
    EXPECT_EQ(box.feed(bare).state, CtState::untracked) << "addresses are no EtherType";
    box.tracker().set_link_layer(packet::LinkLayer::raw_ip);
    EXPECT_EQ(box.feed(bare).state, CtState::new_flow);
}

TEST(Tracker, AWrongIpv4HeaderChecksumIsRefusedUnlessNobodyIsToLook) {
    const auto question = PacketBuilder().ethernet().ip("10.0.0.1", "10.0.0.2").udp(5, 6).wrong_ip_checksum();
    pipeline::Settings settings;
    for (const bool looks : {true, false}) {
        settings.checksum = looks;
        TrackerBox box(settings);
        EXPECT_EQ(box.feed(question.build()).reason, looks ? Reason::bad_checksum : Reason::none);
    }
}

TEST(Tracker, ThePortsWordOnAChecksumIsTaken) {
    pipeline::Settings unconcerned;
    unconcerned.checksum = false;
    const auto judged = [](const pipeline::Settings& settings, const PacketBuilder& builder,
                           pipeline::ChecksumState word) {
        TrackerBox box(settings);
        pipeline::MemoryPacket* packet = &box.keep(builder.build());
        packet->checksum = word;
        pipeline::Output<pipeline::MemoryIo> out;
        box.tracker().process({&packet, 1}, {.tick = box.now()}, out);
        return out.view()[0].decision.reason;
    };
    const PacketBuilder start = PacketBuilder().ethernet().ip("10.0.0.1", "10.0.0.2");
    for (const PacketBuilder& question :
         {PacketBuilder(start).udp(5, 6).payload(4), PacketBuilder(start).tcp(5, 6).flags(packet::syn)}) {
        EXPECT_EQ(
            judged({}, PacketBuilder(question).wrong_transport_checksum(), pipeline::ChecksumState::good),
            Reason::none);
        EXPECT_EQ(judged({}, question, pipeline::ChecksumState::bad), Reason::bad_checksum);
        EXPECT_EQ(judged(unconcerned, question, pipeline::ChecksumState::bad), Reason::bad_checksum);
    }
}

TEST(Tracker, FramesThatAreNotIpObeyThePolicyOfTheirEtherType) {
    pipeline::Settings settings;
    settings.set_default_ether_types();
    TrackerBox box(settings);
    const auto frame = [](std::uint16_t type) {
        return PacketBuilder().ethernet().ether_type_as(type).payload(46).build();
    };
    for (const std::uint16_t passed : std::initializer_list<std::uint16_t>{0x0806, 0x88CC, 0x8809, 0x888E}) {
        const Decision decision = box.feed(frame(passed));
        EXPECT_EQ(decision.action, Action::pass) << std::hex << passed;
        EXPECT_EQ(decision.state, CtState::untracked);
    }
    for (const std::uint16_t dropped : std::initializer_list<std::uint16_t>{0x8847, 0x8864, 0x1234}) {
        const Decision decision = box.feed(frame(dropped));
        EXPECT_EQ(decision.action, Action::drop) << std::hex << dropped;
        EXPECT_EQ(decision.reason, Reason::ethertype);
    }
    EXPECT_EQ(box.count(Reason::ethertype), 3U);
}

TEST(Tracker, IpBehindSnapIsTracked) {
    pipeline::Settings settings;
    settings.set_default_ether_types();
    for (const bool six : {false, true}) {
        TrackerBox box(settings);
        PacketBuilder segment;
        segment.ethernet().snap();
        six ? segment.ipv6("2001:db8::1", "2001:db8::2") : segment.ipv4("10.0.0.1", "10.0.0.2");
        segment.tcp(40000, 80);
        EXPECT_EQ(box.feed(PacketBuilder(segment).flags(packet::syn | packet::fin).build()).reason,
                  Reason::bad_flags);
        EXPECT_EQ(box.flows(), 0U);
        EXPECT_EQ(box.feed(PacketBuilder(segment).flags(packet::syn).build()).state, CtState::new_flow);
        EXPECT_EQ(box.flows(), 1U);
    }
}

TEST(Tracker, NeighbourDiscoveryPassesUntracked) {
    TrackerBox box;
    for (const std::uint8_t type : std::initializer_list<std::uint8_t>{133, 134, 135, 136, 143}) {
        const Decision decision = box.feed(
            PacketBuilder().ethernet().ipv6("fe80::1", "ff02::1").icmpv6(type, 0).payload(16).build());
        EXPECT_EQ(decision.state, CtState::untracked) << int{type};
        EXPECT_EQ(decision.action, Action::pass);
    }
    EXPECT_EQ(box.flows(), 0U);
}

}  // namespace
}  // namespace sluice::test
