// Every segment of a grid around the numbers that matter, from every standing of two endpoints that the joint
// search reaches: what the endpoints make of it, and what the tracker does.
//
// - What an endpoint may say right now is accepted, and the pair is where both then stand.
// - What would move its receiver, though no endpoint says it, is refused, or the pair moves with the
// receiver. It is never
//   tolerated: to pass and not be followed.
// - What moves nobody does not move the pair.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <unordered_set>

#include "cells.hpp"
#include "stage.hpp"

namespace sluice::test {
namespace {

using rfc9293::Endpoint;
using rfc9293::Segment;
using rfc9293::Standing;
using rfc9293::State;
using rfc9293::World;

/// Both endpoints with all that passed delivered, and the flow as the tracker has it.
struct Stand {
    std::array<Endpoint, 2> endpoint;
    Tracked tracked;
};

struct Limits {
    std::size_t states, stands_of_a_pair;
};
Limits limits() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr std::size_t usual = 20;
#else
    constexpr std::size_t usual = 200;
#endif
    const char* scale = std::getenv("SLUICE_PROOF_SCALE");
    const std::size_t thousands = scale != nullptr ? std::strtoul(scale, nullptr, 10) : usual;
    return {thousands * 250, thousands};
}

/// What an endpoint may say at once, with where it stands after it.
std::vector<std::pair<Segment, Endpoint>> sayings(const Endpoint& self) {
    std::vector<std::pair<Segment, Endpoint>> out;
    const auto add = [&](auto&& call) {
        Endpoint after = self;
        if (const std::optional<Segment> said = call(after)) out.emplace_back(*said, after);
    };
    for (std::uint8_t octets = 0; octets <= 4; ++octets)
        for (const bool last : {false, true})
            if (octets > 0 || last) add([&](Endpoint& e) { return e.send(octets, last); });
    add([](Endpoint& e) { return e.abort(); });
    add([](Endpoint& e) { return e.keep_alive(); });
    for (const std::uint8_t octets : std::array<std::uint8_t, 4>{0, 1, 2, 255})
        add([&](Endpoint& e) { return e.retransmit(octets); });
    if (self.synchronized()) {  // the answer to anything unacceptable, and a window update
        Segment acknowledgement;
        acknowledgement.seq = self.snd_nxt;
        acknowledgement.ack = self.rcv_nxt;
        acknowledgement.control = rfc9293::ACK;
        acknowledgement.window = static_cast<std::uint16_t>(self.rcv_wnd >> self.rcv_scale);
        out.emplace_back(acknowledgement, self);
    }
    return out;
}

/// Around every number either endpoint holds, one below, exact, one beyond, at the edges of the window and of
/// the one after, and far away.
std::vector<Segment> grid(const Endpoint& sender, const Endpoint& receiver) {
    using namespace rfc9293;
    std::set<std::uint32_t> sequences, acknowledgements;
    const auto around = [](std::set<std::uint32_t>& set, std::uint32_t number) {
        for (const int offset : {-1, 0, 1}) set.insert(number + static_cast<std::uint32_t>(offset));
    };
    for (const std::uint32_t number :
         {sender.iss, sender.snd_una, sender.snd_nxt, receiver.rcv_nxt, receiver.rcv_nxt + receiver.rcv_wnd,
          receiver.rcv_nxt + 2 * receiver.buffer})
        around(sequences, number);
    for (const std::uint32_t number : {receiver.iss, receiver.snd_una, receiver.snd_nxt, sender.rcv_nxt})
        around(acknowledgements, number);
    for (const std::uint32_t far : {0u - 70000u, 70000u, 1u << 30}) {
        sequences.insert(receiver.rcv_nxt + far);
        acknowledgements.insert(receiver.snd_nxt + far);
    }
    std::vector<Segment> out;
    for (const std::uint32_t seq : sequences)
        for (const int control : {0 + SYN, SYN | ACK, 0 + ACK, FIN | ACK, 0 + RST, RST | ACK})
            for (const std::uint32_t ack : acknowledgements)
                for (const std::uint8_t octets : std::array<std::uint8_t, 3>{0, 1, 3}) {
                    if ((control & ACK) == 0 && ack != *acknowledgements.begin()) continue;
                    if (octets > 0 && (control & (SYN | RST)) != 0) continue;
                    Segment segment;
                    segment.seq = seq;
                    segment.ack = (control & ACK) != 0 ? ack : 0;
                    segment.text = octets;
                    segment.control = static_cast<std::uint8_t>(control);
                    segment.window = static_cast<std::uint16_t>(sender.rcv_wnd);
                    out.push_back(segment);
                }
    return out;
}

bool alike(const Segment& a, const Segment& b) {  // but for the window
    return a.seq == b.seq && a.ack == b.ack && a.control == b.control && a.text == b.text;
}

/// Where the tracker follows the one who speaks, though the one who listens may not: named, counted, and no
/// wider than this.
enum class Leniency {
    none,
    /// An acknowledgement counts as soon as its sender has said it, also on a segment that the receiver
    /// throws away by its sequence number: what is said is true, and the next segment says it again.
    acknowledgement_said,
    /// Bound I looks where a segment begins: a FIN counts though its receiver has room for the beginning of
    /// the segment only.
    fin_begins_inside,
    /// A FIN that ends where its side is known to end may be one whose first copy was overtaken by a bare
    /// ACK, or again one of an endpoint shown CLOSED (C6); it counts, though that end has been acknowledged
    /// as something else.
    fin_at_known_end,
    /// A RST counts at the highest acknowledgement that passed, also when its receiver has had more since
    /// (C10), and for its sender when the other is CLOSED already (C6).
    reset_at_what_passed,
    /// A refusal of exactly the SYN counts for its sender (O10), also when the receiver is open by then.
    refusal,
    /// The answer to exactly a SYN that is remembered, from numbers that the sender does not have: it lost
    /// its old ones (O8c).
    reborn,
    /// A SYN in a connection, or a SYN,ACK that answers nothing, is remembered at most (T4, T6), though a
    /// listener in SYN_RCVD goes back to LISTEN for one inside its window.
    syn_in_window,
    /// An acknowledgement too old for its receiver (RFC 5961 section 5.2) but not for bound IV, on a FIN.
    old_acknowledgement,
    /// While A dials and nothing of B has passed, nothing can be held against anything (T7, T8): what would
    /// move a B whose SYN,ACK was lost before the middle passes, and the pair waits.
    responder_unseen,
    /// Whether the responder, reset in SYN_RCVD, had been a listener.
    listener_unknown,
    count_,
};
constexpr std::array<const char*, static_cast<std::size_t>(Leniency::count_)> leniencies{
    "",
    "acknowledgement said",
    "FIN begins inside",
    "FIN at known end",
    "RST at what passed",
    "refusal",
    "reborn",
    "SYN in window",
    "old acknowledgement",
    "responder unseen",
    "listener unknown"};

Leniency leniency(const Stand& stand, int sender, const Segment& segment, Standing seen,
                  const Observed& observed) {
    using tcp::Event;
    const auto who = static_cast<std::size_t>(sender);
    const Endpoint& receiver = stand.endpoint[who ^ 1];
    const tcp::Connection& c = stand.tracked.connection;
    const std::size_t side = sender == stand.tracked.originator ? 0 : 1;
    const State seen_sender = sender == 0 ? seen.a : seen.b, seen_receiver = sender == 0 ? seen.b : seen.a;
    const bool over = seen_sender <= State::listen && seen_receiver <= State::listen;
    const bool dialling = stand.tracked.pair() == tcp::Pair::syn_sent__syn_rcvd;
    if (dialling && seen == stand.tracked.standing() && observed.verdict.outcome == Outcome::tolerated)
        return Leniency::responder_unseen;
    if (segment.has(rfc9293::RST)) {
        if (!over) return Leniency::none;
        if (observed.event == Event::rst_pending) return Leniency::reborn;
        if (tcp::spec::opening.has(stand.tracked.pair()) && tcp::spec::rst_acks.has(observed.event))
            return Leniency::refusal;
        if (seen_receiver == State::listen) return Leniency::listener_unknown;
        return segment.seq == c.side[side ^ 1].max_ack || segment.seq == c.side[side].end
                   ? Leniency::reset_at_what_passed
                   : Leniency::none;
    }
    if (segment.has(rfc9293::SYN)) {
        if (observed.event == Event::synack_pending) return Leniency::reborn;
        const bool in_window = segment.seq - receiver.rcv_nxt < receiver.rcv_wnd;
        const bool idle = seen == stand.tracked.standing();
        return in_window && idle && receiver.state == State::syn_rcvd ? Leniency::syn_in_window
                                                                      : Leniency::none;
    }
    if (segment.has(rfc9293::FIN)) {
        const std::uint32_t edge = receiver.rcv_nxt + receiver.rcv_wnd;
        if (!after(segment.seq, edge) && !before(segment.seq + segment.text, edge))
            return Leniency::fin_begins_inside;
        if (segment.end() == c.side[side].end) return Leniency::fin_at_known_end;
        if (before(segment.ack, receiver.snd_una - receiver.max_snd_wnd))
            return Leniency::old_acknowledgement;
    }
    Segment heard = segment;
    heard.seq = receiver.rcv_nxt;
    heard.text = 0;
    heard.control = rfc9293::ACK;
    Endpoint now = receiver;
    (void)now.arrives(heard);
    const bool follows = now.state == seen_receiver && seen_sender == stand.endpoint[who].state;
    return follows ? Leniency::acknowledgement_said : Leniency::none;
}

class Exhaustive : public testing::Test {
  protected:
    void collect(const Joint& start) {
        Search search(
            {.states = limits().states, .failures = 1},
            [&](const Joint& joint) {
                keep(joint);
                return std::string();
            },
            [](auto&&...) { return std::string(); });
        search.run(start);
    }

