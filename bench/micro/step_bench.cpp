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

namespace sluice::bench {
namespace {

using tcp::Direction;
using tcp::Segment;

struct Input {
    std::uint32_t connection;
    Direction direction;
    Segment segment;
};

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
        for (const Input& input : inputs_) {
            const tcp::Verdict verdict =
                tcp::step(now_[input.connection], pending_, input.direction, input.segment, settings_);
            lifetimes += static_cast<unsigned>(verdict.lifetime) + static_cast<unsigned>(verdict.reason);
        }
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

    /// Each transition against the interpreter of the rows.
    void check() {
        restart();
        for (const Input& input : inputs_) {
            tcp::Connection& connection = now_[input.connection];
            const tcp::Connection before = connection;
            const fuzz::PlainPredicates plain(before, input.direction, input.segment);
            const test::Judgement wanted =
                test::judge_by_the_book(static_cast<tcp::Pair>(before.pair), input.direction,
                                        tcp::classify_flags(input.segment.flags), plain.get());
            const tcp::Verdict verdict =
                tcp::step(connection, pending_, input.direction, input.segment, settings_);
            const auto learnt = plain.learnt();
            const bool numbers_right = std::memcmp(connection.side.data(), learnt.data(), sizeof learnt) == 0;
            if (verdict.reason != wanted.reason || static_cast<tcp::Pair>(connection.pair) != wanted.next ||
                verdict.refresh != wanted.refresh || !numbers_right)
                throw std::runtime_error("a transition is another than the plain interpreter's");
            if (verdict.outcome != Outcome::accepted) throw std::runtime_error("a segment was not accepted");
        }
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

/// One connection: each transition waits for the one before. `burst`: each of a connection of its own, as the
/// packets of a burst mostly are.
[[maybe_unused]] const bool registered = [] {
    benchmark::RegisterBenchmark("Tcp/Step", step, 1U);
    benchmark::RegisterBenchmark("Tcp/Step/burst", step, 256U);
    return true;
}();

}  // namespace
}  // namespace sluice::bench
