// A SYN turned into its SYN,ACK in place: byte for byte what build_tcp_answer() builds elsewhere.
#include "sluice/packet/syn_ack.hpp"

#include "packet/parsing.hpp"
#include "sluice/packet/build.hpp"
#include "sluice/packet/checksum.hpp"

namespace sluice::test {
namespace {

using packet::SynAck;

const SynAck everything{.sequence = 0x01020304,
                        .window = 29200,
                        .hop_limit = 64,
                        .ecn = true,
                        .mss = 1460,
                        .has_timestamps = true,
                        .sack_permitted = true,
                        .has_window_scale = true,
                        .window_scale = 7,
                        .timestamp_value = 0xA0B0C0D0};

PacketBuilder syn_over_ipv4() {
    return over_ipv4().tcp(40000, 443).flags(packet::syn).sequence(0xFFFFFFFF);
}
PacketBuilder syn_over_ipv6() {
    return over_ipv6().tcp(40000, 443).flags(packet::syn).sequence(0xFFFFFFFF);
}

struct Turned {
    Bytes frame;   ///< empty: refused
    Bytes buffer;  ///< all of it, afterwards
};

/// Turns the frame whose first `readable` bytes lie in a heap buffer of just that size.
Turned turn(const Bytes& frame, const SynAck& answer, std::size_t readable, std::size_t writable,
            LinkLayer link = LinkLayer::ethernet) {
    const std::unique_ptr<std::uint8_t[]> heap(new std::uint8_t[readable]);
    std::copy_n(frame.begin(), readable, heap.get());
    const std::span<std::uint8_t> buffer(heap.get(), readable);
    const ParseInput input{buffer, frame.size(), link};
    Headers headers;
    packet::parse(input, headers);
    const std::size_t length =
        packet::turn_into_syn_ack(input, headers, answer, buffer.first(std::min(writable, readable)));
    return {Bytes(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(length)),
            Bytes(buffer.begin(), buffer.end())};
}
Turned turn(const Bytes& frame, const SynAck& answer, LinkLayer link = LinkLayer::ethernet) {
    return turn(frame, answer, frame.size(), frame.size(), link);
}

/// The options that must come, by the rules as they are written, one option after the other.
Bytes expected_options(const Headers& syn, const SynAck& answer) {
    const packet::TcpOptions& offered = syn.tcp.options;
    Bytes out;
    const auto add = [&out](const Bytes& bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
    if (offered.mss != 0 && answer.mss != 0) add(option::mss(answer.mss));
    if (!offered.has_timestamps || !answer.has_timestamps) return out;
    if (offered.sack_permitted && answer.sack_permitted) {
        add(option::sack_permitted());
    } else {
        add({1, 1});
    }
    add(option::timestamps(answer.timestamp_value, offered.timestamp_value));
    if (offered.has_window_scale && answer.has_window_scale) {
        add({1});
        add(option::window_scale(answer.window_scale));
    }
    return out;
}

/// Turns `syn`, holds it against the frame built apart, parses it and checks its sums. Returns what was
/// parsed.
Headers expect_turned(const PacketBuilder& syn, const SynAck& answer) {
    const Bytes frame = syn.build();
    const Headers asked = parse_frame(frame, syn.link());
    const Turned turned = turn(frame, answer, syn.link());

    const bool ecn =
        answer.ecn && (asked.tcp.flags & packet::ece) != 0 && (asked.tcp.flags & packet::cwr) != 0;
    const Bytes options = expected_options(asked, answer);
    const packet::TcpAnswer plain{
        .sequence = answer.sequence,
        .acknowledgement = asked.tcp.sequence + 1,
        .window = answer.window,
        .flags = static_cast<std::uint8_t>(packet::syn | packet::ack | (ecn ? packet::ece : 0)),
        .hop_limit = answer.hop_limit,
        .options = options};
    Bytes expected(packet::max_answer_bytes);
    expected.resize(packet::build_tcp_answer({frame, frame.size(), syn.link()}, asked, plain, expected));
    const std::size_t whole = expected.size();
    if (syn.link() == LinkLayer::ethernet)
        expected.resize(std::max(whole, std::min<std::size_t>(60, frame.size())), 0);
    EXPECT_EQ(turned.frame, expected);
    EXPECT_LE(turned.frame.size(), frame.size()) << "never more than was sent";
    EXPECT_TRUE(std::equal(turned.buffer.begin() + static_cast<std::ptrdiff_t>(turned.frame.size()),
                           turned.buffer.end(),
                           frame.begin() + static_cast<std::ptrdiff_t>(turned.frame.size())))
        << "what lies behind is left alone";

    const Headers headers = parse_frame(turned.frame, syn.link());
    EXPECT_EQ(headers.refusal, Reason::none);
    EXPECT_EQ(std::size_t{headers.transport_offset} + headers.transport_length, whole);
    const auto bytes = std::span(turned.frame);
    if (headers.family == Family::ipv4) {
        EXPECT_TRUE(packet::ipv4_header_checksum_holds(bytes.subspan(headers.network_offset, 20)));
    }
    EXPECT_EQ(
        packet::verify_transport(headers, bytes.subspan(headers.transport_offset, headers.transport_length)),
        packet::ChecksumVerdict::good);
    return headers;
}

TEST(SynAck, GoesBackTheWayTheSynCame) {
    for (const auto& syn : {syn_over_ipv4(), syn_over_ipv6()}) {
        const Headers asked = parse_built(syn);
        const Headers headers = expect_turned(syn, everything);
        EXPECT_EQ(headers.source, asked.destination);
        EXPECT_EQ(headers.destination, asked.source);
        EXPECT_EQ(headers.source_port, 443);
        EXPECT_EQ(headers.destination_port, 40000);
        EXPECT_EQ(headers.tcp.sequence, 0x01020304U);
        EXPECT_EQ(headers.tcp.acknowledgement, 0U) << "the SYN's sequence number and one, across the wrap";
        EXPECT_EQ(headers.tcp.window, 29200);
        EXPECT_EQ(headers.tcp.flags, packet::syn | packet::ack);
        EXPECT_EQ(headers.hop_limit, 64);
        EXPECT_EQ(headers.tcp.payload_length, 0U);
    }
}

// 2 families, 0 to 2 tags, SNAP or not, every set of the four options, in two orders, whatever the box agrees
// to.
TEST(SynAck, SaysTheOptionsThatBothSidesHave) {
    for (const auto& family : {over_ipv4(), over_ipv6()}) {
        for (unsigned link = 0; link < 4; ++link) {
            for (unsigned offered = 0; offered < 32; ++offered) {
                for (unsigned said = 0; said < 32; ++said) {
                    auto syn = family;
                    if (link >= 1) syn.vlan(100, 0x88A8, 3);
                    if (link >= 2) syn.vlan(7, 0x8100, 5);
                    if (link == 3) syn.snap();
                    syn.tcp(1025, 80).sequence(99).flags(packet::syn | packet::ece | packet::cwr);
                    std::vector<Bytes> options;
                    if ((offered & 1) != 0) options.push_back(option::mss(1300));
                    if ((offered & 2) != 0) options.push_back(option::sack_permitted());
                    if ((offered & 4) != 0) options.push_back(option::timestamps(0xDEADBEEF, 0));
                    if ((offered & 8) != 0) options.push_back(option::window_scale(3));
                    if ((offered & 16) != 0) std::reverse(options.begin(), options.end());
                    for (const Bytes& one : options) syn.option(one);
                    SynAck answer = everything;
                    if ((said & 1) == 0) answer.mss = 0;
                    answer.sack_permitted = (said & 2) != 0;
                    answer.has_timestamps = (said & 4) != 0;
                    answer.has_window_scale = (said & 8) != 0;
                    answer.ecn = (said & 16) != 0;
                    const Headers headers = expect_turned(syn, answer);
                    const packet::TcpOptions& back = headers.tcp.options;
                    const unsigned both = offered & said;
                    ASSERT_EQ(back.mss, (both & 1) != 0 ? 1460 : 0);
                    ASSERT_EQ(back.has_timestamps, (both & 4) != 0);
                    ASSERT_EQ(back.timestamp_echo, (both & 4) != 0 ? 0xDEADBEEF : 0);
                    ASSERT_EQ(back.sack_permitted, (both & 6) == 6);
                    ASSERT_EQ(back.has_window_scale, (both & 12) == 12);
                }
            }
        }
    }
}

TEST(SynAck, HasLinuxsOrder) {
    auto syn = syn_over_ipv4();
    syn.option(option::window_scale(1)).option(option::timestamps(0x11223344, 9));
    syn.option(option::mss(1200)).option(option::sack_permitted());
    const Bytes answer = turn(syn.build(), everything).frame;
    EXPECT_EQ(
        Bytes(answer.begin() + 54, answer.end()),
        (Bytes{2, 4, 0x05, 0xB4, 4, 2, 8, 10, 0xA0, 0xB0, 0xC0, 0xD0, 0x11, 0x22, 0x33, 0x44, 1, 3, 3, 7}));
}

TEST(SynAck, NeverEchoesOptionsThatCannotBeProxied) {
    for (const Bytes& foreign : {option::fast_open(8), option::fast_open_experiment(4), option::fast_open(0),
                                 option::raw(30, 12, 10), option::raw(99, 4, 2)}) {
        for (const auto& builder : {syn_over_ipv4(), syn_over_ipv6()}) {
            auto syn = builder;
            syn.option(option::mss(1460)).option(foreign).option(option::timestamps(5, 0));
            const Headers headers = expect_turned(syn, everything);
            EXPECT_FALSE(headers.tcp.options.has_fast_open);
            EXPECT_EQ(headers.tcp.header_length, 20 + 4 + 12);
        }
    }
}

TEST(SynAck, TakesNoDataAndDropsWhatComesBeforeTheSegment) {
    for (const std::size_t payload : {0U, 1U, 3U, 10U, 999U, 1000U}) {
        for (const auto& builder :
             {syn_over_ipv4(), syn_over_ipv6(), syn_over_ipv4().ipv4_options(Bytes(4, 1)),
              syn_over_ipv4().ipv4_options(Bytes(40, 1)), syn_over_ipv6().hop_by_hop(16),
              syn_over_ipv6().destination_options(8).authentication(24),
              syn_over_ipv6().fragment(0, false, 7), syn_over_ipv4().hop_limit(1).identification(77),
              syn_over_ipv4().link_padding(6), syn_over_ipv4().link_padding(1),
              syn_over_ipv6().link_padding(9)}) {
            auto syn = builder;
            syn.option(option::mss(1460)).option(option::timestamps(5, 0)).payload(payload);
            const Headers headers = expect_turned(syn, everything);
            EXPECT_EQ(headers.tcp.acknowledgement, 0U) << "not of the data";
            EXPECT_EQ(headers.tcp.payload_length, 0U);
        }
    }
}

TEST(SynAck, IsPaddedWithZerosWhereTheSynWasPadded) {
    // Of a SYN with junk for padding none comes back.
    Bytes frame = syn_over_ipv4().build();
    ASSERT_EQ(frame.size(), 54U);
    EXPECT_EQ(turn(frame, everything).frame.size(), 54U) << "not padded by a virtual link";
    frame.resize(57, 0xEE);
    EXPECT_EQ(turn(frame, everything).frame.size(), 57U);
    frame.resize(60, 0xEE);
    EXPECT_EQ(turn(frame, everything).frame.size(), 60U);
    frame.resize(100, 0xEE);
    const Bytes answer = turn(frame, everything).frame;
    ASSERT_EQ(answer.size(), 60U);
    EXPECT_EQ(Bytes(answer.begin() + 54, answer.end()), Bytes(6, 0));
}

TEST(SynAck, RepeatsNeitherTypeOfServiceNorIdentificationAndMayNotBeCut) {
    Bytes frame = syn_over_ipv4().identification(77).build();
    frame[15] = 0xFF;  // type of service, ECN's field in it
    const Bytes answer = turn(frame, everything).frame;
    EXPECT_EQ(Bytes(answer.begin() + 14, answer.begin() + 22), (Bytes{0x45, 0, 0, 40, 0, 0, 0x40, 0}));
    frame = syn_over_ipv6().build();
    frame[14] = 0x6F;
    frame[15] = frame[16] = frame[17] = 0xFF;  // traffic class and flow label
    const Bytes over_ipv6 = turn(frame, everything).frame;
    EXPECT_EQ(Bytes(over_ipv6.begin() + 14, over_ipv6.begin() + 22), (Bytes{0x60, 0, 0, 0, 0, 20, 6, 64}));
}

TEST(SynAck, EceOnlyWhereTheSynAskedForEcn) {
    const auto flags_for = [](unsigned asked, bool ecn) {
        SynAck answer = everything;
        answer.ecn = ecn;
        return unsigned{expect_turned(syn_over_ipv4().flags(packet::syn | asked), answer).tcp.flags};
    };
    constexpr unsigned plain = packet::syn | packet::ack;
    EXPECT_EQ(flags_for(packet::ece | packet::cwr, true), plain | packet::ece);
    EXPECT_EQ(flags_for(packet::ece | packet::cwr, false), plain);
    EXPECT_EQ(flags_for(packet::ece, true), plain);
    EXPECT_EQ(flags_for(packet::cwr, true), plain);
    EXPECT_EQ(flags_for(0, true), plain);
    EXPECT_EQ(flags_for(packet::psh | packet::urg, true), plain);
}

TEST(SynAck, OtherLinksKeepTheirHeader) {
    EXPECT_EQ(
        expect_turned(PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2).flags(packet::syn), everything)
            .source_port,
        2);
    expect_turned(
        PacketBuilder().linux_cooked_v1().ipv6("2001:db8::1", "2001:db8::2").tcp(1, 2).flags(packet::syn),
        everything);
}

TEST(SynAck, SumsComeOutRightForAnyFields) {
    std::uint64_t state = 1;
    const auto next = [&state] {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<std::uint32_t>(state >> 32);
    };
    for (int round = 0; round < 3000; ++round) {
        auto syn = round % 2 == 0 ? syn_over_ipv4() : syn_over_ipv6();
        // Words of all ones and of all zeros are where one's complement has its corners.
        const auto drawn = [&] { return round % 3 == 0 ? 0U - next() % 2 : next(); };
        syn.sequence(drawn()).option(option::timestamps(drawn(), 0)).option(option::mss(1));
        SynAck answer = everything;
        answer.sequence = drawn();
        answer.timestamp_value = drawn();
        answer.window = static_cast<std::uint16_t>(drawn());
        answer.hop_limit = static_cast<std::uint8_t>(drawn());
        answer.mss = static_cast<std::uint16_t>(drawn());
        expect_turned(syn, answer);
    }
}

TEST(SynAck, NoneIsGivenWhereNoneMayBe) {
    const auto none_to = [](const PacketBuilder& builder) {
        const Bytes frame = builder.build();
        const ExactBuffer exact(frame);
        const ParseInput input{exact.span(), frame.size(), builder.link()};
        Headers headers;
        packet::parse(input, headers);
        const Turned turned = turn(frame, everything, builder.link());
        EXPECT_EQ(turned.frame.empty(), !packet::may_answer_syn(input, headers));
        if (turned.frame.empty()) {
            EXPECT_EQ(turned.buffer, frame) << "nothing is written";
        }
        return turned.frame.empty();
    };
    for (const unsigned flags : std::initializer_list<unsigned>{
             packet::syn | packet::ack, packet::syn | packet::fin, packet::syn | packet::rst, packet::ack,
             packet::fin, 0U, packet::rst}) {
        EXPECT_TRUE(none_to(syn_over_ipv4().flags(flags))) << flags;
        EXPECT_TRUE(none_to(syn_over_ipv6().flags(flags))) << flags;
    }
    EXPECT_TRUE(none_to(syn_over_ipv4().option(option::md5_signature())));
    EXPECT_TRUE(none_to(syn_over_ipv6().option(option::mss(1460)).option(option::ao_signature())));
    EXPECT_FALSE(none_to(syn_over_ipv4().option(option::raw(19, 4, 2)))) << "no signature: as if not there";
    EXPECT_TRUE(none_to(over_ipv4().udp(1, 2)));
    EXPECT_TRUE(none_to(syn_over_ipv4().fragment(0, true, 1).payload(12)));
    EXPECT_TRUE(none_to(syn_over_ipv4().ip_length_as(12)));
    EXPECT_TRUE(none_to(syn_over_ipv4().macs({2, 0, 0, 0, 0, 1}, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})));
    EXPECT_TRUE(none_to(syn_over_ipv4().macs({3, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})));
    for (const char* address : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
        EXPECT_TRUE(
            none_to(PacketBuilder().ethernet().ipv4(address, "192.0.2.1").tcp(1, 2).flags(packet::syn)));
        EXPECT_TRUE(
            none_to(PacketBuilder().ethernet().ipv4("192.0.2.1", address).tcp(1, 2).flags(packet::syn)));
    }
    EXPECT_TRUE(
        none_to(PacketBuilder().ethernet().ipv6("ff02::1", "2001:db8::1").tcp(1, 2).flags(packet::syn)));
    EXPECT_FALSE(none_to(syn_over_ipv4()));
    EXPECT_FALSE(none_to(syn_over_ipv6()));
}

TEST(SynAck, CutFramesAreLeftAlone) {
    for (const auto& builder : {syn_over_ipv4(), syn_over_ipv6()}) {
        auto syn = builder;
        const Bytes frame = syn.option(option::mss(1460)).option(option::timestamps(5, 0)).build();
        for (std::size_t length = 0; length < frame.size(); ++length) {
            const Bytes cut = first_of(frame, length);
            const Turned turned = turn(cut, everything);
            EXPECT_TRUE(turned.frame.empty()) << length;
            EXPECT_EQ(turned.buffer, cut) << length;
        }
    }
}

TEST(SynAck, NeedsRoomForTheAnswerAndNoMore) {
    for (const auto& builder : {syn_over_ipv4(), syn_over_ipv6()}) {
        auto syn = builder;
        // The payload lies in another segment of the buffer.
        const Bytes frame =
            syn.option(option::mss(1460)).option(option::timestamps(5, 0)).payload(999).build();
        const std::size_t answer = turn(frame, everything).frame.size();
        EXPECT_EQ(turn(frame, everything, answer, answer).frame, turn(frame, everything).frame);
        for (std::size_t room = 0; room < answer; ++room) {
            const Turned turned = turn(frame, everything, answer, room);
            EXPECT_TRUE(turned.frame.empty()) << room;
            EXPECT_EQ(turned.buffer, first_of(frame, answer)) << room;
        }
    }
}

}  // namespace
}  // namespace sluice::test
