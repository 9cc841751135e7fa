// The even/odd version by itself, without threads: a reader that meets a writer at a chosen moment.
#include "sluice/flow/seqlock.hpp"

#include <gtest/gtest.h>

#include <array>

namespace sluice::flow::test {
namespace {

using Record = std::array<std::uint32_t, 3>;  // version, two words

TEST(Seqlock, AWriteMakesTheVersionOddWhileItLastsAndTwoMoreAfterwards) {
    Record record{6, 1, 2};
    {
        const Publication publication(record.data());
        EXPECT_EQ(record[0], 7U);
        publication.put(sizeof(std::uint32_t), std::uint32_t{11});
    }
    EXPECT_EQ(record, (Record{8, 11, 2}));
}

TEST(Seqlock, ACopyThatAWriteCutInTwoIsTakenAgain) {
    Record record{6, 1, 2}, copy{};
    unsigned reads = 0;
    EXPECT_TRUE(read_consistently<3>(record.data(), copy.data(), [&] {
        if (++reads > 1) return;
        const Publication publication(record.data());
        publication.put(4, std::uint64_t{12} << 32 | 11);
    }));
    EXPECT_EQ(reads, 2U);
    EXPECT_EQ(copy, (Record{8, 11, 12}));
}

TEST(Seqlock, AReaderOfARecordBeingWrittenWaits) {
    Record record{6, 1, 2}, copy{};
    unsigned reads = 0;
    {
        const Publication publication(record.data());
        EXPECT_FALSE(read_consistently<3>(
            record.data(), copy.data(), [&] { ++reads; }, 10));
        EXPECT_EQ(reads, 0U) << "what lies beside a record being written is not looked at";
    }
    EXPECT_TRUE(read_consistently<3>(
        record.data(), copy.data(), [&] { ++reads; }, 1));
}

TEST(Seqlock, AReaderGivesUpOnARecordThatNeverHoldsStill) {
    Record record{6, 1, 2}, copy{};
    unsigned reads = 0;
    EXPECT_FALSE(read_consistently<3>(
        record.data(), copy.data(),
        [&] {
            const Publication publication(record.data());
            ++reads;
        },
        10));
    EXPECT_EQ(reads, 10U);
}

}  // namespace
}  // namespace sluice::flow::test
