// ICMP and ICMPv6 errors through a tracker with flows in it. The input makes one error after another: which
// flow's packet it quotes, where the quote is cut, which of its bytes are changed. An error never changes a
// flow, not by a bit; and it is related exactly when a plain reading of the quote names a flow and, for TCP,
// a sequence number that flow may have sent lately (RFC 5927 4.1).
#include <array>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "plain_quote.hpp"
#include "sluice/packet/icmp.hpp"
#include "support/packet_builder.hpp"
#include "support/tracker_box.hpp"

namespace {

using namespace sluice;
using fuzz::require;
using packet::Family;
using pipeline::CtState;
using test::Bytes;
using test::Frame;
using test::PacketBuilder;
using test::TrackerBox;

constexpr std::uint32_t isn_a = 0xFFFF'FF00, isn_b = 0x7FFF'FF00;
constexpr std::uint16_t window = 5000;
constexpr std::uint16_t identifier = 77;

const char* host(Family family, unsigned end) {
    static constexpr const char* hosts[2][2] = {{"10.0.0.1", "10.0.0.2"}, {"2001:db8::1", "2001:db8::2"}};
    return hosts[family == Family::ipv6 ? 1 : 0][end];
}

enum class Kind : std::uint8_t { tcp, udp, echo, other };

/// A packet of a flow of this kind; `end` 0 or 1 sends it. There is no flow of Kind::other.
PacketBuilder packet_of(Kind kind, Family family, unsigned end) {
    PacketBuilder out;
    out.ethernet().ip(host(family, end), host(family, 1 - end));
    switch (kind) {
        case Kind::tcp:
            return end == 0 ? out.tcp(40'000, 80) : out.tcp(80, 40'000);
        case Kind::udp:
            return end == 0 ? out.udp(5000, 53) : out.udp(53, 5000);
        case Kind::echo:
            return family == Family::ipv4 ? out.icmp(end == 0 ? 8 : 0, 0, identifier)
                                          : out.icmpv6(end == 0 ? 128 : 129, 0, identifier);
        case Kind::other:
            break;
    }
    return out.tcp(1, 2);
}

PacketBuilder segment(Family family, unsigned end, unsigned flags, std::uint32_t sequence,
                      std::uint32_t acknowledgement) {
    return packet_of(Kind::tcp, family, end)
        .flags(flags)
        .sequence(sequence)
        .acknowledgement(acknowledgement)
        .window(window);
}

/// The conversations all errors are about, as frames; made once.
const std::vector<Frame>& conversations() {
    using packet::ack;
    using packet::syn;
    static const std::vector<Frame> frames = [] {
        std::vector<Frame> out;
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            out.push_back(segment(family, 0, syn, isn_a, 0).build());
            out.push_back(segment(family, 1, syn | ack, isn_b, isn_a + 1).build());
            out.push_back(segment(family, 0, ack, isn_a + 1, isn_b + 1).payload(500).build());
            out.push_back(segment(family, 1, ack, isn_b + 1, isn_a + 501).payload(100).build());
            for (const Kind kind : {Kind::udp, Kind::echo})
                for (unsigned end = 0; end < 2; ++end) out.push_back(packet_of(kind, family, end).build());
        }
        return out;
    }();
    return frames;
}

/// Every record with what lies beside it, bit by bit.
std::string contents(const TrackerBox::Tracker& tracker) {
    std::string out;
    const auto add = [&out](const auto& table) {
        typename std::remove_cvref_t<decltype(table)>::Snapshot snapshot;
        for (flow::Ref ref = 0; ref < table.high_water(); ++ref) {
            if (!table.read(ref, snapshot)) continue;
            const auto add_bytes = [&out](const auto& part) {
                out.append(reinterpret_cast<const char*>(&part), sizeof part);
            };
            add_bytes(snapshot.record.version);  // it was not even written anew
            add_bytes(snapshot.record.expiry);
            add_bytes(snapshot.record.payload);
            add_bytes(snapshot.record.key);
            add_bytes(snapshot.account);
            add_bytes(snapshot.start);
            add_bytes(snapshot.mark);
        }
    };
    add(tracker.table4());
    add(tracker.table6());
    return out;
}

/// A sent between isn_a and isn_a + 501 and may send up to what B acknowledged and offered; B likewise.
bool may_have_sent(bool by_a, std::uint32_t sequence) {
    const std::uint32_t end = by_a ? isn_a + 501 : isn_b + 101;
    const std::uint32_t allowed = by_a ? isn_a + 501 + window : isn_b + 1 + window;
    const auto from_end = static_cast<std::int32_t>(sequence - end);
    return from_end >= -66'000 && from_end <= static_cast<std::int32_t>(allowed - end);
}

