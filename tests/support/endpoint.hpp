// A small correct TCP endpoint (RFC 9293 section 3.10, RFC 5961, RFC 7323, RFC 2018, RFC 7413, RFC 3168) for
// the tests that ask whether the tracker ever refuses honest traffic. It knows nothing of the tracker. Time
// is milliseconds and a parameter; randomness comes from the generator it is given; what it does is counted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "honest_coverage.hpp"
#include "sluice/base/sequence.hpp"
#include "sluice/tcp/connection.hpp"
#include "sluice/tcp/segment.hpp"

namespace sluice::test {

using Random = std::mt19937_64;

constexpr double never = 1e18;

/// How one endpoint behaves. What is random about it is drawn by the caller.
struct EndpointPlan {
    std::uint32_t isn = 0;
    bool scale_offered = true;
    std::uint8_t shift = 7;
    bool sack = true;
    std::uint32_t buffer = 60000;       ///< receive buffer, bytes
    std::uint32_t segment_size = 1460;  ///< largest payload it sends
    std::uint32_t bytes_to_send = 20000;
    std::uint32_t syn_data = 0;  ///< bytes it puts on its SYN or SYN,ACK (Fast Open)
    bool accepts_syn_data = false;
    bool closes_when_sent = true;    ///< else only after the peer closed
    bool plain_rfc793 = false;       ///< takes the data of a segment whose acknowledgement is too old
    bool reads_slowly = false;       ///< lets the window close now and then
    bool keepalives = false;         ///< sends keepalives when idle
    bool autotunes = false;          ///< the receive buffer grows with what arrives
    bool ecn = false;                ///< negotiates ECN, then echoes marks and reduces now and then
    std::uint32_t urgent_bytes = 0;  ///< the first so many bytes are urgent
    int abort_after_segments = -1;   ///< sends a RST after that many segments received; -1: never
    double abort_at = never;         ///< the application aborts then, in whatever state (ABORT, 3.10.5)
    std::optional<tcp::EndpointState> abort_in;  ///< … or `abort_delay` after it comes to stand in this state
    double abort_delay = 0;
    int crash_after_segments = -1;  ///< forgets everything after that many segments received; -1: never
};

class Endpoint {
  public:
    using Segments = std::vector<tcp::Segment>;

    Endpoint(const EndpointPlan& plan, End which, Coverage& coverage)
        : plan_(plan),
          which_(which),
          coverage_(&coverage),
          iss_(plan.isn),
          una_(plan.isn),
          next_(plan.isn),
          highest_(plan.isn) {}

    void listen() { state_ = tcp::EndpointState::listen; }
    void dial(double now, Segments& out);
    void receive(const tcp::Segment& segment, double now, Random& random, Segments& out);
    /// Whatever is due: retransmission, probe, keepalive, the end of TIME_WAIT, reading by the application.
    void tick(double now, Random& random, Segments& out);

    [[nodiscard]] tcp::EndpointState state() const { return state_; }
    /// The same as far as the network can tell: a FIN that is still behind unsent data has not been sent, and
    /// who leaves without a word (a timeout, a crash) still stands where it stood.
    [[nodiscard]] tcp::EndpointState visible_state() const;
    [[nodiscard]] bool crashed() const { return crashed_; }
    [[nodiscard]] bool was_reset() const { return was_reset_; }
    [[nodiscard]] double next_event() const;
    /// What it has taken of its peer's sequence numbers, and what the peer acknowledged of its own: nothing
    /// while it has heard neither.
    [[nodiscard]] std::optional<std::uint32_t> heard() const;
    [[nodiscard]] std::optional<std::uint32_t> acknowledged() const;
    /// Its own initial sequence number.
    [[nodiscard]] std::uint32_t first() const { return iss_; }
    /// Beyond everything it has sent: where a later connection on the same ports may begin.
    [[nodiscard]] std::uint32_t highest() const { return highest_; }

  private:
    EndpointPlan plan_;
    End which_;
    Coverage* coverage_;
    tcp::EndpointState state_ = tcp::EndpointState::closed;
    std::optional<tcp::EndpointState> left_in_;  ///< the state it left without a word
    bool was_reset_ = false, ecn_ = false;
    bool passive_ = true, crashed_ = false, scaling_ = false, peer_sack_ = false;
    std::uint8_t peer_shift_ = 0;
    std::uint32_t iss_, una_, next_, window_ = 0, max_window_ = 0, wl1_ = 0, wl2_ = 0;
    std::uint32_t irs_ = 0, expected_ = 0, right_edge_ = 0, unread_ = 0, taken_ = 0;
    std::map<std::uint32_t, std::uint32_t> early_;  ///< out-of-order data, offset from irs -> end offset
    std::optional<std::uint32_t> fin_at_;           ///< offset from irs of the peer's FIN
    bool fin_received_ = false;
    std::uint32_t highest_;  ///< highest sequence ever sent (next_ goes back to retransmit)
    int received_ = 0, retries_ = 0;
    double next_event_ = never, rto_ = 300;
    std::uint32_t idle_ticks_ = 0;
    double challenges_since_ = 0;
    int challenges_ = 0;

    void saw(Feature feature) { coverage_->saw(feature); }
    [[nodiscard]] std::uint32_t stream_end() const { return iss_ + 1 + plan_.bytes_to_send; }
    [[nodiscard]] bool fin_sent() const;
    [[nodiscard]] bool fin_acknowledged() const;
    [[nodiscard]] tcp::Segment make(unsigned flags, std::uint32_t sequence, std::uint32_t length);
    [[nodiscard]] std::uint16_t advertise(bool syn);
    void add_syn_options(tcp::Segment& segment) const;
    void learn_syn_options(const tcp::Segment& segment);
    void send_ack(Segments& out) { out.push_back(make(tcp::Flag::ack, next_, 0)); }
    /// An ACK in answer to something unacceptable; rate-limited (RFC 5961 section 7).
    void challenge(double now, Segments& out);
    void send_syn(Segments& out);
    void send_more(Random& random, Segments& out);
    void resend(Random& random, Segments& out);
    void close(double now);
    /// Gone; `reset` says that the peer was told, or told us.
    void end(bool reset);
    void abort(Random& random, Segments& out);
    [[nodiscard]] unsigned ecn_flags(unsigned flags, std::uint32_t sequence, std::uint32_t length);
    void note_state(double now);
    void refuse(const tcp::Segment& segment, Segments& out);
    void receive_segment(const tcp::Segment& segment, double now, Random& random, Segments& out);
    void receive_in_listen(const tcp::Segment& segment, double now, Segments& out);
    void receive_in_syn_sent(const tcp::Segment& segment, double now, Segments& out);
    [[nodiscard]] bool acceptable(const tcp::Segment& segment) const;
    [[nodiscard]] bool take_acknowledgement(const tcp::Segment& segment, double now, Segments& out);
    void take_data(const tcp::Segment& segment);
    void advance_state(double now);
    void arm(double now);
};

}  // namespace sluice::test
