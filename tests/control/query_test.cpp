// Requests and closings over the wire: what is written is read back, and nothing else is understood.
#include "sluice/control/query.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "sluice/control/text.hpp"

namespace sluice::control {
namespace {

using Kind = Query::Kind;

TEST(Query, OfEachKindIsReadBackAsWritten) {
    for (int kind = 0; kind <= static_cast<int>(Kind::reload); ++kind) {
        Query query;
        query.kind = static_cast<Kind>(kind);
        query.change.timeout_seconds = 5;
        query.flow.source = parse_address("10.0.0.1")->address;
        query.flow.destination = parse_address("10.0.0.2")->address;
        query.flow.protocol = 89;
        query.flow.timeout_seconds = 100;
        const auto back = parse_query(to_line(query));
        ASSERT_TRUE(back.ok()) << to_line(query) << ": " << back.error();
        EXPECT_EQ(back->kind, query.kind);
        EXPECT_EQ(to_line(*back), to_line(query));
    }
}

TEST(Query, ToRestoreFlowsCarriesAnyBytesAndFitsIntoALine) {
    Query query;
    query.kind = Kind::restore;
    query.snapshot_head = std::string("\0\xFF\n\"", 4);
    for (std::size_t i = 0; i < max_restore_bytes; ++i) query.records += static_cast<char>(i * 7);
    const std::string line = to_line(query);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto back = parse_query(line);
    ASSERT_TRUE(back.ok()) << back.error();
    EXPECT_EQ(back->snapshot_head, query.snapshot_head);
    EXPECT_EQ(back->records, query.records);
    EXPECT_FALSE(parse_query(R"({"request":"restore","sluice":1,"snapshot":"=","records":""})"));
}

TEST(Query, OfFloodsMayBeAboutServices) {
    Query query;
    query.kind = Kind::floods;
    EXPECT_EQ(to_line(query), R"({"request":"floods","sluice":1})");
    query.services = true;
    const auto back = parse_query(to_line(query));
    ASSERT_TRUE(back.ok()) << back.error();
    EXPECT_TRUE(back->services);
    EXPECT_FALSE(parse_query(R"({"sluice":1,"request":"floods","services":1})").ok());
    EXPECT_FALSE(parse_query(R"({"sluice":1,"request":"stats","services":true})").ok());
}

TEST(Query, OfDeleteTellsBothEndsIfAskedTo) {
    Query query;
    query.kind = Kind::remove;
    EXPECT_FALSE(parse_query(to_line(query))->reset);
    query.reset = true;
    const auto back = parse_query(to_line(query));
    ASSERT_TRUE(back.ok()) << back.error();
    EXPECT_TRUE(back->reset);
    EXPECT_FALSE(parse_query(R"({"sluice":1,"request":"flush","reset":true})").ok());
}

TEST(Query, KeepsFilterFormatAndChange) {
    Query query;
    query.kind = Kind::update;
    query.filter.protocol = std::uint8_t{6};
    query.filter.state.emplace("ESTABLISHED");
    query.format.style = Format::Style::json;
    query.format.extended = query.format.id = query.format.start_time = true;
    query.change = {77, Filter::Mark{5, 0xFF}};
    const auto back = parse_query(to_line(query));
    ASSERT_TRUE(back.ok()) << back.error();
    EXPECT_EQ(back->filter, query.filter);
    EXPECT_EQ(back->format.style, Format::Style::json);
    EXPECT_TRUE(back->format.extended && back->format.id && back->format.start_time);
    EXPECT_EQ(back->change.timeout_seconds, 77U);
    EXPECT_EQ(back->change.mark, query.change.mark);
}

TEST(Query, KeepsEverythingOfANewFlow) {
    Query query;
    query.kind = Kind::insert;
    NewFlow& flow = query.flow;
    flow.family = packet::Family::ipv6;
    flow.protocol = packet::tcp;
    flow.source = parse_address("2001:db8::1")->address;
    flow.destination = parse_address("2001:db8::2")->address;
    flow.source_port = 1;
    flow.destination_port = 65535;
    flow.pair = tcp::Pair::time_wait__closed;
    flow.status = seen_reply_bit | assured_bit;
    flow.timeout_seconds = 2'000'000;
    flow.mark = 0xFFFFFFFF;
    flow.zone = 9;
    flow.vlan = std::uint16_t{10};
    flow.port_pair = 31;
    const auto back = parse_query(to_line(query));
    ASSERT_TRUE(back.ok()) << back.error();
    EXPECT_EQ(to_line(*back), to_line(query));
    EXPECT_EQ(back->flow.pair, flow.pair);
    EXPECT_EQ(back->flow.vlan, flow.vlan);
}

TEST(Query, NestedTooDeepIsRefusedUnread) {
    const std::string deep = R"({"sluice":1,"request":)" + std::string(60'000, '[');
    const auto read = parse_query(deep);
    ASSERT_FALSE(read.ok());
    EXPECT_NE(read.error().find("deeper"), std::string::npos);
    // Brackets in a string nest nothing.
    EXPECT_NE(parse_query(R"({"sluice":1,"request":"[[[[[[[[[[[[[[[[\"[[["})").error().find("names nothing"),
              std::string::npos);
}

TEST(Query, LongerThanTheLimitIsRefused) {
    std::string line = R"({"sluice":1,"request":"list"})";
    line += std::string(max_request_bytes - line.size(), ' ');
    EXPECT_TRUE(parse_query(line).ok());
    EXPECT_FALSE(parse_query(line + " ").ok());
}

class BadQuery : public ::testing::TestWithParam<std::pair<std::string, const char*>> {};
TEST_P(BadQuery, IsRefusedWithASentence) {
    const auto read = parse_query(GetParam().first);
    ASSERT_FALSE(read.ok()) << GetParam().first;
    EXPECT_NE(read.error().find(GetParam().second), std::string::npos) << read.error();
}
std::pair<std::string, const char*> bad(const std::string& line, const char* says) {
    return {line, says};
}
std::pair<std::string, const char*> bad_flow(const std::string& flow, const char* says) {
    return {R"({"sluice":1,"request":"insert","flow":)" + flow + "}", says};
}
INSTANTIATE_TEST_SUITE_P(
    Query, BadQuery,
    ::testing::Values(
        bad("", "not a JSON object"), bad("hello", "not a JSON object"), bad("[1]", "not a JSON object"),
        bad(std::string(1000, '\0'), "not a JSON object"),
        bad("{\"sluice\":1,\"request\":\"li\xff\"}", "not a JSON object"),
        bad(R"({"request":"list"})", "version"), bad(R"({"sluice":2,"request":"list"})", "version"),
        bad(R"({"sluice":"1","request":"list"})", "version"), bad(R"({"sluice":1})", "names nothing"),
        bad(R"({"sluice":1,"request":"shutdown"})", "names nothing"),
        bad(R"({"sluice":1,"request":"list","filter":[]})", "filter"),
        bad(R"({"sluice":1,"request":"list","format":"xml"})", "format"),
        bad(R"({"sluice":1,"request":"list","options":["colour"]})", "options"),
        bad(R"({"sluice":1,"request":"list","options":7})", "options"),
        bad(R"({"sluice":1,"request":"list","limit":7})", "\"limit\" is not known"),
        bad(R"({"sluice":1,"request":"flush","filter":{}})", "\"filter\" is not known"),
        bad(R"({"sluice":1,"request":"update"})", "neither timeout nor mark"),
        bad(R"({"sluice":1,"request":"update","timeout":0})", "timeout"),
        bad(R"({"sluice":1,"request":"update","timeout":2000001})", "timeout"),
        bad(R"({"sluice":1,"request":"insert"})", "flow is missing"), bad_flow("{}", "two addresses"),
        bad_flow(R"({"src":"1.1.1.1","dst":"::1"})", "two addresses"),
        bad_flow(R"({"src":"1.1.1.1","dst":"2.2.2.2"})", "protocol is missing"),
        bad_flow(R"({"src":"1.1.1.1","dst":"2.2.2.2","protocol":6})", "timeout is missing"),
        bad_flow(R"({"src":"1.1.1.1","dst":"2.2.2.2","protocol":6,"timeout":9})", "sport and dport"),
        bad_flow(R"({"src":"1.1.1.1","dst":"2.2.2.2","protocol":6,"timeout":9,"sport":1,"dport":2})",
                 "state"),
        bad_flow(R"({"src":"1.1.1.1","dst":"1.1.1.1","protocol":17,"timeout":9,"sport":1,"dport":1})",
                 "the same"),
        bad_flow(R"({"src":"1.1.1.1","dst":"2.2.2.2","protocol":1,"timeout":9,"icmp_type":3})", "icmp_type"),
        bad_flow(R"({"src":"1.1.1.1","dst":"2.2.2.2","protocol":58,"timeout":9,"icmp_type":128})",
                 "icmp goes with"),
        bad_flow(R"({"src":"1.1.1.1","dst":"2.2.2.2","protocol":89,"timeout":9,"sport":1})",
                 "\"sport\" is not known"),
        bad_flow(R"({"src":"1.1.1.1","dst":"2.2.2.2","protocol":89,"timeout":9,"vlan":4095})", "vlan"),
        bad_flow(R"({"src":"1.1.1.1","dst":"2.2.2.2","protocol":89,"timeout":9,"port_pair":32})",
                 "port_pair")));

/// Whatever comes, the parser answers, and its sentence is text that can be sent back.
TEST(Query, MadeOfGarbageIsRefusedQuietly) {
    std::mt19937 random(5);
    const std::string good =
        R"({"sluice":1,"request":"list","filter":{"original":{"src":{"address":"10.0.0.1"}}}})";
    unsigned refused = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string line = good;
        for (auto changes = random() % 6; changes > 0; --changes)
            line[random() % line.size()] = static_cast<char>(random());
        const auto read = parse_query(line);
        if (read.ok()) continue;
        ++refused;
        const std::string end = to_line(End{false, 0, read.error()});
        ASSERT_EQ(end.find('\n'), end.size() - 1);
        ASSERT_TRUE(parse_end(end));
    }
    EXPECT_GT(refused, 10'000U);
}

TEST(End, IsReadBackAsWritten) {
    const auto done = parse_end(to_line(End{true, 12345678901, {}}));
    ASSERT_TRUE(done);
    EXPECT_TRUE(done->ok);
    EXPECT_EQ(done->count, 12345678901U);
    const auto refused = parse_end(to_line(End{false, 0, "no \"such\" thing\nhere \xff"}));
    ASSERT_TRUE(refused);
    EXPECT_FALSE(refused->ok);
    EXPECT_EQ(refused->error.substr(0, 20), "no \"such\" thing\nhere");
}

TEST(End, IsNotTakenForARow) {
    EXPECT_FALSE(parse_end("tcp      6 1 CLOSE src=\n"));
    EXPECT_FALSE(parse_end("{\"id\":1}\n"));
    EXPECT_FALSE(parse_end("{\"end\":7}\n"));
    EXPECT_FALSE(parse_end("{\"end\":"));
}

}  // namespace
}  // namespace sluice::control
