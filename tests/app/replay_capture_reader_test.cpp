// Every way a capture can be wrong, and the link types that are understood.
#include "app/capture_reader.hpp"

#include <array>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replay_support.hpp"

namespace sluice::app {
namespace {

using test::PcapBytes;
using test::TemporaryFolder;
using testing::HasSubstr;

std::vector<std::uint8_t> some_bytes(std::size_t count) {
    std::vector<std::uint8_t> out(count);
    std::iota(out.begin(), out.end(), std::uint8_t{0});
    return out;
}

TEST(CaptureReader, PacketsComeWithLengthAndTime) {
    const TemporaryFolder folder;
    const auto bytes = some_bytes(60);
    PcapBytes(1)
        .packet(1'700'000'000, 1, bytes)
        .packet(1'700'000'001, 999'999, bytes, 1514)
        .save(folder.file("a"));
    auto reader = CaptureReader::open(folder.file("a"));
    ASSERT_TRUE(reader.ok()) << reader.error();
    EXPECT_EQ(reader->link(), packet::LinkLayer::ethernet);
    EXPECT_TRUE(reader->microseconds());
    CapturedPacket packet;
    ASSERT_EQ(reader->next(packet), CaptureReader::Next::packet);
    EXPECT_EQ(packet.nanoseconds, 1'700'000'000'000'001'000);
    EXPECT_EQ(packet.length, 60U);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), packet.bytes.begin(), packet.bytes.end()));
    ASSERT_EQ(reader->next(packet), CaptureReader::Next::packet);
    EXPECT_EQ(packet.nanoseconds, 1'700'000'001'999'999'000);
    EXPECT_EQ(packet.length, 1514U);
    EXPECT_EQ(packet.bytes.size(), 60U);
    EXPECT_EQ(reader->next(packet), CaptureReader::Next::end);
    EXPECT_EQ(reader->packets_read(), 2U);
}

