// What is written can be read back: bytes, lengths, times and link type.
#include "app/replay_writer.hpp"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/capture_reader.hpp"
#include "replay_support.hpp"

namespace sluice::app {
namespace {

using test::TemporaryFolder;

void write_and_read_back(bool microseconds, std::int64_t time, std::int64_t expected) {
    const TemporaryFolder folder;
    const std::array<std::uint8_t, 20> bytes{1, 2, 3};
    auto writer = CaptureWriter::create(folder.file("out"), 113, microseconds);
    ASSERT_TRUE(writer.ok()) << writer.error();
    writer->write(bytes, 1500, time);
    EXPECT_TRUE(writer->close().ok());

    auto reader = CaptureReader::open(folder.file("out"));
    ASSERT_TRUE(reader.ok()) << reader.error();
    EXPECT_EQ(reader->link(), packet::LinkLayer::linux_cooked_v1);
    EXPECT_EQ(reader->microseconds(), microseconds);
    CapturedPacket packet;
    ASSERT_EQ(reader->next(packet), CaptureReader::Next::packet);
    EXPECT_EQ(packet.nanoseconds, expected);
    EXPECT_EQ(packet.length, 1500U);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), packet.bytes.begin(), packet.bytes.end()));
    EXPECT_EQ(reader->next(packet), CaptureReader::Next::end);
}

TEST(ReplayWriter, MicrosecondsAreWrittenAsTheyCame) {
    write_and_read_back(true, 7'000'001'000, 7'000'001'000);
}
TEST(ReplayWriter, NanosecondsAreWrittenAsTheyCame) {
    write_and_read_back(false, 7'000'000'001, 7'000'000'001);
}
TEST(ReplayWriter, TimesAFileCannotHoldAreClamped) {
    write_and_read_back(false, -5, 0);
}

TEST(ReplayWriter, AFolderThatDoesNotExistIsNamed) {
    const auto writer = CaptureWriter::create("/nonexistent/out.pcap", 1, true);
    ASSERT_FALSE(writer.ok());
    EXPECT_THAT(writer.error(), testing::HasSubstr("/nonexistent/out.pcap"));
}

TEST(ReplayWriter, AFullDiskIsReported) {
    auto writer = CaptureWriter::create("/dev/full", 1, true);
    ASSERT_TRUE(writer.ok()) << writer.error();
    const std::vector<std::uint8_t> bytes(1500);
    for (int i = 0; i < 100; ++i) writer->write(bytes, 1500, 0);
    const auto closed = writer->close();
    ASSERT_FALSE(closed.ok());
    EXPECT_THAT(closed.error(), testing::HasSubstr("No space left"));
}

}  // namespace
}  // namespace sluice::app
