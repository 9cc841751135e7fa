// Flows written down: lines of a file that is rotated, moved away, or has no room; records for a collector,
// read back by what RFC 7011 says; and what is lost on the way, counted to the last.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <thread>

#include "flow_views.hpp"
#include "sluice/control/flow_log.hpp"
#include "sluice/control/ipfix.hpp"

namespace sluice::control {
namespace {

using namespace testing;
using pipeline::EventKind;

constexpr std::uint64_t records_moment = 1'795'888'099'740'160'999;

ToldEvent ended(std::uint16_t port) {
    ToldEvent out;
    out.flow = tcp_flow("192.0.2.1", port, "192.0.2.2", 80, tcp::Pair::time_wait__closed);
    out.flow.seen_reply = out.flow.assured = true;
    out.flow.account = {{6, 5}, {398, 1759}};
    out.flow.start_nanoseconds = records_moment - 5'000'000'000;
    out.flow.id = port;
    out.happening = {EventKind::destroyed, flow::Removal::expired, records_moment};
    return out;
}

// ---- The file

class FlowLogFile : public ::testing::Test {
  protected:
    FlowLogFile() {
        char name[] = "/tmp/sluice-flow-log-XXXXXX";
        folder = mkdtemp(name);
        options.path = folder + "/flows.log";
        options.rotate_megabytes = 0;
    }
    ~FlowLogFile() override { std::filesystem::remove_all(folder); }

    void open() {
        auto opened = FlowLog::open(options, true, true, [this] { return seconds; });
        ASSERT_TRUE(opened.ok()) << opened.error();
        log = std::move(*opened);
    }
    /// Flows from these ports, one behind the other.
    void write(unsigned from, unsigned to) {
        for (unsigned port = from; port < to; ++port) {
            while (!log->take(ended(static_cast<std::uint16_t>(port)))) log->turn(false);
        }
        log->turn(false);
    }
    [[nodiscard]] std::vector<std::string> lines(const std::string& end = "") const {
        std::ifstream file(options.path + end);
        std::vector<std::string> out;
        for (std::string line; std::getline(file, line);) out.push_back(line);
        return out;
    }
    [[nodiscard]] static unsigned port_of(const std::string& line) {
        return nlohmann::json::parse(line)["original"]["sport"].get<unsigned>();
    }
    [[nodiscard]] bool exists(const std::string& end) const {
        return std::filesystem::exists(options.path + end);
    }

