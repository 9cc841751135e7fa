// Tcp/Step: one transition of the engine by itself, no packet and no table.
//
// The segments are drawn beforehand: data of any length, acknowledgements, retransmissions, small and large
// windows, in both directions. Before anything is timed every verdict is held against the plain interpreter
// of the rows and the plainly computed window check of the tests.
#include <cstring>
#include <stdexcept>

#include "fuzz/plain_predicates.hpp"
#include "sluice/tcp/step.hpp"
#include "support.hpp"
#include "tcp/reference.hpp"

namespace sluice::bench::step_bench {
namespace {

using tcp::Direction;
using tcp::Segment;

struct Input {
    std::uint32_t connection;
    Direction direction;
    Segment segment;
};
constexpr std::size_t segment_word = offsetof(Input, segment) / sizeof(std::uint32_t);
constexpr std::size_t input_words = sizeof(Input) / sizeof(std::uint32_t);
static_assert(offsetof(Input, direction) == sizeof(std::uint32_t) && input_words == 8);

/// Two endpoints with everything to say, one connection of many.
class Talk {
  public:
    explicit Talk(Random& random) : random_(&random) {
        for (auto& next : next_) next = static_cast<std::uint32_t>(random.next());
    }
    /// SYN, SYN,ACK and ACK.
    [[nodiscard]] std::array<Input, 3> handshake() {
        std::array<Input, 3> out{};
        for (unsigned i = 0; i < 3; ++i) {
            const unsigned side = i % 2;
            Segment& segment = out[i].segment;
            segment = bare(side);
            segment.flags = i == 0 ? tcp::syn : i == 1 ? tcp::syn | tcp::ack : tcp::ack;
            if (i == 0) segment.acknowledgement = 0;
            if (i < 2) {
                segment.has_window_scale = segment.sack_permitted = true;
                segment.window_scale = 7;
                ++next_[side];
            }
            out[i].direction = static_cast<Direction>(side);
        }
        return out;
    }
    [[nodiscard]] Input next(std::uint32_t connection) {
        const unsigned side = random_->below(2), kind = random_->below(100);
        Segment segment = bare(side);
        if (kind < 3) {  // the peer's acknowledgement was lost: the last segment again
            segment.payload_length = last_length_[side];
            segment.sequence -= last_length_[side];
        } else if (kind < 50) {
            last_length_[side] = 1 + random_->below(1448);
            segment.payload_length = last_length_[side];
            next_[side] += last_length_[side];
        } else if (kind < 60) {  // the peer's last segment is acknowledged in two steps
            segment.acknowledgement -= last_length_[1 - side] / 2;
        }
        return {connection, static_cast<Direction>(side), segment};
    }

