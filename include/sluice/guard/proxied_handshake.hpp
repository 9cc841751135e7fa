// The second half of a SYN proxy: the client has proved its address with a cookie, and the server is asked.
//
//        client                          the box                          server
//          | SYN x                         |                                |
//          |------------------------------>|  (a cookie c; nothing kept)    |
//          |            SYN,ACK c, x+1, window 0                            |
//          |<------------------------------|                                |
//          | ACK x+1, c+1                  |                                |
//          |------------------------------>|  this machine begins           |
//          |                               | SYN x                          |   connecting
//          |                               |------------------------------->|
//          |                               |                SYN,ACK y, x+1  |
//          |                               |<-------------------------------|
//          |            ACK c+1, x+1       | ACK x+1, y+1                   |   open
//          |<------------------------------|------------------------------->|
//
// The cookie's SYN,ACK offered a window of 0, so the client has nothing to say until the last line tells it
// the server's window. That line may be lost: the client then probes the window, as it must (RFC 9293
// 3.8.6.1), and its probe reaches the server, translated.
//
// On the server's side the machine is a client in SYN-SENT (RFC 9293 3.10.7.3), on the client's a server in
// ESTABLISHED that never sends. What it does while connecting:
//
//     the SYN is repeated 1, 2 and 4 seconds after the one before, and given up 8 seconds after the last
//     client: ACK again, data, FIN, probe   the SYN is repeated now, as one of the three, unless the last is
//                                           less than half a second old; none of them is passed on
//     client: a SYN with another ISN        ACK c+1, x+1, window 0: if it has forgotten the connection, it
//                                           answers with the RST of the next line (RFC 5961 4)
//     client: RST x+1 (or x+2, had it       RST to the server, which may stand in SYN-RECEIVED
//       probed with a byte or closed)
//     server: SYN,ACK of x+1                open, if it keeps what the client was promised (below)
//     server: RST,ACK of x+1                RST to the client
//     server: acknowledges anything else    RST to the server, of that number: it has an old connection on
//                                           these ports and must forget it (RFC 9293 fig. 9); the SYN again
//                                           later
//     server: silent                        RST to the client
//     all else                              taken, without an answer
//
// Where it says RST to one of them, the machine ends as refused, and goes on answering that side's and the
// other's leftovers with the RST that a closed endpoint sends, since the first may be lost. In the open state
// the segments are the tracker's, translated, with one exception: a SYN,ACK that the server repeats because
// our ACK was lost is answered with the ACK again.
//
// A promise is what the cookie's SYN,ACK agreed to, knowing of the server what earlier SYN,ACKs had shown
// (ServerProfile). Where the server has changed since:
//
//     window scale other, or none   windows are translated (translation.hpp)
//     MSS other                     the flow goes on: a segment too large for a path is told so (ICMP)
//     SACK no more                  the flow goes on: the client's blocks mean nothing to the server and are
//                                   ignored (RFC 9293 3.2); losses are mended more slowly
//     timestamps no more            refused, RST to both: the client may drop every segment without them (RFC
//                                   7323 3.2), and a full-sized one has no room to add them
//     ECN no more                   refused, RST to both: the client would mark its packets as capable, and
//                                   nobody would echo the congestion they meet (RFC 3168 6.1)
//
// In each case the profile has learnt it, and the next cookie promises no more than there is. What was not
// promised is not asked for either, so that an option that the server has gained is learnt from handshakes
// that the box only watched.
//
// Not done: a simultaneous open (the server's SYN is ignored; a server that listens sends none), Fast Open,
// data on the server's SYN,ACK (not acknowledged, so it is sent again).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

#include "sluice/base/time.hpp"
#include "sluice/guard/translation.hpp"
#include "sluice/packet/headers.hpp"

namespace sluice::guard {

/// What a server does, as its SYN,ACKs have shown: what a cookie may promise in its name.
struct ServerProfile {
    std::uint16_t mss = 536;        ///< RFC 9293 3.7.1: the default where none is offered
    std::uint16_t window = 0;       ///< of its last SYN,ACK, bytes
    std::uint8_t window_scale = 0;  ///< 0 to 14; 0 too where there is none
    bool scales = false;
    bool sack = false;
    bool timestamps = false;
    bool ecn = false;

