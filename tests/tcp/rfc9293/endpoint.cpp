#include "endpoint.hpp"

#include <algorithm>

namespace sluice::rfc9293 {
namespace {

// Section 3.4: comparisons on the circle.
bool less(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b) < 0;
}
bool less_or_equal(std::uint32_t a, std::uint32_t b) {
    return !less(b, a);
}

/// RCV.NXT =< number < RCV.NXT+RCV.WND
bool in_window(const Endpoint& e, std::uint32_t number) {
    return number - e.rcv_nxt < e.rcv_wnd;
}

/// The answer of a CLOSED or LISTENing endpoint, section 3.5.2 group 1.
Segment reset_for(const Segment& segment) {
    Segment out;
    if (segment.has(ACK)) {
        out.seq = segment.ack;
        out.control = RST;
    } else {
        out.ack = segment.end();
        out.control = RST | ACK;
    }
    return out;
}

}  // namespace

Segment Endpoint::make(std::uint8_t control, std::uint32_t seq, std::uint8_t text) const {
    Segment out;
    out.seq = seq;
    out.control = control;
    out.text = text;
    if ((control & ACK) != 0) out.ack = rcv_nxt;
    out.window = static_cast<std::uint16_t>(rcv_wnd >> rcv_scale);
    return out;
}

Segment Endpoint::make_syn(std::uint8_t control) const {
    Segment out = make(control, iss);
    // RFC 7323 section 2.2: never scaled; the answer carries the option only when the SYN did (snd_scale is
    // then set).
    out.window = static_cast<std::uint16_t>(rcv_wnd);
    out.scale = offered;
    return out;
}

void Endpoint::close(Ending why) {
    state = State::closed;
    ending = why;
}

void Endpoint::listen() {
    if (state != State::closed) return;
    const Endpoint old = *this;
    *this = {};
    buffer = old.buffer;
    offered = old.offered;
    heeds_old_acks = old.heeds_old_acks;
    state = State::listen;
    passive = 1;
    rcv_wnd = buffer;
}

std::optional<Segment> Endpoint::open(std::uint32_t initial_sequence) {
    if (state != State::closed) return {};
    listen();
    passive = 0;
    iss = snd_una = initial_sequence;
    snd_nxt = iss + 1;
    state = State::syn_sent;
    return make_syn(SYN);
}

std::optional<Segment> Endpoint::send(std::uint8_t octets, bool last) {
    const bool may_send_text = state == State::established || state == State::close_wait;
    const bool may_close = may_send_text || state == State::syn_rcvd;
    if (octets > 0 ? !may_send_text : !(last && may_close)) return {};
    const std::uint32_t length = octets + (last ? 1u : 0u);
    // A peer that has not yet answered our SYN has not yet offered a window to a listener's FIN but by its
    // own SYN, which snd_wnd holds by then; the SYN itself takes no room in it.
    const std::uint32_t first_unacknowledged = snd_una == iss ? iss + 1 : snd_una;
    const bool probe = snd_wnd == 0 && snd_nxt == first_unacknowledged && length == 1;
    if (!probe && !less_or_equal(snd_nxt + length, first_unacknowledged + snd_wnd)) return {};
    const Segment out = make(static_cast<std::uint8_t>(ACK | (last ? FIN : 0)), snd_nxt, octets);
    snd_nxt += length;
    if (last) {
        fin_sent = 1;
        state = state == State::close_wait ? State::last_ack : State::fin_wait_1;
    }
    return out;
}

std::optional<Segment> Endpoint::abort() {
    switch (state) {
        case State::syn_rcvd:
        case State::established:
        case State::fin_wait_1:
        case State::fin_wait_2:
        case State::close_wait: {
            Segment out;
            out.seq = snd_nxt;
            out.control = RST;
            close(Ending::aborted);
            return out;
        }
        case State::closing:
        case State::last_ack:
        case State::time_wait:
            close(Ending::vanished);
            return {};
        default:
            return {};
    }
}

void Endpoint::give_up() {
    if (state == State::listen || state == State::syn_sent) close(Ending::vanished);
}

std::optional<Segment> Endpoint::read() {
    if (!synchronized() || rcv_wnd == buffer) return {};
    rcv_wnd = buffer;
    return make(ACK, snd_nxt);
}

std::optional<Segment> Endpoint::retransmit(std::uint8_t octets) {
    if (state == State::closed || state == State::listen || snd_una == snd_nxt) return {};
    if (snd_una == iss) return make_syn(state == State::syn_sent ? SYN : SYN | ACK);
    const std::uint32_t text = snd_nxt - snd_una - (fin_sent != 0 ? 1 : 0);
    const auto sent = static_cast<std::uint8_t>(std::min<std::uint32_t>(text, octets));
    const bool with_fin = fin_sent != 0 && sent == text;
    if (sent == 0 && !with_fin) return {};
    return make(static_cast<std::uint8_t>(ACK | (with_fin ? FIN : 0)), snd_una, sent);
}

