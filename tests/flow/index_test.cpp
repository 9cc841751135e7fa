// The index: hash to record's number, in two buckets of ten.
#include "sluice/flow/index.hpp"

#include <gtest/gtest.h>

#include <unordered_map>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

struct Indexed {
    explicit Indexed(std::uint32_t count)
        : memory(count * sizeof(Bucket)),
          buckets(Arena(memory.span()).take<Bucket>(count)),
          index(buckets, count) {}
    [[nodiscard]] Ref find(std::uint64_t hash, Ref wanted) {
        return index.find(hash, [&](Ref ref) { return ref == wanted; });
    }
    Memory memory;
    Bucket* buckets;
    Index index;
};

/// Entries in each bucket, and how many the buckets say are elsewhere.
struct Census {
    std::uint64_t entries = 0, guests = 0, overflow = 0, full = 0;
};
Census census_of(const Indexed& indexed, std::uint32_t buckets) {
    Census census;
    for (std::uint32_t i = 0; i < buckets; ++i) {
        const Bucket& bucket = indexed.buckets[i];
        census.overflow += bucket.overflow;
        census.full += bucket.occupied == all_slots;
        for (unsigned slot = 0; slot < slots_per_bucket; ++slot) {
            if ((bucket.occupied >> slot & 1) == 0) continue;
            ++census.entries;
            census.guests += bucket.tag[slot] & 1;
        }
    }
    return census;
}

TEST(IndexTest, TagsComparedAtOnceAreTagsComparedOneByOne) {
    Random random(21);
    alignas(64) Bucket bucket{};
    for (unsigned i = 0; i < 100'000; ++i) {
        // Few values, so that many are equal; the fields behind the tags must not count.
        for (auto& tag : bucket.tag) tag = static_cast<std::uint16_t>(random.below(4) * 0x5555);
        bucket.occupied = static_cast<std::uint16_t>(random.below(4) * 0x5555);
        bucket.overflow = static_cast<std::uint16_t>(random.below(4) * 0x5555);
        bucket.record[0] = static_cast<Ref>(random.below(4) * 0x55555555);
        const auto wanted = static_cast<std::uint16_t>(random.below(4) * 0x5555);
        ASSERT_EQ(slots_with_tag(bucket, wanted), slots_with_tag_portable(bucket, wanted));
    }
}

TEST(IndexTest, TheAlternateOfTheAlternateIsThePrimaryAndNeverTheSame) {
    for (const std::uint32_t buckets : {2U, 4U, 6U, 10U, 1000U, 178'956'972U}) {
        const Index index(nullptr, buckets);
        Random random(22);
        for (unsigned i = 0; i < 50'000; ++i) {
            const std::uint64_t hash = random.next();
            const std::uint32_t primary = index.primary_of(hash);
            ASSERT_LT(primary, buckets);
            const std::uint32_t alternate = index.alternate_of(primary, Index::tag_of(hash));
            ASSERT_LT(alternate, buckets);
            ASSERT_NE(alternate, primary);
            ASSERT_EQ(index.alternate_of(alternate, Index::tag_of(hash)), primary);
        }
    }
}

TEST(IndexTest, TheNumberOfBucketsIsEvenAndFitsTheLoad) {
    for (const std::uint32_t capacity : {1U, 5U, 6U, 11U, 12U, 1000U, 1U << 20, max_capacity}) {
        const std::uint32_t buckets = Index::buckets_for(capacity);
        EXPECT_GE(buckets, 2U);
        EXPECT_EQ(buckets % 2, 0U);
        EXPECT_GE(std::uint64_t{buckets} * Index::flows_per_bucket, capacity) << capacity;
    }
}

TEST(IndexTest, EveryEntryIsFoundUntilItIsErased) {
    constexpr std::uint32_t buckets = 100;
    Indexed indexed(buckets);
    std::unordered_map<Ref, std::uint64_t> entries;
    Random random(23);
    for (unsigned step = 0; step < 400'000; ++step) {
        const auto ref = static_cast<Ref>(random.below(800));
        if (const auto entry = entries.find(ref); entry != entries.end()) {
            ASSERT_EQ(indexed.find(entry->second, ref), ref);
            indexed.index.erase(entry->second, ref);
            ASSERT_EQ(indexed.find(entry->second, ref), no_ref);
            entries.erase(entry);
        } else {
            const std::uint64_t hash = random.next();
            if (indexed.index.insert(hash, ref)) entries[ref] = hash;
        }
        if (step % 1000 == 0) {
            for (const auto& [r, hash] : entries) ASSERT_EQ(indexed.find(hash, r), r);
            const Census census = census_of(indexed, buckets);
            ASSERT_EQ(census.entries, entries.size());
            ASSERT_EQ(census.overflow, census.guests) << "the counts of those elsewhere add up";
        }
    }
    for (const auto& [ref, hash] : entries) indexed.index.erase(hash, ref);
    const Census census = census_of(indexed, buckets);
    EXPECT_EQ(census.entries, 0);
    EXPECT_EQ(census.overflow, 0);
}

