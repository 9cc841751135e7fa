// The shipped signatures over real captures: what a replay finds in the packets, and what a bare scan finds
// in the streams as tshark puts them together. They must be the same.
//
// Wants SLUICE_CAPTURES, a folder with captures, and tshark; skipped without. Two captures in which something
// is to be found; with SLUICE_LONG set all of them, which takes a minute. Checksums are not looked at: those
// of captures whose addresses were altered are wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <tuple>

#include "app/inspection.hpp"
#include "app/replay_input.hpp"
#include "app/signature_file.hpp"
#include "sluice/inspect/scanner.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::app {
namespace {

/// The ports of a stream, the lower first, and the signature found in it.
using Hit = std::tuple<unsigned, unsigned, std::uint32_t>;
using Hits = std::set<Hit>;

const std::string signatures = std::string(SLUICE_SOURCE_ROOT) + "/config/signatures.toml";

std::string output_of(const std::string& command) {
    const auto close = [](FILE* file) { pclose(file); };
    const std::unique_ptr<FILE, decltype(close)> pipe(popen(command.c_str(), "r"), close);
    std::string out, chunk(1U << 16U, '\0');
    if (pipe == nullptr) return out;
    while (const std::size_t got = fread(chunk.data(), 1, chunk.size(), pipe.get()))
        out.append(chunk, 0, got);
    return out;
}

class FoundInPackets : public JudgementSink {
  public:
    void judged(const Judgement& judgement) override {
        const auto& headers = judgement.frame->headers;
        if (headers.protocol != packet::tcp) return;
        for (const ReplayAlert& alert : judgement.alerts)
            hits.insert({std::min(headers.source_port, headers.destination_port),
                         std::max(headers.source_port, headers.destination_port), alert.id});
    }
    void held(const Frame& /*frame*/) override {}
    Hits hits;
};

/// All of it, as `sluice replay --config` does it.
Hits found_by_replay(const std::string& path) {
    auto configuration = load_text(
        "tracker.checksum = false\n[inspection]\nflows = 1024\n[[inspection.profile]]\nname = "
        "'all'\nsignatures = '" +
            signatures + "'\nalerts_per_second = 1000000\n[[rule]]\naction = 'inspect all'\n",
        "test.toml", {}, Use::replay);
    EXPECT_TRUE(configuration) << configuration.error();
    const Status divided = divide_among(1, *configuration);
    EXPECT_TRUE(divided) << divided.error();
    FoundInPackets sink;
    auto engine = ReplayEngine::create(configuration->limits, configuration->settings, 1, sink);
    EXPECT_TRUE(engine) << engine.error();
    auto captures = open_captures({path});
    EXPECT_TRUE(captures) << captures.error();
    (void)replay_capture(captures->front(), **engine, [] { return false; });
    (*engine)->finish();
    return sink.hits;
}

/// A stream as tshark tells it: each direction's bytes, in order.
struct Followed {
    std::array<unsigned, 2> port{};
    std::array<std::string, 2> bytes;
};

unsigned port_in(const std::string& line) {
    return static_cast<unsigned>(std::strtoul(line.c_str() + line.rfind(':') + 1, nullptr, 10));
}

std::string from_hex(std::string_view line) {
    std::string out;
    for (std::size_t i = 0; i + 1 < line.size(); i += 2)
        out += static_cast<char>(std::strtoul(std::string(line.substr(i, 2)).c_str(), nullptr, 16));
    return out;
}

std::vector<Followed> followed_by_tshark(const std::string& path) {
    std::istringstream numbers(output_of("tshark -r '" + path + "' -T fields -e tcp.stream 2>/dev/null"));
    int last = -1;
    for (std::string line; std::getline(numbers, line);)
        if (!line.empty()) last = std::max(last, std::atoi(line.c_str()));
    std::string command = "tshark -r '" + path + "' -q";
    for (int stream = 0; stream <= last; ++stream) command += " -z follow,tcp,raw," + std::to_string(stream);
    std::vector<Followed> out;
    std::istringstream told(last < 0 ? "" : output_of(command + " 2>/dev/null"));
    for (std::string line; std::getline(told, line);) {
        if (line.starts_with("Filter:")) out.emplace_back();
        if (line.starts_with("Node 0:")) out.back().port[0] = port_in(line);
        if (line.starts_with("Node 1:")) out.back().port[1] = port_in(line);
        const std::string_view hex = std::string_view(line).substr(line.starts_with('\t') ? 1 : 0);
        if (!hex.empty() && hex.find_first_not_of("0123456789abcdef") == std::string_view::npos)
            out.back().bytes[line.starts_with('\t') ? 1 : 0] += from_hex(hex);
    }
    return out;
}

Hits found_in_streams(const std::string& path, inspect::Scanner& scanner) {
    Hits hits;
    for (const Followed& stream : followed_by_tshark(path))
        for (const auto direction : {tcp::Direction::original, tcp::Direction::reply}) {
            const std::string& text = stream.bytes[static_cast<std::size_t>(direction)];
            const auto found = [&](std::uint32_t number, std::uint64_t) {
                const policy::Signature& signature = scanner.database().signatures()[number];
                const auto port = static_cast<std::uint16_t>(stream.port[1]);
                if (signature.service.covers(packet::tcp, port))
                    hits.insert({std::min(stream.port[0], stream.port[1]),
                                 std::max(stream.port[0], stream.port[1]), signature.id});
            };
            const auto opened = scanner.open(direction);
            scanner.scan(opened, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, found);
            scanner.end(opened, found);
        }
    return hits;
}

std::string text_of(const Hits& hits) {
    std::ostringstream out;
    for (const auto& [low, high, id] : hits) out << id << " in " << low << '/' << high << '\n';
    return out.str();
}

TEST(ShippedSignatures, FindInPacketsOfCapturesWhatTheyFindInTheirStreams) {
    const char* const folder = std::getenv("SLUICE_CAPTURES");
    if (folder == nullptr) GTEST_SKIP() << "SLUICE_CAPTURES names no folder with captures";
    if (output_of("tshark --version 2>/dev/null").empty()) GTEST_SKIP() << "there is no tshark";
    auto set = load_signatures(signatures);
    ASSERT_TRUE(set) << set.error();
    auto database = inspect::Database::compile(std::move(*set), {}, "");
    ASSERT_TRUE(database) << database.error();
    auto scanner = inspect::Scanner::create(*database, 2);
    ASSERT_TRUE(scanner) << scanner.error();
    std::size_t captures = 0, hits = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".pcap") continue;
        const std::string name = entry.path().filename();
        const bool usual = name.starts_with("09-") || name.starts_with("29-");
        if (!usual && std::getenv("SLUICE_LONG") == nullptr) continue;
        const Hits in_packets = found_by_replay(entry.path());
        const Hits in_streams = found_in_streams(entry.path(), **scanner);
        EXPECT_EQ(text_of(in_packets), text_of(in_streams)) << entry.path();
        ++captures;
        hits += in_streams.size();
    }
    EXPECT_GT(captures, 0U);
    EXPECT_GT(hits, 0U) << "nothing to find is nothing shown";
    std::printf("%zu captures, %zu signatures found in their streams\n", captures, hits);
}

}  // namespace
}  // namespace sluice::app
