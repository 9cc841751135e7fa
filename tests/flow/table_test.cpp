// The table as its owner sees it: a flow goes in, is found, changes, leaves.
#include "sluice/flow/table.hpp"

#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

template <class Tables>
class TableTest : public testing::Test {};
using BothTables = testing::Types<Table4, Table6>;
TYPED_TEST_SUITE(TableTest, BothTables);

TYPED_TEST(TableTest, AFlowIsFoundUntilItIsRemoved) {
    TypeParam table(config_of(100));
    const auto key = key_for(table, 1);
    EXPECT_EQ(table.find(key), no_ref);
    const Ref ref = table.insert(key, assured);
    ASSERT_NE(ref, no_ref);
    EXPECT_EQ(table.find(key), ref);
    EXPECT_EQ(table->size(), 1);
    EXPECT_EQ(table->high_water(), 1);
    table->remove(ref, Removal::deleted, table.diary());
    EXPECT_EQ(table.find(key), no_ref);
    EXPECT_EQ(table->size(), 0);
    ASSERT_EQ(table.left.size(), 1);
    EXPECT_EQ(table.left[0].key, key);
    EXPECT_EQ(table.left[0].why, Removal::deleted);
}

TYPED_TEST(TableTest, AFullTableFindsEveryFlowAndNoOther) {
    constexpr unsigned flows = 5'000;
    TypeParam table(config_of(flows));
    std::vector<Ref> refs;
    for (unsigned i = 0; i < flows; ++i) refs.push_back(table.insert(key_for(table, i), assured));
    for (unsigned i = 0; i < flows; ++i) ASSERT_EQ(table.find(key_for(table, i)), refs[i]);
    for (unsigned i = flows; i < 3 * flows; ++i) ASSERT_EQ(table.find(key_for(table, i)), no_ref);
    EXPECT_EQ(table->size(), flows);
    EXPECT_TRUE(table.left.empty());
}

TYPED_TEST(TableTest, TheRecordHoldsWhatWasGiven) {
    TypeParam table(config_of(10));
    auto key = key_for(table, 7);
    key.spare = 0xFF;  // not the caller's to set
    Payload payload{.lifetime = unassured, .words = {1, 2, 3, 4, 5, 6, 7, 8}};
    for (const bool from_high : {false, true}) {
        key.zone = from_high;
        const Ref ref = table->insert(key, table->hash_of(key), from_high, payload, table.now + 77, table.now,
                                      table.diary());
        const auto& record = table->record(ref);
        EXPECT_EQ(record.key, key);
        EXPECT_EQ(record.payload.words, payload.words);
        EXPECT_EQ(record.payload.lifetime, unassured);
        EXPECT_EQ(record.expiry, table.now + 77);
        EXPECT_EQ(table->original_from_high(record), from_high);
        table.refresh(ref, unassured);  // and stays when the record changes
        EXPECT_EQ(table->original_from_high(table->record(ref)), from_high);
    }
}

TYPED_TEST(TableTest, KeysThatDifferInOneFieldAreTwoFlows) {
    TypeParam table(config_of(100));
    const auto base = key_for(table, 1);
    std::vector<std::remove_cv_t<decltype(base)>> keys(8, base);
    keys[1].address[0][2] ^= 1;
    keys[2].address[1][3] ^= 1;
    keys[3].port[0] ^= 1;
    keys[4].port[1] ^= 0x8000;
    keys[5].vlans_and_pair ^= 1;
    keys[6].zone ^= 0x100;
    keys[7].protocol ^= 1;
    for (const auto& key : keys) {
        ASSERT_EQ(table.find(key), no_ref);
        table.insert(key, assured);
    }
    EXPECT_EQ(table->size(), keys.size());
}

TYPED_TEST(TableTest, AnExpiredFlowIsDeadToLookupsAtOnce) {
    TypeParam table(config_of(10));
    const auto key = key_for(table, 1);
    const Ref ref = table.insert(key, unassured);
    table.now += 30 * second - 1;
    EXPECT_EQ(table.find(key), ref);
    table.now += 1;
    EXPECT_EQ(table.find(key), no_ref);
    EXPECT_EQ(table->size(), 1) << "destroyed later, by expire()";
}