TEST(IndexTest, EntriesOfOneFingerprintAreToldApartByTheCaller) {
    Indexed indexed(2);
    const std::uint64_t hash = 0x1234'0000'0001;
    for (Ref ref = 0; ref < 20; ++ref) ASSERT_TRUE(indexed.index.insert(hash, ref)) << "both buckets fill up";
    EXPECT_FALSE(indexed.index.insert(hash, 20));
    for (Ref ref = 0; ref < 20; ++ref) EXPECT_EQ(indexed.find(hash, ref), ref);
    EXPECT_EQ(indexed.find(hash, 20), no_ref);
    unsigned rivals = 0;
    indexed.index.for_each_rival(hash, [&](Ref ref) { rivals += ref < 20; });
    EXPECT_EQ(rivals, 20);
}

// Eleven of one primary bucket and eleven fingerprints: the last lies elsewhere, until there is room.
TEST(IndexTest, AGuestIsFoundByItsFingerprintAndMovesHome) {
    Indexed indexed(64);
    const auto hash = [](std::uint64_t i) { return i << 32; };
    for (Ref i = 0; i <= slots_per_bucket; ++i) ASSERT_TRUE(indexed.index.insert(hash(i), i));
    const std::uint64_t last = hash(slots_per_bucket), absent = hash(slots_per_bucket + 1);
    const std::uint32_t primary = indexed.index.primary_of(last);
    EXPECT_EQ(indexed.index.first(last, primary), no_ref);
    EXPECT_EQ(indexed.index.first_guest(last, primary), slots_per_bucket);
    EXPECT_EQ(indexed.index.first_guest(absent, primary), no_ref);
    EXPECT_EQ(indexed.index.first(last, primary), no_ref) << "there is no room at home";
    EXPECT_EQ(census_of(indexed, 64).guests, 1U);
    indexed.index.erase(hash(0), 0);
    EXPECT_EQ(indexed.index.first_guest(last, primary), slots_per_bucket);
    EXPECT_EQ(indexed.index.first(last, primary), slots_per_bucket);
    EXPECT_EQ(indexed.index.first_guest(last, primary), no_ref);
    const Census census = census_of(indexed, 64);
    EXPECT_EQ(census.guests, 0U);
    EXPECT_EQ(census.overflow, 0U);
    EXPECT_EQ(census.entries, slots_per_bucket);
}

TEST(IndexTest, AFailedInsertChangesNothing) {
    Indexed indexed(2);
    const std::uint64_t hash = 0x1234'0000'0001;
    for (Ref ref = 0; ref < 20; ++ref) ASSERT_TRUE(indexed.index.insert(hash, ref));
    const Census before_it = census_of(indexed, 2);
    EXPECT_FALSE(indexed.index.insert(0x7777'0000'0001, 99));
    const Census after_it = census_of(indexed, 2);
    EXPECT_EQ(after_it.entries, before_it.entries);
    EXPECT_EQ(after_it.overflow, before_it.overflow);
}

// 2^20 entries over 10 slots to a bucket, churned: at 76 %, far above the 60 % the tables have, an insert
// fails less than once in 10^6; at 60 %, few look-ups need a second bucket.
class Churned {
  public:
    Churned(std::uint32_t entries, std::uint32_t buckets)
        : buckets_(buckets), indexed_(buckets), hashes_(entries) {
        for (Ref ref = 0; ref < entries; ++ref) insert(ref);
    }
    void churn(unsigned turns) {
        for (std::uint64_t i = 0; i < std::uint64_t{turns} * hashes_.size(); ++i) {
            const auto ref = static_cast<Ref>(random_.below(hashes_.size()));
            indexed_.index.erase(hashes_[ref], ref);
            insert(ref);
        }
    }
    /// Whether all are found.
    bool find_all() {
        for (Ref ref = 0; ref < hashes_.size(); ++ref) {
            if (indexed_.find(hashes_[ref], ref) != ref) return false;
        }
        return true;
    }
    [[nodiscard]] Census census() const { return census_of(indexed_, buckets_); }

    std::uint64_t inserts = 0, failures = 0;

  private:
    void insert(Ref ref) {
        do {
            hashes_[ref] = random_.next();
            ++inserts;
        } while (!indexed_.index.insert(hashes_[ref], ref) && ++failures < 1000);
    }
    std::uint32_t buckets_;
    Indexed indexed_;
    std::vector<std::uint64_t> hashes_;
    Random random_{24};
};

TEST(IndexLoad, InsertsAtSeventySixPercentPracticallyNeverFail) {
    constexpr std::uint32_t entries = 1U << 20;
    Churned index(entries, static_cast<std::uint32_t>(entries / 7.6) & ~1U);
    index.churn(4);
    EXPECT_GE(index.inserts, 5'000'000U);
    EXPECT_EQ(index.failures, 0);
    EXPECT_EQ(index.census().entries, entries);
    EXPECT_TRUE(index.find_all());
}

TEST(IndexLoad, AtTheLoadOfAFullTableFewEntriesLieInTheirAlternate) {
    constexpr std::uint32_t entries = 1U << 18;
    Churned index(entries, Index::buckets_for(entries));
    EXPECT_LE(index.census().guests, entries * 2 / 100) << "filled";
    index.churn(4);
    EXPECT_EQ(index.failures, 0);
    EXPECT_LE(index.census().guests, entries * 6 / 100) << "churned";
    EXPECT_TRUE(index.find_all());
    EXPECT_LE(index.census().guests, entries * 2 / 100) << "and each looked up once";
    EXPECT_EQ(index.census().guests, index.census().overflow);
    EXPECT_EQ(index.census().entries, entries);
    EXPECT_TRUE(index.find_all());
}

}  // namespace
}  // namespace sluice::flow::test
