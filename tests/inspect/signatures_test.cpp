// Signatures compiled, refused, kept, and scanned for.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "inspect/stream_bench.hpp"
#include "sluice/inspect/scanner.hpp"

namespace sluice::inspect {
namespace {

using policy::Signature;
using policy::SignatureSet;
using policy::Toward;
using policy::Transport;
using testing::Direction;

Signature signature(const std::string& pattern, std::uint32_t id = 1) {
    Signature out;
    out.id = id;
    out.name = "a test";
    out.pattern = pattern;
    out.line = 10 * id;
    return out;
}

SignatureSet set_of(std::vector<Signature> signatures) {
    auto set = SignatureSet::create("s.toml", std::move(signatures));
    EXPECT_TRUE(set.ok()) << set.error();
    return std::move(*set);
}

std::shared_ptr<const Database> compiled(std::vector<Signature> signatures, const std::string& cache = "") {
    auto database = Database::compile(set_of(std::move(signatures)), {}, cache);
    EXPECT_TRUE(database.ok()) << database.error();
    return database.ok() ? *database : nullptr;
}

std::string refusal(std::vector<Signature> signatures, const CompileLimits& limits = {}) {
    const auto database = Database::compile(set_of(std::move(signatures)), limits, "");
    return database.ok() ? "none" : database.error();
}

class Hits {
  public:
    Hits(std::vector<Signature> signatures, Direction direction = Direction::original)
        : scanner_(std::move(*Scanner::create(compiled(std::move(signatures)), 2))), direction_(direction) {}

    /// The ends of what is found when these pieces are scanned one after the other.
    std::vector<std::uint64_t> in(const std::vector<std::string>& pieces) {
        std::vector<std::uint64_t> ends;
        const auto on_match = [&](std::uint32_t, std::uint64_t end) { ends.push_back(end); };
        const Scanner::Stream stream = scanner_->open(direction_);
        if (stream == Scanner::nothing) return {};
        for (const std::string& piece : pieces) scanner_->scan(stream, bytes(piece), on_match);
        scanner_->end(stream, on_match);
        return ends;
    }
    std::vector<std::uint64_t> in_datagram(const std::string& datagram) {
        std::vector<std::uint64_t> ends;
        scanner_->scan_datagram(direction_, bytes(datagram),
                                [&](std::uint32_t, std::uint64_t end) { ends.push_back(end); });
        return ends;
    }

