#include "endpoint.hpp"

#include <algorithm>

namespace sluice::test {

using State = tcp::EndpointState;
using tcp::Flag;
using tcp::Segment;

namespace {

constexpr double time_wait_ms = 2000;
constexpr int max_retries = 7;

std::uint32_t length_of(const Segment& segment) {
    return segment.payload_length + ((segment.flags & Flag::syn) != 0 ? 1U : 0U) +
           ((segment.flags & Flag::fin) != 0 ? 1U : 0U);
}
bool plain_ack(const Segment& segment) {
    return (segment.flags & (Flag::syn | Flag::rst | Flag::ack)) == Flag::ack;
}
bool has(const Segment& segment, unsigned flag) {
    return (segment.flags & flag) != 0;
}

}  // namespace

bool Endpoint::fin_sent() const {
    switch (state_) {
        case State::fin_wait_1:
        case State::fin_wait_2:
        case State::closing:
        case State::last_ack:
        case State::time_wait:
            return true;
        default:
            return false;
    }
}
State Endpoint::visible_state() const {
    if (left_in_) return *left_in_;
    if (fin_sent() && state_ != State::time_wait && highest_ != stream_end() + 1)
        return state_ == State::fin_wait_1 ? State::established : State::close_wait;
    return state_;
}
double Endpoint::next_event() const {
    const bool alive = !crashed_ && state_ != State::closed && state_ != State::listen;
    return alive ? std::min(next_event_, plan_.abort_at) : next_event_;
}
std::optional<std::uint32_t> Endpoint::heard() const {
    return expected_ != irs_ ? std::optional(expected_) : std::nullopt;
}
std::optional<std::uint32_t> Endpoint::acknowledged() const {
    return una_ != iss_ ? std::optional(una_) : std::nullopt;
}
bool Endpoint::fin_acknowledged() const {
    return fin_sent() && una_ == stream_end() + 1;
}

std::uint16_t Endpoint::advertise(bool syn) {
    const std::uint32_t room = plan_.buffer > unread_ ? plan_.buffer - unread_ : 0;
    const unsigned shift = !syn && scaling_ ? plan_.shift : 0;
    // Never takes back what it offered: the right edge only grows (RFC 9293 3.8.6).
    const std::uint32_t kept = after(right_edge_, expected_) ? right_edge_ - expected_ : 0;
    const std::uint32_t window = std::max(room, kept);
    const std::uint32_t raw = std::min<std::uint32_t>(window >> shift, 0xFFFF);
    right_edge_ = later(right_edge_, expected_ + (raw << shift));
    return static_cast<std::uint16_t>(raw);
}

/// RFC 3168 section 6.1. Which packets the network would have marked is drawn from the numbers.
unsigned Endpoint::ecn_flags(unsigned flags, std::uint32_t sequence, std::uint32_t length) {
    if ((flags & Flag::rst) != 0 || !plan_.ecn) return 0;
    const bool acks = (flags & Flag::ack) != 0;
    if ((flags & Flag::syn) != 0) {
        if (acks) return ecn_ ? unsigned{Flag::ece} : 0U;
        return Flag::ece | Flag::cwr;
    }
    if (!ecn_) return 0;
    const unsigned echo = (expected_ >> 12 & 3U) == 1 ? unsigned{Flag::ece} : 0U;
    return echo | (length != 0 && (sequence >> 13 & 3U) == 1 ? unsigned{Flag::cwr} : 0U);
}

Segment Endpoint::make(unsigned flags, std::uint32_t sequence, std::uint32_t length) {
    Segment out;
    out.flags = static_cast<std::uint8_t>(flags | ecn_flags(flags, sequence, length));
    if (length != 0 && !has(out, Flag::syn)) {
        if (sequence + length == stream_end()) out.flags |= Flag::psh;
        if (before(sequence, iss_ + 1 + plan_.urgent_bytes)) out.flags |= Flag::urg;
    }
    out.sequence = sequence;
    out.payload_length = length;
    out.acknowledgement = (flags & Flag::ack) != 0 ? expected_ : 0;
    out.window = advertise((flags & Flag::syn) != 0);
    if (plan_.sack && peer_sack_ && !early_.empty() && (flags & Flag::syn) == 0) {
        out.has_sack = true;
        out.sack_highest = irs_ + early_.rbegin()->second;
    }
    return out;
}

void Endpoint::add_syn_options(Segment& segment) const {
    segment.has_window_scale = plan_.scale_offered && (!has(segment, Flag::ack) || scaling_);
    segment.window_scale = segment.has_window_scale ? plan_.shift : 0;
    segment.sack_permitted = plan_.sack && (!has(segment, Flag::ack) || peer_sack_);
}

void Endpoint::learn_syn_options(const Segment& segment) {
    scaling_ = plan_.scale_offered && segment.has_window_scale;
    peer_shift_ = scaling_ ? segment.window_scale : 0;
    peer_sack_ = segment.sack_permitted;
    ecn_ = plan_.ecn && has(segment, Flag::ece) && has(segment, Flag::cwr) != has(segment, Flag::ack);
}

void Endpoint::challenge(double now, Segments& out) {
    constexpr int most_per_second = 10;
    if (now - challenges_since_ > 1000) {
        challenges_since_ = now;
        challenges_ = 0;
    }
    if (++challenges_ > most_per_second) return;
    saw(Feature::challenge);
    send_ack(out);
}

void Endpoint::send_syn(Segments& out) {
    const bool answer = state_ == State::syn_rcvd;
    Segment segment = make(answer ? Flag::syn | Flag::ack : unsigned{Flag::syn}, iss_, plan_.syn_data);
    add_syn_options(segment);
    out.push_back(segment);
    next_ = later(next_, iss_ + 1 + plan_.syn_data);
    highest_ = later(highest_, next_);
}

void Endpoint::dial(double now, Segments& out) {
    state_ = State::syn_sent;
    passive_ = false;
    una_ = next_ = highest_ = iss_;
    send_syn(out);
    arm(now);
    note_state(now);
}

void Endpoint::note_state(double now) {
    if (plan_.abort_in != state_) return;
    plan_.abort_in.reset();
    plan_.abort_at = now + plan_.abort_delay;
}

void Endpoint::end(bool reset) {
    if (!reset) left_in_ = visible_state();
    was_reset_ = reset;
    state_ = State::closed;
    next_event_ = never;
}

/// ABORT of RFC 9293 section 3.10.5: what a RST is sent for, and what just ends.
void Endpoint::abort(Random& random, Segments& out) {
    ++coverage_->aborted[which_ == End::a ? 0 : 1][static_cast<std::size_t>(state_)];
    const bool silent = state_ == State::syn_sent || state_ == State::closing || state_ == State::last_ack ||
                        state_ == State::time_wait;
    if (silent) return end(false);
    saw(which_ == End::a ? Feature::reset_by_a : Feature::reset_by_b);
    out.push_back(make(random() % 2 == 0 ? Flag::rst | Flag::ack : unsigned{Flag::rst}, next_, 0));
    end(true);
}

void Endpoint::refuse(const Segment& segment, Segments& out) {
    if (has(segment, Flag::rst)) return;
    saw(Feature::reset_unasked);
    Segment reset;
    if (has(segment, Flag::ack)) {
        reset.flags = Flag::rst;
        reset.sequence = segment.acknowledgement;
    } else {
        reset.flags = Flag::rst | Flag::ack;
        reset.acknowledgement = segment.sequence + length_of(segment);
    }
    out.push_back(reset);
}

void Endpoint::receive_in_listen(const Segment& segment, double now, Segments& out) {
    if (has(segment, Flag::rst)) return;
    if (has(segment, Flag::ack)) return refuse(segment, out);
    if (!has(segment, Flag::syn) || has(segment, Flag::fin)) return;
    state_ = State::syn_rcvd;
    left_in_.reset();
    was_reset_ = false;
    passive_ = true;
    early_.clear();
    fin_at_.reset();
    fin_received_ = false;
    retries_ = 0;
    irs_ = segment.sequence;
    taken_ = plan_.accepts_syn_data ? segment.payload_length : 0;
    expected_ = right_edge_ = irs_ + 1 + taken_;
    unread_ = 0;
    learn_syn_options(segment);
    window_ = max_window_ = segment.window;
    wl1_ = segment.sequence;
    wl2_ = iss_;
    una_ = next_ = highest_ = iss_;
    send_syn(out);
    arm(now);
}

void Endpoint::receive_in_syn_sent(const Segment& segment, double now, Segments& out) {
    const bool acks = has(segment, Flag::ack);
    if (acks && (!after(segment.acknowledgement, iss_) || after(segment.acknowledgement, highest_)))
        return refuse(segment, out);
    if (has(segment, Flag::rst)) {
        if (acks) end(true);
        return;
    }
    if (!has(segment, Flag::syn)) return;
    irs_ = segment.sequence;
    taken_ = acks || plan_.accepts_syn_data ? segment.payload_length : 0;
    expected_ = right_edge_ = irs_ + 1 + taken_;
    learn_syn_options(segment);
    window_ = max_window_ = segment.window;
    wl1_ = segment.sequence;
    wl2_ = segment.acknowledgement;
    retries_ = 0;
    if (acks) {
        una_ = next_ = segment.acknowledgement;  // what was on the SYN and not taken goes again
        state_ = State::established;
        send_ack(out);
    } else {
        saw(Feature::simultaneous_open);
        state_ = State::syn_rcvd;
        send_syn(out);
    }
    arm(now);
}

bool Endpoint::acceptable(const Segment& segment) const {
    const std::uint32_t length = length_of(segment);
    const std::uint32_t window = after(right_edge_, expected_) ? right_edge_ - expected_ : 0;
    const std::uint32_t first = segment.sequence - expected_;
    if (length == 0) return window == 0 ? first == 0 : first < window;
    const std::uint32_t last = segment.sequence + length - 1 - expected_;
    return window != 0 && (first < window || last < window);
}

bool Endpoint::take_acknowledgement(const Segment& segment, double now, Segments& out) {
    const std::uint32_t acknowledgement = segment.acknowledgement;
    if (after(acknowledgement, highest_)) {
        challenge(now, out);
        return false;
    }
    if (before(acknowledgement, una_ - std::max(max_window_, 1U)) && !plan_.plain_rfc793) {
        challenge(now, out);  // RFC 5961 section 5
        return false;
    }
    if (after(acknowledgement, una_)) {
        una_ = acknowledgement;
        next_ = later(next_, una_);
        retries_ = 0;
        rto_ = 300;
    }
    const bool newer =
        before(wl1_, segment.sequence) || (wl1_ == segment.sequence && !after(wl2_, acknowledgement));
    if (!before(acknowledgement, una_) && newer) {
        window_ = std::uint32_t{segment.window} << (scaling_ ? peer_shift_ : 0);
        max_window_ = std::max(max_window_, window_);
        wl1_ = segment.sequence;
        wl2_ = acknowledgement;
    }
    return true;
}

void Endpoint::take_data(const Segment& segment) {
    const std::int32_t from = sequence_distance(segment.sequence, irs_);
    const std::int32_t to = from + static_cast<std::int32_t>(segment.payload_length);
    const std::int32_t known = sequence_distance(expected_, irs_);
    if (plan_.autotunes && to > known && plan_.buffer < 4'000'000) {
        plan_.buffer += segment.payload_length;
        saw(Feature::window_grew);
    }
    const std::int32_t limit = std::max(sequence_distance(right_edge_, irs_), known);
    if (has(segment, Flag::fin) && to <= limit) fin_at_ = static_cast<std::uint32_t>(to);
    const std::int32_t begin = std::max(from, known);
    const std::int32_t end = std::min(to, limit);
    if (begin < end) {
        std::uint32_t& piece = early_[static_cast<std::uint32_t>(begin)];
        piece = std::max(piece, static_cast<std::uint32_t>(end));
    }
    while (!early_.empty() && early_.begin()->first <= expected_ - irs_) {
        const std::uint32_t reach = early_.begin()->second;
        if (reach > expected_ - irs_) {
            unread_ += reach - (expected_ - irs_);
            expected_ = irs_ + reach;
        }
        early_.erase(early_.begin());
    }
    if (!plan_.reads_slowly) unread_ = 0;
    if (fin_at_ && *fin_at_ == expected_ - irs_ && !fin_received_) {
        fin_received_ = true;
        expected_ += 1;
        right_edge_ = later(right_edge_, expected_);
    }
}

void Endpoint::advance_state(double now) {
    const bool acknowledged = fin_acknowledged();
    const State before_ = state_;
    if (state_ == State::fin_wait_1 && acknowledged) state_ = State::fin_wait_2;
    if (state_ == State::closing && acknowledged) state_ = State::time_wait;
    if (state_ == State::last_ack && acknowledged) state_ = State::closed;
    if (fin_received_) {
        if (state_ == State::established) state_ = State::close_wait;
        // Closed, but its FIN is still behind unsent data: on the wire this is the passive side.
        const bool fin_unsent = highest_ != stream_end() + 1;
        if (state_ == State::fin_wait_1) {
            state_ = fin_unsent ? State::last_ack : State::closing;
            if (!fin_unsent) saw(Feature::simultaneous_close);
        }
        if (state_ == State::fin_wait_2) state_ = State::time_wait;
    }
    if (state_ == State::closed) next_event_ = never;
    if (state_ == State::time_wait && before_ != State::time_wait) next_event_ = now + time_wait_ms;
}

void Endpoint::close(double now) {
    if (state_ == State::established || state_ == State::syn_rcvd) state_ = State::fin_wait_1;
    if (state_ == State::close_wait) state_ = State::last_ack;
    arm(now);
}

void Endpoint::send_more(Random& random, Segments& out) {
    if (state_ != State::established && state_ != State::close_wait && !fin_sent()) return;
    const std::uint32_t limit = una_ + window_;
    while (before(next_, stream_end()) && before(next_, limit)) {
        const std::uint32_t most = std::min({plan_.segment_size, stream_end() - next_, limit - next_});
        const std::uint32_t length =
            random() % 4 == 0 ? 1 + static_cast<std::uint32_t>(random() % most) : most;
        const bool last = fin_sent() && next_ + length == stream_end();
        out.push_back(make(Flag::ack | (last ? unsigned{Flag::fin} : 0U), next_, length));
        if (fin_received_ && next_ == highest_) saw(Feature::half_closed_data);
        next_ += length + (last ? 1 : 0);
        highest_ = later(highest_, next_);
    }
    if (fin_sent() && next_ == stream_end() && !before(limit, next_)) {
        out.push_back(make(Flag::ack | Flag::fin, next_, 0));
        next_ += 1;
        highest_ = later(highest_, next_);
    }
}

void Endpoint::resend(Random& random, Segments& out) {
    if (state_ == State::syn_sent || state_ == State::syn_rcvd) {
        saw(Feature::syn_again);
        if (random() % 2 == 0) plan_.syn_data = 0;  // as stacks do when Fast Open may be to blame
        return send_syn(out);
    }
    if (!before(una_, highest_)) return;
    // Boundaries need not be those of the first time.
    const std::uint32_t data_end = before(stream_end(), highest_) ? stream_end() : highest_;
    const std::uint32_t there = before(una_, data_end) ? data_end - una_ : 0;
    std::uint32_t length = std::min(plan_.segment_size, there);
    if (length > 1 && random() % 3 == 0) length = 1 + static_cast<std::uint32_t>(random() % length);
    const bool fin = fin_sent() && una_ + length == stream_end();
    if (length == 0 && !fin) return;
    saw(fin && length == 0 ? Feature::fin_again : Feature::data_again);
    out.push_back(make(Flag::ack | (fin ? unsigned{Flag::fin} : 0U), una_, length));
    highest_ = later(highest_, una_ + length + (fin ? 1 : 0));
    next_ = later(next_, una_ + length + (fin ? 1 : 0));
}

void Endpoint::arm(double now) {
    if (state_ == State::closed || state_ == State::listen) {
        next_event_ = never;
    } else if (state_ != State::time_wait) {
        next_event_ = std::max(now + rto_, now + 1);
    }
}

void Endpoint::receive(const Segment& segment, double now, Random& random, Segments& out) {
    receive_segment(segment, now, random, out);
    note_state(now);
}

void Endpoint::receive_segment(const Segment& segment, double now, Random& random, Segments& out) {
    if (crashed_) return;
    ++received_;
    if (received_ == plan_.crash_after_segments) {
        crashed_ = true;
        saw(Feature::crashed);
        return end(false);
    }
    if (state_ == State::closed) return refuse(segment, out);
    if (state_ == State::listen) return receive_in_listen(segment, now, out);
    if (state_ == State::syn_sent) return receive_in_syn_sent(segment, now, out);

    const bool reuse = state_ == State::time_wait && has(segment, Flag::syn) && !has(segment, Flag::ack) &&
                       after(segment.sequence, expected_);
    if (reuse && !has(segment, Flag::rst)) {
        iss_ = highest_ + 100000;
        saw(Feature::reused_in_time_wait);
        return receive_in_listen(segment, now, out);
    }
    // The SYN,ACK of a simultaneous open repeats the SYN and so lies before the window; it is taken all the
    // same.
    const bool crossing = state_ == State::syn_rcvd && has(segment, Flag::syn) && has(segment, Flag::ack) &&
                          segment.sequence == irs_;
    if (!crossing && !acceptable(segment)) {
        if (has(segment, Flag::rst)) return;
        if (state_ == State::syn_rcvd && has(segment, Flag::syn) && random() % 2 == 0) return send_syn(out);
        if (state_ == State::time_wait && has(segment, Flag::fin)) next_event_ = now + time_wait_ms;
        // A closed window does not keep out valid acknowledgements (RFC 9293 3.10.7.4), though a probe
        // preceded them.
        const bool window_closed = !after(right_edge_, expected_);
        if (window_closed && segment.sequence - expected_ <= 1 && plain_ack(segment) &&
            state_ != State::syn_rcvd && take_acknowledgement(segment, now, out))
            advance_state(now);
        return challenge(now, out);
    }
    if (has(segment, Flag::rst)) {
        if (segment.sequence != expected_) return challenge(now, out);  // RFC 5961 section 3
        const bool listens_again = state_ == State::syn_rcvd && passive_;
        end(true);
        if (listens_again) state_ = State::listen;
        return;
    }
    if (has(segment, Flag::syn) && !crossing) return challenge(now, out);  // RFC 5961 section 4
    if (!has(segment, Flag::ack)) return;
    const std::uint32_t una_before = una_;
    if (state_ == State::syn_rcvd) {
        if (!after(segment.acknowledgement, una_) || after(segment.acknowledgement, highest_))
            return refuse(segment, out);
        state_ = State::established;
        una_ = segment.acknowledgement;
        next_ = una_;
        window_ = std::uint32_t{segment.window} << (scaling_ && !has(segment, Flag::syn) ? peer_shift_ : 0);
        max_window_ = std::max(max_window_, window_);
        wl1_ = segment.sequence;
        wl2_ = segment.acknowledgement;
        retries_ = 0;
    } else if (!take_acknowledgement(segment, now, out)) {
        return;
    }
    const std::uint32_t had = expected_;
    const bool waiting = before(una_before, highest_) && una_ == una_before && next_event_ < 1e17;
    if (!has(segment, Flag::syn)) take_data(segment);
    advance_state(now);
    if (state_ != State::closed && received_ == plan_.abort_after_segments) return abort(random, out);
    if (state_ == State::established && plan_.closes_when_sent && una_ == stream_end()) close(now);
    if (state_ == State::established && plan_.closes_when_sent && before(una_, stream_end()) &&
        random() % 8 == 0)
        close(now);  // the FIN rides on the last data
    const bool lingers = plan_.abort_in == State::close_wait || plan_.abort_at < never;
    if (state_ == State::close_wait && !lingers && (una_ == stream_end() || random() % 2 == 0)) close(now);
    const std::size_t queued = out.size();
    send_more(random, out);
    const bool must_ack = length_of(segment) != 0 || had != expected_;
    if (must_ack && out.size() == queued) send_ack(out);
    // Only progress starts the retransmission timer again (RFC 6298 section 5).
    if (state_ != State::closed && state_ != State::time_wait && !waiting) arm(now);
}

void Endpoint::tick(double now, Random& random, Segments& out) {
    if (crashed_ || now < next_event()) return;
    if (now >= plan_.abort_at) {
        plan_.abort_at = never;
        return abort(random, out);
    }
    if (state_ == State::time_wait) return end(false);
    unread_ = 0;
    const bool outstanding = before(una_, highest_) || state_ == State::syn_sent || state_ == State::syn_rcvd;
    if (outstanding) {
        if (++retries_ > max_retries) {
            saw(Feature::gave_up);
            const bool told = state_ != State::syn_sent && random() % 2 == 0;
            if (told) out.push_back(make(Flag::rst | Flag::ack, next_, 0));
            return end(told);
        }
        rto_ = std::min(rto_ * 2, 8000.0);
        resend(random, out);
    } else {
        send_more(random, out);
        const bool starving = before(next_, stream_end()) && out.empty();
        if (starving && random() % 2 == 0) {  // the byte beyond the closed window (RFC 9293 3.8.6.1)
            saw(Feature::window_probe);
            out.push_back(make(Flag::ack, next_, 1));
            next_ += 1;
            highest_ = later(highest_, next_);
        } else if (starving || (out.empty() && plan_.keepalives && random() % 2 == 0)) {
            saw(starving ? Feature::window_probe : Feature::keepalive);
            out.push_back(make(Flag::ack, next_ - 1, random() % 2 == 0 ? 1 : 0));
        } else if (out.empty()) {
            send_ack(out);  // a window update
        }
        if (++idle_ticks_ > 20) {
            next_event_ = never;
            if (state_ == State::established || state_ == State::close_wait) close(now);
            if (idle_ticks_ > 30) return end(false);
        }
    }
    arm(now);
}

}  // namespace sluice::test
