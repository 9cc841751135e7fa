// A plain SYN answered by what all answers have in common: byte for byte what write_syn_ack() writes.
#include "sluice/packet/plain_syn.hpp"

#include "packet/parsing.hpp"
#include "sluice/packet/build.hpp"

namespace sluice::test {
namespace {

using packet::SynAck;
using packet::SynForm;

PacketBuilder with_linuxs_options(PacketBuilder syn, std::uint32_t timestamp = 0xDEADBEEF,
                                  std::uint8_t scale = 7) {
    syn.option(option::mss(1460)).option(option::sack_permitted()).option(option::timestamps(timestamp, 0));
    return syn.option({1}).option(option::window_scale(scale));
}
PacketBuilder syn_from(const PacketBuilder& builder, std::uint32_t sequence = 0xFFFF'FFFF) {
    auto syn = builder;
    return syn.tcp(40000, 443).flags(packet::syn).sequence(sequence);
}

template <Family family>
SynForm form_of(const Bytes& frame) {
    return packet::PlainSegment<family>(frame.data()).syn_form();
}
SynForm form_of(const PacketBuilder& syn) {
    const ExactBuffer exact(syn.build());
    return packet::PlainSegment<Family::ipv4>(exact.span().data()).syn_form();
}

/// Answers a SYN of either form both ways.
template <Family family>
void expect_same(const Bytes& frame, const SynAck& answer) {
    Headers headers;
    packet::parse({frame, frame.size()}, headers);
    const SynForm form = form_of<family>(frame);
    ASSERT_NE(form, SynForm::other);
    Bytes plainly = frame;
    plainly.resize(packet::turn_into_syn_ack({plainly, plainly.size()}, headers, answer, plainly));
    ASSERT_FALSE(plainly.empty());

    const ExactBuffer exact(frame);  // nothing is touched behind it
    const std::span<std::uint8_t> buffer(const_cast<std::uint8_t*>(exact.span().data()), frame.size());
    const std::size_t length =
        packet::SynAckForm(form, answer).write<family>(buffer, answer.sequence, answer.timestamp_value);
    EXPECT_EQ(Bytes(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(length)), plainly);
}
void expect_same(const PacketBuilder& syn, const SynAck& answer) {
    const Bytes frame = syn.build();
    Headers headers;
    packet::parse({frame, frame.size()}, headers);
    headers.family == Family::ipv4 ? expect_same<Family::ipv4>(frame, answer)
                                   : expect_same<Family::ipv6>(frame, answer);
}

TEST(PlainSyn, IsAnsweredAsEveryOther) {
    std::uint64_t state = 1;
    const auto next = [&state] {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<std::uint32_t>(state >> 32);
    };
    for (int round = 0; round < 4000; ++round) {
        // Words of all ones and of all zeros are where one's complement has its corners.
        const auto drawn = [&] { return round % 3 == 0 ? 0U - next() % 2 : next(); };
        auto syn = syn_from(round % 2 == 0 ? over_ipv4() : over_ipv6(), drawn());
        if (round % 5 == 0) syn.vlan(7, 0x8100, 5);
        if (round % 8 < 6) syn = with_linuxs_options(syn, drawn(), static_cast<std::uint8_t>(next() % 16));
        syn.payload(next() % 4).link_padding(next() % 12);
        const SynAck answer{.sequence = drawn(),
                            .window = static_cast<std::uint16_t>(drawn()),
                            .hop_limit = static_cast<std::uint8_t>(drawn()),
                            .mss = static_cast<std::uint16_t>(drawn() | 1),
                            .has_timestamps = next() % 4 != 0,
                            .sack_permitted = next() % 2 != 0,
                            .has_window_scale = next() % 2 != 0,
                            .window_scale = static_cast<std::uint8_t>(next() % 15),
                            .timestamp_value = drawn()};
        expect_same(syn, answer);
        ASSERT_FALSE(testing::Test::HasFailure()) << "round " << round;
    }
}

TEST(PlainSyn, HasOneOfTwoForms) {
    const auto syn = syn_from(over_ipv4());
    EXPECT_EQ(form_of(syn), SynForm::bare);
    EXPECT_EQ(form_of(with_linuxs_options(syn)), SynForm::linux_like);
    auto other = syn;
    EXPECT_EQ(form_of(other.option(option::mss(1460))), SynForm::other);
    // Any bit of what names the options makes it another form; those of their values do not.
    const Bytes frame = with_linuxs_options(syn).build();
    for (std::size_t at = 54; at < 74; ++at) {
        const bool is_value = at == 56 || at == 57 || (at >= 62 && at < 70) || at == 73;
        for (unsigned bit = 0; bit < 8; ++bit) {
            Bytes changed = frame;
            changed[at] = static_cast<std::uint8_t>(changed[at] ^ 1U << bit);
            EXPECT_EQ(form_of<Family::ipv4>(changed), is_value ? SynForm::linux_like : SynForm::other)
                << "byte " << at;
        }
    }
    Bytes without_mss = frame;
    without_mss[56] = without_mss[57] = 0;
    EXPECT_EQ(form_of<Family::ipv4>(without_mss), SynForm::other);
}

/// What may not be answered is never taken for a SYN between two hosts.
TEST(PlainSyn, IsBetweenHostsOnlyWhereAnAnswerMayBe) {
    const auto expect = [](const PacketBuilder& builder, bool between) {
        const Bytes frame = builder.build();
        Headers headers;
        packet::parse({frame, frame.size()}, headers);
        const bool found = headers.family == Family::ipv4
                               ? packet::PlainSegment<Family::ipv4>(frame.data()).is_between_hosts()
                               : packet::PlainSegment<Family::ipv6>(frame.data()).is_between_hosts();
        EXPECT_EQ(found, between);
        if (found) {
            EXPECT_TRUE(packet::may_answer({frame, frame.size()}, headers));
        }
    };
    expect(syn_from(over_ipv4()), true);
    expect(syn_from(over_ipv6()), true);
    for (unsigned first = 0; first < 256; ++first) {
        const std::string address = std::to_string(first) + ".0.0.1";
        const bool host = first != 0 && first != 127 && first < 224;
        for (const bool back : {false, true})
            expect(PacketBuilder()
                       .ethernet()
                       .ipv4(back ? "192.0.2.1" : address.c_str(), back ? address.c_str() : "192.0.2.1")
                       .tcp(1, 2)
                       .flags(packet::syn),
                   host);
    }
    for (const char* address : {"::", "::1", "ff02::1"})
        expect(PacketBuilder().ethernet().ipv6("2001:db8::1", address).tcp(1, 2).flags(packet::syn), false);
    expect(syn_from(over_ipv4().macs({2, 0, 0, 0, 0, 1}, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})), false);
    expect(syn_from(over_ipv4().macs({3, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})), false);
}

}  // namespace
}  // namespace sluice::test
