// Translation of the segments of a proxied flow.
#include "sluice/guard/translation.hpp"

#include "segments.hpp"

namespace sluice::test {
namespace {

constexpr Translation some_deltas{.sequence_delta = delta, .timestamp_delta = stamp_delta};

Translation with_window_shifts(int to_client, int to_server) {
    Translation out = some_deltas;
    out.set_window_shift(Toward::client, to_client);
    out.set_window_shift(Toward::server, to_server);
    return out;
}

// A segment of either family, and its TCP header.
PacketBuilder segment(bool six = false, unsigned flags = packet::ack) {
    return PacketBuilder()
        .ip(six ? "2001:db8::1" : "192.0.2.1", six ? "2001:db8:1::2" : "198.51.100.2")
        .tcp(443, 40000)
        .flags(flags)
        .payload(11);
}
std::size_t header_at(const Bytes& packet) {
    return packet[0] >> 4 == 6 ? 40 : 20;
}
// The whole packet with its TCP header translated.
Bytes through(const PacketBuilder& builder, Toward toward, const Translation& translation) {
    Bytes packet = builder.build_ip();
    const std::size_t at = header_at(packet);
    const std::size_t length = (packet[at + 12] >> 4) * 4U;
    const Bytes header = translated(Bytes(packet.begin() + static_cast<std::ptrdiff_t>(at),
                                          packet.begin() + static_cast<std::ptrdiff_t>(at + length)),
                                    toward, translation);
    std::copy(header.begin(), header.end(), packet.begin() + static_cast<std::ptrdiff_t>(at));
    return packet;
}

const std::uint32_t some_numbers[] = {0, 1, 0x7FFF'FFFF, 0x8000'0000, 0xFFFF'FFFF, 0x1234'5678};

// Each kind of segment before and behind the box, both built anew: checksums are compared with them.
TEST(Translation, ToTheClientTheSequenceNumberIsTheCookies) {
    for (const bool six : {false, true}) {
        for (const std::uint32_t number : some_numbers) {
            const auto at = [&](std::uint32_t sequence) {
                return segment(six).sequence(sequence).acknowledgement(77);
            };
            EXPECT_EQ(through(at(number), Toward::client, some_deltas), at(number + delta).build_ip())
                << number;
        }
    }
}

TEST(Translation, ToTheServerTheAcknowledgementIsOfItsOwnNumbers) {
    for (const bool six : {false, true}) {
        for (const std::uint32_t number : some_numbers) {
            const auto at = [&](std::uint32_t acknowledged) {
                return segment(six).sequence(77).acknowledgement(acknowledged);
            };
            EXPECT_EQ(through(at(number), Toward::server, some_deltas), at(number - delta).build_ip())
                << number;
        }
    }
}

TEST(Translation, TimestampsAtTheirUsualPlace) {
    const auto with = [](std::uint32_t sequence, std::uint32_t acknowledged, std::uint32_t value,
                         std::uint32_t echo) {
        return segment()
            .sequence(sequence)
            .acknowledgement(acknowledged)
            .option({1, 1})
            .option(option::timestamps(value, echo));
    };
    for (const std::uint32_t number : some_numbers) {
        EXPECT_EQ(through(with(5, 6, number, 8), Toward::client, some_deltas),
                  with(5 + delta, 6, number + stamp_delta, 8).build_ip());
        EXPECT_EQ(through(with(5, 6, 7, number), Toward::server, some_deltas),
                  with(5, 6 - delta, 7, number - stamp_delta).build_ip());
    }
}

TEST(Translation, OptionsAtAnyByteAreFound) {
    const auto with = [](std::size_t nops, std::uint32_t sequence, std::uint32_t acknowledged,
                         std::uint32_t value, std::uint32_t echo, std::uint32_t left, std::uint32_t right) {
        return segment()
            .sequence(sequence)
            .acknowledgement(acknowledged)
            .option(Bytes(nops, 1))
            .option(option::timestamps(value, echo))
            .option(option::sack({{left, right}}));
    };
    for (std::size_t nops = 0; nops <= 20; ++nops) {
        EXPECT_EQ(through(with(nops, 5, 6, 7, 8, 9, 10), Toward::client, some_deltas),
                  with(nops, 5 + delta, 6, 7 + stamp_delta, 8, 9, 10).build_ip())
            << nops;
        EXPECT_EQ(through(with(nops, 5, 6, 7, 8, 9, 10), Toward::server, some_deltas),
                  with(nops, 5, 6 - delta, 7, 8 - stamp_delta, 9 - delta, 10 - delta).build_ip())
            << nops;
    }
}

TEST(Translation, EverySackBlockIsOfTheServersNumbers) {
    // The first repeats what is acknowledged (D-SACK, RFC 2883), one crosses the wrap, one goes backwards.
    const std::vector<std::pair<std::uint32_t, std::uint32_t>> blocks{
        {90, 100}, {0xFFFF'FF00, 0x100}, {3000, 2000}, {delta - 1, delta + 1}};
    for (std::size_t count = 1; count <= blocks.size(); ++count) {
        const auto with = [&](std::uint32_t acknowledged, std::uint32_t edges) {
            Bytes sack{5, static_cast<std::uint8_t>(2 + 8 * count)};
            for (std::size_t i = 0; i < count; ++i) {
                for (const std::uint32_t edge : {blocks[i].first, blocks[i].second}) {
                    sack.resize(sack.size() + 4);
                    put_word(sack, sack.size() - 4, edge + edges);
                }
            }
            return segment().sequence(1).acknowledgement(acknowledged).option({1, 1}).option(sack);
        };
        EXPECT_EQ(through(with(100, 0), Toward::server, some_deltas), with(100 - delta, 0 - delta).build_ip())
            << count;
        const Bytes behind = through(with(100, 0), Toward::client, some_deltas);
        EXPECT_EQ(behind, with(100, 0).sequence(1 + delta).build_ip())
            << "the server's blocks are of the client's numbers";
    }
}

TEST(Translation, WithoutAckNothingIsAcknowledged) {
    for (const unsigned flags : {2U, 4U, 0U}) {
        const auto with = [&](std::uint32_t sequence, std::uint32_t value) {
            return segment(false, flags)
                .sequence(sequence)
                .acknowledgement(6)
                .option({1, 1})
                .option(option::timestamps(value, 8));
        };
        EXPECT_EQ(through(with(5, 7), Toward::server, some_deltas), with(5, 7).build_ip());
        EXPECT_EQ(through(with(5, 7), Toward::client, some_deltas),
                  with(5 + delta, 7 + stamp_delta).build_ip());
    }
}

TEST(Translation, OtherOptionsAreNoneOfItsBusiness) {
    const auto with = [](std::uint32_t sequence) {
        return segment(false, packet::syn | packet::ack)
            .sequence(sequence)
            .acknowledgement(0)
            .option(option::mss(1460))
            .option(option::window_scale(7))
            .option(option::sack_permitted())
            .option(option::fast_open(8));
    };
    EXPECT_EQ(through(with(5), Toward::client, some_deltas), with(5 + delta).build_ip());
}

TEST(Translation, MalformedOptionsAreLeftAlone) {
    const Bytes malformed[] = {
        {8, 9, 1, 1, 1, 1, 2, 2, 2},            // timestamps too short
        {8, 11, 1, 1, 1, 1, 2, 2, 2, 2, 2},     // too long
        {8, 12, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2},  //
        {5, 2},                                 // no block
        {5, 6, 1, 1, 1, 1},                     // half a block
        {5, 11, 1, 1, 1, 1, 2, 2, 2, 2, 2},     // a block and a byte
        {5, 14, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3},
        {8, 0, 1, 1, 1, 1, 2, 2, 2, 2},      // no length to go on by
        {5, 1, 1, 1, 1, 1, 2, 2, 2, 2},      //
        {8, 40, 1, 1, 1, 1, 2, 2, 2, 2},     // beyond the header
        {5, 18, 1, 1, 1, 1, 2, 2, 2, 2},     //
        {0, 8, 10, 1, 1, 1, 1, 2, 2, 2, 2},  // behind the end of the list
        {1, 1, 1, 1, 1, 1, 1, 8},            // cut before its length
    };
    for (const Bytes& bad : malformed) {
        for (std::size_t nops : {0U, 1U}) {
            const auto with = [&](std::uint32_t sequence, std::uint32_t acknowledged) {
                return segment()
                    .sequence(sequence)
                    .acknowledgement(acknowledged)
                    .option(Bytes(nops, 1))
                    .option(bad);
            };
            const testing::Message what = testing::Message()
                                          << testing::PrintToString(bad) << " behind " << nops;
            EXPECT_EQ(through(with(5, 6), Toward::client, some_deltas), with(5 + delta, 6).build_ip())
                << what;
            EXPECT_EQ(through(with(5, 6), Toward::server, some_deltas), with(5, 6 - delta).build_ip())
                << what;
        }
    }
}

TEST(Translation, GoodOptionsBehindMalformedOnesAreTranslated) {
    const auto with = [](std::uint32_t sequence, std::uint32_t value) {
        return segment()
            .sequence(sequence)
            .acknowledgement(0)
            .option({8, 4, 1, 1, 5, 3, 1})
            .option(option::timestamps(value, 8));
    };
    EXPECT_EQ(through(with(5, 7), Toward::client, some_deltas), with(5 + delta, 7 + stamp_delta).build_ip());
}

TEST(Translation, WindowsAreRoundedDownAndCut) {
    EXPECT_EQ(guard::rescale_window(1000, 0), 1000);
    EXPECT_EQ(guard::rescale_window(1000, 3), 8000);
    EXPECT_EQ(guard::rescale_window(8191, 3), 65528);
    EXPECT_EQ(guard::rescale_window(8192, 3), 65535);
    EXPECT_EQ(guard::rescale_window(65535, 14), 65535);
    EXPECT_EQ(guard::rescale_window(1001, -3), 125);
    EXPECT_EQ(guard::rescale_window(7, -3), 0);
    EXPECT_EQ(guard::rescale_window(65535, -14), 3);
    EXPECT_EQ(guard::rescale_window(0, 14), 0);
}

TEST(Translation, WindowsAreRescaledForTheirReader) {
    const Translation translation = with_window_shifts(3, -2);
    for (const bool with_options : {false, true}) {
        const auto at = [&](std::uint32_t sequence, std::uint32_t acknowledged, std::uint16_t window) {
            auto builder = segment().sequence(sequence).acknowledgement(acknowledged).window(window);
            if (with_options) builder.option({1, 254, 4, 0, 0});  // one that needs the walk
            return builder;
        };
        EXPECT_EQ(through(at(1, 2, 1000), Toward::client, translation), at(1 + delta, 2, 8000).build_ip());
        EXPECT_EQ(through(at(1, 2, 9000), Toward::client, translation), at(1 + delta, 2, 65535).build_ip());
        EXPECT_EQ(through(at(1, 2, 1003), Toward::server, translation), at(1, 2 - delta, 250).build_ip());
    }
}

TEST(Translation, TheWindowOfASynIsNotScaled) {
    const Translation translation = with_window_shifts(3, -2);
    for (const unsigned flags : {2U, 18U}) {
        const auto at = [&](std::uint32_t sequence) {
            return segment(false, flags).sequence(sequence).acknowledgement(delta).window(1000);
        };
        EXPECT_EQ(through(at(1), Toward::client, translation), at(1 + delta).build_ip());
        auto to_server = at(1);
        const Bytes behind = through(to_server, Toward::server, translation);
        EXPECT_EQ(behind, to_server.acknowledgement((flags & packet::ack) != 0 ? 0 : delta).build_ip());
    }
}

TEST(Translation, ShiftsOfTheTwoDirectionsDoNotMix) {
    for (int to_client = -14; to_client <= 14; ++to_client) {
        for (int to_server = -14; to_server <= 14; ++to_server) {
            const Translation translation = with_window_shifts(to_client, to_server);
            EXPECT_EQ(translation.window_shift(Toward::client), to_client);
            EXPECT_EQ(translation.window_shift(Toward::server), to_server);
            EXPECT_EQ(guard::inverse(guard::inverse(translation)), translation);
        }
    }
    EXPECT_EQ(with_window_shifts(0, 0).window_shifts, 0U);
}

TEST(Translation, NothingToTranslateLeavesEveryByte) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 2000; ++round) {
        const auto rest = static_cast<std::uint16_t>(random());
        const Bytes header = make_header(random, static_cast<unsigned>(random() & 0xFF),
                                         round % 2 == 0 ? Bytes{} : option::timestamps(1, 2), rest);
        for (const Toward toward : both_ways) EXPECT_EQ(translated(header, toward, {}), header);
    }
}

// Headers of every kind against the plain translation; see random_options().
Bytes random_options(std::mt19937_64& random) {
    const auto byte = [&] { return static_cast<std::uint8_t>(random()); };
    Bytes out;
    const auto append = [&](const Bytes& bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
    switch (random() % 4) {
        case 0:
            break;
        case 1:
            append({1, 1});
            append(option::timestamps(static_cast<std::uint32_t>(random()),
                                      static_cast<std::uint32_t>(random())));
            break;
        case 2:
            while (out.size() < 30 && random() % 8 != 0) {
                append(Bytes(random() % 3, 1));
                switch (random() % 4) {
                    case 0:
                        append(option::timestamps(static_cast<std::uint32_t>(random()), 7));
                        break;
                    case 1:
                        append({5, static_cast<std::uint8_t>(2 + 8 * (random() % 5))});
                        while (random() % 4 != 0) append({byte(), byte(), byte(), byte()});
                        break;
                    case 2:
                        append({8, static_cast<std::uint8_t>(8 + random() % 4)});
                        break;
                    default:
                        append({byte(), static_cast<std::uint8_t>(random() % 12)});
                }
            }
            break;
        default:
            out.resize(random() % 41);
            for (auto& one : out) one = random() % 2 == 0 ? byte() : static_cast<std::uint8_t>(random() % 12);
    }
    out.resize(std::min<std::size_t>(out.size(), 40));
    return out;
}

Translation random_translation(std::mt19937_64& random) {
    Translation out{.sequence_delta = static_cast<std::uint32_t>(random()),
                    .timestamp_delta = random() % 4 == 0 ? 0 : static_cast<std::uint32_t>(random())};
    if (random() % 4 == 0) {
        out.set_window_shift(Toward::client, static_cast<int>(random() % 29) - 14);
        out.set_window_shift(Toward::server, static_cast<int>(random() % 29) - 14);
    }
    return out;
}

unsigned random_flags(std::mt19937_64& random) {
    return static_cast<unsigned>(random() % 3 == 0 ? random() & 0xFF : packet::ack | packet::psh);
}

TEST(Translation, AnyHeaderIsTranslatedAsThePlainTranslationSays) {
    std::mt19937_64 random(9293);
    for (int round = 0; round < 100'000; ++round) {
        const auto rest = static_cast<std::uint16_t>(random());
        const Bytes header = make_header(random, random_flags(random), random_options(random), rest);
        const Translation translation = random_translation(random);
        for (const Toward toward : both_ways) {
            const Bytes behind = translated(header, toward, translation);
            ASSERT_EQ(behind, plainly_translated(header, toward, translation, rest))
                << testing::PrintToString(header) << " toward " << static_cast<int>(toward);
            ASSERT_TRUE(checksum_holds(behind, rest));
        }
    }
}

TEST(Translation, TheInverseGivesEveryByteBack) {
    std::mt19937_64 random(1624);
    for (int round = 0; round < 50'000; ++round) {
        Bytes header = make_header(random, random_flags(random), random_options(random), 0);
        put_half(header, 16, static_cast<unsigned>(random() % 0xFFFF));  // wherever it stands
        Translation translation = random_translation(random);
        translation.window_shifts = 0;
        for (const Toward toward : both_ways) {
            const Bytes there = translated(header, toward, translation);
            ASSERT_EQ(translated(there, toward, guard::inverse(translation)), header);
        }
    }
}

TEST(Translation, TheInverseGivesWindowsBackThatWereNotRounded) {
    std::mt19937_64 random(1);
    const Translation translation = with_window_shifts(4, -4);
    Bytes header = make_header(random, packet::ack, {}, 0);
    for (const Toward toward : both_ways) {
        put_half(header, 14, translation.window_shift(toward) > 0 ? 4095 : 4095 << 4);
        EXPECT_EQ(translated(translated(header, toward, translation), toward, guard::inverse(translation)),
                  header);
    }
}

TEST(Translation, AWrongChecksumStaysWrongByAsMuch) {
    std::mt19937_64 random(1071);
    for (int round = 0; round < 20'000; ++round) {
        const auto rest = static_cast<std::uint16_t>(random());
        Bytes header = make_header(random, random_flags(random), random_options(random), rest);
        const Translation translation = random_translation(random);
        const unsigned right = half_at(header, 16);
        const unsigned error = 1 + static_cast<unsigned>(random() % 0xFFFE);
        put_half(header, 16, (right + error) % 0xFFFF);
        for (const Toward toward : both_ways) {
            const Bytes behind = translated(header, toward, translation);
            const Bytes ideal = plainly_translated(header, toward, translation, rest);
            ASSERT_EQ(half_at(behind, 16) % 0xFFFFU, (half_at(ideal, 16) + error) % 0xFFFF);
        }
    }
}

TEST(Translation, AChecksumOfOnesComesBackAsZero) {
    std::mt19937_64 random(3);
    Bytes header = make_header(random, packet::ack, {}, 0);
    put_half(header, 16, 0xFFFF);
    const Bytes there = translated(header, Toward::client, some_deltas);
    const Bytes back = translated(there, Toward::client, guard::inverse(some_deltas));
    put_half(header, 16, 0);
    EXPECT_EQ(translated(header, Toward::client, some_deltas), there) << "the same number to the sum";
    EXPECT_EQ(back, header);
}

}  // namespace
}  // namespace sluice::test
