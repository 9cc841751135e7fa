// A client and a server as simple as they can be and still complain of everything that the proxy might get
// wrong: they open, exchange one message each way, and can be reset. Time is milliseconds and a parameter.
// What one of them must never be sent is collected in `complaints`.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "handshakes.hpp"
#include "sluice/base/sequence.hpp"

namespace sluice::test {

using Segments = std::vector<TcpFields>;

/// What both have: a message to send and one to receive, from ESTABLISHED on (RFC 9293, RFC 7323, RFC 2018).
class ModelEndpoint {
  public:
    struct Agreed {
        bool scales = false, sack = false, timestamps = false;
        std::uint8_t own_scale = 0, peer_scale = 0;  ///< valid with `scales`
    };

    std::vector<std::string> complaints;

    [[nodiscard]] bool closed() const { return closed_; }
    [[nodiscard]] std::uint32_t received() const { return received_; }
    [[nodiscard]] std::uint32_t acknowledged() const { return una_ - first_; }
    /// The most its peer may believe that there is room for, bytes.
    [[nodiscard]] std::uint32_t room() const { return room_; }

  protected:
    static constexpr std::uint32_t piece = 100;

    ModelEndpoint(std::uint32_t length, std::uint32_t clock, std::uint32_t room)
        : length_(length), clock_(clock), room_(room) {}

    void complain_if(bool wrong, const char* what, const TcpFields& segment) {
        if (wrong) complaints.push_back(std::string(what) + ": " + testing::PrintToString(segment));
    }
    [[nodiscard]] std::uint32_t time_stamp(std::uint32_t now) const { return clock_ + now; }
    [[nodiscard]] bool all_acknowledged() const { return una_ == first_ + length_; }

    [[nodiscard]] TcpFields make(std::uint32_t sequence, std::uint32_t length, std::uint32_t now) const {
        TcpFields out = with_payload(fields(packet::ack, sequence, expected_), length);
        const std::uint32_t units = room_ >> (agreed_.scales ? agreed_.own_scale : 0);
        out.window = static_cast<std::uint16_t>(std::min(units, 65535U));
        if (agreed_.timestamps) out = with_timestamps(out, time_stamp(now), recent_);
        if (agreed_.sack && !early_.empty()) {
            out.options.has_sack = true;
            out.options.sack_highest = early_.rbegin()->first + early_.rbegin()->second;
        }
        return out;
    }
    // As it acknowledges when it has nothing to say: with the number it would send next.
    [[nodiscard]] TcpFields bare(std::uint32_t now) const { return make(next_, 0, now); }
    void send_data(std::uint32_t now, Segments& out) {
        for (std::uint32_t at = una_; at != first_ + length_; at += std::min(piece, first_ + length_ - at)) {
            const std::uint32_t size = std::min(piece, first_ + length_ - at);
            if (at + size - una_ > peer_room_) return;
            out.push_back(make(at, size, now));
            next_ = later(next_, at + size);
        }
    }
    void begin(std::uint32_t first) { first_ = una_ = next_ = first; }

    // A segment, not a SYN, once numbers are agreed on. Returns whether it was acceptable.
    bool take(const TcpFields& segment, std::uint32_t now, std::uint32_t peers_true_room, Segments& out) {
        if ((segment.flags & packet::rst) != 0) {
            const std::int32_t ahead = sequence_distance(segment.sequence, expected_);
            if (ahead == 0) closed_ = true;
            if (ahead > 0 && ahead < 1000) out.push_back(bare(now));  // RFC 5961 3.2
            return false;
        }
        if (agreed_.timestamps) {
            complain_if(!segment.options.has_timestamps, "no timestamps", segment);
            complain_if(after(segment.options.timestamp_echo, time_stamp(now)) ||
                            before(segment.options.timestamp_echo, clock_),
                        "echoes a time that never was", segment);
            if (before(segment.options.timestamp_value, recent_)) {
                out.push_back(bare(now));  // PAWS
                return false;
            }
        } else {
            complain_if(segment.options.has_timestamps, "timestamps that nobody asked for", segment);
        }
        complain_if(after(segment.acknowledgement, first_ + length_), "acknowledges what was not sent",
                    segment);
        // A client that was promised more than its server does sends blocks that mean nothing to it.
        if (segment.options.has_sack && agreed_.sack) {
            complain_if(after(segment.options.sack_highest, first_ + length_) ||
                            before(segment.options.sack_highest, first_),
                        "selectively acknowledges what was not sent", segment);
        }
        const std::int32_t ahead = sequence_distance(segment.sequence, expected_);
        complain_if(ahead > 100'000 || ahead < -100'000, "a number out of the blue", segment);
        if (ahead < 0) {
            out.push_back(bare(now));
            return false;
        }
        recent_ = segment.options.timestamp_value;
        una_ = later(una_, segment.acknowledgement);
        next_ = later(next_, una_);
        peer_room_ = std::uint32_t{segment.window} << (agreed_.scales ? agreed_.peer_scale : 0);
        complain_if(peer_room_ > peers_true_room, "promises room that there is not", segment);
        if (segment.payload_length != 0) {
            early_[segment.sequence] = segment.payload_length;
            for (auto next = early_.begin(); next != early_.end();) {
                const std::uint32_t end = next->first + next->second;
                if (after(next->first, expected_)) {
                    ++next;
                    continue;
                }
                if (after(end, expected_)) {
                    received_ += end - expected_;
                    expected_ = end;
                }
                next = early_.erase(next);
            }
            out.push_back(bare(now));
        }
        return true;
    }

