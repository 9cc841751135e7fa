// Events as lines: conntrack's own of version 1.4.7, as it printed them, and JSON.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "flow_views.hpp"
#include "sluice/control/community_id.hpp"
#include "sluice/control/format.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using pipeline::EventKind;
using tcp::Pair;

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t moment = 1'795'888'099'740'160'999;

std::string line(const pipeline::FlowView& flow, EventKind kind, const Format& format = {}) {
    std::string out;
    append_event(out, flow, {kind, flow::Removal::expired, moment}, format);
    return out;
}

pipeline::FlowView web(Pair pair, std::uint32_t seconds) {
    auto flow = tcp_flow("127.0.0.1", 45290, "127.0.0.1", 8080, pair);
    flow.seconds_left = seconds;
    flow.seen_reply = pair != Pair::syn_sent__syn_rcvd;
    flow.assured = flow.seen_reply && pair != Pair::established__syn_rcvd;
    return flow;
}

TEST(EventFormat, IsConntracks) {
    EXPECT_EQ(
        line(web(Pair::syn_sent__syn_rcvd, 120), EventKind::created),
        "    [NEW] tcp      6 120 SYN_SENT src=127.0.0.1 dst=127.0.0.1 sport=45290 dport=8080 [UNREPLIED] "
        "src=127.0.0.1 dst=127.0.0.1 sport=8080 dport=45290\n");
    EXPECT_EQ(line(web(Pair::established__established, 432000), EventKind::updated),
              " [UPDATE] tcp      6 432000 ESTABLISHED src=127.0.0.1 dst=127.0.0.1 sport=45290 dport=8080 "
              "src=127.0.0.1 dst=127.0.0.1 sport=8080 dport=45290 [ASSURED]\n");
    EXPECT_EQ(line(query_flow("127.0.0.1", "127.0.0.1", packet::icmp, 8, 15577), EventKind::created),
              "    [NEW] icmp     1 0 src=127.0.0.1 dst=127.0.0.1 type=8 code=0 id=15577 [UNREPLIED] "
              "src=127.0.0.1 dst=127.0.0.1 type=0 code=0 id=15577\n");
}

TEST(EventFormat, TellsOfAFlowThatGoesWhatWasCounted) {
    auto flow = web(Pair::time_wait__closed, 119);
    flow.account = {{6, 6}, {398, 759}};
    flow.start_nanoseconds = moment - 5 * second;
    Format format;
    format.extended = format.id = format.time = format.accounting = format.timestamps = true;
    flow.id = 2668291394;
    EXPECT_EQ(
        line(flow, EventKind::destroyed, format),
        "[1795888099.740160]\t[DESTROY] ipv4     2 tcp      6 119 TIME_WAIT src=127.0.0.1 dst=127.0.0.1 "
        "sport=45290 dport=8080 packets=6 bytes=398 src=127.0.0.1 dst=127.0.0.1 sport=8080 dport=45290 "
        "packets=6 bytes=759 [ASSURED] delta-time=5 id=2668291394\n");
    EXPECT_EQ(
        line(flow, EventKind::updated, format),
        "[1795888099.740160]\t [UPDATE] ipv4     2 tcp      6 119 TIME_WAIT src=127.0.0.1 dst=127.0.0.1 "
        "sport=45290 dport=8080 src=127.0.0.1 dst=127.0.0.1 sport=8080 dport=45290 [ASSURED] "
        "id=2668291394\n");
}

TEST(EventFormat, LeavesOutWhatTheKernelDoes) {
    auto expired = udp_flow("127.0.0.1", 7001, "127.0.0.1", 7002);
    expired.seen_reply = expired.assured = true;
    EXPECT_EQ(line(expired, EventKind::destroyed),
              "[DESTROY] udp      17 src=127.0.0.1 dst=127.0.0.1 sport=7001 dport=7002 src=127.0.0.1 "
              "dst=127.0.0.1 sport=7002 dport=7001 [ASSURED]\n");
    auto marked = tcp_flow("10.0.0.1", 5, "10.0.0.2", 53, Pair::syn_sent__syn_rcvd);
    marked.mark = 5;
    marked.zone = 3;
    marked.seconds_left = 2;
    EXPECT_EQ(line(marked, EventKind::created),
              "    [NEW] tcp      6 2 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53 [UNREPLIED] "
              "src=10.0.0.2 dst=10.0.0.1 sport=53 dport=5 mark=5 zone=3\n");
}

TEST(EventFormat, SavesWithTheLetterOfTheEvent) {
    Format format;
    format.style = Format::Style::save;
    const auto flow = web(Pair::fin_wait_1__close_wait, 120);
    const std::string rest =
        " -t 120 -u SEEN_REPLY,ASSURED -s 127.0.0.1 -d 127.0.0.1 -r 127.0.0.1 -q 127.0.0.1 -p tcp --sport "
        "45290 "
        "--dport 8080 --reply-port-src 8080 --reply-port-dst 45290 --state FIN_WAIT\n";
    EXPECT_EQ(line(flow, EventKind::created, format), "-A" + rest);
    EXPECT_EQ(line(flow, EventKind::updated, format), "-U" + rest);
    EXPECT_EQ(line(flow, EventKind::destroyed, format), "-D" + rest);
}

TEST(EventFormat, JsonIsAFlowsWithWhatHappened) {
    Format format;
    format.style = Format::Style::json;
    format.accounting = true;
    const auto flow = web(Pair::syn_sent__syn_rcvd, 120);
    const auto created = nlohmann::json::parse(line(flow, EventKind::created, format));
    EXPECT_EQ(created["event"], "new");
    EXPECT_TRUE(created["why"].is_null());
    EXPECT_NEAR(created["time"].get<double>(), 1795888099.740161, 1e-6);
    EXPECT_EQ(created["community_id"], community_id(flow));
    EXPECT_EQ(created["state"], "SYN_SENT");
    EXPECT_FALSE(created["original"].contains("packets"));
    const auto gone = nlohmann::json::parse(line(flow, EventKind::destroyed, format));
    EXPECT_EQ(gone["why"], "expired");
    EXPECT_EQ(gone["original"]["packets"], 0);
}

// The reference's own examples.
TEST(CommunityId, IsTheReferences) {
    EXPECT_EQ(community_id(tcp_flow("128.232.110.120", 34855, "66.35.250.204", 80, Pair::syn_sent__syn_rcvd)),
              "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    EXPECT_EQ(community_id(tcp_flow("66.35.250.204", 80, "128.232.110.120", 34855, Pair::syn_sent__syn_rcvd)),
              "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    EXPECT_EQ(community_id(udp_flow("192.168.1.52", 54585, "8.8.8.8", 53)), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
    EXPECT_EQ(community_id(query_flow("192.168.0.89", "192.168.0.1", packet::icmp, 8, 1)),
              "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
    EXPECT_EQ(community_id(flow_between("10.0.0.1", "10.0.0.2", 132)), "")
        << "SCTP has ports that are not kept";
}

}  // namespace
}  // namespace sluice::control