    void keep(const Joint& joint) {
        if (joint.tracked.exists == 0 || joint.tracked.connection.picked_up != 0) return;
        if (joint.tracked.reset != 0 || joint.tracked.tolerated_fin != 0) return;
        const std::optional<Standing> known = joint.world.known();
        if (!known || *known != joint.tracked.standing()) return;
        Stand stand{joint.world.settled(), joint.tracked};
        if (!seen_.insert(digest(stand.tracked) ^ numbers(stand)).second) return;
        std::vector<Stand>& stands = stands_[static_cast<std::size_t>(joint.tracked.pair())];
        if (stands.size() < limits().stands_of_a_pair) stands.push_back(stand);
    }

    static std::uint64_t numbers(const Stand& stand) {
        std::uint64_t out = 0;
        for (const Endpoint& e : stand.endpoint)
            for (const std::uint32_t n :
                 {e.snd_una, e.snd_nxt, e.rcv_nxt, e.rcv_wnd, static_cast<std::uint32_t>(e.state)})
                out = (out ^ n) * 0x9E3779B97F4A7C15ull;
        return out;
    }

    void wrong(const Stand& stand, int sender, const Segment& segment, const Judged& judged,
               const Tracked& after, const std::string& what) {
        if (const Leniency known = leniency(stand, sender, segment, after.standing(), judged.observed);
            known != Leniency::none) {
            ++lenient_[static_cast<std::size_t>(known)];
            return;
        }
        const std::string cell =
            name_of_cell(judged.observed.pair, judged.observed.direction, judged.observed.event) + ": " +
            what;
        if (++wrong_[cell] > 1) return;
        first_[cell] = "  A " + describe(stand.endpoint[0]) + "\n  B " + describe(stand.endpoint[1]) +
                       "\n  " + (sender == 0 ? "A " : "B ") + describe(segment) + " " +
                       std::string(text_of(judged.observed.verdict.reason).name) + " -> " +
                       describe(after.standing());
    }

