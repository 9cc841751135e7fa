// The engine, driven by a byte string that means settings and a row of segments, with numbers near what the
// connection knows so that all states come about. After each segment the connection is held against
//   - the plain interpreter of the rows (tests/tcp/reference.hpp), its predicates and what it learns plainly
//     computed (plain_predicates.hpp), where both sides are known and nothing is pending;
//   - the out-of-line part of the engine, which must say the same of what is judged inline;
//   - a twin whose two sequence spaces are shifted: nothing depends on where the ISNs lie;
//   - what must hold whatever comes: refused leaves no trace, tolerated none but what is pending, ends and
//     windows never go back, a lifetime is that of the pair.
#include <array>
#include <cstring>
#include <optional>
#include <string>

#include "fuzz.hpp"
#include "plain_predicates.hpp"
#include "sluice/base/sequence.hpp"
#include "sluice/tcp/explain.hpp"
#include "sluice/tcp/step.hpp"
#include "tcp/reference.hpp"

namespace {

using namespace sluice;
using fuzz::require;
using tcp::Connection;
using tcp::Direction;
using tcp::FlagClass;
using tcp::Pair;
using tcp::PendingSyn;
using tcp::Segment;
using tcp::Verdict;

template <class T>
bool same_bits(const T& a, const T& b) {
    std::array<std::uint8_t, sizeof(T)> bytes_a, bytes_b;
    std::memcpy(bytes_a.data(), &a, sizeof(T));
    std::memcpy(bytes_b.data(), &b, sizeof(T));
    return bytes_a == bytes_b;
}

bool same_verdict(const Verdict& a, const Verdict& b) {
    return a.outcome == b.outcome && a.reason == b.reason && a.refresh == b.refresh &&
           a.reopens == b.reopens && (a.refresh == tcp::Refresh::keep || a.lifetime == b.lifetime);
}

/// The bit fields of a connection: all but its numbers.
std::uint32_t word_of(const Connection& connection) {
    std::uint32_t out;
    static_assert(sizeof(Connection) == sizeof connection.side + sizeof out);
    std::memcpy(&out, reinterpret_cast<const char*>(&connection) + sizeof connection.side, sizeof out);
    return out;
}

/// One flow and what is remembered beside it. `end` 0 or 1 is who sends.
struct Flow {
    Connection connection{};
    PendingSyn pending{};
    bool present = false;
    unsigned originator = 0;

    [[nodiscard]] Direction direction(unsigned end) const {
        return end == originator ? Direction::original : Direction::reply;
    }
    void open(unsigned end, const Segment& segment, const tcp::Settings& settings, Verdict& verdict) {
        connection = {};
        verdict = tcp::open(connection, segment, settings);
        begin(end, verdict);
    }
    void begin(unsigned end, const Verdict& verdict) {
        pending = {};
        present = verdict.outcome == Outcome::accepted;
        originator = end;
    }
};

class Conversation {
  public:
    explicit Conversation(fuzz::Input& input) : input_(input) {
        const std::uint8_t bits = input.u8();
        settings_.loose = (bits & 1U) != 0;
        settings_.be_liberal = (bits & 2U) != 0;
        settings_.ignore_invalid_rst = (bits & 4U) != 0;
        settings_.strict = (bits & 8U) != 0;
        settings_.asymmetric = (bits & 16U) != 0;
        settings_.max_retrans = bits >> 5;
        isn_[0] = 0U - input.u8();
        isn_[1] = std::uint32_t{input.u8()} << 24;
        shift_[0] = std::uint32_t{input.u8()} << 24 | 12'345;
        shift_[1] = std::uint32_t{input.u8()} << 24 | 54'321;
    }

    void next() {
        const unsigned control = input_.u8();
        const unsigned end = control & 1U;
        const Segment segment = draw(end, control >> 1);
        if (fuzz::telling()) tell(end, segment);
        const Verdict verdict = judge(end, segment);
        follow_with_twin(end, segment, verdict);
        if (fuzz::telling()) tell(verdict);
    }

  private:
    fuzz::Input& input_;
    tcp::Settings settings_;
    Flow flow_, twin_;
    bool twin_follows_ = true;
    std::array<std::uint32_t, 2> isn_{}, shift_{};

