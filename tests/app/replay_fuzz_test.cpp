// Hostile captures: bits flipped, bytes replaced, pieces cut out or repeated, pure noise. Whatever the file,
// the replay ends, every packet read has its line in its place, and no sanitizer has anything to say. The
// seed is fixed.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "replay_run.hpp"
#include "replay_support.hpp"

namespace sluice::app {
namespace {

using packet::ack;
using packet::fin;
using packet::syn;
using test::Bytes;
using test::PacketBuilder;
using test::PcapBytes;

using Random = std::mt19937;

void expect_numbered_lines(const std::string& text, std::uint64_t packets) {
    std::uint64_t lines = 0;
    for (std::size_t at = 0; at < text.size(); ++lines) {
        const std::string prefix = "{\"n\":" + std::to_string(lines + 1) + ",";
        ASSERT_EQ(text.compare(at, prefix.size(), prefix), 0) << text.substr(at, 200);
        const std::size_t end = text.find('\n', at);
        ASSERT_NE(end, std::string::npos);
        ASSERT_EQ(text[end - 1], '}');
        // A reason comes with a number that decided.
        const std::size_t why = text.find("\"why\":", at);
        if (why < end) {
            ASSERT_LT(text.find_first_of("0123456789", why), end) << text.substr(at, end - at);
        }
        at = end + 1;
    }
    EXPECT_EQ(lines, packets);
}

/// Replays whatever is at `path`, as far as it can be read. `style`: lines for people instead of JSON.
void replay_file(const std::string& path, unsigned workers, const HumanLines::Style* style = nullptr) {
    auto reader = CaptureReader::open(path);
    if (!reader.ok()) {
        EXPECT_FALSE(reader.error().empty());
        return;
    }
    test::Replay replay({}, workers, reader->link(), style);
    CapturedPacket packet;
    while (reader->next(packet) == CaptureReader::Next::packet) replay.engine().feed(packet);
    replay.engine().finish();
    EXPECT_EQ(replay.engine().held(), 0U);
    EXPECT_EQ(replay.totals().packets, reader->packets_read());
    if (style == nullptr) expect_numbered_lines(replay.text(), reader->packets_read());
}

Bytes mutate(Bytes bytes, Random& random) {
    const auto below = [&random](std::size_t bound) { return static_cast<std::size_t>(random()) % bound; };
    const std::size_t rounds = 1 + below(30);
    for (std::size_t i = 0; i < rounds && bytes.size() > 64; ++i) {
        const std::size_t at = below(8) == 0 ? below(40) : 24 + below(bytes.size() - 24);
        const std::size_t length = std::min<std::size_t>(1 + below(40), bytes.size() - at);
        const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        const auto to = from + static_cast<std::ptrdiff_t>(length);
        switch (below(6)) {
            case 0:
            case 1:
                bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << below(8)));
                break;
            case 2:
                std::generate(from, to, [&random] { return static_cast<std::uint8_t>(random()); });
                break;
            case 3:
                std::fill(from, to, below(2) == 0 ? std::uint8_t{0} : std::uint8_t{0xFF});
                break;
            case 4:
                bytes.erase(from, to);
                break;
            default: {
                const Bytes piece(from, to);
                bytes.insert(from, piece.begin(), piece.end());
                break;
            }
        }
    }
    return bytes;
}

/// Only packet contents change: the file stays a capture, so the parser and the tracker see all of it.
Bytes mutate_contents(Bytes bytes, Random& random) {
    for (std::size_t at = 24; at + 16 <= bytes.size();) {
        const std::size_t captured = bytes[at + 8] | static_cast<std::size_t>(bytes[at + 9]) << 8;
        for (std::size_t i = 0; i < 3 && captured > 0; ++i) {
            const std::size_t where = at + 16 + random() % std::min<std::size_t>(captured, 80);
            if (where < bytes.size())
                bytes[where] = static_cast<std::uint8_t>(bytes[where] ^ (1U << random() % 8));
        }
        at += 16 + captured;
    }
    return bytes;
}