    void compare(const Stand& stand, int sender, const Segment& segment,
                 const std::vector<std::pair<Segment, Endpoint>>& said) {
        const auto who = static_cast<std::size_t>(sender);
        Tracked after = stand.tracked;
        const Judged judged = judge(after, sender, segment);
        cells_.note(judged.observed);
        const Outcome outcome = judged.observed.verdict.outcome;
        Endpoint receiver = stand.endpoint[who ^ 1];
        const State before = receiver.state;
        const bool early = receiver.arrives(segment).early;
        const Standing seen = after.standing();
        const State seen_receiver = sender == 0 ? seen.b : seen.a;

        bool honest = false;
        for (const auto& [saying, self] : said) {
            if (!alike(saying, segment)) continue;
            honest = true;
            if (early) break;  // not in order: what is missing was lost before the middle
            const Standing expected =
                sender == 0 ? Standing{self.state, receiver.state} : Standing{receiver.state, self.state};
            ++honest_;
            if (outcome != Outcome::accepted)
                wrong(stand, sender, segment, judged, after, "honest, not accepted");
            else if (seen != expected)
                wrong(stand, sender, segment, judged, after, "honest, leads to " + describe(expected));
            break;
        }
        if (honest || early) return;
        if (receiver.state != before) {
            ++moving_;
            if (outcome == Outcome::tolerated)
                wrong(stand, sender, segment, judged, after, "tolerated, moves its receiver");
            if (outcome == Outcome::accepted && seen_receiver != receiver.state &&
                !judged.observed.verdict.reopens)
                wrong(stand, sender, segment, judged, after,
                      "moves its receiver to " + std::string(name_of(receiver.state)));
            return;
        }
        ++idle_;
        if (outcome != Outcome::refused && seen != stand.tracked.standing() &&
            !judged.observed.verdict.reopens)
            wrong(stand, sender, segment, judged, after, "moves nobody, but the pair");
    }