    [[nodiscard]] Pair pair() const { return static_cast<Pair>(flow_.connection.pair); }

    static void tell(unsigned end, const Segment& s) {
        std::fprintf(stderr, "%c flags %02x seq %u ack %u len %u win %u%s%s%s\n", end == 0 ? 'A' : 'B',
                     s.flags, s.sequence, s.acknowledgement, s.payload_length, s.window,
                     s.has_window_scale ? " scale" : "", s.sack_permitted ? " sack-permitted" : "",
                     s.has_sack ? " sack" : "");
    }

    void tell(const Verdict& verdict) const {
        std::fprintf(stderr, "   => %s, pair %s,%s word %08x\n", text_of(verdict.reason).name.data(),
                     tcp::name_of(tcp::text_of(pair()).originator).data(),
                     tcp::name_of(tcp::text_of(pair()).responder).data(), word_of(flow_.connection));
        for (const tcp::Side& side : flow_.connection.side)
            std::fprintf(stderr, "      end %u max_end %u max_window %u max_ack %u\n", side.end, side.max_end,
                         side.max_window, side.max_ack);
    }

    /// A segment with numbers near what is known.
    Segment draw(unsigned end, unsigned kind) {
        constexpr std::uint8_t usual[] = {
            tcp::syn, tcp::syn | tcp::ack, tcp::ack, tcp::ack | tcp::psh, tcp::fin | tcp::ack,
            tcp::rst, tcp::rst | tcp::ack, tcp::ack};
        Segment out;
        out.flags = usual[kind & 7U];
        const unsigned rare = (kind >> 3) & 15U;
        if (rare == 15) out.flags = input_.u8();

        const Connection& c = flow_.connection;
        const tcp::Side& own = c.side[static_cast<unsigned>(flow_.direction(end))];
        const tcp::Side& peer = c.side[1 - static_cast<unsigned>(flow_.direction(end))];
        const bool known = flow_.present;
        const std::uint8_t where = input_.u8();
        const std::uint32_t sequences[] = {own.end,
                                           peer.max_ack,
                                           own.max_end,
                                           own.max_end + peer.max_window,
                                           isn_[end],
                                           peer.max_ack - 1,
                                           flow_.pending.tolerated_acknowledgement,
                                           own.end - 66'000};
        const std::uint32_t acks[] = {
            peer.end,
            own.max_ack,
            peer.end - 66'000,
            isn_[1 - end] + 1,
            flow_.pending.highest.sequence + 1,
            flow_.pending.last.end(),
            flow_.pending.tolerated_end[1 - static_cast<unsigned>(flow_.direction(end))],
            peer.max_end};
        out.sequence = known || (where & 7U) == 4 ? sequences[where & 7U] : isn_[end];
        out.acknowledgement = known ? acks[(where >> 3) & 7U] : isn_[1 - end] + 1;
        if ((where & 0x40U) != 0)
            out.sequence += static_cast<std::uint32_t>(static_cast<std::int8_t>(input_.u8()));
        if ((where & 0x80U) != 0)
            out.acknowledgement += static_cast<std::uint32_t>(static_cast<std::int8_t>(input_.u8()));
        if (rare == 14) out.sequence = input_.u32();
        if (rare == 13) out.acknowledgement = input_.u32();

        const std::uint8_t extra = input_.u8();
        constexpr std::uint32_t lengths[] = {0, 0, 1, 10, 1460, 65'000, 100, 536};
        out.payload_length = lengths[extra & 7U];
        constexpr std::uint16_t windows[] = {65'535, 5000, 0, 1};
        out.window = windows[(extra >> 3) & 3U];
        if ((extra & 0x20U) != 0) out.window = input_.u16();
        if ((extra & 0x40U) != 0) {
            out.has_window_scale = true;
            out.window_scale = static_cast<std::uint8_t>(input_.below(15));
            out.sack_permitted = true;
        }
        if ((extra & 0x80U) != 0) {
            out.has_sack = true;
            out.sack_highest = out.acknowledgement + input_.u16();
        }
        return out;
    }

    Verdict judge(unsigned end, const Segment& segment) {
        Verdict verdict;
        if (flow_.present) {
            const Direction direction = flow_.direction(end);
            const Flow before = flow_;
            verdict = tcp::step(flow_.connection, flow_.pending, direction, segment, settings_);
            check_rare_part(before, direction, segment, verdict);
            check_always(before, direction, segment, verdict);
            if (before.connection.seen == 3U && before.connection.pending_syn == 0U)
                check_against_book(before, direction, segment, verdict);
            if (!verdict.reopens) return verdict;
            flow_.begin(end, verdict);
        } else {
            flow_.open(end, segment, settings_, verdict);
        }
        if (flow_.present) check_shape();
        return verdict;
    }

    /// The inline path is a short cut and nothing else.
    void check_rare_part(const Flow& before, Direction direction, const Segment& segment,
                         const Verdict& verdict) {
        Flow other = before;
        const Verdict rare =
            tcp::detail::step_rare(other.connection, other.pending, direction, segment, settings_);
        require(same_verdict(rare, verdict), "inline and out of line are of one opinion");
        require(same_bits(other.connection, flow_.connection), "inline and out of line learn the same");
        // What is pending counts only where the connection says that something is.
        require(flow_.connection.pending_syn == 0 || same_bits(other.pending, flow_.pending),
                "inline and out of line remember the same");
    }

    void check_shape() {
        const Connection& c = flow_.connection;
        require(c.pair < tcp::pair_count, "the pair is one of those that occur");
        require(c.scale_original <= 14 && c.scale_reply <= 14, "no shift over 14");
        require(c.seen != 0, "one side is known at least");
        for (const tcp::Side& side : c.side)
            require(side.max_window <= tcp::largest_window, "no window is larger than 1 GiB");
    }

    void check_always(const Flow& before, Direction direction, const Segment& segment,
                      const Verdict& verdict) {
        const Connection& was = before.connection;
        const Connection& is = flow_.connection;
        check_shape();
        require((verdict.outcome == Outcome::accepted) == (verdict.reason == Reason::none),
                "whatever is not accepted has a reason");
        const std::string why = tcp::explain(was, before.pending, direction, segment, verdict, settings_);
        require(why.empty() == (verdict.outcome == Outcome::accepted), "and that is explained");

        if (verdict.outcome == Outcome::refused) {
            require(same_bits(was, is) && same_bits(before.pending, flow_.pending),
                    "a refusal leaves no trace");
            return;
        }
        if (verdict.outcome == Outcome::tolerated) {
            Connection masked = is;
            masked.pending_syn = was.pending_syn;
            masked.seen_reply = was.seen_reply;
            require(same_bits(was, masked), "a tolerated segment changes nothing but what is pending");
            require(verdict.refresh == tcp::Refresh::keep, "and no timeout");
        }
        if (verdict.outcome == Outcome::accepted && !verdict.reopens) {
            require(is.assured >= was.assured, "assured stays assured");
            require(verdict.lifetime == lifetime_of(is, segment.window), "the lifetime is that of the pair");
        }
        require(is.seen_reply == (was.seen_reply | static_cast<unsigned>(direction)) || verdict.reopens,
                "an answer is noted");
        require((is.seen & was.seen) == was.seen || verdict.reopens, "a side once known stays known");
    }

    [[nodiscard]] Lifetime lifetime_of(const Connection& c, std::uint16_t window) const {
        const Pair pair = static_cast<Pair>(c.pair);
        if (pair != Pair::established__established) return tcp::text_of(pair).lifetime;
        if (c.assured == 0) return settings_.asymmetric ? Lifetime::established : Lifetime::loose;
        if (c.retransmissions >= settings_.max_retrans) return Lifetime::max_retrans;
        const bool all = c.side[0].end == c.side[1].max_ack && c.side[1].end == c.side[0].max_ack;
        return all && window != 0 ? Lifetime::established : Lifetime::unacknowledged;
    }

    /// Settings may turn a tolerated reason into a refusal and the other way round.
    [[nodiscard]] Outcome outcome_of(Reason reason) const {
        switch (reason) {
            case Reason::none:
                return Outcome::accepted;
            case Reason::window_overshoot:
            case Reason::syn_in_connection:
            case Reason::rst_inexact:
                return settings_.strict ? Outcome::refused : Outcome::tolerated;
            case Reason::seq_after_window:
            case Reason::ack_unsent:
                return settings_.be_liberal ? Outcome::tolerated : Outcome::refused;
            case Reason::rst_out_of_window:
                return settings_.ignore_invalid_rst ? Outcome::tolerated : Outcome::refused;
            case Reason::bad_flags:
                return Outcome::refused;
            default:
                return Outcome::tolerated;
        }
    }

    void check_against_book(const Flow& before, Direction direction, const Segment& segment,
                            const Verdict& verdict) {
        const Connection& was = before.connection;
        const fuzz::PlainPredicates plain(was, direction, segment);
        const test::Judgement meant = test::judge_by_the_book(
            static_cast<Pair>(was.pair), direction, tcp::classify_flags(segment.flags), plain.get());
        require(verdict.reason == meant.reason, "the reason is that of the book");
        require(verdict.outcome == outcome_of(meant.reason), "and so is the outcome");
        require(verdict.reopens == (meant.kept == test::Kept::new_flow),
                "and whether a new connection begins");
        if (verdict.outcome != Outcome::accepted || verdict.reopens) return;
        require(pair() == meant.next, "the pair is that of the book");
        require(verdict.refresh == meant.refresh, "and so is what becomes of the deadline");
        require(flow_.connection.assured == (was.assured | (meant.assures ? was.seen_reply : 0U)),
                "and whether the flow is assured");
        if (!plain.plain()) return;
        require(same_bits(plain.learnt(), flow_.connection.side), "an accepted segment teaches what it says");
        for (unsigned side = 0; side < 2; ++side) {
            const tcp::Side& a = was.side[side];
            const tcp::Side& b = flow_.connection.side[side];
            // At half the circle neither number is ahead.
            const auto fell = [](std::uint32_t now, std::uint32_t then) {
                return sluice::before(now, then) && now - then != 0x80000000;
            };
            require(!fell(b.end, a.end) && !fell(b.max_end, a.max_end) && !fell(b.max_ack, a.max_ack) &&
                        b.max_window >= a.max_window,
                    "what was sent, allowed and acknowledged never goes back");
        }
    }

    /// The same conversation elsewhere in both sequence spaces.
    void follow_with_twin(unsigned end, const Segment& segment, const Verdict& verdict) {
        if (!twin_follows_) return;
        Segment shifted = segment;
        shifted.sequence += shift_[end];
        // Without the flag the field means nothing: it stays, and so is shown not to matter.
        if ((segment.flags & tcp::ack) != 0) shifted.acknowledgement += shift_[1 - end];
        shifted.sack_highest += shift_[1 - end];
        // The one number that stands for itself: a RST,ACK that refuses a SYN has sequence 0 (RFC 9293
        // 3.10.7.1).
        const bool refusal = tcp::classify_flags(segment.flags) == FlagClass::rst_ack &&
                             (segment.sequence == 0 || shifted.sequence == 0);
        if (refusal) {
            twin_follows_ = false;
            return;
        }
        Verdict other;
        if (twin_.present)
            other = tcp::step(twin_.connection, twin_.pending, twin_.direction(end), shifted, settings_);
        if (other.reopens)
            twin_.begin(end, other);
        else if (!twin_.present)
            twin_.open(end, shifted, settings_, other);
        require(same_verdict(verdict, other), "the verdict does not depend on the initial sequence numbers");
        require(twin_.present == flow_.present, "nor does the flow");
        if (!flow_.present) return;
        require(word_of(flow_.connection) == word_of(twin_.connection), "nor where it stands");
        if (flow_.connection.seen != 3U) return;
        for (unsigned side = 0; side < 2; ++side) {
            const unsigned owner = side == 0 ? flow_.originator : 1 - flow_.originator;
            const tcp::Side& a = flow_.connection.side[side];
            const tcp::Side& b = twin_.connection.side[side];
            require(a.end + shift_[owner] == b.end && a.max_end + shift_[owner] == b.max_end &&
                        a.max_ack + shift_[1 - owner] == b.max_ack && a.max_window == b.max_window,
                    "nor what is known, but for the shift");
        }
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    Conversation conversation(input);
    for (int segments = 0; !input.empty() && segments < 200; ++segments) conversation.next();
    return 0;
}
