// Every reason a replay can give comes with the numbers that decided: a capture for each, and its sentence.
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "replay_run.hpp"

namespace sluice::app {
namespace {

using packet::ack;
using packet::fin;
using packet::rst;
using packet::syn;
using test::Bytes;
using test::from_client;
using test::from_server;
using test::PacketBuilder;
using test::Replay;

PacketBuilder over_ipv4() {
    return PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2");
}
/// Bytes `offset` to `offset` + `length` - 1 of datagram 7.
PacketBuilder piece(std::size_t offset, std::size_t length, bool more) {
    return over_ipv4().fragment(offset, more, 7).protocol(17).payload(length);
}
PacketBuilder syn_from(std::uint16_t port) {
    return over_ipv4().tcp(port, 80).sequence(1000).flags(syn);
}

/// A capture, and what is said of its last packet to be judged.
struct Case {
    Reason reason;
    const char* sentence;
    std::function<void(Replay&)> packets;
    pipeline::Settings settings{};
    std::uint32_t ipv4_flows = 4096;
    std::uint32_t fragment_datagrams = 64;
};

void open(Replay& replay) {
    test::handshake(replay, 0);
}
void open_and_reset(Replay& replay) {
    test::handshake(replay, 0);
    replay.packet(0.1, from_client().sequence(1001).flags(rst));
}
pipeline::Settings no_pick_up() {
    pipeline::Settings out;
    out.tcp.loose = false;
    return out;
}

/// A TCP flow at a time, and nothing else.
pipeline::Settings under_a_rule() {
    policy::Rule rule;
    rule.name = "one";
    rule.action = policy::Action::allow;
    rule.protocols = {packet::tcp};
    rule.most_flows = 1;
    auto rules = std::make_shared<const policy::RuleSet>(std::move(*policy::RuleSet::build({rule})));
    pipeline::Settings out;
    out.policy =
        std::make_shared<const pipeline::Policy>(rules, std::make_unique<policy::LinearMatcher>(*rules), 1);
    return out;
}

const PacketBuilder unknown_segment =
    PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).sequence(900'000);

const std::vector<Case> cases{
    // ---- TCP, tolerated
    {Reason::old_duplicate,
     "it ends at 4294902411, 65,886 before 1001, up to which A has sent, and the window of B never was "
     "larger than 65,535",
     [](Replay& r) {
         open(r);
         r.packet(1, from_client().sequence(1001U - 65'986U).acknowledgement(5001).flags(ack).payload(100));
     }},
    {Reason::old_acknowledgement,
     "acknowledgement 4294905386 is 66,911 behind 5001, up to which B has sent; no more than 66,000 may be "
     "under way",
     [](Replay& r) {
         open(r);
         r.packet(1, from_client().sequence(1001).acknowledgement(5001U - 66'911U).flags(ack).payload(1));
     }},
    {Reason::window_overshoot,
     "sequence 70001 is 3,465 beyond the window B offered, which ends at 66536, but within a further window "
     "of 65,535",
     [](Replay& r) {
         open(r);
         r.packet(1, from_client().sequence(70'001).acknowledgement(5001).flags(ack).payload(1));
     }},
    {Reason::syn_in_connection,
     "a SYN with sequence 9000 inside a connection that is at ESTABLISHED,ESTABLISHED; B will challenge it",
     [](Replay& r) {
         open(r);
         r.packet(1, from_client().sequence(9000).flags(syn));
     }},
    {Reason::rst_inexact, "sequence 1011 of the RST is 10 beyond 1001, the one B expects",
     [](Replay& r) {
         open(r);
         r.packet(1, from_client().sequence(1011).flags(rst));
     }},
    {Reason::ack_not_of_syn, "acknowledgement 1002 is not 1001, which would acknowledge the SYN of A",
     [](Replay& r) {
         r.packet(0, from_client().sequence(1000).flags(syn));
         r.packet(1, from_server().sequence(5000).acknowledgement(1002).flags(syn | ack));
     }},
    {Reason::old_syn, "sequence 900 of the SYN is 100 below 1000, that of a newer SYN",
     [](Replay& r) {
         r.packet(0, from_client().sequence(1000).flags(syn));
         r.packet(1, from_client().sequence(900).flags(syn));
     }},
    {Reason::before_syn_ack,
     "no SYN of B has been seen, so that sequence 5001 and acknowledgement 1001 have nothing to be held "
     "against",
     [](Replay& r) {
         r.packet(0, from_client().sequence(1000).flags(syn));
         r.packet(1, from_server().sequence(5001).acknowledgement(1001).flags(ack));
     }},
    {Reason::rst_old, "sequence 991 of the RST is 10 below 1001, up to which B has acknowledged",
     [](Replay& r) {
         open(r);
         r.packet(1, from_client().sequence(991).flags(rst));
     }},
    {Reason::after_close,
     "the connection was reset and stands at CLOSED,CLOSED; FIN+ACK with sequence 5001 is neither a SYN nor "
     "the answer to the "
     "last one, which alone open it again",
     [](Replay& r) {
         open_and_reset(r);
         r.packet(1, from_server().sequence(5001).acknowledgement(1001).flags(fin | ack));
     }},
    // ---- TCP, refused
    {Reason::bad_flags, "no endpoint sends the flags SYN+FIN (sequence 1001)",
     [](Replay& r) {
         open(r);
         r.packet(1, from_client().sequence(1001).flags(syn | fin));
     }},
    {Reason::seq_after_window,
     "sequence 1001001 is 934,465 beyond the window B offered, which ends at 66536, and beyond a further "
     "window of 65,535",
     [](Replay& r) {
         open(r);
         r.packet(1, from_client().sequence(1'001'001).acknowledgement(5001).flags(ack).payload(1));
     }},
    {Reason::ack_unsent, "acknowledgement 6001 is 1,000 beyond 5001, where what B has sent ends",
     [](Replay& r) {
         open(r);
         r.packet(1, from_client().sequence(1001).acknowledgement(6001).flags(ack));
     }},
    {Reason::rst_out_of_window,
     "sequence 50000000 is 49,929,464 beyond the window A offered, which ends at 70536",
     [](Replay& r) {
         open(r);
         r.packet(1, from_server().sequence(50'000'000).flags(rst));
     }},
    {Reason::no_connection,
     "a segment with ACK and sequence 5 belongs to no flow and cannot start one while flows are not picked "
     "up in mid-stream",
     [](Replay& r) { r.packet(0, from_client().sequence(5).flags(ack)); }, no_pick_up()},
    {Reason::no_connection, "a segment with RST and sequence 5 belongs to no flow and cannot start one",
     [](Replay& r) { r.packet(0, from_client().sequence(5).flags(rst)); }},
    {Reason::no_connection,
     "an ICMP answer of type 0 with identifier 77, and nobody sent a query of type 8 with it",
     [](Replay& r) { r.packet(0, over_ipv4().icmp(0, 0, 77)); }},
    {Reason::no_connection,
     "an ICMP answer of type 129 with identifier 77, and nobody sent a query of type 128 with it",
     [](Replay& r) {
         r.packet(0, PacketBuilder().ethernet().ipv6("2001:db8::1", "2001:db8::2").icmpv6(129, 0, 77));
     }},
    // ---- The parser's
    {Reason::malformed, "the IPv4 header says 1,500 bytes, the frame holds 1,480",
     [](Replay& r) { r.packet(0, from_client().flags(ack).payload(1440).ip_length_as(1500)); }},
    {Reason::malformed,
     "an IPv4 header takes 20 bytes, the frame holds 6 (the capture holds 20 of the packet's 54 bytes)",
     [](Replay& r) { r.packet(0, from_client().flags(syn).build(), 20); }},
    {Reason::malformed,
     "the ICMP error quotes 24 bytes, and its packet's headers and 8 bytes behind them take 28",
     [](Replay& r) { r.packet(0, over_ipv4().icmp_error(3, 1, unknown_segment, 24)); }},
    {Reason::malformed, "the UDP header says 100 bytes, the datagram holds 40",
     [](Replay& r) {
         const auto cut =
             over_ipv4().identification(7).udp(5000, 53).udp_length_as(100).payload(32).build_fragments(24);
         for (const Bytes& fragment : cut) r.packet(0, fragment);
     }},
    {Reason::same_endpoint, "both ends are 10.0.0.1:80",
     [](Replay& r) {
         r.packet(0, PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.1").tcp(80, 80).flags(syn));
     }},
    {Reason::same_endpoint, "both ends are [2001:db8::1]:80",
     [](Replay& r) {
         r.packet(0, PacketBuilder().ethernet().ipv6("2001:db8::1", "2001:db8::1").tcp(80, 80).flags(syn));
     }},
    {Reason::too_many_headers, "the packet has more than 2 VLAN tags, and may have 2",
     [](Replay& r) { r.packet(0, from_client().vlan(1).vlan(2).vlan(3).flags(syn)); }},
    {Reason::bad_checksum, "the IPv4 header's checksum is 0x339b, over its 20 bytes it should be 0x66ce",
     [](Replay& r) { r.packet(0, from_client().sequence(1).flags(syn).wrong_ip_checksum()); }},
    {Reason::bad_checksum, "the TCP checksum is 0xaa1b, over 20 bytes and the addresses it should be 0xff4e",
     [](Replay& r) { r.packet(0, from_client().sequence(1).flags(syn).wrong_transport_checksum()); }},
    {Reason::bad_checksum, "the UDP checksum is 0xb388, over 40 bytes and the addresses it should be 0xe6dd",
     [](Replay& r) {
         const auto cut = over_ipv4()
                              .identification(7)
                              .udp(5000, 53)
                              .payload(32)
                              .wrong_transport_checksum()
                              .build_fragments(24);
         for (const Bytes& fragment : cut) r.packet(0, fragment);
     }},
    // ---- ICMP errors
    {Reason::icmp_unmatched,
     "the ICMP error quotes tcp 10.0.0.1:40000 > 10.0.0.2:80, and no such flow is tracked",
     [](Replay& r) {
         r.packet(0,
                  PacketBuilder().ethernet().ipv4("10.0.0.9", "10.0.0.1").icmp_error(3, 1, unknown_segment));
     }},
    {Reason::icmp_mismatch,
     "the ICMP error quotes tcp 10.0.0.1:40000 > 10.0.0.2:80 with sequence 900000, which is 833,464 beyond "
     "66536, up to which "
     "A may have sent",
     [](Replay& r) {
         open(r);
         r.packet(1,
                  PacketBuilder().ethernet().ipv4("10.0.0.9", "10.0.0.1").icmp_error(3, 1, unknown_segment));
     }},
    {Reason::icmp_mismatch,
     "the ICMP error quotes tcp 10.0.0.2:80 > 10.0.0.1:40000 with sequence 4294901296, which is 5,001 below "
     "4294906297, the "
     "oldest that B may still have under way",
     [](Replay& r) {
         open(r);
         r.packet(
             1,
             PacketBuilder()
                 .ethernet()
                 .ipv4("10.0.0.9", "10.0.0.2")
                 .icmp_error(
                     3, 1,
                     PacketBuilder().ipv4("10.0.0.2", "10.0.0.1").tcp(80, 40000).sequence(4'294'901'296U)));
     }},
    {Reason::icmp_mismatch,
     "the ICMP error quotes tcp 10.0.0.2:80 > 10.0.0.1:40000 with sequence 5, and nothing that B sent has "
     "been seen",
     [](Replay& r) {
         r.packet(0, from_client().sequence(1000).flags(syn));
         r.packet(1, PacketBuilder()
                         .ethernet()
                         .ipv4("10.0.0.9", "10.0.0.2")
                         .icmp_error(
                             3, 1, PacketBuilder().ipv4("10.0.0.2", "10.0.0.1").tcp(80, 40000).sequence(5)));
     }},
    {Reason::icmp_mismatch,
     "the ICMP error goes to 10.0.0.8 and quotes tcp 10.0.0.1:40000 > 10.0.0.2:80: it should go to the "
     "sender of that",
     [](Replay& r) {
         open(r);
         r.packet(1,
                  PacketBuilder().ethernet().ipv4("10.0.0.9", "10.0.0.8").icmp_error(3, 1, unknown_segment));
     }},
    // ---- Fragments
    {Reason::fragment_overlap,
     "packet 2 brought bytes 16 to 39 of datagram 7, and packet 1 had brought bytes 0 to 23",
     [](Replay& r) {
         r.packet(0, piece(0, 24, true));
         r.packet(0.1, piece(16, 24, true));
     }},
    {Reason::fragment_overlap,
     "bytes 80 to 87 belong to datagram 7, which was discarded when its fragments overlapped",
     [](Replay& r) {
         r.packet(0, piece(0, 24, true));
         r.packet(0.1, piece(16, 24, true));
         r.packet(0.2, piece(80, 8, false));
     }},
    {Reason::fragment_tiny, "a TCP header takes 20 bytes, the first fragment holds 16",
     [](Replay& r) { r.packet(0, over_ipv4().fragment(0, true, 7).protocol(6).payload(16)); }},
    {Reason::fragment_too_long,
     "the fragment ends at byte 65,544 behind 20 bytes of headers: no datagram is longer than 65,535",
     [](Replay& r) { r.packet(0, piece(65'528, 16, false)); }},
    {Reason::fragment_too_long,
     "by packet 1 datagram 7 ends at byte 40, by packet 2 it goes on behind byte 48",
     [](Replay& r) {
         r.packet(0, piece(32, 8, false));
         r.packet(0.1, piece(40, 8, true));
     }},
    {Reason::fragment_too_long,
     "by packet 2 datagram 7 ends at byte 24, by packet 1 it goes on behind byte 40",
     [](Replay& r) {
         r.packet(0, piece(32, 8, true));
         r.packet(0.1, piece(16, 8, false));
     }},
    {Reason::fragment_too_long, "by packet 2 datagram 7 ends at byte 56, by packet 1 it ends at byte 40",
     [](Replay& r) {
         r.packet(0, piece(32, 8, false));
         r.packet(0.1, piece(48, 8, false));
     }},
    {Reason::fragment_too_many, "packet 65 is fragment 65 of datagram 7, which may have 64",
     [](Replay& r) {
         for (std::size_t i = 0; i < 65; ++i) r.packet(0, piece(i * 16, 8, true));
     }},
    {Reason::fragment_duplicate, "packet 2 brought bytes 24 to 31 of datagram 7 already",
     [](Replay& r) {
         r.packet(0, piece(0, 24, true));
         r.packet(0.1, piece(24, 8, true));
         r.packet(0.2, piece(24, 8, true));
     }},
    {Reason::fragment_timeout, "2 fragments brought 32 of the 80 bytes of datagram 7 in 30 s",
     [](Replay& r) {
         r.packet(0, piece(0, 24, true));
         r.packet(0.1, piece(72, 8, false));
         r.packet(31, syn_from(1));
     }},
    {Reason::fragment_timeout, "1 fragment brought 24 of the bytes of datagram 7 before the capture ended",
     [](Replay& r) { r.packet(0, piece(0, 24, true)); }},
    {Reason::fragment_table_full,
     "the fragment table holds 1 datagram, 64 fragments and 131,072 bytes at most: datagram 7 had to go",
     [](Replay& r) {
         r.packet(0, piece(0, 24, true));
         r.packet(0.1, over_ipv4().fragment(0, true, 8).protocol(17).payload(24));
     },
     {},
     4096,
     1},
    // ---- Resources and orders
    {Reason::table_full,
     "the table for IPv4 holds 1 flow, and all of them are assured",
     [](Replay& r) {
         open(r);
         r.packet(1, syn_from(5));
     },
     {},
     1},
    {Reason::policy_denied, "no rule allows a flow to begin with it",
     [](Replay& r) { r.packet(0, over_ipv4().udp(1, 53)); }, under_a_rule()},
    {Reason::rule_limit, "rule 1 (one): allow tcp, 1 flow at most",
     [](Replay& r) {
         r.packet(0, syn_from(1));
         r.packet(0.1, syn_from(2));
     },
     under_a_rule()},
    {Reason::ethertype, "its EtherType 0x88b5 is configured to be dropped",
     [](Replay& r) { r.packet(0, syn_from(1).ether_type_as(0x88B5)); }},
};

/// The last line with this reason.
nlohmann::json judged_under(const Replay& replay, Reason reason) {
    nlohmann::json found;
    for (const auto& line : replay.lines())
        if (line["reason"] == text_of(reason).name) found = line;
    return found;
}

TEST(ReplayReasons, EachComesWithTheNumbersThatDecided) {
    for (const Case& one : cases) {
        pipeline::Limits limits;
        limits.ipv4_flows = one.ipv4_flows;
        limits.ipv6_flows = 64;
        limits.fragment_datagrams = one.fragment_datagrams;
        limits.rules = one.settings.policy != nullptr;
        Replay replay(one.settings, 1, packet::LinkLayer::ethernet, nullptr, limits);
        one.packets(replay);
        replay.engine().finish();
        const auto line = judged_under(replay, one.reason);
        ASSERT_TRUE(line.is_object()) << text_of(one.reason).name << " was expected:\n" << replay.text();
        EXPECT_EQ(line["why"].get<std::string>(), one.sentence) << text_of(one.reason).name;
    }
}

/// What a replay cannot give: there is neither a ring, a port nor a buffer pool.
TEST(ReplayReasons, NoneIsForgotten) {
    // Said of ports and queues, of the guard, of an operator and of profiles, which these replays have not.
    const std::set<Reason> elsewhere{Reason::none,
                                     Reason::handover_full,
                                     Reason::tx_full,
                                     Reason::too_long,
                                     Reason::link_down,
                                     Reason::no_buffer,
                                     Reason::bad_cookie,
                                     Reason::old_cookie,
                                     Reason::syn_limit,
                                     Reason::first_syn,
                                     Reason::source_limit,
                                     Reason::source_denied,
                                     Reason::killed,
                                     Reason::signature,
                                     Reason::evasion,
                                     Reason::inspection_duplicate,
                                     Reason::inspection_timeout,
                                     Reason::inspection_full,
                                     Reason::syn_data};
    std::set<Reason> here;
    for (const Case& one : cases) here.insert(one.reason);
    for (std::size_t i = 0; i < reason_count; ++i) {
        const auto reason = static_cast<Reason>(i);
        EXPECT_NE(here.contains(reason), elsewhere.contains(reason)) << text_of(reason).name;
    }
}

/// Several datagrams may be given up at once; each is explained by its own numbers.
TEST(ReplayReasons, DatagramsGivenUpTogetherAreExplainedApart) {
    Replay replay;
    replay.packet(0, piece(0, 24, true));
    replay.packet(0, over_ipv4().fragment(8, false, 8).protocol(17).payload(5));
    replay.packet(0, piece(72, 8, false));
    replay.engine().finish();
    const auto lines = replay.lines();
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0]["why"],
              "2 fragments brought 32 of the 80 bytes of datagram 7 before the capture ended");
    EXPECT_EQ(lines[1]["why"], "1 fragment brought 5 of the 13 bytes of datagram 8 before the capture ended");
    EXPECT_EQ(lines[2]["why"], lines[0]["why"]);
}

}  // namespace
}  // namespace sluice::app