  private:
    static std::span<const std::uint8_t> bytes(const std::string& text) {
        return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    }
    std::unique_ptr<Scanner> scanner_;
    Direction direction_;
};

using Ends = std::vector<std::uint64_t>;

TEST(Scanner, FindsAcrossPiecesOnceEach) {
    Hits hits({signature("attack[0-9]{2}")});
    EXPECT_EQ(hits.in({"an atta", "ck4", "2 and attack43"}), (Ends{11}));
    EXPECT_EQ(hits.in({"attack4"}), Ends{});
    EXPECT_EQ(hits.in({"2 and nothing"}), Ends{}) << "a stream given back is as new";
}

TEST(Scanner, ObeysFlags) {
    Signature caseless = signature("GeT");
    caseless.caseless = true;
    EXPECT_EQ(Hits({caseless}).in({"gEt"}), (Ends{3}));
    EXPECT_EQ(Hits({signature("GeT")}).in({"gEt"}), Ends{});
    Signature dots = signature("a.{1,3}b");
    EXPECT_EQ(Hits({dots}).in({"a\nb"}), Ends{});
    dots.dot_all = true;
    EXPECT_EQ(Hits({dots}).in({"a\nb"}), (Ends{3}));
    Signature lines = signature("^Host");
    EXPECT_EQ(Hits({lines}).in({"GET /\nHost"}), Ends{});
    lines.multi_line = true;
    EXPECT_EQ(Hits({lines}).in({"GET /\nHost"}), (Ends{10}));
}

TEST(Scanner, ObeysOffsetAndDepth) {
    Signature shallow = signature("word");
    shallow.depth = 6;
    EXPECT_EQ(Hits({shallow}).in({"..word"}), (Ends{6}));
    EXPECT_EQ(Hits({shallow}).in({"...word"}), Ends{});
    Signature late = signature("word");
    late.offset = 3;
    late.depth = 5;
    EXPECT_EQ(Hits({late}).in({"..word"}), Ends{});
    EXPECT_EQ(Hits({late}).in({"...word"}), (Ends{7}));
    EXPECT_EQ(Hits({late}).in({"....word"}), (Ends{8}));
    EXPECT_EQ(Hits({late}).in({".....word"}), Ends{});
}

TEST(Scanner, ObeysDirectionAndTransport) {
    Signature to_client = signature("word");
    to_client.toward = Toward::client;
    to_client.service.transport = Transport::tcp;
    EXPECT_EQ(Hits({to_client}).in({"word"}), Ends{});
    EXPECT_EQ(Hits({to_client}, Direction::reply).in({"word"}), (Ends{4}));
    EXPECT_EQ(Hits({to_client}, Direction::reply).in_datagram("word"), Ends{});
    to_client.service.transport = Transport::udp;
    EXPECT_EQ(Hits({to_client}, Direction::reply).in_datagram("word"), (Ends{4}));
    EXPECT_EQ(Hits({to_client}, Direction::reply).in({"word"}), Ends{});
}

TEST(Scanner, HasAsManyStreamsAsItWasGiven) {
    auto scanner = std::move(*Scanner::create(compiled({signature("word")}), 2));
    const auto one = scanner->open(Direction::original);
    const auto two = scanner->open(Direction::original);
    EXPECT_NE(one, two);
    EXPECT_EQ(scanner->open(Direction::original), Scanner::none);
    EXPECT_LT(scanner->open(Direction::reply), Scanner::nothing);
    scanner->discard(one);
    EXPECT_EQ(scanner->open(Direction::original), one);
}

TEST(Scanner, WorksUnderReassembly) {
    auto scanner = std::move(*Scanner::create(compiled({signature("attack$"), signature("nothing", 2)}), 4));
    using Streams = Reassembly<unsigned, Scanner>;
    testing::Memory memory(Streams::bytes_needed({}));
    Streams streams({}, *scanner, memory.span());
    testing::Recorder sink;
    const FlowNumber flow = streams.open(testing::blocking);
    streams.begin(flow, Direction::original, 0xFFFF'FFF8U);
    const std::string text = "it ends in an attack";
    const auto send = [&](std::uint32_t from, std::uint32_t to, bool fin) {
        StreamSegment segment;
        segment.sequence = 0xFFFF'FFF9U + from;
        segment.payload = {reinterpret_cast<const std::uint8_t*>(text.data()) + from, to - from};
        segment.right_edge = 10'000;
        segment.fin = fin;
        streams.segment(flow, Direction::original, segment, from, 0, sink);
    };
    send(16, 20, true);
    send(0, 9, false);
    EXPECT_TRUE(sink.matches.empty());
    send(9, 16, false);
    ASSERT_EQ(sink.matches.size(), 1U);
    EXPECT_EQ(sink.matches[0].signature, 0U);
    EXPECT_EQ(sink.matches[0].end, 20U);
}

// What is refused.

TEST(Refused, IsWhatIsNoExpression) {
    EXPECT_EQ(refusal({signature("good", 1), signature("a(b", 2)}),
              "s.toml:20: pattern: Missing close parenthesis for group started at index 1");
    EXPECT_EQ(refusal({signature("(a)\\1")}), "s.toml:10: pattern: Back-references are unsupported");
    EXPECT_EQ(refusal({signature("a?")}),
              "s.toml:10: pattern: Pattern matches empty buffer; use HS_FLAG_ALLOWEMPTY to enable support");
}

TEST(Refused, IsWhatMatchesWithoutEndOrTooMuch) {
    const std::string without_end =
        "what it matches has no greatest length: write .{0,200} for .* and a{1,50} for a+";
    EXPECT_EQ(refusal({signature("a.*b")}), "s.toml:10: pattern: " + without_end);
    EXPECT_EQ(refusal({signature("(a+)+b")}), "s.toml:10: pattern: " + without_end);
    EXPECT_EQ(refusal({signature("a.{5000}b")}),
              "s.toml:10: pattern: what it matches may be 5002 bytes long; at most 4096 are allowed");
}

TEST(Refused, AreOffsetAndDepthThatCannotHold) {
    Signature late = signature("ab{1,2}");
    late.offset = 5;
    EXPECT_EQ(refusal({late}),
              "s.toml:10: pattern: an offset needs a pattern whose matches all have one length");
    Signature shallow = signature("abcdef");
    shallow.depth = 5;
    EXPECT_EQ(
        refusal({shallow}),
        "s.toml:10: pattern: what it matches is 6 bytes long or longer, which a depth of 5 does not hold");
}

// Short to write and long to compile: refused for its width as things are, and by the budget of the child
// where a wider one is allowed.
TEST(Refused, IsWhatTakesTooLong) {
    const std::vector<Signature> signatures{signature("good", 1),
                                            signature("(x[^a]{1,300}y[^b]{1,300}z){1,30}", 2)};
    CompileLimits limits;
    EXPECT_EQ(refusal(signatures, limits),
              "s.toml:20: pattern: what it matches may be 18090 bytes long; at most 4096 are allowed");
    limits.widest_match = 100'000;
    limits.pattern_milliseconds = 50;
    EXPECT_EQ(refusal(signatures, limits),
              "s.toml:20: pattern: compiling it needs more than 50 ms of processor time");
}

TEST(Refused, IsASetThatNeedsTooMuchTogether) {
    CompileLimits limits;
    limits.database_bytes = 100;
    EXPECT_EQ(refusal({signature("abc"), signature("bcd", 2)}, limits),
              "s.toml: the signatures make a database of more than 0 MiB");
    limits = {};
    limits.stream_bytes = 0;
    EXPECT_TRUE(refusal({signature("abc"), signature("bcd", 2)}, limits)
                    .starts_with("s.toml: the signatures together need "));
}

// The cache.

class Cache : public ::testing::Test {
  protected:
    Cache() : folder_(::testing::TempDir() + "sluice-cache-" + std::to_string(getpid())) {
        std::filesystem::create_directory(folder_);
    }
    ~Cache() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> out;
        for (const auto& entry : std::filesystem::directory_iterator(folder_)) out.push_back(entry.path());
        return out;
    }
    bool from_cache(const std::string& pattern) {
        const auto database = compiled({signature(pattern)}, folder_);
        EXPECT_EQ(database->cache_fault(), "");
        auto scanner = std::move(*Scanner::create(database, 1));
        bool hit = false;
        const std::string text = "attack";
        scanner->scan_datagram(Direction::original,
                               {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                               [&](std::uint32_t, std::uint64_t) { hit = true; });
        EXPECT_TRUE(hit);
        return database->came_from_cache();
    }

    std::string folder_;
};

TEST_F(Cache, IsUsedForTheSameSignaturesOnly) {
    EXPECT_FALSE(from_cache("attack"));
    EXPECT_TRUE(from_cache("attack"));
    EXPECT_FALSE(from_cache("attac"));
    EXPECT_EQ(files().size(), 2U);
}

TEST_F(Cache, IsPassedOverWhenAnyByteOfItIsWrong) {
    EXPECT_FALSE(from_cache("attack"));
    const std::string file = files().at(0);
    const auto size = std::filesystem::file_size(file);
    for (const std::uintmax_t at :
         {std::uintmax_t{3}, std::uintmax_t{30}, std::uintmax_t{70}, size / 2, size - 1}) {
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(static_cast<std::streamoff>(at));
        const auto byte = static_cast<char>(stream.get() ^ 1);
        stream.seekp(static_cast<std::streamoff>(at));
        stream.put(byte);
        stream.close();
        EXPECT_FALSE(from_cache("attack")) << at;
        EXPECT_TRUE(from_cache("attack")) << "it was written anew";
    }
    std::filesystem::resize_file(file, size - 1);
    EXPECT_FALSE(from_cache("attack"));
    std::filesystem::resize_file(file, 0);
    EXPECT_FALSE(from_cache("attack"));
}

TEST_F(Cache, IsPassedOverWhenOthersMayHaveWrittenIt) {
    EXPECT_FALSE(from_cache("attack"));
    ASSERT_EQ(chmod(files().at(0).c_str(), 0666), 0);
    EXPECT_FALSE(from_cache("attack"));
    EXPECT_TRUE(from_cache("attack"));
}

TEST_F(Cache, ThatCannotBeWrittenIsNoFault) {
    const auto database = compiled({signature("attack")}, folder_ + "/missing");
    EXPECT_FALSE(database->came_from_cache());
    EXPECT_EQ(database->cache_fault(),
              folder_ +
                  "/missing: the compiled signatures cannot be kept: creating a file: "
                  "No such file or directory");
}

}  // namespace
}  // namespace sluice::inspect