TYPED_TEST(TableTest, InsertRemovesTheDeadFlowOfTheSameKeyFirst) {
    TypeParam table(config_of(10));
    const auto key = key_for(table, 1);
    table.insert(key, unassured);
    table.now += 31 * second;
    const Ref ref = table.insert(key, unassured);
    EXPECT_EQ(table.find(key), ref);
    EXPECT_EQ(table->size(), 1);
    ASSERT_EQ(table.left.size(), 1);
    EXPECT_EQ(table.left[0].why, Removal::expired);
}

TYPED_TEST(TableTest, InsertReplacesALiveFlowOfTheSameKey) {
    TypeParam table(config_of(10));
    const auto key = key_for(table, 1);
    table.insert(key, assured);
    table.insert(key, unassured);
    EXPECT_EQ(table->size(), 1);
    ASSERT_EQ(table.left.size(), 1);
    EXPECT_EQ(table.left[0].why, Removal::replaced);
    EXPECT_EQ(table->size_of_class(3), 0);
    EXPECT_EQ(table->size_of_class(2), 1);
}

TYPED_TEST(TableTest, AStaleCandidateIsNotTrusted) {
    TypeParam table(config_of(10));
    const auto key = key_for(table, 1);
    const std::uint64_t hash = table->hash_of(key);
    const Ref ref = table.insert(key, assured);
    ASSERT_EQ(table->candidate(hash), ref);
    table->remove(ref, Removal::deleted, table.diary());
    EXPECT_EQ(table->find(key, hash, ref, table.now), no_ref) << "its number is free";
    ASSERT_EQ(table.insert(key_for(table, 2), assured), ref);
    EXPECT_EQ(table->find(key, hash, ref, table.now), no_ref) << "its number belongs to another";
    const Ref again = table.insert(key, assured);
    EXPECT_EQ(table->find(key, hash, ref, table.now), again) << "it came back under another number";
}

TYPED_TEST(TableTest, AccountsMarkAndStartBelongToTheFlow) {
    TableConfig config = config_of(10);
    config.accounting = config.timestamps = true;
    TypeParam table(config);
    const auto key = key_for(table, 1);
    Ref ref = table.insert(key, assured);
    table->account(ref, 0, 60);
    table->account(ref, 1, 1500);
    table->account(ref, 1, 1500);
    table->set_mark(ref, 0xABCD);
    table->set_start(ref, 1'700'000'000'000'000'000);
    const Account account = table->read_account(ref);
    EXPECT_EQ(account.packets[0], 1);
    EXPECT_EQ(account.packets[1], 2);
    EXPECT_EQ(account.bytes[0], 60);
    EXPECT_EQ(account.bytes[1], 3000);
    EXPECT_EQ(table->read_mark(ref), 0xABCD);
    EXPECT_EQ(table->read_start(ref), 1'700'000'000'000'000'000);

    table->remove(ref, Removal::deleted, table.diary());
    ASSERT_EQ(table.insert(key_for(table, 2), assured), ref) << "the next flow under the same number";
    EXPECT_EQ(table->read_account(ref).packets[1], 0);
    EXPECT_EQ(table->read_account(ref).bytes[0], 0);
    EXPECT_EQ(table->read_mark(ref), 0);
    EXPECT_EQ(table->read_start(ref), 0);
}

TYPED_TEST(TableTest, WhatIsSwitchedOffCostsNothingAndReadsAsZero) {
    TypeParam table(config_of(10));
    const Ref ref = table.insert(key_for(table, 1), assured);
    table->account(ref, 0, 60);
    table->set_start(ref, 99);
    EXPECT_EQ(table->read_account(ref).packets[0], 0);
    EXPECT_EQ(table->read_start(ref), 0);
}

TYPED_TEST(TableTest, ReadersSeeLiveRecordsOnly) {
    TypeParam table(config_of(10));
    typename TypeParam::Flows::Record copy;
    EXPECT_FALSE(table->read(0, copy)) << "never used";
    const auto key = key_for(table, 1);
    const Ref ref = table->insert(key, table->hash_of(key), true, Payload{.lifetime = assured, .words = {9}},
                                  table.now + 5, table.now, table.diary());
    ASSERT_TRUE(table->read(ref, copy));
    EXPECT_EQ(copy.key, key);
    EXPECT_EQ(copy.payload.words[0], 9);
    EXPECT_EQ(copy.expiry, table.now + 5);
    EXPECT_TRUE(table->original_from_high(copy));
    table->remove(ref, Removal::deleted, table.diary());
    EXPECT_FALSE(table->read(ref, copy)) << "freed";
    EXPECT_FALSE(table->read(no_ref, copy)) << "no number of this table";
}

