// The fragment table: datagrams complete, and every rule that discards one.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "fragment_rig.hpp"

namespace sluice::test {
namespace {

using packet::Family;

TEST(FragmentTable, DatagramCompletesWithItsLastPieceInAnyOrder) {
    for (const auto& order : std::vector<std::vector<int>>{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}}) {
        FragmentRig rig;
        const std::vector<Piece> pieces{{0, 16, true}, {16, 24, true}, {40, 5, false}};
        for (int i = 0; i < 3; ++i) {
            const auto decision =
                rig.add(pieces[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
            ASSERT_EQ(decision.kind, i < 2 ? Kind::held : Kind::complete);
        }
        EXPECT_EQ(rig.completed, (std::vector<int>{1, 2, 3})) << "as they arrived";
        EXPECT_EQ(order[rig.first], 0) << "the piece with the transport header";
        EXPECT_EQ(rig.transport_length, 45U);
        EXPECT_TRUE(rig.dropped.empty());
        EXPECT_EQ(rig.table.datagrams() + rig.table.packets() + rig.table.bytes(), 0U);
    }
}

TEST(FragmentTable, TransportLengthLeavesOutExtensionHeadersOfTheFirstPiece) {
    FragmentRig rig;
    rig.add({.offset = 0, .length = 32, .more = true, .family = Family::ipv6, .headers_inside = 8});
    rig.add({.offset = 32, .length = 10, .more = false, .family = Family::ipv6});
    EXPECT_EQ(rig.completed.size(), 2U);
    EXPECT_EQ(rig.transport_length, 34U);
}

TEST(FragmentTable, DatagramsAreToldApartByEverythingInTheirKey) {
    const Piece base{0, 8, true};
    std::vector<Piece> others(8, Piece{8, 8, false});
    others[0].source = 9;
    others[1].destination = 9;
    others[2].identification = 9;
    others[3].vlans = 9;
    others[4].zone = 9;
    others[5].protocol = 6;
    others[6].family = Family::ipv6;
    for (std::size_t i = 0; i < 7; ++i) {
        FragmentRig rig;
        rig.add(base);
        EXPECT_EQ(rig.add(others[i]).kind, Kind::held) << i;
        EXPECT_EQ(rig.table.datagrams(), 2U);
        EXPECT_EQ(rig.add(others[7]).kind, Kind::complete) << "the one that belongs to the first";
    }
}

TEST(FragmentTable, Ipv6PiecesMayNameDifferentProtocols) {
    FragmentRig rig;
    rig.add({.offset = 0, .length = 8, .more = true, .family = Family::ipv6, .protocol = 60});
    EXPECT_EQ(rig.add({.offset = 8, .length = 8, .more = false, .family = Family::ipv6, .protocol = 17}).kind,
              Kind::complete);
}

TEST(FragmentTable, OverlapDiscardsTheWholeDatagram) {
    const Piece held{16, 16, true};
    for (const Piece& other :
         {Piece{24, 16, true}, Piece{8, 16, true}, Piece{16, 8, true}, Piece{16, 24, true},
          Piece{8, 40, true}, Piece{24, 8, true}, Piece{24, 8, false}, Piece{31, 1, false}}) {
        FragmentRig rig;
        rig.add(held);
        const auto decision = rig.add(other);
        EXPECT_EQ(decision.kind, Kind::dropped);
        EXPECT_EQ(decision.reason, Reason::fragment_overlap);
        EXPECT_EQ(rig.dropped, (Drops{{1, Reason::fragment_overlap}, {2, Reason::fragment_overlap}}));
        EXPECT_EQ(rig.table.packets(), 0U);
    }
}

TEST(FragmentTable, NeighboursDoNotOverlap) {
    FragmentRig rig;
    rig.add({16, 16, true});
    EXPECT_EQ(rig.add({32, 8, true}).kind, Kind::held);
    EXPECT_EQ(rig.add({8, 8, true}).kind, Kind::held);
}

TEST(FragmentTable, DiscardedDatagramStaysDiscarded) {
    FragmentRig rig;
    rig.add({0, 16, true});
    rig.add({8, 16, true});
    rig.dropped.clear();
    for (const Piece& later : {Piece{0, 16, true}, Piece{24, 8, false}, Piece{64, 8, true}}) {
        EXPECT_EQ(rig.add(later).reason, Reason::fragment_overlap);
    }
    EXPECT_EQ(rig.dropped.size(), 3U);
    EXPECT_EQ(rig.table.datagrams(), 1U);
    // After its time the identification is free again.
    rig.now += 30 * ticks_per_second;
    EXPECT_EQ(rig.add({0, 16, true}).kind, Kind::held);
    EXPECT_EQ(rig.add({16, 8, false}).kind, Kind::complete);
}

TEST(FragmentTable, ExactDuplicateIsDroppedAlone) {
    FragmentRig rig;
    rig.add({0, 16, true});
    rig.add({40, 8, false});
    EXPECT_EQ(rig.add({0, 16, true}).reason, Reason::fragment_duplicate);
    EXPECT_EQ(rig.add({40, 8, false}).reason, Reason::fragment_duplicate);
    EXPECT_EQ(rig.dropped, (Drops{{3, Reason::fragment_duplicate}, {4, Reason::fragment_duplicate}}));
    EXPECT_EQ(rig.add({16, 24, true}).kind, Kind::complete);
    EXPECT_EQ(rig.completed, (std::vector<int>{1, 2, 5}));
}

TEST(FragmentTable, CopyThatDisagreesAboutTheEndDiscards) {
    FragmentRig more_first;
    more_first.add({8, 16, true});
    EXPECT_EQ(more_first.add({8, 16, false}).reason, Reason::fragment_too_long);
    FragmentRig last_first;
    last_first.add({8, 16, false});
    EXPECT_EQ(last_first.add({8, 16, true}).reason, Reason::fragment_too_long);
}

TEST(FragmentTable, PiecesThatContradictTheLengthDiscard) {
    FragmentRig beyond;
    beyond.add({64, 8, false});
    EXPECT_EQ(beyond.add({72, 8, true}).reason, Reason::fragment_too_long);
    FragmentRig second_end;
    second_end.add({64, 8, false});
    EXPECT_EQ(second_end.add({80, 8, false}).reason, Reason::fragment_too_long);
    FragmentRig short_end;
    short_end.add({64, 8, true});
    EXPECT_EQ(short_end.add({32, 8, false}).reason, Reason::fragment_too_long);
    EXPECT_EQ(short_end.dropped.size(), 2U);
}

TEST(FragmentTable, SixtyFourPiecesAreAllowedAndNoMore) {
    const auto filled = [](FragmentRig& rig, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            ASSERT_EQ(rig.add({static_cast<std::uint16_t>(i * 8), 8, true}).kind, Kind::held);
        }
    };
    FragmentRig allowed;
    filled(allowed, 63);
    EXPECT_EQ(allowed.add({63 * 8, 8, false}).kind, Kind::complete);
    EXPECT_EQ(allowed.completed.size(), 64U);
    FragmentRig too_many;
    filled(too_many, 64);
    EXPECT_EQ(too_many.add({64 * 8, 8, false}).reason, Reason::fragment_too_many);
    EXPECT_EQ(too_many.dropped.size(), 65U);
    EXPECT_EQ(too_many.add({0, 8, true}).reason, Reason::fragment_too_many);
}

TEST(FragmentTable, RestThatDoesNotArriveInTimeIsDropped) {
    FragmentRig rig;
    rig.add({0, 8, true});
    rig.add({.offset = 0, .length = 8, .more = true, .family = Family::ipv6});
    rig.now += 30 * ticks_per_second - 1;
    EXPECT_EQ(rig.expire(64), 0U);
    rig.now += 1;
    EXPECT_EQ(rig.expire(64), 1U);
    EXPECT_EQ(rig.dropped, (Drops{{1, Reason::fragment_timeout}}));
    rig.now += 30 * ticks_per_second;
    EXPECT_EQ(rig.expire(64), 1U);
    EXPECT_EQ(rig.table.datagrams(), 0U);
}

TEST(FragmentTable, PieceThatComesTooLateBeginsAnew) {
    FragmentRig rig;
    rig.add({0, 8, true});
    rig.now += 30 * ticks_per_second;
    EXPECT_EQ(rig.add({8, 8, false}).kind, Kind::held);
    EXPECT_EQ(rig.dropped, (Drops{{1, Reason::fragment_timeout}}));
    EXPECT_EQ(rig.add({0, 8, true}).kind, Kind::complete);
}

TEST(FragmentTable, PiecesDoNotProlongTheTimeout) {
    FragmentRig rig;
    rig.add({0, 8, true});
    rig.now += 29 * ticks_per_second;
    rig.add({8, 8, true});
    rig.now += ticks_per_second;
    EXPECT_EQ(rig.expire(64), 2U);
}

TEST(FragmentTable, ClockWrapIsNothingSpecial) {
    FragmentRig rig;
    rig.now = 0xFFFFFFFF - 1000;
    rig.add({0, 8, true});
    rig.now += 2000;
    EXPECT_EQ(rig.expire(64), 0U);
    EXPECT_EQ(rig.add({8, 8, false}).kind, Kind::complete);
}

TEST(FragmentTable, ExpiryKeepsToItsBudget) {
    FragmentRig rig;
    for (std::uint32_t id = 0; id < 16; ++id) {
        for (std::uint16_t i = 0; i < 60; ++i) {
            rig.add({.offset = static_cast<std::uint16_t>(i * 8),
                     .length = 8,
                     .more = true,
                     .identification = id});
        }
    }
    rig.now += 60 * ticks_per_second;
    EXPECT_EQ(rig.expire(64), 60U);
    EXPECT_EQ(rig.expire(130), 120U);
    std::uint32_t calls = 0;
    while (rig.expire(64) != 0) ++calls;
    EXPECT_EQ(calls, 13U);
    EXPECT_EQ(rig.table.packets(), 0U);
}

TEST(FragmentTable, FullTableGivesUpTheOldestDatagram) {
    FragmentRig rig({.datagrams = 4, .packets = 64});
    for (std::uint32_t id = 0; id < 6; ++id) {
        rig.add({.offset = 0, .length = 8, .more = true, .identification = id});
        rig.now += 1;
    }
    EXPECT_EQ(rig.dropped, (Drops{{1, Reason::fragment_table_full}, {2, Reason::fragment_table_full}}));
    EXPECT_EQ(rig.add({.offset = 8, .length = 8, .more = false, .identification = 2}).kind, Kind::complete);
}

TEST(FragmentTable, OldestIsOldestAcrossFamiliesAndDiscardedOnes) {
    FragmentRig rig({.datagrams = 3, .packets = 64});
    rig.add({.offset = 0, .length = 16, .more = true, .identification = 1});
    rig.add({.offset = 8, .length = 16, .more = true, .identification = 1});  // discarded
    rig.now += 1;
    rig.add({.offset = 0, .length = 8, .more = true, .identification = 2, .family = Family::ipv6});
    rig.now += 1;
    rig.add({.offset = 0, .length = 8, .more = true, .identification = 3});
    rig.now += 1;
    rig.dropped.clear();
    rig.add({.offset = 0, .length = 8, .more = true, .identification = 4});
    EXPECT_TRUE(rig.dropped.empty()) << "the discarded one went, and held nothing";
    rig.now += 1;
    rig.add({.offset = 0, .length = 8, .more = true, .identification = 5});
    EXPECT_EQ(rig.dropped, (Drops{{3, Reason::fragment_table_full}})) << "then the one of IPv6";
}

TEST(FragmentTable, PacketLimitGivesUpTheOldestThatHoldsAny) {
    FragmentRig rig({.datagrams = 16, .packets = 64});
    rig.add({.offset = 0, .length = 16, .more = true, .identification = 100});
    rig.add({.offset = 8, .length = 16, .more = true, .identification = 100});  // discarded, holds nothing
    rig.dropped.clear();
    for (std::uint16_t i = 0; i < 64; ++i) {
        rig.now += 1;
        const std::uint32_t id = i / 32U;
        rig.add({.offset = static_cast<std::uint16_t>(i % 32 * 8),
                 .length = 8,
                 .more = true,
                 .identification = id});
    }
    EXPECT_TRUE(rig.dropped.empty());
    EXPECT_EQ(rig.add({.offset = 512, .length = 8, .more = true, .identification = 1}).kind, Kind::held);
    EXPECT_EQ(rig.dropped.size(), 32U);
    EXPECT_EQ(rig.table.packets(), 33U);
}

TEST(FragmentTable, PieceOfTheOldestDatagramGoesWithItWhenThereIsNoRoom) {
    FragmentRig rig({.datagrams = 16, .bytes = 65536});
    rig.add({.offset = 0, .length = 8, .more = true, .frame_bytes = 40000});
    const auto decision = rig.add({.offset = 8, .length = 8, .more = true, .frame_bytes = 40000});
    EXPECT_EQ(decision.reason, Reason::fragment_table_full);
    EXPECT_EQ(rig.dropped.size(), 2U);
    EXPECT_EQ(rig.table.bytes(), 0U);
    EXPECT_EQ(rig.table.datagrams(), 0U);
}

TEST(FragmentTable, ByteLimitGivesUpOneDatagramAtMost) {
    FragmentRig rig({.datagrams = 16, .bytes = 65536});
    for (std::uint32_t id = 0; id < 4; ++id) {
        rig.add({.offset = 0, .length = 8, .more = true, .identification = id, .frame_bytes = 16384});
    }
    EXPECT_EQ(
        rig.add({.offset = 0, .length = 8, .more = true, .identification = 9, .frame_bytes = 20000}).reason,
        Reason::fragment_table_full);
    EXPECT_EQ(rig.dropped.size(), 2U);
    EXPECT_EQ(
        rig.add({.offset = 0, .length = 8, .more = true, .identification = 9, .frame_bytes = 16384}).kind,
        Kind::held);
    EXPECT_EQ(rig.table.bytes(), 65536U);
}

TEST(FragmentTable, PacketLargerThanTheLimitIsDropped) {
    FragmentRig rig({.bytes = 65536});
    EXPECT_EQ(rig.add({.offset = 0, .length = 8, .more = true, .frame_bytes = 65537}).reason,
              Reason::fragment_table_full);
    EXPECT_EQ(rig.dropped.size(), 1U);
    EXPECT_EQ(rig.table.datagrams(), 0U);
}

TEST(FragmentTable, ClearGivesEverythingBack) {
    FragmentRig rig;
    for (std::uint32_t id = 0; id < 10; ++id) {
        rig.add({.offset = 0, .length = 8, .more = true, .identification = id});
    }
    rig.table.clear(Reason::fragment_timeout,
                    [&rig](int handle, Reason reason) { rig.dropped.emplace_back(handle, reason); });
    EXPECT_EQ(rig.dropped.size(), 10U);
    EXPECT_EQ(rig.table.datagrams(), 0U);
}

TEST(FragmentTable, NewTimeoutsHoldForNewDatagrams) {
    FragmentRig rig;
    rig.add({.offset = 0, .length = 8, .more = true, .identification = 1});
    rig.table.set_timeouts(5 * ticks_per_second, 6 * ticks_per_second);
    rig.now += 30 * ticks_per_second;
    EXPECT_EQ(rig.expire(64), 1U);
    rig.add({.offset = 0, .length = 8, .more = true, .identification = 2});
    rig.now += 5 * ticks_per_second;
    EXPECT_EQ(rig.expire(64), 1U);
}

TEST(FragmentTable, LimitsThatCannotBeAreRefusedWithASentence) {
    alignas(64) static std::byte arena[1];
    using Table = packet::FragmentTable<int>;
    for (const packet::FragmentLimits& limits :
         {packet::FragmentLimits{.datagrams = 0}, packet::FragmentLimits{.datagrams = 65537},
          packet::FragmentLimits{.packets = 63}, packet::FragmentLimits{.bytes = 65535},
          packet::FragmentLimits{}}) {
        const auto table = Table::create(limits, arena);
        ASSERT_FALSE(table.ok());
        EXPECT_FALSE(table.error().empty());
    }
}

}  // namespace
}  // namespace sluice::test
