// Hints for the cache: each line is asked for well before the eviction that needs it.
#include "sluice/flow/eviction_scout.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::flow::test {
namespace {

/// A list whose head leaves and comes back at the tail, as in a flood; notes when each record was asked for.
struct Flood {
    explicit Flood(Ref records)
        : next(records), record_at(records, never), bucket_at(records, never), tail(records - 1) {
        for (Ref ref = 0; ref < records; ++ref) next[ref] = ref + 1 < records ? ref + 1 : no_ref;
    }
    Ref evict() {
        const Ref evicted = head;
        head = next[evicted];
        ++now;
        scout.follow(
            evicted, head, [&](Ref ref) { return next[ref]; }, [](Ref) {},
            [&](Ref ref) { record_at[ref] = now; },
            [&](Ref ref) {
                EXPECT_NE(record_at[ref], never) << "a bucket is known by the record";
                bucket_at[ref] = now;
            });
        next[evicted] = no_ref;
        next[tail] = evicted;
        tail = evicted;
        return evicted;
    }
    static constexpr unsigned never = 0;
    std::vector<Ref> next;
    std::vector<unsigned> record_at, bucket_at;
    Ref head = 0, tail;
    unsigned now = 1;
    EvictionScout scout;
};

TEST(EvictionScoutTest, InAFloodEachLineIsAskedForWellAhead) {
    Flood flood(1000);
    for (unsigned i = 0; i < 5000; ++i) {
        const Ref evicted = flood.evict();
        if (i < 2 * EvictionScout::lead) continue;
        ASSERT_EQ(flood.now - flood.record_at[evicted], EvictionScout::lead);
        ASSERT_EQ(flood.now - flood.bucket_at[evicted], EvictionScout::lead / 2);
    }
}

TEST(EvictionScoutTest, AfterASurpriseItIsAheadAgainSoon) {
    Flood flood(1000);
    for (unsigned i = 0; i < 100; ++i) (void)flood.evict();
    flood.head = 500;  // everything before was taken away
    for (unsigned i = 0; i < 2 * EvictionScout::lead; ++i) (void)flood.evict();
    const Ref evicted = flood.evict();
    EXPECT_EQ(flood.now - flood.record_at[evicted], EvictionScout::lead);
}

TEST(EvictionScoutTest, AListShorterThanTheLeadIsNoTrouble) {
    for (const Ref records : {1U, 2U, 5U, EvictionScout::lead}) {
        Flood flood(records);
        for (unsigned i = 0; i < 100; ++i) {
            if (flood.head == no_ref) flood.head = flood.tail;
            ASSERT_LT(flood.evict(), records);
        }
    }
}

}  // namespace
}  // namespace sluice::flow::test