    Agreed agreed_;
    std::uint32_t length_, clock_, room_;
    std::uint32_t first_ = 0, una_ = 0, next_ = 0;  ///< first byte of its message, first unacknowledged, next
    std::uint32_t expected_ = 0, recent_ = 0, peer_room_ = 0, received_ = 0;
    std::map<std::uint32_t, std::uint32_t> early_;  ///< sequence number and length
    bool closed_ = false;
};

/// A client that holds a cookie, which offered a window of 0.
class ModelClient : public ModelEndpoint {
  public:
    ModelClient(const ProvenClient& proven, std::uint32_t room, std::uint32_t clock)
        : ModelEndpoint(350, clock, room), probe_at_(200) {
        agreed_ = {proven.scales, proven.sack, proven.timestamps, proven.window_scale,
                   proven.promised_window_scale};
        begin(proven.initial_sequence + 1);
        expected_ = proven.cookie + 1;
        recent_ = proven.timestamp_echo;
    }

    void receive(const TcpFields& segment, std::uint32_t now, std::uint32_t server_room, Segments& out) {
        if (closed_) {
            if ((segment.flags & packet::rst) == 0)
                out.push_back(fields(packet::rst, segment.acknowledgement));
            return;
        }
        complain_if((segment.flags & packet::syn) != 0, "a SYN inside the connection", segment);
        complain_if(segment.options.has_sack && !agreed_.sack, "SACK that nobody asked for", segment);
        const bool had_room = peer_room_ != 0;
        if (take(segment, now, server_room, out) && !had_room) send_data(now, out);
    }
    /// Probes and retransmissions.
    void tick(std::uint32_t now, std::mt19937_64& random, Segments& out) {
        if (closed_ || all_acknowledged() || now < probe_at_) return;
        probe_at_ = now + wait_;
        wait_ = std::min(2 * wait_, 1600U);
        if (peer_room_ != 0) return send_data(now, out);
        switch (random() % 4) {
            case 0:
                out.push_back(bare(now));  // its ACK again: no probe, but a sign of life
                break;
            case 1:
                out.push_back(make(una_, 1, now));
                next_ = later(next_, una_ + 1);
                break;
            default:
                out.push_back(make(una_ - 1, 0, now));
        }
    }
    void give_up(Segments& out) {
        if (closed_) return;
        closed_ = true;
        out.push_back(fields(packet::rst, next_));
    }

  private:
    std::uint32_t probe_at_, wait_ = 200;
};

/// How a server is, whatever was promised in its name.
struct ServerPlan {
    enum Manner { honest, silent, refusing, stateless } manner = honest;
    bool remembers_another = false;  ///< stands in an old connection until it is reset
    bool scales = true, sack = true, timestamps = true, ecn = true;
    std::uint8_t scale = 7;
    std::uint32_t isn = 0, clock = 0, room = 60'000;
};

class ModelServer : public ModelEndpoint {
  public:
    enum class State : std::uint8_t { old, listen, syn_received, established, gone };

    explicit ModelServer(const ServerPlan& plan)
        : ModelEndpoint(250, plan.clock, plan.room),
          plan_(plan),
          state_(plan.remembers_another ? State::old : State::listen) {}

