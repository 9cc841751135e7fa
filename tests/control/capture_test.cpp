// Those who capture: what they are shown, what their filters keep from them, what they lose; the row of a
// packet and the arguments of the command.
#include <chrono>
#include <nlohmann/json.hpp>
#include <tuple>

#include "app/cli_capture.hpp"
#include "app/cli_drops.hpp"
#include "app/cli_story.hpp"
#include "app/pcapng_writer.hpp"
#include "daemon_rig.hpp"
#include "sluice/control/capture_row.hpp"
#include "support/packet_builder.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using nlohmann::json;
using pipeline::CapturedPacket;

std::vector<std::uint8_t> frame(const char* source = "10.0.0.1", std::uint16_t port = 1000) {
    return test::PacketBuilder()
        .ethernet()
        .ip(source, "10.0.0.2")
        .tcp(port, 80)
        .sequence(1)
        .flags(packet::syn | packet::fin)
        .build();
}

void fill(CapturedPacket& packet, const std::vector<std::uint8_t>& bytes, pipeline::Action action) {
    const Reason kind = packet.kind;
    packet = {};
    packet.kind = kind;
    packet.wall_nanoseconds = 1'700'000'000'123'456'789;
    packet.length = static_cast<std::uint32_t>(bytes.size());
    packet.captured = static_cast<std::uint16_t>(bytes.size());
    packet.action = action;
    packet.state = pipeline::CtState::invalid;
    std::copy(bytes.begin(), bytes.end(), packet.bytes.begin());
}

/// Of a flow from a port of 10.0.0.1.
Filter filter_of_flow(unsigned port) {
    Filter filter;
    filter.family = packet::Family::ipv4;
    filter.protocol = packet::tcp;
    filter.original.source =
        AddressMatch{parse_address("10.0.0.1")->address, prefix_mask(packet::Family::ipv4, 32)};
    filter.original.destination =
        AddressMatch{parse_address("10.0.0.2")->address, prefix_mask(packet::Family::ipv4, 32)};
    filter.original.source_port = static_cast<std::uint16_t>(port);
    filter.original.destination_port = 80;
    return filter;
}