/// Whether the error should be taken for one about a flow of conversations().
bool is_related(std::span<const std::uint8_t> bytes, Family family, const packet::Address& error_goes_to) {
    const auto quote = fuzz::read_quote(bytes, family);
    if (!quote || quote->source != error_goes_to) return false;
    unsigned end = 2;
    for (unsigned candidate = 0; candidate < 2; ++candidate) {
        packet::Headers names;
        const Bytes probe = packet_of(Kind::udp, family, candidate).build();
        packet::parse({probe, probe.size()}, names);
        if (quote->source == names.source && quote->destination == names.destination) end = candidate;
    }
    if (end == 2) return false;
    const bool ports = end == 0 ? quote->first_port == 40'000 && quote->second_port == 80
                                : quote->first_port == 80 && quote->second_port == 40'000;
    const bool udp_ports = end == 0 ? quote->first_port == 5000 && quote->second_port == 53
                                    : quote->first_port == 53 && quote->second_port == 5000;
    if (quote->protocol == packet::tcp) return ports && may_have_sent(end == 0, quote->sequence);
    if (quote->protocol == packet::udp) return udp_ports;
    if (quote->protocol != (family == Family::ipv4 ? packet::icmp : packet::icmpv6)) return false;
    const unsigned type = quote->first_port >> 8;
    const unsigned asked = family == Family::ipv4 ? 8 : 128, answered = family == Family::ipv4 ? 0 : 129;
    return type == (end == 0 ? asked : answered) && quote->second_port == identifier;
}

class Errors {
  public:
    Errors() : box_({}, limits()) {
        for (const Frame& frame : conversations())
            require(box_.feed(frame).action == pipeline::Action::pass, "an honest packet passes");
        before_ = contents(box_.tracker());
    }

    void next(fuzz::Input& input) {
        const std::uint8_t control = input.u8();
        const Family family = (control & 1U) != 0 ? Family::ipv6 : Family::ipv4;
        const unsigned end = (control >> 1) & 1U;
        const auto kind = static_cast<Kind>((control >> 2) & 3U);
        const bool plain = (control & 16U) != 0;

        PacketBuilder about = packet_of(kind, family, end);
        if (kind == Kind::tcp) about.sequence((end == 0 ? isn_a : isn_b) + input.u32()).flags(packet::ack);
        about.payload(input.u8());
        Bytes quote = about.build_ip();
        if (!plain)
            for (unsigned edits = input.below(4); edits != 0; --edits) {
                const std::size_t at = input.u8() % quote.size();
                quote[at] = static_cast<std::uint8_t>(quote[at] ^ input.u8());
            }
        quote.resize(std::min<std::size_t>(quote.size(), plain ? 576 : input.u8()));

        // From anywhere to whom it concerns, or (now and then) to somebody else.
        const unsigned recipient = (control & 32U) != 0 ? 1 - end : end;
        const char* router = family == Family::ipv4 ? "192.0.2.1" : "2001:db8:9::1";
        PacketBuilder error;
        error.ethernet().ip(router, host(family, recipient));
        constexpr std::uint8_t types4[] = {3, 4, 5, 11, 12};
        const std::uint8_t type = family == Family::ipv4 ? input.one_of(types4) : input.u8() & 127U;
        const std::uint8_t code = input.u8();
        const std::uint16_t unused = input.u16(), mtu = input.u16();
        family == Family::ipv4 ? error.icmp(type, code, unused, mtu) : error.icmpv6(type, code, unused, mtu);
        error.payload(quote);
        if ((control & 64U) != 0) error.link_padding(input.below(64));
        judge(error.build(), quote, family, (control & 128U) != 0 ? 60 : 0);
    }

  private:
    TrackerBox box_;
    std::string before_;

    static pipeline::Limits limits() {
        pipeline::Limits out;
        out.ipv4_flows = out.ipv6_flows = 16;
        out.fragment_datagrams = 1;
        out.accounting = out.timestamps = true;
        return out;
    }
    static bool has_extensions(const Bytes& quote, Family family) {
        if (family == Family::ipv4 || quote.size() < 40) return false;
        for (const unsigned header : {0U, 43U, 44U, 51U, 60U})
            if (quote[6] == header) return true;
        return false;
    }

    void judge(const Frame& frame, const Bytes& quote, Family family, std::size_t split) {
        packet::Headers headers;
        packet::parse({frame, frame.size()}, headers);
        const pipeline::Decision decision = box_.feed(frame, split);
        const bool related = is_related(quote, family, headers.destination);
        if (fuzz::telling())
            std::fprintf(stderr, "  error type %u, %zu bytes quoted => %s %s, meant to be %s\n",
                         headers.icmp_type, quote.size(), pipeline::name_of(decision.state).data(),
                         text_of(decision.reason).name.data(), related ? "related" : "refused");
        require(headers.icmp_error && headers.refusal == Reason::none, "what is built is an ICMP error");
        if (!has_extensions(quote, family))
            require((decision.state == CtState::related) == related, "related when the quote fits a flow");
        if (decision.state == CtState::related)
            require(decision.action == pipeline::Action::pass && decision.reason == Reason::none &&
                        decision.flow != flow::no_ref,
                    "a related error passes");
        else
            require(decision.action == pipeline::Action::drop && decision.state == CtState::invalid,
                    "any other is refused");
        require(contents(box_.tracker()) == before_, "an ICMP error changes no flow");
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    Errors errors;
    for (unsigned count = 0; !input.empty() && count < 32; ++count) errors.next(input);
    return 0;
}
