// The keyed hash: both forms agree, every bit of the key reaches every bit of the hash, no set of tuples is
// bad for all secrets.
#include "sluice/flow/hash.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <unordered_map>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

Secret secret_of(std::uint64_t seed) {
    Random random(seed);
    Secret secret;
    for (auto& word : secret.words) word = random.next();
    return secret;
}

template <class KeyT>
KeyT random_key(Random& random) {
    std::array<std::uint64_t, (sizeof(KeyT) + 7) / 8> bytes;
    for (auto& word : bytes) word = random.next();
    KeyT key;
    std::memcpy(&key, bytes.data(), sizeof key);
    return key;
}

template <class KeyT>
KeyT with_bit_flipped(KeyT key, std::size_t bit) {
    reinterpret_cast<std::uint8_t*>(&key)[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    return key;
}

template <class KeyT>
class HashTest : public testing::Test {};
using Keys = testing::Types<Key4, Key6>;
TYPED_TEST_SUITE(HashTest, Keys);

TYPED_TEST(HashTest, PortableFormGivesTheSameValue) {
    Random random(1);
    for (unsigned i = 0; i < 20'000; ++i) {
        const Secret secret = secret_of(i % 64);
        const auto key = random_key<TypeParam>(random);
        ASSERT_EQ(hash(key, secret), hash_portable(key, secret)) << "key " << i;
    }
}

// Where the build has no AES instructions, the test above compares the portable form with itself: these
// values, which a build with them gave, must then come out all the same.
TYPED_TEST(HashTest, GivesTheSameValuesOnEveryMachine) {
    Random random(8);
    std::array<std::uint64_t, 4> values{};
    for (auto& value : values) {
        const auto key = random_key<TypeParam>(random);
        value = hash(key, secret_of(random.next()));
    }
    const std::array<std::uint64_t, 4> expected =
        sizeof(TypeParam) == sizeof(Key4)
            ? std::array<std::uint64_t, 4>{0xCF454AE92DE5C14F, 0x68C9BA3E80E34FC1, 0x31F1C2102F9162B5,
                                           0x861CDC50234F90F4}
            : std::array<std::uint64_t, 4>{0xCF5347CC839A91E7, 0x02B2E6DDC06C502B, 0xE9D8C9600BE99B0B,
                                           0xC379BB3B67718F4C};
    EXPECT_EQ(values, expected);
}

TYPED_TEST(HashTest, TheRecordsOwnByteIsNoPartOfIt) {
    Random random(2);
    const Secret secret = secret_of(2);
    auto key = random_key<TypeParam>(random);
    const std::uint64_t expected = hash(key, secret);
    for (unsigned spare = 0; spare < 256; ++spare) {
        key.spare = static_cast<std::uint8_t>(spare);
        ASSERT_EQ(hash(key, secret), expected);
        ASSERT_EQ(hash_portable(key, secret), expected);
    }
}

// Each of the 64 bits is to flip half of the time when a bit of the key does; over 2,000 keys six standard
// deviations are 134.
TYPED_TEST(HashTest, EveryKeyBitReachesEveryHashBit) {
    constexpr unsigned keys = 2'000;
    constexpr unsigned half = keys / 2;
    Random random(3);
    const Secret secret = secret_of(3);
    for (std::size_t bit = 0; bit < 8 * (sizeof(TypeParam) - 1); ++bit) {
        std::array<unsigned, 64> flips{};
        for (unsigned i = 0; i < keys; ++i) {
            const auto key = random_key<TypeParam>(random);
            const std::uint64_t changed = hash(key, secret) ^ hash(with_bit_flipped(key, bit), secret);
            for (unsigned out = 0; out < 64; ++out) flips[out] += changed >> out & 1;
        }
        for (unsigned out = 0; out < 64; ++out) {
            ASSERT_NEAR(flips[out], half, 150) << "key bit " << bit << ", hash bit " << out;
        }
    }
}

TYPED_TEST(HashTest, EverySecretBitMatters) {
    Random random(4);
    const Secret secret = secret_of(4);
    for (std::size_t bit = 0; bit < 256; ++bit) {
        Secret other = secret;
        other.words[bit / 64] ^= std::uint64_t{1} << bit % 64;
        unsigned changed = 0;
        for (unsigned i = 0; i < 64; ++i) {
            const auto key = random_key<TypeParam>(random);
            changed += static_cast<unsigned>(std::popcount(hash(key, secret) ^ hash(key, other)));
        }
        ASSERT_NEAR(changed, 64 * 32, 400) << "secret bit " << bit;
    }
}

/// 64 Ki tuples, as an attacker could send them, that all fall into one of 256 buckets under `secret`.
std::vector<Key4> tuples_of_one_bucket(const Secret& secret) {
    std::vector<Key4> keys;
    for (std::uint64_t i = 0; keys.size() < 65'536; ++i) {
        const Key4 key = key4(i);
        if ((hash(key, secret) & 0xFFFF'FFFF) >> 24 == 0x5A) keys.push_back(key);
    }
    return keys;
}

TEST(HashFlood, TuplesThatCollideUnderOneSecretSpreadUnderAnother) {
    const std::vector<Key4> keys = tuples_of_one_bucket(secret_of(5));
    for (std::uint64_t other = 100; other < 110; ++other) {
        const Secret secret = secret_of(other);
        std::array<unsigned, 256> bucket{};
        std::array<unsigned, 256> fingerprint{};
        std::array<unsigned, 256> worker{};
        for (const Key4& key : keys) {
            const std::uint64_t value = hash(key, secret);
            ++bucket[(value & 0xFFFF'FFFF) >> 24];
            ++fingerprint[value >> 32 & 0xFF];
            ++worker[owner_of(value, 256)];
        }
        // 256 on average, a standard deviation of 16.
        for (unsigned i = 0; i < 256; ++i) {
            EXPECT_NEAR(bucket[i], 256, 96);
            EXPECT_NEAR(fingerprint[i], 256, 96);
            EXPECT_NEAR(worker[i], 256, 96);
        }
    }
}

TEST(HashFlood, SequentialTuplesNeverCollideInFull) {
    const Secret secret = secret_of(6);
    std::set<std::uint64_t> seen;
    for (std::uint64_t i = 0; i < 200'000; ++i) ASSERT_TRUE(seen.insert(hash(key4(i), secret)).second);
}

TEST(Owner, EveryWorkerOwnsItsShare) {
    for (const unsigned workers : {1U, 2U, 3U, 7U, 16U, 100U}) {
        std::vector<unsigned> owned(workers);
        Random random(7);
        for (unsigned i = 0; i < 100'000; ++i) ++owned.at(owner_of(random.next(), workers));
        for (const unsigned share : owned)
            EXPECT_NEAR(share, 100'000.0 / workers, 100'000.0 / workers * 0.25);
    }
}

}  // namespace
}  // namespace sluice::flow::test
