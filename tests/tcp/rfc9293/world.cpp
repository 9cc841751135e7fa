#include "world.hpp"

namespace sluice::rfc9293 {
namespace {

bool spend(std::uint8_t& allowance) {
    if (allowance == 0) return false;
    --allowance;
    return true;
}

bool later(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b) > 0;
}

void show(Shown& shown, const Segment& segment) {
    if (segment.has(RST)) {
        shown.reset = 1;
        return;
    }
    // A new SYN begins a new incarnation; what the old one showed no longer counts.
    if (shown.any == 0 || later(segment.end(), shown.end)) shown.end = segment.end();
    shown.any = 1;
    if (!segment.has(ACK)) return;
    if (shown.any_ack == 0 || later(segment.ack, shown.ack)) shown.ack = segment.ack;
    shown.any_ack = 1;
}

/// The user's call or timer of `move`; false when nothing comes of it.
bool act(World& w, const Move& move, std::optional<Segment>& said) {
    const std::size_t who = move.who;
    Endpoint& e = w.endpoint[who];
    Allowance& user = w.user[who];
    const Endpoint old = e;
    switch (move.act) {
        case Act::open:
            if (e.state != State::closed || !spend(user.open)) return false;
            w.shown[who] = {};
            said = e.open(w.next_iss[who]);
            w.next_iss[who] += 16;
            return true;
        case Act::listen:
            if (e.state != State::closed || !spend(user.listen)) return false;
            e.listen();
            e.iss = w.next_iss[who];
            w.next_iss[who] += 16;
            return true;
        case Act::give_up:
            if (!spend(user.abort)) return false;
            e.give_up();
            return e.state != old.state;
        case Act::send:
            if (!spend(user.octets)) return false;
            said = e.send(1, false);
            return said.has_value();
        case Act::close:
            if (!spend(user.close)) return false;
            said = e.send(0, true);
            return said.has_value();
        case Act::send_and_close:
            if (!spend(user.octets) || !spend(user.close)) return false;
            said = e.send(1, true);
            return said.has_value();
        case Act::abort:
            if (!spend(user.abort)) return false;
            said = e.abort();
            return e.state != old.state;
        case Act::vanish:
            if (!spend(user.vanish) || e.state == State::closed || e.state == State::listen) return false;
            if (e.state == State::time_wait) {
                e.time_wait_over();
            } else {
                e.vanish();
            }
            return true;
        case Act::read:
            if (!spend(user.read)) return false;
            said = e.read();
            return said.has_value();
        case Act::retransmit_all:
        case Act::retransmit_octet:
            if (!spend(user.retransmit)) return false;
            said = e.retransmit(move.act == Act::retransmit_all ? 255 : 1);
            // The single octet is a move of its own only where it differs.
            if (said && move.act == Act::retransmit_octet && *said == *Endpoint(e).retransmit(255))
                return false;
            return said.has_value();
        case Act::keep_alive:
            if (!spend(user.keep_alive)) return false;
            said = e.keep_alive();
            return said.has_value();
        default:
            return false;
    }
}

bool deliver(World& w, const Move& move, std::optional<Segment>& said) {
    Flight& flight = w.after[move.who];
    if (move.place >= flight.count) return false;
    const Segment segment = flight.segment[move.place];
    const Arrival arrival = w.endpoint[move.who ^ 1].arrives(segment);
    said = arrival.reply;
    if (move.again) return !arrival.early && spend(w.network.duplicate);
    // What came early stays, as if held by the receiver.
    if (arrival.early) return said.has_value();
    flight.remove(move.place);
    return true;
}

bool pass(World& w, const Move& move, std::optional<Segment>& passed) {
    Flight& flight = w.before[move.who];
    if (move.place >= flight.count) return false;
    passed = flight.segment[move.place];
    if (move.again) {
        if (!spend(w.network.duplicate)) return false;
    } else {
        flight.remove(move.place);
    }
    show(w.shown[move.who], *passed);
    if (move.lost) return spend(w.network.loss);
    if (w.after[move.who].count >= w.network.places_after) return false;
    w.after[move.who].add(*passed);
    return true;
}

}  // namespace

std::string describe(const Standing& s) {
    return std::string(name_of(s.a)) + "/" + std::string(name_of(s.b));
}

