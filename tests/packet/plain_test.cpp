// Plain TCP is read by read_plain(); parse() is its oracle. Frames that almost qualify are the ones that
// matter: sound ones with a few bytes or lengths changed.
#include <random>

#include "parsing.hpp"

namespace sluice::test {
namespace {

TEST(PlainTcp, AgreesOnMutatedFrames) {
    const Bytes seeds[] = {
        tcp_over_ipv4().build(),
        tcp_over_ipv4().payload(8).link_padding(3).build(),
        tcp_over_ipv4().option(Bytes{1, 1}).option(option::timestamps(7, 8)).payload(20).build(),
        tcp_over_ipv4().option(option::mss(1460)).option(option::window_scale(3)).build(),
        tcp_over_ipv4().ipv4_options(Bytes(8, 1)).build(),
        tcp_over_ipv4().vlan(3).build(),
        tcp_over_ipv6().build(),
        over_ipv4().udp(1, 2).payload(30).build(),
        PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.1").tcp(5, 5).build(),
    };
    std::mt19937 random(1);
    int accepted = 0;
    constexpr int rounds = 200000;
    for (int round = 0; round < rounds; ++round) {
        Bytes frame = seeds[random() % std::size(seeds)];
        for (unsigned change = random() % 4; change > 0; --change) {
            // Mostly the bytes that the short cut looks at.
            const std::size_t at = random() % 4 == 0 ? random() % frame.size() : 12 + random() % 48;
            if (at < frame.size()) frame[at] = static_cast<std::uint8_t>(random());
        }
        const std::size_t frame_length = random() % 8 == 0 ? random() % 80 : frame.size();
        if (random() % 8 == 0) frame.resize(random() % (frame.size() + 1));
        const Headers headers = parse_part(frame, frame_length, LinkLayer::ethernet);
        accepted += headers.refusal == Reason::none ? 1 : 0;
        ASSERT_FALSE(testing::Test::HasFailure()) << testing::PrintToString(frame) << " of " << frame_length;
    }
    EXPECT_GT(accepted, rounds / 10) << "the mutations must leave both kinds";
    EXPECT_LT(accepted, rounds * 9 / 10);
}

TEST(PlainTcp, AgreesOnEveryByteOfTheHeader) {
    const Bytes seed =
        tcp_over_ipv4().option(Bytes{1, 1}).option(option::timestamps(7, 8)).payload(4).build();
    for (std::size_t at = 0; at < seed.size(); ++at) {
        for (unsigned value = 0; value < 256; ++value) {
            Bytes frame = seed;
            frame[at] = static_cast<std::uint8_t>(value);
            (void)parse_frame(frame);
        }
    }
}

bool is_plain(const PacketBuilder& builder) {
    const Bytes frame = builder.build();
    const ExactBuffer buffer(frame);
    const ParseInput input{buffer.span(), frame.size(), builder.link()};
    Headers headers;
    packet::parse(input, headers);
    return compare_plain(input, headers).plain;
}

TEST(PlainTcp, IsWhatItSays) {
    EXPECT_TRUE(is_plain(tcp_over_ipv4()));
    EXPECT_TRUE(is_plain(tcp_over_ipv6().payload(1000)));
    EXPECT_TRUE(is_plain(tcp_over_ipv4().vlan(3)));
    EXPECT_TRUE(is_plain(tcp_over_ipv6().vlan(3)));
    EXPECT_TRUE(is_plain(tcp_over_ipv4().option(option::mss(1460)).option(option::window_scale(3))));
    EXPECT_FALSE(is_plain(tcp_over_ipv4().ipv4_options(Bytes(8, 1)))) << "IPv4 options";
    EXPECT_FALSE(is_plain(tcp_over_ipv4().vlan(3).vlan(4))) << "two tags";
    EXPECT_FALSE(is_plain(over_ipv4().udp(1, 2))) << "UDP";
    EXPECT_FALSE(is_plain(PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.1").tcp(5, 5))) << "one host";
}

TEST(PlainTcp, RandomBytesNeverCrash) {
    std::mt19937 random(2);
    for (int round = 0; round < 100000; ++round) {
        Bytes frame(random() % 120);
        for (auto& byte : frame) byte = static_cast<std::uint8_t>(random());
        if (frame.size() > 20 && random() % 2 == 0) {
            const bool six = random() % 2 == 0;
            frame[12] = six ? 0x86 : 0x08;
            frame[13] = six ? 0xDD : 0x00;
            frame[14] = six ? 0x60 : static_cast<std::uint8_t>(0x45 + random() % 3);
        }
        (void)parse_frame(frame);
        ASSERT_FALSE(testing::Test::HasFailure());
    }
}

}  // namespace
}  // namespace sluice::test
