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
        if (shown.reset < 255) ++shown.reset;
        return;
    }
    // A new SYN begins a new incarnation; what the old one showed no longer counts.
    if (shown.any == 0 || later(segment.end(), shown.end)) shown.end = segment.end();
    shown.any = 1;
    if (segment.has(SYN)) shown.syn = 1;
    if (segment.has(FIN) && shown.fin == 0) {
        shown.fin = 1;
        shown.fin_ack = segment.ack;
    }
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
    if (segment.has(RST) && w.endpoint[move.who ^ 1].state > State::listen) w.network.vain_resets = 1;
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
    if (move.lost) {
        if (!spend(w.network.loss) || w.lost[move.who].count == flight_places) return false;
        w.lost[move.who].add(*passed);
        if (passed->has(RST)) w.network.vain_resets = 1;
        return true;
    }
    if (w.after[move.who].count >= w.network.places_after) return false;
    w.after[move.who].add(*passed);
    return true;
}

}  // namespace

std::string describe(const Standing& s) {
    return std::string(name_of(s.a)) + "/" + std::string(name_of(s.b));
}

std::array<Endpoint, 2> World::settled() const {
    std::array<Endpoint, 2> end = endpoint;
    for (int round = 0; round < 8; ++round) {
        const auto old = end;
        for (std::size_t sender = 0; sender < 2; ++sender)
            for (const Flight* flight : {&lost[sender], &after[sender]})
                for (std::size_t i = 0; i < flight->count; ++i)
                    (void)end[sender ^ 1].arrives(flight->segment[i]);
        if (end == old) break;
    }
    return end;
}

Standing World::standing() const {
    const auto end = settled();
    return {end[0].state, end[1].state};
}

std::optional<Standing> World::known() const {
    const auto gone = [](const Endpoint& e) { return e.state <= State::listen; };
    const auto has_reset = [](const Flight& flight) {
        for (std::size_t i = 0; i < flight.count; ++i)
            if (flight.segment[i].has(RST)) return true;
        return false;
    };
    for (std::size_t who = 0; who < 2; ++who) {
        const Endpoint& self = endpoint[who];
        const Shown& said = shown[who];
        if (has_reset(before[who]) || has_reset(after[who]) || has_reset(lost[who])) return {};
        if (self.ending == Ending::vanished || self.ending == Ending::expired) return {};
        // A reset that overtook what was sent before it did not count; the next segment of the peer will draw
        // another.
        if (self.ending == Ending::aborted && (said.reset == 0 || !gone(endpoint[who ^ 1]))) return {};
        const bool closed_by_reset =
            self.ending == Ending::reset && self.state == State::closed && said.any != 0;
        if (gone(self) && self.ending != Ending::aborted && !closed_by_reset) continue;
        if (self.state == State::syn_rcvd && said.any == 0)
            continue;  // a SYN,ACK to come moves nobody to SYN_RCVD
        if (said.any == 0 || self.snd_nxt != said.end) return {};
    }
    const auto end = settled();
    for (std::size_t who = 0; who < 2; ++who) {
        const Endpoint& self = end[who];
        const Endpoint& peer = end[who ^ 1];
        // Whoever still speaks to somebody gone will be told so by a reset, which has not passed yet.
        if (gone(self) && !gone(peer) && peer.state != State::time_wait) return {};
        if (peer.state == State::syn_sent && shown[who].any != 0) return {};  // has not heard our SYN
        // Lost before the middle and sent again behind what passed: a hole that the peer waits for.
        if (!gone(self) && !gone(peer) && shown[who].any != 0 && peer.rcv_nxt != shown[who].end) return {};
        // An acknowledgement that overtook a SYN or text, and did not count; the next will.
        if (!gone(peer) && shown[who].any_ack != 0 && later(shown[who].ack, peer.snd_una)) return {};
    }
    return Standing{end[0].state, end[1].state};
}

bool apply(World& world, const Move& move, std::optional<Segment>& passed) {
    passed.reset();
    if (move.act == Act::pass) return pass(world, move, passed);
    std::optional<Segment> said;
    const bool done = move.act == Act::deliver ? deliver(world, move, said) : act(world, move, said);
    if (!done) return false;
    if (said && said->has(FIN) && move.act != Act::retransmit_all && move.act != Act::retransmit_octet)
        world.fin_ack[move.who] = said->ack;
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