std::optional<Segment> Endpoint::keep_alive() {
    if (state != State::established && state != State::close_wait) return {};
    return make(ACK, snd_nxt - 1);
}

void Endpoint::time_wait_over() {
    if (state == State::time_wait) close(Ending::expired);
}

void Endpoint::vanish() {
    if (state != State::closed) close(Ending::vanished);
}

Arrival Endpoint::arrives(const Segment& segment) {
    switch (state) {
        case State::closed:
        case State::listen:
            return arrives_unsynchronized(segment);
        case State::syn_sent:
            return arrives_syn_sent(segment);
        default:
            return arrives_synchronized(segment);
    }
}

void Endpoint::heed_syn(const Segment& syn) {
    irs = syn.seq;
    rcv_nxt = syn.seq + 1;
    const bool scaled = syn.scale != no_scale && offered != no_scale;
    snd_scale = scaled ? syn.scale : 0;
    rcv_scale = scaled ? offered : 0;
    if (!scaled) offered = no_scale;  // RFC 7323 section 2.2: answered only in kind
    snd_wnd = max_snd_wnd = syn.window;
    snd_wl1 = syn.seq;
    snd_wl2 = syn.has(ACK) ? syn.ack : snd_una;
}

void Endpoint::heed_window(const Segment& segment) {
    // A SYN's window is never scaled, and a SYN without the option leaves no scale to apply (RFC 7323
    // section 2.2).
    if (less(snd_wl1, segment.seq) || (snd_wl1 == segment.seq && less_or_equal(snd_wl2, segment.ack))) {
        snd_wnd = static_cast<std::uint32_t>(segment.window) << (segment.scale == no_scale ? snd_scale : 0);
        snd_wl1 = segment.seq;
        snd_wl2 = segment.ack;
        max_snd_wnd = std::max(max_snd_wnd, snd_wnd);
    }
}

// Sections 3.10.7.1 and 3.10.7.2.
Arrival Endpoint::arrives_unsynchronized(const Segment& segment) {
    if (segment.has(RST)) return {};
    if (state == State::closed || segment.has(ACK)) return {reset_for(segment)};
    if (!segment.has(SYN)) return {};
    heed_syn(segment);
    state = State::syn_rcvd;
    // The test harness names the ISS of a listener beforehand.
    snd_una = iss;
    snd_nxt = iss + 1;
    return {make_syn(SYN | ACK)};
}

// Section 3.10.7.3.
Arrival Endpoint::arrives_syn_sent(const Segment& segment) {
    if (segment.has(ACK) && (less_or_equal(segment.ack, iss) || less(snd_nxt, segment.ack))) {
        if (segment.has(RST)) return {};
        return {reset_for(segment)};
    }
    if (segment.has(RST)) {
        if (segment.has(ACK)) close(Ending::refused);
        return {};
    }
    if (!segment.has(SYN)) return {};
    heed_syn(segment);
    if (!segment.has(ACK)) {
        state = State::syn_rcvd;
        return {make_syn(SYN | ACK)};
    }
    snd_una = segment.ack;
    state = State::established;
    return {make(ACK, snd_nxt)};
}

/// The table of section 3.4, "the four cases for the acceptability test".
bool Endpoint::acceptable(const Segment& segment) const {
    if (segment.length() == 0) return rcv_wnd == 0 ? segment.seq == rcv_nxt : in_window(*this, segment.seq);
    return rcv_wnd != 0 && (in_window(*this, segment.seq) || in_window(*this, segment.end() - 1));
}

/// The second step, with the three cases of RFC 5961 section 3.2.
Arrival Endpoint::reset_arrives(const Segment& segment) {
    if (segment.seq != rcv_nxt) {
        if (in_window(*this, segment.seq)) return {make(ACK, snd_nxt)};
        return {};
    }
    if (state == State::syn_rcvd && passive != 0) {
        close(Ending::none);
        const std::uint32_t next = iss;
        listen();
        iss = next;
        ending = Ending::reset;
    } else {
        close(Ending::reset);
    }
    return {};
}

bool Endpoint::acknowledgement_arrives(const Segment& segment, Arrival& arrival) {
    if (!segment.has(ACK)) return false;
    if (state == State::syn_rcvd) {
        if (!less(snd_una, segment.ack) || less(snd_nxt, segment.ack)) {
            Segment out;
            out.seq = segment.ack;
            out.control = RST;
            arrival.reply = out;
            return false;
        }
        state = State::established;
        snd_wl1 = segment.seq - 1;  // whatever was offered last, this offer is taken
    }
    // RFC 5961 section 5.2: not older than the largest window ever offered, not of what was never sent.
    if (less(segment.ack, snd_una - max_snd_wnd) || less(snd_nxt, segment.ack)) {
        arrival.reply = make(ACK, snd_nxt);
        return false;
    }
    if (less_or_equal(snd_una, segment.ack)) {
        snd_una = segment.ack;
        heed_window(segment);
    }
    if (fin_acknowledged()) {
        if (state == State::fin_wait_1) state = State::fin_wait_2;
        if (state == State::closing) state = State::time_wait;
        if (state == State::last_ack) {
            close(Ending::finished);
            return false;
        }
    }
    return true;
}

