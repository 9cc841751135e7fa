// The command line: what conntrack's users type means what they mean, and what is wrong is said in a
// sentence.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "app/cli_arguments.hpp"
#include "app/cli_drops.hpp"
#include "sluice/control/text.hpp"

namespace sluice::app {
namespace {

using control::Filter;
using control::Format;
using Kind = control::Query::Kind;

Result<Arguments> parse(const std::string& line, const char* environment = nullptr) {
    std::vector<std::string> words{"sluice"};
    std::istringstream stream(line);
    for (std::string word; stream >> word;) words.push_back(word);
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return parse_arguments(static_cast<int>(words.size()), argv.data(), environment);
}

TEST(Arguments, OfBothFormsMeanTheSame) {
    const std::pair<const char*, const char*> same[] = {
        {"-L -p tcp --dport 80", "list -p tcp --dport 80"},
        {"-C", "count"},
        {"-S", "stats"},
        {"-F conntrack", "flush"},
        {"-D -s 10.0.0.1", "delete -s 10.0.0.1"},
        {"-U -t 5", "update --timeout 5"},
        {"--dump -o id", "list --output id"},
        {"-L conntrack -u ASSURED", "list --status ASSURED"},
        {"-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 9",
         "insert -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 9"},
        {"-G -p 89 -s 1.1.1.1 -d 2.2.2.2", "get -p ospf -s 1.1.1.1 -d 2.2.2.2"},
    };
    for (const auto& [dashed, named] : same) {
        const auto a = parse(dashed), b = parse(named);
        ASSERT_TRUE(a.ok()) << dashed << ": " << a.error();
        ASSERT_TRUE(b.ok()) << named << ": " << b.error();
        EXPECT_EQ(a->command, b->command);
        EXPECT_EQ(to_line(a->query), to_line(b->query)) << dashed;
    }
}

TEST(Arguments, OfEventsSayWhichAndHow) {
    const auto all = parse("-E");
    ASSERT_TRUE(all.ok()) << all.error();
    EXPECT_EQ(all->query.kind, Kind::events);
    EXPECT_EQ(all->query.events, control::all_events);
    EXPECT_EQ(to_line(all->query), to_line(parse("events -e all")->query));
    const auto some = parse("-E -e new,DESTROY -e updates -o timestamp,id -p tcp --dport 80 -b 100");
    ASSERT_TRUE(some.ok()) << some.error();
    EXPECT_EQ(some->query.events, pipeline::all_event_kinds);
    EXPECT_TRUE(some->query.format.time);
    EXPECT_TRUE(some->query.format.id);
    EXPECT_EQ(some->query.filter.original.destination_port, 80);
    EXPECT_EQ(some->query.buffer_bytes, control::least_event_buffer);
    const auto read = control::parse_query(to_line(some->query));
    ASSERT_TRUE(read.ok()) << read.error();
    EXPECT_EQ(to_line(*read), to_line(some->query));
    EXPECT_FALSE(parse("-L -o timestamp")->query.format.time) << "a listing has no moment";
}

TEST(Arguments, OfFloodsAskForAttacksOrServices) {
    const auto attacks = parse("floods");
    ASSERT_TRUE(attacks.ok()) << attacks.error();
    EXPECT_EQ(attacks->query.kind, Kind::floods);
    EXPECT_FALSE(attacks->query.services);
    EXPECT_FALSE(attacks->json);
    const auto services = parse("floods --services -o json");
    ASSERT_TRUE(services.ok()) << services.error();
    EXPECT_TRUE(services->query.services);
    EXPECT_TRUE(services->json);
    EXPECT_TRUE(parse("floods --json")->json);
    for (const char* wrong : {"floods -o save", "floods -o extended", "floods -o id,json", "floods -p tcp",
                              "list --services", "floods conntrack extra"})
        EXPECT_FALSE(parse(wrong).ok()) << wrong;
}

TEST(Arguments, OfDropsAskOnceOrOverAndOver) {
    const auto once = parse("drops");
    ASSERT_TRUE(once.ok()) << once.error();
    EXPECT_EQ(once->query.kind, Kind::drops);
    EXPECT_FALSE(once->watch);
    EXPECT_FALSE(once->json);
    EXPECT_TRUE(parse("drops --watch")->watch);
    EXPECT_TRUE(parse("drops -o json")->json);
    EXPECT_TRUE(parse("drops --json --watch")->json);
    EXPECT_EQ(once->query.examples, 0U);
    EXPECT_EQ(parse("drops --examples 4")->query.examples, 4U);
    EXPECT_EQ(parse("drops -v")->query.examples, 3U);
    EXPECT_EQ(control::parse_query(control::to_line(parse("drops -v")->query))->examples, 3U);
    EXPECT_FALSE(parse("drops --examples 0").ok() || parse("drops --examples 5").ok());
    EXPECT_EQ(parse("drops -o id").error(), "of the formats `drops' has `json' alone");
    for (const char* wrong : {"drops -o save", "drops -p tcp", "list --watch", "drops --services"})
        EXPECT_FALSE(parse(wrong).ok()) << wrong;
}

TEST(Arguments, OfGetAskForTheStory) {
    const char* const words = "-G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1 --dport 2 --story";
    const auto story = parse(words);
    ASSERT_TRUE(story.ok()) << story.error();
    EXPECT_TRUE(story->story);
    EXPECT_EQ(story->query.kind, Kind::get);
    EXPECT_FALSE(parse("-L --story").ok() || parse("-G -p tcp --story").ok());
}

TEST(Drops, AreLinesWithGroupedNumbers) {
    EXPECT_EQ(app::drops_line(
                  R"({"reason":"tx-full","outcome":"dropped","packets":33116,"rate":2875,"sentence":"why"})"),
              "tx-full              dropped             33,116         2,875  why\n");
    for (const char* wrong : {"", "null", "[]", R"({"reason":1})", "\xff"})
        EXPECT_EQ(app::drops_line(wrong), "");
    EXPECT_NE(app::drops_line(R"({"rate":"x","packets":-1})"), "");
}

TEST(Arguments, OfDeleteAskForAReset) {
    const auto reset = parse("-D -p tcp --reset");
    ASSERT_TRUE(reset.ok()) << reset.error();
    EXPECT_EQ(reset->query.kind, Kind::remove);
    EXPECT_TRUE(reset->query.reset);
    EXPECT_FALSE(parse("delete -p tcp")->query.reset);
    for (const char* wrong : {"-L --reset", "-F --reset", "-U -t 5 --reset"})
        EXPECT_FALSE(parse(wrong).ok()) << wrong;
}

TEST(Arguments, FillEveryPartOfAFilter) {
    const auto read = parse(
        "-L -p tcp -f ipv4 -s 10.1.2.3/16 -d 10.0.0.2 --mask-dst 255.0.255.0 -r 10.0.0.2 -q 10.0.0.0/8 "
        "--sport 1 --dport=2 --reply-port-src 3 --reply-port-dst 0x10 --state LISTEN "
        "-u ASSURED,SEEN_REPLY,FIXED_TIMEOUT -m 0x1/0xf -w 5 --vlan 10 --port-pair 1");
    ASSERT_TRUE(read.ok()) << read.error();
    EXPECT_EQ(
        to_json(read->query.filter).dump(),
        R"({"family":"ipv4","mark":{"mask":15,"value":1},"original":{"dport":2,"dst":{"address":"10.0.0.2",)"
        R"("mask":"255.0.255.0"},"sport":1,"src":{"address":"10.1.2.3","mask":"255.255.0.0"}},"port_pair":1,)"
        R"("protocol":6,"reply":{"dport":16,"dst":{"address":"10.0.0.0","mask":"255.0.0.0"},"sport":3,)"
        R"("src":{"address":"10.0.0.2","mask":"255.255.255.255"}},"state":"SYN_SENT2","status_set":7,)"
        R"("vlan":10,"zone":5})");
}

// As conntrack 1.4.7 does, which keeps to the case of states and families.
TEST(Arguments, OfStatusAndOutputMayBeInAnyCase) {
    EXPECT_EQ(to_line(parse("-L -u assured,Seen_Reply")->query),
              to_line(parse("-L -u ASSURED,SEEN_REPLY")->query));
    EXPECT_EQ(to_line(parse("-L -o ID,Extended")->query), to_line(parse("-L -o id,extended")->query));
    EXPECT_EQ(parse("-L -o SAVE")->query.format.style, Format::Style::save);
    EXPECT_FALSE(parse("-L -o Save,ID").ok());
}

TEST(Arguments, UnrepliedIsTheAbsenceOfAReply) {
    EXPECT_EQ(parse("-L -u UNREPLIED")->query.filter.status_clear, control::seen_reply_bit);
    EXPECT_EQ(parse("-L -u ASSURED,UNREPLIED")->query.filter.status_set, control::assured_bit);
}

TEST(Arguments, ThatAskForWhatNoFlowHasMatchNothing) {
    for (const char* line : {"-L -n", "-L -g", "-L -j", "-L -u EXPECTED", "-L --orig-zone 3"})
        EXPECT_TRUE(parse(line)->query.filter.nothing) << line;
}

TEST(Arguments, OfUpdateSayWhatStatusToSetAndNotWhatToMatch) {
    const auto read = parse("-U -p udp -u ASSURED,FIXED_TIMEOUT");
    ASSERT_TRUE(read.ok()) << read.error();
    EXPECT_EQ(read->query.filter.status_set, 0);
    EXPECT_EQ(read->query.change.status, control::assured_bit | control::fixed_timeout_bit);
    EXPECT_EQ(to_line(read->query), R"({"filter":{"protocol":17},"format":"listing","request":"update",)"
                                    R"("sluice":1,"status":6})");
}

TEST(Arguments, MaySetTheAccountsOfAListingToZero) {
    EXPECT_TRUE(parse("-L -z")->query.zero);
    EXPECT_EQ(to_line(parse("-L -z")->query),
              R"({"format":"listing","request":"list","sluice":1,"zero":true})");
}

TEST(Arguments, MaySetMarkAndTimeout) {
    const auto read = parse("-U -p tcp -m 1/0xf -t 300");
    ASSERT_TRUE(read.ok()) << read.error();
    EXPECT_FALSE(read->query.filter.mark);
    EXPECT_EQ(read->query.change.mark, (Filter::Mark{1, 15}));
    EXPECT_EQ(read->query.change.timeout_seconds, 300U);
}

TEST(Arguments, MakeAFlowByHand) {
    const auto read = parse(
        "-I -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1235 --dport 80 --state ESTABLISHED -t 100 -u ASSURED -m "
        "1 -w 3");
    ASSERT_TRUE(read.ok()) << read.error();
    const auto& flow = read->query.flow;
    EXPECT_EQ(read->query.kind, Kind::insert);
    EXPECT_EQ(control::address_text(flow.family, flow.source), "10.0.0.1");
    EXPECT_EQ(control::address_text(flow.family, flow.destination), "10.0.0.2");
    EXPECT_EQ(flow.source_port, 1235);
    EXPECT_EQ(flow.destination_port, 80);
    EXPECT_EQ(flow.pair, tcp::Pair::established__established);
    EXPECT_EQ(flow.timeout_seconds, 100U);
    EXPECT_EQ(flow.status, control::assured_bit);
    EXPECT_EQ(flow.mark, 1U);
    EXPECT_EQ(flow.zone, 3);
}

TEST(Arguments, TakeALineOfSaveOutputBack) {
    const auto read = parse(
        "-I -t 29 -u UNSET -s ::1 -d ::2 -r ::2 -q ::1 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 "
        "--icmpv6-id 9");
    ASSERT_TRUE(read.ok()) << read.error();
    EXPECT_EQ(read->query.flow.status, 0);
    EXPECT_EQ(read->query.flow.icmp_id, 9);
}

TEST(Arguments, ChooseTheFormat) {
    const auto rows = parse("-L -o extended,id,ktimestamp,timestamp")->query.format;
    EXPECT_TRUE(rows.extended && rows.id && rows.start_time);
    EXPECT_EQ(parse("-L -o json")->query.format.style, Format::Style::json);
    EXPECT_EQ(parse("list --json")->query.format.style, Format::Style::json);
    EXPECT_EQ(parse("-L -o save")->query.format.style, Format::Style::save);
}

TEST(Arguments, ChooseTheDaemon) {
    EXPECT_EQ(parse("-L")->socket, "/run/sluice/sluice.sock");
    EXPECT_EQ(parse("-L", "/tmp/a")->socket, "/tmp/a");
    EXPECT_EQ(parse("--socket /tmp/b -L", "/tmp/a")->socket, "/tmp/b");
    EXPECT_EQ(parse("--socket /tmp/b list")->command, Command::list);
}

TEST(Arguments, OfTheNamedCommands) {
    EXPECT_TRUE(parse("stats --json")->json);
    EXPECT_EQ(parse("stats --reasons")->query.kind, Kind::reasons);
    EXPECT_TRUE(parse("reasons --counts")->counts);
    EXPECT_EQ(parse("reload")->query.kind, Kind::reload);
    EXPECT_EQ(parse("")->command, Command::help);
    EXPECT_EQ(parse("--help")->command, Command::help);
    EXPECT_EQ(parse("-V")->command, Command::version);
}

class WrongUsage : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};
TEST_P(WrongUsage, IsSaidInASentence) {
    const auto read = parse(GetParam().first);
    ASSERT_FALSE(read.ok()) << GetParam().first;
    EXPECT_NE(read.error().find(GetParam().second), std::string::npos) << read.error();
}
INSTANTIATE_TEST_SUITE_P(
    Command, WrongUsage,
    ::testing::Values(
        std::pair{"-X", "unknown option `-X'"}, std::pair{"-L --bogus", "unknown option `--bogus'"},
        std::pair{"-L -p", "option `-p' requires an argument"},
        std::pair{"-L -p tcp --sport", "option `--sport' requires an argument"},
        std::pair{"-L -D", "Invalid commands combination"}, std::pair{"-p tcp", "give a command"},
        std::pair{"frobnicate", "unknown command `frobnicate'"},
        std::pair{"-E -e NEW,OLD", "Bad parameter `OLD'"},
        std::pair{"-E -e", "option `-e' requires an argument"}, std::pair{"-E -b many", "`many' is no value"},
        std::pair{"-L -e NEW", "Illegal option `--event-mask'"},
        std::pair{"-E -t 5", "Illegal option `--timeout'"}, std::pair{"-L nat", "unknown type `nat'"},
        std::pair{"-L expect", "no table `expect'"}, std::pair{"-L conntrack again", "one word too many"},
        std::pair{"-L -t 100", "Illegal option `--timeout'"},
        std::pair{"-F -p tcp", "Illegal option `--protonum'"},
        std::pair{"-U -t 4 --state CLOSE", "Illegal option `--state'"},
        std::pair{"-L -p bogus", "`bogus' unsupported protocol"},
        std::pair{"-L -p 256", "unsupported protocol"}));
INSTANTIATE_TEST_SUITE_P(
    Values, WrongUsage,
    ::testing::Values(std::pair{"-L -f inet", "`inet' unsupported protocol"},
                      std::pair{"-L -s 10.0.0", "Invalid IP address"},
                      std::pair{"-L -s 10.0.0.0/33", "Invalid netmask"},
                      std::pair{"-L -s ::/129", "Invalid netmask"},
                      std::pair{"-L -s 10.0.0.1 -d ::1", "mismatched address family"},
                      std::pair{"-L -f ipv6 -s 10.0.0.1", "mismatched address family"},
                      std::pair{"-L --mask-src 255.0.0.0", "Can't use --mask-src without --src"},
                      std::pair{"-L -p tcp --dport 65536", "no value for"},
                      std::pair{"-L -p tcp --dport -1", "no value for"},
                      std::pair{"-L -p tcp --dport http", "no value for"},
                      std::pair{"-L -p icmp --dport 80", "ports go with"},
                      std::pair{"-L -p udp --state CLOSE", "`--state' goes with"},
                      std::pair{"-L -p tcp --icmp-type 8", "ICMP types"},
                      std::pair{"-L -p tcp --state established", "unknown TCP state `established'"},
                      std::pair{"-L -u assure_d", "Bad parameter `assure_d'"},
                      std::pair{"-L --socket=", "`--socket' needs the path"},
                      std::pair{"-L -m abc", "no mark"}, std::pair{"-L -m 1/", "no mark"},
                      std::pair{"-L -m 0x100000000", "no mark"}, std::pair{"-L -w 65536", "no value for"},
                      std::pair{"-L -o yaml", "Bad parameter `yaml'"}, std::pair{"-L -o xml", "no XML"},
                      std::pair{"-L -o save,id", "cannot combine save"},
                      std::pair{"-L -l web", "not available"}));
INSTANTIATE_TEST_SUITE_P(
    Tuples, WrongUsage,
    ::testing::Values(
        std::pair{"-U -p tcp", "what should be updated"}, std::pair{"-U -u UNREPLIED", "none taken back"},
        std::pair{"-C -z", "Illegal option `--zero'"}, std::pair{"-U -t 0", "no timeout"},
        std::pair{"-U -t 2000001", "no value for"},
        std::pair{"-G -s 1.1.1.1 -d 2.2.2.2", "supply the `--protonum'"},
        std::pair{"-G -p tcp -s 1.1.1.1", "`--src' and `--dst'"},
        std::pair{"-G -p tcp -s 1.1.1.1 -d 2.2.2.2", "`--sport' and `--dport'"},
        std::pair{"-G -p 89 -s 1.1.1.0/24 -d 2.2.2.2", "no prefixes"},
        std::pair{"-G -p icmp -s 1.1.1.1 -d 2.2.2.2", "supply the `--icmp-type'"},
        std::pair{"-I -p 89 -s 1.1.1.1 -d 2.2.2.2", "supply the `--timeout'"},
        std::pair{"-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 9", "supply the `--state'"},
        std::pair{"-I -p 89 -s 1.1.1.1 -d 2.2.2.2 -t 9 -r 3.3.3.3", "must mirror"},
        std::pair{"-I -p 89 -s 1.1.1.1 -d 2.2.2.2 -t 9 -u UNSET,ASSURED", "a new flow's status"},
        std::pair{"-I -p icmp -s 1.1.1.1 -d 2.2.2.2 -t 9 --icmp-type 8 --icmp-code 1", "is 0"}));

}  // namespace
}  // namespace sluice::app
