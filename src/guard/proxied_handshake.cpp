#include "sluice/guard/proxied_handshake.hpp"

#include "sluice/base/sequence.hpp"

namespace sluice::guard {
namespace {

using packet::TcpFields;

constexpr std::uint8_t ecn_flags = packet::ece | packet::cwr;
constexpr std::int32_t most_ahead =
    0xFFFF;  // a client that ignores the window of 0 sends no further than this

bool has(const TcpFields& segment, unsigned flags) {
    return (segment.flags & flags) == flags;
}

// RFC 3168 6.1.1: a SYN,ACK with both flags comes from a server that mirrors what it does not know.
bool accepts_ecn(const TcpFields& syn_ack) {
    return (syn_ack.flags & ecn_flags) == packet::ece;
}

TcpFields reset(std::uint32_t sequence) {
    TcpFields out;
    out.sequence = sequence;
    out.flags = packet::rst;
    return out;
}

void set_timestamps(TcpFields& segment, std::uint32_t value, std::uint32_t echo) {
    segment.options.has_timestamps = true;
    segment.options.timestamp_value = value;
    segment.options.timestamp_echo = echo;
}

// A closed endpoint answers all but a RST (RFC 9293 3.10.7.1). Where no acknowledgement gives the number,
// the segment is a SYN, which asks for a connection that is no more ours.
void answer_when_refused(Toward sender, const TcpFields& segment, HandshakeOutcome& out) {
    if (has(segment, packet::rst)) return;
    if (has(segment, packet::ack)) {
        out.send(sender, reset(segment.acknowledgement));
    } else {
        out.taken = false;
    }
}

}  // namespace

void learn(const TcpFields& syn, const TcpFields& answer, ServerProfile& profile) {
    profile.mss = answer.options.mss != 0 ? answer.options.mss : ServerProfile{}.mss;
    profile.window = answer.window;
    if (syn.options.has_window_scale) {
        profile.scales = answer.options.has_window_scale;
        profile.window_scale = profile.scales ? answer.options.window_scale : std::uint8_t{0};
    }
    if (syn.options.sack_permitted) profile.sack = answer.options.sack_permitted;
    if (syn.options.has_timestamps) profile.timestamps = answer.options.has_timestamps;
    if (has(syn, ecn_flags)) profile.ecn = accepts_ecn(answer);
}

ProxiedHandshake::ProxiedHandshake(const ProvenClient& client, Tick now, HandshakeOutcome& out)
    : client_(client), asked_at_(now) {
    out.send(Toward::server, syn());
}

HandshakeOutcome ProxiedHandshake::from_client(const TcpFields& segment, Tick now) {
    HandshakeOutcome out;
    switch (state_) {
        case HandshakeState::connecting:
            connecting_client(segment, now, out);
            break;
        case HandshakeState::open:
            out.taken = false;
            break;
        case HandshakeState::refused:
            answer_when_refused(Toward::client, segment, out);
            break;
    }
    return out;
}

HandshakeOutcome ProxiedHandshake::from_server(const TcpFields& segment, ServerProfile& profile) {
    HandshakeOutcome out;
    switch (state_) {
        case HandshakeState::connecting:
            connecting_server(segment, profile, out);
            break;
        case HandshakeState::open:
            // Whatever its number: a server that answers statelessly may have chosen a second one for the
            // SYN's repetition, and is told which one we took.
            out.taken = has(segment, packet::syn | packet::ack) && !has(segment, packet::rst) &&
                        segment.acknowledgement == client_.initial_sequence + 1;
            if (out.taken) out.send(Toward::server, acknowledgement_to_server());
            break;
        case HandshakeState::refused:
            answer_when_refused(Toward::server, segment, out);
            break;
    }
    return out;
}

HandshakeOutcome ProxiedHandshake::tick(Tick now) {
    HandshakeOutcome out;
    if (state_ != HandshakeState::connecting || !reached(now, due())) return out;
    if (repetitions_ < max_repetitions) {
        repeat_syn(now, out);
    } else {
        refuse_client(out);
    }
    return out;
}

void ProxiedHandshake::connecting_client(const TcpFields& segment, Tick now, HandshakeOutcome& out) {
    const std::int32_t ahead = sequence_distance(segment.sequence, client_.initial_sequence + 1);
    if (has(segment, packet::rst)) {
        if (ahead == 0 || ahead == 1) refuse_server(out);
        return;
    }
    if (has(segment, packet::syn)) {
        const bool repeated = ahead == -1;
        if (!repeated && !has(segment, packet::ack)) out.send(Toward::client, acknowledgement_to_client(0));
        return;
    }
    // From one byte before the first, as keepalives and some probes are, on.
    if (!has(segment, packet::ack) || segment.acknowledgement != client_.cookie + 1 || ahead < -1 ||
        ahead > most_ahead) {
        return;
    }
    client_.window = segment.window;
    if (client_.timestamps && segment.options.has_timestamps) {
        client_.timestamp_value = later(client_.timestamp_value, segment.options.timestamp_value);
    }
    if (repetitions_ < max_repetitions && reached(now, asked_at_ + least_wait)) repeat_syn(now, out);
}

void ProxiedHandshake::connecting_server(const TcpFields& segment, ServerProfile& profile,
                                         HandshakeOutcome& out) {
    if (!has(segment, packet::ack)) return;
    const bool of_our_syn = segment.acknowledgement == client_.initial_sequence + 1;
    if (has(segment, packet::rst)) {
        if (of_our_syn) refuse_client(out);
    } else if (!of_our_syn) {
        out.send(Toward::server, reset(segment.acknowledgement));
    } else if (has(segment, packet::syn)) {
        open(segment, profile, out);
    }
}

void ProxiedHandshake::open(const TcpFields& syn_ack, ServerProfile& profile, HandshakeOutcome& out) {
    learn(syn(), syn_ack, profile);
    if (!keeps_promises(syn_ack)) {
        refuse_server(out);
        refuse_client(out);
        return;
    }
    state_ = HandshakeState::open;
    server_isn_ = syn_ack.sequence;
    server_timestamp_ = syn_ack.options.timestamp_value;
    server_scales_ = syn_ack.options.has_window_scale;
    server_scale_ = server_scales_ ? syn_ack.options.window_scale : std::uint8_t{0};
    out.send(Toward::server, acknowledgement_to_server());
    // A SYN,ACK's window is in bytes, the client reads ours in the units it was promised.
    const int promised = client_.scales ? client_.promised_window_scale : 0;
    out.send(Toward::client, acknowledgement_to_client(rescale_window(syn_ack.window, -promised)));
}

bool ProxiedHandshake::keeps_promises(const TcpFields& syn_ack) const {
    return (!client_.timestamps || syn_ack.options.has_timestamps) && (!client_.ecn || accepts_ecn(syn_ack));
}

void ProxiedHandshake::repeat_syn(Tick now, HandshakeOutcome& out) {
    asked_at_ = now;
    ++repetitions_;
    out.send(Toward::server, syn());
}

void ProxiedHandshake::refuse_client(HandshakeOutcome& out) {
    state_ = HandshakeState::refused;
    out.send(Toward::client, reset(client_.cookie + 1));
}

void ProxiedHandshake::refuse_server(HandshakeOutcome& out) {
    state_ = HandshakeState::refused;
    out.send(Toward::server, reset(client_.initial_sequence + 1));
}

Translation ProxiedHandshake::translation() const {
    Translation out;
    out.sequence_delta = client_.cookie - server_isn_;
    // The client has seen the clock of the SYN,ACK that it echoes: there the server's goes on.
    if (client_.timestamps) out.timestamp_delta = client_.timestamp_echo - server_timestamp_;
    if (client_.scales) {
        out.set_window_shift(Toward::client, server_scale_ - client_.promised_window_scale);
        // A server that does not scale takes the client's windows for bytes.
        out.set_window_shift(Toward::server, server_scales_ ? 0 : client_.window_scale);
    }
    return out;
}

TcpFields ProxiedHandshake::syn() const {
    TcpFields out;
    out.sequence = client_.initial_sequence;
    out.flags = static_cast<std::uint8_t>(packet::syn | (client_.ecn ? ecn_flags : 0));
    out.window = rescale_window(client_.window, client_.scales ? client_.window_scale : 0);
    out.options.mss = client_.mss;
    out.options.sack_permitted = client_.sack;
    out.options.has_window_scale = client_.scales;
    out.options.window_scale = client_.scales ? client_.window_scale : std::uint8_t{0};
    if (client_.timestamps) set_timestamps(out, client_.timestamp_value, 0);
    return out;
}

TcpFields ProxiedHandshake::acknowledgement_to_server() const {
    TcpFields out;
    out.sequence = client_.initial_sequence + 1;
    out.acknowledgement = server_isn_ + 1;
    out.flags = packet::ack;
    out.window = rescale_window(client_.window, translation().window_shift(Toward::server));
    if (client_.timestamps) set_timestamps(out, client_.timestamp_value, server_timestamp_);
    return out;
}

TcpFields ProxiedHandshake::acknowledgement_to_client(std::uint16_t window) const {
    TcpFields out;
    out.sequence = client_.cookie + 1;
    out.acknowledgement = client_.initial_sequence + 1;
    out.flags = packet::ack;
    out.window = window;
    if (client_.timestamps) set_timestamps(out, client_.timestamp_echo, client_.timestamp_value);
    return out;
}

}  // namespace sluice::guard
