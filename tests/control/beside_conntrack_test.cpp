// Our lines beside those of the conntrack tool itself, which keeps the same flows in a network namespace of
// its own.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <set>
#include <sstream>

#include "flow_views.hpp"
#include "sluice/control/format.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using tcp::Pair;

/// How the tool makes a flow, and ours.
struct Twin {
    const char* made_by;
    pipeline::FlowView ours;
};

std::vector<Twin> twins() {
    std::vector<Twin> out{
        {"-p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 80 --state ESTABLISHED -u ASSURED,SEEN_REPLY -m 9 "
         "-t 500",
         tcp_flow("10.0.0.1", 1, "10.0.0.2", 80, Pair::established__established)},
        {"-p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 2 --dport 80 --state SYN_SENT -t 500",
         tcp_flow("10.0.0.1", 2, "10.0.0.2", 80, Pair::syn_sent__syn_rcvd)},
        {"-p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 3 --dport 80 --state TIME_WAIT -u SEEN_REPLY -w 5 -t 500",
         tcp_flow("10.0.0.1", 3, "10.0.0.2", 80, Pair::time_wait__closed)},
        {"-p tcp -s 2001:db8::1 -d ::ffff:10.0.0.2 --sport 3 --dport 80 --state SYN_SENT2 -t 500",
         tcp_flow("2001:db8::1", 3, "::ffff:10.0.0.2", 80, Pair::syn_rcvd__syn_rcvd)},
        {"-p udp -s 10.0.0.1 -d 10.0.0.2 --sport 5 --dport 53 -u ASSURED,FIXED_TIMEOUT -t 500",
         udp_flow("10.0.0.1", 5, "10.0.0.2", 53)},
        {"-p icmp -s 10.0.0.1 -d 10.0.0.2 --icmp-type 13 --icmp-code 0 --icmp-id 7 -t 500",
         query_flow("10.0.0.1", "10.0.0.2", packet::icmp, 13, 7)},
        {"-p icmpv6 -s ::1 -d fe80::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 7 -t 500",
         query_flow("::1", "fe80::2", packet::icmpv6, 128, 7)},
        {"-p 89 -s 10.0.0.1 -d 10.0.0.2 -t 500", flow_between("10.0.0.1", "10.0.0.2", 89)},
        {"-p esp -s 10.0.0.1 -d 10.0.0.2 -t 500", flow_between("10.0.0.1", "10.0.0.2", 50)},
    };
    for (auto& twin : out) twin.ours.seconds_left = 499;
    out[0].ours.assured = out[0].ours.seen_reply = true;
    out[0].ours.mark = 9;
    out[2].ours.seen_reply = true;
    out[2].ours.zone = 5;
    out[4].ours.assured = true;
    out[4].ours.state.datagram.fixed_timeout = 1;
    return out;
}

/// Lines, sorted; the seconds left may have passed meanwhile.
std::multiset<std::string> lines_of(const std::string& text) {
    std::multiset<std::string> out;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        for (const char* near : {" 500 ", " 498 ", " 497 ", " 496 "})
            if (const auto at = line.find(near); at != std::string::npos) line.replace(at, 5, " 499 ");
        out.insert(line);
    }
    return out;
}

std::string output_of(const std::string& command) {
    std::string out;
    FILE* pipe = popen(command.c_str(), "r");
    std::array<char, 4096> bytes;
    for (std::size_t got; (got = fread(bytes.data(), 1, bytes.size(), pipe)) > 0;)
        out.append(bytes.data(), got);
    pclose(pipe);
    return out;
}

std::string conntrack_lists(const std::string& options) {
    std::string make;
    for (const auto& twin : twins()) make += std::string("conntrack -I ") + twin.made_by + " && ";
    return output_of(
        "unshare -n sh -c 'sysctl -w net.netfilter.nf_conntrack_acct=0 "
        "net.netfilter.nf_conntrack_timestamp=0; (" +
        make + "true) >&2 && exec 3>&1 && conntrack -L " + options +
        "' 2>/dev/null | grep -v sysctl | grep -v =.0$");
}

class BesideConntrack : public ::testing::TestWithParam<std::pair<const char*, Format>> {};

TEST_P(BesideConntrack, NoByteOfAListingDiffers) {
    const auto& [options, format] = GetParam();
    const std::string theirs = conntrack_lists(options);
    if (theirs.empty()) GTEST_SKIP() << "needs root and the conntrack tool";
    std::string ours;
    for (const auto& twin : twins()) append_flow(ours, twin.ours, format);
    EXPECT_EQ(lines_of(ours), lines_of(theirs));
}

Format extended() {
    Format out;
    out.extended = true;
    return out;
}
Format save() {
    Format out;
    out.style = Format::Style::save;
    return out;
}

INSTANTIATE_TEST_SUITE_P(Format, BesideConntrack,
                         ::testing::Values(std::pair{"", Format{}}, std::pair{"-o extended", extended()},
                                           std::pair{"-o save", save()}));

}  // namespace
}  // namespace sluice::control