    std::string folder;
    FlowLogOptions options;
    std::uint64_t seconds = records_moment / 1'000'000'000;
    std::unique_ptr<FlowLog> log;
};

TEST_F(FlowLogFile, HoldsTheLinesOfEvents) {
    open();
    write(1, 4);
    Format json{.style = Format::Style::json, .time = true, .accounting = true, .timestamps = true};
    std::string expected;
    for (std::uint16_t port = 1; port < 4; ++port)
        append_event(expected, ended(port).flow, ended(port).happening, json);
    std::string found;
    for (const std::string& line : lines()) found += line + '\n';
    EXPECT_EQ(found, expected);
    EXPECT_NE(found.find(R"("community_id":"1:)"), std::string::npos);
    EXPECT_EQ(log->written(), 3U);

    options.path += ".conntrack";
    options.json = false;
    open();
    write(1, 2);
    EXPECT_EQ(
        lines().at(0),
        "[1795888099.740160]\t[DESTROY] tcp      6 TIME_WAIT src=192.0.2.1 dst=192.0.2.2 sport=1 dport=80 "
        "packets=6 bytes=398 src=192.0.2.2 dst=192.0.2.1 sport=80 dport=1 packets=5 bytes=1759 [ASSURED] "
        "delta-time=5");
}

TEST_F(FlowLogFile, IsMadeForItsGroupToReadWhateverTheUmaskAndIsAppendedTo) {
    const mode_t mask = umask(0077);
    open();
    umask(mask);
    struct stat status {};
    ASSERT_EQ(stat(options.path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0640U);
    write(1, 2);
    open();
    write(2, 3);
    EXPECT_EQ(lines().size(), 2U);
}

TEST_F(FlowLogFile, IsRefusedWhereNoneCanBe) {
    const auto refusal = [&] {
        const auto opened = FlowLog::open(options, true, true);
        return opened.ok() ? std::string() : opened.error();
    };
    std::filesystem::create_symlink("elsewhere", options.path);
    EXPECT_EQ(refusal(),
              options.path + " cannot be opened: it is a symbolic link, and those are not followed");
    std::filesystem::remove(options.path);
    ASSERT_EQ(mkfifo(options.path.c_str(), 0600), 0);
    EXPECT_NE(refusal(), "");
    std::filesystem::remove(options.path);
    std::filesystem::create_directory(options.path);
    EXPECT_NE(refusal(), "");
    options.path = folder + "/missing/flows.log";
    EXPECT_EQ(
        refusal(),
        options.path + " cannot be opened: No such file or directory; make the folder it lies in first");
}

TEST_F(FlowLogFile, GivesWayBeforeItIsTooLargeAndSoManyAreKept) {
    options.rotate_megabytes = 1;
    options.keep = 2;
    open();
    write(1, 6000);  // some 3 MiB
    EXPECT_TRUE(exists(".1"));
    EXPECT_TRUE(exists(".2"));
    EXPECT_FALSE(exists(".3"));
    unsigned next = 0;
    for (const char* end : {".2", ".1", ""}) {
        EXPECT_LE(std::filesystem::file_size(options.path + end), 1U << 20U);
        for (const std::string& line : lines(end)) {
            const unsigned port = port_of(line);
            EXPECT_TRUE(next == 0 || port == next) << port << " behind " << next - 1;
            next = port + 1;
        }
    }
    EXPECT_EQ(next, 6000U) << "from the oldest file to the newest no line is missing";
    EXPECT_EQ(log->written(), 5999U);
}

TEST_F(FlowLogFile, GivesWayWhenAPeriodIsOverThoughTheDaemonWasStartedAnew) {
    options.rotate_seconds = 86'400;
    const auto written = [&] {
        struct stat status {};
        return stat(options.path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_mtime) : 0;
    };
    open();
    seconds = written();
    write(1, 2);
    seconds = written();
    write(2, 3);
    EXPECT_FALSE(exists(".1"));
    open();
    seconds = written() + 86'400;
    write(3, 4);
    EXPECT_EQ(lines(".1").size(), 2U);
    EXPECT_EQ(lines().size(), 1U);
}

TEST_F(FlowLogFile, IsOpenedAnewWhenItWasMovedAway) {
    open();
    write(1, 2);
    std::filesystem::rename(options.path, options.path + ".moved");
    write(2, 3);
    log->reopen();
    log->turn(false);
    EXPECT_TRUE(exists("")) << "before there is anything to write";
    write(3, 4);
    EXPECT_EQ(lines(".moved").size(), 2U);
    EXPECT_EQ(lines().size(), 1U);
}

/// Files may not grow beyond so many bytes while it exists.
class NoRoomBeyond {
  public:
    explicit NoRoomBeyond(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~NoRoomBeyond() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    NoRoomBeyond(const NoRoomBeyond&) = delete;
    NoRoomBeyond& operator=(const NoRoomBeyond&) = delete;

  private:
    rlimit before_{};
    void (*handler_)(int);
};

TEST_F(FlowLogFile, HasWholeLinesAloneWhenThereIsNoMoreRoomAndGoesOnWhenThereIs) {
    open();
    write(1, 2);
    const auto line_bytes = std::filesystem::file_size(options.path);
    {
        const NoRoomBeyond full(3 * line_bytes + line_bytes / 2);
        write(2, 10);
        EXPECT_EQ(log->error(), ENOSPC);
        EXPECT_EQ(std::filesystem::file_size(options.path), 3 * line_bytes);
        EXPECT_EQ(log->written(), 3U);
        EXPECT_EQ(log->lost(), 0U) << "they wait";
        unsigned taken = 0;
        while (log->take(ended(7))) ++taken;
        EXPECT_GT(taken, 50U);
        EXPECT_LT(taken, 1000U) << "but not for ever so many";
        log->turn(true);
        EXPECT_EQ(log->lost(), 6 + taken) << "the last turn gives them up";
    }
    write(20, 21);
    log->turn(true);  // does not wait until it may try again
    EXPECT_EQ(log->error(), 0);
    const auto all = lines();
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(port_of(all[3]), 20U);
}

// ---- Between the threads

/// Takes so many, and then none.
class StubbornSink final : public EventSink {
  public:
    explicit StubbornSink(std::uint64_t room) : room_(room) {}
    bool take(const ToldEvent&) override {
        if (written() == room_) return false;
        written_.add();
        return true;
    }
    void turn(bool) override {}

  private:
    std::uint64_t room_;
};

TEST(EventWriter, CountsWhatFindsNoRoomToTheLast) {
    for (const std::uint64_t room : {0U, 100U, 100'000U}) {
        EventWriter writer(std::make_unique<StubbornSink>(room), pipeline::all_event_kinds, 64);
        const ToldEvent event = ended(1);
        for (unsigned i = 0; i < 10'000; ++i) writer.offer(event.flow, event.happening);
        writer.stop();
        EXPECT_EQ(writer.written() + writer.lost(), 10'000U);
        EXPECT_LE(writer.written(), room);
    }
}

TEST(EventWriter, WritesAllThatWasOfferedBeforeItStops) {
    EventWriter writer(std::make_unique<StubbornSink>(1000), pipeline::all_event_kinds, 1024);
    const ToldEvent event = ended(1);
    for (unsigned i = 0; i < 1000; ++i) writer.offer(event.flow, event.happening);
    writer.stop();
    EXPECT_EQ(writer.written(), 1000U);
    EXPECT_EQ(writer.lost(), 0U);
}

// ---- Records for a collector

using Bytes = std::vector<std::uint8_t>;

std::uint64_t number_at(std::span<const std::uint8_t> bytes) {
    std::uint64_t out = 0;
    for (const std::uint8_t byte : bytes) out = out << 8U | byte;
    return out;
}

/// What RFC 7011 (sections 3.1 to 3.4.2) makes of messages; elements by (enterprise number, identifier).
class IpfixReader {
  public:
    using Element = std::pair<std::uint32_t, std::uint16_t>;
    using FlowRecord = std::map<Element, Bytes>;

    void read(std::span<const std::byte> message) {
        const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(message.data()),
                                                  message.size());
        ASSERT_GE(bytes.size(), 16U);
        ASSERT_LE(bytes.size(), IpfixEncoder::max_message_bytes);
        EXPECT_EQ(number_at(bytes.subspan(0, 2)), 10U);
        EXPECT_EQ(number_at(bytes.subspan(2, 2)), bytes.size());
        EXPECT_EQ(number_at(bytes.subspan(8, 4)), records.size()) << "the data records before this message";
        domain = number_at(bytes.subspan(12, 4));
        for (std::size_t at = 16; at < bytes.size();) {
            ASSERT_LE(at + 4, bytes.size());
            const auto id = static_cast<std::uint16_t>(number_at(bytes.subspan(at, 2)));
            const std::size_t size = number_at(bytes.subspan(at + 2, 2));
            ASSERT_TRUE(size >= 4 && at + size <= bytes.size());
            const auto set = bytes.subspan(at + 4, size - 4);
            id == 2 ? read_templates(set) : read_records(id, set);
            at += size;
        }
    }
    [[nodiscard]] static std::uint64_t value(const FlowRecord& record, std::uint16_t id,
                                             std::uint32_t enterprise = 0) {
        const auto found = record.find({enterprise, id});
        EXPECT_NE(found, record.end()) << id;
        return found == record.end() ? 0 : number_at(found->second);
    }

    std::uint64_t domain = 0;
    unsigned templates_read = 0;
    std::vector<FlowRecord> records;

  private:
    void read_templates(std::span<const std::uint8_t> set) {
        while (set.size() >= 4) {
            auto& fields = templates_[static_cast<std::uint16_t>(number_at(set.subspan(0, 2)))];
            fields.clear();
            ++templates_read;
            std::size_t count = number_at(set.subspan(2, 2));
            set = set.subspan(4);
            for (; count != 0; --count) {
                ASSERT_GE(set.size(), 4U);
                const auto id = static_cast<std::uint16_t>(number_at(set.subspan(0, 2)));
                const std::size_t bytes = number_at(set.subspan(2, 2));
                set = set.subspan(4);
                std::uint32_t enterprise = 0;
                if ((id & 0x8000U) != 0) {
                    enterprise = static_cast<std::uint32_t>(number_at(set.subspan(0, 4)));
                    set = set.subspan(4);
                }
                fields.push_back({{enterprise, static_cast<std::uint16_t>(id & 0x7FFFU)}, bytes});
            }
        }
    }
    void read_records(std::uint16_t id, std::span<const std::uint8_t> set) {
        const auto found = templates_.find(id);
        ASSERT_NE(found, templates_.end()) << "a record before its template";
        std::size_t size = 0;
        for (const auto& field : found->second) size += field.second;
        for (; set.size() >= size; set = set.subspan(size)) {
            FlowRecord& record = records.emplace_back();
            std::size_t at = 0;
            for (const auto& [element, bytes] : found->second) {
                const auto part = set.subspan(at, bytes);
                record[element] = Bytes(part.begin(), part.end());
                at += bytes;
            }
        }
    }
    std::map<std::uint16_t, std::vector<std::pair<Element, std::size_t>>> templates_;
};

/// Templates in a message of their own, after which flows may follow.
void read_templates(IpfixEncoder& encoder, IpfixReader& reader) {
    for (unsigned tries = 0; !encoder.add_templates(); ++tries) ASSERT_LT(tries, 2U);
    reader.read(encoder.finish());
    EXPECT_EQ(reader.templates_read, 2U);
    EXPECT_FALSE(encoder.add(ended(1).flow, ended(1).happening)) << "not into a message of templates";
    EXPECT_TRUE(encoder.finish().empty());
}

TEST(Ipfix, TellsAFlowInBothDirections) {
    auto encoder = IpfixEncoder::create(77, {.counters = true, .start = true});
    ASSERT_TRUE(encoder.ok()) << encoder.error();
    EXPECT_TRUE((*encoder)->finish().empty());
    IpfixReader reader;
    read_templates(**encoder, reader);
    ASSERT_TRUE((*encoder)->add(ended(4711).flow, ended(4711).happening));
    auto ping = query_flow("2001:db8::1", "2001:db8::2", packet::icmpv6, 128, 99);
    ping.outer_vlan = 42;
    ASSERT_TRUE((*encoder)->add(ping, {EventKind::destroyed, flow::Removal::evicted, records_moment}));
    reader.read((*encoder)->finish());
    EXPECT_TRUE((*encoder)->finish().empty());
    EXPECT_EQ(reader.domain, 77U);
    ASSERT_EQ(reader.records.size(), 2U);
    const auto& tcp = reader.records[0];
    const std::map<std::uint16_t, std::uint64_t> expected = {
        {152, records_moment / 1'000'000 - 5000},
        {153, records_moment / 1'000'000},
        {1, 398},
        {2, 6},
        {148, 4711},
        {8, 0xC000'0201},
        {12, 0xC000'0202},
        {7, 4711},
        {11, 80},
        {58, 0},
        {4, 6},
        {136, 3},
    };
    for (const auto& [id, value] : expected) EXPECT_EQ(IpfixReader::value(tcp, id), value) << id;
    EXPECT_EQ(IpfixReader::value(tcp, 1, 29305), 1759U);
    EXPECT_EQ(IpfixReader::value(tcp, 2, 29305), 5U);
    EXPECT_EQ(tcp.size(), expected.size() + 2);
    const auto& icmp = reader.records[1];
    EXPECT_EQ(icmp.at({0, 27}), Bytes(ping.source.begin(), ping.source.end()));
    EXPECT_EQ(icmp.at({0, 28}), Bytes(ping.destination.begin(), ping.destination.end()));
    EXPECT_EQ(IpfixReader::value(icmp, 11), 128U << 8U);
    EXPECT_EQ(IpfixReader::value(icmp, 58), 42U);
    EXPECT_EQ(IpfixReader::value(icmp, 136), 5U);
}

TEST(Ipfix, SaysNothingOfWhatIsNotKept) {
    auto encoder = IpfixEncoder::create(1, {});
    ASSERT_TRUE(encoder.ok()) << encoder.error();
    IpfixReader reader;
    read_templates(**encoder, reader);
    ASSERT_TRUE((*encoder)->add(ended(1).flow, ended(1).happening));
    reader.read((*encoder)->finish());
    ASSERT_EQ(reader.records.size(), 1U);
    for (const IpfixReader::Element& left_out :
         {IpfixReader::Element{0, 152}, {0, 1}, {0, 2}, {29305, 1}, {29305, 2}})
        EXPECT_EQ(reader.records[0].count(left_out), 0U) << left_out.second;
}

/// A collector on this machine.
class Collector {
  public:
    Collector() : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
        socklen_t bytes = sizeof address_;
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address_), &bytes);
        const timeval patience{5, 0};
        setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    ~Collector() { go(); }
    Collector(const Collector&) = delete;
    Collector& operator=(const Collector&) = delete;
    [[nodiscard]] std::string name() const { return "127.0.0.1:" + std::to_string(ntohs(address_.sin_port)); }
    void read(IpfixReader& reader) const {
        std::array<std::byte, 65'536> room{};
        const ssize_t got = recv(socket_, room.data(), room.size(), 0);
        ASSERT_GT(got, 0);
        reader.read(std::span(room).first(static_cast<std::size_t>(got)));
    }
    void go() {
        if (socket_ >= 0) close(socket_);
        socket_ = -1;
    }

  private:
    int socket_;
    sockaddr_in address_{};
};

TEST(Ipfix, ReachesACollectorInMessagesThatAreNotFragmented) {
    const Collector collector;
    IpfixOptions options;
    options.collector = collector.name();
    auto exporter = IpfixExporter::create(options, {.counters = true, .start = true});
    ASSERT_TRUE(exporter.ok()) << exporter.error();
    IpfixReader reader;
    (*exporter)->turn(false);
    collector.read(reader);
    EXPECT_EQ(reader.templates_read, 2U) << "before there is any record";
    constexpr std::uint16_t flows = 100;
    for (std::uint16_t port = 1; port <= flows; ++port) EXPECT_TRUE((*exporter)->take(ended(port)));
    (*exporter)->turn(true);
    while (reader.records.size() < flows && !::testing::Test::HasFailure()) collector.read(reader);
    EXPECT_EQ(reader.templates_read, 2U) << "not again so soon";
    for (std::uint16_t port = 1; port <= flows; ++port)
        EXPECT_EQ(IpfixReader::value(reader.records.at(port - 1U), 7), port);
    EXPECT_EQ((*exporter)->written(), flows);
    EXPECT_EQ((*exporter)->lost(), 0U);
}

TEST(Ipfix, CountsWhatTheCollectorsHostRefuses) {
    Collector collector;
    IpfixOptions options;
    options.collector = collector.name();
    collector.go();
    auto exporter = IpfixExporter::create(options, {});
    ASSERT_TRUE(exporter.ok()) << exporter.error();
    for (std::uint16_t port = 1; port <= 10; ++port) {
        EXPECT_TRUE((*exporter)->take(ended(port)));
        (*exporter)->turn(false);
    }
    EXPECT_EQ((*exporter)->error(), ECONNREFUSED);
    EXPECT_EQ((*exporter)->lost(), 9U) << "of the last nothing has been heard yet";
}

TEST(Ipfix, NamesACollectorThatNobodyKnows) {
    IpfixOptions options;
    options.collector = "collector.invalid:4739";  // RFC 6761: never anybody's name
    const auto exporter = IpfixExporter::create(options, {});
    ASSERT_FALSE(exporter.ok());
    EXPECT_EQ(exporter.error().find("ipfix.collector: collector.invalid cannot be looked up ("), 0U)
        << exporter.error();
}

}  // namespace
}  // namespace sluice::control