    friend bool operator==(const ServerProfile&, const ServerProfile&) = default;
};

/// Learns from a handshake: `answer` is the SYN,ACK to `syn`. Only what the SYN asked for can be told from
/// the answer. For the SYN,ACKs of handshakes that were only watched; the machine's own it has learnt.
void learn(const packet::TcpFields& syn, const packet::TcpFields& answer, ServerProfile& profile);

/// A client whose cookie was right, as its acknowledgement and the cookie tell.
struct ProvenClient {
    std::uint32_t initial_sequence = 0;  ///< its ISN: the sequence number of the ACK minus 1
    std::uint32_t cookie = 0;  ///< what it was given as the server's ISN: what it acknowledges minus 1
    std::uint32_t timestamp_value = 0;  ///< TSval and TSecr of the ACK; valid with `timestamps`
    std::uint32_t timestamp_echo = 0;
    std::uint16_t window = 0;  ///< of the ACK, as on the wire
    std::uint16_t mss = 536;   ///< what the cookie kept of its own
    /// Its own scale and the one promised to it, 0 to 14; both valid with `scales`. The promised one must be
    /// what the cookie's SYN,ACK said: a cookie does not keep it, so it may change only when no cookie made
    /// before is valid any more, or never (a constant will do: windows are translated).
    std::uint8_t window_scale = 0;
    std::uint8_t promised_window_scale = 0;
    bool scales = false;
    bool sack = false;
    bool timestamps = false;
    bool ecn = false;
};

/// A segment to send, its addresses and ports those of the flow. Of `segment`, everything on the wire is set
/// but the lengths (no payload is ever sent); `mss` 0: no such option.
struct SegmentToSend {
    Toward toward;
    packet::TcpFields segment;
};

/// What follows from an event.
class HandshakeOutcome {
  public:
    /// False: the segment is none of the handshake's. The tracker judges it as any other (and translates it
    /// when the flow is open).
    bool taken = true;
    /// In this order; at most one for each side.
    [[nodiscard]] std::span<const SegmentToSend> segments() const& { return {segments_.data(), count_}; }
    std::span<const SegmentToSend> segments() const&& = delete;  // they would be gone

    void send(Toward toward, const packet::TcpFields& segment) { segments_[count_++] = {toward, segment}; }

  private:
    std::array<SegmentToSend, 2> segments_{};
    std::size_t count_ = 0;
};

enum class HandshakeState : std::uint8_t { connecting, open, refused };

/// The machine. It lies in a flow's side record and belongs to the flow's worker; it may be dropped with
/// the flow, or once the server of an open one has sent or acknowledged data: until then it may not have got
/// the ACK, and its SYN,ACK may come again. Segments given to it are parsed, with right checksums, and of
/// this flow.
class ProxiedHandshake {
  public:
    static constexpr unsigned max_repetitions = 3;
    static constexpr Tick first_wait = ticks_per_second;  ///< doubled after each SYN (RFC 6298 5.5)
    /// A client that probes does not make us send more often than this.
    static constexpr Tick least_wait = ticks_per_second / 2;

    /// Begins: `out` gets the SYN to the server.
    ProxiedHandshake(const ProvenClient& client, Tick now, HandshakeOutcome& out);

    [[nodiscard]] HandshakeOutcome from_client(const packet::TcpFields& segment, Tick now);
    /// `profile` learns from the server's SYN,ACK.
    [[nodiscard]] HandshakeOutcome from_server(const packet::TcpFields& segment, ServerProfile& profile);
    /// Whatever is due. Call when due() is reached, or later, or earlier for nothing.
    [[nodiscard]] HandshakeOutcome tick(Tick now);

    [[nodiscard]] HandshakeState state() const { return state_; }
    /// When tick() has something to do; meaningful while connecting.
    [[nodiscard]] Tick due() const { return asked_at_ + (first_wait << repetitions_); }
    /// Meaningful when open.
    [[nodiscard]] Translation translation() const;

  private:
    [[nodiscard]] packet::TcpFields syn() const;
    [[nodiscard]] packet::TcpFields acknowledgement_to_server() const;
    [[nodiscard]] packet::TcpFields acknowledgement_to_client(std::uint16_t window) const;
    [[nodiscard]] bool keeps_promises(const packet::TcpFields& syn_ack) const;
    void repeat_syn(Tick now, HandshakeOutcome& out);
    void refuse_client(HandshakeOutcome& out);
    void refuse_server(HandshakeOutcome& out);
    void open(const packet::TcpFields& syn_ack, ServerProfile& profile, HandshakeOutcome& out);
    void connecting_client(const packet::TcpFields& segment, Tick now, HandshakeOutcome& out);
    void connecting_server(const packet::TcpFields& segment, ServerProfile& profile, HandshakeOutcome& out);

    ProvenClient client_;
    Tick asked_at_;                       ///< when the last SYN left
    std::uint32_t server_isn_ = 0;        ///< this and the three below: set when open
    std::uint32_t server_timestamp_ = 0;  ///< TSval of its SYN,ACK
    std::uint8_t server_scale_ = 0;
    bool server_scales_ = false;
    std::uint8_t repetitions_ = 0;
    HandshakeState state_ = HandshakeState::connecting;
};
static_assert(sizeof(ProxiedHandshake) <= 64 && std::is_trivially_copyable_v<ProxiedHandshake>,
              "one cache line of a side record");

}  // namespace sluice::guard