Bytes conversation() {
    PcapBytes capture(1);
    std::uint32_t at = 0;
    const auto put = [&](const Bytes& bytes) { capture.packet(1'700'000'000 + at, at * 1000, bytes), ++at; };
    put(test::from_client()
            .sequence(1000)
            .flags(syn)
            .option(test::option::mss(1460))
            .option(test::option::window_scale(7))
            .build());
    put(test::from_server()
            .sequence(5000)
            .acknowledgement(1001)
            .flags(syn | ack)
            .option(test::option::sack_permitted())
            .build());
    put(test::from_client().sequence(1001).acknowledgement(5001).flags(ack).payload(100).build());
    put(test::from_client().sequence(1101).acknowledgement(5001).flags(fin | ack).build());
    const auto query = PacketBuilder()
                           .ethernet()
                           .vlan(5)
                           .ipv4("10.0.0.1", "10.0.0.2")
                           .identification(3)
                           .udp(5000, 53)
                           .payload(200);
    put(query.build());
    put(PacketBuilder().ethernet().vlan(5).ipv4("10.0.0.2", "10.0.0.1").icmp_error(3, 3, query).build());
    for (const auto& fragment : query.build_fragments(64)) put(fragment);
    for (const auto& fragment : PacketBuilder()
                                    .ethernet()
                                    .ipv6("2001:db8::1", "2001:db8::2")
                                    .destination_options(16)
                                    .identification(9)
                                    .tcp(1, 2)
                                    .sequence(5)
                                    .flags(syn)
                                    .payload(100)
                                    .build_fragments(48))
        put(fragment);
    put(PacketBuilder().ethernet().ipv6("2001:db8::1", "2001:db8::2").icmpv6(128, 0, 9).build());
    return capture.bytes();
}

void save(const Bytes& bytes, const std::string& path) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void mutate_and_replay(const Bytes& original, unsigned rounds, unsigned seed) {
    const test::TemporaryFolder folder;
    Random random(seed);
    for (unsigned i = 0; i < rounds; ++i) {
        save(i % 2 == 0 ? mutate_contents(original, random) : mutate(original, random),
             folder.file("hostile"));
        replay_file(folder.file("hostile"), 1 + i % 3);
        const HumanLines::Style style{i % 8 < 4, i % 2 * 80};
        if (i % 4 == 0) replay_file(folder.file("hostile"), 1, &style);
        if (testing::Test::HasFailure()) FAIL() << "seed " << seed << ", round " << i;
    }
}

TEST(ReplayFuzz, AMutatedConversationIsReplayed) {
    mutate_and_replay(conversation(), 400, 1);
}

TEST(ReplayFuzz, EveryTruncationIsReplayed) {
    const test::TemporaryFolder folder;
    const Bytes original = conversation();
    for (std::size_t length = 0; length < original.size(); length += 3) {
        save(Bytes(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(length)),
             folder.file("cut"));
        replay_file(folder.file("cut"), 1);
    }
}

TEST(ReplayFuzz, NoiseInAValidCaptureIsReplayed) {
    const test::TemporaryFolder folder;
    Random random(2);
    for (const std::uint32_t link : {0U, 1U, 101U, 108U, 113U, 228U, 229U, 276U}) {
        PcapBytes capture(link);
        for (int i = 0; i < 300; ++i) {
            Bytes bytes(random() % 3 == 0 ? 0 : random() % 200);
            for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
            if (bytes.size() > 60 && link != 1) bytes[0] = i % 2 == 0 ? 0x45 : 0x60;
            capture.packet(static_cast<std::uint32_t>(random()), static_cast<std::uint32_t>(random()), bytes,
                           static_cast<std::uint32_t>(random() % 4 == 0 ? random() : 0));
        }
        capture.save(folder.file("noise"));
        replay_file(folder.file("noise"), 2);
    }
}

TEST(ReplayFuzz, MutatedRealCapturesAreReplayed) {
    const char* captures = std::getenv("SLUICE_CAPTURES");
    if (captures == nullptr || *captures == '\0')
        GTEST_SKIP() << "SLUICE_CAPTURES does not name a folder of captures";
    constexpr std::uintmax_t large = 70'000;
    unsigned seed = 100;
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(captures))
        if (entry.path().extension() == ".pcap" && entry.file_size() < large) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths) {
        const std::string text = test::contents_of(path.string());
        mutate_and_replay(Bytes(text.begin(), text.end()), 16, seed++);
    }
}

}  // namespace
}  // namespace sluice::app
