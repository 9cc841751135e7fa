// The table at 100 %: the next honest connection gets in by evicting per class as long as anything but
// assured flows is there, else it is refused as table-full; every packet is counted; memory does not grow.
#include <gtest/gtest.h>

#include <malloc.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace sluice::test {
namespace {

using pipeline::Action;
using pipeline::Decision;

constexpr std::uint32_t capacity = 64;

pipeline::Limits tiny() {
    auto limits = TrackerBox::small_limits();
    limits.ipv4_flows = limits.ipv6_flows = capacity;
    return limits;
}

std::string client(unsigned number) {
    return "10.1." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1);
}

PacketBuilder segment(unsigned number, std::uint32_t sequence, std::uint32_t acknowledgement,
                      unsigned flags) {
    return PacketBuilder()
        .ethernet()
        .ip(client(number), "10.9.9.9")
        .tcp(1000, 80)
        .sequence(sequence)
        .acknowledgement(acknowledgement)
        .flags(flags);
}
PacketBuilder answer(unsigned number, std::uint32_t sequence, std::uint32_t acknowledgement, unsigned flags) {
    return PacketBuilder()
        .ethernet()
        .ip("10.9.9.9", client(number))
        .tcp(80, 1000)
        .sequence(sequence)
        .acknowledgement(acknowledgement)
        .flags(flags);
}

Decision half_open(TrackerBox& box, unsigned number) {
    return box.feed(segment(number, 100, 0, packet::syn).build());
}
Decision establish(TrackerBox& box, unsigned number) {
    const Decision syn = half_open(box, number);
    if (syn.reason != Reason::none) return syn;
    box.feed(answer(number, 500, 101, packet::syn | packet::ack).build());
    return box.feed(segment(number, 101, 501, packet::ack).build());
}
void close(TrackerBox& box, unsigned number) {
    box.feed(segment(number, 101, 501, packet::fin | packet::ack).build());
    box.feed(answer(number, 501, 102, packet::fin | packet::ack).build());
    box.feed(segment(number, 102, 502, packet::ack).build());
}
bool alive(TrackerBox& box, unsigned number) {
    const auto segment_again = segment(number, 101, 501, packet::ack).build();
    return box.feed(segment_again).reason != Reason::no_connection;
}

TEST(FullTable, HalfOpenFlowsGoFirstThenClosingThenUnassuredOldestFirst) {
    pipeline::Settings settings;
    settings.tcp.loose = false;
    TrackerBox box(settings, tiny());
    unsigned number = 0;
    const auto advance = [&] { box.pass_seconds(0.01); };
    for (; number < 16; ++number, advance()) establish(box, number);  // 0-15 assured
    for (; number < 32; ++number, advance()) half_open(box, number);  // 16-31 half-open
    for (; number < 48; ++number, advance()) {                        // 32-47 closing
        establish(box, number);
        close(box, number);
    }
    for (unsigned i = 0; i < 16; ++i, ++number, advance())  // 48-63 unassured
        box.feed(PacketBuilder().ethernet().ip(client(number), "10.9.9.9").udp(1000, 53).build());
    ASSERT_EQ(box.tracker().table4().size(), capacity);

    const auto& table = box.tracker().table4();
    const auto class_size = [&](EvictionClass c) {
        return table.size_of_class(static_cast<std::uint8_t>(c));
    };
    for (unsigned i = 0; i < 16; ++i, ++number, advance()) {
        EXPECT_EQ(establish(box, number).reason, Reason::none);
        EXPECT_EQ(class_size(EvictionClass::half_open), 15 - i);
    }
    EXPECT_EQ(class_size(EvictionClass::closing), 16U);
    for (unsigned i = 0; i < 16; ++i, ++number, advance()) {
        EXPECT_EQ(establish(box, number).reason, Reason::none);
        EXPECT_EQ(class_size(EvictionClass::closing), 15 - i);
    }
    EXPECT_EQ(class_size(EvictionClass::unassured), 16U);
    for (unsigned i = 0; i < 16; ++i, ++number, advance())
        EXPECT_EQ(establish(box, number).reason, Reason::none);
    EXPECT_EQ(class_size(EvictionClass::assured), capacity);
    EXPECT_EQ(box.tracker().counters().early_drop.read(), 48U);

    const Decision refused = half_open(box, number);
    EXPECT_EQ(refused.reason, Reason::table_full);
    EXPECT_EQ(refused.action, Action::drop);
    EXPECT_EQ(box.count(Reason::table_full), 1U);
    EXPECT_EQ(box.tracker().counters().insert_failed.read(), 1U);
    for (unsigned i = 0; i < 16; ++i) EXPECT_TRUE(alive(box, i)) << "an assured flow was evicted: " << i;
}