TYPED_TEST(TableTest, ClassesAreCountedExactly) {
    TypeParam table(config_of(10));
    const auto counts = [&] {
        return std::array{table->size_of_class(0), table->size_of_class(1), table->size_of_class(2),
                          table->size_of_class(3)};
    };
    const Ref ref = table.insert(key_for(table, 1), opening);
    table.insert(key_for(table, 2), unassured);
    EXPECT_EQ(counts(), (std::array{1U, 0U, 1U, 0U}));
    table.refresh(ref, opened);
    EXPECT_EQ(counts(), (std::array{1U, 0U, 1U, 0U}));
    table.refresh(ref, assured);
    EXPECT_EQ(counts(), (std::array{0U, 0U, 1U, 1U}));
    table.refresh(ref, closing);
    EXPECT_EQ(counts(), (std::array{0U, 1U, 1U, 0U}));
    table->remove(ref, Removal::deleted, table.diary());
    EXPECT_EQ(counts(), (std::array{0U, 0U, 1U, 0U}));
}

TYPED_TEST(TableTest, TheSmallestTableWorks) {
    TypeParam table(config_of(1));
    for (unsigned i = 0; i < 100; ++i) {
        const Ref ref = table.insert(key_for(table, i), unassured);
        ASSERT_EQ(ref, 0);
        ASSERT_EQ(table.find(key_for(table, i)), 0);
    }
    EXPECT_EQ(table.count(Removal::evicted), 99);
    EXPECT_EQ(table->evictions(), 99);
}

TEST(TableConfigTest, WhatCannotBeIsRefusedInASentence) {
    const auto error_of = [](auto&& change) {
        TableConfig config = config_of(100);
        change(config);
        const Status status = check(config);
        return status.ok() ? std::string() : status.error();
    };
    EXPECT_EQ(error_of([](TableConfig&) {}), "");
    EXPECT_EQ(error_of([](TableConfig& c) { c.capacity = 0; }),
              "the flow table's capacity is 0; it must lie between 1 and 1073741824");
    EXPECT_NE(error_of([](TableConfig& c) { c.capacity = max_capacity + 1; }), "");
    EXPECT_NE(error_of([](TableConfig& c) { c.lifetimes = 0; }), "");
    EXPECT_NE(error_of([](TableConfig& c) { c.lifetimes = 33; }), "");
    EXPECT_NE(error_of([](TableConfig& c) { c.eviction_class[2] = 4; }), "");
    EXPECT_NE(error_of([](TableConfig& c) { c.interval[1] = 0; }), "");
    EXPECT_NE(error_of([](TableConfig& c) { c.interval[1] = max_interval + 1; }), "");
}

TEST(TableConfigTest, AnArenaTooSmallOrCrookedIsRefused) {
    const TableConfig config = config_of(100);
    Memory memory(Table4::Flows::bytes_needed(config) + 64);
    const auto exact = memory.span().first(Table4::Flows::bytes_needed(config));
    EXPECT_TRUE(Table4::Flows::create(config, exact).ok());
    EXPECT_FALSE(Table4::Flows::create(config, exact.first(exact.size() - 1)).ok());
    EXPECT_FALSE(Table4::Flows::create(config, memory.span().subspan(8)).ok());
}

TEST(Memory, AFlowCostsWhatWasPromised) {
    for (const std::uint32_t capacity : {100'000U, 1'000'000U, 1U << 20, (1U << 20) + 1, 10'000'000U}) {
        TableConfig config = config_of(capacity);
        EXPECT_LE(Table4::Flows::bytes_needed(config), 91 * std::size_t{capacity} + 8192);
        EXPECT_LE(Table6::Flows::bytes_needed(config), 155 * std::size_t{capacity} + 8192);
        config.accounting = config.timestamps = true;
        EXPECT_LE(Table4::Flows::bytes_needed(config), 131 * std::size_t{capacity} + 8192);
        EXPECT_LE(Table6::Flows::bytes_needed(config), 195 * std::size_t{capacity} + 8192);
    }
}

}  // namespace
}  // namespace sluice::flow::test
