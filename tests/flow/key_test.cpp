// Keys written straight from a packet's bytes: by one shuffle, and portably.
#include "sluice/flow/key.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support.hpp"

namespace sluice::flow::test {
namespace {

TEST(Key, FromAPacketsBytesIsTheCanonicalOneOfItsFields) {
    Random random(3);
    unsigned high = 0;
    for (unsigned i = 0; i < 20'000; ++i) {
        std::array<std::uint64_t, 2> words{random.next(), random.next()};
        std::array<std::uint8_t, 16> bytes;
        std::memcpy(bytes.data(), words.data(), sizeof bytes);
        // Addresses often alike but for one byte, whichever.
        if (i % 4 != 0)
            for (std::size_t at = 0; at < 4; ++at)
                if (at != i / 4 % 4) bytes[4 + at] = bytes[at];
        const AddressPair addresses(bytes.data());
        ASSERT_EQ(addresses.differ(), !std::equal(bytes.begin(), bytes.begin() + 4, bytes.begin() + 4));
        if (!addresses.differ()) continue;
        const auto noise = static_cast<std::uint32_t>(random.next());
        const Domain domain{noise, static_cast<std::uint16_t>(noise >> 8)};
        const auto protocol = static_cast<std::uint8_t>(noise >> 3);
        const auto port = [&](std::size_t at) { return load<be16>(&bytes[at]).host(); };
        const auto wanted = make_key<4>(&bytes[0], &bytes[4], port(8), port(10), protocol, domain);
        Key4 key, portable;
        ASSERT_EQ(write_key(key, bytes.data(), addresses, protocol, domain), wanted.from_high);
        ASSERT_EQ(write_key_portable(portable, bytes.data(), addresses, protocol, domain), wanted.from_high);
        ASSERT_EQ(std::memcmp(&key, &wanted.key, sizeof key), 0) << "key " << i;
        ASSERT_EQ(std::memcmp(&portable, &wanted.key, sizeof key), 0) << "key " << i;
        high += wanted.from_high ? 1 : 0;
    }
    EXPECT_GT(high, 5'000U);
}

}  // namespace
}  // namespace sluice::flow::test
