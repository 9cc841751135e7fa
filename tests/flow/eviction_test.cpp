// The table at 100 %: who goes, in what order, and when nobody can.
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

template <class Tables>
class EvictionTest : public testing::Test {};
using BothTables = testing::Types<Table4, Table6>;
TYPED_TEST_SUITE(EvictionTest, BothTables);

/// Fills the table, one flow a millisecond, with `lifetime_of_number(i)`.
template <class T, class F>
void fill(T& table, F&& lifetime_of_number) {
    for (std::uint32_t i = 0; table->size() < table->capacity(); ++i, ++table.now) {
        ASSERT_NE(table.insert(key_for(table, i), lifetime_of_number(i)), no_ref);
    }
    ASSERT_TRUE(table.left.empty());
}

TYPED_TEST(EvictionTest, ClassesGoInOrderAndTheOldestOfEachFirst) {
    constexpr unsigned capacity = 400;
    TypeParam table(config_of(capacity));
    // All classes mixed, two lifetimes in the half-open one.
    const std::array<std::uint32_t, 5> mix{unassured, opening, closing, opened, assured};
    fill(table, [&](std::uint32_t i) { return mix[i % 5]; });

    std::vector<unsigned> expected;
    for (const unsigned eviction_class : {0U, 1U, 2U}) {
        for (unsigned i = 0; i < capacity; ++i) {
            if (config_of(1).eviction_class[mix[i % 5]] == eviction_class) expected.push_back(i);
        }
    }
    for (unsigned i = 0; i < expected.size(); ++i, ++table.now) {
        ASSERT_NE(table.insert(key_for(table, 10'000 + i), assured), no_ref);
        ASSERT_EQ(table.left.size(), i + 1);
        ASSERT_EQ(table.left.back().key, key_for(table, expected[i])) << "eviction " << i;
        ASSERT_EQ(table.left.back().why, Removal::evicted);
    }
    EXPECT_EQ(table->evictions(), expected.size());
    EXPECT_EQ(table->size(), capacity);
}

TYPED_TEST(EvictionTest, WithOnlyAssuredFlowsANewOneIsRefused) {
    TypeParam table(config_of(100));
    fill(table, [](std::uint32_t) { return assured; });
    for (unsigned i = 0; i < 1000; ++i) ASSERT_EQ(table.insert(key_for(table, 1000 + i), opening), no_ref);
    EXPECT_TRUE(table.left.empty());
    EXPECT_EQ(table->size(), 100);
    for (unsigned i = 0; i < 100; ++i) EXPECT_NE(table.find(key_for(table, i)), no_ref);
}

// However many flows changed class since they came: whatever is not assured is found and evicted.
TYPED_TEST(EvictionTest, ASingleFlowThatMayGoIsFoundAmongAssuredOnes) {
    constexpr unsigned capacity = 2000;
    for (const std::uint32_t last : {opening, opened, closing, unassured}) {
        TypeParam table(config_of(capacity));
        fill(table, [](std::uint32_t) { return opening; });
        // All but one are opened, and assured, by now.
        for (Ref ref = 0; ref < capacity; ++ref) {
            if (ref != 1234) table.refresh(ref, assured);
        }
        table.refresh(1234, last);
        ASSERT_NE(table.insert(key_for(table, 5000), assured), no_ref);
        ASSERT_EQ(table.left.size(), 1);
        EXPECT_EQ(table.left[0].key, key_for(table, 1234));
        EXPECT_EQ(table.insert(key_for(table, 5001), opening), no_ref);
    }
}

TYPED_TEST(EvictionTest, AFlowThatWasRefreshedIsSparedForAnOlderOne) {
    TypeParam table(config_of(10));
    fill(table, [](std::uint32_t) { return unassured; });
    table.now += second;
    table.refresh(0, unassured);
    table.refresh(1, unassured);
    table.now += second;
    for (unsigned i = 0; i < 8; ++i) {
        table.insert(key_for(table, 100 + i), assured);
        ASSERT_EQ(table.left.back().key, key_for(table, 2 + i));
    }
    table.insert(key_for(table, 200), assured);
    EXPECT_EQ(table.left.back().key, key_for(table, 0)) << "none is left that was not refreshed";
}

TYPED_TEST(EvictionTest, AFullTableOfRefreshedFlowsStillEvictsOneOfThem) {
    constexpr unsigned capacity = 1000;
    TypeParam table(config_of(capacity));
    fill(table, [](std::uint32_t) { return unassured; });
    for (unsigned i = 0; i < 2 * capacity; ++i, ++table.now) {
        for (Ref ref = 0; ref < 20; ++ref) table.refresh((i * 20 + ref) % capacity, unassured);
        ASSERT_NE(table.insert(key_for(table, 10'000 + i), unassured), no_ref);
        ASSERT_EQ(table.left.size(), i + 1);
    }
}

TYPED_TEST(EvictionTest, AnExpiredFlowIsTheFirstVictimWhateverItsClass) {
    TypeParam table(config_of(10));
    const Ref dying = table.insert(key_for(table, 99), assured, Tick{300});
    fill(table, [](std::uint32_t) { return opening; });
    table.now += second;
    ASSERT_NE(table.insert(key_for(table, 50), opening), no_ref);
    ASSERT_EQ(table.left.size(), 1);
    EXPECT_EQ(table.left[0].key, key_for(table, 99));
    EXPECT_EQ(table.left[0].why, Removal::expired);
    EXPECT_EQ(table.find(key_for(table, 50)), dying) << "its slot was reused";
}

TYPED_TEST(EvictionTest, AnExpiredAssuredFlowMakesRoomWhereNothingElseMay) {
    TypeParam table(config_of(10));
    fill(table, [](std::uint32_t) { return unacknowledged; });
    EXPECT_EQ(table.insert(key_for(table, 100), opening), no_ref);
    table.now += 301 * second;
    for (unsigned i = 0; i < 10; ++i) ASSERT_NE(table.insert(key_for(table, 100 + i), opening), no_ref);
    EXPECT_EQ(table.count(Removal::expired), 10);
}

TYPED_TEST(EvictionTest, EvictOldestTakesExactlyTheClassAskedFor) {
    TypeParam table(config_of(10));
    fill(table, [](std::uint32_t i) { return i < 4 ? opening : i < 7 ? closing : assured; });
    EXPECT_FALSE(table->evict_oldest(2, table.now, table.diary()));
    EXPECT_TRUE(table->evict_oldest(1, table.now, table.diary()));
    EXPECT_EQ(table.left.back().key, key_for(table, 4));
    for (unsigned i = 0; i < 4; ++i) EXPECT_TRUE(table->evict_oldest(0, table.now, table.diary()));
    EXPECT_FALSE(table->evict_oldest(0, table.now, table.diary()));
    EXPECT_EQ(table->size(), 5);
}

TYPED_TEST(EvictionTest, TheRecordIsWholeWhenItsRemovalIsTold) {
    TypeParam table(config_of(2));
    table.insert(key_for(table, 0), opening);
    table.insert(key_for(table, 1), assured);
    const auto key = key_for(table, 2);
    bool told = false;
    (void)table->insert(key, table->hash_of(key), false, Payload{.lifetime = assured}, table.now + 5,
                        table.now, [&](Ref ref, const auto& record, Removal why) {
                            told = true;
                            EXPECT_EQ(ref, 0);
                            EXPECT_EQ(why, Removal::evicted);
                            EXPECT_EQ(record.key, key_for(table, 0));
                            EXPECT_EQ(&record, &table->record(ref));
                            EXPECT_EQ(table.find(key_for(table, 0)), 0);
                        });
    EXPECT_TRUE(told);
}

TYPED_TEST(EvictionTest, ToAReaderTheOldFlowBecomesTheNewOneInOneChange) {
    TypeParam table(config_of(2));
    for (unsigned i = 0; i < 2; ++i, ++table.now) table.insert(key_for(table, i), opening);
    table->set_mark(0, 7);
    const std::uint32_t version = table->record(0).version;
    EXPECT_EQ(table.insert(key_for(table, 2), opening), 0);
    EXPECT_EQ(table->record(0).key, key_for(table, 2));
    EXPECT_EQ(table->record(0).version, version + 2);
    EXPECT_EQ(table->read_mark(0), 0);
    EXPECT_EQ(table->size(), 2);
}

// A flood: ten times the capacity of half-open flows beside flows that must live. Memory is what it was.
TYPED_TEST(EvictionTest, AFloodEvictsHalfOpenFlowsAndNothingElse) {
    constexpr unsigned capacity = 5000;
    TypeParam table(config_of(capacity));
    const std::size_t bytes = table->bytes();
    for (unsigned i = 0; i < capacity / 2; ++i)
        table.insert(key_for(table, i), i % 2 == 0 ? assured : unassured);
    for (unsigned i = 0; i < 10 * capacity; ++i, table.now += i % 16 == 0) {
        ASSERT_NE(table.insert(key_for(table, 1'000'000 + i), opening), no_ref);
        ASSERT_LE(table->size(), capacity);
    }
    for (unsigned i = 0; i < capacity / 2; ++i) ASSERT_NE(table.find(key_for(table, i)), no_ref);
    EXPECT_EQ(table->bytes(), bytes);
    EXPECT_EQ(table->high_water(), capacity);
    EXPECT_EQ(table->index_overflows(), 0);
    EXPECT_EQ(table.count(Removal::evicted), 10 * capacity - capacity / 2);
}

// ---- Neither bucket has room: behaves as a full table does. The test knows the secret, an attacker does
// not.

/// Numbers of keys that share one pair of buckets.
std::vector<std::uint64_t> keys_of_one_pair(Table4& table, unsigned count) {
    const Index index(nullptr, Index::buckets_for(table->capacity()));
    const auto pair_of = [&](std::uint64_t number) {
        const std::uint64_t hash = table->hash_of(key4(number));
        const std::uint32_t primary = index.primary_of(hash);
        return std::minmax({primary, index.alternate_of(primary, Index::tag_of(hash))});
    };
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t i = 0; numbers.size() < count; ++i) {
        if (pair_of(i) == pair_of(0)) numbers.push_back(i);
    }
    return numbers;
}

TEST(IndexOverflow, TheOldestOfTheLowestClassInTheTwoBucketsGivesWay) {
    Table4 table(config_of(48));
    const auto keys = keys_of_one_pair(table, 21);
    for (unsigned i = 0; i < 20; ++i, ++table.now) {
        ASSERT_NE(table.insert(key4(keys[i]), i == 7 || i == 9 ? closing : assured), no_ref);
    }
    ASSERT_TRUE(table.left.empty());
    ASSERT_NE(table.insert(key4(keys[20]), assured), no_ref);
    EXPECT_EQ(table->index_overflows(), 1);
    ASSERT_EQ(table.left.size(), 1);
    EXPECT_EQ(table.left[0].key, key4(keys[7]));
    EXPECT_EQ(table.left[0].why, Removal::evicted);
    for (unsigned i = 0; i < 21; ++i) EXPECT_EQ(table.find(key4(keys[i])) != no_ref, i != 7) << i;
}

TEST(IndexOverflow, AmongAssuredFlowsTheNewOneIsRefusedAndNoneIsLost) {
    Table4 table(config_of(48));
    const auto keys = keys_of_one_pair(table, 21);
    for (unsigned i = 0; i < 20; ++i) ASSERT_NE(table.insert(key4(keys[i]), assured), no_ref);
    EXPECT_EQ(table.insert(key4(keys[20]), assured), no_ref);
    EXPECT_EQ(table->index_overflows(), 1);
    EXPECT_EQ(table->size(), 20);
    for (unsigned i = 0; i < 20; ++i) EXPECT_NE(table.find(key4(keys[i])), no_ref);
    // The slot that was not used is not lost either.
    for (unsigned i = 0; i < 10'000 && table->size() < 48; ++i) table.insert(key4(1'000'000 + i), assured);
    EXPECT_EQ(table->size(), 48);
}

}  // namespace
}  // namespace sluice::flow::test
