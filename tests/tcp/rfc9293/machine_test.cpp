// The tracker by itself, against segments nobody sane would send: from every state reached, every segment of
// a small alphabet. Nineteen pairs and no other; what is refused leaves no trace; what is tolerated leaves
// only what is pending; from every pair a way leads to CLOSED; and every cell of the table is either reached
// or said not to occur.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <set>
#include <string_view>
#include <unordered_set>

#include "cells.hpp"
#include "joint.hpp"

namespace sluice::test {
namespace {

using rfc9293::Segment;
using tcp::Direction;
using tcp::Pair;

/// Offsets from the ISNs: each class of numbers has several representatives with a window of 4, far ones
/// included.
constexpr std::array<std::int32_t, 9> sequences{-70000, -9, 0, 1, 2, 5, 6, 14, 70000};
constexpr std::array<std::int32_t, 5> acknowledgements{-70000, 0, 1, 2, 6};
/// A's numbers wrap at 2^32, B's cross 2^31.
constexpr std::array<std::uint32_t, 2> isn{0xfffffffe, 0x7ffffffe};

struct Spoken {
    int sender;
    Segment segment;
};

std::vector<Spoken> alphabet() {
    using namespace rfc9293;
    std::vector<Spoken> out;
    for (const int sender : {0, 1}) {
        const std::uint32_t own = isn[static_cast<std::size_t>(sender)],
                            peer = isn[static_cast<std::size_t>(sender ^ 1)];
        for (const int control : {0 + SYN, SYN | ACK, 0 + ACK, FIN | ACK, 0 + RST, RST | ACK, SYN | FIN})
            for (const std::int32_t s : sequences)
                for (const std::int32_t a : acknowledgements)
                    for (const int octets : {0, 1}) {
                        Segment segment;
                        segment.control = static_cast<std::uint8_t>(control);
                        segment.seq = own + static_cast<std::uint32_t>(s);
                        segment.window = 4;
                        if ((control & ACK) != 0) {
                            segment.ack = peer + static_cast<std::uint32_t>(a);
                        } else if (a != acknowledgements[0]) {
                            continue;
                        }
                        if (octets > 0 && control != ACK) continue;
                        segment.text = static_cast<std::uint8_t>(octets);
                        out.push_back({sender, segment});
                    }
    }
    return out;
}

std::string_view bytes(const Tracked& tracked) {
    return {reinterpret_cast<const char*>(&tracked), sizeof tracked};
}

/// The same but for what a tolerated segment may leave: what is pending, and that the responder was heard.
bool differs_only_in_what_is_pending(Tracked a, Tracked b) {
    for (Tracked* t : {&a, &b}) {
        t->pending = {};
        t->connection.pending_syn = 0;
        t->connection.seen_reply = 0;
        t->tolerated_fin = 0;
    }
    return bytes(a) == bytes(b);
}

struct Explored {
    std::size_t states = 0;
    std::uint64_t segments = 0;
    Cells cells;
    std::array<std::set<std::size_t>, tcp::pair_count> leads_to;
    std::vector<std::string> wrong;
};

/// Takes one state of each pair in turn, so that all pairs are explored alike deep; `limit` states
/// altogether.
Explored explore(std::size_t limit, const tcp::Settings& settings, const std::vector<Spoken>& openings) {
    Explored out;
    const std::vector<Spoken> segments = alphabet();
    std::unordered_set<std::uint64_t> seen;
    std::array<std::deque<Tracked>, tcp::pair_count> open;
    const auto reach = [&](const Tracked& tracked) {
        if (!seen.insert(digest(tracked)).second) return;
        open[static_cast<std::size_t>(tracked.pair())].push_back(tracked);
    };
    const auto wrong = [&](const Tracked& at, const Spoken& spoken, const std::string& what) {
        if (out.wrong.size() < 5)
            out.wrong.push_back(what + ": at " + describe(at.standing()) + ", " +
                                (spoken.sender == 0 ? "A " : "B ") + describe(spoken.segment));
    };
    for (const Spoken& spoken : openings) {
        Tracked tracked;
        (void)judge(tracked, spoken.sender, spoken.segment, settings);
        if (tracked.exists != 0) reach(tracked);
    }
    for (bool any = true; any && out.states < limit;) {
        any = false;
        for (std::size_t pair = 0; pair < tcp::pair_count; ++pair) {
            std::deque<Tracked>& waiting = open[pair];
            if (waiting.empty() || out.states >= limit) continue;
            any = true;
            const Tracked here = waiting.front();
            waiting.pop_front();
            ++out.states;
            for (const Spoken& spoken : segments) {
                ++out.segments;
                Tracked next = here;
                const Judged judged = judge(next, spoken.sender, spoken.segment, settings);
                out.cells.note(judged.observed);
                if (next.connection.pair >= tcp::pair_count) {
                    wrong(here, spoken, "a pair that does not occur");
                    continue;
                }
                const Outcome outcome = judged.observed.verdict.outcome;
                if (outcome == Outcome::refused && bytes(next) != bytes(here))
                    wrong(here, spoken, "refused, and a trace left");
                if (outcome == Outcome::tolerated && !differs_only_in_what_is_pending(here, next))
                    wrong(here, spoken, "tolerated, and more changed than what is pending");
                if (outcome == Outcome::accepted)
                    out.leads_to[pair].insert(static_cast<std::size_t>(next.pair()));
                next.reset = next.tolerated_fin = 0;  // of interest to others
                reach(next);
            }
        }
    }
    return out;
}

/// Pairs from which some way leads to CLOSED,CLOSED.
std::set<std::size_t> can_close(const Explored& explored) {
    std::set<std::size_t> out{static_cast<std::size_t>(Pair::closed__closed)};
    for (bool grows = true; grows;) {
        grows = false;
        for (std::size_t pair = 0; pair < tcp::pair_count; ++pair)
            for (const std::size_t next : explored.leads_to[pair])
                if (out.contains(next) && out.insert(pair).second) grows = true;
    }
    return out;
}

/// So many states reach every cell that can be reached.
constexpr std::size_t enough = 100000;

std::size_t states_allowed() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr std::size_t usual = 3000;
#else
    constexpr std::size_t usual = enough;
#endif
    const char* scale = std::getenv("SLUICE_PROOF_SCALE");
    return scale != nullptr ? 100 * std::strtoul(scale, nullptr, 10) : usual;
}

Spoken says(int sender, unsigned control, std::int32_t s, std::int32_t a) {
    Segment segment;
    segment.control = static_cast<std::uint8_t>(control);
    segment.seq = isn[static_cast<std::size_t>(sender)] + static_cast<std::uint32_t>(s);
    if ((control & rfc9293::ACK) != 0)
        segment.ack = isn[static_cast<std::size_t>(sender ^ 1)] + static_cast<std::uint32_t>(a);
    segment.window = 4;
    return {sender, segment};
}

void expect_sound(const char* name, const Explored& explored) {
    std::cout << "[ " << name << ": " << explored.states << " states, " << explored.segments << " segments, "
              << explored.cells.reached() << " of " << Cells::total << " cells ]\n";
    for (const std::string& wrong : explored.wrong) ADD_FAILURE() << wrong;
}

/// Cells whose row covers them for the sake of brevity, and which no sequence of segments reaches. Why:
bool never_happens(Pair pair, Direction direction, tcp::Event event) {
    using enum tcp::Event;
    using tcp::EndpointState;
    const auto is = [&](tcp::spec::Events events) { return events.has(event); };
    const tcp::PairText& text = tcp::text_of(pair);
    const bool from_a = direction == Direction::original;
    const EndpointState sender = from_a ? text.originator : text.responder;
    const EndpointState receiver = from_a ? text.responder : text.originator;
    const auto fin_acknowledged = [&](EndpointState state) {
        return state == EndpointState::fin_wait_2 || state == EndpointState::time_wait ||
               state == EndpointState::closed;
    };
    // Nothing is known of B yet: nobody has offered A a window or sent it anything to acknowledge or to
    // remember (but what A itself was tolerated for may come again).
    if (pair == Pair::syn_sent__syn_rcvd)
        return from_a && is({synack_pending, overshoot, overshoot_old_ack, ack_part, fin_part, rst_pending,
                             rst_inside, rst_inside_acks});
    // A SYN without text is acknowledged as a whole.
    if (pair == Pair::syn_rcvd__syn_rcvd && is({ack_part, fin_part})) return true;
    // The SYN,ACK that finishes a simultaneous open repeats a SYN, which lies in the window.
    if (pair == Pair::syn_rcvd__syn_rcvd || (pair == Pair::established__syn_rcvd && from_a) ||
        (pair == Pair::syn_rcvd__established && !from_a))
        return is({synack_exact_out, overshoot_old_ack});  // an ACK that is not of the SYN is just that
    // Nobody closes a connection before speaking; A begins all flows, and in LISTEN is again who once
    // answered.
    if (pair == Pair::closed__listen) return is(tcp::spec::of_the_unheard);
    if (pair == Pair::closed__closed) return from_a && is(tcp::spec::of_the_unheard);
    if (tcp::spec::reusable.has(pair) && is(syn_first)) return true;
    if (!tcp::spec::closing.has(pair) && !tcp::spec::reusable.has(pair)) return false;
    // Nothing lies beyond an acknowledged FIN, and nothing is left of what it ends to be acknowledged in
    // part.
    return (fin_acknowledged(sender) && is({overshoot, overshoot_old_ack})) ||
           (fin_acknowledged(receiver) && is({ack_part, fin_part}));
}

TEST(PairMachine, IsClosedUnderEverySegmentAndCoversItsTable) {
    const Explored dialled = explore(states_allowed(), {}, {says(0, rfc9293::SYN, 0, 0)});
    expect_sound("from a SYN", dialled);
    const Explored picked_up = explore(states_allowed() / 4, {}, {says(0, rfc9293::ACK, 1, 1)});
    expect_sound("picked up in mid-stream", picked_up);

    const std::set<std::size_t> closing = can_close(dialled);
    for (std::size_t pair = 0; pair < tcp::pair_count; ++pair)
        EXPECT_TRUE(closing.contains(pair))
            << "no way leads to CLOSED from "
            << name_of_cell(static_cast<Pair>(pair), Direction::original, tcp::Event::bad_flags);

    Cells cells = dialled.cells;
    cells.add(picked_up.cells);
    std::size_t not_to_occur = 0, never = 0;
    for (std::size_t p = 0; p < tcp::pair_count; ++p)
        for (const Direction direction : {Direction::original, Direction::reply})
            for (std::size_t e = 0; e < tcp::event_count; ++e) {
                const auto pair = static_cast<Pair>(p);
                const auto event = static_cast<tcp::Event>(e);
                const bool said_not_to = row_of(pair, direction, event) == "-";
                const bool happens = !said_not_to && !never_happens(pair, direction, event);
                not_to_occur += said_not_to ? 1 : 0;
                never += !said_not_to && !happens ? 1 : 0;
                const bool reached = cells.times(pair, direction, event) > 0;
                EXPECT_TRUE(!reached || happens) << row_of(pair, direction, event) << " "
                                                 << name_of_cell(pair, direction, event) << " is reached";
                EXPECT_TRUE(reached || !happens || states_allowed() < enough)
                    << row_of(pair, direction, event) << " " << name_of_cell(pair, direction, event)
                    << " is not";
            }
    std::cout << "[ of " << Cells::total << " cells " << cells.reached() << " are reached, " << not_to_occur
              << " said not to occur, " << never << " never happen ]\n";
}

TEST(PairMachine, IsSoundUnderEverySetting) {
    const std::vector<Spoken> openings{says(0, rfc9293::SYN, 0, 0), says(0, rfc9293::ACK, 1, 1),
                                       says(1, rfc9293::SYN | rfc9293::ACK, 0, 1)};
    for (const unsigned bits : {1U, 2U, 4U, 8U, 16U, 31U}) {
        tcp::Settings settings;
        settings.strict = (bits & 1) != 0;
        settings.be_liberal = (bits & 2) != 0;
        settings.ignore_invalid_rst = (bits & 4) != 0;
        settings.asymmetric = (bits & 8) != 0;
        settings.loose = (bits & 16) == 0;
        expect_sound(("settings " + std::to_string(bits)).c_str(),
                     explore(states_allowed() / 10, settings, openings));
    }
}

}  // namespace
}  // namespace sluice::test