// Section 3.10.7.4.
Arrival Endpoint::arrives_synchronized(const Segment& segment) {
    Segment ideal = segment;
    Arrival arrival;

    // Figure 7: a SYN,ACK that answers a simultaneous open lies, but for its SYN, at RCV.NXT.
    const bool answers_simultaneous_open = state == State::syn_rcvd && segment.has(SYN) && segment.has(ACK) &&
                                           !segment.has(RST) && segment.seq == irs && segment.text == 0;
    // A wholly old segment, trimmed to nothing, whose acknowledgement is heeded by those who do.
    const bool trimmed = heeds_old_acks != 0 && !segment.has(RST | SYN) &&
                         less_or_equal(segment.end(), rcv_nxt) && segment.end() != segment.seq;
    // With a closed window, text is not acceptable but its ACK and RST are looked at (section 3.10.7.4).
    const bool closed_window = rcv_wnd == 0 && segment.seq == rcv_nxt && segment.length() > 0;

    if (!acceptable(segment)) {
        if (!segment.has(RST)) arrival.reply = make(ACK, snd_nxt);
        if (!answers_simultaneous_open && !trimmed && !closed_window) return arrival;
        ideal.seq = rcv_nxt;
        ideal.text = 0;
        ideal.control = static_cast<std::uint8_t>(segment.control & ~(SYN | FIN));
    }
    if (ideal.has(RST)) return reset_arrives(ideal);
    if (ideal.has(SYN)) {
        if (state == State::syn_rcvd && passive != 0) {  // fourth step: back to LISTEN
            const std::uint32_t next = iss;
            close(Ending::none);
            listen();
            iss = next;
            return {};
        }
        return {make(ACK, snd_nxt)};  // RFC 5961 section 4.2
    }
    // Only the part in the window, beginning at RCV.NXT.
    if (less(ideal.seq, rcv_nxt)) {
        ideal.text = static_cast<std::uint8_t>(ideal.text - (rcv_nxt - ideal.seq));
        ideal.seq = rcv_nxt;
    }
    if (ideal.seq != rcv_nxt) {
        arrival.early = true;
        if (ideal.length() > 0) arrival.reply = make(ACK, snd_nxt);
        return arrival;
    }
    if (ideal.length() > rcv_wnd && ideal.length() > 0) {
        ideal.control = static_cast<std::uint8_t>(ideal.control & ~FIN);
        ideal.text = static_cast<std::uint8_t>(std::min<std::uint32_t>(ideal.text, rcv_wnd));
    }
    if (!acknowledgement_arrives(ideal, arrival)) return arrival;

    const bool takes_text =
        state == State::established || state == State::fin_wait_1 || state == State::fin_wait_2;
    if (takes_text && ideal.text > 0) {
        rcv_nxt += ideal.text;
        rcv_wnd -= ideal.text;
        arrival.reply = make(ACK, snd_nxt);
    }
    if (takes_text && ideal.has(FIN)) {
        rcv_nxt += 1;
        if (state == State::established) state = State::close_wait;
        // The acknowledgement of our FIN, had it been in this segment, would have made it FIN_WAIT_2.
        if (state == State::fin_wait_1) state = State::closing;
        if (state == State::fin_wait_2) state = State::time_wait;
        arrival.reply = make(ACK, snd_nxt);
    }
    return arrival;
}

std::string describe(const Segment& s) {
    std::string out = "<SEQ=" + std::to_string(s.seq) + ">";
    if (s.has(ACK)) out += "<ACK=" + std::to_string(s.ack) + ">";
    if (s.text > 0) out += "<TEXT=" + std::to_string(s.text) + ">";
    out += "<WND=" + std::to_string(s.window) + ">";
    if (s.scale != no_scale) out += "<WS=" + std::to_string(s.scale) + ">";
    out += "<CTL=";
    for (const auto& [bit, name] : {std::pair{SYN, "SYN,"}, {FIN, "FIN,"}, {RST, "RST,"}, {ACK, "ACK,"}})
        if (s.has(bit)) out += name;
    if (out.back() == ',') out.pop_back();
    return out + ">";
}

std::string describe(const Endpoint& e) {
    return std::string(name_of(e.state)) + " UNA=" + std::to_string(e.snd_una) +
           " NXT=" + std::to_string(e.snd_nxt) + " WND=" + std::to_string(e.snd_wnd) +
           " RCV.NXT=" + std::to_string(e.rcv_nxt) + " RCV.WND=" + std::to_string(e.rcv_wnd);
}

}  // namespace sluice::rfc9293