TEST(CaptureReader, NanosecondsAreKept) {
    const TemporaryFolder folder;
    PcapBytes(1, PcapBytes::nanosecond_magic).packet(5, 123'456'789, some_bytes(14)).save(folder.file("a"));
    auto reader = CaptureReader::open(folder.file("a"));
    ASSERT_TRUE(reader.ok()) << reader.error();
    EXPECT_FALSE(reader->microseconds());
    CapturedPacket packet;
    ASSERT_EQ(reader->next(packet), CaptureReader::Next::packet);
    EXPECT_EQ(packet.nanoseconds, 5'123'456'789);
}

TEST(CaptureReader, EveryLinkTypeNamedIsUnderstood) {
    const TemporaryFolder folder;
    using packet::LinkLayer;
    constexpr std::array<std::pair<std::uint32_t, LinkLayer>, 10> types{{{1, LinkLayer::ethernet},
                                                                         {12, LinkLayer::raw_ip},
                                                                         {14, LinkLayer::raw_ip},
                                                                         {101, LinkLayer::raw_ip},
                                                                         {228, LinkLayer::raw_ip},
                                                                         {229, LinkLayer::raw_ip},
                                                                         {113, LinkLayer::linux_cooked_v1},
                                                                         {276, LinkLayer::linux_cooked_v2},
                                                                         {0, LinkLayer::bsd_loopback},
                                                                         {108, LinkLayer::bsd_loopback}}};
    for (const auto& [type, link] : types) {
        PcapBytes(type).save(folder.file("a"));
        auto reader = CaptureReader::open(folder.file("a"));
        ASSERT_TRUE(reader.ok()) << reader.error();
        EXPECT_EQ(reader->link(), link) << "link type " << type;
    }
}

TEST(CaptureReader, ALinkTypeNotUnderstoodIsNamed) {
    const TemporaryFolder folder;
    PcapBytes(105).save(folder.file("a"));  // IEEE 802.11
    const auto reader = CaptureReader::open(folder.file("a"));
    ASSERT_FALSE(reader.ok());
    EXPECT_THAT(reader.error(), HasSubstr("802.11"));
    EXPECT_THAT(reader.error(), HasSubstr("not supported"));
}

TEST(CaptureReader, AMissingFileIsAnError) {
    const auto reader = CaptureReader::open("/nonexistent/capture.pcap");
    ASSERT_FALSE(reader.ok());
    EXPECT_THAT(reader.error(), HasSubstr("'/nonexistent/capture.pcap': No such file or directory"));
}

TEST(CaptureReader, AFolderIsNoCapture) {
    const TemporaryFolder folder;
    EXPECT_FALSE(CaptureReader::open(folder.file("")).ok());
}

TEST(CaptureReader, TextIsNoCapture) {
    const TemporaryFolder folder;
    std::ofstream(folder.file("a")) << "this is no capture at all, but it is longer than a header";
    const auto reader = CaptureReader::open(folder.file("a"));
    ASSERT_FALSE(reader.ok());
    EXPECT_THAT(reader.error(), HasSubstr("not a readable pcap or pcapng capture"));
}

TEST(CaptureReader, AnEmptyFileIsNoCapture) {
    const TemporaryFolder folder;
    std::ofstream(folder.file("a")) << "";
    const auto reader = CaptureReader::open(folder.file("a"));
    ASSERT_FALSE(reader.ok());
    EXPECT_THAT(reader.error(), HasSubstr("is empty"));
}

TEST(CaptureReader, ACompressedFileIsSaidToBeSo) {
    const TemporaryFolder folder;
    std::ofstream(folder.file("a"), std::ios::binary) << "\x1f\x8b\x08\x08 and so on";
    const auto reader = CaptureReader::open(folder.file("a"));
    ASSERT_FALSE(reader.ok());
    EXPECT_THAT(reader.error(), HasSubstr("compressed"));
}

TEST(CaptureReader, ACaptureCutShortSaysAfterWhichPacket) {
    const TemporaryFolder folder;
    PcapBytes capture(1);
    capture.packet(1, 0, some_bytes(60)).packet(2, 0, some_bytes(60));
    capture.bytes().resize(capture.bytes().size() - 10);
    capture.save(folder.file("a"));
    auto reader = CaptureReader::open(folder.file("a"));
    ASSERT_TRUE(reader.ok()) << reader.error();
    CapturedPacket packet;
    EXPECT_EQ(reader->next(packet), CaptureReader::Next::packet);
    EXPECT_EQ(reader->next(packet), CaptureReader::Next::failed);
    EXPECT_THAT(reader->error(), HasSubstr("after packet 1"));
}

TEST(CaptureReader, AnAbsurdLengthIsAnErrorOrBounded) {
    const TemporaryFolder folder;
    PcapBytes capture(1);
    capture.packet(1, 0, some_bytes(60), 0xFFFF'FFFF);
    capture.save(folder.file("a"));
    auto reader = CaptureReader::open(folder.file("a"));
    ASSERT_TRUE(reader.ok()) << reader.error();
    CapturedPacket packet;
    ASSERT_EQ(reader->next(packet), CaptureReader::Next::packet);
    EXPECT_EQ(packet.bytes.size(), 60U);
    EXPECT_LE(packet.length, 262'144U);

    // The captured length itself: more than any frame can have.
    std::fill_n(capture.bytes().begin() + 24 + 8, 4, std::uint8_t{0xFF});
    capture.save(folder.file("b"));
    auto absurd = CaptureReader::open(folder.file("b"));
    ASSERT_TRUE(absurd.ok()) << absurd.error();
    EXPECT_EQ(absurd->next(packet), CaptureReader::Next::failed);
}

TEST(CaptureReader, AFrameShorterThanWhatWasCapturedCountsAsCaptured) {
    const TemporaryFolder folder;
    PcapBytes(1).packet(1, 0, some_bytes(60), 10).save(folder.file("a"));
    auto reader = CaptureReader::open(folder.file("a"));
    ASSERT_TRUE(reader.ok()) << reader.error();
    CapturedPacket packet;
    ASSERT_EQ(reader->next(packet), CaptureReader::Next::packet);
    EXPECT_EQ(packet.length, 60U);
}

}  // namespace
}  // namespace sluice::app
