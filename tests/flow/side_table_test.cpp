// What few flows need, beside the table.
#include "sluice/flow/side_table.hpp"

#include <gtest/gtest.h>

#include <unordered_map>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

using Value = std::array<std::uint32_t, 6>;  // 24 bytes, as a pending SYN has

struct Sides {
    explicit Sides(std::uint32_t capacity)
        : memory(SideTable<Value>::bytes_needed(capacity)),
          table(SideTable<Value>::create(capacity, memory.span())) {}
    Memory memory;
    SideTable<Value> table;
};

TEST(SideTableTest, AValueIsFoundUntilItIsErased) {
    Sides sides(1000);
    EXPECT_EQ(sides.table.find(0), nullptr) << "number 0 is a flow's too";
    sides.table.put(0, {1});
    sides.table.put(7, {2});
    ASSERT_NE(sides.table.find(0), nullptr);
    EXPECT_EQ((*sides.table.find(0))[0], 1);
    EXPECT_EQ((*sides.table.find(7))[0], 2);
    sides.table.erase(0);
    sides.table.erase(0);
    EXPECT_EQ(sides.table.find(0), nullptr);
    EXPECT_NE(sides.table.find(7), nullptr);
}

TEST(SideTableTest, PutReplacesTheFlowsOwnValue) {
    Sides sides(1);  // a single set
    for (std::uint32_t i = 0; i < 4; ++i) sides.table.put(i, {i});
    sides.table.put(2, {99});
    EXPECT_EQ((*sides.table.find(2))[0], 99);
    for (const Ref ref : {0U, 1U, 3U}) EXPECT_NE(sides.table.find(ref), nullptr);
    EXPECT_EQ(sides.table.displaced(), 0);
}

TEST(SideTableTest, AFullSetGivesUpItsOldest) {
    Sides sides(1);
    for (std::uint32_t i = 0; i < 4; ++i) sides.table.put(i, {i});
    sides.table.put(0, {0});  // now 1 is the oldest
    sides.table.put(10, {10});
    EXPECT_EQ(sides.table.find(1), nullptr);
    sides.table.erase(3);
    sides.table.put(11, {11});  // there is room
    for (const Ref ref : {0U, 2U, 10U, 11U}) EXPECT_NE(sides.table.find(ref), nullptr) << ref;
    EXPECT_EQ(sides.table.displaced(), 1);
}

TEST(SideTableTest, NeverFindsAnothersValue) {
    Sides sides(4096);
    std::unordered_map<Ref, std::uint32_t> stored;
    Random random(11);
    for (std::uint32_t step = 0; step < 200'000; ++step) {
        const auto ref = static_cast<Ref>(random.below(4096));
        switch (random.below(3)) {
            case 0:
                sides.table.put(ref, {step});
                stored[ref] = step;
                break;
            case 1:
                sides.table.erase(ref);
                stored.erase(ref);
                break;
            default:
                if (const Value* value = sides.table.find(ref)) {
                    ASSERT_TRUE(stored.contains(ref));
                    ASSERT_EQ((*value)[0], stored[ref]);
                }
        }
    }
    EXPECT_GT(sides.table.displaced(), 0);
    EXPECT_FALSE(sides.table.is_empty());
    for (Ref ref = 0; ref < 4096; ++ref) sides.table.erase(ref);
    EXPECT_TRUE(sides.table.is_empty()) << "whatever was put, displaced and erased twice";
}

TEST(SideTableTest, ASixteenthOfTheFlowsMayHaveAValueAndMostKeepIt) {
    constexpr std::uint32_t capacity = 1U << 16;
    Sides sides(capacity);
    for (Ref ref = 0; ref < capacity; ref += 32) sides.table.put(ref, {ref});
    unsigned kept = 0;
    for (Ref ref = 0; ref < capacity; ref += 32) kept += sides.table.find(ref) != nullptr;
    EXPECT_GE(kept, capacity / 32 * 9 / 10) << "half full, spread over the sets";
}

TEST(SideTableTest, CostsTwoBytesAFlow) {
    EXPECT_LE(SideTable<Value>::bytes_needed(1'000'000), 2'100'000);
    Sides sides(1'000'000);
    EXPECT_EQ(sides.table.bytes(), SideTable<Value>::bytes_needed(1'000'000));
}

}  // namespace
}  // namespace sluice::flow::test