    void compare_all() {
        std::size_t stands = 0, pairs = 0;
        for (const std::vector<Stand>& of_pair : stands_) {
            pairs += of_pair.empty() ? 0 : 1;
            for (const Stand& stand : of_pair) {
                ++stands;
                for (const int sender : {0, 1}) {
                    const auto who = static_cast<std::size_t>(sender);
                    const auto said = sayings(stand.endpoint[who]);
                    for (const auto& saying : said) compare(stand, sender, saying.first, said);
                    for (const Segment& segment : grid(stand.endpoint[who], stand.endpoint[who ^ 1]))
                        compare(stand, sender, segment, said);
                }
            }
        }
        std::cout << "[ " << stands << " standings of " << pairs << " pairs; " << honest_
                  << " segments honest, " << moving_ << " that would move their receiver, " << idle_
                  << " that move nobody; " << cells_.reached() << " cells ]\n";
        // What is not reached is not compared: all pairs but the two CLOSED ones, LAST_ACK's among them late.
        EXPECT_GE(pairs, 16U);
        EXPECT_GT(honest_, 1000U);
        EXPECT_GT(moving_, 1000U);
        for (std::size_t i = 1; i < leniencies.size(); ++i)
            std::cout << "    lenient: " << leniencies[i] << " " << lenient_[i] << "\n";
        for (const auto& [cell, times] : wrong_)
            ADD_FAILURE() << times << " times " << cell << "\n" << first_[cell];
    }

    std::array<std::vector<Stand>, tcp::pair_count> stands_;
    std::unordered_set<std::uint64_t> seen_;
    Cells cells_;
    std::map<std::string, std::size_t> wrong_;
    std::map<std::string, std::string> first_;
    std::array<std::uint64_t, leniencies.size()> lenient_{};
    std::uint64_t honest_ = 0, moving_ = 0, idle_ = 0;
};

TEST_F(Exhaustive, TheTrackerFollowsWhateverIsSaid) {
    for (const std::uint8_t heed : std::array<std::uint8_t, 2>{0, 1}) {
        World w = stage(4);
        w.next_iss = {0xfffffffe, 0x7ffffffd};
        for (Endpoint& e : w.endpoint) e.heeds_old_acks = heed;
        w.network.loss = 1;
        World opening = w, crossing = w;
        opening.user = {user(2, 1, 1), user(2, 1, 1)};
        opening.user[0].open = opening.user[1].listen = 1;
        collect({opening, {}});
        crossing.user = {user(1, 1, 1), user(1, 1, 1)};
        crossing.user[0].open = crossing.user[1].open = 1;
        collect({crossing, {}});
        World closing = w;
        closing.user = {user(2, 1, 1), user(2, 1, 1)};
        collect(established(closing));
    }
    compare_all();
}

}  // namespace
}  // namespace sluice::test