TEST(FullTable, APacketOfANewFlowPassesUntrackedWhenTheSettingSaysSo) {
    pipeline::Settings settings;
    settings.drop_when_full = false;
    TrackerBox box(settings, tiny());
    for (unsigned i = 0; i < capacity; ++i) establish(box, i);
    const Decision extra = half_open(box, capacity);
    EXPECT_EQ(extra.action, Action::pass);
    EXPECT_EQ(extra.state, pipeline::CtState::untracked);
    EXPECT_EQ(extra.reason, Reason::table_full);
}

TEST(FullTable, AFloodOfSynsIsAbsorbedAndEstablishedFlowsNeverNotice) {
    TrackerBox box({}, tiny());
    for (unsigned i = 0; i < 8; ++i) establish(box, i);
    const std::size_t bytes = box.tracker().table4().bytes();
    for (unsigned i = 100; i < 20'100; ++i) {
        EXPECT_EQ(half_open(box, i).action, Action::pass);
        if (i % 100 == 0) box.pass_seconds(0.001);
    }
    for (unsigned i = 0; i < 8; ++i) EXPECT_TRUE(alive(box, i));
    EXPECT_EQ(establish(box, 30'000).reason, Reason::none) << "an honest client gets in during the flood";
    EXPECT_EQ(box.tracker().table4().bytes(), bytes);
    const auto& counters = box.tracker().counters();
    EXPECT_EQ(counters.packets.read(), counters.passed.read() + counters.dropped.read());
    EXPECT_EQ(counters.insert.read() - counters.early_drop.read() - counters.expired.read() -
                  counters.deleted.read(),
              box.tracker().table4().size());
}

/// What the process has taken from the heap; nothing where a sanitizer keeps a heap of its own.
std::size_t heap_bytes() {
    const auto all = mallinfo2();
    return all.uordblks + all.hblkhd;
}

TEST(FullTable, MemoryDoesNotGrowByAByteWhileItIsFloodedFilledEvictedAndExpired) {
    std::size_t before = heap_bytes();
    auto probe = std::make_unique<std::vector<char>>(1 << 20);
    if (heap_bytes() == before) GTEST_SKIP() << "this heap cannot be measured (a sanitizer's)";
    probe.reset();

    TrackerBox box({}, tiny());
    std::vector<Frame> frames;
    for (unsigned i = 0; i < 2'000; ++i) {
        frames.push_back(segment(i, 100, 0, packet::syn).build());
        if (i % 3 == 0) frames.push_back(answer(i, 500, 101, packet::syn | packet::ack).build());
        if (i % 6 == 0) frames.push_back(segment(i, 101, 501, packet::ack).build());
        if (i % 50 == 0)
            for (const Frame& piece : PacketBuilder()
                                          .ethernet()
                                          .ip(client(i), "10.9.9.9")
                                          .udp(9, 9)
                                          .payload(3000)
                                          .build_fragments(1000))
                frames.push_back(piece);
    }
    std::vector<pipeline::MemoryPacket> packets(frames.size());
    pipeline::Output<pipeline::MemoryIo> out;
    constexpr std::size_t burst_size = 32;
    std::array<pipeline::MemoryPacket*, burst_size> burst;
    pipeline::Now now{.tick = 5'000};
    const auto flood = [&] {
        for (std::size_t at = 0; at + burst_size <= packets.size(); at += burst_size) {
            for (std::size_t i = 0; i < burst_size; ++i) {
                packets[at + i] = {.first = frames[at + i], .number = at + i};
                burst[i] = &packets[at + i];
            }
            box.tracker().process(burst, now, out);
            box.tracker().poll(now, out);
            now.tick += 50;
        }
        box.tracker().drop_held(out);
    };
    before = heap_bytes();
    for (int round = 0; round < 20; ++round) {
        flood();
        now.tick += 450'000 * ticks_per_second;  // what was assured is due by then
    }
    EXPECT_EQ(heap_bytes(), before);

    const auto& counters = box.tracker().counters();
    EXPECT_GT(counters.early_drop.read(), 1'000U) << "it evicted";
    EXPECT_GT(counters.expired.read(), 100U) << "it expired";
    EXPECT_GT(box.count(Reason::fragment_timeout) + counters.passed.read(), 1'000U);
    EXPECT_EQ(counters.packets.read(), counters.passed.read() + counters.dropped.read());
    EXPECT_EQ(counters.packets.read(), 20 * (frames.size() / burst_size * burst_size));
}

TEST(FullTable, HalfOpenFlowsObeyABudgetOfTheirOwnWhileThereIsRoom) {
    pipeline::Settings settings;
    settings.half_open_limit = 10;
    TrackerBox box(settings);
    for (unsigned i = 0; i < 200; ++i) EXPECT_EQ(half_open(box, i).action, Action::pass);
    EXPECT_EQ(box.tracker().table4().size_of_class(static_cast<std::uint8_t>(EvictionClass::half_open)), 10U);
    EXPECT_EQ(box.tracker().counters().early_drop.read(), 190U);
}

}  // namespace
}  // namespace sluice::test
