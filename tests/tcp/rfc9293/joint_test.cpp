// Two endpoints written from the RFC, the network between them, and the tracker: everything that can happen,
// within bounds. Nothing that two correct endpoints say is refused, and whenever the tracker can know all, it
// does.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "stage.hpp"

namespace sluice::test {
namespace {

using rfc9293::Standing;
using rfc9293::State;
using rfc9293::World;
using enum tcp::Pair;

/// SLUICE_PROOF_SCALE: states per search, in thousands. A state takes some 6 us, under the sanitizers ten
/// times that.
std::size_t states_allowed() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr std::size_t usual = 40;
#else
    constexpr std::size_t usual = 200;
#endif
    const char* scale = std::getenv("SLUICE_PROOF_SCALE");
    return 1000 * (scale != nullptr ? std::strtoul(scale, nullptr, 10) : usual);
}

std::string refused(const Joint&, int, const rfc9293::Segment& segment, const Judged& judged, const Joint&) {
    if (!judged.had_flow || judged.observed.verdict.outcome != Outcome::refused) return {};
    return "an honest segment was refused: " + describe(segment) + " " +
           std::string(text_of(judged.observed.verdict.reason).name);
}

/// What no one in the middle can know, and the tracker is right to see otherwise:
/// - A FIN again from an endpoint shown CLOSED is taken for the sign that it is in LAST_ACK after all (C6),
/// also where it
///   is a mere duplicate.
/// - A FIN whose first copy was lost before the middle, and which acknowledges the other FIN by now, looks as
/// if it had
///   never crossed it (C3): LAST_ACK for CLOSING, CLOSED for TIME_WAIT. The same goes for a FIN that was only
///   tolerated and counts from its acknowledgement on.
/// - A SYN that comes again after the end of its connection looks like a new one (O10); a SYN,ACK after a
/// reset like the
///   answer to a SYN dialled since (T9), and its sender goes on until it hears of the reset.
/// - Whether a responder that was reset is CLOSED or in LISTEN: a SYN,ACK may come from a listener or from
/// one who dialled
///   at the same time and whose SYN was lost before the middle; a FIN of its may cross the reset; the third
///   segment may be lost or overtaken by it; or there was more than one reset.
bool cannot_be_told(const World& world, const Tracked& tracked, Standing is, Standing seen) {
    const auto dials = [](State one, State other) {
        return one == State::syn_sent && other == State::syn_rcvd;
    };
    const int resets = world.shown[0].reset + world.shown[1].reset;
    const bool over = is.a <= State::listen && is.b <= State::listen;
    const bool seen_over = seen.a <= State::listen && seen.b <= State::listen;
    if (over && !seen_over && (tracked.reset != 0 || dials(seen.a, seen.b) || dials(seen.b, seen.a)))
        return true;
    for (const int who : {0, 1}) {
        const rfc9293::Endpoint& self = world.endpoint[static_cast<std::size_t>(who)];
        const State mine = who == 0 ? is.a : is.b, of_peer = who == 0 ? is.b : is.a;
        const State seen_mine = who == 0 ? seen.a : seen.b, seen_peer = who == 0 ? seen.b : seen.a;
        const rfc9293::Shown& peer_said = world.shown[static_cast<std::size_t>(who ^ 1)];
        const bool third_passed = peer_said.any_ack != 0;
        const bool told = self.passive != 0 && self.fin_sent == 0 && !third_passed && resets == 1;
        if (over && of_peer == seen_peer && seen_mine <= State::listen && !told) return true;
        if ((tracked.tolerated_fin >> who & 1) != 0 &&
            (peer_said.any_ack == 0 || peer_said.ack != world.shown[static_cast<std::size_t>(who)].end))
            return true;
        if (of_peer != seen_peer || of_peer != State::time_wait) continue;
        if (mine == State::closed && seen_mine == State::last_ack) return true;
        if (!world.crossing_hidden(who) && (tracked.tolerated_fin >> who & 1) == 0) continue;
        if (mine == State::closing && seen_mine == State::last_ack) return true;
        if (mine == State::time_wait && (seen_mine == State::closed || seen_mine == State::last_ack))
            return true;
    }
    return false;
}

/// What a search compared.
struct Count {
    std::size_t pairs = 0;    ///< states in which the middle can know all, and the pair was the endpoints'
    std::size_t excused = 0;  ///< states of cannot_be_told
    std::array<std::size_t, tcp::pair_count> of{};
};

std::string differs(const Joint& joint, Count& count) {
    if (joint.tracked.exists == 0 || joint.tracked.connection.picked_up != 0) return {};
    // A reset that passed and did not count: the tracker believes it, the endpoints go on (C15), until they
    // dial again.
    if (joint.tracked.reset != 0 && joint.world.network.vain_resets != 0) return {};
    const std::optional<Standing> known = joint.world.known();
    if (!known) return {};
    // A passive OPEN says nothing; that a listener listens again after a reset was told by its SYN,ACK and
    // the reset.
    const auto shown = [&](std::size_t who, State state) {
        const bool told =
            joint.world.endpoint[who].ending == rfc9293::Ending::reset && joint.world.shown[who].syn != 0;
        return state == State::listen && !told ? State::closed : state;
    };
    const Standing is{shown(0, known->a), shown(1, known->b)};
    const Standing seen = joint.tracked.standing();
    if (is == seen) {
        ++count.pairs;
        ++count.of[static_cast<std::size_t>(joint.tracked.pair())];
        return {};
    }
    if (cannot_be_told(joint.world, joint.tracked, is, seen)) {
        ++count.excused;
        return {};
    }
    return "once everything is delivered the endpoints stand at " + describe(is) + ", the tracker says " +
           describe(seen);
}

/// Searches, prints what was reached, and returns what was compared. `compare`: the pair too, not only
/// refusals.
Count search(const char* name, const Joint& start, bool compare = true) {
    const auto began = std::chrono::steady_clock::now();
    Count count;
    Search search(
        {.states = states_allowed(), .failures = 3},
        [&](const Joint& joint) { return compare ? differs(joint, count) : std::string(); }, refused);
    search.run(start);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    std::cout << "[ " << name << ": " << search.states() << " states, " << search.passed()
              << " segments judged, depth " << search.depth()
              << (search.complete() ? ", complete" : ", cut off") << "; pair compared in " << count.pairs
              << ", excused in " << count.excused << "; " << seconds << " s ]\n";
    for (const std::string& failure : search.failures()) ADD_FAILURE() << failure;
    // A search that compares nothing proves nothing.
    if (compare) {
        EXPECT_GT(count.pairs, search.states() / 1000);
        EXPECT_LT(count.excused, count.pairs / 5);
    }
    return count;
}

/// The pairs that a search must have seen while all was told.
void expect_seen(const Count& count, std::initializer_list<tcp::Pair> pairs) {
    for (const tcp::Pair pair : pairs)
        EXPECT_GT(count.of[static_cast<std::size_t>(pair)], 0U)
            << describe(Standing{tcp::text_of(pair).originator, tcp::text_of(pair).responder});
}

TEST(Joint, OpeningIsFollowed) {
    World w = stage(4);
    w.user = {user(1, 0, 2), user(1, 0, 2)};
    w.user[0].open = w.user[1].listen = 1;
    w.network.loss = 2;
    w.network.duplicate = 1;
    expect_seen(search("open", {w, {}}), {syn_sent__syn_rcvd, established__syn_rcvd, established__established,
                                          closed__closed, closed__listen});
}

TEST(Joint, SimultaneousOpeningIsFollowed) {
    World w = stage(4);
    w.user = {user(0, 1, 1), user(1, 0, 1)};
    w.user[0].open = w.user[1].open = 1;
    w.network.loss = 1;
    w.network.duplicate = 1;
    expect_seen(search("simultaneous open", {w, {}}),
                {syn_rcvd__syn_rcvd, established__syn_rcvd, syn_rcvd__established, established__established});
}

TEST(Joint, ClosingIsFollowed) {
    World w = stage(4);
    w.user = {user(1, 1, 1), user(1, 1, 1)};
    w.network.loss = 1;
    w.network.duplicate = 1;
    expect_seen(
        search("close", established(w)),
        {established__established, fin_wait_1__close_wait, close_wait__fin_wait_1, fin_wait_2__close_wait,
         close_wait__fin_wait_2, closing__closing, time_wait__last_ack, last_ack__time_wait,
         closing__time_wait, time_wait__closing, time_wait__closed, closed__time_wait, time_wait__time_wait});
}

// Read literally, RFC 9293 has an endpoint ignore the acknowledgement of a segment that brings nothing but
// what it has. No stack known to us does, and the tracker counts it; such endpoints may lag behind the pair.
// Nothing of theirs is refused.
TEST(Joint, EndpointsThatIgnoreOldAcknowledgementsAreNotRefused) {
    World w = stage(4);
    w.user = {user(0, 1, 2), user(1, 1, 2)};
    w.network.loss = 2;
    for (rfc9293::Endpoint& e : w.endpoint) e.heeds_old_acks = 0;
    (void)search("close, old acknowledgements ignored", established(w), false);
}

TEST(Joint, ClosingBeforeTheHandshakeEndsIsFollowed) {
    World w = stage(4);
    w.user = {user(1, 1, 1), user(0, 1, 1)};
    w.user[0].open = w.user[1].listen = 1;
    w.network.loss = 1;
    expect_seen(search("open and close", {w, {}}),
                {close_wait__fin_wait_1, close_wait__fin_wait_2, fin_wait_1__close_wait});
}

TEST(Joint, AbortIsFollowed) {
    World w = stage(4);
    w.user = {user(1, 1, 0), user(1, 1, 0)};
    w.user[0].abort = w.user[1].abort = 1;
    w.network.loss = 1;
    w.network.duplicate = 1;
    expect_seen(search("abort", established(w)), {fin_wait_1__close_wait, closed__closed});
}

TEST(Joint, ACrashAndANewSynAreFollowed) {
    World w = stage(4);
    w.user = {user(1, 0, 1), user(1, 1, 1)};
    w.user[0].vanish = w.user[0].open = 1;
    w.network.loss = 1;
    w.network.duplicate = 1;
    (void)search("crash and new SYN", established(w));
}

TEST(Joint, OldSynsAreFollowed) {
    World w = stage(4);
    w.user = {user(0, 0, 1), user(0, 0, 1)};
    w.user[0].open = 2;
    w.user[0].abort = 1;
    w.user[1].listen = 1;
    w.network.loss = 1;
    w.network.duplicate = 2;
    (void)search("old SYNs", {w, {}});
}

// With a window of one octet, what is repeated late lies wholly before the window (T1).
TEST(Joint, OldDuplicatesAreFollowed) {
    World w = stage(1);
    w.user = {user(3, 1, 0), user(0, 0, 0)};
    w.user[1].read = 3;
    w.network.duplicate = 1;
    w.network.places_before = 2;
    (void)search("old duplicates", established(w));
}

TEST(Joint, ClosedWindowsAreFollowed) {
    World w = stage(2, 1, 0);
    w.user = {user(3, 1, 1), user(0, 0, 0)};
    w.user[1].read = 2;
    w.user[0].keep_alive = 1;
    w.network.loss = 1;
    w.network.duplicate = 1;
    (void)search("closed windows", established(w));
}

}  // namespace
}  // namespace sluice::test