    [[nodiscard]] State state() const { return closed_ ? State::gone : state_; }
    [[nodiscard]] std::uint32_t isn() const { return first_ - 1; }
    [[nodiscard]] bool was_asked_for_less(const ProvenClient& promised) const {
        return (promised.timestamps && !plan_.timestamps) || (promised.ecn && !plan_.ecn);
    }

    void receive(const TcpFields& segment, std::uint32_t now, std::uint32_t client_room, Segments& out) {
        const bool is_syn = (segment.flags & (packet::syn | packet::ack)) == packet::syn;
        if (plan_.manner == ServerPlan::silent || state() == State::gone) return;
        if (plan_.manner == ServerPlan::refusing && is_syn) {
            out.push_back(fields(packet::rst | packet::ack, 0, segment.sequence + 1));
            return;
        }
        switch (state_) {
            case State::old:
                if ((segment.flags & packet::rst) != 0) {
                    if (segment.sequence == old_expected) state_ = State::listen;
                } else {
                    out.push_back(fields(packet::ack, old_sequence, old_expected, 500));
                }
                return;
            case State::listen:
                if (is_syn) {
                    answer(segment, now, client_room, out);
                } else if ((segment.flags & packet::rst) == 0) {
                    out.push_back(fields(packet::rst, segment.acknowledgement));
                }
                return;
            case State::syn_received:
                if (is_syn) {
                    if (plan_.manner == ServerPlan::stateless) choose(first_ + 1000);
                    out.push_back(syn_ack(now));
                } else {
                    confirm(segment, now, client_room, out);
                }
                return;
            case State::established:
                if (is_syn) {
                    out.push_back(bare(now));
                } else {
                    take(segment, now, client_room, out);
                }
                return;
            case State::gone:
                return;
        }
    }
    void tick(std::uint32_t now, Segments& out) {
        if (now < again_at_) return;
        if (state() == State::syn_received) out.push_back(syn_ack(now));
        if (state() == State::established && !all_acknowledged()) send_data(now, out);
        again_at_ = now + wait_;
        wait_ = std::min(2 * wait_, 3000U);
    }

  private:
    static constexpr std::uint32_t old_sequence = 0x5555'0000, old_expected = 0x6666'0000;

    [[nodiscard]] TcpFields syn_ack(std::uint32_t now) const {
        TcpFields out = fields(packet::syn | packet::ack | (ecn_ ? packet::ece + 0U : 0U), first_ - 1,
                               expected_, static_cast<std::uint16_t>(std::min(room_, 65535U)));
        out.options.mss = 1460;
        out.options.sack_permitted = agreed_.sack;
        if (agreed_.scales) out = with_scale(out, agreed_.own_scale);
        if (agreed_.timestamps) out = with_timestamps(out, time_stamp(now), recent_);
        return out;
    }
    void choose(std::uint32_t isn) {
        begin(isn + 1);
        issued_.insert(isn);
    }
    void answer(const TcpFields& syn, std::uint32_t now, std::uint32_t client_room, Segments& out) {
        state_ = State::syn_received;
        agreed_ = {plan_.scales && syn.options.has_window_scale, plan_.sack && syn.options.sack_permitted,
                   plan_.timestamps && syn.options.has_timestamps, plan_.scale, syn.options.window_scale};
        ecn_ = plan_.ecn && (syn.flags & packet::ece) != 0;
        choose(plan_.isn);
        expected_ = syn.sequence + 1;
        recent_ = syn.options.timestamp_value;
        complain_if(syn.window > client_room, "promises room that there is not", syn);
        out.push_back(syn_ack(now));
        again_at_ = now + wait_;
    }
    void confirm(const TcpFields& segment, std::uint32_t now, std::uint32_t client_room, Segments& out) {
        if ((segment.flags & packet::rst) != 0) {
            if (segment.sequence == expected_) state_ = State::listen;
            return;
        }
        // Who answers statelessly takes an acknowledgement of any of its answers.
        if (issued_.count(segment.acknowledgement - 1) == 0) {
            complain_if(true, "acknowledges another SYN", segment);
            out.push_back(fields(packet::rst, segment.acknowledgement));
            return;
        }
        begin(segment.acknowledgement);
        if (!take(segment, now, client_room, out)) return;
        state_ = State::established;
        send_data(now, out);
    }

    ServerPlan plan_;
    State state_;
    std::set<std::uint32_t> issued_;
    bool ecn_ = false;
    std::uint32_t again_at_ = 0, wait_ = 1000;
};

}  // namespace sluice::test