Standing World::settled() const {
    std::array<Endpoint, 2> end = endpoint;
    for (int round = 0; round < 8; ++round) {
        const auto old = end;
        for (std::size_t sender = 0; sender < 2; ++sender)
            for (std::size_t i = 0; i < after[sender].count; ++i)
                (void)end[sender ^ 1].arrives(after[sender].segment[i]);
        if (end == old) break;
    }
    return {end[0].state, end[1].state};
}

bool World::told_all() const {
    for (std::size_t who = 0; who < 2; ++who) {
        const Endpoint& self = endpoint[who];
        const Endpoint& peer = endpoint[who ^ 1];
        const Shown& said = shown[who];
        if (before[who].count > 0 || after[who].count > 0) return false;
        const bool gone = self.state == State::closed || self.state == State::listen;
        const bool peer_gone = peer.state == State::closed || peer.state == State::listen;
        if (gone) {
            // Without a word, or with a word that nobody heard: the peer would be the only one to stand
            // elsewhere.
            if (self.ending == Ending::vanished || self.ending == Ending::expired) return false;
            if (self.ending == Ending::aborted && !(said.reset != 0 && peer_gone)) return false;
            if (self.ending == Ending::reset && !(shown[who ^ 1].reset != 0)) return false;
            if (peer_gone) continue;
        }
        if (said.any != 0 && self.state != State::listen && self.ending != Ending::refused &&
            self.snd_nxt != said.end)
            return false;
        if (self.state > State::listen && said.any == 0) return false;
        if (peer_gone) continue;
        if (said.any != 0 && peer.state >= State::syn_rcvd && peer.rcv_nxt != said.end) return false;
        if (said.any_ack != 0 && later(said.ack, peer.snd_una)) return false;
    }
    return true;
}

bool apply(World& world, const Move& move, std::optional<Segment>& passed) {
    passed.reset();
    if (move.act == Act::pass) return pass(world, move, passed);
    std::optional<Segment> said;
    const bool done = move.act == Act::deliver ? deliver(world, move, said) : act(world, move, said);
    if (!done) return false;
    if (!said) return !move.lost;
    if (move.lost) return spend(world.network.loss);
    const auto speaker = static_cast<std::size_t>(move.act == Act::deliver ? move.who ^ 1 : move.who);
    if (world.before[speaker].count >= world.network.places_before) return false;
    world.before[speaker].add(*said);
    return true;
}

void for_each_move(
    const World& world,
    const std::function<void(const Move&, const World&, const std::optional<Segment>&)>& visit) {
    std::optional<Segment> passed;
    const auto attempt = [&](const Move& move) {
        World next = world;
        if (apply(next, move, passed)) visit(move, next, passed);
    };
    for (std::uint8_t who = 0; who < 2; ++who) {
        for (auto a = Act::open; a < Act::pass; a = static_cast<Act>(static_cast<int>(a) + 1)) {
            attempt({a, who});
            if (world.network.loss > 0) attempt({a, who, 0, true});
        }
        for (std::uint8_t i = 0; i < world.before[who].count; ++i)
            for (const bool again : {false, true})
                for (const bool lost : {false, true}) attempt({Act::pass, who, i, lost, again});
        for (std::uint8_t i = 0; i < world.after[who].count; ++i)
            for (const bool again : {false, true})
                for (const bool lost : {false, true}) attempt({Act::deliver, who, i, lost, again});
    }
}

std::string describe(const World& w, const Move& move) {
    static constexpr std::array<const char*, 14> names{"OPEN",
                                                       "OPEN passive",
                                                       "CLOSE (nothing sent)",
                                                       "SEND 1",
                                                       "CLOSE",
                                                       "SEND 1, CLOSE",
                                                       "ABORT",
                                                       "vanishes",
                                                       "RECEIVE",
                                                       "retransmits all",
                                                       "retransmits an octet",
                                                       "keep-alive",
                                                       "passes",
                                                       "arrives"};
    std::string out = move.who == 0 ? "A " : "B ";
    const std::size_t at = move.place;
    if (move.act == Act::pass) out += describe(w.before[move.who].segment[at]) + " ";
    if (move.act == Act::deliver) out += describe(w.after[move.who].segment[at]) + " ";
    out += names[static_cast<std::size_t>(move.act)];
    if (move.lost) out += move.act == Act::pass ? ", lost beyond" : ", what is said is lost";
    if (move.again) out += ", and again later";
    return out;
}

}  // namespace sluice::rfc9293
