// AES-128 against the standard's own examples, and its two forms against one another.
#include "sluice/base/aes.hpp"

#include <gtest/gtest.h>

#include <random>

namespace sluice {
namespace {

using aes::Words;

Words words_of(const std::array<std::uint8_t, 16>& bytes) {
    return std::bit_cast<Words>(bytes);
}
template <class Block>
Words encrypted(const Words& words, const Words& key) {
    return aes::encrypted(Block(words), aes::Key(key)).words();
}

template <class Block>
void expect_the_standards_examples() {
    // FIPS 197, appendix C.1.
    EXPECT_EQ(encrypted<Block>(words_of({0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA,
                                         0xBB, 0xCC, 0xDD, 0xEE, 0xFF}),
                               words_of({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})),
              words_of({0x69, 0xC4, 0xE0, 0xD8, 0x6A, 0x7B, 0x04, 0x30, 0xD8, 0xCD, 0xB7, 0x80, 0x70, 0xB4,
                        0xC5, 0x5A}));
    // Appendix B.
    EXPECT_EQ(encrypted<Block>(words_of({0x32, 0x43, 0xF6, 0xA8, 0x88, 0x5A, 0x30, 0x8D, 0x31, 0x31, 0x98,
                                         0xA2, 0xE0, 0x37, 0x07, 0x34}),
                               words_of({0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15,
                                         0x88, 0x09, 0xCF, 0x4F, 0x3C})),
              words_of({0x39, 0x25, 0x84, 0x1D, 0x02, 0xDC, 0x09, 0xFB, 0xDC, 0x11, 0x85, 0x97, 0x19, 0x6A,
                        0x0B, 0x32}));
}

TEST(Aes, EncryptsTheStandardsExamples) {
    expect_the_standards_examples<aes::Block>();
    expect_the_standards_examples<aes::PortableBlock>();
}

TEST(Aes, BothFormsAgree) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 2000; ++round) {
        const Words key{random(), random()}, words{random(), random()};
        ASSERT_EQ(encrypted<aes::Block>(words, key), encrypted<aes::PortableBlock>(words, key));
    }
}

TEST(Aes, BlocksSideBySideDoNotMix) {
    std::mt19937_64 random(2);
    const aes::Key key({random(), random()});
    std::array<Words, 5> words;
    for (Words& one : words) one = {random(), random()};
    std::array<aes::Block, 5> blocks;
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = aes::Block(words[i]);
    aes::encrypt(blocks, key);
    for (std::size_t i = 0; i < blocks.size(); ++i)
        EXPECT_EQ(blocks[i].words(), aes::encrypted(aes::Block(words[i]), key).words());
}

}  // namespace
}  // namespace sluice
