#include "joint.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace sluice::test {
namespace {

std::uint64_t digest(const void* data, std::size_t size, std::uint64_t hash) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (; size >= 4; at += 4, size -= 4) {
        std::uint32_t word;
        std::memcpy(&word, at, 4);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
        hash ^= hash >> 29;
    }
    return hash;
}
std::uint64_t digest(const Joint& joint) {
    static_assert(sizeof(rfc9293::World) % 4 == 0 && sizeof(Tracked) % 4 == 0);
    return digest(&joint.tracked, sizeof joint.tracked, digest(&joint.world, sizeof joint.world, 1));
}

}  // namespace

std::uint64_t digest(const Tracked& tracked) {
    return digest(&tracked, sizeof tracked, 1);
}

rfc9293::Standing Tracked::standing() const {
    const tcp::PairText& text = tcp::text_of(pair());
    if (originator == 0) return {text.originator, text.responder};
    return {text.responder, text.originator};
}

tcp::Segment to_engine(const rfc9293::Segment& segment) {
    tcp::Segment out;
    out.sequence = segment.seq;
    out.acknowledgement = segment.ack;
    out.payload_length = segment.text;
    out.window = segment.window;
    out.flags = segment.control;  // both keep the header's bits
    if (segment.scale != rfc9293::no_scale) {
        out.has_window_scale = true;
        out.window_scale = segment.scale;
    }
    return out;
}

Judged judge(Tracked& tracked, int sender, const rfc9293::Segment& segment, const tcp::Settings& settings) {
    const tcp::Segment s = to_engine(segment);
    Judged out;
    out.had_flow = tracked.exists != 0;
    if (out.had_flow) {
        const auto direction =
            sender == tracked.originator ? tcp::Direction::original : tcp::Direction::reply;
        Tracked again = tracked;
        out.observed = observed_step(tracked.connection, tracked.pending, direction, s, settings);
        const tcp::Verdict usual = tcp::step(again.connection, again.pending, direction, s, settings);
        if (digest(again) != digest(tracked) || usual.outcome != out.observed.verdict.outcome ||
            usual.reason != out.observed.verdict.reason || usual.refresh != out.observed.verdict.refresh ||
            usual.lifetime != out.observed.verdict.lifetime)
            std::abort();  // the inline path and the other disagree: no search means anything
        if (tracked.connection.pending_syn == 0) tracked.pending = {};
    }
    if (out.had_flow && segment.has(rfc9293::RST) && out.observed.verdict.outcome == Outcome::accepted)
        tracked.reset = 1;
    if (out.had_flow && segment.has(rfc9293::FIN) && out.observed.verdict.outcome == Outcome::tolerated)
        tracked.tolerated_fin = static_cast<std::uint8_t>(tracked.tolerated_fin | 1 << sender);
    if (!out.had_flow || out.observed.verdict.reopens) {
        Tracked fresh;
        fresh.reset = tracked.reset;
        fresh.tolerated_fin = tracked.tolerated_fin;
        tcp::Verdict verdict = out.observed.verdict;
        if (out.had_flow)
            fresh.connection = tracked.connection;
        else
            verdict = out.observed.verdict = tcp::open(fresh.connection, s, settings);
        if (verdict.outcome == Outcome::accepted) {
            fresh.connection.lifetime = 0;  // the caller's, and of no consequence to the engine
            fresh.exists = 1;
            fresh.originator = static_cast<std::uint8_t>(sender);
            tracked = fresh;
        }
    }
    return out;
}

void Search::fail(const Joint& start, std::uint32_t from, const rfc9293::Move& move,
                  const std::string& what) {
    std::vector<rfc9293::Move> moves{move};
    for (std::uint32_t at = from; at != 0; at = steps_[at].from) moves.push_back(steps_[at].move);
    std::reverse(moves.begin(), moves.end());
    std::string out;
    Joint joint = start;
    for (const rfc9293::Move& m : moves) {
        out += "  " + describe(joint.world, m);
        std::optional<rfc9293::Segment> passed;
        (void)apply(joint.world, m, passed);
        if (passed) {
            const Judged judged = judge(joint.tracked, m.who, *passed);
            out += "   [" + std::string(text_of(judged.observed.verdict.reason).name) + " -> " +
                   describe(joint.tracked.standing()) + "]";
        }
        out += "   {" +
               describe(rfc9293::Standing{joint.world.endpoint[0].state, joint.world.endpoint[1].state}) +
               "}\n";
    }
    failures_.push_back(what + "\n" + out);
}

void Search::run(const Joint& start) {
    std::unordered_set<std::uint64_t> seen{digest(start)};
    std::vector<Joint> level{start};
    std::vector<std::uint32_t> index{0};
    steps_.assign(1, {});
    while (!level.empty() && failures_.size() < limits_.failures) {
        std::vector<Joint> next_level;
        std::vector<std::uint32_t> next_index;
        for (std::size_t i = 0; i < level.size() && failures_.size() < limits_.failures; ++i) {
            const Joint& here = level[i];
            for_each_move(here.world, [&](const rfc9293::Move& move, const rfc9293::World& world,
                                          const std::optional<rfc9293::Segment>& segment) {
                if (failures_.size() >= limits_.failures) return;
                Joint next{world, here.tracked};
                std::string wrong;
                if (segment) {
                    ++passed_;
                    const Judged judged = judge(next.tracked, move.who, *segment);
                    wrong = pass_check_(here, move.who, *segment, judged, next);
                }
                if (wrong.empty()) {
                    if (!seen.insert(digest(next)).second) return;
                    wrong = state_check_(next);
                }
                if (!wrong.empty()) {
                    fail(start, index[i], move, wrong);
                    return;
                }
                if (steps_.size() >= limits_.states) {
                    complete_ = false;
                    return;
                }
                steps_.push_back({index[i], move});
                next_level.push_back(next);
                next_index.push_back(static_cast<std::uint32_t>(steps_.size() - 1));
            });
        }
        level.swap(next_level);
        index.swap(next_index);
        if (!level.empty()) ++depth_;
    }
}

}  // namespace sluice::test