class Capturing : public ::testing::Test {
  protected:
    Capturing() {
        rig.server = std::make_unique<Server>(rig.workers, rig.options);
        EXPECT_TRUE(rig.server->open().ok());
        rig.start_server();
    }
    [[nodiscard]] static std::string request(const std::string& more = "") {
        return R"({"sluice":1,"request":"capture")" + more + "}\n";
    }
    void wait_for_readers(unsigned readers) const {
        const auto client = rig.client();
        ASSERT_NE(client, nullptr);
        for (int i = 0; i < 5000; ++i) {
            const auto statistics = ask(*client, query_of(Query::Kind::stats));
            if (json::parse(statistics.rows.back())["counters"]["capture_readers"] == readers) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        FAIL() << "nobody captures";
    }
    /// The test is the workers.
    void drop(unsigned worker, Reason reason, const std::vector<std::uint8_t>& bytes = frame(),
              pipeline::Action action = pipeline::Action::drop) {
        rig.trackers[worker]->captures().record(reason,
                                                [&](CapturedPacket& packet) { fill(packet, bytes, action); });
    }
    DaemonRig rig;
};

TEST_F(Capturing, ShowsPacketsAsTheyComeAndEndsWithTheirNumber) {
    RawClient raw(rig.options.path);
    ASSERT_TRUE(raw.send(request()));
    wait_for_readers(1);
    EXPECT_TRUE(rig.trackers[1]->captures().wants(Reason::bad_flags));
    EXPECT_FALSE(rig.trackers[1]->captures().wants(Reason::none));
    drop(1, Reason::bad_flags);
    const auto row = parse_capture(raw.line());
    ASSERT_TRUE(row);
    EXPECT_EQ(row->nanoseconds, 1'700'000'000'123'456'789U);
    EXPECT_EQ(row->worker, 1U);
    EXPECT_EQ(row->decision.reason, Reason::bad_flags);
    EXPECT_EQ(row->decision.action, pipeline::Action::drop);
    EXPECT_EQ(row->decision.state, pipeline::CtState::invalid);
    EXPECT_FALSE(row->has_flow);
    EXPECT_FALSE(row->rule);
    EXPECT_EQ(row->bytes, frame());
    raw.finish_sending();
    const auto end = parse_end(raw.line());
    ASSERT_TRUE(end && end->ok);
    EXPECT_EQ(end->count, 1U);
    wait_for_readers(0);
    EXPECT_EQ(rig.trackers[1]->captures().wanted(), 0U) << "nobody captures any more";
}

TEST_F(Capturing, ShowsEachClientWhatItAskedFor) {
    const std::string program = PacketFilter::compile("tcp port 7")->to_json().dump();
    const std::vector<std::pair<std::string, std::uint16_t>> clients{
        {R"(,"reasons":["bad-checksum"])", 1},
        {R"(,"filter":{"original":{"sport":5}})", 5},
        {R"(,"program":)" + program, 7},
        {R"(,"snap":14)", 1}};
    std::vector<std::unique_ptr<RawClient>> raws;
    for (const auto& [more, port] : clients) {
        raws.push_back(std::make_unique<RawClient>(rig.options.path));
        ASSERT_TRUE(raws.back()->send(request(more)));
    }
    wait_for_readers(4);
    drop(0, Reason::bad_checksum, frame("10.0.0.1", 1));
    drop(0, Reason::bad_flags, frame("10.0.0.1", 5));
    drop(0, Reason::bad_flags, frame("10.0.0.1", 7));
    drop(0, Reason::bad_flags, frame("10.0.0.1", 7), pipeline::Action::pass);
    const unsigned shown[] = {1, 1, 1, 3};
    for (std::size_t i = 0; i < clients.size(); ++i) {
        for (unsigned packet = 0; packet < shown[i]; ++packet) {
            const auto row = parse_capture(raws[i]->line());
            ASSERT_TRUE(row) << i;
            EXPECT_EQ(row->length, frame().size());
            EXPECT_EQ(row->bytes.size(), i == 3 ? 14 : frame().size());
            if (i != 3) {
                EXPECT_EQ(row->bytes, frame("10.0.0.1", clients[i].second));
            }
        }
        raws[i]->finish_sending();
        const auto end = parse_end(raws[i]->line());
        ASSERT_TRUE(end) << i;
        EXPECT_EQ(end->count, shown[i]) << i;
    }
}

TEST_F(Capturing, CountsWhatASlowReaderAndAFullRingLose) {
    RawClient raw(rig.options.path);
    ASSERT_TRUE(raw.send(request(R"(,"buffer":65536)")));
    wait_for_readers(1);
    rig.stop_server();
    constexpr std::uint64_t packets = 100;  // the ring has 64
    for (std::uint64_t i = 0; i < packets; ++i) drop(0, Reason::bad_flags);
    rig.start_server();
    raw.finish_sending();
    std::uint64_t shown = 0, lost = 0;
    std::optional<End> end;
    for (std::string row = raw.line(); !row.empty() && !(end = parse_end(row)); row = raw.line()) {
        if (row.starts_with(lost_prefix))
            lost += json::parse(row)["by_workers"].get<std::uint64_t>() +
                    json::parse(row)["by_reader"].get<std::uint64_t>();
        else
            ++shown;
    }
    ASSERT_TRUE(end);
    EXPECT_LE(shown, 64U);
    EXPECT_GE(lost, packets - 64);
}

/// A connection of 10.0.0.1's to 10.0.0.2, segment by segment.
std::vector<std::uint8_t> segment_of_story(std::uint32_t sequence, unsigned flags, bool answers = false) {
    return test::PacketBuilder()
        .ethernet()
        .ip(answers ? "10.0.0.2" : "10.0.0.1", answers ? "10.0.0.1" : "10.0.0.2")
        .tcp(answers ? 80 : 1000, answers ? 1000 : 80)
        .sequence(sequence)
        .acknowledgement(answers ? 101 : 301)
        .flags(flags)
        .build();
}

TEST_F(Capturing, TellsTheStoryOfAFlowFromItsFirstPacketOn) {
    Query query = query_of(Query::Kind::capture);
    query.story = true;
    query.filter = filter_of_flow(1000);
    RawClient raw(rig.options.path);
    ASSERT_TRUE(raw.send(to_line(query) + "\n"));
    wait_for_readers(1);
    const unsigned owner = rig.workers.owner4(insertion_of(*flow_of(query.filter), 0).key4);
    auto& tracker = *rig.trackers[owner];
    pipeline::Output<pipeline::MemoryIo> out;
    for (const auto& bytes :
         {segment_of_story(100, packet::syn), segment_of_story(300, packet::syn | packet::ack, true),
          segment_of_story(9'999'999, packet::rst)}) {
        pipeline::MemoryPacket packet;
        packet.first = bytes;
        pipeline::MemoryPacket* const burst[] = {&packet};
        tracker.process(burst, {rig.now.load(), 1'700'000'000'000'000'000}, out);
    }
    const char* const told[][2] = {{"2023-11-14T22:13:20.000000Z A>B tcp S seq 100 win 65535 len 0 ",
                                    " new         no flow -> SYN_SENT,SYN_RCVD, 120 s\n"},
                                   {"2023-11-14T22:13:20.000000Z B>A tcp S. seq 300 ack 101 win 65535 len 0 ",
                                    " established SYN_SENT,SYN_RCVD -> ESTABLISHED,SYN_RCVD, 60 s\n"},
                                   {"2023-11-14T22:13:20.000000Z A>B tcp R seq 9999999 win 65535 len 0 ",
                                    " invalid     ESTABLISHED,SYN_RCVD, 60 s; dropped, rst-out-of-window: "}};
    for (const auto& [begins, holds] : told) {
        const auto row = parse_capture(raw.line());
        ASSERT_TRUE(row);
        const std::string line = app::step_line(*row, row->decision.direction == tcp::Direction::original);
        EXPECT_TRUE(line.starts_with(begins)) << line;
        EXPECT_NE(line.find(holds), std::string::npos) << line;
        EXPECT_EQ(row->why.empty(), row->decision.reason == Reason::none);
    }
    raw.finish_sending();
    const auto end = parse_end(raw.line());
    ASSERT_TRUE(end && end->ok);
    EXPECT_EQ(end->count, 3U);
}

TEST_F(Capturing, TellsNoMoreStoriesThanThereIsRoomFor) {
    std::vector<std::unique_ptr<RawClient>> raws;
    const auto story = [&](unsigned port) {
        raws.push_back(std::make_unique<RawClient>(rig.options.path));
        Query query = query_of(Query::Kind::capture);
        query.story = true;
        query.filter = filter_of_flow(port);
        ASSERT_TRUE(raws.back()->send(to_line(query) + "\n"));
    };
    for (unsigned port = 1; port <= pipeline::TracedFlows::most; ++port) story(port);
    wait_for_readers(pipeline::TracedFlows::most);
    story(1000);
    const auto end = parse_end(raws.back()->line());
    ASSERT_TRUE(end);
    EXPECT_EQ(end->error, "the stories of 16 flows are told already: no more are at a time");
    raws[0]->hang_up();
    wait_for_readers(pipeline::TracedFlows::most - 1);
    story(1000);
    wait_for_readers(pipeline::TracedFlows::most);
}

TEST_F(Capturing, OfAFlowThatIsNotThereNeedsTheWholeTuple) {
    RawClient raw(rig.options.path);
    ASSERT_TRUE(raw.send(request(R"(,"story":true,"filter":{"protocol":6})")));
    const auto end = parse_end(raw.line());
    ASSERT_TRUE(end);
    EXPECT_EQ(end->error, "such conntrack doesn't exist");
}

TEST_F(Capturing, DropsShowTheLastPacketsUnderTheirReason) {
    CapturedPacket packet{};
    packet.kind = Reason::bad_flags;
    for (std::uint16_t port = 1; port <= 3; ++port)
        for (const unsigned worker : {0U, 1U}) {
            fill(packet, frame("10.0.0.1", static_cast<std::uint16_t>(10 * port + worker)),
                 pipeline::Action::drop);
            packet.wall_nanoseconds += 10 * port + worker;
            rig.trackers[worker]->captures().examples->keep(Reason::bad_flags, packet);
        }
    rig.trackers[0]->count_loss(Reason::bad_flags, 6);
    const auto client = rig.client();
    Query query = query_of(Query::Kind::drops);
    query.examples = 3;
    const auto answer = ask(*client, query);
    EXPECT_EQ(answer.end.count, 1U);
    ASSERT_EQ(answer.rows.size(), 4U);
    EXPECT_EQ(json::parse(answer.rows[0])["packets"], 6);
    unsigned port = 31;
    for (std::size_t i = 1; i < answer.rows.size(); ++i, port = port == 31 ? 30 : 21) {
        const auto row = parse_capture(answer.rows[i]);
        ASSERT_TRUE(row);
        EXPECT_EQ(row->bytes, frame("10.0.0.1", static_cast<std::uint16_t>(port))) << "the newest first";
    }
    EXPECT_EQ(
        app::drops_line(answer.rows[1]),
        "    2023-11-14T22:13:20.123456Z  10.0.0.1:31 > 10.0.0.2:80 tcp SF seq 1 win 65535 len 0, 54 bytes, "
        "port 0, worker 1\n");
    EXPECT_EQ(ask(*client, query_of(Query::Kind::drops)).rows.size(), 1U);
    query.examples = 5;
    EXPECT_FALSE(ask(*client, query).end.ok);
}

TEST_F(Capturing, IsRefusedWhatIsNoCapture) {
    RawClient raw(rig.options.path);
    for (const char* more :
         {R"(,"reasons":[])", R"(,"reasons":["no-such"])", R"(,"snap":0)", R"(,"snap":257)", R"(,"buffer":1)",
          R"(,"program":[])", R"(,"program":[[6,0,0]])", R"(,"program":[[5,0,0,4294967295],[6,0,0,1]])",
          R"(,"program":[[0,0,0,1]])", R"(,"program":[[6,0,0,-1]])", R"(,"format":"json")"}) {
        ASSERT_TRUE(raw.send(request(more)));
        const auto end = parse_end(raw.line());
        ASSERT_TRUE(end) << more;
        EXPECT_FALSE(end->ok) << more;
    }
}

TEST(PacketFilter, CompilesAndIsReadBack) {
    const auto filter = PacketFilter::compile("tcp dst port 80 and host 10.0.0.1");
    ASSERT_TRUE(filter.ok()) << filter.error();
    const std::vector<std::uint8_t> whole = frame();
    EXPECT_TRUE(filter->matches(whole, 60));
    EXPECT_FALSE(filter->matches(frame("10.0.0.9"), 60));
    EXPECT_FALSE(filter->matches(std::span(whole).first(20), 60)) << "what is not there does not match";
    const auto back = PacketFilter::from_json(filter->to_json());
    ASSERT_TRUE(back.ok()) << back.error();
    EXPECT_EQ(*back, *filter);
    EXPECT_FALSE(PacketFilter::compile("tcp prot 80").ok());
    EXPECT_FALSE(PacketFilter::compile("ip protochain 6").ok()) << "it loops";
    EXPECT_TRUE(PacketFilter().matches({}, 0));
}

TEST(CaptureRow, ThatIsNoneIsNotRead) {
    for (const char* row :
         {"", "{", "[]", "{}", R"({"nanoseconds":1})", R"({"event":"lost"})",
          R"({"nanoseconds":1,"verdict":"new","action":"pass","reason":null,"bytes":"0"})",
          R"({"nanoseconds":1,"verdict":"new","action":"pass","reason":"x","bytes":""})",
          R"({"nanoseconds":1,"verdict":"new","action":"pass","reason":null,"bytes":"zz"})"})
        EXPECT_FALSE(parse_capture(row)) << row;
    EXPECT_TRUE(
        parse_capture(R"({"nanoseconds":1,"verdict":"new","action":"pass","reason":null,"bytes":"0aff"})"));
}

// ---- The command

Result<app::CaptureOptions> parsed(std::vector<std::string> words) {
    words.insert(words.begin(), "capture");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    return app::parse_capture_options(static_cast<int>(words.size()), arguments.data(), nullptr);
}

TEST(CaptureOptions, SayWhichPackets) {
    EXPECT_EQ(parsed({})->query.captures, pipeline::whatever_is_dropped);
    EXPECT_EQ(parsed({"--dropped"})->query.captures, pipeline::whatever_is_dropped);
    EXPECT_EQ(parsed({"--all"})->query.captures, pipeline::every_packet);
    EXPECT_EQ(parsed({"--reason", "tx-full", "--reason", "old-syn"})->query.captures,
              pipeline::only(Reason::tx_full) | pipeline::only(Reason::old_syn) | pipeline::passing_too);
    const auto all = parsed({"-c", "3", "--filter", "-p tcp --dport 80", "-s", "64", "-w", "-"});
    ASSERT_TRUE(all.ok()) << all.error();
    EXPECT_EQ(all->most, 3U);
    EXPECT_EQ(all->query.snap_bytes, 64U);
    EXPECT_EQ(all->query.filter.original.destination_port, std::uint16_t{80});
    EXPECT_EQ(all->file, "-");
    EXPECT_TRUE(all->query.packets.everything());
    EXPECT_FALSE(parsed({"--filter", "udp port 53"})->query.packets.everything());
    const auto back = parse_query(to_line(parsed({"--filter", "udp", "--reason", "old-syn"})->query));
    ASSERT_TRUE(back.ok()) << back.error();
    EXPECT_EQ(back->packets, PacketFilter::compile("udp").operator*());
    EXPECT_EQ(back->captures, pipeline::only(Reason::old_syn) | pipeline::passing_too);
}

TEST(CaptureOptions, RefuseWhatMakesNoSense) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"--all", "--dropped"},
                                               {"--all", "--reason", "tx-full"},
                                               {"--reason", "no-such"},
                                               {"-c", "0"},
                                               {"-s", "257"},
                                               {"-s"},
                                               {"--filter", "nonsense 1"},
                                               {"--filter", "-p nonsense"},
                                               {"--filter", " "},
                                               {"-w", "a", "--json"},
                                               {"more"},
                                               {"--unknown"}})
        EXPECT_FALSE(parsed(words).ok()) << words.front();
}

TEST(CaptureComment, SaysReasonVerdictAndRule) {
    CaptureRow row;
    row.decision.reason = Reason::policy_denied;
    row.decision.state = pipeline::CtState::untracked;
    row.decision.action = pipeline::Action::drop;
    row.rule = 3;
    row.rule_name = "no telnet";
    EXPECT_EQ(app::comment_of(row),
              "dropped, policy-denied: no rule allows a flow to begin with it; verdict untracked, rule 3 "
              "(no telnet), worker 0");
    row.decision = {.action = pipeline::Action::pass, .state = pipeline::CtState::established};
    row.rule.reset();
    row.has_flow = true;
    row.flow = 17;
    row.pair = tcp::Pair::established__established;
    EXPECT_EQ(app::comment_of(row),
              "passed; verdict established, pair ESTABLISHED,ESTABLISHED, flow 17 original, worker 0");
}

}  // namespace
}  // namespace sluice::control
