// Those who follow events: what they are shown, what they lose and are told of, and what they cost others.
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon_rig.hpp"
#include "guard_rig.hpp"
#include "sluice/control/event_writer.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using nlohmann::json;
using pipeline::EventKind;

class Events : public ::testing::Test {
  protected:
    Events() : rig(2, 4096, 1024) {}
    /// The test is the workers: what they tell comes from tell().
    void start_without_workers() {
        rig.server = std::make_unique<Server>(rig.workers, rig.options);
        ASSERT_TRUE(rig.server->open().ok());
        rig.start_server();
    }
    [[nodiscard]] static std::string request(const std::string& more = "") {
        return R"({"sluice":1,"request":"events")" + more + "}\n";
    }
    /// Waits until so many follow.
    void wait_for_readers(unsigned readers) const {
        const auto client = rig.client();
        ASSERT_NE(client, nullptr);
        for (int i = 0; i < 5000; ++i) {
            if (counter(*client, "event_readers") == readers) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        FAIL() << counter(*client, "event_readers") << " follow, not " << readers;
    }
    static std::uint64_t counter(Client& client, const char* name) {
        const auto statistics = ask(client, query_of(Query::Kind::stats));
        return json::parse(statistics.rows.back())["counters"][name].get<std::uint64_t>();
    }
    /// A UDP flow from port `number` (modulo 2^16) of worker `worker`.
    void tell(unsigned worker, EventKind kind, std::uint32_t number) {
        rig.trackers[worker]->events().record(kind, [&](pipeline::Event& event) {
            const std::uint8_t from[] = {10, 0, 0, 1}, to[] = {10, 0, 0, 2};
            const auto directed =
                flow::make_key<4>(from, to, static_cast<std::uint16_t>(number), 53, packet::udp,
                                  flow::Domain::make(flow::Domain::no_tag, flow::Domain::no_tag, 0, 0));
            event = {};
            event.kind = kind;
            event.family = packet::Family::ipv4;
            event.original_from_high = directed.from_high;
            event.left = 30'000;
            event.key4 = directed.key;
        });
    }
    struct Read {
        std::uint64_t shown = 0, lost_by_reader = 0, lost_by_workers = 0;
        std::optional<End> end;
    };
    /// Tells the daemon that it was enough, and reads all that still comes.
    static Read read_to_the_end(RawClient& raw) {
        raw.finish_sending();
        Read out;
        for (std::string row = raw.line(); !row.empty(); row = raw.line()) {
            if ((out.end = parse_end(row))) break;
            if (row.starts_with(lost_prefix)) {
                const json lost = json::parse(row);
                out.lost_by_reader += lost["by_reader"].get<std::uint64_t>();
                out.lost_by_workers += lost["by_workers"].get<std::uint64_t>();
            } else {
                ++out.shown;
            }
        }
        return out;
    }
    DaemonRig rig;
};

TEST_F(Events, ComeAsTheyHappenAndEndWithTheirNumber) {
    rig.start();
    RawClient raw(rig.options.path);
    ASSERT_TRUE(raw.send(request()));
    wait_for_readers(1);
    const auto client = rig.client();
    ASSERT_TRUE(ask(*client, insertion(1)).end.ok);
    EXPECT_EQ(raw.line(),
              "    [NEW] udp      17 1000 src=10.0.0.1 dst=192.0.2.1 sport=1000 dport=53 [UNREPLIED] "
              "src=192.0.2.1 dst=10.0.0.1 sport=53 dport=1000\n");
    ASSERT_EQ(ask(*client, query_of(Query::Kind::remove)).end.count, 1U);
    EXPECT_EQ(raw.line().substr(0, 43), "[DESTROY] udp      17 1000 src=10.0.0.1 dst");
    raw.finish_sending();
    const auto end = parse_end(raw.line());
    ASSERT_TRUE(end);
    EXPECT_TRUE(end->ok);
    EXPECT_EQ(end->count, 2U);
    EXPECT_EQ(raw.line(), "");
    wait_for_readers(0);
    EXPECT_FALSE(rig.trackers[0]->events().wants(EventKind::created)) << "nobody listens any more";
}

TEST_F(Events, AreThoseAskedForAlone) {
    start_without_workers();
    RawClient created(rig.options.path), from_seven(rig.options.path);
    ASSERT_TRUE(created.send(request(R"(,"mask":["new"])")));
    ASSERT_TRUE(from_seven.send(
        request(R"(,"mask":["new","destroy"],"filter":{"original":{"sport":7}},"format":"json")")));
    wait_for_readers(2);
    EXPECT_FALSE(rig.trackers[1]->events().wants(EventKind::updated));
    for (std::uint32_t port = 1; port <= 10; ++port)
        for (const EventKind kind : {EventKind::created, EventKind::updated, EventKind::destroyed})
            tell(port % 2, kind, port);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(created.line().substr(0, 9), "    [NEW]");
    EXPECT_EQ(json::parse(from_seven.line())["event"], "new");
    EXPECT_EQ(json::parse(from_seven.line())["event"], "destroy");
    EXPECT_EQ(read_to_the_end(created).shown, 0U);
    EXPECT_EQ(read_to_the_end(from_seven).shown, 0U);
}

TEST_F(Events, EndWithTheNextRequestWhichIsAnswered) {
    start_without_workers();
    RawClient raw(rig.options.path);
    ASSERT_TRUE(raw.send(request()));
    wait_for_readers(1);
    ASSERT_TRUE(raw.send("{\"sluice\":1,\"request\":\"count\"}\n"));
    EXPECT_TRUE(parse_end(raw.line())->ok);
    EXPECT_TRUE(parse_end(raw.line())->ok);
    wait_for_readers(0);
}

// Whoever reads nothing loses events and is told how many, to the last; who reads loses nothing for it, and
// the rings are emptied all the same.
TEST_F(Events, ThatAreNotReadAreLostAndCountedToThatReaderAlone) {
    constexpr std::uint32_t events = 30'000;
    start_without_workers();
    RawClient sleeper(rig.options.path), reader(rig.options.path);
    ASSERT_TRUE(sleeper.send(request(R"(,"buffer":65536)")));
    ASSERT_TRUE(reader.send(request(R"(,"buffer":4194304)")));
    wait_for_readers(2);
    std::uint64_t read = 0;
    std::thread reading([&] {
        while (read < events && reader.line().starts_with("    [NEW]")) ++read;
    });
    for (std::uint32_t i = 0; i < events; ++i) {
        tell(0, EventKind::created, i);
        // Not faster than a ring of this size is emptied.
        if (i % 512 == 511) {
            const auto client = rig.client();
            for (int turn = 0;
                 turn < 5000 && counter(*client, "event_rows") + counter(*client, "event_rows_lost") <
                                    2 * (std::uint64_t{i} + 1);
                 ++turn)
                std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
    }
    reading.join();
    EXPECT_EQ(read, events);
    EXPECT_EQ(rig.trackers[0]->events().lost(pipeline::all_event_kinds), 0U);
    const Read late = read_to_the_end(sleeper);
    EXPECT_GT(late.lost_by_reader, 0U);
    EXPECT_EQ(late.lost_by_workers, 0U);
    EXPECT_EQ(late.shown + late.lost_by_reader, events);
    ASSERT_TRUE(late.end);
    EXPECT_EQ(late.end->count, late.shown);
}

// What a worker does for an event that finds no room: it counts it. Nothing of it is written.
TEST_F(Events, ThatFindNoRoomCostTheirWorkerACountAlone) {
    auto& ring = rig.trackers[0]->events();
    ring.want(pipeline::all_event_kinds);
    std::uint64_t written = 0;
    for (std::uint32_t i = 0; i < 500'000; ++i)
        ring.record(EventKind::created, [&](pipeline::Event&) { ++written; });
    EXPECT_EQ(written, 1024U);
    EXPECT_EQ(ring.recorded(), 1024U);
    EXPECT_EQ(ring.lost(pipeline::only(EventKind::created)), 500'000U - 1024U);
    EXPECT_EQ(ring.lost(pipeline::only(EventKind::destroyed)), 0U);
}

// As fast as they can be made, from two workers, to one who reads late. How fast that was is printed.
TEST_F(Events, AreShownOrCountedHoweverFastTheyCome) {
    constexpr std::uint32_t events = 100'000;
    start_without_workers();
    RawClient raw(rig.options.path);
    ASSERT_TRUE(raw.send(request(R"(,"mask":["new","updates"],"buffer":65536)")));
    wait_for_readers(1);
    const auto began = std::chrono::steady_clock::now();
    std::thread other([&] {
        for (std::uint32_t i = 0; i < events; ++i) tell(1, EventKind::created, i);
    });
    for (std::uint32_t i = 0; i < events; ++i) tell(0, EventKind::updated, i);
    other.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("%.0f events a second\n", 2 * events / took.count());
    // What lies in the rings is taken first.
    const auto client = rig.client();
    const auto taken = [&] { return counter(*client, "event_rows") + counter(*client, "event_rows_lost"); };
    const auto recorded = rig.trackers[0]->events().recorded() + rig.trackers[1]->events().recorded();
    for (int i = 0; i < 5000 && taken() != recorded; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(taken(), recorded);
    const Read all = read_to_the_end(raw);
    EXPECT_GT(all.lost_by_workers, 0U) << "the rings hold a thousand";
    EXPECT_EQ(all.shown + all.lost_by_reader + all.lost_by_workers, 2 * events);
    std::printf("%llu shown, %llu lost by the reader, %llu by the workers\n",
                static_cast<unsigned long long>(all.shown),
                static_cast<unsigned long long>(all.lost_by_reader),
                static_cast<unsigned long long>(all.lost_by_workers));
}

/// Remembers the ports of the flows it is told of.
class PortSink final : public EventSink {
  public:
    explicit PortSink(std::vector<std::uint32_t>& ports) : ports_(ports) {}
    bool take(const ToldEvent& event) override {
        ports_.push_back(event.flow.source_port);
        written_.add();
        return true;
    }
    void turn(bool) override {}

  private:
    std::vector<std::uint32_t>& ports_;
};

TEST_F(Events, AreHandedToWritersThoughNobodyFollowsUntilTheWorkersHaveStopped) {
    std::vector<std::uint32_t> ports;
    EventWriter writer(std::make_unique<PortSink>(ports), pipeline::only(EventKind::destroyed));
    rig.server = std::make_unique<Server>(rig.workers, rig.options);
    ASSERT_TRUE(rig.server->open().ok());
    rig.server->write(writer);
    for (const EventKind kind : {EventKind::created, EventKind::destroyed})
        if (rig.trackers[0]->events().wants(kind)) tell(0, kind, 1);  // before the first turn
    rig.start_server();
    for (int i = 0; i < 5000 && writer.written() == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    {
        RawClient raw(rig.options.path);
        ASSERT_TRUE(raw.send(request()));
        wait_for_readers(1);
        tell(0, EventKind::created, 2);
        tell(0, EventKind::destroyed, 2);
        EXPECT_EQ(raw.line().substr(0, 9), "    [NEW]");
        EXPECT_EQ(raw.line().substr(0, 9), "[DESTROY]");
    }
    wait_for_readers(0);
    rig.stop_server();
    for (std::uint32_t port = 3; port < 1000; ++port) tell(0, EventKind::destroyed, port);
    rig.server->finish_writing();
    writer.stop();
    ASSERT_EQ(ports.size(), 999U);
    for (std::uint32_t port = 1; port < 1000; ++port) EXPECT_EQ(ports[port - 1], port);
    EXPECT_EQ(writer.lost(), 0U);
}

TEST_F(Events, AreFollowedByAFewClientsAtMost) {
    rig.options.max_followers = 3;
    start_without_workers();
    std::vector<std::unique_ptr<RawClient>> readers;
    for (int i = 0; i < 3; ++i) {
        readers.push_back(std::make_unique<RawClient>(rig.options.path));
        ASSERT_TRUE(readers.back()->send(request()));
    }
    wait_for_readers(3);
    RawClient one_more(rig.options.path);
    ASSERT_TRUE(one_more.send(request()));
    const auto end = parse_end(one_more.line());
    ASSERT_TRUE(end);
    EXPECT_EQ(end->error, "too many others follow the events already");
}

TEST_F(Events, OneWhoReadsNothingGoesWhenAllPlacesOfReadersAreTaken) {
    rig.options.max_followers = 2;
    rig.options.idle_seconds = 5;
    start_without_workers();
    RawClient sleeper(rig.options.path);
    ASSERT_TRUE(sleeper.send(request(R"(,"buffer":65536)")));
    wait_for_readers(1);
    // Until nothing more goes into its buffers; so few at a time that the worker loses none.
    const auto client = rig.client();
    ASSERT_NE(client, nullptr);
    for (std::uint32_t i = 0; counter(*client, "event_rows_lost") == 0; ++i) {
        ASSERT_LT(i, 10'000U) << "it reads nothing, and loses nothing";
        for (std::uint32_t j = 0; j < 16; ++j) tell(0, EventKind::created, i * 16 + j);
    }
    rig.now = rig.now + 60 * ticks_per_second;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    wait_for_readers(1);  // nobody else wants its place
    RawClient quiet(rig.options.path);
    ASSERT_TRUE(quiet.send(request(R"(,"mask":["destroy"])")));
    for (int i = 0; i < 100; ++i) {
        rig.now = rig.now + ticks_per_second;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    wait_for_readers(1);
    tell(0, EventKind::destroyed, 1);
    EXPECT_EQ(quiet.line().substr(0, 9), "[DESTROY]");
}

TEST_F(Events, AreRefusedWhereNoneAreKept) {
    DaemonRig without(1, 64, 0);
    without.start();
    RawClient raw(without.options.path);
    ASSERT_TRUE(raw.send(request()));
    EXPECT_EQ(parse_end(raw.line())->error, "no events are kept: control.event_slots is 0");
}

TEST_F(Events, RequestsThatMakeNoSenseAreRefused) {
    start_without_workers();
    RawClient raw(rig.options.path);
    for (const char* more : {R"(,"mask":["old"])", R"(,"mask":[])", R"(,"mask":[7])", R"(,"buffer":1)",
                             R"(,"buffer":999999999)", R"(,"options":["often"])"}) {
        ASSERT_TRUE(raw.send(request(more)));
        const auto end = parse_end(raw.line());
        ASSERT_TRUE(end) << more;
        EXPECT_FALSE(end->ok) << more;
    }
    ASSERT_TRUE(raw.send(R"({"sluice":1,"request":"list","options":["timestamp"]})"
                         "\n"));
    EXPECT_FALSE(parse_end(raw.line())->ok) << "a listing has no moment";
}

TEST_F(Events, OfFloodsComeInTheSameStream) {
    GuardOptions options;
    options.services = {service_at(0xC000'0201, 443, guard::Mode::automatic, "web")};
    GuardRig guard(options);
    std::vector<FloodChange> changes;
    const auto steps = [&](unsigned count, bool flooded) {
        guard.steps(count, [&] {
            if (flooded) guard.syns(1, 2'000);
            const auto& last = guard.watch->changes();
            changes.insert(changes.end(), last.begin(), last.end());
        });
    };
    steps(20, true);
    ASSERT_FALSE(changes.empty());
    EXPECT_EQ(changes.front().phase, FloodChange::Phase::begun);
    steps(1'500, false);
    EXPECT_EQ(changes.back().phase, FloodChange::Phase::ended);

    rig.server = std::make_unique<Server>(rig.workers, rig.options);
    ASSERT_TRUE(rig.server->open().ok());
    RawClient text(rig.options.path), as_json(rig.options.path), flows(rig.options.path);
    ASSERT_TRUE(text.send(request()));
    ASSERT_TRUE(as_json.send(request(R"(,"format":"json")")));
    ASSERT_TRUE(flows.send(request(R"(,"mask":["new","updates","destroy"])")));
    for (int i = 0; i < 20; ++i) rig.server->turn(1);
    rig.server->tell(changes.front());
    rig.server->tell(changes.back());
    for (int i = 0; i < 20; ++i) rig.server->turn(1);
    EXPECT_EQ(text.line().substr(0, 41), "  [FLOOD] flood #1: 192.0.2.1:443 (web), ");
    EXPECT_NE(text.line().find("is over after"), std::string::npos);
    const json begun = json::parse(as_json.line());
    EXPECT_EQ(begun["event"], "flood");
    EXPECT_EQ(begun["phase"], "begun");
    EXPECT_EQ(begun["service"], "192.0.2.1:443");
    EXPECT_EQ(json::parse(as_json.line())["phase"], "ended");
    flows.finish_sending();
    for (int i = 0; i < 20; ++i) rig.server->turn(1);
    EXPECT_TRUE(parse_end(flows.line())) << "who did not ask for floods is shown none";
}

}  // namespace
}  // namespace sluice::control
