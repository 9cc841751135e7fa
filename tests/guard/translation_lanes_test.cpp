// Eight headers translated side by side: each as translate() has it by itself.
#include "sluice/guard/translation_lanes.hpp"

#include "segments.hpp"

namespace sluice::test {
namespace {

struct Record {
    Translation translation;
    std::uint32_t beside = 0x5555'5555;
};

Bytes some_options(std::mt19937_64& random) {
    const auto stamps =
        option::timestamps(static_cast<std::uint32_t>(random()), static_cast<std::uint32_t>(random()));
    Bytes out;
    switch (random() % 8) {
        case 0:
        case 1:
            break;
        case 2:
            out = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};  // as long as timestamps
            break;
        case 3:
            out = {1, 1};
            out.insert(out.end(), stamps.begin(), stamps.end());
            {
                const Bytes blocks = option::sack({{5, 6}, {0xFFFF'FF00, 0x100}});
                out.insert(out.end(), blocks.begin(), blocks.end());
            }
            break;
        default:
            out = {1, 1};
            out.insert(out.end(), stamps.begin(), stamps.end());
    }
    return out;
}

TEST(TranslationInLanes, DoesToEachWhatItDoesToOne) {
    std::mt19937_64 random(8);
    unsigned translated_ones = 0, left_alone = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::array<Bytes, lane_count> headers, expected;
        std::array<std::unique_ptr<std::uint8_t[]>, lane_count> exact;  // for the address sanitizer
        std::array<Record, lane_count> records;
        std::array<guard::Translated, lane_count> segments{};
        const auto which = static_cast<unsigned>(random() & 0xFF);
        Lanes to_client{};
        for (unsigned lane = 0; lane < lane_count; ++lane) {
            const auto flags =
                static_cast<unsigned>(random() % 8 == 0 ? random() & 0xFF : std::uint64_t{packet::ack});
            headers[lane] = make_header(random, flags, some_options(random), 0);
            if (random() % 16 == 0) put_half(headers[lane], 16, random() % 2 == 0 ? 0xFFFF : 0);
            Translation& translation = records[lane].translation;
            // Nothing changed is where one's complement has a corner.
            if (random() % 8 != 0) translation.sequence_delta = static_cast<std::uint32_t>(random());
            if (random() % 8 != 0) translation.timestamp_delta = static_cast<std::uint32_t>(random());
            if (random() % 8 == 0) translation.set_window_shift(Toward::client, 3);
            if (random() % 8 == 0) translation.set_window_shift(Toward::server, -2);
            const Toward toward = both_ways[random() % 2];
            to_client[lane] = mask_of(toward == Toward::client);
            if ((which >> lane & 1U) == 0) {
                // Nobody waits here: whatever stands here is not looked at.
                ++left_alone;
                continue;
            }
            ++translated_ones;
            expected[lane] = translated(headers[lane], toward, translation);
            exact[lane].reset(new std::uint8_t[headers[lane].size()]);
            std::copy(headers[lane].begin(), headers[lane].end(), exact[lane].get());
            segments[lane] = {exact[lane].get(), reinterpret_cast<const std::byte*>(&records[lane])};
        }
        guard::translate(segments, which, to_client);
        for (unsigned lane = 0; lane < lane_count; ++lane) {
            if (exact[lane] == nullptr) continue;
            ASSERT_EQ(Bytes(exact[lane].get(), exact[lane].get() + headers[lane].size()), expected[lane])
                << "round " << round << ", lane " << lane;
        }
    }
    EXPECT_GT(translated_ones, 70'000U);
    EXPECT_GT(left_alone, 70'000U);
}

}  // namespace
}  // namespace sluice::test