  private:
    [[nodiscard]] Segment bare(unsigned side) {
        Segment out;
        out.sequence = next_[side];
        out.acknowledgement = next_[1 - side];
        out.window = static_cast<std::uint16_t>(500 + random_->below(65'000));
        out.flags = tcp::ack;
        return out;
    }
    Random* random_;
    std::array<std::uint32_t, 2> next_{}, last_length_{};
};

class Subject {
  public:
    /// A pass is `segments` transitions over so many connections in turn.
    Subject(std::uint32_t connections, std::uint32_t segments) : start_(connections), now_(connections) {
        Random random(11);
        std::vector<Talk> talks;
        for (std::uint32_t i = 0; i < connections; ++i) {
            talks.emplace_back(random);
            open(start_[i], talks.back());
        }
        for (std::uint32_t i = 0; i < segments; ++i)
            inputs_.push_back(talks[i % connections].next(i % connections));
        check();
    }

    [[nodiscard]] std::uint64_t size() const { return inputs_.size(); }
    void restart() { now_ = start_; }
    [[nodiscard, gnu::noinline]] unsigned pass() {
        unsigned lifetimes = 0;
        const auto add = [&](const Input&, const tcp::Verdict& verdict) {
            lifetimes += static_cast<unsigned>(verdict.lifetime) + static_cast<unsigned>(verdict.reason);
        };
        if (now_.size() < lane_count)
            for (const Input& input : inputs_) add(input, step(input));
        else
            for (std::size_t at = 0; at < inputs_.size(); at += lane_count) step_eight(&inputs_[at], add);
        return lifetimes;
    }

  private:
    void open(tcp::Connection& connection, Talk& talk) {
        const auto handshake = talk.handshake();
        bool accepted = tcp::open(connection, handshake[0].segment, settings_).outcome == Outcome::accepted;
        for (unsigned i = 1; i < 3; ++i)
            accepted &=
                tcp::step(connection, pending_, handshake[i].direction, handshake[i].segment, settings_)
                    .outcome == Outcome::accepted;
        if (!accepted) throw std::runtime_error("a handshake was not accepted");
    }

    [[nodiscard]] tcp::Verdict step(const Input& input) {
        return tcp::step(now_[input.connection], pending_, input.direction, input.segment, settings_);
    }

    /// Eight of different connections, as the tracker's groups are: `tell(input, verdict)` for each.
    template <class Tell>
    [[gnu::always_inline]] void step_eight(const Input* inputs, Tell&& tell) {
        const auto bytes_of = [&](unsigned lane) {
            return reinterpret_cast<std::byte*>(&now_[inputs[lane].connection]);
        };
        auto sides = load_columns<8>(bytes_of);
        const auto field = [&](unsigned lane) {
            return load<std::uint32_t>(bytes_of(lane) + tcp::small_fields_at);
        };
        Lanes fields{field(0), field(1), field(2), field(3), field(4), field(5), field(6), field(7)};
        const auto words = load_columns<input_words>(
            [&](unsigned lane) { return reinterpret_cast<const std::byte*>(&inputs[lane]); });
        const Lanes from_reply = Lanes{} - (words[1] & 0xFFU);
        const Lanes open = tcp::is_plainly_open(fields);
        const tcp::SegmentOf<Lanes> segment{.sequence = words[segment_word],
                                            .acknowledgement = words[segment_word + 1],
                                            .payload_length = words[segment_word + 2],
                                            .window = words[segment_word + 4] & 0xFFFFU,
                                            .fin = {},
                                            .sack_highest = {},
                                            .has_sack = {}};
        tcp::SideOf<Lanes> sender, receiver;
        Lanes* const of_sender[] = {&sender.end, &sender.max_end, &sender.max_window, &sender.max_ack};
        Lanes* const of_receiver[] = {&receiver.end, &receiver.max_end, &receiver.max_window,
                                      &receiver.max_ack};
        for (std::size_t i = 0; i < 4; ++i) {
            *of_sender[i] = select(from_reply, sides[4 + i], sides[i]);
            *of_receiver[i] = select(from_reply, sides[i], sides[4 + i]);
        }
        const auto made = tcp::step_usual<tcp::Within::open_connection>(sender, receiver, fields, from_reply,
                                                                        segment, settings_);
        for (std::size_t i = 0; i < 4; ++i) {
            sides[i] = select(from_reply, *of_receiver[i], *of_sender[i]);
            sides[4 + i] = select(from_reply, *of_sender[i], *of_receiver[i]);
        }
        const Quads first = rows_of(sides[0], sides[1], sides[2], sides[3]),
                    second = rows_of(sides[4], sides[5], sides[6], sides[7]);
        const unsigned taken = bits_of(open & made.accepted);
#pragma GCC unroll 8
        for (unsigned i = 0; i < lane_count; ++i) {
            if ((taken >> i & 1U) == 0) [[unlikely]] {
                tell(inputs[i], step(inputs[i]));
                continue;
            }
            store(bytes_of(i), row(first, i));
            store(bytes_of(i) + sizeof(HalfLanes), row(second, i));
            store(bytes_of(i) + tcp::small_fields_at, fields[i]);
            tell(inputs[i], tcp::Verdict{.outcome = Outcome::accepted,
                                         .refresh = tcp::Refresh::set,
                                         .lifetime = static_cast<Lifetime>(made.lifetime[i])});
        }
    }

    /// Each transition against the interpreter of the rows.
    void check() {
        restart();
        if (now_.size() < lane_count)
            for (const Input& input : inputs_) {
                const tcp::Connection before = now_[input.connection];
                check(input, before, step(input));
            }
        for (std::size_t at = 0; now_.size() >= lane_count && at < inputs_.size(); at += lane_count) {
            std::array<tcp::Connection, lane_count> before;
            for (unsigned i = 0; i < lane_count; ++i) before[i] = now_[inputs_[at + i].connection];
            step_eight(&inputs_[at], [&](const Input& input, const tcp::Verdict& verdict) {
                check(input, before[static_cast<std::size_t>(&input - &inputs_[at])], verdict);
            });
        }
    }
    void check(const Input& input, const tcp::Connection& before, const tcp::Verdict& verdict) const {
        const tcp::Connection& connection = now_[input.connection];
        const fuzz::PlainPredicates plain(before, input.direction, input.segment);
        const test::Judgement wanted =
            test::judge_by_the_book(static_cast<tcp::Pair>(before.pair), input.direction,
                                    tcp::classify_flags(input.segment.flags), plain.get());
        const auto learnt = plain.learnt();
        const bool numbers_right = std::memcmp(connection.side.data(), learnt.data(), sizeof learnt) == 0;
        if (verdict.reason != wanted.reason || static_cast<tcp::Pair>(connection.pair) != wanted.next ||
            verdict.refresh != wanted.refresh || !numbers_right)
            throw std::runtime_error("a transition is another than the plain interpreter's");
        if (verdict.outcome != Outcome::accepted) throw std::runtime_error("a segment was not accepted");
    }

    tcp::Settings settings_;
    tcp::PendingSyn pending_{};
    std::vector<tcp::Connection> start_, now_;
    std::vector<Input> inputs_;
};

/// Segments of 16,384 transitions are half a megabyte: they stream from L2, and no branch predictor learns
/// them.
constexpr std::uint32_t segments = 16'384;

void step(benchmark::State& state, std::uint32_t connections) {
    guarded(state, [&] {
        auto& subject = Kept::get("Tcp/Step/" + std::to_string(connections),
                                  [&] { return std::make_unique<Subject>(connections, segments); });
        unsigned sum = 0;
        measure_passes(
            state, subject.size(), [&] { subject.restart(); }, [&] { sum += subject.pass(); });
        benchmark::DoNotOptimize(sum);
    });
}

/// One connection: each transition waits for the one before. `burst`: eight side by side, each of a
/// connection of its own, as the packets of a burst mostly are.
[[maybe_unused]] const bool registered = [] {
    benchmark::RegisterBenchmark("Tcp/Step", step, 1U);
    benchmark::RegisterBenchmark("Tcp/Step/burst", step, 256U);
    return true;
}();

}  // namespace
}  // namespace sluice::bench::step_bench
