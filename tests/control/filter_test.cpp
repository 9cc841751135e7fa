// Filters against a plain reading of what each means, over many random flows and filters.
#include "sluice/control/filter.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "flow_views.hpp"

namespace sluice::control {
namespace {

using pipeline::FlowView;

using Random = std::mt19937;
std::uint32_t below(Random& random, std::uint32_t limit) {
    return static_cast<std::uint32_t>(random() % limit);
}
std::uint16_t small(Random& random) {
    return static_cast<std::uint16_t>(below(random, 3));
}

/// Few values of everything, so that filters match often.
packet::Address some_address(Random& random, packet::Family family) {
    packet::Address out{};
    const std::size_t bytes = family == packet::Family::ipv4 ? 4 : 16;
    out[0] = 10;
    out[bytes - 2] = static_cast<std::uint8_t>(below(random, 2) * 128);
    out[bytes - 1] = static_cast<std::uint8_t>(below(random, 3));
    return out;
}

packet::Family some_family(Random& random) {
    return below(random, 2) != 0 ? packet::Family::ipv4 : packet::Family::ipv6;
}

FlowView some_flow(Random& random) {
    FlowView flow;
    flow.family = some_family(random);
    flow.source = some_address(random, flow.family);
    flow.destination = some_address(random, flow.family);
    constexpr std::uint8_t protocols[] = {packet::tcp, packet::udp, packet::icmp, 89};
    flow.protocol = protocols[below(random, 4)];
    flow.state.tcp = tcp::Connection{};
    if (flow.protocol == packet::tcp) flow.state.tcp.pair = below(random, tcp::pair_count) & 31U;
    if (has_ports(flow.protocol)) {
        flow.source_port = small(random);
        flow.destination_port = small(random);
    }
    if (is_icmp(flow.protocol)) {
        flow.icmp_type = below(random, 2) != 0 ? 8 : 13;
        flow.icmp_id = small(random);
    }
    flow.seen_reply = below(random, 2) != 0;
    flow.assured = below(random, 2) != 0;
    flow.state.datagram.fixed_timeout = below(random, 2) & 1U;
    flow.mark = below(random, 4);
    flow.zone = static_cast<std::uint16_t>(below(random, 2));
    flow.outer_vlan = below(random, 2) != 0 ? flow::Domain::no_tag : std::uint16_t{10};
    flow.port_pair = static_cast<std::uint8_t>(below(random, 2));
    return flow;
}

AddressMatch some_match(Random& random, packet::Family family) {
    const unsigned bits = family == packet::Family::ipv4 ? 32 : 128;
    return {some_address(random, family), prefix_mask(family, bits - below(random, 3) * 8)};
}

TupleMatch some_tuple(Random& random, packet::Family family) {
    TupleMatch out;
    if (below(random, 6) == 0) out.source = some_match(random, family);
    if (below(random, 6) == 0) out.destination = some_match(random, family);
    if (below(random, 8) == 0) out.source_port = small(random);
    if (below(random, 8) == 0) out.destination_port = small(random);
    return out;
}

Filter some_filter(Random& random) {
    Filter out;
    const auto family = some_family(random);
    out.original = some_tuple(random, family);
    out.reply = some_tuple(random, family);
    if (out.original.source || out.original.destination || out.reply.source || out.reply.destination ||
        below(random, 6) == 0)
        out.family = family;
    if (below(random, 4) == 0) out.protocol = below(random, 2) != 0 ? packet::tcp : packet::icmp;
    if (below(random, 12) == 0) out.icmp_type = 8;
    if (below(random, 12) == 0) out.icmp_code = 0;
    if (below(random, 12) == 0) out.icmp_id = small(random);
    if (below(random, 8) == 0) out.state = "LAST_ACK";
    if (below(random, 4) == 0) out.status_set = static_cast<std::uint8_t>(below(random, 8));
    if (below(random, 8) == 0) out.status_clear = static_cast<std::uint8_t>(below(random, 8));
    if (below(random, 6) == 0)
        out.mark = Filter::Mark{below(random, 4), below(random, 2) != 0 ? 3U : 0xFFFFFFFFU};
    if (below(random, 8) == 0) out.zone = std::uint16_t{1};
    if (below(random, 10) == 0) out.vlan = std::uint16_t{10};
    if (below(random, 10) == 0) out.port_pair = std::uint8_t{1};
    return out;
}

bool address_fits(const AddressMatch& match, packet::Family family, const packet::Address& address) {
    const int bytes = family == packet::Family::ipv4 ? 4 : 16;
    for (int bit = 0; bit < bytes * 8; ++bit) {
        const auto at = static_cast<std::size_t>(bit / 8);
        const int mask = 0x80 >> (bit % 8);
        if ((match.mask[at] & mask) != 0 && (match.address[at] & mask) != (address[at] & mask)) return false;
    }
    return true;
}

/// The filters' meaning, one after the other as a manual would tell it.
bool plainly_matches(const Filter& filter, const FlowView& flow) {
    const bool tcp = flow.protocol == packet::tcp;
    const bool ports = tcp || flow.protocol == packet::udp;
    const bool icmp = flow.protocol == packet::icmp || flow.protocol == packet::icmpv6;
    const auto& there = filter.original;
    const auto& back = filter.reply;
    bool fits = !filter.nothing;
    if (filter.family) fits = fits && *filter.family == flow.family;
    if (filter.protocol) fits = fits && *filter.protocol == flow.protocol;
    if (there.source) fits = fits && address_fits(*there.source, flow.family, flow.source);
    if (there.destination) fits = fits && address_fits(*there.destination, flow.family, flow.destination);
    if (back.source) fits = fits && address_fits(*back.source, flow.family, flow.destination);
    if (back.destination) fits = fits && address_fits(*back.destination, flow.family, flow.source);
    if (there.source_port) fits = fits && ports && *there.source_port == flow.source_port;
    if (there.destination_port) fits = fits && ports && *there.destination_port == flow.destination_port;
    if (back.source_port) fits = fits && ports && *back.source_port == flow.destination_port;
    if (back.destination_port) fits = fits && ports && *back.destination_port == flow.source_port;
    if (filter.icmp_type) fits = fits && icmp && *filter.icmp_type == flow.icmp_type;
    if (filter.icmp_code) fits = fits && icmp && *filter.icmp_code == 0;
    if (filter.icmp_id) fits = fits && icmp && *filter.icmp_id == flow.icmp_id;
    if (filter.state)
        fits = fits && tcp &&
               tcp::text_of(static_cast<tcp::Pair>(flow.state.tcp.pair)).conntrack_name == *filter.state;
    const std::pair<int, bool> bits[] = {
        {1, flow.seen_reply}, {2, flow.assured}, {4, flow.state.datagram.fixed_timeout == 1}};
    for (const auto& [bit, set] : bits) {
        if ((filter.status_set & bit) != 0) fits = fits && set;
        if ((filter.status_clear & bit) != 0) fits = fits && !set;
    }
    if (filter.mark) fits = fits && (flow.mark & filter.mark->mask) == filter.mark->value;
    if (filter.zone) fits = fits && flow.zone == *filter.zone;
    if (filter.vlan) fits = fits && flow.outer_vlan == *filter.vlan;
    if (filter.port_pair) fits = fits && flow.port_pair == *filter.port_pair;
    return fits;
}

TEST(Filter, MatchesWhatAPlainReadingMatches) {
    Random random(1);
    std::vector<FlowView> flows(500);
    for (auto& flow : flows) flow = some_flow(random);
    unsigned hits = 0;
    for (int i = 0; i < 2000; ++i) {
        const Filter filter = some_filter(random);
        for (const auto& flow : flows) {
            const bool expected = plainly_matches(filter, flow);
            hits += expected ? 1 : 0;
            ASSERT_EQ(matches(filter, flow), expected) << to_json(filter).dump();
        }
    }
    EXPECT_GT(hits, 10'000U);
}

TEST(Filter, SurvivesTheWireUnchanged) {
    Random random(2);
    for (int i = 0; i < 5000; ++i) {
        Filter filter = some_filter(random);
        filter.nothing = below(random, 10) == 0;
        const auto back = filter_from_json(nlohmann::json::parse(to_json(filter).dump()));
        ASSERT_TRUE(back.ok()) << back.error();
        ASSERT_EQ(*back, filter) << to_json(filter).dump();
    }
}

TEST(Filter, OfNothingMatchesEverything) {
    Random random(3);
    const Filter filter;
    EXPECT_TRUE(filter.everything());
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(matches(filter, some_flow(random)));
}

TEST(Filter, ThatAsksForNatMatchesNothing) {
    Random random(4);
    Filter filter;
    filter.nothing = true;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(matches(filter, some_flow(random)));
}

TEST(Filter, PrefixMasksHaveTheirLeadingBitsSet) {
    EXPECT_EQ(address_text(packet::Family::ipv4, prefix_mask(packet::Family::ipv4, 0)), "0.0.0.0");
    EXPECT_EQ(address_text(packet::Family::ipv4, prefix_mask(packet::Family::ipv4, 19)), "255.255.224.0");
    EXPECT_EQ(address_text(packet::Family::ipv4, prefix_mask(packet::Family::ipv4, 32)), "255.255.255.255");
    EXPECT_EQ(address_text(packet::Family::ipv6, prefix_mask(packet::Family::ipv6, 33)), "ffff:ffff:8000::");
}

struct Bad {
    const char* json;
    const char* says;
};
class BadFilter : public ::testing::TestWithParam<Bad> {};

TEST_P(BadFilter, IsRefusedWithASentence) {
    const auto read = filter_from_json(nlohmann::json::parse(GetParam().json));
    ASSERT_FALSE(read.ok());
    EXPECT_NE(read.error().find(GetParam().says), std::string::npos) << read.error();
}

INSTANTIATE_TEST_SUITE_P(
    Filter, BadFilter,
    ::testing::Values(Bad{"[]", "not an object"}, Bad{R"({"sorce":1})", "\"sorce\" is not known"},
                      Bad{R"({"family":"ipx"})", "family"}, Bad{R"({"protocol":256})", "0 to 255"},
                      Bad{R"({"protocol":-1})", "0 to 255"}, Bad{R"({"protocol":"tcp"})", "0 to 255"},
                      Bad{R"({"protocol":6.5})", "0 to 255"},
                      Bad{R"({"original":[]})", "original is not an object"},
                      Bad{R"({"original":{"src":"10.0.0.1"}})", "src is not an object"},
                      Bad{R"({"original":{"src":{"address":"10.0.0"}}})", "address"},
                      Bad{R"({"original":{"src":{"address":"10.0.0.1","mask":"ffff::"}}})", "mask"},
                      Bad{R"({"original":{"src":{"address":"10.0.0.1","bits":8}}})", "\"bits\" is not known"},
                      Bad{R"({"family":"ipv6","reply":{"dst":{"address":"10.0.0.1"}}})", "both families"},
                      Bad{R"({"original":{"sport":65536}})", "sport"}, Bad{R"({"state":"OPEN"})", "state"},
                      Bad{R"({"state":7})", "state"}, Bad{R"({"status_set":8})", "status_set"},
                      Bad{R"({"mark":5})", "mark"}, Bad{R"({"mark":{"value":4294967296}})", "value"},
                      Bad{R"({"zone":65536})", "zone"}, Bad{R"({"nothing":1})", "nothing"},
                      Bad{"{\"a\\nfamily\\u0000\":1}", "a?family?"}));

}  // namespace
}  // namespace sluice::control
